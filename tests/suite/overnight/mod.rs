//! A night without people: a real coordinator, real workers and a scripted agent, with clocks that run faster. What
//! goes wrong is nobody's fault, so every job ends done or waiting for a person.

use std::fs;
use std::process::Child;

use serde_json::Value;
use teof::exec;

use crate::harness::agents::{DONE, Fake};
use crate::harness::{World, until_or};

const FAST: &str = "[coordinator]\nretry_first = \"0s\"\nretry_later = \"0s\"\npoll_min = \"1s\"\npoll_max = \"3s\"\n\
    record = false\n[worker]\nafter_limit = \"0s\"\ngrace = \"1s\"\n[pipeline]\nstages = [\"coder\"]\n";

/// A repository whose submissions are worked on by a fake agent.
struct Night {
    world: World,
    agent: Fake,
}

impl Night {
    fn new(agent: &str) -> Night {
        let world = World::bare_of_teof();
        let agent = Fake::new(&world.folder(), "fake", agent);
        for seat in ["manager", "worker-1"] {
            world.ok(&["init", "--agent", seat, "-q"]);
        }
        world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{FAST}", agent.settings()));
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Set up"]);
        world.ok(&["consent", "grant", "--continuous"]);
        Night { world, agent }
    }

    fn submit(&self, objective: &str) {
        self.world.ok(&["coordinator", "submit", "--test", "true", "--objective", objective]);
    }

    fn begin(&self) -> Child {
        let output = fs::File::options().create(true).append(true).open(self.world.folder().join("night.log")).unwrap();
        let mut command = self.world.teof(&["coordinator", "run"]);
        command.stdin(std::process::Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
    }

    fn finish(&self) -> String {
        let ran = self.world.run(&["coordinator", "run", "--until-idle"]);
        assert!(ran.code < 70, "{ran:?}");
        ran.stderr + &ran.stdout
    }

    fn jobs(&self) -> Vec<Value> {
        let status = self.world.json(&["coordinator", "status", "--limit", "100"]);
        let list = |key: &str| status[key].as_array().unwrap().clone();
        list("jobs").into_iter().chain(list("finished")).collect()
    }

    /// Whether all of so many jobs wait for a person.
    fn all_wait(&self, count: usize) -> bool {
        let jobs = self.jobs();
        jobs.len() == count && jobs.iter().all(|job| job["phase"]["is"] == "review")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.world.folder().join("night.log")).unwrap_or_default()
    }

    /// The processes of workers.
    fn workers(&self) -> Vec<i32> {
        let root = self.world.repo.display().to_string();
        let runs = self.jobs().into_iter().map(|job| format!("{}.{}", job["id"].as_str().unwrap(), job["run"]));
        let marks = |run: String| [("TEOF_WORKER".to_owned(), run), ("TEOF_ROOT".to_owned(), root.clone())];
        runs.flat_map(|run| exec::marked(&marks(run))).map(|worker| worker.pid).collect()
    }

    /// The sessions of all seats are as old as if the night had been long.
    fn grow_old(&self) {
        for seat in ["manager", "worker-1"] {
            let tail = format!("_report/session/{seat}/manager-report-tail.txt");
            let text = self.world.read(&tail);
            let old = |line: &str| match line.starts_with("# captured_at=") {
                true => "# captured_at=2026-01-05T10:00:00Z\n".to_owned(),
                false => format!("{line}\n"),
            };
            self.world.write(&tail, &text.lines().map(old).collect::<String>());
        }
    }
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
}

fn until(what: &str, night: &Night, happened: impl FnMut() -> bool) {
    until_or(
        || {
            format!(
                "{what}
{}",
                night.log()
            )
        },
        happened,
    );
}

#[test]
fn work_that_waited_longer_than_a_session_goes_on_with_the_persons_note() {
    let night = Night::new(&format!("echo two >> README.md\n{DONE}"));
    night.submit("Append two");
    night.finish();
    let job = night.jobs()[0]["id"].as_str().unwrap().to_owned();
    night.grow_old();
    night.world.ok(&["review", "retry", &job, "--note", "spell it TWO"]);
    night.grow_old();
    let said = night.finish();
    assert!(night.all_wait(1), "{said}");
    assert!(night.agent.prompt(2).contains("spell it TWO"), "{}", night.agent.prompt(2));
    let session = night.agent.args(1).replace("--session-id", "--resume");
    assert_eq!(night.agent.args(2), session, "the coder goes on in its own session");
    let place = |call| night.agent.env(call).lines().find(|line| line.starts_with("PWD=")).unwrap().to_owned();
    assert_eq!(place(1), place(2), "and where it worked");
}

