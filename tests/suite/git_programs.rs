//! Git never runs for teof what a worker could have planted in the repository's configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use crate::harness::agents::{DONE, Fake};
use crate::harness::{Ran, World};

/// A clone with a remote that is one commit ahead, where files have attributes that name filters and drivers.
fn world() -> (World, PathBuf) {
    let world = World::bare_of_teof();
    world.write(".gitattributes", "*.txt filter=evil merge=evil diff=evil\n_bus/** filter=evil\n");
    world.write("a.txt", "one\n");
    world.ok(&["init", "--agent", "codex-1"]);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    let remote = world.folder().join("remote.git");
    world.git(&["clone", "-q", "--bare", ".", remote.to_str().unwrap()]);
    let other = world.folder().join("other");
    world.git_in(&world.folder(), &["clone", "-q", remote.to_str().unwrap(), other.to_str().unwrap()]);
    fs::write(other.join("a.txt"), "two\n").unwrap();
    world.git_in(&other, &["commit", "-qam", "Go on"]);
    world.git_in(&other, &["push", "-q"]);
    world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    (world, remote)
}

/// A program that says that it ran; as a shell line for every setting that takes one.
fn planted(world: &World) -> String {
    let program = world.folder().join("planted");
    let ran = world.folder().join("ran");
    fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\nexit 1\n", ran.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.display().to_string()
}

fn assert_nothing_ran(world: &World, what: &str) {
    let ran = fs::read_to_string(world.folder().join("ran")).unwrap_or_default();
    assert_eq!(ran, "", "{what}");
}

#[test]
fn no_command_runs_what_the_repositorys_configuration_names() {
    let (world, remote) = world();
    let evil = planted(&world);
    let included = world.folder().join("included");
    fs::write(&included, format!("[filter \"evil\"]\n smudge = {evil}\n clean = {evil}\n")).unwrap();
    let plant: [(&str, &str); 22] = [
        ("filter.evil.smudge", &evil),
        ("filter.evil.clean", &evil),
        ("filter.evil.process", &evil),
        ("merge.evil.driver", &evil),
        ("merge.union.driver", &evil),
        ("diff.evil.textconv", &evil),
        ("diff.evil.command", &evil),
        ("diff.external", &evil),
        ("core.sshCommand", &evil),
        ("core.fsmonitor", &evil),
        ("core.askPass", &evil),
        ("core.pager", &evil),
        ("core.editor", &evil),
        ("core.alternateRefsCommand", &evil),
        ("remote.origin.uploadpack", &evil),
        ("remote.origin.receivepack", &evil),
        ("credential.helper", &evil),
        ("gpg.program", &evil),
        ("include.path", included.to_str().unwrap()),
        ("includeIf.gitdir:/.path", included.to_str().unwrap()),
        ("alias.status", &evil),
        ("remote.origin.vcs", "ext"),
    ];
    for (key, value) in plant {
        world.git(&["config", key, value]);
        for args in [
            &["session-boot", "--agent", "codex-1"][..],
            &["session-boot", "--agent", "codex-1", "--sync-allow-dirty"],
            &["bus", "event", "--event=observation", "--summary=x", "--agent=codex-1"],
            &["bus", "commit"],
            &["doctor"],
            &["preflight"],
            &["scan"],
        ] {
            let ran = world.run(args);
            assert_ne!(ran.code, 70, "{key}: {ran:?}");
            assert_nothing_ran(&world, &format!("{key}: {args:?}"));
        }
        world.git(&["config", "--unset-all", key]);
        fs::write(world.repo.join("a.txt"), "one\n").unwrap();
    }
    for (key, value) in [("filter.evil.smudge", &*evil), ("include.path", included.to_str().unwrap())] {
        world.git(&["config", key, value]);
    }
    fs::write(world.repo.join(".git/hooks/post-checkout"), format!("#!/bin/sh\nexec {evil}\n")).unwrap();
    fs::set_permissions(world.repo.join(".git/hooks/post-checkout"), fs::Permissions::from_mode(0o755)).unwrap();
    world.ok(&["init", "--dedicated"]);
    assert_nothing_ran(&world, "init --dedicated");
    // A remote that is a command line.
    world.git(&["config", "protocol.ext.allow", "always"]);
    world.git(&["config", "remote.origin.url", &format!("ext::{evil}")]);
    assert_ne!(world.run(&["session-boot", "--agent", "codex-1"]).code, 0);
    assert_nothing_ran(&world, "ext::");
    drop(remote);
}

