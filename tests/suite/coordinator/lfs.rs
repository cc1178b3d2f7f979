//! Work whose branch would be incomplete at the remote: without the content of its git-lfs files, or without the
//! commits that it stands on.

use std::fs;

use super::decisions::Shop;

#[test]
fn the_content_of_lfs_files_is_uploaded_before_the_branch_is_pushed() {
    let shop = Shop::new();
    let (yard, home) = (&shop.yard, shop.yard.world.folder().join("home"));
    let oid = "ab".repeat(32);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\\noid sha256:{oid}\\nsize 3\\n");
    yard.plan("a", &[&format!("printf '{pointer}' > big.bin")]);
    let branches = || yard.world.git_in(&home.join("remote.git"), &["for-each-ref", "--format=%(refname)"]);
    shop.run();
    assert_eq!(branches(), "refs/heads/main", "nobody could check it out");
    let told = yard.world.read("_bus/messages/manager-report.jsonl");
    assert!(told.contains("cannot be offered") && told.contains("git-lfs"), "{told}");
    yard.plan("b", &[&format!("printf '{pointer}' > bigger.bin")]);

    // Git finds it as it finds every command of its own.
    let bin = yard.world.folder().join("bin/git-lfs");
    fs::write(&bin, "#!/bin/sh\necho \"$*\" >> \"$HOME/lfs.calls\"; git -C \"$HOME/remote.git\" for-each-ref >> \"$HOME/lfs.seen\"\n").unwrap();
    fs::set_permissions(&bin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    shop.run();
    assert_eq!(fs::read_to_string(home.join("lfs.calls")).unwrap(), format!("push --object-id origin {oid}\n"));
    assert!(!fs::read_to_string(home.join("lfs.seen")).unwrap().contains("agent/"), "before the branch");
    assert!(branches().contains("refs/heads/agent/codex-"), "{}", branches());
}

#[test]
fn work_on_commits_that_the_remote_lacks_is_not_offered() {
    let shop = Shop::new();
    let (yard, home) = (&shop.yard, shop.yard.world.folder().join("home"));
    yard.world.write("new.txt", "not pushed\n");
    yard.world.git(&["add", "new.txt"]);
    yard.world.git(&["commit", "-qm", "Not pushed"]);
    yard.plan("a", &["echo more >> new.txt"]);
    shop.run();
    let branches = yard.world.git_in(&home.join("remote.git"), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(branches, "refs/heads/main");
    let told = yard.world.read("_bus/messages/manager-report.jsonl");
    assert!(told.contains("cannot be offered") && told.contains("was not pushed"), "{told}");
}
