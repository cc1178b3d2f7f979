//! A write that shows an old epoch is rejected, whatever command it is.

use crate::harness::World;

/// `a` had T1 at epoch 1; `b` has it at epoch 2, with a lease that has ended.
fn world() -> World {
    let mut world = World::bare_of_teof();
    world.now = Some("2026-01-05T10:00:00Z".to_owned());
    for seat in ["a", "b"] {
        world.ok(&["init", "--agent", seat]);
    }
    let plan = r#"{"plan_id": "2026-01-05-p", "status": "queued", "steps": [{"id": "S1", "title": "t"}]}"#;
    world.write("_plans/2026-01-05-p.plan.json", plan);
    world.git(&["add", "."]);
    world.git(&["commit", "-qm", "Set up"]);
    for seat in ["a", "b"] {
        let ran = world.teof(&["session-boot", "--no-sync"]).env("TEOF_AGENT", seat).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    as_seat(&world, "a", &["bus", "claim", "T1", "--allow-unassigned"], None).expect(0);
    as_seat(&world, "a", &["bus", "release", "T1", "--status", "released"], None).expect(0);
    as_seat(&world, "b", &["bus", "claim", "T1", "--lease", "1m"], None).expect(0);
    world.now = Some("2026-01-05T10:02:00Z".to_owned());
    world.write("_report/agent/a/e.txt", "e");
    world
}

/// Runs a command for a seat; `inherited` is the epoch of T1 that its worker gave it.
fn as_seat(world: &World, seat: &str, args: &[&str], inherited: Option<&str>) -> crate::harness::Ran {
    let mut command = world.teof(&[args, &["--json"]].concat());
    command.env("TEOF_AGENT", seat);
    if let Some(epoch) = inherited {
        command.env("TEOF_TASK", "T1").env("TEOF_CLAIM_EPOCH", epoch);
    }
    crate::harness::Ran::of(command.output().unwrap(), args)
}

#[test]
fn an_old_epoch_is_rejected_by_every_command_that_writes() {
    let world = world();
    let commands: [&[&str]; 13] = [
        &["receipts", "add", "_report/agent/a/e.txt"],
        &["bus", "takeover", "T1", "--reason", "r"],
        &["bus", "claim", "T1"],
        &["bus", "claim", "T2", "--allow-unassigned"],
        &["bus", "pause", "T1", "--reason", "r"],
        &["bus", "event", "--event", "observation", "--summary", "s"],
        &["bus", "message", "--task", "manager-report", "--type", "note", "--summary", "s"],
        &["task", "add", "T3", "--title", "t"],
        &["task", "assign", "T1", "--engineer", "a", "--no-auto-claim"],
        &["task", "pickup", "T1"],
        &["plan", "attach", "2026-01-05-p", "S1", "--file", "_report/agent/a/e.txt"],
        &["plan", "step", "set", "2026-01-05-p", "S1", "--note", "n"],
        &["plan", "status", "2026-01-05-p", "in_progress"],
    ];
    let before = world.git(&["status", "--porcelain", "-uall"]);
    for command in commands {
        let ran = as_seat(&world, "a", command, Some("1")).expect(3);
        assert!(ran.stderr.contains("\"claim.epoch\""), "{command:?}: {}", ran.stderr);
    }
    for command in ["takeover", "claim", "pause"] {
        let reason: &[&str] = if command == "claim" { &[] } else { &["--reason", "r"] };
        let ran = as_seat(&world, "a", &[&["bus", command, "T1", "--epoch", "1"], reason].concat(), None).expect(3);
        assert!(ran.stderr.contains("\"claim.epoch\""), "{}", ran.stderr);
    }
    let assign = ["task", "assign", "T1", "--engineer", "b", "--no-auto-claim", "--epoch"];
    as_seat(&world, "b", &[&assign[..], &["1"]].concat(), None).expect(3);
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), before, "nothing was written");
    // The current epoch says that what the caller saw still stands.
    as_seat(&world, "b", &[&assign[..], &["2"]].concat(), None).expect(0);
    as_seat(&world, "a", &["bus", "takeover", "T1", "--reason", "r", "--epoch", "2"], None).expect(0);
}

#[test]
fn an_epoch_that_would_not_be_checked_is_refused() {
    let world = world();
    let event = ["bus", "event", "--event", "observation", "--summary", "s", "--epoch", "1"];
    let message = ["bus", "message", "--task", "manager-report", "--type", "note", "--summary", "s", "--epoch", "1"];
    for command in [&event[..], &message, &["conductor", "--epoch", "1"]] {
        let ran = as_seat(&world, "a", command, None).expect(2);
        assert!(ran.stderr.contains("epoch.no_task"), "{command:?}: {}", ran.stderr);
    }
    let ran = as_seat(&world, "a", &["bus", "claim", "T9", "--allow-unassigned", "--epoch", "1"], None).expect(3);
    assert!(ran.stderr.contains("claim.epoch"), "no claim has that epoch: {}", ran.stderr);
}

