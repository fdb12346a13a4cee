//! The fleet in numbers for a monitoring system: what rows say, so that machines that live for minutes need not be asked.

use crate::{Db, Result};

/// One number.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// Its labels as Prometheus writes them, or nothing.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

/// Reads every number. Labels are only tiers, statuses, classes and the like: never a job, a user or a machine.
///
/// # Errors
/// When the database cannot be reached.
pub async fn fleet(db: &Db) -> Result<Vec<Sample>> {
    let samples = sqlx::query_as(
        "with live as materialized (
           select coalesce(j.tier, 'free') as tier, status, worker_id is null and coalesce(scheduled_at, created_at) <= now()
               and h.user_id is null as due, -- who has no money waits for that, and budgets have alerts of their own
             coalesce(scheduled_at, created_at) as since, coalesce(last_heartbeat, started_at, updated_at) as beat
           from gh_automation_jobs j left join gh_budget_holds h on h.tier = j.tier and h.user_id = j.user_id
           where status in ('pending', 'queued', 'running', 'paused', 'needs_human', 'awaiting_review')
         ), hour as materialized (
           select status, error_code, llm_cost_cents, extract(epoch from completed_at - started_at) as seconds
           from gh_automation_jobs where status in ('completed', 'failed') and completed_at > now() - interval '1 hour'
         ), began as materialized (
           select extract(epoch from a.started_at - greatest(j.created_at, j.scheduled_at)) as start_seconds,
             extract(epoch from a.claimed_at - greatest(j.created_at, j.scheduled_at)) as queue_seconds
           from gh_job_attempts a join gh_automation_jobs j on j.id = a.job_id
           where a.no = 1 and a.started_at > now() - interval '1 hour'
         ), code as (
           select left(regexp_replace(lower(coalesce(error_code, 'none')), '[^a-z0-9_]', '_', 'g'), 50) as code, count(*) as n
           from hour where status = 'failed' group by 1 order by 2 desc, 1 limit 20
         ), q as (
           select x as q from unnest(array[0.5, 0.95, 0.99]) x
         ), sample (name, labels, value) as (
           select 'gh_jobs', format('status=\"%s\",tier=\"%s\"', status, tier), count(*)::float8 from live group by status, tier
           union all select 'gh_oldest_pending_seconds', format('tier=\"%s\"', tier), coalesce(extract(epoch from now() - min(since) filter (where due)), 0)::float8
             from live where status in ('pending', 'queued') group by tier
           union all select 'gh_heartbeat_age_seconds', '', coalesce(extract(epoch from now() - min(beat)), 0)::float8 from live where status = 'running'
           union all select 'gh_jobs_ended_last_hour', format('status=\"%s\"', s), (select count(*) from hour where status = s)::float8
             from unnest(array['completed', 'failed']) s
           union all select 'gh_jobs_failed_last_hour', format('error_code=\"%s\"', code), n::float8 from code
           union all select 'gh_job_llm_cost_cents_max', '', coalesce(max(llm_cost_cents), 0)::float8 from hour
           union all select 'gh_job_run_seconds', format('quantile=\"%s\"', q), coalesce((select percentile_cont(q) within group (order by seconds) from hour), 0)::float8 from q
           union all select 'gh_job_start_seconds', format('quantile=\"%s\"', q), coalesce((select percentile_cont(q) within group (order by start_seconds) from began), 0)::float8 from q
           union all select 'gh_job_queue_seconds', format('quantile=\"%s\"', q), coalesce((select percentile_cont(q) within group (order by queue_seconds) from began), 0)::float8 from q
           union all select 'gh_jobs_finished_total', format('class=\"%s\"', end_class), count(*)::float8 from gh_job_attempts where end_class is not null group by end_class
           union all select 'gh_attempts_live', format('state=\"%s\",tier=\"%s\"', state, tier), count(*)::float8
             from gh_job_attempts where state in ('claimed', 'launching', 'running') group by state, tier
           union all select 'gh_capacity', format('tier=\"%s\"', tier), capacity::float8 from gh_capacity
           union all select 'gh_tier_paused', format('tier=\"%s\"', tier), paused::integer::float8 from gh_capacity
           union all select 'gh_pool_ready', format('tier=\"%s\"', k.tier), (select count(*) from gh_machines m where m.kind = 'pool' and m.tier = k.tier
               and m.closed_at is null and m.attempt_id is null and m.retired_at is null and m.seen = 'stopped')::float8 from gh_capacity k
           union all select 'gh_machines', format('kind=\"%s\",seen=\"%s\"', kind, coalesce(seen, 'unseen')), count(*)::float8
             from gh_machines where closed_at is null group by kind, seen
           union all select 'gh_machine_after_job_seconds', '', coalesce(max(extract(epoch from now() - coalesce(a.ended_at,
               case when a.id is null then coalesce(m.retired_at, m.assigned_at, m.intent_at) end))), 0)::float8 -- an orphan, one the pool gave up, one whose job was deleted
             from gh_machines m left join gh_job_attempts a on a.id = m.attempt_id
             where m.closed_at is null and not (m.kind = 'pool' and m.attempt_id is null and m.retired_at is null)
           union all select 'gh_leader', format('name=\"%s\"', name), (expires_at > now())::integer::float8 from gh_leader
           union all select 'gh_breaker_open', format('cause=\"%s\"', coalesce(regexp_replace(lower(value ->> 'cause'), '[^a-z_]', '_', 'g'), 'none')), (value <> 'null')::integer::float8
             from gh_notices where key = 'breaker'
           union all select 'gh_fenced_writes_total', format('call=\"%s\"', call), n::float8 from gh_fenced_writes
           union all select 'gh_callbacks_pending', '', count(*)::float8 from gh_outbox where delivered_at is null and parked_at is null
           union all select 'gh_callbacks_parked', '', count(*)::float8 from gh_outbox where parked_at is not null and delivered_at is null
           union all select 'gh_cost_usd_total', format('kind=\"%s\",tier=\"%s\"', kind, coalesce(tier, 'none')), coalesce(sum(cost_usd), 0)::float8
             from gh_cost_ledger group by kind, tier
           union all select 'gh_cost_usd_today', '', today_usd::float8 from gh_cost_usual
           union all select 'gh_cost_usd_usual_day', '', usual_usd::float8 from gh_cost_usual
           union all select 'gh_cost_lines_unpriced', '', count(*)::float8 from gh_cost_ledger l
             where l.unit_price is null and l.corrects is null and not exists (select 1 from gh_cost_ledger c where c.corrects = l.id)
           union all select 'gh_budget_used_ratio', format('scope=\"%s\"', scope), coalesce(max(used_ratio), 0)::float8 from gh_cost_budgets group by scope
           union all select 'gh_table_dead_tuples', format('table=\"%s\"', relname), n_dead_tup::float8 from pg_stat_user_tables where relname like 'gh\\_%'
         )
         select name, labels, value from sample order by name, labels",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(samples)
}
