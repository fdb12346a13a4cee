//! Puts an answer into a field the way a person would, and reads back what took.
//!
//! One driver per family of controls. Each is tried in at most two ways, never twice in the same way.

pub mod calendar;
pub mod choice;
pub mod combobox;
pub mod file;
pub mod text;
pub mod verify;

use std::time::Duration;

use serde::Serialize;

use crate::browser::{BrowserError, Session};
use crate::decide::Answer;
use crate::form::{Field, Kind, words};

/// How long a control may take to show what was put into it.
const SHOW: Duration = Duration::from_millis(1_200);
/// How long after it lost the focus a box may still clear itself.
const CLEAR: Duration = Duration::from_millis(250);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(40);

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Our answer was read back from the page.
    FilledVerified,
    /// The right answer, or one we have no better for, stood there already.
    PrefilledOk,
    /// It need not be answered and nothing answers it.
    SkippedOptional,
    /// It must be answered and only a person can.
    NeedsHuman,
    /// We answered, but the page does not show it.
    Unverified,
    /// The page says our answer is wrong.
    Rejected,
}

impl State {
    /// Whether the field needs nothing more.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::FilledVerified | Self::PrefilledOk | Self::SkippedOptional)
    }
}

/// What became of a field, and what stands in it.
#[derive(Clone, Debug)]
pub struct Done {
    /// What became of it.
    pub state: State,
    /// What was read back.
    pub read_back: String,
    /// What the page says about it.
    pub error: String,
    /// How many things were done to the page.
    pub actions: u32,
}

/// Answers one field and reads it back.
///
/// # Errors
/// When the browser is gone or does not answer; a control that resists is not an error.
pub async fn fill(session: &Session, field: &Field, answer: &Answer) -> Result<Done, BrowserError> {
    if verify::says(field, answer, &field.value) && field.error.is_empty() {
        return Ok(Done {
            state: State::PrefilledOk,
            read_back: field.value.clone(),
            error: String::new(),
            actions: 0,
        });
    }
    let mut actions = 0;
    for second in [false, true] {
        actions += 1;
        let mut meant = answer.clone();
        match put(session, field, answer, second).await {
            // The list's own words for what was looked for: that is what must be shown now.
            Ok(Some(chosen)) => meant = chosen,
            Ok(None) => {}
            Err(BrowserError::Gone(text)) => return Err(BrowserError::Gone(text)),
            Err(error) => tracing::debug!(%error, field.id, "a control resisted"),
        }
        if let Some(done) = settled(session, field, &meant, actions).await? {
            return Ok(done);
        }
    }
    let state = session.state(field).await?;
    let rejected = state.invalid || !state.error.is_empty();
    let end = if rejected { State::Rejected } else { State::Unverified };
    Ok(Done { state: end, read_back: state.value, error: state.error, actions })
}

/// Reads the field until it shows the answer, or for as long as it may take.
async fn settled(
    session: &Session,
    field: &Field,
    answer: &Answer,
    actions: u32,
) -> Result<Option<Done>, BrowserError> {
    let (until, mut lasting) = (tokio::time::Instant::now() + SHOW, false);
    loop {
        let state = session.state(field).await?;
        let shown = verify::says(field, answer, &state.value)
            || (field.kind == Kind::File && file::is_shown(session, field, answer).await?);
        // What suggests may clear itself a moment after it lost the focus.
        if shown && !state.invalid && !lasting && (suggests(field) || field.kind == Kind::Combobox) {
            lasting = true;
            tokio::time::sleep(CLEAR).await;
            continue;
        }
        if shown && !state.invalid {
            let read_back = if state.value.is_empty() { verify::words(field, answer) } else { state.value };
            return Ok(Some(Done { state: State::FilledVerified, read_back, error: state.error, actions }));
        }
        if tokio::time::Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether a plain box may be one that suggests while one types, and drops what was not chosen.
fn suggests(field: &Field) -> bool {
    const PLACES: &[&str] = &[
        "location",
        "city",
        "town",
        "school",
        "university",
        "standort",
        "wohnort",
        "ort",
        "ville",
        "ciudad",
    ];
    let asked = words::plain(&format!("{} {}", field.question, field.name));
    asked.split(' ').any(|word| PLACES.contains(&word))
}

async fn put(
    session: &Session,
    field: &Field,
    answer: &Answer,
    second: bool,
) -> Result<Option<Answer>, BrowserError> {
    let Some(control) = field.control() else { return Ok(None) };
    match (field.kind, answer) {
        (Kind::Combobox, Answer::Options(chosen)) => {
            let label = chosen.first().and_then(|at| field.options.get(*at)).map(|it| it.label.as_str());
            return Ok(combobox::choose(session, field, label.unwrap_or_default()).await?.map(Answer::Text));
        }
        (Kind::Combobox, Answer::Text(wanted)) => {
            return Ok(combobox::choose(session, field, wanted).await?.map(Answer::Text));
        }
        (Kind::Combobox, Answer::Several(wanted)) => {
            let chosen = combobox::choose_all(session, field, wanted).await?;
            return Ok((!chosen.is_empty()).then_some(Answer::Several(chosen)));
        }
        (Kind::Text, Answer::Text(wanted)) if suggests(field) && !second => {
            text::focus(session, &control).await?;
            session.on(&control, "select_all", &[]).await?;
            session.insert_text(wanted.split(',').next().unwrap_or(wanted).trim()).await?;
            if let Some(taken) = combobox::take_suggestion(session, &control, wanted).await? {
                return Ok(Some(Answer::Text(taken)));
            }
        }
        _ => {}
    }
    match (field.kind, answer) {
        (Kind::Calendar, Answer::Text(day)) => calendar::choose(session, field, day).await,
        (Kind::File, Answer::File(path)) if field.chooser => file::choose(session, &control, path).await,
        (Kind::File, Answer::File(path)) => file::upload(session, field, path).await,
        (Kind::Select | Kind::SelectMultiple, Answer::Options(chosen)) => {
            choice::select(session, field, chosen).await
        }
        (Kind::Radio | Kind::CheckboxGroup | Kind::Buttons, Answer::Options(chosen)) => {
            choice::press(session, field, chosen, second).await
        }
        (Kind::Checkbox, Answer::Tick(on)) => choice::tick(session, field, *on, second).await,
        (
            Kind::Date | Kind::Month | Kind::Week | Kind::Time | Kind::DateTime | Kind::Range,
            Answer::Text(value),
        ) => session.on(&control, "set", &[value.as_str().into()]).await.map(|_| ()),
        // A part of a date hears keys only, where it is more than a box.
        (_, Answer::Text(value)) => {
            text::write(session, &control, value, second || !field.part.is_empty()).await
        }
        _ => Ok(()),
    }
    .map(|()| None)
}
