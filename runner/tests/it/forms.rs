//! Each kind of form arrives with every field right.

use runner::act::State;
use runner::decide::Source;

use crate::apart::apart;
use crate::candidate::Run;
use crate::site::Site;

#[tokio::test]
async fn a_classic_form_arrives_with_every_native_widget_right() {
    let site = Site::start().await;
    let ran = Run::on(site.url("classic.html")).go().await;
    ran.arrived();
    let sent = site.only();
    for (name, value) in [
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("email", "ada@example.org"),
        ("phone", "+44 20 7946 0018"),
        ("urls[LinkedIn]", "https://www.linkedin.com/in/ada"),
        ("country", "US"),
        ("years", "7"),
        ("start_date", "2027-01-04"),
        ("authorized", "on-1"),
        ("sponsor", "n"),
        ("why", "Because engines should compute."),
        ("middle_name", ""),
        ("website_url", ""),
        ("token", "t-1"),
        ("terms", "1"),
    ] {
        assert_eq!(sent.one(name), Some(value), "{name}");
    }
    assert_eq!(sent.all("skills"), ["rust", "sql"]);
    assert_eq!(sent.all("languages"), ["English", "French"]);
    assert_eq!(sent.all("news"), Vec::<&str>::new());
    assert!(sent.one("resume").is_some_and(|file| file.starts_with("resume.pdf:")));
    assert_eq!(ran.line("Email address").state, State::PrefilledOk);
    assert_eq!(ran.line("Why do you want").source, Source::Answer);
    assert_eq!(ran.line("Middle name").state, State::SkippedOptional);
    assert!(ran.record.get().calls.is_empty(), "rules and answers cover it");
}

#[tokio::test]
async fn custom_widgets_commit_what_they_show() {
    let site = Site::start().await;
    let ran = Run::on(site.url("widgets.html"))
        .fact("degree", "Bachelor's degree")
        .fact("phone", "+1 512 555 0100")
        .fact("summary", "I draw – and code.")
        .fact("notice_period", "4 weeks")
        .go()
        .await;
    ran.arrived();
    let sent = site.only();
    for (name, value) in [
        ("name", "Ada Lovelace"),
        ("email", "ada@example.org"),
        ("country", "United States of America"),
        ("city", "Austin, TX, USA"),
        ("authorized", "Yes"),
        ("education", "Bachelor's degree"),
        ("phone", "(512) 555-0100"),
        ("about", "I draw – and code."),
        ("notice", "4 weeks"),
        ("trap", ""),
    ] {
        assert_eq!(sent.one(name), Some(value), "{name}: {:#?}", ran.record.get().lines);
    }
    assert!(sent.one("resume").is_some_and(|file| file.starts_with("resume.pdf:")));
}

#[tokio::test]
async fn a_wizard_is_walked_to_its_end_in_its_own_language() {
    let site = Site::start().await;
    let ran = Run::on(site.url("wizard.html")).fact("salary_expectation", "70.000 EUR").go().await;
    ran.arrived();
    let sent = site.only();
    for (name, value) in [
        ("vorname", "Ada"),
        ("nachname", "Lovelace"),
        ("email", "ada@example.org"),
        ("telefon", "+44 20 7946 0018"),
        ("gehalt", "70.000 EUR"),
        ("start", "04.01.2027"),
    ] {
        assert_eq!(sent.one(name), Some(value), "{name}");
    }
    assert_eq!(ran.record.get().pages, 3);
}

#[tokio::test]
async fn fields_in_open_and_closed_shadow_roots_are_filled() {
    let site = Site::start().await;
    Run::on(site.url("shadow.html")).go().await.arrived();
    let sent = site.only();
    assert_eq!(
        (sent.one("first"), sent.one("last"), sent.one("email")),
        (Some("Ada"), Some("Lovelace"), Some("ada@example.org"))
    );
}

#[tokio::test]
async fn a_form_in_a_frame_of_another_site_is_filled() {
    let site = Site::start().await;
    Run::on(site.url("iframe.html")).go().await.arrived();
    let sent = site.only();
    assert_eq!(
        (sent.one("first_name"), sent.one("country"), sent.one("terms")),
        (Some("Ada"), Some("United States"), Some("on"))
    );
}

#[tokio::test]
async fn a_form_in_a_frame_that_is_kept_apart_in_any_way_is_filled() {
    for kind in ["plain", "shadow", "nested", "sandbox", "agent-cluster"] {
        let site = Site::start().await;
        let ran = Run::on(site.url(&format!("frames.html?kind={kind}"))).go().await;
        assert!(ran.outcome.submitted(), "{kind}: {:?}", ran.outcome);
        assert_eq!(site.only().one("country"), Some("United States"), "{kind}");
    }
}

#[tokio::test]
async fn a_form_in_a_frame_with_a_process_of_its_own_is_filled() {
    for kind in ["plain", "shadow", "nested", "sandbox", "agent-cluster"] {
        let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
        let mut run = Run::on(site.url(&format!("frames.html?kind={kind}")));
        run.tools.browser = apart(run.tools.browser, folder.path());
        let ran = run.go().await;
        assert!(ran.outcome.submitted(), "{kind}: {:?}", ran.outcome);
        assert_eq!(site.only().one("country"), Some("United States"), "{kind}");
    }
}

#[tokio::test]
async fn dialogs_of_a_page_do_not_hold_it_up() {
    let site = Site::start().await;
    Run::on(site.url("dialogs.html")).go().await.arrived();
    assert_eq!(site.only().one("said"), Some("null true"), "words are given to none, leave to what is sent");
}

#[tokio::test]
async fn an_advertisement_is_left_by_its_apply_link() {
    let site = Site::start().await;
    Run::on(site.url("advert.html")).go().await.arrived();
    assert_eq!(site.only().form, "iframe");
}

#[tokio::test]
async fn a_required_question_nobody_can_answer_stops_the_job_for_a_person() {
    let site = Site::start().await;
    let ran = Run::on(site.url("unknown.html")).go().await;
    assert_eq!(ran.outcome.code, Some("missing_answers"), "{:?}", ran.outcome);
    assert!(
        ran.outcome.message.contains("convicted of a felony") && ran.outcome.message.contains("products"),
        "{}",
        ran.outcome.message
    );
    assert_eq!((ran.line("felony").state, ran.line("felony").value), (State::NeedsHuman, None));
    assert_eq!(ran.line("Gender").value.as_deref(), Some("Female"));
    assert_eq!((ran.permits_asked, site.sent().len()), (0, 0));
}

#[tokio::test]
async fn the_candidates_own_answers_settle_it() {
    let site = Site::start().await;
    let ran = Run::on(site.url("unknown.html"))
        .answer("Have you ever been convicted of a felony?", "No")
        .answer("which of our products do you use", "Engines")
        .go()
        .await;
    ran.arrived();
    let sent = site.only();
    assert_eq!(
        (sent.one("felony"), sent.one("product"), sent.one("gender")),
        (Some("0"), Some("Engines"), Some("Female"))
    );
}
