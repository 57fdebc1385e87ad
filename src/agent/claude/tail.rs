//! The end of a transcript, read and followed by its lines.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::conversation::Conversation;
use super::facts::{LastLine, TranscriptFact};
use crate::agent::Message;
use crate::agent::lines::{self, BLOCK, Fold, open_regular, read_end, read_up_to};
use crate::core::model::RawPath;

/// A transcript that is followed.
pub type Follower = lines::Follower<Conversation>;

impl Fold for Conversation {
    fn fold(&mut self, line: &[u8]) {
        Self::fold(self, line, None);
    }

    fn fold_edges(&mut self, head: &[u8], tail: &[u8]) {
        Self::fold_edges(self, head, tail);
    }

    fn is_known(&self) -> bool {
        self.last != LastLine::Nothing && self.said.is_some()
    }

    fn anew(&self) -> Self {
        Self::new(self.of_subagent)
    }
}

/// A transcript whose messages are wanted.
struct Listing {
    conversation: Conversation,
    messages: Vec<Message>,
    most: usize,
}

impl Fold for Listing {
    fn fold(&mut self, line: &[u8]) {
        self.conversation.fold(line, Some(&mut self.messages));
    }

    fn fold_edges(&mut self, head: &[u8], tail: &[u8]) {
        self.conversation.fold_edges(head, tail);
    }

    fn is_known(&self) -> bool {
        self.conversation.is_known()
    }

    fn is_enough(&self) -> bool {
        self.is_known() && self.messages.len() >= self.most
    }

    fn anew(&self) -> Self {
        Self {
            conversation: Conversation::default(),
            messages: Vec::new(),
            most: self.most,
        }
    }
}

impl Follower {
    /// Opens the transcript at `path` and folds its last lines.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_as(path, Conversation::default())
    }

    /// The same for the transcript of a subagent.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_subagent(path: &Path) -> io::Result<Self> {
        Self::open_as(path, Conversation::new(true))
    }

    /// What `state` weighs.
    #[must_use]
    pub fn fact(&self, now: DateTime<Utc>) -> TranscriptFact {
        let conversation = self.conversation().clone();
        TranscriptFact {
            path: RawPath(self.path().to_string_lossy().into_owned()),
            size: self.size(),
            last: conversation.last,
            at: conversation.at,
            pending: conversation.pending,
            background_agents: conversation.background_agents,
            may_go_on: self.conversation().may_go_on(),
            said: conversation.said,
            model: conversation.model,
            title: conversation.title,
            read_at: now,
        }
    }
}

/// The last messages of the transcript at `path`, oldest first, at most `most`.
///
/// # Errors
/// Those of the file system.
pub fn read_messages(path: &Path, most: usize) -> io::Result<Vec<Message>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let listing = Listing {
        conversation: Conversation::default(),
        messages: Vec::new(),
        most,
    };
    let mut messages = read_end(&file, size, &listing)?.0.messages;
    let surplus = messages.len().saturating_sub(most);
    messages.drain(..surplus);
    Ok(messages)
}

