//! What the local Fly does wrong during a run: every fault it knows, more or less often.

use serde_json::{Value, json};

use super::dice::Dice;

/// The fault script of a seed.
pub(super) fn script(seed: u64) -> Value {
    let mut dice = Dice::new(seed, 2);
    let mut rule = |on: &str, share: f64, fault: Value| {
        let seed = dice.next() >> 1; // JSON numbers of other tools end there
        json!({ "on": on, "probability": share, "seed": seed, "fault": fault })
    };
    let answer = |code: u16, text: &str| json!({ "status": { "code": code, "body": { "error": text } } });
    let full = |region: &str, kind: &str| json!({ "capacity": { "region": region, "kind": kind } });
    let mut rules = vec![
        rule("create", 0.05, json!({ "delay": { "ms": 400 } })),
        rule("create", 0.03, json!("commit_then_408")),
        rule("create", 0.03, json!("reset_after_commit")),
        rule("create", 0.03, json!("reset_before_commit")),
        rule("create", 0.01, json!({ "delay_after_commit": { "ms": 2000 } })),
        rule("create", 0.01, json!("stuck_created")),
        rule("create", 0.01, json!("launch_failed")),
        rule("create", 0.01, json!({ "oom_after": { "ms": 100 } })),
        rule("create", 0.20, json!("monitor_event")),
        rule("create", 0.01, answer(500, "internal: something broke")),
        rule("create", 0.01, answer(503, "unavailable")),
        rule("create", 0.005, answer(429, "rate limit exceeded")),
        rule("create", 0.01, full("iad", "422")),
        rule("create", 0.02, full("ewr", "409_host")),
        rule("create", 0.002, full("*", "409_region")),
        rule("create", 0.002, full("iad", "403_quota")),
        rule("get", 0.02, answer(500, "internal: something broke")),
        rule("get", 0.02, json!("reset_before_commit")),
        rule("get", 0.02, json!("host_unreachable")),
        rule("get", 0.03, json!({ "delay": { "ms": 500 } })),
        rule("get", 0.05, json!({ "stale_destroying": { "ms": 700 } })),
        rule("get", 0.20, json!({ "not_propagated": { "ms": 1500 } })),
        rule("list", 0.15, json!("empty_list")),
        rule("list", 0.15, json!({ "list_lag": { "ms": 3000 } })),
        rule("list", 0.10, answer(500, "internal: something broke")),
        rule("start", 0.10, json!("start_without_boot")),
        rule("start", 0.05, json!("reset_after_commit")),
        rule("start", 0.05, json!("commit_then_408")),
        rule("start", 0.05, full("*", "409_host")),
        rule("stop", 0.10, json!("reset_after_commit")),
        rule("stop", 0.10, answer(500, "internal: something broke")),
        rule("delete", 0.10, json!("destroy_ack_only")),
        rule("delete", 0.10, json!("commit_then_408")),
        rule("delete", 0.05, json!("reset_before_commit")),
    ];
    // Once each: nothing is created for half a minute after it.
    rules.push(json!({ "on": "create", "nth": 150 + dice.below(100), "fault": answer(401, "Authenticate: token validation error") }));
    rules.push(json!({ "on": "create", "nth": 500 + dice.below(100), "fault": answer(404, "failed to get manifest: manifest unknown") }));
    Value::Array(rules)
}

/// The name of a rule's fault.
pub(super) fn name(rule: &Value) -> String {
    let (fault, on) = (&rule["fault"], rule["on"].as_str().unwrap_or_default());
    let word = match fault {
        Value::String(word) => word.clone(),
        Value::Object(fields) => fields.iter().next().map_or_else(String::new, |(name, detail)| {
            match (detail["code"].as_u64(), detail["kind"].as_str()) {
                (Some(code), _) => format!("answered {code}"),
                (_, Some(kind)) => format!("no room ({kind})"),
                _ => name.clone(),
            }
        }),
        _ => String::new(),
    };
    format!("{on}: {word}")
}