#[test]
fn a_frozen_worker_is_noticed_and_its_work_goes_on() {
    let night = Night::new(&format!("echo end >> half.txt\n{DONE}"));
    // What agents use is read as often as workers are looked after, and must not keep that from happening.
    let settings = night.world.read("teof.toml").replace("poll_min = \"1s\"", "poll_min = \"3s\"");
    night.world.write("teof.toml", &format!("{settings}[budget]\nday_tokens = 1000000\n"));
    night.world.git(&["commit", "-qam", "Set a budget"]);
    night.world.ok(&["consent", "grant", "--continuous"]);
    night.agent.on(1, "say half; echo half > half.txt; touch \"$here/waits\"; exec sleep 1000");
    night.submit("Write half.txt");
    let mut coordinator = night.begin();
    until("the agent works", &night, || night.agent.file("waits").exists());
    let job = night.jobs()[0]["id"].as_str().unwrap().to_owned();
    until("what it does is shown", &night, || night.world.ok(&["coordinator", "logs", &job]).contains("fake: half"));
    for worker in night.workers() {
        signal(worker, rustix::process::Signal::STOP);
    }
    until("another worker goes on", &night, || night.all_wait(1));
    let job = &night.jobs()[0];
    let branch = night.world.git(&["for-each-ref", "--format=%(refname)", "refs/heads/agent"]);
    assert_eq!(night.world.git(&["show", &format!("{branch}:half.txt")]), "half\nend");
    assert_eq!((&job["failures"], &job["run"]), (&0.into(), &1.into()), "it is nobody's failure: {job:#}");

    signal(coordinator.id().cast_signed(), rustix::process::Signal::STOP);
    let frozen = || night.world.json(&["coordinator", "status"])["frozen"].is_string();
    until("a coordinator that is stopped is told of", &night, frozen);
    coordinator.kill().unwrap();
    coordinator.wait().unwrap();
}

/// What the agent does, by the number of the call: outages, limits that are soon over, calls that last until they are
/// killed, programs that die, and work.
const AGENT: &str = r#"
mine="$TEOF_TASK.txt"
echo "call $n" >> "$mine"
case $((n % 9)) in
  1|2) say 'I begin'; result success true 'API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'; exit 1 ;;
  4) limit $(($(date +%s) + 1)) ;;
  6) say 'I work'; sleep 3; echo late >> "$mine" ;;
  8) result error_max_turns true 'Reached maximum number of turns'; exit 1 ;;
esac
echo done >> "$mine"
answer '{"analysis": "did it", "commands": [], "receipts": []}'
"#;

#[test]
fn limits_outages_stale_sessions_and_restarts_block_no_job() {
    let night = Night::new(AGENT);
    for n in 1..=10 {
        night.submit(&format!("Write file number {n} of the night"));
    }
    let mut killed_workers = 0;
    for hour in 0..6 {
        let mut coordinator = night.begin();
        let calls = night.agent.calls();
        until("something happens", &night, || night.agent.calls() > calls + 1 || night.all_wait(10));
        // Workers die with the coordinator, or before its eyes.
        if hour % 2 == 1 {
            coordinator.kill().unwrap();
        }
        for worker in night.workers() {
            signal(worker, rustix::process::Signal::KILL);
            killed_workers += 1;
        }
        coordinator.kill().unwrap();
        coordinator.wait().unwrap();
        night.grow_old();
    }
    let said = night.finish();
    let jobs = night.jobs();
    assert_eq!(jobs.len(), 10, "{said}");
    for job in &jobs {
        assert_eq!(job["phase"]["is"], "review", "{job:#}\n{}\n{said}", night.log());
        assert!(job["last"]["commit"].is_string(), "{job:#}");
    }
    let status = night.world.json(&["coordinator", "status"]);
    assert!(status["breaker"]["open"].is_null() && status["totals"]["blocked"] == 0, "{status:#}");
    // What was begun before a call was cut short is in the result, each line once.
    let branches = night.world.git(&["for-each-ref", "--format=%(refname)", "refs/heads/agent"]);
    let mut calls = Vec::new();
    for branch in branches.lines() {
        let names = night.world.git(&["ls-tree", "--name-only", branch]);
        let file =
            names.lines().find(|name| name.starts_with("write-file-")).unwrap_or_else(|| panic!("{branch}: {names}"));
        let text = night.world.git(&["show", &format!("{branch}:{file}")]);
        calls.extend(text.lines().filter(|line| line.starts_with("call ")).map(str::to_owned));
        assert!(text.ends_with("done"), "{branch}: {text}");
    }
    let all = calls.len();
    calls.sort();
    calls.dedup();
    assert_eq!((branches.lines().count(), all), (10, calls.len()), "no call's work is there twice");
    assert!(killed_workers == 0 || all > 10, "{all} calls");
    let told = night.world.read("_bus/messages/manager-report.jsonl");
    // An outage that a limit follows is over with the limit, which says until when; any other is said to be over.
    let mut about_fake =
        told.lines().filter(|line| line.contains("fake is suspended until") || line.contains("fake works"));
    let last = about_fake.next_back().unwrap_or_else(|| panic!("nothing was told: {told}"));
    assert!(!last.contains("does not answer"), "the outage is not said to be over: {told}");
    night.world.ok(&["bus", "verify"]);
    night.world.ok(&["receipts", "verify"]);
}
