//! Git never runs for teof what a worker could have planted in the repository's configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::World;

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
