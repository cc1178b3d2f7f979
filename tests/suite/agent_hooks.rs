//! The hooks of agent programs: what Claude Code and Codex really send, and what they are answered.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::Clock;
use teof::base::lock::FileLock;

use crate::harness::World;

const CLAUDE: &str = include_str!("../fixtures/hooks/claude.ndjson");
const CODEX: &str = include_str!("../fixtures/hooks/codex.ndjson");

/// A repository with a seat, a task and `[hooks]` settings.
fn world(hooks: &str) -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "a1", "-q"]);
    world.write("teof.toml", &format!("[hooks]\n{hooks}\n"));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world
}

fn hook(world: &World, event: &str, input: &str, set: &[(&str, &str)]) -> Output {
    let mut command = world.teof(&["hook", event]);
    command.envs(set.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that does not read all of it is no fault.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The answer of a hook: JSON, or `null` for nothing.
fn answer(world: &World, event: &str, input: &Value) -> Value {
    let out = hook(world, event, &input.to_string(), &[]);
    let (said, errors) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert_eq!((out.status.code(), errors.as_str()), (Some(0), ""), "{event}: {said}");
    if said.is_empty() { Value::Null } else { serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}")) }
}

fn event_of(name: &str) -> &'static str {
    match name {
        "SessionStart" => "session-start",
        "UserPromptSubmit" => "prompt",
        "PreToolUse" => "before-tool",
        "PostToolUse" => "after-tool",
        "SubagentStart" => "subagent-start",
        "SubagentStop" => "subagent-stop",
        "Stop" => "stop",
        "SessionEnd" => "session-end",
        other => panic!("{other}"),
    }
}

/// The recorded calls of a program, as if they had been made in this repository.
fn recorded(world: &World, lines: &str) -> Vec<Value> {
    let lines = lines.replace("/project", world.repo.to_str().unwrap());
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn replay(world: &World, calls: &[Value]) -> Vec<(Value, Value)> {
    let call = |call: &Value| {
        let event = event_of(call["hook_event_name"].as_str().unwrap());
        (call.clone(), answer(world, event, call))
    };
    calls.iter().map(call).collect()
}

fn decision<'a>(answers: &'a [(Value, Value)], tool: &str) -> Vec<&'a Value> {
    let of_tool = |call: &Value| call["hook_event_name"] == "PreToolUse" && call["tool_name"] == tool;
    answers.iter().filter(|(call, _)| of_tool(call)).map(|(_, answer)| &answer["hookSpecificOutput"]).collect()
}

#[test]
fn recorded_sessions_of_claude_and_codex_need_a_claim_to_edit() {
    for (program, lines, editor) in [("claude", CLAUDE, "Edit"), ("codex", CODEX, "apply_patch")] {
        let world = world("claim = \"refuse\"");
        let calls = recorded(&world, lines);
        let refused = replay(&world, &calls);
        let start = refused[0].1["hookSpecificOutput"]["additionalContext"].as_str().unwrap();
        assert!(start.contains("You are the seat a1") && start.contains("You hold no task"), "{start}");
        let gate = decision(&refused, editor);
        let why = gate[0]["permissionDecisionReason"].as_str().unwrap();
        assert_eq!(gate[0]["permissionDecision"], "deny", "{program}");
        assert!(why.contains("README.md: edited without a claim") && why.contains("fix: teof bus claim"), "{why}");
        assert!(decision(&refused, "Bash").iter().all(|answer| answer.is_null()), "{refused:?}");
        assert_eq!(world.json(&["seat", "show", "a1"])["session"]["session"], "fresh", "the hook booted it");

        world.ok(&["task", "pickup", "T-1", "--agent", "a1"]);
        let allowed = replay(&world, &calls);
        assert!(decision(&allowed, editor).iter().all(|answer| answer.is_null()), "{program}: {allowed:?}");
        let claims = world.json(&["bus", "status"])["claims"].clone();
        let edited: Vec<&Value> = claims[0]["_editing"].as_array().unwrap().iter().map(|edit| &edit["path"]).collect();
        assert!(edited.contains(&&json!("README.md")), "{claims}");
        assert!(world.ok(&["bus", "status"]).contains("edits "), "people see it, too");

        let stop = allowed.iter().filter(|(call, _)| call["hook_event_name"] == "Stop").map(|(_, answer)| answer);
        let [stop] = stop.collect::<Vec<_>>()[..] else { panic!("{allowed:?}") };
        assert_eq!(stop["decision"], "block");
        assert!(stop["reason"].as_str().unwrap().contains("T-1: nothing was reported since"), "{stop}");

        let sessions = world.json(&["session", "list"])["sessions"].clone();
        let [one, two] = &sessions.as_array().unwrap()[..] else { panic!("{sessions}") };
        let (main, subagent) = if one["started_by"].is_null() { (one, two) } else { (two, one) };
        assert_eq!(
            (&main["program"], &main["mode"], &main["status"]),
            (&json!(program), &json!("hooked"), &json!("done"))
        );
        assert_eq!((&subagent["started_by"], &subagent["agent_id"]), (&main["id"], &json!("a1")));
        let table = world.ok(&["session", "list"]);
        let (main, subagent) = (main["id"].as_str().unwrap(), subagent["id"].as_str().unwrap());
        assert!(table.contains(&format!("\n{main} ")) && table.contains(&format!("\n  {subagent} ")), "{table}");
        assert_eq!(world.refused(&["session", "cancel", main])["code"], "session.over");
    }
}

