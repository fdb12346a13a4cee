//! What the tests share: a migrated database, a dispatcher's lease, jobs.

use domain::attempt::EndClass;
use domain::id::{AttemptId, JobId, UserId};
use domain::tier::Tiers;
use e2e::database::Database;
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};
use store::Db;
use store::dispatch::{App, Claimed, Lease};
use store::machines::{self, Seen, Why};
use store::runner::{Assignment, Attempt, Start};
use store::seal::Sealer;

pub use e2e::database::RUNNER_PASSWORD;

pub struct World {
    pub database: Database,
    pub db: Db,
    pub tiers: Tiers,
    pub apps: Vec<App>,
    pub sealer: Sealer,
    pub lease: Lease,
}

impl World {
    pub async fn new() -> Self {
        let database = e2e::database::fresh_beside().await;
        let db = Db::open(&SecretString::from(database.url.clone()), "test", 8).expect("an address");
        let tiers = Tiers::default();
        store::dispatch::seed_capacity(&db, &tiers).await.expect("capacity");
        let lease =
            store::dispatch::lead(&db, "me", 60).await.expect("the database").expect("nobody else leads");
        let sealer = Sealer::new(1, &SecretString::from("00".repeat(32))).expect("a key");
        Self {
            database,
            db,
            tiers,
            apps: vec![App { app: "runner".into(), rate: 1000.0, burst: 1000.0 }],
            sealer,
            lease,
        }
    }

    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.expect("a connection")
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

    /// `count` jobs of a user, in one statement.
    pub async fn insert_many(&self, user: UserId, tier: &str, count: i32) {
        sqlx::query(
            "insert into gh_automation_jobs (user_id, job_type, target_url, input_data)
             select $1, 'apply', 'https://example.com', jsonb_build_object('tier', $2::text) from generate_series(1, $3)",
        )
        .bind(user.0)
        .bind(tier)
        .bind(count)
        .execute(&mut self.sql().await)
        .await
        .expect("jobs");
    }

    pub async fn capacity(&self, tier: &str, capacity: i32) {
        sqlx::query("update gh_capacity set capacity = $2 where tier = $1")
            .bind(tier)
            .bind(capacity)
            .execute(&mut self.sql().await)
            .await
            .expect("capacity");
    }

    pub async fn claim(&self, most: usize) -> Vec<Claimed> {
        store::dispatch::claim(
            &self.db,
            &self.lease,
            &self.tiers,
            "image@sha256:1",
            &self.apps,
            &self.sealer,
            most,
        )
        .await
        .expect("a claim")
    }

    /// A job of its own user, claimed.
    pub async fn claimed(&self) -> Claimed {
        self.insert(UserId::new(), "starter").await;
        self.claim(1).await.pop().expect("the job is due")
    }

    /// What a runner of the attempt would hold.
    pub async fn runner(&self, attempt: AttemptId) -> Attempt {
        let token = store::dispatch::token(&self.db, attempt, &self.sealer).await.expect("a token");
        Attempt::new(&self.database.url_as("gh_runner", RUNNER_PASSWORD).into(), attempt, token)
            .expect("an address")
    }

    /// A job whose runner has started.
    pub async fn running(&self) -> (Claimed, Attempt) {
        let claimed = self.claimed().await;
        let mut runner = self.runner(claimed.attempt_id).await;
        started(&mut runner).await;
        (claimed, runner)
    }

    /// One column of a job, as text.
    /// The dispatcher judges an attempt, as it is at this moment.
    pub async fn close(&self, attempt: AttemptId, class: EndClass, why: &Why<'_>) -> Option<String> {
        let (state, beat_at) = sqlx::query_as(
            "select a.state, h.beat_at from gh_job_attempts a left join gh_attempt_heartbeats h on h.attempt_id = a.id where a.id = $1",
        )
        .bind(attempt)
        .fetch_one(&mut self.sql().await)
        .await
        .expect("an attempt");
        let seen = Seen { state, beat_at };
        machines::close_attempt(&self.db, &self.lease, attempt, seen, class, why).await.expect("answered")
    }

    pub async fn job(&self, job: JobId, column: &str) -> Option<String> {
        let row: serde_json::Value =
            sqlx::query_scalar("select to_jsonb(j) from gh_automation_jobs j where id = $1")
                .bind(job.0)
                .fetch_one(&mut self.sql().await)
                .await
                .expect("the job");
        match &row[column] {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.sql().await).await.expect("a count")
    }

    pub async fn execute(&self, statement: &'static str) -> u64 {
        sqlx::raw_sql(statement).execute(&mut self.sql().await).await.expect("the statement").rows_affected()
    }
}

pub async fn started(runner: &mut Attempt) -> Assignment {
    let machine = uuid::Uuid::new_v4().to_string();
    match runner.start(uuid::Uuid::new_v4(), &machine).await.expect("the database") {
        Start::Started(assignment) => *assignment,
        Start::Refused(reason) => panic!("refused: {reason}"),
    }
}

/// What the dispatcher says of an attempt it ended.
pub fn why(message: &str) -> store::machines::Why<'_> {
    store::machines::Why { message, ..store::machines::Why::default() }
}
