//! Files that teof keeps for itself are never opened through links, and an answer that cannot be printed is an error.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::harness::{Ran, World};

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "codex-1"]);
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    world
}

const EVENT: [&str; 5] = ["bus", "event", "--event=observation", "--summary=x", "--agent=codex-1"];

#[test]
fn no_command_writes_through_a_link_among_teofs_own_files() {
    let world = world();
    let victim = world.folder().join("victim");
    let own = world.repo.join(".git/teof");
    for name in ["locks/bus.lock", "intents/current", "marks/lines/_bus%events%events.jsonl"] {
        let place = own.join(name);
        let aside = fs::read(&place).ok();
        for hard in [false, true] {
            fs::write(&victim, "precious").unwrap();
            let _ = fs::remove_file(&place);
            if hard {
                fs::hard_link(&victim, &place).unwrap()
            } else {
                symlink(&victim, &place).unwrap()
            }
            let ran = world.run(&EVENT);
            assert!(ran.code <= 1, "{name}: {ran:?}");
            assert!(ran.code == 0 || ran.stderr.contains("link"), "{name}: {ran:?}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
            fs::remove_file(&place).unwrap();
        }
        if let Some(bytes) = aside {
            fs::write(&place, bytes).unwrap();
        }
    }
    let outside = world.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(own.join("locks"), world.folder().join("locks")).unwrap();
    symlink(&outside, own.join("locks")).unwrap();
    world.run(&EVENT).expect(1);
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "nothing is made where the link leads");
    fs::remove_file(own.join("locks")).unwrap();
    world.ok(&EVENT);
}

#[test]
fn an_answer_that_cannot_be_printed_is_an_error_with_words() {
    let world = world();
    for args in [&["task", "list", "--json"][..], &["task", "add", "Q-1", "--title", "t"], &["--version"], &["doctor"]]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(world.teof(args).stdin(Stdio::null()).stdout(full).output().unwrap(), args);
        assert!(ran.code == 1 && ran.stderr.contains("stdout"), "{ran:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::of(world.teof(args).stdin(Stdio::null()).stdout(writer).output().unwrap(), args);
        assert!(ran.code != 0 && !ran.stderr.is_empty(), "{ran:?}");
    }
    assert!(world.read("_plans/next-development.todo.json").contains("Q-1"), "what was done is done");
    for args in [&["task", "list"][..], &["--version"]] {
        let reading = fs::File::open("/dev/null").unwrap();
        let ran = Ran::of(world.teof(args).stdin(Stdio::null()).stdout(reading).output().unwrap(), args);
        assert!(ran.code == 1 && ran.stderr.contains("stdout"), "open for reading only: {ran:?}");
    }
}
