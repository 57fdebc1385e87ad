//! What the properties of EWMH and ICCCM say. Pure: any bytes are read, and none of them counts
//! for more than its bound.
//!
//! **Source:** EWMH 1.5, ICCCM 2.0 §4.1; which manager sets what was observed on 17 of them.

use x11rb::protocol::xproto::{AtomEnum, GetPropertyReply};

use crate::core::model::{Workspace, WorkspaceId};
use crate::core::text::CleanText;

/// `_NET_WM_DESKTOP` of a window that is on all desktops.
const EVERYWHERE: u32 = 0xFFFF_FFFF;
/// Most desktops that count: EWMH sets no bound, people have some ten.
const DESKTOPS: u32 = 1024;
/// `WM_STATE` of a window that is shown as an icon, or not at all.
const ICONIC: u32 = 3;
/// The urgency flag of `WM_HINTS`.
const URGENCY_HINT: u32 = 1 << 8;

/// Where a window is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Where {
    /// Nobody says.
    #[default]
    Unknown,
    /// On this desktop; they are counted from 0.
    On(u32),
    /// On all desktops.
    Everywhere,
}

impl Where {
    pub(super) fn parse(reply: Option<&GetPropertyReply>) -> Self {
        match first(reply) {
            None => Self::Unknown,
            Some(EVERYWHERE) => Self::Everywhere,
            Some(desktop) => Self::On(desktop),
        }
    }
}

/// The states of a window that matter for its focus.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct State {
    /// Only its title bar is shown.
    pub(super) shaded: bool,
    /// It is minimised, or counts as such: some managers say so of all windows out of view.
    pub(super) hidden: bool,
    /// It asks for attention.
    pub(super) urgent: bool,
}

/// The atoms that [`State::parse`] knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateAtoms {
    pub(super) shaded: u32,
    pub(super) hidden: u32,
    pub(super) attention: u32,
}

impl State {
    /// From `_NET_WM_STATE`, `WM_STATE` and `WM_HINTS`.
    pub(super) fn parse(
        net: Option<&GetPropertyReply>,
        icccm: Option<&GetPropertyReply>,
        hints: Option<&GetPropertyReply>,
        atoms: StateAtoms,
    ) -> Self {
        let net = words(net);
        let has = |atom| net.contains(&atom);
        let hint = first(hints).is_some_and(|flags| flags & URGENCY_HINT != 0);
        Self {
            shaded: has(atoms.shaded),
            hidden: has(atoms.hidden) || first(icccm) == Some(ICONIC),
            urgent: has(atoms.attention) || hint,
        }
    }
}

/// The desktops that there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Desktops {
    /// How many.
    pub(super) count: u32,
    /// The one that is shown, or the one with the focus of several.
    pub(super) current: Option<u32>,
    names: Vec<String>,
}

