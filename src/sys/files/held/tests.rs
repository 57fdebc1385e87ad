use std::os::unix::fs::{chown, symlink};

use super::*;
use crate::sys::files::write_atomic;

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_write_replaces_and_leaves_no_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/labels.json");
    write_atomic(&path, b"one").unwrap();
    write_atomic(&path, b"two").unwrap();
    assert_eq!(read_bounded(&path, 10).unwrap(), b"two");
    assert_eq!((mode_of(&path), mode_of(parent(&path))), (0o600, 0o700));
    assert_eq!(names(parent(&path)), ["labels.json"]);
}

#[test]
fn what_is_behind_links_is_written_and_the_links_stay() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("home/data")).unwrap();
    fs::create_dir_all(at("dotfiles")).unwrap();
    // A chain: through a linked directory, relative, the last to what is not there yet.
    symlink(at("dotfiles"), at("home/dots")).unwrap();
    symlink("../dots/first.json", at("home/data/labels.json")).unwrap();
    symlink("kept/labels.json", at("dotfiles/first.json")).unwrap();
    for words in [&b"one"[..], b"two"] {
        write_atomic(&at("home/data/labels.json"), words).unwrap();
        assert_eq!(fs::read(at("dotfiles/kept/labels.json")).unwrap(), words);
    }
    assert!(at("home/data/labels.json").is_symlink());
    assert!(at("dotfiles/first.json").is_symlink());
    assert_eq!(names(&at("dotfiles/kept")), ["labels.json"]);
    symlink("b", at("a")).unwrap();
    symlink("a", at("b")).unwrap();
    assert!(write_atomic(&at("a"), b"x").is_err(), "a loop");
}

#[test]
fn mode_owner_and_attributes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    fs::write(&path, "old").unwrap();
    set_mode(&path, 0o640);
    let tagged = rustix::fs::setxattr(&path, "user.tag", b"mine", XattrFlags::empty()).is_ok();
    let root = geteuid().is_root();
    if root {
        chown(&path, Some(4711), Some(4712)).unwrap();
    }
    replace(&path, Some(b"old"), b"new").unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(mode_of(&path), 0o640);
    if root {
        assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
    }
    if tagged {
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.tag", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"mine");
    }
    assert!(replace(&path, Some(b"old"), b"newer").is_err(), "changed");
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn what_root_makes_in_a_users_directory_is_the_users() {
    if !geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    chown(dir.path(), Some(4711), Some(4712)).unwrap();
    let path = dir.path().join("a/b/labels.json");
    write_atomic(&path, b"x").unwrap();
    for made in ["a", "a/b", "a/b/labels.json"] {
        let metadata = fs::metadata(dir.path().join(made)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712), "{made}");
    }
}

#[test]
fn both_names_of_a_file_show_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("labels.json"), dir.path().join("other"));
    fs::write(&path, "something longer").unwrap();
    fs::hard_link(&path, &other).unwrap();
    for words in [&b"short"[..], b"long once more"] {
        write_atomic(&path, words).unwrap();
        assert_eq!(fs::read(&other).unwrap(), words);
    }
}

#[test]
fn what_its_user_made_read_only_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    fs::write(&path, "old").unwrap();
    for mode in [0o444, 0o000] {
        set_mode(&path, mode);
        let error = write_atomic(&path, b"new").unwrap_err();
        assert_eq!(error.to_string(), "it is read-only");
    }
    set_mode(&path, 0o600);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert!(write_atomic(dir.path(), b"x").is_err(), "a directory");
}

#[test]
fn only_what_dead_writers_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    // No process has this number (proc(5): 2^22 at most).
    let stay = [
        "labels.json.1.tmp",
        "labels.json.tmp",
        "labels.json.x.tmp",
        "other.json.4194304.tmp",
        "labels.json.before.4194304.tmp",
    ];
    let go = ["labels.json.4194304.tmp", "labels.json.4194305.tmp"];
    for name in stay.into_iter().chain(go) {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let own = format!("labels.json.{}.tmp", std::process::id());
    fs::write(dir.path().join(own), "of a process of the same number").unwrap();
    fs::create_dir(dir.path().join("labels.json.4194306.tmp")).unwrap();
    write_atomic(&path, b"x").unwrap();
    let mut left = Vec::from(stay);
    left.extend(["labels.json", "labels.json.4194306.tmp"]);
    left.sort_unstable();
    assert_eq!(names(dir.path()), left);
}

#[test]
fn one_writes_while_the_others_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("count");
    write_atomic(&path, b"0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let held = Held::take(&path).unwrap();
                    let before = String::from_utf8(fs::read(&path).unwrap()).unwrap();
                    let more: u32 = before.parse::<u32>().unwrap() + 1;
                    held.replace(more.to_string().as_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read(&path).unwrap(), b"40");
}

#[test]
fn files_set_aside_never_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    for n in 1..=3 {
        fs::write(&path, format!("{n}")).unwrap();
        Held::take(&path).unwrap().set_aside().unwrap();
    }
    let kept = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(kept("labels.json.corrupt"), b"1");
    assert_eq!(kept("labels.json.corrupt.3"), b"3");
}
