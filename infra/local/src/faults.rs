//! The fault script: which call goes wrong, how often, and in which way.
//!
//! A script is a JSON list of rules. Every rule counts the calls it matches, so "the second create" means the same
//! whatever other rules say. Of the rules that fire on one call all delays apply, and the first of the others.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// One line of a fault script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which call it concerns.
    pub on: Call,
    /// Only this matching call, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only the first so many matching calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only this share of matching calls, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Where the chance of `probability` starts, so that a run can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Only calls about a machine whose name contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_contains: Option<String>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// The rule that strikes every `on` call with `fault`.
    pub fn always(on: Call, fault: Fault) -> Self {
        Self { on, nth: None, times: None, probability: None, seed: None, name_contains: None, fault }
    }

    /// The same rule for the `nth` matching call only.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        Self { nth: Some(nth), ..self }
    }

    /// The same rule for the first `times` matching calls only.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// The calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Create a machine.
    Create,
    /// Read one machine.
    Get,
    /// List machines.
    List,
    /// Start a machine.
    Start,
    /// Stop a machine.
    Stop,
    /// Wait for a state.
    Wait,
    /// Destroy a machine.
    Delete,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// create: the machine stays `created` for ever.
    StuckCreated,
    /// Any change: it is made, then answered 408.
    #[serde(rename = "commit_then_408")]
    CommitThen408,
    /// Any change: it is made, then the connection is reset.
    ResetAfterCommit,
    /// Any call: the connection is reset and nothing is done.
    ResetBeforeCommit,
    /// Any change: it is made, and the answer comes so much later.
    DelayAfterCommit {
        /// Milliseconds.
        ms: u64,
    },
    /// create, start: no room in this region.
    Capacity {
        /// The region, or `*` for all.
        region: String,
        /// In which of Fly's words.
        kind: Shortage,
    },
    /// list: answers as of so long ago.
    ListLag {
        /// Milliseconds.
        ms: u64,
    },
    /// list: answers `[]`.
    EmptyList,
    /// create: the machine's host is unreachable from then on; get, list: it is in this answer.
    HostUnreachable,
    /// Any call: this answer, and nothing is done.
    Status {
        /// HTTP status.
        code: u16,
        /// JSON body; a string is sent as plain text.
        body: Value,
    },
    /// Any call: happens so much later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// create, start: `launch_failed` instead of `started`, then destroyed.
    LaunchFailed,
    /// create, start: the guest's OOM killer ends the machine as soon as it runs.
    Oom,
    /// create, start: the same, so much after it started.
    OomAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// create: its exit event has Fly's other shape, `MonitorEvent` with zero fields left out.
    MonitorEvent,
    /// delete: answers 200 and says `destroying`, but the machine lives on.
    DestroyAckOnly,
    /// start: answers 200 and says `starting`, but it never starts.
    StartWithoutBoot,
    /// get: a machine made so recently is not known yet.
    NotPropagated {
        /// Milliseconds.
        ms: u64,
    },
    /// get: a machine destroyed so recently still says `destroying`.
    StaleDestroying {
        /// Milliseconds.
        ms: u64,
    },
}

/// Fly's ways to say that there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shortage {
    /// 422 with status `insufficient_capacity`: the region is full.
    #[serde(rename = "422")]
    Region,
    /// 409: this host is full, another of the region may not be.
    #[serde(rename = "409_host")]
    Host,
    /// 409: every host tried is full.
    #[serde(rename = "409_region")]
    NoCapacity,
    /// 403: the organisation's quota in the region is used up.
    #[serde(rename = "403_quota")]
    Quota,
}

/// A script being played.
#[derive(Debug, Default)]
pub struct Script {
    rules: Vec<Played>,
}

/// A rule being played.
#[derive(Debug, Serialize)]
pub struct Played {
    #[serde(flatten)]
    rule: Rule,
    /// The calls it matched.
    matched: u64,
    /// The calls it struck.
    struck: u64,
}

