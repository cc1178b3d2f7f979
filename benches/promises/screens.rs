//! The screens that people keep open, as whole processes: what part of a core they take while nothing happens, and
//! while ten running jobs publish four times a second.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::surface::{self, JOBS};
use crate::world::{TEOF, World};

/// How long each is measured, after it has read everything once.
const MEASURED: Duration = Duration::from_secs(20);
const SETTLED: Duration = Duration::from_secs(10);
/// How often each job publishes a second.
const PUBLISHES: u32 = 4;
/// Of one core, in percent.
const TARGET: f64 = 2.0;

/// Linux counts processor time for programs in hundredths of a second.
const TICKS: u64 = 100;

/// `top` and `web` under 2 % of a core in a hub of the size that `surface` has.
pub fn screens() {
    let world = surface::world();
    // A terminal of 160 columns and 50 rows, whose output is thrown away.
    let line = format!("stty columns 160 rows 50; exec {TEOF} top");
    let mut top = in_world(&world, "script", &["-qfec", &line, "/dev/null"]);
    let mut top = top.env("TERM", "xterm-256color").stdin(Stdio::piped()).spawn().expect("script (util-linux)");
    std::thread::sleep(SETTLED);
    let pid = below(top.id()).expect("top runs in its terminal");
    measure("top", pid, &world);
    end(&mut top);

    let mut web = world.command(&["web", "--json"]);
    let mut web = web.env_remove("TEOF_AGENT").stdout(Stdio::piped()).spawn().unwrap();
    let mut follower = follow(&world, &mut web);
    std::thread::sleep(SETTLED);
    measure("web, one page open", web.id(), &world);
    end(&mut follower);
    end(&mut web);
}

/// A program in the environment of the world's commands, as a person.
fn in_world(world: &World, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().args(args).current_dir(&world.repo).stdout(Stdio::null()).stderr(Stdio::null());
    let of_teof = world.command(&[]);
    let set = of_teof.get_envs().filter(|(name, _)| *name != "TEOF_AGENT");
    command.envs(set.filter_map(|(name, value)| Some((name, value?))));
    command
}

/// A browser's part: opens the link, and reads the page's events.
fn follow(world: &World, web: &mut Child) -> Child {
    let mut said = String::new();
    let mut lines = BufReader::new(web.stdout.take().unwrap()).lines();
    while !said.contains("\n}") {
        said.push_str(&format!("{}\n", lines.next().expect("the link").unwrap()));
    }
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    let (url, port) = (told["url"].as_str().unwrap(), told["port"].as_u64().unwrap());
    let jar = world.home().join("cookies").display().to_string();
    let opened = Command::new("curl").args(["-sS", "-o", "/dev/null", "-c", &jar, url]).status().expect("curl");
    assert!(opened.success());
    let events = format!("http://127.0.0.1:{port}/events?page=/");
    let mut follower = Command::new("curl").args(["-sSN", "-b", &jar, &events]).stdout(Stdio::piped()).spawn().unwrap();
    let mut events = follower.stdout.take().unwrap();
    let mut first = [0; 1];
    events.read_exact(&mut first).expect("the page's events");
    std::thread::spawn(move || std::io::copy(&mut events, &mut std::io::sink()));
    follower
}

/// Tells the part of a core that a process takes.
fn measure(name: &str, pid: u32, world: &World) {
    for (what, publishes) in [("nothing new", 0), ("all jobs news", PUBLISHES)] {
        let (before, began) = (used(pid), Instant::now());
        let mut turn = 0;
        while began.elapsed() < MEASURED {
            turn += 1;
            if publishes > 0 {
                (1..=JOBS).for_each(|job| world.publish(job, turn));
            }
            std::thread::sleep(Duration::from_secs(1) / PUBLISHES);
        }
        let part = 100.0 * (used(pid) - before).as_secs_f64() / began.elapsed().as_secs_f64();
        let verdict = if part <= TARGET { "met" } else { "MISSED" };
        println!("{:<34} {part:>9.2} %    (target {TARGET} %) {verdict}", format!("{name}, {what}"));
    }
}

/// The processor time of a process so far, its threads included.
fn used(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// The child of a process that is teof.
fn below(parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        of == Some(parent) && stat.contains("(teof)")
    })
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
