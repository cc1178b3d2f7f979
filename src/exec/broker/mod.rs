//! A socket over which the programs of a run ask their supervisor to do what they cannot do themselves.
//!
//! The supervisor listens in a folder of its own ([`Folder`], [`Server`]); a program sends one request a connection,
//! together with the files that the answer is printed to, and waits for the answer ([`call`]).
//!
//! What it promises: it hears only processes of this account that [`Belongs`] accepts, by their pid as the kernel gives
//! it; a request has at most [`MAX_REQUEST`] bytes and must arrive within seconds; the number of connections is
//! limited. A caller can hinder no other part of the server's process than the broker. It does not know what a request
//! means.
//!
//! Linux only: elsewhere [`Server::start`] starts nothing, because nothing tells who is at the other end.

mod client;
mod folder;
mod server;
mod wire;

pub use client::{Failed, call};
pub use folder::Folder;
pub use server::{Belongs, Request, Server};
pub use wire::{MAX_REQUEST, Reply};
