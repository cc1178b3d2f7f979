//! One piece of work, one holder: an item, its request, its plan and the plan's steps are names of the same.

use serde_json::{Value, json};
use teof::base::lock::FileLock;

use crate::harness::{Ran, World};

const PLAN: &str = "2026-01-05-score";
const VAULT: &str = "vault/10_features/03_planned/045.md";

/// The items ND-1 and ND-2 and the request FR-45 are done by one plan with two steps; everybody has a session.
fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".into());
    for (file, seat, role) in [
        ("AGENT_MANIFEST.json", "manager", "manager"),
        ("AGENT_MANIFEST.codex-1.json", "codex-1", "engineer"),
        ("AGENT_MANIFEST.codex-2.json", "codex-2", "engineer"),
    ] {
        world.write(file, &json!({"agent_id": seat, "desired_roles": [role]}).to_string());
        let tail = format!("_report/session/{seat}/manager-report-tail.txt");
        world.write(&tail, "# captured_at=2026-01-05T10:00:00Z\n");
    }
    world.write("teof.toml", "[guard]\ntests = [\"true\"]\n[commands]\ndefault = [\"true\"]\n");
    world.ok(&["consent", "grant", "--continuous", "--max-iterations", "0"]);
    let step = |id: &str| json!({"id": id, "title": id, "status": "queued", "notes": "", "receipts": []});
    let plan = json!({"version": 0, "plan_id": PLAN, "created": "2026-01-05T09:00:00Z", "actor": "manager",
        "summary": "Score", "status": "queued", "steps": [step("S1"), step("S2")], "receipts": [],
        "checkpoint": {"description": "it is there", "owner": "manager", "status": "pending"},
        "links": [{"type": "vault", "ref": VAULT}], "systemic_scale": 6, "layer": "L5", "systemic_targets": ["S6"],
        "layer_targets": ["L5"]});
    world.write(&format!("_plans/{PLAN}.plan.json"), &(serde_json::to_string_pretty(&plan).unwrap() + "\n"));
    world.write(VAULT, "---\nid: FR-45\nstatus: planned\n---\n# Score\n");
    let by_path = format!("_plans/{PLAN}.plan.json");
    let items = json!([{"id": "ND-1", "title": "Score", "status": "pending", "plan_suggestion": PLAN},
        {"id": "ND-2", "title": "Score, too", "status": "pending", "plan_suggestion": by_path}]);
    world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": items}).to_string());
    world
}

/// A claim as another tool writes it: without a plan.
fn holds(world: &World, task: &str, seat: &str, status: &str) {
    let claim = json!({"task_id": task, "agent_id": seat, "branch": format!("agent/{seat}/x"), "status": status,
        "claimed_at": "2026-01-05T09:30:00Z"});
    world.write(&format!("_bus/claims/{task}.json"), &(claim.to_string() + "\n"));
}

fn run_as(world: &World, seat: &str, args: &[&str]) -> Ran {
    Ran::of(world.teof(&[args, &["--json"]].concat()).env("TEOF_AGENT", seat).output().unwrap(), args)
}

fn refusal(ran: Ran) -> Value {
    let document: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{ran:?}"));
    document["error"].clone()
}

/// Every way in which codex-2 could get hold of the work, under every name.
fn is_refused_under(world: &World, names: &[&str], code: &str) {
    for name in names {
        let ways: [&[&str]; 3] = [
            &["bus", "claim", name, "--allow-unassigned"],
            &["task", "pickup", name],
            &["task", "assign", name, "--engineer", "codex-2"],
        ];
        for (way, seat) in ways.into_iter().zip(["codex-2", "codex-2", "manager"]) {
            let ran = run_as(world, seat, way);
            assert_eq!(ran.code, 3, "{way:?}: {ran:?}");
            let error = refusal(ran);
            assert_eq!(error["code"], code, "{way:?}: {error}");
            assert_eq!(error["plan_id"], PLAN, "it says why: {error}");
        }
    }
    assert_eq!(refusal(run_as(world, "codex-2", &["bus", "claim", "--next"]))["code"], "task.none");
    let decided = world.json(&["coordinator", "run", "--dry-run"]);
    assert_eq!(decided["decisions"][0]["decision"], "nothing", "{decided}");
}

