//! The calls.

use crate::{
    call::{Call, Success},
    classify::{self, Kind},
    config::CreateMachine,
    error::{Error, Next},
    event::Event,
    machine::{App, Machine, Region, State},
    outcome::{
        Delete, Deleted, ListMachines, Scope, StartBody, Started, Stop, Stopped, WaitBody, WaitFor, Waited,
    },
    token,
};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// How long a wait's answer may come after the wait itself is over.
const WAIT_SLACK: Duration = Duration::from_secs(10);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API is, with or without `/v1`: `https://api.machines.dev`.
    pub base_url: Url,
    /// The token, as flyctl prints it.
    pub token: SecretString,
    /// The longest that a call may take; a wait has its own time on top.
    pub timeout: Duration,
}

/// A client of the Machines API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base_url: Url,
    timeout: Duration,
}

impl Client {
    /// A client that has not called anybody yet.
    ///
    /// # Errors
    /// When the token cannot be sent in a header, the address cannot be a base, or TLS cannot be set up.
    pub fn new(config: Config) -> Result<Self, Error> {
        let unusable = |message: &str, source| Error {
            next: Next::Definite,
            call: "set up the client",
            status: None,
            request_id: None,
            message: message.to_owned(),
            source,
        };
        if config.base_url.cannot_be_a_base() {
            return Err(unusable("the address of the API is not usable", None));
        }
        let authorization =
            token::header(&config.token).map_err(|_| unusable("the token has odd characters", None))?;
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .user_agent(concat!("ghosthands-fly/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT.min(config.timeout))
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| unusable("HTTP cannot be set up", Some(error)))?;
        Ok(Self { http, base_url: config.base_url, timeout: config.timeout })
    }

    /// Reads an app.
    ///
    /// # Errors
    /// When there is no such app, the token is not for it, or no answer came.
    pub async fn app(&self, app: &str) -> Result<App, Error> {
        let call = Call { name: "get app", kind: Kind::Read, app, machine: "" };
        let success = call.expect(self.http.get(self.url(&["apps", app]))).await?;
        call.read(success)
    }

    /// Lists Fly's regions.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn regions(&self) -> Result<Vec<Region>, Error> {
        // The live API writes the key with a capital, its own document without.
        #[derive(Deserialize)]
        struct Body {
            #[serde(alias = "Regions")]
            regions: Vec<Region>,
        }
        let call = Call { name: "list regions", kind: Kind::Read, app: "", machine: "" };
        let success = call.expect(self.http.get(self.url(&["platform", "regions"]))).await?;
        call.read::<Body>(success).map(|body| body.regions)
    }

    /// Makes a machine. Sent once, whatever happens: the error says what to do next.
    ///
    /// # Errors
    /// Every outcome but a machine in hand, see [`Next`].
    pub async fn create(&self, app: &str, machine: &CreateMachine) -> Result<Machine, Error> {
        let call = Call { name: "create machine", kind: Kind::Create, app, machine: &machine.name };
        let request = self.http.post(self.url(&["apps", app, "machines"])).json(machine);
        call.read(call.expect(request).await?)
    }

