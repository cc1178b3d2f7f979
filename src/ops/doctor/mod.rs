//! `doctor`: finds problems of a set-up and names a fix for each. [`examine`] changes nothing.

pub mod attributes;
pub(super) mod disk;
mod forge;
pub(super) mod repository;
pub mod room;
pub(super) mod setup;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::base::{Clock, Refusal, Result, Stamp, jsonl, lock, text, time};
use crate::guard::{consent, moved_target, trust};
use crate::hub::git::errors;
use crate::hub::transaction::temporary;
use crate::hub::{Hub, paths, pin};
use crate::model::event::EventView;
use crate::seats::{freshness, manifest};

use super::restore::behind;
use super::restore::sources::Sources;
use super::{record, request_folders};
use attributes::Problem;

/// The oldest supported git, which has `merge-tree --write-tree`.
const GIT: (u64, u64) = (2, 38);
/// How many of the last events are checked for times in the future.
const EVENTS: usize = 200;

/// One thing that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    pub code: String,
    pub message: String,
    /// How to fix it.
    #[serde(rename = "mend")]
    pub fix: String,
    /// Only information, not a problem.
    pub note: bool,
}

/// Examines the repository that contains `start`.
pub fn examine(start: Option<&Path>, clock: Clock) -> Vec<Diagnosis> {
    let mut report = Report(Vec::new());
    match Hub::locate(start, clock) {
        Err(e) => report.error(e),
        // Everything else would only follow from that; but on no branch, init is refused as well.
        Ok(hub) if let Some(e) = not_set_up(&hub) => match hub.worktree() {
            here if here.branch().is_none() => report.error(pin::on_no_branch(&here).into()),
            _ => report.error(e),
        },
        Ok(hub) => {
            let checks: &[fn(&Hub, &mut Report) -> Result<()>] = &[
                check_git,
                check_hub,
                check_settings,
                check_record,
                check_attributes,
                check_setup,
                check_repository,
                check_disk,
                check_locks,
                check_leftovers,
                check_sources,
                check_forge,
                check_targets,
                check_trust,
                check_seats_and_clock,
            ];
            for check in checks {
                if let Err(e) = check(&hub, &mut report) {
                    report.error(e);
                }
            }
        }
    }
    report.0
}

fn not_set_up(hub: &Hub) -> Option<anyhow::Error> {
    let error = hub.check_folders().err()?;
    Refusal::of(&error).is_some_and(|refusal| refusal.code == "hub.not_initialised").then_some(error)
}

/// Fixes what needs no decision; returns one line per fix.
///
/// # Errors
/// Outside a hub; as taking the bus lock.
pub fn fix(start: Option<&Path>, clock: Clock) -> Result<Vec<String>> {
    let hub = Hub::locate(start, clock)?;
    let mut done = setup::fix(&hub)?;
    done.extend(attributes::fix(&hub)?.into_iter().map(|path| format!("Added git attributes to {path}")));
    Ok(done)
}

struct Report(Vec<Diagnosis>);

impl Report {
    fn wrong(&mut self, code: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Diagnosis { code: code.into(), message: message.into(), fix: fix.into(), note: false });
    }

    fn note(&mut self, code: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Diagnosis { code: code.into(), message: message.into(), fix: fix.into(), note: true });
    }

    fn problems(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            match problem.note {
                true => self.note(problem.code, problem.message, problem.fix),
                false => self.wrong(problem.code, problem.message, problem.fix),
            }
        }
    }

    /// A check that failed to run is a finding, too. Each is listed once.
    fn error(&mut self, error: anyhow::Error) {
        let (code, message, fix) = match Refusal::of(&error).cloned().or_else(|| errors::explain(&error)) {
            Some(refusal) => {
                let why = refusal.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                (refusal.code, format!("{refusal}{why}"), refusal.next.join("; "))
            }
            None => ("fault", format!("{error:#}"), "this check failed to run".to_owned()),
        };
        if !self.0.iter().any(|trouble| trouble.code == code && trouble.message == message) {
            self.wrong(code, message, fix);
        }
    }
}

