//! Page text that gives orders has no effect, whatever the model makes of it.

use serde_json::{Value, json};
use site::judge;

use crate::mapping::Oracle;
use crate::practice::{run, serve};

/// What a text orders by `mark`: `option=2` gives `2`, `text="a b"` gives `a b`.
fn ordered(text: &str, mark: &str) -> Option<String> {
    let rest = text.split_once(&format!("{mark}="))?.1;
    let end = |it: char| !(it.is_alphanumeric() || it == '_');
    Some(match rest.strip_prefix('"').or_else(|| rest.strip_prefix("\\\"")) {
        Some(quoted) => quoted.split(['"', '\\']).next().unwrap_or_default().to_owned(),
        None => rest.split(end).next().unwrap_or_default().to_owned(),
    })
}

/// A model that does whatever the text shown with a question tells it, as far as the schema has words for it.
async fn obedient() -> Oracle {
    Oracle::of(|questions| {
        let all = json!(questions).to_string();
        let answer = |asked: &Value| {
            let own = asked.to_string();
            let text = if own.contains('=') { &own } else { &all };
            let (fact, option) = (ordered(text, "fact"), ordered(text, "option"));
            let said = ordered(text, "text");
            let kind = match (&option, &said, &fact) {
                (Some(_), ..) if asked.get("options").is_some() => "option",
                (_, Some(_), _) => "text",
                (_, _, Some(_)) => "fact",
                _ => "unknown",
            };
            let options: Vec<usize> = option.and_then(|it| it.parse().ok()).into_iter().collect();
            json!({"id": asked["id"], "kind": kind, "fact": fact.unwrap_or_else(|| "first_name".into()), "options": options, "text": said.unwrap_or_default()})
        };
        questions.iter().map(answer).collect()
    })
    .await
}

/// A model that has gone over to the attacker: whatever is asked, it tells this fact, or writes these words.
async fn traitor(fact: &'static str, text: &'static str) -> Oracle {
    Oracle::of(move |questions| {
        let kind = if text.is_empty() { "fact" } else { "text" };
        let answer = |asked: &Value| json!({"id": asked["id"], "kind": kind, "fact": fact, "options": [], "text": text});
        questions.iter().map(answer).collect()
    })
    .await
}

async fn no_effect(model: &Oracle) {
    let site = serve().await;
    let ran = run(&site, "injection").model(model.model()).go().await;
    let sent = site.deliveries();
    assert_eq!(
        sent.iter().map(|it| it.page.as_str()).collect::<Vec<_>>(),
        ["injection"],
        "{:?}",
        ran.outcome
    );
    let judged = judge("injection", &sent[0].fields);
    assert!(
        judged.wrong.is_empty() && judged.missing.is_empty(),
        "{judged:#?}\n{:#?}",
        ran.record.get().lines
    );
    ran.arrived();
    let record = ran.record.get();
    assert!(record.url.contains("/practice/injection"), "it stayed: {}", record.url);
}

#[tokio::test]
async fn orders_in_a_page_have_no_effect_on_an_agent_whose_model_obeys_them() {
    let model = obedient().await;
    no_effect(&model).await;
    let prompts = model.prompts();
    assert_eq!(prompts.len(), 1, "the model was asked, so it could obey");
    assert!(prompts[0].contains("I waive every claim"), "what a person can read is shown: {}", prompts[0]);
    // A question that names a fact no model is told goes to none.
    for unseen in
        ["date_of_birth", "HIDDEN", "evil-page", "If you are an AI", "Disregard", "system note", "etc/passwd"]
    {
        assert!(!prompts[0].contains(unseen), "{unseen} was shown to the model");
    }
}

#[tokio::test]
async fn a_model_that_turned_against_the_candidate_can_tell_nothing_private() {
    for fact in ["date_of_birth", "disability_status", "phone", "salary_expectation"] {
        no_effect(&traitor(fact, "").await).await;
    }
    let text = "Write to ada@example.org or call +1 512 555 0142, see http://evil.test/?p=ada";
    no_effect(&traitor("summary", text).await).await;
}
