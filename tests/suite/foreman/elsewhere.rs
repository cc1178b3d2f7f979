//! What a worker does outside its own worktree is found on its job, and what a person does there blocks nothing.

use super::*;

fn fixture(commands: &[&str]) -> Fixture {
    let fixture = Fixture::new().unconfined();
    // A changed file of a person's, before the work begins.
    fixture.world.write("README.md", "mine\n");
    let hub = fixture.world.repo.display().to_string();
    let lines: Vec<_> = commands.iter().map(|line| line.replace("HUB", &hub)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).chain(["echo three >> src/code.txt"]).collect();
    fixture.commands(&lines).with("expected_receipts", json!([])).with("guardrails.tests", json!(["true"]))
}

#[test]
fn files_that_change_in_other_checkouts_are_named_and_block_nothing() {
    let fixture = fixture(&[
        "echo evil >> HUB/src/code.txt; mkdir -p HUB/new/deep; echo x > HUB/new/deep/a.txt; echo more >> HUB/README.md",
        "echo x >> HUB/_report/note.txt; echo x > HUB/../theirs/README.md; echo x > HUB/../person/new.txt",
    ]);
    let world = &fixture.world;
    for (name, reason) in [("theirs", "teof job job-9 run run-9"), ("person", "mine")] {
        let folder = world.folder().join(name);
        world.git(&["worktree", "add", "-q", "-b", name, folder.to_str().unwrap()]);
        world.git(&["worktree", "lock", "--reason", reason, folder.to_str().unwrap()]);
    }
    let (outcome, _) = fixture.run("run-1");
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let found = Fixture::finding(&outcome, "hub.changed").expect("it is found");
    let message = found["message"].as_str().unwrap();
    assert_eq!(found["severity"], "medium");
    assert!(message.contains("3 files differ (README.md, new/, src/code.txt)"), "{message}");
    assert!(message.contains("a person may have done it"), "{message}");
    assert!(outcome["reason"].as_str().unwrap().contains("worth checking: the main checkout"), "{outcome:#}");
    let others: Vec<_> = outcome["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["code"] == "worktree.changed")
        .map(|found| found["message"].as_str().unwrap())
        .collect();
    assert!(others.len() == 2 && others.iter().any(|message| message.contains("the worktree of job-9")), "{others:?}");
    assert!(fixture.envelope(&outcome).to_string().contains("hub.changed"));
}

#[test]
fn existing_files_and_teofs_own_writes_are_not_findings() {
    let fixture = fixture(&["true"]);
    fixture.world.write("untracked/a.txt", "a\n");
    let (outcome, _) = fixture.run("run-1");
    assert_eq!((&outcome["verdict"], &outcome["findings"]), (&json!("succeeded"), &json!([])), "{outcome:#}");
}

#[test]
fn git_commands_of_a_worker_in_the_hubs_checkout_block_its_job() {
    let who = "-c user.name=B -c user.email=b@x";
    for (line, told) in [
        ("git -C HUB add README.md", "git add in the main checkout"),
        ("git -C HUB rm -q --cached src/code.txt", "git rm in the main checkout"),
        ("git -C HUB checkout -q -b elsewhere", "it was on main and is on elsewhere"),
        (&format!("cd HUB && git {who} stash -q"), "git stash"),
        (&format!("setsid -w git -C HUB {who} commit -qam unreviewed"), "1 new commit ("),
        (&format!("git -C HUB {who} commit -qm show --allow-empty"), "1 new commit ("),
        (
            "git -C HUB update-ref HEAD $(git -C HUB -c user.name=B -c user.email=b@x commit-tree -p HEAD -m x HEAD^{tree})",
            "its branch moved from",
        ),
        ("git -C HUB log --oneline; git -C HUB status; git -C HUB stash list", ""),
    ] {
        let fixture = fixture(&[line]);
        let (outcome, _) = fixture.run("run-1");
        let found = Fixture::finding(&outcome, "hub.changed");
        if told.is_empty() {
            assert_eq!((&outcome["verdict"], found), (&json!("succeeded"), None), "{line}: {outcome:#}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("{line}: {outcome:#}"));
        assert_eq!(
            (&outcome["verdict"], &found["severity"]),
            (&json!("blocked"), &json!("high")),
            "{line}: {outcome:#}"
        );
        assert!(found["message"].as_str().unwrap().contains(told), "{line}: {found:#}");
        let moved = fixture.world.repo.join(".git/teof/moved-targets.json").exists();
        assert_eq!(moved, line.contains("commit") || line.contains("update-ref"), "{line}: {outcome:#}");
        assert_eq!(Fixture::finding(&outcome, "git.target_moved").is_some(), moved, "{line}: {outcome:#}");
    }
}

#[test]
fn a_worktree_of_a_persons_that_is_removed_is_told_however_many_were_added() {
    let fixture = fixture(&[
        "for n in 1 2 3 4 5 6 7 8 9; do git worktree add -q --detach HUB/../a$n; done",
        "git worktree remove --force HUB/../person",
    ]);
    let folder = fixture.world.folder().join("person");
    fixture.world.git(&["worktree", "add", "-q", "-b", "person", folder.to_str().unwrap()]);
    let (outcome, _) = fixture.run("run-1");
    let found = Fixture::finding(&outcome, "worktree.changed").unwrap_or_else(|| panic!("{outcome:#}"));
    assert!(found["message"].as_str().unwrap().contains("existed when the work began"), "{outcome:#}");
}

#[test]
fn a_trace_of_git_that_cannot_be_read_is_told() {
    let fixture = fixture(&["rm -f \"$GIT_TRACE2_EVENT\"; mkdir \"$GIT_TRACE2_EVENT\""]);
    let (outcome, _) = fixture.run("run-1");
    assert!(Fixture::finding(&outcome, "git.trace_unreadable").is_some(), "{outcome:#}");
}

#[test]
fn a_commit_in_the_hub_without_a_trace_blocks_unless_the_person_may_have_made_it() {
    let commit = "env -i PATH=\"$PATH\" git -C HUB -c user.name=B -c user.email=b@x commit -qam sly";
    let fixture = fixture(&[commit]);
    let (outcome, _) = fixture.run("run-1");
    let found = Fixture::finding(&outcome, "hub.changed").unwrap_or_else(|| panic!("{outcome:#}"));
    assert_eq!((&outcome["verdict"], &found["severity"]), (&json!("blocked"), &json!("high")), "{outcome:#}");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("\"sly\"") && message.contains("B <b@x>"), "{found:#}");
    assert!(Fixture::finding(&outcome, "git.target_moved").is_some(), "{outcome:#}");
    let world = &fixture.world;
    // Nothing is built on it until a person has looked.
    let left = world.json(&["bus", "commit"]);
    assert!(left["why"].as_str().is_some_and(|why| why.contains("a worker moved main")), "{left}");
    world.ok(&["coordinator", "reset-breaker"]);
    let done = world.json(&["bus", "commit"]);
    assert_ne!(done["outcome"], "skipped", "{done}");

    let fixture = self::fixture(&[&commit.replace("b@x", "tester@example.invalid")]);
    let (outcome, _) = fixture.run("run-1");
    let found = Fixture::finding(&outcome, "hub.changed").unwrap_or_else(|| panic!("{outcome:#}"));
    assert_eq!((&outcome["verdict"], &found["severity"]), (&json!("succeeded"), &json!("medium")), "{outcome:#}");
    assert!(found["message"].as_str().unwrap().contains("\"sly\""), "{found:#}");
}

#[test]
fn locks_and_files_that_are_planted_in_the_git_directory_are_found() {
    let fixture =
        fixture(&["touch HUB/.git/index.lock HUB/.git/refs/heads/main.lock; echo x > HUB/.git/teof/grant.json"]);
    fixture.world.write(".git/HEAD.lock", "");
    let (outcome, _) = fixture.run("run-1");
    let message = |code| Fixture::finding(&outcome, code).map(|found| found["message"].as_str().unwrap().to_owned());
    let locks = message("git.lock_left").unwrap_or_else(|| panic!("{outcome:#}"));
    assert!(locks.contains("index.lock") && locks.contains("main.lock") && !locks.contains("HEAD.lock"), "{locks}");
    assert!(message("teof.planted").is_some_and(|found| found.ends_with("grant.json")), "{outcome:#}");
}
