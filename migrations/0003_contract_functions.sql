-- Functions and triggers of the contract (section 1.9), and the guards that keep a shared job row true.

create or replace function update_updated_at_column() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create or replace function gh_update_user_usage_timestamp() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create or replace function gh_update_browser_sessions_timestamp() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
drop trigger if exists update_gh_action_manuals_updated_at on gh_action_manuals;
create trigger update_gh_action_manuals_updated_at before update on gh_action_manuals
  for each row execute function update_updated_at_column();
drop trigger if exists update_gh_automation_jobs_updated_at on gh_automation_jobs;
-- Not called for who says the same himself, as a claim does: for a batch of ten the calls took 50 of 1,650 microseconds.
create trigger update_gh_automation_jobs_updated_at before update on gh_automation_jobs
  for each row when (new.updated_at is distinct from now()) execute function update_updated_at_column();
drop trigger if exists update_gh_user_credentials_updated_at on gh_user_credentials;
create trigger update_gh_user_credentials_updated_at before update on gh_user_credentials
  for each row execute function update_updated_at_column();
drop trigger if exists trg_gh_user_usage_updated_at on gh_user_usage;
create trigger trg_gh_user_usage_updated_at before update on gh_user_usage
  for each row execute function gh_update_user_usage_timestamp();
drop trigger if exists trg_gh_browser_sessions_updated_at on gh_browser_sessions;
create trigger trg_gh_browser_sessions_updated_at before update on gh_browser_sessions
  for each row execute function gh_update_browser_sessions_timestamp();

-- The tier a job names: what the service says of the subscription, else of the job; unknown words are free.
create function gh_named_tier(p_input jsonb, p_metadata jsonb) returns text language sql immutable as $$
  select coalesce((
    select t from unnest(array[p_metadata ->> 'subscription_tier', p_input ->> 'tier']) with ordinality as x (t, o)
    where t in ('free', 'starter', 'pro', 'premium', 'enterprise') order by o limit 1), 'free')
$$;

-- Who has an account, and its tier: the newest month that says so. Months that only count what was used say nothing of an account.
create view gh_accounts as
  select distinct on (user_id) user_id, tier from gh_user_usage where tier_from = 'account' order by user_id, period_start desc;
revoke all on gh_accounts from public, anon, authenticated, gh_runner;
grant select on gh_accounts to service_role;

-- Whoever writes a tier into a month makes it the account's, also where use was counted before.
create function gh_tier_is_said() returns trigger language plpgsql as $$
begin
  new.tier_from := 'account';
  return new;
end $$;
create trigger gh_user_usage_tier_said before update of tier on gh_user_usage
  for each row execute function gh_tier_is_said();

