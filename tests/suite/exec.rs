//! Programs that misbehave end in the right verdict, in bounded time and memory, with nothing left running.
//!
//! These run beside other tests, so nobody is adopted here; `foreman.rs` has what needs adoption.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use teof::exec::{
    Cgroup, Clocks, Control, Input, Keep, Limit, Limits, Observer, ProcessTree, Report, RunLimits, Spec, Supervisor,
    TimedOut, Verdict,
};

use crate::harness::temp;

struct Place {
    dir: tempfile::TempDir,
    mark: (String, String),
}

impl Place {
    fn new() -> Self {
        let dir = temp::folder();
        let mark = ("TEOF_RUN".to_owned(), dir.path().display().to_string());
        Self { dir, mark }
    }

    fn spec(&self, script: &str) -> Spec {
        Spec {
            argv: Spec::shell(script),
            cwd: self.dir.path().to_owned(),
            env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            marks: vec![self.mark.clone()],
            stdin: Vec::new(),
            clocks: Clocks {
                silence: None,
                meaning: None,
                wall: None,
                linger: Duration::from_secs(20),
                grace: Duration::from_secs(20),
            },
            output: self.dir.path().join("out.log"),
            through_file: false,
            errors: None,
            keep: Keep::default(),
            confinement: None,
            limits: None,
        }
    }

    fn run(&self, spec: &Spec) -> Report {
        self.attended(spec, &mut || Control::Continue)
    }

    fn run_until(&self, spec: &Spec, stop: &mut dyn FnMut() -> bool) -> Report {
        self.attended(spec, &mut || if stop() { Control::Cancel } else { Control::Continue })
    }

    fn attended(&self, spec: &Spec, attendant: &mut dyn Observer) -> Report {
        let report = supervisor().run(spec, attendant).unwrap();
        assert!(report.survivors.is_empty(), "{:?}", report.survivors);
        assert!(self.nobody_is_left(), "somebody still carries the mark");
        report
    }

    fn nobody_is_left(&self) -> bool {
        let family = ProcessTree { marks: vec![self.mark.clone()], ..ProcessTree::default() };
        family.living().is_empty()
    }

    fn wait_for(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let patience = Instant::now() + Duration::from_secs(20);
        while !path.exists() {
            assert!(Instant::now() < patience, "{name} never appeared");
            std::thread::yield_now();
        }
        path
    }
}

fn supervisor() -> Supervisor {
    Supervisor::beside_others(env!("CARGO_BIN_EXE_teof"))
}

fn text(report: &Report) -> String {
    std::fs::read_to_string(&report.output.path).unwrap()
}

#[test]
fn a_program_that_never_reads_its_input_is_stopped_before_much_of_it_waits() {
    struct Endless(usize);
    impl Observer for Endless {
        fn control(&mut self) -> Control {
            Control::Continue
        }

        fn input(&mut self) -> Input {
            self.0 += 1;
            Input::Bytes(vec![b'x'; 16 << 20])
        }
    }
    let place = Place::new();
    let mut endless = Endless(0);
    let spec = Spec { stdin: b"first".to_vec(), ..place.spec("exec sleep 600") };
    let report = place.attended(&spec, &mut endless);
    assert_eq!(report.verdict, Verdict::OverLimit("it does not read its input".into()));
    assert!(endless.0 <= 5, "{} times 16 MiB", endless.0);
}

#[test]
fn output_through_a_file_is_read_as_it_grows_and_to_its_end() {
    let place = Place::new();
    let script = "test -f /dev/stdout && echo begun; echo beside >&2; while [ ! -e go ]; do sleep 0.01; done\n\
        head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end";
    let errors = Some(place.dir.path().join("err.log"));
    let spec = Spec { through_file: true, errors, ..place.spec(script) };
    let go = place.dir.path().join("go");
    let mut heard = false;
    let report = place.run_until(&spec, &mut || {
        heard |= std::fs::read_to_string(&spec.output).is_ok_and(|text| text.starts_with("begun"));
        if heard {
            std::fs::write(&go, "").unwrap();
        }
        false
    });
    assert_eq!(report.verdict, Verdict::Exited(0));
    assert_eq!(
        (report.output.bytes, &report.output.tail[report.output.tail.len() - 5..]),
        (3_000_011, &b"\nend\n"[..])
    );
    assert_eq!(report.errors.unwrap().tail, b"beside\n");
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().flatten().map(|f| f.file_name()).collect();
    assert_eq!(left.len(), 3, "nothing else is left: {left:?}");
}

