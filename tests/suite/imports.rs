//! Tasks of other tools come into the backlog whole, once, and without overwriting what people changed here.
//!
//! The files under `tests/imports/` were written by the tools themselves, unless `make.sh` there says otherwise.

use std::fs;
use std::os::unix::ffi::OsStrExt;
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
fn a_gh_without_the_reasons_of_closed_issues_is_asked_for_them_otherwise() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    // As gh 2.23 says it.
    let gh = format!(
        "#!/bin/sh\ncase \"$*\" in\n*stateReason*) echo 'Unknown JSON field: \"stateReason\"' >&2; exit 1;;\n\
         *'reason:\"not planned\"'*) echo '[{{\"number\":10}}]';;\n*) sed 's/\"stateReason\":\"[A-Z_]*\",//g' '{}';;\nesac\n",
        fixture("github-issues/issues.json").display()
    );
    fs::write(bin.join("gh"), gh).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = world.teof(&["import", "github-issues", "--with-done", "--json"]).env("PATH", path).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(counts(&report), [4, 3, 0, 0, 1], "{report:#}");
    assert!(report["skipped"][0]["why"].as_str().unwrap().contains("not planned"), "{report:#}");
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
    let ran = world.run(&["export", "--kind", "claim"]).expect(1);
    for part in ["not exported: _bus/claims/bad.json", "the export is not whole: 1 file left out"] {
        assert!(ran.stderr.contains(part) && ran.stdout.lines().count() == 1, "{part}: {}", ran.stderr);
    }
}

#[test]
fn a_file_whose_name_is_not_utf_8_is_exported_with_its_bytes() {
    let world = world();
    let name = std::ffi::OsStr::from_bytes(b"_report/odd-\xff.json");
    fs::write(world.repo.join(name), "{\"a\": 1}").unwrap();
    let lines = world.ok(&["export", "--kind", "document"]);
    let line: Value = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["record"]["a"] == 1)
        .unwrap();
    assert_eq!(line["path"], "_report/odd-\\xff.json");
    assert_eq!(line["path_hex"], "5f7265706f72742f6f64642dff2e6a736f6e");
    let others = lines.lines().filter(|line| line.contains("path_hex")).count();
    assert_eq!(others, 1, "{lines}");
}

#[test]
fn of_beads_only_work_comes_in_and_a_whole_waits_for_its_parts() {
    let world = world();
    let part = |id: &str, more: Value| {
        let mut issue = json!({"id": id, "title": id, "status": "open", "priority": 2, "issue_type": "task"});
        issue.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        issue.to_string()
    };
    let of = |on: &str, kind: &str| json!({"depends_on_id": on, "type": kind});
    let lines = [
        part("d-1", json!({"issue_type": "epic"})),
        part("d-1.1", json!({"dependencies": [of("d-1", "parent-child")]})),
        part(
            "d-1.2",
            json!({"dependencies": [of("d-1", "parent-child"), of("d-1.1", "waits-for"), of("d-3", "related")]}),
        ),
        part("d-2", json!({"dependencies": [of("d-1", "blocks"), of("d-1", "parent-child")]})),
        part("d-3", json!({"ephemeral": true})),
        part("d-4", json!({"issue_type": "message"})),
        part("d-5", json!({"is_template": true})),
    ];
    world.write("issues.jsonl", &lines.join("\n"));
    let report = import(&world, "beads", &world.repo.join("issues.jsonl"), &[]);
    assert_eq!(counts(&report), [7, 4, 0, 0, 3], "{report:#}");
    let waits = |title: &str| item(&world, title)["depends_on"].clone();
    assert_eq!((waits("d-1"), waits("d-1.2")), (json!(["d-1.1", "d-1.2"]), json!(["d-1.1"])));
    assert_eq!(waits("d-2"), json!(["d-1"]), "a part that waits for its whole makes no circle");
    world.ok(&["scan"]);
}

