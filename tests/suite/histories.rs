//! Random histories: commands that meet faults and kills at random places, while git takes the record back. Whatever
//! was acknowledged is there after `bus restore`, and nothing is half there.
//!
//! `TEOF_HISTORIES=50` tries that many seeds; `TEOF_SEED=7` replays one. A failure prints its seed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::World;

const NOW: &str = "2026-01-05T10:00:00Z";

/// A generator whose numbers depend on the seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn world() -> World {
    let mut world = World::new();
    world.now = Some(NOW.to_owned());
    sessions(&world);
    world.ok(&["task", "add", "Q-0", "--title", "First", "--agent", "s0"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Record"]);
    world
}

fn sessions(world: &World) {
    for seat in ["s0", "s1", "s2"] {
        let tail = format!("_report/session/{seat}/manager-report-tail.txt");
        world.write(&tail, &format!("# captured_at={NOW}\n"));
    }
}

/// What was acknowledged and must be there in the end.
#[derive(Default)]
struct Acknowledged {
    events: BTreeSet<String>,
    items: BTreeSet<String>,
    /// Claimed and not released since.
    claims: BTreeSet<String>,
}

impl Acknowledged {
    #[track_caller]
    fn check(&self, world: &World, case: &str) {
        let text = |folder: &str| -> String {
            let entries = fs::read_dir(world.repo.join(folder)).unwrap();
            entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default()).collect()
        };
        let (events, backlog) = (text("_bus/events"), world.read("_plans/next-development.todo.json"));
        for id in &self.events {
            assert_eq!(events.matches(&format!("\"id\":\"{id}\"")).count(), 1, "event {id}: {case}");
        }
        for item in &self.items {
            assert!(backlog.contains(&format!("\"{item}\"")), "item {item}: {case}");
        }
        for task in &self.claims {
            assert_eq!(world.read_json(&format!("_bus/claims/{task}.json"))["status"], "active", "{task}: {case}");
        }
    }
}

