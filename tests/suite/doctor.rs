//! The doctor names each thing that is wrong with a set-up, says how to fix it, and changes nothing unless asked to.

use std::fs;

use crate::harness::World;

fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world.ok(&["init"]);
    world
}

/// The codes of what is wrong, and of what is only noted.
pub fn codes(world: &World) -> (Vec<String>, Vec<String>) {
    let ran = world.run(&["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut found = document["found"].as_array().unwrap().clone();
    // Depends on the kernel.
    found.retain(|trouble| !trouble["code"].as_str().unwrap().starts_with("sandbox."));
    assert!(found.iter().all(|trouble| !trouble["mend"].as_str().unwrap().is_empty()), "{document}");
    let (notes, wrong): (Vec<_>, Vec<_>) = found.into_iter().partition(|trouble| trouble["note"] == true);
    assert_eq!(ran.code, i32::from(!wrong.is_empty()), "{document}");
    let code = |list: Vec<serde_json::Value>| list.iter().map(|t| t["code"].as_str().unwrap().to_owned()).collect();
    (code(wrong), code(notes))
}

#[test]
fn doctor_finds_nothing_in_a_sound_set_up() {
    let world = world();
    assert_eq!(codes(&world), (vec![], vec!["consent.not_granted".to_owned(), "agent.none".to_owned()]));
    world.ok(&["session-boot", "--no-sync"]);
    world.ok(&["consent", "grant"]);
    assert_eq!(codes(&world), (vec![], vec!["agent.none".to_owned()]));
    world.write("teof.toml", &(world.read("teof.toml") + "\n[roles.coder]\ncommand = \"true\"\n"));
    assert!(!codes(&world).1.contains(&"agent.none".to_owned()));
}

#[test]
fn each_fault_is_named() {
    let world = world();
    world.ok(&["session-boot", "--no-sync"]);
    let wrong = |code: &str| {
        let (wrong, _) = codes(&world);
        assert!(wrong.iter().any(|found| found == code), "{code} is not among {wrong:?}");
    };
    let restore = |path: &str, text: &str| {
        world.write(path, text);
        assert_eq!(codes(&world).0, Vec::<String>::new(), "{path} is mended");
    };
    world.write(".gitignore", "_report/\n");
    wrong("git.ignored");
    fs::remove_file(world.repo.join(".gitignore")).unwrap();

    for path in [".gitattributes", "_report/.gitattributes"] {
        fs::remove_file(world.repo.join(path)).unwrap();
        wrong("git.attributes");
        world.run(&["doctor", "--fix"]).expect(0);
        assert_eq!(codes(&world).0, Vec::<String>::new(), "{path} is there again");
    }
    world.write(".git/info/attributes", "*.json text eol=crlf\n");
    wrong("git.attributes");
    fs::remove_file(world.repo.join(".git/info/attributes")).unwrap();

    let settings = world.read("teof.toml");
    world.write("teof.toml", "[lock]\nwhait = 1\n");
    wrong("settings.invalid");
    restore("teof.toml", &settings);
    world.write("teof.toml", "[coordinator]\nconcurrency = \"ten\"\n");
    let said = world.run(&["doctor"]).stdout;
    assert_eq!(said.matches("settings.invalid").count(), 1, "{said}");
    assert!(said.contains("wrong kind of value: string \"ten\", expected a whole number"), "{said}");
    world.write("teof.toml", "[agents.own]\nargs = [\"x\"]\n[roles.coder]\nagent = \"own\"\n");
    let said = world.run(&["doctor"]).stdout;
    assert!(said.contains("settings.agent") && said.contains("it has no command"), "{said}");

    world.write(
        "teof.toml",
        &format!("{settings}\n[agents.claude]\nwrite = [\"/no/such/file\", \"/no/such/folder/\"]\n"),
    );
    let said = world.run(&["doctor"]).stdout;
    let named =
        ["/no/such/file", "/no/such/folder"].map(|path| said.contains(&format!("[agents.claude] names {path}")));
    assert_eq!(named, [teof::exec::Support::of_this_kernel().abi > 0, false], "{said}");
    world.write("teof.toml", &settings);

    let consent = world.read("docs/automation/autonomy-consent.json");
    world.write("docs/automation/autonomy-consent.json", "{\"auto_enabled\": true}");
    wrong("consent.not_granted");
    restore("docs/automation/autonomy-consent.json", &consent);

    let log = world.read("_bus/events/events.jsonl");
    world.write("_bus/events/events.jsonl", "");
    wrong("record.behind");
    world.write("_bus/events/events.jsonl", &format!("{log}{{\"ts\":\"2027-01-01T00:00:00Z\",\"agent_id\":\"a\"}}\n"));
    wrong("clock.future");
    restore("_bus/events/events.jsonl", &log);

    world.write("AGENT_MANIFEST.x.json", "{");
    wrong("json.invalid");
    fs::remove_file(world.repo.join("AGENT_MANIFEST.x.json")).unwrap();

    world.write(".git/index.lock", "teof record commit\n");
    wrong("git.index_lock");
    fs::remove_file(world.repo.join(".git/index.lock")).unwrap();

    world.write("_bus/claims/.teof-1-0.tmp", "");
    assert!(codes(&world).1.contains(&"file.leftover".to_owned()));

    world.git(&["switch", "-qc", "elsewhere"]);
    wrong("hub.switched");
    world.git(&["switch", "-q", "main"]);
    fs::remove_dir_all(world.repo.join("_plans")).unwrap();
    wrong("hub.incomplete");
}

#[test]
fn outside_a_repository_the_doctor_says_so() {
    let world = world();
    let ran = world.run(&["--root", world.folder().to_str().unwrap(), "doctor"]).expect(1);
    assert!(ran.stdout.contains("repository.missing") && ran.stdout.contains("fix:"), "{}", ran.stdout);
    // Where nothing is set up, doctor and check say that alone.
    let bare = World::bare_of_teof();
    assert_eq!(codes(&bare), (vec!["hub.not_initialised".to_owned()], vec![]));
    assert_eq!(bare.refused(&["check"])["code"], "hub.not_initialised");
}

#[test]
fn every_setting_is_shown_with_its_default() {
    let world = world();
    world.write("teof.toml", "[lock]\nwait = \"9s\"\n");
    let shown = world.ok(&["doctor", "--settings"]);
    assert!(shown.contains("lock.wait = \"9s\" (default \"5s\")\n    How long a command waits"), "{shown}");
    assert!(shown.contains("coordinator.concurrency = 3\n"), "{shown}");
}

#[test]
fn a_gh_that_is_missing_too_old_or_not_logged_in_is_named_where_results_would_be_offered() {
    let world = world();
    world.ok(&["session-boot", "--no-sync"]);
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let git = std::process::Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    std::os::unix::fs::symlink(String::from_utf8(git).unwrap().trim(), bin.join("git")).unwrap();
    let gh = |version: &str, browse: &str| {
        let text = format!("#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'gh version {version}'; exit; }}\n{browse}\n");
        fs::write(bin.join("gh"), text).unwrap();
        fs::set_permissions(bin.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let found = || {
        let output = world.teof(&["doctor", "--json"]).env("PATH", &bin).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = document["found"].as_array().unwrap().clone();
        all.into_iter().filter(|one| one["code"].as_str().unwrap().starts_with("gh.")).collect::<Vec<_>>()
    };
    assert_eq!(found(), Vec::<serde_json::Value>::new(), "no remote");
    world.git(&["remote", "add", "origin", "/srv/demo.git"]);
    assert_eq!(found(), Vec::<serde_json::Value>::new(), "a folder is no forge");
    world.git(&["remote", "set-url", "origin", "git@github.com:demo/demo.git"]);
    let one = || (found()[0]["code"].clone(), found()[0]["note"].clone(), found()[0]["mend"].to_string());
    let (code, note, fix) = one();
    assert!(code == "gh.missing" && note == true && fix.contains("gh auth login"), "{code} {fix}");
    gh("2.15.0 (2022-01-01)", "");
    let (code, note, fix) = one();
    assert!(code == "gh.old" && note == false && fix.contains("2.16"), "{code} {fix}");
    gh("2.23.0 (2023-02-27 Debian 2.23.0+dfsg1-1)", "echo 'run: gh auth login' >&2; exit 4");
    assert_eq!(one().0, "gh.no_login");
    gh("2.23.0", "echo 'none of the git remotes point to a known host' >&2; exit 1");
    assert_eq!(one().0, "gh.remote");
    gh("2.23.0", "echo https://github.com/demo/demo");
    assert_eq!(found(), Vec::<serde_json::Value>::new());
    world.write("teof.toml", "[review]\npull_requests = false\n");
    fs::remove_file(bin.join("gh")).unwrap();
    assert_eq!(found(), Vec::<serde_json::Value>::new(), "not wanted");
}
