//! What the dispatcher knows when it decides: every machine it still has to look after, and how full each tier is.
//!
//! All times are the database's, `now` included.

use chrono::{DateTime, TimeDelta, Utc};

use crate::attempt::AttemptState;
use crate::id::AttemptId;
use crate::tier::Guest;

/// One look at everything.
#[derive(Clone, Debug)]
pub struct World {
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// The end of the last time in which the lease could not be renewed, because the database or every dispatcher was away. What was not
    /// heard before it could not be heard.
    pub well_since: Option<DateTime<Utc>>,
    /// Every machine whose row is not closed.
    pub machines: Vec<Machine>,
    /// Every tier.
    pub tiers: Vec<TierLoad>,
}

/// A machine's row, joined with its attempt and that attempt's heartbeat.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
pub struct Machine {
    /// The row's id.
    pub id: uuid::Uuid,
    /// What it is for.
    pub kind: MachineKind,
    /// Whose machine it is; none for a pool machine that waits, and an orphan. It stays when the attempt is deleted with its job.
    pub attempt_id: Option<AttemptId>,
    /// Its tier.
    pub tier: String,
    /// Its size.
    #[cfg_attr(feature = "sqlx", sqlx(json))]
    pub guest: Guest,
    /// What it runs.
    pub image: String,
    /// The Fly app it is in.
    pub app: String,
    /// Its name in that app.
    pub name: String,
    /// Fly's id, once known.
    pub fly_id: Option<String>,
    /// What was asked for, best region first, separated by commas.
    pub regions: String,
    /// Where Fly made it, once known.
    pub region: Option<String>,
    /// Fly's word for its state when it was last looked at; `absent` when it was looked for and not found.
    pub seen: Option<String>,
    /// `ok`, or why `seen` may be old.
    pub host_status: Option<String>,
    /// When it was last looked at.
    pub seen_at: Option<DateTime<Utc>>,
    /// Since when Fly says that there is no machine of this id; none once it says otherwise.
    pub missing_since: Option<DateTime<Utc>>,
    /// Since when it was looked for by name and not found.
    pub absent_since: Option<DateTime<Utc>>,
    /// When its row was written.
    pub intent_at: DateTime<Utc>,
    /// When the last create call was sent.
    pub posted_at: Option<DateTime<Utc>>,
    /// How many create calls were sent.
    pub posts: i32,
    /// What became of the last one.
    pub outcome: Option<String>,
    /// When a pool machine got its attempt.
    pub assigned_at: Option<DateTime<Utc>>,
    /// When a pool machine was found to be of no more use.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was asked to stop.
    pub stop_sent_at: Option<DateTime<Utc>>,
    /// When it was ordered away.
    pub destroy_sent_at: Option<DateTime<Utc>>,
    /// How its last run ended, from Fly's exit event.
    pub exited_at: Option<DateTime<Utc>>,
    /// The exit code of that run.
    pub exit_code: Option<i32>,
    /// Whether the guest ran out of memory.
    pub oom: Option<bool>,
    /// Where the attempt is; none where there is none (any more).
    pub state: Option<AttemptState>,
    /// Why the attempt ended; a word of ours, or `retired` when somebody took the job from it.
    pub end_class: Option<String>,
    /// Until when the runner must have called.
    pub boot_deadline: Option<DateTime<Utc>>,
    /// Until when the job must be done.
    pub hard_deadline: Option<DateTime<Utc>>,
    /// When the attempt ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The last heartbeat.
    pub beat_at: Option<DateTime<Utc>>,
}

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum MachineKind {
    /// Made for its attempt.
    Job,
    /// Made ahead, started once, for one attempt.
    Pool,
    /// Ours by its metadata, but unknown to the database: to be destroyed.
    Orphan,
}

/// How long Fly may deny a machine that it has just made: a create call reaches its servers one after the other, within seconds.
const PROPAGATES: TimeDelta = TimeDelta::seconds(30);

impl Machine {
    /// The attempt it works for, while that attempt holds its job.
    pub fn live_attempt(&self) -> Option<(AttemptId, AttemptState)> {
        match (self.attempt_id, self.state) {
            (Some(id), Some(state)) if state.is_live() => Some((id, state)),
            _ => None,
        }
    }

    /// Whether it is a pool machine that still waits for its attempt.
    pub fn waits_in_pool(&self) -> bool {
        self.kind == MachineKind::Pool && self.attempt_id.is_none() && self.retired_at.is_none()
    }

    /// Whether Fly said that nothing runs in it any more, or knows it no longer. Not so when its host is out of reach: then its state is an old one.
    pub fn is_dead(&self) -> bool {
        let reachable = self.host_status.as_deref().is_none_or(|status| status == "ok");
        let said = match self.seen.as_deref() {
            Some("destroyed" | "failed" | "launch_failed") => true,
            Some("stopped") => self.exited_at.is_some(),
            _ => false,
        };
        (reachable && said) || self.is_missing()
    }

    /// Whether Fly has taken it away, or knows it no longer.
    pub fn is_gone(&self) -> bool {
        matches!(self.seen.as_deref(), Some("destroyed")) || self.is_missing()
    }

    /// Whether Fly denied it twice, too far apart for one that it has only just made. A machine that works for a live attempt is never missing:
    /// Fly remembers a destroyed one for two days, and what its runner says by its heartbeat, or by none, weighs more.
    pub fn is_missing(&self) -> bool {
        let denied =
            self.missing_since.zip(self.seen_at).is_some_and(|(since, last)| last - since >= PROPAGATES);
        denied && self.state != Some(AttemptState::Running)
    }
}

/// How full a tier is.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "sqlx", derive(sqlx::FromRow))]
pub struct TierLoad {
    /// Its name.
    pub tier: String,
    /// How many live attempts it may have.
    pub capacity: i32,
    /// How many pool machines it should have.
    pub pool_target: i32,
    /// When its limits were moved last.
    pub moved_at: DateTime<Utc>,
    /// Since when it has had no due job and no live attempt.
    pub zero_since: Option<DateTime<Utc>>,
    /// Whether nothing of it may start.
    pub paused: bool,
    /// Due jobs that nobody holds; counted up to 1,000.
    pub pending: i64,
    /// Since when the first of them waits.
    pub waits_since: Option<DateTime<Utc>>,
    /// Live attempts.
    pub live: i64,
}
