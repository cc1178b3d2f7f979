//! `teof consensus ledger`

use serde_json::{Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::output;
use crate::cli::support::since::since;
use crate::cli::support::terminal::{Column, Table, Times};
use crate::consensus::ledger::{self, Filter, Row};
use crate::guard::operator;
use crate::hub::output::Output;

/// Where `--output` may write in the record.
const HOME: &str = "_report/consensus/";

/// List the ledger of decisions: _report/ledger.csv and the records
///
/// With --json: {rows: [{kind, source, …}]}, each with the fields of its row.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus ledger --limit 5\n\
\x20 teof consensus ledger --decision QUEUE-030 --since 7d --output review.jsonl")]
pub struct Args {
    /// Only this decision; repeatable
    #[arg(long, value_name = "ID")]
    decision: Vec<String>,
    /// Only rows of this seat; repeatable
    #[arg(long, value_name = "SEAT")]
    agent: Vec<String>,
    /// Only rows since then: 24h, yesterday, 2026-01-05
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show the last N rows; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write JSON lines to this file instead; a bare name goes to _report/consensus/
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    /// One JSON object per line
    Jsonl,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    if args.output.is_some() {
        operator::run::refuse("export the ledger of decisions")?;
    }
    let hub = app.hub_to_read()?;
    let filter = Filter {
        decisions: args.decision.clone(),
        agents: args.agent.clone(),
        since: args.since.as_deref().map(|text| since(text, app.now())).transpose()?,
        limit: args.limit,
    };
    let rows = ledger::rows(hub, &filter)?;
    if let Some(given) = &args.output {
        let output = Output { flag: "--output", homes: &[HOME], force: None, is_own: is_ledger };
        let path = output::write(hub, &output, given, ledger::to_jsonl(&rows))?;
        app.result(&json!({"path": path, "rows": rows.len()}), || {
            format!("Wrote {} to {path}", text::counted(rows.len(), "row"))
        });
        return Ok(());
    }
    let document = json!({"rows": rows.iter().map(Row::document).collect::<Vec<_>>()});
    match args.format {
        Format::Jsonl if !app.json() && rows.is_empty() => {}
        Format::Jsonl if !app.json() => app.out(ledger::to_jsonl(&rows).trim_end()),
        Format::Json if !app.json() => app.out(crate::base::json::printable(crate::base::json::pretty(&document))),
        _ => app.result(&document, || table(&rows, app.times())),
    }
    Ok(())
}

fn is_ledger(bytes: &[u8]) -> bool {
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Value>(first).is_ok_and(|row| row["kind"] == "ledger_row")
}

fn table(rows: &[Row], times: Times) -> String {
    if rows.is_empty() {
        return "No rows.".to_owned();
    }
    let mut table = Table::new([
        Column::word("TIME"),
        Column::text("DECISION"),
        Column::text("SEAT").optional(),
        Column::text("SUMMARY"),
        Column::number("RECEIPTS").optional(),
    ]);
    for row in rows {
        let part = |part: Option<&str>| text::clip(part.unwrap_or("-"), 2000);
        table.row([
            row.at().map_or_else(|| "-".to_owned(), |at| times.at(at)).into(),
            part(row.decision()).into(),
            part(row.agent()).into(),
            part(row.summary()).into(),
            row.receipts().len().to_string().into(),
        ]);
    }
    table.show()
}
