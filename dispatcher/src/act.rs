//! Carries out one action: a guarded update, or one call to Fly and a note of what came of it.
//!
//! Nothing is repeated in here. What failed shows in the world, and the next plan says what to do about it.

mod breaker;
mod create;
mod look;
mod pool;
mod regions;
mod sweep;

use std::sync::Arc;

use domain::tier::Tiers;
use domain::world::Machine;
use store::Db;
use store::dispatch::{App, Lease};
use store::machines::{Scaling, Seen, Why};
use store::seal::Sealer;

pub use breaker::Breaker;
pub use regions::Regions;
pub use sweep::Suspects;

use crate::metrics::Metrics;
use crate::plan::{Action, Upkeep};

/// What actions work with.
pub struct Engine {
    /// The database.
    pub db: Db,
    /// Fly.
    pub fly: fly::Client,
    /// Which deployment this is.
    pub environment: String,
    /// The apps, with Fly's limits.
    pub apps: Vec<App>,
    /// What machines run whose tier names no image.
    pub image: String,
    /// Opens the attempts' tokens.
    pub sealer: Sealer,
    /// Whether creating is pointless now.
    pub breaker: Breaker,
    /// Which regions had no room a moment ago.
    pub regions: Regions,
    /// Machines that nobody knows, and since when.
    pub suspects: Suspects,
    /// What is counted.
    pub metrics: Metrics,
}

/// What an action is carried out with: the row it is about, and what was in force when it was decided.
pub struct Case {
    /// The machine's row.
    pub machine: Option<Machine>,
    /// The tiers.
    pub tiers: Arc<Tiers>,
    /// The lease.
    pub lease: Lease,
}

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Fly.
    #[error(transparent)]
    Fly(#[from] fly::Error),
    /// Fly's limit leaves no room for the call at this moment.
    #[error("Fly's limit is used up for now")]
    Later,
}

impl ActError {
    /// Whether it was for want of a connection to the database.
    pub fn is_starved(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_starved())
    }
}

impl Engine {
    /// Takes the room that Fly's limit for an app leaves for a call of this kind. Creates and lists have a bucket each.
    ///
    /// # Errors
    /// [`ActError::Later`] when there is none now, or when the database did not answer.
    async fn may_call(&self, kind: &str, app: &str) -> Result<(), ActError> {
        match self.apps.iter().find(|known| known.app == app) {
            Some(app) if !store::machines::take_token(&self.db, kind, app).await? => Err(ActError::Later),
            _ => Ok(()), // or an app of an earlier configuration: nobody else calls it
        }
    }

    /// Carries out `action`.
    ///
    /// # Errors
    /// When the database or Fly did not answer, or refused.
    pub async fn act(&self, action: &Action, case: &Case) -> Result<(), ActError> {
        match (action, &case.machine) {
            (Action::Post(_), Some(machine)) => self.post_again(machine, &case.lease).await,
            (Action::Start(_), Some(machine)) => {
                self.start(machine.id, &machine.app, machine.fly_id.as_deref()).await
            }
            (Action::MissPool(_), Some(machine)) => self.miss_pool(machine, &case.tiers).await,
            (Action::Find(_), Some(machine)) => self.find(machine).await,
            (Action::Observe(_), Some(machine)) => self.observe(machine).await,
            (Action::Stop(_), Some(machine)) => self.stop(machine).await,
            (Action::Destroy(_), Some(machine)) => self.destroy(machine).await,
            (Action::Refill(tier), _) => self.refill(tier, case).await,
            (Action::Retire(id), _) => {
                store::pool::retire(&self.db, *id).await?;
                Ok(())
            }
            (Action::Bill(_), Some(machine)) => self.bill(machine).await,
            (Action::Close(_, verdict), Some(machine)) => {
                let Some((_, state)) = machine.live_attempt() else { return Ok(()) };
                let why = Why {
                    code: verdict.code,
                    message: &verdict.message,
                    next_tier: verdict.next_tier.as_deref(),
                };
                let seen = Seen { state, beat_at: machine.beat_at };
                let (attempt, class) = (verdict.attempt, verdict.class);
                let closed =
                    store::machines::close_attempt(&self.db, &case.lease, attempt, seen, class, &why).await?;
                if let Some(status) = closed {
                    self.metrics.closed(class.as_str());
                    tracing::warn!(attempt.id = %attempt, class = class.as_str(), job.status = status, "{}", verdict.message);
                }
                Ok(())
            }
            (Action::Scale(scaling), _) => {
                let crate::plan::Scaling { tier, pending, live, from, to, pool_target, reason } = scaling;
                let row = Scaling {
                    tier,
                    pending: *pending,
                    live: *live,
                    from: *from,
                    to: *to,
                    pool_target: *pool_target,
                    reason,
                };
                if store::machines::scale(&self.db, &row).await? {
                    tracing::info!(tier, pending, live, from, to, pool_target, reason, "capacity moved");
                }
                Ok(())
            }
            (Action::Upkeep(Upkeep::Sweep), _) => self.sweep().await,
            (Action::Upkeep(Upkeep::Expire), _) => {
                // Each by itself: what keeps one from its end keeps no other from it.
                let expired = store::upkeep::expire(&self.db).await;
                if let Ok(expired @ 1..) = expired {
                    tracing::info!(expired, "jobs set aside: they could not start in their time");
                }
                let refused = store::upkeep::refuse(&self.db, &case.tiers).await;
                if let Ok(refused @ 1..) = refused {
                    tracing::warn!(refused, "jobs failed: their budget is spent");
                }
                let unanswered = store::upkeep::expire_pauses(&self.db).await;
                if let Ok(unanswered @ 1..) = unanswered {
                    tracing::warn!(unanswered, "jobs ended: nobody answered in their time");
                }
                let duplicates = store::upkeep::end_duplicates(&self.db).await;
                if let Ok(duplicates @ 1..) = duplicates {
                    tracing::warn!(
                        duplicates,
                        "jobs ended: their application was sent by another job, or may have been"
                    );
                }
                expired.and(refused).and(unanswered).and(duplicates)?;
                Ok(())
            }
            (Action::Upkeep(Upkeep::Prune), _) => Ok(store::upkeep::prune(&self.db).await?),
            (Action::Quiet(tier, since), _) => Ok(store::machines::quiet(&self.db, tier, *since).await?),
            // A claim is made by the loop itself; a machine that is no longer in the world needs nothing.
            (Action::Claim, _) | (_, None) => Ok(()),
        }
    }
}
