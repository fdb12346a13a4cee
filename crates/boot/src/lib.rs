//! What every process does first and last: read its environment, start its log, hear its signals.

mod chain;
mod config;
mod shutdown;
mod telemetry;
pub mod trace;

pub use chain::chain;
pub use config::{ConfigError, load, load_from};
pub use shutdown::shutdown;
pub use telemetry::init_telemetry;
