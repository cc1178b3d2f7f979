//! Checks which paths a worker changed, and how many lines.

use super::changes::{Change, Kind};
use super::subject::Limits;
use crate::base::text;
use crate::guard::Finding;
use crate::guard::glob::{self, Glob};
use crate::hub::paths;

/// What a worker must not change, besides git's own files and the record: the sources of work, and grants.
const DENIED: [&str; 4] = ["/vault/", "/AGENT_MANIFEST*.json", "/docs/automation/autonomy-consent.json", "/teof.toml"];

/// Files that affect how a change is shown, built or tested: a person reviews changes to them.
const PROTECTED: [&str; 66] = [
    // How git shows and stores files.
    ".gitattributes",
    "/.worktreeinclude",
    ".gitmodules",
    ".lfsconfig",
    ".mailmap",
    // Continuous integration and hooks.
    ".github/",
    ".gitea/",
    ".forgejo/",
    ".gitlab-ci.yml",
    ".gitlab/",
    "/.ci/",
    ".circleci/",
    ".buildkite/",
    ".drone.y*ml",
    ".travis.yml",
    ".woodpecker*",
    "appveyor.yml",
    "azure-pipelines*.y*ml",
    "bitbucket-pipelines.yml",
    "Jenkinsfile*",
    ".githooks/",
    ".husky/",
    ".pre-commit-config.yaml",
    "lefthook.y*ml",
    // Scripts that a build runs.
    "build.rs",
    ".cargo/",
    "rust-toolchain*",
    "Makefile",
    "GNUmakefile",
    "justfile",
    "Rakefile",
    "setup.py",
    "build.gradle*",
    "settings.gradle*",
    "gradlew*",
    "mvnw*",
    "Dockerfile*",
    "CMakeLists.txt",
    "meson.build",
    "pom.xml",
    "BUILD.bazel",
    "WORKSPACE*",
    "MODULE.bazel",
    // Manifests that name such scripts or dependencies.
    "package.json",
    "pyproject.toml",
    "Cargo.toml",
    "composer.json",
    "deno.json*",
    ".npmrc",
    ".yarnrc*",
    "pip.conf",
    // Which tests run, and what counts as passing.
    "pytest.ini",
    "conftest.py",
    "tox.ini",
    "noxfile.py",
    "setup.cfg",
    ".coveragerc",
    "codecov.y*ml",
    "jest.config.*",
    "vitest.config.*",
    "playwright.config.*",
    "karma.conf.*",
    ".mocharc*",
    "phpunit.xml*",
    "nextest.toml",
    "clippy.toml",
];

/// The findings about paths, one for each path and rule.
pub fn check(changes: &[Change], limits: &Limits) -> Vec<Finding> {
    let rules = PathRules::new(limits);
    let protected = all(&PROTECTED);
    let more_protected = glob::all(&limits.protected);
    let mut findings = Vec::new();
    for change in changes {
        let path = change.path.as_str();
        findings.extend(rules.finding(path));
        let mut find = |finding: Finding| findings.push(finding);
        if let Some(rule) = glob::first_cover(&protected, path).or_else(|| glob::first_cover(&more_protected, path)) {
            let what = format!("protected by {:?}: affects how changes are shown, built or tested", rule.as_str());
            find(Finding::medium("path.protected", path, what).hint("a person must check this file before the merge"));
        }
        if path.contains('\u{fffd}') {
            find(Finding::medium("path.not_text", path, "the name is not UTF-8").hint("rename the file"));
        }
        if let Some(line) = change.marker {
            let what = "unresolved conflict markers";
            findings.push(Finding::medium("content.conflict_marker", path, what).at(line).hint("resolve the conflict"));
        }
        findings.extend(kind_rules(change));
        findings.extend(secret_rules(change));
    }
    findings
}

/// Which paths a result must not change.
pub struct PathRules {
    built_in: Vec<Glob>,
    denied: Vec<Glob>,
    allowed: Vec<Glob>,
    copied: Vec<Glob>,
}

impl PathRules {
    pub fn new(limits: &Limits) -> PathRules {
        PathRules {
            built_in: all(&DENIED),
            denied: glob::all(&limits.denied),
            allowed: glob::all(&limits.allowed),
            copied: glob::all(&limits.copied),
        }
    }

    /// Why a result must not change this path.
    pub fn finding(&self, path: &str) -> Option<Finding> {
        Some(if is_git_dir(path) {
            Finding::high("path.denied", path, "this path belongs to git").hint(TAKE_BACK)
        } else if paths::is_record(&path.to_lowercase()) {
            Finding::high("path.denied", path, "workers must not change the record").hint(TAKE_BACK)
        } else if let Some(rule) = glob::first_cover(&self.built_in, path) {
            let what = format!("workers must not change {}", rule.as_str());
            Finding::high("path.denied", path, what).hint(TAKE_BACK)
        } else if let Some(rule) = glob::first_cover(&self.copied, path) {
            let what = format!("{} was copied in and must not leave the worktree", rule.as_str());
            Finding::high("path.secret", path, what).hint("add it to .gitignore and commit without it")
        } else if let Some(rule) = glob::first_cover(&self.denied, path) {
            Finding::high("path.denied", path, format!("denied by {:?}", rule.as_str())).hint(TAKE_BACK)
        } else if !self.allowed.is_empty() && glob::first_cover(&self.allowed, path).is_none() {
            let what = "not in the work order's allowed paths";
            Finding::high("path.not_allowed", path, what).hint(TAKE_BACK)
        } else {
            return None;
        })
    }
}

