//! The reviewed commit is merged: from which state to which, and what a kill in between leaves.

use std::time::Duration;

use teof::base::lock::FileLock;

use super::*;

#[test]
fn approve_merges_the_reviewed_commit_not_the_branch_tip() {
    let desk = Desk::tested(&["test $(cat src/new.txt) = new"]);
    desk.work(&[("src/new.txt", "slipped in\n")]);
    let before = desk.main();
    assert_eq!(desk.refused()["code"], "review.newer_commits", "nobody's commit is dropped without a word");
    let decision = desk.world.json(&["review", "approve", JOB, "--by", "Ann", "--without-newer"])["decision"].clone();
    let merge = decision["merge_commit"].as_str().unwrap();
    assert_eq!(desk.main(), merge);
    assert_eq!(
        desk.world.git(&["log", "-1", "--format=%P", "main"]),
        before,
        "one commit, with no parent but the target"
    );
    assert_eq!(desk.world.read("src/new.txt"), "new\n");
    let message = desk.world.git(&["log", "-1", "--format=%B", "main"]);
    let (said, heads) = message.trim().split_once("\nTeof-Log: ").unwrap();
    assert_eq!(
        said,
        format!(
            "Write the docs\n\nok\n\nTeof-Job: {JOB}\nTeof-Run: {JOB}.1\nTeof-Reviewed-By: Ann\nAssisted-by: codex"
        )
    );
    assert!(heads.lines().count() == 2 && heads.contains("\nTeof-Ledger: 1 "), "{heads}");
    assert_eq!((&decision["decision"], &decision["by"]), (&json!("approved"), &json!("Ann")));
    assert_eq!(decision["tests"][0]["passed"], true);
    let line = &desk.memory()[0];
    assert_eq!(
        (&line["event"], &line["actor"], &line["commit"]),
        (&json!("approved"), &json!("Ann"), &json!(desk.commit))
    );
    assert!(desk.world.exists(line["receipts"][0].as_str().unwrap()));
    assert_eq!(desk.leftovers(), [] as [&str; 0]);
    desk.world.ok(&["receipts", "verify", "--all"]);

    // Once is enough: nothing is written a second time.
    let again = desk.world.json(&["review", "approve", JOB, "--by", "Bob"]);
    assert_eq!((&again["before"], &again["decision"]["by"]), (&json!(true), &json!("Ann")));
    assert_eq!((desk.memory().len(), desk.main().as_str()), (1, merge));
    desk.world.ok(&["bus", "commit"]);
    assert_eq!(desk.world.git(&["status", "--porcelain"]), "");
    desk.world.ok(&["preflight", "full", "--base", "main^"]);
}

#[test]
fn a_target_without_a_checkout_only_moves_its_ref() {
    let desk = Desk::new();
    desk.leave_main();
    desk.world.write("src/code.txt", "mine\n");
    desk.merged();
    assert_eq!(desk.show("main:src/code.txt"), "one\n2\nthree");
    assert_eq!(desk.world.read("src/code.txt"), "mine\n");
}

#[test]
fn approve_continues_when_only_the_record_moved() {
    let desk = Desk::writing(&[
        "echo ran >> $HOME/ran; cd \"$TEOF_ROOT\" && echo x > _report/x.txt && git add _report/x.txt && \
        git -c user.name=t -c user.email=tester@example.invalid commit -qm record -- _report/x.txt",
    ]);
    let decision = desk.merged();
    assert_eq!(desk.world.git(&["log", "--format=%s", "--first-parent", "-2", "main"]), "Write the docs\nrecord");
    assert_eq!(decision["target_before"], json!(desk.world.git(&["rev-parse", "main^1"])));
    assert_eq!(fs::read_to_string(desk.world.folder().join("home/ran")).unwrap(), "ran\n", "tested once");
    assert_eq!(desk.show("main:_report/x.txt"), "x");
}

