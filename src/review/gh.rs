//! Calls of `gh`, and of git where it talks to a remote: bounded in time, never asking anything.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::base::{Refusal, Result, env, text};
use crate::guard::trust;
use crate::hub::Hub;
use crate::hub::bounded_process;
use crate::hub::git::complaint;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A pull request, found or made.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    pub number: u64,
    pub url: String,
}

/// One of those that a branch name has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    found: Found,
    is_cross_repository: bool,
    head_ref_oid: String,
}

/// A pull request as it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
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

/// Whether `gh` is on the search path.
pub fn is_there() -> bool {
    let path = env::safe_path().unwrap_or_default();
    path.split(':').any(|folder| !folder.is_empty() && Path::new(folder).join("gh").is_file())
}

/// The open pull request of a branch of this repository with `commit` as its head, or the one that is `known`
/// to be ours. A fork's branch may have any name, and a branch may be somebody else's by now.
pub fn find(hub: &Hub, branch: &str, base: &str, commit: &str, known: u64) -> Result<Option<Found>> {
    let fields = "number,url,isCrossRepository,headRefOid";
    let args = ["pr", "list", "--head", branch, "--base", base, "--state", "open", "--json", fields, "--limit", "100"];
    let found: Vec<Listed> = document(&call(hub, &args)?)?;
    let is_ours = |listed: &Listed| {
        !listed.is_cross_repository && (listed.found.number == known || listed.head_ref_oid == commit)
    };
    Ok(found.into_iter().find(is_ours).map(|listed| listed.found))
}

/// Opens a draft for `commit`, which its branch was pushed at.
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
        // It said something else than the address: then it is asked for.
        None => find(hub, branch, base, commit, 0)?
            .ok_or_else(|| failed("gh pr create", "it did not say which one it opened".into())),
    }
}

/// How a pull request stands.
pub fn view(hub: &Hub, number: u64) -> Result<Seen> {
    let fields = "state,isDraft,mergedAt,mergeCommit,headRefOid,baseRefName,mergedBy";
    document(&call(hub, &["pr", "view", &number.to_string(), "--json", fields])?)
}

/// Merges a pull request whose head is still `commit`.
pub fn merge(hub: &Hub, number: u64, draft: bool, commit: &str) -> Result<()> {
    let number = number.to_string();
    if draft {
        call(hub, &["pr", "ready", &number])?;
    }
    call(hub, &["pr", "merge", &number, "--merge", "--match-head-commit", commit]).map(drop)
}

/// Closes a pull request; its branch stays.
pub fn close(hub: &Hub, number: u64) -> Result<()> {
    call(hub, &["pr", "close", &number.to_string()]).map(drop)
}

/// Git, where it talks to a remote.
pub fn git(hub: &Hub, args: &[&str], what: &str) -> Result<String> {
    let git = trust::require_git(hub, &hub.root)?;
    answer(what, &bounded_process::run(git.command().args(args), what, LIMIT, &|| ())?)
}

fn call(hub: &Hub, args: &[&str]) -> Result<String> {
    let what = format!("gh {}", args.get(..2).unwrap_or_default().join(" "));
    let mut command = Command::new("gh");
    // It calls git on its own.
    trust::git(hub, &hub.root)?.guard(&mut command)?;
    command
        .args(args)
        .current_dir(&hub.root)
        .env("GH_PROMPT_DISABLED", "1")
        .env("GH_NO_UPDATE_NOTIFIER", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("NO_COLOR", "1");
    answer(&what, &bounded_process::run(&mut command, &what, LIMIT, &|| ())?)
}

fn answer(what: &str, output: &Output) -> Result<String> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(what, complaint(output))),
    }
}

fn failed(what: &str, why: String) -> anyhow::Error {
    Refusal::guard("remote.failed", format!("{what} failed"))
        .because(why)
        .next("see whether it works by hand: gh auth status; git fetch")
        .into()
}

fn document<T: DeserializeOwned>(printed: &str) -> Result<T> {
    serde_json::from_str(printed).map_err(|e| failed("gh", format!("its answer is not what was asked for: {e}")))
}

/// The body as a file: it may be long, and is nobody's argument.
fn tempfile_of(hub: &Hub, body: &str) -> Result<std::path::PathBuf> {
    let path = hub.local(&format!("review/body-{}.md", std::process::id()));
    crate::base::files::create_parent(&path)?;
    crate::base::files::replace(&path, text::clip(body, 60_000).as_bytes())?;
    Ok(path)
}
