//! A browser on its way, so that what does not need it yet need not wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::AbortOnDropHandle;

use super::{BrowserConfig, BrowserError, Session, Workspace};

/// A browser that is being started, and the folder it works in; dropped, it ends.
#[derive(Debug)]
pub struct Starting {
    session: AbortOnDropHandle<Result<Session, BrowserError>>,
    workspace: Arc<Workspace>,
}

impl Starting {
    /// Begins to start a browser.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn begin(config: &BrowserConfig) -> Result<Self, BrowserError> {
        let workspace =
            Workspace::new(config.uid).map_err(|error| BrowserError::Launch(error.to_string()))?;
        let (config, workspace) = (config.clone(), Arc::new(workspace));
        let folder = Arc::clone(&workspace);
        let session = tokio::spawn(async move { Session::start(&config, &folder).await });
        Ok(Self { session: AbortOnDropHandle::new(session), workspace })
    }

    /// The browser's folder; it is to outlive the browser.
    pub fn workspace(&self) -> Arc<Workspace> {
        Arc::clone(&self.workspace)
    }

    /// Waits for the browser.
    ///
    /// # Errors
    /// When Chromium does not start or does not answer.
    pub async fn session(self) -> Result<Session, BrowserError> {
        self.session.await.unwrap_or_else(|error| Err(BrowserError::Launch(error.to_string())))
    }
}

/// The browser of the first try, which may be on its way before the job is known.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Arc<Mutex<Option<Starting>>>);

impl Ahead {
    /// Begins to start it. One that does not start is nothing yet: the job tries again and says why.
    pub fn begin(config: &BrowserConfig) -> Self {
        let started = Starting::begin(config);
        let started = started.inspect_err(|error| tracing::warn!(%error, "no browser yet"));
        Self(Arc::new(Mutex::new(started.ok())))
    }

    /// Takes it, once.
    pub fn take(&self) -> Option<Starting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
