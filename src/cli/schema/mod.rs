//! `teof schema`: JSON Schemas of the files and of the `--json` outputs, made from the types.

mod files;
mod format;
mod outputs;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::format::Format;
use crate::base::{Refusal, Result, json as layout, names, text};
use crate::cli::App;
use crate::cli::support::terminal::{Column, Table};

/// Print the JSON Schema of a file or of an output of --json
///
/// For editors and for programs that read what teof writes. Draft 2020-12. Files may have more fields than a schema
/// names: they are kept. Without a name, lists the schemas.
///
/// With --json: the list is [{name, of}].
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof schema                 # list all\n\
\x20 teof schema plan > plan.schema.json\n\
\x20 teof schema review list     # what `teof review list --json` prints")]
pub struct Args {
    /// A file such as `plan`, or a command such as `review list`
    name: Vec<String>,
    /// List the schemas
    #[arg(long, conflicts_with = "name")]
    list: bool,
}

fn all() -> impl Iterator<Item = &'static Format> {
    files::FILES.iter().chain(outputs::OUTPUTS)
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if args.list || args.name.is_empty() {
        let document: Vec<Value> = all().map(|one| json!({"name": one.name, "of": one.of})).collect();
        app.result(&document, || {
            let mut table = Table::new([Column::word("NAME"), Column::text("OF")]);
            all().for_each(|one| table.row([one.name.into(), one.of.into()]));
            table.show()
        });
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.name.join(" ");
    let Some(found) = all().find(|one| one.name == name) else {
        let meant = names::did_you_mean(&name, all().map(|one| one.name));
        return Err(Refusal::not_found("schema.unknown", format!("no such schema: {}{meant}", text::safe(&name)))
            .next("see all: teof schema --list")
            .into());
    };
    let mut schema = (found.make)();
    schema.insert("title".to_owned(), json!(format!("teof {}", found.name)));
    schema.insert("$comment".to_owned(), json!(found.of));
    app.out(layout::printable(layout::pretty(&schema)));
    Ok(ExitCode::SUCCESS)
}
