//! One measured figure beside its target, and the table of all.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// One row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    name: &'static str,
    what: String,
    measured: f64,
    unit: &'static str,
    target: Option<Target>,
    met: Option<bool>,
}

impl Figure {
    /// A figure that has a target.
    pub(super) fn new(
        name: &'static str,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
        target: Target,
    ) -> Self {
        let met = match target {
            Target::AtMost(most) => measured <= most,
            Target::AtLeast(least) => measured >= least,
        };
        Self { name, what: what.into(), measured, unit, target: Some(target), met: Some(met) }
    }

    /// A figure that explains another one.
    pub(super) fn aside(
        name: &'static str,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
    ) -> Self {
        Self { name, what: what.into(), measured, unit, target: None, met: None }
    }

    /// The row as text of fixed width.
    pub(super) fn line(&self) -> String {
        let measured = format!("{:.2} {}", self.measured, self.unit);
        let target = match self.target {
            None => String::new(),
            Some(Target::AtMost(most)) => format!("≤ {most} {}", self.unit),
            Some(Target::AtLeast(least)) => format!("≥ {least} {}", self.unit),
        };
        let met = match self.met {
            None => "",
            Some(true) => "met",
            Some(false) => "missed",
        };
        format!("{:<10}  {:<58}  {measured:>14}  {target:>14}  {met}", self.name, self.what)
            .trim_end()
            .to_owned()
    }
}

/// All rows, with a head.
pub(super) fn table(figures: &[Figure]) -> String {
    let head = format!("{:<10}  {:<58}  {:>14}  {:>14}", "figure", "what", "measured", "target");
    let mut text = format!("{head}\n{}\n", "─".repeat(head.chars().count()));
    for figure in figures {
        let _ = writeln!(text, "{}", figure.line());
    }
    text
}

/// Samples in order.
pub(super) struct Samples(Vec<f64>);

impl Samples {
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// All of several.
    pub(super) fn together(samples: impl Iterator<Item = Self>) -> Self {
        Self::new(samples.flat_map(|samples| samples.0).collect())
    }

    /// The value below which `percent` of a hundred samples lie (nearest rank).
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn median(&self) -> f64 {
        self.percentile(50)
    }
}

/// A duration in milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_was_measured() {
        let samples = Samples::new((1..=200).rev().map(f64::from).collect());
        assert!((samples.median() - 100.0).abs() < f64::EPSILON);
        assert!((samples.percentile(99) - 198.0).abs() < f64::EPSILON);
        assert!((Samples::new(vec![7.0]).percentile(99) - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_target_is_met_on_its_own_side() {
        let met = |target| Figure::new("f", "w", 5.0, "ms", target).met;
        assert_eq!(met(Target::AtMost(5.0)), Some(true));
        assert_eq!(met(Target::AtMost(4.9)), Some(false));
        assert_eq!(met(Target::AtLeast(5.0)), Some(true));
        assert_eq!(met(Target::AtLeast(5.1)), Some(false));
    }
}
