//! Calendars that open under a box one cannot type into.

use std::time::Duration;

use serde::Deserialize;

use super::text;
use crate::browser::{BrowserError, Node, Session, input::Key};
use crate::form::Field;

/// How many months are turned at most.
const TURNS: usize = 60;
/// How long a calendar may take to open or turn.
const TURN: Duration = Duration::from_millis(80);
/// How often an opening calendar is looked for.
const LOOKS: usize = 12;

#[derive(Debug, Deserialize)]
struct Calendar {
    month: String,
    next: Option<u32>,
    back: Option<u32>,
    days: Vec<Day>,
}

#[derive(Debug, Deserialize)]
struct Day {
    day: String,
    node: u32,
}

/// Opens the calendar, turns to the month and clicks the day (`YYYY-MM-DD`).
///
/// # Errors
/// When the browser does not answer; a calendar that cannot be read is left closed.
pub async fn choose(session: &Session, field: &Field, day: &str) -> Result<(), BrowserError> {
    let Some(control) = field.control() else { return Ok(()) };
    text::focus(session, &control).await?;
    let mut opened = None;
    for _ in 0..LOOKS {
        opened = look(session, &control).await?;
        if opened.is_some() {
            break;
        }
        tokio::time::sleep(TURN).await;
    }
    for _ in 0..TURNS {
        let Some(calendar) = opened else { break };
        let wanted = &day[..7];
        let press = match calendar.month.as_str().cmp(wanted) {
            std::cmp::Ordering::Equal => {
                let found = calendar.days.iter().find(|it| it.day == day);
                if let Some(found) = found {
                    let node = Node { index: found.node, ..control.clone() };
                    if !session.click(&node).await? {
                        session.on(&node, "tick", &[]).await?;
                    }
                }
                break;
            }
            std::cmp::Ordering::Less => calendar.next,
            std::cmp::Ordering::Greater => calendar.back,
        };
        let Some(index) = press else { break };
        session.click(&Node { index, ..control.clone() }).await?;
        tokio::time::sleep(TURN).await;
        opened = look(session, &control).await?;
    }
    if look(session, &control).await?.is_some() {
        session.press(Key::Escape).await?;
    }
    session.on(&control, "blur", &[]).await.map(|_| ())
}

async fn look(session: &Session, control: &Node) -> Result<Option<Calendar>, BrowserError> {
    let seen = session.on(control, "calendar", &[]).await?;
    serde_json::from_value(seen).map_err(|error| BrowserError::Protocol(error.to_string()))
}
