//! Damaged and hostile files cost little: words are counted instead of listed, and nothing waits for a FIFO.

use std::fs;

use serde_json::{Value, json};

use crate::harness::World;

#[test]
fn a_log_of_bad_lines_is_counted_and_not_listed() {
    let world = World::new();
    world.write("_bus/events/events.jsonl", &"{}\n".repeat(20_000));
    for command in [&["preflight", "full"][..], &["bus", "verify"]] {
        let ran = world.run(&[command, &["--json"]].concat()).expect(1);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["errors"], 80_000, "every fault of every line");
        assert!(report["findings"].as_array().unwrap().len() <= 101);
        assert!(world.run(command).stdout.contains("more like this"));
    }
    let scan = world.json(&["scan"]);
    assert_eq!(scan["low"], 80_000);
}

#[test]
fn a_fifo_or_a_folder_among_the_machines_own_files_is_refused_and_never_waited_for() {
    let world = World::new();
    let event = ["bus", "event", "--agent", "s0", "--event", "note", "--summary", "x", "--allow-stale-session"];
    let again = [&event[..], &["--request-id", "r1"]].concat();
    world.ok(&again);
    for name in ["locks/bus.lock", "intents/current", "requests/pruned", "marks/logs/_bus%events%events.jsonl", "hub"] {
        let path = world.repo.join(".git/teof").join(name);
        let aside = world.folder().join("aside");
        let was_there = fs::rename(&path, &aside).is_ok();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for fifo in [true, false] {
            if fifo {
                let mode = 0o600.into();
                rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
            }
            for command in [&event[..], &again, &["bus", "status"], &["bus", "verify"], &["doctor"]] {
                let code = world.run(command).code;
                assert!((0..=6).contains(&code), "{name}, FIFO {fifo}: {command:?} ended with {code}");
            }
            if fifo { fs::remove_file(&path).unwrap() } else { fs::remove_dir(&path).unwrap() }
        }
        if was_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
    world.ok(&event);
}

#[test]
fn a_plan_of_thousands_of_bad_steps_is_counted_and_not_listed() {
    let world = World::new();
    let step = |n: usize| json!({"id": n, "title": n, "status": "zzz", "receipts": [format!("nope{n}")]});
    let steps: Vec<Value> = (0..3000).map(step).collect();
    let plan = json!({"plan_id": "2026-01-05-bad", "status": "queued", "summary": 1, "steps": steps});
    world.write("_plans/2026-01-05-bad.plan.json", &serde_json::to_string_pretty(&plan).unwrap());
    let ran = world.run(&["plan", "validate", "--json"]).expect(1);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = report["plans"][0]["findings"].as_array().unwrap();
    let of_ids: Vec<&Value> = found.iter().filter(|finding| finding["code"] == "step.id").collect();
    assert_eq!(of_ids.len(), 1001);
    assert_eq!(of_ids.iter().map(|finding| 1 + finding["more"].as_u64().unwrap_or(0)).sum::<u64>(), 3000);
    assert!(of_ids.windows(2).all(|pair| pair[0]["line"].as_u64() < pair[1]["line"].as_u64()), "each at its line");
    assert!(world.run(&["plan", "validate"]).stdout.contains("more like this"));
    world.run(&["preflight", "full"]).expect(1);
}

#[test]
fn thousands_of_steps_of_a_plan_are_listed() {
    let world = World::new();
    let steps: Vec<Value> =
        (0..3000).map(|n| json!({"id": format!("S{n}"), "title": "t", "status": "queued", "receipts": []})).collect();
    let plan = json!({"plan_id": "2026-01-05-big", "status": "queued", "summary": "s", "steps": steps});
    world.write("_plans/2026-01-05-big.plan.json", &plan.to_string());
    assert!(world.ok(&["task", "list"]).contains("2026-01-05-big"));
}

#[test]
fn receipts_that_are_missing_are_counted_and_not_listed() {
    let world = World::new();
    let line = |n: usize| {
        format!(
            "{{\"path\":\"_report/agent/x/{n}.txt\",\"sha256\":\"{n:064}\",\"agent_id\":\"x\",\"ts\":\"2026-01-05T10:00:00Z\"}}\n"
        )
    };
    world.write("_report/receipts.jsonl", &(0..3000).map(line).collect::<String>());
    let ran = world.run(&["receipts", "verify"]).expect(1);
    assert!(ran.stdout.contains("more like this") && ran.stdout.lines().count() < 2100, "{}", ran.stdout.len());
    assert!(ran.stderr.contains("3000 receipts in the ledger"), "{}", ran.stderr);
}

#[test]
fn no_list_of_worktrees_waits_for_a_fifo_in_the_place_of_git_rules() {
    let world = World::new();
    for name in [".gitattributes", ".gitignore"] {
        let path = world.repo.join(name);
        let _ = fs::remove_file(&path);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let rows = world.json(&["worktree", "list"]);
        assert!(rows["worktrees"][0]["dirty"].is_null(), "{rows}");
        fs::remove_file(&path).unwrap();
    }
}
