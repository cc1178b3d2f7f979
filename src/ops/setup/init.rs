//! Sets up a repository for teof without touching existing files.
//!
//! `init` writes one transaction, so a crash leaves no partial set-up; running it again changes nothing. In a
//! worktree that people use it commits only on request, and only its own files.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::{Clock, Refusal, Result, files, json, names};
use crate::hub::git::sparse;
use crate::hub::repository::attributes;
use crate::hub::settings::{edit, template};
use crate::hub::transaction::temporary;
use crate::hub::{Hub, Pin, Transaction, Worktree, paths, pin};
use crate::model::seat::{MANIFEST, variant};
use crate::seats::{known, manifest, pool, swap};

use super::{commit, dedicated};
use crate::ops::consent;

/// The folders of the record, each with a `.gitkeep` so that a fresh clone has them.
const FOLDERS: [&str; 6] =
    [paths::CLAIMS, paths::ASSIGNMENTS, paths::EVENTS_FOLDER, paths::MESSAGES, paths::PLANS, "_report"];

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Make this worktree the hub.
    pub hub: Option<PathBuf>,
    /// Create a separate worktree as the hub.
    pub dedicated: bool,
    /// The seat to create, unless it exists.
    pub agent: Option<String>,
    /// How many seats `worker-1`, `worker-2`, … to create, plus one for the manager; 0 creates none.
    pub workers: usize,
    /// Role to agent, for `teof.toml`.
    pub roles: Vec<(String, String)>,
    /// `[guard] tests` of `teof.toml`.
    pub tests: Vec<String>,
    /// `[worktrees] setup` of a new `teof.toml`.
    pub setup: Vec<String>,
    /// Commit only what was written. A dedicated record is always committed.
    pub commit: bool,
}

/// What `init` did.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    pub hub: PathBuf,
    pub branch: String,
    /// Relative to the hub.
    pub wrote: Vec<String>,
    /// Existing files that were kept.
    pub kept: Vec<String>,
    /// The commit of the set-up, if committed.
    pub commit: Option<String>,
    /// Notes for people.
    pub notes: Vec<String>,
}

/// Sets up the repository that contains `start` (else the current directory).
///
/// # Errors
/// Outside a repository; without a worktree for the record (bare, submodule, separate git directory); on a detached
/// HEAD; when a file blocks a folder.
pub fn init(start: Option<&Path>, clock: Clock, options: &Options) -> Result<Done> {
    if let Some(agent) = &options.agent {
        names::check_id("agent", agent)?;
    }
    if options.dedicated {
        let place = dedicated::make(start, clock)?;
        let mut done = set_up(&place.hub, options, place.target.as_deref())?;
        done.commit = dedicated::commit(&place.hub, &done.wrote)?;
        return Ok(done);
    }
    let hub = match &options.hub {
        Some(path) => named(start, path, clock)?,
        None => Hub::locate(start, clock)?,
    };
    let mut done = set_up(&hub, options, None)?;
    if options.commit {
        let committed = commit::commit(&hub, &done.wrote)?;
        done.commit = committed.commit;
        done.notes.extend(committed.notes);
    }
    Ok(done)
}

/// A new `teof.toml`: target, tests and set-up active, the rest as comments, and the roles.
fn settings(options: &Options, target: Option<&str>) -> Result<String> {
    let list = |commands: &[String]| toml::Value::from(commands.to_vec()).to_string();
    let target = target.map(|branch| toml::Value::from(branch).to_string()).unwrap_or_default();
    let (tests, setup) = (list(&options.tests), list(&options.setup));
    let mut set = vec![("git", "target", target.as_str()), ("guard", "tests", &tests), ("worktrees", "setup", &setup)];
    set.retain(|(_, _, value)| !["", "[]"].contains(value));
    let mut text = template::template(&set)?;
    for (role, agent) in &options.roles {
        text.push_str(&format!("\n[roles.{role}]\nagent = {}\n", toml::Value::from(agent.as_str())));
    }
    Ok(text)
}

/// The worktree that `--hub` names, pinned.
fn named(start: Option<&Path>, path: &Path, clock: Clock) -> Result<Hub> {
    let hub = Worktree::containing(path)?;
    if hub.root == hub.git_dir {
        return Err(Refusal::guard(
            "hub.no_worktree",
            format!("{} is a git directory, not a worktree", path.display()),
        )
        .because("the record needs a worktree")
        .next(format!("create one: git -C {} worktree add <path> <branch>", path.display()))
        .next("or let teof create one: teof init --dedicated")
        .into());
    }
    if let Some(start) = start
        && Worktree::containing(start)?.common_dir != hub.common_dir
    {
        return Err(Refusal::guard("hub.foreign", format!("{} belongs to another repository", path.display()))
            .because("the hub must be a worktree of this repository")
            .next("choose a worktree of this repository: git worktree list")
            .into());
    }
    let Some(branch) = hub.branch() else {
        return Err(pin::on_no_branch(&hub).into());
    };
    // Create the folders first: a pin to a worktree without them would only move the error.
    let found = Hub::of_worktree(hub.clone(), clock);
    check_folders(&found)?;
    sparse::check(&found.worktree())?;
    check_record(&found)?;
    Pin { path: hub.root.clone(), branch }.write(&hub.common_dir)?;
    Hub::locate(Some(&hub.root), clock)
}

