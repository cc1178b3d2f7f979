//! Containers, under a client that stands in for docker's (`docker.sh`); one test asks a real engine, where there is
//! one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use teof::base::Refusal;
use teof::exec::docker::{Engine, remove_left};
use teof::exec::{
    Access, Control, Docker, DockerOptions, EngineInfo, Executor, Mounts, Report, Running, Spec, TimedOut, Verdict,
};

use super::{Place, read, supervisor};
use crate::harness::skip;

const STAND_IN: &str = include_str!("docker.sh");
const IMAGE: &str = "my-claude:authenticated";

/// Installs the stand-in in a folder, with its image; gives back the client.
pub fn stand_in(folder: &Path) -> PathBuf {
    let client = folder.join("docker");
    fs::create_dir_all(folder.join("state/images")).unwrap();
    fs::write(&client, STAND_IN).unwrap();
    fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("state/images/my-claude_authenticated"), "[\"PATH=/usr/local/bin:/usr/bin:/bin\"]").unwrap();
    client
}

fn docker(place: &Place, client: &Path) -> Docker {
    Docker {
        options: DockerOptions {
            program: client.display().to_string(),
            image: IMAGE.into(),
            ..DockerOptions::default()
        },
        hub: place.dir.path().to_owned(),
        job: "job-1".into(),
        task: "QUEUE-1".into(),
        mounts: Mounts::from([(place.dir.path().to_owned(), Access::Write)]),
        logs: place.path("logs"),
        running: Running::default(),
        info: EngineInfo::default(),
    }
}

fn run(docker: &Docker, spec: Spec) -> Report {
    docker.run(&supervisor(), spec, "coder-1", &mut || Control::Continue).unwrap()
}

pub fn containers(client: &Path) -> Vec<String> {
    let folder = client.with_file_name("state").join("containers");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn refusal(docker: &Docker) -> String {
    let error = Engine(&docker.options).check().unwrap_err();
    Refusal::of(&error).unwrap().code.to_owned()
}

#[test]
fn a_program_in_a_container_is_supervised_and_nothing_of_it_is_left() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    let docker = docker(&place, &client);
    Engine(&docker.options).check().unwrap();
    let stopped = client.with_file_name("state").join("no-engine");
    fs::write(&stopped, "").unwrap();
    let failed = docker.run(&supervisor(), place.spec("failed", "true"), "coder-1", &mut || Control::Continue);
    assert_eq!(Refusal::of(&failed.unwrap_err()).unwrap().code, "docker.no_engine");
    fs::remove_file(&stopped).unwrap();

    let done =
        run(&docker, place.spec("a", "cat; pwd; echo \"$API_KEY $TEOF_RUN $IS_SANDBOX\"; echo talk >&2; exit 7"));
    assert_eq!(done.verdict, Verdict::Exited(7));
    let here = place.dir.path().display();
    assert_eq!(read(&done.output.path), format!("the prompt\n{here}\nsk-secret run-1 1\n"));
    assert_eq!(read(&done.errors.as_ref().unwrap().path), "talk\n");
    let calls = read(&client.with_file_name("state").join("calls"));
    assert!(calls.contains("--label=teof.job=job-1") && !calls.contains("sk-secret"), "{calls}");

    let killed = Docker { options: DockerOptions { memory: "1g".into(), ..docker.options.clone() }, ..docker };
    let over = run(&killed, place.spec("b", "kill -KILL $$"));
    assert_eq!(over.verdict, Verdict::OverLimit("out of memory (memory = \"1g\")".into()));
    let calls = read(&client.with_file_name("state").join("calls"));
    assert_eq!(calls.lines().filter(|call| call.starts_with("info ")).count(), 2, "once, and after a failure: {calls}");
    assert_eq!(containers(&client), Vec::<String>::new());
}

/// A program that cannot start, and why; the folder is mounted.
fn cannot_start(place: &Place) -> Vec<(String, &'static str)> {
    let file = |name: &str, text: &str, mode| {
        let path = place.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let (denied, missing) = ("Permission denied", "No such file or directory");
    vec![
        ("no-such-agent".into(), missing),
        ("/usr/bin/no-such-agent".into(), missing),
        (file("plain", "text", 0o644), denied),
        (file("script", "#!/no/such/interpreter\n", 0o755), missing),
    ]
}

fn assert_not_started(docker: &Docker, place: &Place) {
    for (at, (program, why)) in cannot_start(place).into_iter().enumerate() {
        let spec = Spec { argv: vec![program.clone()], ..place.spec(&format!("not-{at}"), "") };
        let expected = format!("{program}: {why} (in the image {})", docker.options.image);
        assert_eq!(run(docker, spec).verdict, Verdict::NotStarted(expected));
    }
    // The same exit codes from a program that did start.
    let own = run(docker, place.spec("own", "echo begun; exit 127"));
    assert_eq!(own.verdict, Verdict::Exited(127));
    let stranger =
        Docker { options: DockerOptions { user: "no-such-user".into(), ..docker.options.clone() }, ..docker.clone() };
    let Verdict::NotStarted(why) = run(&stranger, place.spec("user", "true")).verdict else { panic!("it started") };
    assert!(why.contains("unable to find user no-such-user"), "{why}");
}

#[test]
fn a_program_that_the_image_cannot_start_is_told_from_one_that_fails() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    let docker = docker(&place, &client);
    assert_not_started(&docker, &place);
    assert_eq!(containers(&client), Vec::<String>::new());
}

