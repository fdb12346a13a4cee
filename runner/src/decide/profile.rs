//! The candidate as facts: one flat map from a key to a text, with a few keys derived from others.

use std::collections::BTreeMap;

use std::fmt;

use serde_json::{Map, Value};

use super::{phrases, sharing};
use crate::form::words;

/// What is known about the candidate.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    facts: BTreeMap<String, Fact>,
    secrets: Secrets,
}

/// A value, and the keys it stood under in what was given.
#[derive(Clone, Debug)]
struct Fact {
    value: String,
    path: String,
}

/// Values that are no facts: kept to be recognised where they stand in one.
#[derive(Clone, Default)]
struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Words of keys whose values fill no field and go nowhere: whole words, `*` goes on.
#[rustfmt::skip]
const SECRET: &[&str] = &[
    "password*", "passwd", "pwd", "passcode*", "passphrase*", "secret", "secrets", "token", "tokens", "otp", "totp", "one time*",
    "ssn", "social security*", "credential", "credentials", "cvv", "cvc", "api key*", "private key*",
    "security answer*", "security question*",
];
/// What stands beside a secret and is none: also the candidate's address for mail, or a word of any text.
const BESIDE: &[&str] =
    &["user", "username", "user name", "email", "login", "name", "url", "site", "host", "platform", "type"];
/// A value shorter than this is many people's.
const TELLING: usize = 4;
/// A secret shorter than this may stand in any text by chance.
const SECRET_LENGTH: usize = 6;

impl Profile {
    /// Flattens `user_data`; nulls, empty texts and secrets are left out.
    pub fn new(user_data: &Map<String, Value>) -> Self {
        let mut profile = Self::default();
        for (key, value) in user_data {
            profile.flatten(&key.trim().to_lowercase().replace([' ', '-'], "_"), key, value);
        }
        profile.derive();
        profile
    }

