//! Tasks of other tools come into the backlog whole, once, and without overwriting what people changed here.
//!
//! The files under `tests/imports/` were written by the tools themselves, unless `make.sh` there says otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{World, skip};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports").join(name)
}

fn world() -> World {
    let world = World::new();
    world.write("AGENT_MANIFEST.json", &json!({"agent_id": "manager", "desired_roles": ["manager"]}).to_string());
    world.ok(&["session-boot", "--no-sync", "--agent", "manager", "--allow-branch-mismatch"]);
    world
}

fn import(world: &World, tool: &str, path: &Path, more: &[&str]) -> Value {
    world.json(&[&["import", tool, path.to_str().unwrap()], more].concat())
}

fn counts(report: &Value) -> [u64; 5] {
    let count = |key: &str| report[key].as_u64().unwrap();
    [
        count("read"),
        count("new"),
        count("updated"),
        count("unchanged"),
        report["skipped"].as_array().unwrap().len() as u64,
    ]
}

fn items(world: &World) -> Vec<Value> {
    world.read_json("_plans/next-development.todo.json")["items"].as_array().unwrap().clone()
}

fn item(world: &World, title: &str) -> Value {
    let found = items(world).into_iter().find(|item| item["title"].as_str().unwrap() == title);
    found.unwrap_or_else(|| panic!("no {title}: {:#?}", items(world)))
}

/// Read, new, skipped at first and with what is done; the tool's id of the header.
fn whole(tool: &str, path: &Path, open: [u64; 5], all: [u64; 5], header: &str) {
    let world = world();
    let before = world.exists("_plans/next-development.todo.json");
    let dry = import(&world, tool, path, &["--dry-run"]);
    assert_eq!(counts(&dry), open, "{tool}: {dry:#}");
    assert_eq!(world.exists("_plans/next-development.todo.json"), before, "{tool}: a dry run writes nothing");

    assert_eq!(counts(&import(&world, tool, path, &[])), open, "{tool}");
    let parsed = item(&world, "Parse the header");
    assert_eq!(parsed["imported"]["id"].as_str().unwrap(), header, "{tool}");
    assert!(parsed["notes"].as_str().unwrap().contains("Read the first line."), "{tool}: {parsed:#}");
    assert_eq!(parsed["status"], "pending", "{tool}");
    let text = world.read("_plans/next-development.todo.json");
    let log = world.lines("_bus/events/events.jsonl").len();

    let again = import(&world, tool, path, &[]);
    assert_eq!(counts(&again), [open[0], 0, 0, open[1], open[4]], "{tool}: {again:#}");
    assert_eq!(world.read("_plans/next-development.todo.json"), text, "{tool}: nothing changes");
    assert_eq!(world.lines("_bus/events/events.jsonl").len(), log, "{tool}: and nothing is said");

    assert_eq!(counts(&import(&world, tool, path, &["--with-done"])), all, "{tool}");
    world.ok(&["task", "list"]);
    // And out again, whole.
    let lines = world.ok(&["export", "--kind", "task"]);
    assert_eq!(lines.lines().count() as u64, open[1] + all[1], "{tool}");
}

#[test]
fn each_tools_own_files_come_in_whole_and_once() {
    let from = |name: &str| fixture(name);
    whole("backlog.md", &from("backlog.md"), [4, 3, 0, 0, 1], [4, 1, 0, 3, 0], "TASK-1");
    whole("taskmaster", &from("taskmaster"), [4, 3, 0, 0, 1], [4, 1, 0, 3, 0], "1");
    let uuid = fs::read_to_string(from("taskwarrior/tasks.json")).unwrap();
    let uuid = uuid.split("\"uuid\":\"").nth(1).unwrap()[..36].to_owned();
    whole("taskwarrior", &from("taskwarrior/tasks.json"), [4, 2, 0, 0, 2], [4, 1, 0, 2, 1], &uuid);
    whole("beads", &from("beads"), [3, 2, 0, 0, 1], [3, 1, 0, 2, 0], "demo-a1x");
    whole("github-issues", &from("github-issues/issues.json"), [4, 2, 0, 0, 2], [4, 1, 0, 2, 1], "#12");
}

