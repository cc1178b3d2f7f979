//! Programs in containers and in terminals are supervised like any other: same output, limits and end.

pub mod docker;
mod sessions;
mod terminals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use teof::exec::{Clocks, Keep, ProcessTree, Spec, Supervisor};

use crate::harness::temp;

/// A folder in which programs run, and what marks them.
struct Place {
    dir: tempfile::TempDir,
    marks: Vec<(String, String)>,
}

impl Place {
    fn new() -> Place {
        let dir = temp::folder();
        let root = dir.path().display().to_string();
        Place { marks: vec![("TEOF_RUN".into(), "run-1".into()), ("TEOF_ROOT".into(), root)], dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A line of shell with a prompt on stdin and a separate stderr, as an agent has.
    fn spec(&self, name: &str, script: &str) -> Spec {
        Spec {
            argv: Spec::shell(script),
            cwd: self.dir.path().to_owned(),
            env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()), ("API_KEY".into(), "sk-secret".into())],
            marks: self.marks.clone(),
            stdin: b"the prompt\n".to_vec(),
            clocks: Clocks {
                silence: None,
                meaning: None,
                wall: None,
                linger: Duration::from_secs(20),
                grace: Duration::from_secs(5),
            },
            output: self.path(&format!("{name}.out")),
            through_file: false,
            errors: Some(self.path(&format!("{name}.err"))),
            keep: Keep::default(),
            confinement: None,
            limits: None,
        }
    }

    fn nothing_is_left(&self) -> bool {
        let tree = ProcessTree { marks: self.marks.clone(), ..ProcessTree::default() };
        tree.living().is_empty()
    }
}

fn supervisor() -> Supervisor {
    Supervisor::beside_others(env!("CARGO_BIN_EXE_teof"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
