//! Git never looks into a submodule for teof: the submodule's own configuration names programs, too.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::World;

/// A repository with the submodule `lib`, whose configuration names a filter that says that it ran.
fn world() -> World {
    let world = World::bare_of_teof();
    let library = world.folder().join("library");
    world.git(&["init", "-q", library.to_str().unwrap()]);
    fs::write(library.join("f.c"), "x\n").unwrap();
    world.git_in(&library, &["add", "."]);
    world.git_in(&library, &["commit", "-qm", "Start"]);
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.to_str().unwrap(), "lib"]);
    world.git(&["commit", "-qm", "Add a submodule"]);
    world.ok(&["init", "--agent", "codex-1"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    let filter = world.folder().join("filter");
    fs::write(&filter, format!("#!/bin/sh\necho ran >> {}\ncat\n", world.folder().join("ran").display())).unwrap();
    fs::set_permissions(&filter, fs::Permissions::from_mode(0o755)).unwrap();
    world.git_in(&world.repo.join("lib"), &["config", "filter.evil.clean", filter.to_str().unwrap()]);
    let attributes = world.repo.join(".git/modules/lib/info/attributes");
    fs::create_dir_all(attributes.parent().unwrap()).unwrap();
    fs::write(attributes, "*.c filter=evil\n").unwrap();
    world
}

#[test]
fn a_filter_of_a_submodule_does_not_run_and_its_commit_still_counts() {
    let world = world();
    let boot = ["session-boot", "--agent", "codex-1"];
    // Of the same size, so that git reads it and asks the filter.
    world.write("lib/f.c", "y\n");
    for ignore in ["", "none", "untracked"] {
        world.git(&["config", "submodule.lib.ignore", ignore]);
        world.ok(&boot);
        world.ok(&["agent", "save", "mid", "--force"]);
        assert!(!world.folder().join("ran").exists(), "with ignore = {ignore:?}");
    }
    world.git(&["config", "--unset", "submodule.lib.ignore"]);
    let lib = world.repo.join("lib");
    world.git_in(&lib, &["-c", "filter.evil.clean=cat", "commit", "-qam", "Go on"]);
    assert_eq!(world.refused(&boot)["code"], "session.dirty", "another commit is a change");
    world.git(&["config", "submodule.lib.ignore", "all"]);
    world.ok(&boot);
    assert!(!world.folder().join("ran").exists());
}