#[test]
fn one_piece_of_work_has_one_holder_under_all_its_names() {
    let step = format!("{PLAN}-S1");
    let whole = ["ND-1", "ND-2", "FR-45", PLAN];
    for held in ["ND-1", "ND-2", "FR-45", PLAN, &step] {
        let world = world();
        holds(&world, held, "codex-1", "active");
        let others = whole.iter().copied().chain([step.as_str()]).filter(|name| *name != held);
        is_refused_under(&world, &others.collect::<Vec<_>>(), "claim.held");
        let own = ["bus", "claim", "ND-1", "--allow-unassigned"];
        assert_eq!(run_as(&world, "codex-1", &own).code, 0, "the holder itself may");
        run_as(&world, "codex-1", &["bus", "release", "ND-1", "--status", "released"]).expect(0);
        if held != "ND-1" {
            holds(&world, held, "codex-1", "released");
        }
        let lock = FileLock::try_acquire(&world.repo.join(format!(".git/teof/locks/run-{held}.lock")), "run r.1");
        let lock = lock.unwrap().expect("nobody has it");
        let others = whole.iter().filter(|name| **name != held);
        is_refused_under(&world, &others.copied().collect::<Vec<_>>(), "claim.running");
        drop(lock);
        assert_eq!(
            run_as(&world, "codex-2", &["bus", "claim", "ND-1", "--allow-unassigned"]).code,
            0,
            "what is over keeps nobody"
        );
    }
}

#[test]
fn a_claim_by_name_records_the_plan_and_two_steps_are_two_pieces_of_work() {
    let world = world();
    for (seat, task) in [("codex-1", format!("{PLAN}-S1")), ("codex-2", format!("{PLAN}-S2"))] {
        run_as(&world, seat, &["bus", "claim", &task, "--allow-unassigned"]).expect(0);
        assert_eq!(world.read_json(&format!("_bus/claims/{task}.json"))["plan_id"], PLAN);
        run_as(&world, seat, &["bus", "release", &task, "--status", "released"]).expect(0);
    }
    run_as(&world, "codex-1", &["task", "pickup", "FR-45"]).expect(0);
    assert_eq!(world.read_json("_bus/claims/FR-45.json")["plan_id"], PLAN);
    assert_eq!(world.read_json("_bus/assignments/FR-45.json")["plan_id"], PLAN);
    let row = |task: &str| {
        let list = world.json(&["task", "list", "--all"]);
        list["tasks"].as_array().unwrap().iter().find(|row| row["task_id"] == task).unwrap()["state"].clone()
    };
    assert_eq!(
        (row("ND-1"), row(&format!("{PLAN}-S1"))),
        (json!("active"), json!("active")),
        "the list shows it taken"
    );
}

#[test]
fn a_hold_applies_to_all_names_of_the_work() {
    let step = format!("{PLAN}-S1");
    let names = ["ND-1", "ND-2", "FR-45", PLAN, &step];
    for held in ["ND-2", "FR-45", &step] {
        let world = world();
        let say =
            |seat, kind| run_as(&world, seat, &["bus", "message", "--task", held, "--type", kind, "--summary", "w"]);
        let is_on_hold = |seat, args: &[&str]| {
            let error = refusal(run_as(&world, seat, args));
            assert_eq!(
                (&error["code"], &error["held_as"]),
                (&json!("task.on_hold"), &json!(held)),
                "{args:?}: {error}"
            );
        };
        say("manager", "hold").expect(0);
        for name in names {
            is_on_hold("codex-2", &["task", "pickup", name]);
            is_on_hold("codex-2", &["bus", "claim", name, "--allow-unassigned"]);
            is_on_hold("manager", &["task", "assign", name, "--engineer", "codex-2"]);
        }
        for having in ["ND-1", step.as_str()] {
            holds(&world, having, "codex-1", "active");
            is_on_hold("codex-1", &["bus", "event", "--event", "complete", "--task", having, "--summary", "done"]);
            is_on_hold("codex-1", &["bus", "release", having]);
            is_on_hold("codex-1", &["plan", "step", "set", PLAN, "S1", "--status", "done"]);
            let error = refusal(say("codex-1", "lift"));
            assert_eq!(error["code"], "task.own_hold", "who has {having} lifts no hold of {held}: {error}");
            run_as(&world, "codex-1", &["bus", "release", having, "--status", "paused"]).expect(0);
            is_on_hold("codex-1", &["bus", "claim", having]);
            holds(&world, having, "codex-1", "released");
        }
        let backlog = "_plans/next-development.todo.json";
        let text = std::fs::read_to_string(world.repo.join(backlog)).unwrap();
        world.write(backlog, &text.replace("in_progress", "pending"));
        assert_eq!(refusal(run_as(&world, "codex-2", &["bus", "claim", "--next"]))["code"], "task.none");
        let list = world.json(&["task", "list"]);
        let rows = list["tasks"].as_array().unwrap().iter();
        for row in rows.filter(|row| names.contains(&row["task_id"].as_str().unwrap())) {
            assert_eq!(row["on_hold"], "manager: w", "{row}");
        }
        let other = run_as(&world, "codex-2", &["task", "pickup", &format!("{PLAN}-S2")]).code;
        assert_eq!(other, if held == step { 0 } else { 1 }, "two steps are held apart: {held}");
        run_as(&world, "codex-2", &["bus", "release", &format!("{PLAN}-S2"), "--status", "released"]);
        say("manager", "lift").expect(0);
        run_as(&world, "codex-2", &["task", "pickup", &step]).expect(0);
    }
}