#[test]
fn approve_merges_and_tests_again_when_the_target_moved() {
    let desk = Desk::writing(&[
        "echo ran >> $HOME/ran; test -e $HOME/moved && exit 0; touch $HOME/moved; cd \"$TEOF_ROOT\" && \
        echo y > src/other.txt && git -c user.name=t -c user.email=tester@example.invalid commit -qm code -- src/other.txt",
    ]);
    desk.merged();
    assert_eq!(fs::read_to_string(desk.world.folder().join("home/ran")).unwrap(), "ran\nran\n");
    assert_eq!((desk.show("main:src/other.txt"), desk.show("main:src/code.txt")), ("y".into(), "one\n2\nthree".into()));
}

#[test]
fn a_conflict_of_a_finished_job_is_left_to_the_person() {
    let desk = Desk::new();
    desk.world.write("src/code.txt", "one\nzwei\nthree\n");
    desk.world.git(&["commit", "-qam", "A person's"]);
    let main = desk.main();
    let refused = desk.refused();
    assert_eq!((&refused["code"], &refused["exit"]), (&json!("review.conflict"), &json!(1)), "{refused}");
    assert_eq!(refused["files"], json!(["src/code.txt"]));
    assert_eq!((desk.main(), desk.world.read("src/code.txt")), (main.clone(), "one\nzwei\nthree\n".into()));
    assert!(desk.memory().is_empty());
    // Nobody knows the job any more who could go on with it: the person brings both together.
    assert_eq!(desk.world.json(&["review", "list"])[0]["decision"], Value::Null, "no word was taken for it");
    desk.world.git(&["merge", "-q", "-X", "ours", &desk.commit]);
    assert_eq!(desk.merged()["decision"], "approved");
}

#[test]
fn approve_refuses_when_tests_fail_on_the_merged_tree() {
    // It passes on the branch and on the target, and not on both together.
    let desk = Desk::tested(&["test ! -e src/theirs.txt || test ! -e src/new.txt"]);
    desk.world.write("src/theirs.txt", "x\n");
    desk.world.git(&["add", "src/theirs.txt"]);
    desk.world.git(&["commit", "-qm", "A person's"]);
    let main = desk.main();
    let refused = desk.refused();
    assert_eq!((&refused["code"], &refused["exit"]), (&json!("review.tests_failed"), &json!(1)), "{refused}");
    assert_eq!((desk.main(), desk.leftovers()), (main, vec![]));
}

#[test]
fn approve_refuses_when_tests_break_the_record() {
    let mut desk = Desk::writing(&[]);
    let log = desk.world.repo.join("_bus/events/events.jsonl");
    desk.bundle(&[&format!("echo broken >> '{}'", log.display())]);
    let refused = desk.refused();
    assert_eq!((&refused["code"], desk.main()), (&json!("review.record"), desk.base.clone()), "{refused}");
}

#[test]
fn approve_refuses_an_altered_bundle() {
    let desk = Desk::tested(&["true"]);
    let text = desk.world.read(&desk.path);
    desk.world.write(&desk.path, &text.replace("\"command\": \"true\"", "\"command\": \"touch $HOME/pwned\""));
    assert_eq!(desk.refused()["code"], "bundle.altered");
    // Sealed anew by hand, it is not what the ledger says.
    let mut payload: serde_json::Map<String, Value> = serde_json::from_str(&desk.world.read(&desk.path)).unwrap();
    payload.remove("receipt_sha256");
    desk.world.write(&desk.path, &teof::receipts::seal::sealed(payload));
    assert_eq!(desk.refused()["code"], "bundle.altered");
    assert!(!desk.world.folder().join("home/pwned").exists());
    assert_eq!(desk.main(), desk.base);
}

