//! Proposes a set-up: roles, the project's test command, and the location of the record.
//!
//! It only reads. Unknown values are left out; the person sets them with flags.

use std::path::{Path, PathBuf};

use crate::base::{Clock, Result, files};
use crate::hub::git::Git;
use crate::hub::{Hub, Worktree, paths, worktrees};
use crate::seats::manifest;

/// How many seats for workers a new set-up gets: `[coordinator] concurrency` by default.
const WORKERS: usize = 3;

/// A proposed set-up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// The record that is there; it stays.
    pub record: Option<Record>,
    /// The branch that approved work is merged to; `None` where settings name it.
    pub target: Option<String>,
    /// Role to agent; a role that is not in the list follows the coder.
    pub roles: Vec<(String, String)>,
    /// Commands that every result must pass.
    pub tests: Vec<String>,
    /// Commands that a new worktree needs before its tests can run.
    pub setup: Vec<String>,
    /// Worker seats to create; 0 when seats exist.
    pub workers: usize,
    /// Whether the record gets its own branch and worktree.
    pub dedicated: bool,
    /// Whether there is no commit yet; then a new record begins in the branch.
    pub is_unborn: bool,
    /// Whether a settings file exists; it is kept, and so no roles, tests and set-up commands are proposed.
    pub has_settings: bool,
}

/// Where a record is.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub root: PathBuf,
    pub branch: String,
}

/// The proposal for the repository that contains `start` (else the current directory), with these agents installed.
///
/// # Errors
/// Outside a repository.
pub fn propose(start: Option<&Path>, clock: Clock, agents: &[String]) -> Result<Proposal> {
    let here = Worktree::containing(start.unwrap_or(Path::new(".")))?;
    let hub = Hub::find(start, clock).ok();
    let root = hub.as_ref().map_or(&here.root, |hub| &hub.root);
    let has_record = hub.is_some() && root.join(paths::CLAIMS).is_dir();
    let seats = hub.as_ref().map(manifest::all).transpose()?.unwrap_or_default();
    let has_commits = Git::at(&here.root).succeeds(&["rev-parse", "-q", "--verify", "HEAD^{commit}"])?;
    let has_settings = root.join(paths::SETTINGS).exists();
    let record = hub
        .as_ref()
        .filter(|_| has_record)
        .map(|hub| Record { root: hub.root.clone(), branch: hub.branch().unwrap_or_else(|| "no branch".to_owned()) });
    let place = Hub::of_worktree(here.clone(), clock);
    let main = worktrees::main_worktree(&place).and_then(|main| main.branch());
    let target = main.or_else(|| here.branch()).filter(|_| !has_settings);
    let found = Proposal {
        record,
        target,
        workers: if seats.is_empty() { WORKERS } else { 0 },
        dedicated: !has_record && has_commits,
        is_unborn: !has_commits,
        has_settings,
        ..Proposal::default()
    };
    if has_settings {
        return Ok(found);
    }
    Ok(Proposal { roles: roles(agents), tests: tests(&here.root), setup: setup(&here.root), ..found })
}

/// The first agent writes code; a second one, if any, reviews it.
fn roles(agents: &[String]) -> Vec<(String, String)> {
    let played = ["coder", "reviewer"].into_iter().zip(agents);
    played.map(|(role, agent)| (role.to_owned(), agent.clone())).collect()
}

