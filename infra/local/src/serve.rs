//! Starting and ending a local Fly.

use crate::{
    bill::BillLine,
    faults::{Rule, Script},
    life,
    lock::lock,
    options::{Options, Orphans},
    persist::StateDir,
    process,
    procfs::Proc,
    record::State,
    requests::Request,
    routes, signal,
    wire::{Door, Scissors},
    world::World,
};
use anyhow::Context;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long open connections and killed machines are waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A local Fly that is running. Dropped without [`Handle::stop`], it kills its machines.
pub struct Handle {
    base_url: String,
    world: Arc<World>,
    quiet: CancellationToken,
    server: Option<JoinHandle<()>>,
}

/// Starts a local Fly and, with a state folder, carries on with the machines an earlier one left in it.
///
/// # Errors
/// When the address is taken, or the state folder cannot be used.
pub async fn serve(options: Options) -> anyhow::Result<Handle> {
    let listen = options.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let base_url = format!("http://{}", listener.local_addr()?);
    if options.orphans == Orphans::Buried {
        signal::adopt_orphans();
    }
    let world = Arc::new(World::new(options)?);
    world.take_over()?;
    let quiet = CancellationToken::new();
    let service = routes::router(Arc::clone(&world)).into_make_service_with_connect_info::<Scissors>();
    let serving =
        axum::serve(Door(listener), service).with_graceful_shutdown(quiet.clone().cancelled_owned());
    let server = world.tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server ended");
        }
    });
    Ok(Handle { base_url, world, quiet, server: Some(server) })
}

impl Handle {
    /// Where it listens: `http://127.0.0.1:PORT`, without `/v1`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its folder; machine logs are `logs/<id>.log` in it.
    pub fn state_dir(&self) -> &Path {
        self.world.dir.root()
    }

    /// Replaces the fault script; counts start again.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        *lock(&self.world.script) = Script::new(rules);
    }

    /// Every stretch of time in which a machine ran.
    pub fn bill(&self) -> Vec<BillLine> {
        self.world.bill()
    }

    /// Every request received, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.world.requests.list()
    }

    /// The living processes of each machine, by machine id.
    pub fn processes(&self) -> BTreeMap<String, Vec<Proc>> {
        self.world.processes()
    }

    /// Stops every machine, as its `stop_config` says but within [`Options::stop_grace`], and then the server.
    pub async fn stop(mut self) {
        self.world.closing.cancel();
        self.stop_machines().await;
        self.end().await;
        self.world.dir.close();
    }

    /// Ends the server alone, as kill -9 would: machines go on without it.
    pub async fn abandon(mut self) {
        self.world.closing.cancel();
        self.world.halted.cancel();
        self.end().await;
    }

    async fn end(&mut self) {
        self.quiet.cancel();
        if let Some(server) = self.server.take()
            && timeout(LAST_WORDS, server).await.is_err()
        {
            tracing::warn!("some connections were still open at the end");
        }
        self.world.halted.cancel();
        self.world.tasks.close();
        let _ = timeout(LAST_WORDS, self.world.tasks.wait()).await;
    }

    async fn stop_machines(&self) {
        let grace = self.world.options.stop_grace;
        for id in self.running() {
            let stopping = self.world.update(&id, |slot| {
                let (number, timeout) = slot.record.config.stop(None, None).unwrap_or((libc::SIGKILL, grace));
                slot.record.requested_stop = true;
                if slot.record.state == State::Started {
                    slot.record.state = State::Stopping;
                }
                life::deliver(slot, number);
                slot.record.process.map(|process| (process, timeout.min(grace)))
            });
            if let Some((process, timeout)) = stopping.flatten() {
                self.world.kill_after(&id, process, timeout);
            }
        }
        let all_ended = async {
            while !self.running().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(grace + LAST_WORDS, all_ended).await.is_err() {
            self.kill_all();
        }
    }

    fn running(&self) -> Vec<String> {
        let machines = lock(&self.world.machines);
        machines.live().filter(|record| record.process.is_some()).map(|record| record.id.clone()).collect()
    }

    fn kill_all(&self) {
        for id in self.running() {
            let machines = lock(&self.world.machines);
            let pid = machines.get(&id).and_then(|slot| slot.record.process).and_then(|process| process.pid);
            drop(machines);
            if pid.is_some() {
                process::kill_left(&id, pid);
                let _ = std::fs::remove_dir_all(StateDir::home(&id));
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.quiet.cancel();
            self.world.closing.cancel();
            self.kill_all();
            self.world.halted.cancel();
            self.world.dir.close();
        }
    }
}
