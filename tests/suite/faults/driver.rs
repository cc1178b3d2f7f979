//! Each command that writes, with a fault at any of its file system calls and those of the gits that it starts.
//!
//! The faults come from strace (an error, or SIGKILL, at the n-th call of a kind in each process), and from a small
//! file system that is full. Where there is no strace, teof's own hook fails the calls of its store layer.
//!
//! Without a setting a small sample is tried; `TEOF_SEED=7` draws another one. `TEOF_FAULTS=all` tries everything,
//! `TEOF_FAULTS=200` as many, `TEOF_FAULTS_OF="review approve"` those of one command, `TEOF_FAULTS_PART=2/5` the second
//! of five parts of each command's, the full disks and the calls that write first, `TEOF_FAULTS_FROM=100` what is after
//! the first hundred of that part. A failure prints its `TEOF_FAULT_CASE=…`, which tries this one alone.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A long run shows how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::lab::{Lab, State};
use super::scenarios::{Kind, READERS, SCENARIOS, Scenario};
use crate::harness::temp;

/// The calls that change something, and the error that each may well meet.
const CALLS: [(&str, &str); 16] = [
    ("openat", "ENOSPC"),
    ("write", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("rename", "EIO"),
    ("renameat2", "EIO"),
    ("unlink", "EIO"),
    ("unlinkat", "EIO"),
    ("mkdir", "ENOSPC"),
    ("mkdirat", "ENOSPC"),
    ("rmdir", "EIO"),
    ("link", "EIO"),
    ("linkat", "EIO"),
    ("ftruncate", "EIO"),
    ("flock", "ENOLCK"),
];

/// Follows a program and its children, and stops them only at the calls that are asked for.
const STRACE: [&str; 4] = ["strace", "--seccomp-bpf", "-f", "-qq"];

/// One fault: where, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    /// A system call, `hook` for teof's own, `full` for a disk with so many KiB left.
    call: String,
    n: u32,
    what: String,
}

/// What a command does where nothing is wrong.
struct Clean {
    /// After it, and after `doctor --fix` and the same command again.
    once: State,
    twice: State,
    code_of_repetition: Option<i32>,
    /// What is not the same each time.
    varies: BTreeSet<String>,
}

impl Lab {
    fn run(&self, scenario: &Scenario, wrapper: &[String]) -> Output {
        let args = self.args(scenario.line);
        let teof = env!("CARGO_BIN_EXE_teof").to_owned();
        let words: Vec<String> = wrapper.iter().cloned().chain([teof]).chain(args.clone()).collect();
        let mut command = Command::new(&words[0]);
        self.prepare(&mut command, &args, scenario.kind == Kind::Runs);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    }

    fn clean(&self, scenario: &Scenario) -> Clean {
        let mut states = Vec::new();
        for _ in 0..2 {
            self.reset(scenario.line);
            let output = self.run(scenario, &[]);
            assert!(works(scenario, &output), "{}: {output:?}", scenario.line);
            states.push(self.state());
        }
        self.run(&FIX, &[]);
        let code_of_repetition = self.run(scenario, &[]).status.code();
        let (second, once) = (states.pop().unwrap(), states.pop().unwrap());
        let names: BTreeSet<_> = once.keys().chain(second.keys()).cloned().collect();
        // An approval says how long each test took.
        let is_timed = |name: &str| name.ends_with("-approved.json") || name.ends_with("_report/receipts.jsonl");
        let varies = |name: &String| {
            once.get(name) != second.get(name) || (scenario.line.starts_with("review approve") && is_timed(name))
        };
        let varies = names.into_iter().filter(varies).collect();
        Clean { once, twice: self.state(), code_of_repetition, varies }
    }

