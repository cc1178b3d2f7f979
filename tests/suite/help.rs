//! Help: every command says what it does in one line, and shows examples that work as they stand. So do the pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::faults::lab;
use crate::harness::agents::Fake;
use crate::harness::{Ran, World, operator_tokens, temp};
use crate::pages::pages;

/// Commands of the tree, from the reference: its path, its first line, its examples.
fn commands() -> Vec<(String, String, Vec<String>)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    let mut found: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        match line.trim_start_matches('#').strip_prefix(" teof ").filter(|_| line.starts_with("##")) {
            Some(path) => found.push((path.to_owned(), String::new(), Vec::new())),
            None if line.starts_with("```") => is_code = !is_code,
            None => {
                let Some((_, about, examples)) = found.last_mut() else { continue };
                if is_code {
                    examples.push(line.to_owned());
                } else if about.is_empty() {
                    line.clone_into(about);
                }
            }
        }
    }
    found
}

#[test]
fn every_command_says_in_a_line_what_it_does_and_has_an_example() {
    let commands = commands();
    assert!(commands.len() > 80, "{}", commands.len());
    for (path, about, examples) in &commands {
        assert!(about.chars().count() <= 70 && !about.ends_with('.'), "{path}: {about:?}");
        let first = about.split([' ', ',']).next().unwrap();
        let is_verb = VERBS.contains(&first);
        assert!(is_verb, "{path} begins with {first:?}, which is not a verb of this list: add it if it is one");
        assert!((1..=3).contains(&examples.len()), "{path} has {} examples", examples.len());
        assert!(examples.iter().all(|line| line.chars().count() <= 130), "{path}: {examples:?}");
    }
    let world = World::new();
    let top = world.ok(&["--help"]);
    for (path, about, _) in commands.iter().filter(|(path, ..)| !path.contains(' ')) {
        assert!(top.contains(&format!("  {path} ")) && top.contains(about), "{path} is in no group of teof --help");
    }
}

const VERBS: [&str; 57] = [
    "Add", "Answer", "Approve", "Assign", "Attach", "Bring", "Call", "Change", "Check", "Do", "Claim", "Close",
    "Commit", "Continue", "Create", "End", "Enter", "Find", "Give", "Keep", "List", "Look", "Manage", "Merge", "Pause",
    "Post", "Print", "Queue", "Record", "Reject", "Release", "Remove", "Report", "Retire", "Revert", "Review",
    "Revive", "Revoke", "Run", "Save", "Send", "Set", "Show", "Start", "Stop", "Switch", "Take", "Trust", "Try",
    "Write", "Allow", "Clear", "Watch", "Join", "Verify", "Install", "Serve",
];

const SETTINGS: &str = "[guard]\ntests = [\"true\"]\n[lock]\nwait = \"2s\"\n[coordinator]\nretries = 0\npoll_min = \"1s\"\npoll_max = \"1s\"\n\
    [worker]\ngrace = \"1s\"\n[pipeline]\nstages = [\"coder\"]\n[roles.coder]\nagent = \"fake\"\n";

const AGENT: &str = r#"
case "$TEOF_TASK" in
  QUEUE-006) answer 'Up or down?' ;;
  *) echo done >> "$TEOF_TASK.txt"; answer '{"analysis": "did it", "commands": [], "receipts": []}' ;;
esac
"#;

