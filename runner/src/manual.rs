//! A manual: which fact answers which question of a form, learned by one run and used by the next without a model.
//!
//! It holds no answer. Where a model chose an option for a fact, it holds the option's words and a digest of the fact's
//! value, so that the choice is repeated only for the very same fact.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::decide::model::Facts;
use crate::decide::{Answer, Decision, Source, fit};
use crate::form::{Field, Form, words};

/// A manual below this health is not used.
const HEALTHY: f64 = 0.3;

/// One question and what answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The question in its normal form.
    pub question: String,
    /// The family of the control: its driver.
    pub kind: String,
    /// The fact that answers it.
    pub fact: String,
    /// The option a model chose for the fact; empty where the fact fits by itself.
    #[serde(default)]
    pub option: String,
    /// A digest of the fact's value, where an option was chosen for it.
    #[serde(default)]
    pub digest: String,
}

/// A form as manuals are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    signature: String,
    pattern: String,
    task: String,
}

impl Found {
    /// The form on its first page, for jobs of this type.
    pub fn of(form: &Form, task: &str) -> Self {
        let pattern = pattern(&form.page.url);
        let mut all = format!("{pattern}\n");
        for field in &form.fields {
            let _ = writeln!(all, "{}|{}", words::question(&field.question), field.kind.word());
        }
        Self { signature: hex(&all), pattern, task: task.to_owned() }
    }

    /// What tells the form from others; nothing of the candidate's is in it.
    pub fn key(&self) -> &str {
        &self.signature
    }

    /// The job type.
    pub fn task(&self) -> &str {
        &self.task
    }
}

/// What is known about a form.
#[derive(Clone, Debug)]
pub struct Manual {
    /// Its row.
    pub id: Uuid,
    /// From 0 to 1.
    pub health: f64,
    /// Its questions.
    pub steps: Vec<Step>,
}

impl Manual {
    /// A manual as stored; none when it has another shape.
    pub fn read(id: Uuid, health: f64, steps: Value) -> Option<Self> {
        Some(Self { id, health, steps: serde_json::from_value(steps).ok()? })
    }

    /// Whether it may be used.
    pub fn is_healthy(&self) -> bool {
        self.health > HEALTHY
    }

    /// What it says about a field, for the candidate with these facts.
    pub fn decide(&self, field: &Field, facts: &Facts) -> Option<Decision> {
        let asked = words::question(&field.question);
        let step = self.steps.iter().find(|step| step.question == asked && step.kind == field.kind.word())?;
        let (_, value) = facts.get(&step.fact)?;
        let answer = if step.option.is_empty() {
            fit::fit(field, value)?
        } else {
            let same = step.digest == digest(&step.fact, value);
            let at = fit::option(&field.options, &step.option).filter(|_| same)?;
            Answer::Options(vec![at])
        };
        Some(Decision { answer, source: Source::Manual, fact: step.fact.clone() })
    }
}

/// What a verified answer teaches; nothing where a model wrote words of its own.
pub fn learn(field: &Field, decision: &Decision, facts: &Facts) -> Option<Step> {
    let (question, kind, fact) = (words::question(&field.question), field.kind.word(), decision.fact.clone());
    let plain = Step { question, kind, fact, option: String::new(), digest: String::new() };
    if !matches!(decision.source, Source::Model | Source::Manual) {
        return Some(plain);
    }
    let (_, value) = facts.get(&decision.fact)?;
    if fit::fit(field, value).as_ref() == Some(&decision.answer) {
        return Some(plain);
    }
    match &decision.answer {
        Answer::Options(chosen) if chosen.len() == 1 => {
            let option = field.options.get(chosen[0])?.label.clone();
            Some(Step { option, digest: digest(&decision.fact, value), ..plain })
        }
        _ => None,
    }
}

/// How a run with or without a manual went.
#[derive(Clone, Debug)]
pub struct Run {
    /// The form.
    pub form: Found,
    /// The manual used, if one was.
    pub manual: Option<Uuid>,
    /// Whether what the manual said held.
    pub held: bool,
    /// What the run has learned.
    pub steps: Vec<Step>,
}

