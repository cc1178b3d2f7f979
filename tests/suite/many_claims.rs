//! A record of many files costs what is new in it: few objects, few lines, and nothing is read or lost for being many.

use serde_json::json;
use teof::board::{Parts, Reader};

use crate::harness::World;

const MANY: usize = 300;

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "s0"]);
    for n in 0..MANY {
        let task = format!("T-{n:04}");
        let claim = json!({"agent_id": "s1", "branch": "agent/s1/x", "claimed_at": "2026-01-05T10:00:00Z",
            "epoch": 1, "status": "active", "task_id": task});
        world.write(&format!("_bus/claims/{task}.json"), &format!("{claim}\n"));
    }
    world
}

/// Loose objects and packs.
fn objects(world: &World) -> (usize, usize) {
    let counted = world.git(&["count-objects", "-v"]);
    let count = |key: &str| {
        let line = counted.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
        line.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{counted}"))
    };
    (count("count"), count("packs"))
}

#[test]
fn a_record_commit_of_many_files_writes_one_pack_and_one_of_a_few_writes_those() {
    let world = world();
    let (loose, _) = objects(&world);
    world.ok(&["bus", "commit"]);
    let (after, packs) = objects(&world);
    assert_eq!(packs, 1);
    assert!(after - loose < 60, "{} loose objects", after - loose);
    world.git(&["fsck", "--strict"]);
    assert_eq!(world.git(&["status", "--short", "_bus", "_plans", "_report"]), "");
    let committed = world.git(&["ls-tree", "--name-only", "HEAD", "_bus/claims/"]);
    assert_eq!(committed.lines().filter(|line| line.contains("T-")).count(), MANY);

    // As long as before, and written at once: only the bytes tell.
    let one = "_bus/claims/T-0007.json";
    world.write(one, &world.read(one).replace("active", "paused"));
    std::fs::remove_file(world.repo.join("_bus/claims/T-0008.json")).unwrap();
    std::fs::create_dir(world.repo.join("_bus/claims/T-0008.json")).unwrap();
    world.write("_bus/claims/T-0008.json/note", "a folder in its place\n");
    world.ok(&["bus", "commit"]);
    let (more, packs) = objects(&world);
    assert!(packs == 1 && more - after < 12, "{} loose objects", more - after);
    assert_eq!(world.git(&["show", &format!("HEAD:{one}")]), world.read(one).trim_end());
    let changed = world.git(&["diff", "--name-status", "HEAD~", "HEAD"]);
    assert_eq!(changed, format!("M\t{one}\nD\t_bus/claims/T-0008.json\nA\t_bus/claims/T-0008.json/note"));
    assert_eq!(world.git(&["status", "--short", "_bus", "_plans", "_report"]), "");
    world.git(&["fsck", "--strict"]);
    assert!(world.ok(&["bus", "commit"]).contains("already"));
    assert_eq!(objects(&world), (more, 1), "what is committed is not written again");
}

#[test]
fn a_seat_that_boots_reads_a_few_claims_of_its_peers_and_how_many_more_there_are() {
    let world = world();
    let told = world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    assert_eq!(told.lines().filter(|line| line.starts_with("peer ")).count(), 20);
    assert!(told.contains("and 280 more claims"), "{told}");
    let document = world.json(&["session-boot", "--agent", "s0", "--no-sync"]);
    assert_eq!(document["peers"].as_array().unwrap().len(), MANY);
}

#[test]
fn a_reader_with_a_warm_cache_shows_what_the_first_one_showed() {
    let world = world();
    world.ok(&["session-boot", "--agent", "s0", "--no-sync"]);
    world.ok(&["bus", "claim", "LOST", "--agent", "s0", "--allow-unassigned"]);
    std::fs::remove_file(world.repo.join("_bus/claims/LOST.json")).unwrap();
    let shown = || {
        let snapshot = Reader::new().read(&world.hub(), Parts::ALL).unwrap();
        let unusable = snapshot.unusable.iter().map(|one| one.path.clone()).collect::<Vec<_>>();
        (snapshot.claims.len(), unusable, serde_json::to_string(&snapshot.claims).unwrap())
    };
    let cold = shown();
    assert_eq!((cold.0, &cold.1[..]), (MANY, &["_bus/claims/LOST.json".to_owned()][..]));
    assert!(world.repo.join(".git/teof/cache/claims.json").exists());
    assert!(shown() == cold, "the cache changes nothing");
}
