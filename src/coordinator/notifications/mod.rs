//! Delivers notifications: a program of the settings gets the event as JSON on stdin, or what its preset makes of it.
//!
//! Nothing depends on a delivery: it is bounded in time, and a failure is told once. Who is told what, and that an
//! urgent notification is sent again when its delivery failed, is decided in `step::notices`.

mod deliver;
mod presets;
mod trusted;

pub use deliver::{Deliverer, Delivery, deliver, event, last};
pub use trusted::check as check_trusted;
