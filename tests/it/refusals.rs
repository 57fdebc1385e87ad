//! Prompts that are shared, and another side that does not want them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::capture::{refused, said};
use super::kit::Tty;
use super::kit::home::{Home, VMUX};
use super::shared::commit;

/// A hook of the other side; none if it is empty.
fn hook(home: &Home, script: &str) {
    let file = home.path("work/far.git/hooks/pre-receive");
    if script.is_empty() {
        return fs::remove_file(file).unwrap();
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn who_refuses_what_is_shared_is_understood() {
    let home = Home::new();
    let top = home.repository("shop");
    home.git(".", &["init", "-q", "--bare", "far.git"]);
    home.git("shop", &["remote", "add", "origin", "../far.git"]);
    commit(&home, "shop", "a.rs");
    // A hook of this repository is not run.
    let own = top.join(".git/hooks/pre-push");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "#!/bin/sh\ntouch ran\nexit 1\n").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    let share = ["capture", "share", "--yes"];
    hook(&home, "echo 'no notes here, ask Ann' >&2; exit 1");
    let error = refused(&home, "shop", &share);
    assert!(
        error.contains("could not share: git says: remote: no notes here, ask Ann"),
        "{error}"
    );
    hook(&home, "exit 1");
    let error = refused(&home, "shop", &share);
    assert!(
        error.contains("(pre-receive hook declined)") && !error.contains("hint"),
        "{error}"
    );
    hook(&home, "");
    said(&home, "shop", &share);
    assert!(!top.join("ran").exists());
    // Another clone sends while this one asks.
    commit(&home, "shop", "b.rs");
    let mut command = home.command(VMUX);
    command
        .current_dir(&top)
        .args(["--no-daemon", "capture", "share"]);
    let mut tty = Tty::run(&command, 200, 24);
    tty.waits_for("[y/N] ");
    let name = home.git("far.git", &["for-each-ref", "--format=%(refname)"]);
    let tree = format!("{name}^{{tree}}");
    let other = home.git(
        "far.git",
        &["commit-tree", &tree, "-p", &name, "-m", "other"],
    );
    home.git("far.git", &["update-ref", &name, &other]);
    tty.types("y\r");
    assert!(!tty.ends().success());
    tty.waits_for("(fetch first)");
    tty.waits_for("hint: another clone of yours shared meanwhile: do it again");
    said(&home, "shop", &share);
    let notes = home.git("far.git", &["ls-tree", "-r", "--name-only", &name]);
    assert_eq!(notes.lines().count(), 2);
}
