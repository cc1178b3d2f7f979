//! Sessions that begin where something is in the way: two seats in one folder at the same moment, a sparse checkout.

use std::process::Child;

use crate::harness::{Ran, World};

/// How many times they race; each time the sessions of the time before are stale.
const ROUNDS: usize = 12;

#[test]
fn of_two_boots_that_race_in_one_folder_one_wins_and_the_other_is_told_to_use_its_own_worktree() {
    let mut world = World::bare_of_teof();
    for seat in ["a", "b"] {
        world.ok(&["init", "--agent", seat]);
    }
    world.write("AGENT_MANIFEST.a.json", &world.read("AGENT_MANIFEST.json"));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    for round in 0..ROUNDS {
        world.now = Some(format!("2026-01-{:02}T10:00:00Z", round + 1));
        let boot = |seat: &str| world.spawn(&["session-boot", "--no-sync", "--agent", seat, "--allow-branch-mismatch"]);
        let ended = |child: Child, seat: &str| Ran::of(child.wait_with_output().unwrap(), &["session-boot", seat]);
        let racing =
            if round % 2 == 0 { [("a", boot("a")), ("b", boot("b"))] } else { [("b", boot("b")), ("a", boot("a"))] };
        let ran = racing.map(|(seat, child)| (seat, ended(child, seat)));
        let (won, lost): (Vec<_>, Vec<_>) = ran.iter().partition(|(_, ran)| ran.code == 0);
        assert_eq!((won.len(), lost.len()), (1, 1), "round {round}: {ran:?}");
        let (winner, loser) = (won[0].0, &lost[0].1);
        assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], winner, "round {round}");
        assert!(loser.code < 70 && loser.stderr.contains("git worktree add"), "round {round}: {}", loser.stderr);
        let event = ["bus", "event", "--event", "observation", "--summary", "s"];
        world.ok(&event);
        assert_eq!(world.lines("_bus/events/events.jsonl").last().unwrap()["agent_id"], winner, "round {round}");
    }
}

#[test]
fn a_boot_in_a_sparse_checkout_names_what_brings_the_record_back() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a"]);
    world.write("src/code.txt", "one\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.git(&["sparse-checkout", "set", "src"]);
    let error = world.refused(&["session-boot", "--no-sync", "--agent", "a"]);
    assert_eq!(error["code"], "repository.sparse", "{error}");
    world.follow(error["next"][0].as_str().unwrap());
    world.ok(&["session-boot", "--no-sync", "--agent", "a"]);
    assert!(world.exists("_bus/events/events.jsonl") && world.exists("src/code.txt"));
}