#[test]
fn a_vibe_kanban_database_is_read_by_sqlite3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.v2.sqlite");
    let made =
        Command::new("sqlite3").arg(&file).arg(format!(".read {}", fixture("vibe-kanban/db.sql").display())).status();
    match made {
        Ok(status) if status.success() => {}
        other => return skip("import of vibe-kanban", format!("no sqlite3: {other:?}")),
    }
    whole("vibe-kanban", &file, [5, 3, 0, 0, 2], [5, 1, 0, 3, 1], "a1b2c3d4e5f60718293a4b5c6d7e8f90");
}

#[test]
fn dependencies_priorities_and_statuses_are_kept() {
    let world = world();
    import(&world, "backlog.md", &fixture("backlog.md"), &[]);
    let (header, footer) = (item(&world, "Parse the header"), item(&world, "Write the footer"));
    assert_eq!(
        (&header["id"], &header["priority"], &header["depends_on"]),
        (&json!("TASK-1"), &json!("high"), &json!(["TASK-1.1"]))
    );
    assert_eq!(
        (&footer["status"], &footer["depends_on"]),
        (&json!("blocked"), &json!(["TASK-1"])),
        "somebody works on it there"
    );
    assert!(header["notes"].as_str().unwrap().contains("#1 Empty files are refused"), "{header:#}");
    assert_eq!(header["imported"]["link"], "backlog/tasks/task-1 - Parse-the-header.md");

    // The tasks of one tool do not become those of another.
    import(&world, "taskmaster", &fixture("taskmaster"), &["--take-started"]);
    world.write("other/tasks/task-1.md", "---\nid: TASK-1\ntitle: Another\nstatus: To Do\n---\n");
    // Put together here, so that this file holds none.
    let key = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    world.write("other/tasks/key.md", &format!("---\nid: TASK-9\ntitle: Key {key}\n---\n"));
    world.write("other/tasks/odd.md", "no front matter\n");
    let report = import(&world, "backlog.md", &world.repo.join("other"), &[]);
    assert_eq!(counts(&report), [3, 0, 1, 0, 2], "the same id of the same tool is the same task: {report:#}");
    let why: Vec<_> = report["skipped"].as_array().unwrap().iter().map(|one| one["why"].as_str().unwrap()).collect();
    assert!(
        why.iter().any(|why| why.contains("no front matter")) && why.iter().any(|why| why.contains("secret")),
        "{why:?}"
    );
}

#[test]
fn what_changed_there_is_updated_and_what_a_person_changed_here_stays() {
    let world = world();
    let file = world.folder().join("issues.jsonl");
    let text = fs::read_to_string(fixture("beads/issues.jsonl")).unwrap();
    fs::write(&file, &text).unwrap();
    import(&world, "beads", &file, &[]);
    let here = world.read("_plans/next-development.todo.json");
    let here = here.replace("\"title\": \"Write the footer\"", "\"title\": \"Write a short footer\"");
    let here = here.replace("\"priority\": \"low\"", "\"priority\": \"high\"");
    world.write("_plans/next-development.todo.json", &here);
    let there =
        text.replace("Write the footer", "Write the last line").replace("Read the first line.", "Read two lines.");
    fs::write(&file, there.replace("in_progress", "closed")).unwrap();
    let report = import(&world, "beads", &file, &[]);
    assert_eq!(counts(&report), [3, 0, 2, 0, 1], "{report:#}");
    let footer = item(&world, "Write a short footer");
    assert_eq!((&footer["priority"], &footer["status"]), (&json!("high"), &json!("done")), "{footer:#}");
    assert!(item(&world, "Parse the header")["notes"].as_str().unwrap().starts_with("Read two lines."));
    let task = report["tasks"].as_array().unwrap().iter().find(|task| task["foreign_id"] == "demo-b2y").unwrap();
    assert_eq!((&task["fields"], &task["kept"]), (&json!(["status"]), &json!(["title"])));
    let again = import(&world, "beads", &file, &[]);
    assert_eq!(counts(&again), [3, 0, 0, 2, 1], "{again:#}");
}

