//! `teof doctor`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::App;
use crate::base::{Result, text};
use crate::conductor::routing;
use crate::hub::settings_text::{self, Entry};
use crate::hub::{Hub, Settings};
use crate::ops::doctor::{self, Trouble};

/// Looks at the pin, the record, ignored paths, merge rules, locks, trust, seats, tools and the clock, and
/// changes nothing without --fix. Ends with 1 when something is wrong.
///
/// With --json: {ok, fixed, found: [{code, message, mend, note}]}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print every setting with its value here and its default instead
    #[arg(long)]
    settings: bool,
    /// Fix what needs no decision first, such as missing git attributes
    #[arg(long, conflicts_with = "settings")]
    fix: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if args.settings {
        return settings(app);
    }
    let root = app.global.root.as_deref();
    let fixed = if args.fix { doctor::fix(root, app.clock)? } else { Vec::new() };
    fixed.iter().for_each(|line| app.say(line));
    let mut found = doctor::examine(root, app.clock);
    found.extend(agents(app));
    let ok = found.iter().all(|trouble| trouble.note);
    app.result(&json!({ "ok": ok, "fixed": fixed, "found": found }), || words(&found));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Agents that roles or routing name, and that nothing describes.
fn agents(app: &App) -> Vec<Trouble> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock);
    let Ok(Ok(settings)) = hub.as_ref().map(|hub| hub.settings()) else { return Vec::new() };
    let trouble = |(name, mend)| Trouble {
        code: "settings.agent".into(),
        message: format!("roles or routing name the agent {name}, which is not set up here"),
        mend,
        note: false,
    };
    routing::troubles(settings).into_iter().map(trouble).collect()
}

fn words(found: &[Trouble]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for trouble in found {
        let kind = if trouble.note { "note" } else { "wrong" };
        lines.push(format!("{kind:<5} {}: {}", trouble.code, text::safe(&trouble.message)));
        lines.push(format!("      mend: {}", text::safe(&trouble.mend)));
    }
    if found.iter().all(|trouble| trouble.note) {
        lines.push("nothing is wrong".to_owned());
    }
    lines.join("\n")
}

/// Outside a repository, or where they cannot be read, the defaults.
fn settings(app: &App) -> Result<ExitCode> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock);
    let settings = match hub.as_ref().map(|hub| hub.settings()) {
        Ok(Ok(settings)) => settings.clone(),
        Ok(Err(e)) => {
            app.say(format!("these are the defaults: {e}"));
            Settings::default()
        }
        Err(_) => Settings::default(),
    };
    let entries = settings_text::entries(&settings)?;
    app.result(&document(&entries), || entries.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn document(entries: &[Entry]) -> Value {
    let one = |entry: &Entry| {
        json!({
            "section": entry.section, "key": entry.key, "value": entry.value, "default": entry.default,
            "about": entry.about,
        })
    };
    entries.iter().map(one).collect()
}

fn line(entry: &Entry) -> String {
    let default = if entry.value == entry.default { String::new() } else { format!(" (default {})", entry.default) };
    let value = text::safe(&entry.value);
    format!("{}.{} = {value}{default}\n    {}", entry.section, entry.key, entry.about)
}
