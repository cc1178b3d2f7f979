//! What a worktree gets besides its branch: included files, a cached set-up, and a slot with ports.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::World;
use crate::harness::work::UNCONFINED;
use crate::worktrees::{Grove, findings};

/// An ignored `.env` with a secret, dependencies with a link, and files that must stay where they are.
fn with_ignored_files() -> Grove {
    let grove = Grove::new();
    let world = &grove.world;
    world.write(".gitignore", "build/\ndeps/\n.env\n*.local\nout\n");
    world.write(".worktreeinclude", "# what a build needs\n.env\n/deps/\nsrc/\n/out\n!skip/.env\n_report/\n");
    world.git(&["add", ".gitignore", ".worktreeinclude"]);
    world.git(&["commit", "-qm", "Ignore"]);
    world.write(".env", "TOKEN=hunter2\n");
    world.write("sub/.env", "B=1\n");
    world.write("skip/.env", "C=1\n");
    world.write("src/untracked.txt", "matches, but git does not ignore it\n");
    world.write("src/mine.local", "ignored, and matches by its folder\n");
    world.write("deps/lib/index.js", "x\n");
    world.write("deps/lib/login.env", "DB_PASSWORD=quartz-lamp\n");
    world.write("deps/own/.git/config", "a repository of its own\n");
    world.write("build/out", "ignored, and matches nothing\n");
    symlink("../lib/index.js", world.repo.join("deps/lib.js")).unwrap();
    symlink("lib/index.js", world.repo.join("deps/link.js")).unwrap();
    fs::write(world.folder().join("outside"), "x").unwrap();
    symlink(world.folder().join("outside"), world.repo.join("out")).unwrap();
    Grove::at(grove.world)
}

fn is_there(root: &Path, path: &str) -> bool {
    root.join(path).symlink_metadata().is_ok()
}

#[test]
fn worktreeinclude_copies_what_matches_and_is_ignored_and_nothing_else() {
    let grove = with_ignored_files();
    // An agent that stops ignoring a copied file must not commit it.
    let work =
        "cat .env deps/link.js deps/lib/login.env >&2; printf '' > .gitignore; echo x > new.txt; echo y > sub/new.txt";
    let outcome = grove.run("job-1", "job-1.1", work, &[]);
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let root = grove.worktree("job-1");
    for path in [".env", "sub/.env", "src/mine.local", "deps/lib/index.js", "deps/link.js", "deps/lib.js"] {
        assert!(is_there(&root, path), "{path}");
    }
    for path in ["skip/.env", "src/untracked.txt", "build/out", "deps/own", "out"] {
        assert!(!is_there(&root, path), "{path}");
    }
    assert_eq!(findings(&outcome, "worktree.not_copied"), ["deps/own", "out"]);
    let changed = grove.world.git(&["diff", "--name-only", "main", outcome["commit"].as_str().unwrap()]);
    assert_eq!(changed, ".gitignore\nnew.txt\nsub/new.txt");

    // The receipt has names, and nothing of what is in the files.
    let envelope = outcome["envelope"].as_str().unwrap();
    let included = &grove.world.read_json(envelope)["included"];
    assert_eq!(included.as_array().unwrap()[0], ".env", "{included:#}");
    let envelope = grove.world.read(envelope);
    assert!(!envelope.contains("hunter2") && !envelope.contains("quartz-lamp"), "{envelope}");
}

