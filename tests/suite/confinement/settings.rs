//! The settings of the sandbox, what is writable with them, and who may change them.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use teof::exec::Network;

use super::*;

#[test]
fn without_settings_a_worker_writes_to_its_worktree_and_commits_on_its_branch_and_nowhere_else() {
    if !kernel_confines("a worker writes to its worktree") {
        return;
    }
    let mut job = Confined::new("");
    let outside = job.world.folder().join("outside");
    std::fs::write(&outside, "kept\n").unwrap();
    let hub = job.world.repo.clone();
    let refused = |what: &str| format!("if {what}; then echo 'not refused: {}'; exit 1; fi", what.replace('\'', ""));
    let commands = [
        "echo $TMPDIR".to_owned(),
        "echo three >> src/code.txt && git add src && git -c user.name=x -c user.email=x@x commit -qm mine".to_owned(),
        "echo x > \"$(mktemp)\" && echo x > \"$TMPDIR/y\" && echo x > /dev/null && test \"$TMPDIR\" = \"$SQLITE_TMPDIR\" && \
         echo x > \"$TMPPREFIX\"; if command -v zsh; then zsh -fc 'cat <<END\nx\nEND'; fi".to_owned(),
        "echo '{}' > \"$TEOF_RECEIPTS_DIR/r.json\" && git stash list".to_owned(),
        refused(&format!("echo x >> {}", outside.display())),
        refused(&format!("mv {} {}.moved", outside.display(), outside.display())),
        refused("echo x > /tmp/teof-escaped"),
        refused(&format!("echo x >> {}/_bus/events/events.jsonl", hub.display())),
        refused(&format!("echo x > {}/.git/teof/x", hub.display())),
        refused(&format!("echo x > {}/.git/hooks/post-commit", hub.display())),
        refused(&format!("git -C {} config x.y z", hub.display())),
        refused("git branch -f main HEAD"),
        refused("git tag mine"),
    ];
    let teof = env!("CARGO_BIN_EXE_teof");
    let through_the_broker = format!("{teof} bus event --event status --summary confined-words && {teof} bus status");
    let commands: Vec<String> = commands.into_iter().chain([through_the_broker]).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let (outcome, envelope) = job.run("run-1", &commands);
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    let (level, open) = Support::of_this_kernel().enforced(Network::All);
    assert_eq!(envelope["sandbox"]["state"], level.word(), "{}", envelope["sandbox"]);
    assert_eq!(envelope["sandbox"].get("open").is_none(), open.is_empty(), "{}", envelope["sandbox"]);
    assert!(job.world.read("_bus/events/events.jsonl").contains("confined-words"), "the foreman wrote it");
    let doctor = job.world.run(&["doctor"]);
    let confined = format!("sandbox.{}: workers are confined by the kernel (Landlock version", level.word());
    assert!(doctor.stdout.contains(&confined), "{doctor:?}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "kept\n");
    assert_eq!(job.world.git(&["show", &format!("{}:src/code.txt", job.branch())]), "one\ntwo\nthree");
    let temp = envelope["stages"][0]["commands"][0]["tail"].as_str().unwrap().trim().to_owned();
    assert!(temp.contains("/teof-") && !std::path::Path::new(&temp).exists(), "{temp:?} is the run's, and removed");
}

#[test]
fn only_settings_that_a_person_granted_open_the_sandbox() {
    if !kernel_confines("only granted settings open the sandbox") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().canonicalize().unwrap();
    let write = format!("echo x > {}/new/x", outside.display());
    let open = format!("[worker.sandbox]\nwrite = [\"{}/new/\"]\n", outside.display());
    for settings in [&open, super::UNCONFINED] {
        let mut job = Confined::new("");
        job.world.write("teof.toml", settings);
        let (outcome, envelope) = job.run("run-1", &[&format!("mkdir -p {}/new; {write}", outside.display())]);
        assert_eq!(outcome["verdict"], "failed", "{outcome:#}");
        assert_eq!(envelope["sandbox"].get("write"), None, "{}", envelope["sandbox"]);
        // Nobody looks for the sandbox behind that, so the reason names it.
        let reason = outcome["reason"].as_str().unwrap();
        let advice = format!("write = [\"{}/new\"] under [worker.sandbox] in teof.toml", outside.display());
        assert!(reason.contains(&advice) && reason.contains("then: teof consent grant. Create the file"), "{reason}");
        assert!(reason.find("What failed: ") > reason.find("consent grant"), "the advice comes first: {reason}");
        assert_eq!(outcome["needs_person"], true, "a retry would be refused again: {outcome:#}");
    }
    let (outcome, envelope) = Confined::new(&open).run("run-1", &[&write]);
    assert_eq!(outcome["verdict"], "succeeded", "{outcome:#}");
    assert_eq!(envelope["sandbox"]["write"], json!([format!("{}/new/", outside.display())]));
}

#[test]
fn what_is_above_the_hub_or_the_home_folder_is_not_writable_and_the_record_and_doctor_say_so() {
    if !kernel_confines("a repository inside of what is writable") {
        return;
    }
    let mut job = Confined::of(World::new(), |world| {
        format!(
            "[worker]\nworktrees = \"{0}/a/worktrees\"\n[worker.sandbox]\nwrite = [\"{0}/\", \"{0}/a\", \"{0}/b/\"]\n\
             caches = [\"~\"]\n[agents.own]\ncommand = [\"sh\", \"-c\", \"echo x > {0}/b/called; echo x > {0}/repo/_bus/escaped\"]\nformat = \"text\"\n\
             write = [\"{0}/repo/\"]\n",
            world.folder().display()
        )
    });
    let folder = job.world.folder().canonicalize().unwrap();
    let at = folder.display();
    let names = ["escaped", "home/escaped", "a/escaped", "repo/_bus/escaped", "repo/.git/hooks/escaped"];
    let mut commands: Vec<String> = names.map(|name| format!("! echo x > {at}/{name}")).into();
    commands.push(format!("echo x > {at}/b/kept && echo three >> src/code.txt"));
    let memory = folder.starts_with("/dev/shm");
    commands.extend(memory.then(|| "! mktemp /dev/shm/teof-XXXXXX".to_owned()));
    let (_, envelope) = job.run("run-1", &commands.iter().map(String::as_str).collect::<Vec<_>>());
    let ran = envelope["stages"][0]["commands"].as_array().unwrap();
    assert!(ran.len() == commands.len() && ran.iter().all(|one| one["status"] == "ok"), "{envelope:#}");
    assert!(folder.join("b/kept").exists());
    job.order["stages"] = json!(["coder"]);
    job.order["roles"] = json!({"coder": {"agent": "own"}});
    job.run("run-2", &[]);
    assert!(folder.join("b/called").exists(), "{:?}", job.world.outcome("run-2"));
    assert_eq!(names.map(|name| folder.join(name).exists()), [false; 5], "{envelope:#}");
    let doctor = job.world.run(&["doctor"]).stdout;
    let not_writable = [("", "/repo"), ("/a", "/a/worktrees"), ("/home", "/home"), ("/repo", "/repo")];
    let mut said = not_writable
        .map(|(path, opened)| format!("{at}{path} is not writable, because that would open {at}{opened}"))
        .to_vec();
    said.extend(memory.then(|| format!("/dev/shm is not writable, because that would open {at}/repo")));
    let sandbox = &envelope["sandbox"];
    assert_eq!(sandbox["state"], "partial", "{sandbox}");
    for line in said {
        assert!(sandbox["open"].as_array().unwrap().contains(&json!(line)), "{line}: {sandbox}");
        assert!(doctor.contains("sandbox.partial: ") && doctor.contains(&line), "{line}: {doctor}");
    }
}

#[test]
fn with_a_list_only_that_is_readable_and_git_works_and_without_network_nothing_is_reached() {
    if !kernel_confines("a list of what is readable, and no network") {
        return;
    }
    let listed = tempfile::tempdir().unwrap();
    let listed = listed.path().canonicalize().unwrap();
    std::fs::write(listed.join("listed"), "listed\n").unwrap();
    let read = format!("[worker.sandbox]\nmode = \"on\"\nread = [\"{}\"]\nnetwork = \"none\"\n", listed.display());
    let mut job = Confined::new(&read);
    let home = job.world.folder().join("home");
    std::fs::write(home.join(".gitconfig"), "[alias]\n\tmine = status\n").unwrap();
    std::fs::write(home.join("secret"), "secret\n").unwrap();
    job.world.git(&["init", "-q", "--bare", &job.world.folder().join("remote").display().to_string()]);
    job.world.git(&["remote", "add", "origin", &job.world.folder().join("remote").display().to_string()]);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp_port, udp_port) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let (_, open) = Support::of_this_kernel().enforced(Network::None);
    let python = |code: &str| format!("python3 -c \"from socket import *; {code}\"");
    let answers = |gap: &str, what: String| match open.contains(&gap) {
        true => what,
        false => format!("if {what}; then exit 1; fi"),
    };
    let commands = [
        format!("cat {}/listed && git status && git mine", listed.display()),
        format!("if cat {}/secret; then exit 1; fi", home.display()),
        "if git push origin HEAD; then exit 1; fi".to_owned(),
        answers("TCP is open", python(&format!("create_connection(('127.0.0.1', {tcp_port}), 9)"))),
        answers("TCP is open", python("socket().bind(('127.0.0.1', 0))")),
        answers("UDP is open", python(&format!("socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp_port}))"))),
        // The kernel confines where a socket is bound, and it binds this one itself.
        python("socket().listen()"),
    ];
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let (outcome, envelope) = job.run("run-1", &commands);
    let codes: Vec<_> = outcome["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.contains(&&json!("git.push_attempted")), "{envelope:#}");
    let ran = envelope["stages"][0]["commands"].as_array().unwrap();
    assert!(ran.len() == commands.len() && ran.iter().all(|one| one["status"] == "ok"), "{envelope:#}");
    assert_eq!(envelope["sandbox"]["network"], "none");
    let mut refused = Confined::new(&read);
    let secret = refused.world.folder().join("home/secret");
    std::fs::write(&secret, "secret\n").unwrap();
    let (outcome, _) = refused.run("run-1", &[&format!("cat {}", secret.display())]);
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("read = [\"~/secret\"] under [worker.sandbox], or to write there"), "{reason}");
}

#[test]
fn an_agent_of_ones_own_keeps_its_files_beside_its_program_and_nowhere_else() {
    if !kernel_confines("what an agent of one's own may write") {
        return;
    }
    for (folder, is_writable) in [("agent", true), ("repo", false)] {
        let mut job = Confined::new("");
        let folder = job.world.folder().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("run");
        let script = "#!/bin/sh\ncat > /dev/null\necho 1 >> \"$(dirname \"$0\")/calls\"\necho done\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        job.world.grant(&format!("[agents.own]\ncommand = [{program:?}]\nformat = \"text\"\n"));
        job.order["stages"] = json!(["coder"]);
        job.order["roles"] = json!({"coder": {"agent": "own"}});
        job.run("run-1", &[]);
        assert_eq!(folder.join("calls").exists(), is_writable, "{}", folder.display());
    }
}

