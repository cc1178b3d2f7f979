//! A claim's lease lives with the client that works under it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use teof::base::Clock;

use super::client::{Client, initialize};
use super::world;
use crate::harness::{World, until};

fn lease_of(world: &World, task: &str) -> String {
    world.read_json(&format!("_bus/claims/{task}.json"))["lease_expires_at"].as_str().unwrap_or_default().to_owned()
}

fn events_about(world: &World, task: &str) -> usize {
    world.lines("_bus/events/events.jsonl").iter().filter(|one| one["task_id"] == task).count()
}

#[test]
fn a_lease_is_renewed_without_an_event_while_the_client_lives_and_not_after_a_release() {
    let world = world();
    let client = Client::start(&world, "codex-1");
    client.ok("boot", json!({"sync": false}));
    client.ok("claim", json!({"task": "QUEUE-001", "allow_unassigned": true, "lease": "2s"}));
    let (first, events) = (lease_of(&world, "QUEUE-001"), events_about(&world, "QUEUE-001"));
    until("the lease is renewed", || lease_of(&world, "QUEUE-001") > first);
    assert_eq!(events_about(&world, "QUEUE-001"), events);
    assert_eq!(world.read_json("_bus/claims/QUEUE-001.json")["epoch"], 1);
    client.ok("release", json!({"task": "QUEUE-001", "status": "released"}));
    assert_eq!(client.end(), (String::new(), Some(0)));
    assert_eq!(lease_of(&world, "QUEUE-001"), "");
}

#[test]
fn a_server_takes_no_lease_that_a_claim_may_not_have() {
    let world = world();
    for (lease, why) in [("31d", "the longest is 30d"), ("0s", "more than 0s"), ("long", "a whole number and a unit")] {
        let refused = world.refused(&["mcp", "--lease", lease]);
        assert_eq!(refused["code"], "usage", "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[test]
fn a_client_that_comes_back_goes_on_under_its_claim() {
    let world = world();
    let client = Client::start(&world, "codex-1");
    client.ok("boot", json!({"sync": false}));
    client.ok("claim", json!({"task": "QUEUE-001", "allow_unassigned": true, "lease": "1m"}));
    let first = lease_of(&world, "QUEUE-001");
    client.end();
    assert_eq!(lease_of(&world, "QUEUE-001"), first, "an orderly end gives nothing away");
    // A claim without a lease stays without one.
    world.ok(&["bus", "claim", "QUEUE-002", "--agent", "codex-1", "--allow-unassigned"]);
    let client = Client::start(&world, "codex-1");
    client.ok("event", json!({"event": "status", "summary": "Back", "task": "QUEUE-002"}));
    client.ok("event", json!({"event": "status", "summary": "Back", "task": "QUEUE-001"}));
    until("the first use renews the lease", || lease_of(&world, "QUEUE-001") > first);
    assert_eq!(lease_of(&world, "QUEUE-002"), "");
    client.end();
}

#[test]
fn the_claim_of_a_killed_client_comes_free_by_its_lease() {
    let world = world();
    let killed = Client::start(&world, "codex-1");
    killed.ok("boot", json!({"sync": false}));
    killed.ok("claim", json!({"task": "QUEUE-001", "allow_unassigned": true}));
    killed.kill();
    let other = Client::start(&world, "codex-2");
    other.ok("boot", json!({"sync": false}));
    let take_over = json!({"task": "QUEUE-001", "take_over": "codex-1 is gone"});
    assert_eq!(other.refused("claim", take_over.clone()).0["code"], "claim.not_expired");
    other.end();

    let mut later = world;
    later.now = Some(Clock::Machine.now().plus(Duration::from_secs(16 * 60)).to_string());
    let other = Client::start(&later, "codex-2");
    let (refused, told) = other.refused("claim", json!({"task": "QUEUE-001"}));
    assert_eq!(refused["code"], "claim.held");
    assert!(told.contains("fix: call the tool claim with take_over"), "{told}");
    let taken = other.ok("claim", take_over);
    assert_eq!((&taken["claim"]["agent_id"], &taken["claim"]["epoch"]), (&json!("codex-2"), &json!(2)));
    assert_eq!(taken["from"]["agent_id"], "codex-1");
    other.end();
}

#[test]
fn the_server_ends_with_the_process_that_started_it() {
    let world = world();
    // The shell is the client; this test holds the other ends of its pipes.
    let teof = env!("CARGO_BIN_EXE_teof");
    let mut command = Command::new("sh");
    world.clear(&mut command);
    let line = format!("exec 3<&0; {teof} mcp --agent codex-1 <&3 & echo $!; wait");
    command.args(["-c", &line]).current_dir(&world.repo).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = command.spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    let mut output = BufReader::new(client.stdout.take().unwrap()).lines();
    let server: i32 = output.next().unwrap().unwrap().parse().unwrap();
    writeln!(input, "{}", initialize("2025-06-18")).unwrap();
    let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    let pid = Pid::from_raw(server).unwrap();
    kill_process(Pid::from_child(&client), Signal::KILL).unwrap();
    client.wait().unwrap();
    // Only the server had the other end of its stdout.
    assert!(output.next().is_none(), "it says nothing more");
    until("the server ends", || test_kill_process(pid).is_err());
    drop(input);
}
