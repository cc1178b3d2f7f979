//! Supervised processes: started apart, watched, and ended with everything they started.
//!
//! # Theory of operation
//!
//! [`Supervisor::run`] starts one program through [`launch`], a hidden mode of our own binary that
//! makes a session, asks to die with us, and becomes the program. It then drains the output into a
//! file ([`capture`]) while it watches three clocks, and an [`Attendant`] who hears every piece and may end
//! it. When the program is over, for whatever reason, whoever is left of its family is found ([`family`]) and ended.
//!
//! A program can leave its parent, its session and its process group; it cannot leave all three
//! marks that are looked for: its ancestors, the environment it inherited, and, since we adopt
//! orphans (sub-reaper), ourselves as its parent. When we are killed, the kernel ends the program and
//! a [`Guardian`] the rest.
//!
//! May import `base` only. Knows nothing of tasks, orders or the record. May not decide what a
//! verdict means.

mod ancestry;
mod busy;
mod capture;
mod environment;
mod follow;
mod launch;
mod observer;
mod probe;
mod process_tree;
mod reaper;
mod streams;
mod supervise;

pub use ancestry::{Ancestor, ancestors, is_marked};
pub use busy::{busy_since, say_busy_since};
pub use capture::{Captured, Keep};
pub use environment::allowed;
pub use launch::{become_program, detached};
pub use observer::{Attendant, Word};
pub use probe::{Answer, ask};
pub use process_tree::{Family, Process, Vitals, marked, vitals, vitals_of};
pub use reaper::Guardian;
pub use supervise::{Clocks, Report, Spec, Supervisor, TimedOut, Verdict, end_marked};
