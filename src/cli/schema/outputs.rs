//! The outputs of `--json`, named as their commands.

use schemars::JsonSchema;

use super::format::{Format, format, written};
use crate::board::coordination::Coordination;
use crate::cli::maintain::{check, scan};
use crate::cli::review;
use crate::cli::support::failure::ErrorDocument;
use crate::cli::unattended;
use crate::cli::unattended::coordinator::summary::Summary;
use crate::cli::unattended::progress::narrate::Line;
use crate::cli::work::{agent, plan, task};
use crate::coordinator::report::Report;
use crate::foreman::calls::trial::Trial;
use crate::guard::preflight::report as preflight;
use crate::ops::presence::status;
use crate::ops::record::export::Line as Exported;
use crate::ops::tasks::import::Report as Imported;

pub(super) const OUTPUTS: &[Format] = &[
    format("error", "stderr of any command with --json, when it is refused", written::<ErrorDocument>),
    format("status", "teof status --json", written::<unattended::coordinator::status::Document>),
    format("task list", "teof task list --json", written::<task::list::Document>),
    format("import", "teof import --json", written::<Imported>),
    format("export", "a line of teof export", written::<Exported>),
    format("plan list", "teof plan list --json", written::<plan::list::Document>),
    format("plan show", "teof plan show --json", written::<plan::show::Document>),
    format("plan validate", "teof plan validate --json", written::<plan::validate::Document>),
    format("bus status", "teof bus status --json", written::<status::Document>),
    format("agent try", "teof agent try --json", written::<Trial>),
    format("agent setup", "teof agent setup --json", written::<agent::setup::Report>),
    format("agent plugin", "teof agent plugin --json", written::<agent::plugin::Written>),
    format("run", "a line of teof run --json", written::<RunLine>),
    format("review list", "teof review list --json", written::<Vec<review::list::Row>>),
    format("review show", "teof review show --json", written::<review::show::Document>),
    format("metrics", "teof coordinator metrics --json", written::<unattended::metrics::Document>),
    format("verify", "teof verify --json", written::<review::verify::Document>),
    format("report", "teof report --json", written::<Report>),
    format("dashboard", "teof dashboard --json", written::<Coordination>),
    format("scan", "teof scan --json", written::<scan::Document>),
    format("check", "teof check --json", written::<check::Document>),
    format("preflight", "teof preflight core --json, teof preflight full --json", written::<preflight::Document>),
];

/// Progress while it runs, and the summary at its end.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum RunLine {
    Progress(Line),
    Summary(Summary),
}