/// The version that wrote the transcript at `path`, by its last lines that name one.
#[must_use]
pub fn read_version(path: &Path) -> Option<[u32; 3]> {
    let file = open_regular(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut end = vec![0; BLOCK];
    let filled = read_up_to(&file, size.saturating_sub(BLOCK as u64), &mut end).ok()?;
    let mark = b"\"version\":\"";
    let at = memchr::memmem::rfind(&end[..filled], mark)? + mark.len();
    let text = std::str::from_utf8(&end[at..filled.min(at + 24)]).ok()?;
    super::parse_version(text.split('"').next()?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;
    use crate::agent::lines::LINE_CAP;

    fn prompt(text: &str) -> String {
        format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"user","message":{{"role":"user","content":"{text}"}},"timestamp":"2026-11-20T08:48:47.298Z"}}"#
        )
    }

    fn answer(text: &str) -> String {
        format!(
            r#"{{"parentUuid":"a","isSidechain":false,"message":{{"role":"assistant","model":"claude-x","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn"}},"type":"assistant","timestamp":"2026-11-20T08:48:48.298Z"}}"#
        )
    }

    /// A tool result with an image of `bytes`, as the CLI writes one: a single line.
    fn image(bytes: usize) -> String {
        format!(
            r#"{{"parentUuid":"a","isSidechain":false,"type":"user","message":{{"role":"user","content":[{{"tool_use_id":"t1","type":"tool_result","content":[{{"type":"image","data":"{}"}}]}}]}},"timestamp":"2026-11-20T08:50:00.000Z"}}"#,
            "A".repeat(bytes)
        )
    }

    fn write(lines: &[String]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        std::fs::write(
            &path,
            lines.iter().map(|l| format!("{l}\n")).collect::<String>(),
        )
        .unwrap();
        (dir, path)
    }

    fn append(path: &Path, text: &str) {
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn said(follower: &Follower) -> &str {
        follower.conversation().said.as_deref().unwrap_or_default()
    }

    #[test]
    fn a_line_behind_many_nuls_is_read() {
        let nuls = "\0".repeat(3 * LINE_CAP);
        let (_dir, path) = write(&[prompt("one"), nuls.clone() + &answer("two")]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(said(&follower), "two");
        append(&path, &(nuls.clone() + &answer("three") + "\n"));
        assert!(follower.refresh().unwrap());
        assert_eq!(said(&follower), "three");
        append(&path, &(nuls + "\n"));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "three");
    }

    #[test]
    fn appended_lines_are_followed_and_an_unfinished_one_is_held_back() {
        let (_dir, path) = write(&[prompt("one")]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(follower.conversation().last, LastLine::Prompt);
        assert!(!follower.refresh().unwrap(), "nothing new");
        let line = answer("two");
        append(&path, &line[..40]);
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "one");
        append(&path, &format!("{}\n", &line[40..]));
        follower.refresh().unwrap();
        assert_eq!(
            (said(&follower), follower.conversation().last),
            ("two", LastLine::Answer)
        );
    }

    #[test]
    fn a_truncated_or_replaced_file_is_read_anew() {
        let (_dir, path) = write(&[prompt("a long first prompt"), answer("first")]);
        let mut follower = Follower::open(&path).unwrap();
        std::fs::write(&path, prompt("cut") + "\n").unwrap();
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "cut");
        let other = path.with_extension("new");
        std::fs::write(
            &other,
            prompt("replaced by a longer one") + "\n" + &answer("x") + "\n",
        )
        .unwrap();
        std::fs::rename(&other, &path).unwrap();
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "x");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            follower.refresh().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_line_larger_than_any_buffer_is_known_by_its_edges() {
        let (_dir, path) = write(&[prompt("see"), answer("seen"), image(5_000_000)]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(
            (said(&follower), follower.conversation().last),
            ("seen", LastLine::ToolResult)
        );
        assert_eq!(
            follower.conversation().at.unwrap().to_rfc3339(),
            "2026-11-20T08:50:00+00:00"
        );
        append(&path, &(image(300_000) + "\n" + &answer("after") + "\n"));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "after");
    }

    /// What a crash leaves: a record of NULs, or one that is being written and is never finished.
    #[test]
    fn no_line_is_too_long_to_see_what_was_said_before_it() {
        let (_dir, path) = write(&[prompt("see"), answer("seen")]);
        let mut follower = Follower::open(&path).unwrap();
        let grow = |by: u64| {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(file.metadata().unwrap().len() + by).unwrap();
        };
        for _ in 0..3 {
            grow(30 << 20);
            follower.refresh().unwrap();
            assert_eq!(
                (said(&follower), follower.conversation().last),
                ("seen", LastLine::Answer)
            );
        }
        assert_eq!(said(&Follower::open(&path).unwrap()), "seen");
        append(&path, &format!("\n{}\n", answer("after")));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "after");
        assert_eq!(said(&Follower::open(&path).unwrap()), "after");
    }

    #[test]
    fn metadata_after_the_last_turn_does_not_hide_it() {
        let mut lines = vec![prompt("hello"), answer("hi")];
        lines.extend((0..200).map(|n| format!(r#"{{"type":"mode","mode":"normal","n":{n}}}"#)));
        let (_dir, path) = write(&lines);
        assert_eq!(said(&Follower::open(&path).unwrap()), "hi");
    }

    #[test]
    fn a_burst_larger_than_is_followed_is_read_from_its_end() {
        let (_dir, path) = write(&[prompt("start")]);
        let mut follower = Follower::open(&path).unwrap();
        let burst: String = (0..4000)
            .map(|n| answer(&format!("{n} {}", "x".repeat(400))) + "\n")
            .collect();
        append(&path, &burst);
        follower.refresh().unwrap();
        assert!(said(&follower).starts_with("3999 "));
    }

    #[test]
    fn messages_come_oldest_first_and_bounded() {
        let lines: Vec<String> = (0..30)
            .flat_map(|n| [prompt(&format!("p{n}")), answer(&format!("a{n}"))])
            .collect();
        let (_dir, path) = write(&lines);
        let messages = read_messages(&path, 3).unwrap();
        let texts: Vec<&str> = messages.iter().map(|m| m.text.as_str()).collect();
        assert_eq!(texts, ["a28", "p29", "a29"]);
    }

    #[test]
    fn broken_and_binary_lines_are_counted_and_skipped() {
        let (_dir, path) = write(&[
            prompt("ok"),
            "{\"type\":\"user\"".into(),
            "\u{0}\u{1}\u{ff}".into(),
        ]);
        let follower = Follower::open(&path).unwrap();
        assert_eq!((said(&follower), follower.conversation().broken), ("ok", 2));
        for odd in ["", "\n\n\n", "no newline"] {
            std::fs::write(&path, odd).unwrap();
            assert_eq!(
                Follower::open(&path).unwrap().conversation().last,
                LastLine::Nothing
            );
        }
    }
}
