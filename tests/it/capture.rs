//! Conversations that are kept with commits, in repositories that git made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::kit::home::Home;
use super::kit::repository::files_of;

/// Runs `vmux` in a directory below `work`, without a daemon.
fn vmux(home: &Home, dir: &str, words: &[&str]) -> std::process::Output {
    let mut command = home.command(super::kit::home::VMUX);
    command.current_dir(home.path("work").join(dir));
    super::kit::process::run(command.arg("--no-daemon").args(words))
}

/// What it prints; it must not fail.
fn said(home: &Home, dir: &str, words: &[&str]) -> String {
    let done = vmux(home, dir, words);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What it says of what cannot be done.
fn refused(home: &Home, dir: &str, words: &[&str]) -> String {
    let done = vmux(home, dir, words);
    assert!(!done.status.success(), "{words:?}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn a_repository_is_left_as_it_is_when_capture_is_switched_on_and_off() {
    let home = Home::new();
    let top = home.repository("shop");
    fs::write(top.join("a.rs"), "fn a() {}\n").unwrap();
    home.git("shop", &["add", "a.rs"]);
    home.git("shop", &["commit", "-q", "-m", "a"]);
    let before = files_of(&top);
    let words = said(&home, "shop", &["capture", "on"]);
    assert!(words.contains("on this machine only"), "{words}");
    assert!(said(&home, "shop", &["capture", "on"]).contains("already"));
    let status: Value =
        serde_json::from_str(&said(&home, "shop", &["capture", "status", "--json"])).unwrap();
    assert_eq!(status["capture"], true);
    assert_eq!(status["settings"]["answers"], "last");
    said(&home, "shop", &["capture", "off"]);
    assert!(said(&home, "shop", &["capture", "status"]).contains("is off here"));
    assert_eq!(files_of(&top), before);
    assert_eq!(home.git("shop", &["status", "--porcelain"]), "");
}

#[test]
fn linked_worktrees_are_switched_on_with_their_repository_and_can_forbid_it() {
    let home = Home::new();
    home.repository("shop");
    home.git("shop", &["worktree", "add", "-q", "../till"]);
    said(&home, "till", &["capture", "on"]);
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(
        status.contains("work/shop\n") && status.contains("work/till\n"),
        "{status}"
    );
    fs::write(home.path("work/till/.vmux-capture-off"), "").unwrap();
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(status.contains("work/till  (forbidden there)"), "{status}");
    assert!(refused(&home, "till", &["capture", "on"]).contains("forbids it"));
}

#[test]
fn what_cannot_be_captured_says_why() {
    let home = Home::new();
    home.repository("shop");
    home.git(".", &["clone", "-q", "--bare", "shop", "bare.git"]);
    let words = refused(&home, "bare.git", &["capture", "on"]);
    assert!(
        words.contains("no working tree") && words.contains("hint: "),
        "{words}"
    );
    assert!(!home.path("work/bare.git/vmux").exists());
    home.make_dir("work/plain");
    let words = refused(&home, "plain", &["capture", "on"]);
    assert!(words.contains("could not find a repository"), "{words}");
    // In a submodule its own repository is meant.
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q"];
    home.repository("mall");
    home.git("mall", &[&add[..], &["../shop", "shop"]].concat());
    said(&home, "mall/shop", &["capture", "on"]);
    assert!(
        home.path("work/mall/.git/modules/shop/vmux/capture.toml")
            .exists()
    );
    assert!(said(&home, "mall", &["capture", "status"]).contains("is off here"));
    // Settings that cannot be understood may say what must not be kept.
    fs::write(home.path("work/shop/.git/vmux"), "").unwrap();
    let words = refused(&home, "shop", &["capture", "on"]);
    assert!(
        words.contains("could not") && words.contains("hint: "),
        "{words}"
    );
    if !rustix::process::geteuid().is_root() {
        let git = home.path("work/mall/.git");
        fs::set_permissions(&git, fs::Permissions::from_mode(0o500)).unwrap();
        let words = refused(&home, "mall", &["capture", "on"]);
        fs::set_permissions(&git, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(words.contains("could not write to"), "{words}");
    }
}
