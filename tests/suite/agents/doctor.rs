//! `teof agent doctor`: which agents are there, and whether they can work unattended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Ran, World};

/// A world with a folder of programs that comes first on PATH.
fn world(settings: &str) -> World {
    let world = World::new();
    world.write("teof.toml", settings);
    world
}

fn program(world: &World, name: &str, script: &str) {
    let path = world.folder().join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn doctor(world: &World, args: &[&str], env: &[(&str, &str)]) -> (Ran, Value) {
    let args = [&["agent", "doctor", "--json"], args].concat();
    let mut command = world.teof(&args);
    command.env("PATH", format!("{}:/usr/bin:/bin", world.folder().join("bin").display()));
    let output = command.envs(env.iter().copied()).output().unwrap();
    let ran = Ran::of(output, &args);
    let document = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    (ran, document)
}

fn of<'d>(document: &'d Value, name: &str) -> &'d Value {
    document["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap()
}

#[test]
fn every_preset_and_every_described_agent_is_listed_with_what_it_lacks() {
    let world = world("[agents.own]\ncommand = [\"own\"]\n[agents.broken]\ncommand = []\n");
    let started = world.folder().join("started").display().to_string();
    program(&world, "own", &format!("touch {started}"));
    program(
        &world,
        "gemini",
        "[ -z \"$SECRET\" ] && [ \"$1\" = --version ] && echo 0.99.0 && echo more; echo a notice >&2",
    );
    let (ran, document) = doctor(&world, &[], &[("SECRET", "x"), ("GEMINI_API_KEY", "k")]);
    assert_eq!(ran.code, 0, "no role is bound: {document}");
    let own = of(&document, "own");
    assert_eq!((own["installed"].as_bool(), own["version"].as_str()), (Some(true), None), "{own}");
    assert!(!world.folder().join("started").exists(), "a program of one's own may work without being asked to");
    assert_eq!(of(&document, "gemini")["version"], "0.99.0");
    assert_eq!(of(&document, "gemini")["key"], "GEMINI_API_KEY is set");
    let told = world.run(&["agent", "doctor"]).expect(0).stderr;
    assert!(told.contains("No role has an agent. Choose one: teof init --role coder="), "{told}");
    assert_eq!(of(&document, "codex")["installed"], false);
    assert!(of(&document, "broken")["error"].as_str().unwrap().contains("no command"), "{document}");
    assert_eq!(of(&document, "amp")["verified"], false);
    let words = world.run(&["agent", "doctor", "gemini"]).expect(0).stdout;
    assert!(words.contains("gemini") && !words.contains("codex"), "{words}");
    assert_eq!(world.refused(&["agent", "doctor", "nobody"])["code"], "agent.unknown");
}

#[test]
fn an_agent_that_a_role_is_bound_to_must_be_there() {
    let world = world(
        "[roles.coder]\nagent = \"own\"\n[roles.reviewer]\nagent = \"codex\"\n\
         [[routing]]\nup_to = 3\nroles = { coder = { agent = \"qwen\" } }\n[agents.own]\ncommand = [\"own\"]\n",
    );
    program(&world, "own", "echo 1");
    let (ran, document) = doctor(&world, &[], &[]);
    assert_eq!((ran.code, document["ok"].as_bool()), (1, Some(false)));
    assert_eq!(of(&document, "own")["roles"][0], "coder");
    assert_eq!(of(&document, "qwen")["roles"][0], "coder (complexity up to 3)");
    let problems = of(&document, "codex")["problems"].to_string();
    assert!(problems.contains("codex is not on PATH"), "{problems}");
    for name in ["codex", "qwen"] {
        program(&world, name, "echo 1");
    }
    assert_eq!(doctor(&world, &[], &[]).0.code, 0);
    world.write("teof.toml", "[roles.coder]\nagent = \"nobody\"\n");
    let (ran, document) = doctor(&world, &[], &[]);
    assert_eq!(ran.code, 1);
    assert!(of(&document, "nobody")["error"].as_str().unwrap().contains("no such agent"), "{document}");
}

#[test]
fn a_program_that_prints_no_version_is_not_waited_for() {
    let world = world("");
    // It leaves a child that holds the pipe open, too.
    program(&world, "codex", "sleep 600 & sleep 600");
    program(&world, "gemini", "echo it cannot start >&2; exit 3");
    let mut command = world.teof(&["agent", "doctor", "codex", "--json", "--timeout", "1s"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", world.folder().join("bin").display()));
    let ran = Ran::of(command.output().unwrap(), &["agent", "doctor", "codex"]).expect(0);
    assert!(ran.stdout.contains("printed no version within 1s"), "{}", ran.stdout);
    let sick = doctor(&world, &["gemini"], &[]).1;
    assert!(of(&sick, "gemini")["problems"].to_string().contains("it cannot start"), "{sick}");
}

#[test]
fn root_is_told_that_claude_refuses_it() {
    let world = world("");
    program(&world, "claude", "echo 9.9.9");
    let (_, document) = doctor(&world, &["claude"], &[]);
    let root = rustix::process::geteuid().is_root();
    let problems = of(&document, "claude")["problems"].to_string();
    assert_eq!(problems.contains("cannot run unattended as root"), root, "{problems}");
    let (_, document) = doctor(&world, &["claude"], &[("IS_SANDBOX", "1")]);
    assert!(!of(&document, "claude")["problems"].to_string().contains("as root"), "a container's word: {document}");
}

#[test]
fn a_version_that_was_not_tried_is_told() {
    let world = world(
        "[agents.own]\ncommand = [\"own\"]\nformat = \"acp\"\n[agents.mine]\npreset = \"codex\"\ncommand = [\"codex\", \"exec\"]\n",
    );
    program(&world, "codex", "echo codex-cli 99.1.0");
    program(&world, "gemini", "echo 0.1.0");
    program(&world, "goose", "echo 1.2.3");
    let hints = |document: &Value, name: &str| of(document, name)["hints"].to_string();
    let (_, document) = doctor(&world, &[], &[]);
    assert!(hints(&document, "codex").contains("newer than the last version that teof was tried with"), "{document}");
    assert_eq!(of(&document, "codex")["tried"], "0.171.0");
    assert!(!hints(&document, "gemini").contains("newer") && !hints(&document, "mine").contains("newer"), "{document}");
    assert!(hints(&document, "mine").contains("from teof.toml"), "{document}");
    assert!(hints(&document, "goose").contains("follows its documentation"), "{document}");

    // It knows no --version, and says who it is in its protocol.
    let answer =
        r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"agentInfo":{"name":"own","version":"7.1"}}}"#;
    program(&world, "own", &format!("[ -z \"$1\" ] || exit 64; read -r hello; echo '{answer}'; cat >/dev/null"));
    let (ran, document) = doctor(&world, &["own"], &[]);
    let own = of(&document, "own");
    assert_eq!(
        (ran.code, own["version"].as_str(), &own["problems"]),
        (0, Some("own 7.1"), &serde_json::json!([])),
        "{own}"
    );
    program(&world, "own", "exit 64");
    assert!(of(&doctor(&world, &["own"], &[]).1, "own")["version"].is_null());
}
