//! The scripts in `.cargo/` that link an optimised executable: they keep a linker that somebody chose, and link as
//! usual where something is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::temp;

/// A folder with the scripts, an order of functions, and programs that only tell how they were called.
struct Scripts {
    folder: tempfile::TempDir,
}

impl Scripts {
    fn new() -> Scripts {
        let scripts = Scripts { folder: temp::folder() };
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo");
        for name in ["link-in-order", "link-statically"] {
            fs::copy(own.join(name), scripts.path(name)).unwrap();
        }
        fs::write(scripts.path("start-order"), "_RNvNtC4teof3cli4main\nmemcpy\n_ZN4core3fmt5write\n").unwrap();
        scripts.program("rustc", r#"echo "$@""#);
        let shown = r#"echo "$@"; for one in "$@"; do case "$one" in *order*-file=*) cat "${one#*=}" ;; esac; done"#;
        scripts.program("bin/cc", shown);
        let names = r#"printf '%s\n' other _ZN4core3fmt5write17h0123456789abcdefE _RNvNtCsd3Xq_4teof3cli4main"#;
        scripts.program("bin/nm", names);
        scripts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &str, args: &str) -> String {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.arg(self.path(script)).args(args.split(' ')).env("PATH", path);
        let output = command.current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn functions_are_ordered_by_their_names_without_hashes() {
    let scripts = Scripts::new();
    let linked = scripts.run("link-in-order", "a.o -fuse-ld=lld b.rlib");
    let order: Vec<_> = linked.lines().skip(1).collect();
    let wanted = ["_RNvNtCsd3Xq_4teof3cli4main", "memcpy", "_ZN4core3fmt5write17h0123456789abcdefE"];
    assert_eq!(order, wanted, "{linked}");
    for other in ["a.o", "a.o -fuse-ld=lld -fuse-ld=bfd", "a.o -fuse-ld=lld --ld-path=/x"] {
        assert_eq!(
            scripts.run("link-in-order", other),
            format!("{other}\n"),
            "another linker does not know the option"
        );
    }
    scripts.program("bin/mktemp", "exit 1");
    assert_eq!(scripts.run("link-in-order", "a.o -fuse-ld=lld"), "a.o -fuse-ld=lld\n");
}

#[test]
fn a_chosen_linker_is_kept() {
    let scripts = Scripts::new();
    let asks = |args: &str| scripts.run("link-statically", &format!("./rustc --crate-name teof {args}"));
    // Elsewhere nothing is linked statically, or in order.
    if !asks("-C opt-level=3").contains("crt-static") {
        return;
    }
    assert!(asks("-C opt-level=3").contains("/link-in-order"));
    for chosen in ["-C linker=clang", "-Clinker=clang", "--codegen=linker=clang"] {
        assert!(!asks(&format!("{chosen} -C opt-level=3")).contains("/link-in-order"), "{chosen}");
    }
    assert!(!asks("-C opt-level=0").contains("/link-in-order"));
}
