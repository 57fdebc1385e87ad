//! What README, CONTRIBUTING and the manual's topics show, works: every command line parses, every
//! block loads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use serde_json::Value;
use vmux::cmd::cli::Cli;
use vmux::protocol::request::Received;
use vmux::serve::config::{Config, Loaded};

use crate::schema::Schema;

/// All that people read, one after the other.
fn pages() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(|name| root.join(name))
        .into();
    paths.extend(crate::pages::sources());
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.collect()
}

#[test]
fn the_first_page_is_read_to_its_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.lines().count() < 150);
    for link in readme.split("](").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(root.join(link).is_file(), "{link}");
    }
}

/// The fenced blocks of a language.
pub(crate) fn blocks(language: &str) -> Vec<String> {
    let text = pages();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(&format!("```{language}\n")) {
        let body = &rest[start + language.len() + 4..];
        let end = body.find("```").unwrap();
        found.push(body[..end].to_owned());
        rest = &body[end + 3..];
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// Every piece of code that starts with `vmux `: in blocks, tables and sentences.
fn command_lines() -> Vec<String> {
    let text = pages();
    let inline = text
        .split("```")
        .step_by(2)
        .flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
    let mut lines: Vec<String> = inline.map(str::to_owned).collect();
    let before = [
        "--no-startup-id ",
        "status_command ",
        "=",
        "= ",
        ": \"",
        "$(",
    ];
    for line in blocks {
        let at = line.find("vmux ").filter(|at| {
            let start = &line[..*at];
            start.is_empty() || before.iter().any(|before| start.ends_with(before))
        });
        let words = at.map(|at| line[at..].split(['"', ')']).next().unwrap());
        lines.extend(words.map(str::to_owned));
    }
    lines.retain(|line| line.starts_with("vmux "));
    lines
}

#[test]
fn every_command_line_parses() {
    let lines = command_lines();
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match Cli::try_parse_from(&words) {
            Err(error) => panic!("{line}: {error}"),
            // Any word may be a directory: here it has to look like one.
            Ok(Cli { dir: Some(dir), .. }) => {
                assert!(line.contains('/') || line == "vmux .", "{line}: {dir:?}");
            }
            Ok(_) => {}
        }
    }
}

#[test]
fn every_configuration_loads_and_shows_the_defaults_there_are() {
    for block in blocks("toml") {
        let Loaded {
            config,
            wrong,
            unknown,
            ..
        } = Loaded::parse(&block);
        assert_eq!([wrong, unknown].concat(), Vec::<String>::new());
        let mut defaults = Config::default();
        defaults.launcher = Some("rofi".into());
        defaults.terminal = Some("xterm".into());
        defaults.detach_key = Some("ctrl-]".into());
        assert_eq!(config, defaults, "what it shows are the defaults");
    }
}

#[test]
fn every_request_is_one() {
    for line in blocks("json").iter().flat_map(|block| block.lines()) {
        if let Err(error) = Received::read(line.as_bytes()).request {
            panic!("{line}: {error}");
        }
    }
}

/// Pieces of code in sentences that are JSON, with `[…]` for any array.
fn samples() -> Vec<Value> {
    let text = pages();
    let prose = text.split("```").step_by(2);
    let inline = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let objects = inline.filter(|piece| piece.starts_with("{\""));
    objects
        .map(|piece| piece.replace("[…]", "[]").parse().expect(piece))
        .collect()
}

#[test]
fn every_sample_of_the_protocol_fits_its_schema() {
    let schema = Schema::printed();
    let mut seen = (0, 0);
    for line in blocks("json").iter().flat_map(|block| block.lines()) {
        schema
            .check("/$defs/Request", &line.parse().unwrap())
            .unwrap();
        seen.0 += 1;
    }
    for sample in samples() {
        let part = match sample {
            Value::Object(ref object) if object.contains_key("seq") => "/$defs/Event",
            _ => "/$defs/Replies/list",
        };
        schema.check(part, &sample).unwrap();
        seen.1 += 1;
    }
    assert!(seen.0 > 15 && seen.1 >= 2, "{seen:?}");
}

#[test]
fn every_shell_block_is_shell() {
    for block in blocks("sh") {
        let done = Command::new("sh")
            .args(["-n", "-c", &block])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{block}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// Sections of ini files, each with its settings.
fn sections(block: &str) -> Vec<(&str, BTreeMap<&str, &str>)> {
    let mut sections: Vec<(&str, BTreeMap<&str, &str>)> = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            sections.push((name, BTreeMap::new()));
            continue;
        }
        let (name, value) = line.split_once('=').expect(line);
        let settings = &mut sections.last_mut().expect("a section").1;
        let twice = settings.insert(name.trim(), value.trim());
        assert!(twice.is_none(), "{line}");
    }
    sections
}

/// The programs themselves take them in the tests of the desktop.
#[test]
fn every_block_of_a_bar_has_what_its_bar_needs() {
    let mut kinds = Vec::new();
    for block in blocks("ini") {
        let [(name, settings)] = &sections(&block)[..] else {
            panic!("{block}");
        };
        if name.starts_with("module/") {
            assert_eq!(settings["type"], "custom/script");
            assert_eq!(
                settings["tail"],
                settings["exec"].contains("--follow").to_string()
            );
            kinds.push("polybar");
            continue;
        }
        let command = settings["command"];
        let persists = settings["interval"] == "persist";
        assert!(
            !block.contains(" = "),
            "i3blocks takes the space as part of the name"
        );
        assert_eq!(command.contains("--follow"), persists, "{block}");
        assert_eq!(settings.get("format") == Some(&"json"), persists, "{block}");
        kinds.push("i3blocks");
    }
    assert_eq!(kinds, ["i3blocks", "i3blocks", "polybar"]);
    for block in blocks("jsonc") {
        let module: Value = serde_json::from_str(&format!("{{{block}}}")).unwrap();
        let module = &module["custom/vmux"];
        assert_eq!(module["return-type"], "json");
        assert!(module["exec"].as_str().unwrap().contains("--follow"));
        assert!(
            module["interval"].is_null(),
            "it would be started again and again"
        );
    }
}

#[test]
#[ignore = "needs a desktop: i3 reads its own configuration"]
fn desktop_i3_takes_the_snippet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let mut text = String::from("# i3 config file (v4)\nfont monospace 8\nset $mod Mod4\n");
    text.extend(blocks("i3"));
    fs::write(&path, text).unwrap();
    let done = Command::new("i3")
        .arg("-C")
        .arg("-c")
        .arg(&path)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !said.contains("ERROR"), "{said}");
}

#[test]
#[ignore = "needs a desktop: rofi reads its own configuration"]
fn desktop_rofi_takes_the_snippet() {
    let dir = tempfile::tempdir().unwrap();
    for block in blocks("rasi") {
        let path = dir.path().join("config.rasi");
        fs::write(&path, &block).unwrap();
        let done = Command::new("rofi")
            .arg("-rasi-validate")
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{said}");
    }
}
