//! The sentinels: what has gone wrong in the record while nobody looked.

use std::fs;

use serde_json::{Value, json};

use crate::harness::World;

fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T12:00:00Z".into());
    world.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    world
}

fn claim(task: &str, claimed_at: &str, more: &str) -> String {
    format!(
        "{{\"agent_id\": \"codex-1\", \"branch\": \"agent/codex-1/x\", \"claimed_at\": \"{claimed_at}\", \"status\": \"active\", \"task_id\": \"{task}\"{more}}}\n"
    )
}

/// `severity code path` of every finding.
fn found(world: &World, args: &[&str]) -> (bool, Vec<String>) {
    let ran = world.run(&[&["scan", "--json"], args].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    assert_eq!(ran.code, i32::from(document["high"] != 0), "only a high finding fails: {ran:?}");
    let words = |found: &Value| {
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("severity"), text("code"), text("path"))
    };
    let findings = document["findings"].as_array().unwrap().iter().map(words).collect();
    (document["ran"] == true, findings)
}

#[test]
fn claims_that_nobody_works_on_are_stale() {
    let world = world();
    world.write("_bus/claims/OLD.json", &claim("OLD", "2026-01-05T06:00:00Z", ""));
    world.write("_bus/claims/NEW.json", &claim("NEW", "2026-01-05T09:00:00Z", ""));
    let lease = |at: &str| format!(", \"lease_expires_at\": \"{at}\", \"epoch\": 1");
    world.write("_bus/claims/ENDED.json", &claim("ENDED", "2026-01-05T11:00:00Z", &lease("2026-01-05T11:59:59Z")));
    world.write("_bus/claims/LEASED.json", &claim("LEASED", "2026-01-01T00:00:00Z", &lease("2026-01-05T12:30:00Z")));
    world.write("_bus/claims/DONE.json", &claim("DONE", "2026-01-01T00:00:00Z", "").replace("active", "done"));
    let stale = |task: &str| format!("medium claim.stale _bus/claims/{task}.json");
    assert_eq!(found(&world, &[]).1, [stale("ENDED"), stale("OLD")]);
    // A word from the owner, in a channel too, shows life; a run that holds its lock does as well.
    world.write(
        "_bus/messages/OLD.jsonl",
        "{\"ts\":\"2026-01-05T11:00:00Z\",\"from\":\"codex-1\",\"type\":\"status\",\"task_id\":\"OLD\",\"summary\":\"s\"}\n",
    );
    assert_eq!(found(&world, &[]).1, [stale("ENDED")]);
    let lock = world.repo.join(".git/teof/locks/run-ENDED.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let lock = fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    assert_eq!(found(&world, &[]).1, [] as [&str; 0]);
}

#[test]
fn damage_and_danger_are_high_and_the_rest_is_not() {
    let world = world();
    let secret = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    world.write("_report/agent/codex-1/log.txt", &format!("one\nkey {secret}\n"));
    world.write("_report/agent/codex-1/tests.json", "{}\n");
    world.write("_bus/events/events.jsonl", "{\"ts\":\"2026-01-05T11:00:00Z\",\"agent_id\":\"a\",\"event\":\"status\",\"summary\":\"later on\",\"id\":\"0123456789abcdef\"}\n{\"agent_id\":\"a\"}\n");
    world.write("_bus/messages/A.jsonl", "{\"ts\":\"2026-01-05T11:00:00Z\",\"from\":\"a\",\"type\":\"note\",\"task_id\":\"A\",\"summary\":\"Next time I test first\"}\n");
    world.write("_plans/2026-01-05-x.plan.json", &json!({"plan_id": "2026-01-05-x"}).to_string());
    let ledger = json!({"path": "_report/agent/codex-1/tests.json", "sha256": "0", "agent_id": "a", "ts": "2026-01-05T11:00:00Z"});
    world.write("_report/receipts.jsonl", &format!("{ledger}\n"));
    let (_, findings) = found(&world, &[]);
    let of = |severity: &str| -> Vec<&str> {
        let mut codes: Vec<_> =
            findings.iter().filter_map(|found| found.strip_prefix(severity)?.trim().split(' ').next()).collect();
        codes.dedup();
        codes
    };
    assert_eq!(of("high"), ["event.altered", "secret.in_receipt", "receipt.changed"]);
    assert!(of("medium").contains(&"plan.layer"), "{findings:?}");
    assert!(of("low").contains(&"commitment.open") && of("low").contains(&"event.field"), "{findings:?}");
    let human = world.run(&["scan"]).expect(1);
    assert!(human.stdout.starts_with("high: "), "{}", human.stdout);
    assert!(!human.stdout.contains(&secret) && human.stdout.contains("log.txt:2: secret.in_receipt"));
}

#[test]
fn a_scan_runs_again_only_when_something_watched_changed() {
    let world = world();
    world.write("_bus/claims/ENDED.json", &claim("ENDED", "2026-01-01T11:00:00Z", ""));
    let stale = vec!["medium claim.stale _bus/claims/ENDED.json".to_owned()];
    assert_eq!(found(&world, &["--if-changed"]), (true, stale.clone()));
    assert_eq!(found(&world, &["--if-changed"]), (false, stale.clone()), "the last answer again, exit code and all");
    world.write("docs/x.md", "x");
    assert!(!found(&world, &["--if-changed"]).0);
    world.write("_report/usage/x.txt", "x");
    assert!(found(&world, &["--if-changed"]).0);
    assert!(found(&world, &["--if-changed", "--watch", "docs/"]).0, "other prefixes are another question");
    assert!(!found(&world, &["--if-changed", "--watch", "docs/"]).0);
    assert!(found(&world, &[]).0, "without the flag it always runs");
}

#[test]
fn a_scan_leaves_a_line_only_when_asked() {
    let world = world();
    found(&world, &[]);
    assert!(!world.exists("_report/usage/scan-history.jsonl"));
    found(&world, &["--history"]);
    let lines = world.lines("_report/usage/scan-history.jsonl");
    assert_eq!(lines, [json!({"ts": "2026-01-05T12:00:00Z", "high": 0, "medium": 0, "low": 0})]);
    assert!(!found(&world, &["--if-changed"]).0, "its own line is no change");
}

#[test]
fn requests_that_wait_for_each_other_and_dependencies_that_are_no_names_are_found() {
    let world = world();
    let request = |id: &str, on: &str| {
        let text = format!("---\nid: {id}\nstatus: planned\ndepends_on: {on}\n---\n# {id}\n");
        world.write(&format!("vault/10_features/03_planned/{}.md", id.to_lowercase()), &text);
    };
    request("FR-8", "[FR-9]");
    request("FR-9", "[ND-1]");
    request("FR-7", "7");
    let items = json!([{"id": "ND-1", "title": "x", "status": "pending", "depends_on": ["fr-8"]},
        {"id": "ND-2", "title": "x", "status": "pending", "depends_on": {"on": "ND-1"}}]);
    world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": items}).to_string());
    let wanted = [
        "medium depends.cycle _plans",
        "medium depends.form _plans/next-development.todo.json",
        "medium depends.form vault/10_features/03_planned/fr-7.md",
    ];
    assert_eq!(found(&world, &[]).1, wanted);
}
