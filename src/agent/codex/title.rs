//! What a title that Codex gave its terminal says of its state. Pure.
//!
//! **Source:** 0.139.0, 0.155.1 and 0.171.0, in xterm and in tmux 3.3a. While it works the title is
//! a spinner of ten steps a second, ` ` and `shop` or, from 0.171 on, `Fix the cart | shop`. While a
//! dialog is open it is `[ ! ] Action Required | …` and `[ . ] Action Required | …` in turn, a second
//! each. At rest there is no sign; the dialog that offers a plan has none either. What stands there
//! when it is killed stays.

use crate::core::model::State;

/// The state that a title tells, if it tells one.
#[must_use]
pub fn state(title: &str) -> Option<State> {
    let (sign, rest) = title.split_once(' ')?;
    let mut signs = sign.chars();
    match (signs.next(), signs.next()) {
        (Some('\u{2801}'..='\u{28ff}'), None) => Some(State::Working),
        (Some('['), None) => {
            let asks = |sign| {
                let rest = rest
                    .strip_prefix(sign)?
                    .strip_prefix(" ] Action Required")?;
                (rest.is_empty() || rest.starts_with(" | ")).then_some(State::NeedsInput)
            };
            asks('!').or_else(|| asks('.'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signs_at_the_start_tell() {
        let (works, asks) = (Some(State::Working), Some(State::NeedsInput));
        for (title, state) in [
            ("\u{280b} shop", works),
            ("\u{2838} Fix the cart | shop", works),
            ("[ ! ] Action Required | shop", asks),
            ("[ . ] Action Required | Fix the cart | shop", asks),
            ("[ ! ] Action Required", asks),
            ("shop", None),
            ("Fix the cart | shop", None),
            ("", None),
            (" ", None),
            ("\u{280b}", None),
            ("\u{2800} an empty pattern", None),
            ("\u{280b}\u{2819} two signs", None),
            ("\u{2733} Claude Code", None),
            ("\u{25d0} Fix the cart", None),
            ("[ ? ] Action Required | shop", None),
            ("[ ! ] Action Requiredly", None),
            ("vim: [ ! ] Action Required | shop", None),
            ("shop \u{280b} shop", None),
        ] {
            assert_eq!(super::state(title), state, "{title:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(title in ".*") {
            let _ = state(&title);
        }
    }
}
