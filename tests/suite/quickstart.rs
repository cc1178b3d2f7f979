//! The quickstart: what it says is so, and the lines that it prints work as they stand.

use std::process::{Command, Stdio};

use crate::harness::{Ran, World};

#[test]
fn waiting_work_is_reported_and_printed_commands_work() {
    let world = World::new();
    let folder = world.folder().join("it's mine");
    // The PATH of a test leads to no teof, as after `cargo run`.
    let ran = world.run(&["quickstart", folder.to_str().unwrap()]).expect(0);
    let (_, told) = ran.stderr.split_once("What happened:\n").unwrap();
    let (happened, told) = told.split_once("\n\n").unwrap();
    let french = happened.lines().find(|line| line.contains("in French")).unwrap();
    assert!(
        french.starts_with("needs review ") && french.contains("every check passed, after 2 coder passes"),
        "{french}"
    );
    // The retry that README and help promise.
    let weather: Vec<_> = ran.stderr.lines().filter(|line| line.contains("Ask the weather service")).collect();
    let retry = weather.iter().position(|line| line.contains("failed") && line.contains("retried in"));
    let good = weather.iter().position(|line| line.contains("waiting for review"));
    assert!(retry.is_some() && retry < good, "{weather:#?}");
    let title = |line: &str| line.find("Greet in").unwrap();
    let german = happened.lines().find(|line| line.contains("in German")).unwrap();
    assert_eq!(title(french), title(german), "the columns stand below each other\n{happened}");
    assert!(told.contains(" review show ") && told.contains(" approve "), "{told}");
    let lines: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(told.matches(" approve j").count(), 3, "{told}");
    let (removal, lines) = lines.split_last().unwrap();
    for line in &lines[1..] {
        follow(&world, &format!("{} && {line}", lines[0]));
    }
    let subjects = world.git_in(&folder, &["log", "--format=%s"]);
    for subject in ["Greet in German", "Greet in French when asked", "Ask the weather service"] {
        assert_eq!(subjects.matches(subject).count(), 1, "{subjects}");
    }
    assert!(world.git_in(&folder, &["show", "main:greet.sh"]).contains("bonjour"), "the approval merged it");
    follow(&world, removal);
    for left in ["it's mine", "it's mine.worktrees"] {
        assert!(!world.folder().join(left).exists(), "{left} is left after {removal}");
    }
    for untouched in ["home", "state/teof/projects"] {
        let left: Vec<_> = std::fs::read_dir(world.folder().join(untouched)).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn follow(world: &World, line: &str) {
    let mut command = Command::new("sh");
    world.clear(&mut command);
    let output = command.args(["-c", line]).current_dir(world.folder()).stdin(Stdio::null()).output().unwrap();
    Ran::of(output, &["(followed)", line]).expect(0);
}
