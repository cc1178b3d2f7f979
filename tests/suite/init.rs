//! Setting up: in every kind of place, twice, and without touching what is there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::World;

fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    world
}

fn code(world: &World, args: &[&str]) -> String {
    let refused = world.refused(args);
    assert!(!refused["next"].as_array().unwrap().is_empty(), "a refusal says what to do: {refused}");
    refused["code"].as_str().unwrap().to_owned()
}

fn init_in(world: &World, root: &Path) -> serde_json::Value {
    world.json(&["--root", root.to_str().unwrap(), "init"])
}

#[test]
fn init_writes_what_is_missing_and_the_second_time_nothing() {
    let world = world();
    let done = world.json(&["init", "--agent", "codex-1"]);
    let wrote: Vec<&str> = done["wrote"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let wanted = [
        "_bus/claims/.gitkeep",
        "_bus/assignments/.gitkeep",
        "_bus/events/.gitkeep",
        "_bus/messages/.gitkeep",
        "_plans/.gitkeep",
        "_report/.gitkeep",
        "_bus/.gitattributes",
        "_plans/.gitattributes",
        "_report/.gitattributes",
        ".gitattributes",
        "docs/automation/autonomy-consent.json",
        "teof.toml",
        "AGENT_MANIFEST.json",
    ];
    assert_eq!(wrote, wanted);
    assert!(wanted.iter().all(|path| world.exists(path)));
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "1", "nothing is committed for people");
    let consent = world.read_json("docs/automation/autonomy-consent.json");
    assert_eq!((consent["auto_enabled"].as_bool(), consent["halt_on_ci_failure"].as_bool()), (Some(false), Some(true)));
    assert_eq!(world.read_json("AGENT_MANIFEST.json")["branch_prefix"], "agent/codex-1/");
    let pin = world.read_json(".git/teof/hub");
    assert_eq!(pin["branch"], "main");

    let before = world.git(&["status", "--porcelain", "-uall"]);
    let again = world.json(&["init", "--agent", "codex-1"]);
    assert_eq!(again["wrote"], serde_json::json!([]));
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), before);
    world.ok(&["session-boot", "--no-sync"]);
    assert_eq!(
        world.json(&["init", "--agent", "codex-2"])["wrote"],
        serde_json::json!(["AGENT_MANIFEST.codex-2.json"])
    );
}

#[test]
fn existing_text_stays_byte_for_byte() {
    let world = world();
    let mine = [
        (".gitattributes", "*.png  binary\n*.json  text  filter=lfs"),
        ("_plans/.gitattributes", "*.md  text"),
        ("teof.toml", "[lock]\nwait = \"9s\"\n"),
        ("docs/automation/autonomy-consent.json", "{\"auto_enabled\": true}"),
        ("AGENT_MANIFEST.json", "{\"agent_id\": \"mine\"}"),
        ("_plans/a.md", "x"),
    ];
    for (path, text) in mine {
        world.write(path, text);
    }
    let done = world.json(&["init"]);
    assert_eq!(
        world.read(".gitattributes"),
        "*.png  binary\n*.json  text  filter=lfs\n\
         /memory/log.jsonl -text -filter -ident -working-tree-encoding !diff merge=union\n\
         /docs/automation/autonomy-consent.json -text -filter -ident -working-tree-encoding !diff merge\n\
         /agents/tasks/tasks.json -text -filter -ident -working-tree-encoding !diff merge\n"
    );
    let inner = "* -text -filter -ident -working-tree-encoding !diff merge\n*.jsonl merge=union\n";
    assert_eq!(world.read("_plans/.gitattributes"), format!("*.md  text\n{inner}"));
    assert_eq!(world.read("_bus/.gitattributes"), inner);
    for (path, text) in &mine[2..] {
        assert_eq!(world.read(path), *text);
    }
    assert!(done["kept"].to_string().contains("_plans"), "{done}");
    assert!(done["notes"].to_string().contains("lfs"), "a filter of the repository is off for the record: {done}");
    let of = |path: &str| world.git(&["check-attr", "text", "filter", "merge", "--", path]).replace(path, "");
    assert_eq!(of("_report/a.json"), ": text: unset\n: filter: unset\n: merge: set", "it wins over the root's file");
    assert_eq!(world.git(&["check-attr", "merge", "--", "_bus/events/events.jsonl"]).rsplit(' ').next(), Some("union"));
}

