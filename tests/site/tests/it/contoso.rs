//! The wizard's endpoint, posted to as its script does.

use serde_json::{Value, json};
use site::Brand::Contoso;

use crate::site;

fn application() -> Value {
    json!({
        "fields": {
            "first_name": "Alex", "last_name": "Rivera", "email": "alex.rivera@example.com",
            "phone": "+1 415 555 0134", "location": "San Francisco, California, United States",
            "authorized": "yes", "sponsorship": "no", "motivation": "The pager.",
        },
        "resume": { "name": "alex.pdf", "content_base64": "aGVsbG8=" },
    })
}

#[tokio::test]
async fn a_complete_application_is_recorded_and_answered_with_its_number() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?ref=job-2", site.url());

    let reply = client.post(url).json(&application()).send().await.unwrap();

    assert_eq!(reply.status(), 201);
    assert_eq!(reply.json::<Value>().await.unwrap(), json!({ "application": "CT-00001" }));
    let [post] = &site.accepted("job-2")[..] else { panic!("{:?}", site.received()) };
    assert_eq!(post.brand, Contoso);
    assert_eq!(post.fields["motivation"], "The pager.");
    assert_eq!((post.files[0].name.as_str(), post.files[0].size_bytes), ("alex.pdf", 5));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?ref=job-3", site.url());
    let mut body = application();
    body["resume"] = Value::Null;
    body["fields"]["location"] = json!("San Francisco");

    let reply = client.post(url).json(&body).send().await.unwrap();

    assert_eq!(reply.status(), 422);
    let problems = reply.json::<Value>().await.unwrap()["problems"].clone();
    assert_eq!(problems["resume"], "Résumé is required.");
    assert_eq!(problems["location"], "Current location: this is not a valid answer.");
    assert_eq!(site.accepted("job-3").len(), 0);
}

#[tokio::test]
async fn a_program_that_fills_the_honeypot_is_refused() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?ref=job-4", site.url());
    let mut body = application();
    body["fields"]["company_website"] = json!("https://example.com");

    let reply = client.post(url).json(&body).send().await.unwrap();

    assert_eq!(reply.status(), 422);
    assert_eq!(site.accepted("job-4").len(), 0);
    assert!(site.received()[0].problems.contains_key("company_website"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (site, client) = site().await;
    for brand in [Contoso, site::Brand::Northwind] {
        let text = client.get(site.form_url(brand, "x")).send().await.unwrap().text().await.unwrap();
        for outside in ["src=\"http", "href=\"http", "url(", "@import"] {
            assert!(!text.contains(outside), "{brand:?} has {outside}");
        }
    }
}
