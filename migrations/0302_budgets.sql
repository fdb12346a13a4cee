-- Budgets: how much may be spent, by whom, in what time. Money is reserved before an attempt starts and settled when it ends,
-- so that jobs that run side by side cannot spend the same dollar.

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

-- What an attempt may spend on models; open until the attempt ends.
create table gh_reservations (
  attempt_id uuid primary key,
  job_id uuid not null,
  user_id uuid not null,
  tier text not null,
  amount_usd numeric(20, 6) not null check (amount_usd >= 0),
  reserved_at timestamptz not null default now(),
  settled_at timestamptz
);
create index gh_reservations_open on gh_reservations (user_id) where settled_at is null;

-- Settles with the end of the attempt, whoever ends it: from then on only what was really spent counts.
create function gh_settle_reservation() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update gh_reservations set settled_at = now() where attempt_id = new.id and settled_at is null;
  return null;
end $$;
create trigger gh_job_attempts_settle after update of state on gh_job_attempts for each row
  when (old.state in ('claimed', 'launching', 'running') and new.state not in ('claimed', 'launching', 'running'))
  execute function gh_settle_reservation();

-- The budgets that count for a user's job of a tier, with what is spent, and what is reserved beyond that.
-- A user's tier is the account's, else the job's; a budget in the user's own name goes before the tier's. p_user null: those of all users.
create function gh_budget_use(p_user uuid, p_tier text)
returns table (scope text, name text, action text, limit_usd numeric, spent_usd numeric, reserved_usd numeric)
language sql stable set search_path = public, pg_temp as $$
  with mine as (
    select b.*, date_trunc(case b.scope when 'user_month' then 'month' else 'day' end, now() at time zone 'utc') at time zone 'utc' as since
    from gh_budgets b
    where (b.scope = 'global_day' and b.name = '*') or (b.scope = 'tier_day' and b.name = p_tier)
       or (p_user is not null and b.scope = 'user_month' and b.name = coalesce(
             (select o.name from gh_budgets o where o.scope = 'user_month' and o.name = p_user::text),
             (select u.tier from gh_user_usage u where u.user_id = p_user order by u.period_start desc limit 1), p_tier))
  )
  select m.scope, m.name, m.action, m.limit_usd, s.usd, r.usd
  from mine m
  cross join lateral (
    select coalesce(sum(l.cost_usd), 0) as usd from gh_cost_ledger l
    where l.at >= m.since and case m.scope when 'user_month' then l.user_id = p_user and l.kind = 'llm'
                                           when 'tier_day' then l.tier = p_tier else true end
  ) s
  cross join lateral (
    select coalesce(sum(greatest(o.amount_usd - (select coalesce(sum(l.cost_usd), 0) from gh_cost_ledger l
                                                 where l.job_id = o.job_id and l.attempt_id = o.attempt_id and l.kind = 'llm'), 0)), 0) as usd
    from gh_reservations o
    where o.settled_at is null and case m.scope when 'user_month' then o.user_id = p_user when 'tier_day' then o.tier = p_tier else true end
  ) r
$$;

-- How many more attempts of p_micros each may start, over all budgets that hold anything back.
create function gh_budget_room(p_user uuid, p_tier text, p_micros bigint) returns integer language sql stable set search_path = public, pg_temp as $$
  select coalesce(min(least(2147483647, greatest(0, case when p_micros > 0 then floor((limit_usd - spent_usd - reserved_usd) * 1000000 / p_micros)
                                                         when limit_usd > spent_usd then 2147483647 else 0 end)))::integer, 2147483647)
  from gh_budget_use(p_user, p_tier) where action <> 'warn'
$$;