#[test]
fn output_of_both_streams_is_kept_in_order_with_its_hash() {
    let place = Place::new();
    let report = place.run(&place.spec("echo one; echo two >&2; echo three; exit 7"));
    assert_eq!(report.verdict, Verdict::Exited(7));
    assert_eq!(text(&report), "one\ntwo\nthree\n");
    assert_eq!(report.output.sha256, teof::base::digest::sha256(b"one\ntwo\nthree\n"));
    assert!(report.ended.is_empty());
}

#[test]
fn the_environment_is_not_inherited() {
    let place = Place::new();
    let report = place.run(&Spec { argv: vec!["env".into()], ..place.spec("") });
    let names: Vec<_> = text(&report).lines().map(|l| l.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"PATH".to_owned()) && names.contains(&"TEOF_RUN".to_owned()));
}

#[test]
fn a_program_that_cannot_start_has_no_exit_code() {
    let place = Place::new();
    let plain = place.dir.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let none = Spec { argv: Vec::new(), ..place.spec("") };
    let missing = Spec { argv: vec!["no-such-program".into()], ..place.spec("") };
    let not_executable = Spec { argv: vec![plain.display().to_string()], ..place.spec("") };
    let no_folder = Spec { cwd: place.dir.path().join("none"), ..place.spec("true") };
    for (i, spec) in [none, missing, not_executable, no_folder].into_iter().enumerate() {
        let report = place.run(&Spec { output: place.dir.path().join(format!("{i}.log")), ..spec });
        assert!(matches!(report.verdict, Verdict::NotStarted(_)), "{i}: {:?}", report.verdict);
        assert_eq!(report.output.bytes, 0);
    }
    let report = place.run(&place.spec("exit 127"));
    assert_eq!(report.verdict, Verdict::Exited(127));
}

#[test]
fn a_silent_hang_is_stopped() {
    let place = Place::new();
    let mut spec = place.spec("echo started; sleep 1000");
    spec.clocks.silence = Some(Duration::from_millis(200));
    let report = place.run(&spec);
    assert_eq!(report.verdict, Verdict::TimedOut(TimedOut::Silence));
    assert_eq!(text(&report), "started\n");
}

#[test]
fn the_time_limit_stops_a_talkative_program() {
    let place = Place::new();
    let mut spec = place.spec("while :; do echo tick; sleep 0.01; done");
    spec.clocks.silence = Some(Duration::from_secs(60));
    spec.clocks.wall = Some(Duration::from_millis(300));
    assert_eq!(place.run(&spec).verdict, Verdict::TimedOut(TimedOut::Wall));
}

#[test]
fn a_process_that_ignores_sigterm_is_killed() {
    let place = Place::new();
    let mut spec = place.spec("trap '' TERM; touch armed; while :; do sleep 1000; done");
    spec.clocks.grace = Duration::from_millis(100);
    let report = place.run_until(&spec, &mut || place.dir.path().join("armed").exists());
    assert_eq!(report.verdict, Verdict::Cancelled);
}

#[test]
fn a_stopped_process_is_killed_as_well() {
    let place = Place::new();
    let mut spec = place.spec("touch armed; kill -STOP $$");
    spec.clocks.silence = Some(Duration::from_millis(300));
    let report = place.run(&spec);
    assert_eq!(report.verdict, Verdict::TimedOut(TimedOut::Silence));
}

#[test]
fn output_after_a_stop_request_is_kept() {
    let place = Place::new();
    let spec = place.spec("trap 'echo saved; exit 0' TERM; touch armed; while :; do sleep 0.01; done");
    let report = place.run_until(&spec, &mut || place.dir.path().join("armed").exists());
    assert_eq!(report.verdict, Verdict::Cancelled, "an exit code of 0 after that is no success");
    assert!(text(&report).ends_with("saved\n"), "{}", text(&report));
}

