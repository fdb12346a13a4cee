//! Trusted input: mouse and keyboard events as the browser itself makes them.

use chromiumoxide::cdp::browser_protocol::dom::{GetContentQuadsParams, ScrollIntoViewIfNeededParams};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
    InsertTextParams, MouseButton,
};

use super::{BrowserError, Node, Session};

/// A key that is pressed for what it does, not for a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Chooses the highlighted option.
    Enter,
    /// Closes a menu.
    Escape,
    /// Opens a menu, or highlights the next option.
    ArrowDown,
    /// Removes the character before the caret, or the selection.
    Backspace,
    /// Leaves the control.
    Tab,
}

impl Session {
    /// Clicks the middle of a node, if nothing lies on top of it; says whether it did.
    ///
    /// # Errors
    /// When the node is gone or the browser does not answer.
    pub async fn click(&self, node: &Node) -> Result<bool, BrowserError> {
        let Some((x, y)) = self.point(node).await? else { return Ok(false) };
        for (kind, buttons) in [
            (DispatchMouseEventType::MouseMoved, 0),
            (DispatchMouseEventType::MousePressed, 1),
            (DispatchMouseEventType::MouseReleased, 0),
        ] {
            let params = DispatchMouseEventParams::builder()
                .button(if kind == DispatchMouseEventType::MouseMoved {
                    MouseButton::None
                } else {
                    MouseButton::Left
                })
                .click_count(1)
                .buttons(buttons)
                .r#type(kind)
                .x(x)
                .y(y)
                .build()
                .map_err(BrowserError::Protocol)?;
            self.call("Input.dispatchMouseEvent", params).await?;
        }
        Ok(true)
    }

    /// A point of the page where a click would reach the node.
    async fn point(&self, node: &Node) -> Result<Option<(f64, f64)>, BrowserError> {
        let (session, object) = (&node.world.session, self.object(node).await?);
        let params = ScrollIntoViewIfNeededParams::builder().object_id(object.clone()).build();
        if self.call_in(session, "DOM.scrollIntoViewIfNeeded", params).await.is_err() {
            return Ok(None); // it has no box
        }
        let params = GetContentQuadsParams::builder().object_id(object).build();
        let Ok(answer) = self.call_in(session, "DOM.getContentQuads", params).await else { return Ok(None) };
        for quad in answer.quads {
            let &[x0, y0, x1, y1, x2, y2, x3, y3] = quad.inner().as_slice() else { continue };
            let middle = ((x0 + x1 + x2 + x3) / 4.0, (y0 + y1 + y2 + y3) / 4.0);
            let area = ((x1 - x0) * (y2 - y1) - (y1 - y0) * (x2 - x1)).abs();
            if area < 1.0 {
                continue;
            }
            if let Some(found) = self.found_at(session, middle).await?
                && self.hits(node, found).await?
                && let Some(point) = self.surface(session, middle).await?
            {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    /// Types text into what has the focus, as one input event; any characters.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn insert_text(&self, text: &str) -> Result<(), BrowserError> {
        self.call("Input.insertText", InsertTextParams::new(text)).await.map(|_| ())
    }

    /// Types text key by key, for inputs that rewrite what is typed (phone, date).
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn type_keys(&self, text: &str) -> Result<(), BrowserError> {
        for character in text.chars() {
            let typed = character.to_string();
            let code = if character.is_ascii_alphanumeric() {
                i64::from(character.to_ascii_uppercase() as u32)
            } else {
                0
            };
            for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
                let mut params = DispatchKeyEventParams::builder().key(&typed).windows_virtual_key_code(code);
                if kind == DispatchKeyEventType::KeyDown {
                    params = params.text(&typed).unmodified_text(&typed);
                }
                let params = params.r#type(kind).build().map_err(BrowserError::Protocol)?;
                self.call("Input.dispatchKeyEvent", params).await?;
            }
        }
        Ok(())
    }

    /// Presses a key.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn press(&self, key: Key) -> Result<(), BrowserError> {
        let (name, code, text) = match key {
            Key::Enter => ("Enter", 13, Some("\r")),
            Key::Escape => ("Escape", 27, None),
            Key::ArrowDown => ("ArrowDown", 40, None),
            Key::Backspace => ("Backspace", 8, None),
            Key::Tab => ("Tab", 9, None),
        };
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let mut params =
                DispatchKeyEventParams::builder().key(name).code(name).windows_virtual_key_code(code);
            if let (DispatchKeyEventType::KeyDown, Some(text)) = (&kind, text) {
                params = params.text(text);
            }
            let params = params.r#type(kind).build().map_err(BrowserError::Protocol)?;
            self.call("Input.dispatchKeyEvent", params).await?;
        }
        Ok(())
    }
}
