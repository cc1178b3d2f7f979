//! The ledger on the command line: a receipt that changed, is missing or was re-ordered is named.

use crate::harness::World;

const LEDGER: &str = "_report/receipts.jsonl";

/// Three receipts in the ledger, two of one seat and one of another.
fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T12:00:00Z".into());
    for (name, seat) in [("a", "codex-1"), ("b", "codex-2"), ("c", "codex-1")] {
        let path = format!("_report/{name}.txt");
        world.write(&path, name);
        world.ok(&["receipts", "add", &path, "--agent", seat]);
    }
    world
}

/// `line code` of each finding.
fn findings(world: &World) -> Vec<String> {
    let ran = world.run(&["receipts", "verify", "--all", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = report["findings"].as_array().unwrap();
    assert_eq!(ran.code, i32::from(!found.is_empty()));
    found.iter().map(|f| format!("{} {}", f["line"], f["code"].as_str().unwrap())).collect()
}

#[test]
fn each_receipt_is_entered_once_and_chained() {
    let world = world();
    let lines = world.lines(LEDGER);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["prev"], lines[0]["id"]);
    assert!(lines[0].get("prev").is_none() && lines[1].get("prev").is_none());
    assert_eq!(
        world.json(&["receipts", "add", "_report/a.txt", "--agent", "codex-2"])["entered"],
        serde_json::json!([])
    );
    assert_eq!(findings(&world), Vec::<String>::new());
    world.write("_report/a.txt", "A");
    assert_eq!(world.refused(&["receipts", "add", "_report/a.txt", "--agent", "codex-1"])["code"], "receipt.rewritten");
    assert_eq!(world.refused(&["receipts", "add", "_report", "--agent", "codex-1"])["code"], "file.not_regular");
    assert_eq!(world.lines(LEDGER).len(), 3);
}

/// A source file that were entered would fail every check from its next edit on, for good.
#[test]
fn only_what_lies_in_report_is_entered_and_the_refusal_enters_a_copy() {
    let world = world();
    world.write("src/it's.sh", "true\n");
    for path in ["src/it's.sh", LEDGER, "_reports/x"] {
        world.write("_reports/x", "x");
        assert_eq!(world.refused(&["receipts", "add", path, "--agent", "codex-1"])["code"], "receipts.outside");
    }
    assert_eq!(world.lines(LEDGER).len(), 3);
    let error = world.refused(&["receipts", "add", "src/it's.sh", "--agent", "codex-1"]);
    world.follow(error["next"][0].as_str().unwrap());
    assert_eq!(world.lines(LEDGER)[3]["path"], "_report/agent/codex-1/it's.sh");
    world.write("src/it's.sh", "false\n");
    assert_eq!(findings(&world), Vec::<String>::new());
}

#[test]
fn changed_missing_and_reordered_receipts_are_named() {
    let world = world();
    world.write("_report/b.txt", "B");
    std::fs::remove_file(world.repo.join("_report/c.txt")).unwrap();
    assert_eq!(findings(&world), ["2 receipt.changed", "3 receipt.missing"]);
    let world = self::world();
    let ledger = world.read(LEDGER);
    let lines: Vec<&str> = ledger.lines().collect();
    world.write(LEDGER, &format!("{}\n{}\n{}\n", lines[2], lines[1], lines[0]));
    assert_eq!(findings(&world), ["1 ledger.reordered"]);
    world.write(LEDGER, &format!("{}\n{}\n", lines[1], lines[2]));
    assert_eq!(findings(&world), ["2 ledger.gap"]);
    world.write(LEDGER, &ledger.replacen("codex-2", "codex-3", 1));
    assert_eq!(findings(&world), ["2 ledger.altered"]);
    world.write(LEDGER, &format!("{ledger}{}\n", lines[1]));
    assert_eq!(findings(&world), Vec::<String>::new(), "a doubled line counts once");
}

#[test]
fn receipts_prove_themselves_too() {
    let world = world();
    // Written by another tool, with a number spelt as serde_json would not spell it.
    let body = "{\n  \"trust\": 7e-01,\n  \"note\": \"’\"";
    let output = std::process::Command::new("sh")
        .args(["-c", "printf '%s\\n}' \"$0\" | sha256sum | cut -c1-64", body])
        .output()
        .unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    let receipt = format!("{body},\n  \"receipt_sha256\": \"{}\"\n}}\n", hash.trim());
    world.write("_report/agent/x/receipt.json", &receipt);
    assert_eq!(findings(&world), Vec::<String>::new());
    world.write("_report/agent/x/receipt.json", &receipt.replace("7e-01", "8e-01"));
    assert_eq!(findings(&world), ["1 receipt.seal_broken"]);
}
