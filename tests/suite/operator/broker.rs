//! The worker performs the writes of its run's programs: what they print is what they print without it, and what a
//! hostile program sends is refused.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::lock::FileLock;
use teof::exec::broker::{MAX_REQUEST, Reply, call};

use super::attack::Fort;
use crate::harness::until;

/// Each line is a name and a command of a run. `$F` is a folder of files for them.
const SAME: &str = r#"
event bus event --event status --summary half --task QUEUE-001 --receipt src/none.txt
event_json bus event --event status --summary half --task QUEUE-001 --json
event_quiet --quiet bus event --event observation --summary=--json --extra a=b -q
message bus message --task QUEUE-002 --type question --summary x --note y
message_typo bus message --task QUEUE-002 --type hlod --summary x --json
ping bus ping --summary here --message-task manager-report
directive bus directive --task RELEASE-1 --summary x
inbox bus inbox
inbox_json bus inbox --json --limit 0
inbox_read bus inbox --mark-read --quiet
note plan step set 2026-01-05-docs S1 --note half
attach plan attach 2026-01-05-docs S1 --file _report/agent/codex-1/x.txt
scan scan
other_seat bus event --event observation --summary x --agent codex-2
other_task bus event --event complete --summary x --task QUEUE-002
other_step plan step set 2026-01-05-docs S2 --note x
old_epoch bus event --event status --summary x --task QUEUE-001 --epoch 2 --json
no_file receipts add _report/agent/codex-1/none.txt
not_mine receipts add src/code.txt
read bus status
decision consent grant
usage bus event --evnt x
"#;

