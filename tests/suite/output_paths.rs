//! No flag that names an output file reaches the record, git's own files, what git tracks, or anything through a link.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Ran, World};

fn world() -> World {
    let world = World::bare_of_teof();
    world.ok(&["init", "--agent", "codex-1"]);
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    world.ok(&[
        "plan",
        "new",
        "docs",
        "--summary",
        "Docs",
        "--priority",
        "1",
        "--impact-score",
        "3",
        "--allow-unclaimed",
        "--layer",
        "L5",
        "--systemic-scale",
        "6",
    ]);
    world
}

/// Each of the flags, with a place.
fn calls(place: &str) -> [Vec<String>; 3] {
    let inbox = ["bus", "inbox", "--agent", "codex-1", "--mark-read"];
    [
        [&["plan", "validate", "--output", place][..], &[]].concat(),
        [&inbox[..], &["--receipt", place]].concat(),
        [&inbox[..], &["--no-capture-receipt", "--state", place]].concat(),
    ]
    .map(|args| args.into_iter().map(str::to_owned).collect())
}

fn refused(world: &World, place: &str) {
    let path = world.repo.join(place);
    let before = fs::read(&path).ok();
    for args in calls(place) {
        for force in [None, Some("--force")] {
            let args: Vec<&str> = args.iter().map(String::as_str).chain(force).collect();
            assert_eq!(world.run(&args).code, 1, "{args:?}");
            assert_eq!(fs::read(&path).ok(), before, "{args:?}");
        }
    }
}

#[test]
fn no_output_flag_reaches_what_it_must_not_write() {
    let world = world();
    world.write("src/a.rs", "fn main() {}\n");
    world.git(&["add", "src"]);
    world.git(&["commit", "-qm", "Add a source"]);
    fs::write(world.folder().join("victim"), "precious").unwrap();
    symlink(world.folder().join("victim"), world.repo.join("link.json")).unwrap();
    symlink(world.folder(), world.repo.join("away")).unwrap();
    for place in [
        "_bus/events/events.jsonl",
        "_bus/claims/FREE.json",
        "_report/session/codex-1/manager-report-tail.txt",
        "_report/agent/codex-1/state.json",
        ".git/config",
        ".git/hooks/pre-commit",
        ".GIT/new",
        "src/.git",
        "src/.gitattributes",
        "src/a.rs",
        "README.md",
        "teof.toml",
        "AGENT_MANIFEST.codex-9.json",
        "docs/automation/autonomy-consent.json",
        "link.json",
        "away/victim",
        "src",
    ] {
        refused(&world, place);
    }
    fs::remove_file(world.repo.join("src/a.rs")).unwrap();
    refused(&world, "src/a.rs");
    assert_eq!(fs::read_to_string(world.folder().join("victim")).unwrap(), "precious");
}

#[test]
fn an_output_file_is_replaced_by_the_command_that_wrote_it_and_else_with_force() {
    let world = world();
    for (at, home) in
        ["_report/planner/validate/summary-latest.json", "_report/session/codex-1/agent-inbox-9.txt", "notes.json"]
            .into_iter()
            .enumerate()
    {
        let args = &calls(home)[at];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        world.ok(&args);
        world.ok(&args);
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Track it"]);
        world.ok(&args);
        world.write("mine.txt", "mine");
        let mine = &calls("mine.txt")[at];
        let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
        if at == 2 {
            // A state that cannot be read is an error of its own.
            world.write("mine.txt", "{}");
        }
        let refusal = world.refused(&mine);
        assert_eq!(refusal["code"], "output.refused", "{refusal}");
        assert!(refusal["next"].to_string().contains("--force"), "{refusal}");
        world.ok(&[&mine[..], &["--force"]].concat());
        fs::remove_file(world.repo.join("mine.txt")).unwrap();
    }
}

