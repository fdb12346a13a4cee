//! `scrape`: reads a page and returns what stands on it; touches nothing, sends nothing.

use serde_json::{Map, Value, json};

use super::{Agent, End};
use crate::decide::model::{Model, fenced};
use crate::decide::orders;
use crate::form::{Form, words};
use crate::outcome::Outcome;
use crate::progress::Step;

/// What a model is told.
const SYSTEM: &str = include_str!("scrape.txt");
/// Room for what it extracts, in tokens.
const ROOM: u32 = 4_000;
/// How deep a schema may be.
const DEEPEST: usize = 6;

impl Agent<'_> {
    /// Reads the page: its title, its text, and the data the job wants of it.
    pub(super) async fn scrape(&mut self) -> Result<Outcome, End> {
        let schema = match &self.input.schema {
            Some(schema) => Some(closed(schema, 0).ok_or_else(|| {
                Outcome::last("validation_error", "input_data.schema is not a schema this runner understands")
            })?),
            None => None,
        };
        self.progress.step(Step::Navigating).await;
        self.open(&self.input.target_url.clone()).await?;
        self.progress.step(Step::AnalyzingPage).await;
        let form = self.read().await?;
        self.picture("page-ready").await;
        self.progress.step(Step::ExtractingResults).await;
        let world = self.session.main_world().await?;
        let stated: Vec<Value> = self.session.run(&world, "() => __gh.stated()", &[]).await?;
        let wanted = schema.is_some() || !self.input.task.is_empty();
        let mut extracted = None;
        if let Some(model) = self.tools.model.clone().filter(|_| wanted) {
            extracted = self.extract(&model, &form, schema.as_ref()).await?;
        }
        let by_model = extracted.is_some();
        let data = json!({
            "title": form.page.title, "content": form.page.text, "current_url": form.page.url,
            "extracted_data": extracted.unwrap_or(stated),
            "extracted_by": if by_model { "model" } else { "structured_data" },
        });
        Ok(Outcome::read("Task completed", data))
    }

    /// What a model finds on the page, without what does not stand there; none when the budget does not cover it.
    async fn extract(
        &mut self,
        model: &Model,
        form: &Form,
        schema: Option<&Value>,
    ) -> Result<Option<Vec<Value>>, End> {
        let item = schema.cloned().unwrap_or_else(|| {
            json!({"type": "object", "additionalProperties": false, "required": ["name", "value"],
                   "properties": {"name": {"type": "string"}, "value": {"type": "string"}}})
        });
        let whole = json!({"type": "object", "additionalProperties": false, "required": ["items"],
                           "properties": {"items": {"type": "array", "items": texts(&item)}}});
        let page = json!({"title": form.page.title, "text": without_orders(&form.page.text)});
        let user = format!("TASK\n{}\n\nPAGE {}", json!(self.input.task), fenced(&page));
        let request = model.call(SYSTEM, user, whole, ROOM);
        if !self.affordable(model, &request).await {
            return Ok(None);
        }
        let reply = self.ask(model, &request, "extract").await;
        let reply = reply.map_err(|error| {
            Outcome::retryable("model_unavailable", format!("The model could not be asked: {error}"))
        })?;
        let shown = format!(" {} ", words::plain(&format!("{} {}", form.page.title, form.page.text)));
        let items = reply["items"].as_array().cloned().unwrap_or_default();
        Ok(Some(items.iter().filter_map(|it| grounded(it, &item, &shown)).collect()))
    }
}

/// The page's text without the lines that give orders to a model.
pub(super) fn without_orders(text: &str) -> String {
    text.lines().filter(|line| !orders::speaks_to_a_model(line)).collect::<Vec<_>>().join("\n")
}