#[test]
fn rootless_engines_let_a_program_write_to_its_folder_and_see_nothing_hidden() {
    for engine in ["rootless", "podman"] {
        let place = Place::new();
        let client = stand_in(&place.path("bin"));
        fs::write(client.with_file_name("state").join(engine), "").unwrap();
        let mut docker = docker(&place, &client);
        docker.mounts.insert(place.path("hidden"), Access::Hidden);
        let done = run(&docker, place.spec("a", "echo written > file"));
        assert!(done.verdict.succeeded(), "{engine}: {done:?}");
    }
}

#[test]
fn an_engine_that_stops_while_a_program_runs_is_no_end_of_the_program() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    let docker = docker(&place, &client);
    let stop = format!("touch {}; exit 1", client.with_file_name("state").join("no-engine").display());
    let error = docker.run(&supervisor(), place.spec("a", &stop), "coder-1", &mut || Control::Continue).unwrap_err();
    assert_eq!(Refusal::of(&error).unwrap().code, "docker.lost", "{error:?}");
}

#[test]
fn a_container_is_stopped_at_its_time_limit_and_on_request() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    let docker = docker(&place, &client);
    let mut spec = place.spec("slow", "echo begun; sleep 600");
    spec.clocks.wall = Some(Duration::from_millis(800));
    let late = run(&docker, spec);
    assert_eq!((late.verdict, read(&late.output.path).as_str()), (Verdict::TimedOut(TimedOut::Wall), "begun\n"));
    let spec =
        place.spec("stopped", "trap 'echo asked > asked; exit' TERM; echo > ready; while :; do sleep 0.05; done");
    let ready = place.path("ready");
    let mut stop = || if ready.exists() { Control::Cancel } else { Control::Continue };
    let stopped = docker.run(&supervisor(), spec, "coder-2", &mut stop).unwrap();
    assert_eq!(stopped.verdict, Verdict::Cancelled);
    assert!(place.path("asked").exists(), "the program was not asked to stop");
    assert!(containers(&client).is_empty() && place.nothing_is_left());
}

#[test]
fn containers_that_a_killed_client_left_are_removed_by_label_with_their_last_output() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    fs::write(client.with_file_name("state").join("opaque"), "").unwrap();
    let docker = docker(&place, &client);
    let root = place.dir.path().display().to_string();
    let remove = |hub: &str, run: &str| {
        remove_left(&docker.options, Path::new(hub), &place.path("logs"), &|left| left.run == run && left.task == "Q-1")
    };
    for (name, hub) in [("ours", root.as_str()), ("other", "/elsewhere")] {
        let started = Command::new(&client)
            .args(["run", &format!("--name={name}"), &format!("--label=teof.hub={hub}"), "--label=teof.run=run-1"])
            .arg("--label=teof.task=Q-1")
            .args(["--env=PATH=/usr/bin:/bin", "--entrypoint=sh", IMAGE, "-c", "echo last words; exec sleep 600"])
            // What the killed client leaves must not hold the output of the tests open.
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        let mut client_process = started.unwrap();
        let out = client.with_file_name("state").join(format!("containers/{name}/out"));
        crate::harness::until("the container has spoken", || read(&out).contains("last words"));
        client_process.kill().unwrap();
        client_process.wait().unwrap();
    }
    assert_eq!(remove(&root, "run-2"), Vec::<String>::new());
    assert_eq!(remove(&root, "run-1"), ["container ours"]);
    assert_eq!(read(&place.path("logs/ours.log")), "last words\n");
    assert_eq!(containers(&client), ["other"], "another hub's container stays");
    assert_eq!(remove("/elsewhere", "run-1"), ["container other"]);
    assert!(containers(&client).is_empty());
}

#[test]
fn a_missing_client_engine_or_image_is_told_before_anything_runs() {
    let place = Place::new();
    let client = stand_in(&place.path("bin"));
    let mut docker = docker(&place, &client);
    docker.options.image = "none:1".into();
    assert_eq!(refusal(&docker), "docker.image_missing");
    docker.options.pull = true;
    Engine(&docker.options).check().unwrap();
    let fetched = run(&docker, place.spec("a", "echo fetched"));
    assert!(fetched.verdict.succeeded(), "{fetched:?}");
    docker.options.ssh = Some(place.path("keys"));
    assert_eq!(refusal(&docker), "docker.no_home");
    docker.options.image.clear();
    assert_eq!(refusal(&docker), "docker.no_image");
    fs::write(client.with_file_name("state").join("no-engine"), "").unwrap();
    assert_eq!(refusal(&docker), "docker.no_engine");
    docker.options.program = "/nowhere/docker".into();
    assert_eq!(refusal(&docker), "docker.missing");
}

/// Runs where an engine answers and has a small image; elsewhere it says that it was skipped.
#[test]
fn a_real_engine_runs_a_program() {
    let images = Command::new("docker").args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).output();
    let found =
        images.ok().filter(|done| done.status.success()).map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
    let small = |image: &&str| ["alpine:", "busybox:", "debian:", "ubuntu:"].iter().any(|name| image.starts_with(name));
    let Some(image) = found.as_deref().and_then(|images| images.lines().find(small)) else {
        skip("a program in a real container", "no engine with an image of alpine, busybox, debian or ubuntu answers");
        return;
    };
    let place = Place::new();
    let mut docker = docker(&place, Path::new("docker"));
    docker.options.image = image.to_owned();
    Engine(&docker.options).check().unwrap();
    let done = run(&docker, place.spec("a", "cat; echo written > file; echo talk >&2; exit 7"));
    assert_eq!(done.verdict, Verdict::Exited(7), "{done:?}");
    assert_eq!((read(&done.output.path).as_str(), read(&place.path("file")).as_str()), ("the prompt\n", "written\n"));
    assert_not_started(&docker, &place);
    assert!(Engine(&docker.options).left(&place.dir.path().display().to_string()).is_empty());
}