#[test]
fn gh_is_asked_about_the_remote_of_the_settings_whatever_else_is_set() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let gh = "#!/bin/sh\n[ -z \"$GH_REPO$GH_FORCE_TTY$CLICOLOR_FORCE\" ] || { echo 'it would print for a terminal' >&2; exit 1; }\n\
        [ \"$(git config remote.origin.gh-resolved)\" = base ] || { echo 'not about origin' >&2; exit 1; }\n\
        [ -z \"$(git config remote.upstream.gh-resolved)\" ] || { echo 'about upstream' >&2; exit 1; }\necho '[]'\n";
    fs::write(bin.join("gh"), gh).unwrap();
    fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.git(&["remote", "add", "origin", "https://github.com/demo/demo.git"]);
    world.git(&["remote", "add", "upstream", "https://github.com/other/demo.git"]);
    world.git(&["config", "remote.upstream.gh-resolved", "base"]);
    let mut teof = world.teof(&["import", "github-issues", "--json"]);
    teof.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    teof.env("GH_REPO", "x/y").env("GH_FORCE_TTY", "100").env("CLICOLOR_FORCE", "1");
    let output = teof.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_given_up_there_is_blocked_here_and_holds_nothing_back() {
    let world = world();
    let github = |state: &str, reason: Value| json!([{"number": 5, "title": "Do it", "state": state, "stateReason": reason, "url": "u"}]);
    let taskwarrior = |status: &str| json!([{"uuid": "a1", "description": "Do it", "status": status}]);
    let taskmaster = |status: &str| json!({"tasks": [{"id": 1, "title": "Do it", "status": status}, {"id": 2, "title": "After it", "status": "pending", "dependencies": [1]}]});
    for (tool, open, gone, why) in [
        ("github-issues", github("OPEN", Value::Null), github("CLOSED", "NOT_PLANNED".into()), "it is not planned"),
        ("github-issues", github("OPEN", Value::Null), github("CLOSED", "DUPLICATE".into()), "it is a duplicate"),
        ("taskwarrior", taskwarrior("pending"), taskwarrior("deleted"), "it is deleted"),
        ("taskmaster", taskmaster("pending"), taskmaster("cancelled"), "it is cancelled"),
    ] {
        let file = world.repo.join("tasks.json");
        let given = |document: &Value| {
            world.write("tasks.json", &document.to_string());
            import(&world, tool, &file, &[])
        };
        given(&open);
        let is_open = || {
            let all = items(&world);
            let found = all.iter().find(|item| item["imported"]["from"] == tool && item["title"] == "Do it").unwrap();
            (found["status"].as_str().unwrap().to_owned(), found["imported"]["dropped"].clone())
        };
        assert_eq!(is_open(), ("pending".into(), Value::Null), "{tool}");
        let report = given(&gone);
        assert_eq!(
            (is_open(), &report["tasks"][0]["dropped"]),
            (("blocked".into(), json!(why)), &json!(why)),
            "{tool}"
        );
        given(&open);
        assert_eq!(is_open(), ("pending".into(), Value::Null), "{tool}: it was taken up again");
        given(&gone);
        // Back to the beginning, for the next.
        given(&open);
    }
    world.write("tasks.json", &taskmaster("cancelled").to_string());
    import(&world, "taskmaster", &world.repo.join("tasks.json"), &[]);
    assert!(item(&world, "After it")["depends_on"].is_null(), "nobody will do what it waited for");
    // Not known here, it is not taken.
    let fresh = self::world();
    fresh.write("tasks.json", &github("CLOSED", "DUPLICATE".into()).to_string());
    let report = import(&fresh, "github-issues", &fresh.repo.join("tasks.json"), &["--with-done"]);
    assert_eq!(counts(&report), [1, 0, 0, 0, 1], "{report:#}");
}

#[test]
fn a_whole_does_not_wait_for_a_part_that_waits_for_it_however_far_around() {
    let world = world();
    let task = |name: &str, fields: &str| {
        world.write(&format!("backlog/tasks/{name}.md"), &format!("---\n{fields}\nstatus: To Do\n---\nx\n"));
    };
    task("task-1", "id: TASK-1\ntitle: Whole");
    task("task-1.1", "id: TASK-1.1\ntitle: Part\nparent_task_id: TASK-1\ndependencies: [task-2]");
    task("task-1.2", "id: TASK-1.2\ntitle: Other part\nparent_task_id: TASK-1");
    task("task-2", "id: TASK-2\ntitle: Between\ndependencies: [task-1]");
    let report = import(&world, "backlog.md", &world.repo, &[]);
    assert_eq!(report["circles"], json!([{"task_id": "TASK-1", "part": "TASK-1.1"}]), "{report:#}");
    assert_eq!(item(&world, "Whole")["depends_on"], json!(["TASK-1.2"]));
    assert_eq!(item(&world, "Part")["depends_on"], json!(["TASK-2"]));
    let again = import(&world, "backlog.md", &world.repo, &[]);
    assert_eq!((again["unchanged"].as_u64(), &again["circles"]), (Some(4), &report["circles"]));

    let tasks = json!({"tasks": [{"id": 1, "title": "Big", "subtasks": [{"id": 1, "title": "Small", "dependencies": ["1"]}]},
        {"id": 2, "title": "Large", "subtasks": [{"id": 1, "title": "Little", "dependencies": ["3.1"]}]},
        {"id": 3, "title": "Third", "subtasks": [{"id": 1, "title": "Its part"}], "dependencies": [2]}]});
    world.write("tasks.json", &tasks.to_string());
    let report = import(&world, "taskmaster", &world.repo.join("tasks.json"), &[]);
    assert!(report["circles"].is_null(), "a sibling's id, and another task's part: {report:#}");
}