#[test]
fn approve_refuses_while_the_record_has_findings() {
    let desk = Desk::new();
    desk.world.write("_bus/claims/QUEUE-009.json", "{\"task_id\": \"QUEUE-008\"}\n");
    let refused = desk.refused();
    assert_eq!(refused["code"], "review.record", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("QUEUE-009"), "{refused}");
    fs::remove_file(desk.world.repo.join("_bus/claims/QUEUE-009.json")).unwrap();
    desk.world.ok(&["session-boot", "--no-sync", "--agent", "codex-2", "--allow-branch-mismatch"]);
    desk.world.ok(&[
        "bus",
        "message",
        "--task",
        "QUEUE-001",
        "--type",
        "hold",
        "--summary",
        "wait",
        "--agent",
        "codex-2",
    ]);
    assert_eq!(desk.refused()["code"], "task.on_hold");
    assert_eq!(desk.main(), desk.base);
}

#[test]
fn approve_succeeds_after_a_kill_during_tests() {
    let desk = Desk::writing(&["touch $HOME/begun; test -e $HOME/go || sleep 600"]);
    let mut child = desk.world.spawn(&["review", "approve", JOB]);
    until("the test began", || desk.world.folder().join("home/begun").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((desk.main(), desk.leftovers().len()), (desk.base.clone(), 1));
    fs::write(desk.world.folder().join("home/go"), "").unwrap();
    desk.merged();
    assert_eq!(desk.leftovers(), [] as [&str; 0]);
    assert_eq!(desk.world.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn approve_refuses_when_a_hold_came_while_the_tests_ran() {
    let desk = Desk::writing(&["touch $HOME/begun; until test -e $HOME/go; do sleep 0.05; done"]);
    let mut child = desk.world.spawn(&["review", "approve", JOB]);
    until("the test began", || desk.world.folder().join("home/begun").exists());
    desk.world.ok(&["session-boot", "--no-sync", "--agent", "codex-2", "--allow-branch-mismatch"]);
    let hold = ["bus", "message", "--task", "QUEUE-001", "--type", "hold", "--summary", "wait", "--agent", "codex-2"];
    desk.world.ok(&hold);
    fs::write(desk.world.folder().join("home/go"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!((desk.main(), desk.memory().len()), (desk.base.clone(), 0));
    assert_eq!(desk.refused()["code"], "task.on_hold");
}

#[test]
fn a_merge_without_its_decision_is_recorded_once() {
    let desk = Desk::tested(&["false"]);
    let before = desk.main();
    desk.world.git(&["merge", "-q", "--no-ff", "-m", "By hand", &desk.commit]);
    let merge = desk.main();
    desk.world.git(&["commit", "-q", "--allow-empty", "-m", "Later"]);
    let decision = desk.merged();
    assert_eq!((&decision["merge_commit"], &decision["target_before"]), (&json!(merge), &json!(before)));
    desk.merged();
    assert_eq!(desk.memory().len(), 1);
    let refused = desk.world.refused(&["review", "reject", JOB, "--note", "too late"]);
    assert_eq!(refused["code"], "review.decided");
}

/// In the way of git on the search path: kills teof as soon as the target has moved.
const KILLER_GIT: &str = r#"#!/bin/sh
PATH="${PATH#*:}"
git "$@"; code=$?
case "$*" in *--ff-only*|*"update-ref -m"*refs/heads/main*) kill -9 $PPID;; esac
exit $code
"#;

#[test]
fn the_next_approval_records_a_killed_squash() {
    for (checked_out, with_newer) in [(true, false), (false, true)] {
        let desk = Desk::new();
        let newer = with_newer.then(|| desk.work(&[("src/new.txt", "newer\n")]));
        if !checked_out {
            desk.leave_main();
        }
        let path = desk.put_on_path("git", KILLER_GIT);
        let mut args = vec!["review", "approve", JOB, "--by", "Ann", "--json"];
        args.extend(newer.iter().flat_map(|newer| ["--with-newer", newer.as_str()]));
        let killed = desk.world.teof(&args).env("PATH", path).output().unwrap();
        assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));
        let moved = desk.main();
        assert!(moved != desk.base && desk.memory().is_empty());
        assert_eq!(desk.world.refused(&["review", "reject", JOB, "--note", "no"])["code"], "review.merged");
        desk.world.git(&["commit", "-q", "--allow-empty", "-m", "Later"]);
        let decision = desk.merged();
        assert_eq!((&decision["merge_commit"], &decision["target_before"]), (&json!(moved), &json!(desk.base)));
        assert_eq!(decision["reviewed_commit"], json!(newer.as_ref().unwrap_or(&desk.commit)));
        assert_eq!(desk.memory().len(), 1, "and nothing is merged twice");
    }
}

#[test]
fn trailers_alone_make_no_commit_the_reviewed_work() {
    let desk = Desk::new();
    let message = format!("Forged\n\nTeof-Job: {JOB}\nTeof-Run: {JOB}.1\nTeof-Reviewed-By: Ann");
    desk.world.git(&["commit", "-q", "--allow-empty", "-m", &message]);
    let forged = desk.main();
    let decision = desk.merged();
    assert_eq!(decision["target_before"], json!(forged));
    assert_eq!(desk.show("main:src/new.txt"), "new");
}

#[test]
fn work_on_top_of_squashed_work_is_not_in_conflict_with_it() {
    let mut desk = Desk::new();
    desk.merged();
    // It was made before: it stands on the reviewed commit, which is not on the target.
    let second = "20260105T100000Z-2";
    desk.base = desk.commit.clone();
    desk.commit = desk.work(&[("src/code.txt", "one\n2\n3\n"), ("src/new.txt", "newer\n")]);
    desk.plan = json!({"job": second, "run": format!("{second}.1")});
    desk.bundle(&["test $(cat src/new.txt) = newer"]);
    desk.world.json(&["review", "approve", second, "--by", "Ann"]);
    assert_eq!((desk.show("main:src/code.txt"), desk.show("main:src/new.txt")), ("one\n2\n3".into(), "newer".into()));
    desk.world.json(&["review", "revert", second, "--by", "Ann"]);
    assert_eq!((desk.show("main:src/code.txt"), desk.show("main:src/new.txt")), ("one\n2\nthree".into(), "new".into()));
}

#[test]
fn approving_work_without_changes_creates_no_commit() {
    let desk = Desk::writing(&["touch $HOME/ran"]);
    desk.world.git(&["merge", "-q", "--squash", &desk.commit]);
    desk.world.git(&["commit", "-qm", "By hand"]);
    let main = desk.main();
    let decision = desk.merged();
    assert_eq!((desk.main(), &decision["target_before"]), (main.clone(), &json!(main)));
    assert!(decision.get("merge_commit").is_none() && desk.world.folder().join("home/ran").exists());
    assert_eq!(desk.world.refused(&["review", "revert", JOB])["code"], "review.no_merge_commit");
}

#[test]
fn a_merge_commit_is_made_where_the_settings_ask_for_one() {
    let desk = Desk::new();
    desk.world.write("teof.toml", "[review]\nmerge = \"merge\"\n");
    desk.merged();
    assert_eq!(
        desk.world.git(&["log", "-1", "--format=%s: %P", "main"]),
        format!("Write the docs: {} {}", desk.base, desk.commit)
    );
    desk.world.run(&["review", "revert", JOB, "--by", "Ann"]).expect(0);
    let reverts = desk.world.git(&["log", "--format=%s", "--grep=^Teof-Reverts: ", "main"]);
    assert_eq!(reverts, "Revert \"Write the docs\"");
    assert_eq!(desk.world.git(&["diff", &desk.base, "main", "--", "src"]), "");
}

/// In the way of git on the search path: tells when it moves a checked-out target, and waits for a word.
const SLOW_GIT: &str = r#"#!/bin/sh
PATH="${PATH#*:}"
for arg; do
  if [ "$arg" = --ff-only ]; then touch "$HOME/moving"; while [ ! -e "$HOME/go" ]; do sleep 0.01; done; fi
done
exec git "$@"
"#;

#[test]
fn ctrl_c_does_not_cut_a_checkout_in_half() {
    use std::os::unix::process::CommandExt;
    let desk = Desk::new();
    let home = desk.world.folder().join("home");
    let path = desk.put_on_path("git", SLOW_GIT);
    let mut teof = desk.world.teof(&["review", "approve", JOB]);
    let mut child = teof.env("PATH", path).process_group(0).spawn().unwrap();
    until("git moves the target", || home.join("moving").exists());
    let group = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    fs::write(home.join("go"), "").unwrap();
    child.wait().unwrap();
    until("git has moved it", || desk.main() != desk.base && !desk.world.exists(".git/index.lock"));
    assert_eq!(desk.world.git(&["diff", "HEAD", "--", "src"]), "");
    let decision = desk.merged();
    assert_eq!((&decision["merge_commit"], desk.memory().len()), (&json!(desk.main()), 1));
}

#[test]
fn a_git_that_is_killed_while_it_holds_the_target_keeps_nobody_from_merging() {
    // Git alone, or with who started it.
    for (checked_out, also) in [(true, ""), (false, ""), (true, "$PPID"), (false, "$PPID")] {
        let desk = Desk::new();
        if !checked_out {
            desk.leave_main();
        }
        let git =
            std::env::split_paths(&std::env::var("PATH").unwrap()).map(|dir| dir.join("git")).find(|git| git.exists());
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *update-ref*refs/heads/main*) mkdir {0}/once 2>/dev/null && \
             {{ touch {0}/repo/.git/refs/heads/main.lock; kill -9 {2} $$; }};; esac\nexec {1} \"$@\"\n",
            desk.world.folder().display(),
            git.unwrap().display(),
            also
        );
        let path = desk.put_on_path("git", &script);
        let killed = desk.world.teof(&["review", "approve", JOB, "--json"]).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&killed.stderr).into_owned();
        let told = killed.status.code() == Some(1) && said.contains("git.killed");
        assert!(told || (!also.is_empty() && killed.status.code().is_none()), "{said}");
        desk.merged();
        assert!(!desk.world.exists(".git/refs/heads/main.lock"));
    }
}

