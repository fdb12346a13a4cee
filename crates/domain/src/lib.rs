//! The words of the service: ids, job and attempt states, tiers, money. Plain data and pure rules.
//!
//! Nothing here does I/O, so every rule can be tested by calling it.
//! The other crates depend on this one; it depends on none of them.

pub mod attempt;
pub mod id;
pub mod job;
pub mod money;
pub mod net;
pub mod storage_key;
pub mod tier;
pub mod world;
