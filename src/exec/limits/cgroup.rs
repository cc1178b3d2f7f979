//! Cgroups of version 2: one for the programs of each run, below a cgroup that is delegated to this process.
//!
//! A cgroup that has controllers for its children holds no processes itself, so this process and its siblings must be
//! in a child, [`LEAF`]. A service of systemd starts there (`DelegateSubgroup=`). In a scope or a container they are
//! moved there. Not in a service without that setting: systemd starts its process again in the cgroup of the service,
//! and that would fail while workers of a coordinator that crashed still run.
//!
//! The group of a run is named after the process that made it, and removed with everything in it once that process is
//! done or gone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::delegation::is_delegated;
use super::numbers::Limits;
use crate::exec::processes::AfterDeath;
use crate::exec::processes::process_tree::{own_pid, own_start, started};

/// The first argument that selects the removal of a group. What follows: its folder.
pub(in crate::exec) const REMOVE: &str = "__remove_cgroup";
/// The child that holds this process; the unit of `teof service` names it, too.
pub const LEAF: &str = "coordinator";
/// Where cgroups are.
const MOUNT: &str = "/sys/fs/cgroup";
/// The names of runs' groups.
const PREFIX: &str = "teof-run-";
/// Names those that a cgroup can have.
const LIST: &str = "cgroup.controllers";
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The period of `cpu.max`, in microseconds.
const PERIOD: u64 = 100_000;
/// How often to try to remove a group whose processes are being killed, and how long to wait between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A cgroup that is delegated to this process.
#[derive(Clone, Debug)]
pub struct Base {
    folder: PathBuf,
    /// Where this process is.
    own: PathBuf,
    /// What can be limited.
    controllers: Vec<String>,
}

impl Base {
    /// Whether the machine has cgroups of version 2 at all.
    pub fn is_possible() -> bool {
        Path::new(MOUNT).join(LIST).is_file()
    }

    /// The one of this process. Changes nothing.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn of_this_process() -> Result<Base, String> {
        Self::of_process(own_pid())
    }

    /// The one of another process of this account, such as a service that a person asks about. Changes nothing.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn of_process(pid: i32) -> Result<Base, String> {
        Self::find(Path::new(&format!("/proc/{pid}/cgroup")), Path::new(MOUNT))
    }

    fn find(membership: &Path, mount: &Path) -> Result<Base, String> {
        if !mount.join(LIST).is_file() {
            return Err("this machine has no cgroup v2 in /sys/fs/cgroup".into());
        }
        let membership = fs::read_to_string(membership).unwrap_or_default();
        let path = membership.lines().find_map(|line| line.strip_prefix("0::/")).filter(|path| !path.contains(".."));
        let Some(path) = path else { return Err("the cgroup of this process is not visible".into()) };
        let own = mount.join(path);
        let folder = match own.parent() {
            Some(above) if own.file_name().is_some_and(|name| name == LEAF) && is_delegated(above, mount) => {
                above.to_owned()
            }
            _ if !is_delegated(&own, mount) => return Err("no cgroup is delegated to this process".into()),
            _ if path.ends_with(".service") => {
                return Err("its service has no DelegateSubgroup=, which needs systemd 254".into());
            }
            _ => own.clone(),
        };
        let listed = fs::read_to_string(folder.join(LIST)).unwrap_or_default();
        let controllers = listed.split_whitespace().map(str::to_owned).collect();
        Ok(Base { folder, own, controllers })
    }

    /// Whether the kernel can limit it: `memory`, `pids` or `cpu`.
    pub fn controls(&self, what: &str) -> bool {
        self.controllers.iter().any(|one| one == what)
    }

    /// Makes the group of a run, after it removed the groups of processes that are gone.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn group(&self, limits: &Limits) -> io::Result<Group> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        self.sweep();
        self.empty()?;
        for controller in CONTROLLERS {
            // One that cannot be had is not in the list below.
            let _ = write(&self.folder, "cgroup.subtree_control", &format!("+{controller}"));
        }
        let enabled = fs::read_to_string(self.folder.join("cgroup.subtree_control"))?;
        let has = |what: &str| enabled.split_whitespace().any(|one| one == what);
        let name = format!("{PREFIX}{}-{}-{}", own_pid(), own_start(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        Group { folder, memory: false, pids: false, cpu: false }.limited(limits, has)
    }

    /// Moves all processes into the leaf.
    fn empty(&self) -> io::Result<()> {
        if self.own != self.folder {
            return Ok(());
        }
        let leaf = self.folder.join(LEAF);
        if !leaf.is_dir() {
            fs::create_dir(&leaf)?;
        }
        // One that starts others meanwhile leaves them behind.
        for _ in 0..TRIES {
            let left = fs::read_to_string(self.folder.join("cgroup.procs"))?;
            if left.trim().is_empty() {
                return Ok(());
            }
            for pid in left.lines() {
                // It may be over.
                let _ = write(&leaf, "cgroup.procs", pid);
            }
        }
        Err(io::Error::other("its processes cannot be moved"))
    }

    /// Removes the groups of processes that are gone, with everything in them.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(maker) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let mut parts = maker.split('-').map_while(|part| part.parse::<u64>().ok());
            let (Some(pid), Some(since)) = (parts.next(), parts.next()) else { continue };
            if i32::try_from(pid).ok().and_then(started) != Some(since) {
                remove(&entry.path());
            }
        }
    }
}

