//! Documents that are nested a hundred thousand levels deep are refused, wherever they lie; no command runs out of
//! stack.

use crate::harness::World;

const DEPTH: usize = 100_000;

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "s0"]);
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    world
}

/// Ended with words, and not by a signal.
fn ends(world: &World, args: &[&str], what: &str) -> String {
    let ran = world.run(args);
    assert!((0..=6).contains(&ran.code), "{what}: teof {} ended with {}", ran.args, ran.code);
    assert!(ran.stderr.len() < 10_000, "{what}: teof {} repeats the document", ran.args);
    ran.stderr
}

#[test]
fn deep_json_is_a_refusal_or_a_finding() {
    let world = world();
    let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let line = format!(
        "{{\"ts\":\"2026-01-05T10:00:00Z\",\"agent_id\":\"s0\",\"event\":\"x\",\"summary\":\"x\",\"meta\":{deep}"
    );
    for (path, text) in [
        ("_bus/claims/D-1.json", &deep),
        ("_bus/assignments/D-1.json", &deep),
        ("_bus/messages/manager-report.jsonl", &line),
        ("_plans/2026-01-05-d.plan.json", &deep),
        ("_plans/next-development.todo.json", &deep),
        ("_report/receipts.jsonl", &line),
        ("AGENT_MANIFEST.x.json", &deep),
        ("docs/automation/autonomy-consent.json", &deep),
        (".git/teof/trust.json", &deep),
        (".git/teof/intents/current", &deep),
    ] {
        let before = std::fs::read(world.repo.join(path)).ok();
        world.write(path, text);
        for args in [
            &["bus", "status", "--all"][..],
            &["bus", "event", "--agent=s0", "--event=note", "--summary=x"],
            &["bus", "claim", "D-1", "--agent=s0", "--allow-unassigned"],
            &["task", "list"],
            &["plan", "list"],
            &["consent", "show"],
            &["scan"],
            &["preflight", "full"],
        ] {
            ends(&world, args, path);
        }
        match before {
            Some(bytes) => std::fs::write(world.repo.join(path), bytes).unwrap(),
            None => std::fs::remove_file(world.repo.join(path)).unwrap(),
        }
    }
    world.ok(&["bus", "event", "--agent=s0", "--event=note", "--summary=x"]);
}

#[test]
fn deep_settings_are_a_refusal() {
    let world = world();
    let arrays = format!("x = {}{}\n", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let tables = format!("x = {}1{}\n", "{a=".repeat(DEPTH), "}".repeat(DEPTH));
    let keys = format!("{} = 1\n", ["a"; DEPTH].join("."));
    for text in [arrays, tables, keys] {
        world.write("teof.toml", &text);
        for args in [&["bus", "event", "--agent=s0", "--event=note", "--summary=x"][..], &["init"], &["doctor"]] {
            ends(&world, args, "teof.toml");
        }
        assert!(ends(&world, &["init"], "teof.toml").contains("teof.toml"));
    }
}
