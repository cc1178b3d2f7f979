//! Finds the place of a word on a command line: which command it belongs to, and which argument it is.

use clap::builder::ValueRange;
use clap::{Arg, Command};

use super::candidate::Candidate;

/// Where a word stands, by the words before it.
pub struct Place<'a> {
    command: &'a Command,
    /// The names of the command and of those above it, without the program's.
    pub path: Vec<&'a str>,
    /// The positional arguments so far.
    pub given: Vec<&'a str>,
    /// The value of `--root`.
    pub root: Option<&'a str>,
    /// The flag whose value comes next.
    awaits: Option<&'a Arg>,
    /// `--` was given: no flags follow.
    is_escaped: bool,
}

/// What is to be completed.
pub enum Wanted {
    /// Commands, flags, or the values that a flag may have.
    Words(Vec<Candidate>),
    /// A value, called by this name in the help; each candidate is given the prefix.
    Value {
        name: String,
        prefix: String,
    },
    Files,
}

/// The place after these words, which follow the program's name. `tree` is built.
pub fn place<'a>(tree: &'a Command, words: &[&'a str]) -> Place<'a> {
    let (path, given) = (Vec::new(), Vec::new());
    let mut place = Place { command: tree, path, given, root: None, awaits: None, is_escaped: false };
    for word in words {
        place.pass(word);
    }
    place
}

impl<'a> Place<'a> {
    fn pass(&mut self, word: &'a str) {
        // bash makes a word of the sign between a flag and its value.
        if word == "=" && self.awaits.is_some() {
            return;
        }
        if let Some(flag) = self.awaits.take() {
            if flag.get_id() == "root" {
                self.root = Some(word);
            }
            return;
        }
        match word {
            "--" if !self.is_escaped => self.is_escaped = true,
            word if !self.is_escaped && word.starts_with('-') && word.len() > 1 => {
                let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
                let flag = self.flag(name).filter(|flag| flag.get_action().takes_values());
                if let (Some(flag), Some(value)) = (flag, value) {
                    self.root = if flag.get_id() == "root" { Some(value) } else { self.root };
                }
                self.awaits = flag.filter(|_| value.is_none());
            }
            word => match self.command.find_subcommand(word).filter(|_| self.given.is_empty()) {
                Some(below) => {
                    self.path.push(below.get_name());
                    self.command = below;
                }
                None => self.given.push(word),
            },
        }
    }

    fn flag(&self, name: &str) -> Option<&'a Arg> {
        let is_it = |arg: &&Arg| match name.strip_prefix("--") {
            Some(long) => arg.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long)),
            None => arg.get_short().is_some_and(|short| name.ends_with(short)),
        };
        self.command.get_arguments().find(is_it)
    }

    /// What `current` may become.
    pub fn wanted(&self, current: &str) -> Wanted {
        if let Some(flag) = self.awaits {
            return value(flag, "");
        }
        if !self.is_escaped && current.starts_with('-') {
            let flag = current.split_once('=').and_then(|(name, _)| Some((name, self.flag(name)?)));
            return match flag {
                Some((name, flag)) => value(flag, &format!("{name}=")),
                None => Wanted::Words(self.flags()),
            };
        }
        let below = self.command.get_subcommands().filter(|_| self.given.is_empty());
        let below = below.filter(|command| !command.is_hide_set() && command.get_name() != "help");
        let commands: Vec<_> =
            below.map(|command| Candidate::new(command.get_name(), about(command.get_about()))).collect();
        let positional = self.command.get_positionals().nth(self.given.len());
        let last = || self.command.get_positionals().last().filter(|last| is_list(last));
        match positional.or_else(last) {
            Some(arg) if commands.is_empty() => value(arg, ""),
            _ => Wanted::Words(commands),
        }
    }

    fn flags(&self) -> Vec<Candidate> {
        let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let long = |arg: &Arg| Some(Candidate::new(format!("--{}", arg.get_long()?), about(arg.get_help())));
        shown.filter_map(long).collect()
    }
}

fn is_list(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|count: ValueRange| count.max_values() > 1)
}

/// How a value is completed; it has a name, or a choice of words.
fn value(arg: &Arg, prefix: &str) -> Wanted {
    let choices = arg.get_possible_values();
    if !choices.is_empty() {
        let shown = choices.iter().filter(|choice| !choice.is_hide_set());
        let word = |name: &str| format!("{prefix}{name}");
        return Wanted::Words(shown.map(|one| Candidate::new(word(one.get_name()), about(one.get_help()))).collect());
    }
    let named = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let name = named.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
    match name.as_str() {
        "PATH" | "FILE" | "DIR" | "FOLDER" | "ORDER" => Wanted::Files,
        _ => Wanted::Value { name, prefix: prefix.to_owned() },
    }
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Command {
        let task = || Arg::new("task").value_name("TASK");
        let claim = Command::new("claim").arg(task()).arg(Arg::new("plan").long("plan").value_name("PLAN"));
        let approve =
            Command::new("approve").arg(Arg::new("jobs").value_name("JOB").num_args(1..)).arg(Arg::new("n").short('n'));
        let shell = Arg::new("shell").value_parser(["bash", "zsh"]);
        let mut tree = Command::new("teof")
            .arg(Arg::new("root").long("root").value_name("PATH").global(true))
            .subcommand(Command::new("bus").subcommand(claim))
            .subcommand(approve)
            .subcommand(Command::new("completions").arg(shell))
            .subcommand(Command::new("secret").hide(true));
        tree.build();
        tree
    }

    /// What is wanted at the end of a line: words, the name of a value, or files.
    fn wanted(line: &str) -> String {
        let tree = tree();
        let mut words: Vec<&str> = line.split(' ').collect();
        let current = words.pop().unwrap();
        match place(&tree, &words).wanted(current) {
            Wanted::Words(words) => words.into_iter().map(|one| one.word).collect::<Vec<_>>().join(" "),
            Wanted::Value { name, prefix } => format!("{prefix}<{name}>"),
            Wanted::Files => "files".to_owned(),
        }
    }

    #[test]
    fn each_place_on_a_command_line_is_told_from_the_others() {
        for (line, expected) in [
            ("", "bus approve completions"),
            ("bus ", "claim"),
            ("bus claim ", "<TASK>"),
            ("bus claim T-1 --plan ", "<PLAN>"),
            ("bus claim --plan=x", "--plan=<PLAN>"),
            ("bus claim --plan = ", "<PLAN>"),
            ("bus claim --plan p ", "<TASK>"),
            ("bus claim T-1 ", ""),
            ("--root /x bus claim ", "<TASK>"),
            ("approve j1 j2 ", "<JOB>"),
            ("approve -- -", "<JOB>"),
            ("completions ", "bash zsh"),
            ("bus claim --root ", "files"),
            ("bus claim --", "--plan --root --help"),
        ] {
            assert_eq!(wanted(line), expected, "{line:?}");
        }
    }
}
