//! Operators' words: stop, pause, hold, reset, and consent.

use std::io::{BufRead, BufReader};

use teof::base::lock::FileLock;

use super::*;

#[test]
fn a_stop_that_finds_no_coordinator_does_not_end_the_next_one() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a1")]);
    let stopped = yard.world.json(&["coordinator", "stop"]);
    assert_eq!((&stopped["command"], &stopped["answered"]), (&Value::Null, &json!(false)), "{stopped}");
    yard.finish();
    assert_eq!(yard.ran(), ["a1"]);
}

#[test]
fn a_run_whose_time_is_over_starts_nothing_more_and_finishes_the_stage() {
    let yard = Yard::with("concurrency = 1\n");
    yard.plan("a", &[&yard.gated("a1"), &yard.work("a2")]);
    let mut coordinator = loop {
        // On a busy machine the time may be over before it starts anything.
        let mut coordinator = yard.world.spawn(&["coordinator", "run", "--for", "2s"]);
        until("the first step", || !yard.ran().is_empty() || coordinator.try_wait().unwrap().is_some());
        if !yard.ran().is_empty() {
            break coordinator;
        }
    };
    let mut said = BufReader::new(coordinator.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("The time is over")));
    yard.open();
    let rest = said.map(Result::unwrap).collect::<Vec<_>>().join("\n");
    assert_eq!(coordinator.wait().unwrap().code(), Some(5), "{rest}");
    assert!(rest.contains("stopped: the time is over; continue unfinished work: teof run"), "{rest}");
    assert_eq!(yard.ran(), ["a1"]);
    yard.finish();
    assert_eq!(yard.ran(), ["a1", "a2"]);
}

#[test]
fn a_coordinator_waits_for_the_moment_that_a_command_without_one_takes() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a1")]);
    let path = yard.world.repo.join(".git/teof/locks/coordinator.lock");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lock = FileLock::try_acquire(&path, "one coordinator command").unwrap().unwrap();
    let mut coordinator = yard.begin();
    let mut pause = yard.world.spawn(&["coordinator", "skip", "Q-1"]);
    // Both have seen that it is taken once they wait for it.
    until("both wait", || wait_for_a_lock(&[coordinator.id(), pause.id()]));
    drop(lock);
    assert!(pause.wait().unwrap().success() && coordinator.wait().unwrap().success());
    assert_eq!((yard.ran(), yard.status()["skipped"]["Q-1"].is_object()), (vec!["a1".to_owned()], true));

    let lock = FileLock::try_acquire(&path, "coordinator run").unwrap().unwrap();
    assert_eq!(yard.world.refused(&["coordinator", "run", "--until-idle"])["code"], "coordinator.running");
    drop(lock);
}

/// Whether each of these processes waits for a lock.
fn wait_for_a_lock(pids: &[u32]) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let waiting: Vec<_> = locks.lines().filter(|line| line.contains("->")).collect();
    pids.iter().all(|pid| waiting.iter().any(|line| line.contains(&format!(" {pid} "))))
}

#[test]
fn a_command_whose_consequences_cannot_be_written_says_so_and_is_completed_later() {
    let yard = Yard::new();
    let state = "_report/agent/manager/state.json";
    yard.world.ok(&["coordinator", "pause"]);
    fs::remove_file(yard.world.repo.join(state)).unwrap();
    fs::create_dir(yard.world.repo.join(state)).unwrap();
    let error = yard.world.refused(&["coordinator", "resume"]);
    assert_eq!(error["code"], "coordinator.unfinished", "{error}");
    assert!(error["reason"].as_str().unwrap().contains(state), "{error}");
    fs::remove_dir(yard.world.repo.join(state)).unwrap();
    yard.world.ok(&["coordinator", "skip", "Q-1"]);
    assert_eq!(yard.world.read_json(state)["paused"], Value::Null, "it was resumed");
}

#[test]
fn ending_without_consent_names_the_missing_permission() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a1")]);
    yard.world.ok(&["consent", "grant", "--continuous=false", "--max-iterations", "0"]);
    let ran = yard.world.run(&["coordinator", "run", "--until-idle"]);
    assert!(
        ran.code == 6
            && ran
                .stderr
                .contains("stopped: all allowed jobs have started; allow 10 more: teof consent grant --max-jobs 10"),
        "{}",
        ran.stderr
    );
    assert!(yard.ran().is_empty());
}

