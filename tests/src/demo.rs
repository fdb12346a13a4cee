//! One job through REST and one by INSERT, from the request to the receipt.

pub mod applicant;
mod jobs;
mod measure;
mod proof;
mod report;
mod watch;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Config, Stack, up};
use applicant::Applicant;
use report::Report;

/// Runs the demo and prints its result, once an application may be sent; an error when a job did not complete at once, or anything was left over.
///
/// # Errors
/// When a part does not come up, or what was wrong with the result.
pub async fn run(arguments: xtask::arguments::Demo) -> Result<()> {
    xtask::consent::to_send(&arguments)?;
    let applicant = match &arguments.profile {
        Some(file) => Applicant::read(file)?,
        None => Applicant::sample(),
    };
    let resume = arguments.resume.as_ref().map(std::fs::read).transpose().context("reading the résumé")?;
    let config = Config { resume, ..up::config(&arguments.common, "demo")? };
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);

    eprintln!("starting Postgres, local Fly, dispatcher, api and the career site");
    let mut stack = tokio::select! {
        stack = Stack::start(config) => stack?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    };
    let outcome = tokio::select! {
        outcome = play(&mut stack, &arguments, &applicant) => outcome,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("interrupted")),
    };
    let output = stack.output().to_owned();
    eprintln!("stopping");
    let left = stack.stop().await;
    let (mut report, mut complaints) =
        outcome.with_context(|| format!("the logs are in {}", output.join("logs").display()))?;
    report.processes_left = left.len();
    complaints.extend(report.complaints());
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("\n{}", report.table());
    }
    if !complaints.is_empty() {
        for process in &left {
            eprintln!("left: {} {}", process.id, process.command);
        }
        bail!("{}\nthe logs are in {}", complaints.join("\n"), output.join("logs").display());
    }
    Ok(())
}

/// Puts the jobs, follows them to their end, and returns what it measured and what the site says against it.
async fn play(
    stack: &mut Stack,
    arguments: &xtask::arguments::Demo,
    applicant: &Applicant,
) -> Result<(Report, Vec<String>)> {
    let limit = tokio::time::Instant::now() + Duration::from_secs(arguments.limit);
    let jobs = if let Some(url) = &arguments.url {
        vec![jobs::post(stack, applicant, url).await?]
    } else {
        let northwind = stack.site().form_url(site::Brand::Northwind, "rest");
        let contoso = stack.site().form_url(site::Brand::Contoso, "insert");
        vec![jobs::post(stack, applicant, &northwind).await?, jobs::insert(stack, applicant, &contoso)?]
    };
    watch::until_final(stack, &jobs, limit).await?;
    watch::until_billed(stack, &jobs, limit).await?;
    let report = measure::report(stack, &jobs).await?;
    let complaints = if arguments.url.is_none() && arguments.profile.is_none() {
        let resume = arguments.resume.as_ref().map_or_else(|| Ok(site::sample_resume()), std::fs::read)?;
        proof::complaints(stack.site(), &resume)
    } else {
        Vec::new()
    };
    Ok((report, complaints))
}
