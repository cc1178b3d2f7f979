//! What people submit: by name, in words, several at once; and how they take it back.

use serde_json::json;

use crate::harness::World;
use crate::harness::work::UNCONFINED;

/// A hub where commands do the work and every result is tested.
fn world() -> World {
    let world = World::new();
    for (file, id, role) in
        [("AGENT_MANIFEST.json", "manager", "manager"), ("AGENT_MANIFEST.codex-1.json", "codex-1", "engineer")]
    {
        world.write(file, &json!({"agent_id": id, "desired_roles": [role]}).to_string());
    }
    let folder = world.folder().display().to_string();
    let run = json!(format!("echo $TEOF_TASK >> {folder}/ran; echo x > x.txt"));
    let settings = "[coordinator]\nconcurrency = 1\nretries = 0\nqueue = 4\n[guard]\ntests = [\"true\"]\n";
    world.write("teof.toml", &format!("{settings}[commands]\ndefault = [{run}]\n{}", UNCONFINED));
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    world
}

/// A backlog with these items, all of them pending.
fn items(world: &World, ids: &[&str]) {
    let items: Vec<_> = ids.iter().map(|id| json!({"id": id, "title": id, "status": "pending"})).collect();
    world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": items}).to_string());
}

/// The id of the plan that was made of an objective.
fn plan(world: &World, task: &str) -> String {
    world.json(&["plan", "show", task])["plan"]["plan_id"].as_str().unwrap().to_owned()
}

fn queued(world: &World) -> Vec<String> {
    let status = world.json(&["coordinator", "status"]);
    let tasks = status["submissions"].as_array().unwrap().iter();
    tasks.map(|one| one["task"].as_str().unwrap().to_owned()).collect()
}

fn set_status(world: &World, path: &str, pointer: &str, status: &str) {
    let mut document = world.read_json(path);
    *document.pointer_mut(pointer).unwrap() = json!(status);
    world.write(path, &(serde_json::to_string_pretty(&document).unwrap() + "\n"));
}

#[test]
fn objectives_that_begin_alike_are_plans_of_their_own_and_names_can_be_chosen() {
    let world = world();
    items(&world, &["BILLING-service-UPDATE-2"]);
    let say = |more: &[&str]| {
        let objective = "In the billing service update the invoice handler so that totals are shown in euros";
        world.json(&[&["coordinator", "submit", "--objective", objective], more].concat())
    };
    (0..3).for_each(|_| drop(say(&[])));
    say(&["--name", "euros"]);
    let tasks = queued(&world);
    let short = "billing-service-update";
    let numbered = [3, 4].map(|n| format!("{short}-{n}"));
    assert_eq!(tasks, [short, &numbered[0], &numbered[1], "euros"], "short words, unlike any other in either case");
    world.ok(&["coordinator", "cancel", &tasks[2]]);
    let error = world.refused(&["coordinator", "submit", "--objective", "Another", "--name", "euros"]);
    assert_eq!(error["code"], "plan.exists", "{error}");
    let plan = plan(&world, short);
    let listed = world.ok(&["task", "list"]);
    assert!(listed.lines().any(|line| line.contains(&format!("{short} "))) && !listed.contains("-S1"), "{listed}");
    for name in [short, &plan, &format!("{plan}-S1"), &format!("{short}/S1")] {
        let error = world.refused(&["coordinator", "submit", name]);
        assert!(error["message"].as_str().unwrap().contains("already queued"), "{error}");
    }
}

