//! What the list shows, shared by the thread that learns of it and the one that draws it.
//!
//! An item stays the same object while the list is open, and only what is in it changes: that
//! is how the cursor stays where it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, Utc};
use ratatui::text::Line;
use skim::{DisplayContext, ItemPreview, PreviewContext, SkimItem};
use vmux::core::model::{Project, Session, SessionKey};
use vmux::core::query::Searched;
use vmux::frontend::row;
use vmux::protocol::reply::Contents;

use crate::row::{Entry, line};

/// Least width of the column with state and age, `waiting 59m`: it must not jump at each tick.
const STATE: usize = 11;

/// A session in the list.
pub(crate) struct Item {
    pub(crate) id: SessionKey,
    entry: RwLock<Entry>,
    colored: bool,
}

impl Item {
    /// What is known of it now.
    pub(crate) fn entry(&self) -> Entry {
        read(&self.entry).clone()
    }

    /// What queries are matched against now.
    pub(crate) fn searched(&self) -> Arc<Searched> {
        Arc::clone(&read(&self.entry).searched)
    }
}

impl SkimItem for Item {
    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(self.searched().text().to_owned())
    }

    fn display(&self, context: DisplayContext) -> Line<'_> {
        line(&read(&self.entry), &context, self.colored)
    }

    /// The pane is filled by [`crate::pane`]; anything else here would run a command.
    fn preview(&self, _context: PreviewContext) -> ItemPreview {
        ItemPreview::Text(String::new())
    }

    fn output(&self) -> Cow<'_, str> {
        Cow::Owned(self.id.to_string())
    }
}

/// The end of a conversation, or why it cannot be shown.
pub(crate) type Said = Result<Contents, String>;

/// Where a session can be started, or why that is not known.
pub(crate) type Offered = Result<Vec<Project>, String>;

#[derive(Default)]
struct State {
    /// In the order of their first appearance; the first listing is in display order.
    items: Vec<Arc<Item>>,
    said: HashMap<SessionKey, Arc<Said>>,
    /// Grows when a query may match otherwise than before.
    texts: u64,
    /// Why the list may be out of date.
    trouble: Option<String>,
    /// Where a session can be started, once that is known,
    projects: Option<Arc<Offered>>,
    /// and whether somebody looks for it.
    looking: bool,
}

/// All of it.
pub(crate) struct Board {
    state: RwLock<State>,
    colored: bool,
}

impl Board {
    /// An empty one.
    pub(crate) fn new(colored: bool) -> Self {
        Self {
            state: RwLock::default(),
            colored,
        }
    }

    /// Takes over a listing: known sessions change, new ones are appended, those that are gone
    /// stay and are marked. Says whether there is anything new to see.
    pub(crate) fn apply(&self, listed: &[Arc<Session>], now: DateTime<Utc>) -> bool {
        let mut state = write(&self.state);
        let mut fresh: HashMap<SessionKey, &Arc<Session>> = listed
            .iter()
            .map(|session| (session.id.clone(), session))
            .collect();
        let mut entries: Vec<(Arc<Session>, Arc<Searched>, bool)> =
            Vec::with_capacity(listed.len());
        for item in &state.items {
            let known = read(&item.entry);
            let session = fresh.remove(&item.id);
            let ended = session.is_none();
            let session = session.unwrap_or(&known.session);
            let searched = if *session == known.session {
                Arc::clone(&known.searched)
            } else {
                Arc::new(Searched::of(session))
            };
            entries.push((Arc::clone(session), searched, ended));
        }
        let new = listed
            .iter()
            .filter(|session| fresh.contains_key(&session.id));
        entries.extend(new.map(|session| {
            let searched = Arc::new(Searched::of(session));
            (Arc::clone(session), searched, false)
        }));
        let sessions: Vec<_> = entries.iter().map(|(s, _, _)| Arc::clone(s)).collect();
        let rows = row::rows(&sessions, now);
        let mut widths = row::widths(&rows.iter());
        widths.state = widths.state.max(STATE);
        let mut changed = state.trouble.take().is_some();
        for (n, ((session, searched, ended), row)) in entries.into_iter().zip(rows).enumerate() {
            let entry = Entry {
                searched,
                session,
                row,
                widths,
                ended,
            };
            if let Some(item) = state.items.get(n) {
                let mut known = write(&item.entry);
                let same_text = known.searched.text() == entry.searched.text();
                changed |= !same_text || !looks_like(&known, &entry);
                *known = entry;
                drop(known);
                state.texts += u64::from(!same_text);
            } else {
                changed = true;
                state.items.push(Arc::new(Item {
                    id: entry.session.id.clone(),
                    entry: RwLock::new(entry),
                    colored: self.colored,
                }));
            }
        }
        changed
    }

    /// Takes over the end of a conversation. Says whether it is new.
    pub(crate) fn tell(&self, id: SessionKey, said: Said) -> bool {
        let mut state = write(&self.state);
        if state.said.get(&id).is_some_and(|known| **known == said) {
            return false;
        }
        state.said.insert(id, Arc::new(said));
        true
    }

