//! One request of a page: what it carries, and whose it is.

use std::time::Instant;

use chromiumoxide::cdp::browser_protocol::network::ResourceType;
use url::{Host, Url};

/// Shorter answers ("7", "No") are in too many addresses to tell anything.
const TELLING: usize = 3;
/// From this length on an answer is looked for inside other text.
const LONG: usize = 6;

/// What carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The load of a page or a frame.
    Document,
    /// A page's or a worker's script that waits for the answer.
    Script,
    /// A beacon: nobody waits for its answer.
    Beacon,
    /// A message on a web socket.
    Socket,
    /// What a page consists of: pictures, styles, code.
    Part,
}

impl Carrier {
    /// What carries a request of this type.
    pub fn of(kind: Option<&ResourceType>) -> Self {
        match kind {
            Some(ResourceType::Document) => Self::Document,
            Some(ResourceType::Xhr | ResourceType::Fetch | ResourceType::EventSource) => Self::Script,
            Some(ResourceType::Ping | ResourceType::CspViolationReport) => Self::Beacon,
            Some(ResourceType::WebSocket) => Self::Socket,
            _ => Self::Part,
        }
    }
}

/// One request of the page.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its HTTP method; `SEND` for a message on a socket.
    pub method: String,
    /// Its address.
    pub url: String,
    /// What carries it.
    pub carrier: Carrier,
    /// The address of the document that sent it.
    pub by: String,
    /// The frame it belongs to.
    pub frame: Option<String>,
    /// What a socket's message says.
    pub message: String,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// When it was sent.
    pub sent: Instant,
    /// Whether it has ended, well or not.
    pub done: bool,
}

impl Exchange {
    /// Whether it could change something on the other side: it writes by its method, or carries one of these answers.
    pub fn writes(&self, answers: &[String]) -> bool {
        match self.method.as_str() {
            "OPTIONS" => false,
            "GET" | "HEAD" => carried(&self.url, answers) > 0,
            "SEND" => answers.iter().any(|it| it.len() >= TELLING && self.message.contains(it.as_str())),
            _ => true,
        }
    }

    /// Whether it belongs to the page or the frames that were looked at, not to somebody else's script on it.
    pub fn is_own(&self, frames: &[String]) -> bool {
        match self.carrier {
            Carrier::Document => {
                self.frame.as_ref().is_some_and(|it| frames.contains(it)) || is_same_site(&self.url, &self.by)
            }
            Carrier::Script => is_same_site(&self.url, &self.by),
            Carrier::Beacon | Carrier::Socket | Carrier::Part => false,
        }
    }

    /// Where it went, without what it said.
    pub fn place(&self) -> String {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        format!("{} {}", self.method, url.chars().take(200).collect::<String>())
    }
}

/// How many of these answers an address carries in its path or query.
pub fn carried(url: &str, answers: &[String]) -> usize {
    let Ok(url) = Url::parse(url) else { return 0 };
    let mut parts: Vec<String> = url.query_pairs().map(|(_, value)| plain(&value)).collect();
    let path = url.path().to_owned();
    // Read as a query, so that what is written with % is understood.
    parts.extend(path.split('/').flat_map(|part| {
        url::form_urlencoded::parse(part.as_bytes()).map(|(it, _)| plain(&it)).collect::<Vec<_>>()
    }));
    let holds = |part: &String, answer: &str| part == answer || answer.len() >= LONG && part.contains(answer);
    let mut found: Vec<String> =
        answers.iter().map(|it| plain(it)).filter(|it| it.len() >= TELLING).collect();
    found.sort();
    found.dedup();
    found.into_iter().filter(|answer| parts.iter().any(|part| holds(part, answer))).count()
}

fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether two addresses belong to one site, as far as their hosts tell.
pub fn is_same_site(one: &str, other: &str) -> bool {
    let site = |text: &str| -> Option<String> {
        // A worker may be of an address that only names its site's.
        match Url::parse(text.trim_start_matches("blob:")).ok()?.host()? {
            Host::Domain(name) => {
                let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').collect();
                // "co.uk" is nobody's site: one label more where the last two are short.
                let short = labels.len() > 2 && labels[0].len() == 2 && labels[1].len() <= 3;
                Some(labels.into_iter().take(if short { 3 } else { 2 }).collect::<Vec<_>>().join("."))
            }
            address => Some(address.to_string()),
        }
    };
    matches!((site(one), site(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_carries_answers_writes() {
        let answers = ["Ada".to_owned(), "ada@example.org".into(), "7".into(), "London".into()];
        for (url, count) in [
            ("https://a.test/next", 0),
            ("https://a.test/next?step=7", 0),
            ("https://a.test/next?first=Ada&mail=ada%40example.org", 2),
            ("https://a.test/apply/ada@example.org/x", 1),
            ("https://a.test/p?d=%7B%22mail%22%3A%22ada%40example.org%22%7D", 1),
            ("https://a.test/radar", 0),
        ] {
            assert_eq!(carried(url, &answers), count, "{url}");
        }
    }

    #[test]
    fn sites_are_told_apart_by_their_hosts() {
        for (one, other, same) in [
            ("https://jobs.acme.com/a", "https://api.acme.com/b", true),
            ("https://acme.co.uk/a", "https://other.co.uk/b", false),
            ("https://acme.com/a", "https://tracker.net/b", false),
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/", true),
            ("http://127.0.0.1:1/", "http://localhost:1/", false),
            ("blob:http://a.test/1-2", "http://a.test/sent", true),
            ("about:blank", "about:blank", false),
        ] {
            assert_eq!(is_same_site(one, other), same, "{one} {other}");
        }
    }
}