    /// The calls of a command that touch this world's files, as strace tells them: first those that write, then those
    /// that only open a file to read it.
    fn calls(&self, scenario: &Scenario) -> Vec<(String, u32)> {
        self.reset(scenario.line);
        let log = self.world.folder().join("strace");
        let names: Vec<_> = CALLS.iter().map(|(call, _)| *call).collect();
        let traced = format!("trace={}", names.join(","));
        let wrapper = [&STRACE[..], &["-y", "-e", &traced, "-o", log.to_str().unwrap()]].concat();
        self.run(scenario, &wrapper.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let folder = self.world.folder().display().to_string();
        let mut counts = BTreeMap::<(String, String), u32>::new();
        let (mut writing, mut reading) = (BTreeSet::new(), BTreeSet::new());
        for line in fs::read_to_string(&log).unwrap().lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
            if !names.contains(&call) {
                continue;
            }
            let count = counts.entry((pid.to_owned(), call.to_owned())).or_default();
            *count += 1;
            let elsewhere = arguments.split_once('"').is_some_and(|(before, path)| {
                !before.contains(char::is_numeric) && path.starts_with('/') && !path.starts_with(&folder)
            });
            if arguments.contains(&folder) && !elsewhere {
                let reads = call == "openat" && arguments.contains("O_RDONLY") && !arguments.contains("O_CREAT");
                let kind = if reads { &mut reading } else { &mut writing };
                kind.insert((call.to_owned(), *count));
            }
        }
        reading.retain(|call| !writing.contains(call));
        writing.into_iter().chain(reading).collect()
    }

    fn with(&self, scenario: &Scenario, fault: &Fault) -> Output {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match fault.call.as_str() {
            "hook" => self.run(scenario, &text(&["env", &format!("TEOF_FAULT={}:{}", fault.what, fault.n)])),
            "full" => self.on_a_full_disk(scenario, fault.n),
            call => {
                let what = match fault.what.as_str() {
                    "kill" => "signal=KILL".to_owned(),
                    error => format!("error={error}"),
                };
                let inject = format!("inject={call}:{what}:when={}", fault.n);
                let wrapper = [&STRACE[..], &["-e", "trace=none", "-e", &inject, "-o", "/dev/null"]].concat();
                self.run(scenario, &text(&wrapper))
            }
        }
    }