    /// Notes that the list may be out of date. Says whether that is new.
    pub(crate) fn complain(&self, trouble: String) -> bool {
        let mut state = write(&self.state);
        let new = state.trouble.as_ref() != Some(&trouble);
        state.trouble = Some(trouble);
        new
    }

    /// Why the list may be out of date.
    pub(crate) fn trouble(&self) -> Option<String> {
        read(&self.state).trouble.clone()
    }

    /// Forgets where a session can be started. Says whether nobody looks for it yet; whoever asked
    /// does so now.
    pub(crate) fn look(&self) -> bool {
        let mut state = write(&self.state);
        state.projects = None;
        !std::mem::replace(&mut state.looking, true)
    }

    /// Takes over where a session can be started.
    pub(crate) fn offer(&self, projects: Offered) {
        let mut state = write(&self.state);
        (state.projects, state.looking) = (Some(Arc::new(projects)), false);
    }

    /// Where a session can be started, if that is known already.
    pub(crate) fn projects(&self) -> Option<Arc<Offered>> {
        read(&self.state).projects.clone()
    }

    /// All items, and a number that grows when what they are matched by changes.
    pub(crate) fn items(&self) -> (Vec<Arc<Item>>, u64) {
        let state = read(&self.state);
        (state.items.clone(), state.texts)
    }

    /// The sessions that have not ended.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        let items = self.items().0;
        let entries = items.iter().map(|item| item.entry());
        entries
            .filter(|entry| !entry.ended)
            .map(|entry| entry.session)
            .collect()
    }

    /// The end of a conversation, if it is known already.
    pub(crate) fn said(&self, id: &SessionKey) -> Option<Arc<Said>> {
        read(&self.state).said.get(id).cloned()
    }
}

/// Whether two listings of a session look the same.
fn looks_like(a: &Entry, b: &Entry) -> bool {
    a.row == b.row && a.widths == b.widths && a.ended == b.ended && a.session == b.session
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use vmux::core::model::{Pid, RawPath, State as Verdict};

    use super::*;

    pub(crate) fn key(pid: u32) -> SessionKey {
        SessionKey {
            machine: None,
            pid: Pid(pid),
            start_ticks: 1,
        }
    }

    pub(crate) fn session(pid: u32, dir: &str, state: Verdict) -> Arc<Session> {
        Arc::new(Session {
            id: key(pid),
            pid: Pid(pid),
            cwd: RawPath(format!("/srv/{dir}")),
            state,
            state_since: DateTime::from_timestamp(0, 0),
            ..Session::default()
        })
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn listing(board: &Board) -> Vec<(u32, String, bool)> {
        let entries = board.items().0;
        let entries = entries.iter().map(|item| item.entry());
        entries
            .map(|entry| (entry.session.pid.0, entry.row.state, entry.ended))
            .collect()
    }

    #[test]
    fn sessions_change_come_and_go_but_none_moves() {
        let board = Board::new(true);
        let idle = session(1, "a", Verdict::Idle);
        let works = session(2, "b", Verdict::Working);
        assert!(board.apply(&[Arc::clone(&idle), works], at(5)));
        let first = board.items().0;
        let waits = session(2, "b", Verdict::NeedsInput);
        let new = session(3, "c", Verdict::Working);
        assert!(board.apply(&[waits, new, idle], at(6)));
        assert_eq!(
            listing(&board),
            [
                (1, "idle 6s".into(), false),
                (2, "waiting 6s".into(), false),
                (3, "working 6s".into(), false),
            ]
        );
        assert!(Arc::ptr_eq(&first[1], &board.items().0[1]));
        board.apply(&[session(3, "c", Verdict::Idle)], at(9));
        let ended: Vec<bool> = listing(&board).into_iter().map(|(_, _, e)| e).collect();
        assert_eq!(ended, [true, true, false]);
        assert_eq!(board.sessions().len(), 1);
    }

    #[test]
    fn only_what_can_be_seen_is_news() {
        let board = Board::new(true);
        let listed = [session(1, "a", Verdict::Idle)];
        board.apply(&listed, at(100));
        let texts = board.items().1;
        assert!(!board.apply(&listed, at(110)), "one minute, as before");
        assert!(board.apply(&listed, at(120)), "two minutes");
        assert_eq!(board.items().1, texts, "no query matches by age");
        assert!(board.apply(&[session(1, "a", Verdict::Working)], at(120)));
        assert_ne!(board.items().1, texts);
        assert!(board.complain("it is slow".into()));
        assert!(!board.complain("it is slow".into()));
        assert!(board.apply(&listed, at(120)), "the trouble is over");
        let id = &listed[0].id;
        assert!(board.tell(id.clone(), Ok(Contents::default())));
        assert!(!board.tell(id.clone(), Ok(Contents::default())));
    }
}
