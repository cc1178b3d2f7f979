//! A worker's program tries to escape in every way that we know; the kernel's answer to each is held here.
//!
//! What Landlock cannot stop is in the table as well, as [`Answer::Open`], so that a kernel that stops it is noticed:
//! `docs/guarantees.md` lists it.

use std::fmt::Write as _;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

use teof::exec::Network;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Refused,
    /// Refused, unless this stands among what the kernel leaves open ([`Support::enforced`]).
    Unless(&'static str),
    /// Landlock does not cover it, on any kernel or up to the version that this was tried with.
    Open,
}
use Answer::{Open, Refused, Unless};

const TRUNCATE: Answer = Unless("files that can be opened for reading can be truncated");
const SIGNAL: Answer = Unless("signals and abstract sockets reach other programs");

/// What teof refuses, with or without a sandbox.
const BY_TEOF: [&str; 3] = ["grant consent", "approve", "make a token"];
/// What an account without privileges may not do without a sandbox either.
const BY_PRIVILEGE: [&str; 10] = [
    "make a device",
    "make a device in the worktree and write to it",
    "make a disk in the worktree",
    "change the kernel",
    "read another process's memory",
    "trace another process",
    "mount",
    "mount in a namespace",
    "map users",
    "change the root",
];

/// What each attempt runs, in the worktree. It exits with 0 when it escaped. `$out` is a folder of the person with a
/// file `kept`, `$hub` the hub, `$git` the common dir, `$other` another worktree, `$victim` a process outside.
const ATTEMPTS: &[(&str, Answer, &str)] = &[
    // Files
    ("append to a file", Refused, "echo x >> $out/kept"),
    ("create a file", Refused, "echo x > $out/new"),
    ("create a file next to the worktree", Refused, "echo x > ../new"),
    ("write to /tmp", Refused, "echo x > /tmp/teof-escaped-$$"),
    ("write to the home folder", Refused, "echo x > $HOME/new"),
    ("write through a link to a file", Refused, "ln -s $out/kept link1 && echo x >> link1"),
    ("write through a link to a folder", Refused, "ln -s $out link2 && echo x > link2/new"),
    ("link a file in", Refused, "ln $out/kept hard && echo x >> hard"),
    ("link a file out", Refused, "echo x > own; ln own $out/hard"),
    ("rename a file out", Refused, "echo x > own; mv own $out/moved"),
    ("rename a file in", Refused, "mv $out/kept stolen"),
    ("rename over a file", Refused, "echo x > own; mv -f own $out/kept"),
    (
        "exchange two files",
        Refused,
        "echo x > own; python3 -c \"import ctypes, sys; \
         sys.exit(ctypes.CDLL(None).renameat2(-100, b'own', -100, b'$out/kept', 2) != 0)\"",
    ),
    ("truncate a file", Refused, "truncate -s 0 $out/kept"),
    ("truncate by path", TRUNCATE, "python3 -c \"import os; os.truncate('$out/kept', 0)\""),
    ("delete a file", Refused, "rm -f $out/kept"),
    ("make a folder", Refused, "mkdir $out/folder"),
    ("delete a folder", Refused, "rmdir $out/empty"),
    ("make a link", Refused, "ln -s / $out/link"),
    ("make a pipe", Refused, "mkfifo $out/pipe"),
    ("make a device", Refused, "mknod $out/null c 1 3"),
    ("make a device in the worktree and write to it", Refused, "mknod own-null c 1 3 && echo x > own-null"),
    ("make a disk in the worktree", Refused, "mknod own-disk b 7 0"),
    ("make a socket", Refused, "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('$out/socket')\""),
    (
        "link a nameless file",
        Refused,
        "python3 -c \"import ctypes, os, sys; f=os.open('.', os.O_TMPFILE|os.O_RDWR); \
         sys.exit(ctypes.CDLL(None).linkat(-100, b'/proc/self/fd/%d' % f, -100, b'$out/named', 1024) != 0)\"",
    ),
    ("make a nameless file", Refused, "python3 -c \"import os; os.open('$out', os.O_TMPFILE|os.O_RDWR)\""),
    (
        "run a program from memory",
        Refused,
        "python3 -c \"import os; f=os.memfd_create('x',0); \
         os.write(f,b'#!/bin/sh\\necho x > $out/new'); os.execv('/proc/self/fd/%d' % f, ['x'])\"",
    ),
    ("leave the session", Refused, "setsid -w sh -c 'echo x > '$out/new"),
    // /proc
    ("go through its own root", Refused, "echo x > /proc/self/root$out/new"),
    ("go through its own folder", Refused, "echo x > /proc/self/cwd/../new"),
    ("go through another process's root", Refused, "echo x > /proc/$victim/root$out/new"),
    ("go through another process's folder", Refused, "echo x > /proc/$victim/cwd/new"),
    ("open another process's file", Refused, "echo x > /proc/$victim/fd/1"),
    ("read another process's memory", Refused, ": < /proc/$victim/mem"),
    (
        "change the kernel",
        Refused,
        "cat /proc/sys/kernel/core_pattern > core && cat core > /proc/sys/kernel/core_pattern",
    ),
    // Processes
    ("signal another process", SIGNAL, "kill -WINCH $victim"),
    ("signal the foreman", SIGNAL, "kill -WINCH $foreman"),
    (
        "signal by descriptor",
        SIGNAL,
        "python3 -c \"import os, signal; signal.pidfd_send_signal(os.pidfd_open($victim), signal.SIGWINCH)\"",
    ),
    (
        "trace another process",
        Refused,
        "python3 -c \"import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, $victim, 0, 0) != 0)\"",
    ),
    ("regain privileges", Refused, "grep -q 'NoNewPrivs:.0' /proc/self/status"),
    ("mount", Refused, "mount -t tmpfs none $out"),
    ("mount in a namespace", Refused, "unshare -m mount --bind . $out"),
    ("map users", Refused, "unshare -Ur true"),
    ("change the root", Refused, "chroot / sh -c \"echo x > $out/new\""),
    (
        "connect to an abstract socket",
        SIGNAL,
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('\\0$abstract')\"",
    ),
    // Filtered system calls
    (
        "limit another process",
        Refused,
        "python3 -c \"import resource; resource.prlimit($victim, resource.RLIMIT_CORE, (0, 0))\"",
    ),
    // Git
    ("configure the hub", Refused, "git -C $hub config teof.escaped yes"),
    ("configure the repository", Refused, "git config teof.escaped yes"),
    ("plant a hook", Refused, "echo x > $git/hooks/post-commit"),
    ("move the target", Refused, "git update-ref refs/heads/main HEAD"),
    ("move the hub's HEAD", Refused, "git -C $hub symbolic-ref HEAD refs/heads/agent/x/y"),
    ("make a branch of another seat", Refused, "git branch agent/other/x"),
    ("make a tag", Refused, "git tag escaped"),
    ("pack the refs", Refused, "git pack-refs --all"),
    ("write the packed refs", Refused, "echo x >> $git/packed-refs"),
    ("stash for everybody", Refused, "echo x >> src/code.txt; git -c user.name=x -c user.email=x@x stash"),
    ("add a worktree", Refused, "git worktree add -q $TMPDIR/worktree HEAD"),
    ("commit in the hub", Refused, "git -C $hub -c user.name=x -c user.email=x@x commit --allow-empty -qm x"),
    ("write another worktree", Refused, "echo x > $other/new"),
    ("write another worktree's git dir", Refused, "echo x > $git/worktrees/other/HEAD"),
    ("plant alternates", Refused, "mkdir -p $git/objects/info && echo $out > $git/objects/info/alternates"),
    ("forge a pack", Refused, "mkdir -p $git/objects/pack && echo x > $git/objects/pack/pack-0.pack"),
    ("remove the packs", Refused, "mv $git/objects/pack $git/objects/gone"),
    ("forge trust", Refused, "echo '{}' > $git/teof/trust.json"),
    ("remove a lock", Refused, "rm -f $git/teof/locks/*"),
    ("forge the log", Refused, "echo '{}' >> $hub/_bus/events/events.jsonl"),
    ("forge a claim", Refused, "echo '{}' > $hub/_bus/claims/QUEUE-001.json"),
    ("grant consent", Refused, "$teof consent grant"),
    ("approve", Refused, "$teof review approve job-1"),
    ("make a token", Refused, "$teof operator token"),
    // What Landlock does not cover
    ("change a mode", Open, "chmod 640 $out/kept"),
    ("change a time", Open, "touch -c -d 2001-01-01 $out"),
    ("read a file", Open, "cat $out/kept"),
    (
        "replace an object",
        Open,
        "o=$git/objects/$(git rev-parse main:README.md | sed 's:^..:&/:'); cp $o object && cp object $o.new && \
         mv -f $o.new $o",
    ),
    ("write shared memory", Open, "f=$(mktemp /dev/shm/teof-XXXXXX) && rm $f"),
    (
        "connect to a socket by path",
        Open,
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('$out/listens')\"",
    ),
];

