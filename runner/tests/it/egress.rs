//! Nothing of the browser's reaches a private network, whatever a page tries.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::attempt::EndClass;
use runner::egress::{Egress, Gate, Outside, Policy};
use runner::net::Reach;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use url::Url;

use crate::candidate::{Ran, Run, browser, full};
use crate::process::with_arguments;
use crate::site::Site;

/// The address that stands for the public internet: what is dialled there reaches the test's site.
const PUBLIC: &str = "93.184.216.34";

/// A network in which `careers.test` is public, `inside.test` is not, and `rebind.test` changes its mind.
#[derive(Clone, Default)]
struct World {
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
    looked_up: Arc<AtomicUsize>,
}

impl World {
    fn outside(&self, site: u16) -> Outside {
        let (asked, dialled) = (Arc::clone(&self.looked_up), Arc::clone(&self.dialled));
        let one = |text: &str| -> Vec<IpAddr> { vec![text.parse().expect("an address")] };
        let names = move |name: &str| match name.trim_end_matches('.') {
            "careers.test" => one(PUBLIC),
            // Public when it is checked for the first time, then never again.
            "rebind.test" if asked.fetch_add(1, Ordering::SeqCst) == 0 => one(PUBLIC),
            "rebind.test" | "inside.test" | "127.0.0.1.nip.test" => one("127.0.0.1"),
            "mapped.test" => one("::ffff:10.0.0.1"),
            "sixpn.test" => one("fdaa::3"),
            // As the system's resolver reads numbers.
            "0x7f.1" | "2130706433" | "017700000001" | "127.1" | "0177.0.0.1" | "0x7f000001" | "127.0.1"
            | "0x7f.0.0.1" | "00127.0.0.1" => "127.0.0.1".parse().into_iter().collect(),
            "0" | "0x0" => one("0.0.0.0"),
            "2852039166" | "0xa9fea9fe" | "0xa9.254.0251.254" => one("169.254.169.254"),
            _ => Vec::new(),
        };
        Outside::of_names(names).dialled_by(move |address| {
            dialled.lock().unwrap_or_else(PoisonError::into_inner).push(address);
            let there = SocketAddr::new("127.0.0.1".parse().expect("an address"), site);
            Box::pin(TcpStream::connect(there))
        })
    }

    fn strangers(&self) -> Vec<SocketAddr> {
        let public: IpAddr = PUBLIC.parse().expect("an address");
        let dialled = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        dialled.iter().copied().filter(|address| address.ip() != public).collect()
    }
}

/// Servers that must never hear anything: TCP and UDP on one port of this computer.
struct Canary {
    port: u16,
    heard: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let heard = Arc::new(AtomicUsize::new(0));
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = tcp.local_addr().expect("an address").port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).await.expect("the same port");
        let six = TcpListener::bind(("::1", port)).await.ok();
        for listener in [Some(tcp), six].into_iter().flatten() {
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    heard.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let by_udp = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            while udp.recv_from(&mut buffer).await.is_ok() {
                by_udp.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, heard }
    }
}

/// Hosts as an attacker would write them.
const TRICKS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[2001::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001:db8::1]",
    "[fc00::1]",
    "[fdaa::3]",
    "[fdaa:0:1:a7b::2]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "_api.internal",
    "_api.internal.",
    "top1.nearest.of.runner.internal",
    "metadata.google.internal",
    "gh.flycast",
    "printer.local",
    "router.lan",
    "inside.test",
    "inside.test.",
    "mapped.test",
    "sixpn.test",
    "nowhere.test",
    // The same again in numbers nobody writes.
    "0",
    "0x0",
    "127.0.1",
    "0x7f.0.0.1",
    "00127.0.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.254.0251.254",
    "127.0.0.1.nip.test",
    // Metadata services, and addresses inside addresses.
    "100.100.100.200",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:100.64.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:c0a8:1::]",
    "[fdaa:0:0::3]",
    "_api.internal:80",
    "user@127.0.0.1",
    "careers.test@127.0.0.1",
    "%31%32%37.0.0.1",
];

/// The first line of the proxy's answer.
async fn ask(port: u16, head: String) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the proxy");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn no_way_of_writing_a_private_address_is_dialled() {
    let (world, canary) = (World::default(), Canary::start().await);
    let target = Url::parse(&format!("http://careers.test:{}/", canary.port)).expect("an address");
    let gate = Gate::new(Policy::of_job(&target, Reach::Public, None), world.outside(canary.port));
    let egress = Egress::open(gate).await.expect("a proxy");
    assert!(TRICKS.len() > 75);
    for host in TRICKS {
        for port in [80, 443, canary.port] {
            let tunnel = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
            // The header names a public host: only the address in the request line counts.
            let plain = format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: careers.test\r\n\r\n");
            for head in [tunnel, plain] {
                let answer = ask(egress.port(), head.clone()).await;
                let refused = ["403", "502", "400"].iter().any(|code| answer.contains(code));
                assert!(refused, "{head}: {answer}");
            }
        }
    }
    assert_eq!(world.strangers(), []);
    assert_eq!(canary.heard.load(Ordering::SeqCst), 0);
    assert!(world.dialled.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
}

