//! What one run learned about a form, the next one uses: without a model.

use std::sync::{Arc, Mutex, PoisonError};

use runner::decide::Source;
use runner::desk::{Desk, Help, Request};
use runner::job::Mode;
use runner::manual::{Manual, Run as Learned};
use serde_json::{Value, json};
use site::judge;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::candidate::Ran;
use crate::mapping::Oracle;
use crate::practice::{run, serve};

/// A desk that keeps manuals as the database does.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Vec<(String, Manual)>>>);

impl Shelf {
    pub fn desk(&self) -> Desk {
        let (requests, mut inbox) = mpsc::channel(4);
        let shelf = self.clone();
        tokio::spawn(async move {
            while let Some(request) = inbox.recv().await {
                match request {
                    Request::Help(_, answer) => drop(answer.send(Help::Nobody)),
                    Request::Find(form, answer) => {
                        let all = shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
                        let found = all.iter().find(|(key, _)| key == form.key());
                        drop(answer.send(found.map(|(_, manual)| manual.clone())));
                    }
                    Request::Ran(run) => shelf.put(&run),
                }
            }
        });
        Desk::new(requests)
    }

    fn put(&self, run: &Learned) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = run.form.key().to_owned();
        match run.value()["outcome"].as_str() {
            Some("created") => {
                all.retain(|(known, _)| *known != key);
                all.push((key, Manual { id: Uuid::now_v7(), health: 1.0, steps: run.steps.clone() }));
            }
            Some("failed") => all.iter_mut().for_each(|(_, manual)| manual.health -= 0.05),
            _ => {}
        }
    }

    pub fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(key, manual)| format!("{key} {:?} {}\n", manual.id, json!(manual.steps))).collect()
    }

    fn spoil(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().for_each(|(_, manual)| manual.health = 0.2);
    }
}

/// A model that answers what rules leave of the twenty questions.
pub async fn oracle() -> Oracle {
    let option = json!({"kind": "option", "fact": "work_history_1_company", "options": [3], "text": ""});
    let fact = json!({"kind": "fact", "fact": "work_history_1_description", "options": [], "text": ""});
    Oracle::start(vec![("engine did you last", option), ("Describe the team", fact)]).await
}

/// Model calls, and the mode they make.
fn mode(ran: &Ran) -> (usize, &'static str) {
    let record = ran.record.get();
    (record.calls.len(), record.mode())
}

#[tokio::test]
async fn the_second_run_of_a_form_asks_no_model() {
    let (site, shelf, model) = (serve().await, Shelf::default(), oracle().await);
    let mut first = run(&site, "twenty").model(model.model());
    first.desk = shelf.desk();
    let ran = first.go().await;
    ran.arrived();
    assert_eq!(mode(&ran), (1, "magnitude"));
    assert!(ran.events.contains(&"manual_created"), "{:?}", ran.events);
    for value in ["Ada", "ada@example.org", "5550142", "Analytical Engines", "120000", "mill team"] {
        assert!(!shelf.text().contains(value), "a manual holds no value: {value}");
    }
    let mut second = run(&site, "twenty").model(model.model());
    second.desk = shelf.desk();
    let ran = second.go().await;
    ran.arrived();
    assert_eq!((mode(&ran), model.prompts().len()), ((0, "cookbook"), 1));
    assert_eq!(ran.line("last work on").source, Source::Manual);
    assert!(ran.events.contains(&"manual_found") && ran.events.contains(&"mode_selected"));
    assert_eq!(site.deliveries()[0].fields, site.deliveries()[1].fields);
    shelf.spoil();
    let mut third = run(&site, "twenty").model(model.model());
    third.desk = shelf.desk();
    assert_eq!(third.go().await.record.get().calls.len(), 1, "an unhealthy manual is not used");
}

#[tokio::test]
async fn the_second_run_of_a_wizard_with_rows_is_as_right_as_the_first() {
    let (site, shelf, model) = (serve().await, Shelf::default(), oracle().await);
    for calls in [true, false] {
        let mut run = run(&site, "workday").model(model.model());
        run.desk = shelf.desk();
        let ran = run.go().await;
        ran.arrived();
        let judged = judge("workday", &site.deliveries().last().expect("one").fields);
        assert!(judged.wrong.is_empty() && judged.missing.is_empty(), "{judged:#?}");
        assert_eq!(!ran.record.get().calls.is_empty(), calls, "a model is asked in the first run only");
    }
}

#[tokio::test]
async fn a_job_may_forbid_the_model_or_the_manual() {
    let (site, shelf, model) = (serve().await, Shelf::default(), oracle().await);
    let mut first = run(&site, "twenty").model(model.model());
    (first.desk, first.input.mode) = (shelf.desk(), Mode::CookbookOnly);
    let ran = first.go().await;
    assert_eq!((ran.outcome.code, model.prompts().len()), (Some("missing_answers"), 0));
    for _ in 0..2 {
        let mut run = run(&site, "twenty").model(model.model());
        (run.desk, run.input.mode) = (shelf.desk(), Mode::AiOnly);
        let calls: Vec<Value> =
            run.go().await.record.get().calls.iter().map(|call| json!(call.model)).collect();
        assert_eq!(calls.len(), 1);
    }
}
