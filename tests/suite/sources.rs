//! Where work comes from: the vault, the queue, a person's words; and who gets it.

use std::fs;

use serde_json::{Value, json};

use crate::harness::work::UNCONFINED;
use crate::harness::{World, until};

const VAULT: &str = "vault/10_features/03_planned";

/// A hub with two seats and consent; `settings` is the rest of `teof.toml`.
fn yard(settings: &str) -> World {
    let world = World::new();
    for (file, id, role) in
        [("AGENT_MANIFEST.json", "manager", "manager"), ("AGENT_MANIFEST.codex-1.json", "codex-1", "engineer")]
    {
        world.write(file, &json!({"agent_id": id, "desired_roles": [role]}).to_string());
    }
    let quick = "[coordinator]\nretry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\n[guard]\ntests = [\"true\"]\n[sources]\nsettle = \"0s\"\n";
    world.write("teof.toml", &format!("{quick}{settings}"));
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    world
}

/// What a worker runs: says that it ran, waits for the gate, leaves a file.
fn gated(world: &World) -> String {
    let folder = world.folder().display().to_string();
    let line = format!("echo ran >> {folder}/ran; while [ ! -e {folder}/open ]; do sleep 0.02; done; echo x > x.txt");
    format!("[commands]\ndefault = [{}]\n{}", json!(line), UNCONFINED)
}

fn with_gate() -> World {
    let world = yard("");
    let settings = world.read("teof.toml") + &gated(&world);
    world.write("teof.toml", &settings);
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    world
}

fn ran(world: &World) -> usize {
    fs::read_to_string(world.folder().join("ran")).unwrap_or_default().lines().count()
}

fn plans_from(world: &World, kind: &str) -> Vec<Value> {
    let folder = fs::read_dir(world.repo.join("_plans")).unwrap().flatten();
    let plans = folder.filter(|entry| entry.file_name().to_str().unwrap().ends_with(".plan.json"));
    let read = plans.map(|entry| serde_json::from_slice::<Value>(&fs::read(entry.path()).unwrap()).unwrap());
    read.filter(|plan| plan["links"][0]["type"] == kind).collect()
}

/// State, priority and title of a task, as `task list` has them.
fn in_list(world: &World, task: &str) -> [String; 3] {
    let list = world.json(&["task", "list", "--all"]);
    let row = list["tasks"].as_array().unwrap().iter().find(|row| row["task_id"] == task);
    let row = row.unwrap_or_else(|| panic!("{task} is not in {list}"));
    ["state", "priority", "title"].map(|key| row[key].as_str().unwrap().to_owned())
}

fn dry(world: &World) -> Value {
    world.json(&["coordinator", "run", "--dry-run"])["decisions"][0].clone()
}

