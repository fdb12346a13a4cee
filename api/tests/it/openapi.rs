//! The description of the service, and that the service keeps to it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Ask, Service, user};

fn description() -> Value {
    serde_json::from_str(&api::app::description().expect("the service can be described")).expect("JSON")
}

/// `cargo run -p api -- openapi > docs/openapi.json` writes the file again.
#[tokio::test]
async fn the_file_in_docs_is_the_one_the_code_gives() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json"))
        .expect("the file");
    assert!(
        kept == api::app::description().expect("a description"),
        "run: cargo run -p api -- openapi > docs/openapi.json"
    );
}

#[tokio::test]
async fn the_description_is_served_to_programs_and_people() {
    let service = Service::start().await;
    let served = service.request(Method::GET, "/openapi.json").answer().await;
    assert_eq!(served.body, description());
    assert_eq!(served.body["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let page =
        service.request(Method::GET, "/docs").send().await.expect("an answer").text().await.expect("a page");
    for path in description()["paths"].as_object().expect("paths").keys() {
        assert!(page.contains(path.as_str()), "{path}");
    }
    assert!(!page.contains("<script"));
}

#[tokio::test]
async fn every_path_names_its_refusals_and_its_security() {
    for (path, methods) in description()["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let responses = operation["responses"].as_object().expect("responses");
            let is_open = path.starts_with("/health")
                || ["/monitoring/health", "/monitoring/metrics", "/api/v1/gh/models"]
                    .contains(&path.as_str());
            assert!(responses.contains_key("429"), "{method} {path}");
            assert_eq!(responses.contains_key("401"), !is_open, "{method} {path}");
            assert_eq!(operation["security"].is_array(), !is_open, "{method} {path}");
            assert_eq!(
                responses.contains_key("400"),
                operation["requestBody"].is_object(),
                "{method} {path}"
            );
            assert_eq!(
                responses.contains_key("404"),
                path.contains('{') || responses.contains_key("404"),
                "{method} {path}"
            );
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
}

/// Whether `value` has the properties of `schema`, all required ones and no other.
fn check(description: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        return check(description, &description["components"]["schemas"][name], value, at);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        assert!(part.is_object(), "{at}");
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    let value = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.contains_key(required.as_str().expect("a name")), "{at}.{required} is missing");
    }
    for (name, inner) in value {
        let at = format!("{at}.{name}");
        let property = properties.get(name).unwrap_or_else(|| panic!("{at} is not described"));
        if inner.is_object() {
            check(description, property, inner, &at);
        }
        if let (Some(items), Some(inner)) = (property.get("items"), inner.as_array()) {
            for inner in inner {
                check(description, items, inner, &at);
            }
        }
    }
}

#[tokio::test]
async fn answers_have_the_shape_that_is_described() {
    let service = Service::start().await;
    let id = service.job(json!({ "idempotency_key": "k" })).await;
    let description = description();
    for (path, asked) in [
        ("/jobs", "/jobs".to_owned()),
        ("/jobs/{id}", format!("/jobs/{id}")),
        ("/jobs/{id}/status", format!("/jobs/{id}/status")),
        ("/jobs/{id}/events", format!("/jobs/{id}/events")),
        ("/valet/status/{id}", format!("/valet/status/{id}")),
        ("/valet/sessions/{user}", format!("/valet/sessions/{}", user())),
        ("/users/{user}/usage", format!("/users/{}/usage", user())),
        ("/models", "/models".to_owned()),
    ] {
        let answer = service.get(&asked).await;
        let operation = &description["paths"][format!("/api/v1/gh{path}")]["get"];
        let response = &operation["responses"][answer.status.as_str()];
        assert!(response.is_object(), "{path} answered {}", answer.status);
        check(&description, &response["content"]["application/json"]["schema"], &answer.body, path);
    }
    let refusal = service.get("/jobs/nope").await.body;
    check(&description, &json!({ "$ref": "#/components/schemas/Refusal" }), &refusal, "refusal");
}