fn text(root: &Path, name: &str) -> Option<String> {
    let bytes = files::read(&root.join(name), files::MAX_DOCUMENT).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The project's test commands, from the files in its root. A `just` or `make` recipe has priority, because the
/// project's people run it.
fn tests(root: &Path) -> Vec<String> {
    let has = |name: &str| root.join(name).is_file();
    let recipe = |name: &str| text(root, name).is_some_and(|text| has_recipe(&text));
    if ["justfile", "Justfile", ".justfile"].into_iter().any(recipe) {
        return vec!["just test".into()];
    }
    if ["GNUmakefile", "makefile", "Makefile"].into_iter().any(recipe) {
        return vec!["make test".into()];
    }
    let mut found = Vec::new();
    let mut add = |is: bool, command: &str| {
        if is {
            found.push(command.to_owned());
        }
    };
    add(has("Cargo.toml"), "cargo test");
    add(has("go.mod"), "go test ./...");
    if text(root, "package.json").is_some_and(|text| has_script(&text)) {
        add(true, &format!("{} test", package_manager(root)));
    }
    add(has("deno.json") || has("deno.jsonc"), "deno test");
    add(python_tests(root).is_some(), python_tests(root).unwrap_or_default());
    if has("gradlew") || has("build.gradle") || has("build.gradle.kts") {
        add(true, if has("gradlew") { "./gradlew test" } else { "gradle test" });
    }
    if has("mvnw") || has("pom.xml") {
        add(true, if has("mvnw") { "./mvnw -q test" } else { "mvn -q test" });
    }
    add(has("mix.exs"), "mix test");
    add(has("Gemfile") && has(".rspec"), "bundle exec rspec");
    found
}

/// A recipe or target named `test`, with or without parameters and dependencies.
fn has_recipe(text: &str) -> bool {
    text.lines().any(|line| {
        let rest = line.strip_prefix("test").or_else(|| line.strip_prefix("@test"));
        rest.is_some_and(|rest| {
            (rest.starts_with(':') || rest.starts_with(' ')) && rest.contains(':') && !rest.contains('=')
        })
    })
}

/// Whether `package.json` has a real test script, not the placeholder of `npm init`.
fn has_script(text: &str) -> bool {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    document["scripts"]["test"].as_str().is_some_and(|script| !script.contains("no test specified"))
}

fn package_manager(root: &Path) -> &'static str {
    let has = |name: &str| root.join(name).is_file();
    match () {
        () if has("pnpm-lock.yaml") => "pnpm",
        () if has("yarn.lock") => "yarn",
        () if has("bun.lock") || has("bun.lockb") => "bun run",
        () => "npm",
    }
}

fn python_tests(root: &Path) -> Option<&'static str> {
    let has = |name: &str| root.join(name).is_file();
    let project = text(root, "pyproject.toml").unwrap_or_default();
    let pytest = has("pytest.ini") || has("conftest.py") || has("tests/conftest.py") || project.contains("pytest");
    match () {
        () if has("tox.ini") || project.contains("[tool.tox") => Some("tox"),
        () if pytest && has("uv.lock") => Some("uv run pytest"),
        () if pytest && has("poetry.lock") => Some("poetry run pytest"),
        () if pytest => Some("pytest"),
        () => None,
    }
}

/// Commands that install what a fresh worktree lacks because git ignores it: Node packages.
fn setup(root: &Path) -> Vec<String> {
    let has = |name: &str| root.join(name).is_file();
    let needed = match () {
        () if has("pnpm-lock.yaml") => Some("pnpm install --frozen-lockfile"),
        () if has("package-lock.json") => Some("npm ci"),
        () => None,
    };
    needed.map(str::to_owned).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_command_follows_from_the_files_in_the_root() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (&[], &[]),
            (&[("Cargo.toml", "")], &["cargo test"]),
            (&[("Makefile", "all:\n\ntest: all\n\ttrue\n"), ("Cargo.toml", "")], &["make test"]),
            (&[("Makefile", "tests:\ntest_dir = a:b\n"), ("go.mod", "")], &["go test ./..."]),
            (&[("justfile", "test *args:\n  true\n")], &["just test"]),
            (&[("package.json", r#"{"scripts": {"test": "vitest"}}"#), ("pnpm-lock.yaml", "")], &["pnpm test"]),
            (&[("package.json", r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#)], &[]),
            (&[("pyproject.toml", "[tool.pytest.ini_options]"), ("uv.lock", "")], &["uv run pytest"]),
            (&[("tox.ini", "")], &["tox"]),
            (&[("pom.xml", "")], &["mvn -q test"]),
            (&[("Cargo.toml", ""), ("package.json", r#"{"scripts": {"test": "x"}}"#)], &["cargo test", "npm test"]),
        ];
        for (files, wanted) in cases {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in *files {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
            assert_eq!(&tests(folder.path()), wanted, "{files:?}");
        }
    }
}
