-- A job that waits for a person with its machine (contract section 10.4): as long as it waits its clock stands still, and it waits for a time only.

alter table gh_job_attempts
  add column paused_for text,         -- what it waits for; the job's column is written by others too
  add column pause_until timestamptz, -- when it stops waiting
  add column time_left interval;      -- what it may still work once it goes on
-- Who has waited too long.
create index gh_attempts_paused on gh_job_attempts (pause_until) where pause_until is not null and state = 'running';

-- How long a job of the tier waits for a person; from infra/tiers.toml.
alter table gh_capacity add column pause_seconds integer not null default 300 check (pause_seconds > 0);

-- What people answered to jobs that waited for them. The data, a code or a password, is sealed with the token of the attempt
-- that waits, so that only its runner can open it, and is wiped when that attempt ends.
create table gh_job_resolutions (
  id uuid primary key,
  job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  attempt_id uuid references gh_job_attempts (id) on delete cascade, -- null: no machine waited, the job was tried again
  resolution_type text not null check (resolution_type in ('manual', 'code_entry', 'credentials', 'skip')),
  turn integer not null, -- which pause it answers
  resolved_by text not null check (resolved_by in ('human', 'system')),
  sealed bytea,
  created_at timestamptz not null default now(),
  taken_at timestamptz
);
create index gh_job_resolutions_of_job on gh_job_resolutions (job_id, created_at);

create function gh_wipe_resolutions() returns trigger language plpgsql as $$
begin
  update gh_job_resolutions set sealed = null where attempt_id = new.id and sealed is not null;
  return new;
end $$;
create trigger gh_job_attempts_wipe after update of state on gh_job_attempts for each row
  when (new.state not in ('claimed', 'launching', 'running')) execute function gh_wipe_resolutions();

