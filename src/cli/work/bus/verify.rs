//! `teof bus verify`

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::guard::preflight::Format;
use crate::ops::record::verify;

/// Check the event log, the channels and the ledger: ids, chains, damaged lines, lines lost against git,
/// writes to tasks that were somebody else's. Exits with 1 when there are errors.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Nothing of this commit may be lost [default: what the record's branch is at]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let report = verify::verify(app.hub()?, args.base.as_deref())?;
    let shown = report.show(if app.json() { Format::Json } else { Format::Human });
    if !shown.is_empty() {
        app.out(shown);
    }
    app.say(format!("bus: {report}"));
    Ok(ExitCode::from(u8::from(report.errors() > 0)))
}
