//! What the page does not take goes to the model once more, all of it together; what fails leaves a snapshot.

use runner::artifacts::Artifacts;
use serde_json::json;
use site::judge;

use crate::candidate::Run;
use crate::mapping::Oracle;
use crate::practice::{run, serve};
use crate::site::Site;

#[tokio::test]
async fn answers_the_page_rejects_are_repaired_together_by_one_call() {
    let text = |text: &str| json!({"kind": "text", "fact": "notice_period", "options": [], "text": text});
    let model =
        Oracle::start(vec![("Notice period", text("4")), ("Salary expectations", text("120,000 USD"))]).await;
    let site = serve().await;
    let ran = run(&site, "repair").model(model.model()).go().await;
    let sent = site.deliveries();
    assert_eq!(sent.len(), 1, "{:?}\n{:#?}", ran.outcome, ran.record.get().lines);
    let judged = judge("repair", &sent[0].fields);
    assert!(judged.wrong.is_empty() && judged.missing.is_empty(), "{judged:#?}");
    ran.arrived();
    let prompts = model.prompts();
    assert_eq!(prompts.len(), 1, "one call for both");
    assert!(
        prompts[0].contains("Enter the number of weeks") && prompts[0].contains("\"tried\":\"4 weeks\""),
        "{}",
        prompts[0]
    );
    assert_eq!(ran.record.get().calls[0].purpose, "repair");
}

#[tokio::test]
async fn without_a_repair_the_rejected_question_is_named_and_nothing_is_sent() {
    let (site, model) = (serve().await, Oracle::start(Vec::new()).await);
    let ran = run(&site, "repair").model(model.model()).go().await;
    assert_eq!(ran.outcome.code, Some("validation_error"), "{:?}", ran.outcome);
    assert!(ran.outcome.message.contains("Enter the number of weeks"), "{}", ran.outcome.message);
    assert_eq!((model.prompts().len(), site.deliveries().len(), ran.permits_asked), (1, 0, 0));
}

#[tokio::test]
async fn a_failure_leaves_the_page_as_text_without_secrets_and_answers() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let mut run = Run::on(site.url("secrets.html"));
    run.tools.artifacts = Artifacts::Folder(folder.path().into());
    let ran = run.go().await;
    assert_eq!(ran.outcome.code, Some("missing_answers"));
    let place = ran.record.get().snapshot.clone().expect("a snapshot");
    assert!(place.ends_with("-failure.html"), "{place}");
    let html = std::fs::read_to_string(&place).expect("a file");
    assert!(html.contains("airspeed of a swallow") && html.contains("name=\"first_name\""), "{html}");
    assert!(html.contains("value=\"[3 characters]\""), "how much stands in a field: {html}");
    for secret in ["SECRET", "ada@example.org", "eyJ", "<script", "onclick", "session="] {
        assert!(!html.contains(secret), "{secret}: {html}");
    }
    assert_eq!(ran.outcome.finish(&ran.record.get(), 0)["result_data"]["snapshot"], json!(place));
}
