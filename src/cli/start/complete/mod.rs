//! `teof __complete WORDS…`: says what may stand in the place of the last word; the shells' scripts call it.
//!
//! It reads only, asks nothing, and prints nothing but candidates, one a line: the word, a tab, and what it is. Exit
//! code 1 asks the shell for file names instead. When something goes wrong, there are no candidates.

mod candidate;
mod ids;
pub mod scripts;
mod walk;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;

use candidate::Candidate;

use crate::base::{Clock, Result, text};
use crate::hub::Hub;

/// The first word of the command line.
pub const NAME: &str = "__complete";

/// Prints the candidates for the last of `words`, which follow the program's name.
pub fn main(mut tree: Command, words: &[OsString]) -> ExitCode {
    // Whoever types a command line did not ask for our faults.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let Some((current, before)) = words.as_deref().and_then(|words| words.split_last()) else {
        return ExitCode::SUCCESS;
    };
    tree.build();
    let place = walk::place(&tree, before);
    let found = match place.wanted(current) {
        walk::Wanted::Words(found) => found,
        walk::Wanted::Files => return ExitCode::FAILURE,
        walk::Wanted::Value { name, prefix } => {
            let mut found = values(&place, &name).unwrap_or_default();
            found.iter_mut().for_each(|one| one.word.insert_str(0, &prefix));
            found
        }
    };
    let mut seen = HashSet::new();
    let mut out = String::new();
    for one in found.iter().filter(|one| one.word.starts_with(current) && one.is_plain()) {
        if seen.insert(&one.word) {
            out.push_str(&format!("{}\t{}\n", one.word, text::clip(&text::safe(&one.about), 60)));
        }
    }
    let _ = std::io::stdout().write_all(out.as_bytes());
    ExitCode::SUCCESS
}

/// The ids that a value of that name may have.
fn values(place: &walk::Place<'_>, name: &str) -> Result<Vec<Candidate>> {
    let root = place.root.map(Path::new);
    ids::of(&Hub::find(root, Clock::Machine)?, name, &place.path, &place.given)
}
