//! Any git repository: every command works there, or refuses at once and says what to do.

mod commits;
mod formats;
mod life;
mod matrix;
mod submodules;
