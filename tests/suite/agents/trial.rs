//! `teof agent try`: one call of an agent, and what teof reads from it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::fixture;
use crate::harness::{Ran, World};

/// A world with an agent of this format, which runs `script` beside a stream that it may print.
fn world(format: &str, stream: &[u8], script: &str) -> World {
    let world = World::new();
    let folder = world.folder().join("agent");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("stream"), stream).unwrap();
    let program = folder.join("own");
    fs::write(&program, format!("#!/bin/sh\nSTREAM={}/stream\n{script}\n", folder.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("teof.toml", &format!("[agents.own]\ncommand = [{program:?}]\nformat = \"{format}\"\n"));
    world
}

fn tried(world: &World, more: &[&str], code: i32) -> Value {
    let args = [&["agent", "try", "own", "--json"], more].concat();
    let ran: Ran = world.run(&args).expect(code);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    assert_eq!(document["ok"], code == 0, "{document}");
    document
}

fn fixes(document: &Value) -> String {
    document["fixes"].as_array().unwrap().iter().map(|fix| fix.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn trying_an_agent_shows_what_is_read_from_it_and_leaves_nothing_in_the_repository() {
    let script = "head -n 1 > prompt.txt; echo $TEOF_STAGE >> prompt.txt; cat prompt.txt >&2; cat $STREAM";
    let world = world("claude", &fixture("recorded-claude"), script);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "An agent"]);
    let record = || fs::read(world.repo.join("_bus/events/events.jsonl")).ok();
    let before = (world.git(&["status", "--porcelain", "--ignored"]), record());
    let seen = tried(&world, &[], 0);
    assert_eq!(seen["session"], "4c6eeae1-6a6e-53c2-8afa-84931b882214", "{seen}");
    assert_eq!((&seen["usage"]["input_tokens"], &seen["usage"]["output_tokens"]), (&38201.into(), &79.into()));
    assert!(seen["text"].as_str().unwrap().contains("greet.sh is there.") && seen["unstructured"].is_null(), "{seen}");
    assert_eq!((&seen["resumes"], &seen["tools"]["Bash"]), (&false.into(), &1.into()), "{seen}");
    assert_eq!(seen["changed"], serde_json::json!(["prompt.txt"]), "it works in a copy of the last commit");
    assert_eq!(seen["errors"].as_str().unwrap().trim(), "# Plan one piece of work\nplanner", "called as a planner is");
    assert_eq!((world.git(&["status", "--porcelain", "--ignored"]), record()), before, "nothing is recorded");
    assert_eq!(world.git(&["worktree", "list"]).lines().count(), 1);
    let output = std::path::Path::new(seen["output"].as_str().unwrap());
    assert!(output.exists() && !output.with_file_name("worktree").exists(), "the copy is removed, the output kept");
    let words = world.run(&["agent", "try", "own"]).expect(0).stdout;
    assert!(words.contains("own answered in") && words.contains("38201 tokens read, 79 written, $0.15"), "{words}");
}

#[test]
fn output_in_another_format_names_the_setting_that_reads_it() {
    for (format, stream, expected) in [
        ("text", "recorded-claude", "format = \"claude\""),
        ("claude", "recorded-codex", "format = \"codex\""),
        ("codex", "acp-codex", "format = \"acp\""),
    ] {
        let world = world(format, &fixture(stream), "cat > /dev/null; cat $STREAM");
        let seen = tried(&world, &[], 1);
        assert!(fixes(&seen).contains(&format!("under [agents.own] in teof.toml: {expected}")), "{seen}");
        assert!(seen["outcome"].as_str().unwrap().contains("looks like"), "{seen}");
    }
    let world = world("gemini", b"Hello, I am ready.\n", "cat > /dev/null; cat $STREAM");
    let seen = tried(&world, &[], 1);
    assert!(fixes(&seen).contains("format = \"text\""), "{seen}");
    let told = world.run(&["agent", "try", "own"]).expect(1);
    assert!(told.stdout.contains("own failed in") && told.stderr.contains("fix: "), "{told:?}");
}

#[test]
fn plain_text_is_an_answer_and_says_what_it_lacks() {
    let world = world("text", b"Hello, I am ready.\n", "cat > /dev/null; cat $STREAM");
    let seen = tried(&world, &[], 0);
    assert_eq!((&seen["text"], &seen["session"]), (&"Hello, I am ready.".into(), &Value::Null), "{seen}");
    assert!(seen["unstructured"].is_string(), "a reviewer would be asked again: {seen}");
    let words = world.run(&["agent", "try", "own"]).expect(0).stdout;
    assert!(words.contains("not the JSON object") && words.contains("not reported"), "{words}");
}

#[test]
fn a_failed_call_says_what_a_person_can_do_about_it() {
    let login = "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,\
                 \"result\":\"Invalid API key · Please run /login\",\"session_id\":\"s-1\"}\n";
    let world = self::world("claude", login.as_bytes(), "cat > /dev/null; cat $STREAM; exit 1");
    let seen = tried(&world, &[], 1);
    assert_eq!(seen["kind"], "account", "{seen}");
    assert!(fixes(&seen).contains("log in with the agent itself"), "{seen}");

    let world = self::world("claude", b"", "exec sleep 600");
    let seen = tried(&world, &["--timeout", "1s"], 1);
    assert!(fixes(&seen).contains("prompt = \"stdin\""), "{seen}");

    world.write("teof.toml", "[agents.own]\ncommand = [\"/no/such/program\"]\n");
    let refused = world.refused(&["agent", "try", "own"]);
    assert_eq!(refused["code"], "agent.missing", "{refused}");
    assert_eq!(world.refused(&["agent", "try", "nobody"])["code"], "agent.unknown");
}