    /// Runs the command with the world on a file system of its own that has so many KiB left, and copies it back.
    fn on_a_full_disk(&self, scenario: &Scenario, left: u32) -> Output {
        let (world, out) = (self.world.folder(), temp::folder());
        // The folder's own entry cannot be a mount point and be copied back at once.
        let script = format!(
            "set -e; out=$1; world=$2; shift 2; cp -a $world/. $out/; mount -t tmpfs -o size=64m none $world; cp -a $out/. $world/; \
             head -c 200M /dev/zero > $world/filler 2>/dev/null || true; truncate -s -{left}K $world/filler; cd $world/repo; \
             code=0; \"$@\" || code=$?; rm -f $world/filler; find $out -mindepth 1 -delete; cp -a $world/. $out/; exit $code"
        );
        let namespaces = if rustix::process::getuid().is_root() { "-m" } else { "-Urm" };
        let words = ["unshare", namespaces, "sh", "-c", &script, "sh"].map(str::to_owned);
        let places = [out.path().display().to_string(), world.display().to_string()];
        let output = self.run(scenario, &[&words[..], &places].concat());
        for entry in fs::read_dir(&world).unwrap().flatten() {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
        super::lab::copy(out.path(), &world);
        output
    }

    /// What is wrong after a fault, if anything.
    fn judge(&self, scenario: &Scenario, clean: &Clean, before: &State, output: &Output) -> Result<(), String> {
        let (code, said) = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
        let refusal =
            said.find("{\n").and_then(|at| serde_json::from_str::<Value>(&said[at..]).ok()).unwrap_or_default();
        let uncertain = refusal["error"]["code"] == "write.uncertain";
        if matches!(code, Some(7..)) || said.contains("panicked") {
            return Err(format!("exit code {code:?}: {said}"));
        }
        let now = self.state();
        let done = differences(&clean.once, &now, &clean.varies);
        let begun = differences(before, &now, &BTreeSet::new());
        match code {
            Some(0) if !done.is_empty() => return Err(format!("it says that it succeeded; {done:?}: {said}")),
            Some(1..) if said.contains("othing was changed") && !begun.is_empty() => {
                return Err(format!("it says that nothing was changed; {begun:?}: {said}"));
            }
            Some(1..) if scenario.kind == Kind::Whole && !uncertain && !begun.is_empty() => {
                return Err(format!("it says that it failed; {begun:?}: {said}"));
            }
            _ => {}
        }
        let fixed = self.run(&FIX, &[]);
        let again = self.run(scenario, &[]);
        let code = again.status.code();
        if code != Some(0) && code != clean.code_of_repetition && !works(scenario, &again) {
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            return Err(format!("the same command again, after doctor --fix: {code:?}: {said}; {fixed:?}"));
        }
        self.check_whole(before)?;
        let end = self.state();
        let is_log = |name: &&String| name.ends_with(".jsonl");
        let wrong = |wanted: &State| {
            let mut found = differences(wanted, &end, &clean.varies);
            found.retain(|name| !is_log(&name) && !name.starts_with("refs/") && !name.contains("/_report/session/"));
            found
        };
        let (once, twice) = (wrong(&clean.once), wrong(&clean.twice));
        if scenario.kind == Kind::Whole && !once.is_empty() && !twice.is_empty() {
            return Err(format!("after the same command again: {once:?} or {twice:?}"));
        }
        Ok(())
    }

    /// Nothing that was acknowledged is lost, and nothing is broken.
    fn check_whole(&self, before: &State) -> Result<(), String> {
        let now = self.state();
        for (log, lines) in before.iter().filter(|(name, _)| name.ends_with(".jsonl")) {
            if let Some(lost) = lines.iter().find(|line| !now.get(log).is_some_and(|now| now.contains(*line))) {
                return Err(format!("{log} lost {lost}"));
            }
        }
        let verified = self.run(&VERIFY, &[]);
        if !verified.status.success() {
            return Err(format!("bus verify: {}", String::from_utf8_lossy(&verified.stdout)));
        }
        for args in [&["fsck", "--no-dangling", "--no-progress"][..], &["status", "--porcelain"]] {
            let (fine, said) = self.git(args);
            if !fine || (args[0] == "fsck" && !said.is_empty()) {
                return Err(format!("git {args:?}: {said}"));
            }
        }
        let worktrees = self.git(&["worktree", "list", "--porcelain"]).1;
        if worktrees.contains("prunable") {
            return Err(format!("a ruin among the worktrees: {worktrees}"));
        }
        let dot_git = self.world.repo.join(".git");
        let found = Command::new("find").arg(dot_git).args(["-name", "*.lock", "-not", "-path", "*/teof/*"]).output();
        let locks = String::from_utf8_lossy(&found.unwrap().stdout).into_owned();
        if !locks.is_empty() {
            return Err(format!("locks were left: {locks}"));
        }
        Ok(())
    }
}

const FIX: Scenario = Scenario { line: "doctor --fix", kind: Kind::Steps };
const VERIFY: Scenario = Scenario { line: "bus verify", kind: Kind::Steps };

/// A check that finds something and a wait for a person are answers, too.
fn works(scenario: &Scenario, output: &Output) -> bool {
    let answers = ["coordinator run", "doctor", "scan", "preflight", "plan validate"];
    let answer = answers.iter().any(|line| scenario.line.starts_with(line));
    output.status.success() || (answer && matches!(output.status.code(), Some(1 | 5)) && !output.stdout.is_empty())
}

/// The names whose content is not what is wanted; those that vary only have to be there.
fn differences(wanted: &State, found: &State, vary: &BTreeSet<String>) -> Vec<String> {
    let names: BTreeSet<_> = wanted.keys().chain(found.keys()).filter(|name| !vary.contains(*name)).collect();
    names.into_iter().filter(|name| wanted.get(*name) != found.get(*name)).cloned().collect()
}

fn has(program: &str, args: &[&str]) -> bool {
    let ran = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// All faults of a command.
fn faults(lab: &Lab, scenario: &Scenario) -> Vec<Fault> {
    let fault = |call: &str, n, what: &str| Fault { call: call.to_owned(), n, what: what.to_owned() };
    let mut found = Vec::new();
    let namespaces = if rustix::process::getuid().is_root() { "-m" } else { "-Urm" };
    match has("unshare", &[namespaces, "mount", "-t", "tmpfs", "none", "/mnt"]) {
        true => found.extend([0, 4, 8, 12, 16, 24, 32, 64, 128].map(|left| fault("full", left, "disk"))),
        false => eprintln!("no file system can be mounted here: no disk is full"),
    }
    if has(STRACE[0], &[&STRACE[1..], &["-e", "trace=none", "true"]].concat()) {
        for (call, n) in lab.calls(scenario) {
            let (_, error) = CALLS.iter().find(|(name, _)| *name == call).unwrap();
            found.extend([fault(&call, n, error), fault(&call, n, "kill")]);
        }
    } else {
        eprintln!("no strace here: only the calls of teof's store layer fail");
        found.extend((1..30).flat_map(|n| ["eio", "enospc", "kill"].map(|what| fault("hook", n, what))));
    }
    found
}

/// Numbers that depend on the seed alone.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below.max(1)
}

/// What is tried: all, one, or a sample of so many.
fn wanted(lab: &Lab) -> Vec<(usize, Vec<Fault>)> {
    if let Ok(case) = std::env::var("TEOF_FAULT_CASE") {
        let parts: Vec<&str> = case.split(':').collect();
        let at = SCENARIOS.iter().position(|scenario| scenario.line.replace(' ', ".") == parts[0]).unwrap();
        let fault = Fault { call: parts[1].to_owned(), n: parts[2].parse().unwrap(), what: parts[3].to_owned() };
        return vec![(at, vec![fault])];
    }
    let setting = std::env::var("TEOF_FAULTS").unwrap_or_default();
    let only = std::env::var("TEOF_FAULTS_OF").unwrap_or_default();
    let of: Vec<usize> = (0..SCENARIOS.len()).filter(|at| SCENARIOS[*at].line.starts_with(&only)).collect();
    if setting == "all" {
        let part = std::env::var("TEOF_FAULTS_PART").unwrap_or_else(|_| "1/1".to_owned());
        let (part, parts) = part.split_once('/').unwrap();
        let (part, parts): (usize, usize) = (part.parse().unwrap(), parts.parse().unwrap());
        assert!((1..=parts).contains(&part), "TEOF_FAULTS_PART={part}/{parts}");
        let from = std::env::var("TEOF_FAULTS_FROM").map_or(0, |from| from.parse().unwrap());
        let of_part = |all: Vec<Fault>| all.into_iter().skip(part - 1).step_by(parts).skip(from).collect();
        return of.into_iter().map(|at| (at, of_part(faults(lab, &SCENARIOS[at])))).collect();
    }
    let mut seed = std::env::var("TEOF_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let number: usize = setting.parse().unwrap_or(8);
    let mut chosen = Vec::new();
    for _ in 0..number.div_ceil(4) {
        let at = of[draw(&mut seed, of.len())];
        let all = faults(lab, &SCENARIOS[at]);
        chosen.push((at, (0..4).map(|_| all[draw(&mut seed, all.len())].clone()).collect()));
    }
    chosen
}

#[test]
fn exit_codes_match_the_result_when_any_call_fails() {
    let lab = Lab::new();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (at, faults) in wanted(&lab) {
        let scenario = &SCENARIOS[at];
        let clean = lab.clean(scenario);
        lab.reset(scenario.line);
        let before = lab.state();
        let all = faults.len();
        for (nth, fault) in faults.into_iter().enumerate() {
            if nth % 50 == 49 {
                eprintln!("{}: {nth} of {all}, {} wrong", scenario.line, wrong.len());
            }
            lab.reset(scenario.line);
            let output = lab.with(scenario, &fault);
            tried += 1;
            if let Err(what) = lab.judge(scenario, &clean, &before, &output) {
                let name = scenario.line.replace(' ', ".");
                let case = format!("TEOF_FAULT_CASE='{name}:{}:{}:{}'", fault.call, fault.n, fault.what);
                eprintln!("{case}: {what}");
                wrong.push(case);
            }
        }
        eprintln!("{}: {tried} faults so far, {} wrong", scenario.line, wrong.len());
    }
    assert!(wrong.is_empty(), "{} of {tried} faults: {wrong:#?}", wrong.len());
}

#[test]
fn commands_that_only_read_change_nothing() {
    let lab = Lab::new();
    let before = lab.state();
    for line in READERS {
        let output = lab.run(&Scenario { line, kind: Kind::Steps }, &[]);
        assert!(matches!(output.status.code(), Some(0..=6)), "{line}: {output:?}");
        let changed = differences(&before, &lab.state(), &BTreeSet::new());
        assert!(changed.is_empty(), "{line} changes {changed:?}");
    }
}
