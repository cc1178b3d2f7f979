//! Consent and trust: by a person, on this machine, for exactly these bytes.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{World, until};

const FILE: &str = "docs/automation/autonomy-consent.json";

fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world
}

fn show(world: &World) -> (bool, Option<String>) {
    let shown = world.json(&["consent", "show"]);
    (shown["counts"].as_bool().unwrap(), shown["doubt"].as_str().map(str::to_owned))
}

fn doubt(code: &str) -> (bool, Option<String>) {
    (false, Some(code.to_owned()))
}

#[test]
fn consent_counts_only_where_a_person_granted_it_and_only_as_it_was() {
    let world = world();
    assert_eq!(show(&world), doubt("consent.missing"));
    world.write(FILE, "{\n  \"auto_enabled\": true,\n  \"continuous\": true,\n  \"extra\": [1, 2]\n}\n");
    assert_eq!(show(&world), doubt("consent.not_granted"));
    world.ok(&["consent", "grant", "--max-iterations", "3", "--continuous=false", "--by", "Ada"]);
    assert_eq!(show(&world), (true, None));
    // The edit is as small as the grant.
    let text = world.read(FILE);
    assert_eq!(
        text,
        "{\n  \"auto_enabled\": true,\n  \"continuous\": false,\n  \"extra\": [1, 2],\n  \"max_iterations\": 3\n}\n"
    );
    let event = &world.lines("_bus/events/events.jsonl")[0];
    assert_eq!((event["event"].as_str(), event["meta"]["by"].as_str()), (Some("consent"), Some("Ada")));

    let shown: Value = world.json(&["consent", "show"]);
    assert_eq!((shown["grant"]["by"].as_str(), shown["written"]["max_iterations"].as_u64()), (Some("Ada"), Some(3)));

    world.write(FILE, &text.replace("3", "300"));
    assert_eq!(show(&world), doubt("consent.changed"));
    world.write(FILE, &text);
    assert_eq!(show(&world), (true, None), "the bytes that were granted count again");
    world.write("teof.toml", "[commands]\nallow = [\"*\"]\n");
    assert_eq!(show(&world), doubt("consent.changed"));
    assert_eq!(world.json(&["consent", "show"])["trusted_commands"], serde_json::json!([]));
    world.ok(&["consent", "grant"]);
    assert_eq!(world.json(&["consent", "show"])["trusted_commands"], serde_json::json!(["*"]));
    fs::remove_file(world.repo.join("teof.toml")).unwrap();
    assert_eq!(show(&world), doubt("consent.changed"));
}

