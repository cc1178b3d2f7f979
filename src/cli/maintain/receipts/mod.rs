//! `teof receipts …`

mod hygiene;
mod index;
mod metrics;

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Exit, Result, text};
use crate::cli::App;
use crate::cli::support::lazy::commands;
use crate::cli::support::{author, findings};
use crate::guard::capped;
use crate::guard::claim::check_inherited_epoch;
use crate::guard::{operator, secrets};
use crate::hub::Transaction;
use crate::hub::transaction::writer;
use crate::ops::evidence::retire;
use crate::receipts::{entry, ledger, verify};

/// Enter receipts into the ledger, and check them
///
/// A receipt is evidence: a file under _report/ whose hash the ledger _report/receipts.jsonl keeps.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts add _report/agent/codex-1/proof.txt\n\
\x20 teof receipts verify")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

commands! {
    enum Command {
        "add" => Add(Add),
        "retire" => Retire(Retire),
        "verify" => Verify(Verify),
        "index" => Index(index::Args),
        "metrics" => Metrics(metrics::Args),
        "hygiene" => Hygiene(hygiene::Args),
    }
}

/// Enter files into the ledger with their hashes
///
/// A receipt is written once. Refused: a file that was entered with another hash, a file outside _report/, a
/// file that teof itself rewrites, and a file that git ignores or may change, because a clone would not have
/// it.
///
/// With --json: {entered: [{path, sha256}]}, without those that the ledger had already.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts add _report/agent/codex-1/proof.txt")]
pub struct Add {
    /// Path relative to the repository
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The seat that enters them [default: this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

/// Record that a receipt was deleted on purpose
///
/// Then verify, scan and preflight stop reporting it. Its line stays in the ledger, and a line with the reason
/// follows. A receipt that still exists is not retired. Only a person can do it.
///
/// With --json: {path, sha256, reason, by}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts retire _report/agent/codex-1/gone.txt --reason \"Held a name\"")]
pub struct Retire {
    /// Path relative to the repository
    path: String,
    /// Why; kept in the ledger and in an event
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Check that every receipt is unchanged
///
/// Names each receipt that changed, is missing or was re-ordered. Exit code 1 when there is one.
///
/// With --json: {entries, sealed, findings: [{code, severity, path, line, message, hint}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts verify\n\
\x20 teof receipts verify --all")]
pub struct Verify {
    /// Also check every JSON file under _report/ that has its own hash
    #[arg(long)]
    all: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(args, app),
        Command::Retire(args) => retire(&args, app),
        Command::Verify(args) => check(args, app),
        Command::Index(args) => index::run(&args, app),
        Command::Metrics(args) => metrics::run(&args, app),
        Command::Hygiene(args) => hygiene::run(&args, app),
    }
}

fn add(args: Add, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let agent = author::seat(hub, args.agent.as_deref())?;
    // Hashing may take long: not under the lock.
    let hashed = args.paths.iter().map(|path| entry::hashed(hub, path)).collect::<Result<Vec<_>>>()?;
    entry::check(hub, &hashed, &agent)?;
    secrets::check_files(hub, hashed.iter().map(|(path, _)| path.as_str()))?;
    let mut writer = hub.lock("receipts add")?;
    check_inherited_epoch(hub)?;
    let known = ledger::listed(&hub.root)?;
    let mut transaction = Transaction::new("receipts add");
    ledger::enter(&writer, &mut transaction, &agent, &hashed)?;
    writer.commit(transaction)?;
    let entered: Vec<_> = hashed.into_iter().filter(|(path, _)| !known.contains_key(path)).collect();
    let document: Vec<_> = entered.iter().map(|(path, sha256)| json!({"path": path, "sha256": sha256})).collect();
    app.result(&json!({ "entered": document }), || {
        entered.iter().map(|(path, sha256)| format!("{sha256}  {path}")).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn retire(args: &Retire, app: &App) -> Result<ExitCode> {
    let (hub, by) = (app.hub()?, operator::name(app.hub()?, None)?);
    let sha256 = retire::retire(hub, &args.path, &args.reason, &by)?;
    let document = json!({"path": args.path, "sha256": sha256, "reason": args.reason, "by": by});
    app.result(&document, || format!("Retired {}", text::safe(&args.path)));
    Ok(ExitCode::SUCCESS)
}

fn check(args: Verify, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    // What a killed command had acknowledged is completed first: git has none of it.
    if writer::is_interrupted(hub) {
        drop(hub.lock("complete an interrupted command")?);
    }
    let progress = app.progress("Hashing the receipts");
    let mut report = verify::verify(&hub.root, args.all)?;
    drop(progress);
    let found = report.findings.len();
    report.findings = capped::per_code(report.findings);
    app.result(&report, || report.findings.iter().map(findings::line).collect::<Vec<_>>().join("\n"));
    let own = if args.all { format!(", {} with their own hash", report.sealed) } else { String::new() };
    app.say(format!(
        "{} in the ledger{own}; {}",
        crate::base::text::counted(report.entries, "receipt"),
        crate::base::text::counted(found, "finding")
    ));
    Ok(ExitCode::from(if report.findings.is_empty() { Exit::Done } else { Exit::Refused } as u8))
}
