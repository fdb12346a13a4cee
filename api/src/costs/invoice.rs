//! Somebody else's invoice, as a CSV file or as the lines of a page that was copied into a text file.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use store::costs::Charge;

/// What one line of an invoice is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Something the ledger knows.
    Known(Charge),
    /// Something it does not: addresses, traffic, volumes, support, tax, credit.
    Other(String),
}

/// A file that cannot be read as an invoice.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// It has a header, but no column that holds amounts.
    #[error("no column of amounts in the header `{header}`: one of {} is expected", AMOUNTS.join(", "))]
    NoAmounts {
        /// The header.
        header: String,
    },
    /// A line whose amount is no number.
    #[error("line {0}: `{1}` is no amount")]
    Amount(usize, String),
    /// Nothing in it looks like an amount.
    #[error("the file has no line that ends in an amount")]
    Empty,
}

/// What an amount is called in a header, best first.
const AMOUNTS: [&str; 8] = ["billedcost", "amount", "total", "cost", "price", "subtotal", "charge", "usd"];
/// What its reason is called.
const REASONS: [&str; 9] =
    ["chargedescription", "description", "item", "product", "name", "sku", "service", "resource", "type"];

/// Reads an invoice: what is charged, by what for.
///
/// # Errors
/// [`InvoiceError`], which names the line.
pub fn read(text: &str) -> Result<BTreeMap<Item, Decimal>, InvoiceError> {
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if header.contains(',') && amount(header.rsplit(',').next().unwrap_or_default()).is_none() {
        table(text)
    } else {
        lines(text)
    }
}

fn table(text: &str) -> Result<BTreeMap<Item, Decimal>, InvoiceError> {
    let mut rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header = rows.next().map(|(_, line)| fields(line)).unwrap_or_default();
    let names: Vec<String> = header
        .iter()
        .map(|name| name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect())
        .collect();
    let column = |wanted: &[&str]| {
        wanted.iter().find_map(|word| {
            names
                .iter()
                .position(|name| name == word)
                .or_else(|| names.iter().position(|name| name.contains(word)))
        })
    };
    let at = column(&AMOUNTS).ok_or_else(|| InvoiceError::NoAmounts { header: header.join(",") })?;
    let reasons: Vec<usize> = REASONS
        .iter()
        .filter_map(|word| names.iter().position(|name| name == word))
        .filter(|index| *index != at)
        .collect();
    let mut found = BTreeMap::new();
    for (number, line) in rows {
        let fields = fields(line);
        let Some(shown) = fields.get(at).filter(|shown| !shown.trim().is_empty()) else { continue };
        let usd = amount(shown).ok_or_else(|| InvoiceError::Amount(number + 1, shown.clone()))?;
        let reason =
            reasons.iter().filter_map(|index| fields.get(*index)).cloned().collect::<Vec<_>>().join(" ");
        if !is_sum(&reason) {
            *found.entry(item(&reason)).or_default() += usd;
        }
    }
    Ok(found)
}

/// Lines as people copy them: a reason, and an amount with a currency sign at the end. Others are skipped.
fn lines(text: &str) -> Result<BTreeMap<Item, Decimal>, InvoiceError> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some((reason, shown)) = line.trim().rsplit_once(char::is_whitespace) else { continue };
        if let Some(usd) = amount(shown).filter(|_| shown.contains('$') && !is_sum(reason)) {
            *found.entry(item(reason)).or_default() += usd;
        }
    }
    if found.is_empty() { Err(InvoiceError::Empty) } else { Ok(found) }
}

/// Which charge of the ledger a reason means.
fn item(reason: &str) -> Item {
    let lower = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["rootfs", "root file", "stopped machine", "stopped", "suspended"]) {
        Item::Known(Charge::RootFileSystems)
    } else if has(&["token", "gpt-", "claude", "gemini"]) {
        Item::Known(Charge::Models)
    } else if has(&[
        "machine",
        "shared-",
        "shared_",
        "performance-",
        "performance_",
        "vm",
        "additional ram",
        "memory",
    ]) {
        Item::Known(Charge::Machines)
    } else {
        Item::Other(reason.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Whether a line repeats the others' sum.
fn is_sum(reason: &str) -> bool {
    let lower = reason.trim().trim_end_matches(':').to_lowercase();
    ["total", "subtotal", "amount due", "amount paid", "balance", "sum"]
        .iter()
        .any(|word| lower == *word || lower.ends_with(&format!(" {word}")))
}

/// `$1,234.56`, `1234.5600 USD`, `(3.00)` and `-3` are amounts.
fn amount(shown: &str) -> Option<Decimal> {
    let text = shown.trim().trim_end_matches("USD").trim();
    let (text, is_negative) = match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let text: String = text.chars().filter(|letter| !matches!(letter, '$' | ',' | ' ')).collect();
    let number: Decimal = text.parse().ok()?;
    Some(if is_negative { -number } else { number })
}

/// The fields of one line of CSV.
fn fields(line: &str) -> Vec<String> {
    let (mut found, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.trim_end_matches('\r').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    found.push(field);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    #[test]
    fn a_table_is_summed_by_what_the_ledger_knows() {
        let text = "App,Description,Region,Amount\r\nghosthands-runner,\"shared-cpu-2x, 2GB\",iad,\"$1,000.25\"\n\
                    ghosthands-runner,Additional RAM,iad,0.75\nghosthands-runner,Stopped machines rootfs,iad,0.5\n,IPv4 address,,2\n,Total,,1003.50\n";
        let found = read(text).expect("an invoice");
        assert_eq!(found[&Item::Known(Charge::Machines)], usd("1001"));
        assert_eq!(found[&Item::Known(Charge::RootFileSystems)], usd("0.5"));
        assert_eq!(found[&Item::Other("IPv4 address".into())], usd("2"));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn copied_lines_are_read_by_their_last_word() {
        let found = read(
            "Invoice 12\nshared-cpu-2x@2048MB (iad) 1,200 s   $0.0053\nCredit ($1.00)\nAmount due $0.00\n",
        )
        .expect("an invoice");
        assert_eq!(found[&Item::Known(Charge::Machines)], usd("0.0053"));
        assert_eq!(found[&Item::Other("Credit".into())], usd("-1.00"));
    }

    #[test]
    fn a_file_that_is_no_invoice_is_refused_with_its_reason() {
        assert!(matches!(read("a,b\n1,2\n"), Err(InvoiceError::NoAmounts { .. })));
        assert!(matches!(read("item,amount\nx,many\n"), Err(InvoiceError::Amount(2, _))));
        assert!(matches!(read("hello\n"), Err(InvoiceError::Empty)));
    }
}
