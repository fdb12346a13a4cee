//! What is known about a question without a model: the candidate's own answers, rules over the profile, the history's rows.

use super::Agent;
use super::fill::is_resume;
use crate::decide::history::{self, Part};
use crate::decide::{Answer, Decision, Source, consent, fit, rules, sensitive};
use crate::form::{Field, Kind, words};

/// Options that decline to answer.
const DECLINING: &[&str] = &[
    "decline",
    "prefer not",
    "dont wish",
    "do not wish",
    "choose not",
    "not to answer",
    "rather not",
    "keine angabe",
];

impl Agent<'_> {
    /// What rules and the candidate's own answers say, written as the manual knows that the page wants it.
    pub(super) fn decide(&self, field: &Field) -> Option<Decision> {
        self.known(field).map(|decision| self.written(field, decision))
    }

    /// What rules and the candidate's own answers say.
    pub(super) fn known(&self, field: &Field) -> Option<Decision> {
        if field.kind == Kind::File {
            // "Autofill from resume" is a convenience of the page, not the question.
            let convenience = words::plain(&field.question).contains("autofill") && self.uploaded;
            let path = self.resume.clone().filter(|_| is_resume(field) && !convenience)?;
            return Some(Decision {
                answer: Answer::File(path),
                source: Source::Rule,
                fact: "resume".into(),
            });
        }
        if let Some((asked, answer)) = self.answers.get(field)
            && let Some(fitting) = fit::fit(field, answer)
        {
            return Some(Decision { answer: fitting, source: Source::Answer, fact: asked.to_owned() });
        }
        if is_signing_date(field)
            && let Some(answer) = fit_dated(field, &today())
        {
            return Some(Decision { answer, source: Source::Rule, fact: "today".into() });
        }
        if let Some(decision) = self.of_history(field) {
            return decision;
        }
        for key in rules::candidates(field) {
            if let Some(value) = self.profile.get(&key)
                && let Some(answer) = fit_dated(field, value)
            {
                return Some(Decision { answer, source: Source::Rule, fact: key });
            }
        }
        if let Some((key, value)) = rules::extra(&self.profile, field)
            && let Some(answer) = fit_dated(field, value)
        {
            return Some(Decision { answer, source: Source::Rule, fact: key.to_owned() });
        }
        consent::decide(&self.profile, field).or_else(|| self.decline(field))
    }

    /// "Prefer not to say", where the candidate chose that for all questions of this kind.
    fn decline(&self, field: &Field) -> Option<Decision> {
        let chosen = ["eeo_default", "eeo_preference"].iter().find_map(|key| self.profile.get(key))?;
        if !words::plain(chosen).starts_with("decline") || !sensitive::is_personal(field) {
            return None;
        }
        let mut ways = (0..field.options.len())
            .filter(|at| DECLINING.iter().any(|way| words::plain(&field.options[*at].label).contains(way)));
        let at = ways.next().filter(|_| ways.next().is_none())?;
        Some(Decision { answer: Answer::Options(vec![at]), source: Source::Rule, fact: "eeo_default".into() })
    }

    /// What the candidate's history says about a field of one of its rows; `Some(None)` when that says nothing.
    #[expect(clippy::option_option, reason = "not ours to answer, ours with nothing to say, or an answer")]
    fn of_history(&self, field: &Field) -> Option<Option<Decision>> {
        let part = Part::of(field).filter(|part| part.asks(field))?;
        let row = self.row_of(field);
        if row > part.rows(&self.profile) {
            return (part.rows(&self.profile) > 0).then_some(None);
        }
        let decision = part.fact(&self.profile, field, row).and_then(|(fact, value)| {
            fit_dated(field, &value).map(|answer| Decision { answer, source: Source::Rule, fact })
        });
        Some(decision)
    }

    /// Which row of a repeated part a field belongs to, from 1.
    pub(super) fn row_of(&self, field: &Field) -> usize {
        self.rows.get(&field.key()).copied().or_else(|| history::number(&field.group)).unwrap_or(1)
    }
}

/// Whether a field asks for the day on which the form is signed.
fn is_signing_date(field: &Field) -> bool {
    const ASKED: &[&str] = &["date", "todays date", "date signed", "signature date", "current date", "datum"];
    ASKED.contains(&words::question(&field.question).as_str())
}

#[expect(clippy::disallowed_methods, reason = "the form is signed on the day of this computer's clock")]
fn today() -> String {
    chrono::Utc::now().date_naive().to_string()
}

/// Like [`fit::fit`], with days written the way a text field's placeholder asks for.
fn fit_dated(field: &Field, value: &str) -> Option<Answer> {
    let whole = if value.len() == 7 { format!("{value}-01") } else { value.to_owned() };
    if field.kind == Kind::Text
        && let Some(day) = fit::date_like(&whole, &field.placeholder)
    {
        return Some(Answer::Text(day));
    }
    fit::fit(field, value)
}
