//! A person watches a job and steers it while its agent works.

use serde_json::{Value, json};

use crate::harness::agents::{APPROVE, DONE, Fake};
use crate::harness::{World, until};

#[test]
fn a_person_sees_what_an_agent_does_sends_it_notes_and_pauses_its_job() {
    let world = World::bare_of_teof();
    let agent = Fake::new(&world.folder(), "fake", DONE);
    agent.takes_messages();
    agent.on(1, &format!("use_tool Bash 'sudo ls'\nfails 'no such file'\nIFS= read -r note\nIFS= read -r more\nprintf '%s' \"$note$more\" > \"$here/noted\"\necho one >> one.txt\n{DONE}"));
    agent.on(2, APPROVE);
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    let stages = "[pipeline]\nstages = [\"coder\", \"reviewer\"]\n[coordinator]\nrecord = false\npoll_min = \"1s\"\n";
    world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{stages}", agent.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous"]);
    world.ok(&["coordinator", "submit", "--test", "true", "--objective", "Do it"]);
    let mut coordinator = world.spawn(&["coordinator", "run"]);

    let watched = || world.json(&["session", "watch", "--once"])["jobs"][0].clone();
    until("the agent used a tool and failed", || watched()["errors"]["warning"] == 1);
    let job: Value = watched();
    assert_eq!((&job["tools"], &job["noticed"][0]["rule"]), (&json!({"Bash": 1}), &json!("sudo")), "{job}");
    let page = world.ok(&["session", "watch", "--once"]);
    assert!(page.contains("uses Bash 1") && page.contains("noticed sudo: sudo ls"), "{page}");
    let name = job["short"].as_str().unwrap();

    world.ok(&["coordinator", "pause", name]);
    let given = world.json(&["session", "note", name, "leave it small"]);
    assert_eq!(given["given"], "session", "{given}");
    let given = world.json(&["session", "continue", name, "--note", "and keep it short"]);
    assert_eq!(given["given"], "session", "a session that runs is continued where it is: {given}");
    let phase = || world.json(&["status"])["jobs"][0]["phase"]["is"].as_str().unwrap_or_default().to_owned();
    until("the job is paused after its stage", || phase() == "held");
    let noted = std::fs::read_to_string(agent.file("noted")).unwrap();
    assert!(noted.contains("> leave it small") && noted.contains("> and keep it short"), "{noted}");

    let kept = world.json(&["session", "note", name, "look twice"]);
    assert_eq!(kept["given"], Value::Null, "{kept}");
    world.ok(&["coordinator", "stop"]);
    coordinator.wait().unwrap();
    let ran = world.run(&["coordinator", "run", "--until-idle"]);
    let to_continue = format!("to continue it: teof coordinator resume {name}");
    assert!(ran.code == 5 && ran.stderr.contains(&to_continue), "{} {}", ran.code, ran.stderr);
    coordinator = world.spawn(&["coordinator", "run"]);
    world.ok(&["coordinator", "resume", name]);
    until("the work waits for review", || phase() == "review");
    assert_eq!(agent.calls(), 2);
    assert!(agent.prompt(2).contains("> look twice"), "{}", agent.prompt(2));
    world.ok(&["coordinator", "stop"]);
    coordinator.wait().unwrap();
}
