//! What jobs and users have spent, read from the ledger.

use chrono::{DateTime, Utc};
use domain::id::{JobId, UserId};
use domain::money::MicroUsd;

use crate::{Db, Result};

/// What one job cost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct JobSpending {
    /// On models.
    pub llm: MicroUsd,
    /// On machines.
    pub machine: MicroUsd,
}

/// What a user spent in the month that is under way, in UTC.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Month {
    /// The tier of the account.
    pub tier: String,
    /// What the user may spend on models; `None`: no budget is set.
    pub budget: Option<MicroUsd>,
    /// On models.
    pub cost: MicroUsd,
    /// Jobs asked for.
    pub job_count: i64,
    /// The first moment of the month.
    pub period_start: DateTime<Utc>,
    /// The first moment of the next.
    pub period_end: DateTime<Utc>,
}

/// What a job cost, or `None` when the ledger has no line of it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_job(db: &Db, job: JobId) -> Result<Option<JobSpending>> {
    let spending = sqlx::query_as(
        "select round(llm_usd * 1000000)::bigint as llm, round(machine_usd * 1000000)::bigint as machine
        from gh_job_costs where job_id = $1",
    )
    .bind(job)
    .fetch_optional(&db.pool)
    .await?;
    Ok(spending)
}

/// What a user spent this month. Where the old system has counted too, the larger number holds.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_user(db: &Db, user: UserId) -> Result<Month> {
    let month = sqlx::query_as(
        "with month as (
            select date_trunc('month', now() at time zone 'utc') at time zone 'utc' as first,
                (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc' as next
        ), counted as (
            select u.total_cost_usd, u.job_count from gh_user_usage u, month
            where u.user_id = $1 and u.period_start = month.first
        )
        select
            coalesce((select a.tier from gh_accounts a where a.user_id = $1), 'free') as tier,
            (select round(b.limit_usd * 1000000)::bigint from gh_user_budget($1, 'free') b) as budget,
            greatest(
                (select round(coalesce(sum(l.cost_usd), 0) * 1000000) from gh_cost_ledger l
                 where l.user_id = $1 and l.at >= month.first and l.kind = 'llm'),
                (select round(c.total_cost_usd::numeric * 1000000) from counted c))::bigint as cost,
            greatest(
                (select count(*) from gh_automation_jobs j where j.user_id = $1 and j.created_at >= month.first),
                (select c.job_count from counted c)) as job_count,
            month.first as period_start, month.next as period_end
        from month",
    )
    .bind(user)
    .fetch_one(&db.pool)
    .await?;
    Ok(month)
}