#[test]
fn an_interactive_worktree_gets_the_included_files_and_its_own_ports() {
    let grove = with_ignored_files();
    let opened = grove.world.json(&["worktree", "new", "QUEUE-900"]);
    let root = opened["path"].as_str().unwrap();
    assert!(is_there(Path::new(root), "sub/.env"));
    let shell = |task: &str| {
        let script = grove.world.folder().join("shell");
        fs::write(&script, "#!/bin/sh\necho $TEOF_SLOT:$TEOF_PORT_BASE\n").unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut teof = grove.world.teof(&["worktree", "shell", task]);
        String::from_utf8(teof.env("SHELL", script).output().unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(shell("QUEUE-900"), "1:20020");
    assert_eq!(shell("QUEUE-901"), "2:20040");
    assert_eq!(shell("QUEUE-900"), "1:20020", "it keeps its slot");
    assert_eq!(grove.row(Path::new(root)).unwrap()["slot"], 1);
}

#[test]
fn no_two_worktrees_share_a_slot_and_the_range_is_a_setting() {
    let grove = Grove::new();
    grove.settings("[worktrees]\nports_from = 30000\nports_each = 5\nslots = 3\n");
    let work = "echo $TEOF_SLOT $TEOF_PORT_BASE > slot.txt";
    let slot = |job: &str| fs::read_to_string(grove.worktree(job).join("slot.txt")).unwrap();
    grove.run("job-1", "job-1.1", work, &[]);
    grove.run("job-2", "job-2.1", work, &[]);
    assert_eq!((slot("job-1").trim(), slot("job-2").trim()), ("1 30005", "2 30010"));
    let third = grove.run("job-3", "job-3.1", work, &[]);
    assert_eq!(third["verdict"], "refused", "{third:#}");
    assert!(third["reason"].as_str().unwrap().contains("all 2 slots for worktrees are taken"), "{third:#}");
    grove.world.ok(&["worktree", "clean", "--all-finished"]);
    grove.run("job-4", "job-4.1", work, &[]);
    assert_eq!(slot("job-4").trim(), "1 30005", "the slot of a removed worktree is free");
}

/// A set-up that counts its runs outside of the worktree.
fn cached_setup(world: &World, cache: &str) -> std::path::PathBuf {
    let ran = world.folder().join("ran");
    world.write("deps.lock", "one\n");
    world.git(&["add", "deps.lock"]);
    world.git(&["commit", "-qm", "Lock"]);
    world.trust_settings(&format!(
        "[worktrees]\nsetup = [\"echo once >> {}; mkdir -p build/bin; cp deps.lock build/; ln -sf ../deps.lock build/bin/link\"]\ncache = [{cache}]\ncache_key = [\"deps.lock\"]\n{UNCONFINED}",
        ran.display(),
    ));
    ran
}

#[test]
fn the_second_worktree_restores_the_set_up_until_a_key_file_changes() {
    let grove = Grove::new();
    let ran = cached_setup(&grove.world, "\"build\"");
    let grove = Grove::at(grove.world);
    let work =
        "test \"$(cat build/bin/link)\" = \"$(cat deps.lock)\" && echo poison > build/deps.lock && echo x > x.txt";
    let first = grove.run("job-1", "job-1.1", work, &[]);
    assert_eq!(first["verdict"], "succeeded", "{first:#}");
    let second = grove.run("job-2", "job-2.1", work, &[]);
    assert_eq!(second["verdict"], "succeeded", "what an agent did to its copy stays there: {second:#}");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "once\n");
    let of = |outcome: &serde_json::Value| grove.world.read_json(outcome["envelope"].as_str().unwrap());
    assert_eq!(
        (&of(&first)["setup_cache"]["restored"], &of(&second)["setup_cache"]["restored"]),
        (&false.into(), &true.into())
    );
    assert!(of(&second)["setup"].as_array().unwrap().is_empty());

    grove.world.write("deps.lock", "two\n");
    grove.world.git(&["commit", "-qam", "Update"]);
    let grove = Grove::at(grove.world);
    assert_eq!(grove.run("job-3", "job-3.1", work, &[])["verdict"], "succeeded");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "once\nonce\n", "other dependencies are installed");
}

#[test]
fn what_cannot_be_restored_is_not_kept_and_the_set_up_runs_again() {
    let grove = Grove::new();
    let ran = cached_setup(&grove.world, "\"build\", \"kept\"");
    let grove = Grove::at(grove.world);
    let first = grove.run("job-1", "job-1.1", "echo x > x.txt", &[]);
    assert_eq!(first["verdict"], "succeeded", "{first:#}");
    assert_eq!(findings(&first, "worktree.not_cached"), ["kept"], "git does not ignore it");
    grove.run("job-2", "job-2.1", "echo x > x.txt", &[]);
    assert_eq!(fs::read_to_string(&ran).unwrap(), "once\nonce\n");
}

#[test]
fn a_set_up_of_which_a_part_cannot_be_copied_is_not_kept() {
    let grove = Grove::new();
    let ran = cached_setup(&grove.world, "\"build\"");
    let settings = grove.world.read("teof.toml").replace("cp deps.lock", "git init -q build/own; cp deps.lock");
    grove.world.trust_settings(&settings);
    let grove = Grove::at(grove.world);
    let first = grove.run("job-1", "job-1.1", "echo x > x.txt", &[]);
    assert_eq!(findings(&first, "worktree.not_cached"), ["build/own"], "a repository of its own: {first:#}");
    let second = grove.run("job-2", "job-2.1", "test -d build/own/.git && echo x > x.txt", &[]);
    assert_eq!(second["verdict"], "succeeded", "{second:#}");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "once\nonce\n");
}

#[test]
fn a_worker_cannot_make_teof_keep_its_own_files_or_skip_a_set_up() {
    let grove = Grove::new();
    cached_setup(&grove.world, "\"build\"");
    let settings = grove.world.read("teof.toml").replace(UNCONFINED, "").replace("cp deps.lock", "cp -n deps.lock");
    grove.world.trust_settings(&settings);
    let grove = Grove::at(grove.world);
    let work = "echo poison > build/deps.lock; rm -f $(git rev-parse --git-dir)/teof.json; false";
    assert_eq!(grove.run("job-1", "job-1.1", work, &[])["verdict"], "failed");
    // Other lines run in the worktree of the next attempt, too, and leave what they find there.
    grove.settings(&settings.replace("cp -n deps.lock", "cp -n ./deps.lock"));
    grove.world.ok(&["consent", "grant"]);
    assert_eq!(grove.run("job-1", "job-1.2", "false", &[])["verdict"], "failed");
    let clean = grove.run("job-2", "job-2.1", "test $(cat build/deps.lock) = one && echo x > x.txt", &[]);
    assert_eq!(clean["verdict"], "succeeded", "{clean:#}");

    let digest = teof::base::digest::sha256(b"true; touch build/new");
    let work = format!("echo '{{\"setup\": \"{digest}\"}}' > $(git rev-parse --git-dir)/teof.json; false");
    grove.run("job-3", "job-3.1", &work, &[]);
    grove.settings("[worktrees]\nsetup = [\"true; touch build/new\"]\n");
    grove.world.ok(&["consent", "grant"]);
    let outcome = grove.run("job-3", "job-3.2", "test -e build/new && echo x > x.txt", &[]);
    assert_eq!(outcome["verdict"], "succeeded", "the set-up has run: {outcome:#}");
}
