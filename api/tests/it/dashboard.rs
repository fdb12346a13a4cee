//! The dashboard: who may see it, what it shows, and what can be changed there.

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::costs::ledger;
use crate::harness::{KEY, OLD_KEY, Service};

pub const READ_KEY: &str = "a-key-that-lets-one-only-look";

/// A browser without scripts: it keeps one cookie and follows no redirect by itself.
pub struct Visitor<'a> {
    service: &'a Service,
    client: Client,
    cookie: String,
}

impl<'a> Visitor<'a> {
    pub fn stranger(service: &'a Service) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { service, client, cookie: String::new() }
    }

    pub async fn signed_in(service: &'a Service, key: &str) -> Self {
        Self::entered(service, &[("key", key), ("name", "Ann")]).await.expect("the key is known")
    }

    /// Signs in with these fields; `None` when they are not known.
    pub async fn entered(service: &'a Service, fields: &[(&str, &str)]) -> Option<Self> {
        let mut visitor = Self::stranger(service);
        let answer = visitor.post("/sign-in", &[fields, &[("next", "/jobs")]].concat()).await;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return None;
        }
        assert_eq!(
            (answer.status(), &answer.headers()[LOCATION]),
            (StatusCode::SEE_OTHER, &"/jobs".parse().expect("a value"))
        );
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().expect("a cookie").clone_into(&mut visitor.cookie);
        Some(visitor)
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.request(Method::GET, format!("{}{path}", self.service.url));
        request.header(COOKIE, &self.cookie).send().await.expect("an answer")
    }

    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("text")
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.client.request(Method::POST, format!("{}{path}", self.service.url));
        request
            .header(COOKIE, &self.cookie)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.finish())
            .send()
            .await
            .expect("an answer")
    }

    /// What a form of this visitor carries.
    pub async fn token(&self) -> String {
        let page = self.page("/").await;
        let start = page.split("name=\"token\" value=\"").nth(1).expect("a token");
        start.split('"').next().expect("its end").to_owned()
    }
}

async fn service() -> Service {
    Service::with(&[("GH_DASHBOARD_READ_KEY", READ_KEY)], api::server::Limits::default()).await
}

const PAGES: [&str; 7] = ["/", "/jobs", "/machines", "/tiers", "/costs", "/costs?by=job", "/alerts"];

