//! Runs programs in containers, through the client of docker.

mod argv;
mod container;
mod elf;
mod ending;
mod engine;
mod info;
mod options;
mod running;

pub use argv::{Access, Mounts};
pub use container::{Docker, EngineInfo, remove_left};
pub(in crate::exec) use container::{REMOVE, remove_of_run};
pub use engine::{Engine, Left};
pub use options::Options;
pub use running::Running;
