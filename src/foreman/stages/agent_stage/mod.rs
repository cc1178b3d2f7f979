//! The stage of a role: calls its agent until there is an answer, and says what to do after a call that failed.

mod failure;
pub(in crate::foreman) mod invoke;
pub(in crate::foreman) mod unfinished;
