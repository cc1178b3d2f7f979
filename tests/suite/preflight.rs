//! Preflight over whole trees, as CI runs it: real faults, each with file and line, and nothing else.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use teof::base::Stamp;
use teof::model::event::Event;

use crate::harness::World;

const CLAIM: &str = r#"{
  "agent_id": "codex-2",
  "branch": "agent/codex-2/queue-001",
  "claimed_at": "2025-09-17T23:44:12Z",
  "plan_id": "2025-09-17-watch",
  "status": "active",
  "task_id": "QUEUE-001"
}
"#;
const CLAIM_PATH: &str = "_bus/claims/QUEUE-001.json";
const EVENTS: &str = "_bus/events/events.jsonl";
const REPORT: &str = "_bus/messages/manager-report.jsonl";
const PLAN_PATH: &str = "_plans/2025-09-17-watch.plan.json";

fn plan() -> Value {
    json!({
        "version": 0,
        "plan_id": "2025-09-17-watch",
        "created": "2025-09-17T23:44:19Z",
        "actor": "codex-2",
        "summary": "Follow the bus",
        "status": "in_progress",
        "steps": [
            {"id": "S1", "title": "Look", "status": "done", "notes": "", "receipts": ["_report/agent/codex-2/tests.json"]},
            {"id": "S2", "title": "Write", "status": "queued", "notes": "", "receipts": []}
        ],
        "checkpoint": {"description": "Agents can tail the bus", "owner": "codex-2", "status": "pending"},
        "links": [{"type": "bus", "ref": CLAIM_PATH}],
        "receipts": ["_report/agent/codex-2/tests.json"],
        "layer": "L5",
        "systemic_scale": 6,
        "systemic_targets": ["S1", "S6"]
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// A small tree without a fault, in the layouts of the playbook's tools, committed.
fn sound() -> World {
    let world = World::new();
    world.write(CLAIM_PATH, CLAIM);
    world.write(&PLAN_PATH.replace(".plan.json", ".md"), "# Follow the bus\n");
    world.write(
        "_bus/assignments/QUEUE-001.json",
        r#"{"assigned_at": "2025-09-18T02:07:06Z", "branch": null, "engineer": "codex-2", "manager": "codex-1", "task_id": "QUEUE-001"}"#,
    );
    let mut events = r#"{"ts":"1970-01-01T00:00:00Z","agent_id":"template","event":"init","summary":"Seed event log"}
{"agent_id": "codex-1", "branch_prefix": "agent/codex-1/", "event": "handshake", "summary": "handshake", "ts": "2025-09-17T23:17:52Z"}
"#
    .to_owned();
    let (first, id) = Event::new("codex-2", "status", "one").line(Stamp::from_unix(1_767_607_200), None);
    let (second, _) = Event::new("codex-2", "status", "two").line(Stamp::from_unix(1_767_607_201), Some(&id));
    events += &String::from_utf8([first, second].concat()).unwrap();
    world.write(EVENTS, &events);
    let message = |task: &str| {
        format!(
            "{{\"ts\": \"2025-09-18T19:20:54Z\", \"from\": \"codex-4\", \"type\": \"status\", {task}\"summary\": \"s\", \"meta\": {{\"a\": [1]}}}}\n"
        )
    };
    world.write(REPORT, &message("\"task_id\": \"manager-report\", ").repeat(2));
    world.write("_report/agent/codex-2/tests.json", "{\"passed\": 3}\n");
    world.write(PLAN_PATH, &pretty(&plan()));
    world.write("_plans/next-development.todo.json", "{\"items\": [{\"id\": \"ND-1\", \"status\": \"pending\"}]}\n");
    world.write("_report/agent/codex-4/manifests/manifest-20251019T130854Z.json", ORDER);
    world.write("AGENT_MANIFEST.json", "{\"agent_id\": \"codex-2\", \"branch_prefix\": \"agent/codex-2/\"}\n");
    world.write("_bus/claims/README.md", "what nobody knows is left alone");
    world.write("_report/usage/anything.json", "{ not JSON, and nobody's business");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "A sound tree"]);
    world
}

const ORDER: &str = r#"{
  "version": 1,
  "manager_agent": "codex-4",
  "plan": {"id": "2025-10-19-autonomy-coordinator", "systemic_targets": ["S1"]},
  "step": {"id": "step-2", "title": "Prototype"},
  "commands": [{"label": "pre_status", "cmd": ["true"]}],
  "expected_receipts": [{"description": "r", "path": "_report/agent/codex-4/runs/<timestamp>.json"}],
  "guardrails": {"run_scan_before": true}
}
"#;

