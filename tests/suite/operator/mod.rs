//! What belongs to people: who may decide, how a person is recognised, and what every other attempt comes to.

mod attack;
mod broker;
mod broker_elsewhere;
mod mcp;
mod reach;
mod recorded;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::work::UNCONFINED;
use crate::harness::{Ran, TOKEN, World, operator_tokens};

/// Every command that only a person may give.
const DECISIONS: &[&[&str]] = &[
    &["consent", "grant"],
    &["consent", "revoke"],
    &["trust", "git"],
    &["plan", "approve", "any"],
    &["review", "approve", "any"],
    &["review", "reject", "any", "--note", "no"],
    &["review", "retry", "any", "--note", "again"],
    &["review", "revert", "any"],
    &["coordinator", "reset-breaker"],
    &["coordinator", "resume"],
    &["coordinator", "cancel", "any"],
    &["coordinator", "answer", "any", "yes"],
    &["operator", "token", "mine"],
    &["operator", "revoke", "test"],
];

fn ran(mut command: Command, args: &[&str]) -> Ran {
    Ran::of(command.args(args).stdin(Stdio::null()).output().unwrap(), args)
}

#[track_caller]
fn is_refused(ran: &Ran, why: &str) {
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("trust.person") && ran.stderr.contains(why), "{ran:?}");
}

/// The person's token, as if it had been made at a terminal.
fn make_token(world: &World) {
    let folder = world.folder().join("state/teof");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("operator-tokens.json"), operator_tokens()).unwrap();
}

/// A program of the name in a folder of its own that runs its arguments and waits for them.
fn stub(world: &World, name: &str) -> std::path::PathBuf {
    let path = world.folder().join("stubs").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/bash\n\"$@\"\nexit $?\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_seat_and_a_coding_agent_decide_nothing_and_a_token_says_that_a_person_does() {
    let world = World::new();
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    let plain = |args: &[&str]| {
        let mut command = world.teof(args);
        command.arg("--json").env_remove("TEOF_OPERATOR_TOKEN");
        command
    };
    for decision in DECISIONS {
        let mut seat = plain(decision);
        seat.env("TEOF_AGENT", "codex-1");
        is_refused(&ran(seat, &[]), "TEOF_AGENT");
        let mut variable = plain(decision);
        variable.env("CLAUDECODE", "1");
        is_refused(&ran(variable, &[]), "claude");
    }
    for lift in [
        &["bus", "message", "--task", "A", "--type", "lift"][..],
        &["bus", "ping", "--message-task", "A", "--message-type", "lift"],
        &["bus", "directive", "--task", "A", "--type", "lift"],
        &["bus", "directive", "--task", "B", "--pointer-task", "A", "--pointer-type", "lift"],
    ] {
        let mut lift = plain(&[lift, &["--summary", "go", "--agent", "codex-1"]].concat());
        lift.env("CLAUDECODE", "1");
        is_refused(&ran(lift, &[]), "claude");
    }
    for name in ["claude", "codex", "gemini", "opencode", "qwen", "cursor-agent", "amp", "goose", "aider", "copilot"] {
        let mut below = Command::new(stub(&world, name));
        world.clear(&mut below);
        below.env_remove("TEOF_OPERATOR_TOKEN").current_dir(&world.repo);
        below.arg(env!("CARGO_BIN_EXE_teof")).args(["consent", "grant", "--json"]);
        is_refused(&ran(below, &[]), name);
    }
    assert!(!world.exists("docs/automation/autonomy-consent.json"), "nothing was granted by any of them");

    make_token(&world);
    let mut shown = plain(&["consent", "grant"]);
    shown.env("CLAUDECODE", "1").env("TEOF_OPERATOR_TOKEN", TOKEN);
    ran(shown, &[]).expect(0);
    let event = world.lines("_bus/events/events.jsonl").pop().unwrap();
    assert_eq!((&event["agent_id"], &event["meta"]["recognised"]), (&"operator".into(), &"token".into()));
    let mut unknown = plain(&["consent", "grant"]);
    unknown.env("TEOF_OPERATOR_TOKEN", "teof_op_guessed");
    assert!(ran(unknown, &[]).expect(1).stderr.contains("token.unknown"));
    let mut seat = plain(&["consent", "grant"]);
    seat.env("TEOF_AGENT", "codex-1").env("TEOF_OPERATOR_TOKEN", TOKEN);
    is_refused(&ran(seat, &[]), "TEOF_AGENT");
}

