//! Record commits never break a person's commit in progress, and `doctor` says what withholds them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::World;

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up teof"]);
    world.ok(&["session-boot", "--no-sync", "--agent", "a1"]);
    world
}

fn hook(world: &World, name: &str, and_then: &str) {
    let teof = env!("CARGO_BIN_EXE_teof");
    let path = world.repo.join(".git/hooks").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let event = format!("\"{teof}\" bus event --event observation --summary s --agent a1");
    let text = format!("#!/bin/sh\n{event} && \"{teof}\" bus commit --json > \"$OUT\"\n{and_then}");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Commits as a person, with an editor that does nothing; gives back what the hook's `bus commit` answered.
fn commit(world: &World, args: &[&str]) -> serde_json::Value {
    let out = world.folder().join("out.json");
    let _ = fs::remove_file(&out);
    let mut git = std::process::Command::new("git");
    world.clear(&mut git);
    let output = git.args(args).current_dir(&world.repo).env("OUT", &out).env("GIT_EDITOR", "true").output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap()
}

#[test]
fn a_commit_in_progress_is_waited_for() {
    let world = world();
    for (name, n) in [("pre-commit", 1), ("commit-msg", 2)] {
        hook(&world, name, "");
        world.write("README.md", &format!("{n}\n"));
        world.git(&["add", "README.md"]);
        let answer = commit(&world, &["commit", "-m", "A person's change"]);
        assert_eq!(answer["outcome"], "skipped", "{name}: {answer}");
        assert!(answer["why"].as_str().unwrap().contains("git commit"), "{answer}");
        assert_eq!(world.git(&["log", "-1", "--format=%s"]), "A person's change");
        fs::remove_file(world.repo.join(".git/hooks").join(name)).unwrap();
    }
    // An editor that is open while somebody else commits the record.
    let editor = world.folder().join("editor");
    let answer = world.folder().join("answer");
    let teof = env!("CARGO_BIN_EXE_teof");
    fs::write(&editor, format!("#!/bin/sh\necho typed > \"$1\"\nenv -i PATH=\"$PATH\" sh -c 'cd \"{}\" && setsid -w \"{teof}\" bus commit' > \"{}\"\n", world.repo.display(), answer.display())).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("README.md", "3\n");
    let mut git = std::process::Command::new("git");
    world.clear(&mut git);
    let status = git.args(["commit", "-q", "README.md"]).env("GIT_EDITOR", &editor).current_dir(&world.repo).status();
    assert!(status.unwrap().success());
    assert!(fs::read_to_string(&answer).unwrap().contains("not now"), "{answer:?}");
    assert_eq!(world.json(&["bus", "commit"])["outcome"], "committed");
}

#[test]
fn a_hook_that_runs_after_the_commit_records_it() {
    let world = world();
    hook(&world, "post-commit", "");
    world.write("README.md", "1\n");
    world.git(&["add", "README.md"]);
    let answer = commit(&world, &["commit", "-qm", "A person's change"]);
    assert_eq!(answer["outcome"], "committed", "{answer}");
    assert_eq!(world.git(&["log", "-2", "--format=%s"]), "Commit the record\nA person's change");
}

#[test]
fn doctor_names_obstacles_to_record_commits() {
    let world = world();
    let codes = || {
        let document: serde_json::Value = serde_json::from_str(&world.run(&["doctor", "--json"]).stdout).unwrap();
        let found = document["found"].as_array().unwrap().clone();
        found.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let has = |code: &str| assert!(codes().contains(&code.to_owned()), "{code} is not among {:?}", codes());
    world.git(&["config", "core.worktree", world.folder().to_str().unwrap()]);
    has("git.core_worktree");
    world.git(&["config", "--unset", "core.worktree"]);
    assert!(!codes().contains(&"git.core_worktree".to_owned()));
    world.ok(&["bus", "commit"]);
    world.git(&["sparse-checkout", "set", "docs"]);
    has("repository.sparse");
    world.git(&["sparse-checkout", "disable"]);
    assert!(!codes().contains(&"repository.sparse".to_owned()), "{:?}", codes());
}
