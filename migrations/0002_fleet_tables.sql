-- Ours: attempts, machines, permits, money, and the few rows that several dispatchers share.

-- Never reset, so that a fence can tell an old attempt from a new one even after retry counters start again.
create sequence gh_fence_seq;

create table gh_job_attempts (
  id uuid primary key,
  job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  user_id uuid not null, -- copied, so that the per-user cap needs no join
  no integer not null,
  fence bigint not null default nextval('gh_fence_seq'),
  state text not null default 'claimed'
    check (state in ('claimed', 'launching', 'running', 'succeeded', 'failed', 'cancelled', 'lost')),
  tier text not null,
  model text,
  budget_micros bigint,
  token_hash bytea not null,   -- sha256 of the one-time token
  token_sealed bytea not null, -- the token under AES-GCM, so that any dispatcher can repeat the create call
  boot_id uuid,
  boot_deadline timestamptz not null,
  hard_deadline timestamptz,
  claimed_at timestamptz not null default now(),
  launched_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  end_class text check (end_class in
    ('completed', 'retryable', 'final', 'needs_human', 'released', 'crash', 'placement', 'cancelled', 'deadline', 'retired')),
  error_code text,
  error_message text,
  peak_rss_mb integer
  -- Vacuumed as often as the jobs are (0001): what ended stays in the way of those who count what lives.
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, vacuum_index_cleanup = on);
-- A job has at most one live attempt.
create unique index gh_one_live_attempt on gh_job_attempts (job_id) where state in ('claimed', 'launching', 'running');
-- How many attempts a user, or a tier, has now. One index for both: a tier has at most some thousand, and each index more costs every claim.
create index gh_live_attempts on gh_job_attempts (user_id, tier) where state in ('claimed', 'launching', 'running');
create index gh_attempts_of_job on gh_job_attempts (job_id, no);

