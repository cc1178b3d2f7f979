//! Which service definition is meant, its text, and where it belongs.

use std::path::PathBuf;

use super::place::Place;
use super::{launchd, systemd};
use crate::base::Result;
use crate::cli::App;

#[derive(Debug, clap::Args)]
pub struct Kind {
    /// A service of your account instead of the machine
    #[arg(long)]
    user: bool,
    /// A launchd property list instead of a systemd unit
    #[arg(long)]
    launchd: bool,
    /// The service's name [default: teof-<repository>]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A service definition, and where it belongs.
pub struct Definition {
    pub name: String,
    pub path: PathBuf,
    pub text: String,
    pub is_launchd: bool,
    pub is_user: bool,
}

impl Kind {
    /// The installed definition that `teof service install` writes without `--name`, of this account or of the machine.
    pub fn installed(app: &App) -> Option<Definition> {
        let kinds = [true, false].map(|user| Kind { user, launchd: false, name: None });
        kinds.iter().filter_map(|kind| kind.define(app).ok()).find(|found| found.path.is_file())
    }

    pub fn define(&self, app: &App) -> Result<Definition> {
        let hub = app.hub()?;
        let place = Place::of(hub, self.name.as_deref())?;
        let is_launchd = self.launchd || cfg!(target_os = "macos");
        let (path, text) = match is_launchd {
            true => (launchd::path(&place, self.user)?, launchd::text(&place, self.user)),
            false => (systemd::path(&place, self.user)?, systemd::text(&place, self.user)),
        };
        Ok(Definition { name: place.name, path, text, is_launchd, is_user: self.user })
    }
}
