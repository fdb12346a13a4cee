//! Reads the page: every frame, every shadow root, in one pass and without a model.

use std::time::Duration;

use serde_json::Value;

use super::{Button, Field, Kind, PageFacts, words};
use crate::browser::{BrowserError, Session, World};

/// How long a page may need to come to rest before it is read anyway.
const REST: Duration = Duration::from_secs(8);

/// One reading of the page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// The questions of the application, in reading order.
    pub fields: Vec<Field>,
    /// What can be pressed.
    pub buttons: Vec<Button>,
    /// What the page complains about.
    pub errors: Vec<String>,
    /// The page around it; texts of all frames together.
    pub page: PageFacts,
}

impl Form {
    /// Waits until the page is at rest and reads it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn read(session: &Session) -> Result<Self, BrowserError> {
        Self::read_with(session, Self::keep_the_application).await
    }

    /// Like [`Form::read`], with every form of the page.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn read_whole(session: &Session) -> Result<Self, BrowserError> {
        Self::read_with(session, |_| {}).await
    }

    async fn read_with(session: &Session, choose: fn(&mut Self)) -> Result<Self, BrowserError> {
        session.settle(REST).await?;
        match Self::read_now(session, choose).await {
            // The page changed under us: once more, after it came to rest again.
            Err(BrowserError::Stale(_)) => {
                session.settle(REST).await?;
                Self::read_now(session, choose).await
            }
            read => read,
        }
    }

    async fn read_now(session: &Session, choose: fn(&mut Self)) -> Result<Self, BrowserError> {
        let worlds = session.worlds().await?;
        session.open_closed_roots(&worlds).await?;
        let mut form = Self::default();
        for (position, world) in worlds.iter().enumerate() {
            form.add(session, world, position == 0).await?;
        }
        choose(&mut form);
        for (position, field) in form.fields.iter_mut().enumerate() {
            field.id = format!("f{}", position + 1);
        }
        let ids = form.fields.iter().map(|field| async {
            let node = field.control()?;
            session.backend_id(&node).await.ok().map(|id| *id.inner())
        });
        let ids = futures::future::join_all(ids).await;
        for (field, id) in form.fields.iter_mut().zip(ids) {
            field.backend_node_id = id;
        }
        Ok(form)
    }

    async fn add(&mut self, session: &Session, world: &World, main: bool) -> Result<(), BrowserError> {
        let fields: Vec<Field> = session.run(world, "() => __gh.fields()", &[]).await?;
        let buttons: Vec<Button> = session.run(world, "() => __gh.buttons()", &[]).await?;
        let errors: Vec<String> = session.run(world, "() => __gh.errors()", &[]).await?;
        let page: PageFacts = session.run(world, "() => __gh.page()", &[]).await?;
        let world = Some(world.clone());
        self.fields.extend(fields.into_iter().map(|field| Field { world: world.clone(), ..field }));
        self.buttons.extend(buttons.into_iter().map(|button| Button { world: world.clone(), ..button }));
        self.errors.extend(errors);
        if main {
            self.page = page;
        } else {
            self.page.text.push('\n');
            self.page.text.push_str(&page.text);
            self.page.passwords += page.passwords;
            self.page.codes += page.codes;
            self.page.code_input |= page.code_input;
            self.page.challenges.extend(page.challenges);
            self.page.widgets.extend(page.widgets);
        }
        Ok(())
    }

    /// Drops small side forms (newsletter, job alert, search, sign-in) beside a larger one.
    fn keep_the_application(&mut self) {
        let key = |field: &Field| (field.world.as_ref().map(|world| world.frame.clone()), field.form);
        let mut sizes: Vec<(_, usize, bool)> = Vec::new();
        for field in &self.fields {
            match sizes.iter_mut().find(|(known, ..)| *known == key(field)) {
                Some((_, size, file)) => {
                    *size += 1;
                    *file |= field.kind == Kind::File;
                }
                None => sizes.push((key(field), 1, field.kind == Kind::File)),
            }
        }
        if sizes.len() < 2 {
            return;
        }
        let largest = sizes.iter().max_by_key(|(_, size, file)| (*file, *size)).cloned();
        let Some((largest, most, _)) = largest else { return };
        let side: Vec<_> = sizes
            .into_iter()
            .filter(|(key, size, file)| {
                let own = || self.buttons.iter().filter(|it| it.form == key.1);
                // A form that is sent by itself and is not the application.
                let other = own().any(|button| words::press(&button.text, true) == words::Press::Submit);
                let small = *size <= 3
                    && (own().count() == 0 || own().any(|button| words::is_side_form(&button.text)));
                *key != largest && key.1.is_some() && !file && (small || (other && 2 * *size <= most))
            })
            .map(|(key, ..)| key)
            .collect();
        self.fields.retain(|field| !side.contains(&key(field)));
    }

    /// The field of this reading that is `wanted` of an earlier one.
    pub fn find(&self, wanted: &Field) -> Option<&Field> {
        let node = wanted.node_in_browser();
        self.fields.iter().find(|field| node.is_some() && field.node_in_browser() == node).or_else(|| {
            let mut alike = self.fields.iter().filter(|field| field.signature() == wanted.signature());
            alike.next().filter(|_| alike.next().is_none())
        })
    }

    /// What tells one page of a wizard from the next.
    pub fn signature(&self) -> String {
        let questions: Vec<String> =
            self.fields.iter().map(|it| format!("{}|{}", it.question, it.kind.word())).collect();
        format!("{}#{}#{}", self.page.url, self.page.heading, questions.join(";"))
    }
}

/// Reads one field's present answer and what the page says about it.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct FieldState {
    /// Whether its control is still in the page.
    pub live: bool,
    /// Its answer as a person reads it.
    #[serde(default)]
    pub value: String,
    /// Whether the page marks it as wrong.
    pub invalid: bool,
    /// What the page says is wrong.
    pub error: String,
    /// Whether the browser's own checks accept it.
    pub valid: bool,
}

impl Session {
    /// Reads a field back.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn state(&self, field: &Field) -> Result<FieldState, BrowserError> {
        let Some(world) = &field.world else { return Ok(FieldState::default()) };
        match self.run(world, "field => __gh.state(field)", &[field.spec()]).await {
            Err(BrowserError::Stale(_)) => Ok(FieldState::default()),
            state => state,
        }
    }

    /// Keeps what is pressed on the page from sending its forms, in all frames, or lets it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn hold_submits(&self, on: bool) -> Result<(), BrowserError> {
        for world in self.worlds().await? {
            match self.run::<Value>(&world, "on => { __gh.hold_submits(on); }", &[on.into()]).await {
                Ok(_) | Err(BrowserError::Stale(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Calls one of our script's functions on a node.
    ///
    /// # Errors
    /// When the world is gone or the function throws.
    pub async fn on(
        &self,
        node: &crate::browser::Node,
        function: &str,
        args: &[Value],
    ) -> Result<Value, BrowserError> {
        let mut all = vec![Value::from(node.index)];
        all.extend_from_slice(args);
        self.run(&node.world, &format!("(...a) => __gh.{function}(...a)"), &all).await
    }
}
