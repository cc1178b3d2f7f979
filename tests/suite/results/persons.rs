//! What a person does between a job's result and its merge: merges, amends, rebases, holds.

use super::*;

fn finished() -> (Site, String, std::path::PathBuf) {
    let site = Site::new("", &format!("echo tow >> src/code.txt\n{DONE}"));
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let job = site.waiting();
    let folder = site.world.folder().join("repo.worktrees").join(&job);
    site.world.write("src/other.txt", "a person's\n");
    site.world.git(&["add", "src"]);
    site.world.git(&["commit", "-qm", "Meanwhile"]);
    (site, job, folder)
}

#[test]
fn amended_or_rebased_commits_are_never_merged_as_reviewed() {
    for rewrite in [&["commit", "-q", "--amend", "--no-edit", "-a"][..], &["rebase", "-q", "main"]] {
        let (site, job, folder) = finished();
        if rewrite[0] == "commit" {
            fs::write(folder.join("src/code.txt"), "one\ntwo\n").unwrap();
        }
        site.world.git_in(&folder, rewrite);
        let tip = site.world.git_in(&folder, &["rev-parse", "HEAD"]);
        let error = site.world.refused(&["review", "approve", &job]);
        assert_eq!((&error["code"], &error["commits"][0]["id"]), (&json!("review.newer_commits"), &json!(tip)));
        assert!(!error["next"].to_string().contains("--with-newer"), "it does not stand on what was reviewed: {error}");
        let error = site.world.refused(&["review", "approve", &job, "--with-newer", &tip]);
        assert!(error["reason"].to_string().contains("amended or rebased"), "{error}");
        assert_eq!(site.world.read("src/code.txt"), "one\n");
        site.world.ok(&["review", "approve", &job, "--without-newer"]);
        assert_eq!(site.world.read("src/code.txt"), "one\ntow\n");
    }
}

#[test]
fn a_branch_that_a_person_merged_the_target_into_is_merged_and_taken_back() {
    let (site, job, folder) = finished();
    site.world.ok(&["bus", "commit"]);
    site.world.git_in(&folder, &["merge", "-q", "--no-edit", "main"]);
    fs::write(folder.join("src/code.txt"), "one\ntwo\n").unwrap();
    site.world.git_in(&folder, &["commit", "-qam", "Spell it right"]);
    let tip = site.world.git_in(&folder, &["rev-parse", "HEAD"]);
    let error = site.world.refused(&["review", "approve", &job]);
    let named: Vec<_> = error["commits"].as_array().unwrap().iter().map(|commit| commit["subject"].clone()).collect();
    assert_eq!(named.len(), 2, "what the target has is no news: {error}");
    site.world.ok(&["review", "approve", &job, "--with-newer", &tip]);
    assert_eq!((&*site.world.read("src/code.txt"), &*site.world.read("src/other.txt")), ("one\ntwo\n", "a person's\n"));
    site.world.ok(&["review", "revert", &job]);
    assert_eq!((&*site.world.read("src/code.txt"), &*site.world.read("src/other.txt")), ("one\n", "a person's\n"));
    let files = site.world.git(&["log", "--format=", "--name-only", "-2", "main"]);
    assert!(!files.contains("_bus"), "a moment after the last record commit there is no other: {files}");
    site.world.ok(&["bus", "commit"]);
    assert_eq!(site.world.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_hold_in_the_name_of_a_job_holds_its_task() {
    let site = Site::appending("");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let say = |name: &str, kind: &str| {
        site.world.run(&["bus", "message", "--task", name, "--type", kind, "--summary", "wait", "--agent", "operator"])
    };
    assert!(say("NOPE-1", "hold").expect(0).stderr.contains("no such task NOPE-1"), "a slip is noticed");
    let twin = say(&task.to_uppercase(), "hold").expect(2);
    assert!(twin.stderr.contains(&format!("--task {task}")), "{twin:?}");
    say("j1", "hold").expect(0);
    assert!(!site.world.exists("_bus/messages/j1.jsonl"));
    assert_eq!(site.world.refused(&["review", "approve", "j1"])["code"], "task.on_hold");
    say("j1", "lift").expect(0);
    site.world.ok(&["review", "approve", "j1"]);
}
