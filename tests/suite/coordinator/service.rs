//! The coordinator as a service: what it tells its service manager, how it reads its settings again, and what happens
//! to it when the machine does not behave.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use teof::base::lock::FileLock;

use super::*;

/// A coordinator that runs in the background, and what it printed.
pub(super) struct Service {
    pub child: Child,
    log: PathBuf,
}

impl Service {
    pub fn start(yard: &Yard, env: &[(&str, &str)]) -> Service {
        let log = yard.world.folder().join("service.log");
        let output = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = yard.world.teof(&["coordinator", "run"]);
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        Service { child: command.spawn().unwrap(), log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn says(&self, what: &str) {
        crate::harness::until_or(|| format!("{what:?} in\n{}", self.log()), || self.log().contains(what));
    }

    pub fn signal(&self, signal: Signal) {
        send(self.child.id().cast_signed(), signal);
    }

    /// Its exit code, which it gives soon.
    pub fn end(&mut self) -> i32 {
        until("the end of the coordinator", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

fn send(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

impl Yard {
    pub fn settings(&self, more: &str) {
        let quick = "retry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\n";
        self.world.write("teof.toml", &format!("{}[coordinator]\n{quick}{more}", UNCONFINED));
    }

    fn facts(&self) -> Value {
        let bytes = fs::read(self.world.repo.join(".git/teof/coordinator/process.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

#[test]
fn the_loop_itself_tells_the_service_manager_how_it_is() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    let name = format!("teof-test-{}-{}", std::process::id(), yard.world.folder().display());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let told = Arc::new(Mutex::new(Vec::<(Instant, String)>::new()));
    let listener = Arc::clone(&told);
    std::thread::spawn(move || {
        let mut datagram = [0; 4096];
        while let Ok(read) = socket.recv(&mut datagram) {
            let text = String::from_utf8_lossy(&datagram[..read]).into_owned();
            listener.lock().unwrap().push((Instant::now(), text));
        }
    });
    let count = |what: &str| told.lock().unwrap().iter().filter(|(_, line)| line.starts_with(what)).count();
    let env = [("NOTIFY_SOCKET", format!("@{name}")), ("WATCHDOG_USEC", "400000".to_owned())];
    let mut service = Service::start(&yard, &env.each_ref().map(|(name, value)| (*name, value.as_str())));
    until("a sign of life while a job runs", || count("STATUS=1 running") == 1 && count("WATCHDOG=1") > 3);
    assert_eq!(count("READY=1"), 1);
    for worker in yard.workers() {
        let environ = fs::read(format!("/proc/{worker}/environ")).unwrap();
        let environ = String::from_utf8_lossy(&environ).into_owned();
        assert!(!environ.contains("NOTIFY_SOCKET") && !environ.contains("WATCHDOG"), "they are the coordinator's");
    }
    service.signal(Signal::HUP);
    until("the reload", || count("READY=1") == 2);
    let reloading = told.lock().unwrap().iter().find(|(_, line)| line.starts_with("RELOADING=1")).cloned().unwrap();
    assert!(reloading.1.contains("\nMONOTONIC_USEC="), "{reloading:?}");
    service.says("none changed");

    // The sign comes from the loop: none while it waits for a lock, whatever the other threads do.
    let lock = yard.world.repo.join(".git/teof/locks/bus.lock");
    let held = FileLock::acquire(&lock, Duration::from_secs(60), "lock.wait", "a test").unwrap();
    let mut pause = yard.world.spawn(&["coordinator", "pause"]);
    let last_sign = || told.lock().unwrap().iter().rev().find(|(_, line)| line == "WATCHDOG=1").map(|(at, _)| *at);
    until("silence", || last_sign().is_some_and(|at| at.elapsed() > 3 * Duration::from_millis(200)));
    let before = count("WATCHDOG=1");
    drop(held);
    until("further signs", || count("WATCHDOG=1") > before);
    assert!(pause.wait().unwrap().success());

    service.signal(Signal::TERM);
    until("its word that it stops", || count("STOPPING=1") == 1 && count("STATUS=1 running, stopping") == 1);
    yard.open();
    assert_eq!(service.end(), 0, "{}", service.log());
    until("the worker's end", || yard.workers().is_empty());
}

#[test]
fn sighup_reads_the_settings_again_and_says_what_changed_or_why_not() {
    let yard = Yard::new();
    let mut service = Service::start(&yard, &[]);
    service.says("coordinating ");
    yard.settings("poll_max = \"2m\"\n");
    service.signal(Signal::HUP);
    service.says("settings changed: coordinator.poll_max: \"5m\" → \"2m\"");

    // A change of the file is enough, and the same fault is told once.
    yard.settings("poll_max = \"2m\"\nbreaker_after = \"often\"\n");
    service.says("the old settings stay in force, and no job starts: invalid settings");
    until("the reason", || yard.facts()["settings"]["refused"].is_string());
    yard.settings("poll_max = \"2m\"\nbreaker_after = \"often\"\n");

    // A setting that the grant covers waits for a person.
    yard.settings("poll_max = \"2m\"\nbreaker_after = 9\n");
    service.signal(Signal::HUP);
    service.says("a person must grant the changed settings: teof consent grant (coordinator.breaker_after: 3 → 9)");
    assert!(!service.log().contains("settings changed: coordinator.breaker_after"));
    assert_eq!(service.log().matches("no job starts: invalid settings").count(), 1, "{}", service.log());
    yard.world.ok(&["consent", "grant", "--continuous"]);
    service.says("settings changed: coordinator.breaker_after: 3 → 9");
    until("no reason any more", || yard.facts()["settings"]["refused"].is_null());
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
}

#[test]
fn without_file_watches_it_polls_and_says_so_once() {
    let yard = Yard::new();
    let limit = yard.world.folder().join("no-watches");
    fs::write(&limit, "").unwrap();
    let fault = [("TEOF_FAULT", "watches:0"), ("TEOF_FAULT_LOG", limit.to_str().unwrap())];
    let mut service = Service::start(&yard, &fault);
    service.says("polling files instead of watching them: this user has no file watches left");
    yard.plan("a", &[&yard.work("a")]);
    until("work that is found without a watch", || yard.ran() == ["a"]);
    yard.world.ok(&["coordinator", "pause"]);
    assert_eq!(service.log().matches("polling files").count(), 1, "{}", service.log());
    assert!(yard.world.run(&["doctor", "--json"]).stdout.contains("coordinator.polling"));
    fs::remove_file(&limit).unwrap();
    service.says("watching files again");
    assert_eq!(yard.facts()["polling"], Value::Null);
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
}

#[test]
fn a_repository_that_is_moved_away_stops_the_coordinator_with_a_reason_and_nothing_in_its_place() {
    let yard = Yard::new();
    let mut service = Service::start(&yard, &[]);
    service.says("coordinating ");
    let (old, new) = (yard.world.repo.clone(), yard.world.folder().join("moved"));
    fs::rename(&old, &new).unwrap();
    assert_eq!(service.end(), 1, "{}", service.log());
    service.says("the repository is no longer at");
    assert!(!old.exists(), "nothing is written to where nobody reads it");
}

#[test]
fn a_full_disk_pauses_work_until_there_is_room() {
    let yard = Yard::with("min_free_disk = 9000000000000000\n");
    yard.plan("a", &[&yard.work("a")]);
    let mut service = Service::start(&yard, &[]);
    service.says("no job starts: only");
    assert!(yard.ran().is_empty());
    let status = || yard.world.ok(&["status"]);
    until("the status to say why", || status().contains("; no job starts: only"));
    assert!(!status().contains("any number of jobs"), "{}", status());
    yard.settings("");
    service.says("there is enough free disk space again");
    until("the work", || yard.ran() == ["a"]);
    assert!(!status().contains("no job starts"), "{}", status());
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
    let alerts = yard.world.lines("_bus/events/events.jsonl");
    let told = alerts.iter().filter(|line| line.to_string().contains("min_free_disk")).count();
    assert_eq!(told, 1, "people are told once: {alerts:?}");
}

#[test]
fn sigterm_to_all_processes_and_a_stage_without_end_cost_no_attempt() {
    let yard = Yard::with("stop_within = \"1s\"\n");
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut service = Service::start(&yard, &[]);
    until("the command to run", || yard.ran().len() == 1);
    // A service manager that signals the whole group: the command first, then its worker, then us.
    let mut group = yard.run_processes();
    group.extend(yard.workers());
    group.push(service.child.id().cast_signed());
    group.into_iter().for_each(|pid| send(pid, Signal::TERM));
    assert_eq!(service.end(), 0, "{}", service.log());
    let job = &yard.status()["jobs"][0].clone();
    assert_eq!((&job["failures"], &job["run"]), (&json!(0), &json!(1)), "{job:#}");

    // The next one is stopped while the stage goes on for longer than the limit.
    let mut service = Service::start(&yard, &[]);
    until("the command to run again", || yard.ran().len() == 2);
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
    service.says("stages did not end within 1s (coordinator.stop_within)");
    until("the worker's end", || yard.workers().is_empty());
    yard.open();
    yard.finish();
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.status()["finished"][0]["failures"], 0);
    yard.nothing_is_left_over();
}

impl Yard {
    /// The processes of commands, without their workers.
    fn run_processes(&self) -> Vec<i32> {
        let root = format!("TEOF_ROOT={}", self.world.repo.display());
        let is_one = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut entries = environ.split(|&b| b == 0);
            entries.clone().any(|entry| entry.starts_with(b"TEOF_RUN="))
                && entries.any(|entry| entry == root.as_bytes())
        };
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_one).collect()
    }
}
