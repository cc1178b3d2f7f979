//! A repository in which every command that writes has something to do, its state, and how it is had again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use teof::base::Clock;

use crate::harness::agents::Fake;
use crate::harness::{TOKEN, World, operator_tokens, temp};

const AGENT: &str = r#"
case "$TEOF_TASK" in
  *ask*) answer 'Up or down?' ;;
  *) echo done >> "$TEOF_TASK.txt"; answer '{"analysis": "did it", "commands": [], "receipts": []}' ;;
esac
"#;

const SETTINGS: &str = "[lock]\nwait = \"2s\"\n[claims]\nagent_window = \"1m\"\n[coordinator]\nretries = 0\n\
    poll_min = \"1s\"\npoll_max = \"1s\"\nrecord = false\n[worker]\ngrace = \"1s\"\n[pipeline]\nstages = [\"coder\"]\n\
    [roles.coder]\nagent = \"fake\"\n";

/// File or reference to what is in it: of logs the set of lines, of others the text.
pub type State = BTreeMap<String, BTreeSet<String>>;

pub struct Lab {
    pub world: World,
    /// A copy of the world's folder.
    pristine: tempfile::TempDir,
    /// The moment at which commands run, later than everything in the repository.
    now: String,
    /// Names of jobs and plans that the lines of commands contain: `{merged}` and so on.
    names: BTreeMap<&'static str, String>,
}

impl Lab {
    pub fn new() -> Lab {
        let world = World::bare_of_teof();
        let agent = Fake::new(&world.folder(), "fake", AGENT);
        let mut tokens: Value = serde_json::from_str(&operator_tokens()).unwrap();
        let mut old = tokens[0].clone();
        old["name"] = json!("old");
        tokens.as_array_mut().unwrap().push(old);
        fs::write(world.folder().join("state/teof/operator-tokens.json"), tokens.to_string()).unwrap();
        for seat in ["manager", "worker-1", "worker-2"] {
            world.ok(&["init", "--agent", seat, "-q"]);
        }
        world.write("teof.toml", &format!("{}{SETTINGS}", agent.settings()));
        world.write("_report/agent/worker-1/gone.txt", "gone\n");
        world.write(".beads/issues.jsonl", "{\"id\":\"bd-1\",\"title\":\"t\",\"status\":\"open\",\"priority\":2}\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "Set up"]);
        world.ok(&["consent", "grant", "--continuous"]);
        let mut names = BTreeMap::new();
        for what in ["merged", "waits", "asked"] {
            world.ok(&["coordinator", "submit", "--test", "true", "--objective", &format!("Have {what}")]);
        }
        world.run(&["coordinator", "run", "--until-idle"]).expect(5);
        let status = world.json(&["coordinator", "status"]);
        for what in ["merged", "waits", "asked"] {
            let job = status["jobs"].as_array().unwrap().iter().find(|job| job["title"] == format!("Have {what}"));
            names.insert(what, job.unwrap()["id"].as_str().unwrap().to_owned());
        }
        world.ok(&["review", "approve", &names["merged"]]);
        world.run(&["coordinator", "run", "--until-idle"]).expect(5);
        for seat in ["manager", "worker-1", "worker-2"] {
            world.write(
                &format!("_report/session/{seat}/manager-report-tail.txt"),
                &tail(&Clock::Machine.now().to_string()),
            );
        }
        world.write("_report/session/idle-1/manager-report-tail.txt", "# captured_at=2026-01-05T10:00:00Z\n");
        world.write("_report/session/retired-1/seat.json", "{\n  \"status\": \"retired\"\n}\n");
        for task in ["Q-1", "Q-2", "Q-3"] {
            world.ok(&["task", "add", task, "--title", task, "--agent", "manager"]);
        }
        world.ok(&["task", "assign", "Q-2", "--to", "worker-1", "--no-auto-claim", "--agent", "manager"]);
        as_seat(&world, &["bus", "claim", "T", "--agent", "worker-1", "--allow-unassigned"]);
        as_seat(&world, &["bus", "claim", "OLD", "--agent", "worker-2", "--allow-unassigned", "--lease", "1m"]);
        as_seat(&world, &["receipts", "add", "_report/agent/worker-1/gone.txt", "--agent", "worker-1"]);
        world.write("_report/agent/worker-1/proof.txt", "proof\n");
        world.write("_report/session/worker-1/dirty-handoff/dirty-20260105T100000Z.txt", "# dirty handoff\n\n M a\n");
        names.insert("plan", plan(&world, "2026-01-05-open"));
        names.insert("ready", plan(&world, "2026-01-05-ready"));
        world.ok(&["plan", "approve", &names["ready"]]);
        let step = format!("{}-S1", names["plan"]);
        as_seat(
            &world,
            &["bus", "claim", &step, "--plan", &names["plan"], "--agent", "worker-1", "--allow-unassigned"],
        );
        world.ok(&["bus", "commit"]);
        as_seat(&world, &["agent", "save", "kept", "--agent", "worker-1", "--allow-dirty"]);
        world.ok(&["coordinator", "submit", "Q-3"]);
        let now = Clock::Machine.now().plus(Duration::from_secs(300)).to_string();
        for seat in ["manager", "worker-1", "worker-2"] {
            world.write(&format!("_report/session/{seat}/manager-report-tail.txt"), &tail(&now));
        }
        // What was acknowledged and is in no commit.
        world.ok(&["bus", "event", "--agent", "manager", "--event", "note", "--summary", "not committed"]);
        fs::write(world.repo.join(".git/teof/test-clock"), "").unwrap();
        let pristine = temp::folder();
        copy(&world.folder(), pristine.path());
        Lab { world, pristine, now, names }
    }

    /// As it was made, for a command with this line.
    pub fn reset(&self, line: &str) {
        for entry in fs::read_dir(self.world.folder()).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => fs::remove_dir_all(entry.path()).unwrap(),
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
        copy(self.pristine.path(), &self.world.folder());
        let state = self.world.repo.join(".git/teof/coordinator/state.json");
        let read = || serde_json::from_slice::<Value>(&fs::read(&state).unwrap()).unwrap();
        match line.split(' ').nth(1) {
            Some("git") => drop(self.world.git(&["config", "filter.any.clean", "cat"])),
            Some("retire") => fs::remove_file(self.world.repo.join("_report/agent/worker-1/gone.txt")).unwrap(),
            Some("resume") => {
                let mut paused = read();
                paused["paused"] = json!({"at": self.now, "by": "Tester", "note": "wait"});
                fs::write(&state, paused.to_string()).unwrap();
            }
            Some("reset-breaker") => {
                let mut open = read();
                open["breaker"]["open"] =
                    json!({"at": self.now, "reason": "three in a row", "job": self.names["asked"]});
                fs::write(&state, open.to_string()).unwrap();
            }
            _ => {}
        }
    }

    /// The arguments of a line of [`super::scenarios`].
    pub fn args(&self, line: &str) -> Vec<String> {
        let mut line = line.to_owned();
        for (name, value) in &self.names {
            line = line.replace(&format!("{{{name}}}"), value);
        }
        line.split(' ').map(|word| word.replace('_', " ").replace("%", "_")).chain(["--json".to_owned()]).collect()
    }

    /// Has a program run as all commands here: same time, same environment; `agent` is the seat that the arguments
    /// name.
    pub fn prepare(&self, command: &mut Command, args: &[String], real_time: bool) {
        self.world.clear(command);
        match seat_of(args) {
            // In a booted seat's folder a person shows that they are one.
            Some("operator") => drop(command.env("TEOF_OPERATOR_TOKEN", TOKEN)),
            Some(seat) if args[0] != "init" && args[0] != "session-boot" => drop(command.env("TEOF_AGENT", seat)),
            _ => {}
        }
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_DATE"), &self.now);
        }
        if !real_time {
            command.env("TEOF_NOW", &self.now);
        }
        command.current_dir(&self.world.repo).stdin(Stdio::null());
    }

