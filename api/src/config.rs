//! Settings from the environment, under the names VALET's deployment already uses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use domain::net::Reach;
use secrecy::SecretString;
use serde::Deserialize;

use crate::build::Build;
use crate::jwks::Jwks;
use crate::monitoring::Storage;
use store::seal::{SealError, Sealer};

/// No setting names a database.
#[derive(Debug, thiserror::Error)]
#[error("set DATABASE_URL (or SUPABASE_DIRECT_URL, or DATABASE_DIRECT_URL) to the address of Postgres")]
pub struct NoDatabase;

/// What the service is told by its environment.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    database_url: Option<SecretString>,
    supabase_direct_url: Option<SecretString>,
    database_direct_url: Option<SecretString>,
    gh_service_secret: Option<SecretString>,
    gh_service_secret_previous: Option<SecretString>,
    gh_dashboard_read_key: Option<SecretString>,
    supabase_url: Option<String>,
    supabase_jwt_secret: Option<SecretString>,
    supabase_service_key: Option<SecretString>,
    supabase_secret_key: Option<SecretString>,
    supabase_publishable_key: Option<String>,
    supabase_anon_key: Option<String>,
    gh_encryption_key: Option<SecretString>,
    gh_encryption_key_id: Option<u16>,
    gh_encryption_key_previous: Option<SecretString>,
    gh_encryption_key_previous_id: Option<u16>,
    gh_runner_db_password: Option<SecretString>,
    gh_api_port: Option<u16>,
    gh_api_host: Option<IpAddr>,
    gh_api_db_connections: Option<u32>,
    gh_stream_heartbeat_seconds: Option<u8>,
    gh_artifacts_dir: Option<String>,
    cors_origin: Option<String>,
    gh_allow_private_net: Option<String>,
    fly_app_name: Option<String>,
    node_env: Option<String>,
    gh_environment: Option<String>,
    commit_sha: Option<String>,
    image_tag: Option<String>,
    build_time: Option<String>,
}

impl Config {
    /// The address of the database: the first of the three names that is set.
    ///
    /// # Errors
    /// When none is set.
    pub fn database(&self) -> Result<&SecretString, NoDatabase> {
        [&self.database_url, &self.supabase_direct_url, &self.database_direct_url]
            .into_iter()
            .find_map(Option::as_ref)
            .ok_or(NoDatabase)
    }

    /// The password the runners' database role shall have, if this process is to set it.
    pub const fn runner_password(&self) -> Option<&SecretString> {
        self.gh_runner_db_password.as_ref()
    }

    /// Where to listen, best first. The default is every address of IPv6, which takes IPv4 too, then of IPv4 alone.
    pub fn listen(&self) -> Vec<SocketAddr> {
        let port = self.gh_api_port.unwrap_or(3100);
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let hosts = match self.gh_api_host {
            Some(host) if host != everywhere[1] => vec![host],
            _ => everywhere.to_vec(),
        };
        hosts.into_iter().map(|host| SocketAddr::new(host, port)).collect()
    }

    /// How many connections to the database this process may hold; five of Supabase's sixty are its share.
    pub fn connections(&self) -> u32 {
        self.gh_api_db_connections.unwrap_or(5)
    }

    /// How often a stream that has nothing to say shows that it is alive; proxies close what is silent for a minute.
    pub(crate) fn stream_heartbeat(&self) -> Duration {
        Duration::from_secs(self.gh_stream_heartbeat_seconds.unwrap_or(15).max(1).into())
    }

    /// The keys a service may show now: the current one, and the previous one while it is being rotated.
    pub(crate) fn service_keys(&self) -> impl Iterator<Item = &SecretString> {
        [&self.gh_service_secret, &self.gh_service_secret_previous].into_iter().flatten()
    }

    /// The keys of the dashboard.
    pub(crate) fn dashboard_keys(&self) -> crate::dashboard::Keys {
        crate::dashboard::Keys::new(self.service_keys(), self.gh_dashboard_read_key.as_ref())
    }

    pub(crate) const fn jwt_secret(&self) -> Option<&SecretString> {
        self.supabase_jwt_secret.as_ref()
    }

    /// What opens and seals columns, when there is a key; the names are the dispatcher's too.
    pub(crate) fn sealer(&self) -> Result<Option<Sealer>, SealError> {
        let Some(key) = &self.gh_encryption_key else { return Ok(None) };
        let sealer = Sealer::new(self.gh_encryption_key_id.unwrap_or(1), key)?;
        match &self.gh_encryption_key_previous {
            Some(previous) => {
                sealer.with_previous(self.gh_encryption_key_previous_id.unwrap_or(0), previous).map(Some)
            }
            None => Ok(Some(sealer)),
        }
    }

    /// The public keys of the Supabase project, when one is named.
    pub(crate) fn jwks(&self) -> Option<Jwks> {
        self.supabase_url.as_deref().and_then(Jwks::of_project)
    }

    /// The storage of the Supabase project, when the project and its service key are given.
    pub(crate) fn storage(&self) -> Option<Storage> {
        let key = self.supabase_secret_key.as_ref().or(self.supabase_service_key.as_ref())?;
        Storage::of_project(given(self.supabase_url.as_deref())?, key.clone())
    }

    /// Where the staff signs in with an address and a password, when the project and its public key are given.
    pub(crate) fn people(&self) -> Option<crate::dashboard::People> {
        let key =
            given(self.supabase_publishable_key.as_deref()).or(given(self.supabase_anon_key.as_deref()))?;
        crate::dashboard::People::of_project(given(self.supabase_url.as_deref())?, key)
    }

    /// The folder that runners of this computer write their screenshots to.
    pub(crate) fn artifacts(&self) -> Option<std::path::PathBuf> {
        given(self.gh_artifacts_dir.as_deref()).map(Into::into)
    }

    pub(crate) fn cors_origin(&self) -> Option<&str> {
        given(self.cors_origin.as_deref())
    }

    /// Whether Fly's proxy stands before this service: Fly sets the name of the app in every machine.
    pub(crate) fn is_behind_fly(&self) -> bool {
        given(self.fly_app_name.as_deref()).is_some()
    }

    /// How far the addresses of callers may lead.
    pub(crate) fn reach(&self) -> Reach {
        match given(self.gh_allow_private_net.as_deref()) {
            Some("1" | "true" | "yes") => Reach::Anything,
            _ => Reach::Public,
        }
    }

    pub(crate) fn build(&self) -> Build {
        let or =
            |value: &Option<String>, default: &str| given(value.as_deref()).unwrap_or(default).to_owned();
        let node_env = or(&self.node_env, "development");
        Build {
            environment: or(&self.gh_environment, &node_env),
            commit_sha: or(&self.commit_sha, "unknown"),
            image_tag: or(&self.image_tag, "unknown"),
            build_time: or(&self.build_time, "unknown"),
            node_env,
            started: Instant::now(),
        }
    }
}

/// A value that is set to something.
fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_both_families_are_tried() {
        let addresses = Config::default().listen();
        assert_eq!(addresses, ["[::]:3100".parse().expect("v6"), "0.0.0.0:3100".parse().expect("v4")]);
    }

    #[test]
    fn the_switch_for_private_networks_is_off_unless_it_is_said() {
        let reach =
            |text: &str| Config { gh_allow_private_net: Some(text.into()), ..Config::default() }.reach();
        assert_eq!(Config::default().reach(), Reach::Public);
        assert_eq!([reach("1"), reach("0"), reach("")], [Reach::Anything, Reach::Public, Reach::Public]);
    }
}
