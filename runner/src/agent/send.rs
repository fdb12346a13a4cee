//! A page that holds answers is left only under the permit. Where the form provably goes on it is given back; else it is spent.

use serde_json::json;
use store::runner::Permit;

use super::advance::{Next, asks_back, onward};
use super::press::Left;
use super::{Agent, End};
use crate::form::{Button, Form, words};
use crate::outcome::Outcome;
use crate::progress::Step;
use crate::receipt::{self, Verdict};
use crate::record::Sending;

/// How many of a page's requests stand in the evidence.
const TOLD: usize = 10;

impl Agent<'_> {
    /// Leaves the page by this button, and once more after what was complained about was put right.
    pub(super) async fn leave(&mut self, mut form: Form, mut button: Button) -> Result<Next, End> {
        let mut submits = words::press(&button.text, true) == words::Press::Submit;
        if submits {
            self.picture("before-submit").await;
            self.progress.step(Step::Submitting).await;
        }
        for last in [false, true] {
            if self.holds_answers(&form) {
                self.ask_permit().await?;
            }
            let (verdict, left) = self.press_and_judge(&form, &button).await?;
            let unsent = left.writes.is_empty() && !left.popup;
            match verdict {
                Verdict::Arrived(receipt) => {
                    self.record.get().sending = Sending::Confirmed;
                    return Ok(Next::End(Outcome::arrived(receipt)));
                }
                Verdict::GoesOn(why) => {
                    // What comes after a button that says that it sends may be a survey: it goes on, under the same permit.
                    let (next, _) = self.read_any().await?;
                    if unsent || !submits || receipt::is_ahead(&form.page, &next.page) {
                        self.return_permit(&why, &left).await;
                    }
                    return Ok(Next::Page(Box::new(self.read().await?)));
                }
                Verdict::Refused(what) => {
                    if unsent {
                        self.return_permit("nothing left the browser, the page complains", &left).await;
                    } else if self.permitted {
                        self.record.get().sending = Sending::NotTaken;
                    }
                    if last || !self.mend_here().await? {
                        let said =
                            if submits { "The form was not accepted" } else { "The form did not go on" };
                        return Err(Outcome::last("validation_error", format!("{said}: {what}")).into());
                    }
                }
                Verdict::Unmoved => {
                    self.return_permit("nothing left the browser, the page is as it was", &left).await;
                    let now = self.read().await?;
                    if last || !(asks_back(&now) || self.mend_here().await?) {
                        return Err(super::stuck(&now).into());
                    }
                }
                other => return Err(self.unproven(other).into()),
            }
            form = self.read().await?;
            let Some((_, again)) = onward(&form) else { return Err(super::stuck(&form).into()) };
            button = again.clone();
            submits |= words::press(&button.text, true) == words::Press::Submit;
        }
        Err(super::stuck(&form).into())
    }

    async fn mend_here(&mut self) -> Result<bool, End> {
        self.session.hold_submits(true).await?;
        let form = self.read().await?;
        self.mend(&form).await
    }

    /// The outcome where nobody knows, or the site refused.
    fn unproven(&mut self, verdict: Verdict) -> Outcome {
        match verdict {
            Verdict::Failed(429) => {
                self.record.get().sending = Sending::NotTaken;
                Outcome::last("rate_limited", "The site refused the application: too many requests")
            }
            Verdict::Astray(429) => {
                Outcome::last("rate_limited", "The site answered the application with too many requests")
            }
            // Refused by its number, and nothing else is seen: nobody may count on it, the permit stays spent.
            Verdict::Astray(status @ 400..500) => Outcome::last(
                "submit_rejected",
                format!("The site answered the application with HTTP {status}"),
            ),
            Verdict::Failed(status @ 400..500) => {
                self.record.get().sending = Sending::NotTaken;
                Outcome::last(
                    "submit_rejected",
                    format!("The site refused the application with HTTP {status}"),
                )
            }
            Verdict::Failed(status) | Verdict::Astray(status) => Outcome::last(
                "submit_unconfirmed",
                format!("The site answered the application with HTTP {status}"),
            ),
            Verdict::Unclear(why) => Outcome::last(
                "submit_unconfirmed",
                format!("The application may have been sent, but nothing confirms it: {why}"),
            ),
            _ => Outcome::last("submit_unconfirmed", "The application may have been sent"),
        }
    }

    pub(super) async fn ask_permit(&mut self) -> Result<(), End> {
        if self.permitted {
            return Ok(());
        }
        match self.reporter.permit().await {
            Permit::Granted => {
                self.permitted = true;
                self.record.get().sending = Sending::Granted;
                Ok(())
            }
            Permit::Refused(reason) => {
                self.record.get().sending = Sending::Refused;
                Err(Outcome::last("permit_refused", format!("The form may not be sent: {reason}")).into())
            }
        }
    }

    /// Gives the permit back, if it is held, with what proves that it was not used up. Whatever the answer, it is asked for anew.
    pub(super) async fn return_permit(&mut self, why: &str, left: &Left) {
        if !self.permitted {
            return;
        }
        let sent: Vec<_> = left
            .own
            .iter()
            .take(TOLD)
            .map(|it| json!({"request": it.place(), "status": it.status}))
            .collect();
        let evidence = json!({"reason": why, "page": self.page, "writes": left.writes.len(), "own": sent});
        let returned = self.reporter.return_permit(evidence).await;
        self.permitted = false;
        self.accounted = Some(std::time::Instant::now());
        // One that could not be given back counts as spent: no other attempt will get it.
        self.record.get().sending = if returned { Sending::NotAsked } else { Sending::Granted };
    }
}
