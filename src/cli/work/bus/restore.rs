//! `teof bus restore`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Exit, Result, text};
use crate::cli::App;
use crate::guard::operator;
use crate::ops::restore::{self, Limits, Restored};

/// Bring back what a reset, stash, merge or damage took from the record
///
/// Use it when `teof doctor` or `teof bus verify` reports lost or damaged lines. Logs, claims, plans, backlog,
/// assignments and receipts come back from git, from lines that are whole, and from what this machine saw
/// acknowledged. Each file is copied aside before it is rewritten. The exit code is 1 where something is missing of
/// which no copy was found.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus restore --dry-run   # see what it would do\n\
\x20 teof bus restore")]
pub struct Args {
    /// Show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Accept documents as they are, and logs of which no copy was found
    #[arg(long)]
    accept: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if !args.dry_run {
        operator::run::refuse("restore the record")?;
    }
    let limits = Limits { dry: args.dry_run, accept: args.accept };
    let progress = app.progress("Comparing the record with the branch");
    let restored = restore::restore(app.hub()?, limits)?;
    drop(progress);
    app.result(&json!({"dry_run": args.dry_run, "mended": restored}), || {
        restored.iter().map(|restored| render(restored, args.dry_run)).collect::<Vec<_>>().join("\n")
    });
    if restored.is_empty() {
        app.say("nothing is missing; nothing was changed");
    } else if !args.dry_run {
        app.say("to see that all is well: teof bus verify");
    }
    let failed = restored.iter().any(|restored| restored.failed);
    Ok(ExitCode::from(if failed { Exit::Refused } else { Exit::Done } as u8))
}

fn render(restored: &Restored, dry: bool) -> String {
    let mut parts = Vec::new();
    let done = if dry { "would be restored" } else { "restored" };
    let is_log = restored.path.ends_with(".jsonl");
    for (count, whence) in [(restored.from_git, "from git"), (restored.from_marks, "from this machine's watermarks")] {
        match count {
            0 => {}
            _ if !is_log => parts.push(format!("the file {done} {whence}")),
            n => parts.push(format!("{} {done} {whence}", text::counted(n, "line"))),
        }
    }
    if restored.left_out > 0 {
        parts.push(format!("{} left out", text::counted(restored.left_out, "damaged line")));
    }
    parts.extend(restored.note.clone());
    if let Some(aside) = &restored.aside {
        parts.push(format!("the damaged file is kept as {}", aside.display()));
    }
    text::safe(&format!("{}: {}", restored.path, parts.join("; ")))
}
