//! `teof operator …`

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result, env, text};
use crate::cli::App;
use crate::guard::operator::{self, token};

/// Manage tokens that identify a person without a terminal
///
/// Consent, plan approval, review decisions and breaker reset belong to a person. teof refuses them to a seat,
/// to whatever a worker started, and to a coding agent. Where a person has no terminal (a dashboard, a phone, a
/// script), a token in TEOF_OPERATOR_TOKEN shows who it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof operator whoami\n\
\x20 export TEOF_OPERATOR_TOKEN=$(teof operator token phone)   # at a terminal\n\
\x20 teof operator list")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a token and print it once
    ///
    /// Needs a terminal.
    #[command(after_help = "Examples:\n\
\x20 export TEOF_OPERATOR_TOKEN=$(teof operator token phone)   # at a terminal")]
    Token(Name),
    /// List your tokens, without their secrets
    #[command(after_help = "Examples:\n\
\x20 teof operator list")]
    List,
    /// Revoke a token
    #[command(after_help = "Examples:\n\
\x20 teof operator revoke phone")]
    Revoke(Name),
    /// Show how teof recognises you here, and your name
    #[command(after_help = "Examples:\n\
\x20 teof operator whoami")]
    Whoami,
}

#[derive(Debug, clap::Args)]
struct Name {
    /// What the token is for, such as phone or ci
    #[arg(default_value = "default")]
    name: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Token(Name { name }) => issue(&name, app)?,
        Command::List => list(app)?,
        Command::Revoke(Name { name }) => revoke(&name, app)?,
        Command::Whoami => whoami(app)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// With --json: {name, token}.
fn issue(name: &str, app: &App) -> Result<()> {
    operator::require("create an operator token")?;
    if !std::io::stdin().is_terminal() {
        return Err(Refusal::unattended("operator.terminal", "an operator token can only be created at a terminal")
            .because("stdin is not a terminal")
            .next(format!("run it at a terminal: teof operator token {}", text::shell_word(name)))
            .into());
    }
    let secret = token::issue(name, app.now())?;
    app.say(format!("Created the token {name}. It is printed only this once; set it as {}.", env::OPERATOR_TOKEN));
    app.result(&json!({"name": name, "token": secret}), || secret.clone());
    Ok(())
}

/// With --json: a list of {name, at, sha256}.
fn list(app: &App) -> Result<()> {
    let tokens = token::list()?;
    app.result(&tokens, || match tokens.is_empty() {
        true => "no tokens".to_owned(),
        false => {
            let times = app.times();
            let line = |token: &token::Token| format!("{}  made {}", text::safe(&token.name), times.ago(token.at));
            tokens.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    });
    Ok(())
}

/// With --json: {name}.
fn revoke(name: &str, app: &App) -> Result<()> {
    operator::require("revoke an operator token")?;
    if !token::revoke(name)? {
        return Err(Refusal::not_found("token.not_found", format!("no such operator token: {name}"))
            .next("see all tokens: teof operator list")
            .into());
    }
    app.result(&json!({"name": name}), || format!("Revoked the token {name}"));
    Ok(())
}

/// With --json: {name, recognised}.
fn whoami(app: &App) -> Result<()> {
    let recognised = operator::require("act as the operator")?;
    let name = operator::name(app.hub()?, None)?;
    app.result(&json!({"name": name, "recognised": recognised}), || {
        format!("{}, recognised by {recognised}", text::safe(&name))
    });
    Ok(())
}
