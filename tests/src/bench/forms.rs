//! How completely and how rightly the practice pages are filled, what that takes, and what the second run of a form saves.
//!
//! Every page is a job of the database done by the real runner, twice for the same candidate. The model is a stand-in that
//! speaks the real wire format, knows the answers that only a model can give, and says "unknown" to the rest.

mod model;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::tier::Tiers;
use serde_json::{Value, json};
use site::{Handle, Judgement, judge, practice_candidate, practice_pages};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use self::model::Model;
use super::figure::{Figure, Target};
use super::inserts;
use super::memory::{mb, status};
use super::rig::Rig;
use crate::process::Process;

/// How long one page may take.
const LIMIT: Duration = Duration::from_mins(3);
/// The page of twenty questions.
const TWENTY: &str = "twenty";

/// Which run of a page it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    First,
    Second,
}

/// One run of one page.
struct Run {
    page: &'static str,
    round: Round,
    judged: Judgement,
    complete: bool,
    false_success: bool,
    false_blocker: bool,
    calls: u64,
    dollars: f64,
    seconds: f64,
    memory: u64,
    ended: String,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let rig = Rig::start().await?;
    let mut connection = rig.connect().await?;
    let model = Model::start().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let site = site::serve(listener, site::sample_resume())?;
    let mut runs = Vec::new();
    for page in practice_pages() {
        for round in [Round::First, Round::Second] {
            let run = one(&rig, &mut connection, &site, &model, page, round).await?;
            eprintln!("  {}", run.line());
            runs.push(run);
        }
    }
    site.stop().await;
    rig.stop().await;
    eprintln!("\n{}", table(&runs));
    figures(&runs)
}

/// Lets a runner do one page and looks at what arrived and what the job says.
async fn one(
    rig: &Rig,
    connection: &mut PgConnection,
    site: &Handle,
    model: &Model,
    page: &'static str,
    round: Round,
) -> Result<Run> {
    let job = inserts::one(connection, &format!("{}/practice/{page}", site.url())).await?;
    let mut input: Value = serde_json::from_str(practice_candidate())?;
    input["tier"] = json!("starter");
    input["model"] = json!("gpt-4o-mini");
    input["resume_ref"] = json!({ "download_url": site.resume_url() });
    sqlx::query("update gh_automation_jobs set input_data = $2 where id = $1")
        .bind(job)
        .bind(input)
        .execute(&mut *connection)
        .await?;
    let claimed = rig.claim(&Tiers::default(), 1).await?;
    let claimed = claimed.first().context("the job was not claimed")?;
    ensure!(claimed.job_id.0 == job, "another job was claimed");
    let mut command = rig.runner(claimed)?;
    command.env("OPENAI_API_KEY", "bench").env("GH_OPENAI_BASE_URL", model.url());
    let (before, began) = (site.deliveries().len(), Instant::now());
    let mut process = Process::start("runner", command, &rig.folder().join("runner.log"), libc::SIGKILL)?;
    let mut memory = 0;
    while process.is_running() {
        ensure!(began.elapsed() < LIMIT, "{page} did not end:\n{}", process.last_words());
        memory = status(process.id(), "VmHWM").unwrap_or(memory);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let sent = site.deliveries().split_off(before);
    let fields = sent.last().map_or_else(BTreeMap::new, |sent| sent.fields.clone());
    let judged = judge(page, &fields);
    let outcome = outcome(connection, job).await?;
    let arrived = sent.len() == 1 && sent[0].page == delivers(page);
    Ok(Run {
        page,
        round,
        complete: arrived
            && outcome.status == "completed"
            && judged.wrong.is_empty()
            && judged.missing.is_empty(),
        false_success: outcome.status == "completed" && !arrived,
        false_blocker: !outcome.result["blocker"].is_null(),
        calls: outcome.result["model_calls"].as_u64().unwrap_or(0),
        dollars: outcome.dollars,
        judged,
        seconds,
        memory,
        ended: outcome.message,
    })
}

/// The page that sends what is filled in on this one.
fn delivers(page: &str) -> &str {
    match page {
        "icims" => "icims-inner",
        "newtab" => "collapsed",
        page => page,
    }
}

/// What a job says of itself.
struct Outcome {
    status: String,
    message: String,
    result: Value,
    dollars: f64,
}

async fn outcome(connection: &mut PgConnection, job: Uuid) -> Result<Outcome> {
    let query = "select j.status::text, coalesce(j.error_code, '') || ' ' || coalesce(j.status_message, '') as message,
                        coalesce(j.result_data, '{}'::jsonb) as result, coalesce(c.llm_usd, 0)::float8 as dollars
                 from gh_automation_jobs j left join gh_job_costs c on c.job_id = j.id where j.id = $1";
    let row = sqlx::query(query).bind(job).fetch_one(connection).await?;
    Ok(Outcome {
        status: row.try_get("status")?,
        message: row.try_get("message")?,
        result: row.try_get("result")?,
        dollars: row.try_get("dollars")?,
    })
}

impl Run {
    fn line(&self) -> String {
        let mut line = format!(
            "{:<20} {:<6} complete {:<3} right {:>2} wrong {} missing {} calls {} ${:.6} {:>5.1} s {:>3} MB",
            self.page,
            if self.round == Round::Second { "second" } else { "first" },
            if self.complete { "yes" } else { "no" },
            self.judged.right,
            self.judged.wrong.len(),
            self.judged.missing.len(),
            self.calls,
            self.dollars,
            self.seconds,
            self.memory / 1024,
        );
        if !self.complete {
            let _ = write!(line, "\n    {} {:?} {:?}", self.ended, self.judged.wrong, self.judged.missing);
        }
        line
    }
}

/// The table of `docs/AGENT.md`.
fn table(runs: &[Run]) -> String {
    let mut text = "| page | complete | right | wrong | missing | model calls | seconds | false success | false blocker | second run: complete, calls, seconds |\n|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    let yes = |it: bool| if it { "yes" } else { "no" };
    for pair in runs.chunks(2) {
        let [first, second] = pair else { continue };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} | {} | {} | {}, {}, {:.1} |",
            first.page,
            yes(first.complete),
            first.judged.right,
            first.judged.wrong.len(),
            first.judged.missing.len(),
            first.calls,
            first.seconds,
            yes(first.false_success),
            yes(first.false_blocker),
            yes(second.complete),
            second.calls,
            second.seconds,
        );
    }
    text
}

