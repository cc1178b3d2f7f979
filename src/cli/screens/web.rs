//! `teof web`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use serde_json::json;

use super::operator::Commands;
use crate::base::{Refusal, Result, digest, env, text};
use crate::cli::App;
use crate::cli::support::failure;
use crate::faces::operator::{self as face, Operator};
use crate::faces::web::{Web, listen, serve};
use crate::guard::operator::{self, Recognised};
use crate::hub::Hub;

/// Show the board in a browser, live, and decide there
///
/// Jobs by stage with problems first, each job's log and diff, the review queue, plans, who worked on what, and costs.
/// What you decide in the page is decided as if you had typed the command, so only a person can start it: a seat, a
/// worker and a coding agent are refused.
///
/// It listens on this machine only. The link that it prints works once, and gives the browser that opens it a session
/// until you stop it with Ctrl-C.
///
/// With --json: {url, port}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof web --open\n\
\x20 teof web --port 8080")]
pub struct Args {
    /// Open the link in your browser
    #[arg(long)]
    open: bool,
    /// The port to listen on [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let recognised = operator::require("open the operator's page")?;
    let how = match recognised {
        Recognised::Terminal => ", who started it at a terminal",
        Recognised::Token => ", by operator token",
        Recognised::Policy | Recognised::Neither => "",
    };
    let name = format!("{}{how}", text::safe(&app.speaker()?));
    let person = Person(Commands::of(app)?);
    let listeners = listen(args.port)?;
    let port = listeners.port;
    let web = Web::new(Hub::find(Some(&hub.root), app.clock)?, listeners, Arc::new(person), name)?;
    let link = web.link();
    app.result(&json!({"url": link, "port": port}), || link.clone());
    app.say("The link works once. Stop with Ctrl-C.");
    let opened = args.open.then(|| open(&link));
    if let Some(Err(why)) = &opened {
        app.warn(format!("cannot open a browser: {why}; open the link yourself"));
    }
    serve(web, |line| app.say(line))?;
    Ok(ExitCode::SUCCESS)
}

/// The person who started the page.
struct Person(Commands);

impl Operator for Person {
    fn perform(&self, command: &face::Command, progress: &dyn Fn(&str)) -> Result<Vec<String>, Refusal> {
        // Checked again each time: a token may be revoked meanwhile. A page decides nothing as a seat.
        operator::require("decide in the page").map_err(|e| failure::refusal(&e))?;
        self.0.perform(command, progress)
    }
}

/// Opens the link in the person's browser, without a shell. Every account of the machine can read a program's
/// arguments: they name a private file that leads to the link.
fn open(link: &str) -> Result<Leader, String> {
    if rustix::process::geteuid().is_root() {
        return Err("a browser should not run as root".to_owned());
    }
    let leader = Leader::to(link).map_err(|e| format!("write a file that leads to the link: {e}"))?;
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(&leader.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    // Some wait until the browser is closed. Without a thread, its exit status stays until this process ends.
    let _ = std::thread::Builder::new().spawn(move || child.wait());
    Ok(leader)
}

/// A private file that leads a browser to the link. It is removed when this is dropped; its link works once.
struct Leader(PathBuf);

impl Leader {
    fn to(link: &str) -> std::io::Result<Leader> {
        let own = env::var("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
        let name = format!("teof-web-{}.html", digest::random_hex::<8>()?);
        let leader = Leader(own.unwrap_or_else(std::env::temp_dir).join(name));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&leader.0)?;
        write!(
            file,
            "<!doctype html><meta http-equiv=refresh content='0; url={link}'><a href='{link}'>Open the board</a>"
        )?;
        Ok(leader)
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_that_leads_to_the_link_is_private_and_goes_away() {
        let leader = Leader::to("http://127.0.0.1:1/open?token=x").unwrap();
        let path = leader.0.clone();
        assert!(std::fs::read_to_string(&path).unwrap().contains("url=http://127.0.0.1:1/open?token=x'"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(leader);
        assert!(!path.exists());
    }
}
