-- The old system's tables as its contract describes them: shapes only, with one row each.
do $$ declare r text; begin
  foreach r in array array['anon', 'authenticated', 'service_role'] loop
    begin execute format('create role %I nologin', r); exception when duplicate_object or unique_violation then null; end;
  end loop;
end $$;
create schema auth;
create function auth.uid() returns uuid language sql stable as 'select null::uuid';
create table gh_action_manuals (id uuid primary key default gen_random_uuid(), url_pattern text not null, task_pattern text not null, steps jsonb not null,
  success_count integer default 0, failure_count integer default 0, health_score real default 100.0, created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(), last_verified timestamptz, created_by uuid, platform text, source text default 'recorded', last_used timestamptz);
create table gh_automation_jobs (
  id uuid primary key default gen_random_uuid(), idempotency_key varchar(255) unique, user_id uuid not null, created_by varchar(100) not null default 'valet',
  job_type varchar(50) not null, target_url text not null, task_description text not null, input_data jsonb not null default '{}',
  priority integer not null default 5, scheduled_at timestamptz, max_retries integer not null default 3, retry_count integer not null default 0,
  timeout_seconds integer not null default 300, status varchar(20) not null default 'pending', status_message text, started_at timestamptz,
  completed_at timestamptz, last_heartbeat timestamptz, worker_id varchar(100), manual_id uuid references gh_action_manuals (id), engine_type varchar(20),
  result_data jsonb, result_summary text, error_code varchar(50), error_details jsonb, screenshot_urls jsonb default '[]', artifact_urls jsonb default '[]',
  metadata jsonb default '{}', tags jsonb default '[]', created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
  callback_url text, valet_task_id text, resume_ref jsonb, target_worker_id text, interaction_type text, interaction_data jsonb, paused_at timestamptz,
  execution_mode text default 'auto' check (execution_mode in ('auto', 'ai_only', 'cookbook_only', 'hybrid', 'smart_apply', 'agent_apply')),
  browser_mode text default 'server' check (browser_mode in ('server', 'operator')), final_mode text, worker_affinity text default 'preferred',
  total_tokens integer default 0,
  constraint gh_jobs_type_check check (job_type in ('apply', 'scrape', 'fill_form', 'custom')),
  constraint gh_jobs_status_check check (status in ('pending', 'queued', 'running', 'paused', 'completed', 'failed', 'cancelled', 'expired')),
  constraint gh_jobs_priority_check check (priority between 1 and 10));
create index idx_gh_jobs_heartbeat on gh_automation_jobs (last_heartbeat) where status = 'running';
create table gh_job_events (id uuid primary key default gen_random_uuid(), job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  event_type varchar(50) not null, from_status varchar(20), to_status varchar(20), message text, metadata jsonb default '{}',
  actor varchar(100) not null default 'system', created_at timestamptz not null default now());
create table gh_worker_registry (worker_id text primary key, status text not null default 'active', target_worker_id text, ec2_instance_id text, ec2_ip text,
  current_job_id uuid references gh_automation_jobs (id), registered_at timestamptz not null default now(), last_heartbeat timestamptz not null default now(),
  jobs_completed integer default 0, jobs_failed integer default 0, metadata jsonb default '{}');
create function gh_notify_new_job() returns trigger language plpgsql as 'begin perform pg_notify(''gh_job_created'', new.id::text); return new; end';
create trigger gh_automation_jobs_notify after insert on gh_automation_jobs for each row execute function gh_notify_new_job();
create function gh_pickup_next_job(p_worker_id text) returns setof gh_automation_jobs language sql as
  'update gh_automation_jobs set status = ''queued'', worker_id = p_worker_id where id = (select id from gh_automation_jobs where status in (''pending'', ''queued'') limit 1) returning *';
alter table gh_automation_jobs enable row level security;
alter table gh_action_manuals enable row level security;
create policy "own jobs" on gh_automation_jobs for insert to authenticated with check (user_id = auth.uid());
create policy "all manuals" on gh_action_manuals for all to authenticated using (true);
create publication supabase_realtime for table gh_automation_jobs;
insert into gh_action_manuals (url_pattern, task_pattern, steps) values ('*.example.com/*', 'apply', '[]');
insert into gh_automation_jobs (user_id, job_type, target_url, task_description, status, completed_at, input_data)
  values (gen_random_uuid(), 'apply', 'https://example.com/1', 'done long ago', 'completed', now(), '{"tier": "pro"}');
insert into gh_automation_jobs (user_id, job_type, target_url, task_description, idempotency_key) values (gen_random_uuid(), 'scrape', 'https://example.com/2', 'still waiting', 'k1');
insert into gh_job_events (job_id, event_type, message) select id, 'job_completed', 'x' from gh_automation_jobs where status = 'completed';
insert into gh_worker_registry (worker_id, current_job_id) select 'worker-1', id from gh_automation_jobs where status = 'completed';
