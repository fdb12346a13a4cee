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