#[test]
fn every_status_and_dependency_of_beads_has_its_meaning_here() {
    let world = world();
    let statuses = ["open", "in_progress", "hooked", "blocked", "deferred", "closed", "pinned", "tombstone"];
    let mut lines: Vec<String> = statuses
        .iter()
        .map(|status| {
            json!({"id": format!("s-{status}"), "title": status, "status": status, "issue_type": "task"}).to_string()
        })
        .collect();
    for kind in [
        "blocks",
        "conditional-blocks",
        "waits-for",
        "related",
        "discovered-from",
        "relates-to",
        "duplicates",
        "supersedes",
    ] {
        let on =
            json!([{"issue_id": format!("d-{kind}"), "depends_on_id": "s-open", "type": kind, "created_by": "ann"}]);
        let line =
            json!({"_type": "issue", "id": format!("d-{kind}"), "title": kind, "status": "open", "dependencies": on});
        lines.push(line.to_string());
    }
    world.write("issues.jsonl", &lines.join("\n"));
    let report = import(&world, "beads", &world.repo.join("issues.jsonl"), &["--with-done"]);
    let here = |title: &str| item(&world, title)["status"].as_str().unwrap().to_owned();
    for (there, wanted) in [
        ("open", "pending"),
        ("in_progress", "blocked"),
        ("hooked", "blocked"),
        ("blocked", "blocked"),
        ("deferred", "blocked"),
        ("closed", "done"),
    ] {
        assert_eq!(here(there), wanted, "{there}");
    }
    let skipped: Vec<_> = report["skipped"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["s-pinned", "s-tombstone"]);
    for (kind, holds) in [
        ("blocks", true),
        ("conditional-blocks", true),
        ("waits-for", true),
        ("related", false),
        ("discovered-from", false),
        ("relates-to", false),
        ("duplicates", false),
        ("supersedes", false),
    ] {
        assert_eq!(item(&world, kind)["depends_on"] == json!(["s-open"]), holds, "{kind}");
    }
}

#[test]
fn an_export_has_every_file_of_the_record_and_names_the_links_that_it_leaves_out() {
    let world = world();
    for (path, text) in [
        ("memory/log.jsonl", "{\"actor\":\"Ann\"}\n"),
        ("docs/automation/autonomy-consent.json", "{\"auto_enabled\": false}\n"),
        ("agents/tasks/tasks.json", "{\"tasks\": []}\n"),
        ("_plans/2026-01-05-docs.md", "# Why\n"),
        ("_report/agent/manager/out.txt", "printed\n"),
        ("vault/10_features/03_planned/FR-1.md", "---\nid: FR-1\nstatus: planned\ntitle: t\n---\nx\n"),
        ("queue/1-x.md", "# do\n"),
    ] {
        world.write(path, text);
    }
    let lines: Vec<Value> = world.ok(&["export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("no {path}")).clone();
    assert_eq!(of("memory/log.jsonl")["record"]["actor"], "Ann");
    assert_eq!(of("docs/automation/autonomy-consent.json")["record"]["auto_enabled"], false);
    assert!(of("agents/tasks/tasks.json")["record"]["tasks"].is_array());
    assert_eq!(of("_plans/2026-01-05-docs.md")["record"], "# Why\n");
    assert_eq!(of("_report/agent/manager/out.txt")["record"], "printed\n");
    for request in ["vault/10_features/03_planned/FR-1.md", "queue/1-x.md"] {
        assert_eq!(of(request)["kind"], "request");
    }
    std::os::unix::fs::symlink("../_bus/events/events.jsonl", world.repo.join("_plans/link.plan.json")).unwrap();
    let ran = world.run(&["export"]).expect(1);
    assert!(ran.stderr.contains("not exported: _plans/link.plan.json: it is a link"), "{}", ran.stderr);
}

#[test]
fn an_export_has_digest_and_size_of_files_that_are_no_text_or_are_large() {
    let world = world();
    let large = "line\n".repeat(4 << 20);
    for (path, bytes) in [
        ("_report/agent/manager/a.png", &b"\x89PNG\r\n\x1a\n\xff"[..]),
        ("_report/agent/manager/b.txt", large.as_bytes()),
    ] {
        world.write(path, "");
        fs::write(world.repo.join(path), bytes).unwrap();
        let ran = world.run(&["export", "--kind", "file"]).expect(0);
        let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let line = lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(line["record"], json!({"size": bytes.len(), "sha256": teof::base::digest::sha256(bytes)}));
        assert_eq!(ran.stderr, "", "{path}");
    }
}
