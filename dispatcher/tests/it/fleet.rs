//! A dispatcher at work, one fault at a time. The test plays the runner, by what the machine was given to know.

mod capacity;
mod creating;
mod ending;
mod failing;
mod missing;
mod outage;
mod pausing;
mod rig;
mod waking;
