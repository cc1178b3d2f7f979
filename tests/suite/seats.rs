//! Sessions: who may boot where, what a boot leaves behind, and what it never touches (the playbook,
//! session loop 1 and 2).

use std::fs;

use serde_json::Value;
use teof::base::lock::FileLock;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    world.git(&["add", "."]);
    world
}

fn manifest(world: &World, file: &str, agent: &str) {
    world.write(file, &format!("{{\"agent_id\": \"{agent}\", \"owner\": \"somebody\"}}\n"));
}

/// The events, as (agent, event).
fn events(world: &World) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let lines = world.lines("_bus/events/events.jsonl");
    lines.iter().map(|line| (text(line, "agent_id"), text(line, "event"))).collect()
}

fn pair(agent: &str, event: &str) -> (String, String) {
    (agent.to_owned(), event.to_owned())
}

/// A bare remote that has `main`, and the repository following it.
fn remote(world: &World) -> std::path::PathBuf {
    let bare = world.folder().join("origin.git");
    world.git(&["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]);
    world.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
    world.git(&["push", "-qu", "origin", "main"]);
    bare
}

/// A clone of the remote, for what others push.
fn other(world: &World, bare: &std::path::Path) -> std::path::PathBuf {
    let clone = world.folder().join("other");
    world.git(&["clone", "-q", bare.to_str().unwrap(), clone.to_str().unwrap()]);
    clone
}

fn push(world: &World, clone: &std::path::Path, file: &str, text: &str) {
    fs::create_dir_all(clone.join(file).parent().unwrap()).unwrap();
    fs::write(clone.join(file), text).unwrap();
    world.git_in(clone, &["add", "."]);
    world.git_in(clone, &["commit", "-qm", "Change something"]);
    world.git_in(clone, &["push", "-q"]);
}

#[test]
fn a_boot_announces_the_seat_and_dates_its_session() {
    let world = world();
    world.write("_bus/messages/manager-report.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    world.write(
        "_bus/messages/agent-codex-1.jsonl",
        "{\"ts\":\"2026-01-05T08:00:00Z\"}\n{\"ts\":\"2026-01-05T09:00:00Z\"}\n",
    );
    world.write(
        "_bus/claims/QUEUE-7.json",
        r#"{"agent_id":"codex-2","branch":"agent/codex-2/x","claimed_at":"2026-01-05T09:00:00Z","status":"paused","task_id":"QUEUE-7"}"#,
    );
    let out = world.ok(&["session-boot", "--agent", "codex-1", "--focus", "docs", "--manager-report-tail-count", "2"]);
    assert!(out.contains("peer codex-2 has QUEUE-7 (paused, branch agent/codex-2/x)"), "{out}");
    assert!(out.contains("teof bus watch --task manager-report --follow --limit 20"), "{out}");
    assert!(out.contains("inbox: 2 unread"), "{out}");
    assert!(out.contains("manager-report: {\"n\":3}"), "what is no message is shown as it stands: {out}");
    let event = &world.lines("_bus/events/events.jsonl")[0];
    assert_eq!((event["event"].as_str(), event["meta"]["focus"].as_str()), (Some("handshake"), Some("docs")));
    let tail = world.read("_report/session/codex-1/manager-report-tail.txt");
    assert!(tail.contains(&format!("# captured_at={NOW}\n# requested_entries=2\n# written_entries=2\n")), "{tail}");
    assert!(tail.ends_with("{\"n\":2}\n{\"n\":3}\n"), "{tail}");
    let inbox = world.read("_report/session/codex-1/agent-inbox-tail.txt");
    assert!(inbox.contains("# unread_since_state=2\n"), "{inbox}");
    let state = world.read_json("_report/session/codex-1/agent-inbox-state.json");
    assert_eq!(state["last_seen_ts"], "2026-01-05T09:00:00Z");
}

#[test]
fn a_boot_may_capture_the_status_as_a_receipt() {
    let world = world();
    for _ in 0..2 {
        world.ok(&["session-boot", "--agent", "a", "--no-sync", "--with-status", "--status-preset", "manager"]);
    }
    let receipt = world.read_json("_report/agent/a/session_boot/bus-status-20260105T100000Z-2.json");
    assert_eq!(receipt["filters"]["preset"], "manager", "{receipt}");
    world.ok(&["receipts", "verify", "--all"]);
}

#[test]
fn disabled_output_leaves_no_file() {
    let world = world();
    world.ok(&["session-boot", "--agent", "a", "--no-manager-report-tail", "--no-agent-inbox", "--no-announce"]);
    assert!(!world.exists("_report/session/a"));
    assert!(events(&world).is_empty());
}

#[test]
fn a_manifest_of_another_seat_stops_the_boot_unless_it_can_be_swapped_or_is_overridden() {
    let world = world();
    manifest(&world, "AGENT_MANIFEST.json", "codex-2");
    let refused = world.refused(&["session-boot", "--agent", "codex-1"]);
    assert_eq!((refused["code"].as_str(), refused["exit"].as_u64()), (Some("session.manifest"), Some(1)));
    assert!(refused["message"].as_str().unwrap().contains("codex-2"));
    assert!(events(&world).is_empty() && !world.exists("_report/session"));

    world.ok(&["session-boot", "--agent", "codex-1", "--allow-manifest-mismatch"]);
    let warning = &world.lines("_report/agent/codex-1/session_guard/warnings.jsonl")[0];
    assert_eq!(
        (warning["code"].as_str(), warning["manifest_agent"].as_str()),
        (Some("manifest_mismatch"), Some("codex-2"))
    );
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "codex-2");

    manifest(&world, "AGENT_MANIFEST.codex-1.json", "codex-1");
    let booted = world.json(&["session-boot", "--agent", "codex-1"]);
    assert_eq!(booted["manifest_swapped"], true);
    assert_eq!(world.read("AGENT_MANIFEST.json"), world.read("AGENT_MANIFEST.codex-1.json"));
    assert_eq!(events(&world), [pair("codex-1", "handshake"), pair("codex-1", "handshake")]);
    // From here on the place says who acts.
    world.ok(&["session-boot"]);
}

#[test]
fn many_seats_work_in_one_folder_through_the_variable() {
    let world = world();
    manifest(&world, "AGENT_MANIFEST.json", "codex-1");
    for agent in ["codex-2", "codex-3"] {
        let output = world.teof(&["session-boot", "--no-sync"]).env("TEOF_AGENT", agent).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(events(&world), [pair("codex-2", "handshake"), pair("codex-3", "handshake")]);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "codex-1");
    let output = world.teof(&["session-boot", "--agent", "codex-1"]).env("TEOF_AGENT", "codex-2").output().unwrap();
    assert_eq!(output.status.code(), Some(1));

    // An agent that boots for its job does not keep its seat from the next job; somebody's own seat stays theirs.
    for (agent, is_unattended) in [("codex-4", true), ("codex-3", false)] {
        let lock = world.hub().local("locks/run-T.lock");
        let _run = FileLock::try_acquire(&lock, "run r").unwrap().expect("no other run");
        let mut boot = world.teof(&["session-boot", "--no-sync"]);
        let output = boot.env("TEOF_AGENT", agent).env("TEOF_RUN", "r").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tail = world.read(&format!("_report/session/{agent}/manager-report-tail.txt"));
        assert_eq!(tail.contains("# purpose=unattended\n"), is_unattended, "{agent}: {tail}");
    }
}

#[test]
fn a_branch_of_another_seat_stops_the_boot_unless_it_is_overridden() {
    let world = world();
    let linked = world.folder().join("linked");
    world.git(&["worktree", "add", "-qb", "agent/codex-2/x", linked.to_str().unwrap()]);
    let root = linked.to_str().unwrap();
    let refused = world.refused(&["--root", root, "session-boot", "--agent", "codex-1"]);
    assert_eq!(
        (refused["code"].as_str(), refused["branch"].as_str()),
        (Some("session.branch"), Some("agent/codex-2/x"))
    );
    assert!(events(&world).is_empty());
    world.ok(&["--root", root, "session-boot", "--agent", "codex-1", "--allow-branch-mismatch"]);
    let log = "_report/agent/codex-1/session_guard/warnings.jsonl";
    assert_eq!(world.lines(log)[0]["code"], "branch_mismatch");
    world.ok(&["--root", root, "session-boot", "--agent", "codex-2"]);
    world.git_in(&linked, &["checkout", "-q", "--detach"]);
    assert_eq!(world.refused(&["--root", root, "session-boot", "--agent", "codex-2"])["code"], "session.branch");
    world.ok(&["--root", root, "session-boot", "--agent", "codex-1", "--allow-branch-mismatch"]);
    assert_eq!(world.lines(log)[1]["code"], "branch_unknown");
}

#[test]
fn a_dirty_tree_is_handed_over_and_not_touched() {
    let world = world();
    world.write("README.md", "changed by somebody\n");
    world.write("new file.txt", "x");
    let refused = world.refused(&["session-boot", "--agent", "codex-1"]);
    assert_eq!(refused["code"], "session.dirty");
    let receipt = refused["receipt"].as_str().unwrap();
    assert_eq!(receipt, "_report/session/codex-1/dirty-handoff/dirty-20260105T100000Z.txt");
    let text = world.read(receipt);
    assert!(
        text.starts_with(&format!("# dirty handoff\n# agent=codex-1\n# captured_at={NOW}\n# git_status_lines=2\n"))
    );
    assert!(text.contains(" M README.md\n") && text.contains("?? new file.txt\n"), "{text}");
    assert_eq!(events(&world), [pair("codex-1", "observation")]);
    assert_eq!(world.lines("_bus/events/events.jsonl")[0]["receipts"][0], receipt);
    assert!(!world.exists("_report/session/codex-1/manager-report-tail.txt"));

    let booted = world.json(&["session-boot", "--agent", "codex-1", "--sync-allow-dirty"]);
    assert_eq!(booted["dirty_handoff"], "_report/session/codex-1/dirty-handoff/dirty-20260105T100000Z-2.txt");
    assert_eq!(events(&world)[1..], [pair("codex-1", "observation"), pair("codex-1", "handshake")]);
    assert_eq!(world.read("README.md"), "changed by somebody\n");
    let receipts = world.lines("_report/receipts.jsonl");
    assert_eq!(receipts.len(), 3, "two hand-offs, and the dashboard that a boot keeps");
    assert_eq!(receipts[2]["path"], booted["dashboard_receipt"]);
}

#[test]
fn the_record_and_a_swapped_manifest_are_no_dirt() {
    let world = world();
    manifest(&world, "AGENT_MANIFEST.json", "codex-1");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "seat"]);
    manifest(&world, "AGENT_MANIFEST.json", "codex-2");
    world.write("_plans/x.md", "a note");
    let booted = world.json(&["session-boot"]);
    assert_eq!(booted["dirty_handoff"], Value::Null);
    assert_eq!(booted["sync"]["outcome"], "no_remote");
}

