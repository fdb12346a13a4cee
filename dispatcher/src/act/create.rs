//! Makes a machine, or finds the one that an earlier call made.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::attempt::{AttemptState, EndClass};
use domain::tier::CpuKind;
use domain::world::{Machine, MachineKind};
use fly::{
    Cause, CreateMachine, Dns, ListMachines, MachineConfig, Next, Restart, RestartPolicy, Scope, StopConfig,
};
use secrecy::{ExposeSecret, SecretString};
use store::dispatch::Lease;
use store::machines::{self, Intent, Seen, Why};
use uuid::Uuid;

use super::regions::without;
use super::{ActError, Engine};
use crate::traces;

/// The metadata by which an attempt's machine is found.
const ATTEMPT: &str = "gh_attempt";
/// The same for a machine of the pool, which has no attempt when it is made.
pub(super) const MACHINE: &str = "gh_machine";
/// How often a full host is answered with the same region; each try may meet another host.
const HOSTS: i32 = 3;

impl Engine {
    /// Sends the create call of an intent that is on record. Whatever comes of it is noted in the row.
    ///
    /// # Errors
    /// When the database did not answer. A failure of Fly's is an outcome, not an error.
    pub async fn post(&self, lease: &Lease, intent: &Intent, token: &SecretString) -> Result<(), ActError> {
        let region = self.regions.choose(&intent.regions);
        let traced = traces::create(&self.db, intent).await;
        let traceparent = traced.as_ref().and_then(|(_, above)| above.traceparent());
        let asked = self.machine(intent, region, token, traceparent.as_deref());
        let answer = self.fly.create(&intent.app, &asked).await;
        if let Some((span, _)) = traced {
            traces::created(span, region, answer.as_ref().ok().map(|made| made.id.as_str()));
        }
        match answer {
            Ok(made) => {
                tracing::info!(
                    machine.name = intent.name,
                    machine.id = made.id,
                    region = made.region,
                    tier = intent.tier,
                    "machine made"
                );
                self.metrics.create("created");
                if self.breaker.close(&intent.tier) {
                    tracing::info!(tier = intent.tier, "machines can be started again");
                }
                let note = || machines::created(&self.db, intent.id, &made.id, region_of(&made), "created");
                // Which machine was made is known here only: on a connection that died it is noted once more, not found by a second call in 35 s.
                match note().await {
                    Err(store::Error::Unavailable(_)) => {
                        self.db.suspect_idle_connections();
                        Ok(note().await?)
                    }
                    noted => Ok(noted?),
                }
            }
            Err(error) => self.not_made(lease, intent, region, error).await,
        }
    }

    /// Repeats the create call of a row, by the same name.
    pub(super) async fn post_again(&self, machine: &Machine, lease: &Lease) -> Result<(), ActError> {
        self.may_call("create", &machine.app).await?;
        let (intent, token) = machines::posting(&self.db, machine.id, &self.sealer).await?;
        tracing::info!(
            machine.name = intent.name,
            posts = intent.posts + 1,
            "sending the create call by the same name"
        );
        self.post(lease, &intent, &token).await
    }

    /// Looks for the machine of a row by its metadata, destroyed ones included.
    pub(super) async fn find(&self, machine: &Machine) -> Result<(), ActError> {
        self.may_call("list", &machine.app).await?;
        let key = if machine.kind == MachineKind::Pool { MACHINE } else { ATTEMPT };
        let filter = ListMachines {
            scope: Scope::IncludingDeleted,
            ..ListMachines::with_metadata(key, machine.id.to_string())
        };
        let found = self.fly.list(&machine.app, &filter).await?;
        let id = found.iter().find(|found| found.name == machine.name).map(|found| found.id.as_str());
        Ok(machines::looked_up(&self.db, machine.id, id).await?)
    }

    async fn not_made(
        &self,
        lease: &Lease,
        intent: &Intent,
        region: &str,
        error: fly::Error,
    ) -> Result<(), ActError> {
        let (db, id) = (&self.db, intent.id);
        match &error.next {
            Next::Adopt(fly_id) => return self.adopt(intent, fly_id).await,
            Next::UnknownOutcome => {
                tracing::warn!(machine.name = intent.name, error = %error, "no word whether the machine was made; asking again by the same name");
                self.note(id, "unknown", None).await?;
            }
            Next::SameRegionAgain if intent.posts + 1 < HOSTS => {
                self.note(id, "host_full", None).await?;
            }
            Next::SameRegionAgain | Next::NextRegion(_) => {
                self.regions.close(region);
                match without(&intent.regions, region) {
                    Some(rest) => {
                        tracing::warn!(machine.name = intent.name, region, error = %error, "region full; trying the next");
                        self.note(id, "region_full", Some(&rest)).await?;
                    }
                    None => {
                        self.give_up(
                            lease,
                            intent,
                            EndClass::Placement,
                            &format!("No region of the tier has room: {}", error.message),
                        )
                        .await?;
                    }
                }
            }
            Next::BackOff { retry_after } => {
                let seconds = retry_after.unwrap_or(Duration::from_secs(1)).as_secs().clamp(1, 30);
                machines::freeze(db, &intent.app, i32::try_from(seconds).unwrap_or(30)).await?;
                self.note(id, "rate_limited", None).await?;
            }
            Next::Breaker(cause) => {
                // What a tier's own lines in the tiers file decide stops that tier.
                let tier =
                    matches!(cause, Cause::BadImage | Cause::BadConfig).then_some(intent.tier.as_str());
                tracing::error!(machine.name = intent.name, ?cause, tier, error = %error, "nothing can be started until somebody sees to this");
                let message = format!(
                    "Waiting: machines cannot be started ({}). Somebody has to see to it.",
                    words(*cause)
                );
                self.breaker.trip(*cause, &error.message, tier); // the loop tells it
                self.give_up(lease, intent, EndClass::Released, &message).await?;
                store::notices::tell_waiting_jobs(db, tier, &message).await?;
            }
            Next::Definite => {
                self.give_up(
                    lease,
                    intent,
                    EndClass::Placement,
                    &format!("Fly refused the machine: {}", error.message),
                )
                .await?;
            }
        }
        Ok(())
    }

