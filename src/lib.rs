//! teof: one binary that lets many coding agents, and the people who run them, work in one git
//! repository at the same time.
//!
//! # Modules
//!
//! From the lowest layer to the highest. A module depends on lower layers only, and files form no cycles:
//! `tests/suite/architecture.rs` holds both. How one change reaches the disk: `docs/architecture.md`.
//!
//! | module | what it is for | files on disk that it owns |
//! |---|---|---|
//! | [`base`] | clock, environment, locks, atomic files, JSON lines, digests, safe text | |
//! | [`model`] | the data on disk; no I/O | |
//! | [`hub`] | root, pin, paths, settings, git, worktrees, transactions | `<common dir>/teof/{hub,locks,intents,marks,requests}`, `teof.toml`, `<repository>.worktrees/` |
//! | [`bus`] | claims, assignments, events, messages | `_bus/`, `<common dir>/teof/cache/{events,messages}.json` |
//! | [`plans`] | plans and the backlog: read, checked, edited | `_plans/` |
//! | [`receipts`] | the ledger, and receipts that carry their own hash | `_report/receipts.jsonl` |
//! | [`seats`] | manifests, who acts, session freshness, what is edited | `AGENT_MANIFEST*.json`, `_report/session/`, `<common dir>/teof/editing/` |
//! | [`sessions`] | agent sessions: a record and the raw stream of each | `$XDG_STATE_HOME/teof/projects/<encoded path>/sessions/` |
//! | [`consensus`] | decisions, their records, and which of them wait too long | `_report/consensus/` |
//! | [`exec`] | supervised processes: as children, in containers, in terminals; the socket over which they ask their supervisor | |
//! | [`agents`] | agent CLIs: how to call each, how to read and watch its stream | |
//! | [`guard`] | checks that can stop work: consent, trust, results, secrets, sentinels, preflight | `<common dir>/teof/trust.json`, the consent file |
//! | [`ops`] | one transaction over several stores: boot, claim, release, take over, assign, record; who is present | `_report/manager/`, `_report/usage/receipts-*`, `<common dir>/teof/cache/{receipts,record}.json` |
//! | [`hooks`] | answers the hooks of agent programs that teof did not start | |
//! | [`conductor`] | what is done next, and how it is asked | `_report/usage/autonomy-conductor/` |
//! | [`foreman`] | a work order, from its lock to its outcome; the routines | `_report/agent/<id>/runs/`, `<common dir>/teof/{runs,live,notes}/`, the session folders of runs |
//! | [`review`] | finished work: merged, sent back, delivered | `_report/agent/<manager>/reviews/`, `memory/log.jsonl`, `<common dir>/teof/review/` |
//! | [`coordinator`] | choice, jobs, workers' starts and ends, breaker | `<common dir>/teof/coordinator/`, `_report/agent/<manager>/{state.json,decisions.jsonl,manifests}` |
//! | [`board`] | one read-only snapshot of everything, for screens and reports | `<common dir>/teof/cache/claims.json` |
//! | [`faces`] | screens and pages: the board drawn, and operator commands coming back; tools for agents over MCP | |
//! | [`cli`] | one file per command | |
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr))]

pub mod agents;
pub mod base;
pub mod board;
pub mod bus;
pub mod cli;
pub mod conductor;
pub mod consensus;
pub mod coordinator;
pub mod exec;
pub mod faces;
pub mod foreman;
pub mod guard;
pub mod hooks;
pub mod hub;
pub mod model;
pub mod ops;
pub mod plans;
pub mod receipts;
pub mod review;
pub mod seats;
pub mod sessions;
