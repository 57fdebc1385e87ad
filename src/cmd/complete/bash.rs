//! Bash hands over its command line as it is typed, and puts an answer into it as it is: what words
//! mean, and how a name is quoted, is its caller's job. Pure, but for the question itself.

use super::{Looked, Word, look};
use crate::core::text::{push_cut, width};

/// Columns of what is said of a name.
const ABOUT: usize = 60;
/// What bash takes for itself outside of quotes.
const SPECIAL: &str = " \t!\"#$&'()*;<>?[\\]^`{|}~";

/// The word that the cursor is in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Typed {
    /// As it is typed.
    raw: String,
    /// What it means.
    text: String,
    /// The quote that is still open.
    open: Option<char>,
}

/// The answer to a command line up to the cursor, of which bash would replace `current`; `described` if
/// it only shows what there is.
pub(super) fn answer(line: &str, current: &str, described: bool) -> String {
    let words = split(line);
    let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    let found = look(&texts);
    let last = words.last().cloned().unwrap_or_default();
    let lines = candidates(&found, &last, current, described);
    format!("{}\n{}", found.kind(), lines.concat())
}

/// A line for each word that may stand there.
fn candidates(found: &Looked, typed: &Typed, current: &str, described: bool) -> Vec<String> {
    let Some(kept) = typed.raw.strip_suffix(current) else {
        return Vec::new();
    };
    let kept = match typed.open {
        Some(quote) => kept.strip_suffix(quote).unwrap_or(kept),
        None => kept,
    };
    let kept = split(kept).pop().unwrap_or_default().text.chars().count();
    let fitting = found.words.iter();
    let fitting: Vec<(&Word, String)> = fitting
        .filter(|word| begins(&word.value, &typed.text))
        .map(|word| {
            let rest: String = word.value.chars().skip(kept).collect();
            (word, quoted(&rest, typed.open))
        })
        .collect();
    let described = described && fitting.len() > 1;
    let widest = fitting
        .iter()
        .map(|(_, value)| width(value))
        .max()
        .unwrap_or(0);
    let lines = fitting.into_iter().map(|(word, value)| {
        let mut line = value;
        if described && word.session {
            let gap = widest + 2 - width(&line);
            line.push_str(&" ".repeat(gap));
            push_cut(&mut line, &word.about, ABOUT);
        }
        line + "\n"
    });
    lines.collect()
}

/// Whether a name begins so. Case counts where a capital is typed, as in every query.
fn begins(name: &str, typed: &str) -> bool {
    let mut name = name.chars();
    let same = |typed: char, own: char| {
        typed == own || !typed.is_uppercase() && own.to_lowercase().eq([typed])
    };
    typed
        .chars()
        .all(|typed| name.next().is_some_and(|own| same(typed, own)))
}

/// The words of a command line; the last one is where the cursor is, and may be empty.
fn split(line: &str) -> Vec<Typed> {
    let mut words = Vec::new();
    let mut word = Typed::default();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if word.open.is_none() && c.is_ascii_whitespace() {
            if !word.raw.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        word.raw.push(c);
        match (word.open, c) {
            (None, '\'' | '"') => word.open = Some(c),
            (Some(open), c) if open == c => word.open = None,
            (None | Some('"'), '\\') => {
                // In double quotes it stands for itself before most others.
                let escaped = |next: &char| word.open.is_none() || "$`\"\\".contains(*next);
                match chars.next_if(escaped) {
                    Some(next) => {
                        word.raw.push(next);
                        word.text.push(next);
                    }
                    None => word.text.push('\\'),
                }
            }
            (_, c) => word.text.push(c),
        }
    }
    words.push(word);
    words
}

/// Text as bash takes it for just this text, within the quote that is open.
fn quoted(text: &str, open: Option<char>) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match (open, c) {
            (Some('\''), '\'') => out.push_str("'\\''"),
            // History is expanded in double quotes, and a backslash before it would stay.
            (Some('"'), '!') => out.push_str("\"'!'\""),
            (Some('"'), '$' | '`' | '"' | '\\') => out.extend(['\\', c]),
            // A tilde means something at the beginning only, and looks better without.
            (None, '~') if at > 0 => out.push(c),
            (None, c) if SPECIAL.contains(c) => out.extend(['\\', c]),
            (_, c) => out.push(c),
        }
    }
    // Readline closes a quote itself, but where it takes the last sign for the closing one.
    let closes = open.filter(|quote| out.ends_with(*quote));
    out.extend(closes);
    out
}

#[cfg(test)]
mod tests {
    use super::super::Wanted;
    use super::*;
    use proptest::prelude::*;

    fn lines(names: &[&str], line: &str, current: &str) -> Vec<String> {
        let words = names.iter().map(|name| Word {
            value: (*name).to_owned(),
            about: "waiting 3m".to_owned(),
            session: true,
        });
        let found = Looked {
            words: words.collect(),
            wanted: Wanted::Free,
        };
        let typed = split(line).pop().unwrap();
        candidates(&found, &typed, current, false)
    }

    #[test]
    fn names_are_quoted_as_the_word_began() {
        let names = ["it's $(a)", "a:b c", "A!", "say \"hi\""];
        for (line, current, want) in [
            (
                "vmux switch ",
                "",
                vec![
                    "it\\'s\\ \\$\\(a\\)\n",
                    "a:b\\ c\n",
                    "A\\!\n",
                    "say\\ \\\"hi\\\"\n",
                ],
            ),
            (
                "vmux switch it\\'s\\ ",
                "it\\'s\\ ",
                vec!["it\\'s\\ \\$\\(a\\)\n"],
            ),
            ("vmux switch 'it", "it", vec!["it'\\''s $(a)\n"]),
            ("vmux switch \"it's ", "it's ", vec!["it's \\$(a)\n"]),
            ("vmux switch a", "a", vec!["a:b\\ c\n", "A\\!\n"]),
            ("vmux switch \"say", "say", vec!["say \\\"hi\\\"\"\n"]),
            ("vmux switch \"A", "A", vec!["A\"'!'\"\"\n"]),
            // Bash takes what is behind a colon for a word.
            ("vmux switch a:b", "b", vec!["b\\ c\n"]),
            ("vmux switch a:", "", vec!["b\\ c\n"]),
            ("vmux switch \"a:b", "a:b", vec!["a:b c\n"]),
            ("vmux switch a\":b", ":b", vec![":b c\n"]),
            ("vmux switch x", "x", vec![]),
        ] {
            assert_eq!(lines(&names, line, current), want, "{line}");
        }
    }

    #[test]
    fn what_bash_only_shows_says_what_each_is() {
        let words = ["api", "shop-web"].map(|name| Word {
            value: name.to_owned(),
            about: "waiting 3m".to_owned(),
            session: true,
        });
        let found = Looked {
            words: words.into(),
            wanted: Wanted::Free,
        };
        let shown = candidates(&found, &Typed::default(), "", true);
        assert_eq!(shown, ["api       waiting 3m\n", "shop-web  waiting 3m\n"]);
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in "[ -~é日]{1,12}", open in 0..3_usize) {
            let open = [None, Some('\''), Some('"')][open];
            let line: String = open.into_iter().collect::<String>() + &quoted(&text, open);
            let words = split(&line);
            prop_assert_eq!(words.len(), 1);
            prop_assert_eq!(&words[0].text, &text);
            let last = quoted(&text, open).chars().next_back();
            prop_assert_eq!(words[0].open, open.filter(|quote| last != Some(*quote)));
        }
    }
}
