//! i3's events, as signs that something changed: treated as "look again". As data only where one
//! tells in full what it did: that a window has the focus now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::wire::{Connection, Message, MessageKind};
use crate::core::model::{ConId, WindowKey};
use crate::core::text::CleanText;
use crate::desktop::wm::{Since, Watch, WmError};

/// Types of events (i3 IPC documentation, "Events").
const WORKSPACE: u32 = 0x8000_0000;
const WINDOW: u32 = 0x8000_0003;

/// A stream of events on a connection of its own. It must be read: i3 closes the connection of
/// a subscriber that does not read for about ten seconds (i3 4.22), older ones froze.
#[derive(Debug)]
pub(super) struct Events {
    connection: Connection,
    since: Since,
    heeded: BTreeSet<WindowKey>,
    titles: BTreeMap<WindowKey, CleanText>,
}

impl Since {
    /// With one more event.
    fn then(self, message: &Message) -> Self {
        let start = &message.payload[..message.payload.len().min(64)];
        let is = |change: &[u8]| memchr::memmem::find(start, change).is_some();
        match message.kind {
            _ if self == Self::Unknown => self,
            WINDOW if is(b"\"change\":\"focus\"") => serde_json::from_slice(&message.payload)
                .map_or(Self::Unknown, |moved: Moved| {
                    Self::On(WindowKey::Con(moved.container.id))
                }),
            WINDOW if is(TITLE) || is(b"\"change\":\"urgent\"") => self,
            WORKSPACE if is(b"\"change\":\"focus\"") => Self::Elsewhere,
            WORKSPACE if is(b"\"change\":\"urgent\"") => self,
            _ => Self::Unknown,
        }
    }
}

/// A title alone moves nothing: spinners change them every second.
const TITLE: &[u8] = b"\"change\":\"title\"";

fn is_title(message: &Message) -> bool {
    let start = &message.payload[..message.payload.len().min(64)];
    memchr::memmem::find(start, TITLE).is_some()
}

/// The window whose title an event tells, and the title.
fn titled(message: &Message) -> Option<(WindowKey, CleanText)> {
    let text = String::from_utf8_lossy(&message.payload);
    let titled: Titled = serde_json::from_str(&text).ok()?;
    let title = titled.container.name.unwrap_or_default();
    Some((WindowKey::Con(titled.container.id), CleanText::line(&title)))
}

/// An event that a window got another title.
#[derive(Deserialize)]
struct Titled {
    container: Named,
}

#[derive(Deserialize)]
struct Named {
    id: ConId,
    #[serde(default)]
    name: Option<String>,
}

/// An event that a window got the focus.
#[derive(Deserialize)]
struct Moved {
    container: Container,
}

#[derive(Deserialize)]
struct Container {
    id: ConId,
}

#[derive(Deserialize)]
struct Subscribed {
    #[serde(default)]
    success: bool,
}

impl Events {
    /// Subscribes to what concerns windows and workspaces.
    ///
    /// # Errors
    /// See [`WmError`].
    pub(super) fn subscribe(socket: &Path) -> Result<Self, WmError> {
        let mut connection = Connection::open(socket)?;
        let reply = connection.request(
            MessageKind::Subscribe,
            br#"["window","workspace","shutdown"]"#,
        )?;
        let subscribed: Subscribed =
            serde_json::from_slice(&reply).map_err(|error| WmError::Garbled(error.to_string()))?;
        if subscribed.success {
            Ok(Self {
                connection,
                since: Since::default(),
                heeded: BTreeSet::new(),
                titles: BTreeMap::new(),
            })
        } else {
            Err(WmError::Refused("a subscription".into()))
        }
    }
}

impl Watch for Events {
    fn drain(&mut self) -> Result<bool, WmError> {
        let messages = self.connection.drain()?;
        self.since = messages.iter().fold(self.since, Since::then);
        let (titles, others): (Vec<&Message>, Vec<&Message>) =
            messages.iter().partition(|message| is_title(message));
        if !self.heeded.is_empty() {
            let titles = titles.into_iter().filter_map(titled);
            let heeded = titles.filter(|(key, _)| self.heeded.contains(key));
            self.titles.extend(heeded);
        }
        Ok(!others.is_empty())
    }

    fn heed(&mut self, windows: BTreeSet<WindowKey>) {
        self.titles.retain(|key, _| windows.contains(key));
        self.heeded = windows;
    }

    fn titles(&mut self) -> BTreeMap<WindowKey, CleanText> {
        std::mem::take(&mut self.titles)
    }

    fn since(&self) -> Since {
        self.since
    }

    fn restart(&mut self) {
        self.since = Since::default();
    }

    fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.connection.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(events: &[(u32, &str)]) -> Since {
        events.iter().fold(Since::default(), |since, (kind, text)| {
            since.then(&Message {
                kind: *kind,
                payload: text.as_bytes().to_vec(),
            })
        })
    }

    #[test]
    fn the_focus_is_followed_as_far_as_events_tell() {
        let focus = (
            WINDOW,
            r#"{"change":"focus","container":{"id":7,"type":"con"}}"#,
        );
        let title = (WINDOW, r#"{"change":"title","container":{"id":8}}"#);
        let workspace = (WORKSPACE, r#"{"change":"focus","current":{"id":9}}"#);
        assert_eq!(after(&[]), Since::Still);
        assert_eq!(after(&[title]), Since::Still);
        assert_eq!(after(&[focus, title]), Since::On(WindowKey::Con(ConId(7))));
        assert_eq!(after(&[workspace]), Since::Elsewhere);
        assert_eq!(
            after(&[workspace, focus]),
            Since::On(WindowKey::Con(ConId(7)))
        );
        assert_eq!(after(&[focus, workspace]), Since::Elsewhere);
    }

    #[test]
    fn what_events_do_not_tell_in_full_is_unknown_until_the_tree_is_read() {
        let focus = (WINDOW, r#"{"change":"focus","container":{"id":7}}"#);
        for other in [
            (WINDOW, r#"{"change":"move","container":{"id":8}}"#),
            (WINDOW, r#"{"change":"close","container":{"id":8}}"#),
            (WORKSPACE, r#"{"change":"rename","current":{"id":9}}"#),
            (WORKSPACE, r#"{"change":"empty","current":{"id":9}}"#),
            (WINDOW, r#"{"change":"focus","container":null}"#),
            (0x8000_0006, r#"{"change":"exit"}"#),
            (WINDOW, ""),
        ] {
            assert_eq!(after(&[other, focus]), Since::Unknown, "{other:?}");
        }
    }

    #[test]
    fn a_title_is_read_of_the_event_that_tells_it() {
        let read = |payload: &[u8]| {
            titled(&Message {
                kind: WINDOW,
                payload: payload.to_vec(),
            })
        };
        let event = "{\"change\":\"title\",\"container\":{\"id\":7,\"name\":\"\u{280b} \\u001b[2Jshop\",\"nodes\":[]}}";
        let (key, title) = read(event.as_bytes()).unwrap();
        assert_eq!(key, WindowKey::Con(ConId(7)));
        assert_eq!(title.as_str(), "\u{280b} shop");
        let none = br#"{"change":"title","container":{"id":7,"name":null}}"#;
        assert_eq!(read(none).unwrap().1.as_str(), "");
        let broken: [&[u8]; 3] = [b"", b"{}", br#"{"container":{"id":"x"}}"#];
        assert!(broken.into_iter().all(|payload| read(payload).is_none()));
    }
}
