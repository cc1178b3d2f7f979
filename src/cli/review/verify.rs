//! `teof verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use git2::Repository;
use serde::Serialize;

use crate::base::{Exit, Refusal, Result, env, files, json, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::{Meaning, paint};
use crate::hub::git::libgit2;
use crate::hub::{Hub, Worktree};
use crate::model::run::job_name::short;
use crate::review::verify::document::{AgentUse, Evidence, Outcome, Role, Verified};
use crate::review::verify::{self, record_commit, statement};

/// Verify which order, agents, checks and person made a commit
///
/// Reads only this repository, offline, and writes nothing; a fresh clone with the record is enough. Checks that order, envelope, bundle,
/// decision, log and ledger are unchanged, agree, and still have every line that they had when the commit was made.
/// Exit code 1 when a check failed, 4 when no job made the commit; in a range, such commits only count with
/// --require.
///
/// With --json: {ok, commits: [{commit, subject, role, ok, evidence, checks}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof verify HEAD\n\
\x20 teof verify HEAD~1..HEAD             # every commit of a range\n\
\x20 teof verify HEAD --statement         # as an in-toto Statement")]
pub struct Args {
    /// A commit, or a range such as origin/main..HEAD
    #[arg(default_value = "HEAD", value_name = "COMMIT")]
    commit: String,
    /// Fail also for commits that no job made
    #[arg(long)]
    require: bool,
    /// Accept work that no person has approved yet, as in a pull request
    #[arg(long)]
    unapproved: bool,
    /// Fail also where something cannot be checked here
    #[arg(long)]
    strict: bool,
    /// Print an in-toto Statement (v1) about the commit
    #[arg(long, conflicts_with_all = ["against", "format"])]
    statement: bool,
    /// Check that a file has the in-toto Statement of the commit
    #[arg(long, value_name = "FILE", help_heading = MORE)]
    against: Option<PathBuf>,
    /// Where the record is [default: the record's branch, here or at a remote; where there is none, HEAD, then others]
    #[arg(long, value_name = "REF", help_heading = MORE)]
    record: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Words::Human, help_heading = MORE)]
    format: Words,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Words {
    Human,
    /// Annotations of GitHub Actions
    Github,
}

/// What `teof verify --json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Document {
    /// Whether every commit is as it was asked for.
    ok: bool,
    /// Oldest first.
    commits: Vec<Verified>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let start = app.global.root.clone().or_else(|| env::var(env::ROOT).map(PathBuf::from));
    let start = start.as_deref().unwrap_or(Path::new("."));
    let repo = open(start)?;
    // Merges are made to compare them, and a clone may be read-only.
    libgit2::keep_new_objects_in_memory(&repo)?;
    let hub = Hub::find(Some(start), app.clock).ok();
    let commits = verify::commits(&repo, &args.commit)?;
    let is_range = args.commit.contains("..");
    let progress = app.progress("Reading the record");
    let mut found = Vec::new();
    let records = verify::Records::find(&repo, args.record.as_deref(), hub.as_ref())?;
    let tip = commits.last().copied();
    for commit in commits {
        found.push(verify::verify(&repo, commit, tip.unwrap_or(commit), &records)?);
    }
    drop(progress);
    let problems: Vec<_> = found.iter().map(|one| problem(one, &args, is_range)).collect();
    if args.statement || args.against.is_some() {
        let [one] = &found[..] else { return Err(one_commit().into()) };
        return stated(&args, app, (one, problems.into_iter().next().flatten()));
    }
    let no_job = !is_range && found.iter().all(|one| matches!(one.role, Role::NoJob | Role::Record) && one.ok);
    let document = Document { ok: problems.iter().all(Option::is_none), commits: found };
    if args.format == Words::Github && !app.json() {
        let lines = document
            .commits
            .iter()
            .zip(&problems)
            .filter_map(|(one, problem)| Some(annotation(one, problem.as_deref()?)));
        lines.for_each(|line| app.out(line));
    } else {
        let shown = document.commits.iter().zip(&problems);
        app.result(&document, || {
            shown.map(|(one, problem)| show(one, problem.as_deref(), is_range)).collect::<Vec<_>>().join("\n")
        });
    }
    if is_range {
        let jobs = document.commits.iter().filter(|one| one.evidence.is_some()).count();
        let failed = problems.iter().flatten().count();
        app.say(format!(
            "verify: {}, {jobs} made by jobs, {failed} failed",
            text::counted(document.commits.len(), "commit")
        ));
    }
    let exit = match (document.ok, no_job) {
        (_, true) => Exit::NotFound,
        (true, _) => Exit::Done,
        (false, _) => Exit::Refused,
    };
    Ok(ExitCode::from(exit as u8))
}

