//! What the foreman adds to an agent's stage: time beside the agent's own, and memory.
//!
//! Two orders that differ by one stage are run turn by turn; what the longer one takes more is a stage,
//! and what a bare start of the same agent takes is not the foreman's.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{median, time};
use crate::world::World;

const AGENT: &str = r##"prompt=$(cat)
echo '{"type":"system","subtype":"init","session_id":"s","model":"m"}'
case $prompt in "# Do "*) echo "$$" > work.txt ;; esac
echo '{"type":"result","subtype":"success","is_error":false,"usage":{"input_tokens":1,"output_tokens":1},"result":"{\"analysis\":\"a\",\"commands\":[],\"receipts\":[]}"}'
"##;

pub fn stage() {
    let world = World::new();
    let program = world.repo.parent().unwrap().join("agent.sh");
    fs::write(&program, AGENT).unwrap();
    let settings =
        format!("[agents.fake]\ncommand = [\"sh\", {:?}]\nformat = \"claude\"\n", program.display().to_string());
    fs::write(world.repo.join("teof.toml"), settings).unwrap();
    world.teof(&["bus", "claim", "BENCH", "--allow-unassigned"]);
    let (mut short, mut long, mut bare, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..23 {
        let one = run(&world, round, &["coder"], &mut peak);
        let two = run(&world, round + 1000, &["planner", "coder"], &mut peak);
        let agent = time(|| call(&program));
        if round >= 3 {
            short.push(one);
            long.push(two);
            bare.push(agent);
        }
    }
    let (short, long, bare) = (median(short), median(long), median(bare));
    let added = long.saturating_sub(short).saturating_sub(bare).as_secs_f64() * 1e3;
    println!(
        "a stage: foreman adds {added:.1} ms to the agent's own {:.1} ms (target 150) {}",
        bare.as_secs_f64() * 1e3,
        if added < 150.0 { "met" } else { "MISSED" }
    );
    println!(
        "a whole run of one stage: {:.1} ms, of two: {:.1} ms",
        short.as_secs_f64() * 1e3,
        long.as_secs_f64() * 1e3
    );
    let peak = peak as f64 / 1024.0;
    println!("the foreman's peak: {peak:.1} MB resident (target 20) {}", if peak < 20.0 { "met" } else { "MISSED" });
}

/// The agent alone, as a shell would start it.
fn call(program: &Path) {
    let child = Command::new("sh").arg(program).stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(child.unwrap().success());
}

fn run(world: &World, nth: usize, stages: &[&str], peak: &mut u64) -> Duration {
    let path = format!("_report/agent/bench/manifests/manifest-{nth}.json");
    let full = world.repo.join(&path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(&full, format!("{:#}\n", order(world, nth, stages))).unwrap();
    let mut command = world.command(&["foreman", "run", &path, "--execute", "--run", &format!("run-{nth}")]);
    time(|| {
        let mut child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        // The kernel's own high-water mark: the last look before the end is the one that counts.
        while child.try_wait().unwrap().is_none() {
            *peak = (*peak).max(high_water(&status).unwrap_or(0));
            std::thread::sleep(Duration::from_micros(500));
        }
        let outcome = fs::read_to_string(world.repo.join(format!(".git/teof/runs/run-{nth}.json"))).unwrap();
        assert!(outcome.contains("\"succeeded\""), "{outcome}");
    })
}

/// Kilobytes.
fn high_water(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

pub fn order(world: &World, nth: usize, stages: &[&str]) -> Value {
    let output = world.git(&["rev-parse", "HEAD"]).output().unwrap();
    let base = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let claim = fs::read_to_string(world.repo.join("_bus/claims/BENCH.json")).unwrap();
    let epoch = serde_json::from_str::<Value>(&claim).unwrap()["epoch"].clone();
    json!({
        "version": 2, "order": format!("order-{nth}"), "generated_at": "2026-01-05T10:00:00Z", "manager_agent": "bench",
        "agent_id": "bench", "job": format!("job-{nth}"), "task_id": "BENCH", "title": "Nothing much",
        "objective": "A file", "acceptance": "it is there", "commands": [], "rollback": {"base_commit": base},
        "branch": format!("agent/bench/{nth}"), "base_commit": base, "target_branch": "main", "epoch": epoch,
        "guardrails": {"diff_limit": 20, "tests": ["true"], "no_output": "5m", "wall": "10m"},
        "stages": stages, "roles": {"planner": {"agent": "fake"}, "coder": {"agent": "fake"}},
        "layer": "L5", "systemic_targets": ["S6"],
    })
}
