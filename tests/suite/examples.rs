//! The files under `examples/` work as they stand.

use std::path::Path;

use crate::harness::World;

fn example(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).unwrap()
}

#[test]
fn the_example_plan_seat_and_settings_are_accepted_as_they_are() {
    let world = World::new();
    world.write("_plans/2026-01-05-docs.plan.json", &example("2026-01-05-docs.plan.json"));
    world.write("AGENT_MANIFEST.json", &example("AGENT_MANIFEST.codex-1.json"));
    world.write("teof.toml", &example("teof.toml"));
    world.ok(&["plan", "validate", "--strict"]);
    // Whether its program is installed here is another matter.
    let doctor = world.run(&["agent", "doctor", "--json"]).stdout;
    let doctor: serde_json::Value = serde_json::from_str(&doctor).unwrap();
    let careful = doctor["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "careful").unwrap();
    assert_eq!((careful["error"].as_str(), careful["roles"][0].as_str()), (None, Some("reviewer")), "{careful}");
    let plan = world.json(&["plan", "show", "2026-01-05-docs"]).to_string();
    assert!(plan.contains("check-links.sh"), "{plan}");
}

/// On a tree whose plans and claims other tools wrote, the commands report what they find; here they find little.
#[test]
fn the_walk_through_the_playbook_runs_every_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let walk = std::process::Command::new(root.join("examples/playbook.sh"))
        .env("TEOF", env!("CARGO_BIN_EXE_teof"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&walk.stdout);
    assert!(walk.status.success() && told.ends_with("Every command ran.\n"), "{told}");
    assert!(told.contains("shift=mid"), "the manager's heartbeat says which shift it is: {told}");
}

#[test]
fn the_stand_in_for_a_model_service_knows_every_role_by_its_prompt() {
    let model = example("real-agent/model.py");
    let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/foreman/calls/prompts");
    for role in ["planner", "coder", "tester", "reviewer"] {
        let prompt = std::fs::read_to_string(prompts.join(format!("{role}.md"))).unwrap();
        let heading = prompt.lines().next().unwrap();
        let word = heading.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" one piece of work"));
        let known = format!("\"{}\": {role}", word.unwrap_or_else(|| panic!("{role}: {heading}")));
        assert!(model.contains(&known), "{known} is not in model.py");
    }
    assert!(model.contains("^# (Plan|Do|Test|Review) one piece of work"));
}
