//! The REST service VALET talks to: it checks, writes and reads jobs, and knows nothing of how they are done.
//!
//! It never calls another process. A job it writes is a row; the dispatcher hears of it from Postgres.
//!
//! ```text
//! server    accepts connections, limits them, drains them
//!   headers   request id, CORS, the security headers       (every response)
//!   trace     one span, one log line, one count            (every request)
//!   auth      who calls                                     (everything below /api/v1/gh)
//!   routes    one file per endpoint
//! ```

mod addresses;
pub mod app;
mod auth;
mod build;
mod caller;
pub mod config;
pub mod costs;
mod dashboard;
mod error;
mod extract;
mod fields;
mod fleet_metrics;
mod headers;
mod job_input;
mod jwks;
pub mod keys;
mod limit;
mod metrics;
mod monitoring;
pub mod openapi;
mod places;
mod profile;
mod query;
mod reference;
mod routes;
pub mod server;
mod token;
mod trace;
mod usd;
mod valet_input;
mod visited;
mod web_url;
mod words;
