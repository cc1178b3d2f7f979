//! A repository to measure in: on the disk that holds `target/`, or in memory.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use teof::base::Stamp;
use teof::model::event::Event;

pub const TEOF: &str = env!("CARGO_BIN_EXE_teof");

pub struct World {
    _folder: tempfile::TempDir,
    pub repo: PathBuf,
    home: PathBuf,
}

impl World {
    /// On the disk that holds `target/`.
    pub fn new() -> World {
        World::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// In a new folder within `parent`.
    pub fn within(parent: &Path) -> World {
        let folder = tempfile::Builder::new().prefix("bench").tempdir_in(parent).unwrap();
        let (repo, home) = (folder.path().join("repo"), folder.path().join("home"));
        fs::create_dir_all(&home).unwrap();
        let world = World { repo: repo.clone(), home, _folder: folder };
        run(Command::new("git").args(["init", "-q", "-b", "main"]).arg(&repo));
        fs::write(repo.join("README.md"), "bench\n").unwrap();
        run(Command::new("git")
            .args(["-c", "user.name=b", "-c", "user.email=b@b.invalid", "-C"])
            .arg(&repo)
            .args(["add", "."]));
        run(world.git(&["commit", "-qm", "Begin"]));
        world.teof(&["init", "--agent", "bench"]);
        world.teof(&["session-boot", "--agent", "bench", "--no-sync"]);
        world
    }

    pub fn git(&self, args: &[&str]) -> &'static mut Command {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=b", "-c", "user.email=b@b.invalid"]).current_dir(&self.repo).args(args);
        Box::leak(Box::new(command))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TEOF);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.home)
            .env("TEOF_AGENT", "bench")
            .args(args)
            .current_dir(&self.repo)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The home folder of the commands.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs teof, which must succeed.
    pub fn teof(&self, args: &[&str]) {
        let output = self.command(args).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "teof {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What teof prints; it must succeed.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.command(args).arg("--json").stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "teof {args:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs teof as the person who operates the repository.
    pub fn operator(&self, args: &[&str]) {
        let output = self.command(args).env_remove("TEOF_AGENT").stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "teof {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Fills the event log with chained lines of eight agents, in sealed parts of 16 MB, and tells the bytes.
    pub fn fill_events(&self, count: usize) -> u64 {
        let folder = self.repo.join("_bus/events");
        let _ = fs::remove_dir_all(self.repo.join(".git/teof/marks"));
        let _ = fs::remove_dir_all(self.repo.join(".git/teof/cache"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let begin = Stamp::parse("2025-01-01T00:00:00Z").unwrap().unix();
        let mut heads: Vec<Option<String>> = vec![None; 8];
        let (mut part, mut total) = (Vec::new(), 0u64);
        let mut first = None;
        for n in 0..count {
            let at = Stamp::from_unix(begin + n as i64);
            let first_of_part = *first.get_or_insert(at);
            let event =
                Event::new(&format!("agent-{}", n % 8), "status", format!("step {n} is under way, all is well"))
                    .on_task(&format!("TASK-{}", n % 1000));
            let (line, id) = event.line(at, heads[n % 8].as_deref());
            heads[n % 8] = Some(id);
            part.extend_from_slice(&line);
            total += line.len() as u64;
            if part.len() > 16 << 20 && n + 1 < count {
                write(&folder.join(format!("events-{}.jsonl", first_of_part.compact())), &part);
                part.clear();
                first = None;
            }
        }
        write(&folder.join("events.jsonl"), &part);
        self.teof(&["session-boot", "--agent", "bench", "--no-sync"]);
        total
    }
}

/// The size of a hub in its third year, for figures of what people keep open.
pub const CLAIMS: usize = 10_000;
pub const PLANS: usize = 1_000;
pub const EVENTS: usize = 1_000_000;

impl World {
    /// Claims of eight agents; one in `live` is active. Tells the bytes.
    pub fn fill_claims(&self, count: usize, live: usize) -> u64 {
        let mut bytes = 0;
        for n in 0..count {
            let status = match n % live {
                0 => "\"lease_expires_at\": \"2099-01-01T00:00:00Z\",\n  \"status\": \"active\"",
                _ => "\"released_at\": \"2025-01-02T00:00:00Z\",\n  \"status\": \"done\"",
            };
            let claim = format!(
                "{{\n  \"agent_id\": \"agent-{0}\",\n  \"branch\": \"agent/agent-{0}/task-{n}\",\n  \"claimed_at\": \"2025-01-01T00:00:00Z\",\n  \"epoch\": 1,\n  {status},\n  \"task_id\": \"TASK-{n}\"\n}}\n",
                n % 8
            );
            bytes += claim.len() as u64;
            fs::write(self.repo.join(format!("_bus/claims/TASK-{n}.json")), claim).unwrap();
        }
        bytes
    }

    /// An assignment and a channel for each claim of [`World::fill_claims`] that is active.
    pub fn fill_assignments(&self, count: usize, live: usize) {
        for n in (0..count).step_by(live) {
            let task = format!("TASK-{n}");
            let assignment = json!({"task_id": task, "engineer": format!("agent-{}", n % 8), "manager": "bench"});
            fs::write(self.repo.join(format!("_bus/assignments/{task}.json")), format!("{assignment}\n")).unwrap();
            let message = json!({"ts": "2025-01-01T00:00:00Z", "from": "bench", "type": "assignment", "task_id": task,
                "summary": "Please do it"});
            fs::write(self.repo.join(format!("_bus/messages/{task}.jsonl")), format!("{message}\n")).unwrap();
        }
    }

    /// Queued plans with a step each. Tells the bytes.
    pub fn fill_plans(&self, count: usize) -> u64 {
        let mut bytes = 0;
        for n in 0..count {
            let id = format!("2025-01-01-plan-{n}");
            let plan = format!(
                r#"{{"version":0,"plan_id":"{id}","created":"2025-01-01T00:00:00Z","actor":"agent-1","summary":"Plan {n}","status":"queued","layer":"L5","systemic_scale":6,"systemic_targets":["S6"],"layer_targets":["L5"],"steps":[{{"id":"S1","title":"Do it","status":"queued","notes":"","receipts":[]}}],"checkpoint":{{"description":"It is done","owner":"agent-1","status":"pending"}},"links":[],"receipts":[]}}"#
            ) + "\n";
            bytes += plan.len() as u64;
            fs::write(self.repo.join(format!("_plans/{id}.plan.json")), plan).unwrap();
        }
        bytes
    }

    /// A coordinator's state with this many running jobs, and what their workers publish.
    pub fn fill_jobs(&self, count: usize) {
        let local = self.repo.join(".git/teof");
        fs::create_dir_all(local.join("coordinator")).unwrap();
        let now = Stamp::parse("2025-01-01T00:00:00Z").unwrap();
        let id = |n: usize| format!("20250101T000000Z-{n}");
        let job = |n: usize| {
            json!({"id": id(n), "task": format!("TASK-{}", n * 100), "plan": null, "step": null, "origin": null,
                "title": format!("Job {n}"), "source": "plan", "seat": format!("agent-{}", n % 8),
                "phase": {"is": "running", "since": now}, "epoch": 1, "order": null, "run": 1, "failures": 0,
                "interruptions": 0, "wish": null, "last": null, "chosen_at": now})
        };
        let jobs: Vec<_> = (1..=count).map(job).collect();
        let state = json!({"version": 1, "last_job": count, "jobs": jobs});
        fs::write(local.join("coordinator/state.json"), state.to_string()).unwrap();
        (1..=count).for_each(|n| self.publish(n, 0));
    }

    /// What the worker of a job publishes, for the `turn`-th time.
    pub fn publish(&self, job: usize, turn: usize) {
        let folder = self.repo.join(".git/teof/live");
        fs::create_dir_all(&folder).unwrap();
        let id = format!("20250101T000000Z-{job}");
        let live = json!({"run": format!("{id}.1"), "job": id, "task_id": format!("TASK-{}", job * 100),
            "agent_id": format!("agent-{}", job % 8), "started_at": "2025-01-01T00:00:00Z", "stage": "coder", "round": 1,
            "stage_since": "2025-01-01T00:00:00Z", "agent": "claude", "last_tool": "Bash make test",
            "last_line": format!("turn {turn}"), "last_at": "2025-01-01T00:00:00Z", "tokens": turn, "cost_usd": 0.1});
        let beside = folder.join("beside");
        fs::write(&beside, live.to_string()).unwrap();
        fs::rename(beside, folder.join(format!("{id}.1.json"))).unwrap();
    }
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    let mut file = BufWriter::new(fs::File::create(path).unwrap());
    file.write_all(bytes).unwrap();
    file.into_inner().unwrap().sync_all().unwrap();
}

pub fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}
