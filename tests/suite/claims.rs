//! Claims as a seat sees them: one holder, told to everybody; nothing else of a file changes.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Ran, World};

const CLAIM: &str = "_bus/claims/QUEUE-001.json";
const EVENTS: &str = "_bus/events/events.jsonl";

const PLAN: &str = r#"{
  "version": 0,
  "plan_id": "2026-01-05-docs",
  "created": "2026-01-05T09:00:00Z",
  "actor": "manager",
  "summary": "Write the docs",
  "status": "queued",
  "steps": [
    {"id": "S1", "title": "Write", "status": "queued", "notes": "", "receipts": []}
  ],
  "checkpoint": {"description": "The docs are read", "owner": "manager", "status": "pending"},
  "links": [],
  "receipts": [],
  "systemic_scale": 6,
  "layer": "L5",
  "systemic_targets": ["S1"],
  "layer_targets": ["L5"]
}
"#;

/// A repository at a fixed time in which some seats have fresh sessions.
fn world() -> World {
    let mut world = World::new();
    for seat in ["codex-1", "codex-2", "manager"] {
        session(&world, seat, "2026-01-05T10:00:00Z");
    }
    world.now = Some("2026-01-05T10:00:00Z".into());
    world
}

fn session(world: &World, seat: &str, at: &str) {
    world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &format!("# captured_at={at}\n"));
}

fn run_as(world: &World, seat: &str, args: &[&str]) -> Ran {
    let output = world.teof(args).env("TEOF_AGENT", seat).stdin(Stdio::null()).output().unwrap();
    Ran::of(output, args)
}

fn ok(world: &World, seat: &str, args: &[&str]) -> Value {
    let ran = run_as(world, seat, &[args, &["--json"]].concat()).expect(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The code of the refusal, after checking that nothing under `_bus` changed.
fn refused(world: &World, seat: &str, args: &[&str]) -> Value {
    let before = tree(world);
    let ran = run_as(world, seat, &[args, &["--json"]].concat());
    assert_ne!(ran.code, 0, "{args:?} succeeded: {}", ran.stdout);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr));
    assert_eq!(error["error"]["exit"], ran.code);
    assert_eq!(tree(world), before, "{args:?} was refused and changed something");
    error["error"].clone()
}

/// Every file of the bus and the plans with its bytes.
fn tree(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![world.repo.join("_bus"), world.repo.join("_plans")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap_or_default())),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_claim_is_a_file_an_event_a_link_and_a_status() {
    let world = world();
    world.write("_plans/2026-01-05-docs.plan.json", PLAN);
    world.write(
        "_plans/next-development.todo.json",
        "{\n  \"items\": [\n    {\"id\": \"QUEUE-001\", \"status\": \"pending\"}\n  ]\n}\n",
    );
    let done = ok(
        &world,
        "codex-1",
        &[
            "bus",
            "claim",
            "QUEUE-001",
            "--plan",
            "_plans/2026-01-05-docs.plan.json",
            "--allow-unassigned",
            "--lease",
            "4h",
        ],
    );
    assert_eq!(
        world.read(CLAIM),
        "{\n  \"agent_id\": \"codex-1\",\n  \"branch\": \"agent/codex-1/queue-001\",\n  \"claimed_at\": \"2026-01-05T10:00:00Z\",\n  \"epoch\": 1,\n  \"lease_expires_at\": \"2026-01-05T14:00:00Z\",\n  \"plan_id\": \"2026-01-05-docs\",\n  \"status\": \"active\",\n  \"task_id\": \"QUEUE-001\"\n}\n"
    );
    assert_eq!(done["remarks"], json!([]));
    let event = &world.lines(EVENTS)[0];
    assert_eq!((&event["event"], &event["id"], &event["meta"]["epoch"]), (&json!("claim"), &done["event"], &json!(1)));
    assert_eq!(event["meta"]["allow_unassigned"], "no assignment");
    let link = json!({"type": "bus", "ref": CLAIM});
    assert!(world.read_json("_plans/2026-01-05-docs.plan.json")["links"].as_array().unwrap().contains(&link));
    assert_eq!(world.read_json("_plans/next-development.todo.json")["items"][0]["status"], "in_progress");

    ok(&world, "codex-1", &["bus", "release", "QUEUE-001", "--status", "released"]);
    assert_eq!(world.read_json("_plans/next-development.todo.json")["items"][0]["status"], "pending");
    let claim = world.read_json(CLAIM);
    assert_eq!((&claim["status"], &claim["released_at"]), (&json!("released"), &json!("2026-01-05T10:00:00Z")));
    assert_eq!(claim.get("lease_expires_at"), None);
}

