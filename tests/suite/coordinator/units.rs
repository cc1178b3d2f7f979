//! `teof service`: units that the service managers accept, and a health check that says what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use teof::bus::events;
use teof::hub::Transaction;
use teof::model::event::Event;

use super::service::Service;
use super::*;

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn units_are_accepted_by_the_tools_of_their_service_managers() {
    let world = World::new();
    // A path with everything that a unit treats specially.
    let odd = world.folder().join("a \"b\" 100% $HOME");
    fs::rename(&world.repo, &odd).unwrap();
    let mut world = world;
    world.repo = odd;
    for user in [&[][..], &["--user"]] {
        let unit = world.json(&[&["service", "unit"], user].concat());
        let text = unit["text"].as_str().unwrap();
        let has = |line: &str| text.lines().any(|found| found == line);
        assert!(has("Type=notify") && has("NotifyAccess=main") && has("KillMode=process"), "{text}");
        // Only with the subgroup may the cgroup of a service be divided.
        assert_eq!(has("DelegateSubgroup=coordinator"), has("Delegate=memory pids cpu"), "{text}");
        assert!(has("DelegateSubgroup=coordinator") || text.contains("From systemd 254 on (here: "), "{text}");
        assert!(has("StartLimitBurst=10"), "a person may start it some times, too: {text}");
        assert!(has("TimeoutStopSec=780s"), "the limit of a stop, and what it takes to end the workers: {text}");
        assert_eq!(text.contains("\nUser="), user.is_empty(), "{text}");
        if !is_there("systemd-analyze") {
            crate::harness::skip("a unit of systemd", "systemd-analyze is not installed");
            continue;
        }
        let file = world.folder().join(format!("{}.service", unit["name"].as_str().unwrap()));
        fs::write(&file, text).unwrap();
        let scope = if user.is_empty() { "--system" } else { "--user" };
        let mut verify = Command::new("systemd-analyze");
        verify.args([scope, "--man=no", "--recursive-errors=no", "verify"]).arg(&file);
        verify.env("XDG_RUNTIME_DIR", world.folder());
        let output = verify.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("teof-"), "{said}\n{text}");
    }
    let plist = world.json(&["service", "unit", "--user", "--launchd"])["text"].as_str().unwrap().to_owned();
    assert!(plist.contains("<key>AbandonProcessGroup</key>\n  <true/>"), "{plist}");
    if is_there("python3") {
        let mut python = Command::new("python3");
        python.args(["-c", "import plistlib, sys; print(plistlib.loads(sys.argv[1].encode())['ProgramArguments'][2])"]);
        let output = python.arg(&plist).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), world.repo.to_str().unwrap());
    }
    let world = World::bare_of_teof();
    world.ok(&["init", "--dedicated", "--yes"]);
    assert_eq!(world.json(&["service", "unit", "--user"])["name"], "teof-repo", "not after the hub, repo.record");
}

