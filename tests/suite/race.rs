//! Real processes in several worktrees race for tasks, and are killed while they claim and release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::harness::{Ran, World};

const EVENTS: &str = "_bus/events/events.jsonl";
const NOW: &str = "2026-01-05T10:00:00Z";

/// A hub with three more worktrees, and seats with fresh sessions.
struct Field {
    world: World,
    worktrees: Vec<PathBuf>,
}

impl Field {
    fn new(seats: usize) -> Field {
        let mut world = World::new();
        world.now = Some(NOW.into());
        let mut worktrees = vec![world.repo.clone(), world.repo.join("_bus")];
        for name in ["one", "two", "three"] {
            let path = world.folder().join(name);
            world.git(&["worktree", "add", "-q", path.to_str().unwrap()]);
            worktrees.push(path);
        }
        for seat in 0..seats {
            let tail = format!("_report/session/seat-{seat}/manager-report-tail.txt");
            world.write(&tail, &format!("# captured_at={NOW}\n"));
        }
        Field { world, worktrees }
    }

    fn start(&self, seat: usize, args: &[&str]) -> Child {
        let mut command = self.world.teof(args);
        command.env("TEOF_AGENT", format!("seat-{seat}")).env("TEOF_LOCK_WAIT", "120s");
        command.current_dir(&self.worktrees[seat % self.worktrees.len()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts one process a seat while the bus lock is held, then lets all of them go at once.
    fn race(&self, seats: usize, args: &[&str]) -> Vec<Ran> {
        let lock = self.world.repo.join(".git/teof/locks/bus.lock");
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        let barrier = File::create(lock).unwrap();
        barrier.lock().unwrap();
        let racers: Vec<Child> = (0..seats).map(|seat| self.start(seat, args)).collect();
        drop(barrier);
        racers.into_iter().map(|racer| Ran::of(racer.wait_with_output().unwrap(), args)).collect()
    }

    /// What the claims say, and what the last event of each task says: `(agent, status, epoch)`.
    fn both(&self) -> (BTreeMap<String, State>, BTreeMap<String, State>) {
        let mut claims = BTreeMap::new();
        for entry in fs::read_dir(self.world.repo.join("_bus/claims")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let Some(task) = name.strip_suffix(".json") else { continue };
            let claim = self.world.read_json(&format!("_bus/claims/{name}"));
            claims.insert(task.to_owned(), state(&claim["agent_id"], &claim["status"], &claim["epoch"]));
        }
        let mut events = BTreeMap::new();
        for event in self.world.lines(EVENTS) {
            let meta = &event["meta"];
            events.insert(text(&event["task_id"]), state(&event["agent_id"], &meta["status"], &meta["epoch"]));
        }
        (claims, events)
    }
}

type State = (String, String, u64);

fn state(agent: &Value, status: &Value, epoch: &Value) -> State {
    (text(agent), text(status), epoch.as_u64().unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn exactly_one_of_dozens_wins_a_hundred_times_over() {
    const SEATS: usize = 24;
    let field = Field::new(SEATS);
    for round in 0..100 {
        let task = format!("TASK-{round:03}");
        let ran = field.race(SEATS, &["bus", "claim", &task, "--allow-unassigned", "--json"]);
        let winners: Vec<&Ran> = ran.iter().filter(|ran| ran.code == 0).collect();
        assert_eq!(winners.len(), 1, "{task}: {:?}", ran.iter().map(|ran| &ran.stderr).collect::<BTreeSet<_>>());
        let won: Value = serde_json::from_str(&winners[0].stdout).unwrap();
        let holder = &won["claim"]["agent_id"];
        for loser in ran.iter().filter(|ran| ran.code != 0) {
            let error: Value = serde_json::from_str(&loser.stderr).unwrap();
            let error = &error["error"];
            assert_eq!((loser.code, &error["code"], &error["agent_id"]), (3, &"claim.held".into(), holder));
        }
        assert_eq!(&field.world.read_json(&format!("_bus/claims/{task}.json"))["agent_id"], holder);
    }
    let (claims, events) = field.both();
    assert_eq!((claims.len(), field.world.lines(EVENTS).len()), (100, 100));
    assert_eq!(claims, events);
}

#[test]
fn racers_for_the_next_task_get_one_each() {
    let field = Field::new(12);
    let items: Vec<String> = (0..8).map(|n| format!("{{\"id\": \"TASK-{n}\", \"status\": \"pending\"}}")).collect();
    field.world.write("_plans/next-development.todo.json", &format!("{{\"items\": [{}]}}\n", items.join(", ")));
    let ran = field.race(12, &["bus", "claim", "--next", "--json"]);
    let (won, lost): (Vec<&Ran>, Vec<&Ran>) = ran.iter().partition(|ran| ran.code == 0);
    let tasks: BTreeSet<String> =
        won.iter().map(|ran| text(&serde_json::from_str::<Value>(&ran.stdout).unwrap()["claim"]["task_id"])).collect();
    assert_eq!((won.len(), tasks.len()), (8, 8), "{:?}", lost.iter().map(|ran| &ran.stderr).collect::<BTreeSet<_>>());
    assert!(lost.iter().all(|ran| ran.code == 4), "{lost:?}");
}

#[test]
fn a_killed_claim_or_release_is_whole_or_never_happened() {
    let field = Field::new(6);
    let tasks = ["A", "B", "C"];
    let mut random = Random(0x5eed);
    // How long a whole command takes here and now: kills are spread over that.
    let begun = Instant::now();
    assert!(field.start(0, &["bus", "claim", "A", "--allow-unassigned"]).wait().unwrap().success());
    let mut span = begun.elapsed();
    let (mut killed, mut rounds) = (0, 0);
    while rounds < 60 || killed <= 20 {
        rounds += 1;
        assert!(rounds < 1000, "only {killed} were killed before they ended");
        let mut racers: Vec<(Child, &str, bool)> = (0..3)
            .map(|n| {
                let (seat, task) = (random.below(6), tasks[random.below(3)]);
                match n {
                    0 => (field.start(seat, &["bus", "release", task, "--status", "released"]), task, false),
                    _ => (field.start(seat, &["bus", "claim", task, "--allow-unassigned"]), task, true),
                }
            })
            .collect();
        let until = Instant::now() + span.mul_f64(random.below(1000) as f64 / 700.0);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        let mut alive = 0;
        for (racer, ..) in &mut racers {
            alive += usize::from(racer.try_wait().unwrap().is_none());
            let _ = racer.kill();
        }
        killed += alive;
        // How fast this machine is changes while the test runs.
        span = span.mul_f64(if alive == 0 { 0.8 } else { 1.1 });
        let acknowledged: Vec<(String, &str)> = racers
            .into_iter()
            .filter_map(|(racer, task, claim)| {
                let output = racer.wait_with_output().unwrap();
                (output.status.success() && claim).then(|| (String::from_utf8(output.stdout).unwrap(), task))
            })
            .collect();
        // Whoever locks next completes what was begun; this one changes nothing itself.
        let probe = field.start(0, &["bus", "release", "NONE"]).wait_with_output().unwrap();
        assert_eq!(probe.status.code(), Some(4), "{}", String::from_utf8_lossy(&probe.stderr));
        let (claims, events) = field.both();
        assert_eq!(claims, events);
        for (said, task) in acknowledged {
            assert!(claims.contains_key(task) && said.contains(task), "{said}");
        }
    }
    let ids: Vec<_> = field.world.lines(EVENTS).iter().map(|event| text(&event["id"])).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an event was written twice");
}

/// A small generator: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}
