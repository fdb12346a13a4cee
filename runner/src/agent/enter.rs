//! From the address to the form: notices are closed, buttons that open it are pressed. Nothing that is pressed here may send a form.

use std::time::{Duration, Instant};

use super::{Agent, End};
use crate::browser::exchange::{Carrier, Exchange, is_same_site};
use crate::form::{Button, Form, Kind, words};
use crate::outcome::Outcome;

/// How many buttons may lie between the address and the form.
const DOORS: usize = 3;
/// How long what a button opens may take to appear.
const OPENS: Duration = Duration::from_secs(6);

/// What a door led to.
enum Door {
    /// Another page, or the form beside it.
    Open(Form),
    /// Nothing.
    Shut(Form),
    /// It would have sent the page's own form: no door.
    Sends,
}

impl Agent<'_> {
    /// Walks from a job advertisement to its form: presses Apply, at most three times.
    pub(super) async fn enter(&mut self, mut form: Form) -> Result<Form, End> {
        let began = Instant::now();
        for _ in 0..DOORS {
            let Some(door) = door(&form) else { break };
            match self.open_door(&form, &door).await? {
                Door::Open(next) => form = next,
                Door::Shut(same) => {
                    form = same;
                    break;
                }
                Door::Sends => {
                    // The page as it was before its form was sent in vain.
                    self.open(&form.page.url).await?;
                    form = self.read().await?;
                    self.dismiss_notices(&mut form).await?;
                    break;
                }
            }
        }
        if form.fields.is_empty() {
            let left = self.left(&form, began, &[]).await?;
            if !left.own.is_empty() {
                let why =
                    "A button that looked like the way to the form has sent something, and no form came";
                return Err(Outcome::last("submit_unconfirmed", why).into());
            }
            return Err(Outcome::retryable("element_not_found", "No form was found on the page").into());
        }
        Ok(form)
    }

    /// Presses what may be a door; on a page with questions nothing that writes leaves meanwhile.
    async fn open_door(&mut self, form: &Form, door: &Button) -> Result<Door, End> {
        let guard = if form.fields.is_empty() { None } else { Some(self.session.hold_writes(false).await?) };
        let Some(control) = door.control() else { return Ok(Door::Shut(form.clone())) };
        self.session.on(&control, "same_tab", &[]).await?;
        if !self.session.click(&control).await? {
            self.session.on(&control, "tick", &[]).await?;
        }
        self.progress.did(1, "opening the form").await;
        let (before, until) = (form.signature(), tokio::time::Instant::now() + OPENS);
        let own = |it: &Exchange| {
            it.carrier == Carrier::Document
                || it.carrier == Carrier::Script && is_same_site(&it.url, &form.page.url)
        };
        let found = loop {
            if guard.as_ref().is_some_and(|guard| guard.refusals().iter().any(own)) {
                break Door::Sends;
            }
            // A form that opened beside the advertisement is filled in its place: one page at a time.
            if let Some(url) = self.session.popups().await?.into_iter().find(|url| url.starts_with("http")) {
                self.open(&url).await?;
            }
            let now = self.read().await?;
            if now.signature() != before {
                break Door::Open(now);
            }
            if tokio::time::Instant::now() >= until {
                break Door::Shut(now);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let found = match (found, &guard) {
            // Looked at once more: the page may have changed because its request was refused.
            (Door::Open(_), Some(guard)) if guard.refusals().iter().any(own) => Door::Sends,
            (found, _) => found,
        };
        if let Some(guard) = guard {
            self.session.release(guard).await?;
        }
        Ok(found)
    }

    /// Accepts or closes a cookie notice, once.
    pub(super) async fn dismiss_notices(&mut self, form: &mut Form) -> Result<(), End> {
        let text = form.page.text.to_lowercase();
        if !text.contains("cookie") {
            return Ok(());
        }
        let notice = form
            .buttons
            .iter()
            .find(|it| words::press(&it.text, false) == words::Press::Dismiss && it.form.is_none());
        if let Some(button) = notice.and_then(Button::control) {
            let guard =
                if form.fields.is_empty() { None } else { Some(self.session.hold_writes(false).await?) };
            self.session.click(&button).await?;
            *form = self.read().await?;
            if let Some(guard) = guard {
                self.session.release(guard).await?;
            }
        }
        Ok(())
    }
}

/// The button that opens the form, on a page with at most a search or a newsletter. The one that sends the page's own fields is none.
fn door(form: &Form) -> Option<Button> {
    let small = form.fields.len() <= 2 && !form.fields.iter().any(|field| field.kind == Kind::File);
    let holds_fields = |button: &Button| {
        button.submit && button.form.is_some() && form.fields.iter().any(|field| field.form == button.form)
    };
    let opens = |it: &&Button| words::press(&it.text, false) == words::Press::Open && !it.disabled;
    form.buttons.iter().filter(opens).find(|it| small && !holds_fields(it)).cloned()
}