/// A grant writes the consent file and, outside the tree, what was granted. A coordinator that reads them in between
/// stopped, because the file had "changed since the grant".
#[test]
fn who_reads_consent_while_it_is_granted_waits_for_both_files() {
    let world = world();
    world.ok(&["consent", "grant", "--max-jobs", "20"]);
    let trust = world.repo.join(".git/teof/trust.json");
    let (old_file, old_trust) = (world.read(FILE), fs::read(&trust).unwrap());
    let lock = fs::OpenOptions::new().write(true).open(world.repo.join(".git/teof/locks/trust.lock")).unwrap();
    lock.lock().unwrap();
    let start = |args: &[&str]| world.teof(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until_it_waits = |child: &mut Child| {
        until("it waits for the lock", || {
            let blocked = |line: &str| line.contains("-> FLOCK") && line.contains(&format!(" {} ", child.id()));
            let waits = fs::read_to_string("/proc/locks").unwrap().lines().any(blocked);
            waits || child.try_wait().unwrap().is_some()
        });
    };
    // A grant that cannot write both yet writes neither.
    let mut grant = start(&["consent", "grant", "--max-jobs", "25"]);
    until_it_waits(&mut grant);
    assert_eq!((world.read(FILE), fs::read(&trust).unwrap()), (old_file, old_trust.clone()));
    lock.unlock().unwrap();
    assert!(grant.wait_with_output().unwrap().status.success());
    // As a grant stands in the middle: the file is new, and what is trusted is old.
    let new_trust = fs::read(&trust).unwrap();
    lock.lock().unwrap();
    fs::write(&trust, old_trust).unwrap();
    let mut reader = start(&["consent", "show"]);
    until_it_waits(&mut reader);
    fs::write(&trust, new_trust).unwrap();
    lock.unlock().unwrap();
    let shown = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    assert!(shown.starts_with("granted by") && shown.contains("25 more jobs may start"), "{shown}");
}

#[test]
fn a_flag_takes_its_value_with_a_space_or_an_equals_sign_or_none() {
    let world = world();
    let read = |key: &str| world.read_json(FILE)[key].clone();
    for flag in ["continuous", "require-execute", "allow-apply", "halt-on-attention-feeds", "halt-on-ci-failure"] {
        let (option, key) = (format!("--{flag}"), flag.replace('-', "_"));
        world.ok(&["consent", "grant", &option, "--by", "Ada"]);
        assert_eq!(read(&key), true, "{flag}");
        world.ok(&["consent", "grant", &option, "false"]);
        assert_eq!(read(&key), false, "{flag}");
        world.ok(&["consent", "grant", &option, "true"]);
        world.ok(&["consent", "grant", &format!("{option}=false")]);
        assert_eq!(read(&key), false, "{flag}");
    }
    assert_eq!(world.run(&["consent", "grant", "--continuous", "perhaps"]).code, 2);
}

#[test]
fn an_unreadable_consent_file_means_no() {
    let world = world();
    world.ok(&["consent", "grant"]);
    let text = world.read(FILE);
    for (bad, code) in [
        ("{".to_owned(), "consent.malformed"),
        (text.replace("\"allow_apply\": false", "\"allow_apply\": \"yes\""), "consent.malformed"),
        (format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> x\n"), "consent.conflicted"),
        ("[true]".to_owned(), "consent.malformed"),
    ] {
        world.write(FILE, &bad);
        assert_eq!(show(&world), doubt(code), "{bad}");
        assert_ne!(world.run(&["consent", "grant"]).code, 0, "what cannot be read cannot be granted");
        assert_eq!(world.read(FILE), bad);
    }
    fs::remove_file(world.repo.join(FILE)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.repo.join(FILE)).unwrap();
    assert_eq!(show(&world), doubt("consent.malformed"));
}

#[test]
fn a_clone_has_the_file_and_not_the_consent() {
    let world = world();
    for folder in ["_bus", "_plans", "_report"] {
        world.write(&format!("{folder}/.gitkeep"), "");
    }
    world.ok(&["consent", "grant"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Consent"]);
    let clone = world.folder().join("clone");
    world.git(&["clone", "-q", world.repo.to_str().unwrap(), clone.to_str().unwrap()]);
    let shown = world.json(&["--root", clone.to_str().unwrap(), "consent", "show"]);
    assert_eq!((shown["counts"].as_bool(), shown["doubt"].as_str()), (Some(false), Some("consent.not_granted")));
}

#[test]
fn a_revocation_works_whatever_state_the_hub_is_in() {
    let world = world();
    world.ok(&["consent", "grant"]);
    world.ok(&["consent", "revoke"]);
    assert_eq!(show(&world), doubt("consent.not_granted"));
    assert_eq!(world.read_json(FILE)["auto_enabled"], false);
    world.ok(&["consent", "grant"]);
    world.git(&["switch", "-qc", "elsewhere"]);
    let revoked = world.run(&["consent", "revoke"]).expect(1);
    assert!(revoked.stdout.contains("no job may run unattended"), "{revoked:?}");
    assert!(revoked.stderr.contains("still grants it") && revoked.stderr.contains("elsewhere"), "{revoked:?}");
    world.git(&["switch", "-q", "main"]);
    assert_eq!(show(&world), doubt("consent.not_granted"));
}

#[test]
fn a_run_cannot_widen_what_runs_may_do() {
    let world = world();
    let output = world.teof(&["consent", "grant", "--json"]).env("TEOF_RUN", "run-1").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "trust.person");
    assert!(!world.exists(FILE));
}

#[test]
fn a_grant_allows_ten_jobs_unless_told_otherwise_and_one_that_allows_none_says_so() {
    let world = world();
    world.ok(&["consent", "grant"]);
    assert_eq!(world.read_json(FILE)["max_iterations"], 10);
    assert!(world.ok(&["consent", "grant", "--continuous"]).contains("any number of jobs may start"));
    world.ok(&["consent", "grant", "--max-jobs", "4"]);
    let file = world.read_json(FILE);
    assert_eq!((&file["max_iterations"], &file["continuous"]), (&json!(4), &json!(false)));
    // As many as before, whatever suspended or revoked it.
    world.ok(&["consent", "revoke"]);
    world.ok(&["consent", "grant"]);
    assert_eq!(world.read_json(FILE)["max_iterations"], 4);
    let granted = world.ok(&["consent", "grant", "--max-jobs", "0"]);
    assert!(granted.contains("no job may start yet") && granted.contains("--max-jobs 10"), "{granted}");
    for flags in [&["--max-iterations", "1"][..], &["--max-iterations", "0", "--continuous"]] {
        let granted = world.ok(&[&["consent", "grant"], flags].concat());
        assert!(!granted.contains("no job may start"), "{granted}");
    }
}

#[test]
fn a_grant_is_part_of_the_record_that_bus_commit_takes() {
    let world = world();
    let granted = world.run(&["consent", "grant", "--max-iterations", "1"]).expect(0);
    assert!(!granted.stderr.contains("commit"), "{}", granted.stderr);
    world.ok(&["bus", "commit"]);
    assert_eq!(world.git(&["status", "--porcelain", "--", FILE]), "");
    assert!(world.git(&["ls-files", FILE]).contains(FILE));
}
