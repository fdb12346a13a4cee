//! What the system can do, measured on real processes, each figure beside its target.
//!
//! These are measurements, not tests: they say how fast this computer is today and never fail a build.

mod api;
mod claim;
mod figure;
mod forms;
mod inserts;
mod latency;
mod limits;
mod load;
mod machines_api;
mod memory;
mod page;
mod pool;
mod rig;
mod runner;
mod scaling;
mod start;
mod throughput;

use anyhow::{Result, bail};
use xtask::arguments::Bench;

use figure::Figure;

/// The names `cargo xtask bench NAME` knows, in the order they are measured.
const NAMES: [&str; 11] = [
    "latency",
    "claim",
    "throughput",
    "limits",
    "pool",
    "scaling",
    "api",
    "start",
    "page",
    "memory",
    "forms",
];

/// Measures what was asked for and prints one table, or JSON.
///
/// # Errors
/// When a name is unknown, or a part does not come up.
pub async fn run(arguments: Bench) -> Result<()> {
    let names: Vec<&str> = match &arguments.name {
        None => NAMES.to_vec(),
        Some(name) if NAMES.contains(&name.as_str()) => vec![name],
        Some(name) => bail!("no figure called {name}; there are {}", NAMES.join(", ")),
    };
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures mean nothing");
    }
    let mut figures = Vec::new();
    for name in names {
        eprintln!("measuring {name}");
        let measured = measure(name).await?;
        if !arguments.json {
            for figure in &measured {
                eprintln!("  {}", figure.line());
            }
        }
        figures.extend(measured);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("\n{}", figure::table(&figures));
    }
    Ok(())
}

async fn measure(name: &str) -> Result<Vec<Figure>> {
    match name {
        "latency" => latency::measure().await,
        "claim" => claim::measure().await,
        "throughput" => throughput::measure().await,
        "limits" => limits::measure().await,
        "pool" => pool::measure().await,
        "scaling" => scaling::measure().await,
        "api" => api::measure().await,
        "start" => start::measure().await,
        "page" => page::measure().await,
        "forms" => forms::measure().await,
        _ => memory::measure().await,
    }
}
