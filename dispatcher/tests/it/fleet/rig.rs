//! A database, a local Fly whose machines only pretend to run, and as many dispatchers as the test wants.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dispatcher::act::{Breaker, Engine, Regions, Suspects};
use dispatcher::hung::Hung;
use dispatcher::run::{Dispatcher, Signals};
use dispatcher::tiers::Source;
use dispatcher::wake;
use domain::id::{AttemptId, JobId, UserId};
use domain::tier::Tiers;
use e2e::database::Database;
use local::{Limits, Options, Rule, Run};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};
use store::Db;
use store::dispatch::App;
use store::runner::{Attempt, Start};
use store::seal::Sealer;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::world::RUNNER_PASSWORD;

pub const IMAGE: &str = "registry.fly.io/runner@sha256:1";
const LIMIT: Duration = Duration::from_secs(30);

/// What a test may want otherwise.
pub struct Wish {
    pub faults: Vec<Rule>,
    pub limits: Limits,
    pub tiers: String,
    pub rate: (f64, f64),
    pub silence: Duration,
    pub boot_delay: Duration,
    /// What a machine runs, as a shell script in which `$GATE` is a file of [`Rig::gate`]; it only pretends to run when absent.
    pub script: Option<&'static str>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            faults: Vec::new(),
            limits: Limits::NONE,
            tiers: domain::tier::DEFAULT.to_owned(),
            rate: (1000.0, 1000.0),
            silence: wake::SILENCE,
            boot_delay: Duration::from_millis(20),
            script: None,
        }
    }
}

pub struct Rig {
    pub database: Database,
    pub db: Db,
    pub fly: local::Handle,
    pub tiers_file: PathBuf,
    wish: Wish,
    _folder: tempfile::TempDir,
}

/// A running dispatcher.
pub struct Running {
    pub signals: Signals,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Hung>>,
    listener: JoinHandle<()>,
}

impl Running {
    /// As SIGTERM.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic").expect("it ends in order");
    }

    /// How it ends by itself.
    pub async fn ended(self) -> Result<(), Hung> {
        self.task.await.expect("it does not panic")
    }

    /// As kill -9: nothing is finished, nothing is let go of.
    pub fn kill(self) {
        self.task.abort();
        self.listener.abort();
    }
}

impl Rig {
    pub async fn new(wish: Wish) -> Self {
        let database = e2e::database::fresh_beside().await;
        let folder = tempfile::tempdir().expect("a folder");
        let program =
            wish.script.map_or_else(|| "/bin/true".into(), |script| write_program(folder.path(), script));
        let fly = local::serve(Options {
            images: [(IMAGE.to_owned(), program), ("older".to_owned(), "/bin/true".into())].into(),
            run: if wish.script.is_some() { Run::Processes } else { Run::Pretend(None) },
            limits: wish.limits,
            faults: wish.faults.clone(),
            boot_delay: wish.boot_delay,
            start_delay: Duration::from_millis(20),
            ..Options::default()
        })
        .await
        .expect("a local Fly");
        let tiers_file = folder.path().join("tiers.toml");
        std::fs::write(&tiers_file, &wish.tiers).expect("the tiers");
        let db = Db::open(&database.url.clone().into(), "test", 4).expect("an address");
        Self { database, db, fly, tiers_file, wish, _folder: folder }
    }

    /// The file that a machine's script waits for, or reads.
    pub fn gate(&self) -> PathBuf {
        self.tiers_file.with_file_name("gate")
    }

    pub fn sealer() -> Sealer {
        Sealer::new(1, &"11".repeat(32).into()).expect("a key")
    }

    pub fn apps(&self) -> Vec<App> {
        vec![App { app: "runner".into(), rate: self.wish.rate.0, burst: self.wish.rate.1 }]
    }

    pub fn client(&self) -> fly::Client {
        let base_url = self.fly.base_url().parse().expect("an address");
        fly::Client::new(fly::Config { base_url, token: "t".into(), timeout: Duration::from_secs(3) })
            .expect("a client")
    }

