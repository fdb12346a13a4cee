//! Putting jobs in. Both entrances use one statement, so a batch of one and a single job are the same row.

use chrono::{DateTime, Utc};
use domain::id::{JobId, UserId};
use domain::job::JobStatus;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::postgres::PgDatabaseError;
use sqlx::types::Json;

use crate::{Db, Result};

/// A job about to be written. The caller has checked its values.
#[derive(Clone, Debug, Serialize)]
pub struct NewJob {
    /// Chosen by the caller, so that a batch can be matched with its rows.
    pub id: JobId,
    /// Whose job it is.
    pub user_id: UserId,
    /// `valet` for a service, `api` for a user.
    pub created_by: &'static str,
    /// What to do: `apply`, `scrape`, `fill_form`, `custom`, or a word VALET agreed on with the runner.
    pub job_type: String,
    /// Where to do it.
    pub target_url: String,
    /// In words.
    pub task_description: String,
    /// Everything the runner needs, every key kept as it came.
    pub input_data: Box<RawValue>,
    /// 1 goes first, 10 last.
    pub priority: i32,
    /// Not before this time.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// How often a failed try is repeated.
    pub max_retries: i32,
    /// How long one try may work.
    pub timeout_seconds: i32,
    /// Labels of its owner.
    pub tags: Vec<String>,
    /// A second job with this key is refused.
    pub idempotency_key: Option<String>,
    /// The caller's notes, kept as they came.
    pub metadata: Box<RawValue>,
    /// Who is told of the outcome.
    pub callback_url: Option<String>,
    /// VALET's name for it.
    pub valet_task_id: Option<String>,
    /// Where the résumé is.
    pub resume_ref: Option<Box<RawValue>>,
    /// The worker it was meant for.
    pub target_worker_id: Option<String>,
    /// How to work; `None` is `auto`.
    pub execution_mode: Option<String>,
    /// How strictly the target is meant; `None` is `preferred`.
    pub worker_affinity: Option<String>,
    /// W3C trace context of the request that made it.
    pub traceparent: Option<String>,
}

impl NewJob {
    fn is_a_services(&self) -> bool {
        self.created_by == "valet"
    }
}

/// A job that was written.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Created {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub id: JobId,
    /// `pending`.
    #[cfg_attr(feature = "openapi", schema(value_type = super::row::Status))]
    pub status: JobStatus,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The job that already holds an idempotency key.
#[derive(Debug, sqlx::FromRow)]
pub struct Clash {
    /// The key.
    pub idempotency_key: String,
    /// The job that holds it.
    pub id: JobId,
    /// Where that job is in its life.
    pub status: JobStatus,
    /// Whose it is: only that user may learn its id.
    pub user_id: UserId,
    /// VALET's name for it.
    pub valet_task_id: Option<String>,
}

/// The job that may have sent the application a new job belongs to.
#[derive(Debug, sqlx::FromRow)]
pub struct SentBefore {
    /// The new job, which was not written.
    pub job: JobId,
    /// The earlier one, of the same user.
    pub id: JobId,
    /// Where that job is in its life.
    pub status: JobStatus,
    /// VALET's name for it.
    pub valet_task_id: Option<String>,
}

/// How much a user may still ask for, by the tightest of their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Which limit: `user_tier_hourly`, `user_tier_daily`, `platform_hourly` or `platform_daily`.
    pub source: String,
    /// The tier of the account.
    pub tier: String,
    /// The platform, when the limit is a platform's.
    pub platform: Option<String>,
    /// How many jobs the window takes.
    pub limit: i32,
    /// How many more it takes now.
    pub remaining: i32,
    /// When the oldest job leaves the window.
    pub reset_at: DateTime<Utc>,
}

/// What became of new jobs.
#[derive(Debug)]
pub enum Creation {
    /// All were written, in the order they were given; and what their user may still ask for, if anything limits that.
    Created(Vec<Created>, Option<Allowance>),
    /// None was written, because these keys are taken.
    Duplicates(Vec<Clash>),
    /// None was written, because these belong to applications that were sent, or may have been.
    AlreadySent(Vec<SentBefore>),
    /// None was written, because a user asked for too many.
    Limited(Allowance),
    /// None was written, because Postgres cannot hold a value of one (a null character, a lone surrogate, a number without end), or
    /// because a rule of the table is about what only it knows.
    Unstorable {
        /// The job, when the table names it.
        job: Option<JobId>,
        /// The field, when the table names it; else empty.
        field: String,
        /// Why.
        reason: String,
    },
}