#[test]
fn a_remote_that_cannot_be_reached_stops_the_boot() {
    let world = world();
    world.git(&["commit", "-qam", "record", "--allow-empty"]);
    world.git(&["remote", "add", "origin", "/nonexistent/x.git"]);
    assert_eq!(world.refused(&["session-boot", "--agent", "a"])["code"], "sync.fetch_failed");
    assert!(events(&world).is_empty());
    assert_eq!(world.json(&["session-boot", "--agent", "a", "--no-sync"])["sync"], Value::Null);
}

#[test]
fn a_branch_that_is_behind_is_fast_forwarded_under_the_live_record() {
    let world = world();
    let clone = other(&world, &remote(&world));
    world.ok(&["session-boot", "--agent", "a"]);
    push(&world, &clone, "src/lib.rs", "// new\n");
    let booted = world.json(&["session-boot", "--agent", "a"]);
    // The record commit that keeps our lines makes it a merge.
    assert_eq!((booted["sync"]["outcome"].as_str(), booted["sync"]["commits"].as_u64()), (Some("merged"), Some(1)));
    assert_eq!(world.read("src/lib.rs"), "// new\n");
    assert_eq!(events(&world).len(), 2);
    assert_eq!(world.git(&["status", "--porcelain", "src", "README.md"]), "");
}

