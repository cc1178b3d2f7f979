//! What teof learns from files that it copies into worktrees (`.worktreeinclude`), and what it makes of that.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use crate::harness::World;
use crate::harness::agents::{APPROVE, DONE, Fake};

const OUT: &str = "_report/agent/manager/out.txt";

/// A repository with a coordinator whose worktrees get these ignored files.
fn world(included: &[(&str, &str)]) -> World {
    let world = World::bare_of_teof();
    let coder = Fake::new(&world.folder(), "fake", &format!("echo x >> note.txt\n{DONE}"));
    let judge = Fake::new(&world.folder(), "judge", APPROVE);
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    let rest = "[roles.coder]\nagent = \"fake\"\n[roles.reviewer]\nagent = \"judge\"\n\
        [coordinator]\npoll_min = \"1s\"\nrecord = false\n[pipeline]\nstages = [\"coder\", \"reviewer\"]\n";
    world.write("teof.toml", &format!("{}{}{rest}", coder.settings(), judge.settings()));
    let names: String = included.iter().map(|(name, _)| format!("/{name}\n")).collect();
    world.write(".gitignore", &names);
    world.write(".worktreeinclude", &names);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    included.iter().for_each(|(name, text)| world.write(name, text));
    world
}

fn add(world: &World, text: &str) -> Option<Value> {
    world.write(OUT, text);
    let out = world.run(&["receipts", "add", OUT, "--agent", "manager", "--json"]);
    (out.code != 0).then(|| serde_json::from_str::<Value>(&out.stderr).unwrap()["error"].clone())
}

#[test]
fn an_old_event_with_a_copied_value_opens_no_breaker() {
    let world = world(&[("local.yaml", "db:\n  primary_key: user_id\n  password: quartz-lamp\n")]);
    world.ok(&["consent", "grant", "--max-jobs", "3"]);
    let event = ["bus", "event", "--event", "status", "--agent", "manager", "--allow-stale-session", "--summary"];
    world.ok(&[&event[..], &["renamed user_id, tried quartz-lamp"]].concat());
    world.ok(&["coordinator", "submit", "--objective", "Append more", "--test", "true"]);
    world.ok(&["coordinator", "run", "--until-idle"]);
    let status = world.json(&["status"]);
    assert!(status["breaker"]["open"].is_null(), "{status:#}");
    assert_eq!(world.json(&["review", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn ordinary_words_of_copied_files_are_no_secrets() {
    let world = world(&[
        ("deps/package.json", r#"{"keywords": ["webpack"], "author": "Ann Miller"}"#),
        ("deps/node_modules/a/config.json", r#"{"password": "below-modules-1"}"#),
        (".env", "GIT_AUTHOR_NAME='Ann Miller'\nTOKEN=${DB_PASS}\nSECRET=changeme-now\nCACHE_KEY=user-profile\n"),
    ]);
    let text = "webpack by Ann Miller with ${DB_PASS}, changeme-now, user-profile and below-modules-1\n";
    assert_eq!(add(&world, text), None);
}

#[test]
fn a_refused_receipt_names_the_copied_file() {
    let world = world(&[("conf/local.yaml", "db:\n  password: quartz-lamp\n")]);
    let error = add(&world, "it said quartz-lamp\n").unwrap();
    assert_eq!(error["code"], "receipt.secret");
    let said = error.to_string();
    assert!(said.contains("conf/local.yaml") && !said.contains("quartz"), "{said}");
}

#[test]
fn receipts_are_added_when_the_list_of_copied_files_cannot_be_read() {
    let world = world(&[(".env", "PASSWORD=quartz-lamp\n")]);
    fs::rename(world.repo.join(".worktreeinclude"), world.folder().join("list")).unwrap();
    symlink(world.folder().join("list"), world.repo.join(".worktreeinclude")).unwrap();
    world.write(OUT, "it passed\n");
    let out = world.run(&["receipts", "add", OUT, "--agent", "manager"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains(".worktreeinclude"), "it is told: {}", out.stderr);
}

#[test]
fn receipts_are_added_when_git_cannot_list_the_copied_files() {
    let world = world(&[(".env", "PASSWORD=quartz-lamp\n")]);
    let (bin, path) = (world.folder().join("bin"), std::env::var("PATH").unwrap());
    fs::create_dir(&bin).unwrap();
    let git =
        format!("#!/bin/sh\ncase \"$*\" in *'ls-files --others'*) exit 1;; esac\nPATH='{path}' exec git \"$@\"\n");
    fs::write(bin.join("git"), git).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    world.write(OUT, "it passed\n");
    let mut command = world.teof(&["receipts", "add", OUT, "--agent", "manager"]);
    let out = command.env("PATH", format!("{}:{path}", bin.display())).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("secrets of copied files may not be recognised"), "{said}");
}
