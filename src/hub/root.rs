//! The hub: the worktree that holds a repository's record, with its paths, its settings and its git.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::git::{Git, sparse};
use super::locate::{self, Worktree};
use super::marks::Watermarks;
use super::paths;
use super::pin::{self, Pin};
use super::settings::{Settings, load, terms};
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
    /// Outside a repository; without a known hub (bare repository, submodule, separate git directory without a pin);
    /// when the record's folders are missing.
    pub fn find(start: Option<&Path>, clock: Clock) -> Result<Hub> {
        let hub = Self::locate(start, clock)?;
        hub.check_folders()?;
        Ok(hub)
    }

    /// Like [`Hub::find`], but the record's folders may be missing: for `init` and `doctor`.
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

    /// A path of the record as a person in the current folder opens it: `../calc.record/_plans/a.md`. For text output;
    /// documents keep the paths relative to the hub.
    pub fn shown(&self, relative: &str) -> String {
        let from_here = std::env::current_dir().map(|here| files::seen_from(&here, &self.root.join(relative)));
        from_here.map_or_else(|_| relative.to_owned(), |path| path.display().to_string())
    }

    /// The first free path of the record: `<stem><ending>`, `<stem>-2<ending>`, …
    pub fn free_path(&self, stem: &str, ending: &str) -> Result<String> {
        for n in 1..1000 {
            let path = if n == 1 { format!("{stem}{ending}") } else { format!("{stem}-{n}{ending}") };
            if self.path(&path)?.symlink_metadata().is_err() {
                return Ok(path);
            }
        }
        anyhow::bail!("no free name like {stem}{ending}")
    }

    /// Machine-local: see [`Hub::state_home`].
    pub const OWN_STATE: &str = "state";

    /// A machine-local path: `<git common dir>/teof/<relative>`.
    pub fn local(&self, relative: &str) -> PathBuf {
        // An unlisted name would be reported as a file planted by a worker.
        debug_assert!(relative.split('/').next().is_none_or(paths::is_machine_local), "{relative} is not listed");
        self.common_dir.join("teof").join(relative)
    }

    /// Where the metadata and raw streams of runs go: `$XDG_STATE_HOME/teof/projects/<encoded repo path>`. A repository
    /// that has the folder [`Hub::OWN_STATE`] keeps them there, as the quickstart's does, and leaves nothing elsewhere.
    pub fn state_home(&self) -> PathBuf {
        let own = self.local(Self::OWN_STATE);
        let elsewhere = || {
            let home = || Some(PathBuf::from(env::var("HOME")?).join(".local/state"));
            env::var(env::XDG_STATE_HOME).map(PathBuf::from).or_else(home)
        };
        let base = if own.is_dir() { own } else { elsewhere().unwrap_or(own) };
        let repository = self.common_dir.to_string_lossy();
        let readable: String =
            repository.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        // The digest separates paths whose readable parts are equal.
        let name = format!(
            "{}-{}",
            &readable[readable.len().saturating_sub(80)..],
            &digest::sha256(repository.as_bytes())[..12]
        );
        base.join("teof/projects").join(name.trim_start_matches('-'))
    }

    /// The settings that count, read once.
    pub fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let mut loaded = self.settings_on_disk()?;
        terms::restrain(&mut loaded, || terms::trusted(&self.root, &self.common_dir, self.branch()));
        Ok(self.settings.get_or_init(|| loaded))
    }

    /// The settings as they are written, for what a person does.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn settings_on_disk(&self) -> Result<Settings> {
        load::load(&self.root)
    }

    pub fn watermarks(&self) -> Watermarks {
        Watermarks::new(&self.local(""))
    }

    pub fn worktree(&self) -> Worktree {
        Worktree { root: self.root.clone(), git_dir: self.git_dir.clone(), common_dir: self.common_dir.clone() }
    }

    /// Git in the hub's worktree.
    pub fn git(&self) -> Git {
        Git::at(&self.root)
    }

    /// The branch that holds the record.
    pub fn branch(&self) -> Option<String> {
        self.pin.as_ref().map(|pin| pin.branch.clone()).or_else(|| self.worktree().branch())
    }

    /// The branch that work starts from and is merged to: `git.target`, else the hub's own. `None`: the hub is on no
    /// branch.
    pub fn target(&self) -> Result<Option<String>> {
        let setting = &self.settings()?.git.target;
        Ok(if setting.is_empty() { self.branch() } else { Some(setting.clone()) })
    }

    /// Whether the record has a branch of its own, to which no work is merged.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn has_record_branch(&self) -> Result<bool> {
        Ok(self.branch().zip(self.target()?).is_some_and(|(record, target)| record != target))
    }

    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// For reading commands: why their output may be out of date, if so.
    pub fn behind(&self) -> Option<anyhow::Error> {
        self.check_branch().and_then(|()| self.watermarks().check_events(&self.root)).err()
    }

    /// Refuses when the hub is not on its record's branch, or on no branch while none is pinned.
    ///
    /// # Errors
    /// `hub.switched`, `hub.detached`, `hub.busy`, each with a fix.
    pub fn check_branch(&self) -> Result<()> {
        match (&self.pin, self.worktree()) {
            (Some(pin), hub) => pin::check_branch(&hub, pin),
            (None, hub) if hub.branch().is_none() => Err(pin::on_no_branch(&hub).into()),
            (None, _) => Ok(()),
        }
    }

    /// The missing folders of the record.
    pub fn missing_folders(&self) -> Vec<&'static str> {
        paths::OWNED.into_iter().filter(|folder| !self.root.join(folder).is_dir()).collect()
    }

    /// Whether the record's folders are there.
    ///
    /// # Errors
    /// `hub.not_initialised`, `hub.incomplete`; for a sparse checkout that leaves them out.
    pub fn check_folders(&self) -> Result<()> {
        let missing = self.missing_folders();
        // A stash or a reset can remove whole folders. If anything was acknowledged, the watermarks report what is
        // missing, and nobody is told to set up again.
        if missing.is_empty() || !self.watermarks().logs().is_empty() {
            return Ok(());
        }
        sparse::check(&self.worktree())?;
        let refusal = if missing.len() == paths::OWNED.len() {
            Refusal::guard("hub.not_initialised", format!("{} is not set up for teof", self.root.display()))
                .because("it has no _bus/, _plans/ and _report/")
        } else {
            Refusal::guard("hub.incomplete", format!("{} is only partly set up for teof", self.root.display()))
                .because(format!("missing: {}", missing.join(", ")))
        };
        Err(refusal.next("set it up; existing files are kept: teof init").into())
    }
}

fn unknown(here: &Worktree) -> Refusal {
    let refusal = Refusal::guard("hub.unknown", format!("cannot tell where the record of {} is", here.root.display()))
        .because("it belongs to a bare repository, a submodule or a separate git directory without a pinned hub")
        .next("name the worktree for the record: teof init --hub <path>");
    match locate::is_bare(&here.common_dir) && here.common_dir.ends_with(".git") {
        true => refusal.next(format!(
            "git's core.bare says there is no checkout; if there is one: git --git-dir {} config core.bare false",
            here.common_dir.display()
        )),
        false => refusal,
    }
}
