//! What the dashboard shows and changes.

mod actions;
mod fleet;
mod jobs;
mod overview;
mod tiers;

pub use actions::{Action, Audit, Change, act, audit};
pub use fleet::{Sample, fleet};
pub use jobs::{Event, Filter, Place, Row, Search, search, timeline};
pub use overview::{Budget, Count, Moment, Spent, budgets, counts, moments, spent};
pub use tiers::{ClosedMachine, LastMonth, Load, closed_machines, last_month, loads, price_per_hour};
