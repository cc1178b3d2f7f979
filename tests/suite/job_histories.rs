//! Random histories of jobs: a coordinator with three workers at a time, a person who approves and a busy writer, while
//! somebody kills any process of theirs at any moment. In the end each job is done once, and the record says so once.
//!
//! `TEOF_JOB_HISTORIES=50` runs that many histories of twenty jobs; without it one short one is run. A failure prints
//! its seed; `TEOF_SEED=7` with `TEOF_JOB_HISTORIES=1` replays its choices (not the moments, which are the machine's).
#![allow(clippy::print_stdout, clippy::print_stderr)] // A long run shows how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::agents::Fake;
use crate::harness::{World, until_or};

/// Leaves a line for every call, so that work which is there twice shows.
const AGENT: &str = r#"
mine="$TEOF_TASK.txt"
echo "call $n" >> "$mine"
sleep 0.1
echo done >> "$mine"
answer '{"analysis": "did it", "commands": [], "receipts": []}'
"#;

/// Nobody's failure is a reason to stop here: what is tried is whether the work goes on.
const SETTINGS: &str = "[lock]\nwait = \"30s\"\n[coordinator]\nconcurrency = 3\nretries = 1000\nretry_first = \"0s\"\n\
    retry_later = \"0s\"\nbreaker_after = 1000\npoll_min = \"1s\"\npoll_max = \"2s\"\nrecord_every = \"1s\"\n\
    [worker]\ngrace = \"1s\"\n[pipeline]\nstages = [\"coder\"]\npasses = 50\n[roles.coder]\nagent = \"fake\"\n";

/// Numbers that depend on the seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What a command line contains, and what its process is.
const KINDS: [(&str, &str); 7] = [
    ("coordinator run", "coordinator"),
    ("foreman run", "foreman"),
    ("review approve", "approval"),
    ("bus event", "writer"),
    ("git ", "git"),
    ("__guard", "guard"),
    ("sh ", "program"),
];

/// A process that was killed, or may be.
struct Victim {
    pid: i32,
    kind: &'static str,
}

struct History {
    world: World,
    case: String,
    jobs: usize,
    /// Ids of the events whose writing was acknowledged.
    acknowledged: BTreeSet<String>,
    /// Jobs whose approval was acknowledged.
    approved: BTreeSet<String>,
    killed: BTreeMap<&'static str, u32>,
}

impl History {
    /// Three of five jobs are a command of a plan, the others an agent's, whose work a person approves.
    fn new(seed: u64, jobs: usize) -> History {
        let world = World::bare_of_teof();
        let agent = Fake::new(&world.folder(), "fake", AGENT);
        for seat in ["manager", "worker-1", "worker-2", "worker-3", "busy"] {
            world.ok(&["init", "--agent", seat, "-q"]);
        }
        world.write("teof.toml", &format!("{}{SETTINGS}", agent.settings()));
        world.ok(&["session-boot", "--no-sync", "--agent", "busy", "--allow-branch-mismatch"]);
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Set up"]);
        world.ok(&["consent", "grant", "--continuous"]);
        let case = format!("replay with TEOF_JOB_HISTORIES=1 TEOF_SEED={seed}");
        let (acknowledged, approved, killed) = Default::default();
        let history = History { world, case, jobs, acknowledged, approved, killed };
        for n in 0..jobs {
            match n % 5 {
                1 | 3 => {
                    let objective = format!("Write file number {n}");
                    history.world.ok(&["coordinator", "submit", "--test", "true", "--objective", &objective]);
                }
                _ => history.plan(n),
            }
        }
        history
    }

    fn plan(&self, n: usize) {
        let id = format!("2026-01-05-p{n}");
        let step = json!({"id": "S1", "title": format!("command {n}"), "status": "queued", "notes": "", "receipts": [],
            "commands": [format!("sleep 0.05; echo {n} >> p{n}.txt")], "tests": ["true"], "diff_limit": 5});
        let plan = json!({"version": 0, "plan_id": id, "created": "2026-01-05T10:00:00Z", "actor": "manager",
            "summary": format!("command {n}"), "priority": 2, "impact_score": 1, "layer": "L5", "systemic_scale": 5,
            "systemic_targets": ["S1", "S6"], "layer_targets": ["L5"], "status": "queued", "steps": [step],
            "checkpoint": {"description": "it is there", "owner": "manager", "status": "pending"}, "links": [],
            "receipts": []});
        self.world.write(&format!("_plans/{id}.plan.json"), &(serde_json::to_string_pretty(&plan).unwrap() + "\n"));
        self.world.ok(&["plan", "approve", &id]);
    }

