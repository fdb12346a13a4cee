//! A person's help: the job waits with its page open, and goes on where it stood.

use std::time::Instant;

use secrecy::ExposeSecret;
use serde_json::json;

use super::{Agent, End};
use crate::act::text;
use crate::blockers::{self, Blocker};
use crate::browser::BrowserError;
use crate::desk::Help;
use crate::form::{Form, words};
use crate::outcome::Outcome;
use crate::receipt;
use crate::record::Sending;

/// How often a person is asked about what stands in the way.
const ASKED: usize = 3;
/// How long the page may take to go on after a code or a login was typed.
const ACCEPT: std::time::Duration = std::time::Duration::from_secs(10);

impl Agent<'_> {
    /// Waits for a person to remove what stands in the way; the page as it then is, or the outcome when nobody did.
    pub(super) async fn ask_for_help(&mut self, blocker: Blocker, mut form: Form) -> Result<Form, End> {
        let mut found = blocker;
        for _ in 0..ASKED {
            let outcome = self.blocked(found, &form).await;
            if !found.is_for_people() {
                return Err(outcome.into());
            }
            self.picture("blocker").await;
            let shot = self.record.get().screenshots.last().cloned();
            let interaction = json!({
                "type": found, "description": found.verdict().1, "page_url": form.page.url, "screenshot_url": shot,
                "confidence": 1, "detection_method": "rendered page",
            });
            self.record.get().waits.1 = Some(Instant::now());
            let help = self.desk.help(interaction).await;
            self.go_on();
            let Help::Done { kind, code, login, .. } = help else { return Err(outcome.into()) };
            if self.record.get().sending == Sending::NotTaken {
                // From here on the site may go on with what was sent before.
                self.record.get().sending = Sending::Pressed;
            }
            self.reporter
                .event("hitl_resumed", "A person has helped", json!({"resolution_type": kind}))
                .await;
            // What the page holds beside the code or the login may be sent with it.
            let asks = (code.is_some() || login.is_some())
                && self.guard.is_none()
                && !self.permitted
                && self.holds_answers(&form);
            if asks {
                self.ask_permit().await?;
                self.record.get().sending = Sending::Pressed;
            }
            let since = Instant::now();
            if let Some(code) = code {
                self.secret = Some(code);
                self.type_code(&form).await?;
            } else if let Some((name, password)) = login {
                self.type_login(&form, name.expose_secret(), password.expose_secret()).await?;
            }
            let at_the_end = found == Blocker::Captcha && form.page.challenges.is_empty();
            match self.look_past(found, at_the_end).await? {
                (next, None) => {
                    let left = self.left(&form, since, &[]).await?;
                    if asks && !receipt::asked(&next).is_empty() && !left.open {
                        self.return_permit("the form goes on after what a person gave", &left).await;
                    }
                    return Ok(next);
                }
                (next, Some(still)) => (form, found) = (next, still),
            }
        }
        Err(Outcome::blocked(found).into())
    }

    fn go_on(&self) {
        let mut record = self.record.get();
        if let Some(since) = record.waits.1.take() {
            record.waits.0 += since.elapsed();
        }
    }

    /// Reads the page until what stood in the way is gone, or for as long as it may take.
    async fn look_past(
        &mut self,
        blocker: Blocker,
        at_the_end: bool,
    ) -> Result<(Form, Option<Blocker>), End> {
        let until = Instant::now() + ACCEPT;
        loop {
            let (form, status) = self.read_any().await?;
            match blockers::find(&form, status).or_else(|| blockers::at_the_end(&form).filter(|_| at_the_end))
            {
                Some(same) if same == blocker && Instant::now() < until => {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                found => return Ok((form, found)),
            }
        }
    }

    /// Types the code into the page's boxes and sends it. It is in no log, no event, no picture and no report.
    async fn type_code(&mut self, form: &Form) -> Result<(), End> {
        let Some(code) = self.secret.take() else { return Ok(()) };
        let code: String = code.expose_secret().chars().filter(|it| !it.is_whitespace()).collect();
        let mut boxes = self.boxes("code").await?;
        let split = boxes.len() > 1;
        boxes.truncate(if split { code.chars().count() } else { 1 });
        let typed = !boxes.is_empty();
        for (at, node) in boxes.iter().enumerate() {
            let part =
                if split { code.chars().nth(at).map(String::from).unwrap_or_default() } else { code.clone() };
            text::focus(&self.session, node).await?;
            self.session.on(node, "select_all", &[]).await?;
            self.session.type_keys(&part).await?;
        }
        self.injected("code_entry", typed).await;
        self.press_first(form, &["verify", "submit", "continue", "confirm", "weiter", "next"], typed).await
    }

    async fn type_login(&mut self, form: &Form, name: &str, password: &str) -> Result<(), End> {
        let (names, passwords) = (self.boxes("name").await?, self.boxes("password").await?);
        if let Some(node) = names.first() {
            text::write(&self.session, node, name, false).await?;
        }
        if let Some(node) = passwords.first() {
            text::write(&self.session, node, password, false).await?;
        }
        let typed = !passwords.is_empty();
        self.injected("credentials", typed).await;
        self.press_first(
            form,
            &["sign in", "log in", "login", "anmelden", "continue", "submit", "next"],
            typed,
        )
        .await
    }

    /// Says that something was typed, never what.
    async fn injected(&self, kind: &str, typed: bool) {
        let (event, message) = if typed {
            ("credential_injection_succeeded", "What the person gave was typed")
        } else {
            ("credential_injection_failed", "The page has no box for what the person gave")
        };
        self.reporter.event(event, message, json!({"injection_type": kind})).await;
    }

    async fn boxes(&self, what: &str) -> Result<Vec<crate::browser::Node>, BrowserError> {
        for world in self.session.worlds().await? {
            let found: Vec<u32> =
                self.session.run(&world, "what => __gh.secrets(what)", &[what.into()]).await?;
            if !found.is_empty() {
                let node = |index| crate::browser::Node { world: world.clone(), index };
                return Ok(found.into_iter().map(node).collect());
            }
        }
        Ok(Vec::new())
    }

    async fn press_first(&mut self, form: &Form, named: &[&str], typed: bool) -> Result<(), End> {
        let button = form.buttons.iter().find(|button| {
            let text = words::plain(&button.text);
            !button.link && named.iter().any(|name| text.starts_with(name))
        });
        if let Some(node) = button.filter(|_| typed).and_then(crate::form::Button::control) {
            self.session.click(&node).await?;
        }
        Ok(())
    }
}
