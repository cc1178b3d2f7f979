//! The queue of submissions: its limit, and who waits for whom.

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
