//! The dashboard in a real browser: what people click, what it looks like, how soon it is there.

mod browser;
mod seed;

use std::path::PathBuf;

use browser::{Browser, View};

use crate::dashboard::READ_KEY;
use crate::harness::{KEY, Service};

async fn service(jobs: u32) -> (Service, String, tempfile::TempDir) {
    let artifacts = tempfile::tempdir().expect("a folder");
    let folder = artifacts.path().to_str().expect("text");
    let settings = [("GH_DASHBOARD_READ_KEY", READ_KEY), ("GH_ARTIFACTS_DIR", folder)];
    let service = Service::with(&settings, api::server::Limits::default()).await;
    let job = seed::fill(&service, jobs, artifacts.path());
    let own = artifacts.path().join("gh/jobs").join(&job);
    std::fs::create_dir_all(&own).expect("a folder");
    // What a picture shows does not matter here; that it is fetched and shown does.
    for name in ["page-1.png", "done.png"] {
        std::fs::write(own.join(name), PICTURE).expect("written");
    }
    (service, job, artifacts)
}

/// One grey point.
const PICTURE: &[u8] = &[
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0,
    0, 1, 8, 0, 0, 0, 0, 0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0, 0x0A, 0x49, 0x44, 0x41, 0x54, 0x78, 0xDA, 0x63,
    0x68, 0, 0, 0, 0x82, 0, 0x81, 0xDA, 0x45, 0x08, 0x3B, 0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42,
    0x60, 0x82,
];

#[tokio::test]
async fn people_filter_open_a_job_cancel_it_and_download_what_it_cost() {
    let Some(browser) = Browser::start().await else { return };
    let (service, _, _artifacts) = service(500).await;
    let mut page = browser.page(&service.url, View::DESKTOP).await;
    page.sign_in(KEY, "/jobs").await;

    page.run("document.querySelector('select[name=status]').value = 'pending'; document.querySelector('form.filters').requestSubmit()").await;
    page.until("location.search.includes('status=pending') && document.querySelector('td .state') !== null")
        .await;
    assert_eq!(
        page.ask(
            "[...document.querySelectorAll('td .state')].every(state => state.textContent === 'pending')"
        )
        .await,
        true
    );

    page.run("document.querySelector('a[href^=\"/jobs/\"]').click()").await;
    page.until("document.querySelector('button[value=cancel]') !== null").await;
    let path = page.ask("location.pathname").await;
    page.run("document.querySelector('button[value=cancel]').click()").await;
    page.until("document.querySelector('h1 .state')?.textContent === 'cancelled'").await;
    assert_eq!(page.ask("location.pathname").await, path);

    // A job that is not over shows what changes, without being loaded again.
    let id =
        service
            .rows("select id from gh_automation_jobs where status = 'pending' order by created_at limit 1")
            [0]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
    page.open(&format!("/jobs/{id}")).await;
    service.sql(&format!("update gh_automation_jobs set status_message = 'said just now' where id = '{id}'"));
    page.until("document.body.textContent.includes('said just now')").await;

    page.open("/costs").await;
    page.run("fetch([...document.querySelectorAll('a[download]')][0].href).then(a => a.text()).then(text => { window.file = text })").await;
    page.until("window.file !== undefined").await;
    assert!(page.ask("window.file").await.as_str().expect("text").starts_with("day,machine_usd,"));

    // A link from elsewhere comes without the strict cookie; the page goes on by itself.
    page.open("/sign-in?next=%2Fmachines").await;
    page.until("location.pathname === '/machines'").await;
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn every_page_fits_a_phone_and_breaks_no_rule_of_its_own() {
    let Some(browser) = Browser::start().await else { return };
    let (service, job, _artifacts) = service(500).await;
    let mut page = browser.page(&service.url, View { is_dark: true, ..View::PHONE }).await;
    page.sign_in(READ_KEY, "/").await;
    for (_, path) in pages(&job) {
        page.open(&path).await;
        page.until(
            "[...document.querySelectorAll('[data-chart]')].every(chart => chart.hasAttribute('data-ready'))",
        )
        .await;
        let width = page.ask("document.documentElement.scrollWidth - innerWidth").await;
        assert_eq!(width, 0, "{path} is wider than the phone");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// How often a page is opened for its figure.
const OPENED: usize = 5;

/// `cargo xtask shots` sets the folder; without it there is nothing to write.
#[tokio::test]
async fn pictures_of_every_page() {
    let Some(folder) = std::env::var_os("GH_SHOTS").map(PathBuf::from) else { return };
    let Some(browser) = Browser::start().await else { return };
    std::fs::create_dir_all(&folder).expect("a folder");
    let (service, job, _artifacts) = service(100_000).await;
    for (view, device) in [(View::DESKTOP, "desktop"), (View::PHONE, "phone")] {
        for is_dark in [false, true] {
            let theme = if is_dark { "dark" } else { "light" };
            let mut page = browser.page(&service.url, View { is_dark, ..view }).await;
            page.open("/sign-in").await;
            page.photograph(&folder.join(format!("sign-in-{device}-{theme}.png"))).await;
            page.sign_in(KEY, "/").await;
            for (name, path) in pages(&job) {
                let mut paints = Vec::new();
                for _ in 0..OPENED {
                    paints.push(page.open(&path).await);
                }
                page.until("[...document.querySelectorAll('[data-chart]')].every(chart => chart.hasAttribute('data-ready'))").await;
                page.photograph(&folder.join(format!("{name}-{device}-{theme}.png"))).await;
                paints.sort_unstable();
                let (middle, last) = (paints[OPENED / 2], paints[OPENED - 1]);
                println!(
                    "{name:<10} {device:<8} {theme:<6} first paint {:>4} ms (slowest of {OPENED}: {:>4} ms), whole answer {:>4} ms",
                    middle.first, last.first, middle.whole
                );
            }
            assert_eq!(page.complaints(), Vec::<String>::new());
        }
    }
}

fn pages(job: &str) -> [(&'static str, String); 7] {
    [
        ("overview", "/".into()),
        ("jobs", "/jobs".into()),
        ("job", format!("/jobs/{job}")),
        ("machines", "/machines".into()),
        ("tiers", "/tiers".into()),
        ("costs", "/costs".into()),
        ("alerts", "/alerts".into()),
    ]
}

#[tokio::test]
async fn an_outage_is_the_first_thing_on_the_overview_and_goes_when_it_is_over() {
    let Some(browser) = Browser::start().await else { return };
    let (service, _, _artifacts) = service(500).await;
    service.sql(e2e::outages::CALM);
    service.sql("update gh_capacity set paused = tier = 'pro'; update gh_leader set expires_at = now() - interval '2 minutes'");
    let mut page = browser.page(&service.url, View::DESKTOP).await;
    page.sign_in(READ_KEY, "/").await;
    let first = "document.querySelector('#live').firstElementChild";
    page.until(&format!(
        "{first}.matches('.alert.critical') && {first}.textContent.includes('No dispatcher leads since')"
    ))
    .await;
    assert_eq!(page.ask("document.body.textContent.includes('All is well')").await, false);
    if let Some(folder) = std::env::var_os("GH_SHOTS").map(PathBuf::from) {
        page.photograph(&folder.join("overview-in-an-outage.png")).await;
    }
    service.sql(e2e::outages::CALM);
    page.until("!document.body.textContent.includes('No dispatcher leads')").await;
    assert_eq!(page.complaints(), Vec::<String>::new());
}
