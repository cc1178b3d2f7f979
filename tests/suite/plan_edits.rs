//! Plans are edited under a claim, or by a person; each edit leaves an event. Holds hold.

use std::fs;
use std::process::Stdio;

use crate::harness::{Ran, TOKEN, World, operator_tokens};

const PLAN: &str = "2026-01-05-p";

/// Seats `a` and `b` with sessions, and a plan of two steps; `a` has claimed its first.
fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    for seat in ["a", "b"] {
        world.ok(&["init", "--agent", seat]);
        as_seat(&world, seat, &["session-boot", "--no-sync"]).expect(0);
    }
    let plan = format!(
        r#"{{"plan_id": "{PLAN}", "status": "in_progress", "steps": [{{"id": "S1", "title": "t", "status": "in_progress"}}, {{"id": "S2", "title": "u"}}]}}"#
    );
    world.write(&format!("_plans/{PLAN}.plan.json"), &plan);
    as_seat(&world, "a", &["task", "pickup", &format!("{PLAN}-S1"), "--plan", PLAN]).expect(0);
    world
}

fn as_seat(world: &World, seat: &str, args: &[&str]) -> Ran {
    let output = world.teof(&[args, &["--json"]].concat()).env("TEOF_AGENT", seat).output().unwrap();
    Ran::of(output, args)
}

#[track_caller]
fn refused(world: &World, seat: &str, args: &[&str], code: &str) {
    let ran = as_seat(world, seat, args);
    assert_ne!(ran.code, 0, "{args:?} by {seat}: {}", ran.stdout);
    assert!(ran.stderr.contains(&format!("\"{code}\"")), "{args:?} by {seat}: {}", ran.stderr);
}

fn last_event(world: &World) -> serde_json::Value {
    world.lines("_bus/events/events.jsonl").pop().unwrap()
}

fn set<'a>(step: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["plan", "step", "set", PLAN, step], more].concat()
}

#[test]
fn a_seat_edits_the_step_that_it_has_claimed_and_an_event_says_so() {
    let mut world = world();
    as_seat(&world, "a", &set("S1", &["--note", "halfway"])).expect(0);
    let event = last_event(&world);
    assert_eq!((event["agent_id"].as_str(), event["plan_id"].as_str()), (Some("a"), Some(PLAN)));
    assert_eq!(
        (event["meta"]["step"].as_str(), event["meta"]["command"].as_str()),
        (Some("S1"), Some("plan step set"))
    );
    let events = world.lines("_bus/events/events.jsonl").len();
    as_seat(&world, "a", &set("S1", &["--note", "halfway"])).expect(0);
    assert_eq!(world.lines("_bus/events/events.jsonl").len(), events, "what changes nothing leaves no event");

    world.write("_report/agent/b/r.txt", "r");
    refused(&world, "b", &set("S1", &["--note", "mine"]), "claim.not_yours");
    refused(&world, "b", &["plan", "attach", PLAN, "S1", "--file", "_report/agent/b/r.txt"], "claim.not_yours");
    refused(&world, "a", &set("S2", &["--note", "n"]), "plan.not_claimed");
    refused(&world, "b", &["plan", "status", PLAN, "blocked"], "claim.not_yours");
    refused(&world, "b", &["plan", "checkpoint", PLAN, "superseded"], "claim.not_yours");
    refused(&world, "b", &["plan", "step", "add", PLAN, "--title", "t"], "claim.not_yours");
    as_seat(&world, "a", &["bus", "release", &format!("{PLAN}-S1"), "--status", "released"]).expect(0);
    refused(&world, "a", &set("S1", &["--note", "n"]), "plan.not_claimed");

    // A claim of the item that names the plan is a claim of the plan.
    let item =
        format!("{{\"items\": [{{\"id\": \"ND-1\", \"status\": \"pending\", \"plan_suggestion\": \"{PLAN}\"}}]}}");
    world.write("_plans/next-development.todo.json", &item);
    as_seat(&world, "b", &["task", "pickup", "ND-1"]).expect(0);
    as_seat(&world, "b", &set("S1", &["--note", "mine now"])).expect(0);

    world.now = Some("2026-01-06T10:00:00Z".to_owned());
    refused(&world, "b", &set("S1", &["--note", "n"]), "session.stale");
}