#[test]
fn divergence_in_the_record_alone_is_merged_line_by_line() {
    let world = world();
    world.write(".gitattributes", "_bus/**/*.jsonl merge=union\n_report/**/*.jsonl merge=union\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "attributes"]);
    let clone = other(&world, &remote(&world));
    world.ok(&["session-boot", "--agent", "a"]);
    push(
        &world,
        &clone,
        "_bus/events/events.jsonl",
        "{\"ts\":\"2026-01-05T09:00:00Z\",\"agent_id\":\"far\",\"event\":\"status\"}\n",
    );
    let booted = world.json(&["session-boot", "--agent", "a"]);
    assert_eq!(booted["sync"]["outcome"], "merged", "{booted}");
    let mut seen = events(&world);
    seen.sort();
    assert_eq!(seen, [pair("a", "handshake"), pair("a", "handshake"), pair("far", "status")]);
}

#[test]
fn other_divergence_is_left_to_the_person_with_a_hint() {
    let world = world();
    let clone = other(&world, &remote(&world));
    push(&world, &clone, "README.md", "theirs\n");
    world.write("README.md", "ours\n");
    world.git(&["commit", "-qam", "ours"]);
    let head = world.git(&["rev-parse", "HEAD"]);
    let booted = world.json(&["session-boot", "--agent", "a"]);
    assert_eq!(booted["sync"]["outcome"], "left");
    assert!(booted["sync"]["hint"].as_str().unwrap().contains("merge"), "{booted}");
    assert_eq!(world.read("README.md"), "ours\n");
    let since = world.git(&["diff", "--name-only", &head, "HEAD"]);
    assert!(since.lines().all(|path| path.starts_with('_')), "{since}");
}

#[test]
fn a_free_seat_is_taken_once_however_many_ask() {
    let world = world();
    world.write(
        "_bus/claims/T.json",
        r#"{"agent_id":"s1","branch":"agent/s1/t","claimed_at":"2026-01-05T09:00:00Z","status":"active","task_id":"T"}"#,
    );
    let mut command = vec!["session-boot", "--no-sync", "--json", "--auto-agent"];
    for seat in ["s1", "s2", "s3", "s4"] {
        command.extend(["--auto-agent-pool", seat]);
    }
    // Each in a worktree of its own: a worktree has one manifest.
    world.git(&["commit", "-qm", "record", "--allow-empty"]);
    let boots: Vec<_> = (0..3)
        .map(|n| {
            let root = world.folder().join(format!("w{n}"));
            world.git(&["worktree", "add", "-q", "--detach", root.to_str().unwrap()]);
            let all = [&["--root", root.to_str().unwrap()], &command[..], &["--allow-branch-mismatch"]].concat();
            world.spawn(&all)
        })
        .collect();
    let mut taken: Vec<String> = boots
        .into_iter()
        .map(|boot| {
            let output = boot.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let booted: Value = serde_json::from_str(&text)
                .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)));
            booted["agent_id"].as_str().unwrap().to_owned()
        })
        .collect();
    taken.sort();
    assert_eq!(taken, ["s2", "s3", "s4"]);
    let full = world.refused(&command[..command.len()].iter().copied().filter(|a| *a != "--json").collect::<Vec<_>>());
    assert_eq!((full["code"].as_str(), full["exit"].as_u64()), (Some("agent.pool_full"), Some(3)));
}