-- The job waits for a person, its runner with it. p_interaction: {type, description, screenshot_url, page_url, confidence, selector, details,
-- detection_method, captcha_type}; nothing secret, its readers are the user and VALET. Asking the same again is harmless; asking another
-- thing while it waits replaces the question. Returns {ok, pause_seconds, remaining_seconds} or {ok: false, reason}.
create function gh_attempt_pause(p_attempt uuid, p_fence bigint, p_token text, p_interaction jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  j gh_automation_jobs;
  v_type text := left(coalesce(p_interaction ->> 'type', 'verification'), 50);
  v_seconds integer;
  v_data jsonb := coalesce(p_interaction, '{}') - array['resolution_type', 'resolution_data', 'resolved_by', 'resolved_at'];
begin
  if a.id is null then
    perform gh_fenced('pause');
    return jsonb_build_object('ok', false, 'reason', 'fenced');
  end if;
  select * into j from gh_automation_jobs where id = a.job_id for update;
  select * into a from gh_job_attempts where id = p_attempt for update;
  if a.state <> 'running' or j.status not in ('running', 'paused', 'awaiting_review') then
    perform gh_fenced('pause');
    return jsonb_build_object('ok', false, 'reason', coalesce(a.end_class, j.status));
  elsif a.hard_deadline < now() then
    return jsonb_build_object('ok', false, 'reason', 'the time of the job is over');
  end if;
  if a.paused_at is null or a.paused_for is distinct from v_type then
    v_seconds := coalesce((select k.pause_seconds from gh_capacity k where k.tier = a.tier), 300);
    if octet_length(v_data::text) > 100000 then
      v_data := jsonb_build_object('dropped', 'larger than 100 kB');
    end if;
    v_data := v_data || jsonb_build_object('type', v_type, 'timeout_seconds', v_seconds, 'detected_at', coalesce(v_data ->> 'detected_at', gh_iso(now())));
    update gh_job_attempts set pauses = pauses + 1, paused_at = now(), paused_for = v_type, pause_until = now() + make_interval(secs => v_seconds),
      time_left = coalesce(time_left, hard_deadline - now()),
      -- Nobody ends it for its time while it waits.
      hard_deadline = now() + make_interval(secs => v_seconds) + coalesce(time_left, hard_deadline - now())
    where id = a.id returning * into a;
    update gh_automation_jobs set status = 'paused', paused_at = now(), last_heartbeat = now(), interaction_type = v_type, interaction_data = v_data,
      status_message = 'Waiting for human: ' || v_type
    where id = j.id;
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    values (j.id, 'hitl_paused', 'Waiting for human: ' || v_type, jsonb_strip_nulls(jsonb_build_object('blocker_type', v_type,
      'confidence', v_data -> 'confidence', 'source', coalesce(v_data -> 'detection_method', v_data -> 'source'), 'page_url', v_data -> 'page_url',
      'screenshot_url', v_data -> 'screenshot_url', 'attempt_id', a.id, 'timeout_seconds', v_seconds)), coalesce(j.worker_id, 'system'));
  end if;
  return jsonb_build_object('ok', true, 'pause_seconds', greatest(0, ceil(extract(epoch from a.pause_until - now())))::integer,
    'remaining_seconds', greatest(0, extract(epoch from a.time_left))::integer);
end $$;

-- What was answered to the pause this runner waits in, or {waiting: true}. Asking again is harmless. With an answer comes the time
-- the job has from now on.
create function gh_attempt_resolution(p_attempt uuid, p_fence bigint, p_token text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  r gh_job_resolutions;
begin
  if a.id is null then
    return jsonb_build_object('ok', false, 'reason', 'fenced');
  elsif a.state <> 'running' then
    return jsonb_build_object('ok', false, 'reason', coalesce(a.error_code, a.end_class, a.state));
  end if;
  select * into r from gh_job_resolutions where attempt_id = a.id and turn = a.pauses order by created_at desc limit 1;
  if not found then
    -- Somebody may have set the job to run by hand: there is nothing to read, and nothing to wait for.
    return jsonb_build_object('ok', true, 'waiting', a.paused_at is not null or a.pauses = 0);
  end if;
  update gh_job_resolutions set taken_at = coalesce(taken_at, now()) where id = r.id;
  return jsonb_build_object('ok', true, 'waiting', false, 'id', r.id, 'type', r.resolution_type, 'by', r.resolved_by,
    'remaining_seconds', greatest(0, extract(epoch from a.hard_deadline - now()))::integer,
    'sealed', replace(encode(r.sealed, 'base64'), E'\n', ''));
end $$;

-- Lets a waiting job go on. p_attempt is the attempt the data was sealed for, or null.
-- Returns {status} when it goes on or already did; {refused: its status}, with {sent: true} when its form may have been sent and no
-- machine waits any more; {changed: true} when another attempt waits now; null: no such job.
-- The clock of the attempt goes on where it stood.
create function gh_resume_job(p_job uuid, p_user uuid, p_id uuid, p_attempt uuid, p_type text, p_by text, p_notes text, p_sealed bytea)
returns jsonb language plpgsql as $$
declare
  j gh_automation_jobs;
  a gh_job_attempts;
begin
  select * into j from gh_automation_jobs where id = p_job and (p_user is null or user_id = p_user) for update;
  if not found then
    return null;
  end if;
  select * into a from gh_job_attempts where job_id = j.id and state in ('claimed', 'launching', 'running') for update;
  if j.status not in ('paused', 'needs_human', 'awaiting_review') then
    -- The same answer again: its first copy was taken, the reply may have been lost.
    if j.status in ('running', 'pending', 'queued') and exists (
      select 1 from gh_job_resolutions r where r.job_id = j.id and r.resolution_type = p_type
        and (r.attempt_id = a.id or r.attempt_id is null)
        and r.created_at > now() - interval '10 minutes') then
      return jsonb_build_object('status', j.status);
    end if;
    return jsonb_build_object('refused', j.status);
  end if;
  if a.id is null and exists (select 1 from gh_permits p where p.job_id = j.id) then
    return jsonb_build_object('refused', j.status, 'sent', true);
  end if;
  if p_sealed is not null and a.id is distinct from p_attempt then
    return jsonb_build_object('changed', true);
  end if;
  insert into gh_job_resolutions (id, job_id, attempt_id, turn, resolution_type, resolved_by, sealed)
  values (p_id, j.id, a.id, coalesce(a.pauses, 0), p_type, p_by, case when a.id is not null then p_sealed end);
  insert into gh_job_events (job_id, event_type, message, metadata, actor)
  values (j.id, 'hitl_resumed', 'Resumed by ' || p_by, jsonb_build_object('resolution_type', p_type, 'resolved_by', p_by), p_by);
  if a.id is not null then
    update gh_job_attempts set hard_deadline = coalesce(now() + time_left, hard_deadline), paused_at = null, pause_until = null, time_left = null
    where id = a.id;
    update gh_automation_jobs set status = 'running', paused_at = null, last_heartbeat = now(),
      status_message = left(concat_ws(': ', 'Resumed by ' || p_by, nullif(p_notes, '')), 500)
    where id = j.id;
    perform pg_notify('gh_job_resume', j.id::text);
    return jsonb_build_object('status', 'running');
  end if;
  -- Its machine is gone: it goes back to the queue, and this does not count as a retry.
  update gh_automation_jobs set status = 'pending', worker_id = null, paused_at = null, started_at = null, completed_at = null,
    last_heartbeat = null, scheduled_at = null, error_code = null, error_details = null, interaction_type = null, interaction_data = null,
    status_message = left(concat_ws(': ', 'Resumed by ' || p_by, nullif(p_notes, '')), 500)
  where id = j.id;
  return jsonb_build_object('status', 'pending');
end $$;

-- Ends the jobs nobody answered in time; how many. Each is looked at again under its lock: an answer that came first wins.
create function gh_expire_pauses() returns integer language plpgsql as $$
declare
  d record;
  v_seconds integer;
  v_count integer := 0;
begin
  for d in select id, job_id from gh_job_attempts where state = 'running' and pause_until < now() order by pause_until limit 100 loop
    perform 1 from gh_automation_jobs where id = d.job_id for update;
    select round(extract(epoch from pause_until - paused_at))::integer into v_seconds
    from gh_job_attempts where id = d.id and state = 'running' and pause_until < now() for update;
    continue when not found;
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    values (d.job_id, 'hitl_timeout', 'Nobody answered in time', jsonb_build_object('timeout_seconds', v_seconds, 'attempt_id', d.id), 'system');
    perform gh_close_attempt(d.id, 'final', jsonb_build_object('error_code', 'hitl_timeout',
      'error_message', format('Nobody answered within %s s.', v_seconds)));
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;

-- Rights, as in 0006.
alter table gh_job_resolutions enable row level security;
revoke all on gh_job_resolutions from public, anon, authenticated, gh_runner;
grant all on gh_job_resolutions to service_role;
create policy gh_service_all on gh_job_resolutions for all to service_role using (true) with check (true);
revoke all on function gh_wipe_resolutions(), gh_attempt_pause(uuid, bigint, text, jsonb), gh_attempt_resolution(uuid, bigint, text),
  gh_resume_job(uuid, uuid, uuid, uuid, text, text, text, bytea), gh_expire_pauses() from public, anon, authenticated, gh_runner;
grant execute on function gh_attempt_pause(uuid, bigint, text, jsonb), gh_attempt_resolution(uuid, bigint, text) to gh_runner;