fn call(world: &World, more: Value) -> Value {
    let mut call = json!({ "session_id": "s-1", "cwd": world.repo, "permission_mode": "default" });
    more.as_object().unwrap().iter().for_each(|(key, value)| call[key] = value.clone());
    call
}

fn tool(world: &World, name: &str, input: Value) -> Value {
    answer(world, "before-tool", &call(world, json!({ "tool_name": name, "tool_input": input })))["hookSpecificOutput"]
        .clone()
}

#[test]
fn stopping_is_held_up_once_for_what_is_not_reported() {
    let world = world("");
    answer(&world, "session-start", &call(&world, json!({ "source": "startup" })));
    world.ok(&["task", "pickup", "T-1", "--agent", "a1"]);
    let stop = |active: bool| answer(&world, "stop", &call(&world, json!({ "stop_hook_active": active })));
    let edit = json!({ "tool_name": "Edit", "tool_input": { "file_path": "README.md" } });
    assert_eq!(stop(false), Value::Null, "nothing was edited");
    answer(&world, "after-tool", &call(&world, edit));
    assert_eq!(stop(true), Value::Null, "it continues because of a stop hook");
    assert_eq!(stop(false)["decision"], "block");
    assert_eq!(stop(false), Value::Null, "told once");
    let session = world.json(&["session", "list"])["sessions"][0].clone();
    assert_eq!((&session["status"], &session["agent_session"]), (&json!("running"), &json!("s-1")));
    assert_eq!(world.refused(&["session", "cancel", session["id"].as_str().unwrap()])["code"], "session.not_ours");

    // Reported work is no reason to be held up.
    let other = call(&world, json!({ "session_id": "s-2" }));
    let mut edited = other.clone();
    (edited["tool_name"], edited["tool_input"]) = (json!("Write"), json!({ "file_path": "README.md" }));
    answer(&world, "after-tool", &edited);
    world.ok(&["bus", "event", "--event", "status", "--task", "T-1", "--summary", "Half", "--agent", "a1"]);
    assert_eq!(answer(&world, "stop", &other), Value::Null);
}

#[test]
fn denied_paths_are_refused_and_dangers_warned_of_once() {
    let world =
        world("danger = \"warn\"\n[guard]\ndenied = [\"secret/\"]\n[[monitor]]\nname = \"sudo\"\naction = \"cancel\"");
    let path =
        |path: &str| tool(&world, "Write", json!({ "file_path": world.repo.join(path) }))["permissionDecision"].clone();
    for denied in ["secret/key", "teof.toml", "_bus/events/events.jsonl", "_report/receipts.jsonl", ".git/config"] {
        assert_eq!(path(denied), "deny", "{denied}");
    }
    for fine in ["README.md", "_report/agent/a1/proof.txt", "_plans/2026-01-05-x.md", "../elsewhere"] {
        assert_eq!(path(fine), Value::Null, "{fine}");
    }
    let run = |line: &str| tool(&world, "Bash", json!({ "command": line }));
    assert_eq!(run("sudo ls")["permissionDecision"], "deny", "a rule that cancels");
    assert_eq!(run("echo x > teof.toml")["permissionDecision"], "deny");
    assert!(run("git push --force")["additionalContext"].as_str().unwrap().contains("force-push"));
    assert_eq!(run("git push --force"), Value::Null, "once");
    let long = |end: &str| format!("git push --force origin {}{end}", "x".repeat(400));
    for end in ["1", "2"] {
        let warned = run(&long(end));
        assert!(
            warned["additionalContext"].to_string().contains("force-push"),
            "the end makes it another one: {warned}"
        );
        assert_eq!(run(&long(end)), Value::Null, "once");
    }
    // The claim gate warns by default, once for each file.
    let other = tool(&world, "Edit", json!({ "file_path": "src/new.rs" }));
    assert!(other["additionalContext"].as_str().unwrap().contains("src/new.rs: edited without a claim"), "{other}");
    assert_eq!(tool(&world, "Edit", json!({ "file_path": "src/new.rs" })), Value::Null);
}

