//! A result that is merged after its job ended otherwise is done, in every place that says something about it.

use super::*;

/// A result that waits for review.
fn waiting() -> (Site, String) {
    let site = Site::appending("");
    let task = site.submit("Append two");
    let ran = site.run();
    assert_eq!(ran.code, 0, "{ran:?}");
    (site, task)
}

/// Sent back, with a coder that fails.
fn failed_retry(site: &Site) {
    // It is called again without its session.
    site.coder.on(2, "exit 1").on(3, "exit 1");
    site.world.ok(&["review", "retry", "j1", "--note", "Append three"]);
    assert_eq!(site.run().code, 1, "the retry is blocked");
}

/// No view calls the task anything but merged, and nothing starts it again.
fn is_merged(site: &Site, task: &str, case: &str) {
    let world = &site.world;
    assert_eq!(world.read("src/code.txt"), "one\ntwo\n", "{case}");
    let job = site.job(task);
    assert_eq!(job["phase"]["ending"], "done", "{case}: {job:#}");
    assert!(job["last"]["reason"].as_str().unwrap().starts_with("merged as "), "{case}: {job:#}");
    let plan = world.json(&["plan", "show", task]);
    let statuses = [&plan["plan"]["status"], &plan["plan"]["steps"][0]["status"]];
    assert_eq!(statuses, [&json!("done"); 2], "{case}: {plan:#}");
    assert_eq!(world.read_json(&format!("_bus/claims/{task}.json"))["status"], "done", "{case}");
    let listed = world.json(&["task", "list", "--all"]);
    let row = listed["tasks"].as_array().unwrap().iter().find(|row| row["task_id"] == task);
    assert_eq!(row.unwrap()["state"], "done", "{case}: {listed:#}");
    assert_eq!(world.ok(&["task", "list"]).trim(), "No tasks.", "{case}");
    let status = world.json(&["status"]);
    assert_eq!((&status["skipped"], &status["submissions"]), (&json!({}), &json!([])), "{case}: {status:#}");
    let text = world.ok(&["status"]);
    assert!(!text.contains("cancelled") && !text.contains("ready to merge"), "{case}: {text}");
    let next = world.json(&["run", "--dry-run"]);
    assert_eq!(next["decisions"], json!([]), "{case}: {next:#}");
    assert!(world.refused(&["coordinator", "submit", task])["message"].as_str().unwrap().contains("done"), "{case}");
    let calls = site.coder.calls();
    assert_eq!((site.run().code, site.coder.calls()), (0, calls), "{case}: nothing is done again");
    world.ok(&["bus", "verify"]);
    world.ok(&["plan", "validate", "--strict"]);
}

#[test]
fn a_cancelled_job_whose_result_is_approved_is_merged_and_not_cancelled() {
    for case in ["cancelled", "cancelled and skipped", "cancelled and submitted again"] {
        let (site, task) = waiting();
        site.world.ok(&["coordinator", "cancel", "j1"]);
        let status = site.world.ok(&["status"]);
        assert!(status.contains("cancelled by ") && !status.contains("ready to merge"), "{status}");
        let retry = site.world.refused(&["review", "retry", "j1", "--note", "more"]);
        assert!(retry["next"][0].as_str().unwrap().ends_with(&format!("teof coordinator submit {task}")), "{retry}");
        match case {
            "cancelled and skipped" => {
                drop(site.world.ok(&["coordinator", "skip", &format!("{}-S1", site.plan(&task))]))
            }
            "cancelled and submitted again" => drop(site.world.ok(&["coordinator", "submit", &task])),
            _ => {}
        }
        let told = site.world.run(&["approve", "j1"]);
        assert!(told.code == 0 && !told.stderr.contains("has finished"), "{case}: {told:?}");
        assert!(told.stderr.contains("j1 ended before: cancelled"), "{case}: {told:?}");
        is_merged(&site, &task, case);
    }
}

#[test]
fn an_earlier_result_that_is_approved_after_its_retry_came_to_nothing_is_merged() {
    for case in ["blocked", "cancelled", "dismissed task"] {
        let (site, task) = waiting();
        match case {
            "cancelled" => {
                site.world.ok(&["review", "retry", "j1", "--note", "Append three"]);
                site.world.ok(&["coordinator", "cancel", "j1"]);
            }
            _ => failed_retry(&site),
        }
        if case == "dismissed task" {
            site.world.ok(&["coordinator", "skip", &task]);
        }
        let told = site.world.run(&["approve", "j1"]);
        assert!(told.code == 0 && told.stderr.contains("this merges its result "), "{case}: {told:?}");
        is_merged(&site, &task, case);
    }
}