#[test]
fn what_a_run_writes_is_written_by_its_worker_and_looks_the_same() {
    let fort = Fort::new();
    fort.world.write("_report/agent/codex-1/x.txt", "x\n");
    fort.world.git(&["add", "."]);
    fort.world.git(&["commit", "-qm", "A receipt"]);
    let lines: Vec<_> = SAME.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut body = String::from(
        r#"
both() {
  name=$1; shift
  $T "$@" > $B/with.$name 2>&1 < $B/in; echo "with.$name $?" >> $B/ended
  env -u TEOF_BROKER $T "$@" > $B/alone.$name 2>&1 < $B/in; echo "alone.$name $?" >> $B/ended
}
printf '{"event":"note","summary":"one"}\n{"event":"note","summary":"two"}\n' > $B/in
both batch bus event --batch --json
sed -i 's/two/two","task":"QUEUE-002/' $B/in
both batch_refused bus event --batch
: > $B/in
both batch_empty bus event --batch
"#,
    );
    body += &lines.iter().map(|(name, command)| format!("both {name} {command}\n")).collect::<String>();
    // Without the worker, an old epoch of the environment is refused, and so is a receipt that is not in the hub.
    body += r#"
try with.epoch env TEOF_CLAIM_EPOCH=1 $T bus event --event status --summary current --task QUEUE-001
try with.left bash -c 'echo proof > $TEOF_RECEIPTS_DIR/left.txt && '"$T"' receipts add $TEOF_RECEIPTS_DIR/left.txt'
mkdir -p _report/agent/codex-1; echo mine > _report/agent/codex-1/own.txt
try with.claim $T bus claim QUEUE-001 --notes half
try with.add $T receipts add _report/agent/codex-1/x.txt --json
echo other > $TEOF_RECEIPTS_DIR/x.txt
try with.other $T receipts add $TEOF_RECEIPTS_DIR/x.txt --json
try with.again $T receipts add $TEOF_RECEIPTS_DIR/x.txt --json
try with.own $T receipts add _report/agent/codex-1/own.txt
try with.inbox_file $T bus inbox --receipt build/inbox.txt --json
try with.gone env TEOF_BROKER=/nonexistent $T bus event --event status --summary gone --task QUEUE-001 --json
"#;
    fort.run(&fort.script(&body)).expect("an outcome");
    let ended = fort.ended();
    let masked = |name: &str| {
        let text = fort.text(name);
        let is_id = |word: &str| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit());
        let mut words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
        });
        words.by_ref().collect::<String>()
    };
    let names = ["batch", "batch_refused", "batch_empty"].into_iter().chain(lines.iter().map(|(name, _)| *name));
    let said = |name: String| (ended.get(&name).copied(), masked(&name));
    let pairs = names.map(|name| (name, said(format!("with.{name}")), said(format!("alone.{name}"))));
    let different: Vec<_> = pairs.filter(|(_, with, alone)| with != alone || with.0.is_none()).collect();
    assert!(different.is_empty(), "{different:#?}");
    for (name, code) in [("with.event", 0), ("with.other_seat", 1), ("with.old_epoch", 3), ("with.usage", 2)] {
        assert_eq!(ended.get(name), Some(&code), "{name}: {}", fort.text(name));
    }
    for (name, code) in [
        ("with.epoch", 0),
        ("with.add", 0),
        ("with.claim", 0),
        ("with.left", 0),
        ("with.other", 0),
        ("with.again", 0),
        ("with.own", 0),
        ("with.inbox_file", 6),
        ("with.gone", 6),
    ] {
        assert_eq!(ended.get(name), Some(&code), "{name}: {}", fort.said(name));
    }
    assert!(fort.said("with.gone").contains("broker.gone") && fort.said("with.inbox_file").contains("broker.flag"));
    assert!(fort.said("with.add").contains("\"path\": \"_report/agent/codex-1/x.txt\""), "{}", fort.said("with.add"));
    // A file of that name with another content is not confirmed in its place.
    let beside = "_report/agent/codex-1/x-run-1.txt";
    let other = fort.said("with.other");
    assert!(other.contains(&format!("\"path\": \"{beside}\"")), "{other}");
    let of_run = fs::read_dir(fort.world.repo.join("_report/agent/codex-1")).unwrap().flatten();
    let names = of_run.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name.starts_with("x"));
    assert_eq!(names.count(), 2, "the same file again needs no other name");
    let kept = [beside, "_report/agent/codex-1/x.txt"].map(|path| fort.world.read(path));
    assert_eq!(kept, ["other\n", "x\n"]);
    assert_eq!(fort.world.read("_report/agent/codex-1/left.txt"), "proof\n");
    assert_eq!(fort.world.read("_report/agent/codex-1/own.txt"), "mine\n");
    fort.world.ok(&["receipts", "verify"]);
    let events = fort.world.lines("_bus/events/events.jsonl");
    let with = |summary: &str| events.iter().filter(|event| event["summary"] == summary).collect::<Vec<_>>();
    let written = [with("half"), with("current")].concat();
    assert_eq!(written.len(), 5, "{events:?}");
    assert!(written.iter().all(|event| event["agent_id"] == "codex-1" && event["meta"]["epoch"] == 3), "{written:?}");
    assert!(with("gone").is_empty());
}

#[test]
fn a_receipt_that_the_hub_has_is_named_and_not_read_again() {
    let fort = Fort::new();
    let folder = fort.world.repo.join("_report/agent");
    fs::create_dir_all(folder.join("codex-1")).unwrap();
    fs::create_dir_all(folder.join("codex-2")).unwrap();
    fs::write(folder.join("codex-1/shot.png"), b"\x89PNG\xff").unwrap();
    fs::write(folder.join("codex-1/large.txt"), "x".repeat(8 << 20)).unwrap();
    fs::write(folder.join("codex-2/theirs.txt"), "theirs\n").unwrap();
    fort.world.git(&["add", "."]);
    fort.world.git(&["commit", "-qm", "Receipts"]);
    fs::write(folder.join("codex-1/later.bin"), b"\xff later").unwrap();
    let body = r#"
try png $T receipts add _report/agent/codex-1/shot.png --json
try large $T receipts add _report/agent/codex-1/large.txt --json
cp _report/agent/codex-1/shot.png $TEOF_RECEIPTS_DIR/shot.png
try copied $T receipts add $TEOF_RECEIPTS_DIR/shot.png --json
echo changed >> _report/agent/codex-2/theirs.txt
try theirs $T receipts add _report/agent/codex-2/theirs.txt
printf '\377 later' > _report/agent/codex-1/later.bin
try later $T receipts add _report/agent/codex-1/later.bin --json
printf '\377 other' > _report/agent/codex-1/later.bin
try binary $T receipts add _report/agent/codex-1/later.bin
git checkout -q . ; rm _report/agent/codex-1/later.bin
"#;
    fort.run(&fort.script(body)).expect("an outcome");
    let ended = fort.ended();
    for (name, code) in [("png", 0), ("large", 0), ("copied", 0), ("theirs", 0), ("later", 0), ("binary", 1)] {
        assert_eq!(ended.get(name), Some(&code), "{name}: {}", fort.said(name));
    }
    assert!(fort.said("binary").contains("is not text"), "{}", fort.said("binary"));
    let names =
        |seat: &str| fs::read_dir(folder.join(seat)).unwrap().flatten().map(|one| one.file_name()).collect::<Vec<_>>();
    let doubles: Vec<_> = names("codex-1")
        .into_iter()
        .chain(names("codex-2"))
        .filter(|name| name.to_string_lossy().contains("run-1"))
        .collect();
    assert!(doubles.is_empty(), "{doubles:?}");
    fort.world.ok(&["receipts", "verify"]);
}