#[test]
fn a_fresh_clone_of_a_repository_that_was_set_up_works_at_once() {
    let world = world();
    world.ok(&["init"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up teof"]);
    let clone = world.folder().join("clone");
    world.git(&["clone", "-q", world.repo.to_str().unwrap(), clone.to_str().unwrap()]);
    world.ok(&["--root", clone.to_str().unwrap(), "session-boot", "--no-sync"]);
    assert!(clone.join("_bus/events/events.jsonl").exists());
    assert!(!world.exists("_bus/events/events.jsonl"));
}

#[test]
fn init_in_wrong_places_names_the_fix() {
    let world = world();
    let folder = world.folder();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::create_dir(folder.join("plain")).unwrap();
    assert_eq!(code(&world, &["--root", &at("plain"), "init"]), "repository.missing");
    assert_eq!(code(&world, &["--root", &at("nowhere"), "init"]), "root.missing");
    assert_eq!(code(&world, &["session-boot", "--agent", "a"]), "hub.not_initialised");

    world.git(&["init", "-q", "--bare", &at("bare.git")]);
    assert_eq!(code(&world, &["--root", &at("bare.git"), "init"]), "hub.unknown");
    assert_eq!(code(&world, &["init", "--hub", &at("bare.git")]), "hub.no_worktree");

    world.git(&["init", "-q", &at("inner")]);
    world.git_in(&folder.join("inner"), &["commit", "-qm", "x", "--allow-empty"]);
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &at("inner"), "sub"]);
    let sub = world.repo.join("sub");
    assert_eq!(code(&world, &["--root", sub.to_str().unwrap(), "init"]), "hub.unknown");
    world.ok(&["--root", sub.to_str().unwrap(), "init", "--hub", sub.to_str().unwrap()]);
    world.ok(&["--root", sub.to_str().unwrap(), "session-boot", "--no-sync", "--agent", "codex-1"]);
    assert!(!world.exists("_bus"));
    assert_eq!(
        code(&world, &["--root", world.repo.to_str().unwrap(), "init", "--hub", sub.to_str().unwrap()]),
        "hub.foreign"
    );

    world.git(&["checkout", "-q", "--detach"]);
    assert_eq!(code(&world, &["init"]), "hub.detached");
    assert_eq!(code(&world, &["init", "--hub", world.repo.to_str().unwrap()]), "hub.detached");
    assert!(!world.exists("_bus") && !world.exists(".git/teof/hub"));
    world.git(&["switch", "-q", "main"]);

    world.write("_report", "a file in the way");
    assert_eq!(code(&world, &["init"]), "hub.folder");
    assert!(!world.exists("_bus") && !world.exists("teof.toml"), "all or nothing");
    fs::remove_file(world.repo.join("_report")).unwrap();
    std::os::unix::fs::symlink("/tmp", world.repo.join("_report")).unwrap();
    assert_eq!(code(&world, &["init"]), "path.outside");
    fs::remove_file(world.repo.join("_report")).unwrap();

    world.write("_bus/claims/x.txt", "");
    assert_eq!(code(&world, &["bus", "commit"]), "hub.incomplete");
    world.ok(&["init"]);
    world.ok(&["bus", "commit"]);
}

#[test]
fn a_linked_worktree_sets_up_the_main_one() {
    let world = world();
    let linked = world.folder().join("linked");
    world.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let done = init_in(&world, &linked);
    assert_eq!(done["hub"], world.repo.to_str().unwrap());
    assert!(world.exists("_bus") && !linked.join("_bus").exists());
}

