//! What a refusal or `doctor` says to do works when it is pasted, and leaves the command that was refused working.

use serde_json::Value;

use crate::harness::World;

/// The commands that `doctor` gives for a code.
fn mends(world: &World, code: &str) -> String {
    let ran = world.run(&["doctor", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = document["found"].as_array().unwrap().iter().find(|trouble| trouble["code"] == code);
    found.unwrap_or_else(|| panic!("no {code}: {document}"))["mend"].as_str().unwrap().to_owned()
}

#[test]
fn fixes_for_a_detached_head_work() {
    for nth in [0, 1] {
        let world = World::bare_of_teof();
        world.git(&["branch", "elsewhere", "HEAD"]);
        world.git(&["checkout", "-q", "--detach"]);
        assert!(mends(&world, "hub.detached").contains("git -C"), "doctor names it before init is tried");
        let refused = world.refused(&["init"]);
        assert_eq!(refused["code"], "hub.detached");
        world.follow(refused["next"][nth].as_str().unwrap());
        world.ok(&["init", "--agent", "a1"]);
        assert_eq!(world.git(&["branch", "--show-current"]), ["main", "teof-work"][nth]);
    }
    // Set up, then detached: no command sends anybody to a branch where the next one is refused.
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    for args in [&["session-boot", "--agent", "a1", "--no-sync"][..], &["bus", "claim", "X", "--agent", "a1"]] {
        world.git(&["checkout", "-q", "--detach"]);
        let refused = world.refused(args);
        assert_eq!(refused["code"], "hub.detached", "{args:?}");
        world.follow(refused["next"][0].as_str().unwrap());
        assert_eq!(world.git(&["branch", "--show-current"]), "main");
        world.ok(&[args, &["--allow-unassigned"][..usize::from(args[0] == "bus")]].concat());
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_its_file_and_checked_by_doctor() {
    let world = World::new();
    for text in ["[coordinator\n", "[coordinator]\nretries = \"x\"\n", "[nonsense]\na = 1\n"] {
        world.write("teof.toml", text);
        let refused = world.refused(&["bus", "claim", "X", "--agent", "a1"]);
        assert_eq!(refused["code"], "settings.invalid");
        for next in refused["next"].as_array().unwrap() {
            let (_, line) = next.as_str().unwrap().split_once(": ").unwrap();
            let args: Vec<&str> = line.split(' ').skip(1).collect();
            let ran = world.run(&args);
            assert!([0, 1].contains(&ran.code) && (ran.stdout + &ran.stderr).contains("teof.toml"), "{line}");
        }
    }
}

#[test]
fn a_fresh_lock_of_another_git_is_named_with_its_age_and_doctor_says_why_it_stays() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["session-boot", "--agent", "a1", "--no-sync"]);
    let lock = world.repo.join(".git/refs/heads/main.lock");
    let held = std::fs::File::create(&lock).unwrap();
    let refused = world.refused(&["bus", "commit"]);
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.contains("main.lock was created") && reason.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    drop(held);
    let refused = world.refused(&["bus", "commit"]);
    assert!(refused["next"][0].as_str().unwrap().contains("10 min"), "{refused}");
    let fixed = world.run(&["doctor", "--fix"]).expect(0);
    assert!(fixed.stdout.contains("git.lock") && fixed.stdout.contains("10 min") && lock.exists(), "{fixed:?}");
}

#[test]
fn temporary_files_of_a_killed_writer_are_no_change_and_go_with_the_next_record_commit() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    // No process has such an id.
    let left = ["_bus/claims", "_plans", "docs/automation", "."].map(|folder| format!("{folder}/.teof-99999999-0.tmp"));
    left.iter().for_each(|path| world.write(path, "half"));
    let own = format!("_bus/claims/.teof-{}-0.tmp", std::process::id());
    world.write(&own, "being written");
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), "");
    let linked = world.folder().join("linked");
    world.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    std::fs::write(linked.join(".teof-99999999-1.tmp"), "half").unwrap();
    assert_eq!(world.git_in(&linked, &["status", "--porcelain", "-uall"]), "");
    world.ok(&["bus", "commit"]);
    assert!(left.iter().all(|path| !world.exists(path)) && world.exists(&own));
}

#[test]
fn a_disk_without_room_is_found_by_doctor() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1"]);
    let mut doctor = world.teof(&["doctor"]);
    let output = doctor.env("TEOF_FAULT", "enospc:2").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("disk.full") && said.contains("free some"), "{said}");
}