/// A slip made a seat without a word, and left the manager's to be made anew, without its role.
#[test]
fn a_seat_that_nobody_knew_is_said_to_be_new_and_one_that_was_swapped_out_is_not() {
    let world = World::new();
    let manager = "{\"agent_id\": \"manager\", \"desired_roles\": [\"manager\"]}\n";
    world.write("AGENT_MANIFEST.json", manager);
    let slip = world.run(&["agent", "use", "mangaer"]).expect(0);
    assert!(slip.stdout.contains("mangaer is new"), "{}", slip.stdout);
    world.follow(&format!("undo: {}", slip.stderr.trim_end().rsplit_once(": ").unwrap().1));
    assert_eq!(world.read("AGENT_MANIFEST.json"), manager);
    world.write("AGENT_MANIFEST.worker-1.json", "{\"agent_id\": \"worker-1\"}\n");
    world.ok(&["agent", "use", "worker-1"]);
    let back = world.run(&["agent", "use", "manager", "--json"]).expect(0);
    assert!(back.stdout.contains("\"new\": false") && back.stderr.is_empty(), "{}{}", back.stdout, back.stderr);
    assert_eq!(world.read("AGENT_MANIFEST.json"), manager);
    std::fs::remove_file(world.repo.join("AGENT_MANIFEST.json")).unwrap();
    let first = world.run(&["agent", "use", "first"]).expect(0);
    world.follow(&format!("undo: {}", first.stderr.trim_end().rsplit_once(": ").unwrap().1));
    assert!(!world.exists("AGENT_MANIFEST.json"));
}

/// Wherever a seat is made: names that only a person has, and names that differ by case alone.
#[test]
fn no_seat_is_made_with_a_reserved_name_or_with_the_name_of_another_in_other_letters() {
    let world = world();
    world.ok(&["init", "--agent", "codex-1"]);
    let claim = ["bus", "claim", "T-1", "--allow-unassigned", "--allow-stale-session", "--agent"];
    for (name, code) in [("operator", "agent.operator"), ("Operator", "agent.operator"), ("CODEX-1", "seat.twin")] {
        for make in [&["init", "--agent"][..], &["agent", "use"], &["session-boot", "--no-sync", "--agent"]] {
            assert_eq!(world.refused(&[make, &[name]].concat())["code"], code, "{make:?} {name}");
        }
    }
    std::fs::remove_file(world.repo.join("AGENT_MANIFEST.json")).unwrap();
    world.write("AGENT_MANIFEST.codex-1.json", "{\"agent_id\": \"codex-1\"}\n");
    assert_eq!(world.refused(&[&claim[..], &["Codex-1"]].concat())["code"], "seat.twin");
    assert!(!world.exists("_bus/claims/T-1.json"));
    world.ok(&[&claim[..], &["codex-2"]].concat());
    // What another tool made is named.
    world.write("AGENT_MANIFEST.Codex-1.json", "{\"agent_id\": \"Codex-1\"}\n");
    let scan = world.run(&["scan"]);
    assert!(scan.stdout.contains("the names Codex-1 and codex-1 differ by case alone"), "{}", scan.stdout);
}

