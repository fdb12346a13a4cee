//! Whatever its words, no button leaves a page that holds answers without the permit; a step of a wizard gives it back.

use domain::attempt::EndClass;
use runner::job::Submit;
use runner::record::Sending;
use store::runner::Permit;

use crate::candidate::Run;
use crate::stage::{Answer, Stage, page, see};

const THANKS: &str = "<h1>Thank you for applying</h1><p>We have received your application.</p>";

/// A form of one page with this button.
pub fn form(button: &str) -> Answer {
    page(format!(
        "<title>Apply</title><h1>Clerk</h1><form method=post action=/sent><label>First name <input name=first required></label>
         <label>Last name <input name=last required></label><label>Email <input name=email type=email required></label>{button}</form>"
    ))
}

/// Buttons that do not say that they send.
const BUTTONS: [&str; 6] = [
    "<button>Continue</button>",
    "<button>Next</button>",
    "<button>Review</button>",
    "<button>Weiter</button>",
    "<button><svg width=20 height=20><circle r=9 cx=10 cy=10 /></svg></button>",
    "<button>Los geht’s</button>",
];

#[tokio::test]
async fn a_form_of_one_page_is_sent_once_under_the_permit_whatever_its_button_says() {
    for button in BUTTONS {
        let stage =
            Stage::start(&[("GET /", form(button)), ("POST /sent", see("/ok")), ("GET /ok", page(THANKS))])
                .await;
        let ran = Run::on(stage.url("/")).go().await;
        assert!(ran.outcome.submitted(), "{button}: {:?}", ran.outcome);
        assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (1, 0, 1), "{button}");
        assert_eq!(ran.record.get().sending, Sending::Confirmed, "{button}");
    }
}

#[tokio::test]
async fn without_the_permit_no_button_is_pressed_on_a_page_that_holds_answers() {
    for button in BUTTONS {
        let stage = Stage::start(&[("GET /", form(button)), ("POST /sent", page(THANKS))]).await;
        let mut run = Run::on(stage.url("/"));
        run.permit = Permit::Refused("an earlier attempt was given it".into());
        let ran = run.go().await;
        assert_eq!(
            (ran.outcome.class, ran.outcome.code),
            (EndClass::Final, Some("permit_refused")),
            "{button}"
        );
        assert_eq!((ran.permits_asked, stage.writes().len()), (1, 0), "{button}");
    }
}

#[tokio::test]
async fn a_form_that_is_held_back_writes_nothing_whatever_its_button_says() {
    for button in BUTTONS {
        let stage = Stage::start(&[("GET /", form(button)), ("POST /sent", page(THANKS))]).await;
        let mut run = Run::on(stage.url("/"));
        run.input.submit = Submit::HoldBack;
        let ran = run.go().await;
        assert!(ran.outcome.held_back && !ran.outcome.submitted(), "{button}: {:?}", ran.outcome);
        assert_eq!((ran.permits_asked, stage.writes().len()), (0, 0), "{button}");
        assert!(ran.record.get().lines.iter().all(|line| line.state.is_settled()), "{button}");
    }
}

#[tokio::test]
async fn a_get_form_that_carries_answers_in_its_address_is_sent_under_the_permit_and_held_back_without() {
    let get = || {
        page(
            "<h1>Clerk</h1><form action=/sent><label>First name <input name=first required></label><label>Last name <input name=last required></label><label>Email <input name=email></label><button>Continue</button></form>",
        )
    };
    let stage = Stage::start(&[("GET /", get()), ("GET /sent", page(THANKS))]).await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, ran.permits_returned), (1, 0));
    assert_eq!(stage.log().iter().filter(|got| got.path == "/sent").count(), 1);
    let mut run = Run::on(stage.url("/"));
    run.input.submit = Submit::HoldBack;
    let ran = run.go().await;
    assert!(ran.outcome.held_back, "{:?}", ran.outcome);
    assert_eq!(stage.log().iter().filter(|got| got.path == "/sent").count(), 1);
}

