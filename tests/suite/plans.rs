//! Plans on the command line: made, edited, checked, approved.

use std::process::Stdio;

use serde_json::json;

use crate::harness::World;

/// As hand-written plans are: one-line arrays, fields that teof does not know, no final newline.
const PLAN: &str = r#"{
  "version": 0,
  "plan_id": "2026-01-05-docs",
  "stage": "hand-written",
  "created": "2026-01-05T10:00:00Z",
  "actor": "codex-1",
  "summary": "Write the docs",
  "status": "queued",
  "systemic_targets": ["S1", "S4"], "layer_targets": ["L5"],
  "layer": "L5",
  "systemic_scale": 4,
  "steps": [
    { "id": "S1", "title": "Outline", "status": "queued", "stage": 1.50, "receipts": [] },
    {
      "id": "S2",
      "title": "Write",
      "status": "pending",
      "commands": [["make", "docs"]],
      "receipts": []
    }
  ],
  "checkpoint": {"description": "readable", "owner": "codex-1", "status": "pending"},
  "links": [],
  "receipts": []
}"#;

const PATH: &str = "_plans/2026-01-05-docs.plan.json";

fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T12:00:00Z".into());
    world.write(PATH, PLAN);
    world
}

#[test]
fn an_edit_changes_the_lines_of_the_edit_only() {
    let world = world();
    world.ok(&["plan", "step", "set", "2026-01-05-docs", "S1", "--status", "in_progress"]);
    let outlined = PLAN.replacen("\"Outline\", \"status\": \"queued\"", "\"Outline\", \"status\": \"in_progress\"", 1);
    assert_eq!(world.read(PATH), outlined);
    world.ok(&["plan", "step", "set", PATH, "S2", "--note", "half\nway"]);
    let noted =
        outlined.replacen("\"receipts\": []\n    }", "\"receipts\": [],\n      \"notes\": \"half\\nway\"\n    }", 1);
    assert_eq!(world.read(PATH), noted);
    world.ok(&["plan", "status", "2026-01-05-docs.plan.json", "in_progress"]);
    assert_eq!(world.read(PATH), noted.replacen("  \"status\": \"queued\"", "  \"status\": \"in_progress\"", 1));
}

#[test]
fn an_edit_that_breaks_the_plan_is_refused() {
    let world = world();
    world.ok(&["plan", "step", "set", "2026-01-05-docs", "S1", "--status", "done"]);
    let before = world.read(PATH);
    let code = |args: &[&str]| world.refused(args)["code"].as_str().unwrap().to_owned();
    assert_eq!(code(&["plan", "step", "set", PATH, "S1", "--status", "blocked"]), "plan.transition");
    assert_eq!(code(&["plan", "step", "set", PATH, "S9", "--status", "done"]), "step.not_found");
    assert_eq!(code(&["plan", "step", "add", PATH, "--id", "S2", "--title", "again"]), "plan.invalid");
    assert_eq!(code(&["plan", "step", "add", PATH, "--title", " "]), "plan.invalid");
    assert_eq!(code(&["plan", "status", "dosc", "done"]), "plan.not_found");
    assert_eq!(code(&["plan", "status", "../../etc/x.plan.json", "done"]), "path.outside");
    assert_eq!(world.read(PATH), before);
    world.ok(&["plan", "step", "add", PATH, "--title", "Third"]);
    let error = {
        world.ok(&["plan", "step", "set", PATH, "S2", "--status", "in_progress"]);
        world.refused(&["plan", "step", "set", PATH, "S3", "--status", "in_progress"])
    };
    assert_eq!(error["findings"][0]["code"], "plan.two_in_progress");
}

#[test]
fn a_checkpoint_is_satisfied_by_evidence_only() {
    let world = world();
    let mut plan = world.read_json(PATH);
    plan["receipts"] = serde_json::json!([]);
    world.write(PATH, &plan.to_string());
    assert_eq!(world.refused(&["plan", "checkpoint", PATH, "satisfied"])["code"], "plan.no_evidence");
    let how = "all steps are done; if its goal is reached: teof plan checkpoint";
    assert!(!world.ok(&["plan", "show", PATH]).contains(how));
    for step in plan["steps"].as_array_mut().unwrap() {
        step["status"] = "done".into();
    }
    world.write(PATH, &plan.to_string());
    assert!(world.ok(&["plan", "show", PATH]).contains(how));
    world.ok(&["plan", "checkpoint", PATH, "superseded"]);
    assert!(!world.ok(&["plan", "show", PATH]).contains(how));
    assert_eq!(world.read_json(PATH)["checkpoint"]["status"], "superseded");
}