/// A process of the person, outside of any confinement; killed at the end.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the attempts are made, and what they aim at.
struct Scene {
    job: Confined,
    victim: Victim,
    /// Nothing of the confinement covers the first; the second is reached from the same confinement only.
    _listening: [UnixListener; 2],
    variables: String,
}

impl Scene {
    fn new() -> Scene {
        let job = Confined::new("[worker]\nsandbox = \"on\"\n");
        let (folder, hub) = (job.world.folder(), job.world.repo.display().to_string());
        let (out, other) = (folder.join("out"), folder.join("other").display().to_string());
        fs::create_dir_all(out.join("empty")).unwrap();
        fs::write(out.join("kept"), "kept\n").unwrap();
        job.world.git(&["worktree", "add", "-q", "-b", "other", &other]);
        let log = fs::File::create(out.join("victim.log")).unwrap();
        let victim = Command::new("sleep").arg("600").current_dir(&out).stdin(Stdio::null()).stdout(log).spawn();
        let victim = Victim(victim.unwrap());
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let variables = format!(
            "export out={} hub={hub} git={hub}/.git other={other} victim={} abstract={name} teof={}\n",
            out.display(),
            victim.0.id(),
            env!("CARGO_BIN_EXE_teof"),
        );
        Scene { _listening: [UnixListener::bind(out.join("listens")).unwrap(), by_name], job, victim, variables }
    }

