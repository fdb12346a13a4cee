//! A runner killed at twenty points of a wizard: never two applications, and the job's last word is true.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::tier::DEFAULT;
use e2e::demo::applicant::Applicant;
use e2e::{Config, Part, Stack, process, sql};
use serde::Deserialize;
use serde_json::json;
use site::Brand;
use tokio::time::{Instant, sleep};

/// How many points of a run are tried, each on a job of its own.
const POINTS: usize = 20;
/// How long the site takes to answer an application: long enough to be killed meanwhile.
const ANSWER: &str = "&submit_delay_ms=1500";
/// Every other runner is killed this long after its event: between two of them.
const BETWEEN: Duration = Duration::from_millis(400);
/// How long all of them may take.
const LIMIT: Duration = Duration::from_mins(5);

/// One job, and after how many events of its own its runner is killed.
struct Case {
    reference: String,
    job: String,
    point: i64,
    /// How long after it.
    delay: Duration,
    /// When that point was reached.
    reached: Option<Instant>,
    /// What had happened last when the runner was killed.
    killed: Option<String>,
}

/// How far a job is.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    status: String,
    error_code: Option<String>,
    events: i64,
    last: Option<String>,
    attempt: Option<String>,
    permits: i64,
}

#[derive(Debug, Deserialize)]
struct Count {
    events: i64,
}

const ROWS: &str = "select j.id::text as id, j.status::text as status, j.error_code,
  (select count(*) from gh_job_events e where e.job_id = j.id) as events,
  (select e.event_type || ': ' || coalesce(e.message, '') from gh_job_events e where e.job_id = j.id order by e.created_at desc, e.id desc limit 1) as last,
  (select a.id::text from gh_job_attempts a where a.job_id = j.id and a.state = 'running') as attempt,
  (select count(*) from gh_permits p where p.job_id = j.id) as permits
  from gh_automation_jobs j";

impl Row {
    fn is_final(&self) -> bool {
        ["completed", "failed", "cancelled", "needs_human"].contains(&self.status.as_str())
    }
}

fn rows(stack: &Stack) -> BTreeMap<String, Row> {
    let rows: Vec<Row> = sql::rows(&stack.database_url(), ROWS).expect("rows");
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}

async fn create(stack: &Stack, reference: &str) -> String {
    let applicant = Applicant::sample();
    let body = json!({
        "user_id": uuid::Uuid::new_v4(),
        "job_type": "apply",
        "target_url": format!("{}{ANSWER}", stack.site().form_url(Brand::Contoso, reference)),
        "task_description": "Apply for this position",
        "input_data": { "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides, "tier": "starter" },
        "metadata": { "resume_ref": { "download_url": stack.site().resume_url() } },
    });
    stack.api().expect("a client").create_job(&body).await.expect("a job")
}

/// The shipped tiers with room for all jobs at once.
fn wide_tiers(folder: &std::path::Path) -> std::path::PathBuf {
    let wide = |line: &str| match line.split_once(" = ") {
        Some(("capacity", _)) => format!("capacity = {{ min = {POINTS}, max = {POINTS} }}"),
        _ => line.to_owned(),
    };
    let place = folder.join("tiers.toml");
    std::fs::write(&place, DEFAULT.lines().map(wide).collect::<Vec<_>>().join("\n")).expect("a file");
    place
}

/// Kills the runner of an attempt, if it lives.
fn kill(stack: &Stack, attempt: &str) -> bool {
    let runner = stack.runners().into_iter().find(|found| {
        found.command.contains("runner")
            && found.environment.get("GH_ATTEMPT_ID").is_some_and(|id| id == attempt)
    });
    runner.map(|runner| process::send(runner.id, libc::SIGKILL)).is_some()
}

/// Runs the wizard once and returns how many events it makes until it waits for the site's answer.
async fn measure(stack: &Stack) -> i64 {
    let job = create(stack, "undisturbed").await;
    let until = Instant::now() + LIMIT;
    loop {
        let row = rows(stack).remove(&job).expect("a row");
        if row.is_final() {
            assert_eq!(row.status, "completed", "{row:?}\n{}", stack.log(Part::Dispatcher));
            let query = format!(
                "select count(*) as events from gh_job_events where job_id = '{job}' and created_at <=
                 (select min(created_at) from gh_job_events where job_id = '{job}' and message like 'Waiting for the confirmation%')"
            );
            let counts: Vec<Count> = sql::rows(&stack.database_url(), &query).expect("a count");
            assert!(counts[0].events > 5, "{} events", counts[0].events);
            return counts[0].events;
        }
        assert!(Instant::now() < until, "no end: {row:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_at_any_step_of_a_wizard_never_sends_twice_and_tells_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { tiers: Some(wide_tiers(folder.path())), ..Config::default() };
    let stack = Stack::start(config).await.expect("the stack starts");
    let events = measure(&stack).await;
    let mut cases = Vec::new();
    for number in 0..POINTS {
        let reference = format!("point-{number}");
        let job = create(&stack, &reference).await;
        let share =
            |of: i64| of * i64::try_from(number).expect("few") / i64::try_from(POINTS - 1).expect("few");
        let delay = BETWEEN * u32::try_from(number % 2).expect("few");
        cases.push(Case { reference, job, point: 1 + share(events - 1), delay, reached: None, killed: None });
    }
    let until = Instant::now() + LIMIT;
    let last = loop {
        let now = rows(&stack);
        for case in cases.iter_mut().filter(|case| case.killed.is_none()) {
            let row = &now[&case.job];
            let Some(attempt) = row.attempt.as_ref().filter(|_| row.events >= case.point) else { continue };
            let reached = *case.reached.get_or_insert_with(Instant::now);
            if reached.elapsed() >= case.delay && kill(&stack, attempt) {
                case.killed = Some(row.last.clone().unwrap_or_default());
            }
        }
        if cases.iter().all(|case| now[&case.job].is_final()) {
            break now;
        }
        assert!(Instant::now() < until, "no end: {:#?}\n{}", now.values(), stack.log(Part::Dispatcher));
        sleep(Duration::from_millis(10)).await;
    };
    for case in &cases {
        let row = &last[&case.job];
        let accepted = stack.site().accepted(&case.reference).len();
        eprintln!("killed after {:?}: {} {:?}, {accepted} sent", case.killed, row.status, row.error_code);
        assert!(accepted <= 1 && row.permits <= 1, "{accepted} applications: {row:?}");
        match (row.status.as_str(), row.error_code.as_deref()) {
            ("completed", _) => assert_eq!(accepted, 1, "said to be sent: {row:?}"),
            ("failed", Some("submission_unknown")) => assert_eq!(row.permits, 1, "{row:?}"),
            _ => panic!("neither sent nor unknown: {row:?} after {:?}", case.killed),
        }
    }
    let killed = cases.iter().filter(|case| case.killed.is_some()).count();
    assert_eq!(killed, POINTS, "every runner was killed in time");
    assert_eq!(stack.stop().await, [], "a process was left behind");
}