#[test]
fn a_person_edits_without_a_claim_and_the_event_names_whom_they_passed_over() {
    let mut world = world();
    world.git(&["config", "user.name", "Tester"]);
    // Where a seat has booted, who gives no name is that seat, and a person shows a token or a terminal.
    world.ok(&set("S1", &["--note", "halfway"]));
    assert_eq!(last_event(&world)["agent_id"], "a");
    assert_eq!(world.refused(&set("S2", &["--note", "n"]))["code"], "plan.not_claimed");
    let as_operator = set("S1", &["--command", "true", "--agent", "operator"]);
    let mut command = world.teof(&as_operator);
    let ran = Ran::of(command.env_remove("TEOF_OPERATOR_TOKEN").stdin(Stdio::null()).output().unwrap(), &as_operator);
    assert!([6].contains(&ran.code) && ran.stderr.contains("only a or a person may"), "{ran:?}");
    fs::write(world.folder().join("state/teof/operator-tokens.json"), operator_tokens()).unwrap();
    let mut command = world.teof(&as_operator);
    Ran::of(command.env("TEOF_OPERATOR_TOKEN", TOKEN).output().unwrap(), &as_operator).expect(0);
    let event = last_event(&world);
    assert_eq!((event["agent_id"].as_str(), event["meta"]["by"].as_str()), (Some("operator"), Some("Tester")));
    assert_eq!(event["meta"]["recognised"], "token");
    assert!(event["meta"]["passed_over"].to_string().contains("by a"), "{event}");
    // When the seat's session is over, the folder is a person's again.
    world.now = Some("2026-01-06T10:00:00Z".to_owned());
    world.ok(&set("S1", &["--note", "mine"]));
    assert_eq!(last_event(&world)["agent_id"], "operator");
    world.ok(&["plan", "approve", PLAN]);
    let event = last_event(&world);
    assert_eq!(event["meta"]["command"], "plan approve");
    assert_eq!(event["meta"]["digest"].as_str().map(str::len), Some(64), "{event}");
    // Inside a run there is no person.
    let output = world.teof(&set("S2", &["--note", "n"])).env("TEOF_RUN", "r-1").output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_hold_blocks_claiming_and_completing_a_task() {
    let world = world();
    let task = format!("{PLAN}-S1");
    let say = |seat: &str, task: &str, kind: &str| {
        as_seat(&world, seat, &["bus", "message", "--task", task, "--type", kind, "--summary", "wait"])
    };
    say("b", &task, "hold").expect(0);
    let complete = ["bus", "event", "--event", "complete", "--task", &task, "--summary", "done"];
    refused(&world, "a", &complete, "task.on_hold");
    refused(&world, "a", &set("S1", &["--status", "done"]), "task.on_hold");
    assert_eq!(world.refused(&set("S1", &["--status", "done"]))["code"], "task.on_hold", "nor by a person");
    refused(&world, "a", &["bus", "release", &task, "--status", "done"], "task.on_hold");
    // Nor does the seat that has it lift the hold, whoever spoke last.
    say("a", &task, "hold").expect(0);
    assert!(say("a", &task, "lift").expect(1).stderr.contains("task.own_hold"));
    as_seat(&world, "a", &["bus", "claim", &task, "--lease", "0s"]).expect(0);
    as_seat(&world, "a", &["bus", "release", &task, "--status", "paused"]).expect(0);
    for (seat, command) in [
        ("a", &["bus", "claim", &task][..]),
        ("b", &["bus", "claim", &task, "--allow-unassigned"]),
        ("b", &["bus", "takeover", &task, "--reason", "r"]),
        ("b", &["bus", "claim", "--task", &task, "--allow-unassigned"]),
        ("a", &["task", "pickup", &task]),
        ("b", &["task", "assign", &task, "--engineer", "b"]),
    ] {
        refused(&world, seat, command, "task.on_hold");
    }
    let next = as_seat(&world, "b", &["bus", "claim", "--next"]);
    assert_eq!(next.code, 4, "it is not what comes next: {next:?}");
    say("b", &task, "lift").expect(0);
    as_seat(&world, "a", &["bus", "claim", &task]).expect(0);
    as_seat(&world, "a", &complete).expect(0);
}

#[test]
fn every_command_about_a_plan_leaves_an_event_and_a_plan_without_its_justification_is_a_finding() {
    let world = world();
    // In the folder of a seat that has booted, a plan is that seat's, which needs a claim; a person says so.
    let tidy = ["plan", "new", "tidy", "--summary", "Tidy up", "--priority", "2", "--impact-score", "1"];
    let seats = [&tidy[..], &["--layer", "L5", "--systemic-target", "S6"]].concat();
    assert_eq!(world.refused(&seats)["code"], "plan.unclaimed");
    let person = world.run(&["plan", "new", "tidy", "--summary", "Tidy up", "--agent", "operator"]);
    assert!([0, 6].contains(&person.code), "{person:?}");
    // A folder without a seat is a person's.
    fs::remove_file(world.repo.join("AGENT_MANIFEST.json")).unwrap();
    let made = |args: &[&str]| {
        world.ok(args);
        let event = last_event(&world);
        (event["meta"]["command"].clone(), event["plan_id"].clone())
    };
    let new = ["plan", "new", "Parse numbers", "--summary", "Numbers are parsed", "--priority", "2", "--impact-score"];
    let new = [&new[..], &["1", "--layer", "L5", "--systemic-target", "S6", "--allow-unclaimed"]].concat();
    let id = "2026-01-05-parse-numbers";
    assert_eq!(made(&new), ("plan new".into(), id.into()));
    assert_eq!(last_event(&world)["agent_id"], "operator", "a person made it");
    let by_seat: Vec<_> = new.iter().map(|arg| if *arg == "Parse numbers" { "Parse words" } else { arg }).collect();
    as_seat(&world, "a", &by_seat).expect(0);
    assert_eq!(last_event(&world)["agent_id"], "a");
    world.write("_report/agent/a/r.txt", "r");
    let commands: [&[&str]; 6] = [
        &["plan", "step", "add", id, "--title", "Test them"],
        &["plan", "step", "set", id, "S1", "--command", "true"],
        &["plan", "approve", id],
        &["plan", "attach", id, "S1", "--file", "_report/agent/a/r.txt"],
        &["plan", "status", id, "in_progress"],
        &["plan", "checkpoint", id, "satisfied"],
    ];
    for args in commands {
        let command = args[..if args[1] == "step" { 3 } else { 2 }].join(" ");
        assert_eq!(made(args), (command.into(), id.into()), "{args:?}");
    }

    let lacking = |findings: serde_json::Value| {
        let found = findings
            .as_array()
            .unwrap_or_else(|| panic!("{findings}"))
            .iter()
            .filter(|found| found["code"] == "plan.no_justification");
        found.map(|found| found["path"].as_str().or(found["file"].as_str()).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let scan = || {
        let ran = world.run(&["scan", "--json"]);
        lacking(serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["findings"].clone())
    };
    assert_eq!(scan(), [format!("_plans/{PLAN}.plan.json")]);
    fs::remove_file(world.repo.join(format!("_plans/{id}.md"))).unwrap();
    let preflight = world.run(&["preflight", "full", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&preflight.stdout).unwrap_or_else(|_| panic!("{preflight:?}"));
    assert_eq!(
        lacking(report["findings"].clone()),
        [format!("_plans/{PLAN}.plan.json"), format!("_plans/{id}.plan.json")]
    );
}
