//! Makes a record small enough for its note: what says least goes first. Pure.

use std::collections::BTreeMap;

use super::build::shortened;
use super::{Asked, FilePart, Record};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;

/// Of prompts that only led to the commit, and of others, where there is no room, in bytes.
const SHORT: usize = 200;
const MIDDLE: usize = 1024;
/// Lines of a file whose hashes go before those of all.
const LONG: u32 = 2000;

/// Takes something out; in words, what.
type Step = fn(&mut Record) -> Option<&'static str>;

/// In order. After each the note is measured again.
const STEPS: [Step; 8] = [
    |record| {
        answers(
            record,
            |prompt| !prompt.primary,
            0,
            "answers to prompts before",
        )
    },
    |record| {
        texts(
            record,
            |prompt| !prompt.primary,
            SHORT,
            "the end of prompts before",
        )
    },
    |record| answers(record, |_| true, SHORT, "the end of answers"),
    |record| hashes(record, LONG, "hashes of long files"),
    |record| texts(record, |_| true, MIDDLE, "the end of prompts"),
    |record| answers(record, |_| true, 0, "answers"),
    |record| hashes(record, 0, "hashes of lines"),
    |record| texts(record, |_| true, SHORT, "most of the prompts"),
];

impl Record {
    /// Takes out what is too much for a note of `most` bytes.
    pub(in crate::capture) fn fit(&mut self, most: usize) {
        for step in STEPS {
            if self.render().len() <= most {
                return;
            }
            let words = step(self);
            self.cut.extend(words.map(CleanText::line));
        }
        // What is left has a bound a piece: fewer pieces will do.
        let (files, prompts) = (self.files.len(), self.prompts.len());
        let told = self.cut.clone();
        while self.render().len() > most && self.halve() {
            let gone = format!(
                "{} of {files} files, {} of {prompts} prompts",
                files - self.files.len(),
                prompts - self.prompts.len(),
            );
            self.cut.clone_from(&told);
            self.cut.push(CleanText::line(&gone));
        }
    }

    /// Forgets half of what takes most; `false` if nothing is left to forget.
    fn halve(&mut self) -> bool {
        let ranges = |file: &FilePart| 120 + 60 * (file.ranges.len() + file.touched.len());
        let files: usize = self.files.iter().map(ranges).sum();
        let prompts = 400 * self.prompts.len();
        if self.conversations.len() > self.prompts.len().max(1) {
            self.keep_prompts(self.prompts.len());
            self.conversations.truncate(self.prompts.len().max(1));
        } else if prompts > files && self.prompts.len() > 1 {
            self.keep_prompts(self.prompts.len() / 2);
        } else if self.files.len() > 1 {
            self.files.truncate(self.files.len() / 2);
        } else if let Some(file) = self.files.first_mut().filter(|file| ranges(file) > 240) {
            file.ranges.truncate(file.ranges.len() / 2);
            file.touched.truncate(file.touched.len() / 2);
        } else if self.files.is_empty() && self.prompts.is_empty() {
            return false;
        } else {
            self.files.clear();
            self.prompts.clear();
        }
        true
    }

    /// Forgets all but the first prompts, and who took part in none of these.
    fn keep_prompts(&mut self, most: usize) {
        self.prompts.truncate(most);
        for file in &mut self.files {
            for span in &mut file.ranges {
                span.prompt = span.prompt.filter(|prompt| *prompt < most);
            }
            file.touched.retain(|(prompt, _)| *prompt < most);
        }
        let mut places = BTreeMap::new();
        for prompt in &mut self.prompts {
            let next = places.len();
            prompt.conversation = *places.entry(prompt.conversation).or_insert(next);
        }
        if !places.is_empty() {
            let mut kept: Vec<_> = places
                .into_iter()
                .filter_map(|(old, new)| Some((new, self.conversations.get(old)?.clone())))
                .collect();
            kept.arrange_by_key(|(new, _)| *new);
            self.conversations = kept.into_iter().map(|(_, talk)| talk).collect();
        }
    }
}

fn answers(
    record: &mut Record,
    of: fn(&Asked) -> bool,
    most: usize,
    words: &'static str,
) -> Option<&'static str> {
    let mut any = false;
    for prompt in record.prompts.iter_mut().filter(|prompt| of(prompt)) {
        any |= prompt.answers.iter().any(|answer| answer.len() > most) || !prompt.asked.is_empty();
        if most == 0 {
            prompt.answers.clear();
            prompt.asked.clear();
        }
        for answer in &mut prompt.answers {
            *answer = shortened(answer, most);
        }
    }
    any.then_some(words)
}

fn texts(
    record: &mut Record,
    of: fn(&Asked) -> bool,
    most: usize,
    words: &'static str,
) -> Option<&'static str> {
    let mut any = false;
    for prompt in record.prompts.iter_mut().filter(|prompt| of(prompt)) {
        any |= prompt.text.len() > most;
        prompt.text = shortened(&prompt.text, most);
    }
    any.then_some(words)
}

/// Of files with more than `most` added lines.
fn hashes(record: &mut Record, most: u32, words: &'static str) -> Option<&'static str> {
    let mut any = false;
    for file in &mut record.files {
        let lines = |(start, end): (u32, u32)| end.saturating_sub(start).saturating_add(1);
        let spans = file.ranges.iter().map(|span| lines((span.start, span.end)));
        if spans.fold(0_u32, u32::saturating_add) > most {
            for span in &mut file.ranges {
                any |= !span.hashes.is_empty();
                span.hashes.clear();
            }
        }
    }
    any.then_some(words)
}