#[test]
fn gits_writes_for_a_merge_are_synced() {
    for checked_out in [true, false] {
        let desk = Desk::new();
        if !checked_out {
            desk.leave_main();
        }
        let traces = desk.world.folder().join("traces");
        fs::create_dir(&traces).unwrap();
        // The person's own configuration: variables of git do not reach the git of teof.
        desk.world.git(&["config", "--global", "trace2.eventTarget", traces.to_str().unwrap()]);
        desk.world.run(&["review", "approve", JOB]).expect(0);
        let traces = fs::read_dir(traces).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let traces: Vec<_> = traces.collect();
        for command in ["commit-tree", if checked_out { "merge" } else { "update-ref" }] {
            let of_it = |trace: &&String| trace.contains(&format!("\"name\":\"{command}\""));
            let trace = traces.iter().find(of_it).unwrap_or_else(|| panic!("no {command}: {traces:?}"));
            assert!(trace.contains("hardware-flush"), "{trace}");
        }
    }
}

#[test]
fn approval_tests_run_without_changes_of_the_set_up() {
    let desk = Desk::tested(&[
        "test \"$(cat src/code.txt)\" = \"$(printf 'one\\n2\\nthree')\" && test -e src/other.txt",
        "test ! -e src/made.txt && test ! -e src/added.txt && test -e built && test -e src/copied.txt",
    ]);
    desk.world.write(".git/info/exclude", "built\n");
    desk.world.write("src/copied.txt", "of the hub\n");
    let set_up = "echo bent > src/code.txt; rm src/other.txt; echo x > src/made.txt; echo x > src/added.txt; \
        git add -A; git -c user.name=t -c user.email=t@t commit -qm bent; git update-index --assume-unchanged \
        src/code.txt; echo x > built";
    let settings = format!("[worktrees]\ncopy = [\"src/copied.txt\"]\nsetup = ['''{set_up}''']\n");
    desk.world.write("teof.toml", &settings);
    let ran = desk.world.run(&["review", "approve", JOB]).expect(0);
    assert!(ran.stderr.contains("reverted"), "{}", ran.stderr);
    assert_eq!(desk.show("main:src/code.txt"), "one\n2\nthree");
}