#[tokio::test]
async fn other_ports_of_public_hosts_are_refused() {
    let (world, site) = (World::default(), Site::start().await);
    let target = Url::parse("https://careers.test/").expect("an address");
    let gate = Gate::new(Policy::of_job(&target, Reach::Public, None), world.outside(site.port));
    let egress = Egress::open(gate).await.expect("a proxy");
    for port in [21, 22, 25, 53, 110, 3306, 4280, 5432, 6379, 8080, 9200, 27017] {
        let answer = ask(egress.port(), format!("CONNECT careers.test:{port} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.contains("403"), "{port}: {answer}");
    }
    let answer = ask(egress.port(), "CONNECT careers.test:443 HTTP/1.1\r\n\r\n".into()).await;
    assert!(answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_dialled_where_it_was_checked_or_not_at_all() {
    let (world, site) = (World::default(), Site::start().await);
    let target = Url::parse("http://rebind.test/").expect("an address");
    let gate = Gate::new(Policy::of_job(&target, Reach::Public, None), world.outside(site.port));
    let egress = Egress::open(gate).await.expect("a proxy");
    let head = || "GET http://rebind.test/advert.html HTTP/1.1\r\n\r\n".to_owned();
    assert!(ask(egress.port(), head()).await.contains("200"));
    assert_eq!(world.looked_up.load(Ordering::SeqCst), 1, "checked and dialled by one resolution");
    assert!(ask(egress.port(), head()).await.contains("403"));
    assert_eq!(world.strangers(), []);
}

/// A run whose page is public, in a network where nothing else is.
async fn public_run(world: &World, site: &Site, port: u16, page: &str) -> Run {
    let mut run = Run::on(format!("http://careers.test:{port}/{page}"));
    run.tools.reach = Reach::Public;
    run.tools.browser.outside = world.outside(site.port);
    run
}

fn reached_nothing(world: &World, canary: &Canary) {
    assert_eq!(world.strangers(), [], "dialled");
    assert_eq!(canary.heard.load(Ordering::SeqCst), 0, "heard, past the proxy");
}

#[tokio::test]
async fn no_means_of_a_page_reaches_this_computer() {
    // The full one has service workers and all the rest.
    for (program, least) in [(browser().program, 78), (full().program, 79)] {
        let (world, site, canary) = (World::default(), Site::start().await, Canary::start().await);
        let folder = tempfile::tempdir().expect("a folder");
        let mut run = public_run(&world, &site, canary.port, "ssrf.html").await;
        run.tools.browser.program.clone_from(&program);
        // Service workers exist on secure pages only; the page is declared one.
        let secure =
            format!("--unsafely-treat-insecure-origin-as-secure=http://careers.test:{}", canary.port);
        run.tools.browser = with_arguments(run.tools.browser, folder.path(), &secure);
        run.go().await.arrived();
        let sent = site.only();
        assert_eq!(sent.one("reached"), Some(""), "what the page believes it reached");
        let tried: usize = sent.one("tried").and_then(|it| it.parse().ok()).expect("a count");
        assert!(tried >= least, "{}: {tried} ways were tried", program.display());
        reached_nothing(&world, &canary);
    }
}

async fn refused(world: &World, site: &Site, canary: &Canary, page: &str) -> Ran {
    let ran = public_run(world, site, canary.port, page).await.go().await;
    reached_nothing(world, canary);
    assert_eq!(
        (ran.outcome.class, ran.outcome.code),
        (EndClass::Final, Some("address_refused")),
        "{page}: {:?}",
        ran.outcome
    );
    ran
}

#[tokio::test]
async fn a_page_that_leads_to_a_private_address_is_refused_by_name() {
    let (world, site, canary) = (World::default(), Site::start().await, Canary::start().await);
    for to in [
        format!("http://127.0.0.1:{}/", canary.port),
        "http://_api.internal:4280/v1/apps".into(),
        "https://inside.test/".into(),
    ] {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        refused(&world, &site, &canary, &format!("leave?to={to}")).await;
    }
}

#[tokio::test]
async fn a_page_that_no_site_served_is_never_filled() {
    let (world, site, canary) = (World::default(), Site::start().await, Canary::start().await);
    refused(&world, &site, &canary, "advert-blob.html").await;
    assert_eq!(site.sent().len(), 0);
}

#[tokio::test]
async fn a_job_may_be_kept_to_its_own_hosts() {
    let (world, site, canary) = (World::default(), Site::start().await, Canary::start().await);
    let mut run =
        public_run(&world, &site, canary.port, "leave?to=http%3A%2F%2Frebind.test%2Fadvert.html").await;
    run.input.allowed_hosts = Some(vec!["ats.test".into()]);
    let ran = run.go().await;
    assert_eq!(ran.outcome.code, Some("address_refused"), "{:?}", ran.outcome);
    assert_eq!(world.looked_up.load(Ordering::SeqCst), 0, "not even resolved");
}
