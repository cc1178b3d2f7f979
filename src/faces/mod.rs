//! Screens and pages for people: they draw the board, and carry operator commands back.
//!
//! A face decides nothing and checks nothing: a command goes through [`operator::Operator`], which does exactly what the
//! command line does.

pub mod documents;
pub mod operator;
pub mod tui;
pub mod web;
