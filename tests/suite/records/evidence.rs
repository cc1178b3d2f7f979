//! The index of receipts, latencies, and what is wrong with the evidence.

use std::fs;

use serde_json::{Value, json};

use super::{plan, world};
use crate::harness::World;

const KEPT: &str = "_report/agent/codex-1/kept.json";
const ENTERED: &str = "_report/agent/codex-1/entered.json";
const LOOSE: &str = "_report/agent/codex-1/loose.json";
const STRAY: &str = "_report/agent/codex-1/stray.json";
const GONE: &str = "_report/agent/codex-1/gone.json";

/// Evidence in git, in the ledger, in neither, named by nothing, and gone.
fn evidence() -> World {
    let world = world();
    for path in [KEPT, ENTERED, LOOSE, STRAY] {
        world.write(path, &format!("{{\"path\": \"{path}\"}}\n"));
    }
    world.git(&["add", KEPT]);
    world.ok(&["receipts", "add", ENTERED]);
    plan(&world, "docs", "in_progress", &[KEPT, GONE, "https://example.org/run/1"]);
    let event = ["bus", "event", "--event", "observation", "--summary", "x", "--receipt", LOOSE];
    world.ok(&event);
    let note = ["bus", "message", "--task", "manager-report", "--type", "status", "--summary", "x"];
    world.ok(&[&note[..], &["--plan", "2026-01-05-docs", "--receipt", ENTERED, "--receipt", LOOSE]].concat());
    world
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

#[test]
fn the_index_tells_which_receipts_exist_are_tracked_and_who_names_them() {
    let world = evidence();
    world.ok(&["receipts", "index", "--output", "receipts-index.jsonl"]);
    let index = world.lines("_report/usage/receipts-index.jsonl");
    assert_eq!(index[0]["kind"], "summary");
    let counts = &index[0]["counts"];
    assert_eq!([&counts["missing"], &counts["untracked"], &counts["unreferenced"]], [1, 1, 1], "{counts}");
    let receipts = of_kind(&index, "receipt");
    let receipt = |path: &str| *receipts.iter().find(|row| row["path"] == path).unwrap();
    let state = |path| ["exists", "tracked", "in_ledger"].map(|key| receipt(path)[key].as_bool().unwrap());
    assert_eq!(state(KEPT), [true, true, false]);
    assert_eq!(state(ENTERED), [true, false, true]);
    assert_eq!(state(LOOSE), [true, false, false]);
    assert_eq!(state(GONE), [false, false, false]);
    let sha256 = teof::base::digest::sha256(world.read(KEPT).as_bytes());
    assert_eq!(receipt(KEPT)["sha256"], json!(sha256));
    let levels = |path: &str| -> Vec<String> {
        let named = receipt(path)["referenced_by"].as_array().unwrap();
        named.iter().map(|by| by["level"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((levels(KEPT), levels(LOOSE)), (vec!["plan".into()], vec!["event".to_owned(), "message".into()]));
    assert_eq!(levels(STRAY), [""; 0]);
    assert_eq!(receipt(LOOSE)["referenced_by"][1]["path"], "_bus/messages/manager-report.jsonl");
    let plan = of_kind(&index, "plan")[0];
    assert_eq!(plan["missing_receipts"], json!([GONE]), "an address is not a file");
    let message = of_kind(&index, "manager_message")[0];
    assert_eq!((&message["plan_id"], &message["missing_receipts"]), (&json!("2026-01-05-docs"), &json!([LOOSE])));
    // Again, from what is remembered, without the index's own file among what nothing names; and what changed since.
    world.write(STRAY, "{}");
    let again = lines(&world.ok(&["receipts", "index", "--format", "jsonl"]));
    assert_eq!(again[0]["counts"]["unreferenced"], 1);
    let digest = |index: &[Value], path: &str| {
        let receipts = of_kind(index, "receipt");
        receipts.iter().find(|row| row["path"] == path).unwrap()["sha256"].clone()
    };
    assert_eq!(digest(&again, KEPT), json!(sha256));
    assert_ne!(digest(&again, STRAY), digest(&index, STRAY));
    assert_eq!(
        world.refused(&["receipts", "index", "--output", "_report/usage/external-authenticity.json"])["code"],
        "output.refused"
    );
}

#[test]
fn missing_evidence_fails_hygiene_and_is_named_with_who_relies_on_it() {
    let world = evidence();
    let ran = world.run(&["receipts", "hygiene", "--json", "--keep"]).expect(1);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["missing"][0]["path"], GONE);
    assert_eq!(report["missing"][0]["referenced_by"][0]["plan_id"], "2026-01-05-docs");
    assert_eq!((&report["untracked"][0]["path"], &report["unreferenced"]), (&json!(LOOSE), &json!([STRAY])));
    assert_eq!(world.read_json("_report/usage/receipts-hygiene-summary.json"), report);
    assert_eq!(world.lines("_report/usage/receipts-index-latest.jsonl")[0]["counts"]["missing"], 1);
    let text = world.run(&["receipts", "hygiene"]).expect(1).stdout;
    assert!(text.contains(&format!("missing      {GONE} (plan 2026-01-05-docs)")), "{text}");
    world.write(GONE, "{}");
    world.run(&["receipts", "hygiene"]).expect(0);
    // A retired receipt may be missing.
    fs::remove_file(world.repo.join(ENTERED)).unwrap();
    world.run(&["receipts", "hygiene"]).expect(1);
    world.ok(&["receipts", "retire", ENTERED, "--reason", "Held a name"]);
    world.run(&["receipts", "hygiene"]).expect(0);
}

#[test]
fn latencies_count_from_the_plan_the_note_and_the_reflection_to_the_next_receipt() {
    let mut world = world();
    let id = plan(&world, "slow", "in_progress", &[KEPT]);
    for (n, slug) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let path = format!("_report/agent/codex-1/{slug}.json");
        world.write(&path, &format!("{{\"n\": {n}}}"));
        world.ok(&["receipts", "add", &path]);
        plan(&world, slug, "done", &[&path]);
    }
    world.write("_report/agent/codex-1/reflections/2026-01-08.md", &format!("# Notes\n{id} stalled\n"));
    world.now = Some("2026-01-09T08:00:00Z".into());
    world.write("_report/session/codex-1/manager-report-tail.txt", "# captured_at=2026-01-09T08:00:00Z\n");
    world.write(KEPT, "{}");
    world.ok(&["receipts", "add", KEPT]);
    world.ok(&["receipts", "metrics", "--output", "receipts-latency.jsonl"]);
    let metrics = world.lines("_report/usage/receipts-latency.jsonl");
    let row = metrics.iter().find(|row| row["plan_id"] == json!(id)).unwrap();
    assert_eq!(row["latency_seconds"]["plan_to_first_receipt"], 4 * 86_400);
    assert_eq!(row["latency_seconds"]["reflection_to_receipt"], 32 * 3600);
    assert_eq!(row["latency_seconds"]["note_to_first_receipt"], Value::Null);
    let summary = &metrics[0];
    assert_eq!(summary["latency_seconds"]["plan_to_first_receipt"]["median"], json!(7200.0));
    assert_eq!(summary["outliers"][0]["plan_id"], json!(id), "{summary}");
    let table = world.ok(&["receipts", "metrics"]);
    assert!(table.lines().any(|line| line.starts_with(&id) && line.ends_with("outlier")), "{table}");
    world.run(&["receipts", "hygiene", "--max-plan-latency", "2d"]).expect(1);
    world.run(&["receipts", "hygiene", "--max-plan-latency", "4d"]).expect(0);
}