/// Apply buttons under one field, or two.
fn short(fields: usize, way: &str) -> Answer {
    let all =
        ["<label>Email <input name=email id=e></label>", "<label>First name <input name=first id=n></label>"];
    let fields = all[..fields].concat();
    match way {
        "form" => page(format!("<h1>Clerk</h1><form method=post action=/sent>{fields}<button>Apply now</button></form>")),
        "script" => page(format!("<h1>Clerk</h1><div>{fields}<button id=b>Apply now</button></div><script>document.getElementById('b').onclick = async () => {{
           await fetch('/sent', {{ method: 'POST', body: new URLSearchParams({{ email: document.getElementById('e').value }}) }}); document.body.innerHTML = '{THANKS}'; }}</script>")),
        _ => page(format!("<h1>Clerk</h1><form method=post action=/sent id=f>{fields}</form><a href='#' onclick=\"document.getElementById('f').submit(); return false\">Apply now</a>")),
    }
}

#[tokio::test]
async fn an_apply_button_under_one_or_two_fields_sends_them_filled() {
    for (fields, way) in [(1, "form"), (2, "form"), (1, "script"), (2, "script"), (2, "link")] {
        let stage = Stage::start(&[("GET /", short(fields, way)), ("POST /sent", page(THANKS))]).await;
        let ran = Run::on(stage.url("/")).go().await;
        assert!(ran.outcome.submitted(), "{fields} {way}: {:?}", ran.outcome);
        let sent = stage.posts("/sent");
        assert!(sent.len() == 1 && sent[0].body.contains("email=ada"), "{fields} {way}: {sent:?}");
        assert_eq!((ran.permits_asked, ran.permits_returned), (1, 0), "{fields} {way}");
        let mut run = Run::on(stage.url("/"));
        run.input.submit = Submit::HoldBack;
        let ran = run.go().await;
        assert!(ran.outcome.held_back && stage.writes().len() == 1, "{fields} {way}: {:?}", ran.outcome);
    }
}

#[tokio::test]
async fn an_apply_button_beside_a_search_box_opens_the_form() {
    let advert = page(
        "<h1>Clerk</h1><form action=/jobs><input name=q aria-label='Search jobs'><button>Search</button></form><button onclick=\"location.href='/form'\">Apply now</button>",
    );
    let stage = Stage::start(&[
        ("GET /", advert),
        ("GET /form", form("<button>Submit</button>")),
        ("POST /sent", page(THANKS)),
    ])
    .await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, stage.writes().len()), (1, 1));
}

/// A wizard of three pages whose server takes each of them.
async fn wizard() -> Stage {
    let step = |number: usize, fields: &str, button: &str| {
        page(format!(
            "<title>Apply</title><h1>Clerk</h1><h2>Step {number} of 3</h2><form method=post action=/step{number}>{fields}<button>{button}</button></form>"
        ))
    };
    Stage::start(&[
        ("GET /", step(1, "<label>First name <input name=first required></label><label>Last name <input name=last required></label>", "Next")),
        ("POST /step1", see("/2")),
        ("GET /2", step(2, "<label>Email <input name=email type=email required></label>", "Save and continue")),
        ("POST /step2", step(3, "<label>Phone <input name=phone type=tel required></label>", "Continue")),
        ("POST /step3", page(THANKS)),
    ])
    .await
}

#[tokio::test]
async fn every_step_of_a_servers_wizard_takes_the_permit_and_gives_it_back_but_the_last() {
    let stage = wizard().await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (3, 2, 3));
    assert!(ran.said.contains("Step 2 of 3"), "the evidence is told: {}", ran.said);
}

