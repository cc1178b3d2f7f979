//! Evidence is what a clone would have: anything else is refused where it is entered.

use std::fs;

use crate::harness::World;

const SEAT: &str = "codex-1";
const PLAN: &str = "2026-01-05-a";

/// A repository with a seat, its session and a plan.
fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.ok(&["init", "--agent", SEAT]);
    world.ok(&["session-boot", "--no-sync"]);
    let plan = format!(
        "{{\"plan_id\": \"{PLAN}\", \"status\": \"queued\", \"steps\": [{{\"id\": \"S1\", \"title\": \"t\"}}]}}"
    );
    world.write(&format!("_plans/{PLAN}.plan.json"), &plan);
    world
}

/// Every way in which a file is named as evidence.
fn ways(path: &str) -> Vec<Vec<String>> {
    let event = ["bus", "event", "--event", "observation", "--summary", "s", "--receipt", path];
    let message = ["bus", "message", "--task", "T", "--type", "note", "--summary", "s", "--receipt", path];
    let ways: [&[&str]; 5] = [
        &["receipts", "add", path],
        &["plan", "attach", PLAN, "S1", "--file", path],
        &event,
        &message,
        &["plan", "step", "set", PLAN, "S1", "--expect", path],
    ];
    ways.iter().map(|way| way.iter().map(|&word| word.to_owned()).collect()).collect()
}

#[track_caller]
fn refused_everywhere(world: &World, path: &str, code: &str) -> String {
    let before = world.git(&["status", "--porcelain", "-uall"]);
    let mut fix = String::new();
    for way in ways(path) {
        let args: Vec<&str> = way.iter().map(String::as_str).collect();
        let error = world.refused(&args);
        assert_eq!(error["code"], code, "{args:?}: {error}");
        fix = error["next"][0].as_str().unwrap().to_owned();
    }
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), before, "nothing was written");
    fix
}

#[test]
fn evidence_that_git_ignores_is_refused_wherever_it_is_entered() {
    let world = world();
    world.write(".gitignore", "*.log\n");
    world.write(".git/info/exclude", "*.tmp\n");
    world.write("_report/agent/codex-1/it's a.log", "3 passed\n");
    world.write("_report/agent/codex-1/b.tmp", "3 passed\n");
    refused_everywhere(&world, "_report/agent/codex-1/b.tmp", "receipt.ignored");
    let fix = refused_everywhere(&world, "_report/agent/codex-1/it's a.log", "receipt.ignored");
    world.follow(&format!("fix: {fix}"));
    world.ok(&["receipts", "add", "_report/agent/codex-1/it's a.log"]);
    // A repository inside the repository keeps its files for itself.
    fs::create_dir_all(world.repo.join("_report/agent/codex-1/inner/.git")).unwrap();
    world.write("_report/agent/codex-1/inner/a.txt", "x");
    refused_everywhere(&world, "_report/agent/codex-1/inner/a.txt", "receipt.ignored");
}

#[test]
fn evidence_that_git_may_change_is_refused_wherever_it_is_entered() {
    let world = world();
    let receipt = "_report/agent/codex-1/r.json";
    world.write(receipt, "{}\n");
    for rule in ["text=auto", "eol=lf text", "filter=lfs", "ident", "working-tree-encoding=UTF-16"] {
        // Stronger than what `init` wrote.
        world.write(".git/info/attributes", &format!("*.json {rule}\n"));
        let error = world.refused(&["receipts", "add", receipt]);
        assert_eq!(error["code"], "receipt.converted", "{rule}: {error}");
        assert!(error["next"][0].as_str().unwrap().contains("info/attributes"), "{error}");
    }
    world.write(".git/info/attributes", "*.json filter=lfs\n*.bin filter=lfs\n");
    refused_everywhere(&world, receipt, "receipt.converted");
    // Outside the record too: a clone would have a pointer. Line endings do not matter where no digest is kept.
    world.write(".git/info/attributes", "*.bin filter=lfs\n*.md text eol=crlf\n");
    world.write("out.bin", "x");
    let event = ["bus", "event", "--event", "observation", "--summary", "s", "--receipt"];
    assert_eq!(world.refused(&[&event[..], &["out.bin"]].concat())["code"], "receipt.converted");
    world.ok(&[&event[..], &["README.md"]].concat());
    world.ok(&["receipts", "add", receipt]);
}

