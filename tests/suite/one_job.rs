//! `teof do` beside others: its consent covers its own job, and it goes on with what there is.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use teof::guard::result::{dotgit, personal};
use teof::guard::trust::{self, Only};

use crate::first_hour::{existing, teof};
use crate::harness::{Ran, World, until};

/// A repository whose agent waits while the gate is closed.
fn world() -> World {
    let world = existing();
    teof(&world, "init --yes -q").expect(0);
    world
}

fn gate(world: &World, is_closed: bool) {
    let gate = world.folder().join("bin/gate");
    if is_closed { fs::write(gate, "").unwrap() } else { fs::remove_file(gate).unwrap() }
}

fn start(world: &World, args: &[&str]) -> Child {
    let path = format!("{}/bin:{}", world.folder().display(), std::env::var("PATH").unwrap());
    let mut command = world.teof(args);
    command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap(), &["do"]).expect(0)
}

fn status(world: &World) -> Value {
    serde_json::from_str(&teof(world, "status --json").expect(0).stdout).unwrap()
}

fn until_running(world: &World, job: &str) {
    until("the job runs", || {
        let jobs = status(world)["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter().any(|one| one["short"] == job && one["phase"]["is"] == "running")
    });
}

fn trusted(world: &World) -> String {
    fs::read_to_string(world.repo.join(".git/teof/trust.json")).unwrap_or_default()
}

#[test]
fn consent_for_one_job_starts_nothing_else() {
    let world = world();
    teof(&world, "coordinator submit --objective \"Something else first\" -q").expect(0);
    teof(&world, "coordinator submit --objective \"Document the parser\" -q").expect(0);
    // As a killed `teof do` leaves it.
    teof(&world, "consent grant --max-jobs 1").expect(0);
    let only = Only { tasks: vec!["document-parser".into()], jobs: 1, going_on: Vec::new() };
    trust::update(&world.hub(), |trust| trust.grant.as_mut().unwrap().only = Some(only)).unwrap();
    assert!(teof(&world, "consent show").stdout.contains("1 job: document-parser"));
    teof(&world, "do \"Document the lexer\"").expect(6);
    teof(&world, "do something-else-first").expect(6);
    let run = teof(&world, "run --until-idle");
    let next = "other work only (1 job: document-parser); allow 10 more: teof consent grant --max-jobs 10";
    assert!(run.stderr.contains(next), "{}", run.stderr);
    let shown = teof(&world, "status").expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let only =
        "not running; consent covers 1 job: document-parser; nothing else may start (allow it: teof consent grant";
    assert!(shown.contains(only), "{shown}");
    let status = status(&world);
    assert_eq!((&status["totals"]["chosen"], &status["jobs"][0]["task"]), (&1.into(), &"document-parser".into()));
    // What `do` grants leaves the limits of the next grant of all tasks as they were.
    teof(&world, "consent revoke -q").expect(0);
    let settings = world.hub().root.join("teof.toml");
    let copying = fs::read_to_string(&settings)
        .unwrap()
        .replace("[worktrees]\n", "[worktrees]\ncopy = [\"no.env\", \"my.env\"]\n");
    fs::write(&settings, copying).unwrap();
    fs::write(world.repo.join("my.env"), "PORT=1\n").unwrap();
    teof(&world, "consent grant --max-jobs 3 -q").expect(0);
    teof(&world, "consent revoke -q").expect(0);
    let lexer = teof(&world, "do \"Document the lexer\" --yes").expect(0);
    assert!(lexer.stderr.contains("Waiting for review: j2"), "{}", lexer.stderr);
    assert!(lexer.stderr.contains("  low: no.env: not copied"), "a finding names its file: {}", lexer.stderr);
    let hub = world.hub().root;
    assert_ne!(hub, world.repo, "the record has a branch of its own");
    let uncommitted = world.git_in(&hub, &["status", "--porcelain", "_bus", "_plans", "_report"]);
    assert_eq!(uncommitted, "", "committed at the end, though it was a moment ago");
    let worktree = teof(&world, "worktree find document-lexer").expect(0).stdout;
    assert_eq!(
        fs::read_to_string(Path::new(worktree.trim()).join("my.env")).unwrap(),
        "PORT=1\n",
        "it stays when a stage is reverted"
    );
    let shown = teof(&world, "consent show").stdout;
    assert!(shown.contains("1 job: document-lexer") && !shown.contains("max_iterations"), "{shown}");
    let file = fs::read_to_string(world.hub().root.join("docs/automation/autonomy-consent.json")).unwrap();
    assert!(file.contains("\"max_iterations\": 3"), "{file}");
    // The same words go on with the same work.
    let again = teof(&world, "do \"Document the parser\"").expect(0);
    assert!(
        again.stderr.contains("j1 waits for review; continuing it") && again.stderr.contains("Waiting for review"),
        "{}",
        again.stderr
    );
}

#[test]
fn two_at_once_do_both_and_a_third_follows_the_job_that_runs() {
    let world = world();
    gate(&world, true);
    let first = start(&world, &["do", "Document the parser", "--yes"]);
    until_running(&world, "j1");
    let seat = status(&world)["jobs"][0]["seat"].as_str().unwrap().to_owned();
    for taken in [format!("session-boot --no-sync --agent {seat}"), format!("agent use {seat}")] {
        let refused = teof(&world, &taken).expect(3);
        assert!(
            refused.stderr.contains(&format!("{seat} is working on the job document-parser")),
            "{}",
            refused.stderr
        );
    }
    let second = start(&world, &["do", "Document the lexer", "--yes"]);
    let third = start(&world, &["do", "document-parser"]);
    until("both consents stand", || trusted(&world).contains("document-lexer"));
    assert!(trusted(&world).contains("document-parser"));
    gate(&world, false);
    let told = [first, second, third].map(|child| end(child).stderr);
    assert!(told[1].contains("Waiting for review: j2"), "{}", told[1]);
    assert!(told[2].contains("Waiting for review: j1"), "{}", told[2]);
    // A job that one work was granted is not there for another one that had its own.
    trust::update(&world.hub(), |trust| {
        let only = trust.grant.as_mut().unwrap().only.as_mut().unwrap();
        only.tasks.push("document-rest".into());
        only.jobs = 3;
    })
    .unwrap();
    teof(&world, "review reject j1 --note \"No\" -q").expect(0);
    teof(&world, "review retry j1 --note \"Say more\" -q").expect(0);
    let run = teof(&world, "run --until-idle");
    assert!(run.stderr.contains("only the one job of teof do was allowed, and it has started"), "{}", run.stderr);
    assert_eq!(status(&world)["totals"]["chosen"], 2);
    teof(&world, "do document-parser").expect(6);
}

#[test]
fn a_running_coordinator_whose_consent_is_used_up_gets_one_job_more() {
    let world = world();
    teof(&world, "consent grant --max-jobs 1").expect(0);
    let mut coordinator = start(&world, &["run"]);
    until("it runs", || status(&world)["running"] != Value::Null);
    teof(&world, "do \"Document the parser\"").expect(0);
    let refused = teof(&world, "do \"Document the lexer\"").expect(6);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    teof(&world, "do \"Document the lexer\" --yes").expect(0);
    teof(&world, "coordinator stop -q").expect(0);
    coordinator.wait().unwrap();
}

#[test]
fn what_was_stopped_goes_on_with_the_same_words() {
    let world = world();
    let empty = teof(&world, "do ' '").expect(2);
    assert!(empty.stderr.contains("description of the work is empty"), "{}", empty.stderr);
    // What only new work can have is not dropped without a word.
    let ignored = teof(&world, "do QUEUE-001 --notes \"in French\" --yes").expect(2);
    assert!(ignored.stderr.contains("QUEUE-001 is the name of a task"), "{}", ignored.stderr);
    gate(&world, true);
    let child = start(&world, &["do", "Document the parser", "--yes"]);
    until_running(&world, "j1");
    let pid = Pid::from_child(&child);
    // The second one follows when the first was heard.
    kill_process(pid, Signal::INT).unwrap();
    until("it stops", || fs::read_dir(world.repo.join(".git/teof/runs")).unwrap().count() > 0);
    kill_process(pid, Signal::INT).unwrap();
    let stopped = Ran::of(child.wait_with_output().unwrap(), &["do"]).expect(5).stderr;
    assert!(stopped.contains("Stopping after the current stage; press Ctrl-C again to stop now"), "{stopped}");
    assert!(stopped.contains("Continue it: teof do document-parser"), "{stopped}");
    assert!(!stopped.contains("Stopped stopped"), "{stopped}");
    gate(&world, false);
    teof(&world, "do \"Document the parser\"").expect(0);
    assert_eq!(status(&world)["totals"]["chosen"], 1);
    // Nobody is asked for consent to what cannot run.
    teof(&world, "task add X-1 --title \"Tidy up\" -q").expect(0);
    let hub = world.hub();
    let mut before = dotgit::observe(&hub.common_dir, &hub.common_dir);
    personal::record_acts(&hub, &mut before).unwrap();
    for what in ["X-1", "\"Document the lexer\""] {
        let refused = world.shell(&format!("teof do {what} --yes")).expect(1);
        assert!(refused.stderr.contains("its program is not installed: claude"), "{}", refused.stderr);
    }
    assert!(!trusted(&world).contains("X-1") && !trusted(&world).contains("document-lexer"));
    assert_eq!(personal::forged(&hub, &before).unwrap(), [], "a person's events name what was granted and taken back");
    // The consent to one job ends without a fault.
    let settings = world.hub().root.join("teof.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("make test", "make test all");
    fs::write(&settings, text).unwrap();
    let doctor: Value = serde_json::from_str(&teof(&world, "doctor --json").stdout).unwrap();
    let ended = doctor["found"].as_array().unwrap().iter().find(|one| one["code"] == "consent.changed");
    let ended = ended.unwrap_or_else(|| panic!("{doctor:#}"));
    assert!(ended["note"] == true && !ended["mend"].to_string().contains("consent grant"), "{ended}");
}

#[test]
fn work_that_waits_for_others_says_for_whom() {
    let world = world();
    let item = |id: &str, more: serde_json::Value| {
        let mut item = serde_json::json!({"id": id, "title": id, "status": "pending"});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let items = [item("HELD", serde_json::json!({})), item("LATER", serde_json::json!({"depends_on": ["HELD"]}))];
    let hub = world.hub().root;
    let backlog = serde_json::json!({"version": 0, "items": items}).to_string();
    fs::write(hub.join("_plans/next-development.todo.json"), backlog).unwrap();
    let claim = serde_json::json!({"task_id": "HELD", "agent_id": "codex-1", "branch": "agent/codex-1/x",
        "status": "active", "claimed_at": "2026-01-05T09:30:00Z", "epoch": 1});
    fs::write(hub.join("_bus/claims/HELD.json"), claim.to_string() + "\n").unwrap();
    for (task, why) in [("HELD", "held by codex-1"), ("LATER", "it depends on HELD, which is not done")] {
        let ran = teof(&world, &format!("do {task} --yes")).expect(5);
        assert!(ran.stderr.contains(&format!("cause: {why}")), "{task}: {ran:?}");
    }
    teof(&world, "consent grant --max-jobs 1").expect(0);
    let ran = teof(&world, "run --until-idle").expect(5);
    assert!(ran.stderr.contains("waiting HELD: held by codex-1"), "{ran:?}");
}