#[test]
fn a_token_is_made_at_a_terminal_and_kept_as_its_hash() {
    let world = World::new();
    let error = world.refused(&["operator", "token", "phone"]);
    assert_eq!(error["code"], "operator.terminal");
    let at_a_terminal = |line: &str| world.at_a_terminal(&format!("{} {line}", env!("CARGO_BIN_EXE_teof")), "");
    let made = at_a_terminal("operator token phone --quiet").expect(0).stdout;
    let secret = made.trim();
    assert!(secret.starts_with("teof_op_"), "{made}");
    let file = world.folder().join("state/teof/operator-tokens.json");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("\"phone\"") && !kept.contains(secret), "{kept}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(at_a_terminal("operator whoami").expect(0).stdout.contains("terminal"));

    let config = world.folder().join("config/teof/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[people]\nrequire = \"terminal\"\n").unwrap();
    let mut nothing = world.teof(&["consent", "grant", "--json"]);
    nothing.env_remove("TEOF_OPERATOR_TOKEN");
    assert!(ran(nothing, &[]).expect(6).stderr.contains("operator.terminal"));
    let mut token = world.teof(&["consent", "grant"]);
    token.env("TEOF_OPERATOR_TOKEN", secret);
    ran(token, &[]).expect(0);
    at_a_terminal("consent grant --max-jobs 10").expect(0);

    at_a_terminal("operator revoke phone").expect(0);
    let mut revoked = world.teof(&["consent", "grant", "--json"]);
    revoked.env("TEOF_OPERATOR_TOKEN", secret);
    assert!(ran(revoked, &[]).expect(1).stderr.contains("token.unknown"));
}

#[test]
fn a_person_is_identified_by_gits_global_configuration() {
    let world = World::new();
    world.git(&["config", "user.name", "Bot"]);
    world.git(&["config", "user.email", "bot@example.invalid"]);
    let config = world.folder().join("home/.gitconfig");
    fs::write(&config, "[user]\nname = A Person\nemail = person@example.invalid\n").unwrap();
    let unnamed = |args: &[&str]| {
        let mut command = world.teof(args);
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            command.env_remove(name);
        }
        command
    };
    let who = || {
        let shown = ran(unnamed(&["operator", "whoami", "--json"]), &[]).expect(0).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(who(), "A Person");
    // No git is started for the name: people write many events, under the lock of the bus.
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("git"), "#!/bin/sh\necho \"$@\" >> \"${0%/*}/calls\"\nexit 1\n").unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    for args in [
        &["bus", "event", "--event", "observation", "--summary", "seen", "--agent", "operator"][..],
        &["task", "add", "T1", "--title", "More", "--agent", "operator"],
    ] {
        let mut command = unnamed(args);
        command.env("PATH", &bin);
        ran(command, &[]).expect(0);
        assert_eq!(world.lines("_bus/events/events.jsonl").pop().unwrap()["meta"]["by"], "A Person", "{args:?}");
        assert!(!bin.join("calls").exists(), "{args:?}: git {}", fs::read_to_string(bin.join("calls")).unwrap());
    }
    let (work, folder) = (world.folder().join("home/work"), world.folder());
    fs::write(&work, "[user]\nname = At Work\n").unwrap();
    let condition = format!("[includeIf \"gitdir:{}/\"]\npath = {}\n", folder.display(), work.display());
    fs::write(&config, format!("[user]\nname = A Person\n{condition}")).unwrap();
    assert_eq!(who(), "At Work", "git decides about conditions");
    fs::remove_file(config).unwrap();
    assert_ne!(who(), "Bot");
    world.ok(&["session-boot", "--agent", "codex-7", "--no-sync"]);
    for name in ["codex-7", "CODEX-7", "manager", "operator", "worker-7", "claude", "Codex", "Ann\u{200b}"] {
        let error = world.refused(&["consent", "grant", "--by", name]);
        assert_eq!(error["code"], "operator.is_seat", "{name}");
    }
    for name in ["codex-7", "Codex\u{200b}-7", "worker-7", "claude"] {
        let mut command = world.teof(&["consent", "grant", "--json"]);
        command.env("GIT_AUTHOR_NAME", name);
        assert!(ran(command, &[]).expect(1).stderr.contains("operator.is_seat"), "{name}");
    }
    world.ok(&["consent", "grant", "--by", "Ann"]);
}

