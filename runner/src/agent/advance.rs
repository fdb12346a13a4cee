//! From a filled page to the next one, or to the end: only when nothing on it is open.

use std::time::Duration;

use super::{Agent, End};
use crate::act::State;
use crate::blockers::Blocker;
use crate::form::{Button, Form, words};
use crate::job::Submit;
use crate::outcome::Outcome;
use crate::progress::Step;
use crate::receipt;

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
        let button = button.clone();
        let held = match self.input.submit {
            Submit::Send => false,
            Submit::HoldBack => true,
            // The last step is the one that says so, or is not followed by another.
            Submit::Steps => receipt::step(&form.page).is_some_and(|(now, all)| now >= all),
        };
        if press == words::Press::Submit && self.input.submit != Submit::Send {
            self.picture("before-submit").await;
            return Ok(Next::End(Outcome::held_back()));
        }
        if held {
            return self.step(form, button).await;
        }
        if press == words::Press::Submit && !form.page.widgets.is_empty() {
            // Everything is filled in; only the box is left, and it is a person's to tick.
            let form = self.ask_for_help(Blocker::Captcha, form).await?;
            let Some((_, button)) = onward(&form) else {
                return Err(Outcome::retryable("element_not_found", "The form has no button to go on").into());
            };
            let button = button.clone();
            return self.leave(form, button).await;
        }
        self.release().await?;
        self.leave(form, button).await
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
}

/// Buttons of a dialog that say no.
const DECLINE: &[&str] = &[
    "cancel",
    "no",
    "close",
    "back",
    "not now",
    "later",
    "dismiss",
    "edit",
    "go back",
    "abbrechen",
    "nein",
    "zurück",
    "schließen",
    "annuler",
    "non",
    "fermer",
    "retour",
    "cancelar",
    "cerrar",
    "volver",
    "annulla",
    "chiudi",
    "annuleren",
    "nee",
    "sluiten",
    "anuluj",
    "nie",
    "zamknij",
    "fechar",
    "voltar",
    "não",
    "avbryt",
    "nej",
    "nei",
    "annuller",
    "peruuta",
    "ei",
    "zrušit",
    "отмена",
    "нет",
    "キャンセル",
    "いいえ",
    "取消",
    "否",
    "취소",
    "아니요",
];

/// Whether a dialog lies over the questions.
pub(super) fn asks_back(form: &Form) -> bool {
    form.fields.iter().any(|field| field.covered)
}

/// The only button of that dialog that does not say no.
fn agreeing(form: &Form) -> Option<(words::Press, &Button)> {
    let says_no = |text: &str| {
        let text = words::plain(text);
        text.is_empty() || DECLINE.iter().any(|word| text == *word || text.starts_with(&format!("{word} ")))
    };
    let mut all =
        form.buttons.iter().filter(|it| !it.covered && !it.disabled && !it.link && !says_no(&it.text));
    let only = all.next().filter(|_| asks_back(form) && all.next().is_none())?;
    Some((words::press(&only.text, true), only))
}

/// The button that leaves the page: best by where it stands, Next before Submit when both stand equally well.
pub(super) fn onward(form: &Form) -> Option<(words::Press, &Button)> {
    if let Some(agreeing) = agreeing(form) {
        return Some(agreeing);
    }
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
    // Without a word that is known: the only button that sends by its markup, of the form, else of a page without one.
    let only = |inside: bool| {
        let mut submits = form.buttons.iter().filter(|it| {
            let side = words::is_side_form(&it.text) || words::press(&it.text, true) == words::Press::Dismiss;
            it.submit
                && !it.disabled
                && !side
                && it.form.is_some() == inside
                && (home.is_empty() || home.contains(&it.form))
        });
        submits.next().filter(|_| submits.next().is_none())
    };
    let only = only(true).or_else(|| only(false))?;
    let press = if only.text.is_empty() { words::Press::Other } else { words::Press::Submit };
    Some((press, only))
}
