//! What all requests share: the board as read last, the secrets, and what people asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access::Access;
use super::commands::Commands;
use super::pages::{Address, DiffCache, Page, View, job_names, log_length};
use crate::base::Result;
use crate::board::{Parts, Reader, Snapshot};
use crate::faces::operator::Operator;
use crate::hub::Hub;

/// A snapshot this young is shown again: several pages may be open.
const FRESH: Duration = Duration::from_millis(500);
/// What the pages show. Worktrees are not among it.
const PARTS: Parts = Parts { record: true, review: true, history: true, worktrees: false };

pub struct Site {
    pub access: Access,
    pub commands: Arc<Commands>,
    pub operator: Arc<dyn Operator>,
    /// Who decides, and how they were recognised.
    name: String,
    hub: Hub,
    board: Mutex<Board>,
    diffs: DiffCache,
}

#[derive(Default)]
struct Board {
    reader: Reader,
    last: Option<(Instant, Arc<Snapshot>)>,
}

/// What a page was made of; it is made again when this differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis(u64, u64, Option<u64>);

impl Site {
    pub fn new(hub: Hub, access: Access, operator: Arc<dyn Operator>, name: String) -> Site {
        Site {
            access,
            commands: Arc::default(),
            operator,
            name,
            hub,
            board: Mutex::default(),
            diffs: DiffCache::default(),
        }
    }

    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The snapshot of now. Reads files: call it in `spawn_blocking`.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut board = self.board();
        if let Some((at, snapshot)) = &board.last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(board.reader.read(&self.hub, PARTS)?);
        board.last = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// Has the next snapshot read anew.
    pub fn forget(&self) {
        self.board().last = None;
    }

    /// The page of an address; `None` when there is no such thing.
    ///
    /// # Errors
    /// As [`Site::snapshot`].
    pub fn page(&self, address: &Address) -> Result<Option<Page>> {
        let snapshot = self.snapshot()?;
        Ok(Page::render(address, &self.view(&snapshot)))
    }

    /// The long and the short id of a job.
    ///
    /// # Errors
    /// As [`Site::snapshot`].
    pub fn job(&self, name: &str) -> Result<Option<(String, String)>> {
        let snapshot = self.snapshot()?;
        Ok(job_names(&self.view(&snapshot), name))
    }

    /// What the project is called: the folder of the repository, wherever its record is.
    pub fn project(&self) -> String {
        let folder = self.hub.common_dir.parent().filter(|_| self.hub.common_dir.ends_with(".git"));
        let name = folder.unwrap_or(&self.hub.root).file_name();
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// As [`Site::page`], if its basis is another one than `known`.
    ///
    /// # Errors
    /// As [`Site::snapshot`].
    pub fn page_since(&self, address: &Address, known: Option<&Basis>) -> Result<(Basis, Option<Page>)> {
        let snapshot = self.snapshot()?;
        let view = self.view(&snapshot);
        let basis = Basis(snapshot.revision, self.commands.revision(), log_length(address, &view));
        if known == Some(&basis) {
            return Ok((basis, None));
        }
        Ok((basis, Page::render(address, &view)))
    }

    fn view<'s>(&'s self, snapshot: &'s Snapshot) -> View<'s> {
        View {
            snapshot,
            hub: &self.hub,
            commands: &self.commands,
            diffs: &self.diffs,
            form: self.access.form(),
            operator: &self.name,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