/// What a program of a run may send and what comes of it: the answer, or the exit code.
fn abuse() -> Vec<(&'static str, Value, Value)> {
    let call = |verb: &str, flags: &[(&str, Option<&str>)], words: &[&str]| {
        json!({"root": std::env::var("TEOF_ROOT").unwrap(), "agent": null, "display": [],
            "request": {"verb": verb, "flags": flags, "words": words}})
    };
    let event = |flags: &[(&str, Option<&str>)]| {
        let own = [("event", Some("observation")), ("summary", Some("abuse"))];
        call("bus event", &[&own[..], flags].concat(), &[])
    };
    let with = |mut call: Value, key: &str, value: Value| {
        call[key] = value;
        call
    };
    let (refused, other) = (json!("refused"), json!("other_hub"));
    let of_task = |task, kind| [("task", Some(task)), ("event", Some(kind)), ("summary", Some("abuse"))];
    let step = |plan, step| call("plan step set", &[("note", Some("x"))], &[plan, step]);
    vec![
        ("consent", call("consent grant", &[], &[]), refused.clone()),
        ("approve", call("approve", &[], &["any"]), refused.clone()),
        ("boot", call("session-boot", &[("agent", Some("codex-2"))], &[]), refused.clone()),
        ("foreman", call("foreman run", &[], &["x.json", "--execute"]), refused.clone()),
        ("takeover", call("bus takeover", &[], &["QUEUE-002"]), refused.clone()),
        ("release", call("bus release", &[], &["QUEUE-001"]), refused.clone()),
        ("prefix", call("bus", &[], &["event"]), refused.clone()),
        ("none", call("", &[], &["consent", "grant"]), refused.clone()),
        ("hidden", call("__launch", &[], &["1", "-", "/bin/true"]), refused.clone()),
        ("shell", call("bus event; consent grant", &[], &[]), refused.clone()),
        ("root", event(&[("root", Some("/"))]), refused.clone()),
        ("flag", event(&[("consensus-decision", Some("d"))]), refused.clone()),
        ("two_flags", event(&[("json --root /", None)]), refused.clone()),
        ("assigned", event(&[("json=x", None)]), refused.clone()),
        ("switch_value", event(&[("batch", Some("x"))]), refused.clone()),
        ("no_value", event(&[("task", None)]), refused.clone()),
        ("word", call("bus inbox", &[], &["x"]), refused.clone()),
        ("zero", event(&[("task", Some("a\0b"))]), refused.clone()),
        ("inbox_file", call("bus inbox", &[("state", Some("src/code.txt"))], &[]), refused.clone()),
        (
            "step_status",
            call("plan step set", &[("status", Some("done"))], &["2026-01-05-docs", "S1"]),
            refused.clone(),
        ),
        ("status", call("bus claim", &[("status", Some("done"))], &["QUEUE-001"]), refused.clone()),
        ("loader", with(event(&[]), "display", json!([["LD_PRELOAD", "/tmp/x.so"]])), refused.clone()),
        ("control", with(event(&[]), "display", json!([["TERM", "a\u{1b}[2J"]])), refused.clone()),
        ("seat_path", with(event(&[]), "agent", json!("../codex-2")), refused.clone()),
        ("field", with(event(&[]), "env", json!({"PATH": "/tmp"})), refused.clone()),
        ("hub", with(event(&[]), "root", json!("/")), other.clone()),
        ("hub_relative", with(event(&[]), "root", json!(".")), other),
        ("seat", with(event(&[]), "agent", json!("codex-2")), json!(6)),
        ("seat_flag", event(&[("agent", Some("codex-2"))]), json!(1)),
        ("operator", event(&[("agent", Some("operator"))]), json!(6)),
        ("task", event(&[("task", Some("QUEUE-002"))]), json!(6)),
        ("claim", call("bus claim", &[("allow-unassigned", None)], &["QUEUE-002"]), json!(6)),
        (
            "hold",
            call("bus message", &[("task", Some("QUEUE-002")), ("type", Some("hold")), ("summary", Some("x"))], &[]),
            json!(6),
        ),
        (
            "lift",
            call("bus message", &[("task", Some("QUEUE-001")), ("type", Some("lift")), ("summary", Some("x"))], &[]),
            json!(6),
        ),
        (
            "epoch",
            call("bus event", &[&of_task("QUEUE-001", "status")[..], &[("epoch", Some("2"))]].concat(), &[]),
            json!(3),
        ),
        ("other_plan", step("2026-01-06-other", "S1"), json!(6)),
        ("other_step", step("2026-01-05-docs", "S2"), json!(6)),
    ]
}

