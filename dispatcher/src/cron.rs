//! The clock. A tick only notes what is due and rings the bell; the next look does it, once, however many ticks came.
//!
//! Cron expressions only: the scheduler's `new_repeated` jobs never fire again after the runtime stalled once (measured).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::plan::Upkeep;
use crate::wake::Bell;

/// When each kind of upkeep is due. The scaling rule and the reaper are part of every look, which is made each five seconds anyway.
const SCHEDULE: [(Upkeep, &str); 3] =
    [(Upkeep::Sweep, "*/30 * * * * *"), (Upkeep::Expire, "*/10 * * * * *"), (Upkeep::Prune, "0 17 * * * *")];

/// What is due.
#[derive(Clone, Debug, Default)]
pub struct Due(Arc<Mutex<BTreeSet<Upkeep>>>);

impl Due {
    /// Notes that something is due.
    pub fn note(&self, upkeep: Upkeep) {
        self.set().insert(upkeep);
    }

    /// Takes what is due.
    pub fn take(&self) -> Vec<Upkeep> {
        std::mem::take(&mut *self.set()).into_iter().collect()
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<Upkeep>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the schedule; it ends with the returned scheduler.
///
/// # Errors
/// When the scheduler cannot be started.
pub async fn start(bell: &Bell, due: &Due) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (upkeep, expression) in SCHEDULE {
        let (bell, due) = (bell.clone(), due.clone());
        let tick = move |_, _: JobScheduler| {
            due.note(upkeep);
            bell.ring();
        };
        scheduler.add(Job::new(expression, tick)?).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ticks_make_one_piece_of_work() {
        let due = Due::default();
        due.note(Upkeep::Sweep);
        due.note(Upkeep::Sweep);
        due.note(Upkeep::Expire);
        assert_eq!(due.take(), [Upkeep::Sweep, Upkeep::Expire]);
        assert_eq!(due.take(), []);
    }

    #[tokio::test]
    async fn every_expression_is_one_the_scheduler_reads() {
        let scheduler = start(&Bell::default(), &Due::default()).await;
        assert!(scheduler.is_ok());
    }
}