impl Run {
    /// The object `gh_attempt_manual_record` takes.
    pub fn value(&self) -> Value {
        let outcome = match (self.manual, self.held) {
            (None, _) => "created",
            (Some(_), true) => "succeeded",
            (Some(_), false) => "failed",
        };
        json!({
            "signature": self.form.signature, "url_pattern": self.form.pattern, "task": self.form.task,
            "platform": platform(&self.form.pattern), "outcome": outcome, "manual_id": self.manual, "steps": self.steps,
        })
    }

    /// The pattern of addresses it is about.
    pub fn pattern(&self) -> &str {
        &self.form.pattern
    }
}

/// Host and path, with what changes from job to job left open: contract section 10.5.
fn pattern(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "*".into() };
    let host = url.host_str().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let host = match labels[..] {
        [.., name, top] if labels.len() >= 3 && host.parse::<std::net::IpAddr>().is_err() => {
            format!("*.{name}.{top}")
        }
        _ => host.to_owned(),
    };
    let open = |part: &str| {
        let number = !part.is_empty() && part.chars().all(|it| it.is_ascii_digit());
        let locale = part.len() == 2 || part.len() == 5 && part.as_bytes()[2] == b'-';
        let locale = locale && part.chars().all(|it| it.is_ascii_alphabetic() || it == '-');
        number || locale || Uuid::parse_str(part).is_ok()
    };
    let path: Vec<&str> =
        url.path().trim_matches('/').split('/').map(|part| if open(part) { "*" } else { part }).collect();
    format!("{host}/{}", path.join("/")).trim_end_matches('/').to_owned()
}

fn platform(pattern: &str) -> &'static str {
    const KNOWN: &[(&str, &str)] = &[
        ("greenhouse.io", "greenhouse"),
        ("lever.co", "lever"),
        ("ashbyhq.com", "ashby"),
        ("myworkdayjobs.com", "workday"),
        ("icims.com", "icims"),
        ("smartrecruiters.com", "smartrecruiters"),
        ("workable.com", "workable"),
    ];
    KNOWN.iter().find(|(host, _)| pattern.contains(host)).map_or("other", |(_, name)| name)
}

fn digest(fact: &str, value: &str) -> String {
    hex(&format!("{fact}\n{}", words::plain(value)))[..16].to_owned()
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::{Profile, answers::Answers, test_choices, test_field};
    use crate::form::Kind;

    fn facts(value: &str) -> Facts {
        let profile = json!({"favourite_machine": value, "first_name": "Ada"});
        Facts::new(&Profile::new(profile.as_object().expect("object")), &Answers::new(&BTreeMap::new()))
    }

    #[test]
    fn a_choice_of_the_model_is_repeated_for_the_same_fact_only_and_no_value_is_kept() {
        let field = Field {
            options: test_choices(&["Steam", "Analytical"]),
            ..test_field(Kind::Select, "Which engine?")
        };
        let chosen = Decision {
            answer: Answer::Options(vec![1]),
            source: Source::Model,
            fact: "favourite_machine".into(),
        };
        let step = learn(&field, &chosen, &facts("The one I built in secret")).expect("a step");
        assert!(!json!(step).to_string().contains("secret"));
        let manual = Manual { id: Uuid::nil(), health: 1.0, steps: vec![step] };
        let again = manual.decide(&field, &facts("the one I built in secret!")).expect("the same");
        assert_eq!((again.answer, again.source), (Answer::Options(vec![1]), Source::Manual));
        assert!(manual.decide(&field, &facts("Another")).is_none());
    }

    #[test]
    fn words_a_model_wrote_teach_nothing() {
        let field = test_field(Kind::Textarea, "Tell us about you");
        let written = Decision {
            answer: Answer::Text("I am Ada.".into()),
            source: Source::Model,
            fact: "first_name".into(),
        };
        assert!(learn(&field, &written, &facts("x")).is_none());
    }

    #[test]
    fn addresses_of_one_form_share_a_pattern() {
        assert_eq!(pattern("https://boards.greenhouse.io/acme/jobs/123?gh=1"), "*.greenhouse.io/acme/jobs/*");
        assert_eq!(pattern("http://127.0.0.1:80/en/x/"), "127.0.0.1/*/x");
    }
}
