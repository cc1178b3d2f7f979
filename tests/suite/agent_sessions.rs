//! Agent sessions as people start, speak to, continue and archive them, and what retention removes.

use std::fs;

use serde_json::{Value, json};

use crate::harness::agents::{APPROVE, DONE, Fake};
use crate::harness::{World, until};

const SETTINGS: &str =
    "[coordinator]\npoll_min = \"1s\"\nrecord = false\n[pipeline]\nstages = [\"coder\", \"reviewer\"]\n";

fn world(agent: &str) -> (World, Fake, Fake) {
    let world = World::bare_of_teof();
    let coder = Fake::new(&world.folder(), "fake", agent);
    let judge = Fake::new(&world.folder(), "judge", APPROVE);
    for seat in ["manager", "worker-1", "worker-2"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    let roles = "[roles.coder]\nagent = \"fake\"\n[roles.reviewer]\nagent = \"judge\"\n";
    world.write("teof.toml", &format!("{}{}{roles}{SETTINGS}", coder.settings(), judge.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--max-jobs", "3"]);
    (world, coder, judge)
}

fn session(world: &World, name: &str) -> Value {
    world.json(&["session", "show", name])
}

#[test]
fn a_session_is_started_told_continued_and_archived() {
    let secret = "AKIAIOSFODNN7EXAMPLQ";
    let waits = format!(
        "echo x >> note.txt\nsay 'key {secret} seen'\nwhile [ ! -e \"$here/open\" ]; do sleep 0.02; done\n{DONE}"
    );
    let (world, coder, judge) = world(&waits);
    fs::write(world.folder().join("prompt.md"), "# Document the parser\n\nBriefly.\n").unwrap();
    let start = ["session", "start", "--mode", "autonomous", "--task", "parser-docs"];
    let prompt = world.folder().join("prompt.md").display().to_string();
    let new = [&start[..], &["--prompt-file", &prompt, "--test", "true"]].concat();

    let mut coordinator = world.spawn(&["coordinator", "run"]);
    until("the coordinator", || {
        world.json(&["status"])["running"] != false && world.exists(".git/teof/coordinator/state.json")
    });
    let started = world.json(&new);
    let id = started["session"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
    assert!(id.ends_with(".1-coder-1-1"), "{id}");
    assert_eq!(world.refused(&new)["code"], "session.task_exists");
    assert_eq!(world.refused(&["session", "archive", &id])["code"], "session.not_over");
    assert_eq!(world.refused(&["session", "continue", &id, "--note", "x"])["code"], "session.running");
    assert_eq!(world.refused(&["session", "attach", &id])["code"], "session.no_terminal");
    world.ok(&["session", "note", &id, "the fixtures are in tests/data"]);
    fs::write(coder.file("open"), "").unwrap();
    until("the review", || !world.json(&["review", "list"]).as_array().unwrap().is_empty());
    assert!(coder.prompt(1).contains("Document the parser") && coder.prompt(1).contains("Briefly."));
    assert!(judge.prompt(1).contains("> the fixtures are in tests/data"), "the next call reads it");

    world.ok(&["session", "continue", &id, "--note", "handle the empty list"]);
    let given = || fs::read_to_string(coder.file("2.prompt")).unwrap_or_default();
    until("the second coder and its note", || given().contains("handle the empty list"));
    until("its end", || session(&world, "j1")["status"] == "done" && judge.calls() == 2);

    // However many do it at once.
    let archive = || world.json(&["session", "archive", &id, "--agent", "manager"])["archived"][0]["path"].clone();
    let paths = std::thread::scope(|scope| [(); 3].map(|()| scope.spawn(archive)).map(|path| path.join().unwrap()));
    assert!(paths.iter().all(|path| *path == paths[0]), "{paths:?}");
    let folder = paths[0].as_str().unwrap().to_owned();
    assert_eq!(session(&world, &id)["archive"]["path"], folder.as_str());
    let summary = world.read(&format!("{folder}/summary.md"));
    assert!(summary.contains("- Task: parser-docs") && summary.contains("## Outcome of its run"), "{summary}");
    let part = |heading: &str| {
        let (_, rest) =
            summary.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("{heading}: {summary}"));
        rest.split("## ").next().unwrap().to_owned()
    };
    assert!(part("Questions, answers and notes").contains(": the fixtures are in tests/data\n"), "{summary}");
    assert!(part("Decisions").contains(": handle the empty list\n"), "{summary}");
    let outcome = world.outcome(id.split_once("-coder").unwrap().0).unwrap();
    let envelope = outcome["envelope"].as_str().unwrap();
    let hash = world.lines("_report/receipts.jsonl").into_iter().find(|line| line["path"] == envelope).unwrap();
    let hash = hash["sha256"].as_str().unwrap_or_else(|| panic!("{hash}"));
    assert!(part("Artefacts").contains(outcome["commit"].as_str().unwrap()), "{summary}");
    assert!(part("Artefacts").contains(&format!(": SHA-256 {hash}\n")), "{summary}");
    let log = world.read(&format!("{folder}/log.txt"));
    assert!(log.contains("key ") && !log.contains(secret), "{log}");
    assert_eq!(world.read_json(&format!("{folder}/session.json"))["status"], "done");
    assert!(world.read("_report/receipts.jsonl").contains(&format!("{folder}/summary.md")));
    world.ok(&["receipts", "verify", "--all"]);
    assert_eq!(archive(), folder.as_str(), "once is enough");

    world.ok(&["coordinator", "stop"]);
    coordinator.wait().unwrap();
}

#[test]
fn the_coordinator_removes_old_sessions_but_none_that_it_still_has_to_archive() {
    let (world, _coder, _judge) = world(&format!("echo x > note.txt\n{DONE}"));
    world.ok(&["coordinator", "submit", "--objective", "Write a note", "--test", "true"]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    let count = || world.json(&["session", "list", "--all"])["sessions"].as_array().unwrap().len();
    let before = count();
    assert!(before >= 3, "coder, reviewer, test");
    let settings = world.read("teof.toml");
    let keep = |text: &str| {
        world.write("teof.toml", &format!("{settings}[agent_sessions]\n{text}\n"));
        world.ok(&["consent", "grant", "--max-jobs", "3"]);
        world.ok(&["coordinator", "run", "--until-idle"]);
    };
    let stages = world.repo.join(".git/teof/stages");
    fs::create_dir_all(&stages).unwrap();
    let (old, own) = (stages.join("20200101T000000Z-1.json"), world.json(&["status"])["jobs"][0]["id"].clone());
    let own = stages.join(format!("{}.json", own.as_str().unwrap()));
    for file in [&old, &own] {
        fs::write(file, "{}").unwrap();
        fs::File::options().write(true).open(file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    keep("keep_for = \"0s\"");
    assert_eq!(count(), before, "their job is under review");
    assert!(!old.exists() && own.exists(), "of a job that nobody knows any more");
    world.ok(&["approve", "j1"]);
    keep("archive = true");
    assert_eq!(count(), before);
    let newest = world.json(&["session", "list"])["sessions"][0]["id"].clone();
    let files = fs::read_dir(world.sessions().join(newest.as_str().unwrap())).unwrap();
    let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    // One that cannot be removed keeps no other, and no output of containers.
    let of_container = world.sessions().with_file_name("containers").join("teof-1.log");
    fs::create_dir_all(of_container.parent().unwrap()).unwrap();
    fs::write(&of_container, "").unwrap();
    fs::File::options().write(true).open(&of_container).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let all = world.json(&["session", "list", "--all"])["sessions"].clone();
    let stuck = all[1]["id"].as_str().unwrap();
    let in_the_way = world.sessions().join(format!(".removed-{stuck}"));
    fs::write(&in_the_way, "").unwrap();
    keep(&format!("keep_bytes = {size}"));
    assert_eq!((count(), of_container.exists()), (2, false), "the newest, and the one that cannot be removed");
    fs::remove_file(in_the_way).unwrap();
    keep(&format!("keep_bytes = {size}"));
    let left = world.json(&["session", "list"])["sessions"].clone();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["id"]), (Some(1), &newest), "the oldest are removed");
    keep("keep_for = \"0s\"");
    assert_eq!(count(), 0);
    let archives = fs::read_dir(world.repo.join("_report/agent/worker-1/sessions")).unwrap().count();
    assert_eq!(archives, before);
    world.ok(&["receipts", "verify"]);
    assert_eq!(world.json(&["logs", "j1"])["job"].as_str().map(|job| job.ends_with("-1")), Some(true), "its log stays");
}

#[test]
fn sessions_of_scopecraft_are_listed_and_not_changed() {
    let world = World::bare_of_teof();
    let folder = world.folder().join("scopecraft");
    fs::create_dir(&folder).unwrap();
    let text = json!({"sessionName": "auth", "taskId": "implement-auth-05A", "status": "running", "pid": 0x3fff_ffff})
        .to_string();
    fs::write(folder.join("auth.info.json"), &text).unwrap();
    let listed = world.json(&["session", "list", "--from", folder.to_str().unwrap()]);
    let one = &listed["sessions"][0];
    assert_eq!(
        (&one["id"], &one["status"], &one["task_id"]),
        (&json!("auth"), &json!("lost"), &json!("implement-auth-05A"))
    );
    assert_eq!(fs::read_to_string(folder.join("auth.info.json")).unwrap(), text);
}

#[test]
fn what_an_agent_repeats_of_a_copied_file_is_in_no_receipt_of_its_session() {
    let says = "say \"I connect with $(sed 's/.*=//' .env) and $(cut -d'\"' -f4 config/local.json)\"";
    let (world, _, _) = world(&format!("{says}\necho x >> note.txt\n{DONE}"));
    world.write(".gitignore", ".env\nconfig/\n");
    world.write(".worktreeinclude", ".env\nconfig/local.json\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Ignore"]);
    world.write(".env", "DB_PASSWORD=quartz-lamp\n");
    world.write("config/local.json", "{\"token\": \"amber-road\"}\n");
    world.ok(&["coordinator", "submit", "--objective", "Append more", "--test", "true"]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    let id = world.json(&["session", "list"])["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["stage"] == "coder")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let folder = world.json(&["session", "archive", &id])["archived"][0]["path"].as_str().unwrap().to_owned();
    let log = world.read(&format!("{folder}/log.txt"));
    assert!(log.contains("I connect with [redacted:copied-secret] and [redacted:copied-secret]"), "{log}");
    // Nor is it entered as evidence by hand.
    world.write("_report/agent/manager/out.txt", "it said quartz-lamp\n");
    assert_eq!(
        world.refused(&["receipts", "add", "_report/agent/manager/out.txt", "--agent", "manager"])["code"],
        "receipt.secret"
    );
}