#[test]
fn a_lease_that_ends_soon_is_renewed_while_the_agent_works_and_one_that_ended_is_not() {
    let world = world("claim = \"refuse\"");
    answer(&world, "session-start", &call(&world, json!({ "source": "startup" })));
    let claim = |lease: &str| {
        world.ok(&["bus", "claim", "T-1", "--agent", "a1", "--allow-unassigned", "--lease", lease]);
        world.read_json("_bus/claims/T-1.json")
    };
    let after = |world: &World| {
        let edit = tool(world, "Edit", json!({ "file_path": "README.md" }));
        (edit["permissionDecision"].clone(), world.read_json("_bus/claims/T-1.json"))
    };
    let long = claim("20m");
    assert_eq!(after(&world), (Value::Null, long), "more than half of half an hour is left");
    let (short, events) = (claim("2m"), world.read("_bus/events/events.jsonl"));
    let (decision, renewed) = after(&world);
    assert_eq!((&decision, &renewed["epoch"]), (&Value::Null, &short["epoch"]));
    assert!(renewed["lease_expires_at"].as_str() > short["lease_expires_at"].as_str(), "{renewed}");
    assert_eq!(world.read("_bus/events/events.jsonl"), events, "without an event");

    let mut later = world;
    later.now = Some(Clock::Machine.now().plus(Duration::from_secs(40 * 60)).to_string());
    assert_eq!(after(&later), (json!("deny"), renewed), "another seat may have counted on its end");
}

#[test]
fn what_is_refused_stays_refused_while_the_bus_lock_is_busy() {
    let world = world("claim = \"refuse\"\n[lock]\nwait = \"0s\"");
    answer(&world, "session-start", &call(&world, json!({ "source": "startup" })));
    world.ok(&["bus", "claim", "T-1", "--agent", "a1", "--allow-unassigned", "--lease", "2m"]);
    let lock = world.repo.join(".git/teof/locks/bus.lock");
    let held = FileLock::acquire(&lock, Duration::from_secs(60), "lock.wait", "a test").unwrap();
    for (path, wanted) in [("teof.toml", json!("deny")), ("README.md", Value::Null)] {
        let edit = call(&world, json!({ "tool_name": "Edit", "tool_input": { "file_path": path } }));
        let out = hook(&world, "before-tool", &edit.to_string(), &[]);
        let decided: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        assert_eq!(decided["hookSpecificOutput"]["permissionDecision"], wanted, "{path}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("cannot renew the session of a1"), "{out:?}");
    }
    drop(held);
}

#[test]
fn an_edit_of_a_path_that_another_seat_edits_is_warned_of() {
    let world = world("claim = \"off\"");
    let edit = json!({ "tool_name": "Edit", "tool_input": { "file_path": "README.md" } });
    let other = hook(&world, "after-tool", &call(&world, edit.clone()).to_string(), &[("TEOF_AGENT", "b2")]);
    assert_eq!(other.status.code(), Some(0));
    let warned = tool(&world, "Edit", json!({ "file_path": "README.md" }));
    assert!(warned["additionalContext"].as_str().unwrap().contains("README.md: b2 edited it"), "{warned}");
}

#[test]
fn a_hook_stops_no_agent_because_teof_is_broken() {
    let world = world("");
    let edit = call(&world, json!({ "tool_name": "Edit", "tool_input": { "file_path": "README.md" } }));
    let before = || hook(&world, "before-tool", &edit.to_string(), &[]);
    assert_eq!(before().status.code(), Some(0));
    let record = fs::read_dir(world.sessions()).unwrap().next().unwrap().unwrap().path().join("metadata.json");
    fs::write(&record, "{").unwrap();
    let open = before();
    assert_eq!((open.status.code(), open.stdout.len()), (Some(0), 0));
    assert!(String::from_utf8_lossy(&open.stderr).contains("warning: teof hook: "), "{open:?}");
    world.write("teof.toml", "[hooks]\nrefuse_on_error = true\n");
    let closed = before();
    let said: Value = serde_json::from_slice(&closed.stdout).unwrap();
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny");

    // For the programs, exit code 2 is a refusal.
    let unknown = hook(&world, "an-event-of-tomorrow", "{}", &[]);
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(1), 0));
}

