//! The client against real HTTP: answers written down here, and the local Fly.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers here are test code too: what cannot go on should fail there"
)]

mod answers;
mod fake;
mod local_fly;
mod outcomes;
mod requests;
