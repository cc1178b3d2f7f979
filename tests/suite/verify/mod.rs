//! `teof verify`: what made a commit can be told from the repository alone, and every change of that is noticed.
//!
//! The tests verify copies of `tests/fixtures/verify/sample.bundle`, which its `make.sh` made.

mod pull_requests;
mod standing;
mod styles;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use teof::base::digest;
use teof::model::event;
use teof::receipts::seal;

use crate::harness::{Ran, World};

const LEDGER: &str = "_report/receipts.jsonl";
const LOG: &str = "_bus/events/events.jsonl";
const MEMORY: &str = "memory/log.jsonl";

/// A clone of the sample.
pub struct Sample {
    pub world: World,
    /// The commits of the jobs j1, j2 and j3.
    jobs: [String; 3],
    /// The record's newest commit.
    record: String,
}

impl Sample {
    pub fn new() -> Sample {
        let mut world = World::bare_of_teof();
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verify/sample.bundle");
        let copy = world.folder().join("copy");
        world.git(&["clone", "-q", "-b", "main", bundle.to_str().unwrap(), copy.to_str().unwrap()]);
        world.repo = copy;
        // Otherwise its untouched record would be found there.
        world.git(&["remote", "remove", "origin"]);
        let named = |job: &str| world.git(&["log", "--format=%H", &format!("--grep=^Teof-Job: .*-{job}$"), "main"]);
        let jobs = ["1", "2", "3"].map(named);
        let record = world.git(&["rev-parse", "main"]);
        Sample { world, jobs, record }
    }

    /// The commit of job j2, which agents made.
    pub fn commit(&self) -> String {
        self.jobs[1].clone()
    }

    fn verify(&self, args: &[&str]) -> Ran {
        self.world.run(&[&["verify"], args].concat())
    }

    /// The only tracked file whose path has these parts.
    fn file(&self, folder: &str, ending: &str) -> String {
        let all = self.world.git(&["ls-files", "_report"]);
        let mut found = all.lines().filter(|path| path.contains(folder) && path.ends_with(ending));
        let one = found.next().unwrap_or_else(|| panic!("no {folder}…{ending} in {all}")).to_owned();
        assert!(found.next().is_none(), "{folder}…{ending} is not one file");
        one
    }

    fn envelope(&self) -> String {
        self.file("/runs/", "-2.1.json")
    }

    fn bundle(&self) -> String {
        self.file("/reviews/", "-2.1.json")
    }

    fn order(&self) -> String {
        self.file("/manifests/", "-2.json")
    }

    fn decision(&self) -> String {
        self.file("/reviews/", "-2-approved.json")
    }

    /// Replaces text in a file, which must have it.
    #[track_caller]
    fn edit(&self, path: &str, from: &str, to: &str) {
        let before = self.world.read(path);
        assert!(before.contains(from), "{path} has no {from:?}");
        self.world.write(path, &before.replace(from, to));
    }

    /// Gives a receipt the right hash of its own again.
    fn reseal(&self, path: &str) {
        let document: Map<String, Value> = serde_json::from_str(&self.world.read(path)).unwrap();
        self.world.write(path, &seal::sealed(document));
    }

    /// Writes the digests of all files into the ledger, and its chains anew.
    fn relist(&self) {
        let lines = self.world.lines(LEDGER).into_iter().filter_map(|mut line| {
            let bytes = fs::read(self.world.repo.join(line["path"].as_str().unwrap())).ok()?;
            line["sha256"] = json!(digest::sha256(&bytes));
            Some(line)
        });
        self.chain(LEDGER, lines.collect());
    }

    /// Writes a log's lines with right ids and predecessors.
    fn chain(&self, path: &str, lines: Vec<Value>) {
        let mut last = std::collections::HashMap::new();
        let mut out = Vec::new();
        for line in lines {
            let Value::Object(mut line) = line else { panic!("{path} has a line that is no object") };
            let author = line["agent_id"].as_str().unwrap().to_owned();
            line.shift_remove("id");
            if line.shift_remove("prev").is_some() | last.contains_key(&author)
                && let Some(prev) = last.get(&author)
            {
                line.insert("prev".into(), json!(prev));
            }
            let (bytes, id) = event::seal(&line);
            last.insert(author, id);
            out.extend(bytes);
        }
        fs::write(self.world.repo.join(path), out).unwrap();
    }