/// Receipts that must not enter, as a program of the run names them: each is made by a line of shell first.
const RECEIPTS: [(&str, &str, &str); 12] = [
    ("link", "ln -s /etc/hostname $R/link", "$R/link"),
    ("link_in_worktree", "ln -s /etc/hostname _report/agent/codex-1/link", "_report/agent/codex-1/link"),
    ("folder_link", "ln -s /etc $R/etc", "$R/etc/hostname"),
    ("proc", "ln -s /proc/self/environ $R/environ", "$R/environ"),
    ("outside", "true", "/etc/hostname"),
    ("above", "true", "$R/../metadata.json"),
    ("fifo", "mkfifo $R/fifo", "$R/fifo"),
    ("hard", "ln $B/in $R/hard", "$R/hard"),
    ("folder", "mkdir $R/folder", "$R/folder"),
    ("large", "head -c 3000000 /dev/zero | tr '\\0' x > $R/large", "$R/large"),
    ("other_seat", "mkdir -p _report/agent/codex-2; echo x > _report/agent/codex-2/x", "_report/agent/codex-2/x"),
    (
        "forged",
        "mkdir -p _report/agent/codex-1/runs; echo x > _report/agent/codex-1/runs/x",
        "_report/agent/codex-1/runs/x",
    ),
];

/// The socket of the run, from within.
fn socket() -> PathBuf {
    std::env::var("TEOF_BROKER").unwrap().into()
}

fn send(bytes: &[u8], files: &[BorrowedFd]) -> Reply {
    call(&socket(), bytes, files, Duration::from_secs(100)).unwrap()
}

/// What the worker answers to a call, with an id of its own.
fn answer(id: &str, mut call: Value) -> Value {
    call["id"] = json!(id);
    let nothing = File::options().write(true).open("/dev/null").unwrap();
    match send(call.to_string().as_bytes(), &[nothing.as_fd(), nothing.as_fd()]) {
        Reply::Answer(answer) => serde_json::from_slice(&answer).unwrap(),
        other => json!(format!("{other:?}")),
    }
}

/// A connection that sends these bytes and nothing else; what comes back.
fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