#[tokio::test]
async fn every_step_of_a_pages_own_wizard_gives_the_permit_back_because_nothing_left() {
    let stage = Stage::start(&[
        ("GET /", page("<h1>Clerk</h1><form method=post action=/sent>
          <section><h2>You</h2><label>First name <input name=first></label><button type=button>Next</button></section>
          <section hidden><h2>Contact</h2><label>Email <input name=email></label><button>Continue</button></section></form>
          <script>const s = document.querySelectorAll('section'); document.querySelector('[type=button]').onclick = () => { s[0].hidden = true; s[1].hidden = false; };</script>")),
        ("POST /sent", page(THANKS)),
    ])
    .await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (2, 1, 1));
    let mut run = Run::on(stage.url("/"));
    run.input.submit = Submit::HoldBack;
    let ran = run.go().await;
    assert!(ran.outcome.held_back, "{:?}", ran.outcome);
    assert_eq!((ran.record.get().pages, stage.writes().len()), (2, 1), "the first step is the page's own");
}

#[tokio::test]
async fn a_wizard_that_is_held_back_ends_at_its_first_writing_step_and_says_so() {
    let stage = wizard().await;
    let mut run = Run::on(stage.url("/"));
    run.input.submit = Submit::HoldBack;
    let ran = run.go().await;
    assert!(ran.outcome.held_back && ran.outcome.class == EndClass::Completed, "{:?}", ran.outcome);
    assert!(ran.outcome.message.contains("Next"), "{}", ran.outcome.message);
    assert_eq!((ran.record.get().pages, ran.permits_asked, stage.writes().len()), (1, 0, 0));
}

#[tokio::test]
async fn steps_are_taken_where_they_are_allowed_and_the_last_one_is_not() {
    let stage = wizard().await;
    let mut run = Run::on(stage.url("/"));
    run.input.submit = Submit::Steps;
    let ran = run.go().await;
    assert!(ran.outcome.held_back && !ran.outcome.submitted(), "{:?}", ran.outcome);
    let (steps, last) =
        (stage.posts("/step1").len() + stage.posts("/step2").len(), stage.posts("/step3").len());
    assert_eq!((ran.record.get().pages, steps, last), (3, 2, 0));
}

#[tokio::test]
async fn a_step_that_may_have_been_the_last_is_never_told_as_one_to_try_again() {
    // Sent by "Continue"; what comes back has neither a question nor a word about it.
    let stage = Stage::start(&[
        ("GET /", form("<button>Continue</button>")),
        ("POST /sent", page("<h1>Acme</h1><p>Engines.</p>")),
    ])
    .await;
    let ran = Run::on(stage.url("/")).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("submit_unconfirmed")));
    assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (1, 0, 1));
    assert_eq!(ran.record.get().sending, Sending::Pressed);
}

#[tokio::test]
async fn what_is_pressed_to_fill_a_page_does_not_send_it() {
    // Buttons that submit by their markup: a closed section, a row to add; and Enter in a list without a list.
    let body = "<h1>Clerk</h1><form method=post action=/sent>
        <label>First name <input name=first></label><label>Email <input name=email></label>
        <button aria-expanded=false aria-controls=more>More about you</button>
        <div id=more hidden><label>Phone <input name=phone></label></div>
        <label>City <input name=city role=combobox aria-autocomplete=list></label>
        <h3>Work experience</h3><button>Add another job</button><button>Add experience</button>
        <button>Submit application</button></form>";
    let stage = Stage::start(&[("GET /", page(body)), ("POST /sent", page(THANKS))]).await;
    let mut run = Run::on(stage.url("/")).fact("city", "London");
    run.permit = Permit::Refused("an earlier attempt was given it".into());
    let ran = run.go().await;
    assert_eq!(stage.writes().len(), 0, "{:?} {:?}", ran.outcome, stage.writes());
}

/// Ways by which pages send without a button that says so.
const WAYS: [&str; 6] = [
    "f.onchange = () => fetch('/sent', { method: 'POST', body: data() })",
    "f.addEventListener('focusout', () => { if (f.email.value) f.submit(); })",
    "f.addEventListener('focusout', () => navigator.sendBeacon('/sent', data()))",
    "f.addEventListener('focusout', () => { new Image().src = '/sent?' + data(); })",
    "const w = new Worker(URL.createObjectURL(new Blob([\"onmessage = (it) => fetch(it.data[0], { method: 'POST', body: it.data[1] })\"]))); f.addEventListener('focusout', () => w.postMessage([location.origin + '/sent', data().toString()]))",
    "const s = new WebSocket(location.origin.replace('http', 'ws') + '/sent'); f.onchange = () => s.readyState === 1 && s.send(data().toString())",
];