#[test]
fn a_dedicated_hub_keeps_the_record_away_from_where_people_work() {
    let world = world();
    let done = world.json(&["init", "--dedicated"]);
    let hub = world.folder().join("repo.record");
    assert_eq!((done["hub"].as_str(), done["branch"].as_str()), (hub.to_str(), Some("teof/record")));
    assert_eq!(world.git(&["status", "--porcelain"]), "", "the main worktree is as it was");
    assert_eq!(world.git_in(&hub, &["status", "--porcelain"]), "");
    assert!(!hub.join("README.md").exists());
    assert!(fs::read_to_string(hub.join("teof.toml")).unwrap().contains("\ntarget = \"main\"\n"));

    world.ok(&["session-boot", "--no-sync"]);
    world.git(&["switch", "-qc", "anything"]);
    world.write("README.md", "work\n");
    world.git(&["stash", "-qu"]);
    world.ok(&["session-boot", "--no-sync", "--allow-branch-mismatch"]);
    assert_eq!(world.json(&["bus", "commit"])["outcome"], "committed");
    assert_eq!(world.git(&["log", "-1", "--format=%s", "teof/record"]), "Commit the record");
    assert_eq!(world.json(&["init", "--dedicated"])["wrote"], serde_json::json!([]));
    assert_eq!(world.json(&["init"])["hub"], hub.to_str().unwrap());
    // Paths are printed as they open from here.
    let labels = ["--priority", "2", "--impact-score", "1", "--layer", "L5", "--systemic-target", "S6"];
    let made = ["plan", "new", "Notes", "--summary", "s", "--allow-unclaimed"];
    let made = world.run(&[&made[..], &labels].concat()).expect(0);
    let path = made.stdout.trim();
    assert_eq!(path, "../repo.record/_plans/2026-01-05-notes.plan.json");
    assert!(world.repo.join(path).is_file() && made.stderr.contains("../repo.record/_plans/2026-01-05-notes.md"));
    assert_eq!(world.json(&["plan", "show", path])["path"], "_plans/2026-01-05-notes.plan.json");
}

