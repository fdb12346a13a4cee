-- Applications: what must happen once is an application, not a row. An application is a job with every job it retries
-- (metadata.retryOf, any depth, same user) and every job of the same user with the same valet_task_id.
--
-- An earlier job of it     a later one
-- waits, runs, is tried    waits: the claim passes over it
-- ended, may be sent       ends before a machine is paid for, and tells nobody: VALET's task belongs to the earlier one
-- ended, surely not sent   runs
--
-- Membership is fixed at INSERT: VALET replaces the metadata of a job later.

-- One row per user, written while a job is filed: two jobs of one application inserted at the same moment see each other. (Written and not
-- only locked: who reads from a snapshot that is older than the other's insert is told so, instead of filing beside it.)
create table gh_applicants (
  user_id uuid primary key,
  filed bigint not null default 1
) with (fillfactor = 50);

create table gh_applications (
  job_id uuid primary key references gh_automation_jobs (id) on delete cascade,
  application_id uuid not null,           -- the same for all jobs of an application
  user_id uuid not null,
  task text,                              -- the valet_task_id that was said at INSERT
  seq bigint generated always as identity, -- which job came first
  shared boolean not null default false,  -- the application has more jobs than this one
  unsettled boolean not null default false -- it is shared, and its job has not ended; who asks of a job asks the job too
);
create index gh_applications_members on gh_applications (application_id, seq);
create index gh_applications_task on gh_applications (user_id, task) where task is not null;
-- What a claim reads for each job in its window; most jobs are alone and not in it.
create index gh_applications_shared on gh_applications (job_id) where shared;
create index gh_applications_unsettled on gh_applications (application_id, seq) where unsettled;

-- What links a job to others: the task it belongs to, the job it retries. Empty ids count as none; what is no UUID names no job.
create function gh_application_keys(p_task text, p_metadata jsonb, out task text, out parent uuid) language sql immutable as $$
  select coalesce(nullif(btrim(p_task, E' \t\r\n'), ''), nullif(btrim(p_metadata ->> 'valet_task_id', E' \t\r\n'), '')),
    substring(lower(btrim(p_metadata ->> 'retryOf', E' \t\r\n'))
      from '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')::uuid
$$;

-- Whether a job is under way: an attempt of ours lives, or a worker of another kind has it.
create function gh_job_is_live(j gh_automation_jobs) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select j.status in ('running', 'paused', 'awaiting_review') or (j.status in ('pending', 'queued') and j.worker_id is not null)
    or exists (select 1 from gh_job_attempts a where a.job_id = j.id and a.state in ('claimed', 'launching', 'running'))
$$;

-- Whether the form of a job that is not under way was sent, or nobody knows. A job that a person, or another kind of worker, completed has no
-- permit to read it from; scraping a page sends nothing.
create function gh_job_may_be_sent(j gh_automation_jobs) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select 1 from gh_permits p where p.job_id = j.id and p.outcome is distinct from 'not_submitted')
    or (j.status = 'failed' and j.error_code = 'submission_unknown')
    or (j.status = 'completed' and j.job_type <> 'scrape')
$$;

-- The other job of a job's application whose form may have been sent, the first of them; null when there is none.
create function gh_application_sent(p_job uuid) returns uuid language plpgsql stable security definer set search_path = public, pg_temp as $$
declare me gh_applications;
begin
  select * into me from gh_applications a where a.job_id = p_job and a.shared;
  -- What may make a job one that was sent, by its index, before the whole rule is asked of it: an application may have a thousand jobs.
  return (
    select x.job_id from (
      select o.job_id, o.seq from gh_applications o join gh_permits p on p.job_id = o.job_id
      where o.application_id = me.application_id
      union
      select o.job_id, o.seq from gh_applications o join gh_automation_jobs j on j.id = o.job_id
      where o.application_id = me.application_id and (j.status = 'completed' or (j.status = 'failed' and j.error_code = 'submission_unknown'))
    ) x
    where x.job_id <> p_job
      and (select not gh_job_is_live(j) and gh_job_may_be_sent(j) from gh_automation_jobs j where j.id = x.job_id)
    order by x.seq limit 1);