/// Refuses to move the hub to a worktree that lacks part of the record.
fn check_record(new: &Hub) -> Result<()> {
    let Ok(Some(pin)) = Pin::read(&new.common_dir) else { return Ok(()) };
    if pin.path == new.root || pin.worktree(&new.worktree()).is_err() {
        return Ok(());
    }
    new.check_record().map_err(|e| {
        Refusal::guard("hub.behind", format!("{} lacks part of the record", new.root.display()))
            .because(format!("{e:#}; the current hub is {}", pin.path.display()))
            .next(format!("keep the hub, or commit the record (teof bus commit) and merge {} here first", pin.branch))
            .into()
    })
}

/// The paths that [`init`] would write where a record exists, relative to the hub. Writes nothing.
///
/// # Errors
/// As [`init`].
pub fn missing(start: Option<&Path>, clock: Clock, options: &Options) -> Result<Vec<String>> {
    Ok(planned(&Hub::locate(start, clock)?, options, None)?.wrote)
}

/// Writes missing files in one transaction under the bus lock; taking the lock pins the hub.
fn set_up(hub: &Hub, options: &Options, target: Option<&str>) -> Result<Done> {
    check_folders(hub)?;
    sparse::check(&hub.worktree())?;
    let mut writer = hub.lock("init")?;
    let Plan { transaction, wrote, kept, .. } = planned(hub, options, target)?;
    if !transaction.is_empty() {
        writer.commit(transaction)?;
    }
    temporary::hide(&hub.common_dir)?;
    let branch = hub.worktree().branch().unwrap_or_default();
    let mut notes: Vec<_> = crate::ops::doctor::attributes::filter(hub)?.map(|note| note.message).into_iter().collect();
    notes.extend(not_written(hub, options)?);
    Ok(Done { hub: hub.root.clone(), branch, wrote, kept, commit: None, notes })
}

/// The files that are missing.
fn planned<'h>(hub: &'h Hub, options: &Options, target: Option<&str>) -> Result<Plan<'h>> {
    let mut plan = Plan { hub, transaction: Transaction::new("init"), wrote: Vec::new(), kept: Vec::new() };
    for folder in FOLDERS {
        plan.folder(folder)?;
    }
    plan.attributes()?;
    plan.file(paths::CONSENT, consent::new_file)?;
    let settings = settings(options, target)?;
    match changed(hub, options)? {
        Some(text) => plan.write(paths::SETTINGS, text),
        None => plan.file(paths::SETTINGS, || settings)?,
    }
    match (&options.agent, options.workers) {
        (None, workers) if workers > 0 => plan.workers(workers)?,
        (agent, workers) => {
            plan.seat(agent.as_deref())?;
            plan.workers(workers)?;
        }
    }
    Ok(plan)
}