/// Writes to a file of the kernel's, which exists.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    File::options().write(true).open(folder.join(name))?.write_all(text.as_bytes())
}

/// Puts this process into a group.
pub(super) fn enter(folder: &Path) -> io::Result<()> {
    write(folder, "cgroup.procs", "0")
}

/// The cgroup of one run; removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    memory: bool,
    pids: bool,
    cpu: bool,
}

/// How often a group met its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// Processes that were killed.
    pub memory: u64,
    /// Processes that could not be started.
    pub pids: u64,
}

impl Group {
    /// A group whose files something else keeps, with limits on memory and processes (tests).
    pub fn of_folder(folder: PathBuf) -> Self {
        Self { folder, memory: true, pids: true, cpu: false }
    }

    /// Sets what the kernel can limit.
    fn limited(mut self, limits: &Limits, has: impl Fn(&str) -> bool) -> io::Result<Self> {
        if let Some(memory) = limits.memory.as_ref().filter(|_| has("memory")) {
            write(&self.folder, "memory.max", &memory.most.to_string())?;
            // A kernel without swap has no such file.
            let _ = write(&self.folder, "memory.swap.max", "0");
            write(&self.folder, "memory.oom.group", "1")?;
            self.memory = true;
        }
        if let Some(pids) = limits.pids.as_ref().filter(|_| has("pids")) {
            write(&self.folder, "pids.max", &pids.most.to_string())?;
            self.pids = true;
        }
        if let Some(cpus) = limits.cpus.as_ref().filter(|_| has("cpu")) {
            write(&self.folder, "cpu.max", &format!("{} {PERIOD}", cpus.most * PERIOD / 1000))?;
            self.cpu = true;
        }
        Ok(self)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn limits_memory(&self) -> bool {
        self.memory
    }

    pub fn limits_pids(&self) -> bool {
        self.pids
    }

    pub fn limits_cpus(&self) -> bool {
        self.cpu
    }

    pub fn exceeded(&self) -> Exceeded {
        let count = |file: &str, name: &str| {
            let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            count.unwrap_or_default()
        };
        Exceeded { memory: count("memory.events", "oom_kill "), pids: count("pids.events", "max ") }
    }

    /// What removes it once this process was killed.
    pub fn after_death(&self) -> AfterDeath {
        AfterDeath { args: vec![REMOVE.to_owned(), self.folder.display().to_string()], ..AfterDeath::default() }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Kills what is in a group and removes it, with the groups that a program made in it.
fn remove(folder: &Path) {
    let _ = write(folder, "cgroup.kill", "1");
    let mut why = String::new();
    for _ in 0..TRIES {
        remove_below(folder);
        match fs::remove_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => why = e.to_string(),
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                why = e.to_string();
                break;
            }
            _ => return,
        }
        std::thread::sleep(PAUSE);
    }
    tracing::warn!("cannot remove the cgroup {}: {why}", folder.display());
}

/// The deepest first: a group is removed only when it has none in it.
fn remove_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The main function of the process that removes the group of a run whose supervisor was killed.
pub(in crate::exec) fn remove_of_run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let folder = args.next().map(PathBuf::from).unwrap_or_default();
    let is_group = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    if is_group && folder.starts_with(MOUNT) {
        remove(&folder);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::super::numbers::Limit;
    use super::*;

    /// A folder with the files that the kernel has in a cgroup.
    fn stand_in(folder: &Path, controllers: &str) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", ""),
            ("cgroup.procs", ""),
            ("cgroup.type", "domain"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    fn found(mount: &Path, own: &str) -> Result<Base, String> {
        let membership = mount.join("self");
        fs::write(&membership, format!("1:name=systemd:/\n0::{own}\n")).unwrap();
        Base::find(&membership, mount)
    }

    #[test]
    fn only_a_delegated_cgroup_is_divided() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path();
        assert!(found(mount, "/").unwrap_err().contains("no cgroup v2"));
        stand_in(mount, "cpu memory pids");
        // What a container sees, with and without the leaf.
        let base = found(mount, "/").unwrap();
        assert!(base.controls("memory") && !base.controls("io") && base.own == base.folder);
        assert_eq!(found(mount, "/coordinator").unwrap().folder, mount);
        for (path, marked, why) in [
            ("system.slice/teof.service", false, "no cgroup is delegated"),
            ("system.slice/teof.service", true, "systemd 254"),
            ("user.slice/run-1.scope", true, ""),
            ("system.slice/new.service/coordinator", true, ""),
        ] {
            let own = mount.join(path);
            stand_in(&own, "memory");
            let unit = if path.ends_with(LEAF) { own.parent().unwrap() } else { &own };
            stand_in(unit, "memory pids");
            // Not every file system takes the mark.
            let flags = rustix::fs::XattrFlags::empty();
            if marked && rustix::fs::setxattr(unit, "user.delegate", b"1", flags).is_err() {
                continue;
            }
            match found(mount, &format!("/{path}")) {
                Ok(base) => assert_eq!((base.folder.as_path(), why), (unit, ""), "{path}"),
                Err(said) => assert!(!why.is_empty() && said.contains(why), "{path}: {said}"),
            }
        }
        fs::remove_file(mount.join("cgroup.type")).unwrap();
        assert!(found(mount, "/").is_err(), "the root of the machine is nobody's");
    }

    #[test]
    fn processes_are_moved_into_the_leaf_before_a_group_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path();
        stand_in(mount, "memory");
        fs::write(mount.join("cgroup.procs"), "11\n12\n").unwrap();
        fs::create_dir(mount.join(LEAF)).unwrap();
        fs::write(mount.join(LEAF).join("cgroup.procs"), "").unwrap();
        let base = found(mount, "/").unwrap();
        // The kernel would take them from the list.
        let moved = base.empty().unwrap_err();
        assert!(moved.to_string().contains("cannot be moved"), "{moved}");
        assert_eq!(fs::read_to_string(mount.join(LEAF).join("cgroup.procs")).unwrap(), "12");
        // Groups of processes that are gone are removed, others are not.
        let of = |pid: i32, since: u64| mount.join(format!("{PREFIX}{pid}-{since}-0"));
        let (gone, ours) = (of(own_pid(), own_start() + 1), of(own_pid(), own_start()));
        for group in [&gone, &ours] {
            fs::create_dir(group).unwrap();
        }
        base.sweep();
        assert_eq!((gone.exists(), ours.exists()), (false, true));
    }

