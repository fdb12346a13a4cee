-- What a runner may do, and nothing else: each call names its attempt, fence and token, and changes nothing when one of them is wrong.
-- Ending an attempt is one function for everybody, so that the rules of retry and of the permit stand in one place.

-- Ends a live attempt and moves its job. p_result: {error_code, error_message, result_data, result_summary, screenshot_urls,
-- action_count, final_mode, permit_outcome, interaction_type, interaction_data, peak_rss_mb}; all optional.
-- Returns {ok, status} or {ok: false, reason}.
create function gh_close_attempt(p_attempt uuid, p_class text, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts;
  j gh_automation_jobs;
  v_class text := p_class;
  v_code text := left(p_result ->> 'error_code', 50);
  v_message text := left(p_result ->> 'error_message', 4000);
  v_permit boolean;
  v_outcome text := p_result ->> 'permit_outcome';
  v_wait integer;
  v_status text;
  v_crashes integer;
begin
  select * into a from gh_job_attempts where id = p_attempt;
  if not found then
    return jsonb_build_object('ok', false, 'reason', 'unknown attempt');
  end if;
  -- The job first, then the attempt: the same order as the guard on the job row.
  select * into j from gh_automation_jobs where id = a.job_id for update;
  select * into a from gh_job_attempts where id = p_attempt for update;
  if a.state not in ('claimed', 'launching', 'running') then
    return jsonb_build_object('ok', false, 'reason', coalesce(a.end_class, a.state));
  end if;
  if octet_length(p_result::text) > 1000000 then
    p_result := p_result - 'result_data' || jsonb_build_object('result_data', jsonb_build_object('dropped', 'the result was larger than 1 MB'));
  end if;

  -- After the permit nothing is tried again by itself.
  select true into v_permit from gh_permits where job_id = j.id and attempt_id = a.id and outcome is null;
  if v_permit then
    if v_class = 'completed' then
      v_outcome := 'submitted';
    elsif v_class in ('retryable', 'released', 'crash', 'placement', 'deadline') then
      if coalesce(v_outcome, 'unknown') <> 'not_submitted' then
        v_outcome := 'unknown';
        v_message := format('The form may have been sent: the attempt ended (%s) between the permit to submit and the proof of it.%s',
                            p_class, coalesce(' ' || v_message, ''));
        v_code := 'submission_unknown';
      end if;
      v_class := 'final';
    end if;
    update gh_permits set outcome = coalesce(v_outcome, 'unknown') where job_id = j.id and attempt_id = a.id;
  end if;

  update gh_job_attempts set
    state = case when v_class = 'completed' then 'succeeded'
                 when p_class in ('crash', 'placement', 'deadline', 'released') then 'lost'
                 else 'failed' end,
    end_class = p_class, error_code = v_code, error_message = v_message, ended_at = now(),
    peak_rss_mb = (p_result ->> 'peak_rss_mb')::integer
  where id = a.id;

  v_crashes := j.crash_count + (v_class = 'crash')::integer;
  if v_class = 'deadline' then
    v_code := coalesce(v_code, 'timeout');
    v_message := coalesce(v_message, format('The job did not end within its %s s.', j.timeout_seconds));
  elsif v_class = 'crash' then
    v_code := coalesce(v_code, 'browser_crashed');
    if v_crashes >= 2 then
      v_class := 'final';
      v_code := 'quarantined';
      v_message := format('%s machines died under this job; it is set aside. %s', v_crashes, coalesce(v_message, ''));
    end if;
  elsif v_class = 'placement' and j.placement_failures + 1 >= 20 then
    v_class := 'final';
    v_code := 'no_machine';
    v_message := format('No machine came up in 20 tries. %s', coalesce(v_message, ''));
  end if;
  if v_class in ('retryable', 'crash', 'deadline') and j.retry_count >= j.max_retries then
    v_class := 'final';
  end if;

  if v_class = 'completed' then
    v_status := 'completed';
    update gh_automation_jobs set status = 'completed', completed_at = now(), result_data = p_result -> 'result_data',
      result_summary = coalesce(p_result ->> 'result_summary', 'Task completed'), status_message = coalesce(p_result ->> 'result_summary', 'Completed'),
      error_code = null, error_details = null, screenshot_urls = coalesce(p_result -> 'screenshot_urls', screenshot_urls),
      action_count = coalesce((p_result ->> 'action_count')::integer, action_count), final_mode = case when p_result ->> 'final_mode' in ('cookbook', 'magnitude', 'hybrid', 'smart_apply', 'agent_apply')
                        then p_result ->> 'final_mode' else final_mode end
    where id = j.id;
  elsif v_class = 'needs_human' then
    v_status := 'needs_human';
    update gh_automation_jobs set status = 'needs_human', paused_at = now(), result_data = p_result -> 'result_data',
      result_summary = p_result ->> 'result_summary', status_message = coalesce(p_result ->> 'result_summary', 'Waiting for human'),
      error_code = v_code, error_details = jsonb_build_object('message', v_message),
      interaction_type = p_result ->> 'interaction_type', interaction_data = p_result -> 'interaction_data',
      screenshot_urls = coalesce(p_result -> 'screenshot_urls', screenshot_urls),
      action_count = coalesce((p_result ->> 'action_count')::integer, action_count)
    where id = j.id;
  elsif v_class = 'final' then
    v_status := 'failed';
    update gh_automation_jobs set status = 'failed', completed_at = now(), result_data = coalesce(p_result -> 'result_data', result_data),
      error_code = coalesce(v_code, 'internal_error'), error_details = jsonb_build_object('message', v_message),
      status_message = coalesce(left(v_message, 500), 'Failed'), crash_count = v_crashes,
      placement_failures = placement_failures + (p_class = 'placement')::integer,
      screenshot_urls = coalesce(p_result -> 'screenshot_urls', screenshot_urls),
      action_count = coalesce((p_result ->> 'action_count')::integer, action_count)
    where id = j.id;
  else
    -- Back to the queue. 5 s doubled per try, at most 300 s, give or take a fifth; a released job may go on at once.
    v_status := 'pending';
    v_wait := case v_class when 'released' then 0 when 'placement' then j.placement_failures else j.retry_count end;
    v_wait := case when v_class = 'released' then 0
                   else round(least(300, 5 * power(2, least(v_wait, 10))) * (0.8 + 0.4 * random())) end;
    update gh_automation_jobs set status = 'pending', worker_id = null, last_heartbeat = null,
      scheduled_at = case when v_wait > 0 then now() + make_interval(secs => v_wait) end,
      retry_count = retry_count + (v_class in ('retryable', 'crash', 'deadline'))::integer,
      placement_failures = placement_failures + (v_class = 'placement')::integer, crash_count = v_crashes,
      error_code = case when v_class = 'released' then error_code else v_code end,
      error_details = jsonb_build_object('message', v_message, 'retry', v_class <> 'released', 'class', v_class, 'backoff_seconds', v_wait),
      tier = coalesce(p_result ->> 'next_tier', tier),
      status_message = case v_class when 'released' then coalesce(left(v_message, 500), 'Given back by its machine; waiting for another')
                                    when 'placement' then 'No machine came up; trying again'
                                    else 'Trying again after an error' end
    where id = j.id;
  end if;

  insert into gh_job_events (job_id, event_type, message, metadata, actor)
  values (j.id,
    case v_status when 'completed' then 'job_completed' when 'pending' then case v_class when 'released' then 'job_released' else 'job_failed' end
                  when 'needs_human' then 'hitl_paused' else 'job_failed' end,
    coalesce(v_message, p_result ->> 'result_summary'),
    jsonb_strip_nulls(jsonb_build_object('attempt_id', a.id, 'attempt', a.no, 'class', p_class, 'error_code', v_code, 'error_message', v_message,
      'final', v_status <> 'pending', 'retry_count', j.retry_count, 'result_summary', p_result ->> 'result_summary',
      'action_count', p_result -> 'action_count')),
    coalesce(j.worker_id, 'system'));
  return jsonb_build_object('ok', true, 'status', v_status);
end $$;

-- A pool machine's first call: which attempt it was given, or null. Its token is the attempt's from then on.
create function gh_pool_attempt(p_machine uuid, p_token text) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
  select m.attempt_id from gh_machines m
  where m.id = p_machine and m.kind = 'pool' and m.token_hash = sha256(convert_to(p_token, 'UTF8'))
$$;

-- The attempt a runner speaks for, or null when the token or the fence is wrong. Not callable by the runner itself.
create function gh_attempt_of(p_attempt uuid, p_fence bigint, p_token text) returns gh_job_attempts
language sql stable security definer set search_path = public, pg_temp as $$
  select a from gh_job_attempts a
  where a.id = p_attempt and a.fence = p_fence and a.token_hash = sha256(convert_to(p_token, 'UTF8'))
$$;

-- Counts a refused call.
create function gh_fenced(p_call text) returns void language sql security definer set search_path = public, pg_temp as $$
  update gh_fenced_writes set n = n + 1 where call = p_call
$$;

-- The first call of a runner: hands it the job, or refuses. Repeating it with the same boot id is harmless.
create function gh_attempt_start(p_attempt uuid, p_token text, p_boot uuid, p_machine text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts;
  j gh_automation_jobs;
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

create function gh_attempt_heartbeat(p_attempt uuid, p_fence bigint, p_token text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('heartbeat');
    return jsonb_build_object('ok', false, 'reason', coalesce(a.end_class, a.state, 'fenced'));
  end if;
  update gh_attempt_heartbeats set beat_at = now() where attempt_id = a.id;
  update gh_automation_jobs set last_heartbeat = now() where id = a.job_id; -- for VALET's readers
  return jsonb_build_object('ok', true, 'cancel', false,
    'remaining_seconds', greatest(0, extract(epoch from a.hard_deadline - now()))::integer);
end $$;

create function gh_attempt_event(p_attempt uuid, p_fence bigint, p_token text, p_type text, p_message text, p_metadata jsonb) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('event');
    return false;
  end if;
  insert into gh_job_events (job_id, event_type, message, metadata, actor)
  select a.job_id, left(p_type, 50), left(p_message, 2000),
    case when octet_length(p_metadata::text) > 100000 then '{"dropped":"larger than 100 kB"}' else coalesce(p_metadata, '{}') end, worker_id
  from gh_automation_jobs where id = a.job_id;
  return true;
end $$;

-- Moves what the user sees: status_message at once, and a progress_update event.
create function gh_attempt_progress(p_attempt uuid, p_fence bigint, p_token text, p_progress jsonb) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  v_message text := left(coalesce(p_progress ->> 'status_message', p_progress ->> 'description'), 500);
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('progress');
    return false;
  end if;
  update gh_automation_jobs set status_message = coalesce(v_message, status_message), last_heartbeat = now()
  where id = a.job_id and status = 'running';
  return gh_attempt_event(p_attempt, p_fence, p_token, 'progress_update', v_message, p_progress - 'status_message');
end $$;

-- One model call. p_call: {request_id, provider, model, purpose, input, cached, output, reasoning}: tokens by class, cached not within input,
-- reasoning not within output. Also taken after the attempt has ended: the money is spent either way.
create function gh_attempt_usage(p_attempt uuid, p_fence bigint, p_token text, p_call jsonb) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  v_class text;
  v_tokens bigint;
  v_price numeric;
begin
  if a.id is null then
    perform gh_fenced('usage');
    return false;
  end if;
  foreach v_class in array array['input', 'cached', 'output', 'reasoning'] loop
    v_tokens := coalesce((p_call ->> v_class)::bigint, 0);
    continue when v_tokens <= 0;
    -- Dollars per million tokens. Reasoning is billed as output, cached input as input, where they have no price of their own.
    select p.price into v_price from gh_prices p
    where p.provider = p_call ->> 'provider' and p.valid_from <= now()
      and p.sku = any (array[(p_call ->> 'model') || ':' || v_class,
                             (p_call ->> 'model') || ':' || case v_class when 'reasoning' then 'output' when 'cached' then 'input' else v_class end])
    order by (p.sku = (p_call ->> 'model') || ':' || v_class) desc, p.valid_from desc limit 1;
    insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, quantity, unit, unit_price, cost_usd,
                                period_start, period_end, source, dedup, tags)
    values (a.job_id, a.id, a.user_id, a.tier, 'llm', coalesce(p_call ->> 'provider', 'unknown'), (p_call ->> 'model') || ':' || v_class,
            v_tokens, 'token', v_price / 1000000, v_tokens * v_price / 1000000, now(), now(), 'runner',
            format('llm:%s:%s:%s', a.id, p_call ->> 'request_id', v_class), jsonb_strip_nulls(jsonb_build_object('purpose', p_call -> 'purpose')))
    on conflict (dedup) do nothing;
  end loop;
  update gh_automation_jobs j set total_tokens = t.tokens, llm_cost_cents = t.cents
  from (select coalesce(sum(quantity), 0)::bigint as tokens, coalesce(round(sum(cost_usd) * 100), 0)::integer as cents
        from gh_cost_ledger where job_id = a.job_id and kind = 'llm') t
  where j.id = a.job_id;
  return true;
end $$;

-- The leave to do an irreversible thing: to one attempt of a job, ever. The same attempt may ask again, its reply may have been lost.
create function gh_attempt_permit(p_attempt uuid, p_fence bigint, p_token text, p_effect text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  j gh_automation_jobs;
  v_holder uuid;
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
  insert into gh_permits (job_id, effect, attempt_id, fence) values (j.id, p_effect, a.id, a.fence) on conflict do nothing;
  select attempt_id into v_holder from gh_permits where job_id = j.id and effect = p_effect;
  if v_holder <> a.id then
    return jsonb_build_object('granted', false, 'reason', 'an earlier attempt was given it');
  end if;
  return jsonb_build_object('granted', true);
end $$;

create function gh_attempt_finish(p_attempt uuid, p_fence bigint, p_token text, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('finish');
    return jsonb_build_object('ok', false, 'reason', coalesce(a.end_class, a.state, 'fenced'));
  elsif coalesce(p_result ->> 'class', '') not in ('completed', 'retryable', 'final', 'needs_human', 'released', 'deadline') then
    raise exception 'result.class is %, not one of completed, retryable, final, needs_human, released, deadline', p_result ->> 'class';
  end if;
  return gh_close_attempt(p_attempt, p_result ->> 'class', p_result);
end $$;
