//! One program in one container: docker's own client is what the supervisor starts.
//!
//! Output, time limits and signals go through the client. What the client cannot do is done here: check engine and
//! image beforehand, read how the container ended, and remove it. A client that is killed leaves its container
//! running, so containers carry labels by which they are found again ([`remove_left`]).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use super::argv::{self, Mounts, Program};
use super::elf;
use super::ending::{After, Said};
use super::engine::{self, Engine, Left};
use super::info::Info;
use super::options::Options;
use super::running::Running;
use crate::base::{Result, digest, env, files, text};
use crate::exec::broker::Belongs;
use crate::exec::executors::executor::Executor;
use crate::exec::output::Observer;
use crate::exec::processes::Beside;
use crate::exec::processes::reaper::AfterDeath;
use crate::exec::supervise::{Report, Spec, Supervisor};

/// The first argument that selects the removal of a run's containers. What follows: the client, the hub's root, the
/// run, and the folder for their last output.
pub(in crate::exec) const REMOVE: &str = "__remove_containers";

/// The containers of one run.
#[derive(Clone, Debug)]
pub struct Docker {
    pub options: Options,
    /// The hub's root.
    pub hub: PathBuf,
    pub job: String,
    pub task: String,
    pub mounts: Mounts,
    /// Where the last output of containers goes that were left behind.
    pub logs: PathBuf,
    pub running: Running,
    pub info: EngineInfo,
}

/// What the engine said of itself, once it has. All copies are one.
#[derive(Clone, Debug, Default)]
pub struct EngineInfo(Arc<OnceLock<Info>>);

impl EngineInfo {
    /// Asks when it is not known yet, also after a failure.
    fn get(&self, engine: &Engine) -> Result<&Info> {
        match self.0.get() {
            Some(info) => Ok(info),
            None => {
                let info = engine.info()?;
                Ok(self.0.get_or_init(|| info))
            }
        }
    }
}

impl Executor for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn run(&self, supervisor: &Supervisor, spec: Spec, title: &str, observer: &mut dyn Observer) -> Result<Report> {
        let engine = Engine(&self.options);
        let image_path = engine.image_path()?;
        let info = self.info.get(&engine)?;
        let hub = self.hub.display().to_string();
        let run = spec.marks.iter().find(|(name, _)| name == env::RUN).map_or_else(String::new, |(_, run)| run.clone());
        let name = container_name(&hub, &run, title);
        let variables: Vec<_> = spec.env.iter().chain(&spec.marks).cloned().collect();
        let own_binary = elf::own_static_binary();
        let program = Program {
            name: &name,
            argv: &spec.argv,
            cwd: &spec.cwd,
            env: &variables,
            labels: &[
                (engine::HUB, hub),
                (engine::RUN, run),
                (engine::TASK, self.task.clone()),
                ("teof.job", self.job.clone()),
            ],
            mounts: &self.mounts,
            engine: info,
            has_stdin: !spec.stdin.is_empty(),
            image_path: &image_path,
            own_binary: own_binary.as_deref(),
            grace: spec.clocks.grace.as_secs().max(1),
        };
        let line = argv::line(&self.options, &program, engine::of_client());
        let inside = spec.argv.first().cloned().unwrap_or_default();
        // The container confines the program; docker's client needs its own files.
        let spec = Spec { argv: line.argv, env: line.env, confinement: None, ..spec };
        let entered = self.running.enter(&name, &spec.marks);
        let report = supervisor.run(&spec, observer);
        drop(entered);
        let mut report = report?;
        let after = After {
            verdict: report.verdict.clone(),
            state: engine.state(&name),
            options: &self.options,
            program: &inside,
            said: Said::of(&report),
        };
        let verdict = after.verdict();
        if let Err(why) = engine.remove(&name) {
            tracing::warn!("cannot remove the container {name}: {why}; it is removed by label later");
        }
        report.verdict = verdict.map_err(|why| engine.lost(&why))?;
        Ok(report)
    }

    fn after_death(&self, run: &str) -> AfterDeath {
        let paths = [&self.hub, &self.logs].map(|path| path.display().to_string());
        let [hub, logs] = paths;
        let args = vec![REMOVE.to_owned(), self.options.program.clone(), hub, run.to_owned(), logs];
        AfterDeath { args, env: engine::of_client(), ..AfterDeath::default() }
    }
}

impl Docker {
    /// Tells which processes are in the run's container, while one runs; `None` where the engine has another kernel.
    pub fn members(&self, beside: Beside) -> Option<Box<Belongs>> {
        if !self.info.get(&Engine(&self.options)).is_ok_and(Info::shares_kernel) {
            return None;
        }
        let (running, options) = (self.running.clone(), self.options.clone());
        Some(Box::new(move |pid| running.holds(pid, &options, &beside)))
    }
}

/// Removes those containers of a hub that `is_left` names. What each printed last goes into `logs`. Returns them, for
/// people.
pub fn remove_left(options: &Options, hub: &Path, logs: &Path, is_left: &dyn Fn(&Left) -> bool) -> Vec<String> {
    let engine = Engine(options);
    let mut removed = Vec::new();
    for left in engine.left(&hub.display().to_string()).iter().filter(|left| is_left(left)) {
        let name = text::safe(&left.name);
        let log = logs.join(format!("{}.log", left.name));
        let kept = files::create_parent(&log).and_then(|()| Ok(engine.save_last_output(&left.name, &log)?));
        if let Err(e) = kept {
            tracing::debug!("cannot keep what the container {name} printed: {e:#}");
        }
        match engine.remove(&left.name) {
            Ok(()) => removed.push(format!("container {name}")),
            Err(why) => tracing::warn!("cannot remove the container {name}: {why}"),
        }
    }
    removed
}

/// The main function of the process that removes the containers of a run whose supervisor was killed.
pub(in crate::exec) fn remove_of_run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    let [program, hub, run, logs] = args.as_slice() else { return ExitCode::FAILURE };
    let options = Options { program: program.clone(), ..Options::default() };
    remove_left(&options, Path::new(hub), Path::new(logs), &|left| left.run == *run);
    ExitCode::SUCCESS
}

/// Unique on the machine: a run's name may also exist in another repository.
fn container_name(hub: &str, run: &str, title: &str) -> String {
    format!("teof-{}-{run}-{title}", &digest::sha256(hub.as_bytes())[..8])
}