/// `file:line code` of every finding, with `?` before the code of a warning.
fn found(world: &World, args: &[&str]) -> Vec<String> {
    let ran = world.run(&[&["preflight", "full", "--json"], args].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    assert_eq!(ran.code, i32::from(document["errors"] != 0), "{ran:?}");
    let place = |found: &Value| {
        for key in ["message", "hint"] {
            assert!(found[key].as_str().is_some_and(|text| !text.is_empty()), "{found}");
        }
        let mark = if found["level"] == "warning" { "?" } else { "" };
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        format!("{}:{} {mark}{}", text("file"), found["line"], text("code"))
    };
    document["findings"].as_array().unwrap_or_else(|| panic!("{ran:?}")).iter().map(place).collect()
}

#[test]
fn a_sound_tree_has_no_findings_here_or_in_a_clean_clone() {
    let world = sound();
    assert_eq!(found(&world, &["--base", "HEAD"]), [] as [&str; 0]);
    let clone = world.folder().join("clone");
    world.git(&["clone", "-q", world.repo.to_str().unwrap(), clone.to_str().unwrap()]);
    assert_eq!(found(&world, &["--root", clone.to_str().unwrap()]), [] as [&str; 0]);
    assert!(!clone.join(".git/teof").exists(), "preflight leaves nothing behind");
}

/// The faults that the playbook's own trees have, in the smallest form.
#[test]
fn every_real_fault_is_named_with_its_line_in_one_run() {
    let world = sound();
    // A scan's own claim: a status that is none, and nobody knows since when.
    world.write(
        "_bus/claims/ETHICS-ND-068.json",
        "{\n  \"task_id\": \"ETHICS-ND-068\",\n  \"status\": \"pending\",\n  \"agent_id\": \"ethics_gate\",\n  \"branch\": \"agent/ethics/x\",\n  \"note\": \"kept\"\n}\n",
    );
    let nd_025 = CLAIM.replace("QUEUE-001", "ND-025").replace("agent/codex-2/queue-001", "main");
    world.write("_bus/claims/ND-025.json", &nd_025.replace("active", "done"));
    // Early lines without a task, between good ones.
    let good = world.read(REPORT).lines().next().unwrap().to_owned();
    let early = good.replace("\"task_id\": \"manager-report\", ", "");
    world.write(REPORT, &format!("{early}\n{good}\n{early}\n"));
    // A plan of before the layers, with a receipt that is not there, and one listed twice.
    let mut old = plan();
    old["plan_id"] = json!("2025-09-18-staleness");
    for key in ["layer", "systemic_scale", "systemic_targets"] {
        old.as_object_mut().unwrap().shift_remove(key);
    }
    old["steps"][1]["receipts"] = json!(["_report/agent/codex-2/tests.json"]);
    old["receipts"] = json!(["_report/agent/codex-3/pytest.json"]);
    world.write("_plans/2025-09-18-staleness.plan.json", &pretty(&old));
    world.write("_plans/2025-09-18-staleness.md", "# Stale\n");
    // Damage: cut short, conflicted, no regular file.
    world.write("_bus/claims/CUT.json", &CLAIM[..60]);
    world.write("_bus/assignments/A.json", "{\n<<<<<<< HEAD\n}\n");
    symlink("/etc/passwd", world.repo.join("_bus/claims/LINK.json")).unwrap();
    world.write(EVENTS, &(world.read(EVENTS).replace("\"one\"", "\"two\"") + "{\"ts\":\"20"));
    world.write("_bus/messages/BUS-COORD-0009.jsonl", &(good.replace("\"status\"", "\"directive\"") + "\n"));
    world.write("_report/agent/codex-4/manifests/manifest-20251019T130855Z.json", "{\n  \"version\": 1\n}\n");
    world.git(&["add", "-A"]);
    assert_eq!(
        found(&world, &[]),
        [
            "_bus/assignments/A.json:2 assignment.unreadable",
            "_bus/claims/CUT.json:3 claim.unreadable",
            "_bus/claims/ETHICS-ND-068.json:1 claim.field",
            "_bus/claims/ETHICS-ND-068.json:3 claim.status",
            "_bus/claims/LINK.json:1 file.not_regular",
            "_bus/claims/ND-025.json:3 claim.branch",
            "_bus/events/events.jsonl:3 event.altered",
            "_bus/events/events.jsonl:4 event.gap",
            "_bus/events/events.jsonl:5 event.torn",
            "_bus/messages/BUS-COORD-0009.jsonl:1 message.no_pointer",
            "_bus/messages/manager-report.jsonl:1 message.field",
            "_bus/messages/manager-report.jsonl:3 message.field",
            "_plans/2025-09-18-staleness.plan.json:1 plan.layer",
            "_plans/2025-09-18-staleness.plan.json:1 plan.systemic_scale",
            "_plans/2025-09-18-staleness.plan.json:1 plan.systemic_targets",
            "_plans/2025-09-18-staleness.plan.json:24 receipt.duplicate",
            "_plans/2025-09-18-staleness.plan.json:40 receipt.missing",
            "_report/agent/codex-4/manifests/manifest-20251019T130855Z.json:1 order.invalid",
        ]
    );
}

#[test]
fn a_receipt_that_git_does_not_keep_is_not_evidence() {
    let world = sound();
    world.git(&["rm", "-q", "--cached", "_report/agent/codex-2/tests.json"]);
    assert_eq!(found(&world, &[]), [] as [&str; 0], "HEAD has it still");
    world.git(&["commit", "-qm", "Forget it"]);
    assert_eq!(found(&world, &[]), [format!("{PLAN_PATH}:38 receipt.untracked")]);
}

#[test]
fn a_receipt_in_the_ledger_awaits_its_commit_and_then_git_must_keep_it() {
    let world = sound();
    world.git(&["rm", "-q", "--cached", "_report/agent/codex-2/tests.json"]);
    world.git(&["commit", "-qm", "Forget it"]);
    world.ok(&["receipts", "add", "_report/agent/codex-2/tests.json", "--agent", "codex-2"]);
    assert_eq!(found(&world, &[]), [] as [&str; 0]);
    world.git(&["add", "_report/receipts.jsonl"]);
    world.git(&["commit", "-qm", "The ledger alone"]);
    assert_eq!(found(&world, &[]), [format!("{PLAN_PATH}:38 receipt.untracked")]);
}

#[test]
fn logs_only_grow_and_old_faults_only_warn() {
    let world = sound();
    let bad = "{\"ts\": \"2025-09-18T19:20:54Z\", \"from\": \"a\", \"type\": \"status\", \"summary\": \"s\"}\n";
    world.write(REPORT, &(bad.to_owned() + &world.read(REPORT)));
    world.git(&["commit", "-qam", "An early line"]);
    world.write(REPORT, &(world.read(REPORT) + bad));
    assert_eq!(
        found(&world, &["--base", "HEAD"]),
        [format!("{REPORT}:1 ?message.field"), format!("{REPORT}:4 message.field")]
    );

    let world = sound();
    let events = world.read(EVENTS);
    let lines: Vec<&str> = events.lines().collect();
    world.write(EVENTS, &format!("{}\n", lines[0]));
    world.write("_bus/events/events-20260105T100000Z.jsonl", &format!("{}\n{}\n", lines[3], lines[2]));
    assert_eq!(found(&world, &["--base", "HEAD"]), [format!("{EVENTS}:2 log.lost")], "sealed lines are still there");
    std::fs::remove_file(world.repo.join(EVENTS)).unwrap();
    assert_eq!(found(&world, &["--base", "HEAD"]), [format!("{EVENTS}:1 log.lost")]);
}

#[test]
fn two_branches_that_claimed_one_task_are_told() {
    let world = sound();
    world.git(&["switch", "-qc", "theirs", "HEAD"]);
    world.write(CLAIM_PATH, &CLAIM.replace("codex-2", "codex-3"));
    assert_eq!(found(&world, &["--base", "main"]), [format!("{CLAIM_PATH}:2 claim.two_owners")]);
    let taken_over = CLAIM.replace("codex-2", "codex-3").replace("\"plan_id\"", "\"epoch\": 1,\n  \"plan_id\"");
    world.write(CLAIM_PATH, &taken_over);
    assert_eq!(found(&world, &["--base", "main"]), [] as [&str; 0]);
    std::fs::remove_file(world.repo.join(CLAIM_PATH)).unwrap();
    assert_eq!(found(&world, &["--base", "main"]), [format!("{CLAIM_PATH}:1 claim.removed")]);
}

#[test]
fn nothing_goes_back_from_done() {
    let world = sound();
    let mut back = plan();
    back["steps"][0]["status"] = json!("in_progress");
    world.write(PLAN_PATH, &pretty(&back));
    assert_eq!(found(&world, &[]), [] as [&str; 0]);
    assert_eq!(found(&world, &["--base", "HEAD"]), [format!("{PLAN_PATH}:12 step.regression")]);
    std::fs::remove_file(world.repo.join(PLAN_PATH)).unwrap();
    assert_eq!(found(&world, &["--base", "HEAD"]), [format!("{PLAN_PATH}:1 ?plan.removed")]);
}

#[test]
fn annotations_cannot_be_broken_out_of() {
    let world = sound();
    world.write(CLAIM_PATH, &CLAIM.replace("active", "x\\n::stop-commands::now%0A\\u001b[2J"));
    let ran = world.run(&["preflight", "full", "--format", "github"]).expect(1);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.starts_with(&format!("::error file={CLAIM_PATH},line=6,title=claim.status::status x ::stop-")));
    assert!(ran.stdout.contains("now%250A") && !ran.stdout.contains('\u{1b}'));
    let human = world.run(&["preflight", "full"]).expect(1);
    assert!(human.stdout.starts_with(&format!("{CLAIM_PATH}:6: error [claim.status] status x ::stop-commands")));
    assert!(human.stderr.contains("1 error, 0 warnings"));
}