#[test]
fn a_refused_agent_learns_its_setting_and_a_killed_worker_leaves_no_temporary_folder() {
    if !kernel_confines("what an agent of one's own may write") {
        return;
    }
    let job = |what: &str, write: &str| {
        let mut job = Confined::new("");
        let own = job.world.folder().join("own");
        std::fs::create_dir(&own).unwrap();
        let program = format!("cat > /dev/null; cd {} && {what}", own.display());
        let write = write.replace("FOLDER", &own.display().to_string());
        let own = format!("[agents.own]\ncommand = [\"sh\", \"-c\", {program:?}]\nformat = \"text\"\n{write}\n");
        job.world.grant(&own);
        job.order["stages"] = json!(["coder"]);
        job.order["roles"] = json!({"coder": {"agent": "own"}});
        job
    };
    let (outcome, _) = job("echo x > own.log", "").run("run-1", &[]);
    let reason = outcome["reason"].as_str().unwrap();
    assert!(outcome["verdict"] != "succeeded" && reason.contains("write under [agents.own]"), "{outcome:#}");
    let job = job("echo $TMPDIR > own.log; exec sleep 600", "write = [\"FOLDER/\"]");
    let (folder, order) = (job.world.folder(), job.world.write_order(&job.order));
    let mut child = job.world.spawn(&["foreman", "run", &order, "--execute", "--run", "run-1"]);
    let temp = || std::fs::read_to_string(folder.join("own/own.log")).unwrap_or_default().trim().to_owned();
    until_or(
        || format!("the agent to work: {:?}", job.world.outcome("run-1")),
        || std::path::Path::new(&temp()).is_absolute(),
    );
    assert!(std::path::Path::new(&temp()).is_dir());
    child.kill().unwrap();
    child.wait().unwrap();
    until("its reaper removes the folder", || !std::path::Path::new(&temp()).exists());
}

#[test]
fn what_a_person_edits_meanwhile_is_no_finding_of_a_confined_job() {
    if !kernel_confines("a person's edits during a run") {
        return;
    }
    let mut job = Confined::new("");
    let (checkout, home) = (job.world.repo.clone(), job.world.folder().join("repo.worktrees"));
    let person = std::thread::spawn(move || {
        let started =
            || std::fs::read_dir(&home).ok()?.flatten().map(|one| one.path()).find(|one| one.join("on").exists());
        until("the command runs", || started().is_some());
        std::fs::write(checkout.join("README.md"), "# Mine\n").unwrap();
        std::fs::remove_file(started().unwrap().join("on")).unwrap();
    });
    let wait = "echo three >> src/code.txt; touch on; while [ -e on ]; do sleep 0.05; done";
    let (outcome, _) = job.run("run-1", &[wait]);
    person.join().unwrap();
    assert_eq!((&outcome["verdict"], &outcome["findings"]), (&json!("succeeded"), &json!([])), "{outcome:#}");
}