/// The commands that take `--epoch`, as the page of commands has them.
fn commands_with_an_epoch(world: &World) -> Vec<String> {
    let page = world.ok(&["guide", "commands"]);
    let (mut found, mut command) = (Vec::new(), "");
    for line in page.lines() {
        if let Some(name) = line.trim_start_matches('#').strip_prefix(" teof ").filter(|_| line.starts_with('#')) {
            command = name;
        }
        if line.starts_with("Flags that writing commands share: `--epoch") {
            found.push(command.to_owned());
        }
    }
    found
}

#[test]
fn every_command_that_takes_an_epoch_checks_it_or_refuses_it() {
    let world = world();
    as_seat(&world, "a", &["task", "pickup", "2026-01-05-p-S1", "--plan", "2026-01-05-p"], None).expect(0);
    let plan = "2026-01-05-p";
    // Each with the code of its refusal: an epoch that is not the claim's, or one that nothing would check.
    let said = ["--summary", "s"];
    let calls: [(&str, &[&str], &str); 34] = [
        ("agent save", &["L"], "epoch.no_task"),
        ("bus claim", &["T1"], "claim.epoch"),
        ("bus release", &["T1"], "claim.epoch"),
        ("bus pause", &["T1", "--reason", "r"], "claim.epoch"),
        ("bus takeover", &["T1", "--reason", "r"], "claim.epoch"),
        ("bus event", &["--event", "observation", "--task", "T1", "--summary", "s"], "claim.epoch"),
        ("bus message", &["--task", "T1", "--type", "note", "--summary", "s"], "claim.epoch"),
        ("bus ping", &["--task", "T1", "--summary", "s"], "claim.epoch"),
        ("bus ping", &said, "epoch.no_task"),
        ("bus directive", &["--task", "T1", "--summary", "s"], "claim.epoch"),
        ("conductor", &[], "epoch.no_task"),
        ("plan status", &[plan, "blocked"], "claim.epoch"),
        ("plan step add", &[plan, "--title", "t"], "claim.epoch"),
        ("plan step set", &[plan, "S1", "--note", "n"], "claim.epoch"),
        ("plan attach", &[plan, "S1", "--file", "_report/agent/a/e.txt"], "claim.epoch"),
        ("plan checkpoint", &[plan, "superseded"], "claim.epoch"),
        ("task add", &["T3", "--title", "t"], "epoch"),
        ("task assign", &["T1", "--engineer", "a", "--no-auto-claim"], "claim.epoch"),
        ("task pickup", &["T1"], "claim.epoch"),
        ("task seed", &["T1", "--engineer", "a"], "claim.epoch"),
        ("task sync", &[], "epoch.no_task"),
        ("import", &["beads"], "epoch.no_task"),
        ("session wrap", &["--worked", "w"], "epoch.no_task"),
        ("consensus record", &["D", "--summary", "s"], "epoch.no_task"),
        ("consensus escalate", &[], "epoch.no_task"),
        ("consensus sweep", &[], "epoch.no_task"),
        ("consensus weekly", &[], "epoch.no_task"),
        ("bus heartbeat", &[], "epoch.no_task"),
        ("manager-report", &[], "epoch.no_task"),
        ("seat retire", &["b", "--reason", "r"], "epoch.no_task"),
        ("seat revive", &["b"], "epoch.no_task"),
        ("plan hygiene", &["--apply"], "epoch.no_task"),
        ("dashboard clear", &["a"], "epoch.no_task"),
        ("dashboard reassign", &["a", "--to", "b"], "epoch.no_task"),
    ];
    let untried: Vec<_> =
        commands_with_an_epoch(&world).into_iter().filter(|name| !calls.iter().any(|call| call.0 == name)).collect();
    assert_eq!(untried, [""; 0], "these take an epoch and are not in the table");
    // A seat's own log of refusals is no part of it.
    let state = || world.git(&["status", "--porcelain", "-uall", "--", ".", ":(exclude)*/errors.jsonl"]);
    let before = state();
    let mut wrong = Vec::new();
    for (command, args, code) in calls {
        let words: Vec<_> = command.split(' ').chain(args.iter().copied()).chain(["--epoch", "7"]).collect();
        let ran = as_seat(&world, "a", &words, None);
        if ran.code == 0 || !ran.stderr.contains(code) {
            wrong.push(format!("{words:?}: {} {}", ran.code, ran.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(state(), before, "nothing was written");
}