fn check_git(hub: &Hub, report: &mut Report) -> Result<()> {
    let output = hub.git().run(&["version"])?;
    let numbers: Vec<u64> = output.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    if (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(0)) < GIT {
        let message = format!("{} is too old; {}.{} or later is needed", text::safe(&output), GIT.0, GIT.1);
        report.wrong("git.old", message, "install a newer git");
    }
    // Fails with the reason when git does not trust the owner of the folder.
    hub.git().run(&["rev-parse", "--git-dir"])?;
    trust::remotes::require_git(hub, &hub.root).map(drop)
}

fn check_hub(hub: &Hub, report: &mut Report) -> Result<()> {
    if let Err(e) = hub.check_branch() {
        report.error(e);
    } else if hub.pin().is_none() && setup::not_a_folder(&hub.local("")).is_none() {
        report.note("hub.unpinned", format!("{} is not pinned as the hub yet", hub.root.display()), "teof init");
    }
    if let (Ok(()), Some(why)) = (hub.check_branch(), record::obstacle(hub)) {
        let fix = "finish that first; see it: git status";
        report.note("record.obstacle", format!("cannot commit the record now: {why}"), fix);
    }
    Hub::find(Some(&hub.here.root), hub.clock)?;
    // After changes were acknowledged, commands continue without a folder that a stash removed.
    let missing = hub.missing_folders();
    if !missing.is_empty() {
        let fix = "restore them from git (git status, git stash list), or create them: teof init";
        report.wrong("hub.incomplete", format!("missing in the hub: {}", missing.join(", ")), fix);
    }
    Ok(())
}

fn check_settings(hub: &Hub, _: &mut Report) -> Result<()> {
    hub.settings().map(drop)
}

fn check_record(hub: &Hub, report: &mut Report) -> Result<()> {
    hub.behind().map_or(Ok(()), Err)?;
    hub.check_record()?;
    // Only the first one: "bus verify" lists all.
    let lost = behind::findings(hub, &Sources::of(hub)?)?;
    if let Some(first) = lost.first() {
        let more = if lost.len() > 1 { format!(", and {} more", lost.len() - 1) } else { String::new() };
        report.wrong("record.behind", format!("{}{more}", first.message), "teof bus restore");
    }
    Ok(())
}

fn check_attributes(hub: &Hub, report: &mut Report) -> Result<()> {
    report.problems(attributes::problems(hub)?);
    Ok(())
}

fn check_repository(hub: &Hub, report: &mut Report) -> Result<()> {
    report.problems(repository::problems(hub)?);
    Ok(())
}

fn check_disk(hub: &Hub, report: &mut Report) -> Result<()> {
    report.problems(disk::problems(hub)?);
    Ok(())
}

fn check_setup(hub: &Hub, report: &mut Report) -> Result<()> {
    report.problems(setup::problems(hub)?);
    Ok(())
}

fn check_locks(hub: &Hub, report: &mut Report) -> Result<()> {
    let locks = fs::read_dir(hub.local("locks")).into_iter().flatten().flatten();
    for path in locks.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "lock")) {
        if lock::is_held(&path)? {
            let holder = lock::holder(&path).unwrap_or_else(|| "another process".to_owned());
            let message = format!("{} is held by {holder}", path.display());
            report.note("lock.held", message, "the lock ends with its process; stop that process if it hangs");
        }
    }
    let bus_is_free = !lock::is_held(&hub.local("locks/bus.lock"))?;
    if bus_is_free && record::is_own_index_lock_left(hub) {
        let message = "a record commit was killed and left git's index.lock";
        report.wrong("git.index_lock", message, "remove it with the next record commit: teof bus commit");
    }
    if bus_is_free && fs::metadata(hub.local("intents/current")).is_ok_and(|meta| meta.len() > 0) {
        let message = "a transaction was interrupted";
        report.note("intent.unfinished", message, "the next command that writes completes it");
    }
    Ok(())
}

