//! `teof bus verify`

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::guard::preflight::Format;
use crate::ops::record::verify;

/// Check the event log, the channels and the ledger
///
/// Finds wrong ids, broken chains, damaged lines, lines that git has and the record lost, and writes to tasks
/// that another seat held. Exit code 1 when there are errors. `teof bus restore` brings lost lines back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus verify\n\
\x20 teof bus verify --base HEAD   # compare with a commit")]
pub struct Args {
    /// Compare with this commit [default: the record's branch]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let progress = app.progress("Reading the logs");
    let report = verify::verify(app.hub()?, args.base.as_deref())?;
    drop(progress);
    let shown = report.show(if app.json() { Format::Json } else { Format::Human });
    if !shown.is_empty() {
        app.out(shown);
    }
    app.say(format!("bus: {report}"));
    Ok(ExitCode::from(u8::from(report.errors() > 0)))
}
