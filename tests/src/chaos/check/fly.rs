//! 5 and 2, from the other side: what the local Fly was asked, against what is on record.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::super::facts::{Attempt, Facts, Machine};
use super::Broken;

/// Nothing is made that no row asked for, nothing twice under one name, and nothing is destroyed under a live attempt.
pub(super) fn only_what_is_on_record(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    let names: HashSet<&str> = facts.machines.iter().map(|machine| machine.name.as_str()).collect();
    let asked: BTreeSet<&str> = facts.calls.iter().filter_map(|call| call.name.as_deref()).collect();
    for name in asked.into_iter().filter(|name| !names.contains(name)) {
        broken.push(Broken::new(5, None, format!("{name} was asked of Fly, and no row knows it")));
    }
    let mut ran: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for billed in &facts.bill {
        ran.entry(&billed.name).or_default().insert(&billed.machine_id);
    }
    for (name, machines) in ran.iter().filter(|(_, machines)| machines.len() > 1) {
        let machine = facts.machines.iter().find(|machine| machine.name == *name);
        let known =
            machines.iter().filter(|id| facts.machines.iter().any(|row| row.fly_id.as_deref() == Some(**id)));
        if known.count() < machines.len() {
            broken.push(Broken::new(
                5,
                machine.and_then(|machine| job_of(facts, machine)),
                format!("{name} ran as {machines:?}, and not all of them are on record"),
            ));
        }
    }
    broken.extend(destroyed_alive(facts));
    broken
}

fn destroyed_alive(facts: &Facts) -> Vec<Broken> {
    let attempts: HashMap<Uuid, &Attempt> =
        facts.attempts.iter().map(|attempt| (attempt.id, attempt)).collect();
    let machines: HashMap<&str, &Machine> =
        facts.machines.iter().filter_map(|machine| Some((machine.fly_id.as_deref()?, machine))).collect();
    let deletes = facts.calls.iter().filter(|call| call.method == "DELETE");
    deletes
        .filter_map(|call| {
            let machine = machines.get(call.machine()?)?;
            let attempt = attempts.get(&machine.attempt_id?)?;
            let alive = attempt.ended_at.is_none_or(|ended| call.at() < ended);
            alive.then(|| {
                Broken::new(
                    2,
                    attempt.job_id,
                    format!("{} was destroyed under its live attempt {}", machine.name, attempt.no),
                )
            })
        })
        .collect()
}

fn job_of(facts: &Facts, machine: &Machine) -> Option<Uuid> {
    facts.attempts.iter().find(|attempt| Some(attempt.id) == machine.attempt_id).map(|attempt| attempt.job_id)
}
