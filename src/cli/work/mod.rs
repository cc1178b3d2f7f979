//! Commands to work with: the bus, tasks, plans, sessions, links; and the same for agents over MCP.

pub(super) mod agent;
pub(super) mod bus;
pub(super) mod consensus;
pub(super) mod export;
pub(super) mod hook;
pub(super) mod import;
pub(super) mod links;
pub(super) mod manager_report;
pub(super) mod mcp;
pub(super) mod plan;
pub(super) mod seat;
pub(super) mod session_boot;
pub(super) mod task;
