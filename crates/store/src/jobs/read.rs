//! Reading jobs.

use domain::id::{JobId, UserId};
use domain::job::JobStatus;

use super::row::job_columns;
use super::{Job, JobProgress, Scope};
use crate::{Db, Result};

/// Which jobs to list.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Of this user.
    pub user_id: Option<UserId>,
    /// In one of these statuses; empty is any.
    pub statuses: Vec<JobStatus>,
    /// Of this type.
    pub job_type: Option<String>,
    /// In this order.
    pub sort: Sort,
    /// At most this many.
    pub limit: i64,
    /// After this many.
    pub offset: i64,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { by: SortBy::CreatedAt, descending: true }
    }
}

/// A column jobs can be ordered by. The closed list is what keeps a sort parameter out of the SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    StartedAt,
    CompletedAt,
    ScheduledAt,
    Priority,
    Status,
}

impl SortBy {
    /// Every column, in the order they are documented.
    pub const ALL: [Self; 7] = [
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::StartedAt,
        Self::CompletedAt,
        Self::ScheduledAt,
        Self::Priority,
        Self::Status,
    ];

    /// The column's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::StartedAt => "started_at",
            Self::CompletedAt => "completed_at",
            Self::ScheduledAt => "scheduled_at",
            Self::Priority => "priority",
            Self::Status => "status",
        }
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct JobPage {
    /// The page.
    pub jobs: Vec<Job>,
    /// How many there are on all pages.
    pub total: i64,
}

/// The job, or `None` when there is none in this scope.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(db: &Db, scope: Scope, id: JobId) -> Result<Option<Job>> {
    let mut connection = db.quick().await?;
    let job = sqlx::query_as(concat!(
        "select ",
        job_columns!(),
        " from gh_automation_jobs where id = $1 and ($2::uuid is null or user_id = $2)"
    ))
    .bind(id)
    .bind(scope.user())
    .fetch_optional(connection.get())
    .await?;
    connection.keep();
    Ok(job)
}

/// How far the job is, or `None` when there is none in this scope.
///
/// # Errors
/// When the database cannot be reached.
pub async fn status(db: &Db, scope: Scope, id: JobId) -> Result<Option<JobProgress>> {
    let progress = sqlx::query_as(
        "select j.id, j.status, j.status_message, j.started_at, j.last_heartbeat, j.completed_at,
            case when j.status = 'completed' then 100::float8 else said.pct end as progress_pct,
            case when j.status = 'running' then said.at + said.eta_ms * interval '1 millisecond' end
                as estimated_completion
        from gh_automation_jobs j
        left join lateral (
            select e.created_at as at,
                case when jsonb_typeof(e.metadata -> 'progress_pct') = 'number'
                    then (e.metadata ->> 'progress_pct')::float8 end as pct,
                case when jsonb_typeof(e.metadata -> 'eta_ms') = 'number'
                    then least((e.metadata ->> 'eta_ms')::float8, 86400000) end as eta_ms
            from gh_job_events e
            where e.job_id = j.id and e.event_type = 'progress_update'
            order by e.created_at desc
            limit 1
        ) said on true
        where j.id = $1 and ($2::uuid is null or j.user_id = $2)",
    )
    .bind(id)
    .bind(scope.user())
    .fetch_optional(&db.pool)
    .await?;
    Ok(progress)
}

/// The rows a list may show: `$1` the caller's scope, `$2` to `$4` the filter.
macro_rules! listed {
    () => {
        " from gh_automation_jobs
        where ($1::uuid is null or user_id = $1)
            and ($2::uuid is null or user_id = $2)
            and (cardinality($3::text[]) = 0 or status = any($3))
            and ($4::text is null or job_type = $4)"
    };
}

/// One page in one order. A macro because SQL has to be a constant.
macro_rules! page {
    ($order:literal) => {
        concat!("select ", job_columns!(), listed!(), " order by ", $order, ", id limit $5 offset $6")
    };
}

impl Sort {
    /// The statement that lists in this order.
    const fn statement(self) -> &'static str {
        match (self.by, self.descending) {
            (SortBy::CreatedAt, true) => page!("created_at desc"),
            (SortBy::CreatedAt, false) => page!("created_at"),
            (SortBy::UpdatedAt, true) => page!("updated_at desc"),
            (SortBy::UpdatedAt, false) => page!("updated_at"),
            (SortBy::StartedAt, true) => page!("started_at desc nulls last"),
            (SortBy::StartedAt, false) => page!("started_at"),
            (SortBy::CompletedAt, true) => page!("completed_at desc nulls last"),
            (SortBy::CompletedAt, false) => page!("completed_at"),
            (SortBy::ScheduledAt, true) => page!("scheduled_at desc nulls last"),
            (SortBy::ScheduledAt, false) => page!("scheduled_at"),
            (SortBy::Priority, true) => page!("priority desc"),
            (SortBy::Priority, false) => page!("priority"),
            (SortBy::Status, true) => page!("status desc"),
            (SortBy::Status, false) => page!("status"),
        }
    }
}

/// One page of the jobs in this scope that pass the filter.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: &Db, scope: Scope, filter: &ListFilter) -> Result<JobPage> {
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let total = sqlx::query_scalar(concat!("select count(*)", listed!()))
        .bind(scope.user())
        .bind(filter.user_id)
        .bind(&statuses)
        .bind(&filter.job_type)
        .fetch_one(&db.pool)
        .await?;
    let jobs = sqlx::query_as(filter.sort.statement())
        .bind(scope.user())
        .bind(filter.user_id)
        .bind(&statuses)
        .bind(&filter.job_type)
        .bind(filter.limit)
        .bind(filter.offset)
        .fetch_all(&db.pool)
        .await?;
    Ok(JobPage { jobs, total })
}
