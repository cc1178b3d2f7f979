//! How commands grow with the record: a thousand events against a million, and preflight over all of it.

use std::fs;

use crate::measure::{median, report, throughput, time};
use crate::world::{CLAIMS, EVENTS, PLANS, World};

/// Warm: a million events within 1.3 of a thousand. Cold: the cache is built again.
pub fn growth() {
    let commands: [(&str, &[&str]); 3] = [
        ("bus event, 1M / 1k events", &["bus", "event", "--event", "observation", "--summary", "halfway"]),
        ("bus status, 1M / 1k events", &["bus", "status", "--window-hours", "1"]),
        ("session-boot, 1M / 1k events", &["session-boot", "--agent", "bench", "--no-sync"]),
    ];
    let (small, large) = (World::new(), World::new());
    small.fill_events(1_000);
    let bytes = large.fill_events(1_000_000);
    for (name, args) in commands {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for round in 0..33 {
            let (first, second) = (time(|| large.teof(args)), time(|| small.teof(args)));
            if round >= 3 {
                a.push(first);
                b.push(second);
            }
        }
        report(name, median(a), median(b), 1.3);
    }
    let cold = (0..5).map(|_| {
        fs::remove_dir_all(large.repo.join(".git/teof/cache")).unwrap();
        time(|| large.teof(&["bus", "event", "--event", "observation", "--summary", "cold"]))
    });
    throughput("cold rebuild of the cache", bytes, median(cold.collect()), 400.0);
}

/// `preflight full` over a million events, ten thousand claims and a thousand plans.
pub fn preflight() {
    let world = World::new();
    let mut bytes = world.fill_events(EVENTS);
    bytes += world.fill_claims(CLAIMS, usize::MAX) + world.fill_plans(PLANS);
    world.teof(&["preflight", "full"]);
    let runs = (0..5).map(|_| time(|| world.teof(&["preflight", "full"]))).collect();
    throughput("preflight full", bytes, median(runs), 300.0);
}
