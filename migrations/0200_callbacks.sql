-- Callbacks: what VALET is told (contract section 5), written in the transaction of the state it tells of and delivered by the dispatcher.
--
-- event        told when                                     status in the body
-- running      an attempt began                              running
-- needs_human  paused, needs_human, awaiting_review          needs_human
-- resumed      a waiting job goes on                         resumed
-- completed    final                                         completed
-- failed       final; also a job that expired                failed
-- cancelled    final                                         cancelled
-- A job that goes back to the queue tells nothing: VALET takes `failed` as the end.

alter table gh_job_attempts
  add column pauses integer not null default 0, -- how often it waited for a person
  add column paused_at timestamptz;             -- since when it does now

alter table gh_outbox
  add column attempt_id uuid,                   -- no reference: the row outlives nothing but its job
  add column turn integer not null default 0,   -- which pause, or which life of a job without an attempt
  add column since timestamptz not null default now(); -- the 24 hours count from here: written, or sent again by hand
-- Each thing is told once, whatever is written to the row how often.
create unique index gh_outbox_once on gh_outbox (job_id, event, coalesce(attempt_id, '00000000-0000-0000-0000-000000000000'), turn);
-- What of a job is not told yet, in its order.
create index gh_outbox_open on gh_outbox (job_id, seq) where delivered_at is null and parked_at is null;
create index gh_outbox_parked on gh_outbox (parked_at) where parked_at is not null;

