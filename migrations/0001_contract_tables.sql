-- The tables VALET and its readers already know (contract section 1), on a plain Postgres or on Supabase,
-- and on a database that already holds them: everything is created or added only where it is absent, and no row is touched.

do $$
declare r text;
begin
  foreach r in array array['anon', 'authenticated', 'service_role', 'gh_runner'] loop
    begin
      if not exists (select 1 from pg_roles where rolname = r) then
        execute format('create role %I nologin', r);
      end if;
    exception when duplicate_object or unique_violation then null; -- another database of this cluster made it just now
    end;
  end loop;
end $$;

create schema if not exists auth;
do $$
begin
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable as $f$
      select nullif(coalesce(
        current_setting('request.jwt.claim.sub', true),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'), '')::uuid
    $f$;
    grant usage on schema auth to anon, authenticated, service_role;
  end if;
end $$;

create table if not exists gh_action_manuals (
  id uuid primary key default gen_random_uuid(),
  url_pattern text not null,
  task_pattern text not null,
  steps jsonb not null,
  success_count integer default 0,
  failure_count integer default 0,
  health_score real default 100.0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_verified timestamptz,
  created_by uuid
);
alter table gh_action_manuals
  add column if not exists platform text,
  add column if not exists source text default 'recorded',
  add column if not exists last_used timestamptz;
create index if not exists idx_gh_manuals_lookup on gh_action_manuals (url_pattern, task_pattern, platform);
create index if not exists idx_gh_manuals_health on gh_action_manuals (health_score desc);

create table if not exists gh_automation_jobs (
  id uuid primary key default gen_random_uuid(),
  idempotency_key varchar(255) constraint gh_automation_jobs_idempotency_key_key unique,
  user_id uuid not null,
  created_by varchar(100) not null default 'valet',
  job_type varchar(50) not null,
  target_url text not null,
  task_description text not null default '',
  input_data jsonb not null default '{}',
  priority integer not null default 5 constraint gh_jobs_priority_check check (priority between 1 and 10),
  scheduled_at timestamptz,
  max_retries integer not null default 3,
  retry_count integer not null default 0,
  timeout_seconds integer not null default 300,
  status varchar(20) not null default 'pending',
  status_message text,
  started_at timestamptz,
  completed_at timestamptz,
  last_heartbeat timestamptz,
  worker_id varchar(100),
  manual_id uuid references gh_action_manuals (id),
  engine_type varchar(20),
  result_data jsonb,
  result_summary text,
  error_code varchar(50),
  error_details jsonb,
  screenshot_urls jsonb default '[]',
  artifact_urls jsonb default '[]',
  metadata jsonb default '{}',
  tags jsonb default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table gh_automation_jobs
  add column if not exists callback_url text,
  add column if not exists valet_task_id text,
  add column if not exists resume_ref jsonb,
  add column if not exists target_worker_id text,
  add column if not exists interaction_type text,
  add column if not exists interaction_data jsonb,
  add column if not exists paused_at timestamptz,
  add column if not exists execution_mode text default 'auto',
  add column if not exists browser_mode text default 'server',
  add column if not exists final_mode text,
  add column if not exists worker_affinity text default 'preferred',
  add column if not exists llm_cost_cents integer default 0,
  add column if not exists action_count integer default 0,
  add column if not exists total_tokens bigint default 0,
  add column if not exists execution_attempt_id uuid,
  -- Ours: which machine the job gets, and the two counters that are not retries.
  add column if not exists tier text,
  add column if not exists placement_failures integer not null default 0,
  add column if not exists crash_count integer not null default 0,
  add column if not exists traceparent text;
alter table gh_automation_jobs
  alter column total_tokens type bigint,
  alter column task_description set default '';

-- The old checks admitted four job types and eight statuses; ours admit what VALET sends today.
-- Added "not valid": an old row that breaks one is kept, new writes are checked.
-- The words stand in one constant each: a check is read anew by every statement that writes a row, and a list of constants takes twice as long.
do $$
declare c record;
begin
  for c in
    select con.conname from pg_constraint con
    where con.conrelid = 'gh_automation_jobs'::regclass and con.contype = 'c'
      and exists (select 1 from pg_attribute a
                  where a.attrelid = con.conrelid and a.attnum = any (con.conkey)
                    and a.attname in ('status', 'job_type', 'execution_mode', 'browser_mode', 'final_mode', 'worker_affinity'))
  loop
    execute format('alter table gh_automation_jobs drop constraint %I', c.conname);
  end loop;
end $$;
alter table gh_automation_jobs
  add constraint gh_jobs_status_check check (status = any
    ('{pending,queued,running,paused,completed,failed,cancelled,expired,needs_human,awaiting_review}'::text[])) not valid,
  add constraint gh_jobs_execution_mode_check check (execution_mode = any
    ('{auto,ai_only,cookbook_only,hybrid,smart_apply,agent_apply,mastra,mastra_decision}'::text[])) not valid,
  add constraint gh_jobs_browser_mode_check check (browser_mode = any ('{server,operator}'::text[])) not valid,
  add constraint gh_jobs_final_mode_check check (final_mode = any
    ('{cookbook,magnitude,hybrid,smart_apply,agent_apply}'::text[])) not valid,
  add constraint gh_jobs_worker_affinity_check check (worker_affinity = any ('{strict,preferred,any}'::text[])) not valid;

-- No index may hold last_heartbeat: it would make every heartbeat rewrite the wide row and its indexes.
drop index if exists idx_gh_jobs_heartbeat;
create index if not exists idx_gh_jobs_status_priority on gh_automation_jobs (status, priority, created_at) where status in ('pending', 'queued');
create index if not exists idx_gh_jobs_user_status on gh_automation_jobs (user_id, status, created_at desc);
create index if not exists idx_gh_jobs_scheduled on gh_automation_jobs (scheduled_at) where status = 'pending' and scheduled_at is not null;
create index if not exists idx_gh_jobs_manual on gh_automation_jobs (manual_id) where manual_id is not null;
create index if not exists idx_gh_jobs_valet_task_id on gh_automation_jobs (valet_task_id) where valet_task_id is not null;
create index if not exists idx_gh_jobs_target_worker on gh_automation_jobs (target_worker_id) where target_worker_id is not null;
create index if not exists idx_gh_jobs_paused on gh_automation_jobs (status) where status = 'paused';
create index if not exists idx_gh_jobs_cost on gh_automation_jobs (user_id, llm_cost_cents) where llm_cost_cents > 0;
create index if not exists idx_gh_jobs_created on gh_automation_jobs (created_at desc, id);
-- Which jobs of a tier are due, in the order they are taken: the claim reads this index and nothing else. It does not ask for worker_id, which
-- a claim sets: so the claim of a queued job changes nothing that an index holds, and writes into none. The price: it reads past the jobs whose
-- machine is starting, which are few.
create index if not exists gh_jobs_claim on gh_automation_jobs (tier, priority, created_at) where status in ('pending', 'queued');
-- Room in each page for the next version of each of its rows, at the price of twice the disk: a job is written a dozen times in its life, and a
-- version that finds no room goes into every index. (Of claims of ten rows of 260 bytes side by side, 68 % found it with 85, 82 % with 70, all
-- with 50; from 70 to 50 such a claim became 9 % faster.)
alter table gh_automation_jobs set (fillfactor = 50);
-- Jobs that started stay at the front of that index until a vacuum. By Postgres' own rule (a fifth of the table) a million rows would have
-- 200,000 of them there, and every claim would read past all. Those are few of the table's pages, which a vacuum by itself takes for a
-- reason to leave the indexes as they are.
alter table gh_automation_jobs set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, vacuum_index_cleanup = on);

create table if not exists gh_job_events (
  id uuid primary key default gen_random_uuid(),
  job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  event_type varchar(50) not null,
  from_status varchar(20),
  to_status varchar(20),
  message text,
  metadata jsonb default '{}',
  actor varchar(100) not null default 'system',
  created_at timestamptz not null default now()
);
create index if not exists idx_gh_job_events_job on gh_job_events (job_id, created_at);
create index if not exists idx_gh_job_events_type on gh_job_events (job_id, event_type);

create table if not exists gh_user_credentials (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  platform varchar(50) not null,
  credential_type varchar(30) not null,
  encrypted_data bytea not null,
  encryption_key_id varchar(100) not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  last_verified_at timestamptz,
  is_valid boolean default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, platform, credential_type)
);
create index if not exists idx_gh_creds_user_platform on gh_user_credentials (user_id, platform) where is_valid = true;

create table if not exists gh_user_usage (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  tier text not null default 'free' check (tier in ('free', 'starter', 'pro', 'premium', 'enterprise')),
  period_start timestamptz not null,
  period_end timestamptz not null,
  total_cost_usd double precision default 0, -- the old type; the ledger is exact
  total_input_tokens bigint default 0,
  total_output_tokens bigint default 0,
  job_count integer default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint uq_gh_user_usage_user_period unique (user_id, period_start)
);
-- Whether `tier` was said of the user's account, or this month only counts what somebody without one used.
alter table gh_user_usage add column if not exists tier_from text not null default 'account' check (tier_from in ('account', 'usage'));
create index if not exists idx_gh_user_usage_user_period on gh_user_usage (user_id, period_start desc);
create index if not exists idx_gh_user_usage_period on gh_user_usage (period_start);
create index if not exists idx_gh_user_usage_tier on gh_user_usage (tier, period_start);

create table if not exists gh_browser_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  domain text not null,
  session_data text not null,
  encryption_key_id text not null,
  expires_at timestamptz,
  last_used_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint uq_gh_browser_sessions_user_domain unique (user_id, domain)
);
create index if not exists idx_gh_browser_sessions_lookup on gh_browser_sessions (user_id, domain);
create index if not exists idx_gh_browser_sessions_expiry on gh_browser_sessions (expires_at) where expires_at is not null;

create table if not exists gh_worker_registry (
  worker_id text primary key,
  status text not null default 'active' check (status in ('active', 'draining', 'offline')),
  target_worker_id text,
  ec2_instance_id text,
  ec2_ip text,
  current_job_id uuid references gh_automation_jobs (id) on delete set null,
  registered_at timestamptz not null default now(),
  last_heartbeat timestamptz not null default now(),
  jobs_completed integer default 0,
  jobs_failed integer default 0,
  metadata jsonb default '{}'
);
alter table gh_worker_registry add column if not exists updated_at timestamptz not null default now();
