//! What keeps new work from being started: a target that a worker moved, what a scan found, prerequisites.

use serde_json::{Value, json};

use crate::harness::work::UNCONFINED;
use crate::harness::{Ran, World, until};

/// A hub where `commands` do the work of every task, one at a time.
fn world(commands: &str, settings: &str) -> World {
    let world = World::new();
    for (file, id, role) in
        [("AGENT_MANIFEST.json", "manager", "manager"), ("AGENT_MANIFEST.codex-1.json", "codex-1", "engineer")]
    {
        world.write(file, &json!({"agent_id": id, "desired_roles": [role]}).to_string());
    }
    let line = json!(format!("echo $TEOF_TASK >> {}/ran; {commands}", world.folder().display()));
    let quick = "[coordinator]\nconcurrency = 1\nretries = 0\npoll_min = \"1s\"\n[guard]\ntests = [\"true\"]\n";
    world.write("teof.toml", &format!("{quick}[commands]\ndefault = [{line}]\n{settings}{UNCONFINED}"));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    world
}

fn submit(world: &World, name: &str) {
    world.ok(&["coordinator", "submit", "--objective", &format!("Do {name}"), "--name", name]);
}

fn run(world: &World) -> Ran {
    world.run(&["coordinator", "run", "--until-idle"])
}

