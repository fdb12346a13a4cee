//! 7: every interval in which a machine ran, or was kept ready, is in the ledger once, at its price, under a job or a name.

use std::collections::HashMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::super::facts::{Billed, Facts, Line};
use super::Broken;

/// A month of Fly's, in seconds.
const MONTH: i64 = 2_592_000;

/// Compares the ledger with the bill, line by line and in total.
pub(super) fn every_interval_once(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut ledger: HashMap<&str, Vec<&Line>> = HashMap::new();
    let (ran, kept): (Vec<&Line>, Vec<&Line>) = facts.ledger.iter().partition(|line| line.unit == "second");
    for line in &ran {
        ledger.entry(line.machine_id.as_deref().unwrap_or_default()).or_default().push(*line);
        if line.job_id.is_none() && line.overhead.is_none() {
            broken.push(Broken::new(
                7,
                None,
                format!("{:?} belongs to no job and to no overhead line", line.machine_id),
            ));
        }
    }
    let mut total = Decimal::ZERO;
    for billed in &facts.bill {
        total += cost(facts, billed).unwrap_or_default();
        let lines = ledger.remove(billed.machine_id.as_str()).unwrap_or_default();
        let booked: Decimal = lines.iter().map(|line| line.quantity).sum();
        let what = match (lines.as_slice(), billed.exited_at) {
            (_, None) => "still runs".to_owned(),
            ([], _) => format!("ran {} ms and is not in the ledger", billed.milliseconds),
            ([_], _) if booked == Decimal::new(billed.milliseconds, 3) => continue,
            ([_], _) => format!("ran {} ms and the ledger has {booked} s", billed.milliseconds),
            (lines, _) => format!("is in the ledger {} times", lines.len()),
        };
        let job = job_of(facts, billed);
        broken.push(Broken::new(7, job, format!("machine {} ({}) {what}", billed.machine_id, billed.name)));
    }
    for machine in ledger.into_keys() {
        broken.push(Broken::new(7, None, format!("machine {machine} is in the ledger and never ran")));
    }
    let booked: Decimal = ran.iter().filter_map(|line| line.cost_usd).sum();
    if (booked - total).abs() >= Decimal::new(1, 6) {
        broken.push(Broken::new(
            7,
            None,
            format!("the ledger has {booked} USD of machines, the bill is {total} USD"),
        ));
    }
    broken.extend(kept_ready_once(facts, &kept));
    broken.extend(views_add_up(facts));
    broken
}

/// A machine of the pool that was made is paid for once while it is kept ready; nothing else is.
fn kept_ready_once(facts: &Facts, kept: &[&Line]) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut lines: HashMap<&str, u32> = HashMap::new();
    for line in kept {
        *lines.entry(line.machine_id.as_deref().unwrap_or_default()).or_default() += 1;
    }
    for machine in facts.machines.iter().filter(|machine| machine.kind == "pool") {
        let Some(fly_id) = machine.fly_id.as_deref() else { continue };
        let count = lines.remove(fly_id).unwrap_or(0);
        if count != 1 {
            let what = format!("{} was kept ready and is in the ledger {count} times for it", machine.name);
            broken.push(Broken::new(7, None, what));
        }
    }
    for machine in lines.into_keys() {
        let what = format!("machine {machine:?} is in the ledger as kept ready, and is none of the pool's");
        broken.push(Broken::new(7, None, what));
    }
    broken
}

/// Whoever adds up the jobs and the overhead comes to the ledger's sum, to the last digit.
fn views_add_up(facts: &Facts) -> Option<Broken> {
    let sums = &facts.sums;
    (sums.jobs + sums.overhead != sums.ledger).then(|| {
        let what = format!(
            "the jobs cost {} USD and the overhead {} USD, the ledger has {} USD",
            sums.jobs, sums.overhead, sums.ledger
        );
        Broken::new(7, None, what)
    })
}

/// What Fly asks for an interval.
fn cost(facts: &Facts, billed: &Billed) -> Option<Decimal> {
    let price = |sku: &str, region: &str| facts.prices.get(&(sku.to_owned(), region.to_owned())).copied();
    let cpus = price(&format!("vcpu.{}", billed.cpu_kind), "*")? * Decimal::from(billed.cpus);
    let memory = price("memory.gb", "*")? * Decimal::from(billed.memory_mb) / Decimal::from(1024);
    let second = (cpus + memory) * price("markup", &billed.region)? / Decimal::from(MONTH);
    // The ledger keeps 16 digits of a price.
    let second = second.round_dp_with_strategy(16, RoundingStrategy::MidpointAwayFromZero);
    Some(second * Decimal::new(billed.milliseconds, 3))
}

fn job_of(facts: &Facts, billed: &Billed) -> Option<uuid::Uuid> {
    let machine = facts.machines.iter().find(|machine| machine.name == billed.name)?;
    facts.attempts.iter().find(|attempt| Some(attempt.id) == machine.attempt_id).map(|attempt| attempt.job_id)
}
