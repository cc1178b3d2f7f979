//! Installs the completion script and the manual pages into the user's own folders.
//!
//! Writes only where the XDG variables (or their defaults below the home folder) say, and replaces only files
//! that it wrote itself.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use crate::base::{Refusal, Result, env, files};
use crate::hub::output::Output;

/// A comment in the first two lines of each file that this command writes. (zsh wants `#compdef` in the first.)
const MARK: &str = "Written by teof completions --install";

/// Where the files of one user belong.
pub struct Folders {
    data: PathBuf,
    config: PathBuf,
}

impl Folders {
    /// # Errors
    /// `install.no_home` when neither the XDG variables nor `HOME` name absolute folders.
    pub fn from_env() -> Result<Folders> {
        let folder = |name, default| {
            // The XDG specification: relative paths are ignored.
            let absolute = |path: String| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
            let home = || Some(env::var(env::HOME).and_then(absolute)?.join(default));
            env::var(name).and_then(absolute).or_else(home).ok_or_else(no_home)
        };
        let data = folder(env::XDG_DATA_HOME, ".local/share")?;
        Ok(Folders { data, config: folder(env::XDG_CONFIG_HOME, ".config")? })
    }

    /// The file of the completion script, where the shell looks for it.
    fn script(&self, shell: Shell) -> Result<PathBuf> {
        match shell {
            Shell::Bash => Ok(self.data.join("bash-completion/completions/teof")),
            Shell::Zsh => Ok(self.data.join("zsh/site-functions/_teof")),
            Shell::Fish => Ok(self.config.join("fish/completions/teof.fish")),
            other => Err(Refusal::usage("install.shell", format!("cannot install completions for {other}"))
                .next(format!("print the script, and put it where {other} reads it: teof completions {other}"))
                .into()),
        }
    }

    /// The folder of the manual pages.
    pub fn pages(&self) -> PathBuf {
        self.data.join("man/man1")
    }
}

fn no_home() -> anyhow::Error {
    Refusal::usage("install.no_home", "no folder to install into")
        .because("HOME is not set to an absolute path")
        .next("set HOME to your home folder")
        .into()
}

/// The shell that `$SHELL` names.
///
/// # Errors
/// `install.shell` when it names none that completions exist for.
pub fn current_shell() -> Result<Shell> {
    env::var(env::SHELL).and_then(Shell::from_shell_path).ok_or_else(|| {
        Refusal::usage("install.shell", "cannot tell which shell to install completions for")
            .because("SHELL does not name bash, zsh or fish")
            .next("name the shell: teof completions bash --install")
            .into()
    })
}

/// Writes the script and the pages (name and content); returns the path of the script.
///
/// Every path is checked before anything is written.
///
/// # Errors
/// `output.*` when a file is there that this command did not write, unless `force`.
pub fn install(
    folders: &Folders,
    shell: Shell,
    script: &str,
    pages: &[(String, Vec<u8>)],
    force: bool,
) -> Result<PathBuf> {
    let target = folders.script(shell)?;
    let mut all = vec![(target.clone(), marked(shell, script).into_bytes())];
    for (name, page) in pages {
        let page = [format!(".\\\" {MARK}\n").as_bytes(), page].concat();
        all.push((folders.pages().join(name), page));
    }
    let output = Output { flag: "--install", homes: &[], force: Some(force), is_own };
    all.iter().try_for_each(|(path, _)| output.check_anywhere(path))?;
    for (path, bytes) in &all {
        files::create_parent(path)?;
        files::replace_unsynced(path, bytes)?;
    }
    Ok(target)
}

/// What is left for the person to do so that the shell finds the script.
pub fn hint(shell: Shell, script: &Path) -> String {
    match shell {
        Shell::Zsh => {
            format!("Add to ~/.zshrc, before compinit: fpath=({} $fpath)", script.parent().unwrap_or(script).display())
        }
        Shell::Bash => "Start a new shell to use them (bash needs the package bash-completion)".to_owned(),
        _ => "Start a new shell to use them".to_owned(),
    }
}

fn marked(shell: Shell, script: &str) -> String {
    match script.split_once('\n') {
        Some((first, rest)) if shell == Shell::Zsh => format!("{first}\n# {MARK}\n{rest}"),
        _ => format!("# {MARK}\n{script}"),
    }
}

fn is_own(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').take(2).any(|line| line.ends_with(MARK.as_bytes()))
}
