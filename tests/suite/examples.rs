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

/// Set-up, an agent's loop and unattended work, as they stand in the README, in a repository that has nothing.
#[test]
fn the_readme_works_line_by_line_in_a_fresh_repository() {
    let world = World::bare_of_teof();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, own) = readme.split_once("## In your own repository").unwrap();
    let blocks = own.split("```sh\n").skip(1).take(3).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> =
        blocks.flat_map(str::lines).filter(|l| !l.starts_with("cargo ") && !l.starts_with("cd ")).collect();
    let told = world.follow(&format!("in one shell: set -e\n{}", lines.join("\n")));
    assert!(told.contains("nothing is wrong") && told.contains("released QUEUE-001"), "{told}");
    let decided = world.json(&["coordinator", "explain"]);
    assert!(decided.to_string().contains("a person closes it"), "the plan's one step was done: {decided}");
    let plans = world.json(&["plan", "list"]).to_string();
    let id = plans.split("\"plan_id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    world.follow(&format!("close it: teof plan checkpoint {id} satisfied && teof plan status {id} done"));
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
