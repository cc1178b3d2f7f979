//! What every command shares: exit codes, JSON errors, help.

use crate::harness::World;

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let world = World::new();
    let error = world.refused(&["--root", "/nonexistent", "version", "--no-such-flag"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("usage"), Some(2)));
    assert_eq!(world.json(&["version"])["order_versions"][1], 2);
}
