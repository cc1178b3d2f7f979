//! The board: what a reader says about a hub while jobs run, and that it notices what changes.

use std::fs;
use std::time::Duration;

use serde_json::json;
use teof::base::Clock;
use teof::board::problems::Severity;
use teof::board::{Parts, Reader, Snapshot};
use teof::hub::Hub;

use crate::harness::agents::{DONE, Fake};
use crate::harness::{World, until};

/// Calls a tool, says something with control characters, and waits for a person.
const AGENT: &str = r#"
printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"make test"}}]}}\n'
use_tokens 4321
say 'looks \u001b[31mred\u001b[0m'
while [ ! -e "$here/open" ]; do sleep 0.02; done
echo x > note.txt
"#;

const SETTINGS: &str = "[coordinator]\nretry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\nrecord = false\n\
    [pipeline]\nstages = [\"coder\"]\n[budget]\nday_tokens = 1000000\n";

fn named(snapshot: &Snapshot, kind: &str) -> Vec<String> {
    let of_kind = snapshot.problems.iter().filter(|problem| problem.kind == kind);
    of_kind.map(|problem| problem.about.clone().unwrap_or_default()).collect()
}

#[test]
fn the_board_shows_a_job_from_its_start_to_its_review_and_what_is_wrong_with_the_record() {
    let world = World::bare_of_teof();
    let agent = Fake::new(&world.folder(), "fake", &format!("{AGENT}{DONE}"));
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{SETTINGS}", agent.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    let (hub, mut reader) = (world.hub(), Reader::new());
    let idle = reader.read(&hub, Parts::ALL).unwrap();
    assert!(!idle.runtime.running && !idle.runtime.consent.given && idle.jobs.is_empty());
    assert_eq!(idle.problems, [], "nothing waits, so nothing is wrong");
    world.ok(&["consent", "grant", "--max-jobs", "3"]);
    world.ok(&["coordinator", "submit", "--test", "true", "--objective", "Write a note"]);
    let waiting = reader.read(&hub, Parts::JOBS).unwrap();
    assert_eq!(named(&waiting, "coordinator.stopped").len(), 1, "{:?}", waiting.problems);

    let mut coordinator = world.spawn(&["coordinator", "run", "--until-idle"]);
    let mut running = waiting;
    until("the agent's words", || {
        running = reader.read(&hub, Parts::ALL).unwrap();
        running.jobs.first().is_some_and(|job| job.last_line.as_deref().is_some_and(|line| line.starts_with("looks")))
            && running.runtime.spent_today.tokens >= 4321
    });
    let job = running.job("j1").unwrap();
    assert_eq!((job.phase, job.stage.as_deref(), job.round), ("running", Some("coder"), Some(1)));
    assert_eq!((job.agent.as_deref(), job.title.as_str()), (Some("fake"), "Write a note"));
    assert!(job.last_tool.as_deref().is_some_and(|tool| tool.contains("make test")), "{:?}", job.last_tool);
    assert!(!job.last_line.as_deref().unwrap().contains('\u{1b}'), "{:?}", job.last_line);
    assert!(job.tokens >= 4321 && job.elapsed_seconds.is_some() && job.next.is_none());
    let runtime = &running.runtime;
    assert_eq!(runtime.spent_today, runtime.spent_running, "a running job counts for today before it ends");
    assert!(runtime.running && runtime.consent.given && runtime.budget.day_tokens == 1_000_000);
    assert_eq!((runtime.consent.jobs_allowed, runtime.consent.jobs_left), (Some(3), Some(2)));
    let claim = running.claims.iter().find(|claim| claim.is_live).unwrap();
    assert!(claim.lease_left(running.generated_at).is_some_and(|left| left > 0) && claim.task == job.task);
    let seat = running.seats.iter().find(|seat| seat.job.as_deref() == Some("j1")).unwrap();
    assert!(seat.doing.as_deref().unwrap().contains("Write a note") && seat.last_seen.is_some());
    assert!(running.plans.iter().any(|plan| Some(&plan.id) == job.plan.as_ref() && plan.steps_total == 1));
    assert!(running.worktrees.iter().any(|one| one.short.as_deref() == Some("j1") && one.content.is_none()));
    let live = world.repo.join(format!(".git/teof/live/{}.json", job.run));
    assert!(live.exists());

    let status = world.json(&["status"]);
    assert_eq!(status["summary"]["running"], json!(["j1"]));
    assert_eq!((&status["summary"]["jobs_left"], &status["consent"]["given"]), (&json!(2), &json!(true)));
    let live_job = &status["jobs"][0]["live"];
    assert!(live_job["stage"] == "coder" && live_job["last_tool"] == json!(job.last_tool), "{live_job}");

    fs::write(agent.file("open"), "").unwrap();
    until("the coordinator's end", || coordinator.try_wait().unwrap().is_some());
    assert!(!live.exists(), "it is removed with the run");
    let done = reader.read(&hub, Parts::ALL).unwrap();
    assert!(done.revision > running.revision);
    assert_eq!(done.job("j1").unwrap().next.as_deref(), Some("teof review j1"));
    let [waits] = &done.review[..] else { panic!("{:?}", done.review) };
    assert!(waits.is_passing && waits.tests == 1 && waits.files == 1 && waits.short == "j1");
    assert_eq!(named(&done, "review.waiting").len(), 1);
    let text = world.ok(&["status"]);
    let lines: Vec<_> = text.lines().take(5).map(|line| line.split_at(13)).collect();
    let labels: Vec<_> = lines.iter().map(|(label, _)| label.trim()).collect();
    assert_eq!(labels, ["Running", "For you", "Blocked", "Today", "Coordinator"], "{text}");
    assert_eq!((lines[0].1, lines[1].1, lines[2].1), ("nothing", "1 review: j1", "nothing"));
    assert!(lines[3].1.contains("of 1000000 tokens") && lines[4].1.ends_with("; 2 of 3 jobs left"), "{text}");
    assert_eq!((done.history.jobs, done.history.succeeded), (1, 1));
    assert!(done.history.stages.iter().any(|stage| stage.stage == "coder" && stage.count == 1));
    assert_eq!(done.history.days[0].tokens, done.runtime.spent_today.tokens);
    assert_eq!(done.runtime.spent_running.tokens, 0);
    reader.inspect_worktrees(&hub).unwrap();
    let inspected = reader.read(&hub, Parts::ALL).unwrap();
    let content = inspected.worktrees.iter().find(|one| one.short.as_deref() == Some("j1")).unwrap().content.as_ref();
    assert!(content.is_some_and(|content| content.ahead == Some(1) && content.size_bytes > 0), "{content:?}");

    what_changes_is_noticed(&world, &mut reader);
}

