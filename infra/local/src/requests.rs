//! Every request received, for tests and measurements.

use crate::lock::lock;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Mutex};

/// The oldest requests are forgotten beyond this many.
const MOST: usize = 200_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// HTTP status answered; 0 when the connection was reset instead.
    pub status: u16,
    /// When its head had been read (RFC 3339).
    pub time: String,
    /// The same in microseconds since 1970.
    pub time_us: u64,
    /// Milliseconds until it was answered.
    pub ms: u64,
    /// The name of the machine created, when it is a create call.
    pub name: Option<String>,
}

/// The requests of one server, oldest first.
#[derive(Default)]
pub struct RequestLog(Mutex<VecDeque<Request>>);

impl RequestLog {
    pub fn push(&self, request: Request) {
        let mut log = lock(&self.0);
        if log.len() == MOST {
            log.pop_front();
        }
        log.push_back(request);
    }

    pub fn list(&self) -> Vec<Request> {
        lock(&self.0).iter().cloned().collect()
    }
}
