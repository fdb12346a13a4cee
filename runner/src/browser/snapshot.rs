//! The page as text, for whoever looks into a failure.

use super::{BrowserError, Session};

/// The longest snapshot of one frame, in characters.
const LONGEST: u32 = 400_000;

impl Session {
    /// Every frame as HTML without scripts, secrets and answers: a control says how much stands in it, never what.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn snapshot(&self) -> Result<String, BrowserError> {
        let mut whole = String::new();
        for world in self.worlds().await? {
            let frame: String = self.run(&world, "limit => __gh.snapshot(limit)", &[LONGEST.into()]).await?;
            whole.push_str(&frame);
        }
        Ok(whole)
    }
}
