//! Did the application arrive? Only evidence counts: the page's words, its address, the answer to the form's own request, and what
//! is left of the form. Where they disagree nobody knows.

mod wording;

use serde::Serialize;

use crate::browser::exchange::Exchange;
use crate::form::{Field, Form, Kind, PageFacts, words};
use wording::Wording;

pub(crate) use wording::complains;

/// Parts of an address that a page has after an application was sent, and parts that deny it.
const ROUTE: &[&str] = &[
    "thanks",
    "thank",
    "thankyou",
    "thank-you",
    "confirmation",
    "confirmed",
    "success",
    "successful",
    "submitted",
    "applied",
    "danke",
    "merci",
    "gracias",
    "grazie",
    "bedankt",
    "obrigado",
    "dziekujemy",
    "tack",
    "tak",
    "takk",
    "kiitos",
];
const ASTRAY: &[&str] = &[
    "error",
    "errors",
    "fail",
    "failed",
    "failure",
    "not",
    "no",
    "false",
    "0",
    "unsuccessful",
    "incomplete",
    "login",
    "signin",
    "expired",
    "pending",
    "draft",
    "verify",
    "retry",
    "un",
];

/// What proves that the application arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// `text` or `url`.
    pub evidence: &'static str,
    /// The words, or the address.
    pub detail: String,
}

/// What the page says after the click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Arrived(Receipt),
    /// The site, or the browser, refused it for this reason.
    Refused(String),
    /// The site answered the form's own request with this error and shows the form again.
    Failed(u16),
    /// The site answered the form's own request with this error and shows something else.
    Astray(u16),
    /// The form goes on, as this shows.
    GoesOn(String),
    /// Nothing left the browser, and the page is as it was.
    Unmoved,
    /// Nothing to judge by yet, or evidence that disagrees; for this reason.
    Unclear(String),
}

/// What left the browser since the click.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic<'a> {
    /// What could have carried the application, and was the form's own.
    pub own: &'a [Exchange],
    /// Whether anything left that could change something somewhere.
    pub wrote: bool,
    /// Whether anything left since the first answer was entered.
    pub ever_wrote: bool,
    /// What was answered on the page before.
    pub answers: &'a [String],
}

impl Traffic<'_> {
    /// How the form's own requests were answered; none where one was not: whoever broke off may have been heard.
    fn answered(&self) -> Vec<u16> {
        self.own.iter().map(|it| it.status).collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether the form's own requests were all taken.
    fn is_taken(&self) -> bool {
        let answered = self.answered();
        !answered.is_empty() && answered.iter().all(|status| (200..400).contains(status))
    }

    /// The error by which the form's own requests were answered, where none was taken.
    fn error(&self) -> Option<u16> {
        let answered = self.answered();
        answered.iter().all(|status| *status >= 400).then(|| answered.last().copied()).flatten()
    }
}

