//! `teof guide`: explains teof to an agent or a person who has only the binary.

use std::process::ExitCode;

use clap::Command;
use serde_json::json;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::terminal::style;

mod commands;
mod tables;

/// Print how to work with teof, for agents or as a reference
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof guide                          # the working loop of an agent\n\
\x20 teof guide codes | grep diff.too_large\n\
\x20 teof guide commands > commands.md")]
pub struct Args {
    /// What to print
    #[arg(value_enum, default_value = "agent")]
    topic: Topic,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Topic {
    /// The working loop of an agent
    Agent,
    /// Every command with its flags, as Markdown (docs/commands.md)
    Commands,
    /// Every setting with its default, as Markdown (docs/settings.md)
    Settings,
    /// What each code of findings, refusals and reasons means, as Markdown (docs/codes.md)
    Codes,
}

const AGENT: &str = include_str!("../../../../docs/agent-guide.md");

/// Prints the guide.
pub fn run(args: Args, app: &App, tree: Command) -> Result<ExitCode> {
    let text = match args.topic {
        Topic::Agent => AGENT.to_owned(),
        Topic::Commands => commands::reference(tree),
        Topic::Settings => tables::settings()?,
        Topic::Codes => tables::codes(),
    };
    app.result(&json!({ "markdown": text }), || match (args.topic, style::columns()) {
        (Topic::Agent, columns @ Some(_)) => reflow(text.trim_end(), columns),
        _ => text.trim_end().to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// Paragraphs and list items of Markdown without code blocks and tables, wrapped to a terminal's width.
fn reflow(text: &str, columns: Option<usize>) -> String {
    let mut blocks: Vec<String> = Vec::new();
    for line in text.lines() {
        let begins = line.is_empty() || line.starts_with(['#', '-']) || line.starts_with(|c: char| c.is_ascii_digit());
        match blocks.last_mut().filter(|last| !begins && !last.is_empty() && !last.starts_with('#')) {
            Some(last) => last.push_str(&format!(" {}", line.trim_start())),
            None => blocks.push(line.to_owned()),
        }
    }
    let hang = |block: &str| if block.starts_with(|c: char| c.is_ascii_digit()) { 3 } else { 0 };
    let wrapped = blocks.iter().map(|block| style::wrap(block, columns, hang(block)));
    wrapped.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_wrapped_anew_to_the_terminal() {
        let shown = reflow("# Head\n\nOne two three\nfour.\n\n1. Do this and\n   that.\n2. Go.", Some(16));
        assert_eq!(shown, "# Head\n\nOne two three\nfour.\n\n1. Do this and\n   that.\n2. Go.");
        let wide = reflow("One two three\nfour.\n\n1. Do this and\n   that.", Some(40));
        assert_eq!(wide, "One two three four.\n\n1. Do this and that.");
    }
}
