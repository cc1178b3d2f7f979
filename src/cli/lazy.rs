//! Commands that are built when they are named.
//!
//! A short command spends more time on building the flags of all the others than on its own work, and
//! agents run short commands all day. What is not named on the command line keeps its name and gets no
//! flags; where help, completions or pages are asked for, everything is built.

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::{ArgMatches, Command, Error, FromArgMatches};

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

/// Whether the command line may ask for this command's flags: it names it, or asks about all of them.
fn is_wanted(command: &Command) -> bool {
    static WORDS: LazyLock<Vec<OsString>> = LazyLock::new(|| std::env::args_os().skip(1).collect());
    let words = &*WORDS;
    // A group that stands alone is answered with its help.
    let alone = words.last().is_none_or(|last| GROUPS.iter().any(|group| last == group));
    alone || words.iter().any(|word| word == command.get_name() || ASKING.iter().any(|asking| word == asking))
}

const GROUPS: [&str; 3] = ["bus", "coordinator", "plan"];
const ASKING: [&str; 5] = ["--help", "-h", "guide", "completions", "man"];
