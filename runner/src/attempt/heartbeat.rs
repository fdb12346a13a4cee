//! Says every 30 s that this runner lives, from a thread that no page and no model can hold up.
//!
//! The dispatcher gives an attempt up after 120 s of silence. This runner gives itself up after 90, counted from when the last
//! answered heartbeat was *sent*: so it is never at work on a job that another one may have.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use store::runner::{Attempt, Beat};
use tokio_util::sync::CancellationToken;

use super::Exit;

/// After this long without an answered heartbeat the process ends, browser included.
const FENCE: Duration = Duration::from_secs(90);
/// Between two tries while the database does not answer.
const AGAIN: Duration = Duration::from_secs(5);
/// How long the job may take to stop by itself once it is no longer ours.
const GRACE: Duration = Duration::from_secs(10);

/// A beating heart.
pub(super) struct Heart {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Heart {
    /// Stops it.
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join(); // a panic of it was logged
    }
}

/// Starts it; `lost` is cancelled when the job is no longer ours.
pub(super) fn start(attempt: Attempt, every: Duration, lost: CancellationToken) -> Heart {
    let (stop, stopped) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fence(&lost, &format!("no heartbeat: {error}")),
        };
        let mut answered = Instant::now();
        let mut wait = every;
        // Ends when the other end of the channel is dropped.
        while matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
            let sent = Instant::now();
            let reply = runtime.block_on(attempt.heartbeat());
            if let Err(error) = &reply {
                tracing::warn!(error = %boot::chain(error), "heartbeat not answered");
            }
            if reply.is_ok() {
                answered = sent; // counted from when it was sent: the answer may have been long on its way
            }
            match next(reply.ok(), every, answered.elapsed()) {
                Next::Wait(time) => wait = time,
                Next::Fence => return fence(&lost, "no answered heartbeat for 90 s"),
                Next::Lost(reason) => {
                    tracing::warn!(reason, "the job is no longer this runner's");
                    lost.cancel();
                    if matches!(stopped.recv_timeout(GRACE), Err(RecvTimeoutError::Timeout)) {
                        fence(&lost, "the job did not stop in time");
                    }
                    return;
                }
            }
        }
    });
    Heart { stop, thread }
}

/// What follows from a heartbeat.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Go on, and send the next one after this long.
    Wait(Duration),
    /// Another one may have the job by now.
    Fence,
    /// Another one has it, or nobody is to have it, for this reason.
    Lost(String),
}

/// `reply` is none when the database did not answer; `silence` is how long ago the last answered one was sent.
fn next(reply: Option<Beat>, every: Duration, silence: Duration) -> Next {
    match reply {
        Some(Beat::Stop(reason)) => Next::Lost(reason),
        _ if silence >= FENCE => Next::Fence,
        Some(Beat::Continue(_)) => Next::Wait(every),
        None => Next::Wait(AGAIN),
    }
}

/// Ends the process; Chromium dies with it.
#[expect(
    clippy::disallowed_methods,
    reason = "a runner that may no longer hold its job must not do anything more, not even clean up"
)]
fn fence(lost: &CancellationToken, why: &str) {
    lost.cancel();
    tracing::error!(why, "giving up: the job may be somebody else's now");
    std::process::exit(Exit::Fenced as i32);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    #[test]
    fn a_runner_that_cannot_reach_the_database_gives_up_before_the_dispatcher_gives_its_job_away() {
        assert_eq!(next(None, EVERY, Duration::from_secs(89)), Next::Wait(AGAIN));
        assert_eq!(next(None, EVERY, Duration::from_secs(90)), Next::Fence);
        // The reaper acts at 120 s of silence; the last try before the fence may take its 5 s.
        assert!(FENCE + AGAIN + Duration::from_secs(5) + GRACE < Duration::from_mins(2));
    }

    #[test]
    fn an_answer_that_was_too_long_on_its_way_is_no_answer() {
        assert_eq!(next(Some(Beat::Continue(EVERY)), EVERY, Duration::from_secs(91)), Next::Fence);
        assert_eq!(next(Some(Beat::Continue(EVERY)), EVERY, Duration::from_secs(1)), Next::Wait(EVERY));
    }

    #[test]
    fn a_job_that_was_taken_away_is_stopped_at_once() {
        assert_eq!(
            next(Some(Beat::Stop("cancelled".into())), EVERY, Duration::ZERO),
            Next::Lost("cancelled".into())
        );
    }
}
