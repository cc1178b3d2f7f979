//! The record commit: the owned paths and nothing else, whatever state the hub's tree is in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::World;

fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    for folder in ["_bus", "_plans", "_report"] {
        world.write(&format!("{folder}/.gitkeep"), "");
    }
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    boot(&world, "a");
    world
}

/// Something to record: another handshake.
fn boot(world: &World, agent: &str) {
    world.ok(&["session-boot", "--no-sync", "--agent", agent, "--allow-branch-mismatch"]);
}

fn commit(world: &World) -> String {
    world.json(&["bus", "commit"])["outcome"].as_str().unwrap().to_owned()
}

/// The files that the last commit changed.
fn changed(world: &World) -> Vec<String> {
    world.git(&["show", "--format=", "--name-only", "HEAD"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_filter_that_somebody_set_up_in_the_shared_git_directory_is_not_run() {
    let world = world();
    let trace = world.folder().join("ran");
    for key in ["filter.evil.clean", "filter.Evil.Too.process"] {
        world.git(&["config", key, &format!("touch {}; cat", trace.display())]);
    }
    world.git(&["config", "filter.evil.required", "true"]);
    fs::create_dir_all(world.repo.join(".git/info")).unwrap();
    fs::write(world.repo.join(".git/info/attributes"), "_bus/** filter=evil\n_report/** filter=Evil.Too\n").unwrap();
    assert_eq!(commit(&world), "committed");
    assert!(!trace.exists(), "the filter ran");
    assert_eq!(
        world.git(&["show", "HEAD:_bus/events/events.jsonl"]),
        world.read("_bus/events/events.jsonl").trim_end()
    );
}

#[test]
fn a_commit_with_nothing_to_do_completes_the_index_that_a_killed_one_left() {
    let world = world();
    assert_eq!(commit(&world), "committed");
    world.git(&["read-tree", "HEAD~1"]);
    assert_ne!(world.git(&["status", "--porcelain"]), "");
    assert_eq!((commit(&world).as_str(), world.git(&["status", "--porcelain"]).as_str()), ("clean", ""));
}

#[test]
fn only_the_record_is_committed_and_what_is_staged_stays_staged() {
    let world = world();
    world.write("README.md", "staged\n");
    world.write("staged.txt", "x");
    world.git(&["add", "README.md", "staged.txt"]);
    world.write("README.md", "changed after staging\n");
    world.write("untracked.txt", "x");
    let before = world.git(&["status", "--porcelain", "--", ".", ":(exclude)_*"]);
    assert_eq!(commit(&world), "committed");
    assert!(changed(&world).iter().all(|path| path.starts_with('_')), "{:?}", changed(&world));
    assert_eq!(world.git(&["status", "--porcelain"]), before);
    assert_eq!(world.git(&["show", ":README.md"]), "staged");
    assert_eq!(commit(&world), "clean");
    fs::remove_file(world.repo.join("_report/session/a/agent-inbox-tail.txt")).unwrap();
    assert_eq!(commit(&world), "committed");
    assert_eq!(changed(&world), ["_report/session/a/agent-inbox-tail.txt"], "what is gone is gone from the record too");
}

#[test]
fn the_log_of_approvals_is_committed_and_nothing_else_of_its_folder() {
    let world = world();
    world.write("memory/kept.md", "as committed\n");
    world.git(&["add", "memory"]);
    world.git(&["commit", "-qm", "A person's notes"]);
    world.write("memory/kept.md", "staged\n");
    world.write("memory/new.md", "staged\n");
    world.git(&["add", "memory"]);
    world.write("memory/log.jsonl", "{\"event\":\"approved\"}\n");
    assert_eq!(commit(&world), "committed");
    assert!(changed(&world).contains(&"memory/log.jsonl".to_owned()), "{:?}", changed(&world));
    assert_eq!(world.git(&["show", "HEAD:memory/kept.md"]), "as committed");
    assert_eq!(world.git(&["status", "--porcelain"]), "M  memory/kept.md\nA  memory/new.md");
    assert_eq!(commit(&world), "clean");
    std::fs::remove_file(world.repo.join("memory/log.jsonl")).unwrap();
    world.git(&["commit", "-qm", "Take the notes along"]);
    assert_eq!(commit(&world), "committed");
    assert_eq!(world.git(&["ls-tree", "--name-only", "HEAD", "memory/"]), "memory/kept.md\nmemory/new.md");
}

#[test]
fn a_log_that_lost_committed_lines_is_not_committed_however_long_it_is() {
    let world = world();
    let event = |summary: &str| {
        let args = ["bus", "event", "--event", "observation", "--summary", summary, "--agent", "a"];
        world.json(&args)["written"][0]["id"].as_str().unwrap().to_owned()
    };
    let lost = event("the one that goes");
    assert_eq!(commit(&world), "committed");
    event("the one that stays");
    // As a merge of git's can leave it: a committed line is gone, others stand there twice.
    let log = world.read("_bus/events/events.jsonl");
    let kept: Vec<_> = log.lines().filter(|line| !line.contains(&lost)).collect();
    world.write("_bus/events/events.jsonl", &format!("{0}\n{0}\n", kept.join("\n")));
    let refused = world.refused(&["bus", "commit"]);
    assert_eq!(refused["code"], "record.behind", "{refused}");
    world.ok(&["bus", "restore"]);
    assert_eq!(commit(&world), "committed");
    assert_eq!(world.git(&["show", "HEAD:_bus/events/events.jsonl"]).matches(&format!("\"id\":\"{lost}\"")).count(), 1);
}

#[test]
fn lines_of_a_record_commit_that_the_branch_lost_are_missed_however_long_the_log_is() {
    let world = world();
    let event = |summary: &str| {
        let args = ["bus", "event", "--event", "observation", "--summary", summary, "--agent", "a"];
        world.json(&args)["written"][0]["id"].as_str().unwrap().to_owned()
    };
    event("the first");
    assert_eq!(commit(&world), "committed");
    let before = world.read("_bus/events/events.jsonl");
    let lost = event("the one that goes");
    assert_eq!(commit(&world), "committed");
    // As `git rebase --abort` does when the record was committed while the rebase began, and a merge after it.
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.write("_bus/events/events.jsonl", &format!("{before}{before}"));
    let refused = world.refused(&["bus", "commit"]);
    assert_eq!(refused["code"], "record.behind", "{refused}");
    world.ok(&["bus", "restore"]);
    assert_eq!(commit(&world), "committed");
    let log = world.git(&["show", "HEAD:_bus/events/events.jsonl"]);
    assert_eq!(log.matches(&format!("\"id\":\"{lost}\"")).count(), 1);
}

#[test]
fn names_that_are_not_utf8_cannot_be_changed() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let world = world();
    for name in [&b"f\xe9.txt"[..], b"caf\xe9/a.txt", b"caf\xea/a.txt", b"memory/n\xe9.txt"] {
        let path = world.repo.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    world.write("memory/log.jsonl", "{}\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Content"]);
    boot(&world, "b");
    world.write("memory/log.jsonl", "{}\n{}\n");
    assert_eq!(commit(&world), "committed");
    let changed = changed(&world);
    assert!(changed.iter().all(|name| teof::hub::paths::is_record(name)), "{changed:?}");
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    world.git(&["fsck", "--strict"]);
    world.ok(&["preflight", "full"]);
}

#[test]
fn the_first_commit_of_a_repository_may_be_the_record() {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.git(&["update-ref", "-d", "HEAD"]);
    world.git(&["rm", "-rq", "--cached", "."]);
    boot(&world, "a");
    assert_eq!(commit(&world), "committed");
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(world.git(&["status", "--porcelain", "_bus", "_report"]), "");
}

#[test]
fn nothing_is_committed_where_it_does_not_belong() {
    let world = world();
    commit(&world);
    world.git(&["branch", "side"]);
    world.write("README.md", "main\n");
    world.git(&["commit", "-qam", "main"]);
    world.git(&["worktree", "add", "-q", "../side", "side"]);
    let side = world.folder().join("side");
    fs::write(side.join("README.md"), "side\n").unwrap();
    world.git_in(&side, &["commit", "-qam", "side"]);
    boot(&world, "b");
    let skipped = |why: &str| {
        let head = world.git(&["rev-parse", "HEAD", "main"]);
        let answer = world.json(&["bus", "commit"]);
        assert_eq!(answer["outcome"], "skipped", "{why}: {answer}");
        assert!(answer["why"].as_str().unwrap().contains(why), "{answer}");
        assert_eq!(world.git(&["rev-parse", "HEAD", "main"]), head);
    };
    let conflict = |args: &[&str]| assert!(!try_git(&world, args), "{args:?}");
    conflict(&["merge", "-q", "side"]);
    skipped("a merge");
    world.git(&["merge", "--abort"]);
    conflict(&["cherry-pick", "side"]);
    skipped("a cherry-pick");
    world.git(&["cherry-pick", "--abort"]);
    // Git begins no rebase over a record that is not committed.
    assert_eq!(commit(&world), "committed");
    conflict(&["rebase", "-q", "side"]);
    skipped("a rebase");
    for more in [&[][..], &["--allow-branch-mismatch"]] {
        let refused = world.refused(&[&["session-boot", "--no-sync", "--agent", "c"], more].concat());
        assert_eq!(refused["code"], "hub.busy", "{refused}");
        assert!(refused["next"][0].as_str().unwrap().contains("finish or abort it"), "{refused}");
    }
    world.git(&["rebase", "--abort"]);
    boot(&world, "c");
    world.git(&["checkout", "-q", "--detach"]);
    skipped("detached");
    world.git(&["switch", "-q", "-c", "elsewhere"]);
    skipped("elsewhere");
    world.git(&["switch", "-q", "main"]);
    fs::write(world.repo.join(".git/index.lock"), "").unwrap();
    skipped("locked");
    fs::remove_file(world.repo.join(".git/index.lock")).unwrap();
    assert_eq!(commit(&world), "committed");
}

#[test]
fn a_lock_that_a_crash_of_ours_left_is_taken_over() {
    let world = world();
    fs::write(world.repo.join(".git/index.lock"), "teof record commit\n").unwrap();
    fs::write(world.repo.join(".git/teof-record.index"), "half").unwrap();
    fs::write(world.repo.join(".git/teof-record.index.lock"), "half").unwrap();
    assert_eq!(commit(&world), "committed");
    assert!(!world.exists(".git/index.lock") && !world.exists(".git/teof-record.index"));
    assert_eq!(world.git(&["status", "--porcelain", "_bus", "_report"]), "");
}

#[test]
fn a_failing_hook_does_not_stop_the_record_commit() {
    let world = world();
    for hook in ["pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"] {
        let path = world.repo.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\ntouch \"$(git rev-parse --git-dir)/hook-ran\"\nexit 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(commit(&world), "committed");
    assert!(!world.exists(".git/hook-ran"));
}

#[test]
fn ignored_and_temporary_files_stay_out_of_the_commit() {
    let world = world();
    world.write(".gitignore", "*.tmp.txt\n");
    world.write("_report/a.tmp.txt", "x");
    world.write("_report/.teof-1-1.tmp", "half");
    world.git(&["init", "-q", "_report/nested"]);
    assert_eq!(commit(&world), "committed");
    let files = world.git(&["ls-tree", "-r", "--name-only", "HEAD", "_report"]);
    assert!(!files.contains("tmp") && !files.contains("nested"), "{files}");
}

#[test]
fn an_outdated_record_is_never_committed() {
    let world = world();
    commit(&world);
    boot(&world, "b");
    world.git(&["stash", "-qu"]);
    let refused = world.refused(&["bus", "commit"]);
    assert_eq!(refused["code"], "record.behind");
    assert!(refused["next"].to_string().contains("git stash pop"), "{refused}");
    world.git(&["stash", "pop", "-q"]);
    assert_eq!(commit(&world), "committed");
    let log = world.git(&["show", "HEAD:_bus/events/events.jsonl"]);
    assert_eq!(log.lines().count(), 2);
}

#[test]
fn files_outside_a_sparse_checkout_are_not_deleted() {
    let world = world();
    world.ok(&["bus", "message", "--task", "manager-report", "--type", "status", "--summary", "x", "--agent", "a"]);
    assert_eq!(commit(&world), "committed");
    let files = world.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    world.git(&["sparse-checkout", "set", "docs"]);
    world.ok(&["bus", "restore"]);
    boot(&world, "a");
    let answer = world.json(&["bus", "commit"]);
    assert!(answer["why"].as_str().unwrap().contains("sparse-checkout add _bus _plans _report"), "{answer}");
    assert_eq!(world.git(&["ls-tree", "-r", "--name-only", "HEAD"]), files);
}

/// Whether git succeeds; it may find the index locked, as beside any other git process.
fn try_git(world: &World, args: &[&str]) -> bool {
    let mut command = std::process::Command::new("git");
    world.clear(&mut command);
    command.args(args).current_dir(&world.repo).output().unwrap().status.success()
}

#[test]
fn a_person_who_commits_meanwhile_loses_nothing_and_takes_nothing() {
    let world = world();
    for round in 0..4 {
        boot(&world, &format!("b{round}"));
        let recorders: Vec<_> = (0..12).map(|_| world.spawn(&["bus", "commit", "--json"])).collect();
        for n in 0..6 {
            world.write("work.txt", &format!("{round} {n}\n"));
            let _ = try_git(&world, &["add", "work.txt"]) && try_git(&world, &["commit", "-qm", "A person commits"]);
        }
        for recorder in recorders {
            let output = recorder.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    world.git(&["add", "work.txt"]);
    world.git(&["commit", "-qm", "A person commits", "--allow-empty"]);
    assert_ne!(commit(&world), "skipped");
    for line in world.git(&["log", "--format=%H %s"]).lines() {
        let (commit, subject) = line.split_once(' ').unwrap();
        let files = world.git(&["show", "--format=", "--name-only", commit]);
        let fits = |file: &str| match subject {
            "Commit the record" => file.starts_with('_'),
            "A person commits" => file == "work.txt",
            _ => true,
        };
        assert!(files.lines().all(fits), "{line}: {files}");
    }
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["show", "HEAD:_bus/events/events.jsonl"]).lines().count(), 5);
}

#[test]
fn special_files_in_place_of_git_settings_are_replaced_or_named() {
    use rustix::fs::{CWD, FileType, mknodat};
    let world = world();
    let place = world.repo.join(".git/teof/durable.gitconfig");
    let victim = world.folder().join("victim");
    std::fs::write(&victim, "[core]\n\tx = 1\n").unwrap();
    let link = || std::os::unix::fs::symlink(&victim, &place).unwrap();
    let fifo = || mknodat(CWD, &place, FileType::Fifo, 0o600.into(), 0).unwrap();
    let garbage = || std::fs::write(&place, "[core\n").unwrap();
    for (n, put) in [&link as &dyn Fn(), &fifo, &garbage].into_iter().enumerate() {
        let _ = std::fs::remove_file(&place);
        put();
        boot(&world, &format!("b{n}"));
        assert_eq!(commit(&world), "committed");
        assert!(std::fs::symlink_metadata(&place).unwrap().is_file());
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "[core]\n\tx = 1\n");
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    boot(&world, "c");
    let refused = world.refused(&["bus", "commit"]);
    assert_eq!(refused["code"], "file.not_regular");
    assert!(place.is_dir());
}

#[test]
fn a_git_that_is_killed_before_it_logs_its_move_does_not_look_like_a_worker() {
    use teof::guard::moved_target::past_checkout;
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let (git, path) = (which("git"), std::env::var("PATH").unwrap());
    // Moves the branch, and is killed with who started it: as git is between its two writes.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *update-ref*) for at; do to=$from; from=$at; done\n\
         echo $to > {}/.git/refs/heads/main; kill -9 $PPID $$;; esac\nexec {git} \"$@\"\n",
        world.repo.display()
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let before = world.git(&["rev-parse", "main"]);
    let mut killed = world.teof(&["bus", "commit"]);
    killed.env("PATH", format!("{}:{path}", bin.display())).output().unwrap();
    let tip = world.git(&["rev-parse", "main"]);
    assert!(tip != before && logged(&world)[0] == before, "the log does not know it");
    let hub = teof::hub::Hub::find(Some(&world.repo), teof::base::Clock::Machine).unwrap();
    assert!(!past_checkout(&hub, "main"), "while nobody has looked");
    boot(&world, "a");
    commit(&world);
    assert_eq!(logged(&world)[1], tip, "and later, with the line in its log");
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

/// The commits in HEAD's log, the newest first.
fn logged(world: &World) -> Vec<String> {
    world.git(&["log", "-g", "--format=%H", "HEAD"]).lines().map(str::to_owned).collect()
}

fn which(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists());
    found.unwrap().display().to_string()
}

#[test]
fn a_branch_that_its_checkout_moves_meanwhile_was_not_moved_past_it() {
    let world = world();
    let hub = teof::hub::Hub::find(Some(&world.repo), teof::base::Clock::Machine).unwrap();
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git(&["commit", "-q", "--allow-empty", "-m", "Second"]);
    let second = world.git(&["rev-parse", "HEAD"]);
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            for to in [&first, &second].into_iter().cycle().take(40) {
                world.git(&["update-ref", "-m", "Move", "refs/heads/main", to]);
            }
        });
        while !moving.is_finished() {
            assert!(!teof::guard::moved_target::past_checkout(&hub, "main"));
        }
    });
    // A power cut leaves zeros where lines of the log were.
    let log = world.read(".git/logs/HEAD");
    let last = log.lines().next_back().unwrap();
    let at = log.len() - last.len() - 1;
    world.write(".git/logs/HEAD", &format!("{}{}{last}\n", &log[..at], "\0".repeat(300)));
    assert!(!teof::guard::moved_target::past_checkout(&hub, "main"));
    fs::write(world.repo.join(".git/refs/heads/main"), format!("{first}\n")).unwrap();
    assert!(teof::guard::moved_target::past_checkout(&hub, "main"), "that one was");
}