#[test]
fn grandchildren_in_other_sessions_are_found_and_stopped() {
    let place = Place::new();
    let script = "(setsid sh -c 'echo $$ > far; exec sleep 1000' &) ; (sleep 1000 &) ; while [ ! -s far ]; do :; done";
    let report = place.run(&place.spec(script));
    assert_eq!(report.verdict, Verdict::Exited(0));
    assert_eq!(report.ended.len(), 2, "{:?}", report.ended);
}

#[test]
fn output_held_open_by_an_unknown_process_does_not_block() {
    let place = Place::new();
    // No mark, no session, no parent: only adoption would find it.
    let script = "setsid env -i sh -c 'echo $$ > far; exec sleep 1000' & while [ ! -s far ]; do :; done; echo end";
    let report = place.run(&place.spec(script));
    assert_eq!(report.verdict, Verdict::Exited(0));
    assert_eq!(text(&report), "end\n");
    let pid = std::fs::read_to_string(place.dir.path().join("far")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[test]
fn output_beyond_the_limit_is_counted_and_dropped() {
    let place = Place::new();
    let mut spec = place.spec("head -c 100000000 /dev/zero; echo; echo the end");
    spec.keep = Keep { file: 1 << 20, tail: 8 };
    let report = place.run(&spec);
    assert_eq!(report.verdict, Verdict::Exited(0));
    assert_eq!((report.output.bytes, report.output.kept), (100_000_009, 1 << 20));
    assert_eq!(std::fs::metadata(&report.output.path).unwrap().len(), 1 << 20);
    assert_eq!(report.output.tail, b"the end\n");
}

#[test]
fn stdin_is_given_and_closed() {
    let place = Place::new();
    let large = vec![b'x'; 3 << 20];
    let report = place.run(&Spec { stdin: large.clone(), ..place.spec("wc -c") });
    assert_eq!(text(&report).trim(), large.len().to_string());
    let spec = Spec { stdin: large, output: place.dir.path().join("2.log"), ..place.spec("exit 3") };
    assert_eq!(place.run(&spec).verdict, Verdict::Exited(3), "who does not read hangs nobody");
    let spec = Spec { output: place.dir.path().join("3.log"), ..place.spec("wc -c") };
    assert_eq!(text(&place.run(&spec)).trim(), "0");
}

#[test]
fn a_signal_is_distinguished_from_an_exit() {
    let place = Place::new();
    assert_eq!(place.run(&place.spec("kill -SEGV $$")).verdict, Verdict::Signalled(11));
}

#[test]
fn processes_of_a_dead_supervisor_are_found_by_their_mark_and_stopped() {
    let place = Place::new();
    let mut left = std::process::Command::new("setsid")
        .args(["sh", "-c", "touch up; trap '' TERM; while :; do sleep 1000; done"])
        .current_dir(place.dir.path())
        .env(&place.mark.0, &place.mark.1)
        .spawn()
        .unwrap();
    place.wait_for("up");
    let (ended, survivors) = teof::exec::end_marked(vec![place.mark.clone()], Duration::from_millis(50));
    assert!(!ended.is_empty() && survivors.is_empty());
    left.wait().unwrap();
    assert!(place.nobody_is_left());
}

/// Keeps what it hears; has enough at a word, unless another follows.
#[derive(Default)]
struct Listener {
    heard: Vec<u8>,
    enough_at: &'static str,
    more_at: &'static str,
}

impl Listener {
    fn says(&self, word: &str) -> bool {
        !word.is_empty() && String::from_utf8_lossy(&self.heard).contains(word)
    }
}

impl Observer for Listener {
    fn observe(&mut self, chunk: &[u8]) -> bool {
        self.heard.extend_from_slice(chunk);
        chunk.windows(5).any(|part| part == b"event")
    }

    fn control(&mut self) -> Control {
        if self.says(self.enough_at) && !self.says(self.more_at) { Control::Finished } else { Control::Continue }
    }
}

#[test]
fn stderr_can_be_kept_apart_and_is_bounded_like_stdout() {
    let place = Place::new();
    let script = "echo out; head -c 5000000 /dev/zero >&2; echo last >&2; echo out";
    let mut spec = Spec { errors: Some(place.dir.path().join("err.log")), ..place.spec(script) };
    spec.keep = Keep { file: 1 << 10, tail: 5 };
    let mut listener = Listener::default();
    let report = place.attended(&spec, &mut listener);
    assert_eq!(report.verdict, Verdict::Exited(0));
    assert_eq!(
        (text(&report).as_str(), &listener.heard[..]),
        ("out\nout\n", &b"out\nout\n"[..]),
        "stdout alone is heard"
    );
    let errors = report.errors.unwrap();
    assert_eq!((errors.bytes, errors.kept, &errors.tail[..]), (5_000_005, 1 << 10, &b"last\n"[..]));
    let missing = Spec {
        argv: vec!["no-such-program".into()],
        output: place.dir.path().join("2.log"),
        errors: Some(place.dir.path().join("2.err")),
        ..spec
    };
    assert!(matches!(place.run(&missing).verdict, Verdict::NotStarted(_)), "a start that fails is still told");
}

#[test]
fn output_without_progress_times_out() {
    let place = Place::new();
    let mut spec = place.spec("echo event; while :; do echo noise; sleep 0.01; done");
    spec.clocks.silence = Some(Duration::from_secs(60));
    spec.clocks.meaning = Some(Duration::from_millis(200));
    let report = place.attended(&spec, &mut Listener::default());
    assert_eq!(report.verdict, Verdict::TimedOut(TimedOut::Meaning));
}

#[test]
fn an_agent_that_lingers_is_stopped_and_its_result_counts() {
    let place = Place::new();
    let mut spec = place.spec("echo event result; sleep 1000");
    spec.clocks.linger = Duration::from_millis(100);
    let report = place.attended(&spec, &mut Listener { enough_at: "result", ..Listener::default() });
    assert_eq!((report.verdict, report.output.bytes), (Verdict::Lingered, 13));
    let leaves = Spec { output: place.dir.path().join("2.log"), ..place.spec("echo result; exit 3") };
    let report = place.attended(&leaves, &mut Listener { enough_at: "result", ..Listener::default() });
    assert_eq!(report.verdict, Verdict::Exited(3), "an exit of its own is told as it is");
}

#[test]
fn output_after_the_final_answer_is_read() {
    let place = Place::new();
    let mut spec = place.spec("printf 'result\\nagain\\n'; echo more; exit 4");
    spec.clocks.linger = Duration::ZERO;
    let mut listener = Listener { enough_at: "result", more_at: "again", ..Listener::default() };
    assert_eq!(place.attended(&spec, &mut listener).verdict, Verdict::Exited(4));
    assert!(listener.says("more"));
}

/// A limit as the settings would have it.
fn limit(name: &str, most: u64) -> Option<Limit> {
    Some(Limit { most, setting: format!("{name} = {most}") })
}

/// How a program ends, and what it printed, under limits.
fn limited(script: &str, limits: Limits, group: Option<Cgroup>) -> (Verdict, String) {
    let place = Place::new();
    let files = place.dir.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let clocks = Clocks { wall: Some(Duration::from_secs(60)), ..place.spec("").clocks };
    let limits = RunLimits { limits, folders: vec![files.clone()], group: group.map(Into::into) };
    let spec = Spec { cwd: files, limits: Some(limits), clocks, ..place.spec(script) };
    let report = place.run(&spec);
    (report.verdict.clone(), text(&report))
}

#[test]
fn programs_that_use_too_much_together_are_stopped_with_the_reason() {
    let over = |what: &str| Verdict::OverLimit(what.to_owned());
    // None of them alone uses as much.
    let fill = "for n in 1 2 3 4; do (x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 300; true) & done; wait";
    let memory = Limits { memory: limit("memory", 64 << 20), ..Limits::default() };
    assert_eq!(limited(fill, memory.clone(), None).0, over("out of memory (memory = 67108864)"));
    // What the kernel limits of one process.
    assert_eq!(limited("ulimit -d", memory, None), (Verdict::Exited(0), "131072\n".into()));
    let pids = Limits { pids: limit("pids", 4), ..Limits::default() };
    let many = "for n in 1 2 3 4 5 6; do sleep 300 & done; wait";
    assert_eq!(limited(many, pids.clone(), None).0, over("more processes and threads than 4 (pids = 4)"));
    assert_eq!(limited("sleep 0.1 & wait", pids, None).0, Verdict::Exited(0));
    let disk = Limits { disk: limit("disk", 1 << 20), ..Limits::default() };
    for script in ["head -c 3000000 /dev/zero > big; sleep 300", "head -c 3000000 /dev/zero > big"] {
        let (verdict, _) = limited(script, disk.clone(), None);
        let Verdict::OverLimit(what) = verdict else { panic!("{script}: {verdict:?}") };
        assert!(what.contains("MiB in its worktree and temporary folder (disk = 1048576)"), "{what}");
    }
    assert_eq!(limited("echo 1 > small", disk, None).0, Verdict::Exited(0));
}

#[test]
fn a_program_starts_in_its_cgroup_and_the_kernels_count_says_what_ended_it() {
    let limits = || Limits { memory: limit("memory", 1), pids: limit("pids", 1), ..Limits::default() };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let run = |script: &str| {
        for (name, text) in [("cgroup.procs", ""), ("memory.events", "oom 3\noom_kill 3\n"), ("pids.events", "max 0\n")]
        {
            std::fs::write(file(name), text).unwrap();
        }
        let script = script.replace("HERE", folder.path().to_str().unwrap());
        limited(&script, limits(), Some(Cgroup::of_folder(folder.path().to_owned()))).0
    };
    assert_eq!(run("sleep 1.2 & wait"), Verdict::Exited(0), "the kernel counts, so nothing is added up");
    assert_eq!(std::fs::read_to_string(file("cgroup.procs")).unwrap(), "0");
    let killed = "printf 'oom 4\\noom_kill 4\\n' > HERE/memory.events; kill -9 $$";
    assert_eq!(run(killed), Verdict::OverLimit("out of memory (memory = 1)".into()));
    let refused = "printf 'max 1\\n' > HERE/pids.events; exit 2";
    assert_eq!(run(refused), Verdict::OverLimit("more processes and threads than 1 (pids = 1)".into()));
    assert_eq!(run("printf 'max 1\\n' > HERE/pids.events"), Verdict::Exited(0), "it did without");
    assert_eq!(run("exit 2"), Verdict::Exited(2), "what other programs exceeded before");
    let gone = Cgroup::of_folder(folder.path().join("gone"));
    let (verdict, _) = limited("true", limits(), Some(gone));
    assert!(matches!(&verdict, Verdict::NotStarted(why) if why.contains("cannot enter its cgroup")), "{verdict:?}");
}

#[test]
fn a_real_cgroup_holds_the_program_and_is_removed_with_what_is_left_in_it() {
    // Few machines delegate one to tests; root can make one without limits.
    let made = |mount: &str| {
        let folder = PathBuf::from(format!("{mount}/teof-run-0-0-{}", std::process::id()));
        let is_cgroup = folder.with_file_name("cgroup.procs").exists();
        (is_cgroup && std::fs::create_dir(&folder).is_ok()).then_some(folder)
    };
    let Some(folder) = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].into_iter().find_map(made) else {
        return crate::harness::skip("a program in a real cgroup", "none can be made here");
    };
    let limits = Limits { memory: limit("memory", 1 << 40), ..Limits::default() };
    let script = "tail -n 1 /proc/self/cgroup; (env -i setsid sleep 300 > /dev/null 2>&1 &)";
    let (verdict, said) = limited(script, limits, Some(Cgroup::of_folder(folder.clone())));
    assert_eq!(verdict, Verdict::Exited(0));
    assert!(said.trim().ends_with(folder.file_name().unwrap().to_str().unwrap()), "{said}");
    assert!(!folder.exists(), "its last process left its tree, and not its cgroup");
}
