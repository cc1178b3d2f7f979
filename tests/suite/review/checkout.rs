//! People who have the target checked out: their work stays as it is.

use super::*;

#[test]
fn a_persons_staged_and_unstaged_work_is_there_afterwards_byte_for_byte() {
    let desk = Desk::new();
    desk.world.write("src/other.txt", "staged\n");
    desk.world.write("fresh/staged.txt", "staged\n");
    desk.world.git(&["add", "src/other.txt", "fresh/staged.txt"]);
    desk.world.write("src/other.txt", "staged, and changed since\n");
    desk.world.write("src/notes.txt", "changed\n");
    desk.world.write("untracked.txt", "untracked\n");
    let (files, index, status) = desk.persons();
    desk.merged();
    let (files_now, index_now, status_now) = desk.persons();
    let is_merged = |path: &str| path.ends_with("src/code.txt") || path.ends_with("src/new.txt");
    let touched = |path: &PathBuf| is_merged(&path.to_string_lossy());
    let rest = |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().filter(|(p, _)| !touched(p)).collect::<Vec<_>>();
    assert_eq!(rest(files_now), rest(files));
    let rest = |index: &str| index.lines().filter(|line| !is_merged(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(rest(&index_now), rest(&index), "what is staged stays staged");
    let code = |status: &str| {
        status
            .lines()
            .filter(|line| !line.contains(" _") && !line.contains("memory/"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(code(&status_now), code(&status));
    assert_eq!(desk.world.read("src/code.txt"), "one\n2\nthree\n");
}

#[test]
fn work_in_the_way_is_named_and_left_as_it_is() {
    let modify = |desk: &Desk| desk.world.write("src/code.txt", "mine\n");
    let stage = |desk: &Desk| {
        desk.world.write("src/code.txt", "mine\n");
        desk.world.git(&["add", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine, changed since\n");
    };
    let leave = |desk: &Desk| desk.world.write("src/new.txt", "mine\n");
    let ignore = |desk: &Desk| {
        fs::write(desk.world.repo.join(".git/info/exclude"), "new.txt\n").unwrap();
        desk.world.write("src/new.txt", "mine\n");
    };
    let hide = |desk: &Desk| {
        desk.world.git(&["update-index", "--assume-unchanged", "src/code.txt"]);
        desk.world.write("src/code.txt", "mine\n");
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Desk));
    let cases: [Case; 5] = [
        ("src/code.txt", &modify),
        ("src/code.txt", &stage),
        ("src/new.txt", &leave),
        ("src/new.txt", &ignore),
        ("src/code.txt", &hide),
    ];
    for (at, (path, change)) in cases.into_iter().enumerate() {
        let desk = Desk::tested(&["touch ../ran"]);
        change(&desk);
        let (main, before) = (desk.main(), desk.persons());
        let index = fs::read(desk.world.repo.join(".git/index")).unwrap();
        let refused = desk.refused();
        assert_eq!(
            (&refused["code"], &refused["files"]),
            (&json!("target.in_the_way"), &json!([path])),
            "{at}: {refused}"
        );
        assert_eq!(desk.main(), main);
        assert_eq!(desk.persons(), before);
        assert_eq!(fs::read(desk.world.repo.join(".git/index")).unwrap(), index);
        assert!(desk.memory().is_empty());
    }
}

#[test]
fn a_git_in_the_middle_of_something_is_not_disturbed() {
    let desk = Desk::new();
    let lock = desk.world.repo.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(desk.refused()["code"], "target.busy");
    assert!(lock.exists());
    fs::remove_file(lock).unwrap();
    desk.merged();
}
