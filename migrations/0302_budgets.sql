-- Budgets: how much may be spent, by whom, in what time. What a live attempt may still spend on models (its budget_micros less its
-- lines) is reserved: from the claim that makes the attempt until it ends, whatever ends it. So jobs that run side by side cannot
-- spend the same dollar, and nothing can be reserved twice or be forgotten.

-- scope        name                     money               time (UTC)
-- user_month   a user's id, a tier      models              calendar month   (contract section 8.1)
-- tier_day     a tier                   machines + models   day
-- global_day   *                        machines + models   day
-- The cap of one job is the tier's budget_micros (infra/tiers.toml); its runner asks before every call of a model.
-- When it is used up: warn (nothing is held back), defer (jobs wait for the next day or month), block (jobs fail: budget_exceeded).
create table gh_budgets (
  scope text not null check (scope in ('user_month', 'tier_day', 'global_day')),
  name text not null,
  limit_usd numeric(20, 6) not null check (limit_usd >= 0),
  action text not null default 'block' check (action in ('warn', 'defer', 'block')),
  updated_at timestamptz not null default now(),
  primary key (scope, name)
);
insert into gh_budgets (scope, name, limit_usd, action) values
  ('user_month', 'free', 0.50, 'block'), ('user_month', 'starter', 2, 'block'), ('user_month', 'pro', 10, 'block'),
  ('user_month', 'premium', 25, 'block'), ('user_month', 'enterprise', 100, 'block');

-- Users without money for another job of a tier. A claim that finds one notes it here, and the next ones pass over all jobs of that user:
-- they must not fill the window in front of everybody else.
create table gh_budget_holds (
  tier text not null,
  user_id uuid not null,
  held_at timestamptz not null default now(),
  primary key (tier, user_id)
);

-- The sums of each day (UTC), so that a claim need not add up a day's lines. Written as the last thing of a transaction (deferred), so that
-- nobody waits for anything while they hold a row that all share.
create table gh_day_spending (
  day date not null,
  tier text not null,
  usd numeric(20, 10) not null,
  primary key (day, tier)
) with (fillfactor = 50);
create function gh_add_to_day() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into gh_day_spending as d (day, tier, usd) values ((new.at at time zone 'utc')::date, coalesce(new.tier, ''), new.cost_usd)
  on conflict (day, tier) do update set usd = d.usd + excluded.usd;
  return null;
end $$;
create constraint trigger gh_cost_ledger_day after insert on gh_cost_ledger deferrable initially deferred
  for each row when (new.cost_usd <> 0) execute function gh_add_to_day();

-- Money may have come back: the user is looked at again by the next claim.
create function gh_release_hold() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_table_name = 'gh_budgets' then
    delete from gh_budget_holds;
  else
    delete from gh_budget_holds where user_id = new.user_id;
  end if;
  return null;
end $$;
create trigger gh_job_attempts_release after update of state on gh_job_attempts for each row
  when (old.state in ('claimed', 'launching', 'running') and new.state not in ('claimed', 'launching', 'running'))
  execute function gh_release_hold();
create trigger gh_budgets_release after insert or update or delete on gh_budgets for each statement execute function gh_release_hold();

-- What an attempt may still spend on models while it lives.
create function gh_reserved(p_attempt uuid, p_job uuid, p_micros bigint) returns numeric language sql stable as $$
  select greatest(coalesce(p_micros, 0) / 1000000.0 - (select coalesce(sum(l.cost_usd), 0) from gh_cost_ledger l
                                                       where l.job_id = p_job and l.attempt_id = p_attempt and l.kind = 'llm'), 0)
$$;

-- How many more attempts of p_micros each a budget has room for.
create function gh_room(p_limit numeric, p_spent numeric, p_reserved numeric, p_micros bigint) returns integer language sql immutable as $$
  select (case when p_micros > 0 then least(2147483647, greatest(0, floor((p_limit - p_spent - p_reserved) * 1000000 / p_micros)))
               when p_limit > p_spent then 2147483647 else 0 end)::integer
$$;

