//! One check and what came of it.

use serde::Serialize;
use store::ops::problems::{Problem, Severity};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Good to know.
    Info,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// How it went.
    pub health: Health,
    /// What was found.
    pub says: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: impl Into<String>, says: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Ok, says: says.into(), remedy: None }
    }

    /// What every reader of the problems is told.
    pub fn problem(problem: &Problem) -> Self {
        let says = match &problem.detail {
            Some(detail) => format!("{} ({detail})", problem.says),
            None => problem.says.clone(),
        };
        let health = match problem.severity {
            Severity::Info => Health::Info,
            Severity::Warning => Health::Warn,
            Severity::Critical => Health::Fail,
        };
        Self { name: problem.of.to_owned(), health, says, remedy: Some(problem.remedy.to_owned()) }
    }

    /// Good to know.
    pub fn info(name: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Info, says: says.into(), remedy: Some(remedy.into()) }
    }

    /// Somebody should look.
    pub fn warn(name: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Warn, says: says.into(), remedy: Some(remedy.into()) }
    }

    /// It does not work.
    pub fn fail(name: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Fail, says: says.into(), remedy: Some(remedy.into()) }
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.health {
            Health::Ok => "ok  ",
            Health::Info => "info",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        writeln!(f, "{word}  {:<14} {}", self.name, self.says)?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "{:21}-> {remedy}", ""),
            None => Ok(()),
        }
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