#[test]
fn a_planned_feature_request_is_found_given_and_followed_to_its_end() {
    let world = with_gate();
    let planned = "---\r\nid: FR-045   # ours\r\nstatus: planned\r\npriority: high\r\ntags: ['a', b]\r\n---\r\n# Score requests\r\n\r\n## Summary\r\nSo that hard ones wait.\r\n\r\n## Acceptance\r\nEach has a score.\r\n";
    let path = format!("{VAULT}/045-score.md");
    world.write(&path, planned);
    world.write(&format!("{VAULT}/046.md"), &planned.replace("planned", "draft").replace("045", "046"));
    world.write(&format!("{VAULT}/047.md"), "---\nstatus: [planned\n---\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "all of it"]);

    assert_eq!(in_list(&world, "FR-045"), ["open", "high", "Score requests"]);
    let mut coordinator = world.spawn(&["coordinator", "run", "--until-idle"]);
    until("the worker's start", || ran(&world) == 1);
    assert_eq!(in_list(&world, "FR-045"), ["active", "high", "Score requests"]);
    assert_eq!(world.read(&path), planned.replace("planned", "in-progress"), "its status, and no other byte");
    let plan = &plans_from(&world, "vault")[0];
    assert_eq!(plan["links"][0]["ref"], path);
    assert_eq!((&plan["checkpoint"]["description"], &plan["priority"]), (&json!("Each has a score."), &json!(1)));
    assert_eq!((&plan["status"], &plan["steps"][0]["status"]), (&json!("in_progress"), &json!("in_progress")));
    assert!(plan["steps"][0]["notes"].as_str().unwrap().ends_with("\n> So that hard ones wait."), "{plan}");
    let claim = world.read_json("_bus/claims/FR-045.json");
    assert_eq!((&claim["status"], &claim["plan_id"]), (&json!("active"), &plan["plan_id"]));
    let booted = world.teof(&["session-boot"]).env("TEOF_AGENT", "codex-2").output().unwrap();
    let said = String::from_utf8_lossy(&booted.stderr);
    assert!(booted.status.success(), "a status line of the vault is no dirt: {said}");

    fs::write(world.folder().join("open"), "").unwrap();
    assert_eq!(coordinator.wait().unwrap().code(), Some(5), "a request that cannot be read waits for a person");
    assert_eq!(world.read(&path), planned.replace("planned", "done"));
    assert_eq!((ran(&world), plans_from(&world, "vault").len()), (1, 1), "done once");
    let again = world.run(&["coordinator", "run", "--until-idle"]);
    assert_eq!((again.code, ran(&world)), (5, 1), "{}", again.stderr);
    let told = world.lines("_bus/messages/manager-report.jsonl");
    let told: Vec<_> = told.iter().filter(|line| line["summary"].as_str().unwrap().contains("047.md")).collect();
    assert_eq!(told.len(), 1, "a malformed one is reported once: {told:?}");
    world.write(&path, &planned.replace("planned", "done").replace("So that", "So"));
    let dirty = world.teof(&["session-boot"]).env("TEOF_AGENT", "codex-1").output().unwrap();
    let said = String::from_utf8_lossy(&dirty.stderr);
    assert!(!dirty.status.success() && said.contains("uncommitted"), "another word is dirt: {said}");
}

#[test]
fn a_queue_entry_becomes_a_plan_and_is_not_offered_again() {
    let world = with_gate();
    fs::write(world.folder().join("open"), "").unwrap();
    let entry = "# Mend the clock\n\nCoordinate: S6:L4\nSystemic targets: S4, S6\n";
    world.write("queue/041-clock.md", entry);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "all of it"]);
    assert_eq!(dry(&world)["task"], "041-clock");
    world.ok(&["coordinator", "run", "--until-idle"]);
    let plan = &plans_from(&world, "queue")[0];
    assert_eq!((&plan["layer"], &plan["systemic_scale"]), (&json!("L4"), &json!(6)));
    assert_eq!((plan["steps"][0]["status"].as_str(), world.read("queue/041-clock.md").as_str()), (Some("done"), entry));
    world.ok(&["coordinator", "run", "--until-idle"]);
    assert_eq!((ran(&world), plans_from(&world, "queue").len()), (1, 1));
}

#[test]
fn hostile_files_of_the_vault_are_named_and_not_taken() {
    let world = with_gate();
    let good = "---\nstatus: planned\n---\n# x\n";
    world.write(&format!("{VAULT}/a.md/inside"), "a folder");
    world.write("secret.txt", good);
    std::os::unix::fs::symlink(world.repo.join("secret.txt"), world.repo.join(VAULT).join("b.md")).unwrap();
    fs::write(world.repo.join(VAULT).join("c.md"), b"---\nstatus: planned\nid: \xff\n---\n").unwrap();
    world.write(&format!("{VAULT}/d.md"), &format!("{good}{}", "x".repeat(2 << 20)));
    world.write(&format!("{VAULT}/e.md"), "---\na: &a [x]\nb: [*a, *a]\nstatus: planned\n---\n");
    world.write(&format!("{VAULT}/f.md"), "---\nid: ../../x\nstatus: planned\n---\n");
    let found = dry(&world);
    let skipped = found["skipped"].as_array().unwrap();
    assert_eq!((&found["decision"], skipped.len()), (&json!("nothing"), 6), "{found}");
    assert!(skipped.iter().all(|one| one["tell"] == true), "{found}");
}

