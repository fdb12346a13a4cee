//! One press of a button that may leave the page, and what became of it: judged only once the form's own requests were answered.

use std::time::{Duration, Instant};

use domain::attempt::EndClass;

use super::advance::asks_back;
use super::{Agent, End};
use crate::blockers::{self, Blocker};
use crate::browser::Node;
use crate::browser::exchange::{Carrier, Exchange, is_same_site};
use crate::form::{Button, Form, words};
use crate::outcome::Outcome;
use crate::progress::Step;
use crate::receipt::{self, Traffic, Verdict};
use crate::record::Sending;

/// How long the proof may take, and how long once everything was answered.
const PROOF: Duration = Duration::from_secs(20);
const REACT: Duration = Duration::from_secs(8);
/// How long the site may take to answer the form's own request.
const ANSWER: Duration = Duration::from_mins(1);
/// How long a page may take to do anything at all.
pub(super) const TURN: Duration = Duration::from_secs(12);
/// How long a page may take to show what an error of the site means to it.
const SAY: Duration = Duration::from_secs(2);
/// How long a confirmation has to stand.
const STAND: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(120);

/// What has left the browser since a press.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What the form itself sent.
    pub own: Vec<Exchange>,
    /// All that could change something somewhere.
    pub writes: Vec<Exchange>,
    /// Whether something of the form's is not answered yet.
    pub open: bool,
    /// Whether a script of the site's own has asked for something and not been answered: what it sends may be yet to come.
    pub asks: bool,
    /// Whether a page was opened beside this one, whose requests are not seen.
    pub popup: bool,
}