fn figures(runs: &[Run]) -> Result<Vec<Figure>> {
    let count = |number: usize| -> Result<f64> { Ok(f64::from(u32::try_from(number)?)) };
    let none = |what: &str, number: usize| -> Result<Figure> {
        Ok(Figure::new("forms", what, count(number)?, "", Target::AtMost(0.0)))
    };
    let sum = |of: fn(&Run) -> usize| runs.iter().map(of).sum::<usize>();
    let second = runs.iter().filter(|run| run.round == Round::Second);
    let again = second.map(|run| usize::try_from(run.calls).unwrap_or(usize::MAX)).sum::<usize>();
    let complete = runs.iter().filter(|run| run.complete).count();
    let twenty = runs
        .iter()
        .find(|run| run.page == TWENTY && run.round == Round::First)
        .context("no page of twenty")?;
    let memory = runs.iter().map(|run| run.memory).max().unwrap_or(0);
    Ok(vec![
        Figure::new(
            "forms",
            format!("pages complete, of {} runs", runs.len()),
            100.0 * count(complete)? / count(runs.len())?,
            "%",
            Target::AtLeast(100.0),
        ),
        none("fields wrong", sum(|run| run.judged.wrong.len()))?,
        none("fields missing", sum(|run| run.judged.missing.len()))?,
        none("false successes", sum(|run| usize::from(run.false_success)))?,
        none("false blockers", sum(|run| usize::from(run.false_blocker)))?,
        none("model calls of all second runs", again)?,
        Figure::new(
            "forms",
            "twenty questions, process start to end",
            twenty.seconds,
            "s",
            Target::AtMost(10.0),
        ),
        Figure::new(
            "forms",
            "twenty questions, model calls",
            count(usize::try_from(twenty.calls)?)?,
            "",
            Target::AtMost(2.0),
        ),
        Figure::new(
            "forms",
            "twenty questions, hundredths of a cent",
            twenty.dollars * 1e4,
            "",
            Target::AtMost(100.0),
        ),
        Figure::new(
            "forms",
            "runner's own memory, the most of all runs",
            mb(memory)?,
            "MB",
            Target::AtMost(60.0),
        ),
    ])
}