    /// A script that makes each attempt between two lines of shell, and prints the answers.
    fn script(&self, first: &str, before: &str, after: &str) -> std::path::PathBuf {
        let folder = self.job.world.folder();
        let mut script = format!("{}{first}\n", self.variables);
        for (at, (_, _, attempt)) in ATTEMPTS.iter().enumerate() {
            let file = folder.join(format!("attempt-{at}.sh"));
            fs::write(&file, format!("{attempt}\n")).unwrap();
            let try_it = format!("if sh -e {} </dev/null; then a=open; else a=refused; fi", file.display());
            let _ = writeln!(script, "{before}\n{try_it}\necho \"answer {at} $a\"\n{after}");
        }
        let path = folder.join("attempts.sh");
        fs::write(&path, script).unwrap();
        path
    }
}

/// Which attempts were refused, in their order.
fn refused(output: &str) -> Vec<bool> {
    let answer = |at: usize| {
        let answer = output.lines().find_map(|line| line.strip_prefix(&format!("answer {at} ")));
        answer.unwrap_or_else(|| panic!("no answer to {:?}: {output}", ATTEMPTS[at].0)) == "refused"
    };
    (0..ATTEMPTS.len()).map(answer).collect()
}

/// The attempts, one a line, for messages.
fn list<'a>(attempts: impl Iterator<Item = &'a (&'static str, Answer, &'static str)>) -> String {
    attempts.map(|(what, expected, attempt)| format!("{what} ({expected:?}): {attempt}\n")).collect()
}

