//! Machines that nobody looks after: ours by their metadata are destroyed, others are only reported.
//!
//! A list is never proof that a machine is gone; it is only ever used to find more. So an empty or a short one does no harm.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::tier::{CpuKind, Guest};
use fly::ListMachines;
use serde_json::json;
use store::machines::{self, Orphan};

use super::{ActError, Engine};

/// Fly ids that no row knows, and since when.
#[derive(Debug)]
pub struct Suspects {
    patience: Duration,
    since: Mutex<HashMap<String, Instant>>,
}

impl Default for Suspects {
    /// A minute: a row that is not committed after that will not be.
    fn default() -> Self {
        Self::new(Duration::from_mins(1))
    }
}

impl Suspects {
    /// A machine must be unknown for as long as `patience`, over at least two lists.
    pub fn new(patience: Duration) -> Self {
        Self { patience, since: Mutex::default() }
    }

    /// Keeps these only, and returns those that have been here long enough.
    fn settle(&self, unknown: &[&fly::Machine]) -> Vec<String> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|id, _| unknown.iter().any(|machine| machine.id == *id));
        let due = since
            .iter()
            .filter(|(_, since)| since.elapsed() >= self.patience)
            .map(|(id, _)| id.clone())
            .collect();
        for machine in unknown {
            since.entry(machine.id.clone()).or_insert_with(Instant::now);
        }
        due
    }
}

impl Engine {
    /// Looks through every app for machines that no row knows.
    ///
    /// # Errors
    /// When the database or Fly did not answer.
    pub async fn sweep(&self) -> Result<(), ActError> {
        let (mut found, mut foreign) = (Vec::new(), Vec::new());
        let mut failed = None;
        for app in &self.apps {
            // An app that is not listed keeps nobody from the others.
            let listed = match self.fly.list(&app.app, &ListMachines::default()).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!(app = app.app, error = %boot::chain(&error), "an app could not be swept");
                    failed = Some(ActError::from(error));
                    continue;
                }
            };
            for machine in listed {
                match machine.metadata("gh_env") {
                    _ if machine.state.is_leaving() => {}
                    Some(environment) if environment == self.environment => {
                        found.push((app.app.as_str(), machine));
                    }
                    _ => foreign
                        .push(json!({ "app": app.app, "machine_id": machine.id, "name": machine.name })),
                }
            }
        }
        if failed.is_none() {
            store::notices::set(&self.db, "foreign_machines", &json!(foreign)).await?;
        }
        let named: Vec<(&str, &str)> =
            found.iter().map(|(_, machine)| (machine.name.as_str(), machine.id.as_str())).collect();
        let known = machines::known(&self.db, &named).await?;
        let unknown: Vec<_> = found.iter().filter(|(_, machine)| !known.contains(&machine.id)).collect();
        let orphans = self.suspects.settle(&unknown.iter().map(|(_, machine)| machine).collect::<Vec<_>>());
        for (app, machine) in unknown.iter().filter(|(_, machine)| orphans.contains(&machine.id)) {
            if let Err(error) = self.seize(app, machine).await {
                tracing::warn!(machine.id = machine.id, error = %boot::chain(&error), "an orphan is left for the next sweep");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Makes an orphan ours again, unless it is gone: the list may be an old one, and show what is paid for already.
    async fn seize(&self, app: &str, machine: &fly::Machine) -> Result<(), ActError> {
        let found = self.fly.get(app, &machine.id).await?;
        if found.is_none_or(|found| found.state.is_leaving()) {
            return Ok(());
        }
        if machines::reopen(&self.db, &machine.id).await? {
            tracing::warn!(
                machine.id = machine.id,
                machine.name = machine.name,
                "alive, though it was taken for gone: it is destroyed, and its bill corrected"
            );
            return Ok(());
        }
        self.take_in(app, machine).await
    }

    /// Takes in a machine that no row knows, so that it is destroyed and paid for.
    pub(super) async fn take_in(&self, app: &str, machine: &fly::Machine) -> Result<(), ActError> {
        tracing::warn!(
            machine.id = machine.id,
            machine.name = machine.name,
            "an orphan: ours, and unknown to the database"
        );
        let config = machine.config.as_ref().or(machine.incomplete_config.as_ref());
        let guest = config.and_then(|config| config.guest.as_ref());
        let guest = Guest {
            cpu_kind: if guest.is_some_and(|guest| guest.cpu_kind == "performance") {
                CpuKind::Performance
            } else {
                CpuKind::Shared
            },
            cpus: guest.map_or(1, |guest| guest.cpus),
            memory_mb: guest.map_or(256, |guest| guest.memory_mb),
        };
        let orphan = Orphan {
            app,
            name: &machine.name,
            fly_id: &machine.id,
            region: &machine.region,
            tier: machine.metadata("gh_tier").unwrap_or("free"),
            guest: &guest,
            image: config.map_or("", |config| config.image.as_str()),
        };
        Ok(machines::take_in(&self.db, &orphan).await?)
    }
}
