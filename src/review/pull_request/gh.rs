//! Calls `gh`, and git where it talks to a remote: with a time limit and without prompts.

use std::process::{Command, Output};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::base::{Refusal, Result, text};
use crate::guard::trust::{self, remotes};
use crate::hub::Hub;
use crate::hub::git::bounded_process;
use crate::hub::git::{complaint, gh};
use crate::hub::settings::Merge;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A pull request, found or made.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    pub number: u64,
    pub url: String,
}

/// A pull request in a listing by branch name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    found: Found,
    is_cross_repository: bool,
    head_ref_oid: String,
}

/// The current state of a pull request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `OPEN`, `MERGED` or `CLOSED`.
    pub state: String,
    #[serde(default)]
    pub is_draft: bool,
    #[serde(default)]
    pub head_ref_oid: String,
    #[serde(default)]
    pub base_ref_name: String,
    pub merge_commit: Option<Commit>,
    pub merged_by: Option<Login>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Commit {
    pub oid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Login {
    pub login: String,
}

/// The open pull request of a branch of this repository with `commit` as its head, or the one with the `known`
/// number. A fork's branch may have any name, and somebody else may use the branch now.
pub fn find(hub: &Hub, branch: &str, base: &str, commit: &str, known: u64) -> Result<Option<Found>> {
    let fields = "number,url,isCrossRepository,headRefOid";
    let args = ["pr", "list", "--head", branch, "--base", base, "--state", "open", "--json", fields, "--limit", "100"];
    let found: Vec<Listed> = document(&call(hub, &args)?)?;
    let is_ours = |listed: &Listed| {
        !listed.is_cross_repository && (listed.found.number == known || listed.head_ref_oid == commit)
    };
    Ok(found.into_iter().find(is_ours).map(|listed| listed.found))
}

/// Opens a draft for `commit`, the pushed tip of its branch.
pub fn create(hub: &Hub, branch: &str, base: &str, commit: &str, (title, body): (&str, &str)) -> Result<Found> {
    let file = tempfile_of(hub, body)?;
    let path = file.display().to_string();
    let args = ["pr", "create", "--draft", "--head", branch, "--base", base, "--title", title, "--body-file", &path];
    let made = call(hub, &args);
    let _ = std::fs::remove_file(&file);
    let url = made?.trim().lines().last().unwrap_or_default().trim().to_owned();
    let number = url.rsplit('/').next().and_then(|number| number.parse().ok());
    match number {
        Some(number) => Ok(Found { number, url }),
        // gh printed something other than the URL: look the pull request up.
        None => find(hub, branch, base, commit, 0)?
            .ok_or_else(|| failed("gh pr create", "gh did not print which pull request it opened".into())),
    }
}

/// Reads the state of a pull request.
pub fn view(hub: &Hub, number: u64) -> Result<Status> {
    let fields = "state,isDraft,mergedAt,mergeCommit,headRefOid,baseRefName,mergedBy";
    document(&call(hub, &["pr", "view", &number.to_string(), "--json", fields])?)
}

/// Merges a pull request whose head is still `commit`. `message` holds the paragraphs of the commit that merges or
/// squashes it; a rebase makes none.
pub fn merge(hub: &Hub, number: u64, draft: bool, commit: &str, message: &[String]) -> Result<()> {
    let methods = methods(hub)?;
    let number = number.to_string();
    if draft {
        call(hub, &["pr", "ready", &number])?;
    }
    let subject = message.first().map_or_else(String::new, |first| format!("{first} (#{number})"));
    let body = message.get(1..).unwrap_or_default().join("\n\n");
    let mut last = None;
    for method in &methods {
        let args = ["pr", "merge", &number, method, "--match-head-commit", commit];
        let said: &[&str] = if *method == "--rebase" { &[] } else { &["--subject", &subject, "--body", &body] };
        let args = [&args[..], said].concat();
        let Err(e) = call(hub, &args) else { return Ok(()) };
        let why = reason(&e).to_lowercase();
        if PROTECTED.iter().any(|words| why.contains(words)) {
            // GitHub merges it when its requirements are met.
            let Err(e) = call(hub, &[&args[..], &["--auto"]].concat()) else { return Ok(()) };
            last = Some(protected(&number, &e));
            break;
        }
        last = Some(e);
        if !why.contains("not allowed") {
            break;
        }
    }
    if draft {
        // Restore the draft state: nothing was merged.
        let _ = call(hub, &["pr", "ready", &number, "--undo"]);
    }
    Err(last.unwrap_or_else(|| failed("gh pr merge", "the repository allows no merge method".into())))
}

/// Has GitHub no longer merge a pull request by itself once its requirements are met ([`merge`] asks for that).
///
/// # Errors
/// `remote.*`; then it may still be merged.
pub fn do_not_merge(hub: &Hub, number: u64) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Queued {
        #[serde(default)]
        auto_merge_request: Option<serde_json::Value>,
    }
    let number = number.to_string();
    let disable = || call(hub, &["pr", "merge", &number, "--disable-auto"]).map(drop);
    match call(hub, &["pr", "view", &number, "--json", "autoMergeRequest"]) {
        Ok(printed) if document::<Queued>(&printed)?.auto_merge_request.is_none() => Ok(()),
        Ok(_) => disable(),
        // An older gh cannot say whether there is anything to switch off.
        Err(e) if reason(&e).contains("Unknown JSON field") => {
            let _ = disable().inspect_err(|e| tracing::debug!("auto-merge of pull request {number}: {e:#}"));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// The branch has more requirements, and GitHub cannot queue the merge.
fn protected(number: &str, error: &anyhow::Error) -> anyhow::Error {
    let why = reason(error);
    Refusal::guard("pr.protected", format!("cannot merge pull request {number} yet: its branch is protected"))
        .because(format!("checks or reviews are missing, and auto-merge is off: {why}"))
        .next(format!("see what is missing, complete it, then approve again: gh pr checks {number}"))
        .next("or let GitHub merge when they are complete: turn on \"Allow auto-merge\" in the repository's settings")
        .into()
}

/// What gh prints for a branch that requires more than this approval.
const PROTECTED: [&str; 4] = ["base branch policy", "protected branch", "required status check", "review is required"];

/// The merge methods to try, best first: the one of the settings, or those that the repository allows.
fn methods(hub: &Hub) -> Result<Vec<&'static str>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Allowed {
        squash_merge_allowed: bool,
        merge_commit_allowed: bool,
        rebase_merge_allowed: bool,
    }
    match hub.settings()?.review.pull_request_merge {
        Merge::Squash => return Ok(vec!["--squash"]),
        Merge::Merge => return Ok(vec!["--merge"]),
        Merge::Rebase => return Ok(vec!["--rebase"]),
        Merge::Auto => {}
    }
    let fields = "squashMergeAllowed,mergeCommitAllowed,rebaseMergeAllowed";
    let asked = call(hub, &["repo", "view", "--json", fields]);
    let Some(allowed) = asked.ok().and_then(|said| serde_json::from_str::<Allowed>(&said).ok()) else {
        return Ok(vec!["--merge", "--squash", "--rebase"]);
    };
    let known = [
        (allowed.squash_merge_allowed, "--squash"),
        (allowed.merge_commit_allowed, "--merge"),
        (allowed.rebase_merge_allowed, "--rebase"),
    ];
    Ok(known.into_iter().filter_map(|(allowed, method)| allowed.then_some(method)).collect())
}

/// Closes a pull request; its branch stays.
pub fn close(hub: &Hub, number: u64) -> Result<()> {
    call(hub, &["pr", "close", &number.to_string()]).map(drop)
}

/// Runs git commands that talk to a remote.
pub fn git(hub: &Hub, args: &[&str], what: &str) -> Result<String> {
    git_within(hub, args, what, LIMIT)
}

/// Like [`git`], for longer operations.
pub fn git_within(hub: &Hub, args: &[&str], what: &str, limit: Duration) -> Result<String> {
    let git = remotes::require_git(hub, &hub.root)?;
    answer(what, &bounded_process::run(git.command().args(args), what, limit, &|| ())?)
}

/// Runs gh, and returns what it printed.
///
/// # Errors
/// `remote.*`, with gh's output.
pub fn call(hub: &Hub, args: &[&str]) -> Result<String> {
    let (mut command, what) = command(hub, args)?;
    answer(&what, &bounded_process::run(&mut command, &what, LIMIT, &|| ())?)
}

/// Asks GitHub's API about the repository; `path` is below it. gh's own `{owner}/{repo}` would be those of the first
/// remote.
///
/// # Errors
/// `remote.*`, with gh's output.
pub fn api(hub: &Hub, path: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Repository {
        url: String,
    }
    let Repository { url } = document(&call(hub, &["repo", "view", "--json", "url"])?)?;
    let parts: Vec<&str> = url.trim_end_matches('/').rsplitn(4, '/').collect();
    let [name, owner, host, _] = parts[..] else {
        return Err(failed("gh repo view", format!("unexpected address: {}", text::clip(&text::safe(&url), 120))));
    };
    call(hub, &["api", "--hostname", host, &format!("repos/{owner}/{name}/{path}")])
}

/// Like [`call`], for a log: of a long output only the end.
pub fn call_for_end(hub: &Hub, args: &[&str]) -> Result<String> {
    let (mut command, what) = command(hub, args)?;
    answer(&what, &bounded_process::run_for_end(&mut command, &what, LIMIT)?)
}

fn command(hub: &Hub, args: &[&str]) -> Result<(Command, String)> {
    let what = format!("gh {}", args.get(..2).unwrap_or_default().join(" "));
    // gh calls git itself, and finds the repository by its remotes.
    remotes::require(hub)?;
    let mut command = gh::command(trust::git(hub, &hub.root)?, &hub.root, &hub.settings()?.git.remote)?;
    command.args(args);
    Ok((command, what))
}

fn answer(what: &str, output: &Output) -> Result<String> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(what, complaint(output))),
    }
}

/// What gh or git complained of.
fn reason(error: &anyhow::Error) -> String {
    Refusal::of(error).and_then(|refusal| refusal.reason.clone()).unwrap_or_default()
}

fn failed(what: &str, why: String) -> anyhow::Error {
    Refusal::guard("remote.failed", format!("{what} failed"))
        .because(why)
        .next("check whether it works by hand: gh auth status; git fetch")
        .into()
}

pub fn document<T: DeserializeOwned>(printed: &str) -> Result<T> {
    serde_json::from_str(printed).map_err(|e| failed("gh", format!("unexpected output: {e}")))
}

/// The body as a file: it may be too long for an argument.
fn tempfile_of(hub: &Hub, body: &str) -> Result<std::path::PathBuf> {
    let path = hub.local(&format!("review/body-{}.md", std::process::id()));
    crate::base::files::create_parent(&path)?;
    crate::base::files::replace(&path, text::clip(body, 60_000).as_bytes())?;
    Ok(path)
}