impl Desktops {
    /// From `_NET_NUMBER_OF_DESKTOPS`, `_NET_CURRENT_DESKTOP` and `_NET_DESKTOP_NAMES`.
    pub(super) fn parse(
        count: Option<&GetPropertyReply>,
        current: Option<&GetPropertyReply>,
        names: Option<&GetPropertyReply>,
    ) -> Self {
        let bytes = names.map_or(&[][..], |reply| &reply.value);
        let names = bytes.split(|byte| *byte == 0).take(DESKTOPS as usize);
        Self {
            count: first(count).unwrap_or_default().min(DESKTOPS),
            current: first(current),
            names: names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = Workspace> + '_ {
        (0..self.count).map(|desktop| self.workspace(Where::On(desktop)))
    }

    /// A desktop, or all of them, for people and for whoever goes there again.
    pub(super) fn workspace(&self, at: Where) -> Workspace {
        let (id, name) = match at {
            Where::On(desktop) => (WorkspaceId::Index(desktop), self.name(desktop)),
            Where::Everywhere => (WorkspaceId::Everywhere, CleanText::line("all")),
            Where::Unknown => (WorkspaceId::Unknown, CleanText::default()),
        };
        Workspace {
            id,
            name,
            output: CleanText::default(),
        }
    }

    /// What a person calls a desktop: its name, or its number from 1 on. xfwm4 4.18 and spectrwm
    /// 3.4 tell no names.
    fn name(&self, desktop: u32) -> CleanText {
        let name = usize::try_from(desktop)
            .ok()
            .and_then(|i| self.names.get(i));
        let named = name.and_then(|name| CleanText::line(name).some());
        named.unwrap_or_else(|| CleanText::line(&(u64::from(desktop) + 1).to_string()))
    }
}

/// The first number of a property.
pub(super) fn first(reply: Option<&GetPropertyReply>) -> Option<u32> {
    reply?.value32()?.next()
}

/// All numbers of a property: as many as were asked for.
pub(super) fn words(reply: Option<&GetPropertyReply>) -> Vec<u32> {
    let values = reply.and_then(GetPropertyReply::value32);
    values.map(Iterator::collect).unwrap_or_default()
}

/// A text of a property, up to its first zero byte: UTF-8, or Latin-1 as ICCCM has it.
pub(super) fn text(reply: Option<&GetPropertyReply>) -> CleanText {
    let Some(reply) = reply.filter(|reply| reply.format == 8) else {
        return CleanText::default();
    };
    let bytes = reply.value.split(|byte| *byte == 0).next();
    let bytes = bytes.unwrap_or_default();
    let latin = reply.type_ == u32::from(AtomEnum::STRING) && str::from_utf8(bytes).is_err();
    if latin {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        return CleanText::line(&text);
    }
    CleanText::line(&String::from_utf8_lossy(bytes))
}

/// The class of `WM_CLASS`: the second of its two texts.
pub(super) fn class(reply: Option<&GetPropertyReply>) -> CleanText {
    let bytes = reply.map_or(&[][..], |reply| &reply.value);
    let class = bytes.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    CleanText::line(&String::from_utf8_lossy(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATOMS: StateAtoms = StateAtoms {
        shaded: 10,
        hidden: 11,
        attention: 12,
    };

    fn reply(format: u8, value: &[u8]) -> GetPropertyReply {
        let unit = usize::from(format.max(8)) / 8;
        GetPropertyReply {
            format,
            value: value.to_vec(),
            value_len: u32::try_from(value.len() / unit).unwrap(),
            ..GetPropertyReply::default()
        }
    }

    fn numbers(values: &[u32]) -> GetPropertyReply {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
        reply(32, &bytes)
    }

    fn string(text: &[u8]) -> GetPropertyReply {
        GetPropertyReply {
            type_: AtomEnum::STRING.into(),
            ..reply(8, text)
        }
    }

    #[test]
    fn a_window_is_on_one_desktop_on_all_or_nowhere_known() {
        let at = |values: &[u32]| Where::parse(Some(&numbers(values)));
        assert_eq!(at(&[2]), Where::On(2));
        assert_eq!(at(&[u32::MAX]), Where::Everywhere);
        assert_eq!(at(&[]), Where::Unknown);
        assert_eq!(Where::parse(None), Where::Unknown);
        let of_letters = reply(8, b"1234");
        assert_eq!(Where::parse(Some(&of_letters)), Where::Unknown);
    }

    #[test]
    fn states_are_told_by_either_of_their_properties() {
        let net = numbers(&[99, 12, 10]);
        let state = State::parse(Some(&net), None, None, ATOMS);
        assert_eq!(
            (state.shaded, state.hidden, state.urgent),
            (true, false, true)
        );
        let iconic = numbers(&[3, 0]);
        assert!(State::parse(None, Some(&iconic), None, ATOMS).hidden);
        let hidden = numbers(&[11]);
        assert!(State::parse(Some(&hidden), None, None, ATOMS).hidden);
        let hint = numbers(&[256 | 1, 0]);
        assert!(State::parse(None, None, Some(&hint), ATOMS).urgent);
        assert_eq!(State::parse(None, None, None, ATOMS), State::default());
    }

    #[test]
    fn desktops_have_names_or_numbers() {
        let (four, two) = (numbers(&[4]), numbers(&[2]));
        let names = reply(8, b"web\0\0a \x1b[31mtrap\0");
        let desktops = Desktops::parse(Some(&four), Some(&two), Some(&names));
        assert_eq!((desktops.count, desktops.current), (4, Some(2)));
        let named: Vec<CleanText> = (0..5).map(|n| desktops.name(n)).collect();
        let named: Vec<&str> = named.iter().map(CleanText::as_str).collect();
        assert_eq!(named, ["web", "2", "a trap", "4", "5"]);
        assert_eq!(desktops.name(u32::MAX).as_str(), "4294967296");
        let many = Desktops::parse(Some(&numbers(&[u32::MAX])), None, None);
        assert_eq!((many.count, many.current), (1024, None));
    }

    #[test]
    fn titles_are_read_in_both_encodings_and_classes_are_the_second_word() {
        assert_eq!(
            text(Some(&reply(8, "\u{2733} caf\u{e9}".as_bytes()))).as_str(),
            "\u{2733} caf\u{e9}"
        );
        assert_eq!(text(Some(&string(b"caf\xe9"))).as_str(), "caf\u{e9}");
        assert_eq!(
            text(Some(&string("caf\u{e9}".as_bytes()))).as_str(),
            "caf\u{e9}"
        );
        assert_eq!(text(Some(&reply(8, b"a\0b"))).as_str(), "a");
        assert_eq!(
            text(Some(&reply(8, b"\xff\xfe"))).as_str(),
            "\u{fffd}\u{fffd}"
        );
        assert!(text(Some(&numbers(&[7]))).is_empty() && text(None).is_empty());
        assert_eq!(class(Some(&reply(8, b"xterm\0XTerm\0"))).as_str(), "XTerm");
        assert!(class(Some(&reply(8, b"xterm"))).is_empty());
    }
}
