//! Native lists, radio buttons, boxes and button groups.

use serde_json::{Value, json};

use crate::browser::{BrowserError, Node, Session};
use crate::form::Field;

/// Chooses options of a native list.
///
/// # Errors
/// When the browser does not answer or the control is gone.
pub async fn select(session: &Session, field: &Field, chosen: &[usize]) -> Result<(), BrowserError> {
    let Some(control) = field.control() else { return Ok(()) };
    let indexes: Vec<u32> =
        chosen.iter().filter_map(|at| field.options.get(*at)).map(|it| it.index).collect();
    session.on(&control, "choose", &[json!(indexes)]).await.map(|_| ())
}

/// Makes exactly these options of a group the chosen ones; a right one is never touched.
///
/// # Errors
/// When the browser does not answer or the control is gone.
pub async fn press(
    session: &Session,
    field: &Field,
    chosen: &[usize],
    by_script: bool,
) -> Result<(), BrowserError> {
    for (at, option) in field.options.iter().enumerate() {
        let wanted = chosen.contains(&at);
        // Radio buttons and pills are only ever switched on: choosing one switches the others off.
        if !wanted && !field.kind.is_multiple() {
            continue;
        }
        let value = session.state(field).await?.value;
        let is_on = value.split("; ").any(|label| label == option.label);
        if let (true, Some(node)) = (is_on != wanted, field.option_node(option)) {
            toggle(session, &node, by_script).await?;
        }
    }
    Ok(())
}

/// Ticks or clears one box.
///
/// # Errors
/// When the browser does not answer or the control is gone.
pub async fn tick(session: &Session, field: &Field, on: bool, by_script: bool) -> Result<(), BrowserError> {
    let Some(control) = field.control() else { return Ok(()) };
    if (session.state(field).await?.value == "true") != on {
        toggle(session, &control, by_script).await?;
    }
    Ok(())
}

/// Clicks an element or what stands for it on the screen.
async fn toggle(session: &Session, node: &Node, by_script: bool) -> Result<(), BrowserError> {
    if by_script {
        return session.on(node, "tick", &[]).await.map(|_| ());
    }
    let proxies: Vec<u32> =
        serde_json::from_value(session.on(node, "proxies", &[]).await?).unwrap_or_default();
    for index in proxies {
        if session.click(&Node { index, ..node.clone() }).await? {
            return Ok(());
        }
    }
    session.on(node, "tick", &[]).await.map(|_: Value| ())
}
