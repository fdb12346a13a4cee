//! `GET /health/system`: how busy the computer is, as far as Linux says.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::build::wall_clock;
use crate::openapi;

/// The computer; what it does not tell is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct System {
    cpu: Cpu,
    memory: Memory,
    disk: Disk,
    timestamp: DateTime<Utc>,
}

/// Its processors.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// The load of the last minute over the number of processors.
    usage_percent: Option<f64>,
    cores: usize,
    #[serde(rename = "loadAvg1m")]
    load_1m: Option<f64>,
    #[serde(rename = "loadAvg5m")]
    load_5m: Option<f64>,
    #[serde(rename = "loadAvg15m")]
    load_15m: Option<f64>,
}

/// Its memory.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    used_mb: Option<u64>,
    total_mb: Option<u64>,
    usage_percent: Option<u64>,
}

/// Its disk: this service keeps nothing on it and does not look.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    used_gb: Option<f64>,
    total_gb: Option<f64>,
    usage_percent: Option<f64>,
}

/// Says how busy the computer is.
#[utoipa::path(
    get,
    path = "/health/system",
    tag = "monitoring",
    responses(
        (status = 200, description = "How busy the computer is", body = System),
        openapi::Open,
    ),
)]
pub async fn get_system() -> Json<System> {
    let (load, memory) = (read("/proc/loadavg").await, read("/proc/meminfo").await);
    Json(System {
        cpu: cpu(&load),
        memory: memory_of(&memory),
        disk: Disk::default(),
        timestamp: wall_clock(),
    })
}

async fn read(path: &str) -> String {
    tokio::fs::read_to_string(path).await.unwrap_or_default()
}

fn cpu(load: &str) -> Cpu {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut loads = load.split_whitespace().map(|word| word.parse::<f64>().ok());
    let mut next = || loads.next().flatten();
    let (one, five, fifteen) = (next(), next(), next());
    let per_core = |load: f64| (load / f64::from(u32::try_from(cores).unwrap_or(1)) * 1000.0).round() / 10.0;
    Cpu {
        usage_percent: one.map(per_core).map(|percent| percent.min(100.0)),
        cores,
        load_1m: one,
        load_5m: five,
        load_15m: fifteen,
    }
}

fn memory_of(text: &str) -> Memory {
    let megabytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()? / 1024)
    };
    let (Some(total), Some(free)) = (megabytes("MemTotal"), megabytes("MemAvailable")) else {
        return Memory::default();
    };
    let used = total.saturating_sub(free);
    Memory { used_mb: Some(used), total_mb: Some(total), usage_percent: Some(used * 100 / total.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_s_words_are_understood() {
        let memory = memory_of("MemTotal:        4096000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\n");
        assert_eq!(
            (memory.used_mb, memory.total_mb, memory.usage_percent),
            (Some(3000), Some(4000), Some(75))
        );
        assert_eq!(memory_of("").used_mb, None);
        assert_eq!(cpu("0.50 0.40 0.30 1/2 3").load_5m, Some(0.4));
        assert_eq!(cpu("").usage_percent, None);
    }
}
