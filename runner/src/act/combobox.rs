//! Lists that open on a click or suggest while one types.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::text;
use crate::browser::{BrowserError, Node, Session, input::Key};
use crate::decide::{fit, places};
use crate::form::{Choice, Field, words};

/// How long a list may take to open.
const OPEN: Duration = Duration::from_millis(900);
/// How long suggestions may take to arrive.
const SUGGEST: Duration = Duration::from_secs(4);
/// How long a plain box may take to turn out to be one that suggests.
const HINT: Duration = Duration::from_millis(1_200);
/// Suggestions that have not changed for this long are all there are.
const STILL: Duration = Duration::from_millis(300);
/// Without a list after this long, Enter asks for it.
const ENTER: Duration = Duration::from_millis(900);
const LOOK: Duration = Duration::from_millis(50);
/// Above this many options the list is filtered before one is clicked.
const LONG: usize = 40;

#[derive(Clone, Debug, Default, Deserialize)]
struct List {
    expanded: bool,
    options: Vec<Choice>,
}

impl List {
    fn real(&self) -> Vec<Choice> {
        self.options.iter().filter(|it| !it.blank).cloned().collect()
    }
}

/// Opens the list once, reads its options and closes it; empty when it only suggests.
///
/// # Errors
/// When the browser does not answer.
pub async fn read_options(session: &Session, field: &Field) -> Result<Vec<Choice>, BrowserError> {
    let Some(control) = field.control() else { return Ok(Vec::new()) };
    let options = open(session, &control).await?.real();
    close(session, &control).await?;
    Ok(options.into_iter().map(|it| Choice { node: None, ..it }).collect())
}

/// What a list that only suggests offers for the first words of `typed`; leaves the control as it was.
///
/// # Errors
/// When the browser does not answer.
pub async fn offers(session: &Session, field: &Field, typed: &str) -> Result<Vec<Choice>, BrowserError> {
    let Some(control) = field.control() else { return Ok(Vec::new()) };
    if session.on(&control, "search_box", &[]).await?.is_null() {
        return Ok(Vec::new());
    }
    let start = typed.split([',', ' ']).next().unwrap_or(typed).trim();
    let found = suggest(session, &control, start).await?;
    let _ = session.on(&control, "select_all", &[]).await;
    session.press(Key::Backspace).await?;
    close(session, &control).await?;
    Ok(found.into_iter().map(|it| Choice { node: None, ..it }).collect())
}

/// Chooses the option that says `wanted`, typing part of it when the list does not show it; returns its label.
///
/// # Errors
/// When the browser does not answer; leaves the control as it was when no option fits.
pub async fn choose(session: &Session, field: &Field, wanted: &str) -> Result<Option<String>, BrowserError> {
    let Some(control) = field.control() else { return Ok(None) };
    let list = open(session, &control).await?.real();
    if let Some(at) = best(&list, wanted).filter(|_| list.len() <= LONG) {
        return take(session, &control, &list[at]).await;
    }
    if list.is_empty() && session.on(&control, "search_box", &[]).await?.is_null() {
        close(session, &control).await?;
        return Ok(None);
    }
    // The town first: suggestions rarely match a whole address.
    let town = wanted.split(',').next().unwrap_or(wanted).trim();
    for typed in [town, wanted] {
        let list = suggest(session, &control, typed).await?;
        if let Some(at) = best(&list, wanted) {
            return take(session, &control, &list[at]).await;
        }
        if town == wanted {
            break;
        }
    }
    let _ = session.on(&control, "select_all", &[]).await;
    session.press(Key::Backspace).await?;
    close(session, &control).await?;
    Ok(None)
}

/// Chooses several options one after the other; returns what could be chosen.
///
/// # Errors
/// When the browser does not answer.
pub async fn choose_all(
    session: &Session,
    field: &Field,
    wanted: &[String],
) -> Result<Vec<String>, BrowserError> {
    let mut chosen = Vec::new();
    for one in wanted {
        let shown = session.state(field).await?.value;
        if shown.split("; ").any(|it| words::plain(it) == words::plain(one)) {
            chosen.push(one.clone());
            continue;
        }
        if choose(session, field, one).await?.is_some() {
            chosen.push(one.clone());
        }
    }
    Ok(chosen)
}