#[test]
fn programs_that_a_person_trusted_run_until_they_are_changed() {
    let (world, _) = world();
    let ran = world.folder().join("ran");
    let smudge = format!("touch {}; cat", ran.display());
    world.git(&["config", "filter.evil.smudge", &smudge]);
    world.git(&["config", "filter.evil.clean", "cat"]);
    let boot = ["session-boot", "--agent", "codex-1"];
    let refusal = world.refused(&boot);
    assert_eq!(refusal["code"], "git.untrusted_programs");
    assert!(refusal["reason"].to_string().contains("filter.evil.smudge"), "{refusal}");
    let (wrong, _) = crate::doctor::codes(&world);
    assert!(wrong.contains(&"git.untrusted_programs".to_owned()), "{wrong:?}");
    let listed = world.json(&["trust", "git", "--dry-run"]);
    assert_eq!((&listed["trusted"], listed["programs"].as_array().unwrap().len()), (&false.into(), 2), "{listed}");
    world.follow(refusal["next"][1].as_str().unwrap());
    assert!(!world.ok(&["consent", "show"]).contains("granted by"), "it permits nothing else");
    world.ok(&["bus", "commit"]);
    world.ok(&boot);
    assert_eq!((world.read("a.txt").as_str(), ran.exists()), ("two\n", true), "the person's filter ran");
    world.git(&["config", "filter.evil.smudge", &format!("{smudge} -")]);
    assert_eq!(world.refused(&boot)["code"], "git.untrusted_programs", "one that was changed is another one");
    // The person's own configuration is theirs.
    world.git(&["config", "--unset", "filter.evil.smudge"]);
    world.git(&["config", "--unset", "filter.evil.clean"]);
    fs::write(world.folder().join("home/.gitconfig"), format!("[filter \"evil\"]\n smudge = \"{smudge}\"\n")).unwrap();
    fs::remove_file(&ran).unwrap();
    let other = world.folder().join("other");
    fs::write(other.join("a.txt"), "three\n").unwrap();
    world.git_in(&other, &["commit", "-qam", "Go on"]);
    world.git_in(&other, &["push", "-q"]);
    world.ok(&boot);
    assert_eq!((world.read("a.txt").as_str(), ran.exists()), ("three\n", true));
}

/// Settings that send git elsewhere, with what a worker would set them to: `other` is a repository of its own.
fn elsewhere(remote: &str, other: &str) -> Vec<(String, String)> {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    vec![
        set("remote.origin.url", other),
        set("remote.origin.pushurl", other),
        set(&format!("url.{other}.insteadOf"), remote),
        set(&format!("url.{other}.pushInsteadOf"), remote),
        set("remote.origin.fetch", "+refs/heads/evil:refs/remotes/origin/main"),
        set("branch.main.merge", "refs/heads/evil"),
        set("remote.pushDefault", "evil"),
        set("http.proxy", "http://127.0.0.1:9"),
        set("http.https://example.org/.sslVerify", "false"),
        set("credential.https://example.org.username", "evil"),
        set("lfs.url", other),
    ]
}

