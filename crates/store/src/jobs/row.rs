//! What a job row looks like to its readers.

use chrono::{DateTime, Utc};
use domain::id::{JobId, UserId};
use domain::job::JobStatus;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

/// A JSON column, passed on as the text it is.
pub type Document = Json<Box<RawValue>>;

/// The columns of [`Job`], named one by one: `select *` in a prepared statement breaks when a migration adds a column.
macro_rules! job_columns {
    () => {
        "id, idempotency_key, user_id, created_by, job_type, target_url, task_description, input_data, priority, \
         scheduled_at, max_retries, retry_count, timeout_seconds, status, status_message, started_at, completed_at, \
         last_heartbeat, worker_id, manual_id, engine_type, result_data, result_summary, error_code, error_details, \
         screenshot_urls, artifact_urls, metadata, tags, created_at, updated_at, callback_url, valet_task_id, \
         resume_ref, target_worker_id, interaction_type, interaction_data, paused_at, execution_mode, browser_mode, \
         final_mode, worker_affinity, llm_cost_cents, action_count, total_tokens, execution_attempt_id, tier"
    };
}
pub(super) use job_columns;

/// A whole job, under the column names every reader of the table knows.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Job {
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub id: JobId,
    pub idempotency_key: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub user_id: UserId,
    pub created_by: String,
    pub job_type: String,
    pub target_url: String,
    pub task_description: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub input_data: Document,
    pub priority: i32,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub max_retries: i32,
    pub retry_count: i32,
    pub timeout_seconds: i32,
    #[cfg_attr(feature = "openapi", schema(value_type = Status))]
    pub status: JobStatus,
    pub status_message: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub last_heartbeat: Option<DateTime<Utc>>,
    pub worker_id: Option<String>,
    pub manual_id: Option<Uuid>,
    pub engine_type: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub result_data: Option<Document>,
    pub result_summary: Option<String>,
    pub error_code: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub error_details: Option<Document>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub screenshot_urls: Option<Document>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub artifact_urls: Option<Document>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub metadata: Option<Document>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub tags: Option<Document>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub callback_url: Option<String>,
    pub valet_task_id: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub resume_ref: Option<Document>,
    pub target_worker_id: Option<String>,
    pub interaction_type: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub interaction_data: Option<Document>,
    pub paused_at: Option<DateTime<Utc>>,
    pub execution_mode: Option<String>,
    pub browser_mode: Option<String>,
    pub final_mode: Option<String>,
    pub worker_affinity: Option<String>,
    pub llm_cost_cents: Option<i32>,
    pub action_count: Option<i32>,
    pub total_tokens: Option<i64>,
    pub execution_attempt_id: Option<Uuid>,
    pub tier: Option<String>,
}

/// How far a job is: its status, and what the runner last said about its progress.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobProgress {
    /// The job.
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub id: JobId,
    /// Where it is in its life.
    #[cfg_attr(feature = "openapi", schema(value_type = Status))]
    pub status: JobStatus,
    /// The sentence its user reads.
    pub status_message: Option<String>,
    /// 0 to 100, or `None` before the first report.
    pub progress_pct: Option<f64>,
    /// When the runner expects to be done.
    pub estimated_completion: Option<DateTime<Utc>>,
    /// When the running attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// The last sign of life.
    pub last_heartbeat: Option<DateTime<Utc>>,
    /// When it reached a final status.
    pub completed_at: Option<DateTime<Utc>>,
}

/// The words of [`JobStatus`] as the OpenAPI file lists them.
#[cfg(feature = "openapi")]
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "only described, never made; documented at JobStatus")]
pub enum Status {
    Pending,
    Queued,
    Running,
    Paused,
    Completed,
    Failed,
    Cancelled,
    Expired,
    NeedsHuman,
    AwaitingReview,
}
