//! `GET /models`.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Ask, Service};

#[tokio::test]
async fn the_models_are_listed_to_everyone() {
    let service = Service::start().await;
    let answer = service.request(Method::GET, "/api/v1/gh/models").answer().await;
    assert_eq!(answer.status, 200);
    let models = answer.body["models"].as_array().expect("models");
    assert_eq!(answer.body["total"], json!(models.len()));
    let mini = models.iter().find(|model| model["alias"] == "gpt-4o-mini").expect("a model of the contract");
    let expected = json!({
        "alias": "gpt-4o-mini", "model": "gpt-4o-mini", "provider": "openai", "provider_name": "OpenAI", "vision": true,
        "cost": { "input": 0.15, "output": 0.6, "unit": "per_million_tokens" }, "note": null,
    });
    assert_eq!(mini, &expected);
    let presets: Vec<_> = answer.body["presets"]
        .as_array()
        .expect("presets")
        .iter()
        .map(|preset| preset["name"].clone())
        .collect();
    assert_eq!(presets, ["balanced", "premium", "quality", "speed"]);
    assert!(answer.body["default"].is_string());
}
