//! How many jobs a second the api takes and shows, beside what pgbench inserts through the same triggers into the same Postgres.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::figure::{Figure, Target};
use super::load;
use crate::client::http;
use crate::folder::scratch;
use crate::ports::free_port;
use crate::postgres::{Durability, Postgres};
use crate::process::Process;
use crate::programs;

const CONNECTIONS: u64 = 32;
const TIME: Duration = Duration::from_secs(10);
/// The ten seconds of each are taken in turns.
const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_secs(2);
const READY: Duration = Duration::from_secs(20);
const KEY: &str = "the-key-of-the-benchmark";
const URL: &str = "https://boards.greenhouse.io/acme/jobs/4012345";

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let folder = scratch()?;
    let postgres = Postgres::start(&folder.path().join("postgres"), Durability::Full)?;
    let url = postgres.create_database("ghosthands")?;
    store::migrate(&SecretString::from(url.clone()), None).await?;
    let port = free_port()?;
    let api = start(folder.path(), &url, port).await?;
    let script = folder.path().join("insert.sql");
    std::fs::write(&script, insert())?;

    load::run(port, CONNECTIONS, ROUND, "201", post).await?;
    // In turns, for this computer is not equally fast all the time.
    let (mut inserted, mut few, mut posted) = (0.0, 0.0, Vec::new());
    for _ in 0..ROUNDS {
        inserted += pgbench(&url, &script, CONNECTIONS).await? / f64::from(ROUNDS);
        posted.push(load::run(port, CONNECTIONS, ROUND, "201", post).await?);
        few += pgbench(&url, &script, 5).await? / f64::from(ROUNDS);
    }
    let posted = load::together(posted);
    let job = created(port).await?;
    let get = head("GET", &format!("/api/v1/gh/jobs/{job}"), None);
    let read = load::run(port, CONNECTIONS, TIME, "200", move |_| get.clone()).await?;
    let most = super::memory::status(api.id(), "VmHWM")
        .context("this kernel does not say how much memory a process has")?;

    let rate = |what: &str, rate: f64| Figure::aside("api", what, rate, "1/s");
    let time = |what: &str, time: f64| Figure::aside("api", what, time, "ms");
    Ok(vec![
        rate("pgbench, the same insert, 32 connections", inserted),
        rate("pgbench, the same insert, 5 connections as the api has", few),
        rate("POST /jobs, 32 connections", posted.rate),
        Figure::new(
            "api",
            "POST /jobs of what pgbench does",
            100.0 * posted.rate / inserted,
            "%",
            Target::AtLeast(85.0),
        ),
        time("POST /jobs, p50", posted.times.median()),
        time("POST /jobs, p99", posted.times.percentile(99)),
        rate("GET /jobs/:id, 32 connections", read.rate),
        time("GET /jobs/:id, p50", read.times.median()),
        time("GET /jobs/:id, p99", read.times.percentile(99)),
        Figure::new(
            "api",
            "the most memory of the api under this load",
            super::memory::mb(most)?,
            "MB",
            Target::AtMost(30.0),
        ),
    ])
}

/// The api alone: nobody takes its jobs.
async fn start(folder: &Path, database: &str, port: u16) -> Result<Process> {
    let mut command = Command::new(programs::path("api")?);
    command.env_clear().env("DATABASE_URL", database).env("GH_SERVICE_SECRET", KEY);
    command.env("GH_API_HOST", "127.0.0.1").env("GH_API_PORT", port.to_string());
    let mut api = Process::start("api", command, &folder.join("api.log"), libc::SIGTERM)?;
    let (client, until) = (http()?, Instant::now() + READY);
    while client.get(format!("http://127.0.0.1:{port}/health")).send().await.is_err() {
        api.expect_alive(until)?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(api)
}

/// A job as VALET sends it, of a new user, under a new key.
fn job() -> Value {
    json!({
        "job_type": "apply", "target_url": URL, "user_id": uuid::Uuid::new_v4(),
        "task_description": "Apply to Backend Engineer at Acme", "input_data": input(),
        "priority": 5, "max_retries": 3, "timeout_seconds": 300, "tags": ["bench"],
        "idempotency_key": uuid::Uuid::new_v4(), "metadata": { "source": "bench" },
        "callback_url": "https://valet.example/api/v1/webhooks/ghosthands",
    })
}

fn input() -> Value {
    json!({
        "tier": "starter", "platform": "greenhouse",
        "user_data": {
            "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "phone": "+1 555 0100",
            "address": { "street": "12 Main Street", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US" },
            "linkedin_url": "https://www.linkedin.com/in/ada", "work_authorization": "yes", "years_of_experience": 7,
        },
        "qa_overrides": { "How did you hear about us?": "A friend", "Are you willing to relocate?": "Yes" },
    })
}

fn post(_: u64) -> Vec<u8> {
    head("POST", "/api/v1/gh/jobs", Some(&job().to_string()))
}

fn head(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-gh-service-key: {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn created(port: u16) -> Result<String> {
    let url = format!("http://127.0.0.1:{port}/api/v1/gh/jobs");
    let answer: Value = http()?
        .post(url)
        .header("x-gh-service-key", KEY)
        .json(&job())
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    Ok(answer["id"].as_str().context("the new job has no id")?.to_owned())
}

/// The row the api writes for [`job`], written by hand.
fn insert() -> String {
    format!(
        "insert into gh_automation_jobs (id, user_id, created_by, job_type, target_url, task_description, input_data, priority, max_retries,
           timeout_seconds, tags, idempotency_key, metadata, callback_url)
         values (gen_random_uuid(), gen_random_uuid(), 'valet', 'apply', '{URL}', 'Apply to Backend Engineer at Acme', '{}', 5, 3,
           300, '[\"bench\"]', gen_random_uuid()::text, '{{\"source\": \"bench\"}}', 'https://valet.example/api/v1/webhooks/ghosthands')
         returning id, status, created_at;\n",
        input()
    )
    .replace('\n', " ")
        + "\n"
}

/// Inserts a second, by Postgres' own program.
async fn pgbench(url: &str, script: &Path, connections: u64) -> Result<f64> {
    let program = xtask::tools::postgres()
        .map(|folder| folder.join("pgbench"))
        .filter(|program| program.is_file())
        .or_else(|| xtask::tools::on_path("pgbench"))
        .unwrap_or_else(|| PathBuf::from("pgbench"));
    let mut command = Command::new(program);
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.arg(format!("--client={connections}")).arg(format!("--time={}", ROUND.as_secs()));
    command.arg("--file").arg(script).arg(url);
    let output =
        tokio::task::spawn_blocking(move || command.output()).await?.context("pgbench does not start")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.with_context(|| format!("pgbench said\n{said}"))
}
