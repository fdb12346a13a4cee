-- What knew of rows knows of applications (0500): who is started, tried again, expired, refused, and who is told of it. Who is resumed stands in 0502.

-- Chooses due jobs, tier by tier, and writes their attempts and machine intents. Never more than a tier's free slots
-- (counted here, under the leader's row), a user's cap, what the budgets have room for (0302), the ready pool machines and the apps' create tokens, or the ids given.
--
-- p_tiers: [{tier, per_user, boot_seconds, guest, image, regions, model, budget_micros}]; p_apps: [{app, rate, burst}].
-- p_ids, p_hashes, p_sealed: ready-made attempt ids with the hash and the sealed form of each one's token.
-- Returned with a fly_id: a pool machine that is to be started; without: a machine that is to be made.
create or replace function gh_claim(p_holder text, p_term bigint, p_tiers jsonb, p_apps jsonb, p_ids uuid[], p_hashes bytea[], p_sealed bytea[])
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
        -- A job waits for the others of its application, and does not fill the window meanwhile. Asked for one job at a time (a subquery of one
        -- value is no join), and only of those that are not alone.
        and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = j.id and m.shared) is null
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

-- The first call of a runner: hands it the job, or refuses. Repeating it with the same boot id is harmless.
create or replace function gh_attempt_start(p_attempt uuid, p_token text, p_boot uuid, p_machine text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts;
  j gh_automation_jobs;
  v_sent uuid;
begin
  select * into a from gh_job_attempts where id = p_attempt and token_hash = sha256(convert_to(p_token, 'UTF8'));
  if not found then
    return jsonb_build_object('ok', false, 'reason', 'no such attempt, or the token is not its token');
  end if;
  select * into j from gh_automation_jobs where id = a.job_id for update;
  select * into a from gh_job_attempts where id = p_attempt for update;
  if a.state = 'running' and a.boot_id = p_boot then
    null; -- the reply to the first call was lost
  elsif a.state not in ('claimed', 'launching') then
    return jsonb_build_object('ok', false, 'reason', format('the attempt is already %s', coalesce(a.end_class, a.state)));
  elsif j.status not in ('pending', 'queued') then
    return jsonb_build_object('ok', false, 'reason', format('the job is %s', j.status));
  else
    if exists (select 1 from gh_permits where job_id = j.id) then
      perform gh_close_attempt(a.id, 'final', jsonb_build_object('error_code', 'submission_unknown',
        'error_message', 'An earlier attempt was given the permit to submit and never proved the outcome; the form is not sent again.'));
      return jsonb_build_object('ok', false, 'reason', 'the permit to submit was used by an earlier attempt');
    end if;
    v_sent := gh_application_sent(j.id);
    if v_sent is not null then
      perform gh_close_attempt(a.id, 'final', jsonb_build_object('error_code', 'application_already_sent',
        'error_message', format('This application was sent by job %s, or may have been: it is not sent again.', v_sent)));
      return jsonb_build_object('ok', false, 'reason', format('the application may have been sent by job %s', v_sent));
    end if;
    update gh_job_attempts set state = 'running', boot_id = p_boot, started_at = now(), launched_at = coalesce(launched_at, now()),
      hard_deadline = now() + make_interval(secs => j.timeout_seconds)
    where id = a.id returning * into a;
    update gh_machines set fly_id = coalesce(fly_id, p_machine) where attempt_id = a.id;
    insert into gh_attempt_heartbeats (attempt_id, fence) values (a.id, a.fence) on conflict (attempt_id) do update set beat_at = now();
    update gh_automation_jobs set status = 'running', started_at = now(), last_heartbeat = now(), status_message = 'Starting browser agent'
    where id = j.id;
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    values (j.id, 'job_started', 'Starting browser agent', jsonb_build_object('worker_id', j.worker_id, 'machine_id', p_machine,
      'attempt_id', a.id, 'attempt', a.no, 'job_type', j.job_type, 'target_url', j.target_url, 'tier', a.tier), j.worker_id);
  end if;
  return jsonb_build_object('ok', true, 'fence', a.fence, 'attempt_no', a.no, 'heartbeat_seconds', 30, 'tier', a.tier,
    'remaining_seconds', greatest(0, extract(epoch from a.hard_deadline - now()))::integer,
    'model', a.model, 'budget_micros', a.budget_micros,
    'job', jsonb_build_object('id', j.id, 'user_id', j.user_id, 'job_type', j.job_type, 'target_url', j.target_url,
      'task_description', j.task_description, 'input_data', j.input_data, 'metadata', j.metadata, 'resume_ref', j.resume_ref,
      'execution_mode', j.execution_mode, 'timeout_seconds', j.timeout_seconds, 'traceparent', j.traceparent));
end $$;

-- The job row is shared: VALET, the runbook and people write it by hand. Three rules keep it true.
--   A terminal status absorbs: only a retry (pending, queued) leaves it. A late "running" callback changes nothing.
--   A job whose form may have been sent, by itself or by another job of its application, is not tried again, whoever asks.
--   Whoever ends a job, or gives it back, takes it from its live attempt: every later write of that attempt is refused, so also
--   what it would have said of the form. If it had the permit, nobody knows any more, and a job that was given back ends there.
create or replace function gh_guard_job_status() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare v_message text;
begin
  if old.status in ('completed', 'failed', 'cancelled', 'expired', 'needs_human') and new.status in ('pending', 'queued')
     and (exists (select 1 from gh_permits p where p.job_id = old.id) or gh_application_sent(old.id) is not null) then
    return old;
  end if;
  if old.status in ('completed', 'failed', 'cancelled', 'expired')
     and new.status is distinct from old.status and new.status not in ('pending', 'queued') then
    new.status := old.status;
    new.completed_at := old.completed_at;
    return new;
  end if;
  if new.status in ('completed', 'failed', 'cancelled', 'expired', 'needs_human')
     or (new.status in ('pending', 'queued') and new.worker_id is null) then
    update gh_job_attempts
    set state = case when new.status = 'cancelled' then 'cancelled' else 'lost' end,
        end_class = case when new.status = 'cancelled' then 'cancelled' else 'retired' end,
        ended_at = now()
    where job_id = new.id and state in ('claimed', 'launching', 'running');
    update gh_permits set outcome = 'unknown' where job_id = new.id and outcome is null;
    if new.status in ('pending', 'queued') then
      new.execution_attempt_id := null;
      if exists (select 1 from gh_permits p where p.job_id = new.id) then
        v_message := 'The form may have been sent: the job was taken from its machine between the permit to submit and the proof of it.';
        new.status := 'failed';
        new.completed_at := now();
        new.error_code := 'submission_unknown';
        new.error_details := jsonb_build_object('message', v_message);
        new.status_message := v_message;
        insert into gh_job_events (job_id, event_type, message, metadata, actor)
        values (new.id, 'job_failed', v_message, jsonb_build_object('error_code', 'submission_unknown', 'error_message', v_message, 'final', true), 'system');
      end if;
    end if;
  end if;
  return new;
end $$;

-- Jobs whose time passed before they could start: those that were to start at a time and were never begun within their timeout,
-- and those bound to a worker that never came. Not while their tier is paused or nothing can be started, and their time begins anew
-- when that is over: it is us who did not start them. At most 500 at once; whoever holds one of them is not waited for.
create or replace function gh_expire_jobs() returns integer language plpgsql as $$
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
      -- What waits for another job of its application waits for us, and its time begins anew when that is over.
      and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = x.id and m.shared) is null
      and coalesce((select max(e.updated_at) from gh_applications m
                    join gh_applications o on o.application_id = m.application_id and o.seq < m.seq join gh_automation_jobs e on e.id = o.job_id
                    where m.job_id = x.id and m.shared) + make_interval(secs => x.timeout_seconds) < now(), true)
      and k.paused is distinct from true
      and (v_breaker is null or not coalesce(v_breaker -> 'tiers' ? x.tier, true))
    limit 500 for update of x skip locked);
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Sees to the jobs of a tier that a claim passed over for want of money; how many it failed. Those whose budget blocks and is spent are failed
-- in the contract's words, at most 500 at once; money that is only reserved is waited for, it may come back. Users who have room again are let go.
create or replace function gh_budget_refuse(p_tier text, p_micros bigint) returns integer language plpgsql set search_path = public, pg_temp as $$
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
      -- Its end would be told as the end of the task, which another job is still at.
      and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = j.id and m.shared) is null
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