#[test]
fn consent_that_is_revoked_now_ends_what_runs_and_loses_nothing() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut coordinator = yard.begin();
    until("the command to run", || !yard.ran().is_empty());
    yard.world.ok(&["consent", "revoke", "--now"]);
    until("the coordinator's end", || coordinator.try_wait().unwrap().is_some());
    until("the worker's end", || yard.workers().is_empty());
    assert_ne!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.world.run(&["coordinator", "run", "--until-idle"]).code, 6, "nobody may go on");
    yard.open();
    yard.world.ok(&["consent", "grant", "--continuous"]);
    yard.finish();
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    yard.nothing_is_left_over();
}

#[test]
fn three_blocked_jobs_open_the_breaker_until_a_person_resets_it() {
    let yard = Yard::with("retries = 0\nconcurrency = 1\n");
    for name in ["a", "b", "c", "d"] {
        yard.plan(name, &[&format!("echo {name} >> {}/ran; false", yard.world.folder().display())]);
    }
    let run = ["coordinator", "run", "--until-idle"];
    assert_eq!(yard.world.run(&run).code, 6);
    assert_eq!(yard.ran().len(), 3);
    assert_eq!(yard.world.run(&run).code, 6, "the breaker is sticky");
    assert_eq!(yard.ran().len(), 3);
    assert_eq!(yard.world.read_json("_report/agent/manager/state.json")["circuit_breaker"]["active"], true);
    let refused = yard.world.refused(&["do", "d", "--yes"]);
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (&"do.breaker".into(), &"not started: the breaker is open".into())
    );
    let next: Vec<_> = refused["next"].as_array().unwrap().iter().filter_map(|next| next.as_str()).collect();
    assert_eq!(next, ["after fixing the cause: teof coordinator reset-breaker", "then: teof do 2026-01-05-d"]);
    let mut worker = yard.world.teof(&["coordinator", "reset-breaker"]);
    assert_eq!(worker.env("TEOF_RUN", "r").output().unwrap().status.code(), Some(6), "a worker may not reset it");
    yard.world.ok(&["coordinator", "reset-breaker"]);
    yard.finish_with(1);
    assert_eq!(yard.ran().len(), 4);
    let plan = yard.plan("e", &[&yard.work("e")]);
    yard.finish_with(1);
    let status = yard.world.ok(&["status", "--limit", "0"]);
    assert!(status.contains("\nj5   not merged "), "{status}");
    let commit = yard.step(&plan, "S1")["last_run"]["commit"].as_str().unwrap().to_owned();
    yard.world.git(&["merge", "-q", &commit]);
    // What needs a person stays, however short the list is.
    let status = yard.world.ok(&["status", "--limit", "0"]);
    assert!(["j1 ", "j2 ", "j3 ", "j4 "].iter().all(|job| status.contains(&format!("\n{job}"))), "{status}");
    assert!(!status.contains("\nj5 "), "{status}");
    assert!(status.contains("1 older finished job not shown; to see all: teof status --limit 5"), "{status}");
}

#[test]
fn a_worker_may_not_tell_the_coordinator_what_to_do() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    let task = "2026-01-05-a-S1";
    let words: [&[&str]; 6] = [
        &["pause"],
        &["resume"],
        &["cancel", task],
        &["reassign", task, "--to", "codex-2"],
        &["skip", task],
        &["stop"],
    ];
    for word in words {
        let args = [&["coordinator"], word].concat();
        let ran = yard.world.teof(&args).env("TEOF_RUN", "r").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(6) && said.contains("only a person may"), "{word:?}: {said}");
    }
    let ran = yard.world.teof(&["coordinator", "status"]).env("TEOF_RUN", "r").output().unwrap();
    assert!(ran.status.success(), "it may look");
    assert_eq!(yard.status()["unread_commands"], 0);
    yard.finish();
    assert_eq!(yard.ran(), ["a"]);
}

