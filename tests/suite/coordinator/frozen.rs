//! A coordinator that hangs is seen by whoever looks, although nobody asked it for anything.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

/// What `status` says of it an hour from now, and whether `doctor` finds it.
fn in_an_hour(yard: &mut Yard) -> (Value, bool) {
    yard.world.now = Some(Clock::Machine.now().plus(Duration::from_secs(3600)).to_string());
    let frozen = yard.world.json(&["coordinator", "status"])["frozen"].clone();
    let doctor = yard.world.run(&["doctor", "--json"]).stdout.contains("coordinator.frozen");
    yard.world.now = None;
    (frozen, doctor)
}

#[test]
fn a_coordinator_that_hangs_with_an_empty_inbox_is_seen_and_an_idle_one_is_not_taken_for_it() {
    let mut yard = Yard::new();
    // Git hangs for the process that this file names.
    let (bin, hang) = (yard.world.folder().join("bin"), yard.world.folder().join("hang"));
    fs::create_dir_all(&bin).unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\nwhile [ \"$(cat '{0}')\" = $PPID ]; do touch '{0}s'; sleep 0.02; done\nPATH='{path}' exec git \"$@\"\n",
        hang.display()
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&hang, "").unwrap();
    yard.plan("a", &[&yard.work("a1")]);
    let mut command = yard.world.teof(&["coordinator", "run"]);
    let mut coordinator = command.env("PATH", format!("{}:{path}", bin.display())).spawn().unwrap();
    fs::write(&hang, coordinator.id().to_string()).unwrap();
    until("its git to hang", || yard.world.folder().join("hangs").exists());
    let (frozen, found) = in_an_hour(&mut yard);
    assert!(frozen.as_str().is_some_and(|why| why.contains("does not end")) && found, "{frozen}");

    fs::write(&hang, "").unwrap();
    until("the work", || yard.ran() == ["a1"] && yard.workers().is_empty());
    until("an idle coordinator", || in_an_hour(&mut yard) == (Value::Null, false));
    yard.world.ok(&["coordinator", "stop"]);
    coordinator.wait().unwrap();
}