fn ran(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.folder().join("ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often the bus was told, as an event and as a message.
fn told(world: &World, words: &str) -> (usize, usize) {
    let count = |log: &str| {
        let lines = world.lines(log);
        lines.iter().filter(|line| line["summary"].as_str().is_some_and(|text| text.contains(words))).count()
    };
    (count("_bus/events/events.jsonl"), count("_bus/messages/manager-report.jsonl"))
}

#[test]
fn a_target_moved_by_a_worker_blocks_work_until_accepted() {
    let own = "git add -A; git -c user.name=B -c user.email=b@x commit -qm evil; git update-ref refs/heads/main HEAD";
    // The commit was made by no command that leaves a trace in the worktree's log.
    let plumbing = "c=$(git -c user.name=B -c user.email=b@x commit-tree -p main -m evil main^{tree}); \
                    git update-ref refs/heads/main $c";
    for evil in [own, plumbing] {
        let work = format!("echo $TEOF_TASK > $TEOF_TASK.txt; case $TEOF_TASK in *evil*) {evil};; esac");
        let world = world(&work, "[review]\ncommands = true\n");
        submit(&world, "good");
        run(&world).expect(0);
        let before = world.git(&["rev-parse", "main"]);
        ["evil", "next"].iter().for_each(|name| submit(&world, name));
        let stopped = run(&world);
        assert_eq!((stopped.code, ran(&world).len()), (6, 2), "nothing is begun after it: {}", stopped.stderr);
        let moved = world.git(&["rev-parse", "main"]);
        assert_ne!(moved, before);
        let status = world.ok(&["coordinator", "status"]);
        assert!(status.contains("No new job starts: main contains"), "{status}");
        assert_eq!(world.run(&["doctor"]).code, 1, "{evil}");
        assert_eq!(world.run(&["scan"]).code, 1, "{evil}");
        let committed = world.json(&["bus", "commit"]);
        assert_eq!((&committed["outcome"], world.git(&["rev-parse", "main"])), (&json!("skipped"), moved.clone()));
        let good = world.json(&["review", "list"]);
        let good = good[0]["job"].as_str().unwrap_or_else(|| panic!("{good}")).to_owned();
        let error = world.refused(&["review", "approve", &good]);
        assert_eq!(error["code"], "target.moved_by_worker", "{error}");
        assert_eq!(world.git(&["rev-parse", "main"]), moved);

        let worker = world.teof(&["coordinator", "reset-breaker"]).env("TEOF_RUN", "r").output().unwrap();
        assert_eq!(worker.status.code(), Some(6), "a worker may not accept it");
        world.ok(&["coordinator", "reset-breaker"]);
        world.ok(&["review", "approve", &good]);
        run(&world).expect(1);
        assert_eq!(ran(&world).len(), 3, "what a person accepted stops nothing");
    }
}

#[test]
fn a_finding_of_high_severity_pauses_new_assignments_whoever_ran_the_scan() {
    let world = world("echo x > x.txt", "");
    submit(&world, "work");
    let leak = "_report/agent/codex-1/leak.txt";
    world.write(leak, &format!("aws_access_key_id = {}{}\n", "AKIA", "Z7QGR4WLM5XNTV3B"));
    assert_eq!(world.run(&["scan"]).code, 1);
    for _ in 0..2 {
        assert_eq!((run(&world).code, ran(&world).len()), (6, 0));
    }
    let status = world.ok(&["coordinator", "status"]);
    assert!(status.contains("No new job starts: the last scan found a high-severity problem"), "{status}");
    assert_eq!(told(&world, "new assignments are paused"), (1, 1), "the bus is told, once");
    // A person has looked at it; then at another one.
    world.ok(&["coordinator", "reset-breaker"]);
    run(&world).expect(0);
    assert_eq!(ran(&world).len(), 1, "what was accepted pauses nothing");
    submit(&world, "more");
    world.write("_report/agent/codex-1/other.txt", &world.read(leak));
    assert_eq!(world.run(&["scan"]).code, 1);
    assert_eq!((run(&world).code, ran(&world).len()), (6, 1), "another finding does");
    std::fs::remove_file(world.repo.join("_report/agent/codex-1/other.txt")).unwrap();
    run(&world).expect(0);
    assert_eq!(ran(&world).len(), 2, "what was fixed needs no person's word");
}

#[test]
fn prerequisites_bind_the_task_and_not_the_command() {
    let mut world = world("true", "");
    world.now = Some("2026-01-05T10:00:00Z".into());
    for seat in ["manager", "codex-1"] {
        let tail = format!("_report/session/{seat}/manager-report-tail.txt");
        world.write(&tail, "# captured_at=2026-01-05T10:00:00Z\n");
    }
    let plan = ["plan", "new", "p", "--summary", "P", "--actor", "codex-1", "--priority", "2", "--impact-score", "5"];
    world.ok(&[&plan[..], &["--layer", "L5", "--systemic-scale", "6", "--allow-unclaimed"]].concat());
    let items = json!([{"id": "ND-1", "title": "one", "status": "pending"},
        {"id": "ND-2", "title": "two", "status": "pending", "plan_suggestion": "2026-01-05-p"}]);
    let backlog = json!({"version": 0, "prerequisites": {"require_ci_green": true}, "items": items});
    world.write("_plans/next-development.todo.json", &backlog.to_string());
    let seat = |seat: &str, args: &[&str]| {
        let ran = Ran::of(world.teof(&[args, &["--json"]].concat()).env("TEOF_AGENT", seat).output().unwrap(), args);
        let error: Value = serde_json::from_str(&ran.stderr).unwrap_or_default();
        (ran.code, error["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (1, "task.prerequisites".to_owned());
    for task in ["ND-1", "ND-2", "2026-01-05-p", "2026-01-05-p-S1"] {
        assert_eq!(seat("codex-1", &["bus", "claim", task, "--allow-unassigned"]), refused, "{task}");
        assert_eq!(seat("codex-1", &["task", "pickup", task]), refused, "{task}");
        assert_eq!(seat("manager", &["task", "assign", task, "--engineer", "codex-1"]), refused, "{task}");
        assert_eq!(seat("manager", &["task", "assign", task, "--engineer", "codex-1", "--no-auto-claim"]), refused);
    }
    let gone = json!({"agent_id": "gone", "branch": "agent/gone/x", "claimed_at": "2026-01-05T01:00:00Z", "epoch": 1,
        "lease_expires_at": "2026-01-05T02:00:00Z", "status": "active", "task_id": "ND-1"});
    world.write("_bus/claims/ND-1.json", &format!("{gone:#}\n"));
    let takeover = ["bus", "takeover", "ND-1", "--reason", "gone"];
    assert_eq!(seat("codex-1", &takeover), refused);
    assert_eq!(seat("codex-1", &["task", "pickup", "OTHER-1"]).0, 0, "what is not of the backlog is not bound");
    world.write("_report/planner/validate/summary-latest.json", "{\"exit_code\": 0}");
    assert_eq!(seat("codex-1", &takeover).0, 0);
}

#[test]
fn unmet_prerequisites_are_reported_and_work_starts_when_met() {
    let world = world("echo x > x.txt", "");
    submit(&world, "p");
    let plan = world.json(&["coordinator", "status"])["submissions"][0]["plan"].as_str().unwrap().to_owned();
    world.ok(&["coordinator", "cancel", "p"]);
    world.ok(&["coordinator", "resume", "p"]);
    let items = json!([{"id": "ND-1", "title": "one", "status": "pending", "plan_suggestion": plan}]);
    let backlog = json!({"version": 0, "prerequisites": {"min_overall_trust": 0.7}, "items": items});
    world.write("_plans/next-development.todo.json", &backlog.to_string());
    for _ in 0..2 {
        run(&world);
        assert_eq!(told(&world, "prerequisites are not met"), (1, 1), "an event and a message, once");
    }
    let status = world.ok(&["coordinator", "status"]);
    assert!(status.contains("No backlog item starts: "), "{status}");
    assert_eq!(ran(&world), [""; 0]);
    let mut coordinator = world.spawn(&["coordinator", "run"]);
    until("the coordinator", || world.json(&["coordinator", "status"])["running"] == true);
    world.write("_report/usage/external-authenticity.json", "{\"overall_avg_trust\": 0.9, \"attention_feeds\": []}");
    until("the work to begin", || !ran(&world).is_empty());
    world.ok(&["coordinator", "stop", "--now"]);
    coordinator.wait().unwrap();
}
