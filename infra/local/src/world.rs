//! All that the requests and the machines of one server share.

use crate::{
    bill::{self, BillLine},
    faults::{Call, Script, Shortage},
    limits::{Action, Limiter},
    lock::lock,
    machines::{Machines, Slot},
    options::Options,
    persist::StateDir,
    procfs::{self, Proc},
    record::Record,
    reply::Refusal,
    requests::RequestLog,
    strike::Strike,
};
use secrecy::ExposeSecret;
use std::{collections::BTreeMap, sync::Mutex, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One local Fly.
pub struct World {
    pub options: Options,
    pub machines: Mutex<Machines>,
    pub limiter: Limiter,
    pub script: Mutex<Script>,
    pub requests: RequestLog,
    pub dir: StateDir,
    /// No machine boots any more, and nobody waits for one.
    pub closing: CancellationToken,
    /// Nobody looks after machines any more.
    pub halted: CancellationToken,
    pub tasks: TaskTracker,
}

impl World {
    /// An empty world.
    pub fn new(options: Options) -> anyhow::Result<Self> {
        Ok(Self {
            machines: Mutex::default(),
            limiter: Limiter::new(options.limits),
            script: Mutex::new(Script::new(options.faults.clone())),
            requests: RequestLog::default(),
            dir: StateDir::open(options.state_dir.clone())?,
            closing: CancellationToken::new(),
            halted: CancellationToken::new(),
            tasks: TaskTracker::new(),
            options,
        })
    }

    /// Changes a machine and writes it down, in one step for everybody else.
    pub fn update<R>(&self, id: &str, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut machines = lock(&self.machines);
        let result = machines.update(id, change)?;
        if let Some(slot) = machines.get(id) {
            self.dir.save(&slot.record);
        }
        Some(result)
    }

    /// Reads a machine of `app`, or refuses as Fly does.
    pub fn read<R>(&self, app: &str, id: &str, read: impl FnOnce(&Slot) -> R) -> Result<R, Refusal> {
        let machines = lock(&self.machines);
        let slot = machines.get(id).filter(|slot| slot.record.app == app);
        slot.map(read).ok_or_else(Refusal::machine_not_found)
    }

    /// Refuses an app that does not exist.
    pub fn check_app(&self, app: &str) -> Result<(), Refusal> {
        let known = self.options.apps.is_empty() || self.options.apps.iter().any(|name| name == app);
        if known { Ok(()) } else { Err(Refusal::error(404, format!("Could not find App \"{app}\""))) }
    }

    /// Takes a token for `action`, or refuses with 429.
    pub fn limit(&self, action: Action, id: &str) -> Result<(), Refusal> {
        self.limiter.take(action, id, Instant::now()).map_err(|wait| {
            let retry_after = self.limiter.says_when().then(|| wait.as_secs() + 1);
            Refusal::TooMany { retry_after }
        })
    }

    /// What the script does to this call; the delays it asks for are over when this returns.
    pub async fn strike(&self, call: Call, name: Option<&str>) -> Strike {
        let (delay, fault) = lock(&self.script).strike(call, name);
        tokio::time::sleep(delay).await;
        Strike::new(fault)
    }

    /// The shortage that the script has for this call in `region`.
    pub fn shortage(&self, call: Call, name: &str, region: &str) -> Option<Shortage> {
        lock(&self.script).shortage(call, name, region)
    }

    /// Whether this is the token that was agreed on.
    pub fn accepts(&self, token: Option<&str>) -> bool {
        self.options.token.as_ref().is_none_or(|agreed| token == Some(agreed.expose_secret()))
    }

    /// Every stretch of time in which a machine ran, oldest machine first.
    pub fn bill(&self) -> Vec<BillLine> {
        lock(&self.machines).all().flat_map(bill::lines).collect()
    }

    /// The living processes of every machine, by machine id, machines without any left out.
    pub fn processes(&self) -> BTreeMap<String, Vec<Proc>> {
        let sessions: Vec<(String, Option<u32>)> = {
            let machines = lock(&self.machines);
            let session = |record: &Record| record.process.and_then(|process| process.pid);
            machines.all().map(|record| (record.id.clone(), session(record))).collect()
        };
        let all = procfs::all();
        let known: std::collections::HashSet<&str> =
            all.iter().filter_map(|proc| proc.machine.as_deref()).collect();
        let mut found = BTreeMap::new();
        for (id, session) in sessions {
            if session.is_none() && !known.contains(id.as_str()) {
                continue;
            }
            let pids = procfs::belonging(&all, &id, session);
            let procs: Vec<Proc> = all.iter().filter(|proc| pids.contains(&proc.pid)).cloned().collect();
            if !procs.is_empty() {
                found.insert(id, procs);
            }
        }
        found
    }
}
