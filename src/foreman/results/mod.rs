//! What commands and calls of agents came to, and how an agent's answer is read.

pub(super) mod answer;
pub mod call_record;
pub mod command_result;
mod last_object;
pub mod question;
pub(super) mod verdict;
