//! `custom`: a task in words, one action at a time, on nodes that are known; it looks and never submits.

use serde::Deserialize;
use serde_json::{Value, json};

use super::scrape::without_orders;
use super::{Agent, End};
use crate::act;
use crate::decide::model::{Facts, Model, fenced, question};
use crate::decide::{Answer, fit, orders, private, sensitive};
use crate::form::{Button, Field, Form, Kind, words};
use crate::outcome::Outcome;
use crate::progress::Step;

/// What a model is told.
const SYSTEM: &str = include_str!("custom.txt");
/// How many actions a task may take, by the contract: one model call each.
const STEPS: usize = 50;
/// How many of them may fail in a row.
const FAILURES: usize = 3;
/// Room for one answer, in tokens.
const ROOM: u32 = 400;
/// How much of the page's text is shown.
const TEXT: usize = 6_000;
/// How many buttons and links are shown.
const BUTTONS: usize = 80;

/// One action a model chose.
#[derive(Clone, Debug, Deserialize)]
struct Action {
    action: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    fact: String,
    #[serde(default)]
    option: i64,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    success_indicators: Vec<String>,
}

impl Agent<'_> {
    /// Carries the task out.
    pub(super) async fn custom(&mut self) -> Result<Outcome, End> {
        let Some(model) = self.tools.model.clone() else {
            return Err(Outcome::last(
                "model_unavailable",
                "A custom task needs a model, and none is set up",
            )
            .into());
        };
        self.progress.step(Step::Navigating).await;
        self.open(&self.input.target_url.clone()).await?;
        let guard = self.session.read_only().await?;
        self.progress.step(Step::AnalyzingPage).await;
        let mut form = self.read().await?;
        self.picture("page-ready").await;
        let facts = Facts::new(&self.profile, &self.answers).without(is_kept_back);
        let (mut done, mut failures): (Vec<String>, usize) = (Vec::new(), 0);
        for _ in 0..STEPS {
            let buttons = pressable(&form);
            let request = model.call(
                SYSTEM,
                self.situation(&form, &buttons, &facts, &done),
                schema(&form, &buttons, &facts),
                ROOM,
            );
            if !self.affordable(&model, &request).await {
                return Err(Outcome::last(
                    "budget_exceeded",
                    "The budget does not cover another step of the task",
                )
                .into());
            }
            let action = self.next_action(&model, &request).await?;
            if action.action == "finish" {
                drop(guard);
                return Ok(finish(&form, action));
            }
            let (said, ok) = self.carry_out(&action, &form, &buttons, &facts).await?;
            self.progress.did(1, &said).await;
            done.push(format!("{} {}: {said}", action.action, action.target));
            failures = if ok { 0 } else { failures + 1 };
            if failures >= FAILURES {
                return Err(
                    Outcome::last("action_limit_exceeded", format!("The task is stuck: {said}")).into()
                );
            }
            for url in self.session.popups().await? {
                tracing::info!(url, "a window that the page opened was closed");
            }
            form = self.read().await?;
        }
        Err(Outcome::last("action_limit_exceeded", format!("The task took more than {STEPS} actions")).into())
    }

    async fn next_action(&mut self, model: &Model, request: &llm::Request) -> Result<Action, End> {
        let unusable = |what: String| {
            Outcome::retryable("model_unavailable", format!("The model could not be asked: {what}"))
        };
        let reply = self.ask(model, request, "step").await.map_err(|error| unusable(error.to_string()))?;
        Ok(serde_json::from_value(reply).map_err(|error| unusable(error.to_string()))?)
    }

    fn situation(&self, form: &Form, buttons: &[&Button], facts: &Facts, done: &[String]) -> String {
        let facts: Vec<Value> = facts
            .iter()
            .map(|(name, about, value)| json!({"fact": name, "about": about, "value": value}))
            .collect();
        let fields: Vec<Value> = fillable(form)
            .map(|field| {
                let mut shown = question(field);
                shown["value"] = json!(field.value);
                shown
            })
            .collect();
        let buttons: Vec<Value> = buttons
            .iter()
            .enumerate()
            .map(|(at, it)| json!({"id": format!("b{}", at + 1), "text": it.text, "link": it.link}))
            .collect();
        let text: String = without_orders(&form.page.text).chars().take(TEXT).collect();
        let page = json!({"url": form.page.url, "title": form.page.title, "text": text, "fields": fields, "buttons": buttons});
        format!(
            "TASK\n{}\n\nFACTS\n{}\n\nDONE SO FAR\n{}\n\nPAGE {}",
            json!(self.input.task),
            json!(facts),
            json!(done),
            fenced(&page)
        )
    }

    /// Does one action; what came of it, and whether it worked.
    async fn carry_out(
        &mut self,
        action: &Action,
        form: &Form,
        buttons: &[&Button],
        facts: &Facts,
    ) -> Result<(String, bool), End> {
        let field = fillable(form).find(|field| field.id == action.target);
        match (action.action.as_str(), field) {
            ("click", _) => {
                let at = action.target.strip_prefix('b').and_then(|at| at.parse::<usize>().ok());
                let button =
                    at.and_then(|at| buttons.get(at.checked_sub(1)?)).and_then(|button| button.control());
                let Some(node) = button else { return Ok(("there is no such button".into(), false)) };
                self.session.on(&node, "same_tab", &[]).await?;
                let clicked = self.session.click(&node).await?;
                self.record.get().actions += 1;
                Ok(if clicked {
                    ("pressed".into(), true)
                } else {
                    ("something lies on top of it".into(), false)
                })
            }
            ("fill" | "choose", Some(field)) => {
                let Some(answer) = answer(action, field, facts) else {
                    return Ok(("that does not fit this field".into(), false));
                };
                let filled = act::fill(&self.session, field, &answer).await?;
                self.record.get().actions += filled.actions;
                let ok = filled.state.is_settled();
                Ok((if ok { "done".into() } else { format!("the field shows {:?}", filled.read_back) }, ok))
            }
            _ => Ok(("there is no such field or action".into(), false)),
        }
    }
}

