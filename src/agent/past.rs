//! Reading what files tell of past conversations: their ends only, as they may be huge.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

/// Longest part of a prompt that becomes a title, in characters.
const TITLE: usize = 200;

/// The first `head` bytes of a regular file and its last `tail` ones after those.
///
/// # Errors
/// Those of opening and reading; `InvalidData` if it is not a regular file.
pub fn edges(path: &Path, head: u64, tail: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
    // A FIFO somebody put in the file's place must not hang the thread.
    let mut file: File = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let words = "not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    let (mut first, mut last) = (Vec::new(), Vec::new());
    file.by_ref().take(head).read_to_end(&mut first)?;
    if metadata.len() > head {
        let from = head.max(metadata.len().saturating_sub(tail));
        file.seek(SeekFrom::Start(from))?;
        file.take(tail).read_to_end(&mut last)?;
    }
    Ok((first, last))
}

/// The lines that are JSON objects. One that is cut or broken costs only itself.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Value> {
    bytes.split(|byte| *byte == b'\n').filter_map(line)
}

/// One of them.
#[must_use]
pub fn line(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object)
}

/// A word of an object, if it is one.
#[must_use]
pub fn word<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name)?.as_str().filter(|word| !word.is_empty())
}

/// A prompt, or what is left of it as a title: one that a tool wrote itself begins with a tag.
#[must_use]
pub fn prompt(content: &Value) -> Option<String> {
    let parts = content.as_array().into_iter().flatten();
    let text = content.as_str();
    let mut texts = text
        .into_iter()
        .chain(parts.filter_map(|part| word(part, "text")));
    let said = texts.find(|text| {
        let text = text.trim_start();
        !text.is_empty() && !text.starts_with('<')
    })?;
    Some(said.trim_start().chars().take(TITLE).collect())
}

/// Names of what is in a directory, at most so many.
#[must_use]
pub fn names(dir: &Path, most: usize) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.take(most).collect()
}

/// Files by when they were written, the last first, at most so many.
#[must_use]
pub fn newest(mut files: Vec<(SystemTime, PathBuf)>, most: usize) -> Vec<(SystemTime, PathBuf)> {
    files.sort_unstable_by(|one, other| other.cmp(one));
    files.truncate(most);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_a_file_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            let (head, tail) = edges(&path, 4, 3).unwrap();
            [head, tail].map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(read("abc"), ["abc", ""]);
        assert_eq!(read("abcdef"), ["abcd", "ef"]);
        assert_eq!(read("abcdefghij"), ["abcd", "hij"]);
        assert!(edges(dir.path(), 4, 3).is_err());
        let huge = File::create(&path).unwrap();
        huge.set_len(1 << 40).unwrap();
        let (head, tail) = edges(&path, 4, 3).unwrap();
        assert_eq!((head.len(), tail.len()), (4, 3));
    }

    #[test]
    fn a_title_is_what_a_person_typed() {
        let says = |json: &str| prompt(&serde_json::from_str(json).unwrap());
        assert_eq!(says(r#"" mend it""#).as_deref(), Some("mend it"));
        let parts = r#"[{"type":"image"},{"text":"<tag>"},{"text":5},{"text":"mend it"}]"#;
        assert_eq!(says(parts).as_deref(), Some("mend it"));
        for none in ["3", "\"\"", "{}", "\"<command-name>/clear\"", "[[1]]"] {
            assert_eq!(says(none), None, "{none}");
        }
        let long = format!("\"{}\"", "ü".repeat(999));
        assert_eq!(says(&long).unwrap().chars().count(), TITLE);
    }
}