/// The text of the `teof.toml` that is there, if any.
fn settings_text(hub: &Hub) -> Result<Option<String>> {
    let bytes = files::read(&hub.path(paths::SETTINGS)?, files::MAX_DOCUMENT)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// The wanted settings: section, key, value.
fn wanted(options: &Options) -> impl Iterator<Item = (String, &'static str, toml::Value)> {
    let tests = (!options.tests.is_empty()).then(|| options.tests.clone());
    let tests = tests.map(|tests| ("guard".to_owned(), "tests", toml::Value::from(tests)));
    let role = |(role, agent): &(String, String)| (format!("roles.{role}"), "agent", toml::Value::from(agent.as_str()));
    options.roles.iter().map(role).chain(tests)
}

/// The `teof.toml` that is there with the wanted settings; `None` when none is there or nothing changes.
fn changed(hub: &Hub, options: &Options) -> Result<Option<String>> {
    let Some(mut text) = settings_text(hub)? else { return Ok(None) };
    let before = text.clone();
    for (section, key, value) in wanted(options) {
        text = edit::set(&text, &section, key, &value).unwrap_or(text);
    }
    Ok((text != before).then_some(text))
}

/// The wanted settings that could not be written into `teof.toml`.
fn not_written(hub: &Hub, options: &Options) -> Result<Option<String>> {
    let there: toml::Table = settings_text(hub)?.and_then(|text| text.parse().ok()).unwrap_or_default();
    let value = |section: &str, key: &str| {
        let table = section.split('.').try_fold(&there, |table, part| table.get(part)?.as_table())?;
        table.get(key).cloned()
    };
    let other = wanted(options).filter(|(section, key, wanted)| value(section, key).as_ref() != Some(wanted));
    let other: Vec<_> = other.map(|(section, key, wanted)| format!("{key} = {wanted} under [{section}]")).collect();
    let file = hub.shown(paths::SETTINGS);
    Ok((!other.is_empty())
        .then(|| format!("{file} is written in a way that init does not change; set there: {}", other.join("; "))))
}

/// Refuses when a file exists in place of a record folder.
fn check_folders(hub: &Hub) -> Result<()> {
    for folder in FOLDERS {
        let inside = hub.path(&format!("{folder}/.gitkeep"))?;
        for part in inside.ancestors().skip(1).take_while(|part| *part != hub.root) {
            if part.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
                return Err(Refusal::guard("hub.folder", format!("{} is not a folder", part.display()))
                    .because(format!("{folder} is a folder of the record"))
                    .next("move it away, then run init again")
                    .into());
            }
        }
    }
    Ok(())
}

/// The files to write.
struct Plan<'h> {
    hub: &'h Hub,
    transaction: Transaction,
    wrote: Vec<String>,
    kept: Vec<String>,
}

impl Plan<'_> {
    fn write(&mut self, path: &str, text: String) {
        self.transaction.replace(path, text);
        self.wrote.push(path.to_owned());
    }

    fn folder(&mut self, folder: &str) -> Result<()> {
        let path = self.hub.path(&format!("{folder}/.gitkeep"))?;
        let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok());
        match entries.is_some_and(|mut entries| entries.next().is_some()) {
            true => self.kept.push(folder.to_owned()),
            false => self.write(&format!("{folder}/.gitkeep"), String::new()),
        }
        Ok(())
    }

    fn file(&mut self, path: &str, text: impl FnOnce() -> String) -> Result<()> {
        match self.hub.path(path)?.symlink_metadata() {
            Ok(_) => self.kept.push(path.to_owned()),
            Err(_) => self.write(path, text()),
        }
        Ok(())
    }

    /// Adds missing lines; the rest of each file stays byte for byte.
    fn attributes(&mut self) -> Result<()> {
        let changed = attributes::stage(self.hub, &mut self.transaction, false)?;
        let kept = attributes::wanted().into_iter().map(|wanted| wanted.path).filter(|path| !changed.contains(path));
        self.kept.extend(kept);
        self.wrote.extend(changed);
        Ok(())
    }

    /// Adds seats for unattended work and the manager's seat; none becomes the current seat.
    fn workers(&mut self, workers: usize) -> Result<()> {
        let seats = manifest::all(self.hub)?;
        let manager = self.hub.settings()?.coordinator.manager.clone();
        let wanted = (1..=workers as u64).map(|n| (pool::made(n), "engineer"));
        for (agent, role) in wanted.chain((workers > 0).then_some((manager, "manager"))) {
            known::check_name(self.hub, &agent)?;
            match seats.iter().any(|seat| seat.agent() == agent) {
                true => self.kept.push(format!("seat {agent}")),
                false => self.write(&variant(&agent), json::pretty(&swap::template(&agent, &[role])) + "\n"),
            }
        }
        Ok(())
    }

    /// Adds a seat, unless one (of that name) exists.
    fn seat(&mut self, agent: Option<&str>) -> Result<()> {
        let seats = manifest::all(self.hub)?;
        let current = self.hub.path(MANIFEST)?.symlink_metadata().is_ok();
        let agent = match agent {
            Some(agent) => agent.to_owned(),
            None if !seats.is_empty() || current => {
                self.kept.push("seats".to_owned());
                return Ok(());
            }
            None => self.hub.settings()?.session.pool.first().cloned().unwrap_or_else(|| "codex-1".to_owned()),
        };
        if seats.iter().any(|seat| seat.agent() == agent) {
            self.kept.push(format!("seat {agent}"));
            return Ok(());
        }
        known::check_name(self.hub, &agent)?;
        let path = if current { variant(&agent) } else { MANIFEST.to_owned() };
        // A person sets it up, who may name the seat after its role.
        let role = if agent == "manager" { "manager" } else { swap::role(self.hub, &agent)? };
        self.write(&path, json::pretty(&swap::template(&agent, &[role])) + "\n");
        Ok(())
    }
}
