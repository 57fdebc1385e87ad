//! The keys that are vmux's own, beside those that skim has for moving and editing.
//!
//! One table: what a key does, and what the hints call it. Taken are only keys that skim's own
//! map leaves free (**Source:** skim 5.9.0, `binds.rs`). A key becomes skim's `accept` with a
//! word, so that it waits in skim's queue for the keys that were pressed before it.

/// What vmux does on a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Ask for a name.
    Label,
    /// Ask whether to end the session.
    End,
    /// Show what it asks, and answer it.
    Answer,
    /// Show the next part of the sessions.
    Filter,
    /// Offer projects to start a session in.
    New,
    /// Show or hide the conversation.
    Preview,
}

impl Command {
    fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::End => "end",
            Self::Answer => "answer",
            Self::Filter => "filter",
            Self::New => "new",
            Self::Preview => "preview",
        }
    }

    /// The command that skim's `accept` came with.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Label,
            Self::End,
            Self::Answer,
            Self::Filter,
            Self::New,
            Self::Preview,
        ];
        all.into_iter().find(|command| command.word() == word)
    }
}

/// Keys and what they do. Of two keys for one thing the first is hinted at.
pub(crate) const KEYS: [(&str, Command); 8] = [
    ("alt-a", Command::Answer),
    ("alt-r", Command::Label),
    ("alt-k", Command::End),
    ("alt-s", Command::Filter),
    ("alt-n", Command::New),
    ("alt-p", Command::Preview),
    ("ctrl-/", Command::Preview),
    // What a terminal without the newer protocol sends for ctrl-/: 0x1f.
    ("ctrl-7", Command::Preview),
];

/// Changes to skim's own map: no selection of several, no way out of the query language, no
/// scrolling of rows that are cut to fit.
const CHANGES: [&str; 7] = [
    "tab:down",
    "shift-btab:up",
    "shift-tab:up",
    "ctrl-q:ignore",
    "ctrl-r:ignore",
    "alt-h:ignore",
    "alt-l:ignore",
];

/// All of it, as skim takes it.
pub(crate) fn bindings() -> Vec<String> {
    let own = KEYS
        .iter()
        .map(|(key, command)| format!("{key}:accept({})", command.word()));
    own.chain(CHANGES.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use skim::binds::{get_default_key_map, parse_key, parse_keymap};
    use skim::tui::actions::Action;

    use super::*;

    #[test]
    fn every_binding_is_understood_and_does_what_it_says() {
        for binding in bindings() {
            let (key, actions) = parse_keymap(&binding).unwrap();
            assert!(parse_key(key).is_ok() && actions.len() == 1, "{binding}");
            let own = KEYS.iter().find(|(name, _)| *name == key);
            if let (Action::Accept(Some(word)), Some((_, command))) = (&actions[0], own) {
                assert_eq!(Command::parse(word), Some(*command));
            } else {
                assert!(own.is_none(), "{binding}");
            }
        }
        assert_eq!(Command::parse("nonsense"), None);
    }

    #[test]
    fn no_key_of_skims_is_taken() {
        let map = get_default_key_map();
        for (key, _) in KEYS {
            assert!(!map.contains_key(&parse_key(key).unwrap()), "{key}");
        }
    }
}
