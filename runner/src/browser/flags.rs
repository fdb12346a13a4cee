//! The pinned command line of Chromium: each flag with its reason.
//!
//! "No traffic but the job's" is tested with the headless shell and the full Chromium 156, with and without a window; a full
//! one needs [`super::preferences`] as well. What a later or another browser asks for beyond that, the proxy refuses only
//! where the job has a list of allowed hosts.

/// What every browser is started with.
pub const FLAGS: &[(&str, &str)] = &[
    ("--remote-debugging-port=0", "the debugging socket; the port is read from stderr"),
    ("--window-size=1280,1000", "desktop layout: application forms hide parts on small screens"),
    ("--no-first-run", "no welcome page"),
    ("--no-default-browser-check", "no question about the default browser"),
    ("--disable-background-networking", "no traffic but the job's"),
    ("--disable-component-update", "no traffic but the job's; same components in each run"),
    (
        "--component-updater=url-source=https://nowhere.invalid:1/",
        "components are asked for on demand all the same; port 1 is one that Chromium itself never opens",
    ),
    (
        "--gaia-url=https://nowhere.invalid:1/",
        "no question about Google accounts that might be signed in, which no flag or preference turns off",
    ),
    ("--disable-client-side-phishing-detection", "no model of phishing pages fetched"),
    ("--disable-domain-reliability", "no reports home"),
    ("--disable-breakpad", "no crash handler process that would outlive us"),
    ("--disable-crash-reporter", "no crash handler process that would outlive us"),
    ("--disable-sync", "no account"),
    ("--disable-default-apps", "no extra processes"),
    ("--disable-extensions", "no extra processes"),
    ("--disable-gpu", "machines have none; saves a process its start-up"),
    ("--disable-dev-shm-usage", "/dev/shm is small in a container; pages would crash"),
    ("--disable-quic", "traffic stays on TCP, where it can be watched"),
    (
        "--proxy-bypass-list=<-loopback>",
        "this computer too is reached through the proxy only, that is, not at all",
    ),
    (
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "names are resolved by the proxy, never here",
    ),
    ("--webrtc-ip-handling-policy=disable_non_proxied_udp", "WebRTC must not go round the proxy"),
    ("--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "the same under its older name"),
    ("--disable-popup-blocking", "an Apply button may open the form in a new tab"),
    ("--disable-prompt-on-repost", "no dialog that blocks the page"),
    ("--disable-background-timer-throttling", "timers of the form run at full speed"),
    ("--disable-backgrounding-occluded-windows", "the page is never treated as hidden"),
    ("--disable-renderer-backgrounding", "the page is never treated as hidden"),
    ("--password-store=basic", "no keyring daemon"),
    ("--use-mock-keychain", "no keychain question on macOS"),
    ("--mute-audio", "no sound device"),
    ("--lang=en-US", "the same page whatever the machine's locale"),
    (
        "--disable-features=IsolateOrigins,site-per-process,Translate,AutofillServerCommunication,MediaRouter,OptimizationHints,NetworkTimeServiceQuerying",
        "frames of other sites share the page's process, which costs less memory; no traffic but the job's",
    ),
    ("--disable-site-isolation-trials", "frames of other sites share the page's process"),
];
