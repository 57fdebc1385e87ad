//! Which commit each line of a file comes of, as git tells it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git;
use super::patch::unquoted;

/// A line, and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Blamed {
    /// Its number in the file as it is now, from 1.
    pub number: u32,
    /// Its content, without line break.
    pub text: Vec<u8>,
    /// The commit, as its full id; nothing if it is not committed.
    pub commit: Option<String>,
    /// The path there, from the top of the working tree.
    pub path: String,
    /// Its number there.
    pub source: u32,
    /// History ends there, so that the line may be older: the first commit, or a shallow clone's.
    pub boundary: bool,
    /// The first line of the commit's message.
    pub subject: String,
    /// When it was committed, in seconds since 1970.
    pub at: i64,
}

/// Blames lines of a file, by its name in `dir`; all of them if none are named. Where git does not
/// find the repository from there by itself, `apart` names it and the top of its working tree.
///
/// # Errors
/// See [`git::Error`].
pub fn blame(
    dir: &Path,
    name: &OsStr,
    lines: Option<(u32, u32)>,
    apart: Option<&(PathBuf, PathBuf)>,
    patience: Duration,
) -> Result<Vec<Blamed>, git::Error> {
    let run = |options: &[&str]| {
        let mut args: Vec<OsString> = Vec::new();
        if let Some((git_dir, top)) = apart {
            args.extend(["--git-dir".into(), git_dir.into()]);
            args.extend(["--work-tree".into(), top.into()]);
        }
        args.extend(["blame", "--porcelain"].map(OsString::from));
        args.extend(options.iter().map(OsString::from));
        if let Some((first, last)) = lines {
            args.push(format!("-L{first},{last}").into());
        }
        args.extend(["--".into(), name.to_owned()]);
        git::run(dir, &args, &[], patience)
    };
    let text = match run(&[]) {
        // `blame.ignoreRevsFile` is often set for all repositories, and most have no such file.
        Err(git::Error::Failed(words)) if words.contains("could not open object name list") => {
            run(&["--no-ignore-revs-file"])?
        }
        done => done?,
    };
    Ok(parse(&text))
}

/// What `git blame --porcelain` says of a commit: once, or again where its lines come of several
/// paths.
#[derive(Clone, Default)]
struct Origin {
    path: String,
    boundary: bool,
    subject: String,
    at: i64,
}

/// Reads `git blame --porcelain`.
///
/// **Source:** git-blame(1), "The porcelain format"; a path is quoted as in diffs.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Blamed> {
    let mut known: HashMap<String, Origin> = HashMap::new();
    let mut found = Vec::new();
    let mut at: Option<(String, u32, u32)> = None;
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(content) = line.strip_prefix(b"\t") {
            if let Some((commit, source, number)) = at.take() {
                let origin = known.get(&commit).cloned().unwrap_or_default();
                let committed = commit.bytes().any(|byte| byte != b'0');
                found.push(Blamed {
                    number,
                    text: content.to_vec(),
                    commit: committed.then_some(commit),
                    path: origin.path,
                    source,
                    boundary: origin.boundary,
                    subject: origin.subject,
                    at: origin.at,
                });
            }
            continue;
        }
        match &at {
            None => at = head(line),
            Some((commit, ..)) => {
                let origin = known.entry(commit.clone()).or_default();
                tell(origin, line);
            }
        }
    }
    found
}

/// `ID SOURCE NUMBER [COUNT]`
fn head(line: &[u8]) -> Option<(String, u32, u32)> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ');
    let id = words.next().filter(|id| matches!(id.len(), 40 | 64))?;
    let mut number = || words.next()?.parse().ok();
    Some((id.to_owned(), number()?, number()?))
}

fn tell(origin: &mut Origin, line: &[u8]) {
    let (key, value) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &b""[..]),
    };
    match key {
        b"filename" => origin.path = String::from_utf8_lossy(&unquoted(value)).into_owned(),
        b"summary" => origin.subject = String::from_utf8_lossy(value).into_owned(),
        b"boundary" => origin.boundary = true,
        b"committer-time" => {
            let text = String::from_utf8_lossy(value);
            origin.at = text.parse().unwrap_or_default();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_commit_and_path() {
        let one = "1".repeat(40);
        let none = "0".repeat(40);
        let text = format!(
            "{one} 3 1 2\nauthor A\ncommitter-time 100\nsummary Add a\nboundary\nfilename old name.rs\n\tlet a;\n\
             {one} 4 2\n\t\tfilename x\r\n\
             {none} 3 3 1\nauthor Not Committed Yet\nsummary Version of a.rs from a.rs\nfilename a.rs\n\t\n\
             {one} 9 4 1\nfilename \"t\\303\\244.rs\"\n\tb\n"
        );
        let lines = parse(text.as_bytes());
        let told: Vec<String> = lines
            .iter()
            .map(|line| {
                let text = String::from_utf8_lossy(&line.text);
                let at = line.commit.as_ref().map_or(0, |_| line.at);
                format!(
                    "{} {text:?} {} {} {at}",
                    line.number, line.path, line.source
                )
            })
            .collect();
        let wanted = [
            "1 \"let a;\" old name.rs 3 100",
            "2 \"\\tfilename x\\r\" old name.rs 4 100",
            "3 \"\" a.rs 3 0",
            "4 \"b\" t\u{e4}.rs 9 100",
        ];
        assert_eq!(told, wanted);
        assert!(lines[0].boundary && lines[0].subject == "Add a");
        assert_eq!(lines[2].commit, None);
        for odd in ["\tx", "filename", &one, "1 1 1\n\tx"] {
            assert_eq!(parse(odd.as_bytes()), []);
        }
    }
}
