//! The database's own promises, against a real Postgres.

mod access;
mod applications;
mod attempts;
mod budgets;
mod callbacks;
mod captured;
mod claim;
mod costs;
mod duplicates;
mod lane;
mod ledger;
mod legacy;
mod limits;
mod pauses;
mod permits;
mod pool;
mod reads;
mod resumes;
mod world;
