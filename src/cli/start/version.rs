//! `teof version`

use std::process::ExitCode;

use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::model::run::order;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args, app: &App) -> Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    app.result(&json!({ "version": version, "order_versions": [1, order::VERSION] }), || format!("teof {version}"));
    Ok(ExitCode::SUCCESS)
}
