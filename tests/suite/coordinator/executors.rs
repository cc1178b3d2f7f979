//! Work that could not start is not claimed.

use super::*;
use crate::executors::docker::stand_in;

#[test]
fn nothing_is_claimed_while_no_container_can_start() {
    let yard = Yard::with("[worker]\nexecutor = \"docker\"\n[worker.docker]\nimage = \"none:1\"\n");
    let client = stand_in(&yard.world.folder().join("stand-in"));
    yard.plan("a", &[&yard.work("a")]);
    let path = format!("{}:{}", client.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = || {
        let mut command = yard.world.teof(&["coordinator", "run", "--until-idle"]);
        Ran::of(command.env("PATH", &path).output().unwrap(), &["coordinator", "run"])
    };
    let without = run();
    assert!(without.stderr.contains("this machine has no image none:1"), "{without:?}");
    assert!(yard.ran().is_empty() && !yard.world.exists("_bus/claims/2026-01-05-a-S1.json"), "{without:?}");
    fs::copy(
        client.with_file_name("state").join("images/my-claude_authenticated"),
        client.with_file_name("state").join("images/none_1"),
    )
    .unwrap();
    let with = run();
    assert_eq!((yard.ran(), with.code), (vec!["a".to_owned()], 0), "{with:?}");
}
