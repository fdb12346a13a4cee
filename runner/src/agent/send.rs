//! The irreversible step: leave asked, one press, and proof that it arrived.

use std::time::{Duration, Instant};

use store::runner::Permit;

use super::advance::{Next, onward};
use super::{Agent, End};
use crate::blockers::{self, Blocker};
use crate::form::{Button, Form};
use crate::outcome::Outcome;
use crate::progress::Step;
use crate::receipt::{self, Verdict};
use crate::record::Sending;

/// How long the proof may take.
const PROOF: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(120);

impl Agent<'_> {
    /// Sends the form, once, and waits for the proof.
    pub(super) async fn send(&mut self, form: Form, button: Button) -> Result<Next, End> {
        self.picture("before-submit").await;
        self.progress.step(Step::Submitting).await;
        self.ask_permit().await?;
        let first = self.press_and_judge(&form, &button).await?;
        let verdict = match first {
            Verdict::Refused(what) => self.repair(what).await?,
            other => other,
        };
        match verdict {
            Verdict::Arrived(receipt) => {
                self.record.get().sending = Sending::Confirmed;
                Ok(Next::End(Outcome::arrived(receipt)))
            }
            Verdict::MorePages => {
                self.record.get().sending = Sending::Granted;
                Ok(Next::Page(Box::new(self.read().await?)))
            }
            Verdict::Refused(what) => {
                self.record.get().sending = Sending::NotTaken;
                Err(Outcome::last("validation_error", format!("The form was not accepted: {what}")).into())
            }
            Verdict::Failed(429) => {
                self.record.get().sending = Sending::NotTaken;
                Err(Outcome::last("rate_limited", "The site refused the application: too many requests")
                    .into())
            }
            Verdict::Failed(status @ 400..500) => {
                self.record.get().sending = Sending::NotTaken;
                Err(Outcome::last(
                    "submit_rejected",
                    format!("The site refused the application with HTTP {status}"),
                )
                .into())
            }
            Verdict::Failed(status) => Err(Outcome::last(
                "submit_unconfirmed",
                format!("The site answered the application with HTTP {status}"),
            )
            .into()),
            Verdict::Unclear => Err(Outcome::last(
                "submit_unconfirmed",
                "The application was sent but nothing on the page confirms it",
            )
            .into()),
        }
    }

    async fn ask_permit(&mut self) -> Result<(), End> {
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

    async fn press_and_judge(&mut self, form: &Form, button: &Button) -> Result<Verdict, End> {
        let Some(control) = button.control() else { return Ok(Verdict::Unclear) };
        let pressed = Instant::now();
        self.record.get().sending = Sending::Pressed;
        self.session.on(&control, "same_tab", &[]).await?;
        if !self.session.click(&control).await? {
            self.session.on(&control, "tick", &[]).await?;
        }
        self.record.get().actions += 1;
        self.progress.step(Step::ExtractingResults).await;
        let mut verdict = Verdict::Unclear;
        let mut until = pressed + PROOF;
        while Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            let (after, _) = self.read_any().await?;
            let sent = self.session.network().writes_since(pressed);
            verdict = receipt::judge(form, &after, &sent);
            // By its look the page that asks for a code is one more page of the form.
            let open = matches!(verdict, Verdict::Unclear | Verdict::MorePages);
            if let Some(blocker) = late_blocker(&after).filter(|_| open) {
                if sent.is_empty() || blocker == Blocker::AlreadyApplied {
                    self.record.get().sending = Sending::NotTaken;
                }
                self.ask_for_help(blocker, after).await?;
                self.record.get().sending = Sending::Pressed;
                until = Instant::now() + PROOF;
                continue;
            }
            if verdict != Verdict::Unclear {
                break;
            }
            let kept = after.fields.len() >= form.fields.len();
            if kept
                && sent.is_empty()
                && pressed.elapsed() > Duration::from_secs(3)
                && self.is_invalid(&after).await?
            {
                verdict = Verdict::Refused("the browser found a required field empty or malformed".into());
                break;
            }
        }
        if matches!(verdict, Verdict::Refused(_)) && self.session.network().writes_since(pressed).is_empty() {
            self.record.get().sending = Sending::Granted; // nothing left the browser
        }
        Ok(verdict)
    }

    /// Whether the browser's own checks keep the form from being sent.
    async fn is_invalid(&self, form: &Form) -> Result<bool, End> {
        for field in &form.fields {
            if !self.session.state(field).await?.valid {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One more round over what the page complains about.
    async fn repair(&mut self, what: String) -> Result<Verdict, End> {
        let form = self.read().await?;
        if !self.mend(&form).await? {
            return Ok(Verdict::Refused(what));
        }
        let form = self.read().await?;
        match onward(&form) {
            Some((_, button)) => {
                let button = button.clone();
                self.press_and_judge(&form, &button).await
            }
            None => Ok(Verdict::Refused(what)),
        }
    }
}

/// What only appears once the button was pressed: a captcha, a code by mail, "you have already applied".
fn late_blocker(form: &Form) -> Option<Blocker> {
    use Blocker::{AlreadyApplied, BotCheck, Captcha, TwoFactor};
    blockers::find(form, None).filter(|it| matches!(it, AlreadyApplied | BotCheck | Captcha | TwoFactor))
}
