//! The names of stages and roles, as files hold them.

/// Runs the commands of an order that has no roles.
pub const COMMANDS: &str = "commands";
/// Ports the previous order's work onto this order's base; `carry` in files.
pub const FORWARD_PORT: &str = "carry";
pub const PLANNER: &str = "planner";
pub const CODER: &str = "coder";
pub const TESTER: &str = "tester";
pub const REVIEWER: &str = "reviewer";

/// The roles, in the order of their stages.
pub const ROLES: [&str; 4] = [PLANNER, CODER, TESTER, REVIEWER];