#[test]
fn a_tree_without_attributes_gets_them_with_its_first_receipt() {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.write(".gitattributes", "* text=auto\n*.json filter=lfs\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "attributes"]);
    world.write("_report/r.json", "{\n}\n");
    world.ok(&["receipts", "add", "_report/r.json", "--agent", SEAT]);
    world.git(&["config", "core.autocrlf", "true"]);
    world.ok(&["bus", "commit"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    let clone = world.folder().join("clone");
    world.git(&["clone", "-q", "-c", "core.autocrlf=true", ".", clone.to_str().unwrap()]);
    world.ok(&["--root", clone.to_str().unwrap(), "receipts", "verify"]);
}

#[test]
fn files_that_teof_rewrites_are_no_receipts() {
    let world = world();
    world.write("_report/agent/codex-1/state.json", "{}");
    for path in ["_report/agent/codex-1/state.json", "_report/session/codex-1/manager-report-tail.txt"] {
        let error = world.refused(&["receipts", "add", path]);
        assert_eq!(error["code"], "receipts.rewritten", "{error}");
        world.follow(error["next"][0].as_str().unwrap());
    }
    assert_eq!(
        world.lines("_report/receipts.jsonl").last().unwrap()["path"],
        "_report/agent/codex-1/manager-report-tail.txt"
    );
    world.ok(&["session-boot", "--no-sync"]);
    world.ok(&["receipts", "verify"]);
}

#[test]
fn a_text_or_file_with_a_secret_does_not_enter_the_record() {
    let world = world();
    let token = ["dop_v1_", "8f14e45fceea167a5a36dedd4bea2543", "8f14e45fceea167a5a36dedd4bea2543"].concat();
    let secret = format!("log in with {token} first");
    let before = world.git(&["status", "--porcelain", "-uall"]);
    let texts: [&[&str]; 10] = [
        &["bus", "event", "--event", "observation", "--summary", &secret],
        &["bus", "event", "--event", "observation", "--summary", "s", "--extra", &format!("k={secret}")],
        &["bus", "message", "--task", "manager-report", "--type", "note", "--summary", "s", "--note", &secret],
        &["bus", "claim", "T1", "--allow-unassigned", "--notes", &secret],
        &["task", "add", "T1", "--title", &secret],
        &["task", "assign", "T1", "--engineer", SEAT, "--note", &secret],
        &["plan", "step", "set", PLAN, "S1", "--note", &secret],
        &["plan", "step", "add", PLAN, "--title", "t", "--command", &secret],
        &["plan", "new", "n", "--summary", &secret, "--priority", "1", "--impact-score", "1", "--allow-unclaimed"],
        &["coordinator", "submit", "--objective", &secret],
    ];
    for args in texts {
        let error = world.refused(args);
        assert_eq!(error["code"], "text.secret", "{args:?}: {error}");
        assert!(!error.to_string().contains(&token), "the secret is not repeated: {error}");
    }
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), before, "nothing was written");
    world.write("_report/agent/codex-1/out.txt", &format!("ok\n{secret}\n"));
    for args in [
        &["receipts", "add", "_report/agent/codex-1/out.txt"][..],
        &["plan", "attach", PLAN, "S1", "--file", "_report/agent/codex-1/out.txt"],
    ] {
        let error = world.refused(args);
        assert_eq!((error["code"].as_str(), error["line"].as_u64()), (Some("receipt.secret"), Some(2)), "{error}");
    }
    // Another tool's line is found afterwards.
    world.write("_bus/messages/x.jsonl", &format!("{{\"summary\": \"{secret}\"}}\n"));
    assert!(world.run(&["scan", "--json"]).expect(1).stdout.contains("secret.in_record"));
}
