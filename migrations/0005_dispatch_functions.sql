-- What the dispatcher does in one statement each. Every one that starts something names its term: a leader that was paused
-- and comes back is refused.

-- Holds or takes the lease. Null: somebody else has it. The term grows with every change of hands.
create function gh_lead(p_holder text, p_seconds integer) returns bigint language sql as $$
  insert into gh_leader as l (name, holder, term, expires_at)
  values ('dispatcher', p_holder, 1, clock_timestamp() + make_interval(secs => p_seconds))
  on conflict (name) do update set
    term = case when l.holder = p_holder and l.expires_at > clock_timestamp() then l.term else l.term + 1 end,
    holder = p_holder,
    expires_at = excluded.expires_at
  where l.holder = p_holder or l.expires_at <= clock_timestamp()
  returning term
$$;

create function gh_check_lead(p_holder text, p_term bigint) returns void language plpgsql as $$
begin
  perform 1 from gh_leader where name = 'dispatcher' and holder = p_holder and term = p_term and expires_at > clock_timestamp() for update;
  if not found then
    raise exception 'dispatcher % no longer leads (term %)', p_holder, p_term using errcode = 'GH001';
  end if;
end $$;

-- Fills a bucket at p_rate per second up to p_burst, for the time since it was last filled; returns how many whole tokens may be taken now.
-- Its row stays locked until the transaction ends, so nobody else takes them meanwhile.
create function gh_rate_refill(p_bucket text, p_rate numeric, p_burst numeric) returns integer language plpgsql as $$
declare v_tokens integer;
begin
  loop
    update gh_rate r
    set tokens = least(p_burst, r.tokens + p_rate * extract(epoch from clock_timestamp() - r.refilled_at)), refilled_at = clock_timestamp()
    where r.bucket = p_bucket
    returning case when r.frozen_until > clock_timestamp() then 0 else greatest(0, floor(r.tokens)) end into v_tokens;
    exit when found;
    insert into gh_rate (bucket, tokens) values (p_bucket, p_burst) on conflict do nothing;
  end loop;
  return v_tokens;
end $$;

-- Takes up to p_want tokens of a bucket; returns how many it got.
create function gh_rate_take(p_bucket text, p_want integer, p_rate numeric, p_burst numeric) returns integer language plpgsql as $$
declare v_got integer := least(p_want, gh_rate_refill(p_bucket, p_rate, p_burst));
begin
  update gh_rate set tokens = tokens - v_got where bucket = p_bucket;
  return v_got;
end $$;

