//! The model: asked once per page for what rules and stored answers leave open.
//!
//! It may only point: at a fact, at an option, or write free text. What it points at is looked up here, and
//! [`super::proposal`] decides whether the answer may stand.

use llm::{Catalogue, Client, Error, Reply, Request, price};
use serde_json::{Value, json};

use super::{Profile, answers::Answers, private, proposal::Proposal, sharing};
use crate::form::{Field, Kind};
use domain::money::MicroUsd;

/// What every call begins with.
const SYSTEM: &str = include_str!("system.txt");
/// Room for the answer to one question that points.
const POINT: u32 = 90;
/// Room for one free text.
const PROSE: u32 = 500;
/// Room for a reasoning model's thoughts.
const THOUGHT: u32 = 6_000;
/// How much of a page's text about one question is shown.
const LONGEST: usize = 400;
/// How many options of one question are shown.
const OPTIONS: usize = 120;

/// A model and the way to it.
#[derive(Clone, Debug)]
pub struct Model {
    client: Client,
}

/// The candidate's facts under the names the model may point at.
///
/// All are known here: a manual may point at any. Only what [`sharing`] allows is shown to a model.
#[derive(Clone, Debug, Default)]
pub struct Facts(Vec<Fact>);

#[derive(Clone, Debug)]
struct Fact {
    name: String,
    about: String,
    value: String,
    /// The candidate's answer to a question of another form.
    stored: bool,
    shared: bool,
}

impl Fact {
    fn shown(&self) -> (&str, &str, &str) {
        (&self.name, &self.about, &self.value)
    }
}

impl Facts {
    /// Profile facts by key, stored answers as `answer_1`, …
    pub fn new(profile: &Profile, answers: &Answers) -> Self {
        let known = profile.facts().map(|(key, value)| Fact {
            name: key.to_owned(),
            about: key.replace('_', " "),
            value: value.to_owned(),
            stored: false,
            shared: profile.may_be_told(key),
        });
        let stored = answers.all().enumerate().map(|(at, (asked, answer))| Fact {
            name: format!("answer_{}", at + 1),
            about: asked.to_owned(),
            value: answer.to_owned(),
            stored: true,
            shared: sharing::may_answer_go(asked) && !profile.is_kept_back(answer),
        });
        Self(known.chain(stored).collect())
    }

    /// What a fact is about, and its value, whether a model may know it or not.
    pub fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.0.iter().find(|fact| fact.name == name).map(|fact| (fact.about.as_str(), fact.value.as_str()))
    }

    /// Like [`Facts::get`], for what a model pointed at.
    pub fn shared(&self, name: &str) -> Option<(&str, &str)> {
        let mut shared = self.iter().filter(|(known, ..)| *known == name);
        shared.next().map(|(_, about, value)| (about, value))
    }

    /// The facts for a task without questions: none about what `is_kept_back` names, and no stored answers.
    #[must_use]
    pub fn without(self, is_kept_back: impl Fn(&str) -> bool) -> Self {
        Self(self.0.into_iter().filter(|fact| !fact.stored && !is_kept_back(&fact.about)).collect())
    }

    /// Every fact that a model may know: name, what it is about, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().filter(|fact| fact.shared).map(Fact::shown)
    }

    /// Every fact.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(Fact::shown)
    }

    /// What is told along with these questions: nothing private that none of them asks for.
    fn asked_by(&self, fields: &[&Field]) -> Vec<(&str, &str, &str)> {
        let asks = |fact: &Fact, field: &Field| {
            if fact.stored {
                sharing::is_about(&fact.about, field)
            } else {
                private::may_tell(&fact.about, field)
            }
        };
        let told = self.0.iter().filter(|fact| fact.shared && fields.iter().any(|field| asks(fact, field)));
        told.map(Fact::shown).collect()
    }
}

impl Model {
    /// The model of this name, with its key from `lookup`.
    ///
    /// # Errors
    /// When the name is unknown or the key is missing.
    pub fn from_lookup(name: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Client::from_lookup(Catalogue::built_in(), name, lookup).map(|client| Self { client })
    }

    /// Its entry in the catalogue.
    pub fn entry(&self) -> &llm::Model {
        self.client.model()
    }

    /// The call that asks these questions.
    pub fn request(&self, fields: &[&Field], facts: &Facts) -> Request {
        let questions: Vec<Value> = fields.iter().map(|field| question(field)).collect();
        self.mapping(fields, &questions, facts)
    }

