//! A server that speaks the Fly Machines API and runs each machine as a process group of this computer.
//!
//! What real Fly does, it does: states, events, name clashes, waits, rate limits, leases, capacity errors, and it can
//! be told to fail in Fly's ways ([`Rule`]). What it cannot do is isolate: a machine sees this computer's files
//! and network. Start it with [`serve`], or with the `local-fly` program.

mod adopt;
mod bill;
mod clock;
mod config;
mod events;
mod faults;
mod guest;
mod ids;
mod lease;
mod life;
mod limits;
mod lock;
mod machines;
mod options;
mod persist;
mod process;
mod procfs;
mod record;
mod regions;
mod reply;
mod requests;
mod routes;
mod serve;
mod signal;
mod strike;
mod wire;
mod world;

pub use bill::BillLine;
pub use faults::{Call, Fault, Rule, Shortage};
pub use options::{Limits, Options, Orphans, Rate, Run};
pub use procfs::Proc;
pub use requests::Request;
pub use serve::{Handle, serve};
