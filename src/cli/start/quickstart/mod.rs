//! `teof quickstart`: the whole workflow on a small repository of its own, with nothing configured.
//!
//! Every step runs this same binary, as a person would; nothing here touches the record itself.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use serde_json::{Value, json};

use crate::base::{Refusal, Result, env, files, text};
use crate::cli::App;
use crate::cli::support::terminal::{Column, Table};
use crate::hub::{Hub, output};

/// Try teof on a small repository of its own, without any setup
///
/// Shows parallel workers, an agent that a test sends back, a retry, a guard that blocks, and work that waits
/// for your review. Takes less than a minute; no agent program and no account is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof quickstart \"$(mktemp -d)\"")]
pub struct Args {
    /// A new or empty folder [default: a temporary one]
    dir: Option<PathBuf>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let is_temporary = args.dir.is_none();
    let demo = Demo { folder: prepare(args.dir)?, is_temporary, app };
    app.say(format!("Making a small repository in {}\n", demo.folder.display()));
    demo.git(&["init", "-q", "-b", "main"])?;
    for (key, value) in [("user.name", "teof quickstart"), ("user.email", "quickstart@teof.invalid")] {
        if !demo.git_answers(&["config", "--get", key])? {
            demo.git(&["config", key, value])?;
        }
    }
    // With the logs inside, removing the folder removes everything.
    let state = demo.folder.join(".git/teof").join(Hub::OWN_STATE);
    fs::create_dir_all(&state).map_err(|e| files::io_refusal(e, "create", &state))?;
    sample::write_project(&demo.folder)?;
    demo.git(&["add", "."])?;
    demo.git(&["commit", "-qm", "A small project"])?;

    demo.quietly("set up the repository", &["init", "--agent", "manager"])?;
    demo.app
        .say("  (the record is on main here, so that one folder shows all; in your repository it gets its own branch)");
    let plans = sample::write_work(&demo.folder, app.now())?;
    app.say("  (wrote seats for two workers and a reviewer, a backlog and four plans)");
    demo.teof("check the plans", &["plan", "list"])?;
    app.say("\nUnattended work needs a person's consent. You started this, so it is given in");
    app.say("your name, for this repository only: to each plan's commands, and to ten jobs.");
    for plan in &plans {
        demo.quietly("approve its commands", &["plan", "approve", plan])?;
    }
    demo.quietly("allow ten jobs", &["consent", "grant", "--max-jobs", "10"])?;
    demo.git(&["add", "."])?;
    demo.git(&["commit", "-qm", "Set up teof"])?;
    app.say("");
    // One of the plans is made to be blocked, which the exit code says.
    demo.teof_ends("run until no work is left", &["run", "--until-idle"], &[0, 1], false)?;
    demo.summary(&plans)
}

struct Demo<'a> {
    folder: PathBuf,
    /// In a new folder that holds nothing else.
    is_temporary: bool,
    app: &'a App,
}