/// The repository of a folder: of a worktree as it is there, or a bare one.
fn open(start: &Path) -> Result<Repository> {
    match Worktree::containing(start) {
        Ok(worktree) => Ok(Repository::open(&worktree.git_dir)?),
        Err(e) => Repository::open_bare(start).map_err(|_| e),
    }
}

/// Why a commit is not as it was asked for.
fn problem(one: &Verified, args: &Args, is_range: bool) -> Option<String> {
    let failed = one.checks.iter().find(|check| check.outcome == Outcome::Failed);
    if let Some(check) = failed {
        return Some(format!("{}: {}", check.name, check.message));
    }
    match one.role {
        Role::NoJob if args.require || !is_range => return Some("no job made it".to_owned()),
        Role::Record if args.require => {
            let consent = one.checks.iter().find(|check| check.name == record_commit::CONSENT);
            let consent = consent.filter(|check| check.outcome == Outcome::Unchecked);
            return consent.map(|check| format!("{}: {}", check.name, check.message));
        }
        Role::NoJob | Role::Record => return None,
        Role::Offered if !args.unapproved && !is_approved(one) => {
            let why = one.checks.iter().find(|check| check.name == "decision").map(|check| check.message.as_str());
            let why = why.unwrap_or("no person has approved it yet");
            return Some(format!("{why} (accept that: --unapproved)"));
        }
        Role::Offered | Role::Delivered | Role::Revert => {}
    }
    let unchecked = one.checks.iter().find(|check| check.outcome == Outcome::Unchecked);
    unchecked.filter(|_| args.strict).map(|check| format!("cannot check {}: {}", check.name, check.message))
}

/// Whether a commit of a job's branch was delivered in another commit.
fn is_approved(one: &Verified) -> bool {
    one.checks.iter().any(|check| check.name == "decision" && check.outcome == Outcome::Ok)
}

fn one_commit() -> Refusal {
    Refusal::usage("verify.one_commit", "a statement is about one commit").next("name it: teof verify HEAD --statement")
}

/// Prints the statement about a commit, or compares it with the one of a file. Nothing is stated of a commit that is not
/// as it was asked for.
fn stated(args: &Args, app: &App, (one, problem): (&Verified, Option<String>)) -> Result<ExitCode> {
    let made = statement::of(one)?;
    if let Some(why) = problem {
        let commit = &one.commit;
        return Err(Refusal::guard("verify.no_statement", format!("there is nothing to state about {commit}"))
            .because(why)
            .next(format!("see what was found: teof verify {commit}"))
            .into());
    }
    let Some(path) = &args.against else {
        app.out(json::printable(json::pretty(&made)));
        return Ok(ExitCode::SUCCESS);
    };
    let shown = text::safe(&path.display().to_string());
    let bytes = files::read(path, files::MAX_DOCUMENT)?
        .ok_or_else(|| Refusal::not_found("verify.no_file", format!("no file {shown}")).next("teof verify --help"))?;
    let given = serde_json::from_slice(&bytes).map_err(|e| {
        Refusal::guard("verify.statement", format!("{shown} is not an in-toto Statement"))
            .because(e.to_string())
            .next("make one: teof verify HEAD --statement > statement.json")
    })?;
    match statement::difference(&given, &made) {
        None => {
            app.out(format!("Verified {shown}: it is the statement of {}", one.commit));
            Ok(ExitCode::SUCCESS)
        }
        Some(why) => Err(Refusal::guard("verify.statement", format!("{shown} is not the statement of {}", one.commit))
            .because(why)
            .next(format!("print the right one: teof verify {} --statement", one.commit))
            .into()),
    }
}