#[test]
fn two_seats_on_one_piece_of_work_are_a_finding_of_scan_and_preflight() {
    let world = world();
    holds(&world, &format!("{PLAN}-S1"), "codex-1", "active");
    holds(&world, "ND-1", "codex-1", "active");
    let found = |args: &[&str]| {
        let ran = world.run(&[args, &["--json"]].concat());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let findings = document["findings"].as_array().unwrap().clone();
        findings.into_iter().filter(|found| found["code"] == "claim.double_hold").collect::<Vec<_>>()
    };
    assert_eq!(found(&["scan"]), [] as [Value; 0], "one seat may hold both");
    holds(&world, "ND-1", "codex-2", "active");
    for args in [&["scan"][..], &["preflight", "full"]] {
        let found = found(args);
        assert_eq!(found.len(), 1, "{args:?}: {found:?}");
        let message = found[0]["message"].as_str().unwrap();
        assert!(["codex-1", "codex-2", "ND-1", PLAN].iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn a_claim_does_not_get_anothers_plan_by_naming_it_later() {
    let world = world();
    run_as(&world, "codex-1", &["bus", "claim", "ND-1", "--allow-unassigned"]).expect(0);
    run_as(&world, "codex-2", &["bus", "claim", "T-9", "--allow-unassigned"]).expect(0);
    let refused = refusal(run_as(&world, "codex-2", &["bus", "claim", "T-9", "--plan", PLAN]));
    assert_eq!((&refused["code"], &refused["agent_id"]), (&json!("claim.held"), &json!("codex-1")), "{refused}");
    assert_eq!(world.read_json("_bus/claims/T-9.json")["plan_id"], Value::Null);
}

/// The findings of a command with this code.
fn double_holds(world: &World) -> usize {
    let document: Value = serde_json::from_str(&world.run(&["scan", "--json"]).stdout).unwrap();
    document["findings"].as_array().unwrap().iter().filter(|found| found["code"] == "claim.double_hold").count()
}

#[test]
fn a_plan_named_without_its_date_is_the_same_work() {
    let world = world();
    let backlog = "_plans/next-development.todo.json";
    world.ok(&["task", "add", "ND-3", "--title", "Score", "--plan", "score", "--agent", "manager"]);
    assert_eq!(world.read_json(backlog)["items"][2]["plan_suggestion"], PLAN, "it is resolved when it is entered");
    let later = world.json(&["task", "add", "ND-4", "--title", "Later", "--plan", "later", "--agent", "manager"]);
    assert!(later["remarks"].to_string().contains("no such plan: later"), "{later}");
    // As a person writes it.
    let mut items = world.read_json(backlog);
    items["items"].as_array_mut().unwrap().pop();
    items["items"][0]["plan_suggestion"] = json!("score");
    world.write(backlog, &items.to_string());
    holds(&world, "score-S1", "codex-1", "active");
    let step = format!("{PLAN}-S1");
    is_refused_under(&world, &["ND-1", "ND-3", PLAN, &step], "claim.held");
    holds(&world, &step, "codex-2", "active");
    assert_eq!(double_holds(&world), 1);

    let other = world.read(&format!("_plans/{PLAN}.plan.json")).replace(PLAN, "2026-01-06-score");
    world.write("_plans/2026-01-06-score.plan.json", &other);
    let unclear = ["task", "add", "ND-5", "--title", "Which", "--plan", "score", "--agent", "manager"];
    assert_eq!(world.refused(&unclear)["code"], "plan.not_found", "two plans are called so");
}

#[test]
fn a_request_without_a_plan_has_one_holder_under_its_id_and_its_files_name() {
    let world = world();
    world.write("vault/10_features/03_planned/eight.md", "---\nid: FR-8\nstatus: planned\n---\n# Eight\n");
    let claimed = run_as(&world, "codex-1", &["bus", "claim", "eight", "--allow-unassigned"]).expect(0);
    assert!(!claimed.stdout.contains("no such task"), "{claimed:?}");
    let refused = refusal(run_as(&world, "codex-2", &["bus", "claim", "FR-8", "--allow-unassigned"]));
    assert_eq!((&refused["code"], &refused["held_as"]), (&json!("claim.held"), &json!("eight")), "{refused}");
    let listed = world.json(&["task", "list"]);
    let row = listed["tasks"].as_array().unwrap().iter().find(|row| row["task_id"] == "FR-8").unwrap();
    assert_eq!(row["state"], "active", "{row}");
    holds(&world, "FR-8", "codex-2", "active");
    assert_eq!(double_holds(&world), 1);
}

#[test]
fn a_claim_does_not_get_a_plan_that_is_on_hold_or_not_ready_by_naming_it_later() {
    let world = world();
    let hold = ["bus", "message", "--task", "ND-1", "--type", "hold", "--summary", "wait"];
    run_as(&world, "codex-2", &["bus", "claim", "T-9", "--allow-unassigned"]).expect(0);
    run_as(&world, "manager", &hold).expect(0);
    for task in ["T-9", "T-8"] {
        let claim = ["bus", "claim", task, "--plan", PLAN, "--allow-unassigned"];
        assert_eq!(refusal(run_as(&world, "codex-2", &claim))["code"], "task.on_hold", "{task}");
    }
    let complete = ["bus", "event", "--event", "complete", "--plan", PLAN, "--summary", "done"];
    assert_eq!(refusal(run_as(&world, "codex-2", &complete))["code"], "task.on_hold");
    run_as(&world, "manager", &["bus", "message", "--task", "ND-1", "--type", "lift", "--summary", "go"]).expect(0);

    run_as(&world, "codex-1", &["bus", "claim", &format!("{PLAN}-S1"), "--allow-unassigned"]).expect(0);
    assert_eq!(refusal(run_as(&world, "codex-2", &complete))["code"], "claim.held", "a part is another seat's");
    run_as(&world, "codex-1", &complete).expect(0);
    run_as(&world, "codex-1", &["bus", "release", &format!("{PLAN}-S1"), "--status", "released"]).expect(0);

    let backlog = "_plans/next-development.todo.json";
    let mut document = world.read_json(backlog);
    document["prerequisites"] = json!({"require_ci_green": true});
    world.write(backlog, &document.to_string());
    for task in ["T-9", "T-8"] {
        let claim = ["bus", "claim", task, "--plan", PLAN, "--allow-unassigned"];
        assert_eq!(refusal(run_as(&world, "codex-2", &claim))["code"], "task.prerequisites", "{task}");
    }
}

#[test]
fn a_request_whose_name_begins_like_another_plan_is_its_own_plans_work() {
    let world = world();
    world.write("vault/10_features/03_planned/parser-docs.md", "---\nid: FR-9\nstatus: planned\n---\n# Docs\n");
    let plan = world.read(&format!("_plans/{PLAN}.plan.json"));
    let docs = plan.replace(PLAN, "2026-01-06-write-the-docs").replace(VAULT, &VAULT.replace("045", "parser-docs"));
    world.write("_plans/2026-01-06-write-the-docs.plan.json", &docs);
    let other = plan.replace(PLAN, "2026-01-05-parser").replace(VAULT, "vault/none.md");
    world.write("_plans/2026-01-05-parser.plan.json", &other);
    holds(&world, "2026-01-06-write-the-docs-S1", "codex-1", "active");
    for task in ["parser-docs", "FR-9"] {
        for plan in [&[][..], &["--plan", "2026-01-05-parser"]] {
            let claim = [&["bus", "claim", task, "--allow-unassigned"], plan].concat();
            let refused = refusal(run_as(&world, "codex-2", &claim));
            assert_eq!(refused["code"], "claim.held", "{task} {plan:?}: {refused}");
        }
    }
}

#[test]
fn a_short_name_that_two_plans_share_holds_neither() {
    let world = world();
    let plan = world.read(&format!("_plans/{PLAN}.plan.json")).replace(VAULT, "vault/none.md");
    for id in ["2026-01-05-weekly", "2026-01-12-weekly"] {
        world.write(&format!("_plans/{id}.plan.json"), &plan.replace(PLAN, id));
    }
    holds(&world, "weekly-S1", "codex-1", "active");
    for task in ["2026-01-05-weekly-S1", "2026-01-12-weekly-S1"] {
        run_as(&world, "codex-2", &["bus", "claim", task, "--allow-unassigned"]).expect(0);
    }
}