#[tokio::test]
async fn nothing_is_shown_to_a_stranger() {
    let service = service().await;
    let visitor = Visitor::stranger(&service);
    for path in PAGES.into_iter().chain([
        "/jobs/00000000-0000-4000-8000-000000000000",
        "/charts/load",
        "/costs/download?format=csv",
    ]) {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert!(
            answer.headers()[LOCATION].to_str().expect("text").starts_with("/sign-in?next=%2F"),
            "{path}"
        );
    }
    assert_eq!(visitor.post("/jobs", &[("action", "cancel")]).await.status(), StatusCode::UNAUTHORIZED);
    let wrong = visitor.post("/sign-in", &[("key", "guess")]).await;
    assert_eq!((wrong.status(), wrong.headers().get(SET_COOKIE)), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(visitor.get("/session").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_key_signs_in_and_a_link_leads_where_it_points() {
    let service = service().await;
    for key in [KEY, OLD_KEY, READ_KEY] {
        let visitor = Visitor::signed_in(&service, key).await;
        assert_eq!(visitor.get("/session").await.status(), StatusCode::NO_CONTENT);
    }
    let visitor = Visitor::stranger(&service);
    let away = visitor.post("/sign-in", &[("key", KEY), ("next", "https://evil.example/")]).await;
    assert_eq!(away.headers()[LOCATION], "/");
}

#[tokio::test]
async fn every_page_is_there_and_needs_no_script_or_style_of_its_own() {
    let service = service().await;
    let (done, _) = ledger(&service).await;
    let visitor = Visitor::signed_in(&service, KEY).await;
    for path in PAGES.map(str::to_owned).into_iter().chain([format!("/jobs/{done}"), "/sign-in".to_owned()]) {
        let answer = visitor.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(
            policy.contains("script-src 'self'")
                && policy.contains("style-src 'self'")
                && !policy.contains("unsafe"),
            "{policy}"
        );
        let page = answer.text().await.expect("text");
        for part in page.split('<').skip(1) {
            let tag = part.split('>').next().unwrap_or_default();
            assert!(
                !tag.contains(" style=") && !tag.contains(" onclick") && !tag.starts_with("style"),
                "{path}: <{tag}>"
            );
            assert!(!tag.starts_with("script") || tag.contains(" src=\"/assets/"), "{path}: <{tag}>");
        }
        for asset in page.split("=\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap_or_default())
        {
            let file = visitor.get(&format!("/assets/{asset}")).await;
            assert_eq!(
                (file.status(), file.headers()["cache-control"].to_str().expect("text")),
                (StatusCode::OK, "public, max-age=31536000, immutable"),
                "{asset}"
            );
        }
    }
    for chart in ["load", "spent?from=2026-11-01&until=2026-11-30", "tiers", "models"] {
        let chart: Value = visitor.get(&format!("/charts/{chart}")).await.json().await.expect("JSON");
        let points = chart["x"].as_array().expect("points").len();
        assert!(
            chart["series"]
                .as_array()
                .expect("series")
                .iter()
                .all(|series| series["values"].as_array().is_some_and(|values| values.len() == points))
        );
    }
    assert_eq!(visitor.get("/charts/none").await.status(), 404);
    assert_eq!(visitor.get("/jobs/none").await.status(), 404);
}

#[tokio::test]
async fn text_of_a_job_is_text_on_its_page() {
    let service = service().await;
    let evil = "<img src=x onerror=alert(1)>";
    let id = service.job(json!({ "task_description": evil })).await;
    service.sql(&format!(
        "update gh_automation_jobs set status_message = '{evil}', error_code = '\"><bold' where id = '{id}'"
    ));
    let visitor = Visitor::signed_in(&service, KEY).await;
    for path in ["/jobs".to_owned(), format!("/jobs/{id}"), format!("/jobs?q={evil}&error_code=\"><bold")] {
        let page = visitor.page(&path).await;
        assert!(!page.contains("<img src=x") && !page.contains("\"><bold"), "{path}");
    }
}

#[tokio::test]
async fn the_list_is_filtered_by_its_address() {
    let service = service().await;
    let (done, failed) = ledger(&service).await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    for (query, shows_done, shows_failed) in [
        ("", true, true),
        ("?status=completed", true, false),
        ("?status=running", false, true),
        ("?tier=enterprise", false, false),
        ("?q=greenhouse", true, true),
        ("?q=lever", false, false),
        ("?q=%25", false, false),
        (&format!("?q={done}"), true, false),
    ] {
        let page = visitor.page(&format!("/jobs{query}")).await;
        let has = |id: &str| page.contains(&format!("/jobs/{id}"));
        assert_eq!((has(&done), has(&failed)), (shows_done, shows_failed), "{query}");
    }
    assert_eq!(visitor.get("/jobs?after=nowhere").await.status(), 422);
}

#[tokio::test]
async fn a_long_list_goes_on_behind_its_last_job() {
    let service = service().await;
    service.sql("insert into gh_automation_jobs (user_id, job_type, target_url, created_at)
        select '00000000-0000-0000-0000-000000000011', 'apply', 'https://example.com/' || n, now() - (n / 2) * interval '1 second' from generate_series(1, 120) n");
    let visitor = Visitor::signed_in(&service, KEY).await;
    let (mut path, mut seen) = ("/jobs?tier=free".to_owned(), std::collections::BTreeSet::new());
    for page in 0..3 {
        let text = visitor.page(&path).await;
        seen.extend(text.split("name=\"job\" value=\"").skip(1).map(|rest| rest[..36].to_owned()));
        let next = text.split("<a class=\"button\" href=\"").skip(1).find(|rest| rest.contains(">Older"));
        assert_eq!(next.is_some(), page < 2);
        if let Some(next) = next {
            next.split('"').next().expect("a link").replace("&#38;", "&").clone_into(&mut path);
        }
    }
    assert_eq!(seen.len(), 120, "every job once");
}

#[tokio::test]
async fn jobs_are_cancelled_and_retried_with_the_right_token_only_and_each_change_is_noted() {
    let service = service().await;
    let ids = [service.job(json!({})).await, service.job(json!({})).await, service.job(json!({})).await];
    service.sql(&format!("update gh_automation_jobs set status = 'running', worker_id = 'w' where id = '{0}'; update gh_automation_jobs set status = 'failed' where id = '{0}'", ids[2]));
    let visitor = Visitor::signed_in(&service, KEY).await;
    let token = visitor.token().await;
    let fields = |action: &'static str, token: &'static str| {
        [("action", action), ("token", token), ("job", ""), ("back", "/jobs?status=pending")]
    };
    for forged in ["", "guess"] {
        let mut fields = fields("cancel", forged).to_vec();
        fields[2].1 = &ids[0];
        assert_eq!(visitor.post("/jobs", &fields).await.status(), StatusCode::FORBIDDEN);
    }
    let form = [
        ("action", "cancel"),
        ("token", token.as_str()),
        ("job", &ids[0]),
        ("job", &ids[1]),
        ("job", &ids[2]),
        ("back", "/jobs?status=pending"),
    ];
    let answer = visitor.post("/jobs", &form).await;
    assert_eq!(
        (answer.status(), answer.headers()[LOCATION].to_str().expect("text")),
        (StatusCode::SEE_OTHER, "/jobs?status=pending&done=2")
    );
    let answer = visitor.post(&format!("/jobs/{}", ids[2]), &[("action", "retry"), ("token", &token)]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let statuses =
        service.rows("select status, count(*)::int as n from gh_automation_jobs group by 1 order by 1");
    assert_eq!(statuses, [json!({"status": "cancelled", "n": 2}), json!({"status": "pending", "n": 1})]);
    let audit =
        service.rows("select actor, action, subject, detail ->> 'from' as was from gh_audit order by id");
    assert_eq!(audit.len(), 3);
    assert_eq!(
        audit[2],
        json!({"actor": "dashboard:Ann", "action": "retry", "subject": ids[2], "was": "failed"})
    );
    assert!(visitor.page("/alerts").await.contains("dashboard:Ann"));
    assert_eq!(
        visitor.post("/jobs", &[("action", "delete"), ("token", &token), ("job", &ids[0])]).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let service = service().await;
    let id = service.job(json!({})).await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    assert!(!visitor.page(&format!("/jobs/{id}")).await.contains("name=\"action\""));
    let token = visitor.token().await;
    let answer = visitor.post(&format!("/jobs/{id}"), &[("action", "cancel"), ("token", &token)]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(service.rows("select status from gh_automation_jobs"), [json!({"status": "pending"})]);
    let out = visitor.post("/sign-out", &[("token", &token)]).await;
    assert!(out.headers()[SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
}

#[tokio::test]
async fn the_files_of_the_costs_page_are_those_of_the_rest_service() {
    let service = service().await;
    ledger(&service).await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    for (ours, theirs) in
        [("format=csv&by=tier", "format=csv&group_by=tier"), ("format=focus", "format=focus")]
    {
        let file = visitor.get(&format!("/costs/download?from=2026-11-01&until=2026-11-30&{ours}")).await;
        let name = file.headers()["content-disposition"].clone();
        let rest = service
            .as_service(Method::GET, &format!("/costs?from=2026-11-01&to=2026-12-01&{theirs}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(name, rest.headers()["content-disposition"]);
        assert_eq!(file.text().await.expect("text"), rest.text().await.expect("text"));
    }
    assert_eq!(visitor.get("/costs?from=today").await.status(), 422);
    assert_eq!(visitor.get("/costs?from=2026-11-02&until=2026-11-01").await.status(), 422);
}

#[tokio::test]
async fn a_job_that_waits_says_why() {
    let service = service().await;
    let id = service.job(json!({})).await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    assert!(visitor.page(&format!("/jobs/{id}")).await.contains("No dispatcher leads"));
    service.sql("insert into gh_leader (name, holder, term, expires_at) values ('dispatcher', 'd', 1, now() + interval '1 hour');
        insert into gh_capacity (tier, capacity, paused) values ('free', 1, true)");
    assert!(visitor.page(&format!("/jobs/{id}")).await.contains("Tier free is paused"));
    service.sql("update gh_capacity set paused = false; insert into gh_notices (key, value) values ('breaker', '{\"message\":\"the token is not valid\"}')");
    assert!(visitor.page(&format!("/jobs/{id}")).await.contains("the token is not valid"));
    assert!(visitor.page("/").await.contains("Machines cannot be started"));
    service.sql("update gh_automation_jobs set scheduled_at = now() + interval '2 hours'");
    assert!(visitor.page(&format!("/jobs/{id}")).await.contains("It is scheduled at"));
}

#[tokio::test]
async fn a_day_that_costs_three_times_as_much_as_usual_raises_an_alert() {
    let service = service().await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    // Seven days of a dollar but for one of ten, and today three.
    service.sql("insert into gh_cost_ledger (at, kind, provider, sku, quantity, unit, cost_usd, source, dedup)
        select now() - n * interval '1 day', 'overhead', 'fly', 's', 1, 'second', case n when 0 then 3 when 4 then 10 else 1 end, 'test', n::text from generate_series(0, 7) n");
    assert!(!visitor.page("/alerts").await.contains("Today cost"));
    service.sql("insert into gh_cost_ledger (kind, provider, sku, quantity, unit, cost_usd, source, dedup) values ('overhead', 'fly', 's', 1, 'second', 0.5, 'test', 'more')");
    assert!(
        visitor
            .page("/alerts")
            .await
            .contains("Today cost $3.50; the median of the last seven days is $1.00")
    );
    let numbers = service
        .request(Method::GET, "/monitoring/metrics")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert!(
        numbers.contains("\ngh_cost_usd_today 3.5\n") && numbers.contains("\ngh_cost_usd_usual_day 1\n"),
        "{numbers}"
    );
}
