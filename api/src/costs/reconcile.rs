//! The ledger beside an invoice, by name.

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;
use store::costs::{Charge, Part};

use super::invoice::Item;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The table for people.
    pub text: String,
    /// The invoice less the ledger, over what both have a name for.
    pub gap: Decimal,
}

/// Compares name by name. What only the invoice has (addresses, traffic) is shown and is no gap of the ledger's.
pub fn compare(parts: &[Part], invoice: &BTreeMap<Item, Decimal>) -> Comparison {
    let mut text = String::new();
    let mut row = |name: &str, ledger: &str, invoice: &str, gap: &str| {
        writeln!(text, "{name:<44} {ledger:>16} {invoice:>16} {gap:>16}").expect("a string takes everything");
    };
    row("", "ledger USD", "invoice USD", "gap USD");
    let (mut ledger_sum, mut invoice_sum, mut unpriced) = (Decimal::ZERO, Decimal::ZERO, 0);
    for (charge, name) in [
        (Charge::Machines, "machines"),
        (Charge::RootFileSystems, "root file systems of stopped machines"),
        (Charge::Models, "models"),
    ] {
        let of_charge: Vec<_> = parts.iter().filter(|part| part.charge() == charge).collect();
        let billed = invoice.get(&Item::Known(charge)).copied();
        if of_charge.is_empty() && billed.is_none() {
            continue;
        }
        let known: Decimal = of_charge.iter().map(|part| part.usd.0).sum();
        let billed = billed.unwrap_or_default();
        row(name, &amount(known), &amount(billed), &amount(billed - known));
        for part in of_charge {
            unpriced += part.unpriced;
            let label = format!("  {} · {} · {} {}", part.sku, part.name, part.quantity, part.unit);
            row(&label, &amount(part.usd.0), "", "");
        }
        ledger_sum += known;
        invoice_sum += billed;
    }
    let gap = invoice_sum - ledger_sum;
    row("of what the ledger keeps", &amount(ledger_sum), &amount(invoice_sum), &amount(gap));
    let mut other_sum = Decimal::ZERO;
    for (item, usd) in invoice {
        if let Item::Other(name) = item {
            row(&format!("not in the ledger: {name}"), "", &amount(*usd), "");
            other_sum += usd;
        }
    }
    row("the whole invoice", "", &amount(invoice_sum + other_sum), "");
    if unpriced > 0 {
        writeln!(text, "{unpriced} line(s) of the ledger have no price: `api costs backfill` after the price is in infra/prices.toml")
            .expect("a string takes everything");
    }
    Comparison { text, gap }
}

fn amount(usd: Decimal) -> String {
    format!("{:.6}", usd.round_dp(6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::costs::Exact;

    fn part(sku: &str, unit: &str, usd: &str) -> Part {
        let usd = Exact(usd.parse().expect("a number"));
        Part {
            provider: "fly".into(),
            sku: sku.into(),
            name: "machine".into(),
            quantity: usd,
            unit: unit.into(),
            usd,
            unpriced: 0,
        }
    }

    #[test]
    fn the_gap_is_named_and_what_the_ledger_cannot_know_is_none() {
        let parts = [part("shared-2x-2048mb", "second", "1.5"), part("rootfs.gb", "gb-second", "0.5")];
        let invoice = BTreeMap::from([
            (Item::Known(Charge::Machines), "1.75".parse().expect("a number")),
            (Item::Known(Charge::RootFileSystems), "0.5".parse().expect("a number")),
            (Item::Other("IPv4".into()), "2".parse().expect("a number")),
        ]);
        let found = compare(&parts, &invoice);
        assert_eq!(found.gap, "0.25".parse().expect("a number"));
        let line = |start: &str| {
            found
                .text
                .lines()
                .find(|line| line.starts_with(start))
                .map(|line| line.split_whitespace().last().unwrap_or_default().to_owned())
        };
        assert_eq!(line("machines").as_deref(), Some("0.250000"));
        assert_eq!(line("root file").as_deref(), Some("0.000000"));
        assert_eq!(line("the whole invoice").as_deref(), Some("4.250000"));
    }
}