#[test]
fn a_call_that_cannot_be_read_is_refused_where_errors_refuse() {
    let too_long = format!("{{\"tool_input\": {{\"content\": \"{}\"}}}}", "x".repeat(64 << 20));
    for (setting, code) in [("refuse_on_error = false", 1), ("refuse_on_error = true", 2)] {
        let world = world(setting);
        for (input, why) in
            [("not JSON", "no JSON object"), ("", "no JSON object"), (too_long.as_str(), "more than 64 MiB")]
        {
            let out = hook(&world, "before-tool", input, &[]);
            let said = String::from_utf8_lossy(&out.stderr);
            assert_eq!((out.status.code(), out.stdout.len()), (Some(code), 0), "{said}");
            assert!(said.contains(why), "{said}");
        }
        assert_eq!(hook(&world, "after-tool", "not JSON", &[]).status.code(), Some(1), "there is no call to refuse");
    }
}

#[test]
fn where_teof_is_not_set_up_and_inside_a_run_a_hook_answers_nothing() {
    let bare = World::bare_of_teof();
    let edit = |world: &World| call(world, json!({ "tool_name": "Edit", "tool_input": { "file_path": "README.md" } }));
    assert_eq!(answer(&bare, "session-start", &call(&bare, json!({ "source": "startup" }))), Value::Null);
    assert_eq!(answer(&bare, "before-tool", &edit(&bare)), Value::Null);
    assert!(!bare.exists("_report") && !bare.exists(".git/teof"), "it left nothing");
    let world = world("claim = \"refuse\"");
    let out = hook(&world, "before-tool", &edit(&world).to_string(), &[("TEOF_RUN", "job-1.1"), ("TEOF_TASK", "T-1")]);
    assert_eq!((out.status.code(), out.stdout.len(), out.stderr.len()), (Some(0), 0, 0));
}

#[test]
fn a_worktree_is_made_for_claude_and_removed_when_nothing_was_done_in_it() {
    let world = world("");
    world.write(".worktreeinclude", ".env\nsub/.env\n");
    world.write(".gitignore", ".env\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Ignore"]);
    world.write(".env", "PORT=1\n");
    world.write("sub/.env", "PORT=2\n");
    let made = |name: &str| {
        let out = hook(&world, "worktree-create", &call(&world, json!({ "name": name })).to_string(), &[]);
        String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
    };
    let (empty, used) = (made("agent-a1b2"), made("feature/x"));
    assert!(fs::exists(format!("{empty}/README.md")).unwrap() && used.ends_with("feature-x"), "{empty} {used}");
    for included in [".env", "sub/.env"] {
        assert!(fs::exists(format!("{empty}/{included}")).unwrap(), "{included}");
    }
    let slots: Vec<_> = [&empty, &used]
        .map(|root| {
            let rows = world.json(&["worktree", "list"]);
            let all = rows.as_array().or_else(|| rows["worktrees"].as_array()).unwrap().clone();
            all.iter().find(|row| row["path"] == **root).unwrap()["slot"].clone()
        })
        .into();
    assert_eq!(slots, [json!(1), json!(2)]);
    fs::write(format!("{used}/note.txt"), "x").unwrap();
    let committed = made("committed");
    world.git(&["-C", &committed, "commit", "-q", "--allow-empty", "-m", "Work"]);
    let ignored = made("ignored");
    fs::write(world.repo.join(".git/info/exclude"), "*.log\n").unwrap();
    fs::write(format!("{ignored}/build.log"), "x").unwrap();
    answer(&world, "session-end", &call(&world, json!({"reason": "clear"})));
    assert!(fs::exists(&empty).unwrap(), "the program goes on");
    answer(&world, "session-end", &call(&world, json!({})));
    assert!(!fs::exists(&empty).unwrap() && fs::exists(&used).unwrap() && fs::exists(&committed).unwrap());
    assert!(fs::exists(&ignored).unwrap(), "nothing else has what git ignores");
    assert!(!world.git(&["branch", "--list", "worktree-agent-a1b2"]).contains("agent-a1b2"));
}

