//! The candidate's own answers to questions: `qa_overrides`, matched by normalised question.

use std::collections::BTreeMap;

use crate::form::{Field, words};

/// Answers by normalised question.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    by_question: BTreeMap<String, (String, String)>,
}

impl Answers {
    /// Takes question → answer; empty answers are left out.
    pub fn new(given: &BTreeMap<String, String>) -> Self {
        let by_question = given
            .iter()
            .filter(|(_, answer)| !answer.trim().is_empty())
            .map(|(asked, answer)| (words::question(asked), (asked.clone(), answer.trim().to_owned())))
            .filter(|(key, _)| !key.is_empty())
            .collect();
        Self { by_question }
    }

    /// The question as the candidate wrote it, and the answer.
    pub fn get(&self, field: &Field) -> Option<(&str, &str)> {
        let help =
            if field.help.is_empty() { None } else { Some(format!("{} {}", field.question, field.help)) };
        [Some(field.question.clone()), help, Some(field.name.clone()).filter(|name| !name.is_empty())]
            .into_iter()
            .flatten()
            .find_map(|text| self.by_question.get(&words::question(&text)))
            .map(|(asked, answer)| (asked.as_str(), answer.as_str()))
    }

    /// Every question and answer, as the candidate wrote them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_question.values().map(|(asked, answer)| (asked.as_str(), answer.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::test_field, form::Kind};

    #[test]
    fn an_answer_is_found_whatever_the_marks_around_the_question() {
        let given = BTreeMap::from([("Why do you want to work here?".to_owned(), "Because".to_owned())]);
        let answers = Answers::new(&given);
        let field = test_field(Kind::Textarea, "Why do you want to work here *");
        assert_eq!(answers.get(&field).map(|it| it.1), Some("Because"));
        assert!(answers.get(&test_field(Kind::Textarea, "Why do you want to leave?")).is_none());
    }
}
