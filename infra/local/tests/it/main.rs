//! The local Fly against the rules of the real one, over HTTP and with real processes.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers here are test code too: what cannot go on should fail there"
)]

mod bill;
mod capacity;
mod ends;
mod faults;
mod leases;
mod lives;
mod names;
mod openapi;
mod rates;
mod reading;
mod refusals;
mod restarts;
mod schema;
mod stage;
mod waits;
