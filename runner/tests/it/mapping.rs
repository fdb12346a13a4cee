//! The model is asked once, for what is left, and believed only within bounds.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::routing::post;
use runner::decide::Source;
use runner::decide::model::Model;
use serde_json::{Value, json};

use crate::candidate::Run;
use crate::site::Site;

/// A model server that answers each question by a fixed table of question → answer object.
pub struct Oracle {
    url: String,
    prompts: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Oracle {
    pub async fn start(answers: Vec<(&'static str, Value)>) -> Self {
        Self::of(move |questions| questions.iter().map(|asked| reply(asked, &answers)).collect()).await
    }

    /// A model whose answers to the questions of a page are made by `answers`.
    pub async fn of(answers: impl Fn(&[Value]) -> Vec<Value> + Send + Sync + 'static) -> Self {
        Self::saying(move |prompt| json!({"answers": answers(&questions(prompt))})).await
    }

    /// A model that says to each prompt what `say` does, in the wire format of the real one.
    pub async fn saying(say: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        let prompts: Arc<Mutex<Vec<String>>> = Arc::default();
        let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (seen, whole, say) = (Arc::clone(&prompts), Arc::clone(&requests), Arc::new(say));
        let answer = move |Json(body): Json<Value>| {
            let prompt = body["messages"][1]["content"].as_str().expect("a prompt").to_owned();
            let content = say(&prompt).to_string();
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(prompt);
            whole.lock().unwrap_or_else(PoisonError::into_inner).push(body);
            let usage = json!({"prompt_tokens": 900, "completion_tokens": 80});
            async move {
                Json(
                    json!({"id": "c-1", "choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": usage}),
                )
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = axum::Router::new().route("/chat/completions", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, prompts, requests }
    }

    pub fn model(&self) -> Model {
        let lookup = |name: &str| match name {
            "OPENAI_API_KEY" => Some("k".to_owned()),
            "GH_OPENAI_BASE_URL" => Some(self.url.clone()),
            _ => None,
        };
        Model::from_lookup("gpt-4o-mini", lookup).expect("a model")
    }

    pub fn prompts(&self) -> Vec<String> {
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that reached the model's vendor, as text.
    pub fn told(&self) -> String {
        json!(*self.requests.lock().unwrap_or_else(PoisonError::into_inner)).to_string()
    }
}

fn questions(prompt: &str) -> Vec<Value> {
    let fenced = prompt.split_once(">\n").and_then(|(_, rest)| rest.rsplit_once("\n</")).expect("a fence").0;
    serde_json::from_str(fenced).expect("questions")
}

fn reply(asked: &Value, answers: &[(&str, Value)]) -> Value {
    let text = asked["question"].as_str().expect("a question");
    let known = answers.iter().find(|(part, _)| text.contains(part)).map(|(_, answer)| answer.clone());
    let mut answer =
        known.unwrap_or_else(|| json!({"kind": "unknown", "fact": "", "options": [], "text": ""}));
    answer["id"] = asked["id"].clone();
    answer
}

#[tokio::test]
async fn what_rules_leave_is_asked_once_and_billed() {
    let product = json!({"kind": "option", "fact": "summary", "options": [2], "text": ""});
    let oracle = Oracle::start(vec![("products", product)]).await;
    let site = Site::start().await;
    let ran = Run::on(site.url("unknown.html"))
        .fact("summary", "I use your Engines every day")
        .answer("Have you ever been convicted of a felony?", "No")
        .model(oracle.model())
        .go()
        .await;
    ran.arrived();
    assert_eq!(site.only().one("product"), Some("Engines"));
    assert_eq!(ran.line("products").source, Source::Model);
    let record = ran.record.get();
    let [call] = record.calls.as_slice() else { panic!("one call, not {}", record.calls.len()) };
    assert_eq!((call.input, call.output, call.cost_micros), (900, 80, Some(183)));
    let prompts = oracle.prompts();
    assert_eq!(prompts.len(), 1);
    assert!(!prompts[0].contains("First name"), "what rules answered is not asked");
}

#[tokio::test]
async fn a_legal_answer_without_a_fact_of_the_candidate_is_not_believed() {
    let invented = json!({"kind": "option", "fact": "first_name", "options": [1], "text": ""});
    let product = json!({"kind": "option", "fact": "first_name", "options": [1], "text": ""});
    let oracle = Oracle::start(vec![("felony", invented), ("products", product)]).await;
    let site = Site::start().await;
    let ran = Run::on(site.url("unknown.html")).model(oracle.model()).go().await;
    assert_eq!(ran.outcome.code, Some("missing_answers"));
    assert_eq!(ran.line("felony").value, None);
    assert!(!oracle.prompts()[0].contains("felony"), "it is not even asked: no fact could support an answer");
    assert_eq!(site.sent().len(), 0);
}

#[tokio::test]
async fn a_call_that_might_cost_more_than_is_left_is_not_made() {
    let oracle = Oracle::start(Vec::new()).await;
    let site = Site::start().await;
    let mut run = Run::on(site.url("unknown.html")).model(oracle.model());
    run.input.budget = domain::money::MicroUsd(100);
    let ran = run.go().await;
    assert_eq!(oracle.prompts().len(), 0);
    assert!(ran.events.contains(&"budget_preflight_failed"));
    assert_eq!(ran.outcome.code, Some("missing_answers"));
}