/// A repository in which the names of the examples mean something: free, claimed, expired, finished, merged and
/// asking tasks, a plan, seats and a receipt.
fn scratch() -> World {
    let world = World::new();
    let agent = Fake::new(&world.folder(), "fake", AGENT);
    for seat in ["codex-1", "codex-2", "manager"] {
        world.ok(&["init", "--agent", seat, "-q"]);
        world.shell(&format!("TEOF_AGENT={seat} teof session-boot --no-sync --allow-branch-mismatch")).expect(0);
    }
    let mut tokens: Value = serde_json::from_str(&operator_tokens()).unwrap();
    let mut phone = tokens[0].clone();
    phone["name"] = json!("phone");
    tokens.as_array_mut().unwrap().push(phone);
    fs::write(world.folder().join("state/teof/operator-tokens.json"), tokens.to_string()).unwrap();
    world.write("teof.toml", &format!("{}{SETTINGS}", agent.settings()));
    world.write("_report/agent/codex-1/gone.txt", "gone\n");
    world.write(".beads/issues.jsonl", "{\"id\":\"bd-1\",\"title\":\"t\",\"status\":\"open\",\"priority\":2}\n");
    world.write("issues.json", "[]");
    world.write("_report/agent/codex-1/proof.txt", "proof\n");
    world.write("_report/session/codex-1/dirty-handoff/dirty-20260105T100000Z.txt", "# dirty handoff\n\n M a\n");
    for n in 1..=7 {
        let task = format!("QUEUE-00{n}");
        world.ok(&["task", "add", &task, "--title", &task, "-q"]);
    }
    let link = json!({"id": "agents-idle-cadence", "title": "t", "summary": "s", "path": "README.md"});
    world.write("docs/quick-links.json", &json!({"links": [link]}).to_string());
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous", "-q"]);
    world.ok(&["coordinator", "submit", "QUEUE-004", "QUEUE-005", "QUEUE-006", "-q"]);
    world.run(&["coordinator", "run", "--until-idle", "--max-jobs", "3", "-q"]);
    world.ok(&["review", "approve", "QUEUE-005", "-q"]);
    lab::plan(&world, "2026-01-05-docs");
    world.ok(&["task", "assign", "QUEUE-007", "--engineer", "codex-1", "--no-auto-claim"]);
    world.ok(&["bus", "claim", "QUEUE-002", "--allow-unassigned"]);
    world.write(".git/teof/test-clock", "");
    let then = "TEOF_NOW=$(date -u -d '-1 hour' +%FT%TZ)";
    world
        .shell(&format!(
            "{then} TEOF_AGENT=codex-2 teof bus claim QUEUE-003 --allow-unassigned --allow-stale-session --lease 1s"
        ))
        .expect(0);
    world.ok(&["receipts", "add", "_report/agent/codex-1/gone.txt"]);
    world.write("AGENT_MANIFEST.observer.json", "{\"agent_id\": \"observer\"}\n");
    world
}

/// Examples that may exit with another code than 0, because of what they find or wait for.
const OTHER_CODES: [(&str, &[i32]); 19] = [
    ("teof agent setup claude --check", &[1]),
    ("teof session brief", &[1]),
    ("teof run", &[5]),
    // No job made the newest commit there.
    ("teof verify", &[1, 4]),
    ("teof check", &[1]),
    ("teof agent doctor", &[1]),
    // It names an agent of one's own.
    ("teof agent try", &[4]),
    ("teof doctor", &[1]),
    ("teof preflight", &[1]),
    ("teof scan", &[1]),
    ("teof service health", &[1]),
    ("teof plan validate", &[1]),
    ("teof coordinator run", &[1, 5]),
    ("teof coordinator reset-breaker", &[1]),
    // The sessions there are over.
    ("teof session note", &[1]),
    ("teof session cancel", &[1]),
    ("teof session continue", &[1]),
    // Stopped by its time limit.
    ("teof bus watch --follow", &[124]),
    ("teof coordinator status --watch", &[124]),
];

/// Examples that are tried elsewhere: one takes long, one serves until it is stopped, the others need a terminal.
const ELSEWHERE: [&str; 6] = [
    "teof quickstart",
    "export TEOF_OPERATOR_TOKEN",
    "teof top",
    "teof web",
    "teof session start --mode dispatch",
    "teof session attach",
];

/// The commands of the pages, a block at a time: its lines need each other.
fn examples_of_pages() -> Vec<String> {
    // `first_hour.rs` follows the README and the tutorial; the examples of the commands are in the help.
    let elsewhere = ["README.md", "tutorial.md", "commands.md"];
    let is_teof = |line: &&str| !NOT_TEOF.iter().chain(&ELSEWHERE).any(|other| line.starts_with(other));
    let mut found = Vec::new();
    for path in pages().into_iter().filter(|path| !elsewhere.iter().any(|name| path.ends_with(name))) {
        let page = fs::read_to_string(path).unwrap();
        for block in page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let lines: Vec<String> = block.lines().filter(is_teof).map(allowing_other_codes).collect();
            if !lines.is_empty() {
                found.push(format!("set -e\n{}", lines.join("\n")));
            }
        }
    }
    found
}

/// What pages show besides commands that work in a repository with teof.
const NOT_TEOF: [&str; 4] = ["cargo ", "TEOF_", "sha256sum ", "cd "];

fn allowing_other_codes(line: &str) -> String {
    let line = line.split("  #").next().unwrap();
    match OTHER_CODES.iter().find(|(begin, _)| line.starts_with(begin)) {
        Some((_, codes)) => codes.iter().fold(line.to_owned(), |line, code| format!("{line} || test $? = {code}")),
        None => line.to_owned(),
    }
}

