//! Performs the commands of a run's programs that write the record, for the run's seat, under the claim's epoch.
//!
//! A program of the run that calls `teof bus event …` sends it here. Only what `guard::operator::verbs` lists is
//! performed, by our own binary as a child of this process, with an environment of ours: seat, task and epoch are those
//! of the order, whatever the program says. As a descendant of the worker the child passes the same checks as the
//! program itself (`guard::operator::run`). It prints to the files that the program sent, so the output is exactly
//! that of the command without a broker.
//!
//! Nothing is done twice: a request has an id, and one that is repeated gets the first answer.

pub mod protocol;
mod receipts;
mod repeats;
mod slots;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::{Answer, Call};
use receipts::RunFolders;
use repeats::{Repeats, Seen};
use slots::Slots;

use crate::base::{Refusal, Result, digest, env};
use crate::exec::broker::{Belongs, Request, Server};
use crate::exec::{self, Beside, OwnCommand};

use super::work::Work;

/// How many commands run at once; the next wait.
const AT_ONCE: usize = 4;
/// How long a command waits for its turn.
const TURN: Duration = Duration::from_secs(60);
/// How long a command may take: longer than any wait for a lock.
const LIMIT: Duration = Duration::from_secs(300);

/// The broker of one run, until it is dropped.
#[derive(Debug)]
pub struct Broker(Server);

/// For whom the commands are performed.
#[derive(Debug)]
pub struct Seat {
    /// The hub's root.
    root: PathBuf,
    /// The variables that tell a program its seat, task, epoch, receipts, run and hub.
    own: Vec<(String, String)>,
    places: RunFolders,
}

impl Seat {
    pub fn new(root: &Path, work: &Work, run: &str, worktree: &Path, receipts: &Path) -> Seat {
        let order = &work.order;
        let own = [
            (env::AGENT, order.agent_id.clone()),
            (env::TASK, order.task_id.clone()),
            (env::CLAIM_EPOCH, order.epoch.to_string()),
            (env::RECEIPTS_DIR, receipts.display().to_string()),
            (env::RUN, run.to_owned()),
            (env::ROOT, root.display().to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value)).into();
        let places = RunFolders {
            worktree: worktree.to_owned(),
            receipts: receipts.to_owned(),
            agent: order.agent_id.clone(),
            task: order.task_id.clone(),
            run: run.to_owned(),
            base: order.base_commit.clone(),
            epoch: work.fenced.then_some(order.epoch),
        };
        Seat { root: root.to_owned(), own, places }
    }
}

impl Broker {
    /// Opens the socket for the programs that belong to the run; `None` where the system does not tell who calls.
    ///
    /// # Errors
    /// When there is no place for the socket.
    pub fn open(seat: Seat, beside: Beside, belongs: Box<Belongs>) -> Result<Option<Broker>> {
        let dispatcher = Dispatcher { seat, beside, slots: Slots::new(AT_ONCE), repeats: Repeats::default() };
        let dispatcher = Arc::new(dispatcher);
        let server = Server::start(Box::new(move |request| dispatcher.answer(request).to_bytes()), belongs)?;
        Ok(server.map(Broker))
    }

    /// The variable that names it to the run's programs.
    pub fn variable(&self) -> (String, String) {
        (env::BROKER.to_owned(), self.0.socket().display().to_string())
    }

    /// The folder of its socket, which holds nothing else.
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }
}

/// Answers the requests, each in its own thread.
struct Dispatcher {
    seat: Seat,
    beside: Beside,
    slots: Slots,
    repeats: Repeats,
}

impl Dispatcher {
    fn answer(&self, request: Request) -> Answer {
        let sha256 = digest::sha256(&request.bytes);
        let Some(call) = Call::parse(&request.bytes) else {
            return Answer::refused("it is not a request");
        };
        if call.root != self.seat.root {
            return Answer::OtherHub;
        }
        if let Err(refusal) = call.request.check() {
            return Answer::refused(refusal.message);
        }
        match self.repeats.begin(&call.id, sha256) {
            Seen::Repeated(answer) => answer,
            Seen::First => {
                let answer = self.perform(&call, request);
                self.repeats.end(&call.id, answer.clone());
                answer
            }
        }
    }

    fn perform(&self, call: &Call, request: Request) -> Answer {
        let mut files = request.files.into_iter();
        let (Some(stdout), Some(stderr)) = (files.next(), files.next()) else {
            return Answer::refused("it came without the files for its output");
        };
        let Some(_slot) = self.slots.take(TURN) else { return Answer::Busy };
        let mut asked = call.request.clone();
        if let Err(e) = receipts::import(&self.seat.root, &self.seat.places, &self.beside, &mut asked) {
            return Refusal::of(&e).map_or_else(|| Answer::refused(e.to_string()), Answer::of);
        }
        let own = OwnCommand {
            arguments: asked.arguments(),
            env: self.environment(call),
            folder: self.seat.root.clone(),
            stdin: files.next().filter(|_| call.request.reads_stdin()),
            stdout,
            stderr,
        };
        match own.run(&self.beside, LIMIT) {
            Ok(Some(code)) => Answer::Done { exit: code },
            Ok(None) => Answer::Killed,
            Err(e) => Answer::refused(format!("it cannot be started: {e:#}")),
        }
    }

    /// The whole environment of a command. It has the marks of the run's programs, so that it does not outlive the run.
    fn environment(&self, call: &Call) -> Vec<(String, String)> {
        let mut variables = exec::allowed(&[]);
        variables.extend(self.seat.own.iter().cloned());
        // A program that names another seat is refused as it is without a broker.
        variables.extend(call.agent.iter().map(|agent| (env::AGENT.to_owned(), agent.clone())));
        variables.extend(call.display.iter().cloned());
        variables
    }
}