#[tokio::test]
async fn a_page_that_sends_by_itself_sends_nothing_while_it_is_held_back_and_is_not_tried_again_otherwise() {
    for way in WAYS {
        let body = format!(
            "<h1>Clerk</h1><form id=f onsubmit='return false'><label>First name <input name=first></label><label>Email <input name=email></label></form>
             <script>const f = document.getElementById('f'), data = () => new URLSearchParams(new FormData(f)); {way};</script>"
        );
        let stage = Stage::start(&[("GET /", page(body)), ("POST /sent", page("<h1>Acme</h1>"))]).await;
        let told = |stage: &Stage| {
            stage.writes().len()
                + stage.log().iter().filter(|got| got.path == "/sent" && got.query.contains("Ada")).count()
        };
        let mut run = Run::on(stage.url("/"));
        run.input.submit = Submit::HoldBack;
        let ran = run.go().await;
        assert!(!ran.outcome.submitted(), "{way}: {:?}", ran.outcome);
        assert_eq!(told(&stage), 0, "{way}");
        let ran = Run::on(stage.url("/")).go().await;
        assert!(told(&stage) == 0 || ran.outcome.class == EndClass::Final, "{way}: {:?}", ran.outcome);
    }
}

#[tokio::test]
async fn a_dialog_that_asks_back_is_answered_under_the_permit_and_not_at_all_while_held_back() {
    let body = "<h1>Clerk</h1><form id=f><label>First name <input name=first></label><label>Email <input name=email></label><button type=button id=go>Continue</button></form>
        <dialog id=d><p>Send your application now?</p><button id=yes>Yes, send it</button><button>Cancel</button></dialog>
        <script>const f = document.getElementById('f'), d = document.getElementById('d'); document.getElementById('go').onclick = () => d.showModal();
        document.getElementById('yes').onclick = async () => { await fetch('/sent', { method: 'POST', body: new URLSearchParams(new FormData(f)) }); document.body.innerHTML = '<h1>Thank you for applying</h1>'; };</script>";
    let stage = Stage::start(&[("GET /", page(body)), ("POST /sent", page("{}"))]).await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (2, 1, 1));
    let mut run = Run::on(stage.url("/"));
    run.input.submit = Submit::HoldBack;
    let ran = run.go().await;
    assert!(ran.outcome.held_back && stage.writes().len() == 1, "{:?}", ran.outcome);
}

#[tokio::test]
async fn a_button_that_asks_for_a_token_before_it_sends_is_waited_for() {
    // As with a bot check of the invisible kind: nothing that writes leaves for longer than a page usually takes.
    let form = page(format!(
        "<title>Apply</title><h1>Clerk</h1><div><label>First name <input id=n name=first></label><label>Last name <input name=last></label>
         <label>Email <input name=email></label><button id=b>Submit application</button></div>
         <script>document.getElementById('b').onclick = async () => {{ await fetch('/token'); await fetch('/sent', {{ method: 'POST', body: document.getElementById('n').value }});
           document.body.innerHTML = '{THANKS}'; }}</script>"
    ));
    let stage =
        Stage::start(&[("GET /", form), ("GET /token", page("{}").after(16)), ("POST /sent", page("{}"))])
            .await;
    let ran = Run::on(stage.url("/")).go().await;
    assert!(ran.outcome.submitted(), "{:?}", ran.outcome);
    assert_eq!((ran.permits_asked, ran.permits_returned, stage.writes().len()), (1, 0, 1));
}

#[tokio::test]
async fn questions_behind_a_button_that_says_submit_do_not_prove_that_nothing_was_sent() {
    let survey = page(
        "<title>Clerk</title><h1>How did we do?</h1><form method=post action=/survey><label>Which newspaper do you read <input name=paper></label><button>Continue</button></form>",
    );
    let stage = Stage::start(&[
        ("GET /", form("<button>Submit application</button>")),
        ("POST /sent", see("/survey")),
        ("GET /survey", survey),
        ("POST /survey", page(THANKS)),
    ])
    .await;
    let ran = Run::on(stage.url("/")).go().await;
    assert_eq!((ran.permits_asked, ran.permits_returned), (1, 0), "{:?}", ran.outcome);
}
