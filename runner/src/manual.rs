//! A manual: which fact answers which question of a form, learned by one run and used by the next without a model.
//!
//! It holds no answer. Where a model chose an option for a fact, it holds the option's words and a salted digest of the
//! fact's value, so that the choice is repeated only for the very same fact, and equal facts of two candidates do not look
//! alike. Where a model knew no answer, it holds a digest of all facts, so that it is not asked the same again. Where a page
//! wants an answer written in another way, it holds that way ([`crate::decide::format`]), and a digest of what answers it is
//! for look like.

mod found;

pub use found::Found;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::decide::model::Facts;
use crate::decide::{Answer, Decision, Source, fit, format};
use crate::form::{Field, words};

/// A manual below this health is not used.
const HEALTHY: f64 = 0.3;
/// How many formats of one question are kept: one for each outline its answers have had.
const FORMATS: usize = 8;

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
    /// How the page wants the answer written; empty where it takes it as it is.
    #[serde(default)]
    pub format: String,
    /// Salt and digest of what it is good for: the value an option was chosen for, the outline of the answers a format is
    /// for, all facts where nothing answered.
    #[serde(default)]
    pub digest: String,
}

impl Step {
    /// That this fact, as it is, answers a field; without a fact, that nothing does.
    fn about(field: &Field, fact: &str) -> Self {
        Self {
            question: words::question(&field.question),
            kind: field.kind.word(),
            fact: fact.to_owned(),
            option: String::new(),
            format: String::new(),
            digest: String::new(),
        }
    }

    /// Whether it says that nothing answers the question.
    pub const fn is_open(&self) -> bool {
        self.fact.is_empty()
    }

    /// An answer written as the page wants it, where the step knows that for answers of this outline.
    fn write(&self, plain: &str) -> Option<String> {
        let outline = format::outline(&self.format, plain)?;
        is_digest(&self.digest, FORMAT, &outline).then(|| format::pour(&self.format, plain)).flatten()
    }
}

/// What stands in a format's digest in the place of a fact's name.
const FORMAT: &str = "format";

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
        self.steps_about(field).next()
    }

    /// All that it holds about a field: beside what answers it, the formats of its answers.
    pub fn steps_about(&self, field: &Field) -> impl Iterator<Item = &Step> {
        let (asked, kind) = (words::question(&field.question), field.kind.word());
        self.steps.iter().filter(move |step| step.question == asked && step.kind == kind)
    }

    /// The formats it holds for other answers to a field than this one.
    pub fn other_formats(&self, field: &Field, plain: Option<&str>) -> impl Iterator<Item = &Step> {
        let other = move |step: &&Step| plain.is_none_or(|plain| step.write(plain).is_none());
        self.steps_about(field).filter(|step| !step.format.is_empty()).filter(other).take(FORMATS - 1)
    }

    /// A decision with its words written as the page wants them; none when no format for such words is known.
    pub fn write(&self, field: &Field, decision: &Decision) -> Option<Decision> {
        let Answer::Text(plain) = &decision.answer else { return None };
        let answer = self.steps_about(field).find_map(|step| step.write(plain)).map(Answer::Text)?;
        Some(Decision { answer, source: Source::Manual, fact: decision.fact.clone() })
    }

    /// Whether a model that was shown these very facts knew no answer to a field.
    pub fn is_open(&self, field: &Field, facts: &Facts) -> bool {
        self.step(field).is_some_and(|step| {
            step.is_open() && is_digest(&step.digest, "", &words::plain(&everything(facts)))
        })
    }

    /// What it says about a field, for the candidate with these facts.
    pub fn decide(&self, field: &Field, facts: &Facts) -> Option<Decision> {
        let step = self.step(field)?;
        if step.option.is_empty() {
            let decision = of_fact(field, &step.fact, facts)?;
            // An answer whose outline is new goes to the model, as a fact does for which no option was chosen yet.
            return self
                .write(field, &decision)
                .or_else(|| Some(decision).filter(|_| step.format.is_empty()));
        }
        let (_, value) = facts.get(&step.fact)?;
        let same = is_digest(&step.digest, &step.fact, &words::plain(value));
        let at = fit::option(&field.options, &step.option).filter(|_| same)?;
        Some(Decision { answer: Answer::Options(vec![at]), source: Source::Manual, fact: step.fact.clone() })
    }
}

/// What a fact answers by itself.
pub fn of_fact(field: &Field, fact: &str, facts: &Facts) -> Option<Decision> {
    let (_, value) = facts.get(fact)?;
    Some(Decision { answer: fit::fit(field, value)?, source: Source::Manual, fact: fact.to_owned() })
}

