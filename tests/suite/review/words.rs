//! A no, a look, and the way back from a merge.

use super::*;

#[test]
fn rejection_needs_a_note_and_a_person() {
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
    assert_eq!(desk.world.ok(&["review", "list"]).trim(), "Nothing waits for review.");
}

#[test]
fn review_shows_waiting_work_with_its_diff() {
    let desk = Desk::tested(&["make test"]);
    let list = desk.world.json(&["review", "list"]);
    assert_eq!(
        (&list[0]["job"], &list[0]["tests"]["passed"], &list[0]["confidence"]),
        (&json!(JOB), &json!(1), &json!(88))
    );
    let shown = desk.world.ok(&["review", "show", "20260105"]);
    for part in ["Write the docs", "Docs exist", "make test", "codex-2", &desk.commit[..12]] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    desk.world.git(&["config", "diff.external", "touch pwned;"]);
    let diff = desk.world.ok(&["review", "show", JOB, "--diff"]);
    assert!(diff.contains("-two\n+2\n") && diff.contains("+new"), "{diff}");
    assert!(!desk.world.exists("pwned"));
    assert_eq!(desk.world.refused(&["review", "show", "nothing"])["exit"], 4);
}

#[test]
fn a_task_means_the_work_of_it_that_waits_and_then_its_newest() {
    let desk = Desk::new();
    let mut older = desk.world.read_json(&desk.path);
    older["job"] = json!("20260101T000000Z-9");
    older["run"] = json!("20260101T000000Z-9.1");
    older["generated_at"] = json!("2026-01-01T00:00:00Z");
    desk.receipt("codex-1", "_report/agent/codex-1/reviews/older.json", &older);
    let error = desk.world.refused(&["review", "show", "QUEUE-001"]);
    assert_eq!(error["code"], "review.ambiguous", "both wait");
    for job in ["20260101T000000Z-9", JOB] {
        desk.world.ok(&["review", "reject", job, "--note", "no", "--by", "Ann"]);
        assert_eq!(desk.world.json(&["review", "show", "QUEUE-001"])["bundle"]["job"], JOB);
    }
}

#[test]
fn revert_creates_a_commit() {
    let desk = Desk::new();
    assert_eq!(desk.world.refused(&["review", "revert", JOB])["code"], "review.not_merged");
    let merge = desk.merged()["merge_commit"].as_str().unwrap().to_owned();
    desk.world.write("src/other.txt", "later\n");
    desk.world.git(&["commit", "-qam", "Later work"]);
    desk.world.write("src/notes.txt", "unsaved\n");
    let decision = desk.world.json(&["review", "revert", JOB, "--by", "Ann", "--note", "broke it"])["decision"].clone();
    // The record of it is committed on top.
    let revert = desk.world.git(&["rev-parse", "main~1"]);
    assert_eq!(decision["merge_commit"], json!(revert));
    assert_eq!(desk.world.git(&["log", "-1", "--format=%s", "main"]), "Commit the record");
    assert_eq!(desk.world.read("src/code.txt"), "one\ntwo\nthree\n");
    assert!(!desk.world.exists("src/new.txt"));
    assert_eq!(
        (desk.world.read("src/other.txt"), desk.world.read("src/notes.txt")),
        ("later\n".into(), "unsaved\n".into())
    );
    assert!(desk.world.git(&["log", "-1", "--format=%B", &revert]).contains(&format!("Teof-Reverts: {merge}")));
    let events: Vec<_> = desk.memory().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["approved", "reverted"]);
    let main = desk.main();
    desk.world.json(&["review", "revert", JOB, "--by", "Ann"]);
    assert_eq!((desk.main(), desk.memory().len()), (main, 2), "once");
}

#[test]
fn revert_refuses_a_merge_by_hand_with_other_commits() {
    let desk = Desk::new();
    desk.world.git(&["switch", "-qc", "feature"]);
    desk.world.git(&["merge", "-q", "--no-edit", &desk.commit]);
    desk.world.write("src/mine.txt", "a week of work\n");
    desk.world.git(&["add", "src/mine.txt"]);
    desk.world.git(&["commit", "-qm", "Mine"]);
    desk.world.git(&["switch", "-q", "main"]);
    desk.world.git(&["merge", "-q", "--no-ff", "--no-edit", "feature"]);
    desk.merged();
    let refused = desk.world.refused(&["review", "revert", JOB, "--by", "Ann"]);
    assert_eq!(refused["code"], "review.unclear_merge", "{refused}");
    assert_eq!(desk.world.read("src/mine.txt"), "a week of work\n");
}

#[test]
fn revert_refuses_when_later_work_depends_on_it() {
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
fn a_revert_with_redo_opens_the_step_and_the_item_again() {
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
    desk.world.ok(&["review", "revert", JOB, "--note", "broke it", "--redo", "--by", "Ann"]);
    let found = desk.world.read_json(plan);
    assert_eq!((&found["status"], &found["steps"][0]["status"]), (&json!("in_progress"), &json!("in_progress")));
    let last = &found["steps"][0]["last_run"];
    assert_eq!(
        (&last["outcome"], &last["commit"]),
        (&json!("reverted"), &json!(desk.world.git(&["rev-parse", "main"])))
    );
    let backlog = desk.world.read_json("_plans/next-development.todo.json");
    assert_eq!(
        (&backlog["items"][0]["status"], &backlog["items"][0]["completed_at"]),
        (&json!("pending"), &Value::Null)
    );
    // Against the record as it was committed: a person took it back, which is no regression.
    desk.world.ok(&["preflight", "full", "--base", "main"]);
}

#[test]
fn status_names_results_of_jobs_that_the_coordinators_state_does_not_know() {
    let desk = Desk::new();
    let reviews = || desk.world.json(&["status"])["summary"]["reviews"].clone();
    assert_eq!((reviews(), &desk.world.json(&["review", "list"])[0]["job"]), (json!(["j1"]), &json!(JOB)));
    let said = desk.world.ok(&["status"]);
    assert!(said.contains("1 review: j1"), "{said}");
    desk.world.ok(&["review", "reject", JOB, "--note", "not so", "--by", "Ann"]);
    assert_eq!(reviews(), json!([]));
}
