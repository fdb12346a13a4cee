//! What a page's query asks the site to do wrong.

use std::time::Duration;

use serde::Deserialize;

use crate::book::Book;

/// The query of a form's page; the form posts back to the same query, so it also rules the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Trouble {
    /// Which job an application belongs to; stored with it.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The code a visitor has to type before the form is shown; the classic form only.
    pub code: Option<String>,
    /// How long the page itself takes.
    #[serde(default)]
    pub slow_ms: u64,
    /// How long the answer to a post takes, after the post was written down.
    #[serde(default)]
    pub submit_delay_ms: u64,
    /// What happens once a post was written down.
    #[serde(default)]
    pub on_submit: OnSubmit,
}

/// What the site does with an application it has written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSubmit {
    /// Answers as a good site does.
    #[default]
    Answer,
    /// Never answers, until the handle releases it: the sender cannot know whether it was received.
    Hang,
    /// Answers 502, although the application was received.
    Fail,
}

impl Trouble {
    /// Waits as long as the page should take.
    pub(crate) async fn slow(&self) {
        tokio::time::sleep(Duration::from_millis(self.slow_ms)).await;
    }

    /// Waits as long as the answer to post `number` should take; true when the answer is then a failure.
    pub(crate) async fn answer(&self, book: &Book, number: usize) -> bool {
        tokio::time::sleep(Duration::from_millis(self.submit_delay_ms)).await;
        if self.on_submit == OnSubmit::Hang {
            book.released(number).await;
        }
        self.on_submit == OnSubmit::Fail
    }
}
