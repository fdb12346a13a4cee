//! May what the model proposes stand? Every answer needs a fact; weighty ones a fact about that very thing, with the right sign.
//! And no fact that is private goes where it is not asked for, whatever the page told the model.

use serde::Deserialize;

use super::model::{Facts, is_prose};
use super::{Answer, Decision, Source, fit, format, orders, polarity, private, sensitive};
use crate::form::{Field, Kind};

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The value of a fact.
    Fact,
    /// Options of the question.
    Option,
    /// Words of the model's own.
    Text,
    /// No answer.
    Unknown,
}

/// What the model says about one question.
#[derive(Clone, Debug, Deserialize)]
pub struct Proposal {
    /// The question.
    pub id: String,
    /// How it is answered.
    pub kind: Way,
    /// The fact pointed at; empty for none.
    #[serde(default)]
    pub fact: String,
    /// The options pointed at.
    #[serde(default)]
    pub options: Vec<usize>,
    /// The words written.
    #[serde(default)]
    pub text: String,
}

/// The decision that a proposal becomes, if it may.
pub fn accept(field: &Field, proposal: &Proposal, facts: &Facts) -> Option<Decision> {
    let known = facts.shared(&proposal.fact);
    if sensitive::is_sensitive(field) && !known.is_some_and(|(about, _)| sensitive::supports(about, field)) {
        return None;
    }
    if orders::gives_orders(field) || known.is_some_and(|(about, _)| !private::may_tell(about, field)) {
        return None;
    }
    let answer = match proposal.kind {
        Way::Unknown => None,
        Way::Fact => {
            let (_, value) = known?;
            fit::fit(field, value).filter(|answer| keeps_sign(field, answer, value))
        }
        Way::Option => options(field, &proposal.options, known?.1),
        Way::Text => text(field, &proposal.text, known.map(|(_, value)| value), facts),
    }?;
    Some(Decision { answer, source: Source::Model, fact: proposal.fact.clone() })
}

fn options(field: &Field, chosen: &[usize], fact: &str) -> Option<Answer> {
    let real = |at: &usize| field.options.get(*at).is_some_and(|option| !option.blank);
    let count = if field.kind.is_multiple() { 1..=field.options.len() } else { 1..=1 };
    let answer = Answer::Options(chosen.to_vec());
    let choosable = field.kind.is_closed() || field.kind == Kind::Combobox;
    (choosable
        && count.contains(&chosen.len())
        && chosen.iter().all(real)
        && keeps_sign(field, &answer, fact))
    .then_some(answer)
}

/// Whether a chosen yes or no says what the fact says.
fn keeps_sign(field: &Field, answer: &Answer, fact: &str) -> bool {
    let Answer::Options(chosen) = answer else { return true };
    let labels = chosen.iter().filter_map(|at| field.options.get(*at)).map(|it| it.label.as_str());
    labels.into_iter().all(|label| polarity::agrees(&field.question, fact, label) != Some(false))
}

fn text(field: &Field, text: &str, fact: Option<&str>, facts: &Facts) -> Option<Answer> {
    let text = text.trim();
    // A telephone number is the fact's, however it is written.
    let rewrites = fact.is_some_and(|fact| format::of(fact, text, field).is_some());
    let takes = is_prose(field) || field.kind == Kind::Text || (field.kind == Kind::Tel && rewrites);
    let bare = text.is_empty() || !takes || sensitive::is_sensitive(field);
    let known = rewrites || numbers_are_known(text, field, facts);
    if bare || !known || !private::is_harmless(text, field, facts) {
        return None;
    }
    match fit::fit(field, text)? {
        Answer::Text(text) => Some(Answer::Text(text)),
        _ => None,
    }
}

/// Whether every number in a text stands in a fact or in the question: years and amounts are what gets invented.
fn numbers_are_known(text: &str, field: &Field, facts: &Facts) -> bool {
    let mut known = numbers(&field.question);
    facts.iter().for_each(|(_, _, value)| known.extend(numbers(value)));
    numbers(text).iter().all(|number| known.contains(number))
}