-- The same for many users in one go, over their months alone: what a claim asks for everybody in its window.
create function gh_budget_rooms(p_users uuid[], p_tier text, p_micros bigint) returns table (user_id uuid, room integer)
language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
declare v_month timestamptz := date_trunc('month', now() at time zone 'utc') at time zone 'utc';
begin
  return query
  with spent as (
    select l.user_id, sum(l.cost_usd) as usd from gh_cost_ledger l
    where l.user_id = any (p_users) and l.at >= v_month and l.kind = 'llm' group by 1
  ), reserved as (
    select o.user_id, sum(greatest(o.amount_usd - (select coalesce(sum(l.cost_usd), 0) from gh_cost_ledger l
                                                   where l.job_id = o.job_id and l.attempt_id = o.attempt_id and l.kind = 'llm'), 0)) as usd
    from gh_reservations o where o.user_id = any (p_users) and o.settled_at is null group by 1
  ), account as (
    select distinct on (g.user_id) g.user_id, g.tier from gh_user_usage g where g.user_id = any (p_users) order by g.user_id, g.period_start desc
  )
  select u.id, case when b.limit_usd is null or b.action = 'warn' then 2147483647
    when coalesce(p_micros, 0) <= 0 then case when b.limit_usd > coalesce(s.usd, 0) then 2147483647 else 0 end
    else least(2147483647, greatest(0, floor((b.limit_usd - coalesce(s.usd, 0) - coalesce(r.usd, 0)) * 1000000 / p_micros)))::integer end
  from unnest(p_users) u (id)
  left join spent s on s.user_id = u.id
  left join reserved r on r.user_id = u.id
  left join account a on a.user_id = u.id
  left join gh_budgets o on o.scope = 'user_month' and o.name = u.id::text
  left join gh_budgets t on t.scope = 'user_month' and t.name = coalesce(a.tier, p_tier)
  cross join lateral (select coalesce(o.limit_usd, t.limit_usd) as limit_usd, coalesce(o.action, t.action) as action) b;
end $$;

-- Reserves for a live attempt: {ok: true}, or {ok: false, scope, action, remaining_usd}. Asking again is harmless.
create function gh_budget_reserve(p_attempt uuid, p_micros bigint) returns jsonb language plpgsql set search_path = public, pg_temp as $$
declare
  a gh_job_attempts;
  b record;
begin
  select * into strict a from gh_job_attempts where id = p_attempt;
  -- One at a time for whatever the attempt shares, in one order, before anything is counted.
  if exists (select 1 from gh_budgets where scope = 'global_day') then
    perform pg_advisory_xact_lock(hashtextextended('gh_budget:*', 0));
  end if;
  if exists (select 1 from gh_budgets where scope = 'tier_day' and name = a.tier) then
    perform pg_advisory_xact_lock(hashtextextended('gh_budget:' || a.tier, 0));
  end if;
  perform pg_advisory_xact_lock(hashtextextended('gh_budget:' || a.user_id, 0));
  if exists (select 1 from gh_reservations where attempt_id = a.id) then
    return jsonb_build_object('ok', true);
  end if;
  select * into b from gh_budget_use(a.user_id, a.tier) u
  where u.action <> 'warn' and u.limit_usd - u.spent_usd - u.reserved_usd < p_micros / 1000000.0
  order by u.limit_usd - u.spent_usd - u.reserved_usd limit 1;
  if found then
    return jsonb_build_object('ok', false, 'scope', b.scope, 'action', b.action,
      'remaining_usd', greatest(0, b.limit_usd - b.spent_usd - b.reserved_usd));
  end if;
  insert into gh_reservations (attempt_id, job_id, user_id, tier, amount_usd) values (a.id, a.job_id, a.user_id, a.tier, p_micros / 1000000.0);
  return jsonb_build_object('ok', true);
end $$;