#[test]
fn a_record_that_was_in_the_main_worktree_moves_along() {
    let world = world();
    world.ok(&["init"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up teof"]);
    world.ok(&["session-boot", "--no-sync"]);
    // Files of the record that lie in folders of others.
    world.write("memory/log.jsonl", "{\"approved\": 1}\n");
    world.write("memory/notes.md", "a person's\n");
    world.write("agents/tasks/tasks.json", "[]\n");
    world.ok(&["init", "--dedicated"]);
    world.ok(&["session-boot", "--no-sync"]);
    let carried = world.git(&["ls-tree", "-r", "--name-only", "teof/record", "memory", "agents", "docs"]);
    let consent = "docs/automation/autonomy-consent.json";
    assert_eq!(carried.lines().collect::<Vec<_>>(), ["agents/tasks/tasks.json", consent, "memory/log.jsonl"]);
    let hub = world.folder().join("repo.record");
    let log = fs::read_to_string(hub.join("_bus/events/events.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert_eq!(world.lines("_bus/events/events.jsonl").len(), 1, "the old copy is history");
}

#[test]
fn a_bare_repository_gets_a_dedicated_hub() {
    let world = world();
    let bare = world.folder().join("bare.git");
    world.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    world.ok(&["--root", bare.to_str().unwrap(), "init", "--dedicated"]);
    world.ok(&[
        "--root",
        bare.to_str().unwrap(),
        "session-boot",
        "--no-sync",
        "--allow-branch-mismatch",
        "--agent",
        "codex-1",
    ]);
    assert!(world.folder().join("bare.record/_bus/events/events.jsonl").exists());
}

#[test]
fn a_hub_is_not_moved_away_from_its_record() {
    let world = world();
    world.ok(&["init", "--agent", "a"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["session-boot", "--no-sync", "--agent", "a"]);
    world.git(&["worktree", "add", "-q", "../other"]);
    let other = world.folder().join("other");
    let pin = world.read(".git/teof/hub");
    assert_eq!(code(&world, &["init", "--hub", other.to_str().unwrap()]), "hub.behind");
    assert_eq!(world.read(".git/teof/hub"), pin);
}

#[test]
fn a_damaged_pin_and_a_renamed_branch_say_how_to_pin_the_hub_again() {
    let world = world();
    world.ok(&["init", "--agent", "a"]);
    let hub = world.repo.to_str().unwrap();
    world.git(&["branch", "-m", "trunk"]);
    let refused = world.refused(&["session-boot", "--no-sync", "--agent", "a", "--allow-branch-mismatch"]);
    assert_eq!(refused["code"], "hub.switched");
    assert!(refused["next"][0].as_str().unwrap().contains("init --hub"), "{refused}");
    world.ok(&["init", "--hub", hub]);
    world.write(".git/teof/hub", "");
    let refused = world.refused(&["bus", "status"]);
    assert_eq!(refused["code"], "hub.pin_invalid");
    assert!(refused["next"][0].as_str().unwrap().contains("init --hub"), "{refused}");
    world.ok(&["init", "--hub", hub]);
    world.ok(&["bus", "status"]);
}

/// In a repository where a person has staged and unstaged edits, and hooks that fail: the commit holds the set-up
/// alone.
#[test]
fn init_yes_commits_exactly_what_it_wrote_and_proposes_what_it_finds() {
    let world = world();
    world.write("Cargo.toml", "[package]\nname = \"x\"\n");
    world.write("staged.txt", "staged\n");
    world.git(&["add", "staged.txt"]);
    world.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    fs::set_permissions(world.repo.join(".git/hooks/pre-commit"), PermissionsExt::from_mode(0o755)).unwrap();
    let before = world.git(&["status", "--porcelain"]);
    let yes = ["init", "--yes", "--in-place", "--workers", "2", "--role", "coder=claude"];
    let done = world.json(&yes);
    assert_eq!(world.git(&["rev-parse", "HEAD"]), done["commit"].as_str().unwrap());
    let mut wrote: Vec<&str> = done["wrote"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    wrote.sort_unstable();
    assert_eq!(world.git(&["show", "--name-only", "--format=", "HEAD"]).lines().collect::<Vec<_>>(), wrote);
    assert_eq!(world.git(&["status", "--porcelain"]), before, "what was staged and changed is as it was");
    assert!(world.exists("AGENT_MANIFEST.worker-2.json") && !world.exists("AGENT_MANIFEST.worker-3.json"));
    assert!(!world.exists("AGENT_MANIFEST.json"), "no seat is the person's: they act as the operator");
    let settings = world.read("teof.toml");
    assert!(settings.contains("\ntests = [\"cargo test\"]\n"), "{settings}");
    assert!(settings.contains("\n[roles.coder]\nagent = \"claude\"\n"), "{settings}");
    let again = world.json(&yes);
    assert_eq!((&again["wrote"], &again["commit"]), (&serde_json::json!([]), &serde_json::Value::Null));
}

#[test]
fn a_program_that_several_presets_call_plays_one_role() {
    let world = world();
    let bin = world.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("codex"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(bin.join("codex"), PermissionsExt::from_mode(0o755)).unwrap();
    let mut init = world.teof(&["init", "--yes", "--in-place"]);
    let done = init.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let settings = world.read("teof.toml");
    assert!(settings.contains("\n[roles.coder]\nagent = \"codex\"\n"), "{settings}");
    assert!(!settings.contains("codex-app"), "{settings}");
}

#[test]
fn settings_that_are_there_stay_and_those_that_flags_name_are_set() {
    let world = world();
    let own = "[guard]\ntests = [\"make test\"]\n";
    world.write("teof.toml", own);
    let init = ["init", "--workers", "2", "--role", "coder=claude", "--test", "make test"];
    let told = world.ok(&init);
    assert!(told.contains("wrote teof.toml") && told.contains("wrote AGENT_MANIFEST.worker-2.json"), "{told}");
    let with_coder = format!("{own}\n[roles.coder]\nagent = \"claude\"\n");
    assert_eq!(world.read("teof.toml"), with_coder, "the tests stand there, the role is added");
    // What a flag names replaces what is there.
    world.ok(&["init", "--role", "coder=codex", "--test", "true"]);
    assert_eq!(world.read("teof.toml"), with_coder.replace("claude", "codex").replace("make test", "true"));
    world.ok(&["init", "--role", "coder=claude", "--test", "make test"]);
    let several = with_coder.replace("[\"make test\"]", "[\n  \"make test\",\n]");
    world.write("teof.toml", &several);
    let told = world.ok(&["init", "--test", "true"]);
    assert!(told.contains("set there: tests = [\"true\"] under [guard]"), "{told}");
    assert_eq!(world.read("teof.toml"), several);
    world.write("teof.toml", &with_coder);
    let told = world.ok(&["init", "--yes", "--in-place", "--workers", "3"]);
    assert!(world.exists("AGENT_MANIFEST.worker-3.json"), "{told}");
    assert!(told.contains("Not changed: docs/automation/autonomy-consent.json, teof.toml, seat worker-1"), "{told}");
    assert_eq!(world.read("teof.toml"), with_coder, "what is there stays");
    // What a flag does not name is shown as it stands.
    let told = world.ok(&["init", "--yes", "--in-place", "--role", "reviewer=codex"]);
    assert!(told.contains("coder = claude; reviewer = codex") && told.contains("tests    make test\n"), "{told}");
    let told = world.ok(&["init", "--yes", "--in-place", "--test", "true"]);
    assert!(told.contains("coder = claude; reviewer = codex") && told.contains("tests    true\n"), "{told}");
    // An agent whose description is wrong is not called unknown.
    for (wrong, why) in [
        ("[agents.nora]\ncomand = [\"sh\"]\n", "unknown setting comand"),
        ("[agents.nora]\ncommand = [\"sh\"]\n[guard]\n[guard]\n", "there twice"),
        ("[agents.nora]\nargs = [\"x\"]\n", "it has no command"),
    ] {
        world.write("teof.toml", wrong);
        let refused = world.refused(&["init", "--role", "coder=nora"]);
        assert!(refused["reason"].as_str().unwrap().contains(why), "{refused}");
    }
    world.write("teof.toml", "");
    let refused = world.refused(&["init", "--role", "coder=nora"]);
    assert!(refused["next"].to_string().contains("format = "), "{refused}");
}

#[test]
fn init_yes_leaves_a_persons_edits_of_a_shared_file_to_them_and_starts_an_unborn_branch() {
    let world = world();
    world.write(".gitattributes", "*.png binary\n");
    let done = world.json(&["init", "--yes", "--in-place"]);
    assert!(done["notes"].to_string().contains(".gitattributes has your own changes"), "{done}");
    assert_eq!(world.git(&["ls-tree", "HEAD", "--", ".gitattributes"]), "");
    assert!(world.read(".gitattributes").starts_with("*.png binary\n"));

    let empty = world.folder().join("empty");
    world.git(&["init", "-q", "-b", "main", empty.to_str().unwrap()]);
    let root = empty.to_str().unwrap();
    let done = world.json(&["--root", root, "init", "--yes"]);
    let log = world.git(&["-C", root, "log", "--format=%H %s"]);
    assert_eq!(log, format!("{} Set up teof", done["commit"].as_str().unwrap()));
    assert_eq!(world.git(&["-C", root, "status", "--porcelain"]), "");
}

/// With a branch of its own for the record, the person's branch and tree are as they were.
#[test]
fn init_yes_puts_a_new_record_on_its_own_branch() {
    let world = world();
    world.write("draft.txt", "x\n");
    let (head, status) = (world.git(&["rev-parse", "HEAD"]), world.git(&["status", "--porcelain"]));
    let done = world.json(&["init", "--yes", "--role", "coder=claude", "--test", "true"]);
    assert_eq!(done["branch"], "teof/record");
    assert_eq!((world.git(&["rev-parse", "HEAD"]), world.git(&["status", "--porcelain"])), (head, status));
    // The command that it names next works: first the program of the coder has to be there.
    let mut init = world.teof(&["init", "--yes"]);
    let output = init.env("PATH", "/usr/bin:/bin").stdin(std::process::Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("next: install claude, the program of the coder; then: teof do"), "{told}");
    let again = world.json(&["init", "--yes"]);
    assert_eq!((&again["hub"], &again["wrote"]), (&done["hub"], &serde_json::json!([])), "stays where it is");
}

/// After the commands of `docs/install.md` the repository is as it was, and can be set up again.
/// The commands of a page, from one of its fences, with these words replaced.
fn documented(page: &str, heading: &str, fence: usize, replaced: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let (_, rest) = page.split_once(heading).unwrap();
    let block = rest.split("```text\n").nth(fence).unwrap().split_once("```").unwrap().0;
    replaced.iter().fold(block.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn a_backup_and_a_move_as_the_docs_describe_them_keep_what_waits() {
    let world = World::bare_of_teof();
    world.ok(&["init", "--yes"]);
    world.ok(&["task", "add", "X-1", "--title", "Tidy up"]);
    world.ok(&["worktree", "new", "X-1", "--agent", "worker-1"]);
    let branch = world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/agent"]);
    assert!(!branch.is_empty());
    let page = "docs/maintenance.md";
    let names = [("/mnt/backup/app.git", "../backup.git"), ("../app.", "../repo.")];
    // Nothing was changed in the settings.
    let backup = documented(page, "## Back up", 1, &names).replace("git -C", "true git -C");
    world.shell(&backup).expect(0);
    let elsewhere = [("/mnt/backup/app.git app", "../../backup.git repo"), ("cd app", "cd repo")];
    let restore = documented(page, "## Back up", 2, &elsewhere).replace("teof review ", "teof task list | grep X-1 ");
    world
        .shell(&format!("mkdir ../elsewhere; cd ../elsewhere; {}", restore.replace("../../backup", "../backup")))
        .expect(0);
    let restored = world.folder().join("elsewhere/repo");
    assert!(world.git(&["-C", restored.to_str().unwrap(), "branch", "--list", &branch]).contains(&branch));

    let places = [
        ("app app.record app.worktrees /new/place/", "repo repo.record repo.worktrees new/"),
        ("/new/place/app", "new/repo"),
    ];
    let moved = documented(page, "## Move a repository", 1, &places).replace("../app.", "../repo.");
    world
        .shell(&format!("cd ..; mkdir new; {moved}teof task list | grep X-1; teof worktree list | grep {branch}"))
        .expect(0);
}

#[test]
fn the_commands_that_the_docs_name_remove_all_that_teof_made() {
    let world = world();
    let entries = || {
        let names = fs::read_dir(world.folder()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("repo")).collect::<std::collections::BTreeSet<_>>()
    };
    let exclude = || fs::read_to_string(world.repo.join(".git/info/exclude")).unwrap_or_default();
    let refs = || world.git(&["for-each-ref"]);
    let before = (entries(), exclude(), refs(), world.git(&["worktree", "list"]));
    world.ok(&["init", "--yes"]);
    world.ok(&["task", "add", "X-1", "--title", "Tidy up"]);
    world.ok(&["worktree", "new", "X-1", "--agent", "worker-1"]);
    assert_eq!(entries().len(), 3, "the repository, its record and its worktrees: {:?}", entries());
    world.shell(&documented("docs/install.md", "## Remove it from a repository", 1, &[])).expect(0);
    assert_eq!((entries(), exclude(), refs(), world.git(&["worktree", "list"])), before);
    assert!(!world.exists(".git/teof"));
    world.ok(&["init", "--yes"]);
}
