//! Does exactly one job for the database: takes it, shows that it lives, asks before the one thing that cannot be undone, and tells how it went.
//!
//! The exit codes are read from Fly's events: see [`Exit`].

pub mod environment;
mod heartbeat;
mod journey;
mod keeper;

use std::time::{Duration, SystemTime};

use domain::attempt::EndClass;
use domain::id::AttemptId;
use secrecy::SecretString;
use store::runner::{Assignment, Attempt, Finish, Start};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::desk::{self, Desk};
use crate::job::{self, Input, Tools};
use crate::outcome::Outcome;
use journey::Journey;

/// How a runner process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The outcome is recorded, or the job was not this runner's to do.
    Done = 0,
    /// Something of ours failed; the dispatcher tries the job again.
    Internal = 70,
    /// The job was taken from this runner, or it could not reach the database for 90 s.
    Fenced = 75,
    /// The environment does not make a runner.
    Config = 77,
}

/// What a runner was started for.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// This attempt.
    Attempt(AttemptId),
    /// Whatever attempt this machine of the pool was given.
    Pool(Uuid),
}

/// Who this runner is.
#[derive(Debug)]
pub struct Identity {
    /// The database, as the role `gh_runner`.
    pub database_url: SecretString,
    /// What it was started for.
    pub role: Role,
    /// Its one-time token.
    pub token: SecretString,
    /// Fly's id of this machine.
    pub machine: String,
    /// When it began.
    pub born: SystemTime,
    /// Where its part of the job's trace belongs, when the dispatcher said so.
    pub traceparent: Option<String>,
}

/// How long a runner tries to reach the database before it has a job; the dispatcher gives a machine 60 s to come up.
const START: Duration = Duration::from_secs(50);
/// How long it tries to tell the outcome; after that the dispatcher has given the attempt up.
const FINISH: Duration = Duration::from_secs(90);
/// Between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(500);
/// What is kept of a job's time for telling how it went.
const RESERVE: Duration = Duration::from_secs(10);

/// Does the job from start to finish. `tools` is called once the job is this runner's.
///
/// `stop` is the machine's SIGTERM: the job is given back.
pub async fn run(
    identity: Identity,
    stop: CancellationToken,
    tools: impl FnOnce(&Assignment) -> Tools,
) -> Exit {
    let (url, token) = (&identity.database_url, identity.token);
    let started = match identity.role {
        Role::Attempt(id) => Ok(Some(id)),
        Role::Pool(machine) => repeat(|| store::runner::pool_attempt(url, machine, &token)).await,
    };
    let mut attempt = match started.and_then(|id| id.map(|id| Attempt::new(url, id, token)).transpose()) {
        Ok(Some(attempt)) => attempt,
        Ok(None) => {
            tracing::info!("this machine was given no attempt");
            return Exit::Done;
        }
        Err(error) => {
            tracing::error!(error = %boot::chain(&error), "cannot start");
            return Exit::Config;
        }
    };
    let id = attempt.id();
    let assignment = match start(&mut attempt, &identity.machine).await {
        Ok(Start::Started(assignment)) => assignment,
        Ok(Start::Refused(reason)) => {
            tracing::info!(attempt.id = %id, reason, "not this runner's job");
            return Exit::Done;
        }
        Err(error) => {
            tracing::error!(attempt.id = %id, error = %boot::chain(&error), "no database, no job");
            return Exit::Internal;
        }
    };
    let journey = boot::trace::is_on()
        .then(|| Journey::begin(identity.traceparent.as_deref(), identity.born, id, &assignment));
    let span = tracing::info_span!("job", job.id = %assignment.job.id, attempt.id = %id);
    tracing::Instrument::instrument(work(attempt, &assignment, journey, stop, tools), span).await
}

async fn start(attempt: &mut Attempt, machine: &str) -> store::Result<Start> {
    let (boot, until) = (Uuid::new_v4(), Instant::now() + START);
    loop {
        match attempt.start(boot, machine).await {
            Err(error) if error.is_transient() && Instant::now() < until => sleep(PAUSE).await,
            other => return other,
        }
    }
}

