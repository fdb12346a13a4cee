//! By what a manual is found: the form on its first page, and the addresses it may be at.

use std::fmt::Write as _;

use url::Url;
use uuid::Uuid;

use super::hex;
use crate::form::{Form, words};

/// A form as manuals are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    signature: String,
    pattern: String,
    task: String,
}

impl Found {
    /// The form on its first page, for jobs of this type.
    pub fn of(form: &Form, task: &str) -> Self {
        let pattern = pattern(&form.page.url);
        let mut all = format!("{pattern}\n");
        for field in &form.fields {
            let _ = writeln!(all, "{}|{}", words::question(&field.question), field.kind.word());
        }
        Self { signature: hex(&all), pattern, task: task.to_owned() }
    }

    /// What tells the form from others; nothing of the candidate's is in it.
    pub fn key(&self) -> &str {
        &self.signature
    }

    /// The job type.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The pattern of its address.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The system it was made with, in the contract's words.
    pub fn platform(&self) -> &'static str {
        const KNOWN: &[(&str, &str)] = &[
            ("greenhouse.io", "greenhouse"),
            ("lever.co", "lever"),
            ("ashbyhq.com", "ashby"),
            ("myworkdayjobs.com", "workday"),
            ("icims.com", "icims"),
            ("smartrecruiters.com", "smartrecruiters"),
            ("workable.com", "workable"),
        ];
        KNOWN.iter().find(|(host, _)| self.pattern.contains(host)).map_or("other", |(_, name)| name)
    }
}

/// Host and path, with what changes from job to job left open: contract section 10.5.
fn pattern(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "*".into() };
    let host = url.host_str().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let host = match labels[..] {
        [.., name, top] if labels.len() >= 3 && host.parse::<std::net::IpAddr>().is_err() => {
            format!("*.{name}.{top}")
        }
        _ => host.to_owned(),
    };
    let open = |part: &str| {
        let number = !part.is_empty() && part.chars().all(|it| it.is_ascii_digit());
        let locale = part.len() == 2 || part.len() == 5 && part.as_bytes()[2] == b'-';
        let locale = locale && part.chars().all(|it| it.is_ascii_alphabetic() || it == '-');
        number || locale || Uuid::parse_str(part).is_ok()
    };
    let path: Vec<&str> =
        url.path().trim_matches('/').split('/').map(|part| if open(part) { "*" } else { part }).collect();
    format!("{host}/{}", path.join("/")).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_form_share_a_pattern() {
        assert_eq!(pattern("https://boards.greenhouse.io/acme/jobs/123?gh=1"), "*.greenhouse.io/acme/jobs/*");
        assert_eq!(pattern("http://127.0.0.1:80/en/x/"), "127.0.0.1/*/x");
    }
}
