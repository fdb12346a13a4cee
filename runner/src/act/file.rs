//! Uploading: the file is handed to the input itself, so hidden inputs work like visible ones.

use std::path::Path;

use chromiumoxide::cdp::browser_protocol::dom::BackendNodeId;

use crate::browser::{BrowserError, Node, Session};
use crate::decide::Answer;
use crate::form::Field;

/// Puts a file into a file input.
///
/// # Errors
/// When the browser does not answer or the input is gone.
pub async fn upload(session: &Session, field: &Field, path: &Path) -> Result<(), BrowserError> {
    let (Some(id), Some(world)) = (field.backend_node_id, &field.world) else { return Ok(()) };
    session.hand_file(world, BackendNodeId::new(id), path).await
}

/// Clicks what asks for a file and hands it to the input that comes to be.
///
/// # Errors
/// When the browser does not answer, or no input asks for a file in time.
pub async fn choose(session: &Session, control: &Node, path: &Path) -> Result<(), BrowserError> {
    let wait = session.chooser(&control.world).await?;
    let clicked = session.click(control).await;
    let opened = wait.input().await;
    session.end_chooser(&control.world).await?;
    if !clicked? {
        return Ok(());
    }
    let Some(id) = opened else { return Ok(()) };
    session.hand_file(&control.world, id, path).await
}

/// Whether the page shows the file's name: some sites take the file and remove the input.
///
/// # Errors
/// When the browser does not answer.
pub async fn is_shown(session: &Session, field: &Field, answer: &Answer) -> Result<bool, BrowserError> {
    let (Answer::File(path), Some(world)) = (answer, &field.world) else { return Ok(false) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let shown = "name => document.body.innerText.includes(name)";
    match session.run(world, shown, &[name.as_ref().into()]).await {
        Err(BrowserError::Stale(_)) => Ok(false),
        shown => shown,
    }
}
