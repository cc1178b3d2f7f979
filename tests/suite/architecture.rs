//! The architecture: layers of modules, no cycles between files, small folders and small files. Every file under
//! `src/` is parsed and held to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// The modules from the lowest layer to the highest, each with the modules that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("hub", &["base", "model"]),
    ("bus", &["base", "model", "hub"]),
    ("plans", &["base", "model", "hub"]),
    ("receipts", &["base", "model", "hub"]),
    ("seats", &["base", "model", "hub"]),
    ("sessions", &["base", "model", "hub"]),
    ("consensus", &["base", "model", "hub", "bus"]),
    ("exec", &["base"]),
    ("agents", &["base", "model", "hub"]),
    ("guard", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "consensus", "exec"]),
    ("ops", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "sessions", "consensus", "guard"]),
    (
        "hooks",
        &["base", "model", "hub", "bus", "plans", "receipts", "seats", "sessions", "exec", "agents", "guard", "ops"],
    ),
    ("conductor", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "agents", "guard", "ops"]),
    (
        "foreman",
        &["base", "model", "hub", "bus", "plans", "receipts", "seats", "sessions", "exec", "agents", "guard", "ops"],
    ),
    ("review", &["base", "model", "hub", "bus", "plans", "receipts", "seats", "exec", "guard", "ops", "foreman"]),
    (
        "coordinator",
        &[
            "base",
            "model",
            "hub",
            "bus",
            "plans",
            "receipts",
            "seats",
            "sessions",
            "exec",
            "guard",
            "ops",
            "conductor",
            "foreman",
            "review",
        ],
    ),
    (
        "board",
        &[
            "base",
            "model",
            "hub",
            "bus",
            "plans",
            "receipts",
            "seats",
            "sessions",
            "guard",
            "ops",
            "review",
            "coordinator",
        ],
    ),
    ("faces", &["base", "model", "hub", "seats", "sessions", "exec", "guard", "ops", "review", "coordinator", "board"]),
    (
        "cli",
        &[
            "base",
            "model",
            "hub",
            "bus",
            "plans",
            "receipts",
            "seats",
            "sessions",
            "consensus",
            "exec",
            "guard",
            "ops",
            "hooks",
            "agents",
            "conductor",
            "foreman",
            "review",
            "coordinator",
            "board",
            "faces",
        ],
    ),
];

const MAX_LINES: usize = 460;
/// Files and folders at one level of a module.
const MAX_ENTRIES: usize = 14;

