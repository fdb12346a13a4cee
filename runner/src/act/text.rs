//! Writing into text controls and editable elements.

use crate::browser::{BrowserError, Node, Session, input::Key};

/// Replaces what stands in a control; the second way types key by key, for controls that rewrite what is typed.
///
/// # Errors
/// When the browser does not answer or the control is gone.
pub async fn write(
    session: &Session,
    control: &Node,
    value: &str,
    by_keys: bool,
) -> Result<(), BrowserError> {
    focus(session, control).await?;
    session.on(control, "select_all", &[]).await?;
    if by_keys {
        session.press(Key::Backspace).await?;
        session.type_keys(value).await?;
    } else if value.is_empty() {
        session.press(Key::Backspace).await?;
    } else {
        session.insert_text(value).await?;
    }
    session.on(control, "blur", &[]).await.map(|_| ())
}

/// Gives a control the focus: by a click where one can land, else by script.
///
/// # Errors
/// When the browser does not answer or the control is gone.
pub async fn focus(session: &Session, control: &Node) -> Result<(), BrowserError> {
    session.click(control).await?;
    session.on(control, "focus", &[]).await.map(|_| ())
}
