//! `teof check`: every check that applies here, one line each, one exit code.
//!
//! Runs the checks of `doctor`, `scan`, `preflight full`, `bus verify`, `receipts verify` and `plan validate`; it adds
//! no rule of its own. `docs/checks.md` says which of them to use when.

use std::process::ExitCode;

use serde::Serialize;

use super::doctor;
use crate::base::{Exit, Refusal, Result, files, text};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::terminal::{Meaning, paint};
use crate::guard::operator;
use crate::guard::preflight::{self, Format, Tree};
use crate::guard::sentinels;
use crate::hub::Hub;
use crate::ops::record::verify as bus;
use crate::plans::{store, validate};
use crate::receipts::verify as receipts;

/// Check setup, record, receipts and plans in one go
///
/// Runs doctor, scan, preflight full, bus verify, receipts verify and plan validate, with one line for each. Exit
/// code 1 when one of them fails. The command in a failed line shows its findings again.
///
/// With --json: {ok, fixed, checks: [{name, ok, findings, command}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof check\n\
\x20 teof check --fix   # first fix what needs no decision")]
pub struct Args {
    /// First fix what needs no decision, as `teof doctor --fix` does
    #[arg(long)]
    fix: bool,
}

/// What `teof check --json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Document {
    ok: bool,
    /// What `--fix` fixed, a line each.
    fixed: Vec<String>,
    checks: Vec<Check>,
}

/// The result of one check.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Check {
    name: &'static str,
    ok: bool,
    /// A line each.
    findings: Vec<String>,
    /// Shows the same findings.
    command: &'static str,
}

/// Outside a repository, and where teof is not set up.
const NO_RECORD: [&str; 2] = ["repository.missing", "hub.not_initialised"];
/// How many findings of a check are listed; its own command shows all.
const LISTED: usize = 5;

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let fixed = match args.fix {
        true => {
            operator::run::refuse("fix the repository")?;
            crate::ops::doctor::fix(app.global.root.as_deref(), app.clock)?
        }
        false => Vec::new(),
    };
    fixed.iter().for_each(|line| app.say(line));
    let progress = app.progress("Checking the setup");
    let (found, is_sound) = doctor::found(app);
    progress.stage("Checking the record");
    let mut checks = vec![Check { name: "setup", ok: is_sound, findings: found, command: "teof doctor" }];
    match app.hub_to_read() {
        Ok(hub) => checks.extend(of_record(hub)),
        // Nothing can be checked here.
        Err(e) if Refusal::of(&e).is_some_and(|refusal| NO_RECORD.contains(&refusal.code)) => return Err(e),
        // Doctor has told what is wrong with the hub.
        Err(e) if Refusal::of(&e).is_some() => checks[0].ok = false,
        Err(e) => return Err(e),
    }
    drop(progress);
    let ok = checks.iter().all(|check| check.ok);
    let document = Document { ok, fixed, checks };
    app.result(&document, || render(&document.checks));
    Ok(ExitCode::from(if ok { Exit::Done } else { Exit::Refused } as u8))
}

fn of_record(hub: &Hub) -> Vec<Check> {
    let worktree = hub.worktree();
    let scan = sentinels::scan(hub).map(|found| {
        let high = found.iter().any(|finding| finding.severity == "high");
        (!high, found.iter().map(|found| format!("{}: {}", found.severity, findings::of_record(hub, found))).collect())
    });
    let rules = Tree::open(&worktree).and_then(|tree| preflight::full(&tree, None)).map(of_report);
    let log = bus::verify(hub, None).map(of_report);
    let receipts = receipts::verify(&hub.root, false).map(|report| {
        (report.findings.is_empty(), report.findings.iter().map(|found| findings::of_record(hub, found)).collect())
    });
    let plans = of_plans(hub);
    vec![
        check("scan", "teof scan", scan),
        check("rules of the record", "teof preflight full", rules),
        check("logs", "teof bus verify", log),
        check("receipts", "teof receipts verify", receipts),
        check("plans", "teof plan validate", Ok((plans.is_empty(), plans))),
    ]
}

/// A check that cannot run has failed, and says why.
fn check(name: &'static str, command: &'static str, result: Result<(bool, Vec<String>)>) -> Check {
    let (ok, findings) = result.unwrap_or_else(|e| (false, vec![format!("{e:#}")]));
    Check { name, ok, findings, command }
}

fn of_report(report: preflight::Report) -> (bool, Vec<String>) {
    let shown = report.show(Format::Human);
    (report.errors() == 0, shown.lines().map(str::to_owned).collect())
}

fn of_plans(hub: &Hub) -> Vec<String> {
    let check = |path: String| match hub.path(&path).and_then(|file| files::read(&file, files::MAX_DOCUMENT)) {
        Ok(Some(bytes)) => {
            validate::check(&path, &bytes, None).iter().map(|found| findings::of_record(hub, found)).collect()
        }
        Ok(None) => Vec::new(),
        Err(e) => vec![format!("{path}: {e:#}")],
    };
    store::paths(&hub.root).into_iter().flat_map(check).collect()
}

fn render(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let (word, found) = (if check.ok { "ok" } else { "FAILED" }, check.findings.len());
        let word = paint(if check.ok { Meaning::Good } else { Meaning::Bad }, format!("{word:<7}"));
        let more = match found {
            0 => String::new(),
            found => format!("{}: {}", text::counted(found, "finding"), check.command),
        };
        lines.push(format!("{word} {:<20} {more}", check.name).trim_end().to_owned());
        if !check.ok {
            lines.extend(check.findings.iter().take(LISTED).map(|line| format!("          {}", text::safe(line))));
        }
    }
    let failed = checks.iter().filter(|check| !check.ok).count();
    lines.push(match failed {
        0 => format!("all {} checks passed", checks.len()),
        failed => format!("{failed} of {} checks failed", checks.len()),
    });
    lines.join("\n")
}