#[test]
fn a_record_that_cannot_be_read_is_no_want_of_consent() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    let claims = yard.world.repo.join("_bus/claims");
    let _ = fs::remove_dir_all(&claims);
    fs::create_dir_all(claims.parent().unwrap()).unwrap();
    fs::write(&claims, "").unwrap();
    let ran = yard.world.run(&["coordinator", "run", "--until-idle"]);
    assert!(![0, 6].contains(&ran.code), "{} {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("_bus/claims"), "{}", ran.stderr);
    assert!(yard.ran().is_empty());
}

#[test]
fn without_consent_nothing_runs_unattended() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    yard.world.write("docs/automation/autonomy-consent.json", "{\"auto_enabled\": true}");
    let error = yard.world.refused(&["coordinator", "run", "--until-idle"]);
    assert_eq!(error["exit"], 6, "{error}");
    assert!(yard.ran().is_empty());
}

#[test]
fn operator_commands_take_effect_without_a_running_coordinator() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    yard.plan("b", &[&yard.work("b")]);
    let noted = yard.world.json(&["coordinator", "skip", "2026-01-05-a-S1", "--note", "not today"]);
    assert_eq!(noted["answered"], true);
    let error = yard.world.refused(&["coordinator", "cancel", "nobody"]);
    assert_eq!(error["code"], "coordinator.refused", "not noted, and dropped at the next start: {error}");
    assert!(yard.ran().is_empty(), "a word begins nothing");
    yard.finish();
    assert_eq!(yard.ran(), ["b"]);
    let explained = yard.world.json(&["coordinator", "explain", "2026-01-05-a-S1"]);
    assert!(explained.to_string().contains("skipped by"), "{explained}");
    yard.world.ok(&["coordinator", "submit", "2026-01-05-a/S1"]);
    yard.finish();
    assert_eq!(yard.ran(), ["b", "a"], "what is submitted is not skipped any more");
    let error = yard.world.refused(&["coordinator", "submit", "2026-01-05-a/S9"]);
    assert_eq!(error["code"], "step.not_found");
}

#[test]
fn a_plan_that_is_submitted_leaves_the_queue_when_its_next_step_is_given() {
    let yard = Yard::with("concurrency = 1\n");
    yard.plan("a", &[&yard.work("a1"), &yard.work("a2")]);
    yard.plan("b", &[&yard.work("b1")]);
    yard.world.ok(&["coordinator", "submit", "2026-01-05-b"]);
    assert_eq!(yard.status()["submissions"][0]["task"], "2026-01-05-b");
    yard.finish();
    assert_eq!(yard.ran()[0], "b1", "what was asked for comes first");
    assert_eq!(yard.status()["submissions"], json!([]));
}

#[test]
fn blocked_work_is_open_again_when_a_person_asks_for_it_by_name() {
    let yard = Yard::new();
    let mended = yard.world.folder().join("mended");
    let work = format!("test -e '{}' || echo x > teof.toml; {}", mended.display(), yard.work("a"));
    yard.plan("a", &[&work]);
    yard.finish_with(1);
    assert_eq!(yard.step("2026-01-05-a", "S1")["status"], "blocked");
    let submit = ["coordinator", "submit", "2026-01-05-a/S1"];
    let worker = yard.world.teof(&submit).env("TEOF_RUN", "r").output().unwrap();
    assert_eq!(worker.status.code(), Some(6), "what is blocked waits for a person");
    std::fs::write(mended, "").unwrap();
    yard.world.ok(&submit);
    yard.finish();
    assert_eq!(yard.step("2026-01-05-a", "S1")["status"], "done");

    // An item is blocked with the step of its plan.
    yard.plan("b", &["echo x > teof.toml"]);
    yard.finish_with(1);
    assert_eq!(yard.step("2026-01-05-b", "S1")["status"], "blocked");
    let item = r#"{"id": "I-1", "title": "t", "status": "blocked", "plan_suggestion": "2026-01-05-b"}"#;
    let items = format!(r#"{{"version": 1, "owner": "m", "items": [{item}]}}"#);
    yard.world.write("_plans/next-development.todo.json", &items);
    yard.world.ok(&["coordinator", "submit", "I-1"]);
    assert_eq!(yard.world.read_json("_plans/next-development.todo.json")["items"][0]["status"], "pending");
    assert_eq!(yard.step("2026-01-05-b", "S1")["status"], "in_progress");
}

#[test]
fn a_running_coordinator_answers_operators() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.gated("a")]);
    yard.plan("b", &[&yard.gated("b")]);
    let mut coordinator = yard.begin();
    until("both commands' begin", || yard.ran().len() == 2);
    let answer = yard.world.json(&["coordinator", "cancel", "2026-01-05-a-S1", "--now"]);
    assert_eq!(answer["answered"], true);
    let error = yard.world.refused(&["coordinator", "cancel", "nobody"]);
    assert_eq!(error["code"], "coordinator.refused");
    until("the cancelled job's end", || {
        let status = yard.status();
        status["finished"].as_array().unwrap().iter().any(|job| job["phase"]["ending"] == "cancelled")
    });
    yard.open();
    assert!(coordinator.wait().unwrap().success());
    assert_eq!(yard.ran().len(), 2, "a cancelled task is not chosen again");
    yard.nothing_is_left_over();
}

