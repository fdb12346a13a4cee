//! One job on a whole stack, watched to its end.

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
pub struct Case {
    pub stack: Stack,
    pub job: String,
}

#[derive(Debug, Deserialize)]
pub struct Row {
    pub status: String,
    pub error_code: Option<String>,
    pub status_message: Option<String>,
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
    pub async fn new(trouble: &str) -> Self {
        let stack = Stack::start(Config::default()).await.expect("the stack starts");
        let job = apply(&stack, &format!("{}{trouble}", stack.site().form_url(Brand::Northwind, "it"))).await;
        Self { stack, job }
    }

    /// A second job for the same form, of another candidate; the case goes on watching the first.
    pub async fn again(&self, reference: &str) -> String {
        apply(&self.stack, &self.stack.site().form_url(Brand::Northwind, reference)).await
    }

    pub fn row(&self) -> Option<Row> {
        let query = format!(
            "select status, error_code, status_message from gh_automation_jobs where id = '{}'",
            self.job
        );
        // While the server restarts there is no row to see.
        sql::rows(&self.stack.database_url(), &query).ok()?.pop()
    }

    /// Waits until a query finds something.
    pub async fn until(&self, what: &str, query: &str) {
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

    pub async fn until_event(&self, kind: &str) {
        self.until(
            kind,
            &format!("select 1 as n from gh_job_events where job_id = '$job' and event_type = '{kind}'"),
        )
        .await;
    }

    pub async fn until_message(&self, message: &str) {
        self.until(
            message,
            &format!("select 1 as n from gh_job_events where job_id = '$job' and event_type = 'progress_update' and message like '{message}%'"),
        )
        .await;
    }

    pub async fn until_permit(&self) {
        self.until("the permit", "select 1 as n from gh_permits where job_id = '$job'").await;
    }

    /// Waits until every machine is gone and billed.
    pub async fn until_machines_end(&self) {
        self.until(
            "the end of every machine",
            "select 1 as n where not exists (select 1 from gh_machines where closed_at is null)",
        )
        .await;
    }

    /// Kills every browser of the stack, as the kernel does when memory is short.
    pub fn kill_browsers(&self) {
        for browser in self.stack.browsers() {
            process::send(browser.id, libc::SIGKILL);
        }
    }

    /// Kills every runner of the stack.
    pub fn kill_runners(&self) {
        for runner in self.stack.runners().iter().filter(|runner| runner.command.contains("runner")) {
            process::send(runner.id, libc::SIGKILL);
        }
    }

    /// Waits for the end of the job and of its machines, and checks what must hold in every case.
    pub async fn end(self) -> Row {
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
        self.until_machines_end().await;
        let accepted = self.stack.site().accepted("it").len();
        let ledger: Ledger = sql::rows(
            &self.stack.database_url(),
            &format!(
                "select (select count(*) from gh_machines) as machines, (select count(*) from gh_machines where closed_at is null) as open,
                    (select count(*) from gh_permits where job_id = '{}') as permits,
                    (select count(*) from gh_cost_ledger where provider = 'fly' and cost_usd > 0 and cost_usd = round(quantity * unit_price, 10)) as priced",
                self.job
            ),
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

/// Posts a job for the form at `url`.
async fn apply(stack: &Stack, url: &str) -> String {
    let applicant = Applicant::sample();
    let body = json!({
        "user_id": uuid::Uuid::new_v4(),
        "job_type": "apply",
        "target_url": url,
        "task_description": "Apply for this position",
        "input_data": { "user_data": applicant.user_data, "qa_overrides": applicant.qa_overrides, "tier": "starter" },
        "metadata": { "resume_ref": { "download_url": stack.site().resume_url() } },
    });
    stack.api().expect("a client").create_job(&body).await.expect("a job")
}

/// The job was done.
pub fn completed(row: &Row) {
    assert_eq!(row.status, "completed", "{row:?}");
}
