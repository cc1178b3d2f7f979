//! The launchd property list, for macOS.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;

use super::place::Place;
use crate::base::{Result, env};

pub fn path(place: &Place, user: bool) -> Result<PathBuf> {
    let folder = match user {
        false => PathBuf::from("/Library/LaunchDaemons"),
        true => PathBuf::from(env::var(env::HOME).context("HOME is not set")?).join("Library/LaunchAgents"),
    };
    Ok(folder.join(format!("{}.plist", place.name)))
}

/// The list. launchd keeps no log, so the coordinator writes and rotates its own.
pub fn text(place: &Place, user: bool) -> String {
    let string = |text: &str| format!("<string>{}</string>", escape(text));
    let command = place.command().into_iter().chain(["--log-to".to_owned(), "file".to_owned()]);
    let command: String = command.map(|part| format!("    {}\n", string(&part))).collect();
    let home = place.home.display().to_string();
    let variables = [("PATH", place.search.clone()), ("HOME", home)];
    let variables = variables.into_iter().chain(place.moved.iter().map(|(name, value)| (*name, value.clone())));
    let variables: String =
        variables.map(|(name, value)| format!("    <key>{name}</key>\n    {}\n", string(&value))).collect();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>\n  {}\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{command}  </array>\n\
         \x20 <key>WorkingDirectory</key>\n  {}\n\
         \x20 <key>EnvironmentVariables</key>\n  <dict>\n{variables}  </dict>\n\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <!-- Started again when it failed, not when it was told to stop. -->\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>ThrottleInterval</key>\n  <integer>15</integer>\n\
         \x20 <!-- coordinator.stop_within, and what ending the workers takes -->\n\
         \x20 <key>ExitTimeOut</key>\n  <integer>{}</integer>\n\
         \x20 <!-- Workers outlive a crash of the coordinator, and the next one goes on with them. -->\n\
         \x20 <key>AbandonProcessGroup</key>\n  <true/>\n",
        string(&place.name),
        string(&place.root.display().to_string()),
        place.stop.as_secs(),
    );
    if !user {
        let _ = write!(out, "  <key>UserName</key>\n  {}\n", string(&place.account));
    }
    out.push_str("</dict>\n</plist>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
