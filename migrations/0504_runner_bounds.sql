-- What a runner that strangers took over can do is bounded here: what it books, which machine its job gets, how often its job is given back.
-- 0500 adds one thing: a permit refused for another job of the application.

-- Ends a live attempt and moves its job. p_result: {error_code, error_message, result_data, result_summary, screenshot_urls,
-- action_count, final_mode, permit_outcome, interaction_type, interaction_data, peak_rss_mb}; all optional.
-- Returns {ok, status} or {ok: false, reason}.
create or replace function gh_close_attempt(p_attempt uuid, p_class text, p_result jsonb) returns jsonb
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
  v_released integer := 0; -- how often its machines gave it back before
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

  -- The permit was refused because another job of the application had it, or has it: that one tells what becomes of the task.
  if v_code = 'permit_refused' and exists (select 1 from gh_application_holder(j.id) h where h.kind in ('sent', 'live')) then
    v_code := 'application_already_sent';
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

  if v_class = 'released' then
    select count(*) into v_released from gh_job_attempts x where x.job_id = j.id and x.end_class = 'released' and x.started_at is not null;
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
  -- A machine that is told to stop gives its job back, and that counts as nothing. One that does so for ever would make machines for ever.
  if v_class = 'released' and a.started_at is not null and v_released >= 10 then
    v_class := 'final';
    v_code := 'released_too_often';
    v_message := format('Its machines gave it back %s times. %s', v_released + 1, coalesce(v_message, ''));
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
    -- Back to the queue. 5 s doubled per try, at most 300 s, give or take a fifth; a job that was released less than three times goes on at once.
    v_status := 'pending';
    v_wait := case v_class when 'released' then v_released - 3 when 'placement' then j.placement_failures else j.retry_count end;
    v_wait := case when v_wait < 0 then 0
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

-- One model call. p_call: {request_id, provider, model, purpose, input, cached, output, reasoning}: tokens by class, cached not within input,
-- reasoning not within output. At most what the attempt may spend is booked, and nothing once it has ended: its runner sends what it spent before
-- it says how the job ended. A line that was cut says so, and how many tokens were named.
create or replace function gh_attempt_usage(p_attempt uuid, p_fence bigint, p_token text, p_call jsonb) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
  v_class text;
  v_tokens bigint;
  v_price numeric;
  v_left numeric;    -- what the attempt may still spend, in dollars
  v_booked bigint;
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('usage');
    return false;
  end if;
  -- Its calls one after the other, so that two at the same moment do not book the same dollar. And not while it ends: the job first, as there.
  perform 1 from gh_automation_jobs j where j.id = a.job_id for update;
  select * into a from gh_job_attempts x where x.id = p_attempt for update;
  if a.state <> 'running' then
    perform gh_fenced('usage');
    return false;
  end if;
  v_left := gh_reserved(a.id, a.job_id, a.budget_micros);
  foreach v_class in array array['input', 'cached', 'output', 'reasoning'] loop
    v_tokens := least(coalesce((p_call ->> v_class)::bigint, 0), 1000000000); -- what the column holds
    continue when v_tokens <= 0;
    -- Dollars per million tokens. Reasoning is billed as output, cached input as input, where they have no price of their own.
    select p.price into v_price from gh_prices p
    where p.provider = p_call ->> 'provider' and p.valid_from <= now()
      and p.sku = any (array[(p_call ->> 'model') || ':' || v_class,
                             (p_call ->> 'model') || ':' || case v_class when 'reasoning' then 'output' when 'cached' then 'input' else v_class end])
    order by (p.sku = (p_call ->> 'model') || ':' || v_class) desc, p.valid_from desc limit 1;
    v_booked := case when v_price > 0 then least(v_tokens, floor(v_left * 1000000 / v_price)) else v_tokens end;
    insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, quantity, unit, unit_price, cost_usd,
                                period_start, period_end, source, dedup, tags)
    values (a.job_id, a.id, a.user_id, a.tier, 'llm', coalesce(p_call ->> 'provider', 'unknown'), (p_call ->> 'model') || ':' || v_class,
            v_booked, 'token', v_price / 1000000, v_booked * v_price / 1000000, now(), now(), 'runner',
            format('llm:%s:%s:%s', a.id, p_call ->> 'request_id', v_class),
            jsonb_strip_nulls(jsonb_build_object('purpose', p_call -> 'purpose', 'named_tokens', case when v_booked < v_tokens then v_tokens end)))
    on conflict (dedup) do nothing;
    if found then
      if v_booked < v_tokens then
        perform gh_fenced('usage');
      end if;
      v_left := v_left - coalesce(v_booked * v_price / 1000000, 0);
    end if;
  end loop;
  update gh_automation_jobs j set total_tokens = t.tokens, llm_cost_cents = t.cents
  from (select coalesce(sum(quantity), 0)::bigint as tokens, coalesce(round(sum(cost_usd) * 100), 0)::integer as cents
        from gh_cost_ledger where job_id = a.job_id and kind = 'llm') t
  where j.id = a.job_id;
  return true;
end $$;

create or replace function gh_attempt_finish(p_attempt uuid, p_fence bigint, p_token text, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare a gh_job_attempts := gh_attempt_of(p_attempt, p_fence, p_token);
begin
  if a.id is null or a.state <> 'running' then
    perform gh_fenced('finish');
    return jsonb_build_object('ok', false, 'reason', coalesce(a.end_class, a.state, 'fenced'));
  elsif coalesce(p_result ->> 'class', '') not in ('completed', 'retryable', 'final', 'needs_human', 'released', 'deadline') then
    raise exception 'result.class is %, not one of completed, retryable, final, needs_human, released, deadline', p_result ->> 'class';
  end if;
  -- Which machine its job gets next is not the runner's to say.
  return gh_close_attempt(p_attempt, p_result ->> 'class', p_result - 'next_tier');
end $$;
