//! Machines made ahead: filled, started, missed.

use domain::tier::Tiers;
use domain::world::Machine;
use fly::Started;
use store::machines;
use uuid::Uuid;

use super::{ActError, Case, Engine};

impl Engine {
    /// Makes one machine ahead, if there is a create token to spare.
    pub(super) async fn refill(&self, name: &str, case: &Case) -> Result<(), ActError> {
        let Some(tier) = case.tiers.get(name) else { return Ok(()) };
        let made =
            store::pool::intend(&self.db, &case.lease, name, tier, &self.image, &self.apps, &self.sealer)
                .await?;
        match made {
            Some((intent, token)) => self.post(&case.lease, &intent, &token).await,
            None => Ok(()),
        }
    }

    /// Starts a pool machine that was given an attempt. Repeating it is harmless.
    ///
    /// # Errors
    /// When the database did not answer. A machine that does not start is an outcome: its attempt gets one of its own.
    pub async fn start(&self, machine: Uuid, app: &str, fly_id: Option<&str>) -> Result<(), ActError> {
        let Some(fly_id) = fly_id else { return Ok(()) };
        let outcome = match self.fly.start(app, fly_id).await {
            Ok(Started::Accepted { .. } | Started::Already) => "started",
            Ok(other) => {
                tracing::warn!(machine.id = fly_id, ?other, "a pool machine does not start; making another");
                "not_started"
            }
            Err(error) if error.may_have_been_done() => "started", // if not, the ten seconds tell
            Err(error) => {
                tracing::warn!(machine.id = fly_id, error = %error, "a pool machine does not start; making another");
                "not_started"
            }
        };
        if outcome == "started" {
            machines::created(&self.db, machine, fly_id, None, outcome).await?;
        } else {
            machines::not_created(&self.db, machine, outcome, None).await?;
        }
        Ok(())
    }

    pub(super) async fn miss_pool(&self, machine: &Machine, tiers: &Tiers) -> Result<(), ActError> {
        let boot_seconds = tiers.get(&machine.tier).map_or(60, |tier| tier.boot_seconds);
        if store::pool::miss(&self.db, machine.id, boot_seconds, &self.sealer).await? {
            tracing::warn!(
                machine.id = machine.fly_id,
                tier = machine.tier,
                "pool machine missed; its attempt gets a machine of its own"
            );
        }
        Ok(())
    }
}