#[test]
fn a_boot_never_takes_the_folder_of_a_seat_that_is_at_work() {
    let world = World::new();
    for seat in ["a", "b"] {
        world.write(&format!("AGENT_MANIFEST.{seat}.json"), &format!("{{\"agent_id\": \"{seat}\"}}\n"));
    }
    world.write("AGENT_MANIFEST.json", "{\"agent_id\": \"a\"}\n");
    world.ok(&["session-boot", "--no-sync"]);
    let error = world.refused(&["session-boot", "--no-sync", "--agent", "b"]);
    assert_eq!(error["code"], "session.folder_taken");
    // Nobody outlasts the other by a variable of their own.
    let mut sly = world.teof(&["session-boot", "--no-sync", "--agent", "b", "--json"]);
    sly.env("TEOF_SESSION_MAX_AGE", "1");
    assert!(ran(sly, &[]).expect(1).stderr.contains("session.folder_taken"));
    let mut beside = world.teof(&["session-boot", "--no-sync"]);
    beside.env("TEOF_AGENT", "b");
    ran(beside, &[]).expect(0);
    let mut other = world.teof(&["bus", "event", "--event", "observation", "--summary", "by b"]);
    other.env("TEOF_AGENT", "b");
    ran(other, &[]).expect(0);
    world.ok(&["bus", "event", "--event", "observation", "--summary", "by a"]);
    let events = world.lines("_bus/events/events.jsonl");
    let said: Vec<_> = events.iter().filter(|event| event["event"] == "observation").collect();
    assert_eq!((&said[0]["agent_id"], &said[1]["agent_id"]), (&"b".into(), &"a".into()), "{said:?}");
    assert_eq!(world.refused(&["session-boot", "--agent", "operator", "--no-sync"])["code"], "agent.operator");

    // Neither does it lose the folder to another seat's manifest, before it hands the folder over.
    let nobody = |args: &[&str]| {
        let mut command = world.teof(args);
        command.env_remove("TEOF_OPERATOR_TOKEN");
        ran(command, &["--json"])
    };
    assert!(nobody(&["agent", "use", "b"]).expect(1).stderr.contains("session.folder_taken"));
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "a");
    nobody(&["agent", "save", "of-a", "--no-heartbeat", "--allow-dirty"]).expect(0);
    nobody(&["agent", "use", "b"]).expect(0);
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["agent_id"], "b");
}

#[test]
fn the_environment_cannot_loosen_guards() {
    let mut world = World::new();
    for seat in ["a", "b"] {
        world.ok(&["session-boot", "--no-sync", "--agent", seat]);
    }
    world.ok(&["bus", "claim", "T1", "--allow-unassigned", "--agent", "a"]);
    world.ok(&["bus", "claim", "T2", "--allow-unassigned", "--agent", "a", "--lease", "8h"]);
    let config = world.folder().join("config/teof/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[claims]\nagent_window = \"0s\"\n").unwrap();
    let takeover = |task: &str| {
        let mut command = world.teof(&["bus", "takeover", task, "--agent", "b", "--reason", "x", "--json"]);
        command.env("TEOF_CLAIMS_AGENT_WINDOW", "0s");
        command
    };
    assert!(ran(takeover("T1"), &[]).expect(3).stderr.contains("claim.not_expired"));
    let mut later = takeover("T2");
    later.env("TEOF_NOW", "2031-01-01T00:00:00Z");
    assert!(ran(later, &["--allow-stale-session"]).expect(2).stderr.contains("time.fixed"));
    fs::remove_file(config).unwrap();
    // The session guard: a longer age is bounded, and recorded when it makes the difference.
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.ok(&["session-boot", "--no-sync", "--agent", "c"]);
    let event = ["bus", "event", "--event", "observation", "--summary", "x", "--agent", "c"];
    world.now = Some("2026-01-05T13:00:00Z".to_owned());
    world.ok(&[&event[..], &["--session-max-age", "4h"]].concat());
    let log = world.lines("_report/agent/c/session_guard/events.jsonl");
    assert_eq!(log[0]["code"], "session_max_age", "{log:?}");
    world.now = Some("2026-01-07T13:00:00Z".to_owned());
    let mut forever = world.teof(&event);
    forever.arg("--json").env("TEOF_SESSION_MAX_AGE", "999999999");
    assert!(ran(forever, &[]).expect(1).stderr.contains("session.stale"));
    assert_eq!(world.refused(&[&event[..], &["--session-max-age", "9d"]].concat())["code"], "session.stale");
    let error = world.refused(&["bus", "claim", "--next", "--agent", "a", "--epoch", "1"]);
    assert_eq!(error["code"], "epoch.no_task");
}

