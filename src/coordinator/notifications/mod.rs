//! Delivers notifications: a program of the settings gets the event as JSON on stdin, or what its preset makes of it.
//!
//! Nothing depends on a delivery: it is bounded in time, it is tried once, and a failure is told once. Who is told what
//! is decided in `step::notices`.

mod deliver;
mod presets;
mod trusted;

pub use deliver::{Deliverer, Delivery, deliver, event, last};
pub use trusted::check as check_trusted;