-- Chooses due jobs, tier by tier, and writes their attempts and machine intents. Never more than a tier's free slots
-- (counted here, under the leader's row), a user's cap, what the budgets have room for (0302), the ready pool machines and the apps' create tokens, or the ids given.
--
-- p_tiers: [{tier, per_user, boot_seconds, guest, image, regions, model, budget_micros}]; p_apps: [{app, rate, burst}].
-- p_ids, p_hashes, p_sealed: ready-made attempt ids with the hash and the sealed form of each one's token.
-- Returned with a fly_id: a pool machine that is to be started; without: a machine that is to be made.
create function gh_claim(p_holder text, p_term bigint, p_tiers jsonb, p_apps jsonb, p_ids uuid[], p_hashes bytea[], p_sealed bytea[])
returns table (attempt_id uuid, job_id uuid, tier text, app text, machine_id uuid, fly_id text) language plpgsql
-- Planning anew for each claim took a third of its time, and found the same plan (measured with 300 k and 1 M jobs waiting).
set plan_cache_mode = force_generic_plan
-- And that plan is kept: one that was made on a quiet day, when reading everything was cheapest, must do for a flood. So nothing below joins
-- a table where its own index would do: a join over empty tables may be planned as a walk through all of one.
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
  t record;
  v_app jsonb;
  v_apps text[] := array[]::text[]; -- one entry for each create token there is
  v_spent integer := 0;             -- how many of them were needed
  v_used integer := 0;              -- how many of the ids were
  v_paid integer;                   -- those of one app
  v_taken integer;                  -- how many jobs of a tier are
  v_free integer;                   -- how many of a tier may be
  v_ready uuid[];
  v_jobs uuid[];                    -- what is taken, in its order
  v_users uuid[];                   -- whose each of them is
  v_places tid[];                   -- where its row lies: it is locked and stays there, and no plan can look for it by anything worse
  v_short uuid[];                   -- who has money for fewer than were chosen
  v_due text[];                     -- tiers with a job to claim
  v_from_priority integer[];        -- and where in the queue of each the first such job stands
  v_from_created timestamptz[];
begin
  -- An idle queue costs a look into the index for each tier, and no write. Asked for in its order, so that the index is used also where the
  -- planner expects any row to do: a tier without jobs would be looked for in the whole table (measured: 200 ms a tier with 1 M jobs of another).
  -- A job that comes after this look rings again.
  select array_agg(x.tier), array_agg(due.priority), array_agg(due.created_at) into v_due, v_from_priority, v_from_created
  from jsonb_to_recordset(p_tiers) as x (tier text) cross join lateral (
    select j.priority, j.created_at from gh_automation_jobs j
    where j.tier = x.tier and j.status in ('pending', 'queued') and j.worker_id is null and (j.scheduled_at is null or j.scheduled_at <= now())
    order by j.priority, j.created_at limit 1) due;
  if v_due is null then
    return;
  end if;
  -- In its own statement, before anything is counted: the counts below see what the last holder of this row wrote.
  perform gh_check_lead(p_holder, p_term);
  for i in 0 .. jsonb_array_length(p_apps) - 1 loop
    v_app := p_apps -> i;
    v_apps := v_apps || array_fill(v_app ->> 'app', array[least(cardinality(p_ids),
      gh_rate_refill('create:' || (v_app ->> 'app'), (v_app ->> 'rate')::numeric, (v_app ->> 'burst')::numeric))]);
  end loop;
  -- The tier whose first job is the most urgent, then the oldest, goes first: where create tokens are short they are handed out in this order.
  for t in
    select x.*, array_position(v_due, x.tier) as place,
      k.capacity - (select count(*) from gh_job_attempts a where a.tier = x.tier and a.state in ('claimed', 'launching', 'running')) as free,
      exists (select 1 from gh_machines m where m.kind = 'pool' and m.tier = x.tier and m.closed_at is null and m.attempt_id is null) as pooled,
      exists (select 1 from gh_budgets b where b.scope <> 'user_month' and b.action <> 'warn') as days
    from jsonb_to_recordset(p_tiers) as x (tier text, per_user integer, boot_seconds integer, guest jsonb, image text,
                                           regions text, model text, budget_micros bigint)
    join gh_capacity k on k.tier = x.tier and not k.paused
    where x.tier = any (v_due)
    order by v_from_priority[array_position(v_due, x.tier)], v_from_created[array_position(v_due, x.tier)], x.tier
  loop
    v_free := least(t.free, cardinality(p_ids) - v_used);
    continue when v_free <= 0;
    if t.days then
      select least(v_free, min(gh_room(d.limit_usd, d.spent_usd, d.reserved_usd, t.budget_micros))) into v_free
      from gh_day_budgets(t.tier) d where d.action <> 'warn';
      continue when v_free <= 0;
    end if;
    v_ready := '{}';
    if t.pooled then
      v_ready := array(
        select m.id from gh_machines m
        where m.kind = 'pool' and m.tier = t.tier and m.closed_at is null and m.attempt_id is null and m.retired_at is null
          and m.seen = 'stopped' and m.image = t.image and m.guest = t.guest
          and (m.region is null or m.region = any (string_to_array(t.regions, ',')))
        order by m.intent_at limit v_free for update skip locked);
    end if;
    v_free := least(v_free, cardinality(v_ready) + cardinality(v_apps) - v_spent);
    continue when v_free <= 0;
    -- Chosen: the first of those in the queue, a turn for each user before the next turn of any. Only what is taken is locked, and whoever holds
    -- one of them at this moment (a cancel, an old worker) is not waited for; what was changed since it was read is looked at again.
    with live as materialized (
      select l.user_id, count(*) as n from gh_job_attempts l where l.state in ('claimed', 'launching', 'running') group by 1
    ), due as materialized (
      select j.ctid as place, j.user_id, j.priority, j.created_at from gh_automation_jobs j
      where j.tier = t.tier and j.status in ('pending', 'queued') and j.worker_id is null
        -- What the look above walked past (jobs claimed since the last vacuum, jobs that are not due) need not be walked past again.
        and (j.priority, j.created_at) >= (v_from_priority[t.place], v_from_created[t.place])
        and (j.scheduled_at is null or j.scheduled_at <= now())
        -- A job that may run on its named worker only is left to that worker.
        and (j.target_worker_id is null or j.worker_affinity is distinct from 'strict')
        -- A capped user's jobs must not fill the window: with them in it, everybody behind would wait.
        and j.user_id not in (select l.user_id from live l where l.n >= t.per_user)
        -- Nor those of a user whose money is used up.
        and j.user_id not in (select h.user_id from gh_budget_holds h where h.tier = t.tier)
      order by j.priority, j.created_at
      limit least(200, 20 + 8 * v_free)
    ), held as materialized (
      -- One by one in their order, until there are enough: the rest of the window is not looked at again.
      select j.id, j.user_id, f.place from (
        select d.place from (
          select x.*, row_number() over (partition by x.user_id order by x.priority, x.created_at) as turn from (select * from due limit 200) x
        ) d left join live l on l.user_id = d.user_id
        where d.turn + coalesce(l.n, 0) <= t.per_user
        order by d.priority, d.turn, d.created_at
      ) f cross join lateral (
        select x.id, x.user_id from gh_automation_jobs x
        where x.ctid = f.place and x.tier = t.tier and x.status in ('pending', 'queued') and x.worker_id is null
          and (x.scheduled_at is null or x.scheduled_at <= now()) and (x.target_worker_id is null or x.worker_affinity is distinct from 'strict')
        for update skip locked) j
      limit v_free
    )
    select array_agg(h.id), array_agg(h.user_id), array_agg(h.place) into v_jobs, v_users, v_places from held h;
    continue when v_jobs is null;
    -- What each one's month has left over what is spent and what live attempts may still spend; the attempts made here are that reservation.
    v_short := array(select r.user_id from gh_user_rooms(v_users, t.tier, t.budget_micros) r where r.n < cardinality(array_positions(v_users, r.user_id)));
    if v_short <> '{}' then
      insert into gh_budget_holds (tier, user_id) select t.tier, u from unnest(v_short) u on conflict do nothing;
      with turn as materialized (
        select x.*, row_number() over (partition by x.user_id order by x.k) as n
        from unnest(v_jobs, v_users, v_places) with ordinality as x (id, user_id, place, k)
      )
      select array_agg(n.id order by n.k), array_agg(n.user_id order by n.k), array_agg(n.place order by n.k) into v_jobs, v_users, v_places
      from turn n left join gh_user_rooms(v_short, t.tier, t.budget_micros) r on r.user_id = n.user_id
      where n.n <= coalesce(r.n, 2147483647);
      continue when v_jobs is null;
    end if;
    v_taken := cardinality(v_jobs);
    v_ready := v_ready[: v_taken];
    return query
    with pick as materialized (
      select x.id, x.user_id, x.place, x.k::integer as k, p_ids[v_used + x.k::integer] as attempt_id
      from unnest(v_jobs, v_users, v_places) with ordinality as x (id, user_id, place, k)
    ), numbered as materialized (
      select p.*, coalesce((select a.no from gh_job_attempts a where a.job_id = p.id order by a.no desc limit 1), 0) + 1 as no from pick p
    ), attempt as (
      insert into gh_job_attempts (id, job_id, user_id, no, tier, model, budget_micros, token_hash, token_sealed, boot_deadline)
      select p.attempt_id, p.id, p.user_id, p.no, t.tier, t.model,
             -- A job's cap is one over all its attempts.
             case when p.no = 1 then t.budget_micros else greatest(0, t.budget_micros
               - (select coalesce(ceil(sum(l.cost_usd) * 1000000), 0) from gh_cost_ledger l where l.job_id = p.id and l.kind = 'llm'))::bigint end,
             -- A machine of the pool has its token already.
             coalesce((select m.token_hash from gh_machines m where m.id = v_ready[p.k]), p_hashes[v_used + p.k]), p_sealed[v_used + p.k],
             now() + make_interval(secs => t.boot_seconds)
      from numbered p
    ), made as (
      insert into gh_machines (id, attempt_id, app, name, tier, guest, image, regions, posted_at, posts)
      select p.attempt_id, p.attempt_id, v_apps[v_spent + p.k - cardinality(v_ready)], 'gh-' || p.attempt_id,
             t.tier, t.guest, t.image, t.regions, now(), 1
      from pick p where p.k > cardinality(v_ready)
    ), taken as (
      update gh_automation_jobs j set status = 'queued', worker_id = 'gh-' || p.attempt_id, execution_attempt_id = p.attempt_id,
        last_heartbeat = now(), status_message = 'Starting a machine', updated_at = now()
      from pick p where j.ctid = p.place
    )
    select p.attempt_id, p.id, t.tier, v_apps[v_spent + p.k - cardinality(v_ready)], p.attempt_id, null::text
    from pick p where p.k > cardinality(v_ready);
    if v_ready <> '{}' then
      return query
      update gh_machines m set attempt_id = p_ids[v_used + array_position(v_ready, m.id)], assigned_at = now()
      where m.id = any (v_ready)
      returning m.attempt_id, v_jobs[array_position(v_ready, m.id)], t.tier, m.app, m.id, m.fly_id;
    end if;
    v_used := v_used + v_taken;
    v_spent := v_spent + v_taken - cardinality(v_ready);
  end loop;
  for i in 0 .. jsonb_array_length(p_apps) - 1 loop
    v_paid := cardinality(array_positions(v_apps[: v_spent], p_apps -> i ->> 'app'));
    continue when v_paid = 0;
    update gh_rate set tokens = tokens - v_paid where bucket = 'create:' || (p_apps -> i ->> 'app');
  end loop;
end $$;

-- A pool machine that did not start in time: it loses its attempt, which gets a machine of its own and its own token back.
create function gh_pool_miss(p_machine uuid, p_hash bytea, p_boot_seconds integer) returns uuid language plpgsql as $$
declare m gh_machines;
begin
  select * into m from gh_machines where id = p_machine for update;
  update gh_job_attempts set token_hash = p_hash, state = 'claimed', boot_deadline = now() + make_interval(secs => p_boot_seconds)
  where id = m.attempt_id and state in ('claimed', 'launching');
  if not found then
    return null;
  end if;
  update gh_machines set attempt_id = null, retired_at = now(), outcome = 'pool_miss' where id = m.id;
  insert into gh_machines (id, attempt_id, app, name, tier, guest, image, regions)
  values (m.attempt_id, m.attempt_id, m.app, 'gh-' || m.attempt_id, m.tier, m.guest, m.image, m.regions);
  return m.attempt_id;
end $$;

-- What the dispatcher judged an attempt to deserve, from what it saw: refused to one that no longer leads, and where the attempt has moved on since.
create function gh_judge_attempt(p_holder text, p_term bigint, p_attempt uuid, p_state text, p_beat timestamptz, p_class text, p_result jsonb) returns jsonb
language plpgsql as $$
declare
  v_state text;
  v_beat timestamptz;
begin
  -- The job first, as gh_close_attempt does: who starts, or ends, an attempt holds its job. And before the leader's row, which
  -- everybody waits for: a job may be held for long, by a call whose machine was lost in the middle of it.
  perform 1 from gh_automation_jobs j where j.id = (select a.job_id from gh_job_attempts a where a.id = p_attempt) for update;
  perform gh_check_lead(p_holder, p_term);
  select a.state into v_state from gh_job_attempts a where a.id = p_attempt;
  select h.beat_at into v_beat from gh_attempt_heartbeats h where h.attempt_id = p_attempt;
  if v_state is distinct from p_state or v_beat is distinct from p_beat then
    return jsonb_build_object('ok', false, 'reason', 'it has moved on since it was looked at');
  end if;
  return gh_close_attempt(p_attempt, p_class, p_result);
end $$;

-- Jobs whose time passed before they could start: those that were to start at a time and were never begun within their timeout,
-- and those bound to a worker that never came. Not while their tier is paused or nothing can be started, and their time begins anew
-- when that is over: it is us who did not start them. At most 500 at once; whoever holds one of them is not waited for.
create function gh_expire_jobs() returns integer language plpgsql as $$
declare
  v_count integer;
  v_breaker jsonb; -- null, or which tiers (all when it names none) have no machines
  v_since timestamptz;
begin
  select nullif(n.value, 'null'), n.at into v_breaker, v_since from gh_notices n where n.key = 'breaker';
  update gh_automation_jobs j set status = 'expired', completed_at = now(), error_code = 'expired',
    error_details = jsonb_build_object('message', 'The job could not be started in its time.'), status_message = 'Expired before it could start'
  where j.id in (
    select x.id from gh_automation_jobs x left join gh_capacity k on k.tier = x.tier
    where x.status in ('pending', 'queued') and x.worker_id is null and x.retry_count = 0 and x.placement_failures = 0 and x.crash_count = 0
      and ((x.scheduled_at is not null and greatest(x.scheduled_at, k.resumed_at, v_since) + make_interval(secs => x.timeout_seconds) < now())
           or (x.target_worker_id is not null and x.worker_affinity = 'strict'
               and greatest(x.created_at, x.scheduled_at, k.resumed_at, v_since) + make_interval(secs => x.timeout_seconds) < now()))
      and not exists (select 1 from gh_job_attempts a where a.job_id = x.id)
      and k.paused is distinct from true
      and (v_breaker is null or not coalesce(v_breaker -> 'tiers' ? x.tier, true))
    limit 500 for update of x skip locked);
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Dollars per second of a guest in a region at a time: vCPUs and memory at their 30-day prices, times the region's markup. Null: a price is missing.
create function gh_guest_price(p_guest jsonb, p_region text, p_at timestamptz) returns numeric language sql stable as $$
  with price as (
    select distinct on (sku, region) sku, region, price from gh_prices
    where provider = 'fly' and valid_from <= p_at order by sku, region, valid_from desc
  )
  select ((p_guest ->> 'cpus')::numeric * (select price from price where sku = 'vcpu.' || (p_guest ->> 'cpu_kind') and region = '*')
          + (p_guest ->> 'memory_mb')::numeric / 1024 * (select price from price where sku = 'memory.gb' and region = '*'))
         * (select price from price where sku = 'markup' and region = p_region) / 2592000
$$;

-- Closes a machine that is gone and writes its started interval to the ledger, once, whatever crashes in between.
create function gh_bill_machine(p_machine uuid) returns void language plpgsql as $$
declare
  m gh_machines;
  a gh_job_attempts;
  v_seconds numeric;
  v_price numeric;
begin
  select * into m from gh_machines where id = p_machine for update;
  if not found or m.closed_at is not null then
    return;
  end if;
  select * into a from gh_job_attempts where id = m.attempt_id;
  -- While it was kept ready it cost its root file system: 1 GB is what our image unpacks to, rounded up.
  if m.kind = 'pool' and m.fly_id is not null and m.posted_at is not null then
    v_seconds := greatest(0, extract(epoch from coalesce(m.started_at, m.destroy_sent_at, now()) - m.posted_at));
    select round(price / 2592000, 16) into v_price from gh_prices
    where provider = 'fly' and sku = 'rootfs.gb' and valid_from <= m.posted_at order by valid_from desc limit 1;
    insert into gh_cost_ledger (tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd, period_start, period_end, source, dedup, tags)
    values (m.tier, 'overhead', 'fly', 'rootfs.gb', m.region, v_seconds, 'gb-second', v_price, v_seconds * v_price, m.posted_at,
            m.posted_at + make_interval(secs => v_seconds), 'dispatcher', format('rootfs:%s', m.fly_id),
            jsonb_build_object('machine_id', m.fly_id, 'overhead', 'pool_rootfs'))
    on conflict (dedup) do nothing;
  end if;
  if m.started_at is not null and m.exited_at is not null then
    v_seconds := greatest(0, extract(epoch from m.exited_at - m.started_at));
    v_price := round(gh_guest_price(m.guest, m.region, m.started_at), 16); -- as it is stored, so that a line multiplies out
    insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, region, quantity, unit, unit_price, cost_usd,
                                period_start, period_end, source, dedup, tags)
    values (a.job_id, a.id, a.user_id, m.tier, case when a.started_at is null then 'overhead' else 'machine' end, 'fly',
      format('%s-%sx-%smb', m.guest ->> 'cpu_kind', m.guest ->> 'cpus', m.guest ->> 'memory_mb'), m.region, v_seconds, 'second',
      v_price, v_seconds * v_price, m.started_at, m.exited_at, 'fly_events', format('machine:%s:%s', m.fly_id, extract(epoch from m.started_at)),
      jsonb_strip_nulls(jsonb_build_object('machine_id', m.fly_id, 'class', a.end_class, 'overhead', case
        when m.kind = 'orphan' then 'orphan' when a.started_at is not null then null when m.kind = 'pool' then 'pool_miss' else 'lost_race' end)))
    on conflict (dedup) do nothing;
  end if;
  update gh_machines set closed_at = now() where id = m.id;
end $$;
