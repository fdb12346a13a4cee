//! What operators look at and change: the SQL of the dispatcher's commands.
//!
//! Whatever changes something writes who did it to `gh_audit`, in the same transaction.

mod audit;
pub mod callbacks;
pub mod control;
pub mod costs;
pub mod health;
pub mod lists;
pub mod problems;
pub mod scale;
pub mod why;