#[test]
fn a_choice_for_agents_says_how_hard_it_is_and_who_does_what() {
    let world = yard(
        "[roles.coder]\nagent = \"claude\"\n[roles.reviewer]\nagent = \"codex\"\n[[routing]]\nup_to = 10\n[routing.roles.coder]\nmodel = \"large\"\n",
    );
    world.write(&format!("{VAULT}/FR-1.md"), "---\nstatus: planned\n---\n# Migrate the store\n");
    let why = dry(&world)["why"].as_str().unwrap().to_owned();
    assert!(why.contains("complexity ") && why.contains("the rule up to 10: planner claude (large)"), "{why}");
    assert!(why.ends_with("tester runs the named tests, reviewer codex"), "{why}");
    // The manager reviews, and a seat is made that does the work.
    fs::remove_file(world.repo.join("AGENT_MANIFEST.codex-1.json")).unwrap();
    assert_eq!(dry(&world)["seat"], "worker-1");
}

#[test]
fn agents_and_stages_that_nobody_knows_are_named_with_what_would_do() {
    let world = yard("[roles.coder]\nagent = \"cluade\"\n");
    world.write(&format!("{VAULT}/FR-1.md"), "---\nstatus: planned\n---\n# x\n");
    let why = dry(&world)["skipped"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("it needs the agent cluade"), "{why}");
    let doctor = world.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains("settings.agent"), "{}", doctor.stdout);
    world.write("teof.toml", "[pipeline]\nstages = [\"coder\", \"tests\"]\n");
    let refused = world.run(&["coordinator", "run", "--dry-run"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("unknown stage \"tests\"; valid stages: planner, coder"), "{}", refused.stderr);
}

#[test]
fn an_objective_without_agent_or_test_is_refused() {
    let world = yard("");
    let alone = world.run(&["coordinator", "submit", "--objective", "Add a flag"]);
    assert!(alone.code == 1 && alone.stderr.contains("[roles.coder]"), "{}", alone.stderr);
    world.write("teof.toml", "[roles.coder]\nagent = \"claude\"\n");
    let unverified = world.run(&["coordinator", "submit", "--objective", "Add a flag"]);
    assert!(unverified.code == 1 && unverified.stderr.contains("--test"), "{}", unverified.stderr);
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    let test = "test -e flag";
    world.ok(&[
        "coordinator",
        "submit",
        "--objective",
        "Add a flag",
        "--test",
        test,
        "--acceptance",
        "It is there",
        "--diff-limit",
        "9",
    ]);
    let plans = fs::read_dir(world.repo.join("_plans")).unwrap().flatten();
    let made =
        plans.map(|entry| entry.path()).find(|path| path.to_str().unwrap().ends_with("-add-flag.plan.json")).unwrap();
    let plan: Value = serde_json::from_slice(&fs::read(made).unwrap()).unwrap();
    let step = &plan["steps"][0];
    assert_eq!(
        (&step["tests"], &step["diff_limit"], &plan["checkpoint"]["description"]),
        (&json!([test]), &json!(9), &json!("It is there"))
    );
    let chosen = dry(&world);
    assert_eq!((&chosen["decision"], &chosen["task"]), (&json!("chose"), &json!("add-flag")), "{chosen}");
}

/// The words say what is the matter, and the commands in them mend it.
#[test]
fn missing_tests_and_blocked_work_are_reported_with_fix_commands() {
    let world = yard("");
    world.write("teof.toml", "[commands]\ndefault = [\"true\"]\n");
    world.ok(&["consent", "grant", "--continuous"]);
    let plan = ["plan", "new", "docs", "--summary", "Docs", "--actor", "manager", "--priority", "2", "--impact-score"];
    let plan = [&plan[..], &["5", "--layer", "L5", "--systemic-scale", "6", "--allow-unclaimed"]].concat();
    let plan = world.json(&plan)["plan_id"].as_str().unwrap().to_owned();
    let why = |world: &World| {
        let decision = dry(world);
        assert_eq!(decision["decision"], "nothing", "{decision}");
        decision["skipped"][0]["why"].as_str().unwrap().to_owned()
    };
    let lacks = why(&world);
    let set = lacks.split("teof plan step set").nth(1).and_then(|rest| rest.split(", then ").next()).unwrap();
    world.follow(&format!("do: teof plan step set{}", set.replace('…', "true")));
    let approve = lacks.split(", then ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    world.follow(&format!("do: {approve}"));
    assert_eq!(dry(&world)["decision"], "chose");

    for status in ["in_progress", "blocked"] {
        world.ok(&["plan", "step", "set", &plan, "S1", "--status", status]);
    }
    world.follow(&why(&world));
    assert_eq!(dry(&world)["decision"], "chose");
}
