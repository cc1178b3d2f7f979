//! `run --until-idle` always ends, and its exit code says whether something is blocked or waits.

use super::*;
use crate::harness::until;
use crate::harness::work::UNCONFINED;

/// What `run --json` says at its end.
fn summary(ran: &Ran) -> Value {
    let last = ran.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
}

#[test]
fn the_exit_code_tells_done_from_blocked_and_waiting() {
    let site = Site::appending("");
    assert_eq!(site.run().code, 0, "nothing to do");
    site.submit("Append two");
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (left, told) = lines.split_last().unwrap();
    assert_eq!(
        (ran.code, left["review"].as_array().unwrap().len()),
        (0, 1),
        "a result to review is a good end: {left}"
    );
    assert_eq!((&left["type"], &left["usage"]["tokens"]), (&json!("summary"), &json!(110)), "{left}");
    assert!(told.iter().all(|line| line["type"] == "progress" && line["at"].is_string()), "{told:?}");
    let of_job: Vec<_> = told.iter().filter(|line| line["short"] == "j1" && line["title"] == "Append two").collect();
    assert_eq!(of_job[0]["text"], "started with seat worker-1", "{told:?}");
    assert!(of_job.iter().any(|line| line["stage"] == "coder, round 1"), "{told:?}");
    let last = of_job.last().unwrap();
    assert!(last["text"] == "waiting for review" && last["elapsed_seconds"].is_u64(), "{told:?}");
    site.coder.on(2, "exit 1");
    let task = site.submit("Append three");
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let left = summary(&ran);
    assert_eq!((ran.code, &left["blocked"][0]["task"]), (1, &json!(task)), "{left}");
    let ran = site.run();
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert_eq!((ran.code, last), (1, "no more work to start: 1 blocked, 1 waiting for review"), "it is blocked still");
    assert!(ran.stderr.contains("blocked j2 Append three: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("waiting for review j1 Append two\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("review and merge: teof review\n"), "{}", ran.stderr);
    let last = site.world.ok(&["coordinator", "explain", &task]);
    assert!(last.contains("blocked"), "{last}");

    site.world.ok(&["coordinator", "submit", &task]);
    site.world.ok(&["coordinator", "pause"]);
    let ran = site.run();
    assert!(ran.code == 5 && ran.stderr.contains(&task), "{} {}", ran.code, ran.stderr);
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("1 waiting (paused by ") && last.contains("teof coordinator resume"), "{last}");

    site.world.ok(&["coordinator", "resume"]);
    site.coder.on(3, &format!("echo three >> src/code.txt\n{DONE}"));
    assert_eq!(site.run().code, 0, "done at last, both can be reviewed");
}

#[test]
fn work_that_needs_a_persons_word_counts_as_waiting() {
    let site = Site::appending("");
    let request = "---\nid: R-1\ntitle: Append two\nstatus: planned\n---\nAppend two.\n";
    site.world.write("vault/10_features/03_planned/r-1.md", request);
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let left = summary(&ran);
    assert_eq!((ran.code, &left["waiting"][0]["task"]), (5, &json!("R-1")), "{left:#}");
    assert!(left["waiting"][0]["why"].as_str().unwrap().contains("a person must add: "), "{left:#}");
}

#[test]
fn an_item_that_a_person_blocked_and_one_on_hold_are_counted() {
    let site = Site::appending("");
    let item = |id: &str, status: &str| json!({"id": id, "title": id, "status": status});
    let backlog = json!({"version": 0, "updated": "2026-01-05T10:00:00Z", "owner": "manager",
        "items": [item("ND-1", "blocked")]});
    site.world.write("_plans/next-development.todo.json", &format!("{backlog:#}\n"));
    let ran = site.run();
    assert!(ran.code == 1 && ran.stderr.contains("blocked ND-1"), "{} {}", ran.code, ran.stderr);
    assert!(ran.stderr.ends_with("no more work to start: 1 blocked\n"), "{}", ran.stderr);
    let task = site.submit("Append two");
    site.world.ok(&[
        "bus",
        "message",
        "--agent",
        "manager",
        "--allow-stale-session",
        "--task",
        &task,
        "--type",
        "hold",
        "--summary",
        "wait for ada",
    ]);
    let ran = site.run();
    assert!(ran.stderr.contains(&format!("waiting {task}: on hold: manager: wait for ada")), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("no more work to start: 1 blocked, 1 waiting\n"), "{}", ran.stderr);
    assert_eq!((ran.code, site.coder.calls()), (1, 0));
}

