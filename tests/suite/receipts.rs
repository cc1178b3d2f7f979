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
fn only_files_in_report_become_receipts_and_the_fix_copies_them() {
    let world = world();
    world.write("src/it's.sh", "true\n");
    let ledger = world.refused(&["receipts", "add", LEDGER, "--agent", "codex-1"]);
    assert_eq!(ledger["code"], "receipts.rewritten", "{ledger}");
    assert!(ledger["message"].as_str().unwrap().contains("it is the ledger"), "{ledger}");
    for path in ["src/it's.sh", "_reports/x"] {
        world.write("_reports/x", "x");
        assert_eq!(world.refused(&["receipts", "add", path, "--agent", "codex-1"])["code"], "receipts.outside");
    }
    assert_eq!(world.lines(LEDGER).len(), 3);
    // A bundle or a decision that teof did not write would be approved, or taken for a person's.
    world.write("_report/agent/codex-1/reviews/mine.json", "{}");
    let forged = ["receipts", "add", "_report/agent/codex-1/reviews/mine.json", "--agent", "codex-1"];
    assert_eq!(world.refused(&forged)["code"], "receipts.own");
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

#[test]
fn a_receipt_that_is_rightly_gone_is_retired_by_a_person_and_missed_no_more() {
    let world = world();
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Record"]);
    let retire = ["receipts", "retire", "_report/b.txt", "--reason", "it held a customer's name"];
    assert_eq!(world.refused(&retire)["code"], "receipt.intact");
    std::fs::remove_file(world.repo.join("_report/b.txt")).unwrap();
    assert_eq!(findings(&world), ["2 receipt.missing"]);
    let output = world.teof(&retire).env("TEOF_RUN", "r-1").output().unwrap();
    assert!(!output.status.success(), "a worker retires nothing");
    world.ok(&retire);
    assert_eq!(findings(&world), Vec::<String>::new());
    let line = world.lines(LEDGER).pop().unwrap();
    assert_eq!(
        (line["path"].as_str(), line["retired"].as_str()),
        (Some("_report/b.txt"), Some("it held a customer's name"))
    );
    let event = world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!(
        (event["event"].as_str(), event["meta"]["reason"].as_str()),
        (Some("receipt_retired"), line["retired"].as_str())
    );
    assert_eq!(
        world.refused(&["receipts", "retire", "_report/no.txt", "--reason", "r"])["code"],
        "receipt.not_entered"
    );
}

#[test]
fn a_receipt_that_an_event_or_message_names_and_that_is_not_there_is_found() {
    let world = world();
    let event = |receipt: &str| {
        format!(
            "{{\"ts\":\"2026-01-05T10:00:00Z\",\"agent_id\":\"x\",\"event\":\"observation\",\"summary\":\"s\",\"receipts\":[\"{receipt}\"]}}\n"
        )
    };
    let message = "{\"ts\":\"2026-01-05T10:00:00Z\",\"from\":\"x\",\"type\":\"note\",\"task_id\":\"T\",\"summary\":\"s\",\"receipts\":[\"_report/gone.txt\"]}\n";
    let lines =
        [event("_report/a.txt"), event("https://ci.example.org/1"), event("_report/gone.txt"), event("src/gone.rs")];
    world.write("_bus/events/events.jsonl", &lines.concat());
    world.write("_bus/messages/T.jsonl", message);
    let found = |command: &[&str]| -> Vec<String> {
        let document: serde_json::Value =
            serde_json::from_str(&world.run(&[command, &["--json"]].concat()).stdout).unwrap();
        let findings = document["findings"].as_array().unwrap().iter();
        let ours = findings.filter(|found| found["code"].as_str().unwrap().ends_with(".receipt"));
        let word = |f: &serde_json::Value| f["level"].as_str().or(f["severity"].as_str()).unwrap().to_owned();
        let mut ours: Vec<_> =
            ours.map(|f| format!("{} {} {}", f["code"].as_str().unwrap(), f["line"], word(f))).collect();
        ours.sort();
        ours
    };
    assert_eq!(
        found(&["preflight", "full"]),
        ["event.receipt 3 error", "event.receipt 4 warning", "message.receipt 1 error"]
    );
    assert_eq!(found(&["scan"]), ["event.receipt 3 medium", "event.receipt 4 low", "message.receipt 1 medium"]);
    world.write("_report/gone.txt", "found again");
    assert_eq!(found(&["preflight", "full"]), ["event.receipt 4 warning"]);
}
