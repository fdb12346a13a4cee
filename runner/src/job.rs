//! One job from its input to its outcome, whoever keeps its row.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::attempt::EndClass;
use domain::money::MicroUsd;
use serde_json::{Map, Value};
use store::runner::Job;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, End};
use crate::artifacts::Artifacts;
use crate::browser::{Ahead, BrowserConfig, BrowserError};
use crate::decide::model::Model;
use crate::desk::Desk;
use crate::net::Reach;
use crate::note::{Note, Reporter};
use crate::outcome::Outcome;
use crate::record::{Sending, Shared};
use crate::resume::{ResumeAccess, ResumeSource};

/// How often a lost browser is started anew.
const CRASHES: u32 = 2;

/// Whether the form is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submit {
    /// Sent, once the permit is granted.
    Send,
    /// Filled in and left: nothing that was entered leaves the browser.
    HoldBack,
    /// The steps of a wizard are sent, its last one is not.
    Steps,
}

/// What answers the questions that rules leave: `execution_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The manual of the form, then a model.
    #[default]
    Auto,
    /// A model.
    AiOnly,
    /// The manual of the form.
    CookbookOnly,
}

impl Mode {
    /// The mode a job names; one that is not known is the usual one.
    pub fn of(name: Option<&str>) -> Self {
        match name {
            Some("ai_only") => Self::AiOnly,
            Some("cookbook_only") => Self::CookbookOnly,
            _ => Self::Auto,
        }
    }
}

/// What a job is about.
#[derive(Clone, Debug)]
pub struct Input {
    /// The job's id: names its screenshots.
    pub job_id: String,
    /// `apply`, `fill_form`, `scrape` or `custom`.
    pub job_type: String,
    /// What is to be done, in words: `task_description`.
    pub task: String,
    /// The shape of what a `scrape` is to return: `input_data.schema`.
    pub schema: Option<Value>,
    /// The page to start from.
    pub target_url: String,
    /// The candidate, as the job was given it.
    pub user_data: Map<String, Value>,
    /// The candidate's answers by question.
    pub qa_overrides: BTreeMap<String, String>,
    /// Where the résumé is.
    pub resume: Option<ResumeSource>,
    /// Whether manuals and models are used.
    pub mode: Mode,
    /// Whether the form is sent.
    pub submit: Submit,
    /// The only hosts the browser may open beside the page's own; none means any public one.
    pub allowed_hosts: Option<Vec<String>>,
    /// What the job may spend on models.
    pub budget: MicroUsd,
    /// When it has to be over.
    pub deadline: Instant,
}

/// What a job works with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The browser.
    pub browser: BrowserConfig,
    /// One of these browsers that is on its way already.
    pub ahead: Ahead,
    /// Where screenshots go.
    pub artifacts: Artifacts,
    /// Where résumés come from.
    pub resumes: ResumeAccess,
    /// Which addresses may be opened.
    pub reach: Reach,
    /// The model for what rules leave; none means rules alone.
    pub model: Option<Model>,
}

impl Input {
    /// The input a row describes.
    pub fn of_job(job: &Job, budget: Option<i64>, remaining: Duration) -> Self {
        let data = &job.input_data;
        let row = serde_json::json!({
            "user_id": job.user_id, "resume_ref": job.resume_ref, "metadata": job.metadata, "input_data": data
        });
        let answers = data["qa_overrides"].as_object().into_iter().flatten();
        let held = [&data["submit"], &job.metadata["submit"]].iter().any(|it| **it == Value::Bool(false));
        Self {
            job_id: job.id.to_string(),
            job_type: job.job_type.clone(),
            task: job.task_description.clone(),
            schema: Some(data["schema"].clone()).filter(|schema| !schema.is_null()),
            target_url: job.target_url.clone(),
            user_data: data["user_data"]
                .as_object()
                .or_else(|| data["form_data"].as_object())
                .cloned()
                .unwrap_or_default(),
            qa_overrides: answers.map(|(asked, answer)| (asked.clone(), text(answer))).collect(),
            resume: ResumeSource::of_job(&row),
            mode: Mode::of(job.execution_mode.as_deref()),
            submit: if held { Submit::HoldBack } else { Submit::Send },
            allowed_hosts: data["allowed_hosts"].as_array().map(|hosts| hosts.iter().map(text).collect()),
            budget: MicroUsd(budget.unwrap_or(0)),
            deadline: Instant::now() + remaining,
        }
    }

