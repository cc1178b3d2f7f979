//! However work came onto its target, its commit is verified.

use serde_json::Value;

use super::checks;
use crate::first_hour::{existing, teof};
use crate::results::Site;

/// A merged job of a site; gives back the job and the target's commit.
fn merged(site: &Site) -> (String, String) {
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let job = site.waiting();
    site.world.ok(&["review", "approve", &job]);
    let merged = site.world.git(&["rev-parse", "main"]);
    site.world.ok(&["bus", "commit"]);
    (job, merged)
}

fn role(site: &Site, commit: &str) -> Value {
    let ran = site.world.run(&["verify", commit, "--json"]).expect(0);
    serde_json::from_str::<Value>(&ran.stdout).unwrap()["commits"][0]["role"].clone()
}

#[test]
fn a_merge_commit_the_commits_below_it_and_its_revert_are_verified() {
    let site = Site::appending("[review]\nmerge = \"merge\"\n");
    let (job, merge) = merged(&site);
    assert_eq!(role(&site, &merge), "delivered");
    let below = format!("{merge}^2");
    assert_eq!(role(&site, &below), "offered");
    site.world.ok(&["review", "revert", &job, "--note", "not now"]);
    let revert = site.world.git(&["rev-parse", "main"]);
    site.world.ok(&["bus", "commit"]);
    assert_eq!(role(&site, &revert), "revert");
    site.world.run(&["verify", &format!("{merge}^..main"), "--require"]).expect(0);
    // The revert's heads cover what the merge's could not.
    let ran = site.world.run(&["verify", &merge, "--json"]).expect(0);
    assert!(ran.stdout.contains(&format!("\"sealed_by\": \"{revert}\"")), "{}", ran.stdout);
}

#[test]
fn work_that_was_sent_back_and_ported_onto_a_moved_target_is_verified() {
    let site = Site::appending("");
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let job = site.waiting();
    site.world.write("src/other.txt", "a person's\n");
    site.world.git(&["add", "src/other.txt"]);
    site.world.git(&["commit", "-qm", "A person's"]);
    site.world.ok(&["review", "retry", &job, "--note", "once more"]);
    assert_eq!(site.run().code, 0);
    site.world.ok(&["review", "approve", &site.waiting()]);
    let commit = site.world.git(&["rev-parse", "main"]);
    // Not committed yet: the hub's own files are the record.
    assert_eq!(role(&site, &commit), "delivered");
    assert!(site.world.ok(&["verify", &commit]).contains("not committed yet"));
}

#[test]
fn work_that_a_person_merged_by_hand_is_verified_without_chain_heads() {
    let site = Site::appending("");
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let job = site.waiting();
    let branch = site.world.json(&["review", "show", &job])["entry"]["bundle"]["branch"].as_str().map(str::to_owned);
    let branch =
        branch.unwrap_or_else(|| site.world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/agent"]));
    site.world.git(&["merge", "-q", "--no-ff", "-m", "Merge it by hand", &branch]);
    let merge = site.world.git(&["rev-parse", "main"]);
    site.world.ok(&["review", "approve", &job]);
    site.world.ok(&["bus", "commit"]);
    let found = checks(&site.world.run(&["verify", &merge, "--json"]).expect(0));
    let outcome = |name: &str| found.iter().find(|(known, ..)| known == name).map(|(_, outcome, _)| outcome.as_str());
    assert_eq!((outcome("tree"), outcome("chain heads")), (Some("ok"), Some("unchecked")), "{found:#?}");
}

#[test]
fn a_clone_without_the_record_is_told_how_to_fetch_it_and_then_verifies() {
    let mut world = existing();
    teof(&world, "init --yes -q").expect(0);
    teof(&world, "do \"Document the parser\" --yes").expect(0);
    teof(&world, "approve j1 -q").expect(0);
    teof(&world, "bus commit -q").expect(0);
    let (from, clone) = (world.repo.clone(), world.folder().join("clone"));
    world.git(&["clone", "-q", "--single-branch", "-b", "main", from.to_str().unwrap(), clone.to_str().unwrap()]);
    world.repo = clone;
    let refused = world.refused(&["verify", "HEAD"]);
    assert_eq!(refused["code"], "verify.no_record", "{refused}");
    world.follow(refused["next"][0].as_str().unwrap());
    let said = world.ok(&["verify", "HEAD"]);
    assert!(said.starts_with("Verified") && said.contains("origin/teof/record at "), "{said}");
    assert!(world.ok(&["verify", "HEAD~1..HEAD", "--require", "--strict"]).starts_with("Verified"));
}

#[test]
fn a_revert_in_a_clone_without_the_commits_before_it_cannot_be_checked() {
    let mut site = Site::appending("");
    let (job, _) = merged(&site);
    site.world.ok(&["review", "revert", &job, "--note", "not now"]);
    let revert = site.world.git(&["rev-parse", "main"]);
    site.world.ok(&["bus", "commit"]);
    let from = format!("file://{}", site.world.repo.display());
    for depth in 1..6 {
        let clone = site.world.folder().join(format!("clone-{depth}"));
        let depth = format!("--depth={depth}");
        site.world.git(&[
            "-c",
            "protocol.file.allow=always",
            "clone",
            "-q",
            &depth,
            "-b",
            "main",
            &from,
            clone.to_str().unwrap(),
        ]);
        let whole = std::mem::replace(&mut site.world.repo, clone);
        if site.world.git(&["log", "--format=%H"]).contains(&revert) {
            let ran = site.world.run(&["verify", &revert, "--json"]).expect(0);
            let tree = checks(&ran).into_iter().find(|(name, ..)| name == "tree").unwrap();
            assert!(["ok", "unchecked"].contains(&&*tree.1), "{depth}: {tree:?}");
        }
        site.world.repo = whole;
    }
}

#[test]
fn nothing_is_written_so_that_a_read_only_clone_is_verified() {
    let site = Site::appending("");
    site.submit("Append two");
    assert_eq!(site.run().code, 0);
    let said = site.world.git(&["log", "-1", "--format=%B", "refs/heads/agent/worker-1/append-two"]);
    // Merging the reviewed work onto this parent makes a tree that no commit has.
    for (path, text) in [("src/other.txt", "a person's\n"), ("src/code.txt", "one\ntwo\nthree\n")] {
        site.world.write(path, text);
        site.world.git(&["add", path]);
        site.world.git(&["commit", "-qm", &said]);
    }
    let count = || site.world.git(&["count-objects", "-v"]);
    let before = count();
    read_only(&site.world.repo.join(".git/objects"), true);
    let ran = site.world.run(&["verify", "main", "--unapproved"]);
    read_only(&site.world.repo.join(".git/objects"), false);
    assert!(ran.code == 1 && ran.stdout.contains("the change is not that of the reviewed commit"), "{}", ran.stdout);
    // Somebody who may write everywhere writes nothing either.
    assert_eq!(count(), before);
}

fn read_only(folder: &std::path::Path, is_read_only: bool) {
    use std::os::unix::fs::PermissionsExt;
    let set = |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o755);
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.iter().filter(|path| path.is_dir()).for_each(|path| read_only(path, is_read_only));
    if is_read_only {
        set(0o555);
    }
}
