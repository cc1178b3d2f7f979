//! Operator tokens: they identify a person where there is no terminal.
//!
//! A token is created at a terminal, shown once, and stored as its SHA-256 in the home of the account that runs teof
//! (`~/.local/state/teof/operator-tokens.json`, readable by the owner only). It works in every repository of that
//! person until it is revoked.

use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, Stamp, digest, env, files, json, names};

/// Prefix of tokens, so that people and secret scanners recognise them.
const PREFIX: &str = "teof_op_";
/// Random bytes in a token.
const BYTES: usize = 24;
/// Relative to a state folder.
const FILE: &str = "teof/operator-tokens.json";
/// Marks a state folder as a test's.
const TEST_TOKENS: &str = "teof/test-tokens";
/// Limit on a person's tokens.
const MOST: usize = 100;

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// What it is for: "phone", "ci".
    pub name: String,
    pub at: Stamp,
    pub sha256: String,
}

/// Creates a token and returns its secret, which is not stored.
///
/// # Errors
/// `token.exists` when the name is taken; when the file cannot be read or written.
pub fn issue(name: &str, now: Stamp) -> Result<String> {
    names::check_id("token", name)?;
    let mut tokens = list()?;
    if tokens.iter().any(|token| token.name == name) {
        return Err(Refusal::guard("token.exists", format!("token {name} already exists"))
            .because("its secret was shown once and cannot be shown again")
            .next(format!("replace it: teof operator revoke {name} && teof operator token {name}"))
            .into());
    }
    if tokens.len() >= MOST {
        return Err(Refusal::guard("token.too_many", format!("the limit of {MOST} tokens is reached"))
            .next("list them: teof operator list; remove one: teof operator revoke <name>")
            .into());
    }
    let secret = format!("{PREFIX}{}", digest::random_hex::<BYTES>().context("read /dev/urandom")?);
    tokens.push(Token { name: name.to_owned(), at: now, sha256: digest::sha256(secret.as_bytes()) });
    save(&tokens)?;
    Ok(secret)
}

/// Every token, the oldest first.
///
/// # Errors
/// When the file is damaged; then no token is recognised.
pub fn list() -> Result<Vec<Token>> {
    let path = file()?;
    let Some(bytes) = files::read(&path, files::MAX_DOCUMENT)? else { return Ok(Vec::new()) };
    serde_json::from_slice(&bytes).map_err(|e| {
        Refusal::guard("token.file", format!("{} cannot be read", path.display()))
            .because(e.to_string())
            .next("move it aside and create new tokens: teof operator token <name>")
            .into()
    })
}

/// Removes a token; false when the name is unknown.
pub fn revoke(name: &str) -> Result<bool> {
    let mut tokens = list()?;
    let before = tokens.len();
    tokens.retain(|token| token.name != name);
    if tokens.len() == before {
        return Ok(false);
    }
    save(&tokens)?;
    Ok(true)
}

/// The name of the token that `TEOF_OPERATOR_TOKEN` shows.
///
/// # Errors
/// `token.unknown` for an invalid token; a wrong token is never ignored.
pub fn shown() -> Result<Option<String>> {
    let Some(secret) = env::var(env::OPERATOR_TOKEN) else { return Ok(None) };
    let sha256 = digest::sha256(secret.trim().as_bytes());
    match list()?.into_iter().find(|token| token.sha256 == sha256) {
        Some(token) => Ok(Some(token.name)),
        None => Err(Refusal::guard("token.unknown", format!("the token in {} is not valid", env::OPERATOR_TOKEN))
            .because("it was revoked, or made by another user or on another machine")
            .next("list your tokens: teof operator list")
            .next("create one in a terminal: teof operator token <name>")
            .into()),
    }
}

/// Where the tokens are stored: in the home that the system's user database names. The environment is ignored,
/// because the caller could point it at tokens of its own.
///
/// # Errors
/// `token.no_home` when the user database has no home for this account.
pub fn file() -> Result<PathBuf> {
    if let Some(folder) = folder_of_a_test() {
        return Ok(folder.join(FILE));
    }
    let home = env::account().map(|account| account.home).filter(|home| home.is_absolute());
    let home = home.ok_or_else(|| {
        Refusal::guard("token.no_home", "no home folder to store tokens in")
            .because("/etc/passwd names no home for the account that runs this")
            .next("run the command in a terminal, without a token")
    })?;
    Ok(home.join(".local/state").join(FILE))
}

/// The state folder of the environment, if a test marked it. Debug builds only.
fn folder_of_a_test() -> Option<PathBuf> {
    let folder = PathBuf::from(env::var(env::XDG_STATE_HOME).filter(|_| cfg!(debug_assertions))?);
    folder.join(TEST_TOKENS).exists().then_some(folder)
}

fn save(tokens: &[Token]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = file()?;
    files::create_parent(&path)?;
    files::replace(&path, (json::pretty(&tokens) + "\n").as_bytes())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(|e| files::io_refusal(e, "set the mode of", &path))
}