create function gh_iso(p_at timestamptz) returns text language sql stable as $$
  select to_char(p_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What a job cost in the contract's words. `total_cost_usd` is the models' (VALET keeps it as the job's LLM cost), to the digits the ledger holds.
create function gh_callback_cost(j gh_automation_jobs) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select jsonb_build_object('cost', x.cost, 'cost_breakdown', x.cost || jsonb_build_object(
    'cookbook_steps', coalesce(x.said -> 'cookbook_steps', '0'), 'magnitude_steps', coalesce(x.said -> 'magnitude_steps', '0'),
    'cookbook_cost_usd', coalesce(x.said -> 'cookbook_cost_usd', '0'), 'magnitude_cost_usd', coalesce(x.said -> 'magnitude_cost_usd', '0'),
    'llm_cost_usd', x.cost -> 'total_cost_usd', 'machine_cost_usd', trim_scale(x.machine)))
  from (
    select jsonb_build_object('total_cost_usd', trim_scale(case when c.llm_usd > 0 then c.llm_usd else coalesce(j.llm_cost_cents, 0) / 100.0 end),
        'action_count', coalesce(j.action_count, 0), 'total_tokens', coalesce(j.total_tokens, 0)) as cost,
      coalesce(c.machine_usd, 0) as machine,
      case when jsonb_typeof(j.metadata -> 'cost_breakdown') = 'object' then j.metadata -> 'cost_breakdown' else '{}' end as said
    from (values (1)) one left join gh_job_costs c on c.job_id = j.id
  ) x
$$;

-- What is asked of a person.
create function gh_callback_interaction(j gh_automation_jobs) returns jsonb language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'type', coalesce(j.interaction_type, d ->> 'type', case
      when j.error_code like 'captcha%' then 'captcha' when j.error_code like 'login%' then 'login'
      when j.error_code in ('2fa_required', 'two_factor_required') then '2fa' when j.error_code like '%bot%' then 'bot_check'
      when j.error_code like 'rate_limit%' then 'rate_limited' else 'verification' end),
    'screenshot_url', coalesce(d -> 'screenshot_url', j.screenshot_urls -> -1), 'page_url', d -> 'page_url', -- the last: where it stands
    'timeout_seconds', coalesce(d -> 'timeout_seconds', '300'),
    'description', w.words, 'message', w.words,
    'metadata', jsonb_build_object(
      'blocker_confidence', coalesce(d #> '{metadata,blocker_confidence}', d -> 'confidence'),
      'captcha_type', coalesce(d #> '{metadata,captcha_type}', d -> 'captcha_type'),
      'detection_method', coalesce(d #> '{metadata,detection_method}', d -> 'detection_method', d -> 'source'))))
  from (select case when jsonb_typeof(j.interaction_data) = 'object' then j.interaction_data else '{}' end) x (d),
    lateral (select coalesce(d ->> 'description', d ->> 'details', d ->> 'message', j.error_details ->> 'message', j.status_message)) w (words)
$$;

-- The whole body. Every callback has `completed_at`, as the contract VALET was given shows it: of one that is not final it is the time of the event.
create function gh_callback_body(j gh_automation_jobs, p_event text) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  v_meta jsonb := case when jsonb_typeof(j.metadata) = 'object' then j.metadata else '{}' end;
  v_engine jsonb := case when jsonb_typeof(v_meta -> 'engine') = 'object' then v_meta -> 'engine' end;
  v_body jsonb := jsonb_build_object('job_id', j.id, 'valet_task_id', coalesce(j.valet_task_id, v_meta ->> 'valet_task_id'),
    'status', p_event, 'worker_id', j.worker_id, 'completed_at', gh_iso(coalesce(j.completed_at, now())));
begin
  v_body := v_body || jsonb_strip_nulls(jsonb_build_object(
    'execution_mode', j.execution_mode, 'browser_mode', j.browser_mode, 'final_mode', j.final_mode, 'kasm_url', v_meta -> 'kasm_url',
    'browser_session_available', v_meta -> 'browser_session_available',
    'manual', jsonb_build_object('id', coalesce(v_engine -> 'manual_id', to_jsonb(j.manual_id)), 'status', v_engine -> 'manual_status',
      'health_score', v_engine -> 'health_score', 'fallback_reason', v_engine -> 'fallback_reason')));
  if v_body -> 'manual' = '{}' then
    v_body := v_body - 'manual';
  end if;
  if p_event in ('needs_human', 'completed', 'failed', 'cancelled') then
    v_body := v_body || gh_callback_cost(j);
  end if;
  if p_event = 'needs_human' then
    v_body := v_body || jsonb_build_object('interaction', gh_callback_interaction(j));
  elsif p_event = 'completed' then
    v_body := v_body || jsonb_build_object('result_data', j.result_data, 'result_summary', j.result_summary, 'screenshot_url', j.screenshot_urls -> 0);
  elsif p_event = 'failed' then
    v_body := v_body || jsonb_build_object('error_code', coalesce(j.error_code, case when j.status = 'expired' then 'expired' else 'internal_error' end),
      'error_message', coalesce(j.error_details ->> 'message', j.status_message), 'result_data', j.result_data, 'screenshot_url', j.screenshot_urls -> 0);
  end if;
  return v_body;
end $$;

create function gh_write_callback() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
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
create trigger gh_automation_jobs_callback after update of status, interaction_type, interaction_data on gh_automation_jobs for each row
  when (new.callback_url is not null
        and (old.status is distinct from new.status
             or (new.status = 'paused' and (old.interaction_type, old.interaction_data) is distinct from (new.interaction_type, new.interaction_data))))
  execute function gh_write_callback();

-- VALET's handler of a callback writes what it was told into the same row: the body's status (also `resumed`, which is none of ours,
-- and `needs_human` for `paused`), its worker_id, and a metadata of only what it read. Such an echo may come late, when the job is
-- elsewhere already; without this it would take a job from the attempt that works on it. Fires before the guard (by name).
create function gh_ignore_echo() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare a record;
begin
  -- It names an attempt that is over, and the row does not: nothing of it is news.
  if new.worker_id is distinct from old.worker_id and new.worker_id like 'gh-%' and exists (
    select 1 from gh_job_attempts x where x.job_id = new.id and 'gh-' || x.id = new.worker_id and x.state not in ('claimed', 'launching', 'running')) then
    return old;
  end if;
  if new.metadata is distinct from old.metadata and jsonb_typeof(new.metadata) = 'object' and new.metadata <> '{}'
     and new.metadata - array['kasm_url', 'browser_session_available', 'cost_breakdown'] = '{}' then
    new.metadata := coalesce(old.metadata, '{}') || new.metadata;
  end if;
  if new.status = 'resumed' then
    new.status := old.status;
  elsif new.status is distinct from old.status and new.status in ('running', 'needs_human') then
    select x.state, x.paused_at into a from gh_job_attempts x where x.job_id = new.id and x.state in ('claimed', 'launching', 'running');
    -- While an attempt lives, these two are its own to say.
    if found and (new.status = 'needs_human' or a.state <> 'running' or a.paused_at is not null) then
      new.status := old.status;
      new.paused_at := old.paused_at;
    end if;
  end if;
  return new;
end $$;
create trigger gh_automation_jobs_echo before update of status, worker_id, metadata on gh_automation_jobs for each row
  when (new.status = any ('{running,paused,needs_human,awaiting_review,resumed,completed,failed,cancelled}'::text[]))
  execute function gh_ignore_echo();

revoke all on function gh_iso(timestamptz), gh_callback_cost(gh_automation_jobs), gh_callback_interaction(gh_automation_jobs),
  gh_callback_body(gh_automation_jobs, text), gh_write_callback(), gh_ignore_echo() from public, anon, authenticated, gh_runner;
