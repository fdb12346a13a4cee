//! Starts one machine per job and sees every machine it started gone.
//!
//! The heart is [`plan`]: a pure function from what is known to what is to be done. Everything else feeds it
//! ([`wake`], [`cron`], `store::machines::world`) or carries out what it says ([`act`], [`run`]).
//! Beside it, [`callbacks`] tells the outside what became of jobs.

pub mod act;
mod actions;
pub mod callbacks;
pub mod config;
pub mod cron;
pub mod health;
pub mod hung;
pub mod metrics;
pub mod plan;
pub mod run;
pub mod serve;
mod steps;
pub mod tiers;
mod traces;
pub mod wake;