#[test]
fn several_are_submitted_at_once_and_the_limit_is_named() {
    let world = world();
    items(&world, &["A-1", "A-2"]);
    let error = world.refused(&["coordinator", "submit", "A-1", "A-9"]);
    assert_eq!((error["code"].as_str(), queued(&world).len()), (Some("task.not_found"), 0), "all or nothing: {error}");
    let error = world.refused(&["coordinator", "submit", "A-1", "A-9", "no such", "B-7", "a-2"]);
    let told = format!("{} {}", error["message"], error["reason"]);
    assert_eq!((&error["refused"], queued(&world).len()), (&json!(["A-9", "no such", "B-7", "a-2"]), 0), "{error}");
    assert!(told.contains("4 of these") && told.contains("did you mean A-2?"), "all are named: {told}");
    world.ok(&["coordinator", "submit", "A-2", "A-1"]);
    world.write("work.txt", "# tonight\n\nWrite the first page\n");
    world.ok(&["coordinator", "submit", "--file", "work.txt"]);
    assert_eq!(queued(&world), ["A-2", "A-1", "write-first-page"]);
    world.write("work.txt", "Write the second page\nWrite the third page\n");
    let error = world.refused(&["coordinator", "submit", "--file", "work.txt"]);
    assert_eq!((&error["code"], &error["limit"], &error["waiting"]), (&json!("submit.full"), &json!(4), &json!(3)));
    assert!(error["reason"].to_string().contains("coordinator.queue = 4"), "{error}");

    // One that fails on its own stops no other, and no plan is made that nobody queued.
    (0..3).for_each(|_| drop(world.ok(&["coordinator", "cancel", &queued(&world)[0]])));
    world.write("vault/10_features/03_planned/045.md", "---\nid: FR-45\nstatus: draft\n---\n# Score\n");
    world.write("work.txt", "Write the second page\nFR-45\nA-2\n");
    let ran = world.run(&["coordinator", "submit", "--file", "work.txt"]);
    assert_eq!((ran.code, queued(&world)), (1, vec!["write-second-page".to_owned(), "A-2".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("A-2 is queued") && ran.stderr.contains("error: FR-45 is not planned"), "{ran:?}");
}

#[test]
fn a_cancelled_submission_is_skipped_and_keeps_its_note() {
    let world = world();
    world.ok(&["coordinator", "submit", "--objective", "Write a page", "--name", "page"]);
    assert_eq!(queued(&world), ["page"]);
    let plan = plan(&world, "page");
    world.ok(&["coordinator", "cancel", &format!("{plan}-S1"), "--note", "ada does it herself"]);
    assert_eq!(queued(&world), [""; 0]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    assert!(!world.folder().join("ran").exists(), "its plan is not chosen either");
    let explained = world.json(&["coordinator", "explain"]).to_string();
    assert!(explained.contains("ada does it herself"), "{explained}");
    world.ok(&["coordinator", "submit", &plan]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    let ran = std::fs::read_to_string(world.folder().join("ran")).unwrap();
    assert_eq!(ran.lines().count(), 1, "submitted again, it is done: {ran}");
    // A plan that a person finished meanwhile stays queued with the command that closes it.
    world.ok(&["coordinator", "submit", "--objective", "Write a letter", "--name", "letter"]);
    world.ok(&["plan", "step", "set", "letter", "S1", "--status", "done", "--agent", "operator"]);
    let ran = world.run(&["coordinator", "run", "--until-idle"]);
    assert!(ran.code == 5 && ran.stderr.contains("all its steps are done; close it as a person: "), "{ran:?}");
    world.ok(&["coordinator", "cancel", "letter"]);
}

#[test]
fn every_kind_of_blocked_work_is_open_again_by_its_name() {
    let world = world();
    let vault = "vault/10_features/03_planned/045.md";
    items(&world, &["A-1", "A-2"]);
    world.ok(&["coordinator", "submit", "--objective", "Write a page", "--name", "page"]);
    let page = plan(&world, "page");
    world.ok(&["coordinator", "cancel", &page]);
    let plan = format!("_plans/{page}.plan.json");
    let backlog = "_plans/next-development.todo.json";
    let mut items = world.read_json(backlog);
    items["items"][1]["plan_suggestion"] = json!(page);
    world.write(backlog, &items.to_string());
    world.write(vault, "---\nid: FR-45\nstatus: blocked\n---\n# Score\n");
    // Text that was there before would look as if git had taken the file back.
    let edits = std::cell::Cell::new(0);
    let by_hand = |path: &str, pointer: &str, status: &str| {
        edits.set(edits.get() + 1);
        set_status(&world, path, pointer, status);
        let mut document = world.read_json(path);
        document["edits"] = json!(edits.get());
        world.write(path, &document.to_string());
    };
    let block = |path: &str, pointer: &str, status: &str, name: &str| {
        by_hand(path, pointer, status);
        world.ok(&["coordinator", "submit", name]);
        world.ok(&["coordinator", "cancel", name]);
        assert_ne!(world.read_json(path).pointer(pointer), Some(&json!(status)), "{name} opens {path} {pointer}");
    };
    block(backlog, "/items/0/status", "blocked", "A-1");
    block(backlog, "/items/0/status", "deferred", "A-1");
    for name in ["A-2", "page", &page, &format!("{page}-S1"), &format!("{page}/S1")] {
        by_hand(backlog, "/items/1/status", "blocked");
        by_hand(&plan, "/status", "blocked");
        block(&plan, "/steps/0/status", "blocked", name);
        assert_eq!(world.read_json(&plan)["status"], "in_progress", "{name}");
        assert_eq!(world.read_json(backlog)["items"][1]["status"], "pending", "{name}: its item does not keep it back");
    }
    world.ok(&["coordinator", "submit", "FR-45"]);
    assert!(world.read(vault).contains("status: planned"), "{}", world.read(vault));
    world.write(vault, &world.read(vault).replace("planned", "draft"));
    let error = world.refused(&["coordinator", "submit", "FR-45"]);
    assert_eq!(error["code"], "request.not_planned", "{error}");
    by_hand(backlog, "/items/0/status", "done");
    assert_eq!(world.refused(&["coordinator", "submit", "A-1"])["code"], "task.done");
}

#[test]
fn a_blocked_step_is_opened_when_its_turn_has_come() {
    let world = world();
    let new = ["plan", "new", "p", "--summary", "P", "--step", "S1:one", "--step", "S2:two", "--actor", "manager"];
    world.ok(&[&new[..], &["--allow-unclaimed"]].concat());
    let set = |step: &str, status: &str| {
        world.ok(&["plan", "step", "set", "p", step, "--status", status, "--agent", "operator"]);
    };
    set("S2", "blocked");
    let refused = world.refused(&["coordinator", "submit", "p/S2"]);
    assert_eq!(refused["code"], "step.not_next", "{refused}");
    assert!(refused["next"][0].as_str().unwrap().ends_with("-p/S1"), "{refused}");
    let next = world.json(&["run", "--dry-run"]);
    assert!(next.to_string().contains("-p-S1") && !next.to_string().contains("in progress"), "{next}");
    set("S1", "done");
    world.ok(&["coordinator", "submit", "p/S2"]);
    assert_eq!(world.json(&["plan", "show", "p"])["plan"]["steps"][1]["status"], "in_progress");
}

#[test]
fn a_request_is_queued_once_under_all_its_names() {
    let world = world();
    world.write("vault/10_features/03_planned/eight.md", "---\nid: FR-8\nstatus: planned\n---\n# Eight\n");
    world.ok(&["coordinator", "submit", "eight"]);
    assert_eq!(queued(&world), ["FR-8"]);
    let again = world.refused(&["coordinator", "submit", "FR-8"]);
    assert!(again["message"].as_str().unwrap().contains("already queued"), "{again}");
}

#[test]
fn a_run_of_some_jobs_says_what_is_left_for_the_next() {
    let world = world();
    for what in ["One", "Two", "Three"] {
        world.ok(&["coordinator", "submit", "--objective", what]);
    }
    let run = |form: &[&str]| world.run(&[&["coordinator", "run", "--until-idle", "--max-jobs", "1"], form].concat());
    let ran = run(&[]);
    let last = ran.stderr.lines().last().unwrap();
    assert!(ran.code == 0 && last.starts_with("stopped after 1 job (--max-jobs 1): "), "{ran:?}");
    assert!(last.ends_with("2 queued"), "{last}");
    let ran = run(&["--json"]);
    let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["left"], &summary["queued"]), (&json!("max_jobs"), &json!(["three"])), "{summary}");
    let ran = run(&[]);
    assert!(ran.stderr.lines().last().unwrap().starts_with("no more work to start"), "{ran:?}");
}