-- The month of a user: the budget in the user's own name, else of the account's tier, else of the job's; no row when there is none.
create function gh_user_budget(p_user uuid, p_tier text) returns table (name text, action text, limit_usd numeric, spent_usd numeric, reserved_usd numeric)
language sql stable as $$
  select b.name, b.action, b.limit_usd,
    (select coalesce(sum(l.cost_usd), 0) from gh_cost_ledger l
     where l.user_id = p_user and l.kind = 'llm' and l.at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc'),
    (select coalesce(sum(gh_reserved(a.id, a.job_id, a.budget_micros)), 0) from gh_job_attempts a
     where a.user_id = p_user and a.state in ('claimed', 'launching', 'running'))
  from (select coalesce( -- once (offset 0), not for each budget it is compared with
    (select o.name from gh_budgets o where o.scope = 'user_month' and o.name = p_user::text),
    (select a.tier from gh_accounts a where a.user_id = p_user), p_tier) as name offset 0) n
  join gh_budgets b on b.scope = 'user_month' and b.name = n.name
$$;

-- How many more attempts the months of users have room for: what a claim asks of those it is about to choose. Users without a budget are left out.
create function gh_user_rooms(p_users uuid[], p_tier text, p_micros bigint) returns table (user_id uuid, n integer) language sql stable as $$
  -- The sums first (offset 0): a function over columns is made part of the plan, one over subqueries is called for each user.
  select b.id, gh_room(b.limit_usd, b.spent_usd, b.reserved_usd, p_micros) from (
    select p.id, u.limit_usd, u.spent_usd, u.reserved_usd from (select distinct x.id from unnest(p_users) x (id)) p
    cross join lateral gh_user_budget(p.id, p_tier) u
    where u.action <> 'warn' offset 0) b
$$;

-- The budgets of the day that count for a tier.
create function gh_day_budgets(p_tier text) returns table (scope text, name text, action text, limit_usd numeric, spent_usd numeric, reserved_usd numeric)
language sql stable as $$
  select b.scope, b.name, b.action, b.limit_usd,
    (select coalesce(sum(d.usd), 0) from gh_day_spending d
     where d.day = (now() at time zone 'utc')::date and (b.scope = 'global_day' or d.tier = p_tier)),
    (select coalesce(sum(gh_reserved(a.id, a.job_id, a.budget_micros)), 0) from gh_job_attempts a
     where a.state in ('claimed', 'launching', 'running') and (b.scope = 'global_day' or a.tier = p_tier))
  from gh_budgets b where (b.scope = 'global_day' and b.name = '*') or (b.scope = 'tier_day' and b.name = p_tier)
$$;

-- All budgets that count for a user's job of a tier.
create function gh_budget_use(p_user uuid, p_tier text) returns table (scope text, name text, action text, limit_usd numeric, spent_usd numeric, reserved_usd numeric)
language sql stable as $$
  select 'user_month', u.* from gh_user_budget(p_user, p_tier) u union all select d.* from gh_day_budgets(p_tier) d
$$;

-- Sees to the jobs of a tier that a claim passed over for want of money; how many it failed. Those whose budget blocks and is spent are failed
-- in the contract's words, at most 500 at once; money that is only reserved is waited for, it may come back. Users who have room again are let go.
create function gh_budget_refuse(p_tier text, p_micros bigint) returns integer language plpgsql set search_path = public, pg_temp as $$
declare v_count integer;
begin
  if not exists (select 1 from gh_budget_holds where tier = p_tier) and not exists (select 1 from gh_budgets where scope <> 'user_month' and action = 'block') then
    return 0;
  end if;
  delete from gh_budget_holds h
  where h.tier = p_tier and not exists (
    select 1 from gh_user_budget(h.user_id, p_tier) u where u.action <> 'warn' and gh_room(u.limit_usd, u.spent_usd, u.reserved_usd, p_micros) = 0);
  with day as materialized (
    select d.scope, d.limit_usd - d.spent_usd as left_usd from gh_day_budgets(p_tier) d
    where d.action = 'block' and d.limit_usd - d.spent_usd < greatest(p_micros, 1) / 1000000.0 order by 2 limit 1
  ), month as materialized (
    select h.user_id, u.limit_usd - u.spent_usd as left_usd from gh_budget_holds h cross join lateral gh_user_budget(h.user_id, p_tier) u
    where h.tier = p_tier and u.action = 'block' and u.limit_usd - u.spent_usd < greatest(p_micros, 1) / 1000000.0
  ), over as materialized (
    select j.id, d.scope, d.left_usd from day d cross join lateral (
      select x.id from gh_automation_jobs x where x.tier = p_tier and x.status in ('pending', 'queued') and x.worker_id is null
      order by x.priority, x.created_at limit 500) j
    union all
    select j.id, 'user_month', m.left_usd from month m join gh_automation_jobs j on j.user_id = m.user_id and j.status in ('pending', 'queued')
    where not exists (select 1 from day)
  ), due as (
    select j.id, o.scope, o.left_usd from over o join gh_automation_jobs j on j.id = o.id
    where j.tier = p_tier and j.status in ('pending', 'queued') and j.worker_id is null and (j.scheduled_at is null or j.scheduled_at <= now())
      and (j.target_worker_id is null or j.worker_affinity is distinct from 'strict')
    limit 500 for update of j skip locked
  ), refused as (
    update gh_automation_jobs j set status = 'failed', completed_at = now(), error_code = 'budget_exceeded',
      status_message = x.message, error_details = jsonb_build_object('message', x.message, 'scope', d.scope)
    from due d
    cross join lateral (select format('Insufficient %s budget. Remaining: $%s, task requires: $%s',
      case d.scope when 'user_month' then 'monthly' else 'daily' end, round(greatest(d.left_usd, 0), 2), round(p_micros / 1000000.0, 2))) x (message)
    where j.id = d.id returning j.id, x.message, d.scope
  ), told as (
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    select r.id, 'job_failed', r.message, jsonb_build_object('error_code', 'budget_exceeded', 'error_message', r.message, 'scope', r.scope, 'final', true), 'system'
    from refused r returning 1
  )
  select count(*) into v_count from told;
  return v_count;
end $$;

-- How full each budget is; per user only those who spent something this month or have a live attempt. In sets: there may be many users.
create view gh_cost_budgets as
  with spent as (
    select l.user_id, max(l.tier) as tier, sum(l.cost_usd) as usd from gh_cost_ledger l
    where l.kind = 'llm' and l.user_id is not null and l.at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc' group by 1
  ), open as (
    select a.user_id, max(a.tier) as tier, sum(greatest(coalesce(a.budget_micros, 0) / 1000000.0 - s.usd, 0)) as usd from gh_job_attempts a
    cross join lateral (select coalesce(sum(l.cost_usd), 0) as usd from gh_cost_ledger l
                        where l.job_id = a.job_id and l.attempt_id = a.id and l.kind = 'llm') s
    where a.state in ('claimed', 'launching', 'running') group by 1
  ), user_month as (
    select b.name, s.user_id, b.action, b.limit_usd, s.spent_usd, s.reserved_usd
    from (select user_id, coalesce(spent.tier, open.tier) as tier, coalesce(spent.usd, 0) as spent_usd, coalesce(open.usd, 0) as reserved_usd
          from spent full join open using (user_id)) s
    left join gh_accounts c on c.user_id = s.user_id
    left join gh_budgets o on o.scope = 'user_month' and o.name = s.user_id::text
    join gh_budgets b on b.scope = 'user_month' and b.name = coalesce(o.name, c.tier, s.tier)
  )
  select x.scope, x.name, x.user_id, x.action, x.limit_usd, x.spent_usd, x.reserved_usd,
    round((x.spent_usd + x.reserved_usd) / nullif(x.limit_usd, 0), 4) as used_ratio,
    case when x.spent_usd + x.reserved_usd >= x.limit_usd then 100 when x.spent_usd + x.reserved_usd >= x.limit_usd * 0.8 then 80
         when x.spent_usd + x.reserved_usd >= x.limit_usd * 0.5 then 50 else 0 end as level
  from (
    select 'user_month' as scope, m.name, m.user_id, m.action, m.limit_usd, m.spent_usd, m.reserved_usd from user_month m
    union all
    select d.scope, d.name, null, d.action, d.limit_usd, d.spent_usd, d.reserved_usd
    from gh_budgets b cross join lateral gh_day_budgets(b.name) d where b.scope <> 'user_month' and d.scope = b.scope and d.name = b.name
  ) x;

alter table gh_budgets enable row level security;
alter table gh_budget_holds enable row level security;
alter table gh_day_spending enable row level security;
revoke all on gh_budgets, gh_budget_holds, gh_day_spending, gh_cost_budgets from public, anon, authenticated, gh_runner;
grant all on gh_budgets, gh_budget_holds, gh_day_spending to service_role;
grant select on gh_cost_budgets to gh_finance, service_role;
create policy gh_service_all on gh_budgets for all to service_role using (true) with check (true);
create policy gh_service_all on gh_budget_holds for all to service_role using (true) with check (true);
create policy gh_service_all on gh_day_spending for all to service_role using (true) with check (true);
revoke all on function gh_release_hold(), gh_add_to_day(), gh_reserved(uuid, uuid, bigint), gh_room(numeric, numeric, numeric, bigint), gh_user_budget(uuid, text), gh_user_rooms(uuid[], text, bigint), gh_day_budgets(text),
  gh_budget_use(uuid, text), gh_budget_refuse(text, bigint) from public, anon, authenticated, gh_runner;
-- Within the view it is called with the reader's rights, and must read what the reader may not.
alter function gh_day_budgets(text) security definer set search_path = public, pg_temp;
grant execute on function gh_day_budgets(text) to gh_finance, service_role;