/// Writes all jobs or none: one statement, in which the limits are checked and nobody else can take the same place.
///
/// Two calls with the same idempotency key at the same moment: the second waits for the first and then finds it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create(db: &Db, jobs: &[NewJob]) -> Result<Creation> {
    if jobs.len() == 1 {
        let mut connection = db.quick().await?;
        let creation = insert(connection.get(), jobs).await?;
        connection.keep();
        return Ok(creation);
    }
    let mut transaction = db.pool.begin().await?;
    let creation = insert(&mut transaction, jobs).await?;
    if matches!(creation, Creation::Created(..)) {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(creation)
}

async fn insert(db: &mut PgConnection, jobs: &[NewJob]) -> Result<Creation> {
    if let [job] = jobs
        && job.is_a_services()
    {
        match write_unlimited(db, job).await {
            Ok(Some(created)) => return Ok(Creation::Created(vec![created], None)),
            Ok(None) => {}
            Err(fault) => return unstorable(fault),
        }
    }
    loop {
        let written = match write(db, jobs).await {
            Ok(written) => written,
            Err(fault) => return unstorable(fault),
        };
        let mut created: Vec<Created> = written.iter().filter_map(Written::created).collect();
        let verdict = written.into_iter().next();
        let is_allowed = verdict.as_ref().is_some_and(|row| row.allowed);
        let allowance = verdict.and_then(Written::allowance);
        if created.len() == jobs.len() {
            created.sort_by_key(|row| jobs.iter().position(|job| job.id == row.id));
            return Ok(Creation::Created(created, allowance));
        }
        // A repeated request is answered as one, also when its user may ask for no more.
        let clashes = holders(db, jobs).await?;
        let sent = if clashes.is_empty() { sent_before(db, jobs).await? } else { Vec::new() };
        match allowance {
            _ if !clashes.is_empty() => return Ok(Creation::Duplicates(clashes)),
            _ if !sent.is_empty() => return Ok(Creation::AlreadySent(sent)),
            Some(allowance) if !is_allowed => return Ok(Creation::Limited(allowance)),
            // The holder was deleted between the two statements: the key is free now, for a job that stands alone.
            _ if jobs.len() == 1 => {}
            _ => return Ok(Creation::Duplicates(clashes)),
        }
    }
}

/// One row of [`write`]: the verdict on the request, and a job that was written, if any was.
#[derive(sqlx::FromRow)]
struct Written {
    allowed: bool,
    source: Option<String>,
    tier: Option<String>,
    platform: Option<String>,
    max: Option<i32>,
    remaining: Option<i32>,
    reset_at: Option<DateTime<Utc>>,
    id: Option<JobId>,
    status: Option<JobStatus>,
    created_at: Option<DateTime<Utc>>,
}

impl Written {
    fn created(&self) -> Option<Created> {
        Some(Created { id: self.id?, status: self.status?, created_at: self.created_at? })
    }

    fn allowance(self) -> Option<Allowance> {
        Some(Allowance {
            source: self.source?,
            tier: self.tier?,
            platform: self.platform,
            limit: self.max?,
            remaining: self.remaining?,
            reset_at: self.reset_at?,
        })
    }
}

