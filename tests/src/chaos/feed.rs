//! Puts the jobs in, in bursts, and changes its mind about some: what VALET and the people on call do meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;
use xtask::arguments::Chaos;

use super::dice::Dice;

/// Jobs a second, over all bursts.
const RATE: f64 = 14.0;
/// How long a statement is tried again while the database is away.
const AWAY: Duration = Duration::from_mins(1);
/// What no statement of ours takes longer than.
const STATEMENT: Duration = Duration::from_secs(10);
/// Fewer users than jobs, so that the cap of each is felt.
const USERS: usize = 150;
/// In the share of each tier's jobs.
const TIERS: [(u64, &str); 5] = [(1, "free"), (6, "starter"), (3, "pro"), (2, "premium"), (3, "enterprise")];

/// What was put in, and what was done to it.
pub(super) struct Fed {
    pub(super) jobs: Vec<Uuid>,
    /// Those that somebody may have cancelled: the answer may have been lost.
    pub(super) cancels: HashSet<Uuid>,
    pub(super) cancelled: u64,
    pub(super) handed_back: u64,
}

/// Whoever puts jobs in.
pub(super) struct Feed {
    seed: u64,
    count: u64,
    url: String,
    recorder: String,
    dice: Dice,
    users: Vec<Uuid>,
    connection: Option<PgConnection>,
}

impl Feed {
    pub(super) fn new(arguments: &Chaos, url: String, recorder: String) -> Self {
        let mut dice = Dice::new(arguments.seed, 3);
        let users = (0..USERS).map(|_| dice.uuid()).collect();
        Self { seed: arguments.seed, count: arguments.jobs, url, recorder, dice, users, connection: None }
    }

    /// Puts everything in.
    pub(super) async fn run(mut self) -> Result<Fed> {
        let mut fed = Fed { jobs: Vec::new(), cancels: HashSet::new(), cancelled: 0, handed_back: 0 };
        while fed.jobs.len() < usize::try_from(self.count)? {
            let burst = match self.dice.below(4) {
                0 => 1 + self.dice.below(40),
                _ => 1 + self.dice.below(8),
            };
            let first = u64::try_from(fed.jobs.len())?;
            for number in first..(first + burst).min(self.count) {
                let job = self.insert(number).await?;
                fed.jobs.push(job);
            }
            sleep(Duration::from_secs_f64(f64::from(u32::try_from(burst)?) / RATE)).await;
            self.change_mind(&mut fed).await?;
        }
        Ok(fed)
    }

    async fn insert(&mut self, number: u64) -> Result<Uuid> {
        let (id, user) = (self.dice.uuid(), self.dice.one_of(&self.users).copied().unwrap_or_default());
        let tier = self.dice.weighted(&TIERS).unwrap_or("starter");
        let input = json!({ "tier": tier, "chaos": { "seed": self.seed, "number": number, "recorder": self.recorder } });
        // Short, so that a job that hangs is given up within two minutes.
        let text = format!(
            "insert into gh_automation_jobs (id, user_id, created_by, job_type, target_url, input_data, priority, timeout_seconds, status, callback_url)
             values ('{id}', '{user}', 'valet', 'apply', '{}', '{input}', {}, 45, {}) on conflict (id) do nothing",
            self.recorder,
            1 + self.dice.below(9),
            // Every second one as VALET's own library inserts it, which wants to be told.
            if number.is_multiple_of(2) {
                format!("'queued', '{}/callback'", self.recorder)
            } else {
                "'pending', null".to_owned()
            },
        );
        self.execute(&text).await?;
        Ok(id)
    }

    /// Now and then a user cancels, and somebody on call hands a job back with the SQL of the runbook.
    async fn change_mind(&mut self, fed: &mut Fed) -> Result<()> {
        let recent = &fed.jobs[fed.jobs.len().saturating_sub(40)..];
        let Some(job) = self.dice.one_of(recent).copied() else { return Ok(()) };
        match self.dice.below(12) {
            0 => {
                let text = format!(
                    "update gh_automation_jobs set status = 'cancelled' where id = '{job}' and status in ('pending', 'queued', 'running')"
                );
                fed.cancels.insert(job);
                fed.cancelled += self.execute(&text).await?;
            }
            1 => {
                let text = format!(
                    "update gh_automation_jobs set status = 'pending', worker_id = NULL where id = '{job}' and status in ('queued', 'running')"
                );
                fed.handed_back += self.execute(&text).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Repeats a statement until the database took it; each of ours may be repeated.
    async fn execute(&mut self, text: &str) -> Result<u64> {
        let until = Instant::now() + AWAY;
        loop {
            match timeout(STATEMENT, self.once(text)).await.context("no answer").flatten() {
                Ok(rows) => return Ok(rows),
                Err(error) if Instant::now() > until => return Err(error.context("the database stays away")),
                Err(_) => {
                    self.connection = None;
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn once(&mut self, text: &str) -> Result<u64> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(PgConnection::connect(&self.url).await?),
        };
        Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection).await?.rows_affected())
    }
}
