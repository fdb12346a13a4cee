//! A stand-in for the runner: the same calls to the database in the same order, and no browser.
//!
//! It dies, hangs, falls silent and gives up as its [`Role`] says. What it promises it promises as the real one does:
//! it does nothing without its job, sends nothing without the permit, and ends itself when it cannot show that it lives.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::id::AttemptId;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::runner::{Assignment, Attempt, Beat, Finish, Permit, Start};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::dice::Dice;
use super::role::{self, Role};
use crate::client;
use crate::process;
use crate::stack::environment;

const START: Duration = Duration::from_secs(50);
const FENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(500);
/// How often the permit is asked for while there is no answer.
const ASKS: u32 = 20;
const BEAT: Duration = Duration::from_secs(10);
/// Longer than anybody waits for a heartbeat.
const SILENCE: Duration = Duration::from_secs(135);
/// Of a thousand machines, how many die before their first call.
const STILLBORN: u64 = 20;
/// The runner's exit codes.
const INTERNAL: u8 = 70;
const FENCED: u8 = 75;

/// The whole life of a machine.
pub async fn run() -> ExitCode {
    match live().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(INTERNAL)
        }
    }
}

async fn live() -> Result<u8> {
    let read = |name: &str| environment(name).with_context(|| format!("{name} is not set"));
    let (url, token) =
        (SecretString::from(read("DATABASE_URL")?), SecretString::from(read("GH_ATTEMPT_TOKEN")?));
    let machine = read("FLY_MACHINE_ID")?;
    let id: Uuid = environment("GH_ATTEMPT_ID")
        .or_else(|| environment("GH_POOL_MACHINE"))
        .context("no attempt")?
        .parse()?;
    if Dice::new(u64::try_from(id.as_u128() & u128::from(u64::MAX))?, 4).below(1000) < STILLBORN {
        die();
    }
    let id = if environment("GH_ATTEMPT_ID").is_some() {
        Some(AttemptId(id))
    } else {
        pooled(&url, id, &token).await?
    };
    let Some(id) = id else { return Ok(0) };
    let mut attempt = Attempt::new(&url, id, token)?;
    let (boot, until) = (Uuid::new_v4(), Instant::now() + START);
    let assignment = loop {
        match attempt.start(boot, &machine).await {
            Ok(Start::Started(assignment)) => break assignment,
            Ok(Start::Refused(_)) => return Ok(0),
            Err(error) if error.is_transient() && Instant::now() < until => sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    };
    let part = Part::new(attempt, &assignment)?;
    let mut told_to_stop = signal(SignalKind::terminate())?;
    tokio::select! {
        code = part.play() => code,
        // Whoever is silent shows nothing and notices nothing, as a frozen machine does.
        () = part.lost(), if part.role != Role::FallSilent => Ok(FENCED),
        _ = told_to_stop.recv() => part.tell(&json!({ "class": "released" })).await,
    }
}

/// The attempt that a machine of the pool was given.
async fn pooled(url: &SecretString, machine: Uuid, token: &SecretString) -> Result<Option<AttemptId>> {
    let until = Instant::now() + START;
    loop {
        match store::runner::pool_attempt(url, machine, token).await {
            Err(error) if error.is_transient() && Instant::now() < until => sleep(PAUSE).await,
            other => return Ok(other?),
        }
    }
}

/// An attempt at work.
struct Part {
    attempt: Attempt,
    heart: Attempt,
    job: Uuid,
    recorder: String,
    role: Role,
    before: Duration,
    after: Duration,
}

impl Part {
    fn new(attempt: Attempt, assignment: &Assignment) -> Result<Self> {
        let chaos = &assignment.job.input_data["chaos"];
        let number = |name: &str| chaos[name].as_u64().with_context(|| format!("the job has no {name}"));
        let (seed, job, no) = (number("seed")?, number("number")?, u64::try_from(assignment.attempt_no)?);
        let (mut role, (mut before, after)) = (role::of(seed, job, no), role::work(seed, job, no));
        if let Some(calm) = chaos["calm_ms"].as_u64() {
            (role, before) = (Role::Apply, Duration::from_millis(calm));
        }
        Ok(Self {
            heart: attempt.twin(),
            attempt,
            job: assignment.job.id,
            recorder: chaos["recorder"].as_str().context("the job has no recorder")?.to_owned(),
            role,
            before,
            after,
        })
    }

    async fn play(&self) -> Result<u8> {
        self.note("working").await;
        sleep(self.before).await;
        match self.role {
            Role::DieAtWork => die(),
            Role::Leave(code) => return Ok(code),
            Role::Fail => {
                return self.tell(&json!({ "class": "retryable", "error_code": "network_error" })).await;
            }
            Role::FailForGood => {
                return self.tell(&json!({ "class": "final", "error_code": "validation_error" })).await;
            }
            Role::AskPerson => {
                return self.tell(&json!({ "class": "needs_human", "interaction_type": "captcha" })).await;
            }
            Role::GiveBack => return self.tell(&json!({ "class": "released" })).await,
            Role::Hang => std::future::pending().await,
            Role::FallSilent => sleep(SILENCE).await,
            _ => {}
        }
        if let Permit::Refused(reason) = self.permit().await {
            let refused =
                json!({ "class": "final", "error_code": "permit_refused", "error_message": reason });
            return self.tell(&refused).await;
        }
        match self.role {
            Role::DieWithPermit => die(),
            Role::HoldBack => {
                let held = json!({ "class": "retryable", "error_code": "submit_rejected", "permit_outcome": "not_submitted" });
                return self.tell(&held).await;
            }
            _ => {}
        }
        self.submit().await?;
        if self.role == Role::DieAfterSubmit {
            die();
        }
        self.note("submitted").await;
        sleep(self.after).await;
        self.tell(
            &json!({ "class": "completed", "permit_outcome": "submitted", "result_summary": "applied" }),
        )
        .await
    }

    /// Ends when this attempt is no longer ours, or nobody could be told for too long that we live.
    async fn lost(&self) {
        let mut answered = Instant::now();
        while answered.elapsed() < FENCE {
            sleep(BEAT).await;
            let sent = Instant::now();
            match self.heart.heartbeat().await {
                Ok(Beat::Continue(_)) => answered = sent,
                Ok(Beat::Stop(_)) => return,
                Err(_) => {}
            }
        }
    }

    /// As the runner asks: again while there is no answer, and no answer is a no.
    async fn permit(&self) -> Permit {
        for _ in 0..ASKS {
            match self.attempt.permit("submit").await {
                Ok(permit) => return permit,
                Err(_) => sleep(PAUSE).await,
            }
        }
        Permit::Refused("the database could not be reached".to_owned())
    }

    async fn submit(&self) -> Result<()> {
        let url = format!("{}/submit/{}/{}", self.recorder, self.job, self.attempt.id());
        client::http()?.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    async fn note(&self, what: &str) {
        let detail = json!({ "attempt_id": self.attempt.id(), "step": what });
        // An event that is lost is missed by nobody.
        let _ = self.attempt.event("chaos_step", Some(what), &detail).await;
    }

    async fn tell(&self, result: &Value) -> Result<u8> {
        let until = Instant::now() + FENCE;
        loop {
            match self.attempt.finish(result).await {
                Ok(Finish::Recorded(_)) => return Ok(0),
                Ok(Finish::TooLate(reason)) => {
                    return Ok(if result["class"] == reason.as_str() { 0 } else { FENCED });
                }
                Err(_) if Instant::now() < until => sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The end that nobody sees coming.
fn die() -> ! {
    process::send(std::process::id().cast_signed(), libc::SIGKILL);
    unreachable!("SIGKILL cannot be ignored")
}
