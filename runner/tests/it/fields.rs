//! What a question is: one for every control a person answers, with the options it offers, and the same one for as long as its
//! control is there.

use std::collections::BTreeMap;

use runner::act::State;
use runner::artifacts::Artifacts;
use serde_json::{Value, json};

use crate::candidate::Ran;
use crate::mapping::Oracle;
use crate::practice::{run, serve};

/// What the lists of `lists` offer, and what is chosen of it.
const LISTS: [(&str, &[&str], &str); 4] = [
    ("loom", &["Hand loom", "Jacquard loom", "Power loom"], "Power loom"),
    ("mill", &["Grist mill", "Fulling mill", "Saw mill"], "Fulling mill"),
    ("engine", &["Steam engine", "Difference engine"], "Difference engine"),
    ("shift", &["Day", "Night"], "Night"),
];

/// A model that can only choose among the options it is shown.
async fn chooser() -> Oracle {
    Oracle::of(|questions| {
        let answer = |asked: &Value| {
            let text = asked["question"].as_str().expect("a question");
            let wanted = LISTS.iter().find(|(name, ..)| text.contains(name)).map(|(_, _, wanted)| json!(wanted));
            let options = asked["options"].as_array().cloned().unwrap_or_default();
            let at = options.iter().find(|option| Some(&option[1]) == wanted.as_ref()).map(|it| it[0].clone());
            let kind = if at.is_some() { "option" } else { "unknown" };
            json!({"id": asked["id"], "kind": kind, "fact": "current_title", "options": Vec::from_iter(at), "text": ""})
        };
        questions.iter().map(answer).collect()
    })
    .await
}

/// What the only delivery of a page holds.
fn delivered(ran: &Ran, site: &site::Handle) -> BTreeMap<String, String> {
    ran.arrived();
    let [sent] = <[_; 1]>::try_from(site.deliveries()).expect("sent once");
    sent.fields
}

#[tokio::test]
async fn the_options_of_every_closed_list_are_read_before_the_model_is_asked() {
    let (site, model) = (serve().await, chooser().await);
    let ran = run(&site, "lists").model(model.model()).go().await;
    let fields = delivered(&ran, &site);
    let prompts = model.prompts();
    assert_eq!(prompts.len(), 1, "nothing had to be asked again");
    for (name, options, wanted) in LISTS {
        for option in options {
            assert!(prompts[0].contains(&format!("\"{option}\"")), "{option}: {}", prompts[0]);
        }
        let sent = if name == "shift" { "n" } else { wanted };
        assert_eq!(fields.get(name).map(String::as_str), Some(sent), "{name}");
    }
    for name in ["loom-opened", "mill-opened"] {
        assert_eq!(fields[name], "2", "{name}: once to read it, once to choose");
    }
    assert_eq!((fields.get("together"), fields["left-open"].as_str()), (None, "0"));
}

#[tokio::test]
async fn a_list_that_was_read_is_closed_again_and_nothing_in_it_is_chosen() {
    let (site, folder) = (serve().await, tempfile::tempdir().expect("a folder"));
    let model = Oracle::start(Vec::new()).await;
    let mut run = run(&site, "lists").model(model.model());
    run.tools.artifacts = Artifacts::Folder(folder.path().into());
    let ran = run.go().await;
    assert_eq!(ran.outcome.code, Some("missing_answers"), "{:?}", ran.outcome);
    assert!(model.prompts()[0].contains("Fulling mill"), "it was read");
    for (name, ..) in LISTS {
        let line = ran.line(&format!("Which {name}"));
        assert_eq!(
            (line.state, line.value, line.read_back.as_str()),
            (State::NeedsHuman, None, ""),
            "{name}"
        );
    }
    let html =
        std::fs::read_to_string(ran.record.get().snapshot.clone().expect("a snapshot")).expect("a file");
    assert!(html.contains("aria-expanded=\"false\""), "{html}");
    assert!(!html.contains("aria-expanded=\"true\"") && !html.contains("role=\"option\""), "{html}");
}

#[tokio::test]
async fn a_fact_that_a_closed_list_does_not_offer_is_not_put_into_it() {
    let site = serve().await;
    let ran = run(&site, "lists?elsewhere").go().await;
    let line = ran.line("Country");
    assert_eq!((line.state, line.value), (State::NeedsHuman, None), "{}", line.read_back);
    assert_eq!(line.options, ["France", "Germany"]);
    assert_eq!((ran.outcome.code, site.deliveries().len()), (Some("missing_answers"), 0));
}

#[tokio::test]
async fn an_option_that_only_holds_the_words_of_the_one_chosen_is_not_taken_for_it() {
    let (site, model) = (serve().await, chooser().await);
    let ran = run(&site, "lists?slips").model(model.model()).go().await;
    let fields = delivered(&ran, &site);
    assert_eq!(fields["mill"], "Fulling mill", "the list had taken its neighbour");
    assert_eq!(
        (fields["mill-opened"].as_str(), model.prompts().len()),
        ("3", 1),
        "chosen once more, without a call"
    );
}

#[tokio::test]
async fn a_control_and_what_repeats_it_are_one_question() {
    let site = serve().await;
    let ran = run(&site, "aliases").go().await;
    let fields = delivered(&ran, &site);
    let asked: Vec<String> = ran.record.get().lines.iter().map(|line| line.question.clone()).collect();
    let expected = [
        "Full name",
        "Email",
        "Phone",
        "Country",
        "State",
        "Earliest start date",
        "Are you authorized to work in the United States?",
        "How did you hear about us?",
        "Will you require visa sponsorship?",
        "Open to relocation",
    ];
    assert_eq!(asked, expected, "{:#?}", ran.record.get().lines);
    for question in ["Country", "How did you hear"] {
        assert_eq!(ran.line(question).required_why, ["mirror"], "only what repeats it says so: {question}");
    }
    for (name, value) in [
        ("name", "Ada Lovelace"),
        ("email", "ada@example.org"),
        ("country", "United States"),
        ("state", "TX"),
        ("start", "2027-01-04"),
        ("authorized", "Yes"),
        ("source", "Company website"),
        ("sponsor", "No"),
        ("relocate", "yes"),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn two_controls_with_the_same_words_and_name_are_two_questions() {
    let site = serve().await;
    let ran = run(&site, "aliases?twins").go().await;
    let fields = delivered(&ran, &site);
    for name in ["link1", "link2"] {
        assert_eq!(fields.get(name).map(String::as_str), Some("https://www.linkedin.com/in/ada"), "{name}");
    }
    let record = ran.record.get();
    assert_eq!(record.lines.iter().filter(|line| line.question == "LinkedIn profile").count(), 2);
}

#[tokio::test]
async fn a_question_stays_the_same_when_its_words_change_or_it_is_drawn_anew() {
    for way in ["renamed", "redrawn"] {
        let site = serve().await;
        let ran = run(&site, &format!("aliases?{way}")).go().await;
        let fields = delivered(&ran, &site);
        assert_eq!(fields.get("link").map(String::as_str), Some("https://www.linkedin.com/in/ada"), "{way}");
        let record = ran.record.get();
        let lines: Vec<_> = record.lines.iter().filter(|line| line.question.contains("LinkedIn")).collect();
        assert_eq!(lines.len(), 1, "{way}: {lines:#?}");
        assert_eq!(lines[0].state, State::FilledVerified, "{way}");
    }
}
