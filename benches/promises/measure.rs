//! Timing two things turn by turn.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long `work` takes.
pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The middle of several durations.
pub fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

/// Runs `ours` and `baseline` alternately and prints the ratio of their medians.
pub fn compare(name: &str, rounds: usize, target: f64, mut ours: impl FnMut(usize), mut baseline: impl FnMut(usize)) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..rounds + 3 {
        let (first, second) = (time(|| ours(round)), time(|| baseline(round)));
        // The first rounds warm the caches of both sides.
        if round >= 3 {
            a.push(first);
            b.push(second);
        }
    }
    report(name, median(a), median(b), target);
}

pub fn report(name: &str, ours: Duration, baseline: Duration, target: f64) {
    let ratio = ours.as_secs_f64() / baseline.as_secs_f64();
    let verdict = if ratio <= target { "met" } else { "MISSED" };
    println!(
        "{name:<34} {:>9.3} ms   baseline {:>9.3} ms   ratio {ratio:>5.2} (target {target}) {verdict}",
        ours.as_secs_f64() * 1e3,
        baseline.as_secs_f64() * 1e3
    );
}

/// Prints a throughput.
pub fn throughput(name: &str, bytes: u64, took: Duration, target: f64) {
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    let verdict = if rate >= target { "met" } else { "MISSED" };
    println!(
        "{name:<34} {:>9.1} ms   {:.1} MB   {rate:.0} MB/s (target {target}) {verdict}",
        took.as_secs_f64() * 1e3,
        bytes as f64 / 1e6
    );
}

/// Prints how many instructions a command takes and how often it waits for a page: both the same on a busy machine.
pub fn costs(name: &str, mut command: Command) {
    instructions(name, &command);
    let before = page_faults_of_children();
    let ran = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(ran.is_ok_and(|ran| ran.success()), "{name} failed");
    if let (Some(before), Some(after)) = (before, page_faults_of_children()) {
        println!("{name:<34} {:>9} page faults", after - before);
    }
}

/// Minor faults of children that were waited for: the second number after this process' own.
fn page_faults_of_children() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks.
    stat.rsplit_once(") ")?.1.split(' ').nth(8)?.parse().ok()
}

/// Prints how many instructions a command takes, where valgrind is installed: the same on a busy machine.
pub fn instructions(name: &str, command: &Command) {
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(command.get_program());
    counted.args(command.get_args()).current_dir(command.get_current_dir().unwrap_or(Path::new("."))).env_clear();
    counted.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let Ok(output) = counted.output() else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if let Some(count) = said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse::<f64>().ok()) {
        println!("{name:<34} {:>9.3} million instructions", count / 1e6);
    }
}
