//! The icons and the theme: what they may hold, and that rofi takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vmux::frontend::row::ICONS;
use vmux::sys::exec::{self, Finished};

use crate::kit::Display;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("rofi")
        .join(name)
}

/// All that an icon is drawn with: nothing that runs, and nothing that refers to anything.
const ELEMENTS: [&str; 6] = ["svg", "title", "g", "path", "rect", "circle"];
const ATTRIBUTES: [&str; 17] = [
    "xmlns",
    "width",
    "height",
    "viewBox",
    "fill",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-linecap",
    "stroke-linejoin",
    "d",
    "x",
    "y",
    "rx",
    "cx",
    "cy",
    "r",
];

/// Reads the small part of XML that an icon needs; says what is wrong with the rest.
fn check(svg: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg.trim_end();
    while let Some((text, tail)) = rest.split_once('<') {
        if text.contains(['>', '&']) || (open.is_empty() && !text.trim().is_empty()) {
            return Err(format!("stray text {text:?}"));
        }
        let (tag, tail) = tail.split_once('>').ok_or("an open tag")?;
        rest = tail;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (tag, empty) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !ELEMENTS.contains(&name) || (open.is_empty() && name != "svg") {
            return Err(format!("<{name}>"));
        }
        while !attributes.trim().is_empty() {
            let (key, tail) = attributes.split_once("=\"").ok_or("no value")?;
            let (value, tail) = tail.split_once('"').ok_or("an open value")?;
            attributes = tail;
            if !ATTRIBUTES.contains(&key.trim()) || value.contains(['<', '&', '(']) {
                return Err(format!("{key}={value:?}"));
            }
        }
        if !empty {
            open.push(name);
        }
    }
    if rest.is_empty() && open.is_empty() {
        Ok(())
    } else {
        Err(format!("not closed: {open:?}, {rest:?}"))
    }
}

#[test]
fn icons_are_plain_drawings() {
    for name in ICONS {
        let svg = fs::read_to_string(file(&format!("{name}.svg"))).unwrap();
        assert_eq!(check(&svg), Ok(()), "{name}");
        assert!(svg.contains(" viewBox=\"0 0 24 24\">"), "{name}");
        assert!(
            svg.contains(" xmlns=\"http://www.w3.org/2000/svg\" "),
            "{name}"
        );
        assert!(svg.len() < 1024, "{name}: {} bytes", svg.len());
    }
}

#[test]
fn the_check_of_icons_finds_what_is_wrong() {
    for bad in [
        "<svg>",
        "<svg></g>",
        "<svg><script/></svg>",
        "<svg><g onload=\"x\"/></svg>",
        "<svg><path fill=\"url(#a)\"/></svg>",
        "<svg><use href=\"#a\"/></svg>",
        "<!DOCTYPE svg><svg/>",
        "<svg>&x;</svg>",
        "<svg/>x",
    ] {
        assert!(check(bad).is_err(), "{bad:?}");
    }
    assert_eq!(check("<svg><g d=\"M0 0\"/></svg>\n"), Ok(()));
}

#[test]
fn the_theme_stands_by_itself() {
    let theme = fs::read_to_string(file("vmux.rasi")).unwrap();
    // `configuration` in a theme is an error before rofi 1.7.2.
    for word in ["@theme", "@import", "url(", "env(", "configuration"] {
        assert!(!theme.contains(word), "{word}");
    }
}

/// Runs rofi with the theme in a home of its own; `timeout` closes its window.
fn rofi(home: &Path, theme: &Path, display: &str, args: &[&str]) -> Finished {
    let mut command = Command::new("timeout");
    command.args(["2", "rofi", "-no-config", "-show-icons", "-theme"]);
    command.arg(theme).args(args);
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home);
    command.env("XDG_CACHE_HOME", home).env("DISPLAY", display);
    exec::run(&mut command, Duration::from_secs(20)).unwrap()
}

/// The theme as rofi reads it and as it shows it: rows of each kind, a message, no rows, an
/// error. `-dump-theme` is of no use for this: rofi 1.7.3 prints a GLib error for every distance
/// that is no whole number of pixels, those of its own default theme included.
#[test]
#[ignore = "needs rofi and Xvfb"]
fn rofi_takes_the_theme_without_a_word() {
    let theme = file("vmux.rasi");
    let mut validate = Command::new("rofi");
    validate.arg("-rasi-validate").arg(&theme);
    let done = exec::run(&mut validate, Duration::from_secs(20)).unwrap();
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    assert!(
        done.status.success() && said.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );

    let home = tempfile::tempdir().unwrap();
    let rows = home.path().join("rows");
    let icon = file("waiting.svg");
    let row = format!("api-server  main  waiting 3m\0icon\x1f{}\n", icon.display());
    fs::write(&rows, row.repeat(20)).unwrap();
    let rows = rows.to_str().unwrap();
    let display = Display::start(None);
    let list = [
        "-dmenu",
        "-u",
        "0",
        "-a",
        "1",
        "-mesg",
        "<b>1</b> waiting",
        "-input",
        rows,
    ];
    let label = ["-dmenu", "-p", "label", "-l", "0", "-mesg", "a label"];
    let error = ["-e", "could not do it"];
    for args in [&list[..], &label[..], &error[..]] {
        let done = rofi(home.path(), &theme, &display.name, args);
        let said = String::from_utf8_lossy(&done.stderr);
        // 124: it was open until its time was up.
        assert_eq!(done.status.code(), Some(124), "{args:?}: {said}");
        assert!(said.is_empty(), "{args:?}: {said}");
    }
}