#[test]
fn a_result_is_merged_although_another_seat_held_its_task_since() {
    let (site, task) = waiting();
    site.world.ok(&["coordinator", "cancel", "j1"]);
    site.world.ok(&["coordinator", "resume", &task]);
    site.world.write("AGENT_MANIFEST.ada.json", &json!({"agent_id": "ada", "desired_roles": ["engineer"]}).to_string());
    let as_ada = |args: &[&str]| {
        let output = site.world.teof(args).env("TEOF_AGENT", "ada").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    as_ada(&["bus", "claim", &task, "--allow-stale-session"]);
    let error = site.world.refused(&["approve", "j1"]);
    assert_eq!(error["code"], "claim.not_yours", "while it is held, it is not merged: {error}");
    as_ada(&["bus", "release", &task, "--status", "released", "--allow-stale-session"]);
    site.world.ok(&["approve", "j1"]);
    is_merged(&site, &task, "held by ada");
}

#[test]
fn a_result_whose_job_the_coordinator_lost_is_merged_and_its_task_closed() {
    for case in ["held", "released"] {
        let (site, task) = waiting();
        if case == "released" {
            site.world.ok(&["coordinator", "cancel", "j1"]);
        }
        // As on a machine that has the record and not the coordinator's state.
        fs::remove_file(site.world.repo.join(".git/teof/coordinator/state.json")).unwrap();
        let told = site.world.run(&["approve", "j1"]);
        assert!(told.code == 0 && !told.stderr.contains("no such job"), "{case}: {told:?}");
        is_merged(&site, &task, case);
        assert_eq!(site.job(&task)["title"], "Append two", "{case}");
    }
}

#[test]
fn a_result_is_not_merged_while_a_new_job_does_the_same_work() {
    let (site, task) = waiting();
    site.world.ok(&["coordinator", "cancel", "j1"]);
    site.world.ok(&["coordinator", "submit", &task]);
    assert_eq!(site.run().code, 0);
    let error = site.world.refused(&["approve", "j1"]);
    assert_eq!(error["code"], "review.done_again", "{error}");
    assert_eq!(site.world.read("src/code.txt"), "one\n");
    site.world.ok(&["coordinator", "cancel", "j2"]);
    site.world.ok(&["approve", "j1"]);
    let jobs = site.world.json(&["status"]);
    let ends = jobs["finished"].as_array().unwrap().iter().map(|job| job["phase"]["ending"].clone());
    assert_eq!(ends.collect::<Vec<_>>(), ["done", "cancelled"], "{jobs:#}");
}

#[test]
fn reverted_and_rejected_results_are_not_merged_again_by_an_approval() {
    for (decide, word) in [("revert", "reverted"), ("reject", "rejected")] {
        let (site, _) = waiting();
        if decide == "revert" {
            site.world.ok(&["approve", "j1"]);
        }
        site.world.ok(&["review", decide, "j1", "--note", "no"]);
        let ended = format!("All jobs that ended so far: 0 done, 0 blocked, 1 {word}\n");
        let status = site.world.ok(&["status"]);
        assert!(status.contains(&ended), "{status}");
        let error = site.world.refused(&["approve", "j1"]);
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert_eq!(site.world.read("src/code.txt"), "one\n");
    }
}

#[test]
fn what_a_job_used_is_that_of_all_its_runs_after_it_was_sent_back() {
    let (site, task) = waiting();
    let one = site.job(&task)["spent"]["input_tokens"].as_u64().unwrap();
    site.world.ok(&["review", "retry", "j1", "--note", "Append three"]);
    assert_eq!(site.run().code, 0);
    let both = site.job(&task)["spent"]["input_tokens"].as_u64().unwrap();
    assert!(one > 0 && both > one, "{one}, {both}");
    let bundle = site.world.json(&["review", "show", "j1"])["bundle"].clone();
    assert_eq!(bundle["usage"]["input_tokens"], both, "{bundle:#}");
    let used = bundle["usage"]["output_tokens"].as_u64().unwrap() + both;
    assert_eq!(site.world.json(&["report"])["usage"]["tokens"], used, "as the report says");
    let log = site.world.ok(&["logs", "j1"]);
    assert!(log.contains("moved the work onto main, without conflicts"), "{log}");
    assert!(!log.contains("passed: without conflicts"), "said once: {log}");
}

#[test]
fn status_names_queued_work_by_its_task_and_counts_a_job_that_was_merged_later_once() {
    let (site, _) = waiting();
    let queued = site.submit("Append three");
    let narrow = site.world.teof(&["status"]).env("COLUMNS", "80").output().unwrap();
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    assert!(narrow.contains(&format!("{queued}: Append three")), "{narrow}");
    site.world.ok(&["coordinator", "cancel", &queued]);
    failed_retry(&site);
    assert!(site.world.ok(&["status"]).contains("All jobs that ended so far: 0 done, 1 blocked\n"));
    site.world.ok(&["approve", "j1"]);
    assert!(site.world.ok(&["status"]).contains("All jobs that ended so far: 1 done, 0 blocked\n"));
}

#[test]
fn a_plan_whose_work_was_cancelled_or_rejected_is_not_called_in_progress() {
    for (args, word) in
        [(&["coordinator", "cancel", "j1"][..], "cancelled"), (&["review", "reject", "j1", "--note", "no"], "rejected")]
    {
        let (site, task) = waiting();
        let listed = |site: &Site| site.world.ok(&["plan", "list"]);
        assert!(listed(&site).contains(" in_progress "), "{}", listed(&site));
        site.world.ok(args);
        assert!(listed(&site).contains(&format!(" {word} ")), "{}", listed(&site));
        site.world.ok(&["coordinator", "submit", &task]);
        assert!(!listed(&site).contains(&format!(" {word} ")), "queued again: {}", listed(&site));
    }
}

#[test]
fn an_empty_test_is_refused() {
    let site = Site::appending("");
    for args in
        [&["coordinator", "submit", "--objective", "x", "--test", ""][..], &["do", "Write x", "--test", "  ", "--yes"]]
    {
        let ran = site.world.run(args);
        assert!(ran.code == 2 && ran.stderr.contains("the command is empty"), "{ran:?}");
    }
    assert!(!site.world.ok(&["plan", "list"]).contains("-x"), "nothing was planned");
}

#[test]
fn a_rejected_result_whose_job_the_coordinator_lost_blocks_its_step_and_frees_its_task() {
    let (site, task) = waiting();
    // As on a machine that has the record and not the coordinator's state.
    fs::remove_file(site.world.repo.join(".git/teof/coordinator/state.json")).unwrap();
    let told = site.world.run(&["review", "reject", "j1", "--note", "Not wanted"]).expect(0);
    assert!(!told.stderr.contains("no such job") && !told.stderr.contains("has finished"), "{told:?}");
    let plan = site.world.json(&["plan", "show", &task]);
    assert_eq!(plan["plan"]["steps"][0]["status"], "blocked", "{plan:#}");
    assert_eq!(site.world.read_json(&format!("_bus/claims/{task}.json"))["status"], "released");
    let job = site.job(&task);
    assert!(job["last"]["reason"].as_str().unwrap().starts_with("rejected by "), "{job:#}");
}

/// A coder that asks in its second call.
fn asks_again(site: &Site) {
    site.coder.on(2, "answer '{\"analysis\": \"Two ways.\", \"question\": \"Up or down?\"}'");
}

#[test]
fn a_further_note_reaches_the_coder_until_it_has_begun_and_is_refused_then() {
    let (site, _) = waiting();
    let note = |note: &str| site.world.run(&["review", "retry", "j1", "--note", note]);
    note("name the unit").expect(0);
    let more = note("round it, too").expect(0);
    assert!(more.stdout.contains("gets one more note"), "{more:?}");
    note("round it, too").expect(0);
    asks_again(&site);
    assert_eq!(site.run().code, 5);
    let prompt = site.coder.prompt(2);
    for words in ["> - name the unit", "> - round it, too"] {
        assert_eq!(prompt.matches(words).count(), 1, "{words}: {prompt}");
    }
    let late = site.world.refused(&["review", "retry", "j1", "--note", "in cents"]);
    assert_eq!(late["code"], "review.under_way", "{late}");
    assert!(late["next"][0].as_str().unwrap().contains("teof coordinator answer j1"), "{late}");
    // A coordinator that knows better refuses, too: nothing is printed as done.
    let saved = site.world.repo.join(".git/teof/coordinator/state.json");
    let state = fs::read_to_string(&saved).unwrap();
    fs::write(&saved, state.replace("\"is\": \"question\"", "\"is\": \"running\"")).unwrap();
    let late = site.world.refused(&["review", "retry", "j1", "--note", "in cents"]);
    assert!(late["next"][0].as_str().unwrap().contains("teof review retry j1 --note"), "{late}");
}

#[test]
fn an_earlier_result_is_merged_while_its_retry_waits() {
    for case in ["not begun", "asks"] {
        let (site, task) = waiting();
        site.world.ok(&["review", "retry", "j1", "--note", "Append three"]);
        if case == "asks" {
            asks_again(&site);
            assert_eq!(site.run().code, 5);
        }
        let told = site.world.run(&["approve", "j1"]);
        assert!(told.code == 0 && told.stdout.contains("is merged to main"), "{case}: {told:?}");
        is_merged(&site, &task, case);
    }
}

#[test]
fn a_conflict_of_a_result_that_was_sent_back_is_left_to_its_coder() {
    let (site, _) = waiting();
    site.world.ok(&["review", "retry", "j1", "--note", "Append three"]);
    site.world.write("src/code.txt", "three\n");
    site.world.git(&["commit", "-qam", "Replace one"]);
    let refused = site.world.refused(&["approve", "j1"]);
    assert_eq!(refused["code"], "review.conflict", "{refused}");
    assert!(refused["next"][0].as_str().unwrap().starts_with("this job was sent back"), "{refused}");
}
