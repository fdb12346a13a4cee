//! `career-site`: serves the career pages until it is interrupted.

use std::net::SocketAddr;

use clap::Parser;

/// Career pages of our own, to apply on without bothering anybody.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A résumé to offer at /resume.pdf instead of the sample.
    #[arg(long)]
    resume: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let resume = arguments.resume.map_or_else(|| Ok(site::sample_resume()), std::fs::read)?;
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    let site = site::serve(listener, resume)?;
    println!("listening on {}", site.url());
    tokio::select! {
        ended = site.serve_forever() => Ok(ended?),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