#[test]
fn a_step_is_given_what_a_worker_needs() {
    let world = world();
    let work = ["--command", "make all", "--command", "make docs", "--test", "make check", "--diff-limit", "20"];
    world.ok(&[&["plan", "step", "add", PATH, "--title", "Third", "--allow", "docs/**"][..], &work].concat());
    let steps = world.read_json(PATH)["steps"].clone();
    let third = steps.as_array().unwrap().last().unwrap();
    assert_eq!(third["commands"], serde_json::json!(["make all", "make docs"]));
    assert_eq!((third["diff_limit"].as_u64(), third["allowed"][0].as_str()), (Some(20), Some("docs/**")));
    let before = world.read(PATH);
    assert_eq!(world.refused(&["plan", "step", "set", PATH, "S1", "--command", " "])["code"], "plan.empty");
    assert_eq!(world.refused(&["plan", "step", "set", PATH, "S1", "--expect", "../x"])["code"], "path.outside");
    assert_eq!(world.read(PATH), before);
    world.ok(&["plan", "step", "set", PATH, "S1", "--test", "true"]);
    assert_eq!(world.read_json(PATH)["steps"][0]["tests"], serde_json::json!(["true"]));
}

#[test]
fn a_plan_that_was_wrong_before_can_still_be_edited() {
    let world = world();
    let wrong = PLAN.replace("  \"layer\": \"L5\",\n", "").replace("\"queued\", \"stage\"", "\"completed\", \"stage\"");
    world.write(PATH, &wrong);
    world.ok(&["plan", "step", "set", PATH, "S2", "--status", "in_progress"]);
    assert_eq!(world.read(PATH), wrong.replace("\"pending\",\n      \"comm", "\"in_progress\",\n      \"comm"));
    let ran = world.run(&["plan", "validate", "--json"]).expect(1);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = summary["plans"][0]["findings"].as_array().unwrap();
    let places: Vec<_> = found.iter().map(|f| (f["code"].as_str().unwrap(), f["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [("step.status", 12), ("plan.layer", 1)]);
}

#[test]
fn a_receipt_is_attached_only_when_it_can_be_shown() {
    let world = world();
    let code = |file: &str| world.refused(&["plan", "attach", PATH, "S1", "--file", file])["code"].clone();
    assert_eq!(code("_report/none.json"), "receipt.missing");
    assert_eq!(code("../x"), "path.outside");
    world.write("_report/bad.json", "{");
    assert_eq!(code("_report/bad.json"), "receipt.damaged");
    std::os::unix::fs::symlink("/etc/hosts", world.repo.join("_report/link.txt")).unwrap();
    assert_eq!(code("_report/link.txt"), "file.not_regular");
    world.write("docs/untracked.md", "x");
    world.write("_plans/2026-01-05-docs.md", "Why, which people go on editing");
    assert_eq!(code("_plans/2026-01-05-docs.md"), "receipt.untracked");
    assert_eq!(code("docs/untracked.md"), "receipt.untracked");
    assert_eq!(world.read(PATH), PLAN);

    let sealed = "{\"a\": 1, \"receipt_sha256\": \"x\"}";
    world.write("_report/tests.json", sealed);
    let done = world.json(&["plan", "attach", PATH, "S1", "--file", "_report/tests.json"]);
    assert_eq!(done["entered"], true);
    assert_eq!(world.read("_report/tests.json"), sealed, "the receipt itself is left as it is");
    assert_eq!(world.lines("_report/receipts.jsonl")[0]["path"], "_report/tests.json");
    let after = world.read(PATH);
    let wanted = PLAN.replacen("\"receipts\": [] }", "\"receipts\": [\"_report/tests.json\"] }", 1).replacen(
        "\"receipts\": []\n}",
        "\"receipts\": [\n    \"_report/tests.json\"\n  ]\n}",
        1,
    );
    assert_eq!(after, wanted);
    world.ok(&["plan", "attach", PATH, "S1", "--file", "_report/tests.json"]);
    assert_eq!((world.read(PATH), world.lines("_report/receipts.jsonl").len()), (after, 1), "again changes nothing");
    let twice = world.refused(&["plan", "attach", PATH, "S2", "--file", "_report/tests.json"]);
    assert_eq!(twice["code"], "receipt.duplicate", "a receipt stands once among all steps");

    world.git(&["add", "docs"]);
    world.ok(&["plan", "attach", PATH, "S2", "--file", "docs/untracked.md"]);
    world.ok(&["plan", "validate", "--strict"]);
}

#[test]
fn a_plan_may_be_named_in_any_script_and_its_urgency_in_words() {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".into());
    let new = |name: &str, priority: &str| {
        let args = ["--summary", "Fix it", "--actor", "codex-1", "--priority", priority, "--impact-score", "5"];
        [&["plan", "new", name], &args[..], &["--layer", "L5", "--systemic-scale", "6", "--allow-unclaimed"]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let id = |name: &str, priority: &str| {
        let args = new(name, priority);
        let made = world.json(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let plan = world.read_json(made["path"].as_str().unwrap());
        (made["plan_id"].as_str().unwrap().to_owned(), plan["priority"].as_u64().unwrap())
    };
    let (nameless, urgency) = id("\u{1f389} !", "high");
    let digest = nameless.strip_prefix("2026-01-05-request-").unwrap();
    assert!(digest.len() == 6 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{nameless}");
    assert_eq!(urgency, 1);
    assert_eq!(id("日本語だけ", "low").0, "2026-01-05-ri-ben-yu-dake");
    assert_ne!(id("READMEを日本語に直してほしい", "2").0, id("READMEを中国語に直してほしい", "2").0);
    assert_eq!(id("Größe prüfen", "medium"), ("2026-01-05-grosse-prufen".to_owned(), 3));
    world.ok(&["plan", "validate"]);
    for (name, priority, code, word) in
        [(" ", "2", "plan.name", "empty"), ("Fix", "soon", "usage", "high, medium, low")]
    {
        let args = new(name, priority);
        let error = world.refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(error["code"] == code && error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_new_plan_needs_a_claim_and_comes_with_its_justification() {
    let world = world();
    let new = ["plan", "new", "Fix the Parser!", "--summary", "Fix it", "--actor", "codex-1", "--priority", "2"];
    let new = [&new[..], &["--impact-score", "5", "--layer", "L5", "--systemic-scale", "6", "--scaffold"]].concat();
    let seat = world.teof(&[&new[..], &["--json"]].concat()).env("TEOF_AGENT", "codex-1").output().unwrap();
    assert!(String::from_utf8_lossy(&seat.stderr).contains("plan.unclaimed"), "{seat:?}");
    let bare = ["plan", "new", "other", "--summary", "Other"];
    let seat = world.teof(&[&bare[..], &["--json"]].concat()).env("TEOF_AGENT", "codex-1").output().unwrap();
    assert!(String::from_utf8_lossy(&seat.stderr).contains("plan.missing"), "{seat:?}");
    assert!(!world.exists("_plans/2026-01-05-fix-the-parser.md") && !world.exists("_plans/2026-01-05-other.md"));
    // A person needs a name and a summary.
    world.json(&bare);
    let other = world.read_json("_plans/2026-01-05-other.plan.json");
    assert_eq!(
        (&other["layer"], &other["systemic_targets"], &other["impact_score"]),
        (&json!("L5"), &json!(["S4", "S6"]), &json!(1))
    );
    world.write(
        "_bus/claims/Q-1.json",
        r#"{"task_id": "Q-1", "agent_id": "codex-1", "branch": "agent/codex-1/q-1", "status": "active", "claimed_at": "2026-01-05T11:00:00Z", "plan_id": "2026-01-05-fix-the-parser"}"#,
    );
    let made = world.json(&new);
    assert_eq!(made["path"], "_plans/2026-01-05-fix-the-parser.plan.json");
    assert!(world.read("_plans/2026-01-05-fix-the-parser.md").starts_with("# Fix it\n"));
    assert!(world.exists("_report/agent/codex-1/2026-01-05-fix-the-parser/design.md"));
    world.ok(&["plan", "validate", "--strict", "2026-01-05-fix-the-parser"]);
    assert_eq!(world.refused(&new)["code"], "file.exists");
}

#[test]
fn a_plan_is_shown_with_its_tests_and_with_why_a_step_is_blocked() {
    let world = world();
    let mut plan = world.read_json(PATH);
    plan["steps"][1]["status"] = "blocked".into();
    plan["steps"][1]["tests"] = serde_json::json!(["make check"]);
    plan["steps"][1]["last_run"] =
        serde_json::json!({"outcome": "blocked", "reason": "30 changed lines, 20 are allowed"});
    world.write(PATH, &plan.to_string());
    let shown = world.ok(&["plan", "show", PATH]);
    assert!(shown.contains("      test: $ make check\n"), "{shown}");
    assert!(shown.contains("      last run blocked: 30 changed lines, 20 are allowed\n"), "{shown}");
}

#[test]
fn an_approval_is_for_the_exact_commands() {
    let world = world();
    let shown = world.json(&["plan", "show", PATH]);
    let digest = shown["commands_digest"].as_str().unwrap();
    assert_eq!(world.refused(&["plan", "approve", PATH, "--digest", "0"])["code"], "plan.digest");
    let approved = world.json(&["plan", "approve", PATH, "--digest", digest]);
    assert_eq!(approved["digest"], digest);
    let trust = std::fs::read_to_string(world.repo.join(".git/teof/trust.json")).unwrap();
    assert!(trust.contains(digest));
    world.ok(&["plan", "step", "set", PATH, "S2", "--status", "done"]);
    assert_eq!(world.json(&["plan", "show", PATH])["commands_digest"], digest);
    let inside_a_run = world.teof(&["plan", "approve", PATH]).env("TEOF_RUN", "r1").output().unwrap();
    assert_eq!(inside_a_run.status.code(), Some(6));
}

#[test]
fn plans_are_listed_by_urgency_and_damaged_ones_are_named() {
    let world = world();
    world.write(
        "_plans/2026-01-04-urgent.plan.json",
        r#"{"plan_id": "2026-01-04-urgent", "priority": 1, "status": "done"}"#,
    );
    world.write("_plans/2026-01-03-damaged.plan.json", "{\n");
    let list = world.json(&["plan", "list"]);
    let ids: Vec<_> = list["plans"].as_array().unwrap().iter().map(|row| row["plan_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["2026-01-04-urgent", "2026-01-05-docs"]);
    assert_eq!(list["plans"][1]["steps"], serde_json::json!({"done": 0, "total": 2}));
    assert_eq!(list["damaged"][0]["path"], "_plans/2026-01-03-damaged.plan.json");
    assert!(world.ok(&["plan", "list"]).ends_with("1 done, 1 queued\n"));
}

#[test]
fn edits_by_many_processes_at_once_are_all_there() {
    let world = world();
    let adding: Vec<_> = (0..12)
        .map(|i| {
            let file = format!("_report/{i}.txt");
            world.write(&file, "evidence");
            let title = format!("from {i}");
            let start = |args: &[&str]| {
                let mut command = world.teof(args);
                command.env("TEOF_LOCK_WAIT", "60s").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            };
            let step = start(&["plan", "step", "add", PATH, "--title", &title]);
            [step, start(&["plan", "attach", PATH, "S1", "--file", &file])]
        })
        .collect();
    for child in adding.into_iter().flatten() {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let plan = world.read_json(PATH);
    let steps = plan["steps"].as_array().unwrap();
    let ids: std::collections::BTreeSet<_> = steps.iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!((steps.len(), ids.len()), (14, 14));
    assert_eq!(steps[0]["receipts"].as_array().unwrap().len(), 12);
    world.ok(&["plan", "validate", "--strict"]);
    world.ok(&["receipts", "verify", "--all"]);
}

#[test]
fn hostile_plans_are_named_and_change_nothing() {
    let world = world();
    let deep = "[".repeat(100_000);
    let hostile: [(&str, &[u8]); 5] = [
        ("2026-01-01-deep", deep.as_bytes()),
        ("2026-01-01-binary", b"{\"plan_id\": \"\xff\xfe\"}"),
        ("2026-01-01-array", b"[1]"),
        ("2026-01-01-empty", b""),
        ("2026-01-01-bell", b"{\"summary\": \"\\u001b[31mred\\u0007\", \"status\": \"\\u001b]0;x\"}"),
    ];
    for (id, bytes) in hostile {
        std::fs::write(world.repo.join(format!("_plans/{id}.plan.json")), bytes).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", world.repo.join("_plans/2026-01-01-link.plan.json")).unwrap();
    let mkfifo = std::process::Command::new("mkfifo").arg(world.repo.join("_plans/2026-01-01-fifo.plan.json")).status();
    assert!(mkfifo.unwrap().success());
    let listed = world.json(&["plan", "list"]);
    assert_eq!(listed["damaged"].as_array().unwrap().len(), 6);
    let ran = world.run(&["plan", "validate"]).expect(1);
    assert_eq!(ran.stdout.matches("plan.unreadable").count(), 6);
    assert!(!world.ok(&["plan", "list"]).contains('\u{1b}') && !ran.stdout.contains('\u{1b}'));
    for plan in ["2026-01-01-deep", "2026-01-01-link", "../x", "a\nb", "\u{1b}[31m", &"x".repeat(10_000)] {
        let error = world.refused(&["plan", "step", "add", plan, "--title", "t"]);
        assert!([1, 2, 4].contains(&error["exit"].as_u64().unwrap()), "{plan:?}: {error}");
    }
    let huge = "x".repeat(100_000);
    world.ok(&["plan", "step", "set", PATH, "S1", "--note", &huge]);
    assert_eq!(world.read(PATH).len(), PLAN.len() + huge.len() + ", \"notes\": \"\"".len());
}

#[test]
fn the_documented_priority_scale_is_the_one_that_counts() {
    let code = include_str!("../../src/model/priority.rs");
    let docs = include_str!("../../docs/plans.md");
    let table: Vec<_> = code.lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    assert_eq!(table.len(), 8);
    for row in table {
        assert!(docs.contains(&format!("\n|{row}\n")), "{row}");
    }
}