end $$;

-- The other job of its application that keeps a job from being started, and how: `sent` (it may not start any more), `live` or `earlier` (it waits).
-- Asked of each job that a claim passes over. One that came later waits for the first that has not ended, whatever the others are: it is found by
-- the index, so that a thousand jobs of one application cost a thousand looks and not a million.
create function gh_application_holder(p_job uuid) returns table (job_id uuid, kind text, status text)
language plpgsql stable security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  me gh_applications;
  v_sent uuid;
begin
  select * into me from gh_applications a where a.job_id = p_job and a.shared;
  if not found then
    return;
  end if;
  return query
    select j.id, case when j.status in ('pending', 'queued') and j.worker_id is null then 'earlier' else 'live' end, j.status::text
    from gh_applications o join gh_automation_jobs j on j.id = o.job_id
    where o.application_id = me.application_id and o.unsettled and o.seq < me.seq
      and j.status in ('pending', 'queued', 'running', 'paused', 'awaiting_review')
    order by o.seq limit 1;
  if found then
    return;
  end if;
  v_sent := gh_application_sent(p_job);
  if v_sent is not null then
    return query select j.id, 'sent', j.status::text from gh_automation_jobs j where j.id = v_sent;
    return;
  end if;
  return query
    select j.id, case when gh_job_is_live(j) then 'live' else 'earlier' end, j.status::text
    from gh_applications o join gh_automation_jobs j on j.id = o.job_id
    where o.application_id = me.application_id and o.job_id <> me.job_id
      and (gh_job_is_live(j) or (o.seq < me.seq and j.status in ('pending', 'queued')))
    order by o.seq limit 1;
end $$;

-- The job that gh_application_sent would name, for one that is about to be inserted.
create function gh_application_sent_before(p_user uuid, p_task text, p_metadata jsonb) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
  select j.id
  from gh_application_keys(p_task, p_metadata) k
  cross join lateral (
    select k.parent as id where k.parent is not null
    union
    select o.job_id from gh_applications a join gh_applications o on o.application_id = a.application_id
    where a.user_id = p_user and (a.task = k.task or a.job_id = k.parent)
  ) m
  join gh_automation_jobs j on j.id = m.id and j.user_id = p_user
  where not gh_job_is_live(j) and gh_job_may_be_sent(j)
  order by j.created_at, j.id
  limit 1
$$;

-- Files a job under its application, and joins two applications that a job belongs to.
create function gh_file_application(p_job uuid, p_user uuid, p_task text, p_metadata jsonb) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  k record;
  v_apps uuid[];
  v_app uuid;
begin
  select * into k from gh_application_keys(p_task, p_metadata);
  if k.parent = p_job or not exists (select 1 from gh_automation_jobs j where j.id = k.parent and j.user_id = p_user) then
    k.parent := null;
  end if;
  if k.task is null and k.parent is null then
    return;
  end if;
  insert into gh_applicants as a (user_id) values (p_user) on conflict (user_id) do update set filed = a.filed + 1;
  -- The job it retries may have been alone until now.
  insert into gh_applications (job_id, application_id, user_id) select k.parent, k.parent, p_user where k.parent is not null on conflict do nothing;
  select array_agg(distinct a.application_id) into v_apps from gh_applications a
  where a.user_id = p_user and (a.task = k.task or a.job_id = k.parent) and a.job_id <> p_job;
  v_app := coalesce(v_apps[1], p_job);
  insert into gh_applications (job_id, application_id, user_id, task) values (p_job, v_app, p_user, k.task) on conflict do nothing;
  if v_apps is not null then
    -- In the order in which who asks for the permit locks them.
    perform 1 from gh_applications where application_id = any (v_apps) and (application_id, shared) is distinct from (v_app, true)
    order by job_id for update;
    update gh_applications a set application_id = v_app, shared = true, unsettled = j.status not in ('completed', 'failed', 'cancelled', 'expired')
    from gh_automation_jobs j
    where j.id = a.job_id and a.application_id = any (v_apps) and (a.application_id, a.shared) is distinct from (v_app, true);
  end if;
