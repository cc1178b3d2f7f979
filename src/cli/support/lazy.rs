//! Builds a command and its flags only when the command line names it.
//!
//! Building all of them takes longer than a short command's own work, and agents run short commands all day. For help,
//! completions, manual pages or an error everything is built.

use std::ffi::OsString;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Command, CommandFactory, Error, Parser};

/// Declares the commands of one level: for each the word on the command line, and its arguments.
///
/// Like clap's `#[derive(Subcommand)]`, but a command that the command line does not name is left out.
macro_rules! commands {
    ($vis:vis enum $level:ident { $($word:literal => $command:ident($arguments:ty),)+ }) => {
        #[derive(Debug)]
        $vis enum $level {
            $($command($arguments),)+
        }

        impl clap::Subcommand for $level {
            fn augment_subcommands(level: clap::Command) -> clap::Command {
                $(let level = $crate::cli::support::lazy::add::<$arguments>(level, $word);)+
                level
            }

            fn augment_subcommands_for_update(level: clap::Command) -> clap::Command {
                Self::augment_subcommands(level)
            }

            fn has_subcommand(name: &str) -> bool {
                [$($word),+].contains(&name)
            }
        }

        impl clap::FromArgMatches for $level {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($word, matches)) => {
                        <$arguments as clap::FromArgMatches>::from_arg_matches(matches).map($level::$command)
                    })+
                    _ => Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                <Self as clap::FromArgMatches>::from_arg_matches(matches).map(|new| *self = new)
            }
        }
    };
}
pub(in crate::cli) use commands;

/// Adds the command `word` to a level if it is wanted. Not inlined: its frame is large, and a level has dozens.
#[inline(never)]
pub fn add<A: clap::Args>(level: Command, word: &'static str) -> Command {
    if is_wanted(word) { level.subcommand(A::augment_args(Command::new(word))) } else { level }
}

/// Whether the command line may ask for this command: it names it, or everything is wanted.
fn is_wanted(command: &str) -> bool {
    static WORDS: LazyLock<Vec<OsString>> = LazyLock::new(|| std::env::args_os().skip(1).collect());
    ALL.load(Ordering::Relaxed) || WORDS.iter().any(|word| word == command)
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
