//! What commits changed, line by line, as git prints it, and the ids of that.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::git;
use super::reflog::is_id;
use crate::core::sorted::Gather as _;

/// How changes are printed: the same for all patch ids that are ever compared. A merge is compared
/// with its first parent, a first commit with nothing.
const DIFF: [&str; 14] = [
    "diff-tree",
    "--stdin",
    "-m",
    "--first-parent",
    "--root",
    "-p",
    "-M",
    "--full-index",
    "--unified=3",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

/// The changes of commits, for [`parse`] and [`ids_of`].
///
/// # Errors
/// See [`git::Error`].
pub fn diff(dir: &Path, commits: &[&str], patience: Duration) -> Result<Vec<u8>, git::Error> {
    let input = commits.join("\n") + "\n";
    git::run(dir, &DIFF, input.as_bytes(), patience)
}

/// The `git patch-id --stable` of each commit in a [`diff`]; commits without changes have none.
///
/// # Errors
/// See [`git::Error`].
pub fn ids_of(
    dir: &Path,
    diff: &[u8],
    patience: Duration,
) -> Result<BTreeMap<String, String>, git::Error> {
    if diff.is_empty() {
        return Ok(BTreeMap::new());
    }
    let text = git::run(dir, &["patch-id", "--stable"], diff, patience)?;
    Ok(parse_ids(&text))
}

/// A commit's changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patch {
    /// The commit.
    pub commit: String,
    /// Its files. Those that are no text have no lines.
    pub files: Vec<Changed>,
}

/// What it changed in a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// The path after; of a file that is gone, the one before.
    pub path: String,
    /// Lines that it has anew: number from 1, and content without line break.
    pub added: Vec<(u32, Vec<u8>)>,
    /// Lines that it has no more.
    pub removed: Vec<Vec<u8>>,
}

impl Patch {
    /// The changes of a file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Changed> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// Reads `git diff-tree --stdin -p`: the id of each commit on a line of its own, its diff behind.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Patch> {
    let mut reader = Reader::default();
    for line in text.split(|byte| *byte == b'\n') {
        reader.take(line);
    }
    reader.patches
}

#[derive(Default)]
struct Reader {
    patches: Vec<Patch>,
    /// Lines that the hunk at hand still has, before and after.
    left: (u32, u32),
    /// The number of its next line.
    next: u32,
}

impl Reader {
    fn take(&mut self, line: &[u8]) {
        if self.left != (0, 0) {
            return self.body(line);
        }
        if std::str::from_utf8(line).is_ok_and(is_id) {
            self.patches.push(Patch {
                commit: String::from_utf8_lossy(line).into_owned(),
                ..Patch::default()
            });
        } else if line.starts_with(b"diff --git ") {
            if let Some(patch) = self.patches.last_mut() {
                patch.files.push(Changed::default());
            }
        } else if let Some(path) = line.strip_prefix(b"--- ") {
            self.name(path);
        } else if let Some(path) = line.strip_prefix(b"+++ ") {
            self.name(path);
        } else if let Some(path) = line.strip_prefix(b"rename to ") {
            self.path(&unquoted(path));
        } else if let Some((left, next)) = line.strip_prefix(b"@@ ").and_then(hunk) {
            (self.left, self.next) = (left, next);
        }
    }

    fn file(&mut self) -> Option<&mut Changed> {
        self.patches.last_mut()?.files.last_mut()
    }

    /// A path with `a/` or `b/` in front; `/dev/null` is no name. One with a space has a tab behind.
    fn name(&mut self, text: &[u8]) {
        let text = text.strip_suffix(b"\t").unwrap_or(text);
        let path = unquoted(text);
        let plain = path
            .strip_prefix(b"a/")
            .or_else(|| path.strip_prefix(b"b/"));
        if let Some(plain) = plain {
            self.path(plain);
        }
    }

    fn path(&mut self, path: &[u8]) {
        if let Some(file) = self.file() {
            file.path = String::from_utf8_lossy(path).into_owned();
        }
    }