fn what_changes_is_noticed(world: &World, reader: &mut Reader) {
    let hub = world.hub();
    let before = reader.read(&hub, Parts::ALL).unwrap();
    assert_eq!(reader.read(&hub, Parts::ALL).unwrap().revision, before.revision, "nothing changed");
    let claim = |task: &str, seat: &str| {
        json!({"agent_id": seat, "branch": format!("agent/{seat}/x"), "claimed_at": "2026-01-05T10:00:00Z", "epoch": 1,
            "lease_expires_at": "2026-01-05T11:00:00Z", "status": "active", "task_id": task})
    };
    world.write("_bus/claims/LATE.json", &claim("LATE", "codex-1").to_string());
    world.write("_bus/claims/BAD.json", "{");
    let assignment = json!({"task_id": "LATE", "engineer": "codex-2", "manager": "manager"});
    world.write("_bus/assignments/LATE.json", &assignment.to_string());
    world.ok(&["bus", "event", "--event", "observation", "--summary", "I see"]);
    let after = reader.read(&hub, Parts::ALL).unwrap();
    assert!(after.revision > before.revision);
    assert_eq!(named(&after, "claim.expired"), ["LATE"]);
    assert_eq!(named(&after, "claim.assignment"), ["LATE"]);
    assert_eq!(named(&after, "record.unusable"), ["_bus/claims/BAD.json"]);
    assert_eq!(after.problems[0].severity, Severity::High, "the gravest comes first");
    assert_eq!(after.events.last().map(|event| event.summary.as_str()), Some("I see"));
    a_failed_read_loses_no_change(world, reader);

    // No file changes; only time passes.
    let lease = json!({"agent_id": "codex-1", "branch": "agent/codex-1/x", "claimed_at": hub.now(), "epoch": 1,
        "lease_expires_at": hub.now().plus(Duration::from_secs(60)), "status": "active", "task_id": "SOON"});
    world.write("_bus/claims/SOON.json", &lease.to_string());
    let soon = reader.read(&hub, Parts::ALL).unwrap();
    assert_eq!(named(&soon, "claim.expired"), ["LATE"]);
    let later = Hub::find(Some(&world.repo), Clock::Fixed(hub.now().plus(Duration::from_secs(120)))).unwrap();
    let expired = reader.read(&later, Parts::ALL).unwrap();
    assert_eq!(named(&expired, "claim.expired"), ["LATE", "SOON"]);
    assert!(expired.revision > soon.revision, "an open page is told");

    let document = serde_json::to_value(&after).unwrap();
    assert_eq!(document["claims"].as_array().map(Vec::len), Some(after.claims.len()));
}

fn a_failed_read_loses_no_change(world: &World, reader: &mut Reader) {
    let hub = world.hub();
    let before = reader.read(&hub, Parts::ALL).unwrap().revision;
    let (claims, aside) = (world.repo.join("_bus/claims"), world.repo.join("_bus/aside"));
    let state = world.repo.join(".git/teof/coordinator/state.json");
    fs::write(&state, fs::read(&state).unwrap()).unwrap();
    fs::rename(&claims, &aside).unwrap();
    std::os::unix::fs::symlink("aside", &claims).unwrap();
    assert!(reader.read(&hub, Parts::ALL).is_err(), "claims are read through no link");
    fs::remove_file(&claims).unwrap();
    fs::rename(&aside, &claims).unwrap();
    assert!(reader.read(&hub, Parts::ALL).unwrap().revision > before, "the state was written before the failed read");
}