    pub fn start(&self, name: &str) -> Running {
        let url = SecretString::from(self.database.url.clone());
        let signals = Signals::default();
        let own = Db::open(&url, "dispatcher", 1).expect("an address");
        let engine = Engine {
            db: Db::open(&url, "dispatcher", 4).expect("an address"),
            fly: self.client(),
            environment: "test".into(),
            apps: self.apps(),
            image: IMAGE.into(),
            sealer: Self::sealer(),
            breaker: Breaker::new(Duration::from_secs(1)),
            regions: Regions::default(),
            suspects: Suspects::new(Duration::ZERO),
            metrics: signals.metrics.clone(),
        };
        let stop = CancellationToken::new();
        let listener = tokio::spawn(wake::listen(url, signals.clone(), self.wish.silence, stop.clone()));
        let tiers =
            Source::new(Some(self.tiers_file.clone()), Tiers::parse(&self.wish.tiers).expect("valid tiers"));
        let dispatcher = Dispatcher::new(engine, own, tiers, name.into(), signals.clone());
        Running { signals, task: tokio::spawn(dispatcher.run(stop.clone())), stop, listener }
    }

    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.expect("a connection")
    }

    pub async fn execute(&self, statement: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut self.sql().await)
            .await
            .expect("the statement");
    }

    pub async fn count(&self, query: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
            .fetch_one(&mut self.sql().await)
            .await
            .expect("a count")
    }

    pub async fn text(&self, query: &str) -> Option<String> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
            .fetch_one(&mut self.sql().await)
            .await
            .expect("a value")
    }

    /// Waits until a count is what it should be.
    pub async fn until(&self, expected: i64, query: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let found = self.count(query).await;
            if found == expected {
                return;
            }
            if Instant::now() > until {
                let machines =
                    self.text("select string_agg(to_jsonb(m)::text, E'\\n') from gh_machines m").await;
                panic!("{query}: {found}, not {expected}\n{machines:?}\n{:?}", self.fly.requests());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn insert(&self, tier: &str) -> JobId {
        sqlx::query_scalar("insert into gh_automation_jobs (user_id, job_type, target_url, input_data) values ($1, 'apply', 'https://example.com', jsonb_build_object('tier', $2::text)) returning id")
            .bind(UserId::new().0)
            .bind(tier)
            .fetch_one(&mut self.sql().await)
            .await
            .map(JobId)
            .expect("a job")
    }

    /// The attempt whose machine is up, once there is one.
    pub async fn launched(&self) -> AttemptId {
        self.until(1, "select count(*) from gh_job_attempts where state = 'launching'").await;
        AttemptId(
            sqlx::query_scalar("select id from gh_job_attempts where state = 'launching'")
                .fetch_one(&mut self.sql().await)
                .await
                .expect("an attempt"),
        )
    }

    /// Plays the runner of an attempt's machine: reads what the machine was given and takes the job.
    pub async fn run(&self, attempt: AttemptId) -> Arc<Attempt> {
        let (fly_id, app): (String, String) =
            sqlx::query_as("select fly_id, app from gh_machines where attempt_id = $1")
                .bind(attempt.0)
                .fetch_one(&mut self.sql().await)
                .await
                .expect("a machine");
        let machine = self.client().get(&app, &fly_id).await.expect("answered").expect("it exists");
        let env = machine.config.expect("a config").env;
        let token = env.get("GH_ATTEMPT_TOKEN").expect("a token").clone();
        let url = self.database.url_as("gh_runner", RUNNER_PASSWORD).into();
        let id = match env.get("GH_POOL_MACHINE") {
            Some(machine) => {
                store::runner::pool_attempt(&url, machine.parse().expect("a uuid"), &token.clone().into())
                    .await
                    .expect("answered")
                    .expect("an attempt")
            }
            None => env.get("GH_ATTEMPT_ID").expect("an attempt").parse().expect("a uuid"),
        };
        assert_eq!(id, attempt);
        let mut runner = Attempt::new(&url, id, token.into()).expect("an address");
        match runner.start(uuid::Uuid::new_v4(), &fly_id).await.expect("answered") {
            Start::Started(_) => Arc::new(runner),
            Start::Refused(reason) => panic!("refused: {reason}"),
        }
    }

    /// The runner is done, and its machine with it.
    pub async fn finish(&self, attempt: AttemptId, runner: &Attempt) {
        runner.finish(&serde_json::json!({ "class": "completed" })).await.expect("answered");
        self.exit(attempt).await;
    }

    /// The machine's main process ends.
    pub async fn exit(&self, attempt: AttemptId) {
        let (fly_id, app): (String, String) =
            sqlx::query_as("select fly_id, app from gh_machines where attempt_id = $1")
                .bind(attempt.0)
                .fetch_one(&mut self.sql().await)
                .await
                .expect("a machine");
        self.client().stop(&app, &fly_id, &fly::Stop::default()).await.expect("stopped");
    }

    /// Every create call that Fly received, by its machine's name.
    pub fn creates(&self) -> usize {
        self.fly
            .requests()
            .iter()
            .filter(|request| request.method == "POST" && request.path.ends_with("/machines"))
            .count()
    }

    /// Machines that Fly has ever made.
    pub async fn made(&self) -> usize {
        let filter =
            fly::ListMachines { scope: fly::Scope::IncludingDeleted, ..fly::ListMachines::default() };
        self.client().list("runner", &filter).await.expect("a list").len()
    }
}

fn write_program(folder: &Path, script: &str) -> PathBuf {
    let program = folder.join("program");
    let text = format!("#!/bin/sh\nPATH=/usr/bin:/bin GATE={}\n{script}\n", folder.join("gate").display());
    std::fs::write(&program, text).expect("the program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    program
}
