//! The server's own bill: every stretch of time a machine ran, to compare with what others booked.

use crate::{clock, record::Record};
use serde::{Deserialize, Serialize};

/// A stretch of time in which a machine ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// Milliseconds since 1970; absent while it runs.
    pub exited_ms: Option<i64>,
}

/// One line of the bill. Fly bills each second a machine is `started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillLine {
    /// The machine.
    pub machine_id: String,
    /// Its name.
    pub name: String,
    /// Its app.
    pub app: String,
    /// Where it ran.
    pub region: String,
    /// `shared` or `performance`.
    pub cpu_kind: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
    /// When it became `started` (RFC 3339).
    pub started_at: String,
    /// When its main process ended (RFC 3339); null while it runs.
    pub exited_at: Option<String>,
    /// How long it ran, or has run until now.
    pub milliseconds: i64,
    /// The same in whole seconds, rounded up.
    pub seconds: i64,
}

/// The lines of one machine, oldest first.
pub fn lines(record: &Record) -> Vec<BillLine> {
    let line = |interval: &Interval| {
        let milliseconds = interval.exited_ms.unwrap_or_else(clock::now_ms) - interval.started_ms;
        BillLine {
            machine_id: record.id.clone(),
            name: record.name.clone(),
            app: record.app.clone(),
            region: record.region.clone(),
            cpu_kind: record.config.guest.cpu_kind.clone(),
            cpus: record.config.guest.cpus,
            memory_mb: record.config.guest.memory_mb,
            started_at: clock::rfc3339(interval.started_ms),
            exited_at: interval.exited_ms.map(clock::rfc3339),
            milliseconds,
            seconds: (milliseconds + 999) / 1000,
        }
    };
    record.intervals.iter().map(line).collect()
}
