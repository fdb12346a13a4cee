//! The site as a browser without JavaScript sees it: pages, posts, and the book of what was received.

mod contoso;
mod northwind;
mod trouble;

use std::time::Duration;

use site::Handle;

/// Longer than anything here takes; only a failing test waits this long.
const LIMIT: Duration = Duration::from_secs(10);

/// A site of its own, and a client that follows no redirect.
async fn site() -> (Handle, reqwest::Client) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let site = site::serve(listener, site::sample_resume()).expect("the site starts");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LIMIT)
        .build()
        .expect("a client");
    (site, client)
}