/// What a verified answer teaches; nothing where a model wrote words of its own. `plain` is what would be answered without
/// a model: words that only write it in another way teach that way.
pub fn learn(field: &Field, decision: &Decision, plain: Option<&Decision>, facts: &Facts) -> Option<Step> {
    let step = Step::about(field, &decision.fact);
    let is_plain = |known: &Decision| known.answer == decision.answer;
    if !matches!(decision.source, Source::Model | Source::Manual)
        || of_fact(field, &decision.fact, facts).as_ref().is_some_and(is_plain)
    {
        return Some(step);
    }
    match &decision.answer {
        Answer::Options(chosen) if chosen.len() == 1 => {
            let (_, value) = facts.get(&decision.fact)?;
            let option = field.options.get(chosen[0])?.label.clone();
            Some(Step { option, digest: digest(&decision.fact, &words::plain(value)), ..step })
        }
        Answer::Text(written) => {
            let words = plain?.answer.text()?;
            let format = format::of(words, written, field)?;
            let digest = digest(FORMAT, &format::outline(&format, words)?);
            Some(Step { fact: plain?.fact.clone(), format, digest, ..step })
        }
        _ => None,
    }
}

/// What is learned from a question that a model could not answer from these facts.
pub fn learn_open(field: &Field, facts: &Facts) -> Step {
    Step { digest: digest("", &words::plain(&everything(facts))), ..Step::about(field, "") }
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
            "signature": self.form.key(), "url_pattern": self.form.pattern(), "task": self.form.task(),
            "platform": self.form.platform(), "outcome": outcome, "manual_id": self.manual, "steps": self.steps,
        })
    }
}

/// All facts as one text.
fn everything(facts: &Facts) -> String {
    facts.iter().map(|(name, about, value)| format!("{name}\t{about}\t{value}\n")).collect()
}

/// `SALT.DIGEST`, with a salt of its own.
fn digest(about: &str, text: &str) -> String {
    salted(&Uuid::new_v4().simple().to_string(), about, text)
}

/// Whether a digest is of this text.
fn is_digest(digest: &str, about: &str, text: &str) -> bool {
    digest.split_once('.').is_some_and(|(salt, _)| salted(salt, about, text) == digest)
}

fn salted(salt: &str, about: &str, text: &str) -> String {
    format!("{salt}.{}", &hex(&format!("{salt}\n{about}\n{text}"))[..16])
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
        let profile = json!({"summary": value, "first_name": "Ada"});
        Facts::new(&Profile::new(profile.as_object().expect("object")), &Answers::new(&BTreeMap::new()))
    }

    #[test]
    fn a_choice_of_the_model_is_repeated_for_the_same_fact_only_and_no_value_is_kept() {
        let field = Field {
            options: test_choices(&["Steam", "Analytical"]),
            ..test_field(Kind::Select, "Which engine?")
        };
        let chosen =
            Decision { answer: Answer::Options(vec![1]), source: Source::Model, fact: "summary".into() };
        let step = learn(&field, &chosen, None, &facts("The one I built in secret")).expect("a step");
        assert!(!json!(step).to_string().contains("secret"));
        let manual = Manual { id: Uuid::nil(), health: 1.0, steps: vec![step] };
        let again = manual.decide(&field, &facts("the one I built in secret!")).expect("the same");
        assert_eq!((again.answer, again.source), (Answer::Options(vec![1]), Source::Manual));
        assert!(manual.decide(&field, &facts("Another")).is_none());
    }

    #[test]
    fn equal_facts_of_two_candidates_do_not_look_alike() {
        assert_ne!(digest("notice_period", "4 weeks"), digest("notice_period", "4 weeks"));
        assert!(is_digest(&digest("notice_period", "4 weeks"), "notice_period", "4 weeks"));
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
        assert!(learn(&field, &written, None, &facts("x")).is_none());
    }

    #[test]
    fn a_fact_written_in_another_way_teaches_that_way_and_nothing_of_the_fact() {
        let field = Field { error: "Use 1234-567".into(), ..test_field(Kind::Text, "Machine number") };
        let written = |text: &str| Decision {
            answer: Answer::Text(text.into()),
            source: Source::Model,
            fact: "summary".into(),
        };
        let plain = of_fact(&field, "summary", &facts("9081726"));
        let step = learn(&field, &written("9081-726"), plain.as_ref(), &facts("9081726")).expect("a step");
        assert_eq!((step.format.as_str(), step.is_open()), ("####-###", false));
        let manual = Manual { id: Uuid::nil(), health: 1.0, steps: vec![step] };
        let poured = manual.decide(&field, &facts("5554443")).expect("of the same outline");
        assert_eq!((poured.answer, poured.source), (Answer::Text("5554-443".into()), Source::Manual));
        assert!(manual.decide(&field, &facts("55544433")).is_none(), "one digit more: the model is asked");
        let known = Decision { answer: Answer::Text("5554443".into()), ..written("") };
        assert_eq!(manual.write(&field, &known).map(|it| it.answer), Some(Answer::Text("5554-443".into())));
        let longer = Decision { answer: Answer::Text("55544433".into()), ..written("") };
        assert!(manual.write(&field, &longer).is_none());
        assert_eq!(manual.other_formats(&field, Some("5554443")).count(), 0);
        assert_eq!(manual.other_formats(&field, Some("55544433")).count(), 1);
    }

    #[test]
    fn a_manual_from_before_there_were_formats_is_read_as_it_was() {
        let old = json!([{"question": "phone", "kind": "tel", "fact": "phone"}]);
        let manual = Manual::read(Uuid::nil(), 1.0, old).expect("a manual");
        assert!(manual.steps[0].format.is_empty());
    }
}