#[test]
fn a_request_of_the_vault_is_committed_with_the_record_when_its_status_alone_changed() {
    let world = world();
    let file = |name: &str| format!("vault/10_features/03_planned/{name}.md");
    let text = |status: &str, body: &str| format!("---\nid: R\nstatus: {status} # see below\n---\n{body}\n");
    for name in ["status", "edited", "staged", "same"] {
        world.write(&file(name), &text("planned", "Do it."));
    }
    world.git(&["add", "vault"]);
    world.git(&["commit", "-qm", "Ask for it"]);
    world.write(&file("status"), &text("in-progress", "Do it."));
    world.write(&file("edited"), &text("in-progress", "Do it well."));
    world.write(&file("new"), &text("planned", "New."));
    world.write(&file("staged"), &text("done", "Do it."));
    world.git(&["add", &file("staged")]);
    boot(&world, "a");
    assert_eq!(commit(&world), "committed");
    let outside: Vec<_> = changed(&world).into_iter().filter(|path| !path.starts_with('_')).collect();
    assert_eq!(outside, [file("status")]);
    assert_eq!(world.git(&["show", &format!("HEAD:{}", file("status"))]), text("in-progress", "Do it.").trim_end());
    let dirty = world.git(&["status", "--porcelain", "--", "vault"]);
    assert_eq!(dirty, format!(" M {}\nM  {}\n?? {}", file("edited"), file("staged"), file("new")));
    assert_eq!(commit(&world), "clean");
}
