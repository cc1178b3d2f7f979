//! Screens and pages for people, which draw the board and carry operator commands back; and tools for agents
//! ([`mcp`]).
//!
//! A face decides nothing and checks nothing: a command goes through [`operator::Operator`], which does exactly what
//! the command line does.

pub mod documents;
pub mod mcp;
pub mod operator;
pub mod tui;
pub mod web;