fn all(list: &[&str]) -> Vec<Glob> {
    glob::all(&list.iter().map(|&p| p.to_owned()).collect::<Vec<_>>())
}

const TAKE_BACK: &str = "remove this change from the branch; if the work needs it, ask a person to make it";

fn kind_rules(change: &Change) -> Option<Finding> {
    let is = |kind| change.after == Some(kind);
    let found = if is(Kind::Link) {
        Finding::medium("path.link", &change.path, "a symbolic link")
            .hint("a person must check its target before the merge")
    } else if is(Kind::Gitlink) {
        Finding::medium("path.submodule", &change.path, "a commit of another repository")
            .hint("a person must check the submodule or nested repository before the merge")
    } else {
        return None;
    };
    Some(found)
}

fn secret_rules(change: &Change) -> Vec<Finding> {
    let found = |(kind, line): &(&'static str, u64)| {
        Finding::high("secret.in_result", &change.path, format!("looks like a secret ({kind})"))
            .at(*line)
            .hint("revoke the secret and remove it from the branch's history")
    };
    // A file full of secrets is one problem: only the first few are listed.
    change.secrets.iter().take(5).map(found).collect()
}

/// A finding when the whole is larger than `limit`, with the largest files.
pub fn too_large(changes: &[&Change], size: u64, limit: u64) -> Option<Finding> {
    if size <= limit {
        return None;
    }
    let mut largest: Vec<_> = changes.iter().map(|c| (c.added.saturating_add(c.removed), c.path.as_str())).collect();
    largest.sort_by(|a, b| b.cmp(a));
    let shown: Vec<_> =
        largest.iter().take(3).map(|(lines, path)| format!("{} {lines}", text::clip(path, 60))).collect();
    let message = format!("{size} changed lines, limit {limit} (largest: {})", shown.join(", "));
    Some(
        Finding::high("diff.too_large", "", message)
            .hint("split the step or raise its diff limit; exclude generated files with [guard] generated"),
    )
}

/// Whether some part of the path is a name that a file system may treat as `.git`.
fn is_git_dir(path: &str) -> bool {
    path.split('/').any(|name| {
        let plain: String =
            name.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')).collect();
        let plain = plain.trim_end_matches([' ', '.']).to_lowercase();
        plain == ".git" || plain == "git~1" || plain.starts_with(".git:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(path: &str, limits: &Limits) -> Vec<String> {
        let change = Change {
            path: path.to_owned(),
            before: None,
            after: Some(Kind::File),
            added: 1,
            removed: 0,
            binary: false,
            committed: true,
            marker: None,
            secrets: Vec::new(),
        };
        check(&[change], limits).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn denied_paths_match_case_insensitively() {
        let limits = Limits::default();
        for path in [
            "_bus/claims/A.json",
            "_BUS/x",
            "Vault/10/x.md",
            "agent_manifest.codex-1.json",
            "docs/automation/Autonomy-Consent.json",
            "TEOF.toml",
            "Memory/Log.jsonl",
            "sub/.git/config",
            "sub/.GIT ",
            "a/GIT~1/hooks",
            ".g\u{200c}it/config",
        ] {
            assert_eq!(codes(path, &limits), ["path.denied"], "{path}");
        }
        for path in ["src/main.rs", "docs/vault/x", "x/AGENT_MANIFEST.json", ".gitignore", "docs/_report.md"] {
            assert_eq!(codes(path, &limits), [] as [&str; 0], "{path}");
        }
    }

    #[test]
    fn changes_of_protected_files_need_a_person() {
        for path in
            [".github/workflows/ci.yml", "a/.gitattributes", "crates/x/build.rs", "tests/conftest.py", ".CI/run"]
        {
            assert_eq!(codes(path, &Limits::default()), ["path.protected"], "{path}");
        }
    }

    #[test]
    fn the_orders_own_lists_hold_too() {
        let limits = Limits {
            allowed: vec!["src/**".into(), "docs/".into()],
            denied: vec!["src/secret/".into()],
            protected: vec!["*.sql".into()],
            copied: vec![".env".into()],
            ..Limits::default()
        };
        assert_eq!(codes("src/a.rs", &limits), [] as [&str; 0]);
        assert_eq!(codes("src/Secret/a.rs", &limits), ["path.denied"]);
        assert_eq!(codes("lib/a.rs", &limits), ["path.not_allowed"]);
        assert_eq!(codes("docs/a.sql", &limits), ["path.protected"]);
        assert_eq!(codes("src/.ENV", &limits), ["path.secret"]);
    }
}
