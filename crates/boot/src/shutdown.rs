//! Signals become a token: the first one asks everybody to finish, the second one ends the process.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process with code 1.
///
/// # Errors
/// When the handlers cannot be installed.
#[expect(clippy::disallowed_methods, reason = "the second signal means now, whatever is under way")]
pub fn shutdown() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ours = token.clone();
    tokio::spawn(async move {
        for round in 0.. {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            if round > 0 {
                tracing::warn!("second signal: leaving at once");
                std::process::exit(1);
            }
            tracing::info!("stopping: finishing what is under way");
            ours.cancel();
        }
    });
    Ok(token)
}
