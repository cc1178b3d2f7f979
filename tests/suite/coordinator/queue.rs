//! The queue of submissions: its limit, and who waits for whom.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_full_queue_refuses_with_its_length_and_setting() {
    let yard = Yard::with("queue = 2\n");
    let plans = ["a", "b", "c"].map(|name| yard.plan(name, &[&yard.work(name)]));
    yard.world.ok(&["coordinator", "submit", &plans[0], &plans[1]]);
    let ran = yard.world.run(&["--json", "coordinator", "submit", &plans[2]]).expect(1);
    let refused: Value = serde_json::from_str(ran.stderr.trim()).unwrap();
    assert_eq!(refused["error"]["code"], "submit.full", "{refused}");
    assert!(refused.to_string().contains("coordinator.queue = 2"), "{refused}");
}

#[test]
fn submissions_are_answered_while_the_record_is_committed() {
    let yard = Yard::new();
    let plans = ["a", "b"].map(|name| yard.plan(name, &[&yard.work(name)]));
    yard.world.ok(&["coordinator", "pause"]);
    // A git that takes long to commit.
    let bin = yard.world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let (folder, path) = (yard.world.folder().display().to_string(), std::env::var("PATH").unwrap());
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" commit-tree \"*) : > {folder}/committing\n\
         while [ ! -e {folder}/open ]; do sleep 0.02; done ;; esac\nPATH={path:?} exec git \"$@\"\n"
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut coordinator = yard.world.teof(&["coordinator", "run"]);
    let mut coordinator = coordinator.env("PATH", format!("{}:{path}", bin.display())).spawn().unwrap();
    until("the commit of the record", || yard.world.folder().join("committing").exists());
    for (n, plan) in plans.iter().enumerate() {
        let said = yard.world.ok(&["coordinator", "submit", plan]);
        assert!(said.contains(&format!("is queued as number {}", n + 1)), "{said}");
    }
    assert!(!yard.world.folder().join("open").exists(), "the commit still ran");
    yard.open();
    yard.world.ok(&["coordinator", "stop"]);
    assert!(coordinator.wait().unwrap().success());
    assert!(yard.world.git(&["log", "--format=%s"]).contains("Commit the record"));
}
