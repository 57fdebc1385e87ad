//! What a person typed, without what was pasted into it.

use crate::agent::claude::conversation::Typed;
use crate::core::transcript::pasted_mark;

/// The text of a prompt, and what was pasted into it; nothing for what no person asked. A command
/// that the person ran in the shell begins with `!`.
///
/// **Source:** observed on 2.1.332: `<pasted_content id="7027">`, the text on lines of its own,
/// `</pasted_content id="7027">`.
pub(super) fn typed(raw: &str) -> Option<(String, Vec<&str>)> {
    const BEGIN: &str = "<pasted_content id=\"";
    let whole = match Typed::of(raw)? {
        Typed::Prompt(std::borrow::Cow::Borrowed(text)) => text,
        Typed::Prompt(text) => return Some((text.trim().to_owned(), Vec::new())),
        Typed::Aside(aside) => return aside.starts_with('!').then_some((aside, Vec::new())),
    };
    let (mut text, mut pasted) = (String::new(), Vec::new());
    let mut rest = whole;
    while let Some((before, after)) = rest.split_once(BEGIN)
        && let Some((id, after)) = after.split_once("\">")
    {
        let end = format!("</pasted_content id=\"{id}\">");
        let (block, behind) = after.split_once(&end).unwrap_or((after, ""));
        let block = block.trim_matches('\n');
        text.push_str(before.trim_end());
        text.push('\n');
        text.push_str(&pasted_mark(block.lines().count()));
        text.push('\n');
        pasted.push(block);
        rest = behind.trim_start();
    }
    text.push_str(rest);
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some((text, pasted))
}
