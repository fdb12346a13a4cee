//! A form that is not to be sent: from the first answer on nothing that writes leaves the browser, and a wizard ends where it would.

use std::time::Instant;

use super::advance::{Next, asks_back, onward};
use super::press::TURN;
use super::{Agent, End};
use crate::browser::exchange::{Carrier, Exchange, is_same_site};
use crate::form::{Button, Form};
use crate::job::Submit;
use crate::outcome::Outcome;
use crate::receipt::{self, Traffic, Verdict};

/// How many refused requests a failure names.
const TOLD: usize = 3;

impl Agent<'_> {
    /// Holds back what writes, before anything is entered.
    pub(super) async fn hold_back(&mut self) -> Result<(), End> {
        self.session.hold_submits(true).await?;
        if self.input.submit == Submit::Send || self.guard.is_some() {
            return Ok(());
        }
        let guard = self.session.read_only().await?;
        let mut answers = Vec::new();
        self.input.user_data.values().for_each(|value| leaves(value, &mut answers));
        answers.extend(self.input.qa_overrides.values().cloned());
        guard.rule(|rules| rules.answers = answers);
        self.guard = Some(guard);
        Ok(())
    }

    /// Whether a script of the page may upload the résumé: only where steps may be sent and nothing else was entered yet.
    pub(super) fn let_upload(&self, on: bool) {
        let first = self.record.get().lines.iter().all(|line| line.value.is_none() || line.kind == "file");
        if let Some(guard) = &self.guard {
            guard.rule(|rules| rules.upload = on && first && self.input.submit == Submit::Steps);
        }
    }

    /// Presses a button under the guard: a step of the page's own is taken, one that would send ends the work.
    pub(super) async fn step(&mut self, mut form: Form, mut button: Button) -> Result<Next, End> {
        for last in [false, true] {
            let before = self.refusals().len();
            self.close_addresses(true);
            let pressed = Instant::now();
            self.press(&button).await?;
            let verdict = self.after_step(&form, before, pressed).await?;
            self.close_addresses(false);
            match verdict {
                Verdict::GoesOn(_) => return Ok(Next::Page(Box::new(self.read().await?))),
                Verdict::Refused(_) | Verdict::Unmoved if !last => {
                    self.session.hold_submits(true).await?;
                    let now = self.read().await?;
                    if !asks_back(&now) && !self.mend(&now).await? {
                        return Err(super::stuck(&now).into());
                    }
                }
                Verdict::Refused(_) | Verdict::Unmoved => {
                    return Err(super::stuck(&self.read().await?).into());
                }
                _ => {
                    self.picture("before-submit").await;
                    let name = if button.text.is_empty() { "a button without words" } else { &button.text };
                    return Ok(Next::End(Outcome::held_at_step(name)));
                }
            }
            form = self.read().await?;
            let Some((_, again)) = onward(&form) else { return Err(super::stuck(&form).into()) };
            button = again.clone();
        }
        Err(super::stuck(&form).into())
    }

    /// What became of a press under the guard; [`Verdict::Unclear`] where something would have been sent.
    async fn after_step(&mut self, form: &Form, before: usize, pressed: Instant) -> Result<Verdict, End> {
        let told = self.told(form);
        let site = form.page.url.clone();
        let own = |it: &Exchange| {
            it.carrier == Carrier::Document || it.carrier == Carrier::Script && is_same_site(&it.url, &site)
        };
        loop {
            let (after, _) = self.read_any().await?;
            let refused = self.refusals().split_off(before);
            if refused.iter().any(own) {
                return Ok(Verdict::Unclear("it would have been sent".into()));
            }
            let verdict = receipt::judge(form, &after, &Traffic { answers: &told, ..Traffic::default() });
            match verdict {
                Verdict::GoesOn(_) | Verdict::Refused(_) => return Ok(verdict),
                _ if pressed.elapsed() < TURN => {}
                // What went to others may have been the form's, and a page that changed otherwise is none of its steps.
                _ if refused.is_empty() && after.signature() == form.signature() => {
                    return Ok(Verdict::Unmoved);
                }
                _ => return Ok(Verdict::Unclear("it would have been sent".into())),
            }
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    }

    /// Names what was held back where the work failed: it may be why.
    pub(super) fn name_refusals(&self, mut outcome: Outcome) -> Outcome {
        let refused = self.refusals();
        if outcome.code.is_some() && !refused.is_empty() {
            let some: Vec<String> = refused.iter().take(TOLD).map(Exchange::place).collect();
            outcome.message = format!(
                "{} ({} requests were held back: {})",
                outcome.message,
                refused.len(),
                some.join("; ")
            );
        }
        outcome
    }

    /// Lets the browser send, for a step that may be sent.
    pub(super) async fn release(&mut self) -> Result<(), End> {
        if let Some(guard) = self.guard.take() {
            self.session.release(guard).await?;
        }
        Ok(())
    }

    fn refusals(&self) -> Vec<Exchange> {
        self.guard.as_ref().map(crate::browser::guard::ReadOnly::refusals).unwrap_or_default()
    }

    fn close_addresses(&self, closed: bool) {
        if let Some(guard) = &self.guard {
            guard.rule(|rules| rules.closed = closed);
        }
    }
}

/// The words of a JSON value.
fn leaves(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => into.push(text.clone()),
        serde_json::Value::Number(number) => into.push(number.to_string()),
        serde_json::Value::Array(all) => all.iter().for_each(|it| leaves(it, into)),
        serde_json::Value::Object(all) => all.values().for_each(|it| leaves(it, into)),
        _ => {}
    }
}
