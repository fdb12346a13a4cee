//! From a filled page to the next one, or to the end: only when nothing on it is open.

use std::time::Duration;

use super::{Agent, End};
use crate::act::State;
use crate::blockers::Blocker;
use crate::form::{Button, Form, words};
use crate::job::Submit;
use crate::outcome::Outcome;
use crate::progress::Step;

/// How long the next page may take to appear.
const TURN: Duration = Duration::from_secs(12);
/// How long a button may stay switched off after the last answer.
const WAKE: Duration = Duration::from_secs(3);

/// What comes after a page.
pub(super) enum Next {
    /// Another page of the form.
    Page(Box<Form>),
    /// The end.
    End(Outcome),
}

impl Agent<'_> {
    /// Leaves the page by its Next or Submit button.
    pub(super) async fn advance(&mut self, form: Form) -> Result<Next, End> {
        self.progress.step(Step::Reviewing).await;
        self.gate()?;
        let form = self.wait_until_enabled(form).await?;
        let Some((press, button)) = onward(&form) else {
            return Err(Outcome::retryable("element_not_found", "The form has no button to go on").into());
        };
        if press == words::Press::Submit {
            if self.input.submit == Submit::HoldBack {
                self.picture("before-submit").await;
                return Ok(Next::End(Outcome::held_back()));
            }
            if !form.page.widgets.is_empty() {
                // Everything is filled in; only the box is left, and it is a person's to tick.
                let form = self.ask_for_help(Blocker::Captcha, form).await?;
                let Some((_, button)) = onward(&form) else {
                    return Err(
                        Outcome::retryable("element_not_found", "The form has no button to go on").into()
                    );
                };
                let button = button.clone();
                return self.send(form, button).await;
            }
            let button = button.clone();
            return self.send(form, button).await;
        }
        self.turn(form).await
    }

    /// Stops when a question is open that must not be.
    fn gate(&self) -> Result<(), Outcome> {
        let record = self.record.get();
        let open = |state: State| -> Vec<String> {
            let lines = record
                .lines
                .iter()
                .filter(|line| line.page == self.page && line.required && line.state == state);
            lines
                .map(|line| {
                    if line.error.is_empty() {
                        line.question.clone()
                    } else {
                        format!("{} ({})", line.question, line.error)
                    }
                })
                .collect()
        };
        let unknown = open(State::NeedsHuman);
        if !unknown.is_empty() {
            let message = format!("Required questions need an answer: {}", unknown.join("; "));
            return Err(Outcome::needs_human("missing_answers", message));
        }
        let rejected = open(State::Rejected);
        if !rejected.is_empty() {
            return Err(Outcome::last(
                "validation_error",
                format!("The form rejects: {}", rejected.join("; ")),
            ));
        }
        let unverified = open(State::Unverified);
        if !unverified.is_empty() {
            return Err(Outcome::retryable(
                "field_not_filled",
                format!("These did not take: {}", unverified.join("; ")),
            ));
        }
        Ok(())
    }

    async fn wait_until_enabled(&mut self, mut form: Form) -> Result<Form, End> {
        let until = tokio::time::Instant::now() + WAKE;
        while onward(&form).is_none_or(|(_, button)| button.disabled) && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(150)).await;
            form = self.read().await?;
        }
        if onward(&form).is_some_and(|(_, button)| button.disabled) {
            return Err(
                Outcome::retryable("field_not_filled", "The button to go on stays switched off").into()
            );
        }
        Ok(form)
    }

    /// Presses Next; once more after what the page complained about was put right.
    async fn turn(&mut self, mut form: Form) -> Result<Next, End> {
        for last in [false, true] {
            if let Some(control) = onward(&form).and_then(|(_, button)| button.control())
                && !self.session.click(&control).await?
            {
                self.session.on(&control, "tick", &[]).await?;
            }
            self.record.get().actions += 1;
            self.progress.did(1, "going to the next page").await;
            let (now, turned) = self.after_turn(&form).await?;
            if turned {
                return Ok(Next::Page(Box::new(now)));
            }
            if last || !self.mend(&now).await? {
                return Err(super::stuck(&now).into());
            }
            form = self.read().await?;
        }
        Err(super::stuck(&form).into())
    }

    /// Reads the page until it is another one, complains, or has had its time; whether it is another one.
    async fn after_turn(&mut self, form: &Form) -> Result<(Form, bool), End> {
        let (before, until) = (form.signature(), tokio::time::Instant::now() + TURN);
        loop {
            let now = self.read().await?;
            if now.signature() != before {
                return Ok((now, true));
            }
            let complains = !now.errors.is_empty() || now.fields.iter().any(|field| !field.error.is_empty());
            if complains || tokio::time::Instant::now() >= until {
                return Ok((now, false));
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

/// The button that leaves the page: best by where it stands, Next before Submit when both stand equally well.
pub(super) fn onward(form: &Form) -> Option<(words::Press, &Button)> {
    let home: Vec<_> = form.fields.iter().map(|field| field.form).collect();
    let frames: Vec<_> =
        form.fields.iter().filter_map(|field| field.world.as_ref().map(|it| &it.frame)).collect();
    let score = |button: &Button, press: words::Press| {
        let inside = button.form.is_some() && home.contains(&button.form);
        let frame = frames.is_empty() || button.world.as_ref().is_some_and(|it| frames.contains(&&it.frame));
        8 * i32::from(inside)
            + 4 * i32::from(frame)
            + 2 * i32::from(!button.link)
            + i32::from(button.submit)
            + i32::from(press == words::Press::Next)
    };
    let named = form.buttons.iter().filter_map(|button| {
        let press = words::press(&button.text, true);
        matches!(press, words::Press::Next | words::Press::Submit)
            .then(|| (score(button, press), press, button))
    });
    // Of equals the last one: a form's own button stands below its questions.
    if let Some((_, press, button)) = named.max_by_key(|(score, ..)| *score) {
        return Some((press, button));
    }
    let mut submits =
        form.buttons.iter().filter(|it| it.submit && home.contains(&it.form) && it.form.is_some());
    let only = submits.next().filter(|_| submits.next().is_none())?;
    Some((words::Press::Submit, only))
}
