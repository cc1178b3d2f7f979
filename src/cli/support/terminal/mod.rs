//! How text looks on a terminal: colour, tables, local times, the pager, progress.
//!
//! Everything degrades by itself: in a pipe or a file nothing is coloured, cut, paged or redrawn, and times are UTC.

pub mod live;
pub mod pager;
pub mod progress;
pub mod signals;
pub mod style;
pub mod table;
pub mod times;

pub use style::{Meaning, paint};
pub use table::{Cell, Column, Table};
pub use times::Times;
