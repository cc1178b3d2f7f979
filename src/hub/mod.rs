//! Where things are: the hub's root and pin, paths, git, settings, marks; and the one way to change the record.
//!
//! Knows files and locks, not what a claim or a plan means (marks look at a claim's epoch, nothing else).

pub mod format;
pub mod git;
pub mod locate;
pub mod output;
pub mod partial;
pub mod paths;
pub mod pin;
pub mod rule_files;
pub mod settings;
pub mod transaction;
pub mod watch;
pub mod worktrees;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use git::tracked::Tracked;
pub use locate::Worktree;
pub use pin::Pin;
pub use settings::Settings;
pub use transaction::Act;
pub use transaction::requests::Request;
pub use transaction::watermarks::Marks;
pub use transaction::writer::{Repair, Writer};

use crate::base::{Clock, Refusal, Result, Stamp, digest, env, files};

/// The worktree whose `_bus/`, `_plans/`, `_report/` are the record of a repository.
#[derive(Debug)]
pub struct Hub {
    /// The hub's root, canonical.
    pub root: PathBuf,
    /// The hub's own git directory.
    pub git_dir: PathBuf,
    /// The git directory that all worktrees of the repository share.
    pub common_dir: PathBuf,
    /// The worktree in which the command was called: the hub itself, or another.
    pub here: Worktree,
    pub clock: Clock,
    pin: Option<Pin>,
    settings: OnceLock<Settings>,
}

impl Hub {
    /// Finds the hub from `start` (`--root`), else [`env::ROOT`], else the current directory.
    ///
    /// # Errors
    /// Outside a repository; where no hub can be told (bare repository, submodule, separate git
    /// directory without a pin); where the record's folders are missing.
    pub fn find(start: Option<&Path>, clock: Clock) -> Result<Hub> {
        let hub = Self::locate(start, clock)?;
        hub.check_folders()?;
        Ok(hub)
    }

    /// Like [`Hub::find`], but the record's folders need not be there: for `init` and `doctor`.
    pub fn locate(start: Option<&Path>, clock: Clock) -> Result<Hub> {
        let start = match start {
            Some(path) => path.to_owned(),
            None => env::var(env::ROOT).map_or_else(|| PathBuf::from("."), PathBuf::from),
        };
        let here = Worktree::containing(&start)?;
        let pin = Pin::read(&here.common_dir)?;
        let hub = match &pin {
            Some(pin) => pin.worktree(&here)?,
            None => Worktree::main_of(&here.common_dir).ok_or_else(|| unknown(&here))?,
        };
        Ok(Self::new(hub, here, pin, clock))
    }

    /// The hub that a known worktree is: for `init --hub` and `init --dedicated`.
    pub fn of_worktree(hub: Worktree, clock: Clock) -> Hub {
        Self::new(hub.clone(), hub, None, clock)
    }

    fn new(hub: Worktree, here: Worktree, pin: Option<Pin>, clock: Clock) -> Hub {
        Hub {
            root: hub.root,
            git_dir: hub.git_dir,
            common_dir: hub.common_dir,
            here,
            clock,
            pin,
            settings: OnceLock::new(),
        }
    }

    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// A path of the record: inside the hub, no link on the way.
    pub fn path(&self, relative: &str) -> Result<PathBuf> {
        files::within(&self.root, relative)
    }

    /// A machine-local path: `<git common dir>/teof/<relative>`.
    pub fn local(&self, relative: &str) -> PathBuf {
        // What is not listed is taken for a file that a worker planted.
        debug_assert!(relative.split('/').next().is_none_or(paths::is_machine_local), "{relative} is not listed");
        self.common_dir.join("teof").join(relative)
    }

    /// Where the metadata and raw streams of runs go: `$XDG_STATE_HOME/teof/projects/<encoded repo path>`.
    pub fn state_home(&self) -> PathBuf {
        let base = env::var(env::XDG_STATE_HOME).map(PathBuf::from).unwrap_or_else(|| {
            env::var("HOME").map_or_else(|| self.local("state"), |home| PathBuf::from(home).join(".local/state"))
        });
        let repository = self.common_dir.to_string_lossy();
        let readable: String =
            repository.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        // The digest keeps apart what the readable part folds together.
        let name = format!(
            "{}-{}",
            &readable[readable.len().saturating_sub(80)..],
            &digest::sha256(repository.as_bytes())[..12]
        );
        base.join("teof/projects").join(name.trim_start_matches('-'))
    }

