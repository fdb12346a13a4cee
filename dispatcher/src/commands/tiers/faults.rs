//! Every error of a tiers file. The rules are `domain::tier`'s, which stops at the first: what it names is mended, and it is asked again.

use std::ops::Range;

use domain::tier::{DEFAULT, TierError, Tiers};
use serde::Serialize;
use toml::Table;
use toml::de::{DeTable, DeValue};

/// No file has more errors than this; a rule that could not be mended would go on for ever.
const MOST: usize = 200;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its line, from 1.
    pub line: usize,
    /// What it is about, as `tiers.free.guest`; empty for text that is no TOML.
    pub place: String,
    /// What is wrong, and what is allowed.
    pub why: String,
}

/// Finds them, by line.
pub fn find(text: &str) -> Vec<Fault> {
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        let fault = |error: &toml::de::Error| Fault {
            line: line_at(text, error.span().map_or(0, |span| span.start)),
            place: String::new(),
            why: error.message().to_owned(),
        };
        return broken.iter().map(fault).collect();
    }
    let (Ok(mut mended), Ok(shipped)) = (toml::from_str::<Table>(text), toml::from_str::<Table>(DEFAULT))
    else {
        return Vec::new(); // both were read just now
    };
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < MOST {
        let written = mended.to_string();
        let Err(error) = Tiers::parse(&written) else { break };
        let (path, why) = explain(&error, &written);
        let fault = Fault { line: line_of(text, document.get_ref(), &path), place: path.join("."), why };
        if faults.contains(&fault) {
            break;
        }
        faults.push(fault);
        mend(&mut mended, &shipped, &path);
    }
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// What an error is about, and what it says.
fn explain(error: &TierError, written: &str) -> (Vec<String>, String) {
    match error {
        TierError::Value { tier, field, why, .. } => {
            let mut path = vec!["tiers".to_owned(), tier.clone()];
            let whole = why.contains("tier is missing") || why.starts_with("no such tier");
            path.extend((!whole).then(|| (*field).to_owned()));
            (path, why.clone())
        }
        TierError::Syntax(error) => {
            let why = error.message().to_owned();
            let span = error.span().unwrap_or_default();
            let mut path =
                DeTable::parse(written).map(|table| path_at(table.get_ref(), &span)).unwrap_or_default();
            path.extend(
                why.strip_prefix("missing field `")
                    .and_then(|rest| rest.split('`').next())
                    .map(ToOwned::to_owned),
            );
            (path, why)
        }
    }
}

/// Puts the shipped value in the place of a wrong one, or takes it out; never deeper than a field of a tier.
fn mend(table: &mut Table, shipped: &Table, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    match (table.get_mut(key), shipped.get(key)) {
        (Some(toml::Value::Table(inner)), Some(toml::Value::Table(shipped)))
            if !rest.is_empty() && key != "guest" =>
        {
            mend(inner, shipped, rest);
        }
        (_, Some(right)) => {
            table.insert(key.clone(), right.clone());
        }
        (_, None) => {
            table.remove(key);
        }
    }
}

/// The keys down to what a span lies in.
fn path_at(table: &DeTable<'_>, span: &Range<usize>) -> Vec<String> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        if holds(key.span()) {
            return vec![key.get_ref().to_string()];
        }
        if let DeValue::Table(inner) = value.get_ref() {
            let below = path_at(inner, span);
            if !below.is_empty() {
                return [vec![key.get_ref().to_string()], below].concat();
            }
        }
        if holds(value.span()) {
            return vec![key.get_ref().to_string()];
        }
    }
    Vec::new()
}

/// The line of the last key of a path that is there.
fn line_of(text: &str, table: &DeTable<'_>, path: &[String]) -> usize {
    let mut line = 1;
    let mut table = Some(table);
    for step in path {
        let found = table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == step));
        let Some((key, value)) = found else { break };
        line = line_at(text, key.span().start);
        table = value.get_ref().as_table();
    }
    line
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped file with a change, and the line that the change is on.
    fn changed(from: &str, to: &str) -> (String, usize) {
        assert!(DEFAULT.contains(from), "{from}");
        let text = DEFAULT.replacen(from, to, 1);
        let at = DEFAULT.find(from).expect("just seen") + from.len() - from.trim_start().len();
        let line = line_at(&text, at);
        (text, line)
    }

    #[test]
    fn the_shipped_file_has_none() {
        assert_eq!(find(DEFAULT), []);
    }

    #[test]
    fn every_error_is_named_with_its_line_and_what_is_allowed() {
        let text = DEFAULT
            .replacen("memory_mb = 2048", "memory_mb = 2000", 1)
            .replacen("per_user = 3", "per_usr = 3", 1)
            .replacen("boot_seconds = 60\n\n[tiers.premium]", "boot_seconds = \"long\"\n\n[tiers.premium]", 1)
            .replacen("capacity = { min = 2, max = 40 }", "capacity = { min = 50, max = 40 }", 1);
        let faults = find(&text);
        let lines: Vec<&str> = text.lines().collect();
        let said: Vec<_> = faults.iter().map(|fault| (fault.place.as_str(), lines[fault.line - 1])).collect();
        assert_eq!(said[0].0, "tiers.free.guest");
        assert!(said[0].1.contains("2000") && faults[0].why.contains("steps of 256"), "{faults:?}");
        assert!(
            faults.iter().any(|fault| fault.place == "tiers.starter.per_usr"
                && lines[fault.line - 1].starts_with("per_usr")),
            "{faults:?}"
        );
        assert!(
            faults.iter().any(
                |fault| fault.place == "tiers.pro.boot_seconds" && lines[fault.line - 1].contains("long")
            ),
            "{faults:?}"
        );
        let last = faults.last().expect("four and the missing field");
        assert_eq!(
            (last.place.as_str(), lines[last.line - 1].contains("50")),
            ("tiers.enterprise.capacity", true)
        );
    }

    #[test]
    fn a_field_that_is_missing_is_reported_at_its_tier() {
        let (text, line) = changed("[tiers.free]\n", "[tiers.free]\n");
        let text = text.replacen("per_user = 1\n", "", 1);
        let faults = find(&text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].line, faults[0].place.as_str()), (line, "tiers.free.per_user"));
    }

    #[test]
    fn unknown_and_missing_tiers_are_both_reported() {
        let (text, line) = changed("[tiers.free]", "[tiers.gratis]");
        let faults = find(&text);
        let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
        assert!(places.contains(&"tiers.free") && places.contains(&"tiers.gratis"), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.place == "tiers.gratis"
            && fault.line == line
            && fault.why.contains("enterprise")));
    }

    #[test]
    fn what_is_no_toml_is_reported_by_line() {
        let (text, line) = changed("per_user = 1", "per_user = = 1");
        let faults = find(&text);
        assert!(faults.iter().any(|fault| fault.line == line), "{faults:?}");
    }
}