impl Demo<'_> {
    /// Runs this binary in the demo's repository, showing the command line first.
    fn teof(&self, why: &str, args: &[&str]) -> Result<()> {
        self.teof_ends(why, args, &[0], false)
    }

    /// Like [`Demo::teof`], without what the command prints.
    fn quietly(&self, why: &str, args: &[&str]) -> Result<()> {
        self.teof_ends(why, args, &[0], true)
    }

    /// Like [`Demo::teof`], for a command that may end with one of these exit codes.
    fn teof_ends(&self, why: &str, args: &[&str], codes: &[i32], quiet: bool) -> Result<()> {
        self.app.say(format!("$ teof {}   # {why}", args.join(" ")));
        let mut command = self.own_binary()?;
        command.args(args).stdout(Stdio::from(std::io::stderr()));
        if quiet || self.app.global.quiet {
            command.arg("--quiet").stdout(Stdio::null());
        }
        let status = command.status().context("start teof")?;
        if status.code().is_some_and(|code| codes.contains(&code)) {
            return Ok(());
        }
        Err(Refusal::guard("quickstart.failed", format!("teof {} failed ({status})", args.join(" ")))
            .because("its output is above")
            .next(format!("look into the repository: cd {}", text::shell_word(&self.folder.display().to_string())))
            .into())
    }

    /// What a command of this binary answers with `--json`.
    fn ask(&self, args: &[&str]) -> Result<Value> {
        let output = self.own_binary()?.args(args).arg("--json").output().context("start teof")?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("teof {} gave no JSON", args.join(" ")))
    }

    fn own_binary(&self) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("find our own binary")?);
        for name in [env::ROOT, env::AGENT, env::TASK, env::RUN, env::CLAIM_EPOCH, env::RECEIPTS_DIR] {
            command.env_remove(name);
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    fn git(&self, args: &[&str]) -> Result<()> {
        crate::hub::git::Git::at(&self.folder).run(args).map(drop)
    }

    fn git_answers(&self, args: &[&str]) -> Result<bool> {
        crate::hub::git::Git::at(&self.folder).succeeds(args)
    }

    /// What happened, read back from the record, and where to look at it.
    fn summary(&self, plans: &[String]) -> Result<ExitCode> {
        let status = self.ask(&["coordinator", "status"])?;
        let jobs = status["jobs"].as_array().cloned().unwrap_or_default();
        let waiting: Vec<_> = jobs.into_iter().filter(|job| job["phase"]["is"] == "review").collect();
        let steps = self.steps(plans, &waiting)?;
        self.app.say("\nWhat happened:");
        let mut table = Table::new([Column::word("STATE"), Column::text("STEP"), Column::text("WHY").or_below()]);
        for step in &steps {
            let part = |key: &str| step[key].as_str().unwrap_or_default();
            table.row([part("status").into(), part("title").into(), part("reason").into()]);
        }
        self.app.say(table.show());
        let jobs: Vec<_> = waiting.iter().filter_map(|job| job["short"].as_str()).collect();
        self.where_to_look(&jobs)?;
        let document = json!({ "folder": self.folder, "steps": steps, "reviews": jobs });
        self.app.result(&document, String::new);
        Ok(ExitCode::SUCCESS)
    }

    /// Commands that work when pasted, wherever this binary is.
    fn where_to_look(&self, jobs: &[&str]) -> Result<()> {
        let (app, teof) = (self.app, called()?);
        let cd = format!("cd {}", text::shell_word(&self.folder.display().to_string()));
        app.say("\nYour turn: nothing is merged without a person. Look at each result and merge it:");
        app.say(format!("  {cd}"));
        for job in jobs {
            app.say(format!("  {teof} review show {job} --diff"));
            app.say(format!("  {teof} approve {job}"));
        }
        app.say("\nLook around:");
        let width = teof.len() + 22;
        for (line, why) in [
            ("git log --oneline".into(), "one commit for each result that you approve"),
            (format!("{teof} status"), "what runs, waits, or is blocked, and why"),
            (format!("{teof} report"), "what happened, as a page"),
            (format!("{teof} check"), "every check, as one table"),
        ] {
            app.say(format!("  {line:<width$}  # {why}"));
        }
        app.say("\nRemove it all, when you have seen enough:");
        app.say(format!("  {}", self.removal()));
        Ok(())
    }

    /// The command that removes all that the quickstart made: the repository, and its worktrees beside it.
    fn removal(&self) -> String {
        let mut worktrees = self.folder.as_os_str().to_owned();
        worktrees.push(".worktrees");
        let word = |path: &Path| text::shell_word(&path.display().to_string());
        match self.folder.parent().filter(|_| self.is_temporary) {
            Some(parent) => format!("rm -rf {}", word(parent)),
            None => format!("rm -rf {} {}", word(&self.folder), word(Path::new(&worktrees))),
        }
    }

    /// Every step of the plans: `{plan, id, title, status, reason}`; of those whose job waits for a person
    /// the status is `needs review`.
    fn steps(&self, plans: &[String], waiting: &[Value]) -> Result<Vec<Value>> {
        let mut steps = Vec::new();
        for plan in plans {
            let shown = self.ask(&["plan", "show", plan])?;
            let found = shown.pointer("/plan/steps").or_else(|| shown.get("steps")).and_then(Value::as_array).cloned();
            for step in found.unwrap_or_default() {
                let mut row = json!({ "plan": plan });
                for key in ["id", "title", "status"] {
                    row[key] = step[key].clone();
                }
                row["reason"] = step["last_run"]["reason"].clone();
                if let Some(job) = waiting.iter().find(|job| job["plan"] == row["plan"] && job["step"] == row["id"]) {
                    row["status"] = json!("needs review");
                    row["reason"] = json!(match job["last"]["passes"].as_u64() {
                        Some(passes) if passes > 1 => format!("every check passed, after {passes} coder passes"),
                        _ => "every check passed".to_owned(),
                    });
                }
                steps.push(row);
            }
        }
        Ok(steps)
    }
}

/// A new or empty folder, absolute.
fn prepare(dir: Option<PathBuf>) -> Result<PathBuf> {
    let folder = match dir {
        Some(dir) => dir,
        None => std::env::temp_dir().join(format!("teof-quickstart-{}", std::process::id())).join("greetings"),
    };
    output::check_folder("quickstart", &folder)?;
    fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
    if fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?.next().is_some() {
        return Err(not_empty(&folder).into());
    }
    folder.canonicalize().with_context(|| format!("find {}", folder.display()))
}

/// How this binary is called from a shell: by its name where the PATH leads to it, else by its path.
fn called() -> Result<String> {
    let own = std::env::current_exe().context("find our own binary")?;
    let path = env::var(env::PATH).unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("teof")).find(|teof| teof.is_file());
    let same = found.and_then(|teof| teof.canonicalize().ok()) == own.canonicalize().ok();
    Ok(if same { "teof".to_owned() } else { text::shell_word(&own.display().to_string()) })
}

fn not_empty(folder: &Path) -> Refusal {
    Refusal::usage("quickstart.not_empty", format!("{} is not empty", folder.display()))
        .because("the quickstart creates a repository and does not touch existing files")
        .next("name a new folder, or omit it to use a temporary one")
        .next("to set up your own repository: teof init")
}