impl Script {
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| Played { rule, matched: 0, struck: 0 }).collect() }
    }

    /// Every rule, and how often it struck.
    pub fn played(&self) -> &[Played] {
        &self.rules
    }

    /// The faults of this call, capacity aside: how long to wait first, and what goes wrong.
    pub fn strike(&mut self, call: Call, name: Option<&str>) -> (Duration, Option<Fault>) {
        let (mut delay, mut struck) = (Duration::ZERO, None);
        for fault in self.fire(call, name, |fault| !matches!(fault, Fault::Capacity { .. })) {
            match fault {
                Fault::Delay { ms } => delay += Duration::from_millis(ms),
                other => struck = struck.or(Some(other)),
            }
        }
        (delay, struck)
    }

    /// The shortage that meets this call in `region`, if any.
    pub fn shortage(&mut self, call: Call, name: &str, region: &str) -> Option<Shortage> {
        let here = |fault: &Fault| matches!(fault, Fault::Capacity { region: full, .. } if full == "*" || full == region);
        self.fire(call, Some(name), here).into_iter().find_map(|fault| match fault {
            Fault::Capacity { kind, .. } => Some(kind),
            _ => None,
        })
    }

    fn fire(&mut self, call: Call, name: Option<&str>, concerns: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let mut fired = Vec::new();
        for Played { rule, matched: count, struck } in &mut self.rules {
            let named =
                rule.name_contains.as_deref().is_none_or(|part| name.is_some_and(|name| name.contains(part)));
            if rule.on != call || !named || !concerns(&rule.fault) {
                continue;
            }
            *count += 1;
            let counted =
                rule.nth.is_none_or(|nth| *count == nth) && rule.times.is_none_or(|times| *count <= times);
            if counted && rule.probability.is_none_or(|share| chance(rule.seed.unwrap_or(0), *count) < share)
            {
                *struck += 1;
                fired.push(rule.fault.clone());
            }
        }
        fired
    }
}

/// A number in 0..1 that only depends on the seed and the count (`SplitMix64`).
fn chance(seed: u64, count: u64) -> f64 {
    let mut bits = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let top = u32::try_from(bits >> 32).unwrap_or_default();
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(json: &str) -> Script {
        Script::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_script_with_a_field_it_does_not_know_is_refused() {
        assert!(serde_json::from_str::<Vec<Rule>>(r#"[{"on":"create","fault":"oom","nht":2}]"#).is_err());
        assert!(
            serde_json::from_str::<Vec<Rule>>(r#"[{"on":"list","fault":{"list_lag":{"sec":1}}}]"#).is_err()
        );
    }

    #[test]
    fn nth_strikes_only_that_call_and_times_only_the_first_ones() {
        let mut nth = script(r#"[{"on":"create","nth":2,"fault":"stuck_created"}]"#);
        let mut times = script(r#"[{"on":"create","times":2,"fault":"stuck_created"}]"#);
        let struck = |script: &mut Script| -> Vec<bool> {
            (0..4).map(|_| script.strike(Call::Create, Some("m")).1.is_some()).collect()
        };
        assert_eq!(struck(&mut nth), [false, true, false, false]);
        assert_eq!(struck(&mut times), [true, true, false, false]);
    }

    #[test]
    fn name_contains_leaves_other_machines_alone() {
        let mut script = script(r#"[{"on":"get","name_contains":"-a1","fault":"host_unreachable"}]"#);
        assert_eq!(script.strike(Call::Get, Some("job-a2")).1, None);
        assert_eq!(script.strike(Call::Get, Some("job-a1")).1, Some(Fault::HostUnreachable));
        assert_eq!(script.strike(Call::List, None).1, None);
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_at_about_the_asked_rate() {
        let rule = r#"[{"on":"list","probability":0.25,"seed":7,"fault":"empty_list"}]"#;
        let run = || -> Vec<bool> {
            let mut script = script(rule);
            (0..400).map(|_| script.strike(Call::List, None).1.is_some()).collect()
        };
        assert_eq!(run(), run());
        assert!((60..140).contains(&run().iter().filter(|hit| **hit).count()));
    }

    #[test]
    fn a_delay_goes_with_another_fault() {
        let mut script =
            script(r#"[{"on":"list","fault":{"delay":{"ms":5}}},{"on":"list","fault":"empty_list"}]"#);
        assert_eq!(script.strike(Call::List, None), (Duration::from_millis(5), Some(Fault::EmptyList)));
    }

    #[test]
    fn capacity_is_asked_per_region() {
        let mut script =
            script(r#"[{"on":"create","fault":{"capacity":{"region":"ams","kind":"409_host"}}}]"#);
        assert_eq!(script.shortage(Call::Create, "m", "fra"), None);
        assert_eq!(script.shortage(Call::Create, "m", "ams"), Some(Shortage::Host));
        assert_eq!(script.strike(Call::Create, Some("m")).1, None);
    }
}
