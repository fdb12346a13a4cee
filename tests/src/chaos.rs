//! The whole fleet under faults of every kind, and a check of every promise afterwards.
//!
//! Two real dispatchers, a real Postgres, the local Fly with a fault script, and machines that run a light stand-in for
//! the runner. Everything random is drawn from one seed. The threads of the processes are not: a seed repeats the
//! faults, not the interleaving.

mod check;
mod dice;
mod facts;
mod faults;
mod feed;
mod havoc;
pub(crate) mod recorder;
mod report;
mod role;
pub mod runner;
mod world;

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};
use xtask::arguments::Chaos;

pub(crate) use role::calm_job;
pub(crate) use world::IMAGE;

use dice::Dice;
use facts::Facts;
use feed::Feed;
use world::World;

/// How long everything may take to come to rest once nothing is thrown at it any more: a machine that fell silent is given
/// up after two minutes, and the next tries wait for their turn.
const REST: Duration = Duration::from_mins(10);

/// Runs it and prints what happened; an error with the history of every job a promise was broken for.
///
/// # Errors
/// See above, or when a part does not come up.
pub async fn run(arguments: Chaos) -> Result<()> {
    eprintln!("seed {}, {} jobs", arguments.seed, arguments.jobs);
    let mut world = World::start(&arguments).await?;
    let began = Instant::now();
    let feed = Feed::new(&arguments, world.database_url(), world.recorder().url());
    let feeding = tokio::spawn(feed.run());
    let mut dice = Dice::new(arguments.seed, 1);
    while !feeding.is_finished() {
        world.wreck(&mut dice).await?;
        sleep(Duration::from_millis(300 + dice.below(1400))).await;
    }
    let fed = feeding.await??;
    world.mend().await?;
    eprintln!("all jobs are in after {:.0} s; waiting for rest", began.elapsed().as_secs_f64());
    let at_rest = world.rest(REST).await?;
    let tally = world.tally(&fed);
    let facts = Facts::read(&mut world, fed).await?;
    let broken = check::all(&facts);
    println!("{}", report::text(&facts, &tally, began.elapsed()));
    let left = world.stop().await;
    if !left.is_empty() {
        bail!("processes were left: {left:#?}");
    }
    if broken.is_empty() && at_rest {
        return Ok(());
    }
    println!("{}", report::broken(&facts, &broken));
    bail!("{} promises broken, at rest: {at_rest}", broken.len())
}
