//! Documents made from the board: the same content as Markdown or as a page.
//!
//! A [`Report`] is what a reader is told, in sections; [`markdown`] and [`html`] only write it down. Pure: no I/O. All
//! text is escaped here, whatever it says.

pub mod coordination;
pub mod html;
pub mod markdown;
mod report;

pub use report::{Body, Cell, Report, Section, Tone};
