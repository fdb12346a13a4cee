//! A runner started by hand for a job of the rig's.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use domain::tier::Tiers;
use serde_json::json;
use sqlx::PgConnection;
use store::dispatch::Claimed;
use uuid::Uuid;

use super::inserts;
use super::rig::Rig;
use crate::demo::applicant::Applicant;
use crate::process::Process;

/// A runner at work.
pub(super) struct Runner {
    /// Its process.
    pub(super) process: Process,
    /// Just before it was started, on the clock we share with the database.
    pub(super) began: SystemTime,
    /// The same moment.
    pub(super) instant: Instant,
    job: Uuid,
}

impl Runner {
    /// Inserts a job of the sample applicant for `target_url`, claims it, and starts its runner.
    pub(super) async fn start(
        rig: &Rig,
        connection: &mut PgConnection,
        target_url: &str,
        resume_url: Option<String>,
    ) -> Result<Self> {
        let job = inserts::one(connection, target_url).await?;
        let applicant = Applicant::sample();
        let mut input = json!({ "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides });
        if let Some(url) = resume_url {
            input["resume_ref"] = json!({ "download_url": url });
        }
        sqlx::query("update gh_automation_jobs set input_data = $2 where id = $1")
            .bind(job)
            .bind(input)
            .execute(connection)
            .await?;
        let claimed: Vec<Claimed> = rig.claim(&Tiers::default(), 1).await?;
        let claimed = claimed.first().context("the job was not claimed")?;
        ensure!(claimed.job_id.0 == job, "another job was claimed");
        let command = rig.runner(claimed)?;
        let (began, instant) = (SystemTime::now(), Instant::now());
        let process = Process::start("runner", command, &rig.folder().join("runner.log"), libc::SIGKILL)?;
        Ok(Self { process, began, instant, job })
    }

    /// Waits until its attempt has started and returns how long after the process that was, in milliseconds.
    pub(super) async fn until_started(&mut self, connection: &mut PgConnection) -> Result<f64> {
        let query = "select (extract(epoch from created_at) * 1000)::float8 from gh_job_events where job_id = $1 and event_type = 'job_started'";
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let at: Option<f64> =
                sqlx::query_scalar(query).bind(self.job).fetch_optional(&mut *connection).await?;
            if let Some(at) = at {
                return Ok(at - super::figure::ms(self.began.duration_since(SystemTime::UNIX_EPOCH)?));
            }
            self.process.expect_alive(until)?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it, takes its job from it, and waits until nothing of it is left.
    pub(super) async fn end(mut self, rig: &Rig, connection: &mut PgConnection) -> Result<()> {
        self.process.kill();
        sqlx::query("update gh_automation_jobs set status = 'cancelled' where id = $1")
            .bind(self.job)
            .execute(connection)
            .await?;
        rig.until_quiet().await
    }
}