    /// Reads a machine; destroyed ones too, as long as Fly remembers them. `None` if it never was or is forgotten.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn get(&self, app: &str, id: &str) -> Result<Option<Machine>, Error> {
        let call = Call { name: "get machine", kind: Kind::Read, app, machine: id };
        self.read_or_gone(call, self.http.get(self.url(&["apps", app, "machines", id]))).await
    }

    /// Reads a machine's newest events, newest first; at most 50. `None` if there is no such machine.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn events(&self, app: &str, id: &str) -> Result<Option<Vec<Event>>, Error> {
        let call = Call { name: "list events", kind: Kind::Read, app, machine: id };
        let mut url = self.url(&["apps", app, "machines", id, "events"]);
        url.query_pairs_mut().append_pair("limit", "50");
        self.read_or_gone(call, self.http.get(url)).await
    }

    /// Lists machines. The list comes from a replica that may lag: absence from it proves nothing.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn list(&self, app: &str, filter: &ListMachines) -> Result<Vec<Machine>, Error> {
        let call = Call { name: "list machines", kind: Kind::Read, app, machine: "" };
        let mut url = self.url(&["apps", app, "machines"]);
        for (key, value) in &filter.metadata {
            url.query_pairs_mut().append_pair(&format!("metadata.{key}"), value);
        }
        if !filter.states.is_empty() {
            url.query_pairs_mut().append_pair("state", &words(&filter.states));
        }
        if let Some(region) = &filter.region {
            url.query_pairs_mut().append_pair("region", region);
        }
        if filter.scope == Scope::IncludingDeleted {
            url.query_pairs_mut().append_pair("include_deleted", "true");
        }
        if filter.summary {
            url.query_pairs_mut().append_pair("summary", "true");
        }
        call.read(call.expect(self.http.get(url)).await?)
    }

    /// Starts a stopped machine.
    ///
    /// # Errors
    /// When no answer came, there is no room any more, or the app or the token is wrong.
    pub async fn start(&self, app: &str, id: &str) -> Result<Started, Error> {
        let call = Call { name: "start machine", kind: Kind::Change, app, machine: id };
        let request = self.http.post(self.url(&["apps", app, "machines", id, "start"]));
        match call.send(request).await? {
            Ok(success) => {
                let migrated = call.read::<StartBody>(success).is_ok_and(|body| body.migrated);
                Ok(Started::Accepted { migrated })
            }
            Err(refusal) if is_gone(refusal.status, &refusal.text) => Ok(Started::Gone),
            Err(refusal) if refusal.status == 412 => {
                let already = ["still active", "still attempting to start"]
                    .iter()
                    .any(|part| refusal.text.contains(part));
                Ok(if already { Started::Already } else { Started::NotNow(refusal.text) })
            }
            Err(refusal) => Err(call.fail(refusal)),
        }
    }

    /// Asks a machine to stop; it stops later.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn stop(&self, app: &str, id: &str, how: &Stop) -> Result<Stopped, Error> {
        let call = Call { name: "stop machine", kind: Kind::Change, app, machine: id };
        let request = self.http.post(self.url(&["apps", app, "machines", id, "stop"])).json(how);
        match call.send(request).await? {
            Ok(_) => Ok(Stopped::Accepted),
            Err(refusal) if is_gone(refusal.status, &refusal.text) => Ok(Stopped::Gone),
            Err(refusal) if refusal.status == 412 => Ok(Stopped::NotRunning),
            Err(refusal) => Err(call.fail(refusal)),
        }
    }

    /// Destroys a machine.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn delete(&self, app: &str, id: &str, how: Delete) -> Result<Deleted, Error> {
        let call = Call { name: "delete machine", kind: Kind::Change, app, machine: id };
        let mut url = self.url(&["apps", app, "machines", id]);
        if how == Delete::Force {
            url.query_pairs_mut().append_pair("force", "true");
        }
        match call.send(self.http.delete(url)).await? {
            Ok(_) => Ok(Deleted::Accepted),
            Err(refusal) if is_gone(refusal.status, &refusal.text) => Ok(Deleted::Gone),
            // An older version of Fly's answer has 409 with the same text.
            Err(refusal) if refusal.status == 412 || refusal.text.contains("unable to destroy machine") => {
                Ok(Deleted::StillRunning)
            }
            Err(refusal) => Err(call.fail(refusal)),
        }
    }

    /// Waits until a machine is in one of some states, or for the time given.
    ///
    /// # Errors
    /// When no answer came, or the app or the token is wrong.
    pub async fn wait(&self, app: &str, id: &str, until: &WaitFor) -> Result<Waited, Error> {
        let call = Call { name: "wait for machine", kind: Kind::Read, app, machine: id };
        let seconds = until.timeout.as_secs().clamp(1, 60);
        let mut url = self.url(&["apps", app, "machines", id, "wait"]);
        for state in &until.states {
            url.query_pairs_mut().append_pair("state", state.as_str());
        }
        url.query_pairs_mut().append_pair("timeout", &seconds.to_string());
        let request = self.http.get(url).timeout(Duration::from_secs(seconds) + WAIT_SLACK.max(self.timeout));
        match call.send(request).await? {
            Ok(success) => {
                let state = call.read::<WaitBody>(success)?.state.or_else(|| until.states.first().cloned());
                Ok(Waited::Reached(state.unwrap_or(State::Started)))
            }
            Err(refusal) if refusal.status == 408 || refusal.text.contains("currently replaced") => {
                Ok(Waited::NotYet { current: classify::current_state(&refusal.text).map(State::from) })
            }
            Err(refusal) if is_gone(refusal.status, &refusal.text) => Ok(Waited::Gone),
            Err(refusal) => Err(call.fail(refusal)),
        }
    }

    async fn read_or_gone<T: serde::de::DeserializeOwned>(
        &self,
        call: Call<'_>,
        request: reqwest::RequestBuilder,
    ) -> Result<Option<T>, Error> {
        match call.send(request).await? {
            Ok(success) => read_some(&call, success),
            Err(refusal) if is_gone(refusal.status, &refusal.text) => Ok(None),
            Err(refusal) => Err(call.fail(refusal)),
        }
    }

    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        let has_version = url.path().trim_end_matches('/').ends_with("/v1");
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if !has_version {
                path.push("v1");
            }
            path.extend(parts);
        }
        url
    }
}

fn read_some<T: serde::de::DeserializeOwned>(call: &Call<'_>, success: Success) -> Result<Option<T>, Error> {
    call.read(success).map(Some)
}

/// Whether a 404 is about the machine, and not about the app or the address.
fn is_gone(status: u16, text: &str) -> bool {
    let about_something_else = ["find app", "get app", "app not found", "404 page not found"];
    let text = text.to_ascii_lowercase();
    status == 404 && !about_something_else.iter().any(|part| text.contains(part))
}

fn words(states: &[State]) -> String {
    states.iter().map(State::as_str).collect::<Vec<_>>().join(",")
}
