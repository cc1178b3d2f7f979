//! Signed merges: whatever signs them is waited for in bounds, and only what a person chose signs at all.

use super::*;

#[test]
fn a_signing_program_that_hangs_is_given_up_and_nothing_is_merged() {
    let desk = Desk::new();
    let program = desk.world.folder().join("hangs");
    fs::write(&program, "#!/bin/sh\nsleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let person = |key: &str, value: &str| drop(desk.world.git(&["config", "--global", key, value]));
    person("commit.gpgSign", "true");
    person("user.signingKey", "me");
    let main = desk.main();
    for (format, key) in [("openpgp", "gpg.program"), ("ssh", "gpg.ssh.program"), ("x509", "gpg.x509.program")] {
        person("gpg.format", format);
        person(key, program.to_str().unwrap());
        let args = ["review", "approve", JOB, "--by", "Ann", "--json"];
        let ran = Ran::of(desk.world.teof(&args).env("TEOF_GIT_SIGN_TIMEOUT", "1s").output().unwrap(), &args).expect(1);
        assert!(
            ran.stderr.contains("review.not_signed") && ran.stderr.contains("within 1s"),
            "{format}: {}",
            ran.stderr
        );
        assert_eq!((desk.main(), desk.memory().len()), (main.clone(), 0), "{format}");
    }
}

#[test]
fn a_signing_program_of_the_repository_runs_once_a_person_trusts_it() {
    let desk = Desk::new();
    let (program, ran) = (desk.world.folder().join("signs"), desk.world.folder().join("ran"));
    fs::write(&program, format!("#!/bin/sh\ntouch {}\necho 'gpg: no key' >&2\nexit 1\n", ran.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for (key, value) in
        [("commit.gpgSign", "true"), ("user.signingKey", "me"), ("gpg.program", program.to_str().unwrap())]
    {
        desk.world.git(&["config", key, value]);
    }
    let refused = desk.refused();
    assert_eq!(refused["code"], "git.untrusted_programs", "{refused}");
    assert!(!ran.exists());
    desk.world.follow(refused["next"][1].as_str().unwrap());
    let refused = desk.refused();
    assert!(refused["code"] == "review.not_signed" && refused["reason"].to_string().contains("no key"), "{refused}");
    assert!(ran.exists() && desk.memory().is_empty());
}
