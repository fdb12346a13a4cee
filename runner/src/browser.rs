//! Chromium: started by us, spoken to over its debugging protocol, gone when we are.

pub mod exchange;
pub mod flags;
mod frames;
pub mod guard;
pub mod input;
pub mod launch;
pub mod network;
pub mod page;
mod preferences;
pub mod session;
mod snapshot;
pub mod starting;
mod stderr;
mod wire;
pub mod workspace;
pub mod world;

pub use launch::{BrowserConfig, Process};
pub use session::Session;
pub use starting::{Ahead, Starting};
pub use workspace::Workspace;
pub use world::{Node, World};

/// Why the browser could not do what was asked, sorted by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// It could not be started: configuration or image is wrong.
    #[error("chromium could not be started: {0}")]
    Launch(String),
    /// It, or the page's process, is gone; a new browser may help.
    #[error("browser closed: {0}")]
    Gone(String),
    /// It did not answer in time.
    #[error("timeout: {0}")]
    Timeout(&'static str),
    /// The address could not be loaded.
    #[error("the page could not be loaded: {0}")]
    Navigation(String),
    /// The node is no longer in the page.
    #[error("element not found: {0}")]
    Stale(String),
    /// It answered with an error.
    #[error("chromium refused: {0}")]
    Protocol(String),
}
