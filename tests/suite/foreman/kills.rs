//! Kills a worker at its file system calls: by default at some of the last, where it records the run; at each with
//! `TEOF_FAULTS=all`.

use super::*;

impl Fixture {
    /// Runs the order with a fault, or lists its calls; gives back those that were reached.
    fn with_fault(&self, run: &str, fault: &str) -> Vec<String> {
        let (order, log) = (self.write_order(), self.world.folder().join("fault"));
        let _ = fs::remove_file(&log);
        let mut command = self.world.teof(&["foreman", "run", &order, "--execute", "--run", run]);
        command.env("TEOF_FAULT", fault).env("TEOF_FAULT_LOG", &log).output().unwrap();
        fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// How many envelopes and events a run has, and whether it left an outcome.
    fn told(&self, run: &str) -> (usize, usize, bool) {
        let runs = self.world.repo.join(format!("_report/agent/{SEAT}/runs"));
        let files = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
        // What a killed writer was about to rename is no envelope.
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let read = |path| serde_json::from_slice::<Value>(&fs::read(path).unwrap_or_default()).unwrap_or_default();
        // Its stages may be of an earlier run.
        let envelopes = files.map(read).filter(|envelope| envelope["run"] == run).count();
        let events = self.world.lines("_bus/events/events.jsonl");
        let events = events.iter().filter(|event| event["meta"]["run"] == run && !event["meta"]["verdict"].is_null());
        (envelopes, events.count(), self.outcome(run).is_some())
    }
}

#[test]
fn a_run_that_dies_at_any_call_has_one_envelope_one_event_and_its_outcome_or_none_of_them() {
    let work = "grep -q three src/code.txt || echo three >> src/code.txt; echo {} > $TEOF_RECEIPTS_DIR/tests.json";
    let fixture = || Fixture::new().commands(&[work]);
    let calls = fixture().with_fault("run-1", "list:0");
    let (first, step) = match std::env::var("TEOF_FAULTS").as_deref() {
        Ok("all") => (1, 1),
        // A run is recorded from here on.
        _ => (calls.iter().position(|call| call.contains("/intents/")).unwrap().saturating_sub(8), 9),
    };
    let (mut completed, mut forgotten) = (0, 0);
    for n in (first..=calls.len()).step_by(step) {
        let fixture = fixture();
        let reached = fixture.with_fault("run-1", &format!("kill:{n}"));
        let case = format!("killed at call {n} of {}: {reached:?}", calls.len());
        // Whoever writes next completes what was begun.
        fixture.world.ok(&["bus", "event", "--agent", SEAT, "--event", "note", "--summary", "next"]);
        let told = fixture.told("run-1");
        assert!([(0, 0, false), (1, 1, true)].contains(&told), "{told:?}: {case}");
        *(if told.2 { &mut completed } else { &mut forgotten }) += 1;
        let (outcome, _) = fixture.run("run-2");
        assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}: {case}");
        assert_eq!((fixture.told("run-1"), fixture.told("run-2")), (told, (1, 1, true)), "{case}");
        let commits = fixture.world.git(&["rev-list", "--count", &format!("main..agent/{SEAT}/docs")]);
        assert_eq!(commits, "1", "{case}");
        assert!(fixture.no_process_is_left("run-1") && fixture.no_process_is_left("run-2"), "{case}");
        fixture.world.ok(&["bus", "verify"]);
    }
    assert!(completed > 0 && forgotten > 0, "{completed} were completed, {forgotten} forgotten");
}