    fn body(&mut self, line: &[u8]) {
        let (mark, text) = line.split_first().unwrap_or((&b' ', b""));
        let number = self.next;
        match mark {
            b'+' => {
                self.left.1 = self.left.1.saturating_sub(1);
                self.next = self.next.saturating_add(1);
                if let Some(file) = self.file() {
                    file.added.push((number, text.to_vec()));
                }
            }
            b'-' => {
                self.left.0 = self.left.0.saturating_sub(1);
                if let Some(file) = self.file() {
                    file.removed.push(text.to_vec());
                }
            }
            // `\ No newline at end of file`
            b'\\' => {}
            _ => {
                self.left = (self.left.0.saturating_sub(1), self.left.1.saturating_sub(1));
                self.next = self.next.saturating_add(1);
            }
        }
    }
}

/// `-3,2 +4,5 @@ …`: how many lines before and after, and the first one after.
pub(super) fn hunk(text: &[u8]) -> Option<((u32, u32), u32)> {
    let text = std::str::from_utf8(text.split(|byte| *byte == b'@').next()?).ok()?;
    let mut parts = text.split_whitespace();
    let (_, before) = side(parts.next()?.strip_prefix('-')?)?;
    let (first, after) = side(parts.next()?.strip_prefix('+')?)?;
    Some(((before, after), first))
}

fn side(text: &str) -> Option<(u32, u32)> {
    let (first, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((first.parse().ok()?, count.parse().ok()?))
}

/// A path as git prints it: in quotation marks, as C has them, where it holds what could be
/// misread.
#[must_use]
pub fn unquoted(text: &[u8]) -> Vec<u8> {
    let inner = text
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return text.to_vec();
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let octal = rest.get(..3).and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        });
        if let Some(byte) = octal {
            out.push(byte);
            rest = &rest[3..];
        } else if let Some((letter, after)) = rest.split_first() {
            out.push(escaped(*letter));
            rest = after;
        }
    }
    out
}

fn escaped(letter: u8) -> u8 {
    match letter {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        other => other,
    }
}

/// Reads what `git patch-id` prints: an id and its commit on each line.
#[must_use]
pub fn parse_ids(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(id, commit)| (commit.trim().to_owned(), id.to_owned()))
        .gather()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "\
1111111111111111111111111111111111111111
diff --git a/a b.rs b/a b.rs
index 1..2 100644
--- a/a b.rs\t
+++ b/a b.rs\t
@@ -1,2 +1,3 @@ fn x
 one
--- two
+++ two
+three
@@ -9,0 +11 @@
+2222222222222222222222222222222222222222
\\ No newline at end of file
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
2222222222222222222222222222222222222222
diff --git \"a/t\\303\\244\\t.rs\" \"b/t\\303\\244\\t.rs\"
new file mode 100644
--- /dev/null
+++ \"b/t\\303\\244\\t.rs\"
@@ -0,0 +1,2 @@
+a

diff --git a/old b/new
similarity index 100%
rename from old
rename to new
diff --git a/p.png b/p.png
Binary files a/p.png and b/p.png differ
";

    #[test]
    fn lines_that_look_like_heads_are_lines() {
        let patches = parse(TWO.as_bytes());
        let told = |patch: &Patch| {
            let files = patch.files.iter().map(|file| {
                let added = file
                    .added
                    .iter()
                    .map(|(number, text)| format!("{number}{}", String::from_utf8_lossy(text)));
                let added: Vec<String> = added.collect();
                format!("{} +{} -{}", file.path, added.join(","), file.removed.len())
            });
            files.collect::<Vec<_>>()
        };
        let id = "2222222222222222222222222222222222222222";
        assert_eq!(
            told(&patches[0]),
            [
                format!("a b.rs +2++ two,3three,11{id} -1"),
                "gone + -1".into()
            ]
        );
        assert_eq!(patches[1].commit, id);
        assert_eq!(told(&patches[1])[0], "tä\t.rs +1a -0");
        assert_eq!(told(&patches[1])[1], "new + -0");
        assert!(patches[1].file("new").is_some() && patches[1].file("old").is_none());
    }

    #[test]
    fn no_bytes_are_too_odd() {
        for text in [
            "@@ -1 +1 @@\n+x",
            "diff --git a b",
            "@@ -x +y @@",
            "\"",
            "\"\\\"",
            "\"\\7\"",
        ] {
            assert_eq!(parse(text.as_bytes()), []);
            assert!(unquoted(text.as_bytes()).len() <= text.len());
        }
        assert_eq!(parse_ids(b"aa bb\nx\n").len(), 1);
    }
}
