//! What the README shows, works: every command line parses, every block loads.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use vmux::cli::Cli;
use vmux::config::Config;
use vmux::protocol::Request;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
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
    let text = readme();
    let inline = text
        .split("```")
        .step_by(2)
        .flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
    let mut lines: Vec<String> = inline.map(str::to_owned).collect();
    for line in blocks {
        let at = line
            .find("vmux ")
            .filter(|at| *at == 0 || line[..*at].ends_with("--no-startup-id "));
        lines.extend(at.map(|at| line[at..].to_owned()));
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
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn every_configuration_loads_and_shows_the_defaults_there_are() {
    for block in blocks("toml") {
        let config = Config::parse(&block).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, &block).unwrap();
        assert_eq!(
            Config::load(&path).unwrap().1,
            Vec::<String>::new(),
            "no unknown keys"
        );
        let mut defaults = Config::default();
        defaults.launcher = Some("rofi".into());
        assert_eq!(config, defaults, "what it shows are the defaults");
    }
}

#[test]
fn every_request_is_one() {
    for line in blocks("json").iter().flat_map(|block| block.lines()) {
        if let Err(error) = Request::parse(line.as_bytes()) {
            panic!("{line}: {error}");
        }
    }
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
