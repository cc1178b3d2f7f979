//! A person's word about finished work: what is merged, what stays as it was, what can be completed later.

mod approval;
mod branches;
mod checkout;
mod methods;
mod planted;
pub mod pull_requests;
mod screen;
mod signing;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use teof::base::Clock;
use teof::hub::{Hub, Transaction};

use crate::harness::work::UNCONFINED;
use crate::harness::{Ran, World, until};

pub const JOB: &str = "20260105T100000Z-1";

const BRANCH: &str = "agent/codex-1/docs";

/// A repository with work that waits for a person.
pub struct Desk {
    pub world: World,
    base: String,
    /// The reviewed commit.
    pub commit: String,
    /// Its bundle.
    path: String,
    /// Plan and step of the bundle, if it has any.
    pub plan: Value,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::tested(&[])
    }

    /// Whose tests may write beside the repository, and to it.
    fn writing(tests: &[&str]) -> Desk {
        let desk = Desk::tested(tests);
        desk.world.trust_settings(UNCONFINED);
        desk
    }

    fn tested(tests: &[&str]) -> Desk {
        let world = World::new();
        for folder in ["_bus", "_plans", "_report"] {
            world.write(&format!("{folder}/.gitkeep"), "");
        }
        world.write("src/code.txt", "one\ntwo\nthree\n");
        world.write("src/other.txt", "other\n");
        world.write("src/notes.txt", "notes\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Content"]);
        let base = world.git(&["rev-parse", "HEAD"]);
        let mut desk = Desk { world, base, commit: String::new(), path: String::new(), plan: json!({}) };
        desk.commit = desk.work(&[("src/code.txt", "one\n2\nthree\n"), ("src/new.txt", "new\n")]);
        desk.bundle(tests);
        desk
    }

    fn hub(&self) -> Hub {
        Hub::find(Some(&self.world.repo), Clock::Machine).unwrap()
    }

    /// A commit on the seat's branch, made in a worktree of its own.
    pub fn work(&self, files: &[(&str, &str)]) -> String {
        let folder = self.world.folder().join("work");
        let at = folder.to_str().unwrap();
        self.world.git(&["worktree", "add", "-q", "-B", BRANCH, at, self.tip(BRANCH).as_deref().unwrap_or("HEAD")]);
        for (path, text) in files {
            fs::write(folder.join(path), text).unwrap();
        }
        self.world.git_in(&folder, &["add", "."]);
        self.world.git_in(&folder, &["commit", "-qm", "Work"]);
        self.world.git(&["worktree", "remove", "--force", at]);
        self.tip(BRANCH).unwrap()
    }

    /// A script in the way of a program, and the search path that begins with it.
    fn put_on_path(&self, program: &str, script: &str) -> String {
        let bin = self.world.folder().join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join(program), script).unwrap();
        fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
    }

    fn tip(&self, branch: &str) -> Option<String> {
        let found = self.world.git(&["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")]);
        Some(found).filter(|found| !found.is_empty())
    }

    pub fn bundle(&mut self, tests: &[&str]) {
        let hub = self.hub();
        let tests: Vec<_> = tests
            .iter()
            .map(|test| json!({"command": test, "passed": true, "exit_code": 0, "duration_seconds": 0.1}))
            .collect();
        let usage = json!({"input_tokens": 10, "cached_tokens": 0, "output_tokens": 5});
        let mut bundle = json!({
            "version": 1, "generated_at": hub.now(), "job": JOB, "run": format!("{JOB}.1"), "task_id": "QUEUE-001",
            "title": "Write the docs", "objective": "Docs exist", "agent_id": "codex-1", "reviewer": "codex-2",
            "branch": BRANCH, "target_branch": "main", "base_commit": self.base, "commit": self.commit,
            "diff": {"added": 2, "removed": 1, "limit": 40, "files": [{"path": "src/code.txt", "added": 1, "removed": 1}]},
            "stages": [{"name": "coder", "round": 1, "agent": "codex", "passed": true, "outcome": "ok",
                "duration_seconds": 1.0, "usage": usage}],
            "tests": tests, "findings": [], "confidence": 88, "passes": 1, "usage": usage, "receipts": [],
        });
        bundle.as_object_mut().unwrap().extend(self.plan.as_object().unwrap().clone());
        let n = fs::read_dir(self.world.repo.join("_report/agent/codex-1/reviews")).map_or(0, Iterator::count);
        self.path = format!("_report/agent/codex-1/reviews/{}-{JOB}.1-{n}.json", hub.now().compact());
        let mut writer = hub.lock("test").unwrap();
        let mut transaction = Transaction::new("test");
        let payload = bundle.as_object().unwrap().clone();
        teof::receipts::write(&writer, &mut transaction, "codex-1", &self.path, payload).unwrap();
        writer.commit(transaction).unwrap();
    }

    pub fn approve(&self) -> Ran {
        self.world.run(&["review", "approve", JOB, "--by", "Ann", "--json"])
    }

    fn merged(&self) -> Value {
        let ran = self.approve().expect(0);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["decision"].clone()
    }

    fn refused(&self) -> Value {
        let ran = self.approve();
        assert_ne!(ran.code, 0, "{}", ran.stdout);
        let said = &ran.stderr[ran.stderr.find("{\n").unwrap_or_else(|| panic!("{}", ran.stderr))..];
        serde_json::from_str::<Value>(said).unwrap()["error"].clone()
    }

    /// The hub on another branch, for good.
    fn leave_main(&self) {
        self.world.git(&["switch", "-qc", "elsewhere"]);
        fs::remove_dir_all(self.world.repo.join(".git/teof")).unwrap();
    }

    fn main(&self) -> String {
        self.tip("main").unwrap()
    }

    pub fn show(&self, what: &str) -> String {
        self.world.git(&["show", what])
    }

    fn memory(&self) -> Vec<Value> {
        self.world.lines("memory/log.jsonl")
    }

    /// Everything of the person's in the worktree: files, index and what git says of them.
    fn persons(&self) -> (Vec<(PathBuf, Vec<u8>)>, String, String) {
        let mut files = Vec::new();
        for folder in ["", "src", "fresh"] {
            for entry in fs::read_dir(self.world.repo.join(folder)).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_file() {
                    files.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        (files, self.world.git(&["ls-files", "-s"]), self.world.git(&["status", "--porcelain", "-uall"]))
    }

    pub fn leftovers(&self) -> Vec<String> {
        let folder = self.world.folder().join("repo.worktrees");
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name().into_string().unwrap()).collect()
    }
}
