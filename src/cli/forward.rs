//! Inside a run, sends commands that write the record to the run's worker, which performs them.
//!
//! Only a process of a run does this: elsewhere `TEOF_BROKER` is ignored, so that setting it in a person's shell
//! redirects nothing. Commands that only read run here, and so do those that only a person may give: they are refused.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::base::{Exit, Refusal, Result, digest, env};
use crate::cli::App;
use crate::exec::broker::{self, Failed, Reply};
use crate::foreman::broker::protocol::{Answer, Call, DISPLAY};
use crate::guard::operator;
use crate::guard::operator::verbs::Request;

/// Longer than the worker lets a command take.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long a busy worker is asked again.
const BUSY: Duration = Duration::from_secs(120);
/// Wait between retries in milliseconds: the first, the maximum.
const PAUSES: (u64, u64) = (20, 1000);
/// How often a request is repeated when the answer was lost.
const REPEATS: usize = 3;

/// The worker's socket, if this process is to use one.
pub fn socket() -> Option<PathBuf> {
    env::var(env::BROKER).map(PathBuf::from)
}

/// Has the worker at `socket` perform the command; `None`: run it here.
///
/// # Errors
/// `broker.flag`; `broker.gone`, `broker.not_of_run`, `broker.busy`, `broker.killed`, `broker.refused`.
pub fn to_worker(socket: &Path, arguments: &[OsString], app: &App) -> Result<Option<ExitCode>> {
    let words: Option<Vec<String>> = arguments.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect();
    let Some(request) = words.as_deref().and_then(Request::of) else { return Ok(None) };
    if operator::run::inside().is_none() {
        return Ok(None);
    }
    // Without a hub it fails here as it does without a broker.
    let Ok(hub) = app.hub() else { return Ok(None) };
    let display = DISPLAY.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name)?)));
    let call = Call {
        // Unlike that of any other request of the run.
        id: digest::random_hex::<8>()?,
        root: hub.root.clone(),
        request: request?,
        agent: env::var(env::AGENT),
        display: display.collect(),
    };
    let code = match send(socket, &call)? {
        Answer::Done { exit } => exit,
        Answer::OtherHub => return Ok(None),
        Answer::Killed => return Err(killed().into()),
        Answer::Busy => return Err(busy().into()),
        Answer::Refused(refused) => return Err(Refusal::from(refused).into()),
    };
    Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(Exit::Fault as u8))))
}

/// Sends the request until there is an answer. A repetition has the same id, so it is not performed again.
fn send(socket: &Path, call: &Call) -> Result<Answer> {
    let bytes = call.to_bytes();
    if bytes.len() > broker::MAX_REQUEST {
        return Err(too_large().into());
    }
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut files = vec![stdout.as_fd(), stderr.as_fd()];
    files.extend(call.request.reads_stdin().then(|| stdin.as_fd()));
    let (mut pause, most) = PAUSES;
    let (mut lost, started) = (0, Instant::now());
    loop {
        match broker::call(socket, &bytes, &files, PATIENCE) {
            Ok(Reply::Answer(answer)) => match Answer::parse(&answer) {
                Some(answer) => return Ok(answer),
                None => return Ok(Answer::refused("the worker's answer is not one")),
            },
            Ok(Reply::Busy) if started.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(pause));
                pause = (pause * 2).min(most);
            }
            Ok(Reply::Busy) => return Ok(Answer::Busy),
            Ok(Reply::Stranger) | Err(Failed::Foreign) => return Err(not_of_run(socket).into()),
            Ok(Reply::Unreadable) => return Ok(Answer::refused("it did not arrive whole")),
            Err(Failed::Lost(_)) if lost < REPEATS => lost += 1,
            Err(Failed::Lost(e) | Failed::Unreachable(e)) => return Err(gone(&e, lost > 0).into()),
        }
    }
}

fn gone(error: &std::io::Error, was_sent: bool) -> Refusal {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    if !was_sent && !matches!(error.kind(), ConnectionRefused | NotFound) {
        return Refusal::unattended("broker.closed", "the worker of this run cannot be reached, so nothing is written")
            .because(format!("{}: {error}", env::BROKER))
            .next("leave it to a person: run programs with an account that may open that socket");
    }
    let unknown = if was_sent { "; it may have written before it ended" } else { "" };
    let refusal = Refusal::unattended("broker.gone", "the worker of this run is gone, so nothing is written for it")
        .because(format!("{} names a socket that does not answer: {error}{unknown}", env::BROKER));
    let refusal = if was_sent { refusal.next("see what was written: teof bus watch --limit 5") } else { refusal };
    refusal.next("leave it to a person or to the next run")
}

fn not_of_run(socket: &Path) -> Refusal {
    Refusal::unattended("broker.not_of_run", "this process does not belong to the run of that worker")
        .because(format!("{} is {}, and what listens there did not start this process", env::BROKER, socket.display()))
        .next(format!("do not change {}", env::BROKER))
}

fn busy() -> Refusal {
    Refusal::new(Exit::TimedOut, "broker.busy", "the worker of this run is busy with other commands of it")
        .because("it did not take the command in time; nothing was written")
        .next("give fewer commands at once, and repeat this one")
}

fn killed() -> Refusal {
    Refusal::new(Exit::TimedOut, "broker.killed", "the worker stopped the command before it ended")
        .because("it took too long; it may have written before")
        .next("see what was written: teof bus watch --limit 5")
}

fn too_large() -> Refusal {
    Refusal::usage("broker.too_large", "the command is too large")
        .because(format!("the worker of this run takes {} bytes", broker::MAX_REQUEST))
        .next("write less, or as a batch from stdin: teof bus event --batch")
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use crate::cli::support::lazy;
    use crate::guard::operator::verbs;

    #[test]
    fn the_listed_flags_are_those_of_the_commands() {
        let whole = lazy::whole::<Cli>();
        for (name, flags) in verbs::listed() {
            let command = name.split(' ').fold(&whole, |at, word| at.find_subcommand(word).expect(name));
            for (flag, takes_value) in flags {
                let is_named = |arg: &&clap::Arg| {
                    let aliases = arg.get_all_aliases().unwrap_or_default();
                    arg.get_long() == Some(flag) || aliases.contains(&flag)
                };
                let found = command.get_arguments().find(is_named).unwrap_or_else(|| panic!("{name} --{flag}"));
                assert_eq!(found.get_action().takes_values(), takes_value, "{name} --{flag}");
            }
        }
    }
}
