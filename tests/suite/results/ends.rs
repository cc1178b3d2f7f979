//! `run --until-idle` always ends, and its exit code says whether something is blocked or waits.

use super::*;

#[test]
fn the_exit_code_tells_done_from_blocked_and_waiting() {
    let site = Site::appending("");
    assert_eq!(site.run().code, 0, "nothing to do");
    site.submit("Append two");
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let left: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, left["review"].as_array().unwrap().len()),
        (0, 1),
        "a result to review is a good end: {left}"
    );
    site.coder.on(2, "exit 1");
    let task = site.submit("Append three");
    let ran = site.world.run(&["coordinator", "run", "--until-idle", "--json"]);
    let left: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &left["blocked"][0]["task"]), (1, &json!(task)), "{left}");
    assert_eq!(site.run().code, 0, "what was blocked before this run is not told again");
    let task = site.submit("Append four");
    site.world.ok(&["coordinator", "pause"]);
    let ran = site.run();
    assert!(ran.code == 5 && ran.stderr.contains(task.trim_end_matches("-S1")), "{} {}", ran.code, ran.stderr);
}

#[test]
fn consent_that_is_used_up_ends_it_with_the_reason() {
    let site = Site::granted("", &format!("echo two >> src/code.txt\n{DONE}"), &["--max-iterations", "1"]);
    site.submit("Append two");
    site.submit("Append three");
    let ran = site.run();
    assert!(ran.code == 6 && ran.stderr.contains("stopped: nothing more starts"), "{} {}", ran.code, ran.stderr);
    assert_eq!(site.coder.calls(), 1);
}

#[test]
fn a_hub_that_leaves_its_branch_ends_it_with_the_reason() {
    let site = Site::appending("");
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
    let site = Site::appending("");
    let settings = site.world.repo.join("teof.toml").display().to_string();
    site.coder.on(1, &format!("echo 'nonsense = [' >> '{settings}'; echo two >> src/code.txt\n{DONE}"));
    site.submit("Append two");
    site.submit("Append three");
    let ran = site.run();
    assert!(![0, 70].contains(&ran.code) && ran.stderr.contains("teof.toml"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn a_plan_made_from_one_objective_closes_when_its_result_is_merged() {
    let site = Site::appending("");
    let task = site.submit("Append two");
    let plan = task.trim_end_matches("-S1").to_owned();
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "approve", &site.waiting()]);
    let found = site.world.read_json(&format!("_plans/{plan}.plan.json"));
    assert_eq!((&found["status"], &found["checkpoint"]["status"]), (&json!("done"), &json!("satisfied")), "{found:#}");
    site.world.ok(&["plan", "validate", "--strict"]);

    // A goal of more than one step, or in a person's own words, is the person's to call met.
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
    assert_eq!((&found["steps"][0]["status"], &found["status"]), (&json!("done"), &json!("in_progress")), "{found:#}");
}