    /// Rewrites the whole record so that it is consistent again.
    fn rewrite(&self, edited: &str) {
        self.reseal(edited);
        self.relist();
        self.chain(LOG, self.world.lines(LOG));
    }

    /// Changes a field of a receipt, and rewrites the whole record.
    #[track_caller]
    fn set(&self, path: &str, field: &str, value: Value) {
        let mut document: Value = serde_json::from_str(&self.world.read(path)).unwrap();
        let place = document.pointer_mut(field).unwrap_or_else(|| panic!("{path} has no {field}"));
        assert_ne!(*place, value);
        *place = value;
        self.world.write(path, &format!("{document:#}"));
        self.rewrite(path);
    }

    /// Removes the lines of a log that have this text.
    fn without(&self, path: &str, text: &str) {
        let before = self.world.read(path);
        let after: String = before.split_inclusive('\n').filter(|line| !line.contains(text)).collect();
        assert_ne!(before, after, "{path} has no line with {text:?}");
        self.world.write(path, &after);
    }

    /// Keeps the first lines of a log.
    fn cut(&self, path: &str, lines: usize) {
        let before = self.world.read(path);
        assert!(before.lines().count() > lines);
        self.world.write(path, &before.split_inclusive('\n').take(lines).collect::<String>());
    }

    fn commit_all(&self) {
        self.world.git(&["add", "-A"]);
        self.world.git(&["commit", "-qm", "Tamper"]);
    }

    /// The commit of j2 made again with another message, tree or parent (or several), and a record in which the
    /// decision names it.
    fn forge(&self, message: impl Fn(String) -> String, tree: Option<&str>, parent: Option<&str>) -> String {
        let old = self.commit();
        let said = message(self.world.git(&["log", "-1", "--format=%B", &old]));
        let (own_tree, own_parent) = (format!("{old}^{{tree}}"), format!("{old}^"));
        let (tree, parent) = (tree.unwrap_or(&own_tree), parent.unwrap_or(&own_parent));
        let parents = parent.split(' ').flat_map(|parent| ["-p", parent]);
        let args: Vec<&str> = ["commit-tree", tree].into_iter().chain(parents).chain(["-m", said.as_str()]).collect();
        self.decide_on(&self.world.git(&args))
    }

    /// A record in which the decision about j2 names this commit.
    fn decide_on(&self, new: &str) -> String {
        let (old, new) = (self.commit(), new.to_owned());
        self.world.git(&["reset", "-q", "--hard", &new]);
        self.world.git(&["checkout", "-q", &self.record, "--", "_bus", "_report", "_plans", "memory"]);
        let decision = self.decision();
        for path in [&decision, LOG, MEMORY] {
            self.edit(path, &old, &new);
        }
        self.rewrite(&decision);
        self.commit_all();
        new
    }

    /// A tree like that of j2's commit, with one file more.
    fn other_tree(&self) -> String {
        self.world.git(&["checkout", "-q", "--detach", &self.commit()]);
        self.world.write("backdoor.sh", "exit 0\n");
        self.world.git(&["add", "backdoor.sh"]);
        let tree = self.world.git(&["write-tree"]);
        self.world.git(&["checkout", "-q", "-f", "main"]);
        let _ = fs::remove_file(self.world.repo.join("backdoor.sh"));
        tree
    }
}

fn checks(ran: &Ran) -> Vec<(String, String, String)> {
    let document: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let all = document["commits"][0]["checks"].as_array().unwrap().iter();
    all.map(|check| (text(check, "name"), text(check, "outcome"), text(check, "message"))).collect()
}

