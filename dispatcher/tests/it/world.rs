//! What the tests share: a migrated database with a leader, jobs in it, and the program.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use domain::id::{AttemptId, JobId, UserId};
use domain::tier::Tiers;
use e2e::database::Database;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use store::Db;
use store::dispatch::{App, Claimed, Lease};
use store::runner::{Attempt, Start};
use store::seal::Sealer;

pub use e2e::database::RUNNER_PASSWORD;
pub const KEY: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
pub const IMAGE: &str =
    "local/runner@sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub struct World {
    pub database: Database,
    pub db: Db,
    pub tiers: Tiers,
    pub apps: Vec<App>,
    pub sealer: Sealer,
    pub lease: Lease,
    /// The environment of the program.
    pub env: BTreeMap<&'static str, String>,
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub text: String,
    pub errors: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.text, self.errors))
    }
}

impl World {
    pub async fn new() -> Self {
        let database = e2e::database::fresh_beside().await;
        let db = Db::open(&SecretString::from(database.url.clone()), "test", 4).expect("an address");
        let tiers = Tiers::default();
        store::dispatch::seed_capacity(&db, &tiers).await.expect("capacity");
        let lease = store::dispatch::lead(&db, "leader-1", 600)
            .await
            .expect("the database")
            .expect("nobody else leads");
        let sealer = Sealer::new(1, &SecretString::from(KEY)).expect("a key");
        let env = BTreeMap::from([("DATABASE_URL", database.url.clone()), ("USER", "anna".to_owned())]);
        let apps = vec![App { app: "runner".into(), rate: 1.0, burst: 1000.0 }];
        Self { database, db, tiers, apps, sealer, lease, env }
    }

    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.expect("a connection")
    }

    pub async fn execute(&self, statement: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut self.sql().await)
            .await
            .expect("the statement");
    }

    pub async fn count(&self, query: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut self.sql().await)
            .await
            .expect("a count")
    }

    pub async fn text(&self, query: &str) -> String {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut self.sql().await).await.expect("a text")
    }

    /// Inserts as VALET does.
    pub async fn insert(&self, user: UserId, tier: &str) -> JobId {
        sqlx::query_scalar(
            "insert into gh_automation_jobs (user_id, job_type, target_url, input_data, status)
             values ($1, 'apply', 'https://example.com/jobs/1', jsonb_build_object('tier', $2::text), 'queued') returning id",
        )
        .bind(user.0)
        .bind(tier)
        .fetch_one(&mut self.sql().await)
        .await
        .map(JobId)
        .expect("a job")
    }

    pub async fn claim(&self, most: usize) -> Vec<Claimed> {
        store::dispatch::claim(&self.db, &self.lease, &self.tiers, IMAGE, &self.apps, &self.sealer, most)
            .await
            .expect("a claim")
    }

    /// A job of its own user, claimed.
    pub async fn claimed(&self) -> Claimed {
        self.insert(UserId::new(), "starter").await;
        self.claim(1).await.pop().expect("the job is due")
    }

    /// A job whose runner has started.
    pub async fn running(&self) -> (Claimed, Attempt) {
        let claimed = self.claimed().await;
        let runner = self.start(claimed.attempt_id).await;
        (claimed, runner)
    }

    pub async fn start(&self, attempt: AttemptId) -> Attempt {
        let token = store::dispatch::token(&self.db, attempt, &self.sealer).await.expect("a token");
        let url = self.database.url_as("gh_runner", RUNNER_PASSWORD).into();
        let mut runner = Attempt::new(&url, attempt, token).expect("an address");
        let machine = uuid::Uuid::new_v4().to_string();
        match runner.start(uuid::Uuid::new_v4(), &machine).await.expect("the database") {
            Start::Started(_) => runner,
            Start::Refused(reason) => panic!("refused: {reason}"),
        }
    }

    /// Waits until a command of this world waits for a lock.
    pub async fn until_a_command_waits(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        let waits = "select count(*) from pg_stat_activity
                     where application_name = 'ghosthands-command' and wait_event_type = 'Lock' and datname = current_database()";
        while self.count(waits).await == 0 {
            assert!(Instant::now() < until, "no command waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs the program with `--json` and reads what it printed.
    pub async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let said = self.say(&[arguments, &["--json"]].concat()).await;
        (said.code, said.json())
    }

    /// Runs the program, with nothing of our environment.
    pub async fn say(&self, arguments: &[&str]) -> Said {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dispatcher"));
        command.args(arguments).env_clear().envs(&self.env).stdin(Stdio::null());
        let output =
            tokio::task::spawn_blocking(move || command.output()).await.expect("joined").expect("it ran");
        Said {
            code: output.status.code().expect("it was not killed"),
            text: String::from_utf8(output.stdout).expect("text"),
            errors: String::from_utf8(output.stderr).expect("text"),
        }
    }
}
