//! The classic form.

use reqwest::multipart::{Form, Part};
use site::Brand::Northwind;

use crate::site;

/// A complete application, without the fields named in `leave_out`.
fn application(leave_out: &[&str]) -> Form {
    let answers = [
        ("first_name", "Alex"),
        ("last_name", "Rivera"),
        ("email", "alex.rivera@example.com"),
        ("phone", "+1 415 555 0134"),
        ("linkedin", "https://www.linkedin.com/in/alex-rivera-example"),
        ("country", "US"),
        ("authorized", "yes"),
        ("sponsorship", "no"),
        ("start_date", "2027-01-11"),
        ("source", "linkedin"),
        ("cover_letter", "Hello <b>Northwind</b>"),
        ("consent", "agreed"),
    ];
    let mut form = Form::new();
    for (name, value) in answers.into_iter().filter(|(name, _)| !leave_out.contains(name)) {
        form = form.text(name, value);
    }
    if leave_out.contains(&"resume") {
        // What a browser sends for a file input nobody touched.
        return form.part("resume", Part::bytes(Vec::new()).file_name(""));
    }
    form.part("resume", Part::bytes(b"hello".to_vec()).file_name("alex.pdf"))
}

#[tokio::test]
async fn a_complete_application_is_recorded_and_confirmed_at_an_address_of_its_own() {
    let (site, client) = site().await;

    let url = site.form_url(Northwind, "job-1");
    let reply = client.post(&url).multipart(application(&[])).send().await.unwrap();

    assert_eq!(reply.status(), 303);
    let confirmation = format!("{}{}", site.url(), reply.headers()["location"].to_str().unwrap());
    let text = client.get(confirmation).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("Your application has been received."), "{text}");

    let [post] = &site.accepted("job-1")[..] else { panic!("{:?}", site.received()) };
    assert_eq!(post.fields["email"], "alex.rivera@example.com");
    assert_eq!(post.fields["country"], "US");
    assert_eq!(post.files.len(), 1);
    assert_eq!((post.files[0].field.as_str(), post.files[0].name.as_str()), ("resume", "alex.pdf"));
    assert_eq!(post.files[0].size_bytes, 5);
    assert_eq!(post.files[0].sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

#[tokio::test]
async fn every_required_field_is_required() {
    let (site, client) = site().await;
    let required = [
        ("first_name", "First name is required."),
        ("email", "Email is required."),
        ("resume", "Résumé is required."),
        ("country", "Country is required."),
        ("authorized", "Required: Are you legally authorized to work in this country?"),
        ("start_date", "Earliest start date is required."),
        ("consent", "Required: I agree that Northwind stores my application for twelve months."),
    ];
    for (name, complaint) in required {
        let url = site.form_url(Northwind, name);
        let reply = client.post(&url).multipart(application(&[name])).send().await.unwrap();
        assert_eq!(reply.status(), 422, "without {name}");
        let text = reply.text().await.unwrap();
        assert!(text.contains(complaint), "without {name}: {text}");
        assert_eq!(site.accepted(name).len(), 0);
    }
    assert_eq!(site.received().len(), required.len(), "refused posts are recorded too");
}

#[tokio::test]
async fn optional_fields_may_stay_empty() {
    let (site, client) = site().await;
    let form = application(&["linkedin", "cover_letter"]);
    let reply = client.post(site.form_url(Northwind, "a")).multipart(form).send().await.unwrap();
    assert_eq!(reply.status(), 303);
}

#[tokio::test]
async fn values_that_are_no_answer_are_refused() {
    let (site, client) = site().await;
    for (name, value) in [
        ("email", "alex at example"),
        ("country", "United States"),
        ("linkedin", "linkedin.com/in/alex"),
        ("start_date", "11.01.2027"),
        ("authorized", "maybe"),
    ] {
        let form = application(&[name]).text(name, value);
        let reply = client.post(site.form_url(Northwind, "b")).multipart(form).send().await.unwrap();
        assert_eq!(reply.status(), 422, "{name} = {value}");
    }
}

#[tokio::test]
async fn a_refused_form_keeps_the_answers_and_shows_them_harmless() {
    let (site, client) = site().await;
    let url = format!("{}&slow_ms=0", site.form_url(Northwind, "c\"><script>"));
    let reply = client.post(url).multipart(application(&["email"])).send().await.unwrap();
    let text = reply.text().await.unwrap();
    assert!(text.contains("value=\"Alex\""), "{text}");
    assert!(text.contains("Hello &lt;b&gt;Northwind&lt;/b&gt;"), "{text}");
    assert!(text.contains("<option value=\"US\" selected>"), "{text}");
    assert!(!text.contains("<script>"), "{text}");
}