-- Which field names a résumé in the storage that does not lie below its user's id; null when none does. The runner reads the storage
-- with the service's key and hands the file to the job's address, so a user's own word counts for what is theirs only.
create function gh_foreign_resume(p_user uuid, p_ref jsonb, p_input jsonb, p_metadata jsonb) returns table (field text, key text)
language sql immutable as $$
  select x.field, x.key from (values
    ('resume_ref.storage_path', p_ref ->> 'storage_path'),
    ('metadata.resume_ref.storage_path', p_metadata #>> '{resume_ref,storage_path}'),
    ('input_data.resume_ref.storage_path', p_input #>> '{resume_ref,storage_path}'),
    ('input_data.resume_path', nullif(p_input ->> 'resume_path', substring(p_input ->> 'resume_path' from '^https?://.*$')))
  ) x (field, key)
  where x.key <> '' and (not starts_with(x.key, p_user || '/') or x.key ~ '(^|/)\.\.(/|$)')
  limit 1
$$;

create function gh_job_defaults() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
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
        message = format('must begin with the id of the user, as in %s/resume.pdf: %s', new.user_id, v_foreign.key);
    end if;
  end if;
  return new;
end $$;
create trigger gh_automation_jobs_defaults before insert on gh_automation_jobs
  for each row execute function gh_job_defaults();

-- VALET puts the service's key into the callback's query and writes the address twice: into its column, which users may not read,
-- and into the metadata, which they may, also when it adds its queue's ids later. It is kept in the column alone.
create function gh_hide_callback() returns trigger language plpgsql as $$
begin
  new.callback_url := coalesce(nullif(new.callback_url, ''), nullif(new.metadata ->> 'callback_url', ''));
  new.metadata := new.metadata - 'callback_url';
  return new;
end $$;
-- Fires after the defaults and before all who read the metadata (by name).
create trigger gh_automation_jobs_address before update of metadata on gh_automation_jobs for each row
  when (jsonb_typeof(new.metadata) = 'object' and new.metadata ? 'callback_url') execute function gh_hide_callback();
create trigger gh_automation_jobs_defaults_address before insert on gh_automation_jobs for each row
  when (jsonb_typeof(new.metadata) = 'object' and new.metadata ? 'callback_url') execute function gh_hide_callback();
update gh_automation_jobs set metadata = metadata where jsonb_typeof(metadata) = 'object' and metadata ? 'callback_url';
-- Rows of the old system have no tier yet.
update gh_automation_jobs set tier = gh_named_tier(input_data, metadata) where tier is null;

-- The only trigger that notifies per job; heartbeats and progress never do, because NOTIFY serialises commits.
create or replace function gh_notify_new_job() returns trigger language plpgsql as $$
begin
  perform pg_notify('gh_job_created', json_build_object(
    'id', new.id, 'job_type', new.job_type, 'priority', new.priority, 'user_id', new.user_id)::text);
  return new;
end $$;
drop trigger if exists gh_automation_jobs_notify on gh_automation_jobs;
create trigger gh_automation_jobs_notify after insert on gh_automation_jobs
  for each row execute function gh_notify_new_job();

create or replace function gh_log_status_change() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into gh_job_events (job_id, event_type, from_status, to_status, message, actor)
  values (new.id, 'status_change', old.status, new.status,
          format('Status changed from %s to %s', old.status, new.status), coalesce(new.worker_id, 'system'));
  return new;
end $$;
drop trigger if exists gh_automation_jobs_log_status on gh_automation_jobs;
create trigger gh_automation_jobs_log_status after update of status on gh_automation_jobs
  for each row when (old.status is distinct from new.status) execute function gh_log_status_change();

-- Wakes the dispatcher when an attempt is over: a slot is free, a machine has to go. One notice per attempt.
create function gh_notify_attempt_ended() returns trigger language plpgsql as $$
begin
  perform pg_notify('gh_attempt_ended', new.id::text);
  return new;
end $$;
create trigger gh_job_attempts_ended after update of state on gh_job_attempts for each row
  when (old.state in ('claimed', 'launching', 'running') and new.state not in ('claimed', 'launching', 'running'))
  execute function gh_notify_attempt_ended();

-- The job row is shared: VALET, the runbook and people write it by hand. Three rules keep it true.
--   A terminal status absorbs: only a retry (pending, queued) leaves it. A late "running" callback changes nothing.
--   A job whose form may have been sent is not tried again, whoever asks: a second attempt could never get the permit.
--   Whoever ends a job, or gives it back, takes it from its live attempt: every later write of that attempt is refused, so also
--   what it would have said of the form. If it had the permit, nobody knows any more, and a job that was given back ends there.
create function gh_guard_job_status() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare v_message text;
begin
  if old.status in ('completed', 'failed', 'cancelled', 'expired', 'needs_human') and new.status in ('pending', 'queued')
     and exists (select 1 from gh_permits p where p.job_id = old.id) then
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
create trigger gh_automation_jobs_guard before update of status, worker_id on gh_automation_jobs for each row
  -- Not called for what it would let pass: a claim, a start. (One constant for each list, as in the checks of 0001.)
  when (old.status = any ('{completed,failed,cancelled,expired,needs_human}'::text[])
        or new.status = any ('{completed,failed,cancelled,expired,needs_human}'::text[])
        or (new.worker_id is null and new.status = any ('{pending,queued}'::text[])))
  execute function gh_guard_job_status();

-- For old readers. Hands out only what nobody holds, and what it hands out the dispatcher leaves alone.
drop function if exists gh_pickup_next_job(text);
create function gh_pickup_next_job(p_worker_id text) returns setof gh_automation_jobs
language sql security definer set search_path = public, pg_temp as $$
  update gh_automation_jobs set status = 'queued', worker_id = p_worker_id, last_heartbeat = now()
  where id = (
    select j.id from gh_automation_jobs j
    where j.status in ('pending', 'queued') and j.worker_id is null
      and (j.scheduled_at is null or j.scheduled_at <= now())
      and (j.target_worker_id is null or j.target_worker_id = p_worker_id or j.worker_affinity = 'any')
      and not exists (select 1 from gh_job_attempts a where a.job_id = j.id and a.state in ('claimed', 'launching', 'running'))
    order by j.priority, j.created_at
    limit 1
    for update skip locked)
  returning *
$$;

create or replace function gh_increment_user_usage(
  p_user_id uuid, p_tier text, p_period_start timestamptz, p_period_end timestamptz,
  p_cost_usd double precision, p_input_tokens bigint, p_output_tokens bigint, p_job_count integer default 1
) returns void language sql as $$
  insert into gh_user_usage as u
    (user_id, tier, period_start, period_end, total_cost_usd, total_input_tokens, total_output_tokens, job_count)
  values (p_user_id, p_tier, p_period_start, p_period_end, p_cost_usd, p_input_tokens, p_output_tokens, p_job_count)
  on conflict (user_id, period_start) do update set
    total_cost_usd = u.total_cost_usd + excluded.total_cost_usd,
    total_input_tokens = u.total_input_tokens + excluded.total_input_tokens,
    total_output_tokens = u.total_output_tokens + excluded.total_output_tokens,
    job_count = u.job_count + excluded.job_count
$$;