#[test]
fn the_sample_is_verified_in_a_clone_that_has_nothing_of_teofs() {
    let sample = Sample::new();
    for commit in &sample.jobs {
        let ran = sample.verify(&[commit, "--strict", "--json"]).expect(0);
        assert!(checks(&ran).iter().all(|(_, outcome, _)| outcome == "ok"), "{}", ran.stdout);
    }
    let said: Value = serde_json::from_str(&sample.verify(&[&sample.commit(), "--json"]).stdout).unwrap();
    let evidence = &said["commits"][0]["evidence"];
    assert_eq!((&evidence["approval"]["by"], &evidence["approval"]["recognised"]), (&json!("Ann"), &json!("neither")));
    let stages: Vec<_> =
        evidence["agents"].as_array().unwrap().iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["planner", "coder", "coder", "reviewer"]);
    for digest in ["/agents/0/prompt_sha256", "/guards/0/output_sha256", "/order/sha256", "/envelope/sha256"] {
        assert_eq!(evidence.pointer(digest).unwrap().as_str().unwrap().len(), 64, "{digest}");
    }
    assert_eq!(evidence["sealed_by"], json!(sample.jobs[2]), "the next commit covers the decision");
    let text = sample.verify(&[&sample.commit()]).expect(0).stdout;
    for part in ["Verified", "(j2)", "coder scripted:none", "by Ann (neither)", "26 events"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!sample.world.exists(".git/teof"), "nothing was written");
}

#[test]
fn a_commit_that_no_job_made_has_an_exit_code_of_its_own() {
    let sample = Sample::new();
    sample.world.write("person.txt", "by hand\n");
    sample.commit_all();
    let ran = sample.verify(&["HEAD"]).expect(4);
    assert!(ran.stdout.contains("no job made it"), "{}", ran.stdout);
    assert!(sample.verify(&[&sample.record]).expect(4).stdout.starts_with("Record"));
    sample.verify(&["no-such-commit"]).expect(2);
    // A record commit is taken for one by what it changes.
    sample.world.write("person.txt", "more\n");
    sample.world.git(&["commit", "-qam", "Commit the record\n\nTeof-Record: _bus _plans _report"]);
    assert!(sample.verify(&["HEAD"]).expect(4).stdout.contains("more than the record"));
}

#[test]
fn a_range_lists_every_commit_and_can_require_a_job_of_each() {
    let sample = Sample::new();
    let range = format!("{}^..HEAD", sample.jobs[0]);
    let ran = sample.verify(&[&range, "--require"]).expect(0);
    assert_eq!(ran.stdout.matches("Verified").count(), 3, "{}", ran.stdout);
    assert!(ran.stderr.contains("4 commits, 3 made by jobs, 0 failed"), "{}", ran.stderr);
    sample.world.write("person.txt", "by hand\n");
    sample.commit_all();
    sample.verify(&[&range]).expect(0);
    let ran = sample.verify(&[&range, "--require", "--format", "github"]).expect(1);
    assert!(
        ran.stdout.starts_with("::error title=teof verify::") && ran.stdout.contains("no job made it"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_statement_names_the_commit_and_another_one_is_refused() {
    let sample = Sample::new();
    let commit = sample.commit();
    let said = sample.verify(&[&commit, "--statement"]).expect(0).stdout;
    let statement: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"], json!({"gitCommit": commit}));
    assert_eq!(statement["predicate"]["evidence"]["approval"]["by"], "Ann");
    sample.world.write("statement.json", &said);
    sample.verify(&[&commit, "--against", "statement.json"]).expect(0);
    sample.edit("statement.json", "\"passed\": false", "\"passed\": true");
    let refused = sample.verify(&[&commit, "--against", "statement.json"]).expect(1);
    assert!(refused.stderr.contains("/predicate/evidence/guards/1/passed"), "{}", refused.stderr);
}

/// The script that makes the sample works with this binary, in the same way.
#[test]
fn the_sample_can_be_made_again() {
    let folder = crate::harness::temp::on_disk();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verify/make.sh");
    let copy: PathBuf = folder.path().join("make.sh");
    fs::copy(script, &copy).unwrap();
    let world = World::bare_of_teof();
    let mut make = std::process::Command::new("bash");
    world.clear(&mut make);
    let done = make.arg(&copy).arg(env!("CARGO_BIN_EXE_teof")).env("TMPDIR", folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && told.matches("Verified").count() == 3,
        "{told}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(folder.path().join("sample.bundle").is_file());
}