#[test]
fn modules_depend_on_lower_layers_only() {
    for (at, (module, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            assert!(LAYERS[..at].iter().any(|(below, _)| below == used), "{module} → {used} points up");
        }
    }
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let code = Code::once();
    let mut wrong = Vec::new();
    for (file, parsed) in &code.files {
        let Some(module) = file.first() else { continue };
        let Some(uses) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: {module} is in no layer", parsed.path.display()));
            continue;
        };
        for path in &parsed.paths {
            if let Some(used) = path.first()
                && allowed.contains_key(used.as_str())
                && used != module
                && !uses.contains(&used.as_str())
            {
                wrong.push(format!("{}: {module} may not use {used}", parsed.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_form_no_cycles() {
    let code = Code::once();
    let names: Vec<&Module> = code.files.keys().collect();
    let number = |module: &Module| names.iter().position(|name| *name == module).unwrap();
    let edges: Vec<Vec<usize>> =
        names.iter().map(|name| code.dependencies(name).iter().map(number).collect()).collect();
    let mut told = String::new();
    for cycle in teof::plans::cycles::find(&edges) {
        told.push_str("\na cycle:\n");
        for from in &cycle {
            for to in edges[*from].iter().filter(|to| cycle.contains(to)) {
                told.push_str(&format!("  {} → {}\n", names[*from].join("::"), names[*to].join("::")));
            }
        }
    }
    assert!(told.is_empty(), "{told}");
}

/// Files and folders side by side: what one of them holds uses the other, or the other way round, not both.
#[test]
fn folders_form_no_cycles() {
    let code = Code::once();
    let mut uses: BTreeMap<(&[String], &[String]), String> = BTreeMap::new();
    for from in code.files.keys() {
        for to in code.dependencies(from) {
            let to = code.files.get_key_value(&to).unwrap().0;
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            // A folder's own `mod.rs` names what is in it.
            if shared > 0 && shared < from.len() && shared < to.len() {
                let told = format!("{} → {}", from.join("::"), to.join("::"));
                uses.entry((&from[..=shared], &to[..=shared])).or_default().push_str(&format!("\n    {told}"));
            }
        }
    }
    let names: BTreeSet<&[String]> = uses.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let names: Vec<&[String]> = names.into_iter().collect();
    let number = |name: &[String]| names.binary_search(&name).unwrap();
    let mut edges = vec![Vec::new(); names.len()];
    uses.keys().for_each(|(from, to)| edges[number(from)].push(number(to)));
    let mut told = String::new();
    for cycle in teof::plans::cycles::find(&edges) {
        told.push_str("\na cycle:\n");
        for ((from, to), files) in &uses {
            if cycle.contains(&number(from)) && cycle.contains(&number(to)) {
                told.push_str(&format!("  {} → {}{files}\n", from.join("::"), to.join("::")));
            }
        }
    }
    assert!(told.is_empty(), "{told}");
}

#[test]
fn files_and_folders_are_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    let mut entries: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no header", file.display()));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
        let folder = file.parent().unwrap().to_owned();
        if file.file_name().is_some_and(|name| name == "mod.rs") {
            *entries.entry(folder.parent().unwrap().to_owned()).or_default() += 1;
        } else {
            *entries.entry(folder).or_default() += 1;
        }
    }
    // The modules themselves are listed by `LAYERS`.
    entries.remove(&root());
    for (folder, count) in entries.into_iter().filter(|(_, count)| *count > MAX_ENTRIES) {
        wrong.push(format!("{}: {count} files and folders", folder.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything else is threads and one queue.
#[test]
fn only_the_network_faces_use_an_async_runtime() {
    let is_async = regex::Regex::new(r"\b(tokio|axum|rmcp)::|\basync (fn|move)\b").unwrap();
    let [web, mcp] = ["faces/web", "faces/mcp"].map(|face| root().join(face));
    let others = sources().into_iter().filter(|file| !file.starts_with(&web) && !file.starts_with(&mcp));
    let wrong: Vec<_> = others.filter(|file| is_async.is_match(&fs::read_to_string(file).unwrap())).collect();
    assert!(wrong.is_empty() && sources().iter().any(|file| file.starts_with(&mcp)), "{wrong:?}");
}

/// A module's path below the crate.
type Module = Vec<String>;

struct Code {
    files: BTreeMap<Module, Parsed>,
}

#[derive(Default)]
struct Parsed {
    path: PathBuf,
    /// The paths into the crate that the code names, absolute. Code under `#[cfg(test)]` is not read.
    paths: BTreeSet<Module>,
    /// What it re-exports, by name.
    exports: BTreeMap<String, Module>,
}

impl Code {
    /// Parsing takes seconds in a debug build: all tests share what was read.
    fn once() -> &'static Code {
        static CODE: OnceLock<Code> = OnceLock::new();
        CODE.get_or_init(Code::read)
    }

    fn read() -> Code {
        let sources: Vec<PathBuf> = sources().into_iter().filter(|file| !file.ends_with("src/main.rs")).collect();
        let modules: BTreeSet<Module> = sources.iter().map(|file| module_of(file)).collect();
        let files = sources.into_iter().map(|path| (module_of(&path), Parsed::of(path, &modules))).collect();
        Code { files }
    }

    /// The other files whose items a file names; re-exports are followed to where the item is defined.
    fn dependencies(&self, file: &Module) -> BTreeSet<Module> {
        let found = self.files[file].paths.iter().filter_map(|path| self.defined_in(path, 0));
        found.filter(|to| to != file && !to.is_empty()).collect()
    }

    fn defined_in(&self, path: &[String], depth: usize) -> Option<Module> {
        let at = (0..=path.len()).rev().find(|at| self.files.contains_key(&path[..*at]))?;
        let (module, rest) = path.split_at(at);
        // A module named as such: what is used of it is named elsewhere.
        let name = rest.first()?;
        let parsed = &self.files[module];
        if depth < 8
            && let Some(original) = parsed.exports.get(name)
        {
            let mut original = original.clone();
            original.extend_from_slice(&rest[1..]);
            return self.defined_in(&original, depth + 1);
        }
        Some(module.to_vec())
    }
}

impl Parsed {
    fn of(path: PathBuf, modules: &BTreeSet<Module>) -> Parsed {
        let module = module_of(&path);
        let text = fs::read_to_string(&path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader =
            Reader { modules, module, imported: BTreeMap::new(), found: Parsed { path, ..Parsed::default() } };
        // Imports first: they say what the first segment of a path means.
        for item in &file.items {
            if let Item::Use(item) = item {
                reader.import(item);
            }
        }
        reader.visit_file(&file);
        reader.found
    }
}

/// Reads one file.
struct Reader<'a> {
    modules: &'a BTreeSet<Module>,
    module: Module,
    imported: BTreeMap<String, Module>,
    found: Parsed,
}

impl Reader<'_> {
    fn import(&mut self, item: &ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        for (path, name) in leaves(&item.tree, Vec::new()) {
            let Some(absolute) = self.absolute(&path) else { continue };
            if name != "*" {
                if public {
                    self.found.exports.insert(name.clone(), absolute.clone());
                }
                self.imported.insert(name, absolute.clone());
            }
            self.note(absolute);
        }
    }

    /// A path as seen from this file; nothing for another crate's, and for names without a path.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                let mut base = self.module[..self.module.len().checked_sub(up)?].to_vec();
                base.extend_from_slice(&path[up..]);
                return Some(base);
            }
            name => match self.imported.get(name) {
                Some(imported) => imported.clone(),
                None => {
                    let child: Module = self.module.iter().cloned().chain([name.to_owned()]).collect();
                    if !self.modules.contains(&child) {
                        return None;
                    }
                    child
                }
            },
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    fn note(&mut self, path: Module) {
        self.found.paths.insert(path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        let is_test = attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
        });
        if is_test {
            return;
        }
        // Also within functions and inline modules.
        if let Item::Use(item) = item {
            for (path, _) in leaves(&item.tree, Vec::new()) {
                if let Some(absolute) = self.absolute(&path) {
                    self.note(absolute);
                }
            }
        }
        let inline = match item {
            Item::Mod(item) if item.content.is_some() => Some(item.ident.to_string()),
            _ => None,
        };
        let depth = self.module.len();
        self.module.extend(inline);
        visit::visit_item(self, item);
        self.module.truncate(depth);
    }

    /// The arguments of a macro are tokens: whatever is written like a path counts as one.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = call.tokens.to_string();
        for path in regex::Regex::new(r"[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+").unwrap().find_iter(&tokens) {
            let path: Module = path.as_str().split("::").map(|segment| segment.trim().to_owned()).collect();
            if let Some(absolute) = self.absolute(&path) {
                self.note(absolute);
            }
        }
        visit::visit_macro(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Module = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1
            && let Some(absolute) = self.absolute(&segments)
        {
            self.note(absolute);
        }
        visit::visit_path(self, path);
    }
}

/// The paths of a `use`, each with the name that it brings in.
fn leaves(tree: &UseTree, mut path: Module) -> Vec<(Module, String)> {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            leaves(&tree.tree, path)
        }
        UseTree::Name(tree) if tree.ident == "self" => {
            let name = path.last().cloned().unwrap_or_default();
            vec![(path, name)]
        }
        UseTree::Name(tree) => {
            path.push(tree.ident.to_string());
            vec![(path, tree.ident.to_string())]
        }
        UseTree::Rename(tree) => {
            if tree.ident != "self" {
                path.push(tree.ident.to_string());
            }
            vec![(path, tree.rename.to_string())]
        }
        UseTree::Glob(_) => vec![(path, "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, path.clone())).collect(),
    }
}

/// `src/hub/mod.rs` is `hub`, `src/hub/pin.rs` is `hub::pin`, `src/lib.rs` is the crate.
fn module_of(file: &Path) -> Module {
    let relative = file.strip_prefix(root()).unwrap().with_extension("");
    let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