    /// What makes the input unusable.
    pub fn fault(&self) -> Option<String> {
        match self.job_type.as_str() {
            "apply" | "fill_form" | "smart_apply" | "workday_apply" => {}
            "custom" if self.task.trim().is_empty() => return Some("task_description is missing".into()),
            "scrape" | "custom" => return None,
            other => return Some(format!("job_type `{other}` is not one this runner knows")),
        }
        if self.user_data.is_empty() && self.qa_overrides.is_empty() {
            return Some("input_data.user_data is missing".into());
        }
        None
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// Does the job, says how it goes through `notes`, and asks at `desk` for a person's help and for manuals.
///
/// Ends within a second of `stop` or the deadline, browser killed. What may have been sent is never reported as
/// something to try again.
pub async fn run(
    input: Input,
    tools: Tools,
    desk: Desk,
    notes: mpsc::Sender<Note>,
    stop: CancellationToken,
) -> (Outcome, Shared) {
    let record = Shared::default();
    let reporter = Reporter::new(notes);
    let outcome = if let Some(fault) = input.fault() {
        Outcome::last("validation_error", fault)
    } else {
        tokio::select! {
            biased;
            () = stop.cancelled() => Outcome::new(EndClass::Released, Some("released"), "The runner was told to stop"),
            () = time_is_up(&input, &record) => {
                Outcome::new(EndClass::Deadline, Some("timeout"), "The time of the job ran out")
            }
            outcome = work(&input, &tools, &record, &reporter, &desk) => outcome,
        }
    };
    let sending = record.get().sending;
    (outcome.guarded(sending), record)
}

/// Waits for the deadline, which moves by what the job has waited for people, and never comes while it waits.
async fn time_is_up(input: &Input, record: &Shared) {
    loop {
        let (waited, waiting) = record.get().waited();
        let until = input.deadline + waited;
        if !waiting && Instant::now() >= until {
            return;
        }
        let next = if waiting { Instant::now() + Duration::from_millis(200) } else { until };
        // Looked at again in a while: a wait may begin before the deadline comes.
        tokio::time::sleep_until(next.min(Instant::now() + Duration::from_millis(500))).await;
    }
}

async fn work(input: &Input, tools: &Tools, record: &Shared, reporter: &Reporter, desk: &Desk) -> Outcome {
    let mut crashes = 0;
    loop {
        let end = match Agent::start(input, tools, record.clone(), reporter.clone(), desk.clone()).await {
            Ok(mut agent) => {
                let end = agent.drive().await;
                agent.finish(&end).await;
                end
            }
            Err(end) => end,
        };
        match end {
            End::Done(outcome) => return outcome,
            End::Lost(BrowserError::Gone(text))
                if crashes < CRASHES && record.get().sending < Sending::Granted =>
            {
                crashes += 1;
                let metadata = serde_json::json!({"attempt": crashes, "error_message": text});
                reporter
                    .event("browser_crash_detected", "The browser was lost; starting another", metadata)
                    .await;
                record.get().lines.clear();
            }
            End::Lost(error) => return lost(&error),
        }
    }
}

fn lost(error: &BrowserError) -> Outcome {
    let text = error.to_string();
    match error {
        BrowserError::Gone(_) => Outcome::retryable("browser_crashed", text),
        BrowserError::Timeout(_) => Outcome::retryable("timeout", text),
        BrowserError::Navigation(_) => Outcome::retryable("network_error", text),
        BrowserError::Stale(_) => Outcome::retryable("element_not_found", text),
        BrowserError::Launch(_) | BrowserError::Protocol(_) => Outcome::retryable("internal_error", text),
    }
}