    /// The fact of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(|fact| fact.value.as_str())
    }

    /// Every fact.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(key, fact)| (key.as_str(), fact.value.as_str()))
    }

    /// Whether a model may know the fact of this key: by where it stood in what was given, not by its short name.
    pub fn may_be_told(&self, key: &str) -> bool {
        self.facts.get(key).is_some_and(|fact| sharing::may_go(&fact.path) && !self.holds_secret(&fact.value))
    }

    /// Whether a text is the value of a fact no model may know, or holds a secret: whatever it is called elsewhere.
    pub fn is_kept_back(&self, text: &str) -> bool {
        let plain = words::plain(text);
        let same = |fact: &Fact| plain.chars().count() >= TELLING && words::plain(&fact.value) == plain;
        self.holds_secret(text) || self.facts.values().any(|fact| same(fact) && !sharing::may_go(&fact.path))
    }

    fn holds_secret(&self, text: &str) -> bool {
        let squashed = words::squashed(text);
        self.secrets.0.iter().any(|secret| squashed.contains(secret))
    }

    /// Adds facts that follow from others; a given fact is never replaced.
    fn derive(&mut self) {
        const SAME: &[(&str, &[&str])] = &[
            ("full_name", &["name", "legal_name"]),
            ("linkedin_url", &["linkedin"]),
            ("github_url", &["github"]),
            ("portfolio_url", &["portfolio", "website_url", "website", "personal_website"]),
            ("website", &["website_url", "portfolio_url", "portfolio", "personal_website"]),
            ("zip", &["zip_code", "postal_code", "postcode"]),
            ("address", &["street_address", "address_line_1", "street", "address1"]),
            ("state", &["province", "region"]),
            ("salary_expectation", &["salary_expectations", "desired_salary", "expected_salary"]),
            ("years_of_experience", &["years_experience", "experience_years"]),
            (
                "requires_sponsorship",
                &[
                    "visa_sponsorship",
                    "sponsorship",
                    "needs_sponsorship",
                    "sponsorship_required",
                    "require_sponsorship",
                ],
            ),
            (
                "start_date",
                &["available_from", "availability", "earliest_start_date", "available_start_date"],
            ),
            (
                "current_company",
                &["current_employer", "company", "work_history_1_company", "work_history_1_employer"],
            ),
            (
                "current_title",
                &[
                    "current_position",
                    "job_title",
                    "title",
                    "work_history_1_title",
                    "work_history_1_position",
                ],
            ),
            (
                "school",
                &["university", "education_1_school", "education_1_institution", "education_1_university"],
            ),
            ("degree", &["highest_degree", "education_1_degree"]),
            (
                "field_of_study",
                &[
                    "major",
                    "discipline",
                    "education_1_field_of_study",
                    "education_1_field",
                    "education_1_major",
                ],
            ),
            ("gpa", &["education_1_gpa"]),
            ("graduation_year", &["education_1_graduation_year", "education_1_end_year"]),
            ("referral_source", &["how_did_you_hear", "source", "hear_about_us"]),
            ("ethnicity", &["race", "race_ethnicity"]),
            ("disability_status", &["disability"]),
            ("veteran_status", &["veteran"]),
            ("preferred_name", &["preferred_first_name", "nickname"]),
            ("work_authorization", &["authorized_to_work", "work_authorized", "work_authorization_status"]),
            ("date_of_birth", &["birth_date", "birthdate", "dob", "birthday"]),
            ("willing_to_relocate", &["relocation", "relocate"]),
        ];
        for (key, others) in SAME {
            let fact = others.iter().find_map(|other| self.facts.get(*other)).cloned();
            self.offer(key, fact);
        }
        // What is made of several facts stands where all of them do.
        let joined = |facts: &BTreeMap<String, Fact>, keys: &[&str], between: &str| -> Option<Fact> {
            let parts: Option<Vec<&Fact>> = keys.iter().map(|key| facts.get(*key)).collect();
            let parts = parts?;
            let join = |of: fn(&Fact) -> &str, by: &str| {
                parts.iter().map(|fact| of(fact)).collect::<Vec<_>>().join(by)
            };
            Some(Fact { value: join(|fact| &fact.value, between), path: join(|fact| &fact.path, " ") })
        };
        let full = joined(&self.facts, &["first_name", "last_name"], " ");
        if full.is_some() {
            self.offer("full_name", full);
        } else if let Some(Fact { value, path }) = self.facts.get("full_name").cloned()
            && let Some((first, last)) = value.rsplit_once(' ')
        {
            self.offer("first_name", Some(Fact { value: first.to_owned(), path: path.clone() }));
            self.offer("last_name", Some(Fact { value: last.to_owned(), path }));
        }
        let location = [&["city", "state"][..], &["city", "country"], &["city"]]
            .into_iter()
            .find_map(|keys| joined(&self.facts, keys, ", "));
        self.offer("location", location);
        if let Some(Fact { value, path }) = self.facts.get("location").cloned()
            && let Some((city, _)) = value.split_once(',')
        {
            self.offer("city", Some(Fact { value: city.trim().to_owned(), path }));
        }
    }

    fn offer(&mut self, key: &str, fact: Option<Fact>) {
        if let Some(fact) = fact {
            self.facts.entry(key.to_owned()).or_insert(fact);
        }
    }

    fn keep(&mut self, key: &str, path: &str, value: impl Into<String>) {
        self.facts.insert(key.to_owned(), Fact { value: value.into(), path: path.to_owned() });
    }

    fn flatten(&mut self, key: &str, path: &str, value: &Value) {
        if phrases::holds_any(&phrases::of_key(path), SECRET) {
            return self.hide(value);
        }
        match value {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => self.keep(key, path, text.trim()),
            Value::Bool(true) => self.keep(key, path, "Yes"),
            Value::Bool(false) => self.keep(key, path, "No"),
            Value::Number(number) => self.keep(key, path, number.to_string()),
            Value::Object(inner) => {
                for (name, value) in inner {
                    let path = format!("{path} {name}");
                    let name = name.to_lowercase();
                    self.flatten(&format!("{key}_{name}"), &path, value);
                    if matches!(
                        key,
                        "address"
                            | "location"
                            | "contact"
                            | "links"
                            | "eeo"
                            | "demographics"
                            | "personal_info"
                    ) {
                        self.flatten(&name, &path, value);
                    }
                }
            }
            Value::Array(items) => {
                let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                if !words.is_empty() && words.len() == items.len() {
                    self.keep(key, path, words.join(", "));
                } else {
                    for (at, item) in items.iter().enumerate() {
                        self.flatten(&format!("{key}_{}", at + 1), &format!("{path} {}", at + 1), item);
                    }
                }
            }
        }
    }

    /// Remembers every value below a secret's key, to recognise it.
    fn hide(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.hide_text(text),
            Value::Number(number) => self.hide_text(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Object(inner) => {
                let secret =
                    inner.iter().filter(|(name, _)| !BESIDE.contains(&phrases::of_key(name).as_str()));
                secret.for_each(|(_, item)| self.hide(item));
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn hide_text(&mut self, text: &str) {
        let secret = words::squashed(text);
        if secret.chars().count() >= SECRET_LENGTH {
            self.secrets.0.push(secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(value: &Value) -> Profile {
        Profile::new(value.as_object().expect("an object"))
    }

    #[test]
    fn names_and_places_follow_from_each_other() {
        let given = profile(
            &serde_json::json!({"first_name": "Ada", "last_name": "Lovelace", "city": "Berlin", "country": "Germany",
            "education": [{"school": "UCL", "degree": "BSc"}], "skills": ["Rust", "SQL"], "visa_sponsorship": false}),
        );
        assert_eq!(given.get("full_name"), Some("Ada Lovelace"));
        assert_eq!(given.get("location"), Some("Berlin, Germany"));
        assert_eq!(given.get("school"), Some("UCL"));
        assert_eq!(given.get("skills"), Some("Rust, SQL"));
        assert_eq!(given.get("requires_sponsorship"), Some("No"));
    }

    #[test]
    fn secrets_and_blanks_are_no_facts() {
        let given = profile(&serde_json::json!({"password": "x", "email": " ", "phone": null,
            "credentials": {"workday": {"user": "ada", "password": "x"}}, "personal_info": {"SSN": "078-05-1120"},
            "one_time_code": 4711, "accounts": [{"apiToken": "t"}]}));
        assert_eq!(given.facts().count(), 0, "{given:?}");
        assert!(!format!("{given:?}").contains("078"));
        let given =
            profile(&serde_json::json!({"businessName": "Mills", "photoprint": "x", "opinions": "y"}));
        assert_eq!(given.facts().count(), 3, "words inside others are no secrets");
    }

    #[test]
    fn a_fact_is_judged_by_all_the_keys_it_stands_under() {
        let given = profile(
            &serde_json::json!({"eeo": {"title": "Woman", "gender": "Female"}, "race": "White",
            "location": {"city": "Berlin"}, "first_name": "Ada", "last_name": "Lovelace",
            "personal_info": {"email": "ada@example.org", "ssn": "078-05-1120"}, "summary": "Mine is 078 05 1120"}),
        );
        for key in ["city", "location", "full_name", "email", "first_name"] {
            assert!(given.may_be_told(key), "{key}");
        }
        for key in
            ["title", "current_title", "eeo_title", "gender", "race", "ethnicity", "summary", "nothing"]
        {
            assert!(!given.may_be_told(key), "{key}");
        }
        assert!(
            given.is_kept_back("female") && given.is_kept_back("078051120") && !given.is_kept_back("Berlin")
        );
    }
}