/// Takes what a plain box suggests after something was typed into it, where it suggests the very thing.
///
/// # Errors
/// When the browser does not answer.
pub async fn take_suggestion(
    session: &Session,
    control: &Node,
    wanted: &str,
) -> Result<Option<String>, BrowserError> {
    let until = Instant::now() + HINT;
    while Instant::now() < until {
        let found = watch(session, control, STILL, STILL).await?.real();
        if let Some(at) = best(&found, wanted) {
            return take(session, control, &found[at]).await;
        }
        if !found.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// The option that says what is wanted: exactly, or the first that is the same place.
fn best(options: &[Choice], wanted: &str) -> Option<usize> {
    let quoted = |label: &str| label.split(['"', '“', '”']).nth(1).map(words::plain);
    fit::option(options, wanted)
        // `Create "French"`
        .or_else(|| {
            options.iter().position(|it| quoted(&it.label).is_some_and(|it| it == words::plain(wanted)))
        })
        .or_else(|| options.iter().position(|option| places::is_in(wanted, &option.label)))
}

async fn open(session: &Session, control: &Node) -> Result<List, BrowserError> {
    let before = list(session, control).await?;
    if !before.options.is_empty() && before.expanded {
        return Ok(before);
    }
    press(session, control).await?;
    let opened = watch(session, control, OPEN, Duration::from_millis(100)).await?;
    if !opened.options.is_empty() || opened.expanded {
        return Ok(opened);
    }
    session.on(control, "focus", &[]).await?;
    session.press(Key::ArrowDown).await?;
    watch(session, control, OPEN, Duration::from_millis(100)).await
}

/// Clicks the control, or the box around it where that is what takes clicks.
async fn press(session: &Session, control: &Node) -> Result<(), BrowserError> {
    let proxies: Vec<u32> =
        serde_json::from_value(session.on(control, "proxies", &[]).await?).unwrap_or_default();
    for index in proxies {
        let clicked = session.click(&Node { index, ..control.clone() }).await?;
        tracing::trace!(control.index, index, clicked, "press");
        if clicked {
            return Ok(());
        }
    }
    session.on(control, "focus", &[]).await.map(|_| ())
}

async fn suggest(session: &Session, control: &Node, typed: &str) -> Result<Vec<Choice>, BrowserError> {
    let Some(index) = session.on(control, "search_box", &[]).await?.as_u64() else { return Ok(Vec::new()) };
    let before = list(session, control).await?.real();
    let search = Node { index: u32::try_from(index).unwrap_or(control.index), ..control.clone() };
    text::focus(session, &search).await?;
    session.on(&search, "select_all", &[]).await?;
    // The last character comes by key: some lists hear keys only.
    let (start, last) = typed.char_indices().next_back().map_or((typed, ""), |(at, _)| typed.split_at(at));
    session.insert_text(start).await?;
    session.type_keys(last).await?;
    let until = Instant::now() + SUGGEST;
    // Some lists come on Enter only. Inside a form Enter might send it.
    let mut enter = (session.on(&search, "in_form", &[]).await? == false).then(|| Instant::now() + ENTER);
    loop {
        if enter.is_some_and(|at| at <= Instant::now()) {
            enter = None;
            session.press(Key::Enter).await?;
        }
        let now = watch(session, control, STILL, STILL).await?.real();
        if !now.is_empty() && (labels(&now) != labels(&before) || best(&now, typed).is_some()) {
            return Ok(now);
        }
        if Instant::now() >= until {
            return Ok(now);
        }
    }
}

fn labels(options: &[Choice]) -> Vec<&str> {
    options.iter().map(|it| it.label.as_str()).collect()
}

/// Reads the list until it holds options that stay the same for `still`, at most for `limit`.
async fn watch(
    session: &Session,
    control: &Node,
    limit: Duration,
    still: Duration,
) -> Result<List, BrowserError> {
    let (until, mut last, mut since) =
        (Instant::now() + limit.max(still * 2), List::default(), Instant::now());
    loop {
        let now = list(session, control).await?;
        if labels(&now.options) != labels(&last.options) {
            since = Instant::now();
        } else if !now.real().is_empty() && since.elapsed() >= still {
            return Ok(now);
        }
        last = now;
        if Instant::now() >= until {
            return Ok(last);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn list(session: &Session, control: &Node) -> Result<List, BrowserError> {
    let list = session.on(control, "list", &[]).await?;
    tracing::trace!(control.index, %list, "list");
    serde_json::from_value(list).map_err(|error| BrowserError::Protocol(error.to_string()))
}

async fn take(session: &Session, control: &Node, option: &Choice) -> Result<Option<String>, BrowserError> {
    if let Some(index) = option.node {
        let node = Node { index, ..control.clone() };
        if !session.click(&node).await? {
            session.on(&node, "tick", &[]).await?;
        }
    }
    tokio::time::sleep(LOOK).await;
    close(session, control).await?;
    Ok(Some(option.label.clone()))
}

/// Closes the list if it is still open and leaves the control.
async fn close(session: &Session, control: &Node) -> Result<(), BrowserError> {
    if list(session, control).await?.expanded {
        session.press(Key::Escape).await?;
    }
    session.on(control, "blur", &[]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::test_choices;

    #[test]
    fn a_suggestion_must_be_the_very_place() {
        let list =
            test_choices(&["Berlin, NH, USA", "Berlin, Land Berlin, Germany", "Bernau bei Berlin, Germany"]);
        assert_eq!(best(&list, "Berlin, Germany"), Some(1));
        assert_eq!(best(&list, "Munich, Germany"), None);
    }
}
