//! Branches of approved work go when a person says so, and only those that nobody needs.

use super::*;
use crate::harness::Ran;

/// The branches that `worktree clean --branches` deletes.
fn deleted(desk: &Desk, flags: &[&str]) -> Vec<String> {
    let found = desk.world.json(&[&["worktree", "clean", "--branches"], flags].concat());
    found["branches"].as_array().unwrap().iter().map(|gone| gone["branch"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_branch_of_an_approved_job_is_deleted_on_request() {
    let desk = Desk::new();
    assert!(deleted(&desk, &[]).is_empty(), "its result waits for a person");
    desk.merged();
    desk.world.json(&["worktree", "clean", "--all-finished"]);
    assert!(desk.tip(BRANCH).is_some(), "nobody asked for it");
    assert_eq!(deleted(&desk, &["--dry-run"]), [BRANCH]);
    assert!(desk.tip(BRANCH).is_some());
    let said = desk.world.ok(&["worktree", "clean", "--branches"]);
    assert!(said.contains(&format!("deleted {BRANCH} of j1; it was at {}", &desk.commit[..12])), "{said}");
    assert_eq!(desk.tip(BRANCH), None);
    let kept = desk.world.git(&["rev-parse", &format!("refs/teof/reviewed/{JOB}")]);
    assert_eq!(kept, desk.commit, "a later check or revert needs it");
    assert!(deleted(&desk, &[]).is_empty());
    desk.world.ok(&["preflight", "full", "--base", "main^"]);
}

#[test]
fn a_branch_that_cannot_be_deleted_is_named_and_an_agent_deletes_none() {
    let desk = Desk::new();
    desk.merged();
    let args = ["worktree", "clean", "--branches"];
    let refused = Ran::of(desk.world.teof(&args).env("TEOF_AGENT", "codex-1").output().unwrap(), &args);
    assert!(refused.code == 6 && refused.stderr.contains("only a person may delete branches"), "{refused:?}");
    let lock = desk.world.repo.join(format!(".git/refs/heads/{BRANCH}.lock"));
    std::fs::write(&lock, "").unwrap();
    let ran = desk.world.run(&["worktree", "clean", "--branches", "--all-finished"]);
    assert!(ran.code == 1 && ran.stdout.contains(&format!("kept {BRANCH} of j1: ")), "{ran:?}");
    std::fs::remove_file(lock).unwrap();
    assert_eq!(deleted(&desk, &[]), [BRANCH]);
}

#[test]
fn branches_with_other_commits_or_a_worktree_or_reverted_work_stay() {
    let desk = Desk::new();
    desk.merged();
    let at = desk.world.folder().join("looking");
    desk.world.git(&["worktree", "add", "-q", at.to_str().unwrap(), BRANCH]);
    assert!(deleted(&desk, &[]).is_empty(), "a person looks at it");
    desk.world.git(&["worktree", "remove", at.to_str().unwrap()]);

    desk.work(&[("src/later.txt", "later\n")]);
    assert!(deleted(&desk, &[]).is_empty(), "it has a newer commit");
    desk.world.git(&["branch", "-f", BRANCH, &desk.commit]);

    desk.world.ok(&["review", "revert", JOB, "--note", "too early", "--by", "Ann"]);
    assert!(deleted(&desk, &[]).is_empty(), "the work may be taken up again");
    assert_eq!(desk.tip(BRANCH).as_ref(), Some(&desk.commit));
}
