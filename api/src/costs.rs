//! What was spent, for finance: over REST as JSON and CSV, and `api costs` on the command line.

mod command;
mod csv;
pub(crate) mod get_costs;
pub(crate) mod get_job_cost;
mod invoice;
mod parameters;
mod reconcile;
pub(crate) mod stream;

pub use command::{Command, CommandError, run};
pub use invoice::InvoiceError;
pub(crate) use parameters::days;
