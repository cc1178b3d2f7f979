//! What a person can command from a screen or a page, and who carries it out.

use crate::base::Refusal;

/// A command of a person. A `job` is named as on the command line; name its run to mean exactly the result that was
/// shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Approve {
        job: String,
    },
    /// Sends a result back to the coder, or queues blocked work again.
    Retry {
        job: String,
        note: String,
    },
    Reject {
        job: String,
        note: String,
    },
    Answer {
        job: String,
        text: String,
    },
    /// Tells the agent of a job something: at once where it takes messages, else with its next call.
    Note {
        job: String,
        text: String,
    },
    Cancel {
        job: String,
    },
    Pause,
    Resume,
}

impl Command {
    /// What is going on while it is carried out: `Approving`.
    pub fn doing(&self) -> &'static str {
        match self {
            Command::Approve { .. } => "Approving",
            Command::Retry { .. } => "Sending back",
            Command::Reject { .. } => "Rejecting",
            Command::Answer { .. } => "Answering",
            Command::Note { .. } => "Telling the agent of",
            Command::Cancel { .. } => "Cancelling",
            Command::Pause => "Pausing",
            Command::Resume => "Resuming",
        }
    }

    /// The job that it is about; `None`: the coordinator.
    pub fn job(&self) -> Option<&str> {
        match self {
            Command::Approve { job }
            | Command::Retry { job, .. }
            | Command::Reject { job, .. }
            | Command::Answer { job, .. }
            | Command::Note { job, .. }
            | Command::Cancel { job } => Some(job),
            Command::Pause | Command::Resume => None,
        }
    }
}

/// Carries out the commands of a person, with the checks of the command line.
pub trait Operator: Send + Sync {
    /// Returns what happened, in lines of safe text. It may take minutes: an approval runs the tests. `progress` gets a
    /// line for each thing done meanwhile.
    ///
    /// # Errors
    /// The refusal that the command line would print, such as for a seat, a worker or a coding agent.
    fn perform(&self, command: &Command, progress: &dyn Fn(&str)) -> Result<Vec<String>, Refusal>;
}
