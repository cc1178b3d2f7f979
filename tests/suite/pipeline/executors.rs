//! Whole jobs of agents in containers and in windows of tmux, and what a killed foreman leaves of them.

use std::process::Stdio;

use teof::exec::tmux::Server;

use super::*;
use crate::executors::docker::{containers, stand_in};
use crate::harness::{Ran, skip, until};

fn has_tmux() -> bool {
    Server::check().inspect_err(|e| skip("a job in windows of tmux", e)).is_ok()
}

const ALL: [&str; 4] = ["planner", "coder", "tester", "reviewer"];

impl Fixture {
    /// All stages, started as `settings` say, with docker's stand-in first in `PATH`.
    fn executed(settings: &str) -> (Fixture, PathBuf) {
        let fixture = Fixture::new().with("stages", json!(ALL));
        let client = stand_in(&fixture.world.folder().join("stand-in"));
        fixture.settings(settings);
        (fixture, client)
    }

    fn in_containers() -> (Fixture, PathBuf) {
        let (fixture, client) = Fixture::executed("");
        fixture.contain();
        (fixture, client)
    }

    /// Settings for containers.
    fn contain(&self) {
        let folder = self.world.folder();
        // The fakes note their calls in folders of their own.
        let mounts = json!([folder.join("fake"), folder.join("judge")]);
        self.settings(&format!(
            "[worker]\nexecutor = \"docker\"\n[worker.docker]\nimage = \"my-claude:authenticated\"\nmounts = {mounts}\ncpus = \"1.5\"\n\
             [worker.limits]\nmemory = \"3g\"\ncpus = \"9\"\npids = 64\n"
        ));
    }

