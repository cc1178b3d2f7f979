//! `doctor` names what keeps work from starting and what a kill left, each by its own code; `--fix` repairs what needs
//! no decision.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use crate::doctor::codes;
use crate::harness::World;

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "codex-1"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    world
}

#[track_caller]
fn assert_wrong(world: &World, code: &str) {
    let (wrong, _) = codes(world);
    assert_eq!(wrong, [code]);
}

fn program(path: &std::path::Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn make_old(path: &std::path::Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
}

#[test]
fn doctor_names_obstacles_to_starting_work() {
    let world = world();
    assert_eq!(codes(&world).0, Vec::<String>::new());
    let agent = world.folder().join("agent");
    let settings =
        format!("[agents.scripted]\ncommand = [{agent:?}]\nformat = \"claude\"\n[roles.coder]\nagent = \"scripted\"\n");
    world.write("teof.toml", &settings);
    assert_wrong(&world, "agent.missing");
    program(&agent, "#!/bin/sh\npwd > \"$(dirname \"$0\")/where\"\necho 1.0\n");
    assert_eq!(codes(&world).0, Vec::<String>::new());
    world.ok(&["agent", "doctor", "scripted"]);
    assert!(!world.folder().join("where").exists(), "one's own program is not started");
    // A preset's is asked for its version, and not in the checkout.
    world.write("teof.toml", &format!("[agents.scripted]\npreset = \"codex\"\ncommand = [{agent:?}]\n"));
    world.ok(&["agent", "doctor", "scripted"]);
    assert_eq!(fs::read_to_string(world.folder().join("where")).unwrap(), "/\n");

    world.write("teof.toml", "[git]\ntarget = \"trunk\"\n");
    assert_wrong(&world, "git.target");
    // Its remedy works when pasted.
    let found: serde_json::Value = serde_json::from_str(&world.run(&["doctor", "--json"]).stdout).unwrap();
    let fix = found["found"].as_array().unwrap().iter().find(|one| one["code"] == "git.target").unwrap()["mend"]
        .as_str()
        .unwrap();
    world.follow(&format!("fix: {fix}"));
    assert_eq!(codes(&world).0, Vec::<String>::new());

    let backlog = "_plans/next-development.todo.json";
    for damaged in ["", "<<<<<<< ours\n{}\n", "[]"] {
        world.write(backlog, damaged);
        assert_wrong(&world, "backlog.unreadable");
    }
    world.write(
        backlog,
        r#"{"prerequisites": {"require_ci_green": true}, "items": [{"id": "A", "title": "t", "status": "pending"}]}"#,
    );
    assert!(codes(&world).1.contains(&"prerequisites.unmet".to_owned()), "{:?}", codes(&world));
    fs::remove_file(world.repo.join(backlog)).unwrap();
    world.write("_plans/2026-01-05-a.plan.json", "{");
    assert_wrong(&world, "plan.unreadable");
    fs::remove_file(world.repo.join("_plans/2026-01-05-a.plan.json")).unwrap();

    let state = world.repo.join(".git/teof/coordinator/state.json");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(&state, "{\"version\": 1, \"jobs\": 7").unwrap();
    assert_wrong(&world, "coordinator.state");
    fs::remove_file(&state).unwrap();

    world.git(&["checkout", "-q", "--orphan", "new"]);
    world.git(&["branch", "-qD", "main"]);
    world.git(&["branch", "-qm", "main"]);
    assert!(codes(&world).0.contains(&"git.unborn".to_owned()), "{:?}", codes(&world));
}

#[test]
fn leftovers_of_a_kill_are_found_and_fixed() {
    let world = world();
    let git = world.repo.join(".git");
    for (name, reason, part) in [
        ("job-1", "teof job job-1 run r", "commondir"),
        ("mine", "initializing", "commondir"),
        ("job-2", "teof job job-2 run r", "HEAD"),
    ] {
        let half = git.join("worktrees").join(name);
        fs::create_dir_all(&half).unwrap();
        let folder = world.folder().join("repo.worktrees").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [
            ("gitdir", format!("{}/.git\n", folder.display())),
            ("commondir", "../..\n".into()),
            ("HEAD", "ref: refs/heads/main\n".into()),
            ("locked", reason.into()),
        ] {
            fs::write(half.join(file), if file == part { String::new() } else { text }).unwrap();
        }
        fs::write(folder.join(".git"), format!("gitdir: {}\n", half.display())).unwrap();
    }
    assert!(codes(&world).0.iter().all(|code| code == "git.half_made") && codes(&world).0.len() == 3);
    let lock = git.join("refs/heads/main.lock");
    fs::write(&lock, "").unwrap();
    make_old(&lock);
    let young = git.join("packed-refs.lock");
    fs::write(&young, "").unwrap();
    let temporary = world.repo.join("_bus/claims/.teof-1-0.tmp");
    fs::write(&temporary, "").unwrap();
    make_old(&temporary);
    let victim = world.folder().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, git.join("teof/locks/run-A.lock")).unwrap();
    let (wrong, notes) = codes(&world);
    assert!(
        wrong.contains(&"git.stale_lock".to_owned()) && wrong.contains(&"file.not_regular".to_owned()),
        "{wrong:?}"
    );
    assert!(notes.contains(&"file.leftover".to_owned()), "{notes:?}");
    // A command of its own repairs what teof was making; what others were making waits for a person's word.
    world.ok(&["worktree", "clean", "--all-finished"]);
    assert!(!git.join("worktrees/job-1").exists() && git.join("worktrees/mine").exists());
    let fixed = world.run(&["doctor", "--fix"]).expect(0);
    assert!(fixed.stderr.contains("main.lock") && fixed.stderr.contains("mine"), "{fixed:?}");
    assert_eq!(codes(&world).0, Vec::<String>::new());
    assert!(young.exists(), "a lock that is not old may be somebody's");
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    world.git(&["worktree", "list"]);
}