    pub fn state(&self) -> State {
        let mut found = State::new();
        let folder = self.world.folder();
        let mut folders =
            vec![self.world.repo.clone(), folder.join("state"), self.world.repo.join(".git/teof/coordinator")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                // Temporary files of killed writers, and what is rebuilt from the record.
                if name == ".git"
                    || name.starts_with(".teof-")
                    || name.ends_with(".lock")
                    || path.ends_with("teof/projects")
                {
                    continue;
                }
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
                let lines: BTreeSet<String> = match name.ends_with(".jsonl") {
                    true => text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
                    false => [text].into(),
                };
                // A log that was made and has no line yet holds nothing.
                if lines.is_empty() {
                    continue;
                }
                found.insert(path.strip_prefix(self.world.folder()).unwrap().display().to_string(), lines);
            }
        }
        let trust = fs::read_to_string(self.world.repo.join(".git/teof/trust.json")).unwrap_or_default();
        found.insert("trust".to_owned(), [trust].into());
        let refs = self.git(&["for-each-ref", "--format=%(refname) %(objectname)"]).1;
        found.extend(
            refs.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, id)| (name.to_owned(), [id.to_owned()].into())),
        );
        found.insert("HEAD".to_owned(), [self.git(&["symbolic-ref", "HEAD"]).1].into());
        found
    }

    /// Whether git succeeds, and what it prints.
    pub fn git(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        self.world.clear(&mut command);
        let output = command.args(args).current_dir(&self.world.repo).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }
}

fn seat_of(args: &[impl AsRef<str>]) -> Option<&str> {
    let at = args.iter().position(|arg| arg.as_ref() == "--agent")?;
    args.get(at + 1).map(AsRef::as_ref)
}

/// In a folder that is another seat's.
fn as_seat(world: &World, args: &[&str]) {
    let mut command = world.teof(args);
    let output = command.env("TEOF_AGENT", seat_of(args).unwrap()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

fn tail(now: &str) -> String {
    format!("# captured_at={now}\n")
}

/// A plan with one step, made by hand.
pub fn plan(world: &World, id: &str) -> String {
    let step = json!({"id": "S1", "title": "one", "status": "queued", "notes": "", "receipts": [],
        "commands": [format!("echo one > {id}.txt")], "tests": ["true"], "diff_limit": 5});
    let plan: Value = json!({"version": 0, "plan_id": id, "created": "2026-01-05T10:00:00Z", "actor": "manager",
        "summary": id, "priority": 2, "impact_score": 1, "layer": "L5", "systemic_scale": 5,
        "systemic_targets": ["S1", "S6"], "layer_targets": ["L5"], "status": "queued", "steps": [step],
        "checkpoint": {"description": "it is there", "owner": "manager", "status": "pending"}, "links": [], "receipts": []});
    world.write(&format!("_plans/{id}.plan.json"), &(serde_json::to_string_pretty(&plan).unwrap() + "\n"));
    id.to_owned()
}

pub fn copy(from: &Path, to: &Path) {
    let from: PathBuf = from.join(".");
    assert!(Command::new("cp").arg("-a").args([from.as_path(), to]).status().unwrap().success());
}