#[test]
fn a_loser_learns_who_holds_the_task() {
    let world = world();
    world.write("_plans/next-development.todo.json", "{\"items\": [{\"id\": \"QUEUE-001\", \"status\": \"pending\"}, {\"id\": \"QUEUE-002\", \"status\": \"pending\"}]}\n");
    ok(&world, "codex-1", &["bus", "claim", "--task", "QUEUE-001", "--allow-unassigned", "--lease", "30m"]);
    let error = refused(&world, "codex-2", &["bus", "claim", "QUEUE-001"]);
    let told =
        ["code", "exit", "agent_id", "branch", "lease_expires_at", "epoch", "next_task"].map(|key| error[key].clone());
    let wanted = json!(["claim.held", 3, "codex-1", "agent/codex-1/queue-001", "2026-01-05T10:30:00Z", 1, "QUEUE-002"]);
    assert_eq!(json!(told), wanted);
    let error = refused(&world, "codex-2", &["bus", "release", "QUEUE-001"]);
    assert_eq!((&error["code"], &error["exit"]), (&json!("claim.held"), &json!(3)));
    let logged = &world.lines("_report/agent/codex-2/errors.jsonl")[0];
    assert_eq!((&logged["event"], &logged["claim_owner"]), (&json!("release"), &json!("codex-1")));
    assert_eq!(refused(&world, "codex-2", &["bus", "release", "QUEUE-009"])["exit"], 4);
}

