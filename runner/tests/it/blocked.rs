//! What stands in the way is named; what only looks like it is not.

use domain::attempt::EndClass;

use crate::candidate::Run;
use crate::site::Site;

#[tokio::test]
async fn the_answer_of_the_page_decides_what_becomes_of_the_job() {
    let site = Site::start().await;
    for (status, class, code) in [
        (404, EndClass::Final, "page_not_found"),
        (429, EndClass::Retryable, "rate_limited"),
        (503, EndClass::Retryable, "site_error"),
    ] {
        let ran = Run::on(site.url(&format!("status/{status}"))).go().await;
        assert_eq!((ran.outcome.class, ran.outcome.code), (class, Some(code)), "{status}");
        assert!(ran.events.contains(&"blocker_detected"));
    }
}

#[tokio::test]
async fn an_address_nobody_serves_is_a_network_error() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let ran = Run::on(format!("http://127.0.0.1:{port}/")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Retryable, Some("network_error")));
}

#[tokio::test]
async fn a_private_address_is_not_opened() {
    let site = Site::start().await;
    let mut run = Run::on(site.url("classic.html"));
    run.tools.reach = runner::net::Reach::Public;
    let ran = run.go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("validation_error")));
}

#[tokio::test]
async fn a_page_without_a_form_is_no_success() {
    let site = Site::start().await;
    let ran = Run::on(site.url("resume.pdf")).go().await;
    assert_ne!(ran.outcome.class, EndClass::Completed, "{:?}", ran.outcome);
}

#[tokio::test]
async fn a_captcha_stops_the_job_only_when_a_person_would_have_to_act() {
    let site = Site::start().await;
    for kind in ["badge", "solved"] {
        Run::on(site.url(&format!("captcha.html?{kind}"))).go().await.arrived();
    }
    assert_eq!(site.sent().len(), 2);
    let ran = Run::on(site.url("captcha.html?challenge")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::NeedsHuman, Some("captcha_blocked")));
    assert!(ran.record.get().lines.is_empty());
    let ran = Run::on(site.url("captcha.html?box")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::NeedsHuman, Some("captcha_blocked")));
    assert_eq!(
        (ran.permits_asked, ran.line("First name").read_back.as_str()),
        (0, "Ada"),
        "everything else is done"
    );
    assert_eq!(site.sent().len(), 2);
}