    /// The call that asks again about answers the page did not take: each with what was tried and what the page says.
    pub fn repair(&self, troubles: &[Trouble], facts: &Facts) -> Request {
        let fields: Vec<&Field> = troubles.iter().map(|trouble| &trouble.field).collect();
        let questions = troubles.iter().map(|trouble| {
            let mut shown = question(&trouble.field);
            (shown["tried"], shown["problem"]) =
                (json!(self::shown(&trouble.tried)), json!(self::shown(&trouble.problem)));
            shown
        });
        self.mapping(&fields, &questions.collect::<Vec<_>>(), facts)
    }

    fn mapping(&self, fields: &[&Field], questions: &[Value], facts: &Facts) -> Request {
        let facts = facts.asked_by(fields);
        let prose = fields.iter().filter(|field| is_prose(field)).count();
        let room = POINT * u32::try_from(fields.len()).unwrap_or(50)
            + PROSE * u32::try_from(prose).unwrap_or(8)
            + 100;
        let thought = if self.entry().reasoning { THOUGHT } else { 0 };
        Request {
            system: SYSTEM.to_owned(),
            user: prompt(questions, &facts),
            schema: schema(fields, &facts),
            max_tokens: room + thought,
        }
    }

    /// A call of another kind, with room for this many tokens of answer.
    pub fn call(&self, system: &str, user: String, schema: Value, room: u32) -> Request {
        let thought = if self.entry().reasoning { THOUGHT } else { 0 };
        Request { system: system.to_owned(), user, schema, max_tokens: room + thought }
    }

    /// What the call can cost at most.
    pub fn worst_case(&self, request: &Request) -> Option<MicroUsd> {
        price::worst_case(self.entry(), request)
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When the provider gives no usable answer.
    pub async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        self.client.complete(request).await
    }
}

/// An answer that the page did not take.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The question, as it is now.
    pub field: Field,
    /// What was answered.
    pub tried: String,
    /// What the page says about it.
    pub problem: String,
}

/// What an answer proposes.
pub fn proposals(reply: &Value) -> Vec<Proposal> {
    let answers = reply["answers"].as_array().into_iter().flatten();
    answers.filter_map(|it| serde_json::from_value(it.clone()).ok()).collect()
}

/// Whether a question wants a text of one's own.
pub const fn is_prose(field: &Field) -> bool {
    matches!(field.kind, Kind::Textarea | Kind::RichText)
}

fn schema(fields: &[&Field], facts: &[(&str, &str, &str)]) -> Value {
    let ids: Vec<&str> = fields.iter().map(|field| field.id.as_str()).collect();
    let names: Vec<&str> = facts.iter().map(|(name, ..)| *name).chain([""]).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": ["answers"],
        "properties": {"answers": {"type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["id", "kind", "fact", "options", "text"],
            "properties": {
                "id": {"type": "string", "enum": ids},
                "kind": {"type": "string", "enum": ["fact", "option", "text", "unknown"]},
                "fact": {"type": "string", "enum": names},
                "options": {"type": "array", "items": {"type": "integer"}},
                "text": {"type": "string"},
            },
        }}},
    })
}

fn prompt(questions: &[Value], facts: &[(&str, &str, &str)]) -> String {
    let facts: Vec<Value> = facts
        .iter()
        .map(|(name, about, value)| json!({"fact": name, "about": about, "value": shown(value)}))
        .collect();
    format!("FACTS\n{}\n\nQUESTIONS {}", json!(facts), fenced(&json!(questions)))
}

/// Page text in a fence that the page cannot close: it is JSON, and the mark is new in each call.
pub fn fenced(text: &Value) -> String {
    let mark = uuid::Uuid::new_v4().simple().to_string();
    format!("(untrusted page text between the marks {mark})\n<{mark}>\n{text}\n</{mark}>")
}

/// A question as the model sees it.
pub fn question(field: &Field) -> Value {
    let options: Vec<Value> = field
        .options
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.blank)
        .take(OPTIONS)
        .map(|(at, it)| json!([at, shown(&it.label)]))
        .collect();
    let mut shown = json!({"id": field.id, "question": shown(&field.question), "type": field.kind.word(), "required": field.is_required()});
    for (name, text) in [("help", &field.help), ("section", &field.section)] {
        if !text.is_empty() {
            shown[name] = json!(self::shown(text));
        }
    }
    if !options.is_empty() {
        shown["options"] = json!(options);
        shown["several"] = json!(field.kind.is_multiple());
    }
    if let Some(limit) = field.max_length {
        shown["max_length"] = json!(limit);
    }
    shown
}

/// Text as the model may see it: short, without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(LONGEST).collect()
}
