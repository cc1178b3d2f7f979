//! The house: which room may use which. Every file under `src/` is read and held to this list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use. Rooms stand in order: an arrow may only point up this list.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("hub", &["base", "model"]),
    ("bus", &["base", "model", "hub"]),
    ("plans", &["base", "model", "hub"]),
    ("receipts", &["base", "model", "hub"]),
    ("seats", &["base", "model", "hub"]),
    ("exec", &["base"]),
    ("agents", &["base", "model", "hub"]),
    ("guard", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "exec"]),
    ("ops", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "guard"]),
    ("conductor", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "agents", "guard", "ops"]),
    ("foreman", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "exec", "agents", "guard", "ops"]),
    ("review", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "exec", "guard", "ops", "foreman"]),
    (
        "coordinator",
        &[
            "base",
            "model",
            "hub",
            "bus",
            "plans",
            "receipts",
            "seats",
            "exec",
            "guard",
            "ops",
            "conductor",
            "foreman",
            "review",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "model",
            "hub",
            "bus",
            "plans",
            "receipts",
            "seats",
            "exec",
            "guard",
            "ops",
            "agents",
            "conductor",
            "foreman",
            "review",
            "coordinator",
        ],
    ),
];

#[test]
fn arrows_between_rooms_run_down_only() {
    let allowed: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    for (at, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            assert!(ROOMS[..at].iter().any(|(below, _)| below == used), "{room} → {used} would climb");
        }
    }
    let mut wrong = Vec::new();
    for file in sources() {
        let room = room_of(&file);
        let Some(uses) = allowed.get(room.as_str()) else {
            if !["lib", "main"].contains(&room.as_str()) {
                wrong.push(format!("{}: no such room", file.display()));
            }
            continue;
        };
        for used in rooms_used(&fs::read_to_string(&file).unwrap()) {
            if used != room && !uses.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} may not use {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_keeps_to_one_idea() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no header", file.display()));
        }
        let lines = text.lines().count();
        if lines > 460 {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first path segment after each `crate::` (code and tests alike), comments left out.
fn rooms_used(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .flat_map(|rest| match rest.strip_prefix('{') {
            // `use crate::{base, hub::Hub}` on one line: the names at the top level.
            Some(list) => list.split([',', '}']).map(first_segment).filter(|name| !name.is_empty()).collect(),
            None => vec![first_segment(&rest)],
        })
        .collect()
}

fn first_segment(path: &str) -> String {
    path.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn room_of(file: &Path) -> String {
    let relative = file.strip_prefix(root()).unwrap();
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