/// Repeats a call while the database is away.
async fn repeat<T, F: Future<Output = store::Result<T>>>(call: impl Fn() -> F) -> store::Result<T> {
    let until = Instant::now() + START;
    loop {
        match call().await {
            Err(error) if error.is_transient() && Instant::now() < until => sleep(PAUSE).await,
            other => return other,
        }
    }
}

async fn work(
    attempt: Attempt,
    assignment: &Assignment,
    mut journey: Option<Journey>,
    stop: CancellationToken,
    tools: impl FnOnce(&Assignment) -> Tools,
) -> Exit {
    tracing::info!(job.r#type = assignment.job.job_type, attempt.no = assignment.attempt_no, "job started");
    let lost = CancellationToken::new(); // the job is no longer ours
    let heart =
        heartbeat::start(attempt.twin(), Duration::from_secs(assignment.heartbeat_seconds), lost.clone());
    let remaining = Duration::from_secs(assignment.remaining_seconds).saturating_sub(RESERVE).max(RESERVE);
    let input = Input::of_job(&assignment.job, assignment.budget_micros, remaining);
    let (notes, inbox) = mpsc::channel(64);
    let (requests, desk) = mpsc::channel(4);
    let halt = lost.child_token();
    let told_to_stop = halt.clone();
    let watch = tokio::spawn(async move {
        stop.cancelled().await;
        told_to_stop.cancel();
    });
    // The keeper and the desk end when the job has dropped its ends of the channels, so nothing that was said is lost.
    let ((outcome, record), (), ()) = tokio::join!(
        job::run(input, tools(assignment), Desk::new(requests), notes, halt),
        keeper::keep(&attempt, inbox, journey.as_mut()),
        desk::serve(&attempt, desk),
    );
    watch.abort();
    if let Some(journey) = journey {
        journey.end(&outcome);
    }
    if lost.is_cancelled() {
        tracing::warn!("the job was taken from this runner; nothing more is written");
        heart.stop();
        return Exit::Fenced;
    }
    let finish = outcome.finish(&record.get(), peak_rss_mb());
    let exit = tell(&attempt, &outcome, &finish).await;
    heart.stop();
    exit
}

/// Repeats the outcome until the database has it, or the attempt is surely given up.
async fn tell(attempt: &Attempt, outcome: &Outcome, finish: &serde_json::Value) -> Exit {
    let until = Instant::now() + FINISH;
    loop {
        match attempt.finish(finish).await {
            Ok(Finish::Recorded(status)) => {
                tracing::info!(job.status = %status, class = outcome.class.as_str(), code = outcome.code, "{}", outcome.message);
                return Exit::Done;
            }
            // Our own first call, whose reply was lost.
            Ok(Finish::TooLate(reason)) if reason == outcome.class.as_str() => return Exit::Done,
            Ok(Finish::TooLate(reason)) => {
                tracing::warn!(reason, class = outcome.class.as_str(), "too late: the attempt was over");
                return if outcome.class == EndClass::Released { Exit::Done } else { Exit::Fenced };
            }
            Err(error) if Instant::now() < until => {
                tracing::warn!(error = %boot::chain(&error), "outcome not recorded yet");
                sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::error!(error = %boot::chain(&error), "outcome not recorded");
                return Exit::Internal;
            }
        }
    }
}

/// The most memory this process and its largest child had.
fn peak_rss_mb() -> u64 {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(peak_kb).sum::<u64>() / 1024
}

#[expect(unsafe_code, reason = "the standard library does not read the kernel's accounts")]
fn peak_kb(whose: libc::c_int) -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the struct it is given, which is valid when zeroed too.
    let usage = unsafe {
        libc::getrusage(whose, usage.as_mut_ptr());
        usage.assume_init()
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0)
}