#[test]
fn attempts_to_escape_get_the_answer_of_the_kernel() {
    if !kernel_confines("attempts to escape") {
        return;
    }
    let mut scene = Scene::new();
    let find_foreman = "foreman=$PPID\n\
         until case $(cat /proc/$foreman/comm) in teof*) true;; *) false;; esac; do\n\
         foreman=$(cut -d' ' -f4 /proc/$foreman/stat); done\nexport foreman";
    let script = scene.script(find_foreman, "", "git checkout -q . ; git clean -qfd");
    let (outcome, envelope) = scene.job.run("run-1", &[&format!("sh {}", script.display())]);
    let output =
        envelope["stages"][0]["commands"][0]["output"]["file"].as_str().unwrap_or_else(|| panic!("{outcome:#}"));
    let output = fs::read_to_string(output).unwrap();
    let (_, open) = Support::of_this_kernel().enforced(Network::All);
    let is_to_be_refused = |answer: Answer| match answer {
        Refused => true,
        Unless(gap) => !open.contains(&gap),
        Open => false,
    };
    let answers = ATTEMPTS.iter().zip(refused(&output));
    let wrong = answers.filter(|((_, answer, _), refused)| is_to_be_refused(*answer) != *refused).map(|(one, _)| one);
    assert_eq!(list(wrong), "", "{output}");
    let folder = scene.job.world.folder();
    let out = folder.join("out");
    let names = |folder: &std::path::Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&out), ["empty", "kept", "listens", "victim.log"]);
    if open.is_empty() {
        assert_eq!(fs::read_to_string(out.join("kept")).unwrap(), "kept\n");
    }
    assert_eq!(names(&folder.join("other")), [".git", "README.md", "_bus", "src"]);
    let codes = outcome["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap());
    assert!(!codes.into_iter().any(|code| code == "git.surroundings"), "{outcome:#}");
}

/// An attempt that fails for another reason would prove nothing.
#[test]
fn without_the_sandbox_the_attempts_to_escape_succeed() {
    let scene = Scene::new();
    let folder = scene.job.world.folder();
    let work = folder.join("work");
    scene.job.world.git(&["worktree", "add", "-q", "-b", "agent/codex-1/docs", &work.display().to_string()]);
    let before = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(folder.join(".")).arg(before.path()).status();
    assert!(copied.unwrap().success());
    // Each attempt finds everything as it was. Folders stay, because the victim is in one of them.
    let (root, saved) = (folder.display(), before.path().display());
    let reset = format!(
        "cd {root} && for part in repo work other out home; do\n\
         find $part -mindepth 1 -delete; cp -a {saved}/$part/. $part/; done; cd work"
    );
    let script = scene.script("foreman=$victim; export foreman", &reset, "");
    let mut command = Command::new("sh");
    scene.job.world.clear(&mut command);
    let of_run = [("TEOF_RUN", "run-1"), ("TEOF_TASK", "QUEUE-001"), ("TEOF_AGENT", SEAT)];
    command.arg(&script).current_dir(&work).envs(of_run).env("TMPDIR", &folder).stdin(Stdio::null());
    let done = command.output().unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    let names: Vec<_> =
        ATTEMPTS.iter().zip(refused(&output)).filter(|(_, refused)| *refused).map(|(one, _)| one).collect();
    let other = names
        .iter()
        .filter(|(what, answer, _)| *answer != Open && !BY_TEOF.contains(what) && !BY_PRIVILEGE.contains(what));
    assert_eq!(list(other.copied()), "", "{}", String::from_utf8_lossy(&done.stderr));
    for what in BY_TEOF {
        assert!(names.iter().any(|(name, ..)| *name == what), "{what} succeeded: {output}");
    }
    drop(scene.victim);
}