    /// The settings, read once.
    pub fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let loaded = settings::load::load(&self.root)?;
        Ok(self.settings.get_or_init(|| loaded))
    }

    pub fn marks(&self) -> Marks {
        Marks::new(&self.local(""))
    }

    pub fn worktree(&self) -> Worktree {
        Worktree { root: self.root.clone(), git_dir: self.git_dir.clone(), common_dir: self.common_dir.clone() }
    }

    /// Git in the hub's worktree.
    pub fn git(&self) -> git::Git {
        git::Git::at(&self.root)
    }

    /// The branch on which the record lives.
    pub fn branch(&self) -> Option<String> {
        self.pin.as_ref().map(|pin| pin.branch.clone()).or_else(|| self.worktree().branch())
    }

    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// Takes the bus lock; `what` is shown to those who wait. Completes what a crash interrupted.
    ///
    /// # Errors
    /// When the hub is not on the branch of its record, when the record is older than what was
    /// acknowledged, or when the lock is not free in time (exit 5).
    pub fn lock(&self, what: &str) -> Result<Writer<'_>> {
        Writer::new(self, what)
    }

    /// Takes the bus lock to mend the record, although it fell behind what was acknowledged.
    ///
    /// # Errors
    /// When the hub is not on the branch of its record, or when the lock is not free in time (exit 5).
    pub fn lock_for_repair(&self, what: &str) -> Result<Repair<'_>> {
        Repair::new(self, what)
    }

    /// For reading commands: whether what they show may be out of date, and why.
    pub fn behind(&self) -> Option<anyhow::Error> {
        self.check_branch().and_then(|()| self.marks().check_events(&self.root)).err()
    }

    /// Refuses when the hub is not on the branch of its record, or on none where no branch is pinned yet.
    ///
    /// # Errors
    /// `hub.switched`, `hub.detached`, `hub.busy`, each with the way back.
    pub fn check_branch(&self) -> Result<()> {
        match (&self.pin, self.worktree()) {
            (Some(pin), hub) => pin::check_branch(&hub, pin),
            (None, hub) if hub.branch().is_none() => Err(pin::on_no_branch(&hub).into()),
            (None, _) => Ok(()),
        }
    }

    /// The first write to an unpinned hub pins it to the branch that is checked out. A hub that was moved
    /// since it was found takes no more writes.
    fn pin_now(&self) -> Result<()> {
        match Pin::read(&self.common_dir)? {
            Some(pin) if pin.path == self.root => return Ok(()),
            Some(pin) => {
                return Err(Refusal::guard("hub.repinned", format!("the hub is {} now", pin.path.display()))
                    .because(format!("it was moved from {} while this command ran", self.root.display()))
                    .next("run it again")
                    .into());
            }
            None => {}
        }
        let hub = self.worktree();
        match hub.branch() {
            Some(branch) => {
                Pin { path: self.root.clone(), branch }.write(&self.common_dir)?;
                transaction::temporary::hide(&self.common_dir).map(drop)
            }
            None => Err(pin::on_no_branch(&hub).into()),
        }
    }

    /// The folders of the record that are not there.
    pub fn missing_folders(&self) -> Vec<&'static str> {
        paths::OWNED.into_iter().filter(|folder| !self.root.join(folder).is_dir()).collect()
    }

    fn check_folders(&self) -> Result<()> {
        let missing = self.missing_folders();
        // A stash or a reset can take whole folders away: where something was acknowledged, the marks say
        // what is missing, and nobody is told to begin anew.
        if missing.is_empty() || !self.marks().logs().is_empty() {
            return Ok(());
        }
        git::sparse::check(self)?;
        let refusal = if missing.len() == paths::OWNED.len() {
            Refusal::guard("hub.not_initialised", format!("{} is not set up for teof", self.root.display()))
                .because("it has no _bus/, _plans/ and _report/")
        } else {
            Refusal::guard("hub.incomplete", format!("{} is only half set up for teof", self.root.display()))
                .because(format!("missing: {}", missing.join(", ")))
        };
        Err(refusal.next("set it up, without touching what is there: teof init").into())
    }
}

