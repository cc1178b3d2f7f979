//! What people keep open, in a hub of ten thousand claims, a thousand plans, a million events and ten running jobs.

use std::time::{Duration, Instant};

use teof::base::Clock;
use teof::board::{Parts, Reader};
use teof::hub::Hub;

use crate::measure::{median, time};
use crate::world::{CLAIMS, EVENTS, PLANS, World};

pub const JOBS: usize = 10;
/// One claim in so many is active.
const LIVE: usize = 100;
/// How often a screen refreshes, and what one core has for it then, in parts of a second.
const REFRESHES: u32 = 4;

/// `status` under 20 ms, `dashboard` under 100 ms warm; a screen that refreshes four times a second while every job
/// publishes under 2 % of a core.
pub fn surface() {
    let world = world();
    // With an empty cache and with a full one: what is not shown is fast too.
    for _ in 0..2 {
        let claims = world.json(&["dashboard"])["claims"].clone();
        let is_live = |claim: &&serde_json::Value| claim["status"] == "active";
        assert_eq!(claims.as_array().unwrap().iter().filter(is_live).count(), CLAIMS / LIVE);
    }
    for (args, target) in [(&["status"][..], 20.0), (&["dashboard"], 100.0), (&["dashboard", "--json"], 100.0)] {
        // The first one fills the cache.
        let times = (0..16).map(|_| time(|| world.teof(args))).skip(1).collect();
        tell(&args.join(" "), median(times), target);
    }
    let hub = Hub::find(Some(&world.repo), Clock::Machine).unwrap();
    let mut reader = Reader::new();
    tell("board, first", time(|| drop(reader.read(&hub, Parts::ALL).unwrap())), 100.0);
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    let end = Instant::now() + Duration::from_secs(10);
    for turn in 1.. {
        idle.push(time(|| drop(reader.read(&hub, Parts::ALL).unwrap())));
        (1..=JOBS).for_each(|job| world.publish(job, turn));
        busy.push(time(|| drop(reader.read(&hub, Parts::ALL).unwrap())));
        if Instant::now() > end {
            break;
        }
        std::thread::sleep(Duration::from_secs(1) / REFRESHES);
    }
    for (name, times) in [("board, nothing new", idle), ("board, all jobs news", busy)] {
        // The mean: every few seconds a refresh looks at every file.
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        tell(name, mean, 1000.0 * 0.02 / f64::from(REFRESHES));
    }
}

/// The hub of that size.
pub fn world() -> World {
    let world = World::new();
    world.fill_events(EVENTS);
    world.fill_claims(CLAIMS, LIVE);
    world.fill_assignments(CLAIMS, LIVE);
    world.fill_plans(PLANS);
    world.fill_jobs(JOBS);
    world
}

pub fn tell(name: &str, took: Duration, target: f64) {
    let took = took.as_secs_f64() * 1e3;
    let verdict = if took <= target { "met" } else { "MISSED" };
    println!("{name:<34} {took:>9.3} ms   (target {target} ms) {verdict}");
}
