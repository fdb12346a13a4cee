//! From the start of a runner's process to the start of its attempt.

use anyhow::Result;

use super::figure::{Figure, Samples, Target};
use super::rig::Rig;
use super::runner::Runner;

const RUNS: usize = 20;

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let rig = Rig::start().await?;
    let mut connection = rig.connect().await?;
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let mut runner = Runner::start(&rig, &mut connection, "http://127.0.0.1:9/", None).await?;
        let took = runner.until_started(&mut connection).await?;
        runner.end(&rig, &mut connection).await?;
        if run > 0 {
            times.push(took); // the first one warms the disk's cache
        }
    }
    rig.stop().await;
    let times = Samples::new(times);
    Ok(vec![
        Figure::new(
            "start",
            format!("runner's process → attempt started, median of {RUNS}"),
            times.median(),
            "ms",
            Target::AtMost(50.0),
        ),
        Figure::aside("start", "runner's process → attempt started, slowest", times.percentile(100), "ms"),
    ])
}