#[test]
fn issues_come_from_gh_and_a_workflow_names_which() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let issues = fixture("github-issues/issues.json");
    let gh = format!("#!/bin/sh\necho \"$@\" >> {}/asked\ncat {}\n", world.folder().display(), issues.display());
    fs::write(bin.join("gh"), gh).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str]| {
        let output = world.teof(args).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let workflow = fixture("symphony/WORKFLOW.md");
    let report = run(&["import", "symphony", workflow.to_str().unwrap(), "--json"]);
    assert_eq!(counts(&report), [4, 1, 0, 0, 3], "{report:#}");
    assert_eq!(item(&world, "Parse the header")["imported"]["link"], "https://github.com/demo/demo/issues/12");
    let all = run(&["import", "github-issues", "--json"]);
    assert_eq!(counts(&all), [4, 1, 0, 1, 2], "an issue of the workflow is the same issue: {all:#}");
    let asked = fs::read_to_string(world.folder().join("asked")).unwrap();
    assert!(asked.lines().next().unwrap().ends_with("--repo=demo/demo"), "{asked}");

    world.write("WORKFLOW.md", "---\ntracker:\n  kind: linear\n---\n");
    assert_eq!(world.refused(&["import", "symphony"])["code"], "import.tracker");
}

#[test]
fn a_gh_that_is_missing_or_fails_or_prints_too_much_is_refused_with_a_way_on() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let git = Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    std::os::unix::fs::symlink(String::from_utf8(git).unwrap().trim(), bin.join("git")).unwrap();
    let refused = || {
        let output = world.teof(&["import", "github-issues", "--json"]).env("PATH", &bin).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(output.status.code(), Some(1), "{error}");
        error["error"].clone()
    };
    let missing = refused();
    assert_eq!(
        (&missing["code"], &missing["next"][0]),
        (&json!("import.no_program"), &json!("install gh, then: teof import github-issues"))
    );
    for (gh, why) in [
        ("echo 'HTTP 403: API rate limit exceeded\u{1b}[2J' >&2; exit 1", "API rate limit exceeded"),
        ("PATH=/usr/bin:/bin; head -c 6000000 /dev/zero", "printed too much"),
    ] {
        fs::write(bin.join("gh"), format!("#!/bin/sh\n{gh}\n")).unwrap();
        fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = refused();
        assert_eq!(error["code"], "import.failed", "{error}");
        let cause = error.to_string();
        assert!(cause.contains(why) && !cause.contains('\u{1b}') && cause.contains("issues.json"), "{error}");
    }
    assert!(!world.exists("_plans/next-development.todo.json"));
}

#[test]
fn a_list_of_issues_that_gh_cuts_off_says_so() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let issue = |number: u32| json!({"number": number, "title": format!("Issue {number}"), "state": "OPEN"});
    fs::write(bin.join("issues"), json!((1..=1000).map(issue).collect::<Vec<_>>()).to_string()).unwrap();
    fs::write(bin.join("gh"), format!("#!/bin/sh\ncat {}/issues\n", bin.display())).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = world.teof(&["import", "github-issues", "--dry-run", "--json"]).env("PATH", path).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["new"], 1000);
    assert!(report["skipped"][0]["why"].as_str().unwrap().contains("the newest 1000"), "{}", report["skipped"]);
}

#[test]
fn what_is_missing_or_damaged_is_refused_with_a_way_on() {
    let world = world();
    for tool in ["beads", "backlog.md", "taskmaster", "symphony", "vibe-kanban"] {
        assert_eq!(world.refused(&["import", tool, "nowhere"])["code"], "import.not_found", "{tool}");
    }
    world.write("damaged.json", "{\"tasks\": 1");
    for tool in ["taskmaster", "taskwarrior", "github-issues", "beads"] {
        assert_eq!(world.refused(&["import", tool, "damaged.json"])["code"], "import.unreadable", "{tool}");
    }
    assert!(!world.exists("_plans/next-development.todo.json"));
}

#[test]
fn an_export_has_every_record_with_its_kind() {
    let world = world();
    world.ok(&["task", "add", "Q-1", "--title", "one", "--agent", "manager"]);
    world.ok(&["bus", "claim", "Q-1", "--agent", "manager", "--allow-unassigned"]);
    let lines: Vec<Value> = world.ok(&["export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((kinds("task"), kinds("claim"), kinds("seat")), (1, 1, 1));
    assert_eq!(kinds("event"), world.lines("_bus/events/events.jsonl").len());
    let claim = lines.iter().find(|line| line["kind"] == "claim").unwrap();
    assert_eq!((&claim["path"], &claim["record"]["agent_id"]), (&json!("_bus/claims/Q-1.json"), &json!("manager")));
    world.write("_bus/claims/bad.json", "{");
    let ran = world.run(&["export", "--kind", "claim"]).expect(0);
    assert!(
        ran.stderr.contains("not exported: _bus/claims/bad.json") && ran.stdout.lines().count() == 1,
        "{}",
        ran.stderr
    );
}
