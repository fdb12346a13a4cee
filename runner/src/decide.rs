//! What to answer: rules and the candidate's own answers first, a model only for what they leave.

pub mod answers;
pub mod consent;
pub mod fit;
pub mod format;
pub mod history;
pub mod model;
pub mod orders;
pub mod phrases;
pub mod places;
pub mod polarity;
pub mod private;
pub mod profile;
pub mod proposal;
pub mod rules;
pub mod sensitive;
pub mod sharing;

pub use profile::Profile;

use std::path::PathBuf;

use serde::Serialize;

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A rule over the profile.
    Rule,
    /// The candidate's stored answer to this very question.
    Answer,
    /// The manual of this form, from the candidate's facts.
    Manual,
    /// A model, from the candidate's facts.
    Model,
    /// It stood in the form already.
    Prefilled,
    /// Nothing answered it.
    None,
}

/// What is to be put into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Words.
    Text(String),
    /// Options, by their place in the field's list.
    Options(Vec<usize>),
    /// Several words, each to be looked up in a list that opens.
    Several(Vec<String>),
    /// A box ticked or not.
    Tick(bool),
    /// A file.
    File(PathBuf),
}

impl Answer {
    /// Its words, where it is words.
    pub const fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text.as_str()) } else { None }
    }
}

/// An answer and why it is the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// Who gave it.
    pub source: Source,
    /// The fact or stored question it comes from.
    pub fact: String,
}

#[cfg(test)]
pub(crate) use testing::{test_choices, test_field};

#[cfg(test)]
mod testing {
    use crate::form::{Choice, Field, Kind};

    /// A field with nothing but a kind and a question.
    pub(crate) fn test_field(kind: Kind, question: &str) -> Field {
        Field {
            id: "f1".into(),
            kind,
            question: question.into(),
            help: String::new(),
            required: Vec::new(),
            options: Vec::new(),
            value: String::new(),
            name: String::new(),
            autocomplete: String::new(),
            placeholder: String::new(),
            section: String::new(),
            max_length: None,
            part: String::new(),
            group: String::new(),
            chooser: false,
            multiple: false,
            covered: false,
            form: None,
            error: String::new(),
            node: 0,
            backend_node_id: None,
            world: None,
        }
    }

    /// Options with these labels.
    pub(crate) fn test_choices(labels: &[&str]) -> Vec<Choice> {
        let choice = |(index, label): (usize, &&str)| Choice {
            label: (*label).into(),
            value: String::new(),
            node: None,
            index: u32::try_from(index).expect("few"),
            chosen: false,
            blank: label.ends_with('…'),
        };
        labels.iter().enumerate().map(choice).collect()
    }
}
