//! Whatever is killed, and whenever: the form is sent once, or the job says that nobody knows.

use std::time::Duration;

use e2e::demo::applicant::Applicant;
use e2e::{Config, Part, Stack, process, sql};
use serde::Deserialize;
use serde_json::json;
use site::Brand;
use tokio::time::{Instant, sleep};

/// How long a job may take over all its attempts: a lost machine is noticed after 10 s, the next try waits 5, the work takes 5.
const LIMIT: Duration = Duration::from_mins(3);

/// One job on a whole stack.
struct Case {
    stack: Stack,
    job: String,
}

#[derive(Debug, Deserialize)]
struct Row {
    status: String,
    error_code: Option<String>,
    status_message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ledger {
    machines: i64,
    open: i64,
    permits: i64,
    priced: i64,
}

impl Case {
    /// A job for the classic form; `trouble` is added to the form's query.
    async fn new(trouble: &str) -> Self {
        let stack = Stack::start(Config::default()).await.expect("the stack starts");
        let applicant = Applicant::sample();
        let body = json!({
            "user_id": uuid::Uuid::new_v4(),
            "job_type": "apply",
            "target_url": format!("{}{trouble}", stack.site().form_url(Brand::Northwind, "it")),
            "task_description": "Apply for this position",
            "input_data": { "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides, "tier": "starter" },
            "metadata": { "resume_ref": { "download_url": stack.site().resume_url() } },
        });
        let job = stack.api().expect("a client").create_job(&body).await.expect("a job");
        Self { stack, job }
    }

    fn row(&self) -> Option<Row> {
        let query = format!(
            "select status, error_code, status_message from gh_automation_jobs where id = '{}'",
            self.job
        );
        // While the server restarts there is no row to see.
        sql::rows(&self.stack.database_url(), &query).ok()?.pop()
    }

    /// Waits until a query finds something.
    async fn until(&self, what: &str, query: &str) {
        let query = query.replace("$job", &self.job);
        let until = Instant::now() + LIMIT;
        while sql::rows::<serde_json::Value>(&self.stack.database_url(), &query)
            .map_or(true, |rows| rows.is_empty())
        {
            assert!(
                Instant::now() < until,
                "{what} never came: {:?}\n{}",
                self.row(),
                self.stack.log(Part::Dispatcher)
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_event(&self, kind: &str) {
        self.until(
            kind,
            &format!("select 1 as n from gh_job_events where job_id = '$job' and event_type = '{kind}'"),
        )
        .await;
    }

    async fn until_message(&self, message: &str) {
        self.until(
            message,
            &format!("select 1 as n from gh_job_events where job_id = '$job' and event_type = 'progress_update' and message like '{message}%'"),
        )
        .await;
    }

    async fn until_permit(&self) {
        self.until("the permit", "select 1 as n from gh_permits where job_id = '$job'").await;
    }

    /// Kills every browser of the stack, as the kernel does when memory is short.
    fn kill_browsers(&self) {
        for browser in self.stack.browsers() {
            process::send(browser.id, libc::SIGKILL);
        }
    }

    /// Kills every runner of the stack.
    fn kill_runners(&self) {
        for runner in self.stack.runners().iter().filter(|runner| runner.command.contains("runner")) {
            process::send(runner.id, libc::SIGKILL);
        }
    }

    /// Waits for the end of the job and of its machines, and checks what must hold in every case.
    async fn end(self) -> Row {
        let until = Instant::now() + LIMIT;
        let row = loop {
            match self.row() {
                Some(row)
                    if ["completed", "failed", "cancelled", "needs_human"].contains(&row.status.as_str()) =>
                {
                    break row;
                }
                row => {
                    assert!(Instant::now() < until, "no end: {row:?}\n{}", self.stack.log(Part::Dispatcher));
                }
            }
            sleep(Duration::from_millis(50)).await;
        };
        self.until(
            "the end of every machine",
            "select 1 as n where not exists (select 1 from gh_machines where closed_at is null)",
        )
        .await;
        let accepted = self.stack.site().accepted("it").len();
        let ledger: Ledger = sql::rows(
            &self.stack.database_url(),
            "select (select count(*) from gh_machines) as machines, (select count(*) from gh_machines where closed_at is null) as open,
                    (select count(*) from gh_permits) as permits,
                    (select count(*) from gh_cost_ledger where provider = 'fly' and cost_usd > 0 and cost_usd = round(quantity * unit_price, 10)) as priced",
        )
        .expect("the ledger")
        .remove(0);
        match row.error_code.as_deref() {
            Some("submission_unknown" | "submit_unconfirmed") => {
                assert!(accepted <= 1, "{accepted} applications");
            }
            _ => assert_eq!(accepted, 1, "{row:?}\n{}", self.stack.log(Part::Dispatcher)),
        }
        assert!(
            ledger.permits <= 1 && ledger.open == 0 && ledger.priced >= 1 && ledger.priced <= ledger.machines,
            "{ledger:?}"
        );
        let left = self.stack.stop().await;
        assert_eq!(left, [], "a process was left behind");
        row
    }
}

fn completed(row: &Row) {
    assert_eq!(row.status, "completed", "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_killed_right_after_the_claim_starts_the_machine_it_promised() {
    let mut case = Case::new("").await;
    case.until("the attempt", "select 1 as n from gh_job_attempts where job_id = '$job'").await;
    case.stack.kill(Part::Dispatcher);
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_killed_while_the_runner_works_disturbs_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.kill(Part::Dispatcher);
    case.until(
        "the end of the job without a dispatcher",
        "select 1 as n from gh_automation_jobs where id = '$job' and status = 'completed'",
    )
    .await;
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_while_it_fills_is_replaced() {
    let case = Case::new("").await;
    case.until_message("Uploading the resume").await;
    case.kill_runners();
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_after_the_permit_is_never_replaced() {
    let case = Case::new("&submit_delay_ms=8000").await;
    case.until_permit().await;
    case.kill_runners();
    let row = case.end().await;
    assert_eq!(
        (row.status.as_str(), row.error_code.as_deref()),
        ("failed", Some("submission_unknown")),
        "{row:?}"
    );
    assert!(row.status_message.is_some_and(|message| message.contains("may have been sent")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_while_it_fills_is_replaced() {
    let case = Case::new("").await;
    case.until_message("Uploading the resume").await;
    case.kill_browsers();
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_after_the_permit_is_never_replaced() {
    let case = Case::new("&submit_delay_ms=8000").await;
    case.until_permit().await;
    // The click is on its way or done; the site has not answered.
    case.kill_browsers();
    let row = case.end().await;
    assert_eq!(row.status, "failed", "{row:?}");
    assert!(
        matches!(
            row.error_code.as_deref(),
            Some("submit_unconfirmed" | "submission_unknown" | "browser_crashed")
        ),
        "{row:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_api_killed_while_its_machine_works_loses_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.kill(Part::Fly);
    case.stack.start_part(Part::Fly).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restarted_while_the_runner_works_loses_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.postgres().stop();
    sleep(Duration::from_secs(1)).await; // the outage itself
    case.stack.postgres().resume().expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_between_permit_and_proof_never_lets_the_form_be_sent_twice() {
    let mut case = Case::new("&submit_delay_ms=3000").await;
    case.until_permit().await;
    case.stack.postgres().crash();
    case.stack.postgres().resume().expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_killed_at_once_and_started_again_sends_the_form_once() {
    let mut case = Case::new("").await;
    case.until_event("job_started").await;
    case.stack.kill(Part::Dispatcher);
    case.stack.kill(Part::Fly);
    case.kill_runners();
    case.stack.postgres().crash();
    case.stack.postgres().resume().expect("it starts again");
    case.stack.start_part(Part::Fly).await.expect("it starts again");
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}
