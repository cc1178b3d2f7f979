//! The baseline: a bare process that makes the same writes and syncs as a bus command, and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

const LINE: &str = r#"{"ts":"2026-01-05T10:00:00Z","agent_id":"bench","event":"status","summary":"halfway","task_id":"BENCH-1","prev":"0123456789abcdef","id":"0123456789abcdef"}"#;

/// `event FOLDER`, `claim FOLDER NAME`
pub fn run(arguments: &[String]) {
    let folder = Path::new(&arguments[1]);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    lock.set_len(0).unwrap();
    (&lock).write_all(b"pid 1: bare\n").unwrap();
    match arguments[0].as_str() {
        "event" => event(folder),
        "claim" => claim(folder, &arguments[2]),
        other => panic!("{other}"),
    }
}

fn event(folder: &Path) {
    append(&folder.join("events.jsonl"), true);
    marks(folder);
}

fn claim(folder: &Path, name: &str) {
    let mut journal = File::create(folder.join("journal")).unwrap();
    journal.write_all(LINE.repeat(3).as_bytes()).unwrap();
    journal.sync_data().unwrap();
    let temporary = folder.join("claims/.tmp");
    fs::create_dir_all(folder.join("claims")).unwrap();
    let mut file = File::create(&temporary).unwrap();
    file.write_all(LINE.as_bytes()).unwrap();
    file.sync_data().unwrap();
    append(&folder.join("events.jsonl"), true);
    fs::rename(&temporary, folder.join("claims").join(name)).unwrap();
    File::open(folder.join("claims")).unwrap().sync_all().unwrap();
    marks(folder);
    File::create(folder.join("journal")).unwrap();
}

fn marks(folder: &Path) {
    append(&folder.join("lines"), false);
    for name in ["length", "cache"] {
        fs::write(folder.join(".tmp"), LINE).unwrap();
        fs::rename(folder.join(".tmp"), folder.join(name)).unwrap();
    }
}

fn append(path: &Path, sync: bool) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{LINE}\n").as_bytes()).unwrap();
    if sync {
        file.sync_data().unwrap();
    }
}
