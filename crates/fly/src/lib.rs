//! Client for the Fly Machines REST API: the calls a dispatcher needs, and what to do next when one fails.
//!
//! Decoding is lenient, because several services of Fly answer under one address and leave fields out. Nothing is
//! ever sent twice: a create whose outcome is not known says so ([`Next::UnknownOutcome`]) and the caller looks the
//! machine up by its name before it does anything else.
//!
//! ```no_run
//! # async fn example(token: secrecy::SecretString) -> Result<(), fly::Error> {
//! use std::time::Duration;
//! let base_url = "https://api.machines.dev".parse().expect("a constant");
//! let client = fly::Client::new(fly::Config { base_url, token, timeout: Duration::from_secs(20) })?;
//! let machine = client.create("my-app", &fly::CreateMachine::new("gh-1", "registry.fly.io/app@sha256:…")).await?;
//! let started = fly::WaitFor { states: vec![fly::State::Started], timeout: Duration::from_secs(60) };
//! match client.wait("my-app", &machine.id, &started).await? {
//!     fly::Waited::Reached(_) => {}
//!     fly::Waited::NotYet { current } => println!("still {current:?}"),
//!     fly::Waited::Gone => println!("it ran and is gone"),
//! }
//! # Ok(()) }
//! ```

mod call;
mod classify;
mod client;
mod config;
mod error;
mod event;
mod interval;
mod lenient;
mod machine;
mod outcome;
mod token;

pub use client::{Client, Config};
pub use config::{CreateMachine, Dns, Guest, Init, MachineConfig, Restart, RestartPolicy, StopConfig};
pub use error::{Cause, Error, Next, Shortage};
pub use event::{Event, Exit};
pub use interval::Interval;
pub use machine::{App, HostStatus, ImageRef, Machine, Region, State};
pub use outcome::{Delete, Deleted, ListMachines, Scope, Started, Stop, Stopped, WaitFor, Waited};
