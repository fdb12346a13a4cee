-- The permit is given back where the form provably goes on: a step of a wizard was not the application.
-- A row of gh_permits means "may have been sent" to all its readers, so that a permit given back is no row; the job's events keep what proved it.

-- The leave to do an irreversible thing: to one attempt of an application at a time, and to none after it unless it was given back.
-- The same attempt may ask again, its reply may have been lost.
create or replace function gh_attempt_permit(p_attempt uuid, p_fence bigint, p_token text, p_effect text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  j gh_automation_jobs;
  p gh_permits;
  v_other text;
begin
  if a.id is null then
    perform gh_fenced('permit');
    return jsonb_build_object('granted', false, 'reason', 'fenced');
  end if;
  select * into j from gh_automation_jobs where id = a.job_id for update;
  select * into a from gh_job_attempts where id = p_attempt for update;
  if a.state <> 'running' or j.status <> 'running' then
    perform gh_fenced('permit');
    return jsonb_build_object('granted', false, 'reason', format('the attempt is %s and the job is %s', coalesce(a.end_class, a.state), j.status));
  elsif a.hard_deadline < now() then
    return jsonb_build_object('granted', false, 'reason', 'the time of the job is over');
  end if;
  -- What happens once is an application (0500): from here on its rows are locked, so that of two of its jobs one is refused.
  v_other := gh_application_refuses_permit(j.id);
  if v_other is not null then
    return jsonb_build_object('granted', false, 'reason', v_other);
  end if;
  insert into gh_permits (job_id, effect, attempt_id, fence) values (j.id, p_effect, a.id, a.fence) on conflict do nothing;
  select * into p from gh_permits where job_id = j.id and effect = p_effect;
  if p.attempt_id <> a.id then
    return jsonb_build_object('granted', false, 'reason', 'an earlier attempt was given it');
  elsif p.outcome is not null then
    return jsonb_build_object('granted', false, 'reason', format('what it was given for is over: %s', p.outcome));
  end if;
  return jsonb_build_object('granted', true);
end $$;

-- Takes a permit back from the attempt that holds it, with what proves that nothing irreversible was done. From here on the job is as one
-- that never had it: another attempt may be given it. Repeating it is harmless. A job that was taken from its attempt keeps its permit.
create function gh_attempt_permit_return(p_attempt uuid, p_fence bigint, p_token text, p_effect text, p_evidence jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  j gh_automation_jobs;
  v_granted timestamptz;
begin
  if a.id is null then
    perform gh_fenced('permit');
    return jsonb_build_object('returned', false, 'reason', 'fenced');
  end if;
  select * into j from gh_automation_jobs where id = a.job_id for update;
  select * into a from gh_job_attempts where id = p_attempt for update;
  if a.state <> 'running' or j.status <> 'running' then
    perform gh_fenced('permit');
    return jsonb_build_object('returned', false, 'reason', format('the attempt is %s and the job is %s', coalesce(a.end_class, a.state), j.status));
  elsif coalesce(p_evidence ->> 'reason', '') = '' then
    return jsonb_build_object('returned', false, 'reason', 'nothing proves that it was not used');
  end if;
  delete from gh_permits where job_id = j.id and effect = p_effect and attempt_id = a.id and outcome is null returning granted_at into v_granted;
  if found then
    insert into gh_job_events (job_id, event_type, message, metadata, actor)
    values (j.id, 'permit_returned', left('The permit was given back: ' || (p_evidence ->> 'reason'), 2000),
      case when octet_length(p_evidence::text) > 20000 then '{}'::jsonb else p_evidence end
        || jsonb_build_object('outcome', 'not_submitted', 'effect', p_effect, 'granted_at', v_granted, 'attempt_id', a.id), j.worker_id);
  end if;
  return jsonb_build_object('returned', not exists (select 1 from gh_permits where job_id = j.id and effect = p_effect));
end $$;

-- Rights, as in 0006.
revoke all on function gh_attempt_permit_return(uuid, bigint, text, text, jsonb) from public, anon, authenticated, gh_runner;
grant execute on function gh_attempt_permit_return(uuid, bigint, text, text, jsonb) to gh_runner;
