//! Tiers: which machine a job gets, where, and within which bounds. Read from `infra/tiers.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The tiers of the contract, smallest first.
pub const NAMES: [&str; 5] = ["free", "starter", "pro", "premium", "enterprise"];

/// The file that ships with the program.
pub const DEFAULT: &str = include_str!("../../../infra/tiers.toml");

/// Every tier, by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    tiers: BTreeMap<String, Tier>,
}

/// One tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The size of its machines.
    pub guest: Guest,
    /// Where to start them, best first.
    pub regions: Vec<String>,
    /// What they run; the release's image when absent.
    pub image: Option<String>,
    /// The model asked for what rules cannot decide, by its alias in `infra/models.toml`.
    pub model: Option<String>,
    /// What one job may spend on models, in millionths of a dollar.
    pub budget_micros: i64,
    /// How many jobs may have a machine at once.
    pub capacity: Bounds,
    /// How many of them one user may have.
    pub per_user: i32,
    /// How long a machine may take from the create call to its runner's first call.
    pub boot_seconds: i32,
    /// How long a job waits for a person before it fails; the contract's five minutes when absent.
    #[serde(default = "pause_seconds")]
    pub pause_seconds: i32,
    /// How long a job may wait for a slot before there is to be another one; ten seconds when absent.
    #[serde(default = "max_wait_seconds")]
    pub max_wait_seconds: i32,
    /// How many machines are made ahead and kept stopped; none by default.
    #[serde(default)]
    pub pool: Bounds,
    /// The tier a job goes to when its machine ran out of memory; none: it stays.
    pub oom_tier: Option<String>,
}

/// A machine's size, in Fly's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// `shared` or `performance`.
    pub cpu_kind: CpuKind,
    /// How many.
    pub cpus: u32,
    /// In steps of 256.
    pub memory_mb: u32,
}

/// Fly's two kinds of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuKind {
    /// A share of a processor: 1/16 of it lastingly, all of it in bursts.
    Shared,
    /// A whole one.
    Performance,
}

/// A lower and an upper bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Never fewer.
    pub min: i32,
    /// Never more.
    pub max: i32,
}

/// Why a tiers file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// It is not TOML, or has a field that does not exist; says where.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A value is not allowed; says which and what is.
    #[error("tiers.{tier}.{field}: {why}")]
    Value {
        /// The tier.
        tier: String,
        /// The field.
        field: &'static str,
        /// What is wrong and what is allowed.
        why: String,
    },
}

impl Tiers {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`TierError`], which names the place.
    pub fn parse(text: &str) -> Result<Self, TierError> {
        let tiers: Self = toml::from_str(text)?;
        for name in NAMES {
            if !tiers.tiers.contains_key(name) {
                return Err(wrong(name, "guest", "the tier is missing; all five must be there".into()));
            }
        }
        for (name, tier) in &tiers.tiers {
            tier.check(name)?;
        }
        Ok(tiers)
    }

    /// The tiers with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tier)> {
        self.tiers.iter().map(|(name, tier)| (name.as_str(), tier))
    }

    /// The same without some.
    #[must_use]
    pub fn without(&self, names: &BTreeSet<String>) -> Self {
        let kept = self.tiers.iter().filter(|(name, _)| !names.contains(*name));
        Self { tiers: kept.map(|(name, tier)| (name.clone(), tier.clone())).collect() }
    }

    /// One tier.
    pub fn get(&self, name: &str) -> Option<&Tier> {
        self.tiers.get(name)
    }
}

const fn pause_seconds() -> i32 {
    300
}

const fn max_wait_seconds() -> i32 {
    10
}

impl Default for Tiers {
    fn default() -> Self {
        Self::parse(DEFAULT).expect("a test reads the shipped file")
    }
}

impl Tier {
    fn check(&self, name: &str) -> Result<(), TierError> {
        if !NAMES.contains(&name) {
            return Err(wrong(name, "guest", format!("no such tier; they are {}", NAMES.join(", "))));
        }
        self.guest.check().map_err(|why| wrong(name, "guest", why))?;
        for (field, Bounds { min, max }) in [("capacity", self.capacity), ("pool", self.pool)] {
            if min < 0 || max < min {
                return Err(wrong(name, field, format!("min {min}, max {max}: 0 <= min <= max is needed")));
            }
        }
        if self.oom_tier.as_deref().is_some_and(|next| !NAMES.contains(&next) || next == name) {
            return Err(wrong(name, "oom_tier", format!("another tier is needed: {}", NAMES.join(", "))));
        }
        if self.regions.is_empty() || self.regions.iter().any(|region| region.len() != 3) {
            return Err(wrong(
                name,
                "regions",
                "at least one region, each three letters such as \"iad\"".into(),
            ));
        }
        for (field, value, low, high) in [
            ("per_user", self.per_user, 1, 1000),
            ("boot_seconds", self.boot_seconds, 5, 600),
            ("pause_seconds", self.pause_seconds, 10, 86_400),
            ("max_wait_seconds", self.max_wait_seconds, 1, 86_400),
        ] {
            if value < low || value > high {
                return Err(wrong(name, field, format!("{value} is not within {low} to {high}")));
            }
        }
        if self.budget_micros < 0 {
            return Err(wrong(name, "budget_micros", "may not be negative".into()));
        }
        Ok(())
    }
}

impl Guest {
    /// Fly's own rules (Machines API reference, guest): counts of processors, memory per processor, steps of 256 MB.
    fn check(&self) -> Result<(), String> {
        let (counts, low, high): (&[u32], u32, u32) = match self.cpu_kind {
            CpuKind::Shared => (&[1, 2, 4, 6, 8], 256, 2048),
            CpuKind::Performance => (&[1, 2, 4, 6, 8, 10, 12, 14, 16], 2048, 8192),
        };
        if !counts.contains(&self.cpus) {
            return Err(format!("{} processors; {:?} has {counts:?}", self.cpus, self.cpu_kind));
        }
        let (low, high) = (low * self.cpus, high * self.cpus);
        if self.memory_mb < low || self.memory_mb > high || !self.memory_mb.is_multiple_of(256) {
            return Err(format!(
                "{} MB; {low} to {high} in steps of 256 are allowed for {} processors",
                self.memory_mb, self.cpus
            ));
        }
        Ok(())
    }
}

fn wrong(tier: &str, field: &'static str, why: String) -> TierError {
    TierError::Value { tier: tier.to_owned(), field, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_valid_and_has_every_tier() {
        let tiers = Tiers::parse(DEFAULT).expect("infra/tiers.toml");
        assert_eq!(tiers.iter().count(), NAMES.len());
    }

    #[test]
    fn a_wrong_guest_names_the_tier_and_what_is_allowed() {
        let text = DEFAULT.replacen("memory_mb = 2048", "memory_mb = 2000", 1);
        let error = Tiers::parse(&text).expect_err("2000 is no step of 256").to_string();
        assert!(error.starts_with("tiers.") && error.contains("steps of 256"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let text = DEFAULT.replacen("\nper_user =", "\nper_usr =", 1);
        let error = Tiers::parse(&text).expect_err("a typo").to_string();
        assert!(error.contains("per_usr") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_missing_tier_and_reversed_bounds_are_refused() {
        let error = Tiers::parse("[tiers]").expect_err("no tier at all").to_string();
        assert!(error.contains("tiers.free"), "{error}");
        let text = DEFAULT.replacen("min = 1", "min = 999", 1);
        assert!(Tiers::parse(&text).expect_err("min over max").to_string().contains("capacity"));
    }
}