#[test]
fn an_unknown_base_says_how_to_get_it() {
    let world = sound();
    let error = world.refused(&["preflight", "full", "--base", "origin/main"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("base.unknown"), Some(4)));
    assert!(error["next"][0].as_str().unwrap().contains("git fetch"));
}

#[test]
fn core_is_about_the_seat_its_session_and_its_receipts() {
    let world = sound();
    let codes = |args: &[&str]| -> Vec<String> {
        let ran = world.run(&[&["preflight", "core", "--json"], args].concat());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
        document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(codes(&[]), ["session.missing"]);
    let tail = "_report/session/codex-2/manager-report-tail.txt";
    world.write(tail, &format!("# captured_at={}\n", teof::base::Clock::Machine.now()));
    assert_eq!(codes(&[]), [] as [&str; 0]);
    world.write(tail, "# captured_at=2025-01-01T00:00:00Z\n");
    std::fs::remove_file(world.repo.join("_report/agent/codex-2/tests.json")).unwrap();
    world.git(&["switch", "-qc", "agent/codex-9/x"]);
    assert_eq!(codes(&[]), ["seat.branch", "receipt.missing", "session.stale"]);
}

/// Codes are an interface: who filters or looks one up finds it in the documentation.
#[test]
fn every_code_of_the_guards_is_documented() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/codes.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        page.lines().map(|line| line.split(" | ").collect()).filter(|row: &Vec<_>| row.len() > 2).collect();
    let is_documented = |code: &str, severities: &[&str]| {
        let shown = format!("`{code}`");
        rows.iter().any(|row| row[0].contains(&shown) && severities.iter().any(|severity| row[1].contains(severity)))
    };
    let mut folders =
        vec![root.join("src/guard/preflight"), root.join("src/guard/result"), root.join("src/guard/sentinels")];
    let mut missing = Vec::new();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let calls: [(&str, &[&str]); 5] = [
            ("Finding::high(", &["high", "error", "blocks"]),
            ("Finding::medium(", &["medium", "error"]),
            ("Finding::low(", &["low", "warning"]),
            ("note(", &[""]),
            ("warn(", &[""]),
        ];
        for (call, severities) in calls {
            for after in source.split(call).skip(1) {
                // The code is the first of the call's texts that has a dot and nothing else of a sentence.
                let texts = after.split('"').skip(1).step_by(2).take(2);
                let is_code = |text: &&str| {
                    text.contains('.') && text.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
                };
                let code = texts.into_iter().find(is_code).filter(|code| !is_documented(code, severities));
                missing.extend(code.map(str::to_owned));
            }
        }
    }
    // Whole families stand as `event.*`.
    missing
        .retain(|code| !["event", "message", "receipt"].iter().any(|family| code.starts_with(&format!("{family}."))));
    assert_eq!(missing, [] as [&str; 0]);
}
