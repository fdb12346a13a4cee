//! A manual: which fact answers which question of a form, learned by one run and used by the next without a model.
//!
//! It holds no answer. Where a model chose an option for a fact, it holds the option's words and a salted digest of the
//! fact's value, so that the choice is repeated only for the very same fact, and equal facts of two candidates do not look
//! alike. Where a model knew no answer, it holds a digest of all facts, so that it is not asked the same again.

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
    /// The fact that answers it; empty when a model knew none.
    pub fact: String,
    /// The option a model chose for the fact; empty where the fact fits by itself.
    #[serde(default)]
    pub option: String,
    /// Salt and digest of the fact's value, where an option was chosen for it.
    #[serde(default)]
    pub digest: String,
}

impl Step {
    /// Whether it says that nothing answers the question.
    pub const fn is_open(&self) -> bool {
        self.fact.is_empty()
    }
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

    /// What it holds about a field.
    pub fn step(&self, field: &Field) -> Option<&Step> {
        let asked = words::question(&field.question);
        self.steps.iter().find(|step| step.question == asked && step.kind == field.kind.word())
    }

    /// Whether a model that was shown these very facts knew no answer to a field.
    pub fn is_open(&self, field: &Field, facts: &Facts) -> bool {
        self.step(field).is_some_and(|step| step.is_open() && is_digest(&step.digest, "", &everything(facts)))
    }

    /// What it says about a field, for the candidate with these facts.
    pub fn decide(&self, field: &Field, facts: &Facts) -> Option<Decision> {
        let step = self.step(field)?;
        let (_, value) = facts.get(&step.fact)?;
        let answer = if step.option.is_empty() {
            fit::fit(field, value)?
        } else {
            let same = is_digest(&step.digest, &step.fact, value);
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

/// What is learned from a question that a model could not answer from these facts.
pub fn learn_open(field: &Field, facts: &Facts) -> Step {
    Step {
        question: words::question(&field.question),
        kind: field.kind.word(),
        fact: String::new(),
        option: String::new(),
        digest: digest("", &everything(facts)),
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

/// All facts as one text.
fn everything(facts: &Facts) -> String {
    facts.iter().map(|(name, about, value)| format!("{name}\t{about}\t{value}\n")).collect()
}

/// `SALT.DIGEST`, with a salt of its own.
fn digest(fact: &str, value: &str) -> String {
    salted(&Uuid::new_v4().simple().to_string(), fact, value)
}

/// Whether a digest is of this value.
fn is_digest(digest: &str, fact: &str, value: &str) -> bool {
    digest.split_once('.').is_some_and(|(salt, _)| salted(salt, fact, value) == digest)
}

fn salted(salt: &str, fact: &str, value: &str) -> String {
    format!("{salt}.{}", &hex(&format!("{salt}\n{fact}\n{}", words::plain(value)))[..16])
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
    fn equal_facts_of_two_candidates_do_not_look_alike() {
        assert_ne!(digest("notice_period", "4 weeks"), digest("notice_period", "4 weeks"));
        assert!(is_digest(&digest("notice_period", "4 weeks"), "notice_period", "4 Weeks"));
        assert!(!is_digest("", "notice_period", "4 weeks"));
    }

    #[test]
    fn a_question_nobody_could_answer_is_asked_again_for_other_facts_only() {
        let field = test_field(Kind::Text, "Favourite colour");
        let manual =
            Manual { id: Uuid::nil(), health: 1.0, steps: vec![learn_open(&field, &facts("Steam"))] };
        assert!(manual.is_open(&field, &facts("Steam")) && !manual.is_open(&field, &facts("Water")));
        assert!(manual.decide(&field, &facts("Steam")).is_none());
        assert!(!manual.is_open(&test_field(Kind::Text, "Favourite food"), &facts("Steam")));
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