#[test]
fn install_writes_the_unit_and_never_over_what_somebody_changed() {
    let world = World::new();
    let installed = world.json(&["service", "install", "--user"]);
    let path = PathBuf::from(installed["path"].as_str().unwrap());
    assert!(path.starts_with(world.folder().join("config/systemd/user")), "{path:?}");
    assert!(installed["next"].to_string().contains("systemctl --user enable --now teof-repo"), "{installed}");
    assert_eq!(world.json(&["service", "install", "--user"])["written"], false);

    // An older one that nobody changed is replaced.
    world.write("teof.toml", "[coordinator]\nstop_within = \"1h\"\n");
    assert_eq!(world.json(&["service", "install", "--user"])["written"], true);
    assert!(fs::read_to_string(&path).unwrap().contains("TimeoutStopSec=3780s"));

    let changed = fs::read_to_string(&path).unwrap().replace("RestartSec=15s", "RestartSec=1s");
    fs::write(&path, &changed).unwrap();
    let refused = world.refused(&["service", "install", "--user"]);
    assert_eq!(refused["code"], "service.changed", "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    world.ok(&["service", "install", "--user", "--force"]);
    assert!(fs::read_to_string(&path).unwrap().contains("RestartSec=15s"));
    let mut seat = world.teof(&["service", "install", "--user", "--force"]);
    assert_eq!(seat.env("TEOF_AGENT", "codex-1").output().unwrap().status.code(), Some(6), "only a person may");
}

#[test]
fn health_says_what_is_wrong_with_an_exit_code() {
    let yard = Yard::new();
    let health = || {
        let ran = yard.world.run(&["service", "health", "--json"]);
        (ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap())
    };
    let state = |found: &Value, name: &str| {
        let checks = found["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).map_or(Value::Null, |check| check["state"].clone())
    };
    let (code, found) = health();
    assert_eq!((code, state(&found, "loop"), &found["running"]), (1, json!("wrong"), &json!(false)), "{found:#}");
    let fix = |found: &Value| found["checks"][0]["fix"].as_str().unwrap().to_owned();
    assert!(fix(&found).starts_with("start it: teof run"), "{found:#}");
    yard.world.ok(&["service", "install", "--user"]);
    assert_eq!(fix(&health().1), "start it: systemctl --user enable --now teof-repo", "what install says");

    yard.plan("a", &[&yard.gated("a")]);
    let mut service = Service::start(&yard, &[]);
    until("a job that runs", || yard.ran() == ["a"] && health().1["agents"][0]["last_output"].is_string());
    let (code, found) = health();
    assert_eq!((code, &found["ok"]), (0, &json!(true)), "{found:#}");
    assert!(found["last_wake"].is_string(), "{found:#}");
    let names = ["loop", "wake", "agents", "disk", "clock", "watcher", "settings", "breaker"];
    assert!(names.iter().all(|name| state(&found, name) == "ok"), "{found:#}");
    let shown = yard.world.ok(&["service", "health"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    yard.settings("poll_max = \"soon\"\n");
    service.signal(Signal::HUP);
    service.says("the old settings stay in force");
    yard.settings("min_free_disk = 9000000000000000\n");
    service.signal(Signal::HUP);
    service.says("settings changed: coordinator.min_free_disk");
    let (code, found) = health();
    assert_eq!((code, state(&found, "disk"), state(&found, "settings")), (1, json!("wrong"), json!("ok")), "{found:#}");
    yard.open();
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
}

/// Settings with a receiver that notes what it is told, after `before`.
fn receiver(yard: &Yard, before: &str) -> String {
    let script = yard.world.folder().join("receive");
    let told = yard.world.folder().join("told");
    fs::write(&script, format!("#!/bin/sh\n{before}\ncat >> {}\n", told.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    format!("[[notify]]\ncommand = [{:?}]\ntimeout = \"2s\"\n", script.display().to_string())
}

fn told(yard: &Yard) -> Vec<Value> {
    let text = fs::read_to_string(yard.world.folder().join("told")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn people_are_notified_once_and_a_receiver_that_fails_does_no_harm() {
    let yard = Yard::with("retries = 0\n");
    let settings = yard.world.read("teof.toml");
    yard.world.write("teof.toml", &format!("{settings}{}", receiver(&yard, "")));
    // Anybody can commit such settings; a person must grant them.
    let refused = yard.world.refused(&["notify", "test"]);
    assert_eq!(refused["code"], "notify.not_granted", "{refused}");
    yard.grant();
    yard.world.ok(&["notify", "test"]);
    let test = told(&yard).remove(0);
    assert_eq!((&test["event"], &test["project"], &test["version"]), (&json!("test"), &json!("repo"), &json!(1)));
    let refused = yard.world.refused(&["notify", "test", "receve"]);
    assert!(refused["message"].as_str().unwrap().contains("did you mean receive"), "{refused}");

    yard.plan("good", &[&yard.work("good")]);
    yard.plan("bad", &["echo 'no \u{1b}[31m'; false"]);
    yard.finish_with(1);
    let events =
        |yard: &Yard| told(yard).iter().map(|one| one["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut first = events(&yard);
    first.sort();
    assert_eq!(first, ["completed", "failed", "test"], "{:?}", told(&yard));
    assert!(!told(&yard).iter().any(|one| one["text"].as_str().unwrap().contains('\u{1b}')));
    yard.finish_with(1);
    assert_eq!(events(&yard).len(), 3, "nothing is told again");

    // One that hangs and fails delays nobody, and its failure is told once.
    receiver(&yard, "sleep 600");
    yard.plan("c", &[&yard.work("c")]);
    yard.plan("d", &[&yard.work("d")]);
    let said = yard.finish_with(1);
    assert_eq!(said.matches("cannot notify receive: it took too long").count(), 1, "{said}");
    assert!(yard.ran().contains(&"c".to_owned()) && yard.ran().contains(&"d".to_owned()));
    let listed = yard.world.json(&["notify", "list"]);
    assert_eq!(listed[0]["last"]["failed"], "it took too long", "{listed}");
    let saved: Value = serde_json::from_slice(&fs::read(yard.state()).unwrap()).unwrap();
    assert_eq!(saved["pending"], json!([]), "it is not tried again");
}

#[test]
fn an_urgent_notification_that_was_not_delivered_is_kept_and_sent_again() {
    let yard = Yard::with("retries = 0\n");
    let settings = yard.world.read("teof.toml");
    yard.world.write("teof.toml", &format!("{settings}{}", receiver(&yard, "echo 'no network' >&2; exit 1")));
    yard.grant();
    yard.plan("bad", &["false"]);
    let said = yard.finish_with(1);
    assert_eq!(said.matches("cannot notify receive: ").count(), 1, "{said}");
    assert!(told(&yard).is_empty());
    receiver(&yard, "");
    yard.finish_with(1);
    let told: Vec<_> = told(&yard).iter().map(|one| one["event"].clone()).collect();
    assert_eq!(told, ["failed"], "by the next process at the latest");
}

#[test]
fn status_shows_why_actions_keep_failing() {
    let yard = Yard::new();
    yard.plan("a", &[&yard.work("a")]);
    yard.finish();
    let mut state: Value = serde_json::from_slice(&fs::read(yard.state()).unwrap()).unwrap();
    let job = state["jobs"][0]["id"].clone();
    let keep = |id: u64, failures: u32| {
        let action = json!({"do": "keep", "job": &job, "until": "2026-01-05T08:00:00Z"});
        json!({"id": id, "action": action, "issued": true, "failures": failures, "after": "2026-01-05T08:00:00Z",
            "why": "the hub is on branch other"})
    };
    state["pending"] = json!([keep(900, 5), keep(901, 3), keep(902, 1)]);
    fs::write(yard.state(), state.to_string()).unwrap();
    let told = "The coordinator cannot continue after 5 failures, and retries: the hub is on branch other (j1)";
    let status = yard.world.ok(&["status"]);
    assert_eq!(status.matches(told).count(), 1, "{status}");
    let failing = &yard.world.json(&["status"])["failing"];
    assert_eq!(*failing, json!([{"why": "the hub is on branch other", "failures": 5, "jobs": ["j1"]}]));
}

fn add_events(yard: &Yard, added: impl Iterator<Item = Event>) {
    let hub = yard.world.hub();
    let mut writer = hub.lock("report").unwrap();
    let mut transaction = Transaction::new("report");
    for event in added {
        events::stage(&writer, &mut transaction, &event).unwrap();
    }
    writer.commit(transaction).unwrap();
}

#[test]
fn a_coordinator_that_was_killed_is_told_of_and_its_log_is_kept_as_json() {
    let yard = Yard::new();
    let settings = yard.world.read("teof.toml");
    let log = "[log]\nformat = \"json\"\nto = \"both\"\n";
    yard.world.write("teof.toml", &format!("{settings}{log}{}", receiver(&yard, "")));
    yard.grant();
    yard.plan("a", &[&yard.gated("a")]);
    let mut service = Service::start(&yard, &[]);
    until("the command to run", || yard.ran().len() == 1);
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    let mut service = Service::start(&yard, &[]);
    until("the word that it recovered", || told(&yard).iter().any(|one| one["event"] == "recovered"));
    // What a worker reports while its agent works.
    let job = yard.status()["jobs"][0]["id"].as_str().unwrap().to_owned();
    let alert = |kind: &str| Event::new("codex-1", "alert", "claude is silent").meta("kind", kind).meta("job", &*job);
    let others = || (0..150).map(|n| Event::new("codex-1", "status", format!("event {n}")));
    add_events(&yard, [alert("agent.stuck")].into_iter().chain(others()));
    until("the alert", || told(&yard).iter().any(|one| one["event"] == "stuck" && one["job"] == "j1"));
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    add_events(&yard, [alert("agent.noticed")].into_iter().chain(others()));
    let mut service = Service::start(&yard, &[]);
    until("the alert of the time without a coordinator", || told(&yard).iter().any(|one| one["event"] == "problem"));
    // A delivery that the kill cut short may be repeated; it keeps its time.
    let stuck = told(&yard).into_iter().filter(|one| one["event"] == "stuck").map(|one| one["at"].to_string());
    assert_eq!(stuck.collect::<std::collections::HashSet<_>>().len(), 1, "an alert is passed on once");
    yard.open();
    until("the end of the job", || told(&yard).iter().any(|one| one["event"] == "completed"));
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
    assert!(yard.ran().len() == 1, "the worker outlived it: {:?}", yard.ran());
    let file = fs::read_to_string(yard.world.repo.join(".git/teof/coordinator/coordinator.log")).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["short"] == "j1" && line["at"].is_string()), "{file}");
    let stderr = service.log();
    assert!(stderr.lines().any(|line| line.starts_with("{\"type\":\"progress\"")), "{stderr}");
}

#[test]
fn people_are_told_when_nothing_may_start_any_more() {
    let yard = Yard::new();
    let settings = yard.world.read("teof.toml");
    yard.world.write("teof.toml", &format!("{settings}{}", receiver(&yard, "")));
    yard.grant();
    yard.plan("a", &[&yard.work("a")]);
    let mut service = Service::start(&yard, &[]);
    let is_told = |event: &str, text: &str| {
        told(&yard).iter().any(|one| one["event"] == event && one["text"].as_str().unwrap().contains(text))
    };
    until("the end of the job", || is_told("completed", ""));
    yard.world.ok(&["consent", "revoke"]);
    until("the word about consent", || is_told("problem", "no job starts: "));
    let (claims, aside) = (yard.world.repo.join("_bus/claims"), yard.world.repo.join("_bus/claims.aside"));
    fs::rename(&claims, &aside).unwrap();
    fs::write(&claims, "").unwrap();
    until("the word about the record", || is_told("problem", "cannot read the record"));
    fs::remove_file(&claims).unwrap();
    fs::rename(&aside, &claims).unwrap();
    service.signal(Signal::TERM);
    assert_eq!(service.end(), 0);
    let problems = told(&yard).iter().filter(|one| one["event"] == "problem").count();
    assert_eq!(problems, 2, "each once: {:?}", told(&yard));
}
