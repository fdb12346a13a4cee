//! The two ways a job comes in.

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::applicant::Applicant;
use crate::{Stack, sql};

/// How a job came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Channel {
    Rest,
    Insert,
}

impl Channel {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Insert => "insert",
        }
    }
}

/// A job of the demo.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) channel: Channel,
}

/// Posts a job as VALET's client does.
pub(super) async fn post(stack: &Stack, applicant: &Applicant, url: &str) -> Result<Job> {
    let body = json!({
        "user_id": uuid::Uuid::new_v4(),
        "job_type": "apply",
        "target_url": url,
        "task_description": "Apply for this position",
        "input_data": { "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides, "tier": "starter" },
        "metadata": { "source": "demo", "resume_ref": { "download_url": stack.site().resume_url() } },
    });
    let id = stack.api()?.create_job(&body).await?;
    eprintln!("rest    POST /api/v1/gh/jobs gave {id} for {url}");
    Ok(Job { id, channel: Channel::Rest })
}

/// Inserts a job as VALET's backend does, with the columns it names.
pub(super) fn insert(stack: &Stack, applicant: &Applicant, url: &str) -> Result<Job> {
    let input = json!({
        "user_data": applicant.user_data,
        "qa_overrides": applicant.qa_overrides,
        "tier": "starter",
        "platform": "other",
        "resume_ref": { "download_url": stack.site().resume_url() },
    });
    let id = uuid::Uuid::new_v4().to_string();
    let statement = format!(
        "insert into gh_automation_jobs \
         (id, user_id, created_by, job_type, target_url, input_data, priority, max_retries, metadata, status) values \
         ({id}, {user}, 'valet', 'apply', {url}, {input}::jsonb, 5, 1, {metadata}::jsonb, 'queued')",
        id = sql::quote(&id),
        user = sql::quote(&uuid::Uuid::new_v4().to_string()),
        url = sql::quote(url),
        input = sql::quote(&input.to_string()),
        metadata = sql::quote(&json!({ "source": "demo" }).to_string()),
    );
    sql::execute(&stack.database_url(), &statement)?;
    eprintln!("insert  INSERT INTO gh_automation_jobs gave {id} for {url}");
    Ok(Job { id, channel: Channel::Insert })
}