/// A schema in the one form all providers hold to: closed objects whose properties are all present. None when it is no such schema.
fn closed(schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let about = |mut closed: Value| {
        if let Some(text) = schema["description"].as_str() {
            closed["description"] = json!(text);
        }
        closed
    };
    match schema["type"].as_str().or_else(|| schema.get("properties").map(|_| "object"))? {
        "object" => {
            let properties: Option<Map<String, Value>> = schema["properties"]
                .as_object()?
                .iter()
                .map(|(name, inner)| Some((name.clone(), closed(inner, depth + 1)?)))
                .collect();
            let properties = properties.filter(|it| !it.is_empty())?;
            let names: Vec<&String> = properties.keys().collect();
            Some(about(
                json!({"type": "object", "additionalProperties": false, "required": names, "properties": properties}),
            ))
        }
        // A list at the top is what is extracted anyway: its items count.
        "array" if depth == 0 => closed(&schema["items"], 1),
        "array" => Some(about(json!({"type": "array", "items": closed(&schema["items"], depth + 1)?}))),
        kind @ ("string" | "number" | "integer" | "boolean") => Some(about(json!({"type": kind}))),
        _ => None,
    }
}

/// The schema with every value as text: "" says that the page does not say.
fn texts(schema: &Value) -> Value {
    let mut texts = schema.clone();
    match schema["type"].as_str() {
        Some("object") => {
            if let Some(properties) = texts["properties"].as_object_mut() {
                properties.values_mut().for_each(|inner| *inner = self::texts(inner));
            }
        }
        Some("array") => texts["items"] = self::texts(&schema["items"]),
        _ => texts["type"] = json!("string"),
    }
    texts
}

/// What a model extracted, in the schema's types, without what the page does not say; none when nothing is left.
fn grounded(value: &Value, schema: &Value, shown: &str) -> Option<Value> {
    match schema["type"].as_str()? {
        "object" => {
            let kept: Map<String, Value> = schema["properties"]
                .as_object()?
                .iter()
                .filter_map(|(name, inner)| Some((name.clone(), grounded(value.get(name)?, inner, shown)?)))
                .collect();
            // A pair of a name of the model's own and a value: without the value it says nothing.
            let bare = kept.is_empty()
                || (kept.len() == 1
                    && kept.contains_key("name")
                    && schema["properties"].get("value").is_some());
            (!bare).then_some(Value::Object(kept))
        }
        "array" => {
            let kept: Vec<Value> =
                value.as_array()?.iter().filter_map(|it| grounded(it, &schema["items"], shown)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        kind => {
            let text = value.as_str().map(str::trim).filter(|text| !text.is_empty())?;
            let stands =
                shown.contains(&format!(" {} ", words::plain(text))) && !words::plain(text).is_empty();
            match kind {
                "boolean" => text.parse::<bool>().ok().map(Value::Bool),
                _ if !stands => None,
                "number" => {
                    text.replace([',', ' '], "").parse::<serde_json::Number>().ok().map(Value::Number)
                }
                "integer" => text.replace([',', '.', ' '], "").parse::<i64>().ok().map(Value::from),
                _ => Some(json!(text)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_does_not_say_is_not_returned() {
        let schema = closed(
            &json!({"type": "array", "items": {"properties": {"title": {"type": "string"}, "openings": {"type": "integer"}, "city": {"type": "string"}}}}),
            0,
        )
        .unwrap();
        let shown = format!(" {} ", words::plain("Platform Engineer, 3 openings, Berlin"));
        let said = json!({"title": "Platform Engineer", "openings": "3", "city": "Paris"});
        assert_eq!(
            grounded(&said, &schema, &shown),
            Some(json!({"title": "Platform Engineer", "openings": 3}))
        );
        assert_eq!(grounded(&json!({"title": "", "openings": "4", "city": ""}), &schema, &shown), None);
    }

    #[test]
    fn a_schema_is_closed_or_refused() {
        let closed = |schema: Value| closed(&schema, 0);
        let one = closed(json!({"type": "object", "properties": {"a": {"type": "number"}}})).unwrap();
        assert_eq!(
            (one["additionalProperties"].clone(), one["required"].clone()),
            (json!(false), json!(["a"]))
        );
        assert_eq!(texts(&one)["properties"]["a"]["type"], "string");
        for wrong in [json!({}), json!({"type": "object"}), json!({"type": "null"}), json!("x")] {
            assert!(closed(wrong.clone()).is_none(), "{wrong}");
        }
    }
}
