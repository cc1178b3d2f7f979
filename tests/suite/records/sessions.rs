//! The brief before work, the reflection after it, and the index of pages.

use serde_json::{Value, json};

use super::world;
use crate::harness::World;

/// `id status` of each check.
fn checks(world: &World, args: &[&str], code: i32) -> Vec<String> {
    let args = [&["session", "brief", "--task", "QUEUE-001", "--preset", "operator", "--json"], args].concat();
    let document: Value = serde_json::from_str(&world.run(&args).expect(code).stdout).unwrap();
    let found = document["checklist"].as_array().unwrap();
    let line = |check: &Value| format!("{} {}", check["id"].as_str().unwrap(), check["status"].as_str().unwrap());
    found.iter().map(line).collect()
}

#[test]
fn the_operators_checklist_is_kept_and_fails_until_the_task_is_claimed() {
    let world = world();
    let wanted = [
        "manager_tail pass",
        "planner_validate warn",
        "quickstart_receipts warn",
        "claim_seed fail",
        "task_sync warn",
        "receipts_index warn",
        "receipts_hygiene warn",
    ];
    assert_eq!(checks(&world, &[], 1), wanted);
    // What each line proposes turns it green.
    let id = super::plan(&world, "docs", "queued", &[]);
    world.write(&format!("_plans/{id}.md"), "Why\n");
    let text = world.run(&["session", "brief", "QUEUE-001", "--preset", "operator"]).expect(1).stdout;
    for line in text.lines().filter_map(|line| line.split_once(": teof ")) {
        if !line.1.starts_with("session-boot") {
            world.shell(&format!("teof {}", line.1)).expect(0);
        }
    }
    world.write("_report/agent/codex-1/session_boot/bus-status-1.json", "{}");
    let passed: Vec<String> = wanted.iter().map(|line| format!("{} pass", line.split_once(' ').unwrap().0)).collect();
    assert_eq!(checks(&world, &[], 0), passed);
    let place = "_report/agent/codex-1/session_brief/operator.json";
    for _ in 0..2 {
        assert_eq!(checks(&world, &["--output", place], 0), passed, "the next one replaces it");
    }
    let kept = world.read_json(place);
    assert_eq!((&kept["summary"], &kept["claim_status"]), (&json!("pass"), &json!("active")));
    assert_eq!(kept.as_object().unwrap().keys().next_back().unwrap(), "receipt_sha256");
    world.ok(&["receipts", "verify", "--all"]);
    world.write("_report/usage/receipts-hygiene-summary.json", "{");
    assert_eq!(checks(&world, &[], 1).last().unwrap(), "receipts_hygiene fail");
    let brief = world.ok(&["session", "brief", "QUEUE-001"]);
    assert!(brief.starts_with("QUEUE-001: active, codex-1, branch agent/codex-1/queue-001"), "{brief}");
    assert!(brief.contains("claim: codex-1 claimed QUEUE-001"), "{brief}");
    let elsewhere = ["session", "brief", "QUEUE-001", "--preset", "operator", "--output", "_bus/claims/X.json"];
    assert_eq!(world.refused(&elsewhere)["code"], "output.refused");
}

#[test]
fn a_session_ends_with_a_reflection_whose_promises_scan_reports() {
    let world = world();
    world.ok(&["task", "pickup", "QUEUE-001"]);
    assert_eq!(world.refused(&["session", "wrap"])["code"], "wrap.empty");
    let wrap = ["session", "wrap", "--worked", "Tests first", "--nudge", "Next time ask early"];
    let ran = world.run(&wrap).expect(0);
    assert!(ran.stderr.contains("codex-1 still holds QUEUE-001"), "{}", ran.stderr);
    let path = "_report/agent/codex-1/reflections/2026-01-05.md";
    let text = world.read(path);
    assert!(text.starts_with("# Reflection of codex-1, 2026-01-05\n\ncaptured_at: 2026-01-05T10:00:00Z\n"), "{text}");
    assert!(text.contains("## What worked\n\n- Tests first\n\n## What stalled\n\n- none\n"), "{text}");
    let events = world.lines("_bus/events/events.jsonl");
    let event = events.last().unwrap();
    assert_eq!((&event["event"], &event["meta"]["focus"]), (&json!("handshake"), &json!("idle")));
    assert_eq!((&event["summary"], &event["receipts"]), (&json!("Session wrap"), &json!([path])));
    let findings = |world: &World| -> Vec<String> {
        let scan: Value = serde_json::from_str(&world.run(&["scan", "--json"]).stdout).unwrap();
        let found = scan["findings"].as_array().unwrap().iter().filter(|found| found["code"] == "commitment.open");
        found.map(|found| found["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(findings(&world), [path]);
    // A promise that names its task has a follow-up; the second reflection of a day is another file.
    let template = world.ok(&["session", "wrap", "--template"]);
    world.write("wrap.md", &template.replacen("- ", "- Next time QUEUE-002 first", 1));
    let second = world.json(&["session", "wrap", "--from", "wrap.md"]);
    assert_eq!(second["path"], "_report/agent/codex-1/reflections/2026-01-05-2.md");
    assert_eq!(findings(&world), [path]);
    world.ok(&["receipts", "verify"]);
    let secret = ["session", "wrap", "--worked", "ghp_0123456789abcdefghijABCDEFGHIJ456789"];
    assert_eq!(world.run(&secret).code, 1);
    let teof = env!("CARGO_BIN_EXE_teof");
    let asked = world.at_a_terminal(&format!("{teof} session wrap --agent operator"), "Small commits\n\n\n").expect(0);
    assert!(asked.stdout.contains("Wrote _report/agent/operator/reflections/"), "{}", asked.stdout);
}

#[test]
fn links_are_listed_and_shown_and_a_page_that_is_gone_is_marked() {
    let world = world();
    assert_eq!(world.refused(&["links", "list"])["code"], "links.none");
    world.write("docs/bus.md", "# Bus\n");
    world.write(
        "docs/quick-links.json",
        r##"{"version": 2, "updated": "2025-09-20", "links": [
          {"id": "bus-schema", "title": "Claim [file]", "summary": "What a claim says.", "path": "docs/bus.md", "anchor": "#claims", "category": "tooling"},
          {"id": "idle", "title": "Idle", "summary": "s", "path": "docs/gone.md", "category": "cadence"}]}"##,
    );
    let list = world.json(&["links", "list"]);
    let exists: Vec<_> = list["links"].as_array().unwrap().iter().map(|link| link["exists"].clone()).collect();
    assert_eq!((exists, &list["version"]), (vec![json!(true), json!(false)], &json!(2)));
    let text = world.ok(&["links", "list", "--category", "cadence"]);
    assert!(text.contains("docs/gone.md") && text.contains("missing") && !text.contains("bus-schema"), "{text}");
    let markdown = world.ok(&["links", "list", "--format", "md"]);
    assert_eq!(markdown.lines().next().unwrap(), "- `bus-schema` [Claim file](docs/bus.md#claims): What a claim says.");
    assert_eq!(world.ok(&["links", "show", "bus-schema"]), "Claim [file]\ndocs/bus.md#claims\nWhat a claim says.\n");
    let shown: Value = serde_json::from_str(&world.ok(&["links", "show", "idle", "--format", "json"])).unwrap();
    assert_eq!((&shown["title"], &shown["exists"]), (&json!("Idle"), &json!(false)));
    let unknown = world.refused(&["links", "show", "bus-schem"]);
    assert!(unknown["message"].as_str().unwrap().ends_with("(did you mean bus-schema?)"), "{unknown}");
}
