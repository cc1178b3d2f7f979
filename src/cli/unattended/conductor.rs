//! `teof conductor`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::{Exit, Refusal, Result, json, text};
use crate::cli::App;
use crate::cli::support::author::{Flags, span};
use crate::cli::support::help::MORE;
use crate::conductor::cycle::{self, Asked, Cycle, Request};
use crate::conductor::prompt::{DEFAULT_FOLDER, Guardrails};
use crate::conductor::receipt::Outcome;
use crate::conductor::select::Skipped;
use crate::coordinator::state;
use crate::guard::operator;
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::plans::store;

/// Print the prompt of the next backlog item, for an agent you run
///
/// Use it when you run the agent yourself. It executes nothing. Each prompt leaves a receipt. More than one
/// prompt, or --watch, needs consent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof conductor --dry-run --emit-prompt               # show the prompt only\n\
\x20 teof conductor --emit-prompt --allow-stale-session")]
pub struct Args {
    /// Most lines that may be added plus removed [default: guard.diff_limit]
    #[arg(long, value_name = "LINES")]
    diff_limit: Option<u64>,
    /// A test command that must pass; repeatable [default: guard.tests]
    #[arg(long = "test", value_name = "COMMAND")]
    tests: Vec<String>,
    /// Folder for receipts, under _report/
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_FOLDER, help_heading = MORE)]
    receipts_dir: String,
    /// Only an item of this plan; print nothing when another comes first
    #[arg(long, value_name = "PLAN", help_heading = MORE)]
    plan_id: Option<String>,
    /// Keep the receipt, but leave the item pending
    #[arg(long)]
    dry_run: bool,
    /// Wait for work when there is none; needs consent
    #[arg(long)]
    watch: bool,
    /// With --watch: look again after this time even when no file changed
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = span, help_heading = MORE)]
    sleep: Duration,
    /// How many prompts to print; 0 means no limit; more than one needs consent
    #[arg(long, value_name = "N", default_value_t = 1)]
    max_iterations: u64,
    /// Print each prompt on stdout
    #[arg(long)]
    emit_prompt: bool,
    /// Print each receipt on stdout, one JSON line each
    #[arg(long, help_heading = MORE)]
    emit_json: bool,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("hand out work")?;
    let hub = app.hub()?;
    let request = request(&args, hub)?;
    // Before the first look, so that no change falls between looking and waiting.
    let watch = args.watch.then(|| {
        let folders = cycle::watched(hub);
        Watch::on(folders.iter().map(|folder| folder.as_path()))
    });
    let looping = args.watch || args.max_iterations != 1;
    let mut printer = Printer { app, args: &args, request: &request, cycles: Vec::new() };
    let mut excluded = state::store::load(hub)?.excluded();
    loop {
        let done = printer.cycles.len() as u64;
        if looping {
            cycle::may_go_on(hub, &request.author.agent, done)?;
        }
        let waits = match (cycle::run(hub, &request, &excluded), &watch) {
            (Ok(Cycle::Asked(asked)), _) if asked.outcome == Outcome::PlanMismatch => {
                return printer.stop(Some(&asked), &[]);
            }
            (Ok(Cycle::Asked(asked)), _) => {
                printer.prompt(&asked);
                if args.max_iterations == done + 1 {
                    return printer.stop(None, &[]);
                }
                if args.dry_run {
                    excluded.insert(asked.task_id, "shown in this dry run already".to_owned());
                }
                continue;
            }
            (Ok(Cycle::Nothing(skipped)), None) => return printer.stop(None, &skipped),
            (Ok(Cycle::Unmet(why)), None) => return Err(unmet(&why).into()),
            (Ok(Cycle::Nothing(_) | Cycle::Unmet(_)), Some(watch)) => watch,
            (Err(e), Some(watch)) if passes(&e) => {
                app.say(format!("trying again: {}", text::safe(&e.to_string())));
                watch
            }
            (Err(e), _) => return Err(e),
        };
        waits.wait(args.sleep);
    }
}

fn request(args: &Args, hub: &Hub) -> Result<Request> {
    let guard = &hub.settings()?.guard;
    let tests = if args.tests.is_empty() { guard.tests.clone() } else { args.tests.clone() };
    let diff_limit = args.diff_limit.unwrap_or(guard.diff_limit);
    Ok(Request {
        author: args.author.author(hub, None)?,
        guardrails: Guardrails::new(diff_limit, tests, args.receipts_dir.clone())?,
        plan: args.plan_id.as_deref().map(|plan| store::id_of(plan).to_owned()),
        dry_run: args.dry_run,
    })
}

/// Whether another process took the item or holds a lock; the next cycle decides again.
fn passes(error: &anyhow::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| matches!(refusal.exit, Exit::TimedOut | Exit::Held))
}

fn unmet(why: &str) -> Refusal {
    Refusal::guard("prerequisites.unmet", "items wait because the backlog's prerequisites are not met")
        .because(why)
        .next("see the alert on the bus: teof bus watch --event alert")
        .next("see prerequisites in _plans/next-development.todo.json")
}

/// Prints the prompts and collects them for `--json`.
struct Printer<'a> {
    app: &'a App,
    args: &'a Args,
    request: &'a Request,
    cycles: Vec<Value>,
}

impl Printer<'_> {
    fn prompt(&mut self, asked: &Asked) {
        let document = document(asked);
        if !self.app.json() {
            if self.args.emit_prompt {
                self.app.out(asked.prompt.trim_end());
            }
            if self.args.emit_json {
                self.app.out(json::printable(json::compact(&document)));
            }
        }
        for remark in &asked.remarks {
            self.app.warn(remark);
        }
        let receipt = self.app.hub().map_or_else(|_| asked.receipt.clone(), |hub| hub.shown(&asked.receipt));
        self.app.say(format!("{}: the receipt is {receipt}", asked.task_id));
        match asked.outcome {
            Outcome::Prompted => self.app.say(self.reminder()),
            _ => self.app.say("dry run: the item stays pending"),
        }
        self.cycles.push(document);
    }

    fn reminder(&self) -> String {
        let Guardrails { diff_limit, tests, receipts_dir } = &self.request.guardrails;
        let tests = if tests.is_empty() { "none".to_owned() } else { tests.join(" && ") };
        format!(
            "nothing was executed: execute the suggested commands yourself, and honour the guardrails: \
             at most {diff_limit} lines, tests ({tests}), receipts in {receipts_dir}"
        )
    }

    /// Ends without a message; only `--json` says why.
    fn stop(self, mismatch: Option<&Asked>, skipped: &[Skipped]) -> Result<ExitCode> {
        for skipped in skipped {
            tracing::info!("skipped {}: {}", text::safe(&skipped.task_id), text::safe(&skipped.text));
        }
        if self.app.json() {
            let mismatch = mismatch.map(document);
            let answer = json!({ "prompts": self.cycles, "plan_mismatch": mismatch, "skipped": skipped });
            self.app.out(json::printable(json::pretty(&answer)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The receipt's content with its path.
fn document(asked: &Asked) -> Value {
    let mut document = asked.payload.clone();
    document.insert("receipt".to_owned(), json!(asked.receipt));
    document.into()
}