#[test]
fn approve_refuses_unmerged_work_below_the_result() {
    let mut desk = Desk::new();
    desk.world.write("src/secret.txt", "never push this\n");
    desk.world.git(&["add", "src"]);
    desk.world.git(&["commit", "-qm", "Bad"]);
    desk.base = desk.main();
    desk.world.git(&["branch", "-qD", BRANCH]);
    desk.commit = desk.work(&[("src/new.txt", "new\n")]);
    desk.bundle(&[]);
    desk.world.git(&["reset", "-q", "--keep", "HEAD~1"]);
    let refused = desk.refused();
    assert_eq!(refused["code"], "review.base_not_merged", "{refused}");
    assert!(refused["reason"].to_string().contains(&desk.base), "{refused}");
    assert!(!desk.world.exists("src/secret.txt"));
}

#[test]
fn approve_refuses_when_the_decision_cannot_be_written() {
    let mut desk = Desk::new();
    desk.commit = desk.work(&[("memory", "notes\n")]);
    desk.bundle(&[]);
    assert_eq!(desk.refused()["code"], "review.not_mergeable", "it would lie in the log's place");
    let desk = Desk::new();
    desk.world.write("memory", "a person's\n");
    let refused = desk.refused();
    assert_eq!(refused["code"], "review.record", "{refused}");
    assert_eq!(desk.main(), desk.base);
    fs::remove_file(desk.world.repo.join("memory")).unwrap();
    desk.merged();
}

