
mod exec;
