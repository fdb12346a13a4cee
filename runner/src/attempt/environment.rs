//! What a machine tells its runner: who it is (its own environment) and what it may use (the app's secrets).

use std::time::SystemTime;

use domain::id::AttemptId;
use secrecy::SecretString;
use serde::Deserialize;
use store::runner::Assignment;
use uuid::Uuid;

use super::{Identity, Role};
use crate::artifacts::Artifacts;
use crate::browser::{Ahead, BrowserConfig};
use crate::decide::model::Model;
use crate::job::Tools;
use crate::net::Reach;
use crate::resume::ResumeAccess;

#[derive(Deserialize)]
struct Variables {
    database_url: SecretString,
    gh_attempt_id: Option<AttemptId>,
    gh_pool_machine: Option<Uuid>,
    gh_attempt_token: SecretString,
    #[serde(default)]
    fly_machine_id: String,
    traceparent: Option<String>,
}

impl Identity {
    /// Reads who this runner is.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_env() -> anyhow::Result<Self> {
        let variables: Variables = boot::load("")?;
        let role = match (variables.gh_attempt_id, variables.gh_pool_machine) {
            (Some(attempt), _) => Role::Attempt(attempt),
            (None, Some(machine)) => Role::Pool(machine),
            (None, None) => anyhow::bail!("GH_ATTEMPT_ID is not set in the environment"),
        };
        let Variables { database_url, gh_attempt_token: token, fly_machine_id: machine, traceparent, .. } =
            variables;
        Ok(Self { database_url, role, token, machine, born: SystemTime::now(), traceparent })
    }
}

/// What jobs of this machine work with, the model aside, which the job's tier decides.
///
/// # Errors
/// When there is no browser, or no HTTP client can be made.
pub fn tools(lookup: impl Fn(&str) -> Option<String>) -> anyhow::Result<Tools> {
    let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let private = lookup("GH_ALLOW_PRIVATE_NET").is_some_and(|value| matches!(value.as_str(), "1" | "true"));
    let reach = if private { Reach::Anything } else { Reach::Public };
    Ok(Tools {
        browser: BrowserConfig::from_lookup(&lookup)?,
        ahead: Ahead::default(),
        artifacts: Artifacts::from_lookup(&lookup)?,
        resumes: ResumeAccess {
            supabase: given("SUPABASE_URL").zip(given("SUPABASE_SERVICE_KEY").map(Into::into)),
            s3: given("AWS_S3_RESUME_BUCKET").zip(given("AWS_REGION")),
            folder: given("GH_RESUME_DIR").map(Into::into),
            any_file: private,
            reach,
        },
        reach,
        model: None,
    })
}

/// The model of the job: its own wish, else the tier's. Without a key for it the rules work alone.
pub fn model(assignment: &Assignment, lookup: impl Fn(&str) -> Option<String>) -> Option<Model> {
    let job = &assignment.job;
    let wish =
        [&job.input_data["model"], &job.metadata["model"]].into_iter().find_map(|value| value.as_str());
    let name = wish.or(assignment.model.as_deref())?;
    match Model::from_lookup(name, lookup) {
        Ok(model) => Some(model),
        Err(error) => {
            tracing::warn!(model = name, error = %error, "no model for this job; rules work alone");
            None
        }
    }
}
