//! Damaged and hostile files cost little: words are counted instead of listed, and nothing waits for a FIFO.

use std::fs;

use serde_json::Value;

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
