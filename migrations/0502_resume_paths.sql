-- A key like `<own id>/.<tab>./<other id>/cv.pdf` began with the user's id and named somebody else's file for the program that
-- drops the tab. A user's key is plain now: no character a parser drops, no segment it resolves, nothing to be decoded.

-- `check_own` of domain::storage_key, in SQL: the tests hold the two together. Everything is refused that the runner reads another
-- way, and a reference that is a text counts as the key it holds.
create or replace function gh_foreign_resume(p_user uuid, p_ref jsonb, p_input jsonb, p_metadata jsonb)
returns table (field text, key text) language sql immutable as $$
  select x.field, x.key from (values
    ('resume_ref.storage_path', p_ref ->> 'storage_path'),
    ('resume_ref.s3_key', p_ref ->> 's3_key'),
    ('resume_ref', case when jsonb_typeof(p_ref) = 'string' then p_ref #>> '{}' end),
    ('metadata.resume_ref.storage_path', p_metadata #>> '{resume_ref,storage_path}'),
    ('metadata.resume_ref.s3_key', p_metadata #>> '{resume_ref,s3_key}'),
    ('metadata.resume_ref', case when jsonb_typeof(p_metadata -> 'resume_ref') = 'string' then p_metadata ->> 'resume_ref' end),
    ('input_data.resume_ref.storage_path', p_input #>> '{resume_ref,storage_path}'),
    ('input_data.resume_ref.s3_key', p_input #>> '{resume_ref,s3_key}'),
    ('input_data.resume_ref', case when jsonb_typeof(p_input -> 'resume_ref') = 'string' then p_input ->> 'resume_ref' end),
    ('input_data.resume_path', case when p_input ->> 'resume_path' !~* '^https?://' then p_input ->> 'resume_path' end)
  ) x (field, key)
  where x.key <> '' and (
    not starts_with(x.key, p_user || '/')
    or octet_length(x.key) > 1024
    -- Control characters, line ends, and what is not seen, but not the joiners of Persian, Hindi and emoji names; backslash.
    or x.key ~ '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\\]'
    -- A segment that is empty or of dots alone, or becomes so where text is normalised or trimmed.
    or x.key ~ '(^|/)[. \u00a0\u034f\u1680\u2000-\u200a\u200c\u200d\u2024-\u2026\u202f\u205f\u3000\u3002\ufe00-\ufe0f\ufe52\uff0e\uff61]*(/|$)'
    -- What would be read once more than it was written.
    or x.key ~ '%[0-9A-Fa-f]{2}|[?#\uff0f\uff3c\ufe68\uff05\ufe6a]')
  limit 1
$$;

-- As in 0003, but for what the refusal says.
create or replace function gh_job_defaults() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare v_foreign record;
begin
  new.task_description := coalesce(new.task_description, '');
  new.input_data := coalesce(new.input_data, '{}');
  new.metadata := coalesce(new.metadata, '{}');
  new.tags := coalesce(new.tags, '[]');
  if coalesce(nullif(current_setting('role', true), 'none'), session_user) in ('authenticated', 'anon') then
    -- A user's own insert: the account decides the tier, and the lifecycle starts at its beginning.
    new.tier := coalesce((select a.tier from gh_accounts a where a.user_id = new.user_id), 'free');
    new.status := 'pending';
    new.created_by := 'user';
    new.worker_id := null;
    new.retry_count := 0;
    new.max_retries := least(greatest(new.max_retries, 0), 3);
    new.timeout_seconds := least(greatest(new.timeout_seconds, 30), 1800);
    new.placement_failures := 0;
    new.crash_count := 0;
    new.execution_attempt_id := null;
    new.callback_url := null; -- a caller-chosen address is taken over REST only, where it is checked
    if jsonb_typeof(new.metadata) = 'object' then
      new.metadata := new.metadata - 'callback_url';
    end if;
  else
    new.tier := coalesce(new.tier, gh_named_tier(new.input_data, new.metadata));
  end if;
  if new.created_by in ('api', 'user') then -- asked for by its user, over REST or straight
    select * into v_foreign from gh_foreign_resume(new.user_id, new.resume_ref, new.input_data, new.metadata);
    if found then
      raise exception using errcode = '22023', column = v_foreign.field, detail = new.id,
        message = format('must name a file below the id of the user, as in %s/resume.pdf, '
          'without control characters, escapes, and segments that are empty or of dots: %s', new.user_id, v_foreign.key);
    end if;
  end if;
  return new;
end $$;

-- VALET writes what its user changed into the note of an answer. The message of the job shows its first 500 characters.
alter table gh_job_resolutions add column notes text;

-- As in 0201, and the note is kept whole: lets a waiting job go on. p_attempt is the attempt the data was sealed for, or null.
-- Returns {status} when it goes on or already did; {refused: its status}, with {sent: true} when its form may have been sent and no
-- machine waits any more; {changed: true} when another attempt waits now; null: no such job.
-- The clock of the attempt goes on where it stood.
create or replace function gh_resume_job(p_job uuid, p_user uuid, p_id uuid, p_attempt uuid, p_type text, p_by text, p_notes text, p_sealed bytea)
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
  if a.id is null and (exists (select 1 from gh_permits p where p.job_id = j.id) or gh_application_sent(j.id) is not null) then
    return jsonb_build_object('refused', j.status, 'sent', true);
  end if;
  if p_sealed is not null and a.id is distinct from p_attempt then
    return jsonb_build_object('changed', true);
  end if;
  insert into gh_job_resolutions (id, job_id, attempt_id, turn, resolution_type, resolved_by, sealed, notes)
  values (p_id, j.id, a.id, coalesce(a.pauses, 0), p_type, p_by, case when a.id is not null then p_sealed end, nullif(p_notes, ''));
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