    fn begin(&self, args: &[&str]) -> Child {
        let mut command = self.world.teof(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A coordinator talks for long, so to a file.
    fn coordinator(&self) -> Child {
        let log = self.world.folder().join("coordinator.log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.world.teof(&["coordinator", "run", "--until-idle"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// All living processes that were started for this history.
    fn processes(&self) -> Vec<Victim> {
        self.processes_of(None)
    }

    /// Those of one kind; looked for quickly, because a git lives for some milliseconds.
    fn processes_of(&self, wanted: Option<&str>) -> Vec<Victim> {
        let folder = self.world.folder().display().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let kind = KINDS.iter().find(|(words, _)| line.contains(words)).map_or("program", |(_, kind)| kind);
            if wanted.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let environ = String::from_utf8_lossy(&read("environ")).into_owned();
            let within = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
            let dead = String::from_utf8_lossy(&read("stat")).contains(") Z ");
            if !dead && (within || environ.contains(&folder)) {
                found.push(Victim { pid, kind });
            }
        }
        found
    }

    fn kill(&mut self, victim: &Victim) {
        if let Some(pid) = Pid::from_raw(victim.pid) {
            let _ = kill_process(pid, Signal::KILL);
            *self.killed.entry(victim.kind).or_default() += 1;
        }
    }

    /// Waits a moment for a process of some kind, and kills it; sometimes all at once, as a power cut would.
    fn strike(&mut self, dice: &mut Dice) {
        let wanted = KINDS[dice.roll(KINDS.len() as u64) as usize].1;
        let (which, all_at_once, since) = (dice.roll(1000) as usize, dice.roll(10) == 0, Instant::now());
        while since.elapsed() < Duration::from_millis(200) {
            let found = self.processes_of(Some(wanted).filter(|_| !all_at_once));
            if all_at_once && !found.is_empty() {
                return found.iter().for_each(|victim| self.kill(victim));
            }
            if !found.is_empty() {
                return self.kill(&found[which % found.len()]);
            }
        }
    }

    /// What an exit code may be, and that nothing panicked.
    fn check_exit(&self, what: &str, output: &Output) {
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(!matches!(code, Some(7..)) && !said.contains("panicked"), "{what}: {code:?}: {said}; {}", self.case);
    }

    fn state(&self) -> PathBuf {
        self.world.repo.join(".git/teof/coordinator/state.json")
    }

    /// The jobs that wait for review, as far as the state on disk says.
    fn waiting(&self) -> Vec<String> {
        let state: Value =
            fs::read(self.state()).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        let jobs = state["jobs"].as_array().cloned().unwrap_or_default();
        let waits = jobs.iter().filter(|job| job["phase"]["is"] == "review" && job["decision"].is_null());
        waits.filter_map(|job| Some(job["id"].as_str()?.to_owned())).collect()
    }

    /// Everybody works, and somebody kills, `kills` times.
    fn live(&mut self, dice: &mut Dice, kills: u32) {
        let (mut coordinator, mut writer, mut approval) = (self.coordinator(), None::<Child>, None::<(Child, String)>);
        let (mut struck, mut written) = (0, 0);
        let mut next = Instant::now() + Duration::from_millis(dice.roll(500));
        let since = Instant::now();
        while struck < kills && since.elapsed() < Duration::from_secs(300) {
            if let Some(status) = coordinator.try_wait().unwrap() {
                assert!(!matches!(status.code(), Some(7..)), "{}: {}", self.log(), self.case);
                coordinator = self.coordinator();
            }
            if writer.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                self.collect_event(writer.take());
                written += 1;
                let summary = format!("busy {written}");
                writer = Some(self.begin(&[
                    "bus",
                    "event",
                    "--event",
                    "note",
                    "--summary",
                    &summary,
                    "--agent",
                    "busy",
                    "--json",
                ]));
            }
            if approval.as_mut().is_none_or(|(child, _)| child.try_wait().unwrap().is_some()) {
                self.collect_approval(approval.take());
                let waiting = self.waiting();
                if let Some(job) = waiting.get(dice.roll(waiting.len().max(1) as u64) as usize) {
                    approval = Some((self.begin(&["review", "approve", job, "--by", "Ann", "--json"]), job.clone()));
                }
            }
            if Instant::now() >= next {
                self.strike(dice);
                struck += 1;
                next = Instant::now() + Duration::from_millis(dice.roll(500));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        kill_process(Pid::from_child(&coordinator), Signal::KILL).unwrap();
        coordinator.wait().unwrap();
        self.collect_event(writer);
        self.collect_approval(approval);
    }

    fn collect_event(&mut self, writer: Option<Child>) {
        let Some(output) = writer.map(|child| child.wait_with_output().unwrap()) else { return };
        self.check_exit("bus event", &output);
        if output.status.success() {
            let done: Value = serde_json::from_slice(&output.stdout).unwrap();
            self.acknowledged.insert(done["written"][0]["id"].as_str().unwrap().to_owned());
        }
    }

    fn collect_approval(&mut self, approval: Option<(Child, String)>) {
        let Some((child, job)) = approval else { return };
        let output = child.wait_with_output().unwrap();
        self.check_exit("review approve", &output);
        if output.status.success() {
            self.approved.insert(job);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.world.folder().join("coordinator.log")).unwrap_or_default()
    }

    /// Undisturbed, everything comes to its end; a person approves what waits.
    fn finish(&mut self) {
        for _ in 0..self.jobs + 3 {
            let output = self.begin(&["coordinator", "run", "--until-idle"]).wait_with_output().unwrap();
            self.check_exit("coordinator run", &output);
            let waiting = self.waiting();
            if waiting.is_empty() {
                let code = output.status.code();
                let said = String::from_utf8_lossy(&output.stderr);
                // A killed test is a true reason to be blocked, and a run that leaves something blocked says so.
                let expected = i32::from(said.contains(" blocked\n") || said.contains(" blocked,"));
                assert_eq!(code, Some(expected), "{said}\n{}\n{}", self.brief(), self.case);
                return;
            }
            for job in waiting {
                let ran = self.world.run(&["review", "approve", &job, "--by", "Ann"]);
                assert_eq!(ran.code, 0, "{}: {}", ran.stderr, self.case);
                self.approved.insert(job);
            }
        }
        panic!("it does not end: {}: {}", self.brief(), self.case);
    }

    fn status(&self) -> Value {
        self.world.json(&["coordinator", "status", "--limit", "1000"])
    }

    /// Each job that is not done, with what is said of it.
    fn brief(&self) -> String {
        let status = self.status();
        let jobs = ["jobs", "finished"].map(|list| status[list].as_array().unwrap().clone()).concat();
        let open = jobs.iter().filter(|job| job["phase"]["ending"] != "done");
        let open =
            open.map(|job| format!("{} {}: {} {}\n", job["id"], job["task"], job["phase"], job["last"]["reason"]));
        open.collect::<String>() + &status["totals"].to_string()
    }

    fn check(&self) {
        self.check_jobs();
        self.check_record();
        self.check_repository();
    }

    fn check_jobs(&self) {
        let (status, case) = (self.status(), &self.case);
        let finished = status["finished"].as_array().unwrap();
        assert_eq!(finished.len(), self.jobs, "{}: {case}", self.brief());
        // A test that was killed did not pass, and nobody can know why: that is for a person.
        let killed = |job: &Value| {
            job["phase"]["ending"] == "blocked" && job["last"]["reason"].to_string().contains("killed by signal 9")
        };
        let blocked: BTreeSet<_> =
            finished.iter().filter(|job| killed(job)).map(|job| job["task"].to_string()).collect();
        let all_done = finished.iter().all(|job| job["phase"]["ending"] == "done" || killed(job));
        assert!(all_done, "{}: {case}", self.brief());
        for job in &self.approved {
            let job = finished.iter().find(|found| found["id"] == json!(job)).unwrap();
            assert_eq!(job["decision"]["word"]["is"], "merged", "{job}: {case}");
        }
        let merged = self.world.git(&[
            "log",
            "--first-parent",
            "--format=%(trailers:key=Teof-Job,valueonly,separator=%x20)",
            "main",
        ]);
        let merged: Vec<_> = merged.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(merged.iter().collect::<BTreeSet<_>>().len(), merged.len(), "merged twice: {merged:?}: {case}");
        for n in 0..self.jobs {
            let agents = matches!(n % 5, 1 | 3);
            if blocked.iter().any(|task| task.contains(&format!("-p{n}-")) || *task == format!("write-file-{n}")) {
                continue;
            }
            let (file, place) = match agents {
                true => (format!("write-file-{n}.txt"), "main".to_owned()),
                false => (format!("p{n}.txt"), self.branch_of(&format!("2026-01-05-p{n}-S1"))),
            };
            let names = self.world.git(&["ls-tree", "--name-only", &place]);
            let name = names.lines().find(|name| name.ends_with(&file));
            let name = name.unwrap_or_else(|| panic!("{file} is not on {place}: {names}: {case}"));
            let text = self.world.git(&["show", &format!("{place}:{name}")]);
            match agents {
                true => {
                    let calls: Vec<_> = text.lines().filter(|line| line.starts_with("call")).collect();
                    let different: BTreeSet<_> = calls.iter().collect();
                    assert!(different.len() == calls.len() && text.ends_with("done"), "{name}: {text}: {case}");
                }
                false => assert_eq!(text, n.to_string(), "{name}: {case}"),
            }
        }
    }

    fn branch_of(&self, task: &str) -> String {
        let status = self.status();
        let job = status["finished"].as_array().unwrap().iter().find(|job| job["task"] == task).cloned();
        let job = job.unwrap_or_else(|| panic!("no job of {task}: {}", self.brief()));
        job["last"]["commit"].as_str().unwrap_or_else(|| panic!("{job:#}: {}", self.case)).to_owned()
    }

    fn check_record(&self) {
        let case = &self.case;
        let mut events = Vec::new();
        for entry in fs::read_dir(self.world.repo.join("_bus/events")).unwrap().flatten() {
            events.extend(self.world.lines(&format!("_bus/events/{}", entry.file_name().to_str().unwrap())));
        }
        let mut ids = BTreeMap::<&str, u32>::new();
        events.iter().for_each(|event| *ids.entry(event["id"].as_str().unwrap()).or_default() += 1);
        for id in &self.acknowledged {
            assert_eq!(ids.get(id.as_str()), Some(&1), "acknowledged event {id}: {case}");
        }
        let told = |event: &&Value| !event["meta"]["run"].is_null() && !event["meta"]["verdict"].is_null();
        let mut told: Vec<_> = events.iter().filter(told).map(|event| event["meta"]["run"].to_string()).collect();
        let mut envelopes = Vec::new();
        for seat in fs::read_dir(self.world.repo.join("_report/agent")).unwrap().flatten() {
            for entry in fs::read_dir(seat.path().join("runs")).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|end| end == "json") {
                    let envelope: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
                    envelopes.push(envelope["run"].to_string());
                }
            }
        }
        told.sort();
        envelopes.sort();
        assert_eq!(told, envelopes, "each run has one event and one envelope: {case}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}: {case}");
        for entry in fs::read_dir(self.world.repo.join("_bus/claims")).unwrap().flatten() {
            if entry.path().extension().is_some_and(|end| end == "json") {
                let claim: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
                assert!(claim["status"] == "done" || claim["status"] == "released", "{claim:#}: {case}");
            }
        }
    }

    fn check_repository(&self) {
        let (world, case) = (&self.world, &self.case);
        for args in [&["bus", "verify"][..], &["receipts", "verify"], &["bus", "commit"], &["doctor"]] {
            let ran = world.run(args);
            assert_eq!(ran.code, 0, "{args:?}: {}{}: {case}", ran.stdout, ran.stderr);
        }
        let dirty = world.git(&["status", "--porcelain"]);
        assert_eq!(dirty, "", "{case}");
        let broken = world.git(&["fsck", "--no-dangling", "--no-progress"]);
        assert_eq!(broken, "", "{case}");
        let worktrees = world.git(&["worktree", "list", "--porcelain"]);
        assert!(!worktrees.contains("prunable"), "{worktrees}: {case}");
        let mut folders = vec![world.repo.join(".git")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                match entry.file_type().unwrap().is_dir() {
                    true if path != world.repo.join(".git/teof") => folders.push(path),
                    // A pack that was cut short is in nobody's way, and removed when it is old.
                    false if entry.file_name().to_string_lossy().starts_with("pack_git2_") => {}
                    false if path.extension().is_some_and(|end| end == "lock") => panic!("{}: {case}", path.display()),
                    _ => {}
                }
            }
        }
        let left = || self.processes().iter().map(|left| (left.pid, left.kind)).collect::<Vec<_>>();
        until_or(|| format!("no process is left: {:?}: {case}", left()), || left().is_empty());
    }
}

#[test]
fn jobs_are_done_once_and_told_once_whatever_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let histories = number("TEOF_JOB_HISTORIES");
    let first = number("TEOF_SEED").unwrap_or(1);
    let (jobs, kills) = if histories.is_some() { (20, 60) } else { (5, 8) };
    let mut killed = BTreeMap::<&str, u32>::new();
    for seed in first..first + histories.unwrap_or(1) {
        let (mut history, mut dice) = (History::new(seed, jobs), Dice(seed));
        let since = Instant::now();
        history.live(&mut dice, kills);
        history.finish();
        history.check();
        history.killed.iter().for_each(|(kind, times)| *killed.entry(kind).or_default() += times);
        println!("seed {seed}: {} s, killed {:?}", since.elapsed().as_secs(), history.killed);
    }
    println!("killed in all: {killed:?}");
}