fn annotation(one: &Verified, problem: &str) -> String {
    let line = format!("{} {}: {problem}", &one.commit[..12], one.subject);
    let escaped = text::safe(&line).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    format!("::error title=teof verify::{escaped}")
}

fn show(one: &Verified, problem: Option<&str>, is_brief: bool) -> String {
    let id = &one.commit[..12];
    let word = match (problem, one.role) {
        (Some(_), _) if one.role == Role::NoJob => paint(Meaning::Attention, "No job  "),
        (Some(_), _) => paint(Meaning::Bad, "FAILED  "),
        (None, Role::NoJob) => "No job  ".to_owned(),
        (None, Role::Record) => "Record  ".to_owned(),
        (None, _) => paint(Meaning::Good, "Verified"),
    };
    let job = one.evidence.as_ref().map(|found| format!(" ({})", text::safe(&short(&found.job)))).unwrap_or_default();
    let mut lines = vec![format!("{word} {id} {}{job}", one.subject)];
    if !is_brief {
        lines.extend(one.evidence.iter().flat_map(evidence));
    }
    for check in &one.checks {
        let mark = match check.outcome {
            Outcome::Failed => "failed",
            Outcome::Unchecked if !is_brief => "not checked",
            _ => continue,
        };
        lines.push(format!("  {mark}: {}: {}", check.name, check.message));
    }
    let told = problem.filter(|_| one.checks.iter().all(|check| check.outcome != Outcome::Failed));
    lines.extend(told.map(|why| format!("  failed: {why}")));
    lines.join("\n")
}

fn evidence(found: &Evidence) -> Vec<String> {
    let line = |name: &str, value: String| format!("  {name:<9} {}", text::safe(&value));
    let mut lines = Vec::new();
    lines.extend(found.order.as_ref().map(|order| line("order", format!("{} {}", order.path, &order.sha256[..12]))));
    lines.push(line("base", found.base_commit.clone()));
    lines.push(line("reviewed", found.reviewed_commit.clone()));
    let mut agents: Vec<String> = Vec::new();
    for call in &found.agents {
        let said = said_of(call);
        if !agents.contains(&said) {
            agents.push(said);
        }
    }
    lines.extend((!agents.is_empty()).then(|| line("agents", agents.join(", "))));
    let passed = |of: &str| found.guards.iter().filter(|guard| guard.of == of && guard.passed).count();
    let tests = format!("{} passed on the result, {} on the merge", passed("tests"), passed("merge"));
    lines.push(line("tests", tests));
    if let Some(approval) = &found.approval {
        lines.push(line("approved", format!("by {} ({}) at {}", approval.by, approval.recognised, approval.at)));
    }
    if let Some(heads) = &found.heads {
        let covers = format!("{} events and {} receipts of then", heads.log.lines, heads.ledger.lines);
        let sealed = found.sealed_by.as_ref().map(|by| format!("; decision covered by {}", &by[..12]));
        lines.push(line("heads", covers + &sealed.unwrap_or_default()));
    }
    let record = found.record.commit.as_ref().map(|commit| format!(" at {}", &commit[..12]));
    lines
        .push(line("record", found.record.name.clone() + &record.unwrap_or_else(|| " (not committed yet)".to_owned())));
    lines
}

/// `coder claude:opus 2.1.0, prompt 1a2b…`
fn said_of(call: &AgentUse) -> String {
    let model = call.model.as_ref().map(|model| format!(":{model}")).unwrap_or_default();
    let version = call.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let prompt = call.prompt_sha256.get(..12).unwrap_or(&call.prompt_sha256);
    format!("{} {}{model}{version} (prompt {prompt})", call.stage, call.agent)
}