    #[test]
    fn a_group_gets_the_limits_that_the_kernel_can_enforce() {
        let limit = |most| Some(Limit { most, setting: String::new() });
        let limits = Limits { memory: limit(1 << 30), cpus: limit(1500), pids: limit(64), disk: limit(1) };
        let dir = tempfile::tempdir().unwrap();
        for name in ["memory.max", "memory.oom.group", "pids.max", "cpu.max"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let empty = Group { folder: dir.path().to_owned(), memory: false, pids: false, cpu: false };
        let group = empty.limited(&limits, |what| what != "pids").unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            [read("memory.max"), read("memory.oom.group"), read("cpu.max")],
            ["1073741824", "1", "150000 100000"]
        );
        assert_eq!((group.limits_pids(), read("pids.max")), (false, String::new()));
        fs::write(dir.path().join("memory.events"), "max 7\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!(group.exceeded(), Exceeded { memory: 2, pids: 0 });
        // The kernel's own files, where a cgroup is delegated to the tests.
        let Ok(base) = Base::of_this_process() else { return };
        let Ok(group) = base.group(&limits) else { return };
        let read = |name: &str| fs::read_to_string(group.folder.join(name)).unwrap();
        if group.limits_memory() {
            assert_eq!(read("memory.max").trim(), (1_u64 << 30).to_string());
        }
        if group.limits_cpus() {
            assert_eq!(read("cpu.max").trim(), "150000 100000");
        }
        if group.limits_pids() {
            assert_eq!(read("pids.max").trim(), "64");
        }
        let folder = group.folder.clone();
        drop(group);
        assert!(!folder.exists());
    }
}