create or replace function gh_write_callback() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_url text := nullif(new.callback_url, '');
  v_waits constant text[] := array['paused', 'needs_human', 'awaiting_review'];
  v_event text;
  v_turn integer := new.retry_count;
begin
  v_event := case when new.status = 'running' then case when old.status = any (v_waits) then 'resumed' else 'running' end
                  when new.status = any (v_waits) then 'needs_human'
                  when new.status = 'expired' then 'failed'
                  when new.status in ('completed', 'failed', 'cancelled') then new.status end;
  if v_url is null or v_event is null then
    return null;
  end if;
  -- It was never tried, and its end is not the end of its task: another job of the application is at it, or has sent it, and tells.
  if new.status = 'failed' and new.error_code = 'application_already_sent' then
    return null;
  end if;
  if v_event in ('failed', 'cancelled') and not exists (select 1 from gh_job_attempts a where a.job_id = new.id)
     and exists (select 1 from gh_application_holder(new.id)) then
    return null;
  end if;
  if v_event in ('needs_human', 'resumed') and new.execution_attempt_id is not null then
    -- An attempt may wait several times; that it ended waiting is told beyond its last pause.
    select a.pauses + (a.state not in ('claimed', 'launching', 'running'))::integer into v_turn
    from gh_job_attempts a where a.id = new.execution_attempt_id;
  end if;
  insert into gh_outbox (job_id, event, url, body, attempt_id, turn, next_at)
  values (new.id, v_event, v_url, gh_callback_body(new, v_event), new.execution_attempt_id, coalesce(v_turn, 0),
    -- Behind what is not told yet: it is not looked at before that is.
    coalesce((select max(o.next_at) from gh_outbox o where o.job_id = new.id and o.delivered_at is null and o.parked_at is null), now()))
  on conflict do nothing;
  return null;
end $$;
