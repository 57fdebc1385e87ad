//! What git made, as it tells of it.

use super::*;
use crate::sys::clock;

fn git(dir: &Path, words: &[&str]) -> String {
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    let args = [&who[..], words].concat();
    let printed = git::run(dir, &args, b"", Duration::from_secs(60));
    let printed = printed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    String::from_utf8_lossy(&printed).trim_end().to_owned()
}

fn commit(dir: &Path) -> String {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(dir, &["rev-parse", "HEAD"])
}

fn read_all(dir: &Path, ids: &[String]) -> Vec<Made> {
    let asked: Vec<Asked> = ids
        .iter()
        .map(|id| Asked {
            id: id.clone(),
            at: Some(clock::now()),
        })
        .collect();
    let tops = [dir.to_path_buf()];
    let (made, _) = read(&dir.join(".git"), &tops, &asked, &[], &|_| true).unwrap();
    made
}

fn file_of(made: &Made, path: &str) -> CommitFile {
    let found = made.commit.files.iter().find(|file| file.path == path);
    let all = || panic!("{path:?} in {:?}", made.commit.files);
    found.unwrap_or_else(all).clone()
}

fn bytes(text: &str) -> Content {
    Content::Bytes(text.as_bytes().to_vec())
}

#[test]
fn a_commit_is_told_with_its_files_and_their_lines() {
    for format in ["sha1", "sha256"] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        git(dir, &["init", "-q", &format!("--object-format={format}")]);
        fs::write(dir.join("a.rs"), "1\n2\n3\n4\n5\n6\n7\n8\n").unwrap();
        fs::write(dir.join("old name.rs"), "this\nfile\nmoves\nas\nit\nis\n").unwrap();
        fs::write(dir.join("gone"), "gone\n").unwrap();
        fs::write(dir.join("raw"), b"a\0b").unwrap();
        let first = commit(dir);
        fs::write(dir.join("a.rs"), "0\n1\n2\n3\n4\n5\n6\n7b\n8\n9").unwrap();
        fs::rename(dir.join("old name.rs"), dir.join("odd \"\n\u{e9}\t.rs")).unwrap();
        fs::remove_file(dir.join("gone")).unwrap();
        fs::write(dir.join("raw"), b"a\0c").unwrap();
        fs::write(dir.join("with space.rs"), "++ x\n-- y\n").unwrap();
        std::os::unix::fs::symlink("a.rs", dir.join("link")).unwrap();
        let second = commit(dir);
        let empty = commit(dir);
        let made = read_all(dir, &[first.clone(), second.clone(), empty]);
        assert_eq!(made.len(), 3);
        let (root, made) = (&made[0], &made[1..]);
        assert_eq!(
            (root.commit.parent.clone(), root.commit.since),
            (None, None)
        );
        assert!(
            root.commit
                .files
                .iter()
                .all(|file| file.before == Content::Missing)
        );
        let [change, nothing] = made else { panic!() };
        assert_eq!(change.commit.parent.as_ref(), Some(&first));
        assert_eq!(change.commit.since, Some(root.committed));
        assert_eq!(change.commit.tree, git(dir, &["rev-parse", "HEAD^{tree}"]));
        let file = |path: &str| file_of(change, path);
        let a = file("a.rs");
        assert_eq!(a.after, bytes("0\n1\n2\n3\n4\n5\n6\n7b\n8\n9"));
        assert_eq!(a.added, Some(vec![0..1, 7..8, 9..10]));
        assert!(a.mtime.is_some());
        let moved = file("odd \"\n\u{e9}\t.rs");
        assert_eq!(moved.old_path.as_deref(), Some("old name.rs"));
        assert_eq!(moved.before, moved.after);
        assert_eq!(file("gone").after, Content::Missing);
        let raw = file("raw");
        assert_eq!(
            (raw.before, raw.after, raw.added),
            (Content::Unread, Content::Unread, None)
        );
        let added = file("with space.rs").added.unwrap();
        assert_eq!(added.first(), Some(&(0..2)));
        assert_eq!(file("link").after, Content::Unread);
        // As `git patch-id` has it of what a person would give it.
        let shown = git::run(dir, &["show", "--full-index", &second], b"", PATIENCE).unwrap();
        let own = git::run(dir, &["patch-id", "--stable"], &shown, PATIENCE).unwrap();
        assert!(own.starts_with(change.patch_id.as_bytes()) && !change.patch_id.is_empty());
        assert_eq!((nothing.commit.files.len(), &*nothing.patch_id), (0, ""));
    }
}

#[test]
fn a_merge_has_what_no_parent_has() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    git(dir, &["init", "-q", "-b", "main"]);
    fs::write(dir.join("both"), "1\n").unwrap();
    commit(dir);
    git(dir, &["checkout", "-q", "-b", "side"]);
    fs::write(dir.join("both"), "side\n").unwrap();
    fs::write(dir.join("theirs"), "x\n").unwrap();
    commit(dir);
    git(dir, &["checkout", "-q", "main"]);
    fs::write(dir.join("both"), "main\n").unwrap();
    commit(dir);
    let merge = ["merge", "-q", "side"];
    assert!(git::run(dir, &merge, b"", PATIENCE).is_err(), "a conflict");
    fs::write(dir.join("both"), "main\nside\n").unwrap();
    let merge = commit(dir);
    let made = read_all(dir, &[merge]);
    let [file] = &made[0].commit.files[..] else {
        panic!("{made:?}")
    };
    assert_eq!(
        (&*file.path, &file.before, &file.after),
        ("both", &bytes("main\n"), &bytes("main\nside\n"))
    );
    assert_eq!(made[0].patch_id, "");
    assert_eq!(file.added, None, "not nothing: git's hunks are not read");
}

#[test]
fn what_is_too_large_is_left_out_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    git(dir, &["init", "-q"]);
    fs::write(dir.join("large"), "line\n".repeat(300_000)).unwrap();
    fs::write(dir.join("long"), "x".repeat(FILE - 10) + "\n").unwrap();
    fs::write(dir.join("small"), "1\n").unwrap();
    let large = commit(dir);
    fs::write(dir.join("small"), "2\n").unwrap();
    let small = commit(dir);
    let missing = "1".repeat(40);
    let made = read_all(dir, &[large, missing, small]);
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].patch_id, "", "too much to be asked for");
    let lines: Vec<_> = made[0]
        .commit
        .files
        .iter()
        .map(|file| (&*file.path, file.after == Content::Unread))
        .collect();
    assert_eq!(lines, [("large", true), ("long", false), ("small", false)]);
    assert_eq!(made[1].patch_id.len(), 40);
    let added = made[1].commit.files[0].added.as_ref().unwrap();
    assert_eq!(added.first(), Some(&(0..1)));
}
