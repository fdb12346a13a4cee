//! What is told to a model's vendor: the request itself, as it leaves.

use serde_json::{Map, Value, json};

use crate::candidate::Run;
use crate::mapping::Oracle;
use crate::site::Site;

/// A candidate with a secret in every corner. Each value that must stay at home holds `§`.
fn candidate() -> Map<String, Value> {
    let candidate = json!({
        "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0018",
        "summary": "I design engines.", "skills": ["Rust", "Weaving"], "languages": ["English", "French"],
        "linkedin_url": "https://www.linkedin.com/in/ada", "links": {"github": "https://github.com/ada"},
        "work_history": [{"company": "Difference Works", "title": "Engineer", "description": "Built the mill.",
            "manager": {"name": "Charles §1", "age": "§2"}, "reason_for_leaving": "illness §3"}],
        "education": [{"school": "UCL", "degree": "BSc", "studentId": "§4"}],
        "credentials": {"workday": {"user": "ada§5", "password": "hunter§6"}, "email": "login§7"},
        "personal_info": {"SSN": "078-05-§8", "dateOfBirth": "1990-12-§9", "nested": {"deeper": [{"taxId": "§10"}]}},
        "ssn": "§11", "socialSecurityNumber": "§12", "social": "§13", "bank": {"iban": "DE02§14", "name": "Sparkasse §15"},
        "otp": "§16", "2fa_backup": ["§17", "§18"], "gender": "Female §19", "genderIdentity": "§20",
        "eeo": {"title": "Woman §21", "summary": "§22", "race": "White §23"}, "demographics": {"group": "§24"},
        "disability_status": "No §25", "veteranStatus": "§26", "religion": "§27", "sexual_orientation": "§28",
        "age": "§29", "birthplace": "§30", "nationality": "British §31", "passport_country": "§32",
        "x_custom": {"how I identify": "§33"}, "notes": "§34", "salary_expectation": "120000 §35",
        "street_address": "12 Engine Way §36", "emergency_contact": {"phone": "§37"},
    });
    candidate.as_object().expect("an object").clone()
}

/// Answers to questions of other forms.
const ANSWERS: &[(&str, &str)] = &[
    ("What is your gender identity?", "Woman §40"),
    ("Do you have a disability?", "No §41"),
    ("Password for the portal", "§42"),
    ("Enter the code we sent to your phone", "§43"),
    ("Last four of your SSN", "§44"),
    ("IBAN", "§45"),
    ("How old are you?", "§46"),
    ("Have you ever been dismissed?", "§47"),
    ("Do you use drugs?", "§48"),
    ("What would you rather not tell anybody?", "§49"),
    ("Which products would describe you?", "Female §19"), // the value of a fact that stays, under another name
];

fn run(url: String, oracle: &Oracle) -> Run {
    let mut run = Run::on(url).model(oracle.model());
    run.input.user_data = candidate();
    run.input.qa_overrides = ANSWERS.iter().map(|(asked, it)| ((*asked).into(), (*it).into())).collect();
    run
}

fn keeps_secrets(told: &str) {
    let leaks: Vec<&str> = told.match_indices('§').map(|(at, _)| &told[at.saturating_sub(60)..]).collect();
    let leaks: Vec<String> = leaks.iter().map(|it| it.chars().take(75).collect()).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn only_what_is_on_the_list_leaves_for_the_model() {
    let (site, oracle) = (Site::start().await, Oracle::start(Vec::new()).await);
    let run = run(site.url("unknown.html"), &oracle)
        .answer("Have you ever been convicted of a felony?", "No")
        .answer("Do you know our products?", "Yes, the Engines");
    run.go().await;
    let told = oracle.told();
    for ordinary in [
        "Which of our products",
        "I design engines.",
        "Rust, Weaving",
        "English, French",
        "https://www.linkedin.com/in/ada",
        "https://github.com/ada",
        "Difference Works",
        "Built the mill.",
        "UCL",
        "BSc",
        "Yes, the Engines",
    ] {
        assert!(told.contains(ordinary), "{ordinary} is told: {told}");
    }
    keeps_secrets(&told);
    for unasked in ["ada@example.org", "7946", "felony"] {
        assert!(!told.contains(unasked), "nothing on the page asks the model for {unasked}");
    }
}

#[tokio::test]
async fn a_task_tells_the_model_no_more() {
    let done = json!({"action": "finish", "target": "", "fact": "", "option": -1, "summary": "", "success_indicators": []});
    let (site, oracle) = (Site::start().await, Oracle::saying(move |_| done.clone()).await);
    let mut run = run(site.url("unknown.html"), &oracle);
    run.input.job_type = "custom".into();
    run.input.task = "Look around".into();
    run.go().await;
    let told = oracle.told();
    assert!(told.contains("Difference Works"), "{told}");
    keeps_secrets(&told);
}
