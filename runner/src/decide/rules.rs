//! Which fact answers a question, by exact match of its autocomplete token, its label or its name.
//!
//! Nothing fuzzy: what these rules do not know goes to the candidate's answers, to the model, or to a person.

use std::sync::LazyLock;

use serde::Deserialize;

use super::phrases::{holds, holds_any, of_key};
use super::{Profile, sensitive};
use crate::form::{Field, Kind, words};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    fact: String,
    #[serde(default)]
    autocomplete: Vec<String>,
    names: Vec<String>,
    labels: Vec<String>,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    toml::from_str(include_str!("rules.toml")).expect("rules.toml is part of the program and tested")
});

/// Who else an e-mail address or telephone number may belong to: whole words, `*` goes on.
#[rustfmt::skip]
const OTHER_PEOPLE: &[&str] = &[
    "refer", "referr*", "referee*", "reference*", "referral*", "referent*", "referenz*", "manager*", "supervisor*", "friend", "friends",
    "emergency*", "recruiter*", "employer*", "colleague*", "company", "companys", "companies",
];

/// The keys of facts that would answer this field, best evidence first.
pub fn candidates(field: &Field) -> Vec<String> {
    let mut keys = Vec::new();
    let mut add = |key: &str| {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    };
    let label = words::question(&field.question);
    let by_label = BOOK.rule.iter().filter(|rule| rule.labels.contains(&label));
    by_label.for_each(|rule| add(&rule.fact));
    by_options(field, &label).into_iter().for_each(&mut add);
    by_sentence(&words::plain(&field.question)).into_iter().for_each(&mut add);
    let mut tokens = field.autocomplete.split_whitespace();
    let token = tokens.next_back().unwrap_or_default();
    BOOK.rule
        .iter()
        .filter(|rule| rule.autocomplete.iter().any(|it| it == token))
        .for_each(|rule| add(&rule.fact));
    // A name is weak evidence: it decides only where the label says nothing else and the question is not delicate.
    if !sensitive::is_sensitive(field) || label.is_empty() {
        let names = [words::squashed(&field.name), words::squashed(last_part(&field.name))];
        let by_name = BOOK.rule.iter().filter(|rule| names.iter().any(|name| rule.names.contains(name)));
        by_name.filter(|_| label.split(' ').count() <= 4).for_each(|rule| add(&rule.fact));
    }
    let own = !holds_any(&label, OTHER_PEOPLE) && !holds_any(&of_key(&field.name), OTHER_PEOPLE);
    let part = holds_any(&label, &["code", "codes", "ext", "extension"]);
    match field.kind {
        Kind::Email if own => add("email"),
        Kind::Tel if own && !part => add("phone"),
        _ => {}
    }
    keys
}

/// What a question means that says nothing itself: its options do.
fn by_options(field: &Field, label: &str) -> Option<&'static str> {
    let vague =
        label.contains("one of the boxes") || label.contains("one of the following") || label.is_empty();
    let about =
        |word: &str| field.options.iter().filter(|it| holds(&words::plain(&it.label), word)).count() >= 2;
    if !vague {
        return None;
    }
    [("disability", "disability_status"), ("protected veteran", "veteran_status")]
        .into_iter()
        .find(|(word, _)| about(word))
        .map(|(_, fact)| fact)
}

/// The two legal questions every form asks, in their many wordings. A negation, or both in one sentence, is not decided here.
fn by_sentence(asked: &str) -> Option<&'static str> {
    const HERE: &[&str] = &[
        "in the united states",
        "in the us",
        "in the u s",
        "in the usa",
        "in this country",
        "in the country",
        "in your country",
    ];
    let says = |words: &[&str]| holds_any(asked, words);
    let begins = |words: &[&str]| {
        words.iter().any(|word| asked.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))
    };
    if says(&["not", "without", "unable", "other than", "anyone", "family"]) || asked.len() > 220 {
        return None;
    }
    let (sponsor, authorized) = (
        says(&["sponsor*"]),
        says(&[
            "authorized to work",
            "authorised to work",
            "right to work",
            "eligible to work",
            "entitled to work",
        ]),
    );
    match (sponsor, authorized) {
        (true, false) if begins(&["will you", "do you", "would you"]) && says(&["require*", "need*"]) => {
            Some("requires_sponsorship")
        }
        (false, true) if begins(&["are you", "do you have"]) => {
            // Another country than this one is another question.
            let elsewhere = asked.split(" in ").count() > 1 && !says(HERE);
            (!elsewhere).then_some("work_authorization")
        }
        _ => None,
    }
}

/// A fact of any other key whose name is the question.
pub fn extra<'a>(profile: &'a Profile, field: &Field) -> Option<(&'a str, &'a str)> {
    let label = words::question(&field.question);
    profile.facts().find(|(key, _)| !label.is_empty() && words::question(key) == label)
}

/// `urls[LinkedIn]` → `LinkedIn`; `user.first_name` → `first_name`.
fn last_part(name: &str) -> &str {
    name.trim_end_matches(']').rsplit(['[', '.', '/']).find(|part| !part.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::test_field;

    #[test]
    fn every_label_in_the_book_is_in_its_normal_form() {
        for rule in &BOOK.rule {
            for label in &rule.labels {
                let normal = words::question(label);
                let reached = rule.labels.contains(&normal);
                assert!(reached, "{label:?} of {} is never met: it is looked up as {normal:?}", rule.fact);
            }
            for name in &rule.names {
                assert_eq!(*name, words::squashed(name), "{}", rule.fact);
            }
        }
    }

    #[test]
    fn no_label_answers_two_questions() {
        for (at, rule) in BOOK.rule.iter().enumerate() {
            for other in &BOOK.rule[at + 1..] {
                for label in &rule.labels {
                    assert!(!other.labels.contains(label), "{label}: {} and {}", rule.fact, other.fact);
                }
            }
        }
    }

    #[test]
    fn a_referrers_address_is_not_the_candidates() {
        let mut field = test_field(Kind::Email, "Referrer's e-mail");
        assert_eq!(candidates(&field), Vec::<String>::new());
        field.question = "Your e-mail here".into();
        assert_eq!(candidates(&field), ["email"]);
    }

    #[test]
    fn a_word_inside_another_one_does_not_make_it_somebody_elses() {
        for (kind, question, name, fact) in [
            (Kind::Email, "Preferred e-mail here", "preferredMail", Some("email")),
            (Kind::Email, "E-mail for friendly reminders", "", Some("email")),
            (Kind::Tel, "Phone that takes texts", "", Some("phone")),
            (Kind::Tel, "Encoded phone", "", Some("phone")),
            (Kind::Tel, "Phone ext here", "", None),
            (Kind::Email, "Write here", "referrerEmail", None),
            (Kind::Email, "Write here", "line-manager_mail", None),
            (Kind::Email, "E-mail of your references", "", None),
        ] {
            let field = Field { name: name.into(), ..test_field(kind, question) };
            assert_eq!(candidates(&field).first().map(String::as_str), fact, "{question} {name}");
        }
    }

    #[test]
    fn bracketed_names_are_understood() {
        let mut field = test_field(Kind::Text, "");
        field.name = "urls[LinkedIn]".into();
        assert_eq!(candidates(&field), ["linkedin_url"]);
        field.name = "job_application[first_name]".into();
        assert_eq!(candidates(&field), ["first_name"]);
    }
}
