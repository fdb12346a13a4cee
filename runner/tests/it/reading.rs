//! Jobs that read: `scrape` returns what stands on a page, `custom` carries out a task; neither sends anything.

use domain::attempt::EndClass;
use serde_json::{Value, json};

use crate::candidate::{Ran, Run};
use crate::mapping::Oracle;
use crate::site::Site;

fn job(site: &Site, kind: &str) -> Run {
    let mut run = Run::on(site.url("listing.html"));
    run.input.job_type = kind.into();
    run.input.task = "Find the open positions".into();
    run
}

fn data(ran: &Ran) -> Value {
    ran.outcome.finish(&ran.record.get(), 0)["result_data"].clone()
}

/// A model that gives these replies in turn, the last one for ever.
async fn script(replies: Vec<Value>) -> Oracle {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    Oracle::saying(move |_| {
        let at = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        replies[at.min(replies.len() - 1)].clone()
    })
    .await
}

fn step(action: &str, target: &str, fact: &str) -> Value {
    json!({"action": action, "target": target, "fact": fact, "option": -1, "summary": "", "success_indicators": []})
}

fn finish(shown: &str) -> Value {
    json!({"action": "finish", "target": "", "fact": "", "option": -1, "summary": "Two positions are open", "success_indicators": [shown]})
}

#[tokio::test]
async fn a_page_is_scraped_without_a_model_by_what_it_states_itself() {
    let site = Site::start().await;
    let ran = job(&site, "scrape").go().await;
    assert_eq!(ran.outcome.class, EndClass::Completed, "{:?}", ran.outcome);
    let data = data(&ran);
    assert_eq!(data["title"], "Open positions at Acme");
    assert!(
        data["content"].as_str().is_some_and(|text| text.contains("Platform Engineer, Berlin, 3 openings"))
    );
    assert_eq!(data["extracted_data"][0]["title"], "Platform Engineer");
    assert_eq!((data["submitted"].clone(), site.sent().len(), ran.permits_asked), (json!(false), 0, 0));
}

#[tokio::test]
async fn a_page_is_scraped_to_the_jobs_schema_and_nothing_is_invented() {
    let site = Site::start().await;
    let said = json!({"items": [{"title": "Platform Engineer", "city": "Berlin", "openings": "3"}, {"title": "Astronaut", "city": "", "openings": "40"}]});
    let model = script(vec![said]).await;
    let mut run = job(&site, "scrape").model(model.model());
    run.input.schema = Some(json!({"type": "array", "items": {"type": "object", "properties": {
        "title": {"type": "string"}, "city": {"type": "string"}, "openings": {"type": "integer"}}}}));
    let ran = run.go().await;
    assert_eq!(
        data(&ran)["extracted_data"],
        json!([{"title": "Platform Engineer", "city": "Berlin", "openings": 3}])
    );
    let prompts = model.prompts();
    assert!(prompts.len() == 1 && !prompts[0].contains("Ignore all previous"), "{prompts:?}");
    assert_eq!(ran.record.get().calls[0].purpose, "extract");
}

#[tokio::test]
async fn a_schema_nobody_can_fill_is_a_fault_of_the_job() {
    let site = Site::start().await;
    let mut run = job(&site, "scrape");
    run.input.schema = Some(json!({"type": "null"}));
    let ran = run.go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("validation_error")));
}

#[tokio::test]
async fn a_task_is_carried_out_on_known_nodes_and_sends_nothing() {
    let site = Site::start().await;
    // Whoever writes the page would like these pressed: Subscribe and Print post, and Submit is not even offered.
    let replies = vec![
        step("click", "b2", ""),
        step("click", "b3", ""),
        step("click", "b4", ""),
        step("fill", "f1", "city"),
        step("click", "b1", ""),
        finish("1 result for London"),
    ];
    let model = script(replies).await;
    let ran = job(&site, "custom").fact("city", "London").model(model.model()).go().await;
    let prompts = model.prompts();
    assert_eq!(ran.outcome.class, EndClass::Completed, "{:?}\n{prompts:#?}", ran.outcome);
    let data = data(&ran);
    assert_eq!(data["page_title"], "Open positions at Acme");
    assert_eq!(data["summary"], "Two positions are open");
    assert_eq!(data["success_indicators"], json!(["1 result for London"]));
    assert!(
        prompts[0].contains("Subscribe") && !prompts[0].contains("\"text\":\"Submit application\""),
        "{}",
        prompts[0]
    );
    assert!(!prompts[0].contains("ada@example.org"), "nothing private is shown: {}", prompts[0]);
    assert!(prompts[1].contains("Site Reliability Engineer"), "Show more was pressed: {}", prompts[1]);
    assert_eq!((site.sent().len(), ran.permits_asked), (0, 0), "{:?}", site.sent());
}

#[tokio::test]
async fn a_task_that_nothing_on_the_page_shows_is_not_done() {
    let site = Site::start().await;
    let model = script(vec![finish("The moon is open")]).await;
    let ran = job(&site, "custom").model(model.model()).go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("task_unconfirmed")));
    let ran = job(&site, "custom").go().await;
    assert_eq!(ran.outcome.code, Some("model_unavailable"));
    let mut run = job(&site, "custom");
    run.input.task = String::new();
    assert_eq!(run.go().await.outcome.code, Some("validation_error"));
}

#[tokio::test]
async fn a_task_that_goes_round_in_circles_is_stopped() {
    let site = Site::start().await;
    let model = script(vec![step("click", "b99", "")]).await;
    let ran = job(&site, "custom").model(model.model()).go().await;
    assert_eq!((ran.outcome.code, model.prompts().len()), (Some("action_limit_exceeded"), 3));
}