/// What a hostile program does; started inside a run by the test below.
#[test]
#[ignore = "a program of a run"]
fn program_that_abuses_the_broker() {
    for (name, call, wanted) in abuse() {
        let answer = answer(name, call);
        let got = if answer["answer"] == "done" { &answer["exit"] } else { &answer["answer"] };
        assert_eq!(got, &wanted, "{name}: {answer}");
    }
    for bytes in [&b""[..], b"null", b"{}", b"\xff\xfe", &[b'['; 100_000], br#"{"id":"a"}"#] {
        let Reply::Answer(said) = send(bytes, &[]) else { panic!("{bytes:?}") };
        assert!(String::from_utf8(said).unwrap().contains("refused"));
    }
    let header = |length: u32| [&b"teof"[..], &length.to_be_bytes()].concat();
    let too_large = [header(MAX_REQUEST as u32 + 1), vec![b'x'; 100]].concat();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), header(u32::MAX), too_large, header(100), b"te".to_vec()] {
        assert_eq!(raw(&bytes).last(), Some(&b'u'), "{bytes:?}");
    }
    // Without files for the output, and with one that cannot be written.
    let event = json!({"id": "files", "root": std::env::var("TEOF_ROOT").unwrap(), "agent": null, "display": [],
        "request": {"verb": "bus event", "flags": [["event", "observation"], ["summary", "once"]], "words": []}});
    let Reply::Answer(said) = send(event.to_string().as_bytes(), &[]) else { panic!() };
    assert!(String::from_utf8(said).unwrap().contains("refused"));
    let unwritable = File::open("/dev/null").unwrap();
    let Reply::Answer(said) = send(event.to_string().as_bytes(), &[unwritable.as_fd(), unwritable.as_fd()]) else {
        panic!()
    };
    assert_eq!(serde_json::from_slice::<Value>(&said).unwrap()["exit"], 1);
    // The same request again is not performed again, and its id is not that of another.
    assert_eq!(answer("files", event.clone())["exit"], 1);
    let other = json!({"root": event["root"], "agent": null, "display": [], "request": {"verb": "bus commit", "flags": [], "words": []}});
    assert_eq!(answer("files", other)["answer"], "refused");
    // More connections than are served: the rest are told to come back, and are served when there is room.
    let idle: Vec<_> = (0..900).map_while(|_| UnixStream::connect(socket()).ok()).collect();
    assert!(idle.len() > 100, "{}", idle.len());
    let busy = |reply: &Reply| *reply == Reply::Busy;
    assert!(busy(&send(event.to_string().as_bytes(), &[])));
    drop(idle);
    until("the broker serves again", || !busy(&send(event.to_string().as_bytes(), &[])));
}

#[test]
fn a_program_of_a_run_gets_nothing_else_out_of_the_worker() {
    let fort = Fort::new();
    let mut body = format!(
        "SUITE={}; R=$TEOF_RECEIPTS_DIR; echo x > $B/in; mkdir -p _report/agent/codex-1\n",
        std::env::current_exe().unwrap().display()
    );
    body += "try program $SUITE --ignored --exact operator::broker::program_that_abuses_the_broker --nocapture\n";
    for (name, make, path) in RECEIPTS {
        body += &format!("{make}\ntry receipt-{name} $T receipts add {path}\n");
    }
    body += "for i in $(seq 12); do $T bus event --event note --summary many > $B/many.$i 2>&1 & done; wait\n";
    // From here on somebody outside knows the socket.
    body += "echo $TEOF_BROKER > $B/socket.part; mv $B/socket.part $B/socket\n";
    body += "for i in $(seq 1200); do test -e $B/go && break; sleep 0.1; done\n";
    let script = fort.script(&body);
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            until("the socket is known", || fort.folder.join("socket").exists());
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| outside(&fort)));
            fs::write(fort.folder.join("go"), "").unwrap();
            result.unwrap();
        });
        fort.run(&script).expect("an outcome");
        stranger.join().unwrap();
    });
    let ended = fort.ended();
    assert_eq!(ended.get("program"), Some(&0), "{}", fort.said("program"));
    for (name, ..) in RECEIPTS {
        let name = format!("receipt-{name}");
        assert!(ended.get(&name).is_some_and(|code| [1, 2, 4, 6].contains(code)), "{name}: {}", fort.said(&name));
    }
    let ledger = fort.world.read("_report/receipts.jsonl");
    assert!(!ledger.contains("hostname") && !ledger.contains("environ") && !ledger.contains("codex-2"), "{ledger}");
    let events = fort.world.lines("_bus/events/events.jsonl");
    let count = |summary: &str| events.iter().filter(|event| event["summary"] == summary).count();
    assert_eq!((count("once"), count("many"), count("abuse"), count("stranger")), (1, 12, 0, 0), "{events:?}");
    assert!(events.iter().all(|event| event["agent_id"] != "codex-2"));
    fort.world.ok(&["bus", "verify"]);
    let socket = fort.text("socket");
    assert!(!Path::new(socket.trim()).parent().unwrap().exists(), "the folder is removed with the run");
}