#[test]
fn a_step_that_cannot_be_set_leaves_no_claim_behind() {
    let yard = Yard::with("retries = 0\n");
    let plan = yard.plan("a", &[&format!("{}; false", yard.gated("a"))]);
    let mut coordinator = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let path = format!("_plans/{plan}.plan.json");
    let text = yard.world.read(&path);
    let (before, step) = text.split_once("\"steps\"").unwrap();
    let step = step.replacen("\"in_progress\"", "\"done\"", 1);
    yard.world.write(&path, &format!("{before}\"steps\"{step}"));
    yard.open();
    assert_eq!(coordinator.wait().unwrap().code(), Some(1), "its job is blocked");
    yard.nothing_is_left_over();
    assert_eq!(yard.step(&plan, "S1")["status"], "done", "there is no way back");
    let report = yard.world.lines("_bus/messages/manager-report.jsonl");
    assert!(report.iter().any(|line| line["summary"].as_str().unwrap().contains("was not updated")), "{report:?}");
}

#[test]
fn a_hold_keeps_a_finished_job_until_lifted() {
    let yard = Yard::new();
    let plan = yard.plan("a", &[&yard.gated("a")]);
    let mut coordinator = yard.begin();
    until("the command's begin", || yard.ran().len() == 1);
    let say = |kind| {
        let task = "2026-01-05-a-S1";
        let args = ["bus", "message", "--task", task, "--type", kind, "--summary", "wait", "--agent", "manager"];
        yard.world.ok(&args);
    };
    say("hold");
    yard.open();
    assert_eq!(coordinator.wait().unwrap().code(), Some(5), "held work does not keep it from ending");
    assert_eq!(yard.step(&plan, "S1")["status"], "in_progress");

    // A hold that git took back still holds this job, and no other.
    yard.world.write("_bus/messages/2026-01-05-a-S1.jsonl", "");
    let other = yard.plan("b", &[&yard.work("b")]);
    let ran = yard.world.run(&["coordinator", "run", "--until-idle"]);
    assert_eq!((ran.code, yard.ran().as_slice()), (1, &["a".to_owned(), "b".to_owned()][..]), "{}", ran.stderr);
    assert_eq!(
        (&yard.step(&plan, "S1")["status"], &yard.step(&other, "S1")["status"]),
        (&json!("in_progress"), &json!("done"))
    );
    assert!(ran.stderr.contains("it may be on hold: "), "{}", ran.stderr);
    for view in [&["status"][..], &["coordinator", "explain", "2026-01-05-a-S1"]] {
        let told = yard.world.ok(view);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("it may be on hold: ") && told.contains("teof bus restore"), "{view:?}: {told}");
    }
    yard.world.ok(&["bus", "restore"]);
    let told = yard.world.ok(&["status"]);
    assert!(told.contains("on hold: manager: wait"), "{told}");

    say("lift");
    yard.finish();
    assert_eq!(yard.step(&plan, "S1")["status"], "done");
    assert_eq!(yard.ran(), ["a", "b"]);
    yard.nothing_is_left_over();
}
