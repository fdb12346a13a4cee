//! Does a yes or no say what the fact says? Checked for every answer to a weighty question that a model gave.

use super::fit;
use crate::form::words;

/// Words that turn a question round: "are you *not* …", "*unable* to …".
const TURNS: &[&str] = &[
    "not",
    "unable",
    "cannot",
    "can t",
    "don t",
    "dont",
    "without",
    "never",
    "no longer",
    "lack",
    "refuse",
    "decline",
];

/// Whether a question is asked in the negative.
pub fn is_negated(question: &str) -> bool {
    let text = format!(" {} ", words::plain(question));
    TURNS.iter().filter(|word| text.contains(&format!(" {word} "))).count() % 2 == 1
}

/// Whether choosing an option with this label agrees with a fact of yes or no.
///
/// `None` when either says neither, so that there is nothing to compare.
pub fn agrees(question: &str, fact: &str, option: &str) -> Option<bool> {
    let (fact, option) = (fit::option_sign(fact)?, fit::option_sign(option)?);
    Some((fact == option) != is_negated(question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negated_question_turns_the_answer_round() {
        assert_eq!(agrees("Do you require sponsorship?", "No", "No"), Some(true));
        assert_eq!(agrees("Do you require sponsorship?", "No", "Yes"), Some(false));
        assert_eq!(agrees("Can you work without sponsorship?", "No", "Yes"), Some(true));
        assert_eq!(agrees("Are you not authorized to work here?", "Yes", "Yes"), Some(false));
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_not_compared() {
        assert_eq!(agrees("Gender", "Female", "Male"), None);
    }
}
