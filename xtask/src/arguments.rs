//! What `up` and `demo` can be told. Read twice: here, so that a mistake shows before a long build, and by the
//! program that does the work.

use std::path::PathBuf;

/// The same for both.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Common {
    /// Use another Machines API instead of the local one. FLY_API_TOKEN, GH_RUNNER_APP and GH_RUNNER_IMAGE come from
    /// the environment; the app's secret DATABASE_URL must be the GH_RUNNER_DATABASE_URL that `up` prints.
    #[arg(long, value_name = "URL")]
    pub fly: Option<String>,
    /// Another file of tiers than infra/tiers.toml.
    #[arg(long, value_name = "FILE")]
    pub tiers: Option<PathBuf>,
    /// The port of the api; a free one when absent.
    #[arg(long)]
    pub port: Option<u16>,
    /// Where logs and screenshots go; a new folder below .up when absent.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// Starts the whole system and keeps it until Ctrl-C.
#[derive(Clone, Debug, clap::Args)]
pub struct Up {
    /// See there.
    #[command(flatten)]
    pub common: Common,
}

/// Starts the whole system, puts one job through REST and one by INSERT, and shows what became of them.
#[derive(Clone, Debug, clap::Args)]
pub struct Demo {
    /// See there.
    #[command(flatten)]
    pub common: Common,
    /// Print the result as one JSON object on stdout; progress goes to stderr either way.
    #[arg(long)]
    pub json: bool,
    /// Apply on this page, once and over REST, instead of twice on the demo's own site. The application is sent: it asks
    /// first, unless the page is on this computer.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Do not ask before an application is sent to --url.
    #[arg(long)]
    pub yes: bool,
    /// Who applies: a JSON file with user_data and qa_overrides, or with user_data alone.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The résumé to attach.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// How many seconds the jobs may take altogether.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub limit: u64,
}

/// Measures the system on this computer, each figure beside its target.
#[derive(Clone, Debug, clap::Args)]
pub struct Bench {
    /// Only this figure: latency, claim, throughput, limits, pool, scaling, api, start, page, memory or forms.
    pub name: Option<String>,
    /// Print the figures as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs the fleet under faults of every kind and checks every promise afterwards.
#[derive(Clone, Debug, clap::Args)]
pub struct Chaos {
    /// Decides every fault.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many jobs are put in; about eight a second.
    #[arg(long, default_value_t = 2000)]
    pub jobs: u64,
    /// Where the logs go; a folder removed at the end when absent.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// Puts the open questions about Fly to Fly itself, when FLY_API_TOKEN is set, else to the local one; costs less than ten cents.
#[derive(Clone, Debug, clap::Args)]
pub struct FlySmoke {
    /// Print the answers as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