-- Narrow and without a second index, so that a heartbeat is one heap-only update.
create table gh_attempt_heartbeats (
  attempt_id uuid primary key references gh_job_attempts (id) on delete cascade,
  fence bigint not null,
  beat_at timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- One Fly Machine each; the row is the intent and is written before Fly is called.
create table gh_machines (
  id uuid primary key,
  kind text not null default 'job' check (kind in ('job', 'pool', 'orphan')),
  attempt_id uuid,         -- stays when the attempt goes with its job: what had one is not taken for a machine that waits in the pool
  app text not null,
  name text not null,
  fly_id text unique,
  tier text not null,
  guest jsonb not null,    -- {cpu_kind, cpus, memory_mb}
  image text not null,
  regions text not null,   -- what was asked for, "iad,ewr"
  region text,             -- what Fly chose
  seen text,               -- Fly's word for its state when it was last looked at
  host_status text,
  seen_at timestamptz,
  absent_since timestamptz, -- since when it was looked for by name and not found: one list proves nothing
  token_hash bytea,        -- a pool machine's own token: it has no attempt when it is made
  token_sealed bytea,
  assigned_at timestamptz, -- when a pool machine got its attempt; it is never given another
  retired_at timestamptz,  -- when a pool machine was found to be of no more use
  intent_at timestamptz not null default now(),
  posted_at timestamptz,   -- when the last create call was sent
  posts integer not null default 0,
  outcome text,            -- what became of the last create call
  stop_sent_at timestamptz,
  destroy_sent_at timestamptz,
  started_at timestamptz,
  exited_at timestamptz,
  exit_code integer,
  signal integer,
  oom boolean,
  closed_at timestamptz    -- gone, and its interval is in the ledger
  -- As above: every look at the fleet walks past what was closed since the last vacuum.
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, vacuum_index_cleanup = on);
-- A name is asked for once. Fly gives it to a second machine when the first is gone already: that one is an orphan with the same name.
create unique index gh_machines_name on gh_machines (name) where kind <> 'orphan';
-- The machines the dispatcher still has to look after.
create index gh_machines_open on gh_machines (intent_at) where closed_at is null;
create index gh_machines_of_attempt on gh_machines (attempt_id);
-- Which pool machines a tier has, and which are free.
create index gh_machines_pool on gh_machines (tier, intent_at) where kind = 'pool' and closed_at is null and attempt_id is null;

-- How often a runner's call was refused because its attempt was over, or not its own. A burst means that machines act on what others have.
create table gh_fenced_writes (
  call text primary key,
  n bigint not null default 0
) with (fillfactor = 50);
insert into gh_fenced_writes (call) values ('heartbeat'), ('event'), ('progress'), ('usage'), ('permit'), ('finish'), ('pause'), ('manual');

-- The database's leave to do an irreversible thing. One per job and effect, ever.
create table gh_permits (
  job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  effect text not null,
  attempt_id uuid not null,
  fence bigint not null,
  granted_at timestamptz not null default now(),
  outcome text check (outcome in ('submitted', 'not_submitted', 'unknown')),
  primary key (job_id, effect)
);

create table gh_prices (
  id bigint generated always as identity primary key,
  provider text not null,
  sku text not null,
  region text not null default '*',
  unit text not null,
  price numeric(20, 12) not null check (price >= 0),
  valid_from timestamptz not null,
  unique (provider, sku, region, valid_from)
);

-- Append only; corrections are new lines. Survives the deletion of its job.
create table gh_cost_ledger (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  job_id uuid,
  attempt_id uuid,
  user_id uuid,
  tier text,
  kind text not null check (kind in ('machine', 'llm', 'overhead')),
  provider text not null,
  sku text not null,
  region text,
  quantity numeric(20, 6) not null,
  unit text not null,
  unit_price numeric(24, 16),  -- null: no price was known; never guessed
  cost_usd numeric(20, 10),
  period_start timestamptz,
  period_end timestamptz,
  used_at timestamptz not null generated always as (coalesce(period_start, at)) stored, -- the day the money counts on
  source text not null,
  dedup text not null unique,
  corrects bigint references gh_cost_ledger (id),
  tags jsonb not null default '{}'
);
create index gh_cost_ledger_job on gh_cost_ledger (job_id);
create index gh_cost_ledger_at on gh_cost_ledger (at);
create function gh_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: write a correcting line instead', tg_table_name;
end $$;
create trigger gh_cost_ledger_append_only before update or delete on gh_cost_ledger
  for each row execute function gh_refuse_change();

-- What has to be told to the outside, written in the transaction of the state it tells of.
create table gh_outbox (
  id uuid primary key default gen_random_uuid(),
  job_id uuid not null references gh_automation_jobs (id) on delete cascade,
  seq bigint generated always as identity,
  event text not null,
  url text not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  next_at timestamptz not null default now(),
  tries integer not null default 0,
  delivered_at timestamptz,
  parked_at timestamptz,
  last_error text
);
create index gh_outbox_due on gh_outbox (next_at) where delivered_at is null and parked_at is null;

create table gh_leader (
  name text primary key,
  holder text not null,
  term bigint not null,
  expires_at timestamptz not null
);

-- Which dispatchers run, and what each of them goes by; one that is not seen for a minute is gone.
create table gh_dispatchers (
  holder text primary key,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  version text not null,
  image text not null,
  tiers_file text,         -- null: the one it was built with
  tiers_hash text not null -- sha256 of the tiers file in force, in hexadecimal, as sha256sum prints it
);

create table gh_rate (
  bucket text primary key,
  tokens numeric not null,
  refilled_at timestamptz not null default clock_timestamp(),
  frozen_until timestamptz
);

create table gh_capacity (
  tier text primary key,
  capacity integer not null check (capacity >= 0),
  pool_target integer not null default 0,
  zero_since timestamptz,
  paused boolean not null default false,
  resumed_at timestamptz,  -- when it was paused last, that ended then
  updated_at timestamptz not null default now()
);

-- Every decision of the scaling rule, with what it was decided from.
create table gh_scale_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  tier text not null,
  pending bigint not null,
  live bigint not null,
  capacity_from integer not null,
  capacity_to integer not null,
  pool_target integer not null,
  reason text not null
);
create index gh_scale_log_at on gh_scale_log (at);

-- What the dispatcher wants its readers to know: the tiers in force, a refused edit, open breakers, foreign machines.
create table gh_notices (
  key text primary key,
  value jsonb not null,
  at timestamptz not null default now()
);

-- Who changed what by hand.
create table gh_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  subject text,
  detail jsonb not null default '{}'
);
