//! Builds the policy of each program that a worker starts.

use std::path::{Path, PathBuf};

use super::guarded::Guarded;
use super::limits::{LimitReport, Limited};
use super::report::{self, SandboxReport};
use super::temp_folder::TempFolder;
use super::workplace::Workplace;
use super::{git_dir, places, program_folder};
use crate::agents::Agent;
use crate::base::{Result, env};
use crate::exec::{AfterDeath, Confinement, RunLimits};
use crate::guard::trust;
use crate::hub::Hub;

/// The sandbox of one run, or of the tests of a review. Its temporary folder is removed when it is dropped.
pub struct Sandbox {
    /// Without a policy nothing is confined.
    policy: Option<Confinement>,
    guarded: Guarded,
    /// A person granted the settings.
    granted: bool,
    temp: Option<TempFolder>,
    limited: Limited,
    report: SandboxReport,
}

impl Sandbox {
    /// The sandbox of programs in a worktree.
    ///
    /// # Errors
    /// When the settings cannot be read, or a folder cannot be made.
    pub fn new(hub: &Hub, at: &Workplace) -> Result<Self> {
        let report = SandboxReport::of(hub)?;
        let guarded = Guarded::of(hub)?;
        if !report.state.is_on() {
            let limited = Limited::new(hub, vec![at.root.to_owned()])?;
            return Ok(Self { policy: None, guarded, granted: false, temp: None, limited, report });
        }
        let settings = report::settings(hub)?;
        let temp = TempFolder::create(at.session)?;
        let mut write = git_dir::writable(&hub.common_dir, at)?;
        write.extend([at.root.canonicalize()?, temp.path().to_owned()]);
        write.extend(at.own.iter().cloned());
        let caches = settings.caches.iter().filter_map(|path| places::cache(path, at.root));
        let more = settings.write.iter().filter_map(|path| places::granted(path));
        let named = places::resolve(Path::new(places::SHARED_MEMORY)).into_iter().chain(caches).chain(more);
        write.extend(named.filter(|path| guarded.allow(path)));
        let read = (!settings.read.is_empty()).then(|| places::readable(hub, at, &settings.read));
        let policy = Confinement { write: places::outermost(write), read, network: report::network(&settings) };
        let limited = Limited::new(hub, vec![at.root.to_owned(), temp.path().to_owned()])?;
        let granted = trust::are_settings_granted(hub)?;
        Ok(Self { policy: Some(policy), guarded, granted, temp: Some(temp), limited, report })
    }

    pub fn report(&self) -> &SandboxReport {
        &self.report
    }

    /// What its programs may use together.
    pub fn limits(&self) -> Option<RunLimits> {
        self.limited.of_run()
    }

    /// What enforces those limits.
    pub fn limits_report(&self) -> &[LimitReport] {
        &self.limited.report
    }

    /// What follows once this process was killed: what the executor names, else the removal of the cgroup; and of the
    /// temporary folder.
    pub fn after_death(&self, of_executor: AfterDeath) -> AfterDeath {
        let of_limits = || self.limited.after_death().unwrap_or_default();
        let mut after = if of_executor.args.is_empty() { of_limits() } else { of_executor };
        after.folders.extend(self.temp.as_ref().map(|temp| temp.path().to_owned()));
        after
    }

    /// For a command, a test or a set-up.
    pub fn for_command(&self) -> Option<Confinement> {
        self.policy.clone()
    }

    /// For a call of an agent, which may write to its own folders and `also` (without links).
    pub fn for_agent(&self, agent: &Agent, also: &[PathBuf]) -> Option<Confinement> {
        let policy = self.policy.as_ref()?;
        let own = agent.own_paths(self.granted).into_iter().filter_map(|own| places::of_agent(&own));
        let own = own.chain(program_folder::of(agent).filter(|_| self.granted));
        let own = own.filter(|path| self.guarded.allow(path));
        let write = policy.write.iter().cloned().chain(own).chain(also.iter().cloned());
        Some(Confinement { write: places::outermost(write.collect()), ..policy.clone() })
    }

    /// The variables that keep programs inside: where to put temporary files. (`access(2)` says that `/var/tmp` is
    /// writable, which SQLite believes; zsh has a prefix of its own, for its here-documents.)
    pub fn variables(&self) -> Vec<(String, String)> {
        let Some(temp) = &self.temp else { return Vec::new() };
        let folder = temp.path().display();
        let named = [env::TMPDIR, "SQLITE_TMPDIR"].map(|name| (name.to_owned(), folder.to_string()));
        named.into_iter().chain([("TMPPREFIX".to_owned(), format!("{folder}/zsh"))]).collect()
    }

    /// Settings for git: it must not tidy up objects and refs that it cannot write, which it would complain about, nor
    /// collect new objects in a folder of their own.
    pub fn git_settings(&self) -> &'static [(&'static str, &'static str)] {
        const SETTINGS: [(&str, &str); 3] =
            [("gc.auto", "0"), ("maintenance.auto", "false"), ("core.fsyncMethod", "fsync")];
        if self.policy.is_some() { &SETTINGS } else { &[] }
    }
}
