//! Said to be sent only when it was, said to be refused only when the site refused it, and judged only once it was answered.

use domain::attempt::EndClass;
use runner::record::Sending;

use crate::candidate::{Ran, Run};
use crate::stage::{Answer, Stage, page};
use crate::steps::form;

const BUTTON: &str = "<button>Submit application</button>";

async fn sent(before: Answer, after: Answer) -> (Ran, usize) {
    let stage = Stage::start(&[
        ("GET /", before),
        ("POST /sent", after),
        ("POST /track", page("no").status(403)),
        ("OPTIONS /track", page("")),
    ])
    .await;
    let ran = Run::on(stage.url("/")).go().await;
    let posts = stage.posts("/sent").len();
    (ran, posts)
}

/// A form that is sent by script; `then` runs with the answer as `it`.
fn scripted(then: &str, meanwhile: &str) -> Answer {
    page(format!(
        "<title>Apply</title><h1>Clerk</h1><form id=f><label>First name <input name=first required></label><label>Email <input name=email type=email required></label>{BUTTON}</form>
         <div id=m role=alert></div><script>const m = document.getElementById('m'), f = document.getElementById('f');
         f.onsubmit = async (event) => {{ event.preventDefault(); {meanwhile}; const it = await fetch('/sent', {{ method: 'POST', body: new URLSearchParams(new FormData(f)) }}); {then}; }};</script>"
    ))
}

const THANK: &str = "document.body.innerHTML = '<h1>Thank you for applying</h1>'";

#[tokio::test]
async fn an_answer_that_takes_its_time_is_waited_for() {
    let (ran, posts) = sent(form(BUTTON), page("<h1>Thank you for applying</h1>").after(6)).await;
    assert!(ran.outcome.submitted() && posts == 1, "{:?}", ran.outcome);
    let (ran, posts) = sent(scripted(THANK, "m.textContent = 'Sending…'"), page("{}").after(15)).await;
    assert!(ran.outcome.submitted() && posts == 1, "{:?}", ran.outcome);
    let complain = "m.textContent = 'Please enter a valid email address'";
    let (ran, _) =
        sent(scripted(complain, "m.textContent = 'Sending…'"), page("{}").status(400).after(6)).await;
    assert_eq!(
        (ran.outcome.class, ran.outcome.code),
        (EndClass::Final, Some("validation_error")),
        "{:?}",
        ran.outcome
    );
    assert_eq!(ran.record.get().sending, Sending::NotTaken);
}

#[tokio::test]
async fn what_others_answer_and_what_only_says_sending_is_no_refusal() {
    let track = "m.textContent = 'Sending…'; fetch('OTHER/track', { method: 'POST', body: 'x' }).catch(() => {}); navigator.sendBeacon('HERE/track', 'x')";
    let (ran, posts) = sent(scripted(THANK, track), page("{}").after(5)).await;
    assert!(ran.outcome.submitted() && posts == 1, "{:?}", ran.outcome);
    // Nothing more comes: nobody knows.
    let (ran, posts) = sent(scripted("", track), page("{}")).await;
    assert_eq!((ran.outcome.code, posts), (Some("submit_unconfirmed"), 1), "{:?}", ran.outcome);
    assert_eq!(ran.record.get().sending, Sending::Pressed);
}

#[tokio::test]
async fn no_page_that_denies_or_asks_on_is_a_confirmation() {
    let again = |message: &str| {
        format!(
            "<title>Apply</title><h1>Clerk</h1><p>{message}</p><form method=post action=/sent><label>First name <input name=first></label><label>Last name <input name=last></label><label>Email <input name=email></label>{BUTTON}</form>"
        )
    };
    for after in [
        "<h1>Clerk</h1><p>Your application was <b>not</b> submitted successfully.</p>".to_owned(),
        "<h1>Ihre Bewerbung wurde leider nicht übermittelt</h1>".to_owned(),
        "<h1>Thank you for your interest in Acme</h1><p>Please complete the questionnaire we have sent you.</p>".to_owned(),
        "<h1>Thank you!</h1><p>You will receive a confirmation once your application has been submitted.</p>".to_owned(),
        again("Thank you for applying. Application received."),
        again("<span class=error>Your application could not be sent.</span>"),
    ] {
        let (ran, posts) = sent(form(BUTTON), page(after.clone())).await;
        assert!(!ran.outcome.submitted() && ran.outcome.class == EndClass::Final, "{after}: {:?}", ran.outcome);
        assert_eq!(posts, 1, "{after}");
        assert!(["submit_unconfirmed", "validation_error"].contains(&ran.outcome.code.unwrap_or_default()), "{after}: {:?}", ran.outcome);
    }
}

#[tokio::test]
async fn a_refusal_is_told_only_where_the_site_itself_refused() {
    let (ran, posts) = sent(form(BUTTON), page("<h1>Forbidden</h1>").status(403)).await;
    assert_eq!((ran.outcome.code, posts), (Some("submit_rejected"), 1), "{:?}", ran.outcome);
    assert_eq!(ran.record.get().sending, Sending::Pressed);
    let (ran, _) = sent(scripted("", ""), page("{}").status(403)).await;
    assert_eq!(ran.outcome.code, Some("submit_rejected"), "{:?}", ran.outcome);
    assert_eq!(ran.record.get().sending, Sending::NotTaken);
}
