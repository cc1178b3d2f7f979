//! The references of settings and of codes, as Markdown tables.

use std::fmt::Write as _;

use crate::base::Result;
use crate::hub::settings::{Settings, granted, template};

const SETTINGS: &str = "# Settings

Made by `teof guide settings`: what `teof.toml` can set, with the defaults. `teof doctor --settings` shows the values that count here.

```toml
[coordinator]
concurrency = 5
```

A flag wins over `TEOF_<SECTION>_<KEY>` (such as `TEOF_COORDINATOR_CONCURRENCY=5`), that over the hub's `teof.toml`, and that over
`~/.config/teof/config.toml`. A change of a setting suspends the [consent](consent.md#grant-and-revoke), unless it is marked with *.
Agents, roles and routing: [agents](agents.md#an-agent-of-your-own), [routing](routing.md). What agents are watched for (`[[monitor]]`): [watch](watch.md#what-is-watched). `[[notify]]`: [notifications](service.md#notifications).

## In an editor

`teof schema` prints a JSON Schema of each file, so that an editor completes and checks it. For the settings, with
[taplo](https://taplo.tamasfe.dev) (in VS Code: Even Better TOML):

```sh
mkdir -p .vscode
teof schema settings > .vscode/teof-settings.json
teof schema plan > .vscode/teof-plan.json
```

Then write `#:schema ./.vscode/teof-settings.json` as the first line of `teof.toml`. For plans, in `.vscode/settings.json`:

```json
{\"json.schemas\": [{\"fileMatch\": [\"/_plans/*.plan.json\"], \"url\": \"./.vscode/teof-plan.json\"}]}
```
";

/// Headings, each followed by a table: a row of its columns, then a row for each code. A test compares the codes with
/// those in the guards' source.
const CODES: &str = include_str!("codes.tsv");

/// Every setting, by section.
pub fn settings() -> Result<String> {
    let mut out = SETTINGS.to_owned();
    let mut section = String::new();
    for entry in template::entries(&Settings::default())? {
        if entry.section != section {
            section.clone_from(&entry.section);
            let _ = write!(out, "\n## `[{section}]`\n\n| key | default | |\n|---|---|---|\n");
        }
        let is_free = granted::NOT_COVERED.contains(&(entry.section.as_str(), entry.key.as_str()));
        let (mark, about) = (if is_free { " \\*" } else { "" }, entry.about.replace('|', "\\|"));
        let _ = writeln!(out, "| `{}`{mark} | `{}` | {about} |", entry.key, entry.default);
    }
    Ok(out)
}

/// What each code means.
pub fn codes() -> String {
    let mut out = String::new();
    let mut is_head = false;
    for line in CODES.lines() {
        if line.starts_with("## ") {
            let _ = write!(out, "\n{line}\n\n");
            is_head = true;
        } else if line.contains('\t') {
            let _ = writeln!(out, "| {} |", line.replace('\t', " | "));
            if std::mem::take(&mut is_head) {
                let _ = writeln!(out, "|{}", "---|".repeat(line.split('\t').count()));
            }
        } else {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}
