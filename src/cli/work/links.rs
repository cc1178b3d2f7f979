//! `teof links`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, env, files, json as layout, names, text};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table};
use crate::hub::Worktree;
use crate::model::quick_links::{self, QuickLink};

/// List the pages that people look for, or show one
///
/// They are those of docs/quick-links.json. A page that does not exist is marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof links list\n\
\x20 teof links show agents-idle-cadence")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
}

/// List all links
///
/// With --json: {version, updated, links: [{id, title, summary, path, anchor, category, exists}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof links list --category onboarding\n\
\x20 teof links list --format md > docs/quick-links.md")]
struct List {
    /// Only links of this category; repeatable
    #[arg(long, value_name = "NAME")]
    category: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Show one link
///
/// With --json: {id, title, summary, path, anchor, category, exists}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof links show agents-idle-cadence")]
struct Show {
    /// The link
    id: String,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[value(alias = "table")]
    Text,
    Json,
    /// Markdown
    Md,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    // The pages of the tree that is checked out here, hub or not.
    let start = app.global.root.clone().or_else(|| env::var(env::ROOT).map(PathBuf::from));
    let root = Worktree::containing(start.as_deref().unwrap_or(Path::new(".")))?.root;
    let index = read(&root)?;
    let all = quick_links::links(&index);
    match args.command {
        Command::List(args) => list(&args, &root, &index, &all, app),
        Command::Show(args) => show(&args, &root, &all, app)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(root: &Path) -> Result<Map<String, Value>> {
    let path = files::within(root, quick_links::PATH)?;
    match layout::read_object(&path)? {
        Some(index) => Ok(index),
        None => Err(Refusal::not_found("links.none", format!("{} does not exist", quick_links::PATH))
            .next("list the pages of this program instead: teof guide")
            .into()),
    }
}

fn list(args: &List, root: &Path, index: &Map<String, Value>, all: &[QuickLink<'_>], app: &App) {
    let wanted = |link: &&QuickLink<'_>| {
        args.category.is_empty() || args.category.iter().any(|category| category == link.category())
    };
    let links: Vec<QuickLink<'_>> = all.iter().filter(wanted).copied().collect();
    let rows: Vec<Value> = links.iter().map(|link| document(root, link)).collect();
    let part = |key: &str| index.get(key).cloned().unwrap_or_default();
    let document = json!({"version": part("version"), "updated": part("updated"), "links": rows});
    match args.format {
        Format::Json => app.out(layout::printable(layout::pretty(&document))),
        Format::Md if !app.json() => app.out(links.iter().map(markdown).collect::<Vec<_>>().join("\n")),
        Format::Text | Format::Md => app.result(&document, || table(root, &links)),
    }
}

fn show(args: &Show, root: &Path, all: &[QuickLink<'_>], app: &App) -> Result<()> {
    let Some(link) = all.iter().find(|link| link.id() == Some(args.id.as_str())) else {
        let meant = names::did_you_mean(&args.id, all.iter().filter_map(QuickLink::id));
        return Err(Refusal::not_found("links.unknown", format!("no such link: {}{meant}", text::safe(&args.id)))
            .next("see all: teof links list")
            .into());
    };
    match args.format {
        Format::Json => app.out(layout::printable(layout::pretty(&document(root, link)))),
        Format::Md if !app.json() => app.out(markdown(link)),
        Format::Text | Format::Md => app.result(&document(root, link), || {
            let missing = if exists(root, link) { "" } else { "  (does not exist)" };
            let lines = [link.title(), &format!("{}{missing}", link.target()), link.summary()];
            lines.map(text::safe).join("\n")
        }),
    }
    Ok(())
}

fn exists(root: &Path, link: &QuickLink<'_>) -> bool {
    link.path().and_then(|path| files::within(root, path).ok()).is_some_and(|path| path.exists())
}

fn document(root: &Path, link: &QuickLink<'_>) -> Value {
    let mut document = link.raw.clone();
    document.insert("exists".into(), json!(exists(root, link)));
    Value::Object(document)
}

fn table(root: &Path, links: &[QuickLink<'_>]) -> String {
    if links.is_empty() {
        return "No links.".to_owned();
    }
    let mut table = Table::new([
        Column::word("LINK"),
        Column::text("TITLE"),
        Column::word("CATEGORY").optional(),
        Column::text("PAGE"),
        Column::word("STATE"),
    ]);
    for link in links {
        let missing = if exists(root, link) { "" } else { "missing" };
        table.row([
            link.id().unwrap_or("-").into(),
            link.title().into(),
            link.category().into(),
            link.target().into(),
            Cell::painted(Meaning::Bad, missing),
        ]);
    }
    table.show()
}

/// A line of docs/quick-links.md. Brackets and line breaks would end the link; an address that is not of the web or of
/// a file, such as one that runs a script, is no link.
fn markdown(link: &QuickLink<'_>) -> String {
    let plain = |part: &str| text::safe(part).replace(['[', ']', '<', '>', '`', '(', ')'], "");
    let target = plain(&link.target()).replace(' ', "%20");
    let (id, title) = (plain(link.id().unwrap_or("-")), plain(link.title()));
    let link_to = match is_safe(&target) {
        true => format!("[{title}]({target})"),
        false => format!("{title} (`{target}`)"),
    };
    format!("- `{id}` {link_to}: {}", plain(link.summary()))
}

/// Whether a page may link to it: an address of the web, mail, or a path.
fn is_safe(target: &str) -> bool {
    let target = target.trim().to_ascii_lowercase();
    let scheme = target.split(['/', '?', '#']).next().and_then(|begin| begin.split_once(':')).map(|(scheme, _)| scheme);
    scheme.is_none_or(|scheme| ["http", "https", "mailto"].contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn only_addresses_of_the_web_and_paths_become_links() {
        for target in ["docs/a.md", "https://example.org/x:y", "mailto:a@b", "../a#b:c", "a/b:c"] {
            assert!(is_safe(target), "{target}");
        }
        for target in ["javascript:alert1", " JavaScript:x", "data:text/html,x", "vbscript:x"] {
            assert!(!is_safe(target), "{target}");
        }
    }
}
