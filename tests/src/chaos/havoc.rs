//! One blow after another.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::world::{Later, World};
use crate::{Part, client, process, sql};

#[derive(Clone, Copy, Debug)]
enum Blow {
    KillDispatcher,
    StopDispatcher,
    FreezeDispatcher,
    KillFly,
    KillMachine,
    StopMachine,
    FreezeMachine,
    DropListeners,
    DropConnections,
    RestartPostgres,
    CrashPostgres,
}

/// How likely each is, of a hundred.
const SHARES: [(u64, Blow); 11] = [
    (18, Blow::KillDispatcher),
    (8, Blow::StopDispatcher),
    (4, Blow::FreezeDispatcher),
    (8, Blow::KillFly),
    (20, Blow::KillMachine),
    (10, Blow::StopMachine),
    (8, Blow::FreezeMachine),
    (12, Blow::DropListeners),
    (6, Blow::DropConnections),
    (3, Blow::RestartPostgres),
    (3, Blow::CrashPostgres),
];

impl World {
    /// Strikes once.
    pub(super) async fn wreck(&mut self, dice: &mut Dice) -> Result<()> {
        self.catch_up(false)?;
        let Some(blow) = dice.weighted(&SHARES) else { return Ok(()) };
        match blow {
            Blow::KillDispatcher | Blow::StopDispatcher | Blow::FreezeDispatcher => {
                self.hit_dispatcher(blow, dice);
            }
            Blow::KillMachine | Blow::StopMachine | Blow::FreezeMachine => {
                return self.hit_machine(blow, dice).await;
            }
            Blow::KillFly => {
                self.kill_fly().await;
                sleep(Duration::from_millis(dice.below(2000))).await;
                self.stack.start_part(Part::Fly).await?;
            }
            Blow::DropListeners => self.drop_connections("application_name like '%listen'"),
            Blow::DropConnections => {
                self.drop_connections("pid <> pg_backend_pid() and backend_type = 'client backend'");
            }
            Blow::RestartPostgres | Blow::CrashPostgres => {
                let away = Duration::from_millis(dice.below(3000));
                if matches!(blow, Blow::CrashPostgres) {
                    tokio::task::block_in_place(|| self.stack.postgres().crash());
                } else {
                    tokio::task::block_in_place(|| self.stack.postgres().stop());
                }
                sleep(away).await;
                tokio::task::block_in_place(|| self.stack.postgres().resume())?;
            }
        }
        self.count(&name(blow));
        Ok(())
    }

    fn hit_dispatcher(&mut self, blow: Blow, dice: &mut Dice) {
        let number = usize::from(dice.below(2) == 1);
        let after = Instant::now() + Duration::from_millis(dice.below(4000));
        match (blow, &mut self.dispatchers[number]) {
            // Longer than its lease: when it goes on, another one leads.
            (Blow::FreezeDispatcher, Some(dispatcher)) => {
                dispatcher.signal(libc::SIGSTOP);
                let id = dispatcher.id();
                self.later.push((
                    Instant::now() + Duration::from_millis(16_000 + dice.below(8000)),
                    Later::Thaw(id),
                ));
            }
            (Blow::StopDispatcher, Some(dispatcher)) => {
                dispatcher.signal(libc::SIGCONT); // it may be frozen
                tokio::task::block_in_place(|| dispatcher.stop(libc::SIGTERM, Duration::from_secs(30)));
                self.dispatchers[number] = None;
                self.later.push((after, Later::Start(number)));
            }
            (_, Some(_)) => {
                self.dispatchers[number] = None; // dropping it kills it
                self.later.push((after, Later::Start(number)));
            }
            (_, None) => {}
        }
    }

    async fn hit_machine(&mut self, blow: Blow, dice: &mut Dice) -> Result<()> {
        let machines = self.machines();
        let Some(found) = dice.one_of(&machines) else { return Ok(()) };
        match blow {
            Blow::StopMachine => {
                let (fly, app) = (self.stack.fly_url(), self.setting("GH_RUNNER_APP")?);
                let url =
                    format!("{fly}/v1/apps/{app}/machines/{}/stop", found.machine().unwrap_or_default());
                // It may be gone by now, or Fly may be.
                let _ = client::http()?.post(url).bearer_auth(self.setting("FLY_API_TOKEN")?).send().await;
            }
            Blow::FreezeMachine => {
                process::send(found.id, libc::SIGSTOP);
                self.later.push((
                    Instant::now() + Duration::from_millis(1000 + dice.below(5000)),
                    Later::Thaw(found.id),
                ));
            }
            _ => process::send(found.id, libc::SIGKILL),
        }
        self.count(&name(blow));
        Ok(())
    }

    fn drop_connections(&self, which: &str) {
        let text = format!("select pg_terminate_backend(pid) from pg_stat_activity where {which}");
        // The server may be starting.
        let _ = tokio::task::block_in_place(|| sql::execute(&self.database_url(), &text));
    }
}

fn name(blow: Blow) -> String {
    let words: String = format!("{blow:?}")
        .chars()
        .flat_map(|letter| {
            let space = letter.is_uppercase().then_some(' ');
            space.into_iter().chain(letter.to_lowercase())
        })
        .collect();
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blow_is_named_in_words() {
        assert_eq!(name(Blow::KillDispatcher), "kill dispatcher");
    }
}