    /// The command that runs the order beside the stand-in.
    fn foreman(&self, run: &str) -> std::process::Command {
        let order = self.write_order();
        let mut command = self.world.teof(&["foreman", "run", &order, "--execute", "--run", run, "--json"]);
        let path = format!("{}:{}", self.world.folder().join("stand-in").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn executed_run(&self, run: &str) -> Value {
        let ran = Ran::of(self.foreman(run).output().unwrap(), &["foreman", "run"]);
        self.outcome(run).unwrap_or_else(|| panic!("no outcome: {ran:?}"))
    }
}

#[test]
fn a_job_runs_in_containers_from_its_plan_to_its_review() {
    let (fixture, client) = Fixture::in_containers();
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(fixture.stages(), ["planner1", "coder1", "tester1", "reviewer1"]);
    assert_eq!(fixture.show("agent/codex-1/docs:src/code.txt"), "one\ntwo\nthree");
    let calls = fs::read_to_string(client.with_file_name("state").join("calls")).unwrap();
    let runs: Vec<_> = calls.lines().filter(|call| call.starts_with("run ")).collect();
    assert_eq!(runs.len(), 4, "planner, coder, test and reviewer: {calls}");
    let (worktree, git) = (fixture.worktree(), fixture.world.repo.join(".git"));
    for part in [
        "--label=teof.job=job-1".to_owned(),
        "--memory=3g".to_owned(),
        "--cpus=1.5".to_owned(),
        "--pids-limit=64".to_owned(),
        format!("--label=teof.task={TASK}"),
        format!("source={0},target={0} ", worktree.display()),
        format!("source={0},target={0},readonly", fixture.world.repo.display()),
        format!("type=tmpfs,target={}", git.join("teof").display()),
        format!("source={0},target={0} ", git.join("refs/heads/agent/codex-1").display()),
        format!("source={0},target={0} ", git.join("objects").display()),
        format!("source={0},target={0},readonly", git.join("objects/info").display()),
        format!("source={0},target={0},readonly", git.join("objects/pack").display()),
    ] {
        assert!(runs.iter().all(|call| call.contains(&part)), "{part}: {calls}");
    }
    assert_eq!(containers(&client), Vec::<String>::new());
    // An order may be started again elsewhere: its sessions are gone with the container.
    assert!(fixture.coder.args(2).starts_with("--session-id="));
}

#[test]
fn an_agent_of_the_client_protocol_is_spoken_to_in_its_container() {
    let (fixture, client) = Fixture::in_containers();
    fixture.coder.speaks_acp();
    fixture.contain();
    fixture.coder.on(2, &format!("ask 'cargo test'\necho three >> src/code.txt\n{DONE}"));
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
    let heard = fixture.coder.heard(2);
    assert_eq!(heard[1]["params"]["cwd"], fixture.worktree().display().to_string());
    assert_eq!(heard[3]["result"]["outcome"]["optionId"], "once");
    assert_eq!(containers(&client), Vec::<String>::new());
}

#[test]
fn a_killed_foremans_containers_are_removed_and_its_job_goes_on() {
    let (fixture, client) = Fixture::in_containers();
    fs::write(client.with_file_name("state").join("opaque"), "").unwrap();
    let started = fixture.coder.file("started");
    fixture.coder.on(2, &format!("touch {}; exec sleep 600", started.display()));
    let mut child = fixture.foreman("run-1").spawn().unwrap();
    until("the coder works", || started.exists());
    assert_eq!(containers(&client).len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    until("its container is removed", || containers(&client).is_empty());
    // What not even its reaper could remove.
    let root = format!("--label=teof.hub={}", fixture.world.repo.display());
    let planted = std::process::Command::new(&client)
        .args(["run", "--name=planted", &root, "--label=teof.run=run-1", &format!("--label=teof.task={TASK}")])
        .args(["--env=PATH=/usr/bin:/bin", "--entrypoint=true", "my-claude:authenticated"])
        .status();
    assert!(planted.unwrap().success() && containers(&client) == ["planted"]);
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(containers(&client), Vec::<String>::new());
}

#[test]
fn an_engine_that_stops_under_an_agent_is_an_outage_and_the_job_goes_on_when_it_is_back() {
    let (fixture, client) = Fixture::in_containers();
    let engine = client.with_file_name("state").join("no-engine");
    fixture.coder.on(2, &format!("touch {}; exit 1", engine.display()));
    fixture.coder.on(3, &format!("echo three >> src/code.txt\n{DONE}"));
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "paused");
    assert!(outcome["reason"].as_str().unwrap().contains("docker lost its engine"), "{outcome}");
    let suspended = &outcome["suspended"];
    assert_eq!((&suspended["agent"], &suspended["outage"]), (&json!("docker"), &json!(true)), "{outcome}");
    fs::remove_file(engine).unwrap();
    assert_verdict(&fixture.executed_run("run-2"), "succeeded");
}

#[test]
fn a_run_without_engine_claims_to_have_done_nothing_and_doctor_says_why() {
    let (fixture, client) = Fixture::in_containers();
    fs::write(client.with_file_name("state").join("no-engine"), "").unwrap();
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "paused");
    assert!(outcome["reason"].as_str().unwrap().contains("docker finds no engine"), "{outcome}");
    assert_eq!((fixture.coder.calls(), fixture.worktree().exists()), (0, false));
    let mut doctor = fixture.world.teof(&["doctor", "--json"]);
    doctor.env("PATH", format!("{}:/usr/bin:/bin", client.parent().unwrap().display()));
    let found = Ran::of(doctor.output().unwrap(), &["doctor"]);
    assert!(found.stdout.contains("docker.no_engine"), "{}", found.stdout);
}

#[test]
fn a_job_runs_in_windows_from_its_plan_to_its_review() {
    if !has_tmux() {
        return;
    }
    let (fixture, _) = Fixture::executed("[worker]\nexecutor = \"tmux\"\n");
    let windows = fixture.coder.file("windows");
    let socket = fixture.world.repo.join(".git/teof/tmux/runs");
    let list = format!("tmux -S {} list-windows -F '#{{window_name}}' > {}", socket.display(), windows.display());
    // A program that has the server start another one is no person for that.
    let (limits, here) = (fixture.coder.file("limits"), fixture.coder.file("limits.new"));
    let escape = format!(
        "tmux -S {} new-window -d 'cat /proc/self/limits > {}; mv {1} {}'; while [ ! -e {2} ]; do sleep 0.05; done",
        socket.display(),
        here.display(),
        limits.display()
    );
    fixture.coder.on(2, &format!("{list}\n{escape}\necho three >> src/code.txt\n{DONE}"));
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(fixture.stages(), ["planner1", "coder1", "tester1", "reviewer1"]);
    assert_eq!(fs::read_to_string(windows).unwrap(), format!("{TASK}-coder-1-1\n"));
    let limits = fs::read_to_string(limits).unwrap();
    let locks = limits.lines().find(|line| line.starts_with("Max file locks")).unwrap();
    assert!(!locks.contains("unlimited"), "{locks}");
    assert_eq!(outcome["usage"]["output_tokens"], 30, "three calls");
    let gone =
        || !std::process::Command::new("tmux").arg("-S").arg(&socket).arg("ls").output().unwrap().status.success();
    until("the server ends with its last window", gone);
}

#[test]
fn an_agent_of_the_client_protocol_is_spoken_to_while_a_window_shows_it() {
    if !has_tmux() {
        return;
    }
    let (fixture, _) = Fixture::executed("");
    fixture.coder.speaks_acp();
    fixture.settings("[worker]\nexecutor = \"tmux\"\n");
    let shown = fixture.coder.file("shown");
    let tmux = format!("tmux -S {}", fixture.world.repo.join(".git/teof/tmux/runs").display());
    let look = format!(
        "until {tmux} capture-pane -p -J -S - -t teof: > {0} && grep -q optionId {0}; do sleep 0.05; done",
        shown.display()
    );
    fixture.coder.on(2, &format!("ask 'cargo test'\n{look}\necho three >> src/code.txt\n{DONE}"));
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
    assert_eq!(fixture.coder.heard(2)[3]["result"]["outcome"]["optionId"], "once");
    let shown = fs::read_to_string(shown).unwrap();
    for part in ["> {", "session/request_permission", "cargo test"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_killed_foremans_windows_close() {
    if !has_tmux() {
        return;
    }
    let (fixture, _) = Fixture::executed("[worker]\nexecutor = \"tmux\"\n");
    let started = fixture.coder.file("started");
    fixture.coder.on(2, &format!("touch {}; exec sleep 600", started.display()));
    let mut child = fixture.foreman("run-1").spawn().unwrap();
    until("the coder works", || started.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let server = Server::of_runs(&fixture.world.repo.join(".git/teof/tmux"));
    until("its window closes", || server.windows().unwrap().is_empty());
    let outcome = fixture.executed_run("run-1");
    assert_verdict(&outcome, "succeeded");
}