#[test]
fn a_seat_cannot_loosen_guards_in_the_settings() {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    for seat in ["a", "b"] {
        world.ok(&["session-boot", "--no-sync", "--agent", seat]);
    }
    for task in ["T1", "T2", "T3"] {
        world.ok(&["bus", "claim", task, "--allow-unassigned", "--agent", "a"]);
    }
    let loose = "[claims]\nagent_window = \"1m\"\n[session]\nmax_age = \"9d\"\n";
    world.write("teof.toml", loose);
    world.now = Some("2026-01-05T10:30:00Z".to_owned());
    let takeover = |task| ["bus", "takeover", task, "--agent", "b", "--reason", "x"];
    assert_eq!(world.refused(&takeover("T1"))["code"], "claim.not_expired");
    assert_eq!(world.refused(&["bus", "pause", "T1", "--agent", "b", "--reason", "x"])["code"], "claim.not_expired");
    world.now = Some("2026-01-05T12:00:00Z".to_owned());
    let event = ["bus", "event", "--event", "observation", "--summary", "x", "--agent", "b"];
    assert_eq!(world.refused(&event)["code"], "session.stale");
    // Without a grant, what was committed counts; a person does what they wrote.
    world.now = Some("2026-01-05T12:30:00Z".to_owned());
    world.ok(&["bus", "takeover", "T1", "--agent", "operator", "--reason", "x"]);
    world.git(&["add", "teof.toml"]);
    world.git(&["commit", "-qm", "Shorten the window"]);
    world.ok(&event);
    world.ok(&takeover("T2"));
    // With a grant, only what it covers.
    world.ok(&["consent", "grant"]);
    world.write("teof.toml", &loose.replace("1m", "1s"));
    world.git(&["commit", "-qam", "Shorten it again"]);
    world.ok(&["session-boot", "--no-sync", "--agent", "b"]);
    assert_eq!(world.refused(&takeover("T3"))["code"], "claim.not_expired");
    world.ok(&["consent", "grant"]);
    world.ok(&takeover("T3"));
}

#[test]
fn rollback_commands_run_on_a_persons_word_in_a_worktree_and_leave_a_receipt() {
    let mut desk = crate::review::Desk::new();
    desk.world.trust_settings(UNCONFINED);
    let undo = format!("cat src/code.txt > {0}/undone; pwd >> {0}/undone; cat .env", desk.world.folder().display());
    desk.world.write(".gitignore", ".env\n");
    desk.world.write(".worktreeinclude", ".env\n");
    desk.world.write(".env", "DB_PASSWORD=quartz-lamp\n");
    let plan = |undo: &str| {
        let step = json!({"id": "S1", "title": "Do it", "status": "queued", "notes": "", "receipts": [],
            "commands": ["true"], "rollback": [undo]});
        let plan = json!({"version": 0, "plan_id": "2026-01-05-docs", "created": "2026-01-05T10:00:00Z", "actor": "manager",
            "summary": "Docs", "status": "in_progress", "priority": 2, "layer": "L5", "systemic_scale": 5,
            "impact_score": 1, "systemic_targets": ["S1"], "steps": [step],
            "checkpoint": {"description": "Docs exist", "owner": "manager", "status": "pending"},
            "receipts": [], "links": []});
        format!("{plan:#}\n")
    };
    desk.world.write("_plans/2026-01-05-docs.plan.json", &plan(&undo));
    desk.world.git(&["add", "_plans", ".gitignore", ".worktreeinclude"]);
    desk.world.git(&["commit", "-qm", "Plan"]);
    desk.plan = json!({"plan_id": "2026-01-05-docs", "step_id": "S1"});
    desk.bundle(&[]);
    assert!(desk.world.ok(&["plan", "show", "2026-01-05-docs"]).contains("rollback: $ cat src/code.txt"));
    desk.approve().expect(0);
    let revert = |more: &[&str]| {
        desk.world.run(&[&["review", "revert", crate::review::JOB, "--rollback", "--json"], more].concat())
    };
    assert!(revert(&[]).expect(2).stderr.contains("rollback.unconfirmed"));
    assert!(revert(&["--yes"]).expect(6).stderr.contains("commands.untrusted"));
    desk.world.ok(&["plan", "approve", "2026-01-05-docs"]);
    let approved = desk.world.read("_plans/2026-01-05-docs.plan.json");
    desk.world.write("_plans/2026-01-05-docs.plan.json", &plan("touch changed-after-the-approval"));
    assert!(revert(&["--yes"]).expect(6).stderr.contains("commands.untrusted"), "these are not the approved bytes");
    assert!(desk.show("main:src/code.txt").contains('2'), "nothing was reverted by any of them");

    desk.world.write("_plans/2026-01-05-docs.plan.json", &approved);
    let done: Value = serde_json::from_str(&revert(&["--yes"]).expect(0).stdout).unwrap();
    let undone = fs::read_to_string(desk.world.folder().join("undone")).unwrap();
    assert!(undone.starts_with("one\ntwo\nthree\n"), "it ran on the reverted tree: {undone}");
    assert!(undone.contains("/repo.worktrees/"), "and in a worktree: {undone}");
    let receipt = desk.world.read_json(done["rollback"]["receipt"].as_str().unwrap());
    assert_eq!((&receipt["passed"], &receipt["commands"][0]["exit_code"]), (&json!(true), &json!(0)), "{receipt}");
    assert_eq!(receipt["recognised"], "neither");
    let tail = receipt["commands"][0]["tail"].as_str().unwrap();
    assert!(tail.contains("DB_PASSWORD=[redacted:copied-secret]"), "what a worktree gets is in no receipt: {tail}");
    desk.world.ok(&["receipts", "verify"]);
    assert!(desk.leftovers().is_empty());
}
