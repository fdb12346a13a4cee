//! The log: JSON lines on standard error, human text in development.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

/// Starts the log of `service`, and its traces where a collector is named ([`crate::trace`]). `RUST_LOG` filters; the default is `info`.
#[expect(clippy::disallowed_methods, reason = "the log starts before any configuration is read")]
pub fn init_telemetry(service: &'static str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,hyper=warn,tokio_cron_scheduler=warn"));
    let registry = tracing_subscriber::registry().with(filter);
    let human = std::env::var("NODE_ENV").is_ok_and(|env| env == "development");
    let result = if human {
        registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init()
    } else {
        registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init()
    };
    if result.is_ok() {
        tracing::debug!(service, "log started");
    }
    crate::trace::start(service);
}