/// Inserts the jobs of `$1` that have no taken key and whose application was not sent, under a condition; both ways of writing are this one.
macro_rules! insert_jobs {
    (tier: $tier:literal, only_if: $condition:literal) => {
        concat!(
            "insert into gh_automation_jobs (
                id, user_id, created_by, job_type, target_url, task_description, input_data, priority, scheduled_at,
                max_retries, timeout_seconds, tags, idempotency_key, metadata, callback_url, valet_task_id,
                resume_ref, target_worker_id, execution_mode, worker_affinity, traceparent, tier)
            select
                id, user_id, created_by, job_type, target_url, task_description, input_data, priority, scheduled_at,
                max_retries, timeout_seconds, tags, idempotency_key, metadata, callback_url, valet_task_id,
                resume_ref, target_worker_id, coalesce(execution_mode, 'auto'), coalesce(worker_affinity, 'preferred'),
                traceparent, ",
            $tier,
            " from jsonb_to_recordset($1) as new (
                id uuid, user_id uuid, created_by text, job_type text, target_url text, task_description text,
                input_data jsonb, priority integer, scheduled_at timestamptz, max_retries integer,
                timeout_seconds integer, tags jsonb, idempotency_key text, metadata jsonb, callback_url text,
                valet_task_id text, resume_ref jsonb, target_worker_id text, execution_mode text,
                worker_affinity text, traceparent text)
            where gh_application_sent_before(user_id, valet_task_id, metadata) is null and ",
            $condition,
            // Each job locks its user until the end: two batches of the same users do it in one order.
            " order by user_id on conflict (idempotency_key) do nothing
            returning id, status, created_at"
        )
    };
}

/// Writes a service's job whose user has no account, and so no limit: most jobs there are, at little more than the insert itself.
/// `None`: the user has one, the key is taken, or the application was sent.
async fn write_unlimited(db: &mut PgConnection, job: &NewJob) -> sqlx::Result<Option<Created>> {
    // The tier is the service's word, which the table's trigger takes.
    sqlx::query_as(insert_jobs!(
        tier: "null",
        only_if: "not exists (select from gh_accounts a where a.user_id = new.user_id)"
    ))
    .bind(Json([job]))
    .fetch_optional(db)
    .await
}

/// Writes what is allowed and has no taken key; at least one row comes back, with the verdict.
async fn write(db: &mut PgConnection, jobs: &[NewJob]) -> sqlx::Result<Vec<Written>> {
    sqlx::query_as(concat!(
        "with verdict as materialized (
            select * from gh_rate_check($1, $2)
        ), written as (",
        insert_jobs!(
            // A user's tier is the account's, whatever the body says; a service's word is taken by the table's trigger.
            tier: "case when not $2 then coalesce((select a.tier from gh_accounts a where a.user_id = new.user_id), 'free') end",
            only_if: "(select allowed from verdict)"
        ),
        ")
        select v.allowed, v.source, v.tier, v.platform, v.max, v.remaining, v.reset_at, w.id, w.status, w.created_at
        from verdict v left join written w on true",
    ))
    .bind(Json(jobs))
    .bind(jobs.iter().all(NewJob::is_a_services))
    .fetch_all(db)
    .await
}

/// What a refused statement says of the job's values, if it is about them: data exceptions (22), and nesting deeper than the
/// server's stack (54001).
fn unstorable(fault: sqlx::Error) -> Result<Creation> {
    let sqlx::Error::Database(said) = &fault else { return Err(fault.into()) };
    if !said.code().is_some_and(|code| code.starts_with("22") || code == "54001") {
        return Err(fault.into());
    }
    let said_more = said.try_downcast_ref::<PgDatabaseError>();
    let field = said_more.and_then(PgDatabaseError::column);
    Ok(Creation::Unstorable {
        job: said_more.and_then(PgDatabaseError::detail).and_then(|detail| detail.parse().ok()),
        field: field.unwrap_or_default().to_owned(),
        reason: said.message().to_owned(),
    })
}

/// The other jobs that hold a key of `jobs`.
async fn holders(db: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<Clash>> {
    let keys: Vec<&str> = jobs.iter().filter_map(|job| job.idempotency_key.as_deref()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as(
        "select idempotency_key, id, status, user_id, valet_task_id
        from gh_automation_jobs where idempotency_key = any($1) and id <> all($2)",
    )
    .bind(keys)
    .bind(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// The jobs that may have sent the applications of `jobs`.
async fn sent_before(db: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<SentBefore>> {
    let rows = sqlx::query_as(
        "select new.id as job, j.id, j.status, j.valet_task_id
        from jsonb_to_recordset($1) as new (id uuid, user_id uuid, valet_task_id text, metadata jsonb)
        join gh_automation_jobs j on j.id = gh_application_sent_before(new.user_id, new.valet_task_id, new.metadata)",
    )
    .bind(Json(jobs))
    .fetch_all(db)
    .await?;
    Ok(rows)
}