#[test]
fn a_finding_of_high_severity_is_named_as_what_ends_it() {
    let site = Site::appending("");
    site.world.write("_report/leak.md", "key: AKIAIOSFODNN7EXAMPL3\n");
    site.world.run(&["scan"]);
    site.submit("Append two");
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let left = summary(&ran);
    assert_eq!((ran.code, &left["left"]), (6, &json!("finding")), "{left:#}");
    assert!(left["why"].as_str().unwrap().contains("found a high-severity problem"), "{left:#}");
    assert_eq!(site.coder.calls(), 0);
    let status = site.world.ok(&["coordinator", "status"]);
    assert!(status.contains("No new job starts: the last scan found a"), "{status}");
    assert!(status.contains("or to accept it: teof coordinator reset-breaker"), "{status}");
    site.world.ok(&["coordinator", "reset-breaker"]);
    assert_eq!((site.run().code, site.coder.calls()), (0, 1), "and work goes on");
}

#[test]
fn waiting_for_a_suspended_agent_is_reported() {
    let site = Site::new("", "limit $(($(date +%s) + 18000))");
    site.submit("Append two");
    for told_by in ["the run that met the limit", "the next run"] {
        let mut child = site.world.spawn(&["coordinator", "run", "--until-idle"]);
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        let told = lines.map_while(Result::ok).find(|line| line.contains("waiting until "));
        let told = told.unwrap_or_else(|| panic!("{told_by} says nothing"));
        assert!(told.contains("(in 5 h "), "{told}");
        assert!(told.contains("coder: ") && told.ends_with("try now: teof coordinator resume"), "{told}");
        site.world.ok(&["coordinator", "stop"]);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(site.coder.calls(), 1, "a suspended agent is not called");
}

#[test]
fn what_holds_work_back_and_what_is_merged_without_a_person_is_said() {
    let settings = "[review]\nauto = [\"low\"]\n[budget]\nday_tokens = 1000000\n[worker.limits]\nmemory = \"4g\"\ndisk = \"10g\"\n";
    let near = r#"printf '{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","rateLimitType":"five_hour","utilization":0.93,"resetsAt":%s}}\n' $(($(date +%s) + 7200))"#;
    let site = Site::new(
        settings,
        &format!("echo two >> src/code.txt\n{near}\nwhile [ ! -e \"$here/go\" ]; do sleep 0.05; done\n{DONE}"),
    );
    site.submit("Append two");
    let mut running = site.world.spawn(&["coordinator", "run", "--until-idle"]);
    until("it is known while the agent works", || site.world.json(&["status"])["quotas"][0]["used"] == 93);
    fs::write(site.coder.file("go"), "").unwrap();
    assert!(running.wait().unwrap().success());
    let status = site.world.ok(&["status"]);
    assert!(
        status.contains("coder: 93 % of its 5-hour limit until ") && status.contains("less urgent work waits"),
        "{status}"
    );
    assert!(status.contains("Merged without a person: priority low (reviewer at least 90 % sure)"), "{status}");
    let document = site.world.json(&["status"]);
    let (quota, policy) = (&document["quotas"][0], &document["merge_policy"]);
    assert_eq!((&quota["used"], &quota["holds_back"], &policy["in_force"]), (&json!(93), &json!(true), &json!(true)));
    let doctor = site.world.run(&["doctor"]).stdout;
    for what in [
        "agent.quota: coder: 93 % of its 5-hour limit",
        "review.auto: work of priority low",
        "memory 4g (",
        "disk 10g (watch)",
    ] {
        assert!(doctor.contains(what), "{what}: {doctor}");
    }
    let objective = |words: &str, priority: &str| {
        site.world.ok(&["coordinator", "submit", "--objective", words, "--test", "true", "--priority", priority]);
    };
    objective("Append later", "low");
    objective("Append now", "medium");
    let preview = site.world.json(&["coordinator", "run", "--dry-run"]);
    let chosen = &preview["decisions"][0];
    assert_eq!(
        (preview["decisions"].as_array().unwrap().len(), &chosen["task"]),
        (1, &json!("append-now")),
        "{preview:#}"
    );
    let waiting = &preview["waiting"][0];
    let why = waiting["why"].as_str().unwrap();
    assert_eq!(
        (&waiting["task"], preview["no_slot"].as_array().unwrap().len()),
        (&json!("append-later"), 0),
        "{preview:#}"
    );
    assert!(why.contains("its agent coder has used 93 % of its 5-hour limit"), "{why}");

    let consent = site.world.ok(&["consent", "show"]);
    assert!(consent.contains("agents may work; work of priority low is merged without a person"), "{consent}");
    site.world.ok(&["consent", "grant", "--allow-apply", "false", "--continuous"]);
    let consent = site.world.ok(&["consent", "show"]);
    assert!(consent.contains("[review] auto in teof.toml is not in force: "), "{consent}");
    assert!(site.world.ok(&["status"]).contains("Nothing is merged without a person, whatever [review] auto says: "));
    assert!(site.world.run(&["doctor"]).stdout.contains("fix: to put it in force: teof consent grant --allow-apply"));
}

#[test]
fn consent_that_is_used_up_ends_it_with_the_reason() {
    let site = Site::granted("", &format!("echo two >> src/code.txt\n{DONE}"), &["--max-iterations", "1"]);
    site.submit("Append two");
    site.submit("Append three");
    let ran = site.run();
    assert!(
        ran.code == 6 && ran.stderr.contains("stopped: all allowed jobs have started"),
        "{} {}",
        ran.code,
        ran.stderr
    );
    assert_eq!(site.coder.calls(), 1);
    assert!(
        ran.stderr.trim_end().ends_with("\n1 waiting for review, 1 waiting, used 110 tokens, $0.01"),
        "{}",
        ran.stderr
    );

    // A coordinator that stays says what it waits for, once.
    let mut child = site.world.spawn(&["coordinator", "run"]);
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut lines = lines.map_while(Result::ok);
    let told = lines.find(|line| line.contains("no job starts: ")).expect("it says what it waits for");
    assert!(told.ends_with("all allowed jobs have started; allow 10 more: teof consent grant --max-jobs 10"), "{told}");
    site.world.ok(&["coordinator", "stop"]);
    assert!(child.wait().unwrap().success());
    assert!(!lines.any(|line| line.contains("no job starts: ")), "said twice");

    let site = Site::granted("", &format!("echo two >> src/code.txt\n{DONE}"), &["--max-iterations", "1"]);
    site.submit("Append two");
    assert_eq!(site.run().code, 0, "as many jobs as consented to, and no more are wanted");
}

#[test]
fn a_hub_that_leaves_its_branch_ends_it_with_the_reason() {
    let site = Site::appending(UNCONFINED);
    let repo = site.world.repo.display().to_string();
    site.coder.on(1, &format!("git -C '{repo}' switch -qc elsewhere; echo two >> src/code.txt\n{DONE}"));
    site.submit("Append two");
    let ran = site.run();
    assert!(ran.code == 1 && ran.stderr.contains("elsewhere"), "{} {}", ran.code, ran.stderr);
    let ran = site.run();
    assert!(ran.code == 1 && ran.stderr.contains("elsewhere"), "at once, the next time: {} {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("git switch main") || ran.stderr.contains("main"), "{}", ran.stderr);
}

#[test]
fn settings_that_break_while_it_runs_end_it_with_the_reason() {
    let site = Site::appending(UNCONFINED);
    let settings = site.world.repo.join("teof.toml").display().to_string();
    site.coder.on(1, &format!("echo 'nonsense = [' >> '{settings}'; echo two >> src/code.txt\n{DONE}"));
    site.submit("Append two");
    site.submit("Append three");
    let ran = site.run();
    assert!(![0, 70].contains(&ran.code) && ran.stderr.contains("teof.toml"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn a_plan_of_one_step_closes_when_its_result_is_merged() {
    let site = Site::appending("");
    let task = site.submit("Append two");
    let plan = site.plan(&task);
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "approve", &site.waiting()]);
    let found = site.world.read_json(&format!("_plans/{plan}.plan.json"));
    assert_eq!((&found["status"], &found["checkpoint"]["status"]), (&json!("done"), &json!("satisfied")), "{found:#}");
    site.world.ok(&["plan", "validate", "--strict"]);

    // One that a person wrote, too.
    let mut own = found.clone();
    own["plan_id"] = json!("2026-01-05-own");
    own["status"] = json!("queued");
    own["checkpoint"] = json!({"description": "deployed", "owner": "manager", "status": "pending"});
    own["receipts"] = json!([]);
    own["links"] = json!([]);
    own["steps"] = json!([{"id": "S1", "title": "Append", "status": "queued", "notes": "", "receipts": [],
        "agent": "coder", "tests": ["true"]}]);
    site.world.write("_plans/2026-01-05-own.plan.json", &format!("{own:#}\n"));
    site.world.ok(&["plan", "approve", "2026-01-05-own"]);
    site.world.ok(&["coordinator", "submit", "2026-01-05-own"]);
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "approve", &site.waiting()]);
    let found = site.world.read_json("_plans/2026-01-05-own.plan.json");
    assert_eq!((&found["steps"][0]["status"], &found["status"]), (&json!("done"), &json!("done")), "{found:#}");
}
