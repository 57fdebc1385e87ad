//! The rooms of the house plan: which module may use which. A `use crate::` that the table does
//! not allow is a change of the plan, and belongs into it first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Module, and what it may use. `text` and `clock` are everybody's.
const PLAN: [(&str, &[&str]); 37] = [
    ("text", &[]),
    ("clock", &[]),
    ("files", &[]),
    ("model", &["text"]),
    ("proc", &["model", "files"]),
    ("state", &["model", "text"]),
    ("registry", &["model", "state", "text"]),
    ("locate", &["model", "text"]),
    ("query", &["model", "text"]),
    ("order", &["model"]),
    ("counts", &["model"]),
    ("row", &["model", "order", "text"]),
    ("alert", &["model", "text"]),
    ("protocol", &["model", "text", "clock"]),
    (
        "answer",
        &[
            "model", "order", "query", "row", "protocol", "frontend", "text",
        ],
    ),
    ("agent", &["model", "text", "files", "proc"]),
    ("exec", &["clock"]),
    ("dbus", &["proc", "protocol", "clock"]),
    ("notify", &["dbus", "model", "proc", "text"]),
    (
        "wm",
        &["model", "text", "clock", "files", "proc", "protocol"],
    ),
    ("host", &["model", "proc", "protocol", "exec", "text"]),
    (
        "switch",
        &[
            "model", "locate", "host", "wm", "proc", "files", "text", "clock",
        ],
    ),
    (
        "source",
        &["model", "agent", "proc", "files", "paths", "clock", "text"],
    ),
    ("labels", &["files", "registry", "model", "text"]),
    ("config", &["alert", "files", "text"]),
    ("paths", &["proc", "files"]),
    ("logger", &["clock", "proc", "text"]),
    ("exit", &["text"]),
    ("icons", &["files", "row"]),
    (
        "frontend",
        &[
            "counts", "model", "row", "order", "protocol", "exec", "proc", "text",
        ],
    ),
    ("act", &["agent", "model", "proc", "protocol", "text"]),
    (
        "local",
        &[
            "act", "answer", "labels", "model", "order", "paths", "proc", "protocol", "registry",
            "row", "source", "switch", "clock", "text",
        ],
    ),
    (
        "daemon",
        &[
            "act", "alert", "answer", "clock", "config", "counts", "dbus", "exec", "files",
            "frontend", "host", "icons", "labels", "model", "notify", "order", "paths", "proc",
            "protocol", "registry", "row", "source", "switch", "text", "wm",
        ],
    ),
    ("standin", &["agent", "clock", "model", "proc"]),
    ("cli", &[]),
    ("cmd", &["*"]),
    ("pick", &["*"]),
];

/// Modules that `text` uses, in their own tests' words too: what stands behind `#[cfg(test)]` is
/// not held against the plan.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .collect();
        if !name.is_empty() && !code[..at].ends_with('$') {
            used.insert(name);
        }
    }
    used
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn source() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn every_module_uses_only_what_the_plan_allows() {
    let plan: BTreeMap<&str, &[&str]> = PLAN.into_iter().collect();
    let mut wrong = Vec::new();
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main" | "bin") {
            continue;
        }
        let Some(allowed) = plan.get(module) else {
            wrong.push(format!("{module} is not in the plan"));
            continue;
        };
        for used in used_modules(&fs::read_to_string(&path).unwrap()) {
            let free =
                used == module || used == "text" || used == "clock" || allowed.contains(&"*");
            if !free && !allowed.contains(&&*used) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_plan_exists() {
    for (module, _) in PLAN {
        let exists =
            source().join(module).is_dir() || source().join(format!("{module}.rs")).is_file();
        assert!(exists, "{module}");
    }
}

#[test]
fn the_core_asks_no_clock_no_file_and_no_environment() {
    let core = [
        "text", "model", "state", "registry", "locate", "query", "order", "counts", "row", "answer",
    ];
    let edges = [
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::net",
        "Utc::now",
        "Instant::now",
        "crate::clock",
    ];
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        let module = relative
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if !core.contains(&module) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for edge in edges {
            assert!(!code.contains(edge), "{} uses {edge}", relative.display());
        }
    }
}

/// A time that a file or another program says may be any number: `model::time` looks at it first.
#[test]
fn times_from_outside_are_made_in_one_place() {
    let made = [
        "from_timestamp",
        "parse_from_rfc3339",
        "DateTime::<Utc>::from(",
        "DateTime::from(",
    ];
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let one = relative == Path::new("model/time.rs") || relative.ends_with("tests.rs");
        let odd = made.iter().find(|name| !one && code.contains(**name));
        assert!(odd.is_none(), "{} uses {odd:?}", relative.display());
    }
}

#[test]
fn files_stay_short() {
    for path in files(&source())
        .into_iter()
        .chain(files(&source().with_file_name("tests")))
    {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn only_the_finder_links_skim() {
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let links = ["skim::", "tokio::"].iter().any(|name| {
            text.lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(name))
        });
        let matcher = relative == Path::new("query.rs");
        assert!(
            !links || matcher || relative.starts_with("pick"),
            "{}",
            relative.display()
        );
    }
}