/// What a program gets that no worker started.
fn outside(fort: &Fort) {
    let socket = fort.text("socket").trim().to_owned();
    let mut stream = UnixStream::connect(&socket).unwrap();
    let mut said = Vec::new();
    let _ = stream.write_all(b"teof\0\0\0\x02{}");
    let _ = stream.read_to_end(&mut said);
    assert_eq!(said.last(), Some(&b's'), "{said:?}");
    // In a person's shell the variable is ignored; one that also says that this is a run redirects nothing.
    let command = |run: bool| {
        let mut command = fort.world.teof(&["bus", "event", "--event", "note", "--summary", "stranger", "--json"]);
        command.args(["--agent", if run { "codex-1" } else { "manager" }]).env("TEOF_BROKER", &socket);
        if run { command.env("TEOF_RUN", "run-1") } else { &mut command }.output().unwrap()
    };
    let ended = command(true);
    assert_eq!(ended.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("broker.not_of_run"), "{ended:?}");
    let mut direct = fort.world.teof(&["bus", "event", "--event", "note", "--summary", "direct"]);
    direct.args(["--agent", "manager"]).env("TEOF_BROKER", "/nonexistent");
    assert_eq!(direct.output().unwrap().status.code(), Some(0));
}

#[test]
fn nothing_is_written_for_a_worker_that_is_killed_before_it_answers() {
    let fort = Fort::new();
    let body = "echo $PPID > $B/worker.part; mv $B/worker.part $B/worker\n\
        try sent $T bus event --event status --summary once --task QUEUE-001\nsleep 100\n";
    let script = fort.script(body);
    let lock = fort.world.repo.join(".git/teof/locks/bus.lock");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| fort.run(&script));
        until("the worker is known", || fort.folder.join("worker").exists());
        let held = FileLock::acquire(&lock, Duration::from_secs(60), "lock.wait", "a test").unwrap();
        let worker = fort.text("worker").trim().to_owned();
        let mut performing = None;
        until("the worker performs it", || {
            performing = children(&worker).into_iter().find(|pid| arguments(pid).contains("--summary=once"));
            performing.is_some()
        });
        let performing = performing.unwrap();
        assert!(Command::new("kill").args(["-9", &worker]).status().unwrap().success());
        until("the command ends with its worker", || !arguments(&performing).contains("--summary=once"));
        drop(held);
        assert!(running.join().unwrap().is_none(), "the worker left no outcome");
    });
    let events = fort.world.lines("_bus/events/events.jsonl");
    assert!(events.iter().all(|event| event["summary"] != "once"), "{events:?}");
    fort.world.ok(&["bus", "verify"]);
}

#[test]
fn git_that_the_worker_asks_about_a_receipt_is_not_ended_as_a_program_of_the_run() {
    use std::os::unix::fs::PermissionsExt;
    let mut fort = Fort::new();
    let programs = fort.folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let git = programs.join("git");
    let slow = format!(
        "#!/bin/sh\nB={folder}\nPATH=${{PATH#{programs}:}}\nif [ -e $B/armed ]; then case \"$*\" in *check-ignore*)\n\
         rm $B/armed; touch $B/asked; sleep 1; touch $B/answered;; esac; fi\nexec git \"$@\"\n",
        folder = fort.folder.display(),
        programs = programs.display(),
    );
    fs::write(&git, slow).unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    fort.programs = Some(programs);
    // The program ends while git is asked.
    let body = "echo proof > $TEOF_RECEIPTS_DIR/left.txt; touch $B/armed\n\
        $T receipts add $TEOF_RECEIPTS_DIR/left.txt > /dev/null 2>&1 &\n\
        for i in $(seq 300); do test -e $B/asked && break; sleep 0.02; done\n";
    fort.run(&fort.script(body)).expect("an outcome");
    assert!(fort.folder.join("asked").exists(), "git was asked");
    assert!(fort.folder.join("answered").exists(), "git was ended before it answered");
}

/// The children of a process, whichever of its threads started them.
fn children(pid: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn arguments(pid: &str) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}
