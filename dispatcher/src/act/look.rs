//! Looks at a machine, stops it, orders it away.

use chrono::TimeDelta;
use domain::world::Machine;
use fly::{Delete, HostStatus, ListMachines, Scope, Stop, Stopped};
use store::machines::{self, Sighting};

use super::create::MACHINE;
use super::{ActError, Engine};

/// Fly remembers a destroyed machine for up to 48 h. One that does not show in its lists after this long is paid for all the same.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(10);

impl Engine {
    pub(super) async fn observe(&self, machine: &Machine) -> Result<(), ActError> {
        let Some(fly_id) = &machine.fly_id else { return Ok(()) };
        let Some(found) = self.fly.get(&machine.app, fly_id).await? else {
            if machine.missing_since.is_none() {
                tracing::warn!(
                    machine.id = fly_id,
                    machine.name = machine.name,
                    "Fly knows no such machine; it is asked again"
                );
            }
            return Ok(machines::missing(&self.db, machine.id).await?);
        };
        let interval = found.interval();
        let sighting = Sighting {
            state: found.state.as_str().to_owned(),
            host_status: Some(
                match found.host_status {
                    HostStatus::Ok => "ok",
                    HostStatus::Unreachable => "unreachable",
                    HostStatus::Unknown => "unknown",
                }
                .to_owned(),
            ),
            region: Some(found.region.clone()).filter(|region| !region.is_empty()),
            started_at: interval.as_ref().map(|interval| interval.started_at),
            exited_at: interval.as_ref().and_then(|interval| interval.exited_at),
            exit_code: interval.as_ref().and_then(|interval| interval.exit_code),
            oom: interval.as_ref().map(|interval| interval.oom_killed),
        };
        if machine.seen.as_deref() != Some(sighting.state.as_str()) {
            tracing::debug!(
                machine.id = fly_id,
                state = sighting.state,
                exit_code = sighting.exit_code,
                "machine seen"
            );
        }
        Ok(machines::seen(&self.db, machine.id, &sighting).await?)
    }

    /// Pays for a gone machine. When its create call was repeated, an earlier call may have made another one that came and
    /// went unseen: Fly is asked first, until a list shows this one and so may be believed.
    pub(super) async fn bill(&self, machine: &Machine) -> Result<(), ActError> {
        if let Some(fly_id) = machine.fly_id.as_deref().filter(|_| machine.posts > 1) {
            self.may_call("list", &machine.app).await?;
            let filter = ListMachines {
                scope: Scope::IncludingDeleted,
                ..ListMachines::with_metadata(MACHINE, machine.id.to_string())
            };
            let found = self.fly.list(&machine.app, &filter).await;
            // The next look is not at once, whatever came of this one.
            machines::looked_at(&self.db, machine.id).await?;
            let found = found?;
            let listed = found.iter().any(|found| found.id == fly_id);
            let forgotten = machine
                .seen_at
                .zip(machine.exited_at.or(machine.ended_at).or(machine.missing_since))
                .is_some_and(|(seen, ended)| seen - ended > FORGOTTEN);
            if !listed && !forgotten {
                return Ok(());
            }
            for other in found.iter().filter(|found| found.id != fly_id && found.name == machine.name) {
                self.take_in(&machine.app, other).await?;
            }
        }
        Ok(machines::bill(&self.db, machine.id).await?)
    }

    pub(super) async fn stop(&self, machine: &Machine) -> Result<(), ActError> {
        let Some(fly_id) = &machine.fly_id else { return Ok(()) };
        machines::stop_sent(&self.db, machine.id).await?;
        let answer = self.fly.stop(&machine.app, fly_id, &Stop::default()).await?;
        tracing::info!(machine.id = fly_id, ?answer, "machine asked to stop");
        if answer == Stopped::NotRunning {
            return self.destroy(machine).await; // it does not run yet: there is nothing to be graceful to
        }
        Ok(())
    }

    pub(super) async fn destroy(&self, machine: &Machine) -> Result<(), ActError> {
        let Some(fly_id) = &machine.fly_id else { return Ok(()) };
        machines::destroy_sent(&self.db, machine.id).await?;
        let answer = self.fly.delete(&machine.app, fly_id, Delete::Force).await?;
        tracing::warn!(machine.id = fly_id, class = machine.end_class, ?answer, "machine ordered away");
        Ok(())
    }
}
