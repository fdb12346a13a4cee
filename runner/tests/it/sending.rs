//! The irreversible step: asked for, done once, believed only with proof.

use domain::attempt::EndClass;
use runner::job::Submit;
use runner::record::Sending;
use store::runner::Permit;

use crate::candidate::Run;
use crate::site::Site;

#[tokio::test]
async fn without_the_permit_nothing_is_sent() {
    let site = Site::start().await;
    let mut run = Run::on(site.url("classic.html"));
    run.permit = Permit::Refused("an earlier attempt was given it".into());
    let ran = run.go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("permit_refused")));
    assert_eq!((ran.permits_asked, site.sent().len()), (1, 0));
}

#[tokio::test]
async fn a_form_that_is_held_back_is_filled_and_not_sent() {
    let site = Site::start().await;
    let mut run = Run::on(site.url("classic.html"));
    run.input.submit = Submit::HoldBack;
    let ran = run.go().await;
    assert!(ran.outcome.held_back && ran.outcome.class == EndClass::Completed && !ran.outcome.submitted());
    assert_eq!((ran.permits_asked, site.sent().len()), (0, 0));
    assert!(ran.record.get().lines.iter().all(|line| line.state.is_settled()));
}

#[tokio::test]
async fn a_form_that_says_nothing_after_it_was_sent_is_unconfirmed_and_sent_once() {
    let site = Site::start().await;
    let ran = Run::on(site.url("silent.html")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("submit_unconfirmed")));
    assert_eq!(ran.record.get().sending, Sending::Pressed);
    assert_eq!(site.sent().len(), 1);
    let finish = ran.outcome.finish(&ran.record.get(), 0);
    assert_eq!(finish["permit_outcome"], serde_json::Value::Null);
    assert_eq!(finish["result_data"]["submitted"], false);
}

#[tokio::test]
async fn a_complaint_about_a_field_is_repaired_once() {
    let site = Site::start().await;
    let ran = Run::on(site.url("validation.html")).go().await;
    ran.arrived();
    assert_eq!(site.only().one("email"), Some("ada@example.org"));
}

#[tokio::test]
async fn a_complaint_that_stays_ends_the_job_with_the_field_named() {
    let site = Site::start().await;
    let ran = Run::on(site.url("validation.html?always")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("validation_error")));
    assert!(ran.outcome.message.contains("Please enter a valid email"), "{}", ran.outcome.message);
    assert_eq!(site.sent().len(), 0);
}
