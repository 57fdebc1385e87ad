//! Hooks in settings of several users and accounts, and where they are switched off.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use insta::assert_snapshot;
use serde_json::json;

use crate::hooks::{run, with_settings};

#[test]
fn a_dry_run_shows_what_a_terminal_would_obey() {
    let (machine, path) = with_settings("{\r\n  \"a\": \"\u{9b}31m \u{202e} \u{7f}\"\r\n}\r\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let said = run(&machine, &["hooks", "install", "--dry-run"]);
    let line = "-  \"a\": \"\\u{9b}31m \\u{202e} \\u{7f}\"\n";
    assert!(said.contains(line), "{said}");
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()),
        "{said:?}"
    );
}

#[test]
fn what_root_installs_stays_its_users() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (machine, path) = with_settings("{}\n");
    let config = machine.config();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    for of_user in [&config, &path] {
        chown(of_user, Some(4711), Some(4712)).unwrap();
    }
    fs::write(
        config.join("settings.json.4194304.tmp"),
        "of a killed install",
    )
    .unwrap();
    run(&machine, &["hooks", "install"]);
    let mut files: Vec<_> = fs::read_dir(&config).unwrap().flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let told = files.iter().map(|file| {
        let metadata = file.metadata().unwrap();
        let name = file.file_name().into_string().unwrap();
        (
            name,
            metadata.uid(),
            metadata.gid(),
            metadata.mode() & 0o777,
        )
    });
    let of_user = |name: &str, mode| (name.to_owned(), 4711, 4712, mode);
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            of_user("settings.json", 0o640),
            of_user("settings.json.before-vmux", 0o600)
        ]
    );
    // And where there were none.
    run(&machine, &["hooks", "uninstall"]);
    fs::remove_file(&path).unwrap();
    run(&machine, &["hooks", "install"]);
    assert_eq!(fs::metadata(&path).unwrap().uid(), 4711);
}

#[test]
fn hooks_that_are_switched_off_are_told_as_off() {
    let (machine, path) = with_settings("{\"disableAllHooks\": true}\n");
    let claude = machine.claude(101);
    let cwd = claude.works_in("work/shop");
    claude.file(json!({}));
    let mut story = String::new();
    let mut tell = |words: &[&str]| {
        let said = run(&machine, words);
        story.push_str(&format!("$ vmux {}\n{said}", words.join(" ")));
    };
    tell(&["hooks", "status"]);
    tell(&["hooks", "install"]);
    tell(&["hooks", "status"]);
    tell(&["hooks", "status", "--json"]);
    let on = fs::read_to_string(&path)
        .unwrap()
        .replace("true}", "false}");
    let on = on.replace("\"disableAllHooks\": true", "\"disableAllHooks\": false");
    fs::write(&path, on).unwrap();
    tell(&["hooks", "status"]);
    fs::create_dir_all(cwd.join(".claude")).unwrap();
    let local = cwd.join(".claude/settings.local.json");
    fs::write(local, "{\"disableAllHooks\": true}").unwrap();
    tell(&["hooks", "install"]);
    tell(&["hooks", "status"]);
    let doctor = run(&machine, &["doctor"]);
    let line = "note  hooks          no hook runs in /M/work/shop: \"disableAllHooks\" in";
    assert!(doctor.contains(line), "{doctor}");
    assert_snapshot!("hooks_off", story);
}

#[test]
fn a_second_account_without_hooks_is_told() {
    let (machine, _) = with_settings("{}\n");
    let claude = machine.claude(101);
    let other = machine.path("home/.claude-work");
    fs::create_dir(&other).unwrap();
    let home = machine.path("home");
    claude.environ(&format!(
        "HOME={}\0CLAUDE_CONFIG_DIR={}\0",
        home.display(),
        other.display()
    ));
    run(&machine, &["hooks", "install", "--config-dir", ".claude"]);
    let said = run(&machine, &["hooks", "status"]);
    assert!(
        said.contains("missing     /M/home/.claude-work  1 session runs without\n"),
        "{said}"
    );
    let doctor = run(&machine, &["doctor"]);
    let line = "note  hooks          sessions run without them in /M/home/.claude-work\n";
    assert!(doctor.contains(line), "{doctor}");
}
