//! How a job ended, in the words of the database's `finish`.

use domain::attempt::EndClass;
use serde_json::{Value, json};

use crate::blockers::{Blocker, Fate};
use crate::receipt::Receipt;
use crate::record::{Record, Sending};

/// How many fields of a form are told one by one; the sums count all.
const MOST_FIELDS: usize = 300;

/// How a job ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it means for the job.
    pub class: EndClass,
    /// The contract's error code; none on success.
    pub code: Option<&'static str>,
    /// One sentence for the job's user.
    pub message: String,
    /// The proof that the application arrived.
    pub receipt: Option<Receipt>,
    /// What stood in the way.
    pub blocker: Option<Blocker>,
    /// Whether the work stopped before sending because it was told to.
    pub held_back: bool,
    /// What was read, for jobs that read.
    pub data: Option<Value>,
}

impl Outcome {
    /// Done, with proof.
    pub fn arrived(receipt: Receipt) -> Self {
        Self {
            receipt: Some(receipt),
            ..Self::new(EndClass::Completed, None, "Application submitted successfully")
        }
    }

    /// Done as far as it was allowed: everything is filled in and nothing was sent.
    pub fn held_back() -> Self {
        Self { held_back: true, ..Self::new(EndClass::Completed, None, "Form filled in, not submitted") }
    }

    /// Done as far as it was allowed: the form goes on behind a button that would send answers.
    pub fn held_at_step(button: &str) -> Self {
        let message =
            format!("Form filled in, stopped before the first step that would send answers: `{button}`");
        Self { held_back: true, ..Self::new(EndClass::Completed, None, message) }
    }

    /// Done: this was read.
    pub fn read(message: impl Into<String>, data: Value) -> Self {
        Self { data: Some(data), ..Self::new(EndClass::Completed, None, message) }
    }

    /// A failure another try cannot cure.
    pub fn last(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(EndClass::Final, Some(code), message)
    }

    /// A failure another try may cure.
    pub fn retryable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(EndClass::Retryable, Some(code), message)
    }

    /// A person has to act.
    pub fn needs_human(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(EndClass::NeedsHuman, Some(code), message)
    }

    /// Something stands in the way.
    pub fn blocked(blocker: Blocker) -> Self {
        let (code, message, fate) = blocker.verdict();
        let class = match fate {
            Fate::Human => EndClass::NeedsHuman,
            Fate::Retry => EndClass::Retryable,
            Fate::End => EndClass::Final,
        };
        Self { blocker: Some(blocker), ..Self::new(class, Some(code), message) }
    }

    /// A failure of this class and code.
    pub fn new(class: EndClass, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            class,
            code,
            message: message.into(),
            receipt: None,
            blocker: None,
            held_back: false,
            data: None,
        }
    }

    /// The outcome that is safe given how far sending got: what may have been sent is never tried again.
    #[must_use]
    pub fn guarded(self, sending: Sending) -> Self {
        match (sending, self.class) {
            (Sending::Pressed, EndClass::Retryable | EndClass::Deadline | EndClass::Released) => Self {
                class: EndClass::Final,
                code: Some("submit_unconfirmed"),
                message: format!("The application was sent but nothing confirmed it ({})", self.message),
                ..self
            },
            // The permit is used up: another attempt would not get it.
            (Sending::Granted | Sending::NotTaken, EndClass::Retryable) => {
                Self { class: EndClass::Final, ..self }
            }
            _ => self,
        }
    }

    /// Whether the application provably arrived.
    pub const fn submitted(&self) -> bool {
        self.receipt.is_some()
    }

    /// The object `gh_attempt_finish` takes.
    pub fn finish(&self, record: &Record, peak_rss_mb: u64) -> Value {
        let permit = match record.sending {
            Sending::Confirmed => Some("submitted"),
            Sending::Granted | Sending::NotTaken => Some("not_submitted"),
            Sending::NotAsked | Sending::Refused | Sending::Pressed => None,
        };
        json!({
            "class": self.class,
            "error_code": self.code,
            "error_message": self.code.map(|_| &self.message),
            "result_summary": self.code.is_none().then_some(&self.message),
            "result_data": self.data(record),
            "screenshot_urls": record.screenshots,
            "action_count": record.actions,
            "final_mode": record.mode(),
            "permit_outcome": permit,
            "peak_rss_mb": peak_rss_mb,
        })
    }

    /// What the job's user may read about it; holds no answer of the candidate.
    fn data(&self, record: &Record) -> Value {
        let open: Vec<Value> = record
            .lines
            .iter()
            .filter(|line| !line.state.is_settled())
            .map(|line| json!({"question": line.question, "kind": line.kind, "required": line.required, "options": line.options, "state": line.state, "error": line.error}))
            .collect();
        // Where each answer came from, never what it was.
        let each = record.lines.iter().take(MOST_FIELDS).map(|line| {
            let question: String = line.question.chars().take(200).collect();
            json!({"page": line.page, "question": question, "kind": line.kind, "source": line.source, "state": line.state})
        });
        let mut fields = record.summary();
        fields["each"] = each.collect();
        let mut all = json!({
            "submitted": self.submitted(),
            "success_message": self.submitted().then_some(&self.message),
            "confirmation": self.receipt,
            "fields": fields,
            "open_questions": open,
            "blocker": self.blocker,
            "screenshots": record.screenshots,
            "final_url": record.url,
            "model_calls": record.calls.len(),
            "snapshot": record.snapshot,
        });
        for (name, value) in self.data.iter().filter_map(Value::as_object).flatten() {
            all[name] = value.clone();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_sent_is_never_tried_again() {
        let lost = || Outcome::retryable("browser_crashed", "gone");
        assert_eq!(lost().guarded(Sending::Pressed).class, EndClass::Final);
        assert_eq!(lost().guarded(Sending::Pressed).code, Some("submit_unconfirmed"));
        assert_eq!(lost().guarded(Sending::Granted).class, EndClass::Final);
        assert_eq!(lost().guarded(Sending::NotAsked).class, EndClass::Retryable);
        let stopped = Outcome::new(EndClass::Deadline, Some("timeout"), "late");
        assert_eq!(stopped.guarded(Sending::Pressed).code, Some("submit_unconfirmed"));
    }
}