-- Fails the due jobs whose budget is spent and blocks, in the contract's words; how many. Money that is only reserved is waited for:
-- it may come back. Looks at the first 200 of a tier, as a claim does.
create function gh_budget_refuse(p_tier text, p_micros bigint) returns integer language plpgsql set search_path = public, pg_temp as $$
declare v_count integer;
begin
  with due as materialized (
    select j.id, j.user_id from gh_automation_jobs j
    where j.tier = p_tier and j.status in ('pending', 'queued') and j.worker_id is null and (j.scheduled_at is null or j.scheduled_at <= now())
      and (j.target_worker_id is null or j.worker_affinity is distinct from 'strict')
    order by j.priority, j.created_at limit 200 for update skip locked
  ), spent as (
    select d.user_id, min(u.limit_usd - u.spent_usd) as left_usd, min(u.scope) as scope
    from (select r.user_id from gh_budget_rooms(array(select distinct user_id from due), p_tier, p_micros) r where r.room = 0) d
    cross join lateral gh_budget_use(d.user_id, p_tier) u
    where u.action = 'block' and u.limit_usd - u.spent_usd < greatest(p_micros, 1) / 1000000.0
    group by d.user_id
  ), refused as (
    update gh_automation_jobs j set status = 'failed', completed_at = now(), error_code = 'budget_exceeded',
      status_message = x.message, error_details = jsonb_build_object('message', x.message, 'scope', s.scope)
    from due d join spent s on s.user_id = d.user_id
    cross join lateral (select format('Insufficient %s budget. Remaining: $%s, task requires: $%s',
      case s.scope when 'user_month' then 'monthly' else 'daily' end, round(greatest(s.left_usd, 0), 2), round(p_micros / 1000000.0, 2))) x (message)
    where j.id = d.id returning j.id, x.message, s.scope
  ), told as (
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    select r.id, 'job_failed', r.message, jsonb_build_object('error_code', 'budget_exceeded', 'error_message', r.message, 'scope', r.scope, 'final', true), 'system'
    from refused r returning 1
  )
  select count(*) into v_count from told;
  return v_count;
end $$;

-- How full each budget is; per user only those who spent or reserved something this month.
create view gh_cost_budgets as
  select x.scope, x.name, x.user_id, x.action, x.limit_usd, x.spent_usd, x.reserved_usd,
    round((x.spent_usd + x.reserved_usd) / nullif(x.limit_usd, 0), 4) as used_ratio,
    case when x.spent_usd + x.reserved_usd >= x.limit_usd then 100 when x.spent_usd + x.reserved_usd >= x.limit_usd * 0.8 then 80
         when x.spent_usd + x.reserved_usd >= x.limit_usd * 0.5 then 50 else 0 end as level
  from (
    select u.*, w.user_id from (
      select y.user_id, max(y.tier) as tier from (
        select l.user_id, l.tier from gh_cost_ledger l
        where l.kind = 'llm' and l.user_id is not null and l.at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc'
        union
        select r.user_id, r.tier from gh_reservations r where r.settled_at is null
      ) y group by 1
    ) w cross join lateral gh_budget_use(w.user_id, w.tier) u where u.scope = 'user_month'
    union all
    select u.*, null from gh_budgets b cross join lateral gh_budget_use(null, b.name) u where b.scope <> 'user_month' and u.scope = b.scope and u.name = b.name
  ) x;

alter table gh_budgets enable row level security;
alter table gh_reservations enable row level security;
revoke all on gh_budgets, gh_reservations, gh_cost_budgets from public, anon, authenticated, gh_runner;
grant all on gh_budgets, gh_reservations to service_role;
grant select on gh_cost_budgets to gh_finance, service_role;
create policy gh_service_all on gh_budgets for all to service_role using (true) with check (true);
create policy gh_service_all on gh_reservations for all to service_role using (true) with check (true);
revoke all on function gh_settle_reservation(), gh_budget_use(uuid, text), gh_budget_room(uuid, text, bigint), gh_budget_rooms(uuid[], text, bigint), gh_budget_reserve(uuid, bigint),
  gh_budget_refuse(text, bigint) from public, anon, authenticated, gh_runner;
-- Within the view it is called with the reader's rights, and must read what the reader may not.
alter function gh_budget_use(uuid, text) security definer;
grant execute on function gh_budget_use(uuid, text) to gh_finance, service_role;