#[test]
fn a_worktree_with_changed_copies_is_kept() {
    let world = world("");
    world.write(".worktreeinclude", ".env\nconf/\n");
    world.write(".gitignore", ".env\nconf/\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Ignore"]);
    world.write(".env", "PORT=1\n");
    world.write("conf/a.json", "{}\n");
    let made = |name: &str| {
        let out = hook(&world, "worktree-create", &call(&world, json!({ "name": name })).to_string(), &[]);
        String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
    };
    let (same, edited, added, linked) = (made("same"), made("edited"), made("added"), made("linked"));
    // As long as it was, so that its size tells nothing.
    fs::write(format!("{edited}/.env"), "PORT=2\n").unwrap();
    fs::write(format!("{added}/conf/b.json"), "{}\n").unwrap();
    fs::remove_file(format!("{linked}/.env")).unwrap();
    std::os::unix::fs::symlink("conf/a.json", format!("{linked}/.env")).unwrap();
    answer(&world, "session-end", &call(&world, json!({})));
    let left = [&same, &edited, &added, &linked].map(|path| fs::exists(path).unwrap());
    assert_eq!(left, [false, true, true, true]);
}

#[test]
fn a_program_that_another_agent_starts_is_listed_below_it() {
    let world = world("");
    let folder = world.folder();
    for name in ["claude", "codex"] {
        std::os::unix::fs::symlink("/bin/bash", folder.join(name)).unwrap();
    }
    fs::write(folder.join("claude.json"), call(&world, json!({ "source": "startup" })).to_string()).unwrap();
    let codex = call(&world, json!({ "session_id": "x-2", "turn_id": "t", "source": "startup" }));
    fs::write(folder.join("codex.json"), codex.to_string()).unwrap();
    let mut command = std::process::Command::new(folder.join("claude"));
    world.clear(&mut command);
    // Each goes on after the hook, as an agent does: a shell would become its last command.
    let inner = "\"$T\" hook session-start <../codex.json; :";
    let line = format!("\"$T\" hook session-start <../claude.json; ../codex -c '{inner}'; :");
    let ran =
        command.current_dir(&world.repo).env("T", env!("CARGO_BIN_EXE_teof")).args(["-c", &line]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let sessions = world.json(&["session", "list"])["sessions"].clone();
    let of = |program: &str| sessions.as_array().unwrap().iter().find(|one| one["program"] == program).unwrap().clone();
    assert_eq!((&of("codex")["started_by"], &of("claude")["started_by"]), (&of("claude")["id"], &Value::Null));
    assert_eq!(of("claude")["status"], "lost", "its program is gone, and did not say that it ended");
}

#[test]
fn what_is_beside_a_patch_in_a_command_line_is_gated_too() {
    let world = world("claim = \"refuse\"\n[[monitor]]\nname = \"sudo\"\naction = \"cancel\"");
    world.write("README.md", "a\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Read me"]);
    let ask = |command: &str| {
        let input =
            json!({"session_id": "s1", "cwd": world.repo, "tool_name": "Bash", "tool_input": {"command": command}});
        answer(&world, "before-tool", &input)["hookSpecificOutput"]["permissionDecisionReason"].to_string()
    };
    let patch = "apply_patch <<EOF\n*** Begin Patch\n*** Add File: /tmp/zz\n+x\n*** End Patch\nEOF\n";
    for before in [patch, ": *** Begin Patch\n: \napply_patch --help\n", "n=$((1<<4))\n"] {
        let why = ask(&format!("{before}sudo ls; sed -i s/a/b/ README.md"));
        assert!(why.contains("sudo") && why.contains("README.md: edited without a claim"), "{before}: {why}");
    }
    assert_eq!(ask(patch), "null");
}

