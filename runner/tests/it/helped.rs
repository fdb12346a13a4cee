//! A person helps: the job waits with its page, and goes on where it stood.

use std::time::Duration;

use domain::attempt::EndClass;
use domain::id::AttemptId;
use runner::desk::{self, Desk, Help, Request};
use store::runner::Attempt;
use tokio::sync::{mpsc, oneshot};

use crate::candidate::Run;
use crate::site::Site;

/// A desk at which a person does this after a while; what was asked comes out at the other end.
fn person(
    after: Duration,
    act: impl Fn() -> Help + Send + 'static,
) -> (Desk, mpsc::UnboundedReceiver<String>) {
    let (requests, mut inbox) = mpsc::channel(4);
    let (asked, log) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(request) = inbox.recv().await {
            if let Request::Help(interaction, answer) = request {
                let _ = asked.send(interaction.to_string());
                tokio::time::sleep(after).await;
                let _ = answer.send(act());
            }
        }
    });
    (Desk::new(requests), log)
}

fn done(code: Option<&str>, login: Option<(&str, &str)>) -> Help {
    let login = login.map(|(name, password)| (name.into(), password.into()));
    Help::Done { kind: "code_entry".into(), code: code.map(Into::into), login, remaining: None }
}

#[tokio::test]
async fn a_code_is_typed_and_is_nowhere_to_be_read() {
    for page in ["code.html", "code.html?split", "code.html?late"] {
        let site = Site::start().await;
        let (desk, mut asked) = person(Duration::ZERO, || done(Some("135790"), None));
        let mut run = Run::on(site.url(page));
        run.desk = desk;
        let ran = run.go().await;
        ran.arrived();
        assert_eq!(site.sent().len(), 1, "{page}");
        let asked = asked.recv().await.expect("a question");
        assert!(asked.contains("\"type\":\"2fa\""), "{page}: {asked}");
        assert!(ran.events.contains(&"credential_injection_succeeded"), "{page}");
        let record = format!("{:?}", ran.record.get());
        assert!(
            !ran.said.contains("135790") && !record.contains("135790") && !asked.contains("135790"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_login_is_typed_and_is_nowhere_to_be_read() {
    let site = Site::start().await;
    let (desk, _asked) = person(Duration::ZERO, || done(None, Some(("ada@example.org", "engine-42"))));
    let mut run = Run::on(site.url("code.html?login"));
    run.desk = desk;
    let ran = run.go().await;
    ran.arrived();
    assert!(!ran.said.contains("engine-42") && !format!("{:?}", ran.record.get()).contains("engine-42"));
}

#[tokio::test]
async fn waiting_for_a_person_does_not_use_up_the_jobs_time() {
    let site = Site::start().await;
    let (desk, _asked) = person(Duration::from_secs(14), || done(Some("135790"), None));
    let mut run = Run::on(site.url("code.html"));
    (run.desk, run.time) = (desk, Duration::from_secs(13));
    run.go().await.arrived();
}

#[tokio::test]
async fn a_job_nobody_helps_ends_as_one_that_needs_a_person() {
    let site = Site::start().await;
    let (desk, _asked) = person(Duration::ZERO, || Help::Nobody);
    let mut run = Run::on(site.url("code.html"));
    run.desk = desk;
    let ran = run.go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::NeedsHuman, Some("2fa_required")));
    assert_eq!(site.sent().len(), 0);
}

#[tokio::test]
async fn a_job_that_stops_while_it_waits_for_a_person_is_let_go_of_at_once() {
    // A database that is away: the pause is asked for again and again, for five seconds at least.
    let url = "postgres://gh_runner@127.0.0.1:1/none".into();
    let attempt = Attempt::new(&url, AttemptId::new(), "token".into()).expect("an address");
    let (requests, inbox) = mpsc::channel(1);
    let serving = tokio::spawn(async move { desk::serve(&attempt, inbox).await });
    let (answer, waiting) = oneshot::channel();
    requests.send(Request::Help(serde_json::json!({"type": "2fa"}), answer)).await.expect("a desk");
    drop(requests.reserve().await.expect("the request was taken up"));
    drop((waiting, requests)); // the job is over
    tokio::time::timeout(Duration::from_secs(2), serving)
        .await
        .expect("nothing is waited for")
        .expect("it ended");
}