#[test]
fn remotes_are_used_only_as_they_were_when_a_person_trusted_them() {
    let (world, remote) = world();
    let other = world.folder().join("other");
    let boot = ["session-boot", "--agent", "codex-1"];
    // What a worker would have merged.
    world.git_in(&other, &["push", "-q", "origin", "HEAD:refs/heads/evil"]);
    fs::write(other.join("a.txt"), "evil\n").unwrap();
    world.git_in(&other, &["commit", "-qam", "Evil"]);
    world.git_in(&other, &["push", "-q", "origin", "HEAD:refs/heads/evil"]);
    let (remote, other) = (remote.to_str().unwrap().to_owned(), other.to_str().unwrap().to_owned());
    // A branch that no remote has is not what the hub's is updated from, trusted or not.
    world.git(&["branch", "evil"]);
    for (key, value) in [("branch.main.remote", "."), ("branch.main.merge", "refs/heads/evil")] {
        world.git(&["config", key, value]);
    }
    world.ok(&boot);
    assert_eq!(world.read("a.txt"), "two\n", "before a grant the remote is taken as it is");
    for key in ["branch.main.remote", "branch.main.merge"] {
        world.git(&["config", "--unset", key]);
    }
    world.ok(&["consent", "grant", "--max-iterations", "1"]);
    world.git(&["push", "-q", "-u", "origin", "HEAD:refs/heads/main", "--force"]);
    world.ok(&boot);
    let included = world.folder().join("included");
    for (key, value) in elsewhere(&remote, &other) {
        let text = world.read(".git/config");
        world.git(&["config", "-f", included.to_str().unwrap(), &key, &value]);
        for by_include in [false, true] {
            match by_include {
                false => world.git(&["config", "--replace-all", &key, &value]),
                true => world.git(&["config", "include.path", included.to_str().unwrap()]),
            };
            let refusal = world.refused(&boot);
            assert_eq!(refusal["code"], "git.untrusted_remotes", "{key}: {refusal}");
            world.write(".git/config", &text);
        }
        fs::remove_file(&included).unwrap();
        world.ok(&boot);
    }
    assert_eq!(world.read("a.txt"), "two\n");
    world.git(&["config", "remote.origin.url", &other]);
    let (wrong, _) = crate::doctor::codes(&world);
    assert!(wrong.contains(&"git.untrusted_remotes".to_owned()), "{wrong:?}");
    let refusal = world.refused(&boot);
    assert!(refusal["reason"].to_string().contains(&other), "{refusal}");
    let steps: Vec<&str> = refusal["next"].as_array().unwrap().iter().filter_map(|step| step.as_str()).collect();
    let listed: serde_json::Value = {
        let ran = world.run(&["trust", "git", "--dry-run", "--json"]);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    assert_eq!(listed["trusted"], false, "{listed}");
    assert!(listed["remotes"].to_string().contains(&other), "{listed}");
    world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
    world.follow(steps[1]);
    world.ok(&boot);
    assert_eq!(world.read("a.txt"), "evil\n", "the person said that it is theirs");
}

#[test]
fn a_remote_that_never_answers_is_given_up_and_named() {
    let (world, _) = world();
    world.git(&["remote", "set-url", "origin", "ssh://git@localhost/x.git"]);
    let ssh = world.folder().join("ssh");
    fs::write(&ssh, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.teof(&["session-boot", "--agent", "codex-1"]);
    command.env("GIT_SSH_COMMAND", &ssh).env("TEOF_GIT_FETCH_TIMEOUT", "2s");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("Waiting for git fetch origin") && stderr.contains("--no-sync"), "{stderr}");
}

/// Settings that name a program, and that a worker could write into the repository's configuration. The first list
/// holds those that keep a sync from being made until a person trusts them.
const REFUSED: [&str; 33] = [
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "merge.evil.driver",
    "merge.union.driver",
    "diff.evil.textconv",
    "diff.evil.command",
    "diff.external",
    "core.sshCommand",
    "core.gitProxy",
    "core.askPass",
    "core.alternateRefsCommand",
    "remote.origin.uploadpack",
    "remote.origin.receivepack",
    "credential.helper",
    "credential.https://x.invalid.helper",
    "gpg.program",
    "gpg.openpgp.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "gpg.ssh.defaultKeyCommand",
    "lfs.standalonetransferagent",
    "lfs.customtransfer.evil.path",
    "lfs.extension.evil.clean",
    "lfs.extension.evil.smudge",
    "gc.recentObjectsHook",
    "hook.evil.command",
    "trailer.evil.command",
    "trailer.evil.cmd",
    "interactive.diffFilter",
    "uploadpack.packObjectsHook",
    "sequence.editor",
    "tar.evil.command",
];
const OFF: [&str; 12] = [
    "core.fsmonitor",
    "core.editor",
    "core.pager",
    "pager.status",
    "pager.log",
    "alias.status",
    "alias.commit-tree",
    "mergetool.evil.cmd",
    "difftool.evil.cmd",
    "browser.evil.cmd",
    "man.evil.cmd",
    "protocol.ext.command",
];

/// A program for a key that says that it ran.
fn planted_as(world: &World, key: &str) -> String {
    let program = world.folder().join(format!("planted {}", key.replace('/', "_")));
    let ran = world.folder().join("ran");
    fs::write(&program, format!("#!/bin/sh\necho '{key}' >> '{}'\nexit 1\n", ran.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("'{}'", program.display())
}

fn hook(folder: &std::path::Path, program: &str) {
    fs::create_dir_all(folder).unwrap();
    for name in ["pre-commit", "post-checkout", "post-merge", "post-index-change", "reference-transaction", "pre-push"]
    {
        fs::write(folder.join(name), format!("#!/bin/sh\nexec {program}\n")).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Everything that names no setting of a program: attributes, hooks, templates, submodules, addresses, the caller's
/// environment.
fn plant_around(world: &World, submodule: bool) -> Vec<(&'static str, String)> {
    let (git, evil) = (world.repo.join(".git"), planted_as(world, "hook"));
    fs::create_dir_all(git.join("info")).unwrap();
    fs::write(git.join("info/attributes"), "*.txt filter=evil diff=evil merge=evil\n").unwrap();
    let attributes = world.folder().join("attributes");
    fs::write(&attributes, "*.txt filter=evil diff=evil merge=evil\n").unwrap();
    let (hooks, template) = (world.folder().join("hooks"), world.folder().join("template"));
    for folder in [git.join("hooks"), hooks.clone(), template.join("hooks")] {
        hook(&folder, &evil);
    }
    world.git(&["config", "core.attributesFile", attributes.to_str().unwrap()]);
    world.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    world.git(&["config", "init.templateDir", template.to_str().unwrap()]);
    world.git(&["config", "protocol.ext.allow", "always"]);
    world.git(&["config", "protocol.allow", "always"]);
    world.git(&["config", "commit.gpgSign", "true"]);
    if submodule {
        world.git(&["config", "submodule.evil.update", &format!("!{}", planted_as(world, "submodule.update"))]);
    }
    let own = |key: &'static str| (key, planted_as(world, key));
    let config = format!("'core.fsmonitor={}'", planted_as(world, "GIT_CONFIG_PARAMETERS").trim_matches('\''));
    vec![
        own("GIT_EXTERNAL_DIFF"),
        own("GIT_EDITOR"),
        own("GIT_SEQUENCE_EDITOR"),
        own("GIT_PAGER"),
        ("GIT_CONFIG_PARAMETERS", config),
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", "core.fsmonitor".to_owned()),
        ("GIT_CONFIG_VALUE_0", planted_as(world, "GIT_CONFIG_VALUE_0")),
        ("GIT_TEMPLATE_DIR", template.display().to_string()),
    ]
}

#[test]
fn planted_programs_are_never_run() {
    for (settings, extension) in [(&REFUSED[..], "config"), (&REFUSED[..], "config.worktree"), (&OFF[..], "config")] {
        let (world, _) = world();
        let coder = Fake::new(
            &world.folder(),
            "coder",
            &format!(
                "echo two >> code.c; mkdir -p sub; echo x > sub/a.h; echo '* filter=evil diff=evil merge=evil' > sub/.gitattributes\n{}",
                DONE
            ),
        );
        let head = "[coordinator]\nretries = 0\n[pipeline]\nstages = [\"coder\"]\n[roles.coder]\nagent = \"coder\"\n";
        world.write("teof.toml", &format!("{head}{}", coder.settings()));
        world.ok(&["init", "--agent", "manager"]);
        world.ok(&["session-boot", "--agent", "codex-1", "--no-sync"]);
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Settings"]);
        world.ok(&["consent", "grant", "--max-iterations", "5"]);
        if extension == "config.worktree" {
            world.git(&["config", "extensions.worktreeConfig", "true"]);
        }
        for key in settings {
            let scope = if extension == "config.worktree" { "--worktree" } else { "--local" };
            world.git(&["config", scope, key, &planted_as(&world, key)]);
        }
        let environment = plant_around(&world, settings.len() == OFF.len());
        let call = |args: &[&str]| {
            let mut command = world.teof(args);
            command.envs(environment.iter().map(|(key, value)| (*key, value.as_str())));
            let ran = Ran::of(command.stdin(Stdio::null()).output().unwrap(), args);
            assert_ne!(ran.code, 70, "{ran:?}");
            assert_nothing_ran(&world, &format!("{extension}: {args:?}"));
            ran
        };
        call(&["coordinator", "submit", "--objective", "Append two", "--test", "true"]).expect(0);
        let ran = call(&["coordinator", "run", "--until-idle"]);
        let listed = call(&["review", "list", "--json"]).expect(0);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        let job = listed[0]["job"].as_str().unwrap_or_else(|| panic!("no work to decide about: {ran:?}")).to_owned();
        for args in [
            &["review", "show", &job, "--diff"][..],
            &["review", "approve", &job],
            &["review", "revert", &job],
            &["review", "reject", &job, "--note", "n"],
            &["session-boot", "--agent", "codex-1"],
            &["session-boot", "--agent", "codex-1", "--sync-allow-dirty"],
            &["bus", "event", "--event=observation", "--summary=x", "--agent=codex-1"],
            &["bus", "commit"],
            &["bus", "verify"],
            &["bus", "restore"],
            &["worktree", "list"],
            &["worktree", "clean", "--all-finished"],
            &["agent", "save", "aside", "--allow-dirty", "--agent", "codex-1"],
            &["receipts", "verify"],
            &["plan", "validate", "--strict"],
            &["preflight", "full"],
            &["scan"],
            &["doctor", "--fix"],
            &["trust", "git", "--dry-run"],
            &["init", "--dedicated"],
        ] {
            call(args);
        }
        // A remote that is a command line, by its own address or by a rule that rewrites it.
        let ext = format!("ext::{}", planted_as(&world, "ext"));
        world.git(&["config", &format!("url.{ext}.insteadOf"), world.folder().to_str().unwrap()]);
        call(&["session-boot", "--agent", "codex-1"]);
        world.git(&["config", "remote.origin.url", &ext]);
        call(&["session-boot", "--agent", "codex-1"]);
    }
}