end $$;

-- Ends a job that nobody has taken, because another job of its application, p_sent, may have been sent; does nothing where there is none.
create function gh_end_duplicate(p_job uuid, p_sent uuid) returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
declare
  h record;
  v_message text;
begin
  select j.id as job_id, j.status into h from gh_automation_jobs j where j.id = p_sent;
  if not found then
    return false;
  end if;
  v_message := format('This application was sent by job %s, or may have been: it is not sent again.', h.job_id);
  update gh_automation_jobs set status = 'failed', completed_at = now(), error_code = 'application_already_sent', status_message = v_message,
    error_details = jsonb_build_object('message', v_message, 'earlier_job_id', h.job_id, 'earlier_status', h.status)
  where id = p_job and status in ('pending', 'queued') and worker_id is null;
  if not found then
    return false;
  end if;
  insert into gh_job_events (job_id, event_type, message, metadata, actor)
  values (p_job, 'job_failed', v_message, jsonb_build_object('error_code', 'application_already_sent', 'error_message', v_message,
    'earlier_job_id', h.job_id, 'final', true), 'system');
  return true;
end $$;

-- Ends the waiting jobs whose application was sent meanwhile; how many, at most 500. One that somebody holds at this moment is left to the next call:
-- a claim passes over it as long.
create function gh_end_duplicates() returns integer language plpgsql security definer set search_path = public, pg_temp as $$
declare
  r record;
  v_count integer := 0;
begin
  for r in
    select j.id, x.sent
    -- Asked once of an application, for the one that waits longest.
    from (select y.application_id, gh_application_sent(y.job_id) as sent from (
            select distinct on (u.application_id) u.application_id, u.job_id
            from gh_applications u join gh_automation_jobs w on w.id = u.job_id
            where u.unsettled and w.status in ('pending', 'queued') and w.worker_id is null order by u.application_id, u.seq) y offset 0) x
    join gh_applications a on a.application_id = x.application_id
    join gh_automation_jobs j on j.id = a.job_id
    where x.sent is not null and a.unsettled and j.status in ('pending', 'queued') and j.worker_id is null
    limit 500 for update of j skip locked
  loop
    v_count := v_count + gh_end_duplicate(r.id, r.sent)::integer;
  end loop;
  return v_count;
end $$;

create function gh_application_of_new_job() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform gh_file_application(new.id, new.user_id, new.valet_task_id, new.metadata);
  perform gh_end_duplicate(new.id, gh_application_sent(new.id));
  return null;
end $$;
create trigger gh_automation_jobs_application after insert on gh_automation_jobs for each row
  when (new.valet_task_id is not null or new.metadata ?| array['valet_task_id', 'retryOf'])
  execute function gh_application_of_new_job();

-- Where a job ends, those that waited for it are seen to; the first of them at once, the others by gh_end_duplicates: who ends a job does not
-- wait for a thousand others. One that comes back is unsettled again.
create function gh_application_of_ended_job() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_ended constant boolean := new.status in ('completed', 'failed', 'cancelled', 'expired');
  v_job uuid;
  v_sent uuid;
begin
  update gh_applications set unsettled = not v_ended where job_id = new.id and shared and unsettled = v_ended;
  if not v_ended or new.error_code is not distinct from 'application_already_sent' then
    return null; -- it has sent nothing: nobody waits for it any less
  end if;
  for v_job in
    select j.id from gh_applications me
    join gh_applications o on o.application_id = me.application_id and o.job_id <> me.job_id
    join gh_automation_jobs j on j.id = o.job_id
    where me.job_id = new.id and me.shared and o.unsettled and j.status in ('pending', 'queued') and j.worker_id is null
    order by o.seq limit 20 for update of j skip locked
  loop
    v_sent := coalesce(v_sent, gh_application_sent(v_job));
    exit when not gh_end_duplicate(v_job, v_sent);
  end loop;
  return null;