/// What is shown of the candidate on such a task: nothing private, and no name.
fn is_kept_back(about: &str) -> bool {
    private::is_private(about) || words::plain(about).split(' ').any(|word| word == "name")
}

/// Fields that may be filled on the way: none that asks for something weighty, a secret or a file.
fn fillable(form: &Form) -> impl Iterator<Item = &Field> {
    form.fields.iter().filter(|field| {
        !matches!(field.kind, Kind::File | Kind::Password)
            && !sensitive::is_sensitive(field)
            && !orders::gives_orders(field)
    })
}

/// Buttons that may be pressed: none that says it sends, and none that speaks to a model.
fn pressable(form: &Form) -> Vec<&Button> {
    let may = |button: &&Button| {
        !button.disabled
            && !button.text.is_empty()
            && words::press(&button.text, true) != words::Press::Submit
            && !orders::speaks_to_a_model(&button.text)
    };
    form.buttons.iter().filter(may).take(BUTTONS).collect()
}

fn answer(action: &Action, field: &Field, facts: &Facts) -> Option<Answer> {
    if action.action == "fill" {
        return fit::fit(field, facts.get(&action.fact)?.1);
    }
    let at = usize::try_from(action.option).ok()?;
    let choosable = field.kind.is_closed() || field.kind == Kind::Combobox;
    field.options.get(at).filter(|option| choosable && !option.blank)?;
    Some(Answer::Options(vec![at]))
}

fn schema(form: &Form, buttons: &[&Button], facts: &Facts) -> Value {
    let targets: Vec<String> = fillable(form)
        .map(|field| field.id.clone())
        .chain((1..=buttons.len()).map(|at| format!("b{at}")))
        .chain([String::new()])
        .collect();
    let names: Vec<&str> = facts.iter().map(|(name, ..)| name).chain([""]).collect();
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["action", "target", "fact", "option", "summary", "success_indicators"],
        "properties": {
            "action": {"type": "string", "enum": ["click", "fill", "choose", "finish"]},
            "target": {"type": "string", "enum": targets},
            "fact": {"type": "string", "enum": names},
            "option": {"type": "integer"},
            "summary": {"type": "string"},
            "success_indicators": {"type": "array", "items": {"type": "string"}},
        },
    })
}

/// The end of a task: done when something on the page shows it.
fn finish(form: &Form, action: Action) -> Outcome {
    let shown = format!(" {} ", words::plain(&format!("{} {}", form.page.title, form.page.text)));
    let stands = |text: &String| {
        !words::plain(text).is_empty() && shown.contains(&format!(" {} ", words::plain(text)))
    };
    let indicators: Vec<String> = action.success_indicators.into_iter().filter(stands).collect();
    let summary: String = action.summary.chars().filter(|it| !it.is_control()).take(500).collect();
    let proven = !indicators.is_empty();
    let data = json!({"page_title": form.page.title, "current_url": form.page.url, "summary": summary, "success_indicators": indicators});
    if proven {
        let summary = if summary.is_empty() { "Task completed".to_owned() } else { summary };
        return Outcome::read(summary, data);
    }
    Outcome {
        data: Some(data),
        ..Outcome::last(
            "task_unconfirmed",
            format!("Nothing on the page shows that the task was done: {summary}"),
        )
    }
}