/// Judges the page `after` the click by comparison with the page `before`, and by what was sent and answered meanwhile.
pub fn judge(before: &Form, after: &Form, traffic: &Traffic<'_>) -> Verdict {
    let asked = asked(after);
    let (kept, fresh): (Vec<&Field>, Vec<&Field>) = asked.iter().partition(|field| is_known(before, field));
    let invalid: Vec<String> = asked
        .iter()
        .filter(|field| !field.error.is_empty())
        .map(|field| format!("{}: {}", field.question, field.error))
        .collect();
    let loud: Vec<&String> =
        after.errors.iter().filter(|error| !before.errors.contains(error) && complains(error)).collect();
    let wording = Wording::new(
        &before.page.text,
        &after.page.text,
        &format!("{}\n{}", after.page.title, after.page.heading),
    );
    if !kept.is_empty() && (!invalid.is_empty() || !loud.is_empty()) {
        // One that stood there before says nothing about what was sent now.
        let old = |field: &&Field| {
            before.fields.iter().any(|it| it.question == field.question && it.error == field.error)
        };
        let at_fields = kept.iter().any(|field| !field.error.is_empty() && !old(field));
        let texts =
            invalid.into_iter().chain(loud.into_iter().cloned()).take(5).collect::<Vec<_>>().join("; ");
        // A form that was sent and emptied may complain of its empty fields.
        if let Some(said) = wording.confirmation().filter(|_| traffic.wrote && traffic.error().is_none()) {
            return Verdict::Unclear(format!("the page says {said:?}, and complains: {texts}"));
        }
        return match traffic.error() {
            Some(status) if status >= 500 => Verdict::Failed(status),
            Some(status) if !at_fields && !matches!(status, 400 | 422) || status == 429 => {
                Verdict::Failed(status)
            }
            Some(_) => Verdict::Refused(texts),
            None if !traffic.wrote || (at_fields && traffic.is_taken()) => Verdict::Refused(texts),
            None => Verdict::Unclear(format!("the page complains: {texts}")),
        };
    }
    if let Some(status) = traffic.error() {
        return if kept.is_empty() { Verdict::Astray(status) } else { Verdict::Failed(status) };
    }
    let confirmation = wording.confirmation();
    if !asked.is_empty() {
        return still_asking(before, after, traffic, confirmation.as_ref(), (&kept, &fresh));
    }
    // What can be pressed: no link, and nothing behind a dialog.
    let buttons = || after.buttons.iter().filter(|it| !it.link && !it.disabled && !it.covered);
    let leaves = |press: words::Press| buttons().any(|it| words::press(&it.text, true) == press);
    if let Some(detail) = confirmation {
        let again =
            buttons().any(|it| it.form.is_some() && words::press(&it.text, true) == words::Press::Submit);
        if again {
            return Verdict::Unclear(format!("the page says {detail:?}, and has a button that sends"));
        }
        if traffic.ever_wrote {
            return Verdict::Arrived(Receipt { evidence: "text", detail });
        }
        return Verdict::Unclear(format!("the page says {detail:?}, but nothing was sent"));
    }
    let sends = leaves(words::Press::Submit)
        || buttons().any(|it| it.submit && it.form.is_some() && !words::is_side_form(&it.text));
    if sends || leaves(words::Press::Next) {
        return review(before, after, traffic, sends);
    }
    if wording.contradicts() || !traffic.is_taken() || after.page.passwords > 0 {
        return Verdict::Unclear("nothing on the page confirms it".into());
    }
    if after.page.url != before.page.url && is_route(&after.page.url) {
        return Verdict::Arrived(Receipt { evidence: "url", detail: after.page.url.clone() });
    }
    match wording.thanks() {
        Some(detail) => Verdict::Arrived(Receipt { evidence: "text", detail }),
        None => Verdict::Unclear("nothing on the page confirms it".into()),
    }
}

/// A page with questions is never the end; it is a next one only where it asks other ones.
fn still_asking(
    before: &Form,
    after: &Form,
    traffic: &Traffic<'_>,
    confirmation: Option<&String>,
    (kept, fresh): (&[&Field], &[&Field]),
) -> Verdict {
    if let Some(said) = confirmation.filter(|_| traffic.wrote) {
        return Verdict::Unclear(format!("the page says {said:?}, and still asks"));
    }
    let Some(first) = fresh.first() else {
        return Verdict::Unclear("the form is still there".into());
    };
    // Questions that come to those of before prove nothing once something was sent.
    let heading = after.page.heading != before.page.heading;
    if kept.is_empty() || !traffic.wrote || heading {
        let shown = if heading { &after.page.heading } else { &first.question };
        return Verdict::GoesOn(format!("the form goes on: {shown}"));
    }
    Verdict::Unclear("the form is still there, and asks more".into())
}

/// A page without questions from which one goes on: an overview before the end, if it shows that.
fn review(before: &Form, after: &Form, traffic: &Traffic<'_>, submits: bool) -> Verdict {
    if before.signature() == after.signature() {
        return Verdict::Unclear("the page is as it was".into());
    }
    let text = after.page.text.to_lowercase();
    let answers = traffic.answers.iter().filter(|it| it.chars().count() > 3);
    let shown = answers.filter(|it| text.contains(&it.to_lowercase())).take(2).count();
    if !traffic.wrote || is_ahead(&before.page, &after.page) || (submits && shown == 2) {
        return Verdict::GoesOn(format!("the form goes on: {}", after.page.heading));
    }
    Verdict::Unclear("nothing on the page confirms it or shows that the form goes on".into())
}

/// Whether a page says that it is a later step than another one.
pub fn is_ahead(before: &PageFacts, after: &PageFacts) -> bool {
    match (step(before), step(after)) {
        (Some((was, _)), Some((now, all))) => now > was && now <= all,
        (None | Some(_), None) | (None, Some(_)) => false,
    }
}

