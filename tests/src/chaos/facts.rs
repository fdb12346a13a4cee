//! What is left after a run: the rows, the local Fly's own bill, and the book of who applied.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection, Postgres};
use uuid::Uuid;

use super::feed::Fed;
use super::recorder::{Submission, Told};
use super::world::World;

/// A job's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Job {
    pub(super) id: Uuid,
    pub(super) status: String,
    pub(super) error_code: Option<String>,
    pub(super) max_retries: i32,
    /// Whether somebody wants to be told of it.
    pub(super) has_callback: bool,
}

/// An attempt's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Attempt {
    pub(super) id: Uuid,
    pub(super) job_id: Uuid,
    pub(super) no: i32,
    pub(super) fence: i64,
    pub(super) state: String,
    pub(super) end_class: Option<String>,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
}

/// A line of a job's history.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Event {
    pub(super) job_id: Uuid,
    pub(super) at: DateTime<Utc>,
    pub(super) kind: String,
    pub(super) to_status: Option<String>,
    pub(super) message: Option<String>,
    /// Whose it is, when a runner wrote it.
    pub(super) attempt_id: Option<Uuid>,
}

/// A permit.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Permit {
    pub(super) job_id: Uuid,
    pub(super) attempt_id: Uuid,
    pub(super) granted_at: DateTime<Utc>,
    pub(super) outcome: Option<String>,
}

/// A row of the outbox.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Callback {
    pub(super) job_id: Uuid,
    pub(super) event: String,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    pub(super) last_error: Option<String>,
}

/// A machine's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Machine {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) fly_id: Option<String>,
    pub(super) attempt_id: Option<Uuid>,
    pub(super) outcome: Option<String>,
    pub(super) exited_at: Option<DateTime<Utc>>,
    pub(super) closed_at: Option<DateTime<Utc>>,
}

/// A line of the ledger that a machine caused: the seconds it ran, or the GB-seconds it was kept ready.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Line {
    pub(super) machine_id: Option<String>,
    pub(super) unit: String,
    pub(super) job_id: Option<Uuid>,
    pub(super) overhead: Option<String>,
    pub(super) quantity: Decimal,
    pub(super) cost_usd: Option<Decimal>,
}

/// A line of the local Fly's own bill.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Billed {
    pub(super) machine_id: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) cpu_kind: String,
    pub(super) cpus: u32,
    pub(super) memory_mb: u32,
    pub(super) exited_at: Option<DateTime<Utc>>,
    pub(super) milliseconds: i64,
}

/// A call the local Fly received.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    /// Microseconds since 1970.
    pub(super) time_us: i64,
    /// The machine's name, when it is to be made.
    pub(super) name: Option<String>,
}

impl Call {
    /// The machine it is about, by Fly's id.
    pub(super) fn machine(&self) -> Option<&str> {
        self.path.split_once("/machines/")?.1.split(['/', '?']).next()
    }

    /// When it arrived.
    pub(super) fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.time_us).unwrap_or_default()
    }
}

/// What the views for people say was spent, and what the ledger says, in dollars.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(super) struct Sums {
    /// Every line of the ledger.
    pub(super) ledger: Decimal,
    /// What each job cost, added up.
    pub(super) jobs: Decimal,
    /// The overhead lines, added up.
    pub(super) overhead: Decimal,
}

/// Everything there is to check.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The jobs that were committed.
    pub(super) put_in: Vec<Uuid>,
    /// Those that somebody may have cancelled.
    pub(super) cancels: HashSet<Uuid>,
    pub(super) jobs: Vec<Job>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) events: Vec<Event>,
    pub(super) permits: Vec<Permit>,
    pub(super) machines: Vec<Machine>,
    pub(super) ledger: Vec<Line>,
    pub(super) sums: Sums,
    pub(super) bill: Vec<Billed>,
    /// What the local Fly was asked, as far as it lived to tell.
    pub(super) calls: Vec<Call>,
    /// Fly's prices by SKU and region.
    pub(super) prices: BTreeMap<(String, String), Decimal>,
    pub(super) submissions: Vec<Submission>,
    /// What was to be told.
    pub(super) callbacks: Vec<Callback>,
    /// What was heard.
    pub(super) told: Vec<Told>,
    /// Machines that are still there.
    pub(super) alive: usize,
}

impl Facts {
    pub(super) async fn read(world: &mut World, fed: Fed) -> Result<Self> {
        let mut connection = PgConnection::connect(&world.database_url()).await?;
        let db = &mut connection;
        Ok(Self {
            put_in: fed.jobs,
            cancels: fed.cancels,
            jobs: rows(
                db,
                "select id, status, error_code, max_retries, callback_url is not null as has_callback from gh_automation_jobs",
            )
            .await?,
            attempts: rows(
                db,
                "select id, job_id, no, fence, state, end_class, claimed_at, started_at, ended_at from gh_job_attempts order by fence",
            )
            .await?,
            events: rows(
                db,
                "select job_id, created_at as at, event_type as kind, to_status, message, (metadata ->> 'attempt_id')::uuid as attempt_id
                 from gh_job_events order by created_at",
            )
            .await?,
            permits: rows(db, "select job_id, attempt_id, granted_at, outcome from gh_permits").await?,
            machines: rows(db, "select kind, name, fly_id, attempt_id, outcome, exited_at, closed_at from gh_machines").await?,
            ledger: rows(
                db,
                "select tags ->> 'machine_id' as machine_id, unit, job_id, tags ->> 'overhead' as overhead, quantity, cost_usd
                 from gh_cost_ledger where provider = 'fly'",
            )
            .await?,
            sums: rows(
                db,
                "select (select coalesce(sum(cost_usd), 0) from gh_cost_ledger) as ledger,
                        (select coalesce(sum(machine_usd + llm_usd), 0) from gh_cost_by_job) as jobs,
                        (select coalesce(sum(usd), 0) from gh_cost_overhead) as overhead",
            )
            .await?
            .pop()
            .unwrap_or_default(),
            calls: world.calls().await?,
            prices: rows::<(String, String, Decimal)>(
                db,
                "select distinct on (sku, region) sku, region, price from gh_prices
                 where provider = 'fly' and valid_from <= now() order by sku, region, valid_from desc",
            )
            .await?
            .into_iter()
            .map(|(sku, region, price)| ((sku, region), price))
            .collect(),
            bill: serde_json::from_value(world.fly("bill").await?).context("the local Fly's bill")?,
            submissions: world.recorder().submissions(),
            callbacks: rows(db, "select job_id, event, delivered_at, last_error from gh_outbox").await?,
            told: world.recorder().told(),
            alive: world.stack.machines()?.alive().await?.len(),
        })
    }
}

async fn rows<T>(connection: &mut PgConnection, query: &'static str) -> Result<Vec<T>>
where
    T: for<'row> sqlx::FromRow<'row, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(sqlx::query_as::<Postgres, T>(query).fetch_all(connection).await?)
}
