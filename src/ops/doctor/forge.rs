//! Checks for `doctor` whether results can be offered as pull requests, where a remote is there for them.

use std::process::Output;
use std::time::Duration;

use super::attributes::Problem;
use crate::base::{Result, text};
use crate::guard::trust::{self, remotes};
use crate::hub::Hub;
use crate::hub::git::{bounded_process, complaint, gh};

/// How long gh may take: what it is asked for needs no network.
const LIMIT: Duration = Duration::from_secs(10);
/// gh's exit code when it is not logged in.
const NO_LOGIN: i32 = 4;

/// Nothing without a remote at another machine, or where pull requests are off.
///
/// # Errors
/// When the settings or git's configuration cannot be read.
pub fn problems(hub: &Hub) -> Result<Option<Problem>> {
    let settings = hub.settings()?;
    if !settings.review.pull_requests || !is_elsewhere(hub, &settings.git.remote) || !remotes::are_trusted(hub)? {
        return Ok(None);
    }
    let (major, minor) = gh::OLDEST;
    if !gh::is_installed("gh") {
        let message = "results are not offered as pull requests: gh is not installed".to_owned();
        let fix = format!("install gh {major}.{minor} or later, then: gh auth login; or {OFF}");
        return Ok(Some(note("gh.missing", message, fix)));
    }
    let printed = ask(hub, &["--version"])?;
    let shown = String::from_utf8_lossy(&printed.stdout).into_owned();
    if gh::version(&shown).is_some_and(|found| found < gh::OLDEST) {
        let message = format!("{} is too old for pull requests", text::safe(shown.lines().next().unwrap_or_default()));
        let fix = format!("install gh {major}.{minor} or later; or {OFF}");
        return Ok(Some(Problem { code: "gh.old", message, fix, note: false }));
    }
    // Prints the address of the repository: whether somebody is logged in at the remote's host is known without asking
    // it.
    let answer = ask(hub, &["browse", "--no-browser"])?;
    Ok(match answer.status.code() {
        Some(0) => None,
        Some(NO_LOGIN) => {
            let message = "results are not offered as pull requests: gh is not logged in".to_owned();
            Some(note("gh.no_login", message, format!("gh auth login; or {OFF}")))
        }
        _ => {
            let message = format!("results are not offered as pull requests: {}", complaint(&answer));
            Some(note("gh.remote", message, format!("gh auth login --hostname HOST; or {OFF}")))
        }
    })
}

/// How to do without.
const OFF: &str = "in teof.toml: [review] pull_requests = false";

fn note(code: &'static str, message: String, fix: String) -> Problem {
    Problem { code, message, fix, note: true }
}

/// Whether the remote is at another machine, and not a folder here.
fn is_elsewhere(hub: &Hub, remote: &str) -> bool {
    let url = hub.git().run(&["remote", "get-url", remote]).unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, _)) => scheme != "file",
        // As git tells `host:path` from a folder.
        None => url.split_once(':').is_some_and(|(host, _)| !host.contains('/')),
    }
}

fn ask(hub: &Hub, args: &[&str]) -> Result<Output> {
    let mut command = gh::command(trust::git(hub, &hub.root)?, &hub.root, &hub.settings()?.git.remote)?;
    bounded_process::run(command.args(args), "gh", LIMIT, &|| ())
}
