//! The checks of everything but the database: the tiers file, the images, Fly.

use std::time::Duration;

use dispatcher::config::Config;
use secrecy::SecretString;

use super::check::{Check, chain};
use crate::commands::settings::Settings;

/// How long Fly may take to show an app.
const FLY: Duration = Duration::from_secs(10);

/// Whether the tiers file is right.
pub fn tiers(settings: &Settings) -> Check {
    match settings.tiers() {
        Ok(tiers) => Check::ok("tiers", format!("{} tiers", tiers.iter().count())),
        Err(error) => Check::fail(
            "tiers",
            format!("{error:#}"),
            "`dispatcher tiers check FILE` shows every error with its line",
        ),
    }
}

/// Whether every image is named by digest, so that all machines run the same code.
pub fn images(config: &Config) -> Vec<Check> {
    let own = config
        .tiers
        .iter()
        .filter_map(|(name, tier)| Some((format!("image {name}"), tier.image.as_deref()?)));
    let all = std::iter::once(("image".to_owned(), config.image.as_str())).chain(own);
    all.map(|(name, image)| {
        if is_by_digest(image) {
            return Check::ok(name, image);
        }
        let remedy = "name it as app@sha256:… (flyctl image show): a tag may mean another program from one machine to the next";
        Check::warn(name, format!("{image} is not named by digest"), remedy)
    })
    .collect()
}

fn is_by_digest(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Whether the token opens every app.
pub async fn fly(config: &Config) -> Vec<Check> {
    let client = match client(config) {
        Ok(client) => client,
        Err(says) => return vec![Check::fail("fly", says, "check FLY_API_HOSTNAME and FLY_API_TOKEN")],
    };
    let mut checks = Vec::new();
    for app in &config.apps {
        let name = format!("fly {}", app.app);
        checks.push(match client.app(&app.app).await {
            Ok(_) => Check::ok(name, "the token opens it"),
            Err(error) => Check::fail(name, chain(&error), remedy(&error.next, &app.app)),
        });
    }
    checks
}

fn client(config: &Config) -> Result<fly::Client, String> {
    let base_url = config.fly_url.parse().map_err(|error| format!("{}: {error}", config.fly_url))?;
    let token: SecretString = config.fly_token.clone();
    fly::Client::new(fly::Config { base_url, token, timeout: FLY }).map_err(|error| chain(&error))
}

fn remedy(next: &fly::Next, app: &str) -> String {
    match next {
        fly::Next::Breaker(fly::Cause::Auth) => {
            format!("make a token: `fly tokens create deploy --app {app}`")
        }
        fly::Next::Breaker(fly::Cause::NoApp) => {
            format!("make the app: `fly apps create {app}`, or correct GH_RUNNER_APP")
        }
        _ => "is Fly reachable from here? https://status.flyio.net".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_by_digest;

    #[test]
    fn only_a_whole_digest_counts() {
        let digest = "0".repeat(64);
        assert!(is_by_digest(&format!("registry.fly.io/app@sha256:{digest}")));
        assert!(is_by_digest(&format!("registry.fly.io/app:tag@sha256:{digest}")));
        assert!(!is_by_digest("registry.fly.io/app:deployment-1"));
        assert!(!is_by_digest("registry.fly.io/app@sha256:0123"));
    }
}
