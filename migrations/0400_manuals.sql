-- Manuals: what a run learned about a form, so that the next one needs no model. They say which fact answers which question and
-- hold no answer of any candidate. Health as in contract section 10.5: recorded 100, +2 for a success, -5 for a failure, -15 from the sixth on.

alter table gh_action_manuals add column if not exists signature text;
create index if not exists gh_manuals_of_form on gh_action_manuals (signature, task_pattern) where signature is not null;

-- The healthiest manual of the form, as {id, health, steps}, or null. Health is 0 to 1.
create function gh_attempt_manual_find(p_attempt uuid, p_fence bigint, p_token text, p_signature text, p_task text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
begin
  if a.id is null or a.state <> 'running' then
    return null;
  end if;
  return (select jsonb_build_object('id', m.id, 'health', m.health_score / 100, 'steps', m.steps)
          from gh_action_manuals m
          where m.signature = p_signature and m.task_pattern = p_task and m.health_score > 0
          order by m.health_score desc, m.updated_at desc limit 1);
end $$;

-- How a run of a form went. p_run: {signature, url_pattern, task, platform, outcome, manual_id, steps}; outcome is created, succeeded or failed.
create function gh_attempt_manual_record(p_attempt uuid, p_fence bigint, p_token text, p_run jsonb) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  v_manual uuid := (p_run ->> 'manual_id')::uuid;
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('manual');
    return false;
  elsif octet_length(p_run::text) > 200000 then
    return false;
  end if;
  if p_run ->> 'outcome' = 'failed' then
    update gh_action_manuals set failure_count = failure_count + 1, updated_at = now(),
      health_score = greatest(0, health_score - case when failure_count + 1 > 5 then 15 else 5 end)
    where id = v_manual;
  elsif p_run ->> 'outcome' = 'succeeded' then
    update gh_action_manuals set success_count = success_count + 1, last_used = now(), last_verified = now(), updated_at = now(),
      health_score = least(100, health_score + 2), steps = coalesce(p_run -> 'steps', steps)
    where id = v_manual;
  elsif p_run ->> 'outcome' = 'created' then
    update gh_action_manuals set steps = p_run -> 'steps', health_score = 100, last_verified = now(), updated_at = now()
    where signature = p_run ->> 'signature' and task_pattern = p_run ->> 'task'
    returning id into v_manual;
    if v_manual is null then
      insert into gh_action_manuals (url_pattern, task_pattern, platform, signature, steps, source, health_score, last_verified)
      values (left(p_run ->> 'url_pattern', 500), p_run ->> 'task', p_run ->> 'platform', p_run ->> 'signature', p_run -> 'steps', 'recorded', 100, now())
      returning id into v_manual;
    end if;
  else
    return false;
  end if;
  update gh_automation_jobs set manual_id = v_manual
  where id = a.job_id and exists (select 1 from gh_action_manuals m where m.id = v_manual);
  return true;
end $$;

-- Rights, as in 0006.
revoke all on function gh_attempt_manual_find(uuid, bigint, text, text, text), gh_attempt_manual_record(uuid, bigint, text, jsonb)
  from public, anon, authenticated, gh_runner;
grant execute on function gh_attempt_manual_find(uuid, bigint, text, text, text), gh_attempt_manual_record(uuid, bigint, text, jsonb) to gh_runner;
