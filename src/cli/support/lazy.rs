//! Builds the flags of a command only when the command line names it.
//!
//! Building all flags takes longer than a short command's own work, and agents run short commands all day. A
//! command that the command line does not name keeps its name and gets no flags; for help, completions or manual
//! pages everything is built.

use std::ffi::OsString;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Command, CommandFactory, Error, FromArgMatches, Parser};

/// Flags or subcommands that are built only when the command line names their command.
#[derive(Debug)]
pub struct Lazy<T>(pub T);

impl<T: clap::Args> clap::Args for Lazy<T> {
    fn augment_args(command: Command) -> Command {
        if is_wanted(&command) { T::augment_args(command) } else { command }
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: clap::Subcommand> clap::Subcommand for Lazy<T> {
    fn augment_subcommands(command: Command) -> Command {
        if is_wanted(&command) { T::augment_subcommands(command) } else { command }
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        T::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Whether the command line may ask for this command's flags: it names it, or everything is wanted.
fn is_wanted(command: &Command) -> bool {
    static WORDS: LazyLock<Vec<OsString>> = LazyLock::new(|| std::env::args_os().skip(1).collect());
    ALL.load(Ordering::Relaxed) || WORDS.iter().any(|word| word == command.get_name())
}

/// Parses `arguments`, building little more than the command that they name.
///
/// Most of the time that clap takes goes into the commands that were not called. So the arguments are first
/// parsed by a tree of just the called command; when that fails, the whole tree parses them again, and what it
/// says counts: words such as suggestions and usage never depend on the shortcut.
///
/// # Errors
/// What clap says about the arguments, help and version included.
pub fn parse<C: Parser + CommandFactory>(arguments: Vec<OsString>) -> Result<C, Error> {
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let mut tree = C::command();
    if matches!(words[..], ["--version" | "-V"]) {
        // It needs no flag of any command.
        return C::from_arg_matches(&tree.try_get_matches_from_mut(arguments)?);
    }
    if let Some(mut narrowed) = narrow(&mut tree, &words) {
        let parsed = narrowed.try_get_matches_from_mut(&arguments).ok().and_then(|m| C::from_arg_matches(&m).ok());
        // The process is about to do its work and end: taking the trees apart would cost as much as parsing.
        std::mem::forget((tree, narrowed));
        if let Some(parsed) = parsed {
            return Ok(parsed);
        }
    }
    let mut whole = super::help::arrange(whole::<C>(), &words);
    let matches = whole.try_get_matches_from_mut(&arguments)?;
    C::from_arg_matches(&matches).map_err(|e| e.format(&mut whole))
}

/// The tree of all commands with all their flags.
pub fn whole<C: CommandFactory>() -> Command {
    ALL.store(true, Ordering::Relaxed);
    C::command()
}

/// Takes the commands that `words` name out of `command`, one below the other; `None` where they name none.
fn narrow(command: &mut Command, words: &[&str]) -> Option<Command> {
    let at = words.iter().position(|word| command.find_subcommand(word).is_some())?;
    let found = command.get_subcommands_mut().find(|sub| sub.get_name() == words[at])?;
    let mut called = std::mem::take(found);
    let called = narrow(&mut called, &words[at + 1..]).unwrap_or(called);
    // clap takes names that live as long as the process, as this one does.
    let name: &'static str = command.get_name().to_owned().leak();
    let above = Command::new(name).args(command.get_arguments().cloned());
    Some(above.subcommand_required(true).subcommand(called))
}

/// Set once everything is to be built: for help, an error, completions or manual pages.
static ALL: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the tree, outermost first.
    fn narrowed(line: &str) -> Option<Vec<String>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = Command::new("teof")
            .subcommand(Command::new("bus").subcommand(Command::new("claim")).subcommand(Command::new("event")))
            .subcommand(Command::new("scan"));
        let mut at = narrow(&mut command, &words)?;
        let mut names = vec![at.get_name().to_owned()];
        while at.has_subcommands() {
            assert_eq!(at.get_subcommands().count(), 1);
            let below = at.get_subcommands().next()?.clone();
            at = below;
            names.push(at.get_name().to_owned());
        }
        Some(names)
    }

    #[test]
    fn only_the_called_command_is_left() {
        assert_eq!(narrowed("--json bus event --task claim").unwrap(), ["teof", "bus", "event"]);
        assert_eq!(narrowed("scan --fix").unwrap(), ["teof", "scan"]);
        assert_eq!(narrowed("--version"), None);
    }
}