#[test]
fn the_first_claim_follows_the_assignment() {
    let world = world();
    assert_eq!(refused(&world, "codex-1", &["bus", "claim", "QUEUE-001"])["code"], "claim.unassigned");
    world.write("_bus/assignments/QUEUE-001.json", r#"{"task_id": "QUEUE-001", "engineer": "codex-2", "manager": "m", "plan_id": "2026-01-05-docs", "branch": "agent/codex-2/docs"}"#);
    assert_eq!(refused(&world, "codex-1", &["bus", "claim", "QUEUE-001"])["code"], "claim.assigned");
    let done = ok(&world, "codex-2", &["bus", "claim", "QUEUE-001"]);
    assert_eq!(
        (&done["claim"]["plan_id"], &done["claim"]["branch"]),
        (&json!("2026-01-05-docs"), &json!("agent/codex-2/docs"))
    );
    assert!(done["remarks"][0].as_str().unwrap().contains("2026-01-05-docs was not linked"), "{done}");
    ok(&world, "codex-2", &["bus", "pause", "QUEUE-001", "--reason", "lunch"]);
    let taken = ok(&world, "codex-1", &["bus", "claim", "QUEUE-001"]);
    assert_eq!((&taken["claim"]["epoch"], &taken["from"]["agent_id"]), (&json!(2), &json!("codex-2")));
    assert_eq!(taken["claim"]["notes"], "lunch");
}

#[test]
fn takeover_needs_an_expired_lease_and_no_active_run() {
    let mut world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned", "--lease", "30m"]);
    let takeover = ["bus", "takeover", "QUEUE-001", "--reason", "it went away"];
    assert_eq!(refused(&world, "codex-2", &takeover)["code"], "claim.not_expired");
    assert_eq!(
        refused(&world, "codex-2", &["bus", "pause", "QUEUE-001", "--reason", "x"])["code"],
        "claim.not_expired"
    );
    world.now = Some("2026-01-05T10:30:00Z".into());
    let lock = world.repo.join(".git/teof/locks/run-QUEUE-001.lock");
    let held = fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    assert_eq!(refused(&world, "codex-2", &takeover)["code"], "claim.running");
    drop(held);
    let done = ok(&world, "codex-2", &takeover);
    assert_eq!((&done["claim"]["epoch"], &done["claim"]["agent_id"]), (&json!(2), &json!("codex-2")));
    assert_eq!(world.lines("_bus/messages/agent-codex-1.jsonl")[0]["note"], "it went away");
    // The former holder's run shows its epoch, and is refused whatever it wants.
    for args in [
        &["bus", "release", "QUEUE-001"][..],
        &["bus", "claim", "QUEUE-001"],
        &["bus", "pause", "QUEUE-001", "--reason", "x"],
    ] {
        let before = tree(&world);
        let output = world
            .teof(args)
            .args(["--json"])
            .envs([("TEOF_AGENT", "codex-1"), ("TEOF_TASK", "QUEUE-001"), ("TEOF_CLAIM_EPOCH", "1")])
            .output()
            .unwrap();
        let ran = Ran::of(output, args).expect(3);
        assert!(ran.stderr.contains("\"claim.epoch\"") && ran.stderr.contains("\"epoch\": 2"), "{}", ran.stderr);
        assert_eq!(tree(&world), before);
    }
    // Without a lease, silence counts: messages too.
    session(&world, "codex-1", "2026-01-05T14:00:00Z");
    world.now = Some("2026-01-05T14:30:00Z".into());
    let back = ["bus", "takeover", "QUEUE-001", "--reason", "silence"];
    assert_eq!(refused(&world, "codex-1", &back)["code"], "claim.not_expired");
    world.now = Some("2026-01-05T14:30:01Z".into());
    world.write(
        "_bus/messages/QUEUE-001.jsonl",
        "{\"ts\":\"2026-01-05T12:00:00Z\",\"from\":\"codex-2\",\"type\":\"note\"}\n",
    );
    assert_eq!(refused(&world, "codex-1", &back)["code"], "claim.not_expired");
    world.write("_bus/messages/QUEUE-001.jsonl", "");
    assert_eq!(ok(&world, "codex-1", &back)["claim"]["epoch"], 3);
}

#[test]
fn an_epoch_replaces_a_session() {
    let world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    fs::remove_dir_all(world.repo.join("_report/session")).unwrap();
    assert_eq!(refused(&world, "codex-1", &["bus", "release", "QUEUE-001"])["code"], "session.missing");
    assert_eq!(refused(&world, "codex-1", &["bus", "release", "QUEUE-001", "--epoch", "7"])["code"], "session.missing");
    ok(&world, "codex-1", &["bus", "release", "QUEUE-001", "--epoch", "1"]);
    ok(&world, "codex-2", &["bus", "claim", "QUEUE-001", "--allow-stale-session"]);
    let log = world.read("_report/agent/codex-2/session_guard/events.jsonl");
    assert!(log.contains("session_override"), "{log}");
}

#[test]
fn a_reset_record_never_makes_a_task_look_free() {
    let world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    ok(&world, "codex-1", &["bus", "pause", "QUEUE-001", "--reason", "x"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "record"]);
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001"]);
    let paused = world.git(&["show", &format!("HEAD:{CLAIM}")]);
    fs::write(world.repo.join(CLAIM), paused + "\n").unwrap();
    assert_eq!(refused(&world, "codex-2", &["bus", "claim", "QUEUE-001"])["code"], "record.behind");
    fs::remove_file(world.repo.join(CLAIM)).unwrap();
    assert_eq!(
        refused(&world, "codex-2", &["bus", "claim", "QUEUE-001", "--allow-unassigned"])["code"],
        "record.behind"
    );
}

#[test]
fn a_claim_with_another_owner_at_the_same_epoch_is_ignored() {
    let world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    let claim = world.read(CLAIM);
    world.write(CLAIM, &claim.replace("\"codex-1\"", "\"codex-2\""));
    for args in [["bus", "claim", "QUEUE-001"], ["bus", "release", "QUEUE-001"]] {
        assert_eq!(refused(&world, "codex-2", &args)["code"], "record.behind", "{args:?}");
    }
    ok(&world, "codex-1", &["bus", "restore"]);
    assert_eq!(world.read(CLAIM), claim);
}

#[test]
fn releasing_a_claim_is_refused_while_its_run_is_active() {
    let world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    let held = fs::File::create(world.repo.join(".git/teof/locks/run-QUEUE-001.lock")).unwrap();
    held.lock().unwrap();
    for args in [
        &["bus", "release", "QUEUE-001"][..],
        &["bus", "claim", "QUEUE-001", "--status", "done"],
        &["bus", "pause", "QUEUE-001", "--reason", "x"],
    ] {
        assert_eq!(refused(&world, "codex-1", args)["code"], "claim.running", "{args:?}");
    }
    drop(held);
    ok(&world, "codex-1", &["bus", "release", "QUEUE-001"]);
}

#[test]
fn hostile_file_names_reach_no_terminal_and_are_no_fault_of_ours() {
    let world = world();
    world.write("_bus/claims/x\u{1b}[31m\n::error::y.json", "{");
    let ran = world.run(&["bus", "status"]).expect(1);
    assert!(ran.stdout.contains("damaged: ") && !ran.stdout.contains(['\u{1b}']), "{}", ran.stdout);
    assert!(!ran.stdout.lines().any(|line| line.starts_with("::")), "{}", ran.stdout);
    assert_eq!(refused(&world, "codex-1", &["receipts", "add", &"a".repeat(300)])["code"], "path.too_long");
}

#[test]
fn a_hold_stops_a_release_and_not_a_pause() {
    let world = world();
    ok(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    world.write("_bus/messages/QUEUE-001.jsonl", "{\"ts\":\"2026-01-05T10:00:00Z\",\"from\":\"manager\",\"type\":\"hold\",\"task_id\":\"QUEUE-001\",\"summary\":\"look again\"}\n");
    let error = refused(&world, "codex-1", &["bus", "release", "QUEUE-001"]);
    assert_eq!((&error["code"], &error["held_by"]), (&json!("task.on_hold"), &json!("manager")));
    assert_eq!(refused(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--status", "done"])["code"], "task.on_hold");
    ok(&world, "codex-1", &["bus", "release", "QUEUE-001", "--status", "paused"]);
}

#[test]
fn hostile_names_and_values_change_nothing() {
    let world = world();
    let long = "x".repeat(100_000);
    let claim = |task: &str, more: &[&str]| {
        let args = [&["bus", "claim", "--allow-unassigned"][..], more, &["--", task]].concat();
        refused_raw(&world, &args)
    };
    for task in ["..", "../x", "a/b", "a\nb", "\u{1b}[31m", "", "-x", &long, "manager-report", "agent-x"] {
        assert_eq!(claim(task, &[]).code, 2, "{task:?}");
    }
    for more in [
        ["--branch", "main"],
        ["--branch", "agent/a..b"],
        ["--branch", "agent/\u{1b}[31m"],
        ["--plan", "../../x\ny"],
        ["--notes", &long],
        ["--lease", "soon"],
    ] {
        let ran = claim("QUEUE-001", &more);
        assert_eq!(ran.code, 2, "{more:?}");
        assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    }
    let invalid = std::ffi::OsStr::from_bytes(b"QUEUE-\xff");
    let output = world.teof(&["bus", "claim"]).arg(invalid).env("TEOF_AGENT", "codex-1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(tree(&world).is_empty());
}

fn refused_raw(world: &World, args: &[&str]) -> Ran {
    let ran = run_as(world, "codex-1", args);
    assert_ne!(ran.code, 0, "{args:?}");
    assert!(tree(world).is_empty());
    ran
}

#[test]
fn a_damaged_or_foreign_tree_is_named_and_left_alone() {
    let world = world();
    let claim = |code: &str| {
        let error = refused(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
        assert_eq!(error["code"], code, "{error}");
    };
    world.write(CLAIM, "{\"task_id\": \"QUEUE-001\",");
    claim("json.invalid");
    world.write(CLAIM, "{\"task_id\": \"QUEUE-001\", \"status\": \"pending\"}");
    claim("claim.invalid");
    world.write(CLAIM, "{\"task_id\": \"QUEUE-002\"}");
    claim("claim.invalid");
    fs::remove_file(world.repo.join(CLAIM)).unwrap();
    symlink("/etc/hostname", world.repo.join(CLAIM)).unwrap();
    claim("file.not_regular");
    fs::remove_file(world.repo.join(CLAIM)).unwrap();
    let outside = world.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::remove_dir(world.repo.join("_bus/claims")).unwrap();
    symlink(&outside, world.repo.join("_bus/claims")).unwrap();
    claim("path.outside");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_read_only_folder_is_a_clear_error() {
    let world = world();
    // Root may write anywhere, whatever the mode says.
    if fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0) {
        return;
    }
    let folder = world.repo.join("_bus/claims");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let error = refused(&world, "codex-1", &["bus", "claim", "QUEUE-001", "--allow-unassigned"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(error["code"], "disk.read_only");
}

#[test]
fn an_assignment_is_written_whole_or_not_at_all() {
    let world = world();
    world.write(
        "agents/tasks/tasks.json",
        "{\n  \"tasks\": [\n    {\n      \"id\": \"QUEUE-001\",\n      \"status\": \"review\"\n    }\n  ]\n}\n",
    );
    let assign = ["task", "assign", "QUEUE-001", "--engineer", "codex-1", "--note", "with care", "--scaffold"];
    let done = ok(&world, "manager", &assign);
    assert_eq!(
        (&done["claim"]["claim"]["agent_id"], &done["assignment"]["manager"]),
        (&json!("codex-1"), &json!("manager"))
    );
    let events: Vec<_> =
        world.lines(EVENTS).iter().map(|event| format!("{} {}", event["agent_id"], event["event"])).collect();
    assert_eq!(events, ["\"manager\" \"assign\"", "\"codex-1\" \"claim\""]);
    let message = &world.lines("_bus/messages/QUEUE-001.jsonl")[0];
    assert_eq!(
        (&message["type"], &message["summary"], &message["to"]),
        (&json!("assignment"), &json!("Assigned to codex-1"), &json!("codex-1"))
    );
    assert_eq!(&world.lines("_bus/messages/agent-codex-1.jsonl")[0], message);
    let task = &world.read_json("agents/tasks/tasks.json")["tasks"][0];
    assert_eq!(
        (&task["status"], &task["assigned_by"], &task["role"]),
        (&json!("review"), &json!("manager"), &json!("engineer"))
    );
    assert!(world.exists("_report/agent/codex-1/QUEUE-001/.gitkeep"));

    let error = refused(&world, "manager", &["task", "assign", "QUEUE-001", "--engineer", "codex-2"]);
    assert_eq!((&error["code"], &error["agent_id"]), (&json!("claim.held"), &json!("codex-1")));
    let wish = ok(&world, "manager", &["task", "assign", "QUEUE-001", "--engineer", "codex-2", "--no-auto-claim"]);
    assert!(wish["remarks"].to_string().contains("codex-1 still holds QUEUE-001"), "{wish}");
}

#[test]
fn a_task_is_picked_up_in_one_step() {
    let world = world();
    ok(&world, "manager", &["task", "add", "QUEUE-001", "--title", "First", "--priority", "low"]);
    ok(&world, "manager", &["task", "add", "QUEUE-002", "--title", "Second", "--priority", "high"]);
    ok(&world, "manager", &["task", "assign", "QUEUE-003", "--engineer", "codex-2", "--no-auto-claim"]);
    assert_eq!(refused(&world, "manager", &["task", "add", "QUEUE-001", "--title", "Again"])["code"], "backlog.exists");
    let empty = refused(&world, "manager", &["task", "add", "QUEUE-009", "--title", " "]);
    assert!(empty["message"].as_str().unwrap().contains("--title"), "{empty}");
    let slip = refused(&world, "manager", &["task", "add", "QUEUE-009", "--title", "Slip", "--priority", "hihg"]);
    assert!(slip["reason"].as_str().unwrap().contains("critical, high, medium, low"), "{slip}");
    assert_eq!(refused(&world, "codex-1", &["task", "pickup", "QUEUE-003"])["code"], "claim.assigned");
    assert_eq!(ok(&world, "codex-2", &["task", "pickup", "QUEUE-003"])["claim"]["epoch"], 1);
    let late = refused(&world, "codex-1", &["task", "pickup", "QUEUE-003"]);
    assert_eq!((&late["code"], &late["exit"], &late["epoch"]), (&json!("claim.held"), &json!(3), &json!(1)), "{late}");
    ok(&world, "codex-2", &["bus", "release", "QUEUE-003", "--status", "done"]);
    let done = refused(&world, "codex-1", &["task", "pickup", "QUEUE-003"]);
    assert_eq!(done["message"], "QUEUE-003 is done", "not that it is assigned: {done}");
    let slip = refused(&world, "codex-1", &["bus", "claim", "QUEUE-2"]);
    assert_eq!(slip["message"], "no such task: QUEUE-2 (did you mean QUEUE-002?)", "{slip}");
    assert_eq!(slip["next"][0], "see what there is: teof task list", "no claim of a slip is suggested first");
    assert_eq!(ok(&world, "codex-1", &["bus", "claim", "--next", "--lease", "1h"])["claim"]["task_id"], "QUEUE-002");
    assert_eq!(world.read_json("_bus/assignments/QUEUE-002.json")["engineer"], "codex-1");
    world.write(
        "_bus/messages/QUEUE-001.jsonl",
        "{\"ts\":\"2026-01-05T10:00:00Z\",\"from\":\"manager\",\"type\":\"hold\",\"summary\":\"wait\"}\n",
    );
    let error = refused(&world, "codex-1", &["task", "pickup"]);
    assert_eq!((&error["code"], &error["exit"]), (&json!("task.none"), &json!(4)));
    assert!(error["reason"].as_str().unwrap().contains("QUEUE-001: on hold: manager: wait"), "{error}");

    let table = ok(&world, "codex-1", &["task", "list"]);
    let rows: Vec<_> = table["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["task_id"], row["state"], row["claim"]["agent_id"]))
        .collect();
    assert_eq!(rows.join("; ").replace('"', ""), "QUEUE-002 active codex-1; QUEUE-001 open null");
    let text = run_as(&world, "codex-1", &["task", "list", "--agent", "codex-1"]).expect(0).stdout;
    assert_eq!(
        text,
        "STATE   PRIORITY  TASK       WHO                                 TITLE\nactive  high      QUEUE-002  codex-1 until 2026-01-05T11:00:00Z  Second\n"
    );
}

/// Not what a person cancelled or skipped, and not what a seat has finished, until somebody names it.
#[test]
fn cancelled_and_finished_tasks_are_not_offered_as_free() {
    let world = world();
    for task in ["QUEUE-001", "QUEUE-002", "QUEUE-003"] {
        ok(&world, "manager", &["task", "add", task, "--title", task]);
    }
    world.write("queue/041-clock.md", "# Mend the clock\n");
    world.ok(&["coordinator", "skip", "QUEUE-001"]);
    ok(&world, "codex-2", &["task", "pickup", "QUEUE-002"]);
    let taken = refused(&world, "codex-1", &["task", "pickup", "QUEUE-002"]);
    assert_eq!(taken["next_task"], "QUEUE-003", "what was skipped is not free: {taken}");
    assert_eq!(ok(&world, "codex-1", &["bus", "claim", "--next"])["claim"]["task_id"], "QUEUE-003");
    ok(&world, "codex-1", &["bus", "release", "QUEUE-003", "--status", "done"]);
    assert_eq!(ok(&world, "codex-1", &["bus", "claim", "--next"])["claim"]["task_id"], "041-clock");
    ok(&world, "codex-1", &["bus", "release", "041-clock", "--status", "done"]);
    let none = refused(&world, "codex-1", &["bus", "claim", "--next"]);
    assert_eq!(none["code"], "task.none", "{none}");
    assert!(none["reason"].as_str().unwrap().contains("QUEUE-001: skipped by "), "{none}");
    assert_eq!(ok(&world, "codex-1", &["task", "pickup", "QUEUE-001"])["claim"]["epoch"], 1, "but named it is");
}

/// The step of a plan stays open when a seat forgets to set it.
#[test]
fn a_step_whose_claim_ended_as_done_is_not_offered_again() {
    let world = world();
    let plan = ["plan", "new", "docs", "--summary", "Docs", "--actor", "codex-1", "--priority", "2"];
    let plan = [&plan[..], &["--impact-score", "5", "--layer", "L5", "--systemic-scale", "6", "--allow-unclaimed"]];
    ok(&world, "codex-1", &plan.concat());
    let claimed = ok(&world, "codex-1", &["bus", "claim", "--next"]);
    let task = claimed["claim"]["task_id"].as_str().unwrap();
    ok(&world, "codex-1", &["bus", "release", task, "--status", "done"]);
    let none = refused(&world, "codex-1", &["bus", "claim", "--next"]);
    let why = format!("{task}: codex-1 released it as done");
    assert!(none["reason"].as_str().unwrap().contains(&why), "{none}");
}

#[test]
fn a_request_that_is_sent_again_is_answered_and_not_done_again() {
    let world = world();
    for task in ["QUEUE-001", "QUEUE-002"] {
        ok(&world, "manager", &["task", "add", task, "--title", "x", "--request-id", task]);
        assert_eq!(
            ok(&world, "manager", &["task", "add", task, "--title", "x", "--request-id", task])["repeated"],
            true
        );
    }
    let next = ["bus", "claim", "--next", "--request-id", "r1"];
    let first = ok(&world, "codex-1", &next);
    let before = tree(&world);
    let again = ok(&world, "codex-1", &next);
    assert_eq!(
        (&again["claim"], &again["event"], &again["repeated"]),
        (&first["claim"], &first["event"], &json!(true))
    );
    assert_eq!(refused(&world, "codex-2", &next)["code"], "request.changed");
    assert_eq!(tree(&world), before);
    assert_eq!(ok(&world, "codex-1", &["bus", "claim", "--next"])["claim"]["task_id"], "QUEUE-002");
}
