//! That the description of a body is as tight as the rules behind it: what stands at a described bound is taken, what lies beyond
//! is refused by name, and where nothing is described nothing is refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Ask, KEY, Service, user};
use crate::security::{body, operations};

/// One described value of a body: where it stands, and its schema.
struct Leaf {
    at: Vec<String>,
    schema: Value,
}

/// The schema behind a reference, and whether null may stand in its place.
fn resolved<'a>(description: &'a Value, schema: &'a Value) -> (&'a Value, bool) {
    let parts: Vec<&Value> = schema["oneOf"].as_array().into_iter().flatten().collect();
    let may_be_null = parts.iter().any(|part| part["type"] == "null");
    match parts.into_iter().chain([schema]).find_map(|part| part["$ref"].as_str()) {
        Some(reference) => {
            let name = reference.rsplit('/').next().expect("a name");
            (&description["components"]["schemas"][name], may_be_null)
        }
        None => (schema, may_be_null),
    }
}

fn leaves(description: &Value, schema: &Value, at: &[String], found: &mut Vec<Leaf>) {
    let (schema, may_be_null) = resolved(description, schema);
    let below = |name: &str| [at, &[name.to_owned()]].concat();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        leaves(description, part, at, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        leaves(description, property, &below(name), found);
    }
    if schema["items"].is_object() {
        leaves(description, &schema["items"], &below("0"), found);
    }
    if !at.is_empty() {
        let mut schema = schema.clone();
        if may_be_null {
            schema["type"] = json!(["object", "null"]);
        }
        found.push(Leaf { at: at.to_vec(), schema });
    }
}

/// The body with `value` there; what leads to it and is not in the body is made.
fn with(body: &Value, at: &[String], value: Value) -> Value {
    let mut body = body.clone();
    let mut place = &mut body;
    for name in at {
        if place.is_null() {
            *place = json!({});
        }
        place = match place {
            Value::Array(items) => items.first_mut().expect("the body has an item"),
            other => other.as_object_mut().expect("an object").entry(name).or_insert(Value::Null),
        };
    }
    *place = value;
    body
}

/// Values of a described kind that must be taken, and some that must be refused.
fn samples(leaf: &Leaf, usual: &Value) -> (Vec<Value>, Vec<Value>) {
    let schema = &leaf.schema;
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    let texts = |count: u64| "x".repeat(usize::try_from(count).expect("small"));
    let is = |kind: &str| {
        schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.contains(&json!(kind)))
    };
    if let Some(branches) = schema["anyOf"].as_array() {
        for schema in branches {
            taken.extend(samples(&Leaf { at: leaf.at.clone(), schema: schema.clone() }, usual).0);
        }
        return (taken, vec![json!({ "no": "such" })]);
    }
    (if is("null") { &mut taken } else { &mut refused }).push(Value::Null);
    if let Some(words) = schema["enum"].as_array() {
        taken.extend(words.clone());
        refused.push(json!("no such word"));
    } else if schema["format"] == "uri" {
        let longest = schema["maxLength"].as_u64().expect("a length");
        let base = "https://a.example/";
        let length = longest - u64::try_from(base.len()).expect("small");
        taken.push(json!(format!("{base}{}", texts(length))));
        refused.extend([
            json!(format!("{base}{}", texts(length + 1))),
            json!("ftp://a.example/"),
            json!("a.example"),
        ]);
    } else if schema["format"].is_string() && is("string") {
        taken.push(usual.clone());
        refused.push(json!("x"));
    } else if is("string") {
        let (least, most) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64());
        taken.extend([least, most.unwrap_or(10_000)].map(|count| json!(texts(count))));
        refused.extend(most.map(|most| json!(texts(most + 1))));
        refused.extend((least > 0).then(|| json!("")));
        refused.push(json!(7));
    } else if is("integer") {
        let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
        taken.extend(least.into_iter().chain(most).map(|number| json!(number)));
        refused.extend(
            least.map(|number| json!(number - 1)).into_iter().chain(most.map(|number| json!(number + 1))),
        );
        refused.push(json!("x"));
    } else if is("array") {
        let items = |count: u64| vec![usual[0].clone(); usize::try_from(count).expect("small")];
        let (least, most) = (schema["minItems"].as_u64().unwrap_or(0), schema["maxItems"].as_u64());
        taken.extend([least, most.unwrap_or(least)].map(|count| json!(items(count))));
        refused.extend(most.map(|most| json!(items(most + 1))));
        refused.push(json!("x"));
    } else {
        refused.push(json!("x"));
    }
    (taken, refused)
}

/// The fields an answer refuses.
fn refused_fields(body: &Value) -> Vec<String> {
    let details = body["details"].as_array().into_iter().flatten();
    details.filter_map(|detail| Some(detail["field"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn what_is_described_is_taken_and_what_is_not_is_refused_at_every_bound_of_every_body() {
    let service = Service::start().await;
    let description: Value =
        serde_json::from_str(&api::app::description().expect("a description")).expect("JSON");
    let mut asked = 0;
    for operation in
        operations().into_iter().filter(|operation| operation.described["requestBody"].is_object())
    {
        let Some(usual) = body(&operation.path, user()) else { continue };
        let path = operation.path.replace("{id}", "00000000-0000-4000-8000-000000000000");
        let mut found = Vec::new();
        leaves(
            &description,
            &operation.described["requestBody"]["content"]["application/json"]["schema"],
            &[],
            &mut found,
        );
        assert!(found.len() > 3, "{path} has no described body");
        for leaf in found {
            let field = leaf.at.join(".");
            let pointer = format!("/{}", leaf.at.join("/"));
            let usual_value = usual.pointer(&pointer).cloned().unwrap_or_default();
            let (taken, refused) = samples(&leaf, &usual_value);
            // A service must say whose job it is; a user need not, so that the description cannot demand it.
            let is_owner = field == "user_id" || field == "valet_user_id";
            for (values, expected) in [(taken, false), (refused, true)] {
                for value in values.into_iter().filter(|value| !(is_owner && value.is_null())) {
                    let request = service.request(Method::POST, &path).header("X-GH-Service-Key", KEY);
                    let answer = request.json(&with(&usual, &leaf.at, value.clone())).answer().await;
                    let fields = refused_fields(&answer.body);
                    let is_refused =
                        fields.iter().any(|name| *name == field || name.starts_with(&format!("{field}.")));
                    let shown: String = value.to_string().chars().take(60).collect();
                    assert_eq!(
                        is_refused, expected,
                        "{path} {field} = {shown}: {} {}",
                        answer.status, answer.body
                    );
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 400, "{asked}");
}