#[test]
fn approve_refuses_work_of_which_git_lost_a_file() {
    let desk = Desk::new();
    let id = desk.world.git(&["rev-parse", "HEAD:src/other.txt"]);
    let file = desk.world.repo.join(".git/objects").join(&id[..2]).join(&id[2..]);
    let aside = desk.world.folder().join("aside");
    fs::rename(&file, &aside).unwrap();
    let refused = desk.refused();
    assert_eq!((&refused["code"], desk.main()), (&json!("review.not_mergeable"), desk.base.clone()), "{refused}");
    assert!(refused["reason"].to_string().contains(&id), "{refused}");
    fs::rename(&aside, &file).unwrap();
    desk.merged();
}

#[test]
fn approve_waits_for_the_review_lock_and_says_who_held_it() {
    let desk = Desk::new();
    let path = desk.world.repo.join(".git/teof/locks/review.lock");
    let hold = || FileLock::acquire(&path, Duration::ZERO, "lock.wait", "offer a pull request").unwrap();
    desk.world.trust_settings("[lock]\nwait = \"1s\"\n");
    let held = hold();
    let error = desk.refused();
    let told = error["reason"].as_str().unwrap();
    assert!(error["code"] == "review.busy" && told.contains("waited 1s for pid "), "{error}");
    assert!(told.contains("offer a pull request"), "{error}");
    desk.world.trust_settings("[lock]\nwait = \"60s\"\n");
    let mut approve = desk.world.spawn(&["review", "approve", JOB, "--by", "Ann"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(approve.stderr.take().unwrap()));
    let told = lines.find_map(|line| line.ok().filter(|line| line.contains("Waiting for "))).unwrap();
    assert!(told.contains("offer a pull request"), "{told}");
    drop(held);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(approve.wait().unwrap().success(), "{rest:?}");
    assert!(desk.show("main:src/new.txt").contains("new"), "{rest:?}");
}
