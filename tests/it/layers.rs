//! The rooms of the house plan: which module may use which. A `use crate::` that the table does
//! not allow is a change of the plan, and belongs into it first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A room, and the rooms that it may use; `*` is all.
const PLAN: [(&str, &[&str]); 15] = [
    ("core", &[]),
    ("sys", &["core"]),
    ("protocol", &["core", "sys"]),
    ("hosted", &["core", "sys"]),
    ("agent", &["core", "sys", "hosted"]),
    ("capture", &["core", "sys", "agent"]),
    ("source", &["core", "sys", "hosted", "agent"]),
    ("desktop", &["core", "sys", "protocol", "hosted"]),
    ("notify", &["core", "sys", "protocol"]),
    ("frontend", &["core", "sys", "protocol"]),
    (
        "serve",
        &[
            "core", "sys", "protocol", "hosted", "agent", "capture", "source", "desktop", "notify",
            "frontend",
        ],
    ),
    (
        "daemon",
        &[
            "core", "sys", "protocol", "hosted", "agent", "capture", "source", "desktop", "notify",
            "frontend", "serve",
        ],
    ),
    ("cmd", &["*"]),
    ("pick", &["*"]),
    ("hold", &["*"]),
];

/// What is compiled without tests: of each `#[cfg(test)]` only the one item behind it is left out,
/// as rustfmt lays it out.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code += line;
            code += "\n";
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let ends = |line: &str| line.ends_with(';') || line == format!("{indent}}}");
        let item = lines.find(|line| !line.trim_start().starts_with("#["));
        if !item.is_some_and(ends) {
            let body = |line: &&str| line.strip_prefix(indent) == Some("}");
            lines.find(body).expect("an item that ends");
        }
    }
    code
}

#[test]
fn only_tests_are_left_out() {
    let text = "a\n#[cfg(test)]\nmod fake;\nb\n  #[cfg(test)]\n  #[must_use]\n  fn c() {\n    d;\n  }\n  e\n";
    assert_eq!(without_tests(text), "a\nb\n  e\n");
}

/// Modules that `text` uses. What only tests use is not held against the plan.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code = without_tests(text);
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
            let free = used == module || allowed.contains(&"*");
            if !free && !allowed.contains(&&*used) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each room uses rooms that stand before it in the plan: no circle can be.
#[test]
fn the_plan_has_no_circle() {
    for (at, (room, uses)) in PLAN.iter().enumerate() {
        for used in uses.iter().filter(|used| **used != "*") {
            let before = PLAN[..at].iter().any(|(other, _)| other == used);
            assert!(before, "{room} uses {used}, which stands after it");
        }
    }
}

#[test]
fn every_module_of_the_plan_exists() {
    for (module, _) in PLAN {
        let exists =
            source().join(module).is_dir() || source().join(format!("{module}.rs")).is_file();
        assert!(exists, "{module}");
    }
}

/// A file is held to be pure where its first lines say so, and everywhere in `core`.
fn claims_to_be_pure(relative: &Path, text: &str) -> bool {
    let mut head = text.lines().take_while(|line| line.starts_with("//!"));
    relative.starts_with("core") || head.any(|line| line.contains("Pure"))
}

#[test]
fn what_claims_to_be_pure_asks_no_clock_no_file_and_no_environment() {
    let edges = [
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::net",
        "std::os",
        "rustix::",
        "Utc::now",
        "Instant::now",
        "clock::",
    ];
    let mut pure = 0;
    let mut wrong = Vec::new();
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        if relative.ends_with("tests.rs") || !claims_to_be_pure(relative, &text) {
            continue;
        }
        pure += 1;
        let code = without_tests(&text);
        let code = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        for edge in edges.iter().filter(|edge| code.contains(**edge)) {
            wrong.push(format!("{} uses {edge}", relative.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pure > 50, "only {pure} files say that they are pure");
}

/// A time that a file or another program says may be any number: `core::model::time` looks at it first.
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
        let code = without_tests(&text);
        let one = relative == Path::new("core/model/time.rs") || relative.ends_with("tests.rs");
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
        assert!(
            !links || relative.starts_with("pick"),
            "{}",
            relative.display()
        );
    }
}

/// What is said of code outside `room` that names `word`: everything there goes by a table.
fn named_outside(room: &str, words: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        if relative.starts_with(room) || relative.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = without_tests(&text);
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            if words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}: {}", relative.display(), line.trim()));
            }
        }
    }
    wrong
}

#[test]
fn a_window_system_is_known_by_name_in_its_room_only() {
    let words = ["i3::", "I3::", "<I3>", "con_id=", "__i3_scratch"];
    let wrong = named_outside("desktop/wm", &words);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_multiplexer_is_known_by_name_in_its_room_only() {
    let words = [
        "tmux::",
        "screen::",
        "HostKind::Tmux",
        "HostKind::Screen",
        "TMUX",
        "\"STY\"",
        "tmux: server",
        "tmux: client",
    ];
    let wrong = named_outside("desktop/host", &words);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything else reaches an agent through the table. The demo plays Claude Code by name, and
/// only its hooks can be installed.
#[test]
fn no_room_but_its_own_names_an_agent() {
    let named = ["agent::claude", "claude::", "agent::codex", "codex::"];
    let wired = ["cmd/demo.rs", "cmd/hooks"];
    for path in files(&source()) {
        let relative = path.strip_prefix(source()).unwrap();
        if relative.starts_with("agent") || wired.iter().any(|file| relative.starts_with(file)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let odd = named.iter().find(|name| text.contains(**name));
        assert!(odd.is_none(), "{} says {odd:?}", relative.display());
    }
    for path in files(&source().join("agent")) {
        let relative = path.strip_prefix(source().join("agent")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let code = without_tests(&text);
        let table = |line: &&str| line.contains("static AGENTS") || line.starts_with("    &");
        let code: Vec<&str> = code.lines().filter(|line| !table(line)).collect();
        for agent in ["claude", "codex"] {
            let said = code
                .iter()
                .find(|line| line.contains(&format!("{agent}::")));
            let own = relative.starts_with(agent);
            assert!(
                own || said.is_none(),
                "{} says {said:?}",
                relative.display()
            );
        }
    }
}