/// One step of a history: a command with or without a fault, or git, or a record commit.
fn step(world: &World, random: &mut Random, n: u64, known: &mut Acknowledged) {
    match random.below(12) {
        0 => drop(world.git(&["reset", "-q", "--hard"])),
        1 => drop(world.git(&["stash", "-u", "-q"])),
        2 => drop(world.run(&["bus", "commit"])),
        3 if world.git(&["rev-list", "--count", "HEAD"]) != "1" => {
            drop(world.git(&["reset", "-q", "--hard", "HEAD~1"]));
        }
        what => {
            let seat = format!("s{}", random.below(3));
            let (name, task) = (format!("note-{n}"), format!("Q-{n}"));
            let args: Vec<&str> = match what {
                4 | 5 => vec!["task", "add", &task, "--title", "x", "--agent", &seat],
                6 | 7 => vec!["bus", "claim", &task, "--agent", &seat, "--allow-unassigned"],
                _ => vec!["bus", "event", "--event", "note", "--summary", &name, "--agent", &seat],
            };
            let mut command = world.teof(&[&args[..], &["--json"]].concat());
            let fault = ["eio", "enospc", "kill", "none"][random.below(4) as usize];
            command.env("TEOF_FAULT", format!("{fault}:{}", 1 + random.below(25)));
            let output = command.stdin(Stdio::null()).output().unwrap();
            let code = output.status.code();
            assert!(!matches!(code, Some(7..)), "exit code {code:?}: {}", String::from_utf8_lossy(&output.stderr));
            if code == Some(0) {
                match what {
                    4 | 5 => drop(known.items.insert(task)),
                    6 | 7 => drop(known.claims.insert(task)),
                    _ => {
                        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
                        known.events.insert(done["written"][0]["id"].as_str().unwrap().to_owned());
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_random_histories_of_faults_kills_and_resets() {
    let seeds = match number("TEOF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("TEOF_HISTORIES").unwrap_or(3),
    };
    for seed in seeds {
        let (world, mut random, mut known) = (world(), Random(seed), Acknowledged::default());
        for n in 1..=20 {
            step(&world, &mut random, n, &mut known);
            sessions(&world);
            let case = format!("replay with TEOF_SEED={seed}, after step {n}");
            // Not after every step: what is lost twice must come back, too.
            if random.below(3) == 0 || n == 20 {
                let ran = world.run(&["bus", "restore"]);
                assert_eq!(ran.code, 0, "{case}: {}", ran.stderr);
                let next = world.run(&["bus", "event", "--agent", "s0", "--event", "note", "--summary", "next"]);
                assert_eq!(next.code, 0, "{case}: {}{}", ran.stdout, next.stderr);
                known.check(&world, &case);
                let verified = world.run(&["bus", "verify"]);
                assert_eq!(verified.code, 0, "{case}: {}", verified.stdout);
            }
        }
    }
}

fn number(setting: &str) -> Option<u64> {
    std::env::var(setting).ok().and_then(|value| value.parse().ok())
}

/// What people do with git where the record lies on the branch of the code. Each may fail: it meets an index that a
/// record commit has locked, a file that appeared just now, or a conflict.
const REPLACING: [&[&[&str]]; 6] = [
    &[&["reset", "-q", "--hard"]],
    &[&["stash", "-q", "-u"], &["stash", "pop", "-q"]],
    &[&["switch", "-q", "-f", "elsewhere"], &["switch", "-q", "-f", "main"]],
    &[&["checkout", "-q", "main~1", "--", "_bus"]],
    &[&["merge", "-q", "-m", "Merge", "elsewhere"], &["merge", "--abort"], &["reset", "-q", "--hard"]],
    &[
        &["-c", "rebase.autoStash=true", "rebase", "-q", "elsewhere"],
        &["rebase", "--abort"],
        &["reset", "-q", "--hard"],
    ],
];

/// How many seats write, and how often each is acknowledged at least.
const WRITERS: (usize, usize) = (20, 2);

#[test]
fn nothing_acknowledged_is_lost_when_git_replaces_logs_under_twenty_busy_writers() {
    let world = world();
    world.write("teof.toml", "[lock]\nwait = \"60s\"\n");
    world.write(".gitattributes", "*.jsonl merge=union\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Settings"]);
    world.git(&["switch", "-qc", "elsewhere"]);
    world.write("src/code.txt", "one\n");
    world.git(&["add", "src"]);
    world.git(&["commit", "-qm", "Code"]);
    world.git(&["switch", "-q", "main"]);
    world.ok(&["bus", "event", "--event", "note", "--summary", "first", "--agent", "s0"]);
    world.ok(&["bus", "commit"]);
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        world.clear(&mut command);
        command.args(args).current_dir(&world.repo).output().unwrap().status.success()
    };
    let enough = if number("TEOF_HISTORIES").is_some() { 10 * REPLACING.len() } else { REPLACING.len() };
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let write = |seat: usize| {
            let (world, rounds) = (&world, &rounds);
            let mut acknowledged = Vec::new();
            // Some are refused while the record is behind, or the hub is not on its branch.
            for n in 0..2000 {
                if acknowledged.len() >= WRITERS.1 && rounds.load(Ordering::Relaxed) >= enough {
                    break;
                }
                let (seat, summary) = (format!("w{seat}"), format!("{n}"));
                let args = ["bus", "event", "--agent", &seat, "--event", "note", "--summary", &summary];
                let ran = world.run(&[&args[..], &["--allow-stale-session", "--json"]].concat());
                assert!((0..=6).contains(&ran.code), "{}", ran.stderr);
                let done: Option<Value> = serde_json::from_str(&ran.stdout).ok();
                acknowledged
                    .extend(done.and_then(|done| Some(done["written"].as_array()?.last()?["id"].as_str()?.to_owned())));
            }
            acknowledged
        };
        let writers: Vec<_> = (0..WRITERS.0).map(|seat| scope.spawn(move || write(seat))).collect();
        let replacing = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                if round % 2 == 0 {
                    let _ = world.run(&["bus", "commit"]);
                }
                for args in REPLACING[round % REPLACING.len()] {
                    git(args);
                }
                let _ = world.run(&["bus", "restore"]);
            }
        });
        let acknowledged = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        replacing.join().unwrap();
        acknowledged
    });
    world.git(&["switch", "-q", "-f", "main"]);
    world.ok(&["bus", "restore"]);
    world.ok(&["bus", "verify"]);
    assert!(acknowledged.len() >= WRITERS.0 * WRITERS.1);
    let known = Acknowledged { events: acknowledged.into_iter().collect(), ..Acknowledged::default() };
    known.check(&world, "busy writers");
}
