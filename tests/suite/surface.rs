//! What every command shares: exit codes, JSON errors, help, and the page that lists them all.

use std::path::Path;

use teof::base::Exit;

use crate::harness::World;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let world = World::new();
    let error = world.refused(&["--root", "/nonexistent", "version", "--no-such-flag"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("usage"), Some(2)));
    let error = world.refused(&["bus", "event"]);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("--event <KIND>") && message.contains("--summary <SUMMARY>"), "{message}");
    assert_eq!(world.json(&["version"])["order_versions"][1], 2);
}

#[test]
fn the_reference_pages_are_what_the_guide_prints() {
    let world = World::new();
    for topic in ["commands", "settings", "codes"] {
        let made = world.ok(&["guide", topic]);
        assert!(
            made == page(&format!("{topic}.md")),
            "docs/{topic}.md is behind: teof guide {topic} > docs/{topic}.md"
        );
    }
}

#[test]
fn the_exit_codes_are_the_documented_ones() {
    let codes = [
        (Exit::Done, "done"),
        (Exit::Refused, "a check or guard refused"),
        (Exit::Usage, "usage"),
        (Exit::Held, "held by another"),
        (Exit::NotFound, "not found"),
        (Exit::TimedOut, "timed out waiting"),
        (Exit::Unattended, "breaker open or consent missing"),
        (Exit::Fault, "a fault of ours, or of the machine"),
    ];
    let page = page("commands.md");
    for (code, meaning) in codes {
        assert!(page.contains(&format!("| {} | {meaning} |", code as u8)), "{meaning}");
    }
}

#[test]
fn outside_a_repository_the_error_says_what_to_do() {
    let world = World::new();
    let outside = world.folder();
    let outside = outside.to_str().unwrap();
    for args in [&["bus", "status"][..], &["plan", "list"], &["bus", "claim", "A"]] {
        let error = world.refused(&[&["--root", outside], args].concat());
        assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("repository.missing"), Some(4)), "{args:?}");
        assert!(error["next"].to_string().contains("quickstart"), "{error}");
    }
}
