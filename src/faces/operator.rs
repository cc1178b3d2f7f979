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
    Cancel {
        job: String,
    },
    Pause,
    Resume,
}

/// Carries out the commands of a person, with the checks of the command line.
pub trait Operator: Send + Sync {
    /// Returns what happened, in lines of safe text. It may take minutes: an approval runs the tests. `progress` gets a
    /// line for each thing done meanwhile.
    ///
    /// # Errors
    /// The refusal that the command line would print, such as for a seat, a worker or a coding agent.
    fn give(&self, command: &Command, progress: &dyn Fn(&str)) -> Result<Vec<String>, Refusal>;
}
