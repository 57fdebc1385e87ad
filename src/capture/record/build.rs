//! From a selection to a record: secrets out first, then every text to its size, then the whole.
//! What is cut says so. Pure.

use super::{Asked, FilePart, Record, Selection};
use crate::capture::consent::Answers;
use crate::capture::redact::Redactor;
use crate::capture::select::Commit;
use crate::core::text::CleanText;

/// What stands in place of a text that an ignore pattern matches.
pub const LEFT_OUT: &str = "‹left out›";
/// Most dialogs of a turn, and the longest text of one, in bytes.
const DIALOGS: usize = 20;
const DIALOG: usize = 1024;
/// Most commands of others that a turn is kept with, in answers.
const ANSWERS: usize = 50;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Of a prompt, in bytes.
    pub prompt: usize,
    /// Of an answer, in bytes.
    pub answer: usize,
    /// Of a command, in characters.
    pub command: usize,
    /// Of a whole note, in bytes.
    pub note: usize,
    /// Whether what was pasted into prompts is kept.
    pub pasted: bool,
    /// Which answers are.
    pub answers: Answers,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prompt: 8 << 10,
            answer: 2 << 10,
            command: 200,
            note: 64 << 10,
            pasted: false,
            answers: Answers::Last,
        }
    }
}

impl Record {
    /// What is kept of `commit`, whose `git patch-id --stable` is given; empty if it has none.
    #[must_use]
    pub fn build(
        commit: &Commit,
        patch_id: &str,
        selection: Selection,
        redactor: &mut Redactor,
        limits: &Limits,
    ) -> Self {
        // What it marked before was of something else.
        drop(redactor.take_counts());
        let mut record = Self {
            commit: commit.id.clone(),
            at: commit.at,
            tree: commit.tree.clone(),
            patch_id: patch_id.to_owned(),
            complete: selection.complete,
            conversations: selection.conversations,
            prompts: selection.prompts,
            files: selection.files,
            ..Self::default()
        };
        let mut ignored = Vec::new();
        let mut cut = Vec::new();
        for (at, prompt) in record.prompts.iter_mut().enumerate() {
            let words = kept(prompt, redactor, limits);
            ignored.push(prompt.text.as_str() == LEFT_OUT);
            cut.extend(words.map(|words| format!("of prompt {}: {words}", at + 1)));
        }
        for file in &mut record.files {
            commands(file, &ignored, redactor, limits);
        }
        record
            .cut
            .extend(cut.iter().map(|words| CleanText::line(words)));
        record.redacted = redactor.take_counts();
        record.fit(limits.note);
        record
    }
}

/// Makes a prompt what is kept of it, or a stub if an ignore pattern matches it; in words, what was
/// cut.
pub(in crate::capture) fn kept(
    prompt: &mut Asked,
    redactor: &mut Redactor,
    limits: &Limits,
) -> Option<String> {
    if matches(prompt, redactor) {
        leave_out(prompt);
        return None;
    }
    keep(prompt, redactor, limits)
}

/// Whether an ignore pattern matches a prompt, or what was pasted into it.
fn matches(prompt: &Asked, redactor: &Redactor) -> bool {
    let mut texts = std::iter::once(&prompt.text).chain(&prompt.pasted);
    texts.any(|text| redactor.ignores(text).is_some())
}

fn leave_out(prompt: &mut Asked) {
    prompt.text = CleanText::line(LEFT_OUT);
    prompt.pasted.clear();
    prompt.answers.clear();
    prompt.asked.clear();
}

/// Makes a prompt what is kept of it; in words, what is not.
fn keep(prompt: &mut Asked, redactor: &mut Redactor, limits: &Limits) -> Option<String> {
    if limits.pasted {
        prompt.text = with_pasted(&prompt.text, &prompt.pasted);
    }
    prompt.pasted.clear();
    let mut words = Vec::new();
    let text = redactor.text(&prompt.text);
    prompt.text = shortened(&text, limits.prompt);
    if text.len() > limits.prompt {
        words.push(format!(
            "{} of its {} bytes",
            text.len() - limits.prompt,
            text.len()
        ));
    }
    let before = prompt.answers.len();
    let first = match limits.answers {
        Answers::None => before,
        Answers::Last => before.saturating_sub(1),
        Answers::All => before.saturating_sub(ANSWERS),
    };
    if limits.answers == Answers::All && first > 0 {
        words.push(format!("{first} answers"));
    }
    drop(prompt.answers.drain(..first));
    let mut long = 0;
    for answer in &mut prompt.answers {
        let text = redactor.text(answer);
        long += usize::from(text.len() > limits.answer);
        *answer = shortened(&text, limits.answer);
    }
    if long > 0 {
        words.push("the end of long answers".to_owned());
    }
    prompt.asked.truncate(DIALOGS);
    for (question, answer) in &mut prompt.asked {
        *question = shortened(&redactor.text(question), DIALOG);
        *answer = shortened(&redactor.text(answer), DIALOG);
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// `text` with what was `pasted` where its lines `‹N lines pasted›` stand.
fn with_pasted(text: &CleanText, pasted: &[CleanText]) -> CleanText {
    let mut blocks = pasted.iter();
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let stands = bare.starts_with('‹') && bare.ends_with("pasted›");
        match stands.then(|| blocks.next()).flatten() {
            Some(block) => {
                out.push_str(block);
                out.push('\n');
            }
            None => out.push_str(line),
        }
    }
    CleanText::block(&out, out.len() + 4)
}

/// Redacts and shortens the commands of a file.
fn commands(file: &mut FilePart, ignored: &[bool], redactor: &mut Redactor, limits: &Limits) {
    let is_ignored = |prompt: usize| ignored.get(prompt).is_some_and(|left_out| *left_out);
    let mut kept = |prompt: Option<usize>, command: &mut Option<CleanText>| {
        if let Some(text) = command {
            *text = if prompt.is_some_and(is_ignored) {
                CleanText::line(LEFT_OUT)
            } else {
                one_line(&redactor.text(text), limits.command)
            };
        }
    };
    for span in &mut file.ranges {
        kept(span.prompt, &mut span.by);
    }
    for (prompt, command) in &mut file.touched {
        kept(Some(*prompt), command);
    }
}

/// A command as one line of at most so many characters.
fn one_line(text: &CleanText, most: usize) -> CleanText {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some(_) => {
            let kept: String = line.chars().take(most.saturating_sub(1)).collect();
            CleanText::block(&format!("{}…", kept.trim_end()), line.len() + 4)
        }
        None => CleanText::block(&line, line.len() + 4),
    }
}

/// At most `most` bytes of a text, with `…` at its end if there was more.
pub(in crate::capture) fn shortened(text: &CleanText, most: usize) -> CleanText {
    if text.len() <= most {
        return text.clone();
    }
    let end = text.floor_char_boundary(most.saturating_sub(4));
    let kept = format!("{}…", text[..end].trim_end());
    CleanText::block(&kept, kept.len() + 4)
}
