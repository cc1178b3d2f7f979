//! Chooses how a worker's programs are started, as the settings say: as processes, in containers, or in windows of
//! tmux.

use std::path::{Path, PathBuf};

use crate::base::{Result, env, lock};
use crate::exec::broker::Belongs;
use crate::exec::docker::{self, Engine};
use crate::exec::{
    Access, CgroupBase, Docker, DockerOptions, EngineInfo, Executor, Mounts, ProcessExecutor, Running, Supervisor, tmux,
};
use crate::foreman::sandbox::{self, Workplace};
use crate::guard::trust;
use crate::hub::settings::{Container, ExecutorKind};
use crate::hub::{Hub, paths};
use crate::sessions::Environment;

/// The folder of the sockets of tmux.
const TERMINALS: &str = "tmux";

/// How the programs of one run are started.
#[derive(Debug)]
pub enum Chosen {
    Process,
    Docker(Box<Docker>),
    Tmux(tmux::Tmux),
}

/// What a run is about, for labels and names.
pub struct Subject<'a> {
    pub job: &'a str,
    pub task: &'a str,
}

impl Chosen {
    /// As the settings say.
    ///
    /// # Errors
    /// When settings or trust cannot be read.
    pub fn new(hub: &Hub, subject: &Subject, at: &Workplace) -> Result<Chosen> {
        Ok(match hub.settings()?.worker.executor {
            ExecutorKind::Process => Chosen::Process,
            ExecutorKind::Docker => Chosen::Docker(Box::new(Docker {
                options: options(hub)?,
                hub: hub.root.clone(),
                job: subject.job.to_owned(),
                task: subject.task.to_owned(),
                mounts: mounts(hub, at)?,
                logs: left_output(hub),
                running: Running::default(),
                info: EngineInfo::default(),
            })),
            ExecutorKind::Tmux => Chosen::Tmux(tmux::Tmux { server: of_runs(hub), task: subject.task.to_owned() }),
        })
    }

    /// Tells which processes are programs of the run; `None` where nothing tells.
    pub fn members(&self, supervisor: &Supervisor) -> Option<Box<Belongs>> {
        match self {
            Chosen::Process => Some(supervisor.members()),
            Chosen::Tmux(tmux) => Some(tmux.members(supervisor)),
            Chosen::Docker(docker) => docker.members(supervisor.beside()),
        }
    }

    /// Lets programs reach the socket in a folder. They cannot put another one in its place.
    pub fn show_socket(&mut self, folder: &Path) {
        if let Chosen::Docker(docker) = self {
            docker.mounts.insert(folder.to_owned(), Access::Read);
        }
    }

    /// What programs run in, for the records of sessions.
    pub fn environment(&self) -> Environment {
        let image = match self {
            Chosen::Docker(docker) => Some(docker.options.image.clone()),
            Chosen::Process | Chosen::Tmux(_) => None,
        };
        Environment { executor: self.with(&[]).name().to_owned(), image, ..Environment::default() }
    }

    /// For programs that may also write to these paths.
    pub fn with(&self, writable: &[PathBuf]) -> Box<dyn Executor> {
        match self {
            Chosen::Process => Box::new(ProcessExecutor),
            Chosen::Docker(docker) => {
                let mut docker = docker.clone();
                docker
                    .mounts
                    .extend(writable.iter().filter(|path| path.exists()).map(|path| (path.clone(), Access::Write)));
                docker
            }
            Chosen::Tmux(tmux) => Box::new(tmux.clone()),
        }
    }
}

/// Whether the programs of a worker are the image's, not this machine's.
pub fn in_containers(hub: &Hub) -> Result<bool> {
    Ok(hub.settings()?.worker.executor == ExecutorKind::Docker)
}

/// Refuses when no program can be started now: without engine, image or tmux.
pub fn check(hub: &Hub) -> Result<()> {
    match hub.settings()?.worker.executor {
        ExecutorKind::Process => Ok(()),
        ExecutorKind::Docker => Engine(&options(hub)?).check(),
        ExecutorKind::Tmux => tmux::Server::check(),
    }
}

/// Where the programs of runs have their windows.
pub fn of_runs(hub: &Hub) -> tmux::Server {
    tmux::Server::of_runs(&hub.local(TERMINALS))
}

/// Where people's sessions have their windows.
pub fn of_people(hub: &Hub) -> tmux::Server {
    tmux::Server::of_people(&hub.local(TERMINALS))
}

/// Removes the containers that a run left behind. Returns them, for people.
pub fn remove_left(hub: &Hub, run: &str) -> Result<Vec<String>> {
    remove(hub, &|left| left.run == run)
}

/// Removes the containers of tasks that no run is alive for, and the cgroups of workers that are gone. Returns the
/// containers, for people.
pub fn remove_orphans(hub: &Hub) -> Result<Vec<String>> {
    if let Ok(base) = CgroupBase::of_this_process() {
        base.sweep();
    }
    // The tests of a review belong to no task; their own reaper removes them.
    let is_alive = |task: &str| task.is_empty() || lock::is_held(&hub.local(&paths::run_lock(task))).unwrap_or(true);
    remove(hub, &|left| !is_alive(&left.task))
}

fn remove(hub: &Hub, is_left: &dyn Fn(&docker::Left) -> bool) -> Result<Vec<String>> {
    if !in_containers(hub)? {
        return Ok(Vec::new());
    }
    Ok(docker::remove_left(&options(hub)?, &hub.root, &left_output(hub), is_left))
}

/// What containers printed last that a killed worker left behind, a file each.
pub fn left_output(hub: &Hub) -> PathBuf {
    hub.state_home().join("containers")
}

/// The settings that count: what opens more of this machine counts when a person granted it.
fn options(hub: &Hub) -> Result<DockerOptions> {
    let (own, limits) = (&hub.settings()?.worker.docker, &hub.settings()?.worker.limits);
    let is_granted = trust::are_settings_granted(hub)?;
    let Container { engine, image, user, home, network, memory, cpus, pids, mounts, ssh, pull } =
        if is_granted { own.clone() } else { own.closed() };
    let keys = || Some(PathBuf::from(env::var(env::HOME)?).join(".ssh"));
    let program = engine.program().to_owned();
    let or_limit = |own: String, limit: &String| if own.is_empty() { limit.clone() } else { own };
    let (memory, cpus) = (or_limit(memory, &limits.memory), or_limit(cpus, &limits.cpus));
    let pids = if pids == 0 { limits.pids } else { pids };
    Ok(DockerOptions {
        program,
        image,
        user,
        home,
        network,
        memory,
        cpus,
        pids,
        mounts,
        ssh: ssh.then(keys).flatten(),
        pull,
    })
}

/// What a container sees of this machine: the hub and the git dir to read, without what is teof's alone; to write the
/// worktree, and of the git dir what a commit on the own branch needs.
fn mounts(hub: &Hub, at: &Workplace) -> Result<Mounts> {
    let mut mounts = Mounts::new();
    for readable in [&hub.root, &hub.common_dir, &at.session.to_owned()] {
        mounts.insert(readable.clone(), Access::Read);
    }
    mounts.insert(hub.common_dir.join("teof"), Access::Hidden);
    let (mut writable, closed) = sandbox::of_git_dir(&hub.common_dir, at)?;
    writable.push(at.root.to_owned());
    writable.extend(at.own.iter().cloned());
    mounts.extend(writable.into_iter().map(|path| (path, Access::Write)));
    mounts.extend(closed.map(|path| (path, Access::Read)));
    mounts.retain(|path, _| path.exists());
    Ok(mounts)
}