fn check_leftovers(hub: &Hub, report: &mut Report) -> Result<()> {
    if lock::is_held(&hub.local("locks/bus.lock"))? {
        return Ok(());
    }
    for left in temporary::find(hub) {
        let message = format!("a killed command left {}", left.display());
        report.note("file.leftover", message, "remove it: teof doctor --fix");
    }
    if !temporary::are_hidden(&hub.common_dir) && hub.pin().is_some() {
        let message = "git would show temporary files of a killed command as untracked";
        report.note("git.exclude", message, "let git ignore them: teof doctor --fix");
    }
    Ok(())
}

fn check_sources(hub: &Hub, report: &mut Report) -> Result<()> {
    for folder in request_folders::misplaced(hub)? {
        report.wrong(folder.code, folder.message, folder.fix);
    }
    Ok(())
}

fn check_forge(hub: &Hub, report: &mut Report) -> Result<()> {
    report.problems(forge::problems(hub)?.into_iter().collect());
    Ok(())
}

fn check_targets(hub: &Hub, report: &mut Report) -> Result<()> {
    for moved in moved_target::standing(hub)? {
        let fix = "check the branch; to accept it as it is, as a person: teof coordinator reset-breaker";
        report.wrong(moved_target::SCAN_CODE, moved.describe(), fix);
    }
    Ok(())
}

fn check_trust(hub: &Hub, report: &mut Report) -> Result<()> {
    trust::read(hub)?;
    let standing = consent::standing(hub)?;
    let Some(doubt) = &standing.doubt else { return Ok(()) };
    match &standing.written {
        // `teof do` takes it for one job, and asks for it again.
        Some(_) if standing.only().is_some() => report.note(
            doubt.code(),
            format!("the consent that teof do took for single jobs has ended: {}", doubt.reason()),
            "nothing to do; teof do asks for it again",
        ),
        // Somebody enabled it, but the grant does not count.
        Some(written) if written.auto_enabled => report.wrong(
            doubt.code(),
            format!("{} has auto_enabled, but it is not valid: {}", paths::CONSENT, doubt.reason()),
            "grant it, as a person: teof consent grant",
        ),
        Some(_) => report.note(
            doubt.code(),
            "unattended work is not allowed here",
            "to allow it, as a person: teof consent grant --max-jobs 10",
        ),
        None if hub.path(paths::CONSENT)?.exists() => {
            let fix = format!("fix it by hand; see what changed in it: git log -p -3 -- {}", paths::CONSENT);
            report.wrong(doubt.code(), doubt.reason(), fix);
        }
        None => report.wrong(doubt.code(), doubt.reason(), "create it: teof init"),
    }
    Ok(())
}

fn check_seats_and_clock(hub: &Hub, report: &mut Report) -> Result<()> {
    for (_, seat) in manifest::scan(hub)? {
        match seat {
            Err(e) => report.error(e),
            Ok(Some(seat)) => {
                let at = freshness::captured_at(hub, seat.agent())?;
                report_future(hub, report, at, &format!("the session of {}", seat.agent()));
            }
            Ok(None) => {}
        }
    }
    let lines = jsonl::tail(&hub.path(paths::EVENTS)?, EVENTS)?;
    let latest = lines.iter().filter_map(|line| EventView::parse(line).ok()?.at()).max();
    report_future(hub, report, latest, "an event");
    Ok(())
}

fn report_future(hub: &Hub, report: &mut Report, at: Option<Stamp>, what: &str) {
    let now = hub.now();
    if let Some(at) = at.filter(|at| *at > now.plus(time::SKEW)) {
        let message = format!("{what} is dated {at}, {} ahead of this machine's clock", time::show_span(at.since(now)));
        report.wrong("clock.future", message, "correct the clock of this machine or of the machine that wrote it");
    }
}