#[test]
fn a_seat_is_taken_put_away_and_taken_up_again() {
    let world = world();
    world.write(".gitignore", "/AGENT_MANIFEST*.json\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Ignore the seats"]);
    world.ok(&["agent", "use", "codex-1"]);
    assert_eq!(world.refused(&["agent", "save", "mid"])["code"], "session.missing");
    world.ok(&["session-boot", "--no-sync"]);
    world.ok(&["agent", "save", "mid", "--heartbeat-meta", "shift=mid"]);
    let heartbeat = world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!((heartbeat["event"].as_str(), heartbeat["meta"]["shift"].as_str()), (Some("status"), Some("mid")));
    assert_eq!(world.refused(&["agent", "save", "mid"])["code"], "seat.label_taken");
    assert_eq!(world.refused(&["agent", "save", "../x"])["code"], "name.invalid");

    world.ok(&["agent", "use", "codex-2"]);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "codex-2");
    world.ok(&["agent", "restore"]);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "codex-1");
    world.ok(&["agent", "restore"]);
    world.ok(&["agent", "restore", "mid"]);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "codex-1");

    world.write("README.md", "work\n");
    assert_eq!(world.refused(&["agent", "save", "late"])["code"], "seat.dirty");
    let events = events(&world).len();
    world.ok(&["agent", "save", "late", "--allow-dirty", "--no-heartbeat"]);
    assert_eq!(self::events(&world).len(), events);
    let listed = world.json(&["agent", "list"]);
    assert_eq!(listed["saved"], serde_json::json!(["late", "mid"]));
    assert_eq!(
        (listed["seats"][0]["agent_id"].as_str(), listed["seats"][0]["session"].as_str()),
        (Some("codex-1"), Some("fresh"))
    );
}

#[test]
fn a_saved_seat_takes_its_branch_along_but_never_the_hub() {
    let world = world();
    world.write(".gitignore", "/AGENT_MANIFEST*.json\n");
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Ignore the seats"]);
    let linked = world.folder().join("linked");
    let root = linked.to_str().unwrap();
    world.git(&["worktree", "add", "-qb", "agent/a/x", root]);
    world.ok(&["--root", root, "agent", "use", "a"]);
    world.ok(&["--root", root, "agent", "save", "there", "--no-heartbeat"]);
    world.git_in(&linked, &["switch", "-qc", "agent/a/y"]);
    world.ok(&["--root", root, "agent", "use", "b"]);
    world.ok(&["--root", root, "agent", "restore", "there"]);
    assert_eq!(world.git_in(&linked, &["branch", "--show-current"]), "agent/a/x");
    assert!(fs::read_to_string(linked.join("AGENT_MANIFEST.json")).unwrap().contains("\"a\""));
    assert_eq!(world.refused(&["agent", "restore", "there"])["code"], "hub.stays");
    world.ok(&["agent", "restore", "there", "--manifest-only"]);
    assert_eq!(world.git(&["branch", "--show-current"]), "main");
}

#[test]
fn sessions_tell_how_fresh_they_are() {
    let mut world = world();
    world.ok(&["session-boot", "--no-sync", "--agent", "a"]);
    world.now = Some("2026-01-05T11:00:01Z".to_owned());
    world.ok(&["session-boot", "--no-sync", "--agent", "b"]);
    let states = ["a", "b"].map(|seat| world.json(&["seat", "show", seat])["session"]["session"].clone());
    assert_eq!(states, ["stale", "fresh"]);
    assert_eq!(world.json(&["seat", "show", "a"])["age_seconds"], 3601);
    assert_eq!(world.refused(&["seat", "show", "nobody"])["code"], "seat.unknown");
    // Where people looked for it before.
    let moved = world.refused(&["session", "show", "a"]);
    assert_eq!(
        (&moved["code"], &moved["next"][0]),
        (&"session.unknown".into(), &"see its handshake: teof seat show a".into())
    );
}
