//! The whole system on this computer: for `cargo xtask up` and `demo`, and for the end-to-end tests.
//!
//! [`Stack`] starts a private Postgres, a local Fly, the dispatcher and the api as real processes of the
//! binaries built beside this one, and the career site in this process. Any part can be killed and started again.
//! Nothing outlives the stack, however it ends: servers die with us, [`guard`] ends the rest, and [`leftovers`] counts.

mod account;
pub mod bench;
pub mod chaos;
pub mod client;
pub mod database;
pub mod demo;
pub mod fly_smoke;
pub mod folder;
pub mod guard;
pub mod leftovers;
pub mod outages;
mod ports;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod sandbox;
pub mod sql;
mod stack;
pub mod up;

pub use stack::{Config, Part, RemoteFly, Stack};