#[test]
fn only_a_transcript_in_the_programs_own_folder_is_archived() {
    let world = world("");
    let own = world.folder().join("home/.claude/projects/p");
    fs::create_dir_all(&own).unwrap();
    let outside = world.folder().join("private.txt");
    fs::write(&outside, "my diary\n").unwrap();
    fs::write(own.join("one.jsonl"), "what was said\n").unwrap();
    std::os::unix::fs::symlink(&outside, own.join("link.jsonl")).unwrap();
    for (session, transcript, is_kept) in [
        ("own-1", own.join("one.jsonl"), true),
        ("other-2", outside.clone(), false),
        ("link-3", own.join("link.jsonl"), false),
        ("dots-4", own.join("../../../../private.txt"), false),
    ] {
        let start = json!({ "session_id": session, "source": "startup", "transcript_path": transcript });
        answer(&world, "session-start", &call(&world, start));
        answer(&world, "session-end", &call(&world, json!({ "session_id": session })));
        let id = format!("claude-{}", session.replace('-', ""));
        let folder = world.json(&["session", "archive", &id, "--agent", "a1"])["archived"][0]["path"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(world.exists(&format!("{folder}/log.txt")), is_kept, "{session}");
        assert!(world.exists(&format!("{folder}/summary.md")), "{session}");
    }
}

#[test]
fn where_a_program_keeps_transcripts_is_decided_when_it_calls_the_hook() {
    let world = world("");
    let folder = world.folder().join("claude-of-ann");
    fs::create_dir_all(&folder).unwrap();
    let transcript = folder.join("one.jsonl");
    fs::write(world.folder().join("private.txt"), "my diary\n").unwrap();
    for (session, transcript, kept) in
        [("own-1", &transcript, true), ("other-2", &world.folder().join("private.txt"), false)]
    {
        let start = json!({ "session_id": session, "source": "startup", "transcript_path": transcript });
        let set = [("CLAUDE_CONFIG_DIR", folder.to_str().unwrap())];
        hook(&world, "session-start", &call(&world, start).to_string(), &set);
        // It begins after its program.
        fs::write(folder.join("one.jsonl"), "what was said\n").unwrap();
        answer(&world, "session-end", &call(&world, json!({ "session_id": session })));
        let id = format!("claude-{}", session.replace('-', ""));
        // The archiver has another environment.
        let archived = world.json(&["session", "archive", &id, "--agent", "a1"])["archived"][0]["path"].clone();
        let archived = archived.as_str().unwrap();
        assert_eq!(world.exists(&format!("{archived}/log.txt")), kept, "{session}");
        let summary = world.read(&format!("{archived}/summary.md"));
        assert_eq!(summary.contains("not archived: "), !kept, "{summary}");
        assert!(!world.read(&format!("{archived}/session.json")).contains("claude-of-ann"), "no path of this machine");
    }
}

#[test]
fn copied_files_are_looked_up_once_for_several_archived_sessions() {
    let world = world("");
    world.write(".gitignore", ".env\n");
    world.write(".worktreeinclude", ".env\n");
    world.write(".env", "TOKEN=quartz-lamp\n");
    let sessions = ["s-1", "s-2", "s-3"];
    for session in sessions {
        answer(&world, "session-start", &call(&world, json!({ "session_id": session, "source": "startup" })));
        answer(&world, "session-end", &call(&world, json!({ "session_id": session })));
    }
    let (folder, log) = (world.folder().join("bin"), world.folder().join("calls"));
    fs::create_dir(&folder).unwrap();
    let path = std::env::var("PATH").unwrap();
    let git = format!("#!/bin/sh\necho \"$*\" >> {}\nPATH='{path}' exec git \"$@\"\n", log.display());
    fs::write(folder.join("git"), git).unwrap();
    fs::set_permissions(folder.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lookups = |sessions: &[&str]| {
        fs::write(&log, "").unwrap();
        let names = sessions.iter().map(|session| format!("claude-{}", session.replace('-', "")));
        let mut command = world.teof(&["session", "archive", "--agent", "a1"]);
        let out = command.args(names).env("PATH", format!("{}:{path}", folder.display())).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains("ls-files --others")).count()
    };
    let (one, more) = (lookups(&sessions[..1]), lookups(&sessions[1..]));
    assert!(one > 0 && more == one, "{one} for one session, {more} for two");
}
