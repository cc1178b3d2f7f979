//! Transactions: changes to several files that are applied completely or not at all.
//!
//! A transaction with more than one change is written to the journal with its final bytes, then applied, then the
//! journal is emptied. The next holder of the bus lock completes an unfinished transaction from the journal.

mod changes;
pub(super) mod journal;
pub(super) mod recover;
pub mod repair;
pub mod requests;
pub(super) mod staged;
pub mod temporary;
pub mod writer;

pub use changes::Transaction;
pub(super) use changes::{Change, check_absent};

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::base::{Clock, Refusal};
    use crate::hub::marks::watermarks;
    use crate::hub::transaction::{Change, Transaction, journal};
    use crate::hub::{Hub, paths};

    fn repository() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("repo");
        let init = Command::new("git").args(["init", "-q", "-b", "main"]).arg(&root).status().unwrap();
        assert!(init.success());
        for folder in paths::OWNED {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        let hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        (dir, hub)
    }

    fn again(hub: &Hub) -> Hub {
        Hub::find(Some(&hub.root), Clock::Machine).unwrap()
    }

    fn code(error: anyhow::Error) -> &'static str {
        Refusal::of(&error).unwrap_or_else(|| panic!("{error:#}")).code
    }

    #[test]
    fn a_transaction_changes_all_its_files() {
        let (_dir, hub) = repository();
        let mut transaction = Transaction::new("claim A");
        transaction
            .create("_bus/claims/A.json", "{\"epoch\":1}\n")
            .append(paths::EVENTS, b"{\"a\":1}\n")
            .append(paths::EVENTS, b"{\"a\":2}\n");
        hub.lock("test").unwrap().commit(transaction.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(code(hub.lock("test").unwrap().commit(transaction).unwrap_err()), "file.exists");
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
    }

    #[test]
    fn next_lock_holder_completes_an_interrupted_transaction_once() {
        for half in ["", "{\"a\":1}\n", "{\"a\":1}\n{\"b\"", "{\"a\":1}\n{\"b\":2}\n"] {
            let (_dir, hub) = repository();
            let log = hub.path(paths::EVENTS).unwrap();
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(&log, "{\"old\":0}\n").unwrap();
            let mut transaction = Transaction::new("claim A");
            transaction.replace("_bus/claims/A.json", "{}\n").append(paths::EVENTS, b"{\"a\":1}\n{\"b\":2}\n");
            for change in &mut transaction.changes {
                if let Change::Append { at, .. } = change {
                    *at = 10;
                }
            }
            std::fs::create_dir_all(hub.local("intents")).unwrap();
            journal::write(&hub.local("intents/current"), &transaction).unwrap();
            // The crash came somewhere in the middle of the append.
            std::fs::write(&log, format!("{{\"old\":0}}\n{half}")).unwrap();
            drop(hub.lock("next").unwrap());
            assert_eq!(std::fs::read_to_string(&log).unwrap(), "{\"old\":0}\n{\"a\":1}\n{\"b\":2}\n", "{half:?}");
            assert_eq!(std::fs::read_to_string(hub.root.join("_bus/claims/A.json")).unwrap(), "{}\n");
            drop(hub.lock("after").unwrap());
            assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 3);
        }
    }

    #[test]
    fn a_failed_transaction_changes_nothing() {
        let (_dir, hub) = repository();
        std::fs::create_dir_all(hub.root.join("_bus/claims/A.json")).unwrap();
        let mut transaction = Transaction::new("claim A");
        transaction.append(paths::EVENTS, b"{\"a\":1}\n").replace("_bus/claims/A.json", "{}\n");
        assert_eq!(code(hub.lock("test").unwrap().commit(transaction).unwrap_err()), "file.not_regular");
        assert!(!hub.root.join(paths::EVENTS).exists());
        let mut transaction = Transaction::new("escape");
        transaction.replace("../outside", "x");
        assert_eq!(code(hub.lock("test").unwrap().commit(transaction).unwrap_err()), "path.outside");
    }

    #[test]
    fn a_hub_on_another_branch_takes_no_writes() {
        let (_dir, hub) = repository();
        drop(hub.lock("pins the hub").unwrap());
        std::fs::write(hub.git_dir.join("HEAD"), "ref: refs/heads/other\n").unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.switched");
        std::fs::write(hub.git_dir.join("HEAD"), "0123456789012345678901234567890123456789\n").unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.detached");
        std::fs::create_dir(hub.git_dir.join("rebase-merge")).unwrap();
        assert_eq!(code(again(&hub).lock("x").err().unwrap()), "hub.busy");
    }

    #[test]
    fn an_outdated_tree_is_refused_and_never_shows_a_free_task() {
        let (_dir, hub) = repository();
        let mut transaction = Transaction::new("claim A");
        transaction
            .replace("_bus/claims/A.json", "{\"agent_id\":\"codex-1\",\"epoch\":2}\n")
            .append(paths::EVENTS, b"{\"a\":1}\n");
        hub.lock("x").unwrap().commit(transaction).unwrap();
        let claim = "_bus/claims/A.json";
        let known = hub.watermarks().claim_bytes(claim).unwrap();
        assert_eq!(code(watermarks::check_claim(claim, known.as_deref(), None).unwrap_err()), "record.behind");
        assert_eq!(hub.watermarks().claimed_tasks(), ["A"]);
        std::fs::write(hub.root.join(paths::EVENTS), "").unwrap();
        assert_eq!(code(hub.lock("x").err().unwrap()), "record.behind");
        assert_eq!(hub.watermarks().uncommitted(paths::EVENTS).unwrap(), b"{\"a\":1}\n");
    }

    #[test]
    fn a_log_that_was_replaced_by_another_one_is_known_by_its_lines() {
        let (_dir, hub) = repository();
        let append = |line: &[u8]| {
            let mut transaction = Transaction::new("x");
            transaction.append(paths::EVENTS, line);
            hub.lock("x").and_then(|mut writer| writer.commit(transaction))
        };
        append(b"{\"a\":1}\n").unwrap();
        let log = hub.root.join(paths::EVENTS);
        std::fs::write(&log, "{\"other\":1}\n{\"other\":2}\n").unwrap();
        assert_eq!(code(append(b"{\"a\":2}\n").unwrap_err()), "record.behind");
        // A union merge moved our line; nothing of it is lost.
        std::fs::write(&log, "{\"other\":1}\n{\"other\":2}\n{\"a\":1}\n").unwrap();
        append(b"{\"a\":2}\n").unwrap();
    }

    #[test]
    fn a_sealed_log_that_is_taken_away_is_noticed() {
        let (_dir, hub) = repository();
        let sealed = "_bus/events/events-20260105T100000Z.jsonl";
        let mut transaction = Transaction::new("x");
        transaction.append(paths::EVENTS, b"{\"a\":1}\n");
        hub.lock("x").unwrap().commit(transaction).unwrap();
        let mut transaction = Transaction::new("seal");
        transaction.append(paths::EVENTS, b"{\"a\":2}\n").rename(paths::EVENTS, sealed);
        hub.lock("x").unwrap().commit(transaction).unwrap();
        assert_eq!(std::fs::read_to_string(hub.root.join(sealed)).unwrap(), "{\"a\":1}\n");
        assert_eq!(std::fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap(), "{\"a\":2}\n");
        assert_eq!(hub.watermarks().uncommitted(sealed).unwrap(), b"{\"a\":1}\n");
        assert_eq!(hub.watermarks().logs(), [sealed, paths::EVENTS]);
        std::fs::remove_file(hub.root.join(sealed)).unwrap();
        assert_eq!(code(hub.lock("x").err().unwrap()), "record.behind");
        drop(hub.lock_for_repair("x").unwrap());
    }

    #[test]
    fn every_worktree_finds_the_same_hub() {
        let (dir, hub) = repository();
        let git = hub.git();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"]).unwrap();
        let linked = dir.path().canonicalize().unwrap().join("linked");
        git.run(&["worktree", "add", "-q", linked.to_str().unwrap()]).unwrap();
        std::fs::create_dir_all(linked.join("deep/er")).unwrap();
        for start in [hub.root.join("_bus"), linked.clone(), linked.join("deep/er")] {
            let found = Hub::find(Some(&start), Clock::Machine).unwrap();
            assert_eq!((&found.root, &found.common_dir), (&hub.root, &hub.common_dir));
        }
        assert_eq!(code(Hub::find(Some(dir.path()), Clock::Machine).unwrap_err()), "repository.missing");
        std::fs::remove_dir(hub.root.join("_plans")).unwrap();
        assert_eq!(code(Hub::find(Some(&linked), Clock::Machine).unwrap_err()), "hub.incomplete");
    }

    #[test]
    fn a_bare_repository_needs_a_pin() {
        let dir = tempfile::tempdir().unwrap();
        let bare = dir.path().join("bare.git");
        assert!(Command::new("git").args(["init", "-q", "--bare"]).arg(&bare).status().unwrap().success());
        assert_eq!(code(Hub::find(Some(&bare), Clock::Machine).unwrap_err()), "hub.unknown");
    }
}
