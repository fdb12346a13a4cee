//! Jobs by what is known of them, and what happened to one.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use serde_json::Value;
use uuid::Uuid;

use crate::costs::Exact;
use crate::{Db, Result};

/// Which jobs are looked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this status.
    pub status: Option<String>,
    /// Of this tier.
    pub tier: Option<String>,
    /// Of this type.
    pub job_type: Option<String>,
    /// That ended with this code.
    pub error_code: Option<String>,
    /// With this in its address, or the id of a job, a user, or VALET's task.
    pub text: Option<String>,
    /// Behind this place.
    pub after: Option<Place>,
}

/// A place in the list: the job there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Which it is.
    pub id: Uuid,
}

/// A job in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Row {
    pub id: JobId,
    pub status: String,
    pub tier: String,
    pub job_type: String,
    pub target_url: String,
    pub status_message: Option<String>,
    pub error_code: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub retry_count: i32,
    /// What the ledger has of it.
    pub cost_usd: Exact,
}

/// One page of a list.
#[derive(Debug)]
pub struct Search {
    /// Its jobs.
    pub rows: Vec<Row>,
    /// Where the next page begins.
    pub next: Option<Place>,
}

/// The newest jobs that fit, `most` at a time.
///
/// # Errors
/// When the database cannot be reached.
pub async fn search(db: &Db, filter: &Filter, most: i64) -> Result<Search> {
    let id = filter.text.as_deref().and_then(|text| text.trim().parse::<Uuid>().ok());
    let words = filter.text.as_deref().filter(|_| id.is_none()).map(|text| {
        format!("%{}%", text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
    });
    let mut rows: Vec<Row> = sqlx::query_as(
        "select p.*, (select coalesce(sum(l.cost_usd), 0) from gh_cost_ledger l where l.job_id = p.id and l.kind <> 'overhead') as cost_usd
         from (
           select id, status, coalesce(tier, 'free') as tier, job_type, target_url, status_message, error_code, created_at, started_at,
             completed_at, retry_count
           from gh_automation_jobs
           where ($1::text is null or status = $1) and ($2::text is null or tier = $2) and ($3::text is null or job_type = $3)
             and ($4::text is null or error_code = $4)
             and ($5::uuid is null or id = $5 or user_id = $5 or valet_task_id = $5::text)
             and ($6::text is null or target_url ilike $6)
             and ($7::timestamptz is null or created_at < $7 or (created_at = $7 and id > $8))
           order by created_at desc, id limit $9
         ) p order by p.created_at desc, p.id",
    )
    .bind(&filter.status)
    .bind(&filter.tier)
    .bind(&filter.job_type)
    .bind(&filter.error_code)
    .bind(id)
    .bind(words)
    .bind(filter.after.map(|place| place.created_at))
    .bind(filter.after.map(|place| place.id))
    .bind(most + 1)
    .fetch_all(&db.pool)
    .await?;
    let has_more = rows.len() > usize::try_from(most).unwrap_or(usize::MAX);
    if has_more {
        rows.pop();
    }
    let next = rows.last().filter(|_| has_more).map(|row| Place { created_at: row.created_at, id: row.id.0 });
    Ok(Search { rows, next })
}

/// Something that happened to a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// When.
    pub created_at: DateTime<Utc>,
    /// What.
    pub event_type: String,
    /// In words.
    pub message: Option<String>,
    /// Who or what did it.
    pub actor: String,
    /// What else is known.
    pub metadata: Option<Value>,
}

/// The last 300 events of a job, the first first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn timeline(db: &Db, job: JobId) -> Result<Vec<Event>> {
    let events = sqlx::query_as(
        "select created_at, event_type, message, actor, metadata from (
           select created_at, event_type, message, actor, metadata, seq from gh_job_events where job_id = $1 order by seq desc limit 300
         ) e order by seq",
    )
    .bind(job)
    .fetch_all(&db.pool)
    .await?;
    Ok(events)
}