/// Which step of how many a page says it is.
pub fn step(page: &PageFacts) -> Option<(u32, u32)> {
    const OF: &[&str] = &["of", "von", "sur", "de", "di", "van", "z", "av", "af", "из", "на", "iz"];
    for text in [&page.heading, &page.text] {
        let text = text.to_lowercase().replace('/', " / ");
        let words: Vec<&str> = text.split_whitespace().collect();
        let found = words.windows(3).find_map(|it| {
            let (now, all) = (
                it[0].parse::<u32>().ok()?,
                it[2].trim_matches(|c: char| !c.is_numeric()).parse::<u32>().ok()?,
            );
            let between = OF.contains(&it[1]) || it[1] == "/";
            (between && (1..=20).contains(&all) && (1..=all).contains(&now)).then_some((now, all))
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The questions a page still asks of the applicant: not those of a search, a newsletter, a login, or behind a dialog.
pub fn asked(form: &Form) -> Vec<&Field> {
    let beside = |field: &Field| {
        let own = || {
            form.buttons.iter().filter(|it| {
                it.form == field.form
                    && it.world.as_ref().map(|it| &it.frame) == field.world.as_ref().map(|it| &it.frame)
            })
        };
        field.form.is_some()
            && own().any(|button| words::is_side_form(&button.text))
            && !own().any(|button| {
                matches!(words::press(&button.text, true), words::Press::Submit | words::Press::Next)
            })
    };
    let is_asked = |field: &&Field| field.kind != Kind::Password && !field.covered && !beside(field);
    form.fields.iter().filter(is_asked).collect()
}

fn is_known(before: &Form, field: &Field) -> bool {
    before.find(field).is_some() || before.fields.iter().any(|old| old.question == field.question)
}

/// Whether an address is one of those that come after an application, and says nothing else.
fn is_route(url: &str) -> bool {
    let lower = url.to_lowercase();
    let path = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let parts: Vec<&str> = path.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    parts.iter().any(|part| ROUTE.contains(part)) && !parts.iter().any(|part| ASTRAY.contains(part))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::browser::exchange::Carrier;
    use crate::decide::test_field;
    use crate::form::Button;

    fn form(text: &str, url: &str, questions: &[&str]) -> Form {
        Form {
            page: PageFacts {
                text: text.into(),
                url: url.into(),
                heading: text.into(),
                ..PageFacts::default()
            },
            fields: questions.iter().map(|it| test_field(Kind::Text, it)).collect(),
            ..Form::default()
        }
    }

    fn sent(status: u16) -> Vec<Exchange> {
        vec![Exchange {
            method: "POST".into(),
            url: "https://a.test/sent".into(),
            carrier: Carrier::Document,
            by: "https://a.test/".into(),
            frame: None,
            message: String::new(),
            status: Some(status),
            sent: Instant::now(),
            done: true,
        }]
    }

    fn after(before: &Form, now: &Form, own: &[Exchange]) -> Verdict {
        let wrote = !own.is_empty();
        judge(
            before,
            now,
            &Traffic {
                own,
                wrote,
                ever_wrote: wrote,
                answers: &["ada@example.org".into(), "Lovelace".into()],
            },
        )
    }

    fn button(text: &str, form: Option<u32>) -> Button {
        serde_json::from_value(serde_json::json!({"node": 1, "text": text, "submit": true, "link": false, "disabled": false, "form": form})).expect("a button")
    }

    fn apply() -> Form {
        form("Apply", "https://a.test/apply", &["Name"])
    }

    #[test]
    fn words_that_stood_there_before_prove_nothing() {
        let before = form("Thank you for applying to Acme", "/apply", &["Name"]);
        let now = Form { fields: Vec::new(), ..before.clone() };
        assert!(matches!(after(&before, &now, &sent(200)), Verdict::Unclear(_)));
    }

    #[test]
    fn new_words_prove_arrival_once_something_was_sent() {
        let now = form("Thanks for applying, Ada!", "/apply", &[]);
        assert!(matches!(
            after(&apply(), &now, &sent(200)),
            Verdict::Arrived(Receipt { evidence: "text", .. })
        ));
        assert!(matches!(after(&apply(), &now, &[]), Verdict::Unclear(_)));
    }

    #[test]
    fn a_page_that_still_asks_is_never_the_end() {
        for now in [
            form("Thanks for applying, Ada!", "/apply", &["Name"]),
            form("Thanks for applying, Ada!", "/apply", &["Salary"]),
            Form {
                buttons: vec![button("Submit application", Some(1))],
                ..form("Thanks for applying, Ada!", "/apply", &[])
            },
        ] {
            assert!(matches!(after(&apply(), &now, &sent(200)), Verdict::Unclear(_)), "{now:?}");
        }
    }

    #[test]
    fn an_error_page_is_no_receipt() {
        for (text, status) in
            [("Something went wrong", 200), ("Oops", 500), ("Forbidden", 403), ("Hakemus", 200)]
        {
            let now = form(text, "https://a.test/success", &[]);
            let verdict = after(&apply(), &now, &sent(status));
            let expected = text != "Hakemus";
            assert_eq!(
                matches!(verdict, Verdict::Unclear(_) | Verdict::Astray(_)),
                expected,
                "{text}: {verdict:?}"
            );
        }
        assert_eq!(after(&apply(), &apply(), &sent(403)), Verdict::Failed(403));
    }

    #[test]
    fn a_form_that_complains_was_refused_if_the_site_or_the_browser_did_so() {
        let mut now = apply();
        now.fields[0].error = "Name is required".into();
        let refused = Verdict::Refused("Name: Name is required".into());
        assert_eq!(after(&apply(), &now, &[]), refused);
        assert_eq!(after(&apply(), &now, &sent(422)), refused);
        assert_eq!(after(&apply(), &now, &sent(200)), refused);
        let loud = |text: &str| Form { errors: vec![text.into()], ..apply() };
        assert!(matches!(after(&apply(), &loud("Please try again"), &sent(200)), Verdict::Unclear(_)));
        assert!(matches!(after(&apply(), &loud("Sending…"), &[]), Verdict::Unclear(_)));
    }

    #[test]
    fn a_request_that_was_broken_off_may_have_been_taken_whatever_was_answered_beside_it() {
        let mut complaining = apply();
        complaining.fields[0].error = "Name is required".into();
        for status in [404, 200, 422] {
            let mut own = sent(status);
            own.push(Exchange { status: None, ..sent(200).remove(0) });
            for now in [apply(), complaining.clone()] {
                let verdict = after(&apply(), &now, &own);
                assert!(matches!(verdict, Verdict::Unclear(_)), "{status}: {verdict:?}");
            }
        }
    }

    #[test]
    fn a_form_that_was_emptied_after_it_was_sent_was_not_refused() {
        let mut now = form("Apply\nYour application has been submitted.\nJobs at Acme", "/apply", &["Name"]);
        now.fields[0].error = "Name is required".into();
        for verdict in [after(&apply(), &now, &sent(201)), after(&apply(), &now, &sent(302))] {
            assert!(matches!(verdict, Verdict::Unclear(_)), "{verdict:?}");
        }
        assert!(matches!(after(&apply(), &now, &sent(422)), Verdict::Refused(_)));
    }

    #[test]
    fn a_form_with_other_questions_goes_on() {
        let now = form("More", "/apply", &["Salary"]);
        assert_eq!(after(&apply(), &now, &sent(200)), Verdict::GoesOn("the form goes on: More".into()));
    }

    #[test]
    fn a_page_without_questions_goes_on_only_where_it_shows_that() {
        let next =
            |text: &str, press: &str| Form { buttons: vec![button(press, None)], ..form(text, "/x", &[]) };
        let before = form("Step 1 of 3", "/apply", &["Name"]);
        assert!(matches!(after(&before, &next("Step 2 of 3", "Next"), &sent(200)), Verdict::GoesOn(_)));
        assert!(matches!(
            after(&before, &next("Review: Lovelace, ada@example.org", "Submit"), &sent(200)),
            Verdict::GoesOn(_)
        ));
        assert!(matches!(after(&before, &next("Review", "Submit"), &[]), Verdict::GoesOn(_)));
        assert!(matches!(after(&before, &next("Acme", "Continue"), &sent(200)), Verdict::Unclear(_)));
    }

    #[test]
    fn an_address_proves_arrival_only_with_an_answer_and_without_a_word_against_it() {
        for (url, text, arrived) in [
            ("https://a.test/apply/thank-you", "Acme", true),
            ("https://a.test/apply?success=false", "Acme", false),
            ("https://a.test/apply/not-submitted", "Acme", false),
            ("https://a.test/apply/success", "Please complete the questionnaire", false),
        ] {
            let verdict = after(&apply(), &form(text, url, &[]), &sent(200));
            assert_eq!(
                matches!(verdict, Verdict::Arrived(Receipt { evidence: "url", .. })),
                arrived,
                "{url} {text}: {verdict:?}"
            );
        }
    }
}