#[test]
fn pages_and_new_repositories_are_made_outside_records_and_git_directories() {
    let world = world();
    let outside = world.folder().join("man");
    world.ok(&["man", "--output", outside.to_str().unwrap()]);
    world.ok(&["man", "--output", outside.to_str().unwrap()]);
    assert!(outside.join("teof-bus-claim.1").exists());
    fs::write(outside.join("teof.1"), "mine").unwrap();
    let again = ["man", "--output", outside.to_str().unwrap()];
    assert_eq!(world.refused(&again)["code"], "output.refused");
    world.ok(&[&again[..], &["--force"]].concat());
    symlink(&outside, world.folder().join("linked")).unwrap();
    let linked = world.folder().join("linked").display().to_string();
    for place in ["_bus/x", ".git/x", ".git", "_report", &linked] {
        for args in [["man", "--output", place], ["quickstart", place, "--quiet"]] {
            assert_eq!(world.refused(&args)["code"], "output.refused", "{args:?}");
        }
    }
}

#[test]
fn the_plugin_replaces_nothing_and_follows_no_link() {
    let world = world();
    world.write("out/.mcp.json", "mine");
    world.write("kept/hooks/hooks.json", "mine");
    world.git(&["add", "out"]);
    world.git(&["commit", "-qm", "Add a file"]);
    let outside = world.folder().join("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    symlink(&outside, world.repo.join("linked")).unwrap();
    fs::create_dir(world.repo.join("partly")).unwrap();
    symlink(&outside, world.repo.join("partly/hooks")).unwrap();
    fs::create_dir(world.repo.join("file")).unwrap();
    symlink(outside.join("a"), world.repo.join("file/README.md")).unwrap();
    for place in [".", "out", "kept", "_bus/claims", "_plans", ".git/hooks", "linked", "linked/sub", "partly", "file"] {
        assert_eq!(world.refused(&["agent", "plugin", "--output", place])["code"], "output.refused", "{place}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!world.repo.join("kept/README.md").exists(), "all or nothing");
    assert_eq!(world.refused(&["agent", "plugin", "--output", "out", "--force"])["code"], "output.refused");
    world.ok(&["agent", "plugin", "--output", "kept", "--force"]);
    // Again: what the same command of an older version wrote, and git tracks now, is brought up to date.
    for name in world.json(&["agent", "plugin"])["files"].as_array().unwrap() {
        let name = format!("kept/{}", name.as_str().unwrap());
        let text = world.read(&name);
        world.write(&name, &text.replace("\"description\"", "\"about\"").replace("report", "tell"));
    }
    world.git(&["add", "kept"]);
    world.git(&["commit", "-qm", "Offer the plugin"]);
    world.ok(&["agent", "plugin", "--output", "kept"]);
    assert!(world.read("kept/README.md").contains("report"));
    world.write("kept/.mcp.json", r#"{"mcpServers":{"teof":{"command":"teof"},"mine":{"url":"x"}}}"#);
    assert_eq!(world.refused(&["agent", "plugin", "--output", "kept"])["code"], "output.refused");
}

#[test]
fn completions_and_pages_are_installed_for_the_user_and_replace_nothing_of_others() {
    let world = World::new();
    let data = world.folder().join("data");
    let install = |shell: &str, flags: &[&str]| {
        let mut command = world.teof(&[&["completions", "--install", "--json"], flags].concat());
        command.env("XDG_DATA_HOME", &data).env("SHELL", shell);
        Ran::of(command.output().unwrap(), flags)
    };
    for (shell, script) in [
        ("/bin/bash", data.join("bash-completion/completions/teof")),
        ("/usr/bin/zsh", data.join("zsh/site-functions/_teof")),
        ("/usr/bin/fish", world.folder().join("config/fish/completions/teof.fish")),
    ] {
        // Twice: it replaces what it wrote.
        install(shell, &[]).expect(0);
        install(shell, &[]).expect(0);
        assert!(fs::read_to_string(&script).unwrap().contains("teof __complete"), "{shell}");
        assert!(data.join("man/man1/teof-bus-claim.1").exists());
        fs::write(&script, "mine").unwrap();
        install(shell, &[]).expect(1);
        assert_eq!(fs::read_to_string(&script).unwrap(), "mine");
        install(shell, &["--force"]).expect(0);
    }
    let zsh = fs::read_to_string(data.join("zsh/site-functions/_teof")).unwrap();
    assert!(zsh.starts_with("#compdef teof\n"), "{zsh:.40}");
    install("/bin/tcsh", &[]).expect(2);
    install("/bin/pwsh", &["powershell"]).expect(2);
}
