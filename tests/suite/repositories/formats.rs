//! Repository formats: both hash functions work, what libgit2 cannot open is refused before anything is written.

use std::process::Stdio;

use crate::harness::{Ran, World};

#[test]
fn a_sha256_repository_runs_jobs_and_merges_them() {
    let world = World::bare_of_teof();
    let folder = world.folder().join("sha256");
    let args = ["quickstart", folder.to_str().unwrap()];
    let mut quickstart = world.teof(&args);
    quickstart.env("GIT_DEFAULT_HASH", "sha256").stdin(Stdio::null());
    Ran::of(quickstart.output().unwrap(), &args).expect(0);
    assert_eq!(world.git_in(&folder, &["rev-parse", "HEAD"]).len(), 64);
    let root = folder.to_str().unwrap();
    let waiting = world.json(&["--root", root, "review", "list"]);
    let waits =
        waiting.as_array().unwrap().iter().find(|bundle| bundle["title"].as_str().unwrap().contains("French")).unwrap();
    world.ok(&["--root", root, "review", "approve", waits["job"].as_str().unwrap()]);
    let merged = world.git_in(&folder, &["show", "main:greet.sh"]);
    assert!(merged.contains("bonjour"), "{merged}\n{waiting}");
    for args in [&["preflight", "full"][..], &["scan"], &["bus", "verify"], &["receipts", "verify"], &["bus", "commit"]]
    {
        world.ok(&[&["--root", root], args].concat());
    }
    assert_eq!(world.git_in(&folder, &["status", "--porcelain"]), "");
}

#[test]
fn a_repository_that_cannot_be_opened_is_refused_before_anything_is_written() {
    let world = World::bare_of_teof();
    let kinds = [
        ("extensions.refStorage", "reftable", "repository.reftable"),
        ("extensions.partialClone", "origin", "repository.extension"),
        ("extensions.somethingNew", "true", "repository.extension"),
    ];
    for (key, value, code) in kinds {
        world.git(&["config", "core.repositoryFormatVersion", "1"]);
        let config = world.read(".git/config");
        world.write(".git/config", &format!("{config}[extensions]\n\t{} = {value}\n", key.split('.').nth(1).unwrap()));
        for args in [&["init"][..], &["init", "--dedicated"], &["bus", "status"], &["task", "list"]] {
            let refused = world.refused(args);
            assert_eq!((refused["code"].as_str(), refused["exit"].as_u64()), (Some(code), Some(1)), "{key} {args:?}");
            assert!(refused["next"][0].as_str().unwrap().contains("git -C") || key.ends_with("New"), "{refused}");
        }
        let ran = world.run(&["doctor", "--json"]).expect(1);
        assert!(ran.stdout.contains(code), "{}", ran.stdout);
        world.write(".git/config", &config);
    }
    assert!(!world.exists("_bus") && !world.exists(".git/teof"));
    world.git(&["worktree", "list"]);
    world.ok(&["init"]);
}

#[test]
fn nothing_is_set_up_where_git_is_too_old_for_the_repository() {
    let world = World::bare_of_teof();
    world.git(&["config", "core.repositoryFormatVersion", "1"]);
    let config = world.read(".git/config");
    world.write(".git/config", &format!("{config}[extensions]\n\trelativeWorktrees = true\n"));
    let opens = std::process::Command::new("git").arg("-C").arg(&world.repo).args(["rev-parse", "--git-dir"]).output();
    let ran = world.run(&["init"]);
    assert_eq!(ran.code == 0, opens.unwrap().status.success(), "{}", ran.stderr);
    assert_eq!(world.exists("_bus"), ran.code == 0);
}

#[test]
fn a_folder_whose_name_is_no_text_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let world = World::bare_of_teof();
    let odd = world.folder().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::rename(&world.repo, &odd).unwrap();
    for args in [&["init"][..], &["doctor"], &["bus", "status"]] {
        let output = world.teof(args).current_dir(&odd).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("not UTF-8") && said.contains("rename the folder"), "{said}");
    }
}
