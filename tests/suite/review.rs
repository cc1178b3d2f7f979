//! A person's word about finished work: what is merged, what stays as it was, what can be completed later.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teof::base::Clock;
use teof::hub::{Act, Hub};

use crate::harness::{Ran, World};

const JOB: &str = "20260105T100000Z-1";
const BRANCH: &str = "agent/codex-1/docs";

/// A repository with work that waits for a person.
struct Desk {
    world: World,
    base: String,
    /// The reviewed commit.
    commit: String,
    /// Its bundle.
    path: String,
    /// Plan and step of the bundle, if it has any.
    plan: Value,
}

impl Desk {
    fn new() -> Desk {
        Desk::tested(&[])
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
    fn work(&self, files: &[(&str, &str)]) -> String {
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

    fn tip(&self, branch: &str) -> Option<String> {
        let found = self.world.git(&["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")]);
        Some(found).filter(|found| !found.is_empty())
    }

    fn bundle(&mut self, tests: &[&str]) {
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
        let mut act = Act::new("test");
        let payload = bundle.as_object().unwrap().clone();
        teof::receipts::write(&writer, &mut act, "codex-1", &self.path, payload).unwrap();
        writer.perform(act).unwrap();
    }

    fn approve(&self) -> Ran {
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

    fn main(&self) -> String {
        self.tip("main").unwrap()
    }

    fn show(&self, what: &str) -> String {
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

    fn leftovers(&self) -> Vec<String> {
        let folder = self.world.folder().join("repo.worktrees");
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn the_reviewed_commit_is_merged_and_not_what_the_branch_became() {
    let desk = Desk::tested(&["test $(cat src/new.txt) = new"]);
    desk.work(&[("src/new.txt", "slipped in\n")]);
    let before = desk.main();
    let decision = desk.merged();
    let merge = decision["merge_commit"].as_str().unwrap();
    assert_eq!(desk.main(), merge);
    assert_eq!(desk.world.git(&["rev-parse", "main^1", "main^2"]), format!("{before}\n{}", desk.commit));
    assert_eq!(desk.world.read("src/new.txt"), "new\n");
    let trailers = desk.world.git(&["log", "-1", "--format=%(trailers)", "main"]);
    assert_eq!(trailers.trim(), format!("Teof-Job: {JOB}\nTeof-Run: {JOB}.1\nTeof-Reviewed-By: Ann"));
    assert_eq!((&decision["decision"], &decision["by"]), (&json!("approved"), &json!("Ann")));
    assert_eq!(decision["tests"][0]["passed"], true);
    let line = &desk.memory()[0];
    assert_eq!(
        (&line["event"], &line["actor"], &line["commit"]),
        (&json!("approved"), &json!("Ann"), &json!(desk.commit))
    );
    assert!(desk.world.exists(line["receipts"][0].as_str().unwrap()));
    assert_eq!(desk.leftovers(), [] as [&str; 0]);
    desk.world.ok(&["receipts", "verify", "--all"]);

    // Once is enough: nothing is written a second time.
    let again = desk.world.json(&["review", "approve", JOB, "--by", "Bob"]);
    assert_eq!((&again["before"], &again["decision"]["by"]), (&json!(true), &json!("Ann")));
    assert_eq!((desk.memory().len(), desk.main().as_str()), (1, merge));
    desk.world.ok(&["bus", "commit"]);
    assert_eq!(desk.world.git(&["status", "--porcelain"]), "");
    desk.world.ok(&["preflight", "full", "--base", "main^"]);
}

#[test]
fn a_persons_staged_and_unstaged_work_is_there_afterwards_byte_for_byte() {
    let desk = Desk::new();
    desk.world.write("src/other.txt", "staged\n");
    desk.world.write("fresh/staged.txt", "staged\n");
    desk.world.git(&["add", "src/other.txt", "fresh/staged.txt"]);
    desk.world.write("src/other.txt", "staged, and changed since\n");
    desk.world.write("src/notes.txt", "changed\n");
    desk.world.write("untracked.txt", "untracked\n");
    let (files, index, status) = desk.persons();
    desk.merged();
    let (files_now, index_now, status_now) = desk.persons();
    let is_merged = |path: &str| path.ends_with("src/code.txt") || path.ends_with("src/new.txt");
    let touched = |path: &PathBuf| is_merged(&path.to_string_lossy());
    let rest = |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().filter(|(p, _)| !touched(p)).collect::<Vec<_>>();
    assert_eq!(rest(files_now), rest(files));
    let rest = |index: &str| index.lines().filter(|line| !is_merged(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(rest(&index_now), rest(&index), "what is staged stays staged");
    let code = |status: &str| {
        status
            .lines()
            .filter(|line| !line.contains(" _") && !line.contains("memory/"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(code(&status_now), code(&status));
    assert_eq!(desk.world.read("src/code.txt"), "one\n2\nthree\n");
}

#[test]
fn work_in_the_way_is_named_and_left_as_it_is() {
    let modify = |desk: &Desk| desk.world.write("src/code.txt", "mine\n");
    let stage = |desk: &Desk| {
        desk.world.write("src/code.txt", "mine\n");
        desk.world.git(&["add", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine, changed since\n");
    };
    let leave = |desk: &Desk| desk.world.write("src/new.txt", "mine\n");
    let ignore = |desk: &Desk| {
        fs::write(desk.world.repo.join(".git/info/exclude"), "new.txt\n").unwrap();
        desk.world.write("src/new.txt", "mine\n");
    };
    let hide = |desk: &Desk| {
        desk.world.git(&["update-index", "--assume-unchanged", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine\n");
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Desk));
    let cases: [Case; 5] = [
        ("src/code.txt", &modify),
        ("src/code.txt", &stage),
        ("src/new.txt", &leave),
        ("src/new.txt", &ignore),
        ("src/code.txt", &hide),
    ];
    for (at, (path, change)) in cases.into_iter().enumerate() {
        let desk = Desk::tested(&["touch ../ran"]);
        change(&desk);
        let (main, before) = (desk.main(), desk.persons());
        let index = fs::read(desk.world.repo.join(".git/index")).unwrap();
        let refused = desk.refused();
        assert_eq!(
            (&refused["code"], &refused["files"]),
            (&json!("target.in_the_way"), &json!([path])),
            "{at}: {refused}"
        );
        assert_eq!(desk.main(), main);
        assert_eq!(desk.persons(), before);
        assert_eq!(fs::read(desk.world.repo.join(".git/index")).unwrap(), index);
        assert!(desk.memory().is_empty());
    }
}

#[test]
fn a_git_in_the_middle_of_something_is_not_disturbed() {
    let desk = Desk::new();
    let lock = desk.world.repo.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(desk.refused()["code"], "target.busy");
    assert!(lock.exists());
    fs::remove_file(lock).unwrap();
    desk.merged();
}

#[test]
fn a_target_that_nobody_has_checked_out_moves_alone() {
    let desk = Desk::new();
    desk.world.git(&["switch", "-qc", "elsewhere"]);
    fs::remove_dir_all(desk.world.repo.join(".git/teof")).unwrap();
    desk.world.write("src/code.txt", "mine\n");
    desk.merged();
    assert_eq!(desk.show("main:src/code.txt"), "one\n2\nthree");
    assert_eq!(desk.world.read("src/code.txt"), "mine\n");
}

#[test]
fn a_target_that_moved_in_the_record_alone_has_not_moved() {
    let desk = Desk::tested(&[
        "echo ran >> $HOME/ran; cd \"$TEOF_ROOT\" && echo x > _report/x.txt && git add _report/x.txt && \
        git -c user.name=t -c user.email=t@t commit -qm record -- _report/x.txt",
    ]);
    let decision = desk.merged();
    assert_eq!(
        desk.world.git(&["log", "--format=%s", "--first-parent", "-2", "main"]),
        "Merge QUEUE-001: Write the docs\nrecord"
    );
    assert_eq!(decision["target_before"], json!(desk.world.git(&["rev-parse", "main^1"])));
    assert_eq!(fs::read_to_string(desk.world.folder().join("home/ran")).unwrap(), "ran\n", "tested once");
    assert_eq!(desk.show("main:_report/x.txt"), "x");
}

#[test]
fn a_target_whose_code_moved_is_merged_and_tested_anew() {
    let desk = Desk::tested(&[
        "echo ran >> $HOME/ran; test -e $HOME/moved && exit 0; touch $HOME/moved; cd \"$TEOF_ROOT\" && \
        echo y > src/other.txt && git -c user.name=t -c user.email=t@t commit -qm code -- src/other.txt",
    ]);
    desk.merged();
    assert_eq!(fs::read_to_string(desk.world.folder().join("home/ran")).unwrap(), "ran\nran\n");
    assert_eq!((desk.show("main:src/other.txt"), desk.show("main:src/code.txt")), ("y".into(), "one\n2\nthree".into()));
}

#[test]
fn a_conflict_merges_nothing_and_names_the_files() {
    let desk = Desk::new();
    desk.world.write("src/code.txt", "one\nzwei\nthree\n");
    desk.world.git(&["commit", "-qam", "A person's"]);
    let main = desk.main();
    let refused = desk.refused();
    assert_eq!((&refused["code"], &refused["exit"]), (&json!("review.conflict"), &json!(1)), "{refused}");
    assert_eq!(refused["files"], json!(["src/code.txt"]));
    assert_eq!((desk.main(), desk.world.read("src/code.txt")), (main.clone(), "one\nzwei\nthree\n".into()));
    let list = desk.world.json(&["review", "list", "--all"]);
    let decision = &list[0]["decision"];
    assert_eq!((&decision["decision"], &decision["target_before"]), (&json!("conflict"), &json!(main)));
    assert_eq!(decision["findings"][0]["path"], "src/code.txt");
    assert!(desk.memory().is_empty());
}

#[test]
fn tests_that_fail_on_the_merged_tree_stop_the_merge() {
    // It passes on the branch and on the target, and not on both together.
    let desk = Desk::tested(&["test ! -e src/theirs.txt || test ! -e src/new.txt"]);
    desk.world.write("src/theirs.txt", "x\n");
    desk.world.git(&["add", "src/theirs.txt"]);
    desk.world.git(&["commit", "-qm", "A person's"]);
    let main = desk.main();
    let refused = desk.refused();
    assert_eq!((&refused["code"], &refused["exit"]), (&json!("review.tests_failed"), &json!(1)), "{refused}");
    assert_eq!((desk.main(), desk.leftovers()), (main, vec![]));
}

#[test]
fn what_was_altered_since_it_was_written_is_neither_merged_nor_run() {
    let desk = Desk::tested(&["true"]);
    let text = desk.world.read(&desk.path);
    desk.world.write(&desk.path, &text.replace("\"command\": \"true\"", "\"command\": \"touch $HOME/pwned\""));
    assert_eq!(desk.refused()["code"], "bundle.altered");
    // Sealed anew by hand, it is not what the ledger says.
    let mut payload: serde_json::Map<String, Value> = serde_json::from_str(&desk.world.read(&desk.path)).unwrap();
    payload.remove("receipt_sha256");
    desk.world.write(&desk.path, &teof::receipts::seal::sealed(payload));
    assert_eq!(desk.refused()["code"], "bundle.altered");
    assert!(!desk.world.folder().join("home/pwned").exists());
    assert_eq!(desk.main(), desk.base);
}

#[test]
fn nothing_is_merged_while_something_is_wrong_with_the_record() {
    let desk = Desk::new();
    desk.world.write("_bus/claims/QUEUE-009.json", "{\"task_id\": \"QUEUE-008\"}\n");
    let refused = desk.refused();
    assert_eq!(refused["code"], "review.record", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("QUEUE-009"), "{refused}");
    fs::remove_file(desk.world.repo.join("_bus/claims/QUEUE-009.json")).unwrap();
    desk.world.ok(&["session-boot", "--no-sync", "--agent", "codex-2", "--allow-branch-mismatch"]);
    desk.world.ok(&[
        "bus",
        "message",
        "--task",
        "QUEUE-001",
        "--type",
        "hold",
        "--summary",
        "wait",
        "--agent",
        "codex-2",
    ]);
    assert_eq!(desk.refused()["code"], "task.on_hold");
    assert_eq!(desk.main(), desk.base);
}

#[test]
fn killed_while_the_tests_run_it_is_approved_by_the_next_word() {
    let desk = Desk::tested(&["touch $HOME/begun; test -e $HOME/go || sleep 600"]);
    let mut child = desk.world.spawn(&["review", "approve", JOB]);
    let begun = desk.world.folder().join("home/begun");
    let since = Instant::now();
    while !begun.exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "the test never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((desk.main(), desk.leftovers().len()), (desk.base.clone(), 1));
    fs::write(desk.world.folder().join("home/go"), "").unwrap();
    desk.merged();
    assert_eq!(desk.leftovers(), [] as [&str; 0]);
    assert_eq!(desk.world.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_merge_without_its_decision_is_written_down_once() {
    let desk = Desk::tested(&["false"]);
    let before = desk.main();
    desk.world.git(&["merge", "-q", "--no-ff", "-m", "By hand", &desk.commit]);
    let merge = desk.main();
    desk.world.git(&["commit", "-q", "--allow-empty", "-m", "Later"]);
    let decision = desk.merged();
    assert_eq!((&decision["merge_commit"], &decision["target_before"]), (&json!(merge), &json!(before)));
    desk.merged();
    assert_eq!(desk.memory().len(), 1);
    let refused = desk.world.refused(&["review", "reject", JOB, "--note", "too late"]);
    assert_eq!(refused["code"], "review.decided");
}

#[test]
fn a_no_needs_a_reason_and_a_person() {
    let desk = Desk::new();
    assert_eq!(desk.world.refused(&["review", "reject", JOB, "--note", " "])["code"], "review.no_note");
    for args in
        [&["approve", JOB][..], &["reject", JOB, "--note", "x"], &["retry", JOB, "--note", "x"], &["revert", JOB]]
    {
        let output = desk.world.teof(&[&["review"], args].concat()).env("TEOF_RUN", "run-1").output().unwrap();
        let ran = Ran::of(output, args).expect(6);
        assert!(ran.stderr.contains("only a person"), "{}", ran.stderr);
    }
    let rejected = desk.world.json(&["review", "reject", "QUEUE", "--note", "not what was asked"]);
    assert_eq!(rejected["decision"]["note"], "not what was asked");
    assert_eq!((&desk.memory()[0]["event"], desk.main()), (&json!("rejected"), desk.base.clone()));
    assert_eq!(desk.tip(BRANCH), Some(desk.commit.clone()), "the branch is kept");
    assert_eq!(desk.refused()["code"], "review.decided");
    assert_eq!(desk.world.ok(&["review", "list"]).trim(), "nothing waits for a person");
}

#[test]
fn what_waits_is_shown_with_its_change() {
    let desk = Desk::tested(&["make test"]);
    let list = desk.world.json(&["review", "list"]);
    assert_eq!(
        (&list[0]["job"], &list[0]["tests"]["passed"], &list[0]["confidence"]),
        (&json!(JOB), &json!(1), &json!(88))
    );
    let shown = desk.world.ok(&["review", "show", "20260105"]);
    for part in ["Write the docs", "Docs exist", "make test", "codex-2", &desk.commit] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    desk.world.git(&["config", "diff.external", "touch pwned;"]);
    let diff = desk.world.ok(&["review", "show", JOB, "--diff"]);
    assert!(diff.contains("-two\n+2\n") && diff.contains("+new"), "{diff}");
    assert!(!desk.world.exists("pwned"));
    assert_eq!(desk.world.refused(&["review", "show", "nothing"])["exit"], 4);
}

#[test]
fn a_merge_is_taken_back_with_a_commit_of_its_own() {
    let desk = Desk::new();
    assert_eq!(desk.world.refused(&["review", "revert", JOB])["code"], "review.not_merged");
    let merge = desk.merged()["merge_commit"].as_str().unwrap().to_owned();
    desk.world.write("src/other.txt", "later\n");
    desk.world.git(&["commit", "-qam", "Later work"]);
    desk.world.write("src/notes.txt", "unsaved\n");
    let decision = desk.world.json(&["review", "revert", JOB, "--by", "Ann", "--note", "broke it"])["decision"].clone();
    assert_eq!(decision["merge_commit"], json!(desk.main()));
    assert_eq!(desk.world.read("src/code.txt"), "one\ntwo\nthree\n");
    assert!(!desk.world.exists("src/new.txt"));
    assert_eq!(
        (desk.world.read("src/other.txt"), desk.world.read("src/notes.txt")),
        ("later\n".into(), "unsaved\n".into())
    );
    assert!(desk.world.git(&["log", "-1", "--format=%B", "main"]).contains(&format!("Teof-Reverts: {merge}")));
    let events: Vec<_> = desk.memory().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["approved", "reverted"]);
    let main = desk.main();
    desk.world.json(&["review", "revert", JOB, "--by", "Ann"]);
    assert_eq!((desk.main(), desk.memory().len()), (main, 2), "once");
}

#[test]
fn what_later_work_stands_on_is_not_taken_back() {
    let desk = Desk::new();
    desk.merged();
    desk.world.write("src/code.txt", "one\n2 and more\nthree\n");
    desk.world.git(&["commit", "-qam", "Later work"]);
    let main = desk.main();
    let refused = desk.world.refused(&["review", "revert", JOB]);
    assert_eq!((&refused["code"], &refused["files"]), (&json!("review.conflict"), &json!(["src/code.txt"])));
    assert_eq!(desk.main(), main);
}

#[test]
fn a_revert_opens_the_step_and_the_item_again() {
    let mut desk = Desk::new();
    let plan = "_plans/2026-01-05-docs.plan.json";
    let step = json!({"id": "S1", "title": "Write", "status": "done", "notes": "", "receipts": []});
    let document = json!({"version": 0, "plan_id": "2026-01-05-docs", "created": "2026-01-05T10:00:00Z", "actor": "a",
        "summary": "s", "status": "done", "steps": [step], "receipts": [],
        "checkpoint": {"description": "d", "owner": "a", "status": "pending"}, "layer": "L5", "systemic_targets": ["S1"], "systemic_scale": 3});
    desk.world.write(plan, &format!("{document:#}\n"));
    let item = json!({"version": 0, "owner": "a", "items": [{"id": "QUEUE-001", "title": "t", "status": "done",
        "completed_at": "2026-01-05T11:00:00Z"}], "history": []});
    desk.world.write("_plans/next-development.todo.json", &format!("{item:#}\n"));
    desk.plan = json!({"plan_id": "2026-01-05-docs", "step_id": "S1"});
    desk.bundle(&[]);
    desk.world.ok(&["bus", "commit"]);
    desk.merged();
    desk.world.ok(&["review", "revert", JOB, "--note", "broke it", "--by", "Ann"]);
    let found = desk.world.read_json(plan);
    assert_eq!((&found["status"], &found["steps"][0]["status"]), (&json!("in_progress"), &json!("in_progress")));
    let last = &found["steps"][0]["last_run"];
    assert_eq!((&last["outcome"], &last["commit"]), (&json!("reverted"), &json!(desk.main())));
    let backlog = desk.world.read_json("_plans/next-development.todo.json");
    assert_eq!(
        (&backlog["items"][0]["status"], &backlog["items"][0]["completed_at"]),
        (&json!("pending"), &Value::Null)
    );
    // Against the record as it was committed: a person took it back, which is no regression.
    desk.world.ok(&["preflight", "full", "--base", "main"]);
}

/// A `gh` that keeps its pull request in a file, and merges into the bare remote.
pub const GH: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/gh.calls"
state="$HOME/gh.state"; remote="$HOME/remote.git"
case "$1 $2" in
"pr list") [ -e "$state" ] && printf '[{"number":7,"url":"https://x/pull/7"}]' || printf '[]';;
"pr create") [ -e "$HOME/gh.broken" ] && { echo "no network" >&2; exit 1; }
  git -C "$remote" rev-parse "$5" > "$state"; echo draft > "$HOME/gh.draft"; echo https://x/pull/7;;
"pr view") head=$(cat "$state"); merged=$(cat "$HOME/gh.merged" 2>/dev/null)
  if [ -n "$merged" ]; then st=MERGED; mc="{\"oid\":\"$merged\"}"; else st=$(cat "$HOME/gh.is" 2>/dev/null || echo OPEN); mc=null; fi
  [ -e "$HOME/gh.draft" ] && draft=true || draft=false
  printf '{"state":"%s","isDraft":%s,"mergedAt":null,"mergeCommit":%s,"headRefOid":"%s","mergedBy":{"login":"ann"}}' "$st" "$draft" "$mc" "$head";;
"pr ready") rm "$HOME/gh.draft";;
"pr merge") [ -e "$HOME/gh.draft" ] && exit 1
  [ "$6" = "$(cat "$state")" ] || exit 1
  cd "$remote" && tree=$(git merge-tree --write-tree main "$6") && new=$(git commit-tree "$tree" -p main -p "$6" -m merge) &&
  git update-ref refs/heads/main "$new" && echo "$new" > "$HOME/gh.merged";;
*) echo "gh: unknown $*" >&2; exit 1;;
esac
"#;

/// A desk with a remote, that `gh`, and consent to let results leave.
fn shop() -> (Desk, String) {
    let desk = Desk::tested(&["true"]);
    let home = desk.world.folder().join("home");
    let remote = home.join("remote.git");
    desk.world.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
    desk.world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    desk.world.git(&["push", "-q", "origin", "main"]);
    let bin = desk.world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("gh"), GH).unwrap();
    fs::set_permissions(bin.join("gh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    (desk, path)
}

fn calls(desk: &Desk) -> String {
    fs::read_to_string(desk.world.folder().join("home/gh.calls")).unwrap_or_default()
}

impl Desk {
    /// `teof` with the stand-in on its search path.
    fn with(&self, path: &str, args: &[&str]) -> Ran {
        Ran::of(self.world.teof(args).env("PATH", path).output().unwrap(), args)
    }

    fn remember(&self, number: u64) {
        let state = json!({"number": number, "url": "https://x/pull/7", "branch": BRANCH, "commit": self.commit});
        self.world.write(&format!(".git/teof/review/{JOB}.json"), &state.to_string());
    }
}

#[test]
fn with_a_pull_request_the_approval_is_its_merge_and_the_local_target_stays() {
    let (desk, path) = shop();
    desk.world.git(&["push", "-q", "origin", &format!("{}:refs/heads/{BRANCH}", desk.commit)]);
    fs::write(desk.world.folder().join("home/gh.state"), format!("{}\n", desk.commit)).unwrap();
    fs::write(desk.world.folder().join("home/gh.draft"), "draft").unwrap();
    desk.remember(7);
    let main = desk.main();
    let said = desk.with(&path, &["review", "approve", JOB, "--by", "Ann"]).expect(0);
    assert!(said.stdout.contains("pull request 7") && said.stdout.contains("session-boot"), "{}", said.stdout);
    assert_eq!(desk.main(), main, "the local target is the person's to bring up to date");
    assert!(
        calls(&desk).contains(&format!("pr merge 7 --merge --match-head-commit {}", desk.commit)),
        "{}",
        calls(&desk)
    );
    desk.world.git(&["merge-base", "--is-ancestor", &desk.commit, "refs/remotes/origin/main"]);
    assert_eq!(desk.memory()[0]["merge_commit"], json!(desk.world.git(&["rev-parse", "refs/remotes/origin/main"])));
    let again = desk.with(&path, &["review", "approve", JOB]).expect(0);
    assert!(again.stdout.contains("already"), "{}", again.stdout);
    assert_eq!(desk.memory().len(), 1);
}

#[test]
fn a_pull_request_that_is_not_what_was_reviewed_is_not_merged() {
    let (desk, path) = shop();
    fs::write(desk.world.folder().join("home/gh.state"), format!("{}\n", desk.base)).unwrap();
    desk.remember(7);
    let ran = desk.with(&path, &["review", "approve", JOB]).expect(1);
    assert!(ran.stderr.contains("not what was reviewed"), "{}", ran.stderr);
    assert!(!calls(&desk).contains("pr merge"));
    assert!(desk.memory().is_empty());
}