end $$;
create trigger gh_automation_jobs_application_ended after update of status on gh_automation_jobs for each row
  when ((old.status = any ('{completed,failed,cancelled,expired}'::text[])) <> (new.status = any ('{completed,failed,cancelled,expired}'::text[])))
  execute function gh_application_of_ended_job();

-- Why a job may not be given the permit to submit: another job of its application has it, or had it. The rows of the application stay locked
-- until the transaction ends, so that of two that ask at the same moment one is refused.
create function gh_application_refuses_permit(p_job uuid) returns text language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_app uuid;
  v_locked uuid;
  v_other uuid;
begin
  select application_id into v_app from gh_applications where job_id = p_job;
  if not found then
    return null;
  end if;
  -- Two applications may be joined while their rows are waited for.
  loop
    perform 1 from gh_applications where application_id = v_app order by job_id for update;
    select application_id into v_locked from gh_applications where job_id = p_job;
    exit when v_locked is not distinct from v_app;
    v_app := v_locked;
  end loop;
  select o.job_id into v_other from gh_applications o join gh_automation_jobs j on j.id = o.job_id
  where o.application_id = v_app and o.job_id <> p_job
    and (exists (select 1 from gh_permits p where p.job_id = o.job_id and p.outcome is distinct from 'not_submitted')
         or (not gh_job_is_live(j) and gh_job_may_be_sent(j)))
  order by o.seq limit 1;
  return case when v_other is not null then format('job %s of the same application was given it', v_other) end;
end $$;

-- A job of an application is looked for by everybody who hands jobs out: the claim (0501) and this, for old readers.
create or replace function gh_pickup_next_job(p_worker_id text) returns setof gh_automation_jobs
language sql security definer set search_path = public, pg_temp as $$
  update gh_automation_jobs set status = 'queued', worker_id = p_worker_id, last_heartbeat = now()
  where id = (
    select j.id from gh_automation_jobs j
    where j.status in ('pending', 'queued') and j.worker_id is null
      and (j.scheduled_at is null or j.scheduled_at <= now())
      and (j.target_worker_id is null or j.target_worker_id = p_worker_id or j.worker_affinity = 'any')
      and not exists (select 1 from gh_job_attempts a where a.job_id = j.id and a.state in ('claimed', 'launching', 'running'))
      and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = j.id and m.shared) is null
    order by j.priority, j.created_at
    limit 1
    for update skip locked)
  returning *
$$;

-- The jobs that are there already, in the order they came.
do $$
declare r record;
begin
  for r in
    select id, user_id, valet_task_id, metadata from gh_automation_jobs
    where valet_task_id is not null or metadata ?| array['valet_task_id', 'retryOf'] order by created_at, id
  loop
    perform gh_file_application(r.id, r.user_id, r.valet_task_id, r.metadata);
  end loop;
end $$;

-- Rights, as in 0006.
do $$
declare t text;
begin
  foreach t in array array['gh_applicants', 'gh_applications'] loop
    execute format('alter table %I enable row level security', t);
    execute format('revoke all on %I from public, anon, authenticated, gh_runner', t);
    execute format('grant all on %I to service_role', t);
    execute format('create policy gh_service_all on %I for all to service_role using (true) with check (true)', t);
  end loop;
end $$;
revoke all on function gh_application_keys(text, jsonb), gh_job_is_live(gh_automation_jobs), gh_job_may_be_sent(gh_automation_jobs),
  gh_application_holder(uuid), gh_application_sent(uuid), gh_application_sent_before(uuid, text, jsonb),
  gh_file_application(uuid, uuid, text, jsonb), gh_end_duplicate(uuid, uuid), gh_end_duplicates(), gh_application_of_new_job(),
  gh_application_of_ended_job(), gh_application_refuses_permit(uuid) from public, anon, authenticated, gh_runner;
