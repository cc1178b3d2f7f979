//! Splits a command line into its simple commands, as far as a watcher needs it.
//!
//! [`words`] splits the text as a shell reads it, without expanding anything. [`programs`] finds what these commands
//! run in turn: `sh -c`, and programs that run another one (`sudo`, `env`, `xargs`, …). A text that no shell would
//! accept is still read: what cannot be told is taken for a command rather than for data.
//!
//! Weighed: `brush-parser` (an error instead of the commands of an unfinished text; a hostile one made it hang),
//! `yash-syntax` (GPL), `tree-sitter-bash` (C, a large table).

mod here_document;
mod programs;
mod words;

pub use programs::{commands, searched};
