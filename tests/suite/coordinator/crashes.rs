//! What a kill -9 may not cost: workers outlive their coordinator, and each job is done once.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_worker_outlives_its_coordinator_and_is_taken_over() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = yard.begin();
    until("the second coordinator", || yard.status()["running"] == true);
    yard.open();
    assert!(second.wait().unwrap().success());
    assert_eq!(yard.ran(), ["a"], "it ran once");
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.status()["totals"]["retries"], 0);
    yard.nothing_is_left_over();
}

#[test]
fn one_hub_has_one_coordinator_and_the_second_is_told_who() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let error = yard.world.refused(&["coordinator", "run"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("coordinator.running"), Some(3)));
    assert!(error["reason"].as_str().unwrap().contains(&format!("pid {}", first.id())), "{error}");
    yard.open();
    assert!(first.wait().unwrap().success());
}

#[test]
fn sigterm_ends_the_stage_and_the_next_run_goes_on() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a"), &yard.work("a2")]);
    let mut first = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let pid = rustix::process::Pid::from_raw(first.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("the worker is told", || {
        let runs = fs::read_dir(yard.world.repo.join(".git/teof/runs")).unwrap().flatten();
        runs.into_iter().any(|entry| entry.path().extension().is_some_and(|e| e == "stop"))
    });
    yard.open();
    assert!(first.wait().unwrap().success());
    assert!(yard.workers().is_empty(), "it waited for its worker");
    assert_eq!(yard.ran(), ["a"], "nothing new was started");
    yard.finish();
    assert_eq!(yard.ran(), ["a", "a2"], "what was committed is not done again");
    assert_eq!(yard.step(&plan, "S2")["status"], "done");
    yard.nothing_is_left_over();
}

/// A small generator, so that the kills are the same in every run as far as the machine allows.
fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

#[test]
fn twenty_jobs_survive_kills_at_any_moment_and_each_is_done_once() {
    let yard = Yard::with("retries = 1000\n");
    let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    let plans: Vec<String> = names.iter().map(|name| yard.plan(name, &[&yard.work(name)])).collect();
    let mut seed = 20_260_105;
    let done = || yard.ran().len();
    for round in 0..12 {
        let mut coordinator = yard.begin();
        // Some progress, then some moments more: a point that nobody chose.
        let (before, moments) = (done(), dice(&mut seed, 400));
        until("progress", || done() > before || coordinator.try_wait().unwrap().is_some());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(moments) {
            std::thread::yield_now();
        }
        let workers = yard.workers();
        match round % 3 {
            0 => workers.iter().take(1).for_each(|pid| kill(*pid)),
            1 => {}
            _ => workers.iter().for_each(|pid| kill(*pid)),
        }
        if round % 3 != 0 || coordinator.try_wait().unwrap().is_none() {
            kill(coordinator.id() as i32);
        }
        coordinator.wait().unwrap();
    }
    yard.finish();
    for (name, plan) in names.iter().zip(&plans) {
        let step = yard.step(plan, "S1");
        assert_eq!(step["status"], "done", "{name}: {step}");
    }
    let checkpoints = yard.checkpoints();
    assert_eq!(checkpoints.len(), 20, "{checkpoints:?}");
    assert!(checkpoints.values().all(|times| *times == 1), "what was committed is not redone: {checkpoints:?}");
    let finished = yard.status()["finished"].as_array().unwrap().len();
    assert_eq!(finished, 20, "each job is done once");
    yard.nothing_is_left_over();
}

#[test]
fn work_goes_on_when_a_git_of_its_worker_is_killed() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.work("a")]);
    let bin = yard.world.folder().join("bin");
    let git =
        std::env::split_paths(&std::env::var("PATH").unwrap()).map(|dir| dir.join("git")).find(|git| git.exists());
    let once = bin.join("killed").display().to_string();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *worktree*add*|*update-ref*refs/heads/agent/*) mkdir {once} 2>/dev/null && kill -9 $$;; esac\n\
         exec {} \"$@\"\n",
        git.unwrap().display()
    );
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let ran = yard.world.teof(&["coordinator", "run", "--until-idle"]).env("PATH", path).output().unwrap();
    assert!(Path::new(&once).is_dir(), "a git was killed");
    assert!(ran.status.success(), "{}\n{:#}", String::from_utf8_lossy(&ran.stderr), yard.status());
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    yard.nothing_is_left_over();
}

#[test]
fn a_stop_ends_a_coordinator_that_cannot_save_its_state() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    let mut child = yard.begin();
    until("it works", || yard.ran() == ["a"]);
    let (state, kept) = (yard.state(), yard.state().with_extension("kept"));
    fs::rename(&state, &kept).unwrap();
    fs::create_dir(&state).unwrap();
    yard.open();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("cannot save the state")));
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(said.any(|line| line.contains("stopping without saving the state")));
    // What it left cannot be told while the state cannot be read.
    child.wait().unwrap();

    fs::remove_dir(&state).unwrap();
    fs::rename(&kept, &state).unwrap();
    yard.finish();
    assert_eq!(yard.step("2026-01-05-a", "S1")["status"], "done");
}