fn unknown(here: &Worktree) -> Refusal {
    let refusal = Refusal::guard("hub.unknown", format!("{} does not tell where its record is", here.root.display()))
        .because("it belongs to a bare repository, a submodule or a separate git directory, and no hub is pinned")
        .next("name the worktree that shall hold the record: teof init --hub <path>");
    match locate::is_bare(&here.common_dir) && here.common_dir.ends_with(".git") {
        true => refusal.next(format!(
            "git was told that there is no checkout; if there is one: git --git-dir {} config core.bare false",
            here.common_dir.display()
        )),
        false => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn repository() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("repo");
        let init = Command::new("git").args(["init", "-q", "-b", "main"]).arg(&root).status().unwrap();
        assert!(init.success());
        for folder in paths::OWNED {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        let hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        (dir, hub)
    }

    fn again(hub: &Hub) -> Hub {
        Hub::find(Some(&hub.root), Clock::Machine).unwrap()
    }

    fn code(error: anyhow::Error) -> &'static str {
        Refusal::of(&error).unwrap_or_else(|| panic!("{error:#}")).code
    }

    #[test]
    fn an_act_changes_all_its_files() {
        let (_dir, hub) = repository();
        let mut act = Act::new("claim A");
        act.create("_bus/claims/A.json", "{\"epoch\":1}\n")
            .append(paths::EVENTS, b"{\"a\":1}\n")
            .append(paths::EVENTS, b"{\"a\":2}\n");
        hub.lock("test").unwrap().perform(act.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(code(hub.lock("test").unwrap().perform(act).unwrap_err()), "file.exists");
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
    }

    #[test]
    fn an_interrupted_act_is_completed_once_by_whoever_locks_next() {
        for half in ["", "{\"a\":1}\n", "{\"a\":1}\n{\"b\"", "{\"a\":1}\n{\"b\":2}\n"] {
            let (_dir, hub) = repository();
            let log = hub.path(paths::EVENTS).unwrap();
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(&log, "{\"old\":0}\n").unwrap();
            let mut act = Act::new("claim A");
            act.replace("_bus/claims/A.json", "{}\n").append(paths::EVENTS, b"{\"a\":1}\n{\"b\":2}\n");
            for change in &mut act.changes {
                if let transaction::Change::Append { at, .. } = change {
                    *at = 10;
                }
            }
            std::fs::create_dir_all(hub.local("intents")).unwrap();
            transaction::journal::write(&hub.local("intents/current"), &act).unwrap();
            // The crash came somewhere in the middle of the append.
            std::fs::write(&log, format!("{{\"old\":0}}\n{half}")).unwrap();
            drop(hub.lock("next").unwrap());
            assert_eq!(std::fs::read_to_string(&log).unwrap(), "{\"old\":0}\n{\"a\":1}\n{\"b\":2}\n", "{half:?}");
            assert_eq!(std::fs::read_to_string(hub.root.join("_bus/claims/A.json")).unwrap(), "{}\n");
            drop(hub.lock("after").unwrap());
            assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 3);
        }
    }

    #[test]
    fn an_act_that_fails_changes_nothing() {
        let (_dir, hub) = repository();
        std::fs::create_dir_all(hub.root.join("_bus/claims/A.json")).unwrap();
        let mut act = Act::new("claim A");
        act.append(paths::EVENTS, b"{\"a\":1}\n").replace("_bus/claims/A.json", "{}\n");
        assert_eq!(code(hub.lock("test").unwrap().perform(act).unwrap_err()), "file.not_regular");
        assert!(!hub.root.join(paths::EVENTS).exists());
        let mut act = Act::new("escape");
        act.replace("../outside", "x");
        assert_eq!(code(hub.lock("test").unwrap().perform(act).unwrap_err()), "path.outside");
    }

    #[test]
    fn a_hub_on_another_branch_takes_no_writes() {
        let (_dir, hub) = repository();
        drop(hub.lock("pins the hub").unwrap());
        std::fs::write(hub.git_dir.join("HEAD"), "ref: refs/heads/other\n").unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.switched");
        std::fs::write(hub.git_dir.join("HEAD"), "0123456789012345678901234567890123456789\n").unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.detached");
        std::fs::create_dir(hub.git_dir.join("rebase-merge")).unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.busy");
    }

    #[test]
    fn a_tree_that_fell_behind_is_a_refusal_and_never_a_free_task() {
        let (_dir, hub) = repository();
        let mut act = Act::new("claim A");
        act.replace("_bus/claims/A.json", "{\"agent_id\":\"codex-1\",\"epoch\":2}\n")
            .append(paths::EVENTS, b"{\"a\":1}\n");
        hub.lock("x").unwrap().perform(act).unwrap();
        assert_eq!(code(hub.marks().check_claim("_bus/claims/A.json", None).unwrap_err()), "record.behind");
        assert_eq!(hub.marks().claimed_tasks(), ["A"]);
        std::fs::write(hub.root.join(paths::EVENTS), "").unwrap();
        assert_eq!(code(hub.lock("x").err().unwrap()), "record.behind");
        assert_eq!(hub.marks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":1}\n");
    }

    #[test]
    fn a_log_that_was_replaced_by_another_one_is_known_by_its_lines() {
        let (_dir, hub) = repository();
        let append = |line: &[u8]| {
            let mut act = Act::new("x");
            act.append(paths::EVENTS, line);
            hub.lock("x").and_then(|mut writer| writer.perform(act))
        };
        append(b"{\"a\":1}\n").unwrap();
        let log = hub.root.join(paths::EVENTS);
        std::fs::write(&log, "{\"other\":1}\n{\"other\":2}\n").unwrap();
        assert_eq!(code(append(b"{\"a\":2}\n").unwrap_err()), "record.behind");
        // A union merge moved our line; nothing of it is lost.
        std::fs::write(&log, "{\"other\":1}\n{\"other\":2}\n{\"a\":1}\n").unwrap();
        append(b"{\"a\":2}\n").unwrap();
    }

    #[test]
    fn a_sealed_log_that_is_taken_away_is_noticed() {
        let (_dir, hub) = repository();
        let sealed = "_bus/events/events-20260105T100000Z.jsonl";
        let mut act = Act::new("x");
        act.append(paths::EVENTS, b"{\"a\":1}\n");
        hub.lock("x").unwrap().perform(act).unwrap();
        let mut act = Act::new("seal");
        act.append(paths::EVENTS, b"{\"a\":2}\n").rename(paths::EVENTS, sealed);
        hub.lock("x").unwrap().perform(act).unwrap();
        assert_eq!(std::fs::read_to_string(hub.root.join(sealed)).unwrap(), "{\"a\":1}\n");
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":2}\n");
        assert_eq!(hub.marks().uncommitted(sealed).unwrap(), b"{\"a\":1}\n");
        assert_eq!(hub.marks().logs(), [sealed, paths::EVENTS]);
        std::fs::remove_file(hub.root.join(sealed)).unwrap();
        assert_eq!(code(hub.lock("x").err().unwrap()), "record.behind");
        drop(hub.lock_for_repair("x").unwrap());
    }

    #[test]
    fn every_worktree_finds_the_same_hub() {
        let (dir, hub) = repository();
        let git = hub.git();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"]).unwrap();
        let linked = dir.path().canonicalize().unwrap().join("linked");
        git.run(&["worktree", "add", "-q", linked.to_str().unwrap()]).unwrap();
        std::fs::create_dir_all(linked.join("deep/er")).unwrap();
        for start in [hub.root.join("_bus"), linked.clone(), linked.join("deep/er")] {
            let found = Hub::find(Some(&start), Clock::Machine).unwrap();
            assert_eq!((&found.root, &found.common_dir), (&hub.root, &hub.common_dir));
        }
        assert_eq!(code(Hub::find(Some(dir.path()), Clock::Machine).unwrap_err()), "repository.missing");
        std::fs::remove_dir(hub.root.join("_plans")).unwrap();
        assert_eq!(code(Hub::find(Some(&linked), Clock::Machine).unwrap_err()), "hub.incomplete");
    }

    #[test]
    fn a_bare_repository_needs_a_pin() {
        let dir = tempfile::tempdir().unwrap();
        let bare = dir.path().join("bare.git");
        assert!(Command::new("git").args(["init", "-q", "--bare"]).arg(&bare).status().unwrap().success());
        assert_eq!(code(Hub::find(Some(&bare), Clock::Machine).unwrap_err()), "hub.unknown");
    }
}
