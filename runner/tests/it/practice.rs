//! Pages built like the systems companies use arrive complete and right, judged by what they committed.

use serde_json::Value;
use site::{Handle, judge, practice_candidate, sample_resume};

use crate::apart::apart;
use crate::candidate::{Ran, Run};

pub async fn serve() -> Handle {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    site::serve(listener, sample_resume()).expect("a site")
}

pub fn run(site: &Handle, page: &str) -> Run {
    let mut run = Run::on(format!("{}/practice/{page}", site.url()));
    let candidate: Value = serde_json::from_str(practice_candidate()).expect("JSON");
    run.input.user_data = candidate["user_data"].as_object().expect("an object").clone();
    run.input.qa_overrides = serde_json::from_value(candidate["qa_overrides"].clone()).expect("answers");
    run
}

/// Fills a page and expects every field of its oracle.
async fn fill(page: &str) -> Ran {
    let site = serve().await;
    let run = run(&site, page);
    expect_all(page, run, &site).await
}

/// The same page in a frame of another site, as a company shows its system's form, with a process for each site.
async fn fill_apart(page: &str) {
    let (site, folder) = (serve().await, tempfile::tempdir().expect("a folder"));
    let address = if page == "icims" { page.to_owned() } else { format!("framed?page={page}") };
    let mut run = run(&site, &address);
    run.tools.browser = apart(run.tools.browser, folder.path());
    expect_all(page, run, &site).await;
}

async fn expect_all(page: &str, run: Run, site: &Handle) -> Ran {
    let ran = run.go().await;
    let deliveries = site.deliveries();
    let fields = deliveries.last().map(|delivery| delivery.fields.clone()).unwrap_or_default();
    let judgement = judge(page, &fields);
    let lines: Vec<String> = ran
        .record
        .get()
        .lines
        .iter()
        .map(|line| {
            format!(
                "{} [{}] {:?} <- {:?} = {:?} {:?} {}",
                line.question, line.kind, line.section, line.fact, line.read_back, line.state, line.error
            )
        })
        .collect();
    assert!(
        judgement.wrong.is_empty() && judgement.missing.is_empty(),
        "{judgement:#?}\n{:?}\n{lines:#?}",
        ran.outcome
    );
    ran.arrived();
    assert_eq!(deliveries.len(), 1, "sent once");
    ran
}

macro_rules! complete {
    ($($name:ident: $page:literal $(in $way:ident)?),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            complete!(@ $page $($way)?);
        }
    )*};
    (@ $page:literal) => { fill($page).await };
    (@ $page:literal frame) => { fill_apart($page).await };
}

complete! {
    greenhouse_is_complete: "greenhouse",
    classic_greenhouse_is_complete: "greenhouse-classic",
    lever_is_complete_although_its_parser_overwrites_fields: "lever",
    ashby_is_complete: "ashby",
    workday_is_complete_to_its_last_step: "workday",
    icims_is_complete_inside_its_frame: "icims",
    smartrecruiters_is_complete_behind_closed_shadow_roots: "smartrecruiters",
    workable_is_complete: "workable",
    personio_is_complete_in_german: "personio",
    dates_of_every_family_are_right: "dates",
    several_answers_are_all_chosen: "several",
    a_file_is_uploaded_without_an_input: "uploads",
    collapsed_sections_are_opened: "collapsed",
    a_form_in_a_new_tab_is_found: "newtab",
    questions_that_answers_reveal_are_answered: "cascade",
    icims_is_complete_in_a_process_of_its_own: "icims" in frame,
    greenhouse_is_complete_in_a_process_of_its_own: "greenhouse" in frame,
    smartrecruiters_is_complete_in_a_process_of_its_own: "smartrecruiters" in frame,
    dates_are_right_in_a_process_of_their_own: "dates" in frame,
    a_file_is_uploaded_in_a_process_of_its_own: "uploads" in frame,
}
