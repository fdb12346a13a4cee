//! What users of such agents complain about most, where no other test of this suite stands for it. The table is in docs/AGENT.md.

use domain::attempt::EndClass;
use runner::act::State;
use site::judge;

use crate::learning::oracle;
use crate::practice::{run, serve};

#[tokio::test]
async fn twenty_questions_take_two_calls_at_most_and_less_than_a_cent() {
    let (site, model) = (serve().await, oracle().await);
    let ran = run(&site, "twenty").model(model.model()).go().await;
    ran.arrived();
    let record = ran.record.get();
    let cost: i64 = record.calls.iter().filter_map(|call| call.cost_micros).sum();
    assert!(record.calls.len() <= 2 && record.lines.len() >= 20, "{} calls", record.calls.len());
    assert!(cost > 0 && cost <= 10_000, "{cost} millionths of a dollar, and it stands in the result");
}

#[tokio::test]
async fn a_resume_goes_up_however_its_input_is_hidden() {
    for way in ["hidden", "proxied", "transparent", "removed"] {
        let site = serve().await;
        let ran = run(&site, &format!("attach?way={way}")).go().await;
        let sent = site.deliveries();
        assert_eq!(sent.len(), 1, "{way}: {:?}", ran.outcome);
        let judged = judge("attach", &sent[0].fields);
        assert!(judged.wrong.is_empty() && judged.missing.is_empty(), "{way}: {judged:#?}");
        assert_eq!(ran.line("Resume").state, State::FilledVerified, "{way}");
    }
}

#[tokio::test]
async fn a_legal_question_is_answered_with_the_right_sign_or_not_at_all() {
    let site = serve().await;
    let ran = run(&site, "polarity").go().await;
    let sent = site.deliveries();
    let fields = &sent.first().unwrap_or_else(|| panic!("{:?}", ran.outcome)).fields;
    let judged = judge("polarity", fields);
    assert!(judged.wrong.is_empty() && judged.missing.is_empty(), "{judged:#?}");
    // Turned round, these two mean the opposite of what the candidate's fact says word for word.
    for turned in ["without", "notneed"] {
        let came = fields.get(turned).map(String::as_str).unwrap_or_default();
        assert!(["", "Yes"].contains(&came), "{turned}: {came}");
    }
}

#[tokio::test]
async fn a_wizard_that_never_moves_is_left_and_named() {
    let site = serve().await;
    let ran = run(&site, "stuck").go().await;
    assert_eq!((ran.outcome.class, ran.outcome.code), (EndClass::Final, Some("validation_error")));
    assert!(ran.outcome.message.contains("did not go on"), "{}", ran.outcome.message);
    assert_eq!((ran.permits_asked - ran.permits_returned, site.deliveries().len()), (0, 0));
}