impl Agent<'_> {
    /// Whether something stands on the page, or was entered before, that a press could send.
    pub(super) fn holds_answers(&self, form: &Form) -> bool {
        self.entered.is_some() || form.fields.iter().any(|field| !field.value.is_empty())
    }

    /// What the candidate's answers look like in what a page sends.
    pub(super) fn told(&self, form: &Form) -> Vec<String> {
        let record = self.record.get();
        let lines = record.lines.iter().flat_map(|line| line.value.iter().chain([&line.read_back]));
        let fields = form.fields.iter().filter(|field| !field.kind.is_closed()).map(|field| &field.value);
        let mut told: Vec<String> =
            lines.chain(fields).filter(|it| it.chars().count() >= 3).cloned().collect();
        told.sort();
        told.dedup();
        told
    }

    /// What has left since then.
    pub(super) async fn left(&self, form: &Form, since: Instant, told: &[String]) -> Result<Left, End> {
        let main = self.session.main_world().await?.frame.inner().clone();
        let mut frames: Vec<String> = form
            .fields
            .iter()
            .filter_map(|field| field.world.as_ref().map(|world| world.frame.inner().clone()))
            .collect();
        frames.push(main.clone());
        let all = self.session.network().since(since);
        let writes: Vec<Exchange> = all.iter().filter(|it| it.writes(told)).cloned().collect();
        let own: Vec<Exchange> = writes.iter().filter(|it| it.is_own(&frames)).cloned().collect();
        let loads = |it: &&Exchange| it.carrier == Carrier::Document && it.frame.as_ref() == Some(&main);
        // A script need not read an answer to its end; a document is there when it has ended.
        let waits = |it: &Exchange| !it.done && (it.status.is_none() || it.carrier == Carrier::Document);
        let open =
            own.iter().any(waits) || all.iter().filter(loads).any(|it| !it.done && it.status.is_none());
        let asks = all
            .iter()
            .any(|it| it.carrier == Carrier::Script && it.is_own(&frames) && !it.done && it.status.is_none());
        Ok(Left { own, writes, open, asks, popup: self.session.has_popup().await? })
    }

    /// Presses what belongs to the page itself, a section or a row: under the permit where answers stand on it, which goes back
    /// when nothing left or the page still asks what it asked.
    pub(super) async fn press_within(
        &mut self,
        form: &Form,
        node: &Node,
        by_script: bool,
    ) -> Result<bool, End> {
        let asks = self.guard.is_none() && !self.permitted && self.holds_answers(form);
        if asks {
            self.ask_permit().await?;
            self.record.get().sending = Sending::Pressed;
        }
        let (since, told) = (Instant::now(), self.told(form));
        let mut clicked = self.session.click(node).await?;
        if !clicked && by_script {
            self.session.on(node, "tick", &[]).await?;
            clicked = true;
        }
        if asks {
            let (now, _) = self.read_any().await?;
            let left = self.left(form, since, &told).await?;
            let stays = form.fields.iter().all(|field| now.find(field).is_some()) && !now.fields.is_empty();
            let taken = left.own.iter().all(|it| it.status.is_some_and(|status| status < 400));
            if left.writes.is_empty() && !left.popup {
                self.return_permit("nothing left the browser", &left).await;
            } else if stays && taken && !left.open {
                self.return_permit("the page still asks what it asked", &left).await;
            }
        }
        Ok(clicked)
    }

    /// Clicks, and lets the page do what the click is for.
    pub(super) async fn press(&mut self, button: &Button) -> Result<(), End> {
        let Some(control) = button.control() else { return Ok(()) };
        self.session.hold_submits(false).await?;
        self.session.on(&control, "same_tab", &[]).await?;
        if !self.session.click(&control).await? {
            self.session.on(&control, "tick", &[]).await?;
        }
        self.record.get().actions += 1;
        Ok(())
    }

    /// Presses, and waits for what becomes of it; what left the browser meanwhile.
    pub(super) async fn press_and_judge(
        &mut self,
        form: &Form,
        button: &Button,
    ) -> Result<(Verdict, Left), End> {
        let told = self.told(form);
        // What left counts from the press; how long anything may take, also from when a person has helped.
        let since = Instant::now();
        let mut pressed = since;
        if self.permitted {
            self.record.get().sending = Sending::Pressed;
        }
        self.press(button).await?;
        let name: String = button.text.chars().take(40).collect();
        if words::press(&button.text, true) == words::Press::Submit {
            self.progress.step(Step::ExtractingResults).await;
        } else {
            self.progress.did(1, &format!("pressing {name}")).await;
        }
        let (mut quiet, mut stood) = (None::<Instant>, None::<Instant>);
        loop {
            tokio::time::sleep(LOOK).await;
            let (after, _) = self.read_any().await?;
            let left = self.left(form, since, &told).await?;
            let verdict = self.look(form, &after, &left, &told);
            // By its look the page that asks for a code is one more page of the form.
            let unsure = matches!(verdict, Verdict::Unclear(_) | Verdict::GoesOn(_));
            if let Some(blocker) = late_blocker(&after).filter(|_| unsure && !left.open) {
                if left.writes.is_empty() && !left.popup {
                    self.record.get().sending = Sending::NotTaken;
                }
                self.ask_for_help(blocker, after).await?;
                if self.permitted {
                    self.record.get().sending = Sending::Pressed;
                }
                (pressed, quiet, stood) = (Instant::now(), None, None);
                continue;
            }
            if left.open {
                if pressed.elapsed() < ANSWER {
                    (quiet, stood) = (None, None);
                    continue;
                }
                return Ok((Verdict::Unclear("the site has not answered".into()), left));
            }
            let quiet = *quiet.get_or_insert_with(Instant::now);
            match verdict {
                Verdict::Arrived(_) if stood.get_or_insert_with(Instant::now).elapsed() < STAND => {}
                // What one look took for a confirmation, and the next does not, is none.
                Verdict::Refused(what) | Verdict::Unclear(what) if stood.is_some() => {
                    if quiet.elapsed() >= REACT {
                        return Ok((
                            Verdict::Unclear(format!("it said that it was sent, and then: {what}")),
                            left,
                        ));
                    }
                }
                Verdict::Failed(_) | Verdict::Astray(_) if quiet.elapsed() < SAY => {}
                // One that asks for ever (long polling) sends nothing for it.
                Verdict::Unclear(_) if left.asks && left.writes.is_empty() && pressed.elapsed() < ANSWER => {}
                Verdict::Unclear(why) => {
                    if left.writes.is_empty() && !left.popup && self.is_unmoved(form, &after, pressed).await?
                    {
                        return self.unmoved(&after, left).await;
                    }
                    let until = if left.writes.is_empty() { TURN } else { PROOF };
                    if pressed.elapsed() >= until && quiet.elapsed() >= REACT {
                        return Ok((Verdict::Unclear(why), left));
                    }
                }
                verdict => return Ok((verdict, left)),
            }
        }
    }

    /// Judges the page as it is now.
    pub(super) fn look(&self, before: &Form, after: &Form, left: &Left, told: &[String]) -> Verdict {
        let ever_wrote = !left.writes.is_empty()
            || self.entered.is_some_and(|entered| {
                self.session
                    .network()
                    .since(entered)
                    .iter()
                    .any(|it| it.writes(told) && it.carrier != Carrier::Beacon)
            });
        let traffic = Traffic {
            own: &left.own,
            wrote: !left.writes.is_empty() || left.popup,
            ever_wrote,
            answers: told,
        };
        receipt::judge(before, after, &traffic)
    }

    /// The outcome where the page sent something by itself that nobody can tell from the application: it is not tried again.
    pub(super) fn unasked(&self, outcome: Outcome) -> Outcome {
        let Some(entered) = self.entered.filter(|_| outcome.class == EndClass::Retryable) else {
            return outcome;
        };
        if self.guard.is_some() {
            return outcome; // nothing left
        }
        let since = self.accounted.map_or(entered, |accounted| accounted.max(entered));
        let told = self.told(&Form::default());
        let vanished = outcome.code == Some("element_not_found");
        let sent = self.session.network().since(since).into_iter().find(|it| {
            // A script saves and looks things up; a form that is loaded away, or leads nowhere, was sent.
            let carries = it.carrier == Carrier::Document || vanished;
            carries && it.writes(&told) && (it.carrier == Carrier::Socket || is_same_site(&it.url, &it.by))
        });
        match sent {
            Some(it) => Outcome::last(
                "submit_unconfirmed",
                format!(
                    "The page sent something by itself ({}), nobody knows what: {}",
                    it.place(),
                    outcome.message
                ),
            ),
            None => outcome,
        }
    }

    /// Whether the page has had its time and is as it was, or the browser's own checks keep it from being sent.
    async fn is_unmoved(&self, form: &Form, after: &Form, pressed: Instant) -> Result<bool, End> {
        let same = after.signature() == form.signature();
        let early = asks_back(after) && !asks_back(form)
            || pressed.elapsed() > Duration::from_secs(3) && self.is_invalid(after).await?;
        Ok(same && (early || pressed.elapsed() >= TURN))
    }

    async fn unmoved(&self, after: &Form, left: Left) -> Result<(Verdict, Left), End> {
        if self.is_invalid(after).await? {
            let why = "the browser found a required field empty or malformed";
            return Ok((Verdict::Refused(why.into()), left));
        }
        Ok((Verdict::Unmoved, left))
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
}

/// What only appears once the button was pressed: a captcha, a code by mail, "you have already applied".
fn late_blocker(form: &Form) -> Option<Blocker> {
    use Blocker::{AlreadyApplied, BotCheck, Captcha, TwoFactor};
    blockers::find(form, None).filter(|it| matches!(it, AlreadyApplied | BotCheck | Captcha | TwoFactor))
}
