//! The runner: one job, one browser, then exit.
//!
//! [`job::run`] does the work whoever keeps the job's row; `runner fill` runs it without a database.

pub mod act;
pub mod agent;
pub mod artifacts;
pub mod attempt;
pub mod blockers;
pub mod browser;
pub mod decide;
pub mod desk;
pub mod egress;
pub mod fill;
pub mod form;
pub mod init;
pub mod job;
pub mod manual;
pub mod net;
pub mod note;
pub mod outcome;
pub mod progress;
pub mod receipt;
pub mod record;
pub mod report;
pub mod resume;
