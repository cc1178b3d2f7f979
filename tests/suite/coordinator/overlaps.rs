//! Jobs that change the same files: people learn of it before more work goes into them, or one waits for the other.

use super::*;

#[test]
fn two_jobs_that_do_not_merge_are_shown_in_every_face_until_one_is_over() {
    let yard = Yard::with("[review]\ncommands = true\n");
    for name in ["a", "b", "c"] {
        let file = if name == "c" { "c.txt" } else { "shared.txt" };
        yard.plan(name, &[&format!("echo {name} > {file}")]);
    }
    yard.finish();
    let conflicts = yard.status()["conflicts"].clone();
    let expected = json!([{"jobs": ["j1", "j2"], "is_certain": true, "paths": ["shared.txt"], "more": 0,
        "text": "j2 conflicts with j1 in shared.txt", "command": "teof review j1"}]);
    assert_eq!(conflicts, expected, "{conflicts:#}");
    for face in [&["coordinator", "status"][..], &["coordinator", "explain", "j2"]] {
        assert!(yard.world.ok(face).contains("j2 conflicts with j1 in shared.txt"), "{face:?}");
    }
    let hub = Hub::find(Some(&yard.world.repo), Clock::Machine).unwrap();
    let board = teof::board::Reader::new().read(&hub, teof::board::Parts::JOBS).unwrap();
    assert!(board.problems.iter().any(|problem| problem.kind == "jobs.conflict"), "for `top` and the page");
    let alerts = || {
        let events = yard.world.lines("_bus/events/events.jsonl").into_iter();
        events.filter(|event| event["summary"].as_str().unwrap().contains("conflicts with j1")).count()
    };
    assert_eq!(alerts(), 1);
    assert!(!yard.world.exists(".git/teof/cache/trial-objects"), "a trial leaves nothing");
    yard.finish();
    assert_eq!(alerts(), 1, "it is told once");

    yard.world.ok(&["review", "reject", "j2", "--note", "j1 has it"]);
    yard.finish();
    assert_eq!(yard.status()["conflicts"], json!([]));
}

#[test]
fn work_that_declares_the_paths_of_a_running_job_waits_for_it() {
    let yard = Yard::with("overlap = \"wait\"\n");
    let declare = |plan: &str, paths: &[&str]| {
        let path = format!("_plans/{plan}.plan.json");
        let mut file = yard.world.read_json(&path);
        file["steps"][0]["allowed"] = json!(paths);
        yard.world.write(&path, &(serde_json::to_string_pretty(&file).unwrap() + "\n"));
        yard.world.ok(&["plan", "approve", plan]);
    };
    let first = yard.plan("a", &[&yard.gated("a")]);
    declare(&first, &["a.txt", "src/"]);
    let second = yard.plan("b", &[&yard.work("b")]);
    declare(&second, &["b.txt", "src/parser/"]);
    let third = yard.plan("c", &[&yard.work("c")]);
    declare(&third, &["c.txt"]);
    let mut running = yard.begin();
    until("the third work is done", || yard.ran().contains(&"c".to_owned()));
    until("it is told why the second waits", || {
        let decisions = yard.world.ok(&["coordinator", "explain", &format!("{second}-S1")]);
        decisions.contains("waits for j1: both may change src/")
    });
    assert!(!yard.ran().contains(&"b".to_owned()));
    yard.open();
    assert!(running.wait().unwrap().success());
    assert_eq!(yard.ran().last().unwrap(), "b");
}