/// At 80 columns and at 40: summaries go on beside or below the names, never in their column. Examples stay whole.
#[test]
fn help_fits_narrow_terminals() {
    let world = World::bare_of_teof();
    let examples = |help: &str| -> Vec<String> {
        let lines = help.lines().filter(|line| line.starts_with("  teof "));
        lines.map(|line| line.split("   # ").next().unwrap().trim().to_owned()).collect()
    };
    for columns in [80, 40] {
        for page in ["", "bus", "plan new", "agent doctor", "session start"] {
            let help = |columns: u16| world.shell(&format!("COLUMNS={columns} teof {page} --help")).expect(0);
            let ran = help(columns.try_into().unwrap());
            if !page.is_empty() {
                assert_eq!(examples(&ran.stdout), examples(&help(100).stdout), "{columns} columns, {page}");
            }
            let long: Vec<_> = ran.stdout.lines().filter(|line| line.chars().count() > columns).collect();
            // Commands and paths are for copying, and stay whole.
            let is_whole = |line: &&str| {
                let line = line.trim_start();
                let is_command = ["teof ", "echo ", "Usage: "].iter().any(|begin| line.starts_with(begin));
                is_command || !line.contains(' ')
            };
            assert!(long.iter().all(is_whole), "{columns} columns, {page}: {long:?}");
        }
        let ran = world.shell(&format!("COLUMNS={columns} teof --help")).expect(0);
        let listed: Vec<_> = ran.stdout.lines().skip_while(|line| *line != "Get started:").collect();
        let at = listed.iter().position(|line| *line == "Options:").unwrap();
        let odd: Vec<_> = listed[..at]
            .iter()
            .filter(|line| {
                let indent = line.len() - line.trim_start().len();
                ![0, 2, if columns == 80 { 18 } else { 4 }].contains(&indent)
            })
            .collect();
        assert!(odd.is_empty(), "{odd:#?}");
        let tops = commands().iter().filter(|(path, ..)| !path.contains(' ')).count();
        let is_command = |line: &&&str| line.starts_with("  ") && !line.starts_with("   ");
        assert_eq!(listed[..at].iter().filter(is_command).count(), tops);
    }
}

/// Where a seat has booted, who gives no name edits plans as that seat; people plan in folders of their own.
fn as_a_person(line: &str) -> String {
    format!(
        "mv AGENT_MANIFEST.json ../kept.json; (\n{line}\n)\ncode=$?; mv ../kept.json AGENT_MANIFEST.json; exit $code"
    )
}

#[test]
fn every_example_of_help_and_pages_works_as_it_stands() {
    let world = scratch();
    let kept = temp::folder();
    let copy = |from: &Path, to: &Path| {
        let from = format!("{}/.", from.display());
        assert!(Command::new("cp").args(["-a", &from]).arg(to).status().unwrap().success());
    };
    copy(&world.folder(), kept.path());
    let mut lines: Vec<String> = commands().into_iter().flat_map(|(_, _, examples)| examples).collect();
    lines.extend(examples_of_pages());
    lines.retain(|line| !ELSEWHERE.iter().any(|elsewhere| line.starts_with(elsewhere)));
    lines.sort();
    lines.dedup();
    let mut failed = Vec::new();
    for line in lines {
        let is_endless = line.contains("--follow") || line.contains("--watch");
        let limit = if is_endless { "timeout 1 " } else { "" };
        let others = OTHER_CODES.iter().find(|(begin, _)| line.starts_with(begin)).map_or(&[][..], |(_, codes)| codes);
        let is_done = |ran: &Ran| ran.code == 0 || others.contains(&ran.code);
        if line.starts_with("teof receipts retire") {
            fs::remove_file(world.repo.join("_report/agent/codex-1/gone.txt")).unwrap();
        }
        // An example may need what one before it took away; making the repository anew for each takes long.
        let line_here = if line.contains("teof plan ") { as_a_person(&line) } else { format!("{limit}{line}") };
        if is_done(&world.shell(&line_here)) {
            continue;
        }
        for entry in fs::read_dir(world.folder()).unwrap().flatten() {
            let (path, is_folder) = (entry.path(), entry.path().is_dir());
            (if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }).unwrap();
        }
        copy(kept.path(), &world.folder());
        let ran = world.shell(&line_here);
        if !is_done(&ran) {
            failed.push(format!("{line}\n  exit code {}: {}", ran.code, ran.stderr.trim()));
        }
    }
    assert!(failed.is_empty(), "{} examples do not work:\n{}", failed.len(), failed.join("\n"));
}
