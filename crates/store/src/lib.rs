//! The only SQL in the repository: jobs, attempts, machines and money in Postgres.
//!
//! Rules that must hold whatever a process does (one live attempt, the fence, the permit, the claim's caps) are functions and
//! constraints of the migrations; this crate calls them. Statements are plain functions of sqlx, not its checked macros:
//! a runner behind a transaction-mode pooler needs unnamed statements, and one way to write a query is enough
//! (`docs/adr/0002-plain-queries.md`). Every one runs against a real Postgres in the tests.

mod db;
mod error;
mod lane;
mod token;

pub mod board;
pub mod costs;
pub mod dispatch;
pub mod dispatchers;
pub mod events;
pub mod hitl;
pub mod jobs;
pub mod keys;
pub mod listen;
pub mod machines;
pub mod migrate;
pub mod notices;
pub mod ops;
pub mod outbox;
pub mod pool;
pub mod prices;
pub mod pulse;
pub mod registry;
pub mod runner;
pub mod seal;
pub mod sessions;
pub mod spending;
pub mod traces;
pub mod upkeep;

pub use db::Db;
pub use error::{Error, Result};
pub use migrate::{MIGRATOR, migrate};
