//! `teof web`: the board in a browser, for the person who started it.
//!
//! It listens on loopback only. Its link has a token that works once and makes a session; whoever holds the session
//! decides as the operator, so every request is checked ([`access`]). Pages are HTML that the server renders
//! ([`pages`]): they work without script, and a small script replaces the parts that changed ([`feed`]). It uses tokio
//! on one thread; whatever reads files or git runs beside it. Nothing is read while no page is open.

mod access;
mod answer;
mod commands;
mod connections;
mod feed;
mod form;
mod listen;
mod pages;
mod server;
mod site;

pub use listen::{Listeners, listen};
pub use server::{Web, serve};