#[test]
fn a_lock_that_a_killed_git_of_ours_left_is_removed_and_another_one_is_named() {
    let world = world();
    let event = ["bus", "event", "--event=observation", "--summary=x", "--agent=codex-1"];
    world.ok(&event);
    let lock = world.repo.join(".git/refs/heads/main.lock");
    fs::write(&lock, "").unwrap();
    let refusal = world.refused(&["bus", "commit"]);
    assert_eq!(refusal["code"], "git.locked");
    assert!(refusal["reason"].to_string().contains("main.lock"), "{refusal}");
    assert!(lock.exists(), "it may be somebody's");
    fs::remove_file(&lock).unwrap();

    // A lock that comes later is another git's.
    world.ok(&["bus", "commit"]);
    world.ok(&event);
    let index = world.repo.join(".git/index.lock");
    fs::write(&index, "").unwrap();
    assert_eq!(world.json(&["bus", "commit"])["outcome"], "skipped");
    assert!(index.exists());
    fs::remove_file(&index).unwrap();

    // A git that takes the lock, and is killed with teof.
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let git = world.git(&["--exec-path"]);
    let real =
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|at| at.join("git")).find(|at| at.is_file());
    program(
        &bin.join("git"),
        &format!(
            "#!/bin/sh\nfor a in \"$@\"; do [ \"$a\" = update-ref ] && {{ : > {}; : > .git/HEAD.lock; kill -9 $PPID; exit 1; }}; done\nexec {} \"$@\"\n",
            lock.display(),
            real.unwrap().display()
        ),
    );
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let killed = world.teof(&["bus", "commit"]).env("PATH", path).output().unwrap();
    assert!(killed.status.code().is_none() && lock.exists(), "{killed:?} {git}");
    let head = world.git(&["rev-parse", "HEAD"]);
    world.ok(&["bus", "commit"]);
    assert_ne!(world.git(&["rev-parse", "HEAD"]), head);
    assert!(!lock.exists() && !world.repo.join(".git/HEAD.lock").exists());
}

#[test]
fn a_dedicated_record_whose_folder_was_deleted_is_made_again_from_its_branch() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--dedicated", "--agent", "codex-1"]);
    let record = world.folder().join("repo.record");
    fs::remove_dir_all(&record).unwrap();
    let refusal = world.refused(&["task", "list"]);
    assert!(refusal["next"].to_string().contains("teof init --dedicated"), "{refusal}");
    world.ok(&["init", "--dedicated", "--agent", "codex-1"]);
    world.ok(&["task", "list"]);
    assert!(record.join("_bus").is_dir());
}

#[test]
fn doctor_names_what_is_in_the_way_of_a_folder_and_damaged_items() {
    let world = world();
    let item = |more: &str| format!("{{\"version\": 0, \"items\": [{more}]}}");
    let whole = r#"{"id": "A", "title": "a", "status": "pending"}"#;
    let damaged = [
        r#"{"version": 0, "items": {"A": {"title": "x", "status": "pending"}}}"#.to_owned(),
        r#"{"version": 0}"#.to_owned(),
        item("\"x\""),
        item(&format!("{whole}, {whole}")),
        item(r#"{"id": "A", "title": "a"}"#),
        item(r#"{"id": "../x", "title": "a", "status": "pending"}"#),
    ];
    let backlog = "_plans/next-development.todo.json";
    for text in damaged {
        world.write(backlog, &text);
        assert_wrong(&world, "backlog.damaged");
    }
    world.write(backlog, &item(whole));
    assert_eq!(codes(&world).0, Vec::<String>::new());

    let worktrees = world.repo.with_extension("worktrees");
    fs::write(&worktrees, "").unwrap();
    assert_wrong(&world, "worktrees.no_folder");
    fs::remove_file(&worktrees).unwrap();
    symlink("nowhere", &worktrees).unwrap();
    assert_wrong(&world, "worktrees.no_folder");
    fs::remove_file(&worktrees).unwrap();

    let own = world.repo.join(".git/teof");
    fs::remove_dir_all(&own).unwrap();
    fs::write(&own, "").unwrap();
    let (wrong, notes) = codes(&world);
    assert!(wrong.contains(&"hub.no_folder".to_owned()), "{wrong:?}");
    assert!(!notes.contains(&"hub.unpinned".to_owned()), "init cannot help: {notes:?}");
}
