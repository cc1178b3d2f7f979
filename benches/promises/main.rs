//! Figures behind the promises, run by hand: `cargo bench [-- NAME…]`.
//!
//! Each figure is a ratio against a baseline that is measured in the same run, turn by turn, so that a
//! slow or busy machine slows both sides; milliseconds stand beside. Nothing here is a test: these
//! numbers are read by people.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod bare;
mod broker;
mod coordinator;
mod growth;
mod jobs;
mod measure;
mod queue;
mod screens;
mod sessions;
mod stage;
mod start;
mod streams;
mod surface;
mod world;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(("--bare", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return bare::run(rest);
    }
    if arguments == ["--in-a-run"] {
        return broker::inside();
    }
    let all: [(&str, fn()); 15] = [
        ("start", start::version),
        ("bus", start::bus),
        ("broker", broker::broker),
        ("growth", growth::growth),
        ("preflight", growth::preflight),
        ("latency", coordinator::latency),
        ("idle", coordinator::idle),
        ("streams", streams::streams),
        ("stage", stage::stage),
        ("jobs", jobs::jobs),
        ("surface", surface::surface),
        ("screens", screens::screens),
        ("queue", queue::queue),
        ("sessions", sessions::list),
        ("session-start", sessions::start),
    ];
    for (name, figure) in all {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            println!("\n## {name}");
            figure();
        }
    }
}
