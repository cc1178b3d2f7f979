//! Every error has one form, `error:` `cause:` `fix:`, in plain words, and names what was likely meant.

use crate::harness::World;

/// What libraries say about errors, which means nothing to a person.
const RAW: [&str; 10] = [
    "invalid digit",
    "os error",
    "class=",
    "code=NotFound",
    "premature end",
    "expected value",
    "EOF while",
    "invalid float",
    "For more information, try",
    "invalid type",
];

#[test]
fn every_error_has_one_form_in_plain_words() {
    let world = World::new();
    world.ok(&["init", "--hub", "."]);
    world.write("_plans/next-development.todo.json", r#"{"version": 0, "items": [{"id": "T-1", "title": "x"}]}"#);
    let cases: [(&[&str], i32, &str, &str); 25] = [
        (&["bus", "staus"], 2, "no such command: teof bus staus (did you mean status?)", "fix: teof bus status"),
        (&["claim", "T-1"], 2, "(did you mean bus claim?)", "fix: teof bus claim T-1"),
        (&["frobnicate"], 2, "no such command: teof frobnicate", "fix: teof --help"),
        (&["task", "list", "--al"], 2, "no such flag: --al (did you mean --all?)", "fix: teof task list --all"),
        (&["bus", "event", "--event", "note"], 2, "missing: --summary", "fix: teof bus event --help"),
        (&["task", "list", "--limit", "x"], 2, "cause: it must be a whole number", "fix: teof task list --help"),
        (&["task", "list", "--limit", "99999999999999999999"], 2, "cause: the number is too large", ""),
        (&["coordinator", "run", "--concurrency", "70"], 2, "cause: it must be a whole number from 1 to 64", ""),
        (&["bus", "claim", "T-1", "--lease", "soon"], 2, "90s, 30m, 4h or 7d", "fix: teof bus claim --help"),
        (&["bus", "status", "--since", "yester"], 2, "2026-01-05T08:30:00Z", ""),
        (&["bus", "status", "--window-hours", "x"], 2, "write a number of hours, 0 or more", ""),
        (&["bus", "status", "--severity", "hgih"], 2, "(did you mean high?)", "fix: teof bus status --severity high"),
        (&["plan", "list", "--status", "Quued"], 2, "(did you mean queued?)", "fix: teof plan list --status queued"),
        (&["completions", "bahs"], 2, "(did you mean bash?)", "fix: teof completions bash"),
        (&["task", "add", "X", "--title"], 2, "--title <TITLE> needs a value", ""),
        (&["task", "add", "X", "--title", "t", "--layer", "L9"], 2, "invalid value 'L9' for --layer", ""),
        (&["bus", "claim", "T-1", "--next"], 2, "cannot be combined with --next", ""),
        (&["bus", "claim", "A", "B"], 2, "unexpected argument 'B'", ""),
        (&["plan", "show", "2026-01-01-none"], 4, "no such plan: 2026-01-01-none", "fix: teof plan list"),
        (
            &["coordinator", "submit", "T-2"],
            4,
            "no such task, plan or job: T-2 (did you mean T-1?)",
            "fix: teof task list",
        ),
        (&["coordinator", "logs", "nope"], 4, "no such job: nope", "fix: teof status"),
        (&["review", "show", "nope"], 4, "no such finished job: nope", "fix: teof review list"),
        (&["seat", "show", "nope"], 4, "no such seat: nope", "fix: teof seat list"),
        (&["session", "show", "nope"], 4, "no such session: nope", "fix: teof session list --all"),
        (&["--root", "/nonexistent", "task", "list"], 4, "/nonexistent does not exist", "No such file or directory"),
    ];
    for (args, code, what, fix) in cases {
        let ran = world.run(args).expect(code);
        assert!(ran.stderr.starts_with("error: ") && ran.stdout.is_empty(), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(what) && ran.stderr.contains(fix), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.matches("fix: ").count() <= 2, "{args:?}: {}", ran.stderr);
        assert!(RAW.iter().all(|raw| !ran.stderr.contains(raw)), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn words_of_other_tools_lead_to_commands_that_exist() {
    let world = World::bare_of_teof();
    let guesses = [
        ("merge j1", "approve", "approve j1"),
        ("undo j1", "review revert", "review revert j1"),
        ("revert j1", "review revert", "review revert j1"),
        ("start", "run", "run"),
        ("stop", "coordinator stop", "coordinator stop"),
        ("cancel j1", "coordinator cancel", "coordinator cancel j1"),
        ("resume", "coordinator resume", "coordinator resume"),
        ("retry j1", "review retry", "review retry j1"),
        ("reject j1", "review reject", "review reject j1"),
        ("queue", "status", "status"),
        ("jobs", "status", "status"),
        ("config", "doctor --settings", "doctor --settings"),
        ("show j1", "review show or logs", "review show j1"),
        ("pause", "coordinator pause", "coordinator pause"),
        ("list", "status or task list", "status"),
        ("diff j1", "review show --diff", "review show --diff j1"),
    ];
    for (typed, meant, fix) in guesses {
        let args: Vec<&str> = typed.split(' ').collect();
        let told = world.run(&args).expect(2).stderr;
        assert!(told.contains(&format!("(did you mean {meant}?)")), "{typed}: {told}");
        assert!(told.contains(&format!("fix: teof {fix}\n")), "{typed}: {told}");
        let help = [&fix.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat();
        world.ok(&help);
    }
}

#[test]
fn help_about_a_command_is_asked_for_either_way() {
    let world = World::bare_of_teof();
    for (words, flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "do"], &["do", "--help"]),
        (&["help", "bus", "claim"], &["bus", "claim", "--help"]),
    ] {
        assert_eq!(world.ok(words), world.ok(flag), "{words:?}");
    }
    let told = world.run(&["help", "staus"]).expect(2).stderr;
    assert!(told.contains("no such command: teof staus (did you mean status?)"), "{told}");
    assert!(told.contains("fix: teof help status\n"), "{told}");
}

#[test]
fn slips_of_names_are_told_what_was_likely_meant() {
    let world = World::new();
    world.ok(&["init", "--agent", "codex-1", "-q"]);
    world.ok(&["plan", "new", "docs", "--summary", "Docs"]);
    let plan = world.json(&["plan", "list"])["plans"][0]["plan_id"].as_str().unwrap().to_owned();
    world.ok(&["session-boot", "--no-sync", "--allow-branch-mismatch", "-q"]);
    for task in ["QUEUE-001", "QUEUE-002"] {
        world.ok(&["task", "add", task, "--title", "t", "-q"]);
    }
    world.ok(&["bus", "claim", "QUEUE-002", "--allow-unassigned", "-q"]);
    world.ok(&["coordinator", "skip", "QUEUE-002", "-q"]);
    let misspelt = plan.replace("docs", "dosc");
    let cases: [(&[&str], &str); 18] = [
        (&["plan", "show", &misspelt], &plan),
        (&["plan", "show", "dosc"], "docs"),
        (&["plan", "step", "set", "docs", "S11", "--status", "done"], "S1"),
        (&["seat", "show", "codxe-1"], "codex-1"),
        (&["coordinator", "reassign", "QUEUE-001", "--to", "codxe-1"], "codex-1"),
        (&["task", "assign", "QUEUE-001", "--engineer", "codxe-1", "--no-auto-claim"], "codex-1"),
        (&["bus", "message", "--task", "agent-codxe-1", "--type", "note", "--summary", "s"], "codex-1"),
        (&["bus", "status", "--agent", "codxe-1"], "codex-1"),
        (&["bus", "watch", "--agent", "codxe-1"], "codex-1"),
        (&["task", "list", "--agent", "codxe-1"], "codex-1"),
        (&["task", "list", "--status", "opne"], "open"),
        (&["bus", "claim", "QUUEE-001"], "QUEUE-001"),
        (&["bus", "release", "QUUEE-002"], "QUEUE-002"),
        (&["coordinator", "explain", "QUUEE-001"], "QUEUE-001"),
        (&["coordinator", "resume", "QUUEE-002"], "QUEUE-002"),
        (&["coordinator", "skip", "QUUEE-001"], "QUEUE-001"),
        (&["bus", "watch", "--event", "obsrevation"], "observation"),
        (&["bus", "event", "--event", "obsrevation", "--summary", "s"], "observation"),
    ];
    for (args, meant) in cases {
        let ran = world.run(args);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains(&format!("(did you mean {meant}?")), "{args:?}: {told}");
    }
    assert_eq!(world.run(&["coordinator", "reassign", "QUEUE-001", "--to", "codxe-1"]).code, 4);
    // An event stays for ever: a slip of a known kind is refused, another kind is an extension.
    for slip in ["statuss", "Status", "completed"] {
        assert_eq!(world.refused(&["bus", "event", "--event", slip, "--summary", "s"])["code"], "event.kind");
    }
    world.ok(&["bus", "event", "--event", "retrospective", "--summary", "s"]);
}

#[test]
fn damaged_files_and_settings_are_told_of_in_plain_words() {
    let world = World::new();
    world.ok(&["init", "--hub", "."]);
    let whole = world.read("teof.toml");
    for (text, what) in [
        ("[lock]\nwiat = \"9s\"\n", "unknown setting wiat in [lock] (did you mean wait?)"),
        ("[lock]\nwait = \"soon\"\n", "\"soon\" is not a duration"),
        ("[coordinator]\nconcurrency = \"x\"\n", "concurrency"),
        ("[lock", "teof.toml"),
    ] {
        world.write("teof.toml", text);
        let ran = world.run(&["task", "list"]).expect(2);
        assert!(ran.stderr.starts_with("error: invalid settings in "), "{}", ran.stderr);
        assert!(ran.stderr.contains(what) && ran.stderr.contains("fix: teof doctor"), "{text}: {}", ran.stderr);
        assert!(RAW.iter().all(|raw| !ran.stderr.contains(raw)), "{text}: {}", ran.stderr);
    }
    world.write("teof.toml", &whole);
    for damaged in ["x", "{", "[]", "{\"items\": [}", "{\"items\": \"x\"}"] {
        world.write("_plans/next-development.todo.json", damaged);
        let ran = world.run(&["task", "add", "A", "--title", "t", "--allow-stale-session"]);
        assert!(ran.code != 70 && ran.stderr.contains("next-development.todo.json"), "{damaged}: {ran:?}");
        assert!(RAW.iter().all(|raw| !ran.stderr.contains(raw)), "{damaged}: {}", ran.stderr);
    }
}

/// As in `teof … | head`: one line, and whoever changes something hears that it is done.
#[test]
fn a_reader_that_closes_the_pipe_early_is_named_in_one_line() {
    let world = World::new();
    let said = "error: stdout was closed before everything was printed\n";
    let done = "cause: the program that reads it ended; what the command did before is done\n";
    for (args, told) in [
        (&["task", "list"][..], said.to_owned()),
        (&["status"], said.to_owned()),
        (&["--help"], said.to_owned()),
        (&["task", "add", "Q-1", "--title", "Q"], said.to_owned() + done),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = world.teof(args).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert_eq!(stderr, told, "{args:?}");
    }
}
