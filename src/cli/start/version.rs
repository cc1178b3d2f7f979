//! `teof version`

use std::process::ExitCode;

use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::model::run::order;

/// Print the version and the file formats this build supports
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof version\n\
\x20 teof version --json")]
pub struct Args {}

pub fn run(_: Args, app: &App) -> Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    app.result(&json!({ "version": version, "order_versions": [1, order::VERSION] }), || format!("teof {version}"));
    Ok(ExitCode::SUCCESS)
}
