//! Screens and pages: their commands, and what carries out the operator commands given there.

pub mod operator;
pub mod top;
pub mod web;
