//! `teof bus commit`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::hub::repository::locks::{self, Lock};
use crate::ops::record::{self, Recorded};

/// Commit the record (_bus, _plans, _report) and nothing else
///
/// Use it to share the record through git. Other staged or changed files stay as they are, and hooks do not
/// run. Nothing is committed, and one line says why, during a merge, rebase, cherry-pick or bisect, on a
/// detached HEAD, on another branch than the record's, while another git process has the index locked, and
/// while a git command that will move the branch runs in the hub.
///
/// Files are committed as they are on disk: without filters and line-ending conversion, even when an ignore
/// rule such as `*.jsonl` matches them. If a whole owned folder is ignored, nothing is committed and the rule
/// is named.
///
/// With --json: {outcome: committed|clean|skipped, commit?, why?}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus commit")]
pub struct Args {}

pub fn run(_: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let (document, words) = match record::commit(hub)? {
        Recorded::Committed(commit) => {
            (json!({"outcome": "committed", "commit": commit}), format!("committed the record: {}", &commit[..12]))
        }
        Recorded::Clean => (json!({"outcome": "clean"}), "the record is committed already".to_owned()),
        // A lock that outlived every attempt, while no git command runs here that would give it back.
        Recorded::Skipped(why) => {
            let kept = why == record::KEPT_MOVING && record::obstacle(hub).is_none();
            let of_index = || Lock::at(hub.git_dir.join("index.lock")).filter(Lock::is_stale);
            if let Some(lock) = locks::blocking(hub).filter(|_| kept).or_else(of_index) {
                let refusal = Refusal::guard("git.locked", "the record is not committed: git is locked");
                let refusal = refusal.because(lock.describe());
                return Err(match lock.is_stale() {
                    true => refusal.next("remove it, then commit: teof doctor --fix; teof bus commit"),
                    false => refusal.next(locks::REMEDY).next("then commit the record: teof bus commit"),
                }
                .into());
            }
            if kept {
                return Err(Refusal::guard("record.not_committed", "the record is not committed")
                    .because("its branch moved at each attempt, or git cannot write there")
                    .next("see whether the disk has room: df -h .; then: teof bus commit")
                    .into());
            }
            (json!({"outcome": "skipped", "why": why}), format!("not now: {why}"))
        }
    };
    app.result(&document, || words);
    Ok(ExitCode::SUCCESS)
}