/// The numbers in a text, without the separators of thousands: `120,000` is `120000`.
fn numbers(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let digits = |from: usize| letters[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let separates = |at: usize| {
        at > 0
            && matches!(letters[at], ',' | '.' | '\'' | '’' | ' ' | '\u{a0}')
            && letters[at - 1].is_ascii_digit()
            && digits(at + 1) == 3
    };
    let kept: String = (0..letters.len()).filter(|at| !separates(*at)).map(|at| letters[at]).collect();
    kept.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::{Profile, answers::Answers, test_choices, test_field};

    fn facts() -> Facts {
        let profile = serde_json::json!({"work_authorization": "Yes", "requires_sponsorship": false, "years_of_experience": 7, "summary": "I like compilers"});
        let answers = Answers::new(&BTreeMap::from([(
            "Have you been convicted of a felony?".to_owned(),
            "No".to_owned(),
        )]));
        Facts::new(&Profile::new(profile.as_object().expect("object")), &answers)
    }

    fn yes_no(question: &str) -> Field {
        Field { options: test_choices(&["Yes", "No"]), ..test_field(Kind::Radio, question) }
    }

    fn option(fact: &str, at: usize) -> Proposal {
        Proposal {
            id: "f1".into(),
            kind: Way::Option,
            fact: fact.into(),
            options: vec![at],
            text: String::new(),
        }
    }

    #[test]
    fn a_legal_question_takes_only_a_fact_about_that_very_thing() {
        let field = yes_no("Do you need a visa to work here?");
        assert!(accept(&field, &option("requires_sponsorship", 1), &facts()).is_some());
        assert!(accept(&field, &option("summary", 1), &facts()).is_none());
        assert!(accept(&field, &option("", 1), &facts()).is_none());
        assert!(
            accept(&yes_no("Do you have a criminal record?"), &option("answer_1", 1), &facts()).is_some()
        );
        assert!(
            accept(&yes_no("Are you a protected veteran?"), &option("work_authorization", 1), &facts())
                .is_none()
        );
    }

    #[test]
    fn the_sign_of_the_answer_must_be_the_sign_of_the_fact() {
        assert!(
            accept(
                &yes_no("Are you eligible to work in Canada?"),
                &option("work_authorization", 0),
                &facts()
            )
            .is_some()
        );
        assert!(
            accept(
                &yes_no("Are you eligible to work in Canada?"),
                &option("work_authorization", 1),
                &facts()
            )
            .is_none()
        );
        assert!(
            accept(
                &yes_no("Are you not authorized to work in Canada?"),
                &option("work_authorization", 0),
                &facts()
            )
            .is_none()
        );
    }

    #[test]
    fn a_number_is_the_same_however_it_is_grouped() {
        assert_eq!(numbers("120,000 USD or 1.200.000"), ["120000", "1200000"]);
        assert_eq!(numbers("4 weeks, 2027-01-04, 3.5"), ["4", "2027", "01", "04", "3", "5"]);
    }

    #[test]
    fn a_telephone_number_may_be_written_otherwise_but_stays_the_candidates() {
        let profile = serde_json::json!({"phone": "+1 512 555 0142", "salary_expectation": "120000"});
        let facts =
            Facts::new(&Profile::new(profile.as_object().expect("object")), &Answers::new(&BTreeMap::new()));
        let written = |fact: &str, text: &str| Proposal {
            id: "f1".into(),
            kind: Way::Text,
            fact: fact.into(),
            options: vec![],
            text: text.into(),
        };
        let field = test_field(Kind::Tel, "Phone");
        for text in ["(512) 555-0142", "512.555.0142", "+15125550142"] {
            assert!(accept(&field, &written("phone", text), &facts).is_some(), "{text}");
        }
        for (fact, text) in [
            ("phone", "(512) 555-0143"),
            ("phone", "555-0142"),
            ("phone", "my number is 512 555 0142"),
            ("", "(512) 555-0142"),
            ("salary_expectation", "120,000"),
        ] {
            assert!(accept(&field, &written(fact, text), &facts).is_none(), "{fact}: {text}");
        }
    }

    #[test]
    fn an_option_that_does_not_exist_is_no_answer() {
        assert!(accept(&yes_no("Do you like compilers?"), &option("summary", 7), &facts()).is_none());
    }

    #[test]
    fn a_text_with_a_number_of_its_own_is_no_answer() {
        let field = test_field(Kind::Textarea, "Why compilers?");
        let text = |text: &str| Proposal {
            id: "f1".into(),
            kind: Way::Text,
            fact: "summary".into(),
            options: vec![],
            text: text.into(),
        };
        assert!(accept(&field, &text("Seven or rather 7 years in, I still like them."), &facts()).is_some());
        assert!(accept(&field, &text("I built 12 of them."), &facts()).is_none());
        assert!(
            accept(&test_field(Kind::Email, "E-mail of your referee"), &text("a@b.test"), &facts()).is_none()
        );
    }
}
