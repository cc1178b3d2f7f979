//! The one integration-test binary: real processes, real repositories, fake agents.
#![allow(clippy::disallowed_methods)] // Tests set up environments and files freely.

mod harness;

mod agency;
mod agents;
mod claims;
mod conductor;
mod consent;
mod coordinator;
mod doctor;
mod evidence;
mod examples;
mod exec;
mod fencing;
mod foreman;
mod git_programs;
mod house;
mod hub_abuse;
mod init;
mod log;
mod log_loss;
mod log_read;
mod misbehave;
mod output_paths;
mod overnight;
mod own_files;
mod pipeline;
mod plan_edits;
mod plans;
mod preflight;
mod quickstart;
mod race;
mod receipts;
mod record;
mod result_guard;
mod review;
mod same_work;
mod scan;
mod seats;
mod select;
mod simulation;
mod sources;
mod submissions;
mod surface;
mod tasks;
mod worktrees;