    /// Notes that a create call made no machine we know of; `regions` is what is left to try.
    async fn note(&self, id: Uuid, outcome: &'static str, regions: Option<&str>) -> Result<(), ActError> {
        self.metrics.create(outcome);
        Ok(machines::not_created(&self.db, id, outcome, regions).await?)
    }

    async fn give_up(
        &self,
        lease: &Lease,
        intent: &Intent,
        class: EndClass,
        why: &str,
    ) -> Result<(), ActError> {
        self.note(intent.id, "refused", None).await?;
        match intent.attempt {
            Some(attempt) => {
                // If a machine came of another call meanwhile, the attempt is beyond this and goes on.
                let seen = Seen { state: AttemptState::Claimed, beat_at: None };
                let why = Why { message: why, ..Why::default() };
                machines::close_attempt(&self.db, lease, attempt, seen, class, &why).await?;
            }
            None => {
                store::pool::retire(&self.db, intent.id).await?;
            }
        }
        Ok(())
    }

    /// Takes the machine that already has the name, if it is this row's and can still work.
    async fn adopt(&self, intent: &Intent, fly_id: &str) -> Result<(), ActError> {
        let id = intent.id.to_string();
        match self.fly.get(&intent.app, fly_id).await {
            Ok(Some(found)) if found.metadata(MACHINE) == Some(id.as_str()) && !found.state.is_leaving() => {
                tracing::info!(
                    machine.name = intent.name,
                    machine.id = fly_id,
                    "machine adopted: an earlier call had made it"
                );
                self.metrics.create("adopted");
                machines::created(&self.db, intent.id, fly_id, region_of(&found), "adopted").await?;
            }
            other => {
                // Not the machine itself: its environment holds a token.
                let state = other.as_ref().map(|found| found.as_ref().map(|found| found.state.as_str()));
                tracing::warn!(
                    machine.name = intent.name,
                    machine.id = fly_id,
                    ?state,
                    "the name is held by a machine that cannot be used yet"
                );
                self.note(intent.id, "name_held", None).await?;
            }
        }
        Ok(())
    }

    /// Nothing of the job but the attempt's id and token is in the machine's environment: who may read the machine may read that.
    /// Where somebody listens to traces, the runner is told where its part belongs: two ids, of which one may be the caller's.
    fn machine(
        &self,
        intent: &Intent,
        region: &str,
        token: &SecretString,
        traceparent: Option<&str>,
    ) -> CreateMachine {
        let id = intent.id.to_string();
        let kind = match intent.guest.cpu_kind {
            CpuKind::Shared => "shared",
            CpuKind::Performance => "performance",
        };
        // A machine of the pool asks which attempt it was given; its own id is all it knows.
        let owner = if intent.attempt.is_some() { "GH_ATTEMPT_ID" } else { "GH_POOL_MACHINE" };
        let mut env = vec![(owner, id.as_str()), ("GH_ATTEMPT_TOKEN", token.expose_secret())];
        env.extend(traceparent.map(|traceparent| ("TRACEPARENT", traceparent)));
        // Without `fly_platform_version` a deploy of the app leaves the machine alone.
        let mut metadata = vec![
            ("gh_env", self.environment.as_str()),
            (MACHINE, id.as_str()),
            ("gh_tier", intent.tier.as_str()),
            ("fly_process_group", "job"),
        ];
        if intent.attempt.is_some() {
            metadata.push((ATTEMPT, id.as_str()));
        }
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        CreateMachine {
            name: intent.name.clone(),
            region: Some(region.to_owned()),
            config: MachineConfig {
                image: intent.image.clone(),
                guest: Some(fly::Guest {
                    cpu_kind: kind.into(),
                    cpus: intent.guest.cpus,
                    memory_mb: intent.guest.memory_mb,
                }),
                env: own(&env),
                metadata: own(&metadata),
                auto_destroy: true,
                restart: Some(Restart { policy: RestartPolicy::No }),
                stop_config: Some(StopConfig { signal: "SIGTERM".into(), timeout: Duration::from_secs(30) }),
                init: None,
                dns: Some(Dns { skip_registration: true }),
            },
            skip_launch: intent.attempt.is_none(),
        }
    }
}

fn region_of(machine: &fly::Machine) -> Option<&str> {
    Some(machine.region.as_str()).filter(|region| !region.is_empty())
}

fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Auth => "the token for Fly is refused",
        Cause::Quota => "the quota at Fly is used up",
        Cause::BadImage => "the image does not exist",
        Cause::BadConfig => "Fly refuses the machine's size",
        Cause::NoApp => "the app does not exist",
    }
}
