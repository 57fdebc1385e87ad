//! The roll: which sessions there are, kept in a file of the state directory, for what has to be
//! known of them when they are gone: which conversation to resume, and on which workspace they were.
//!
//! Only the daemon writes it. A session that ends while the daemon looks has ended; one that is gone
//! when a daemon begins is lost, and stays on the roll until its conversation goes on elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::core::few::Few;
use crate::core::model::{ConversationId, Kind, RawPath, Session, SessionKey};
use crate::core::named::named;
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::desktop::Homes;
use crate::hosted::place::Place;
use crate::sys::files;
use crate::sys::paths::Paths;

/// Largest file that is read, in bytes.
const CAP: usize = 4 << 20;
/// Sessions on the roll at most; the oldest of those that are gone are dropped.
const MOST: usize = 1000;
/// How long one that is gone stays.
const LOST: TimeDelta = TimeDelta::days(30);
/// So long before the daemon's own end a session's end is that of the machine: all are told to end at
/// once, in any order.
const TOGETHER: TimeDelta = TimeDelta::seconds(10);

/// The roll.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Roll {
    /// The sessions.
    pub entries: Vec<Entry>,
    /// When the daemon that wrote it was told to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<DateTime<Utc>>,
}

named!(Roll { entries, stopped });

/// A session on the roll.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Entry {
    /// What it was while it lived.
    pub id: SessionKey,
    /// The boot of its machine in which it lived.
    pub boot: String,
    /// The coding tool.
    pub agent: CleanText,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Where it worked.
    pub cwd: RawPath,
    /// Its tool's directory of files, if that was not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_dir: Option<CleanText>,
    /// The hosted session that it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted: Option<String>,
    /// The workspace on which it was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<CleanText>,
    /// When it was seen last.
    pub seen: DateTime<Utc>,
    /// When it ended, while the daemon looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<DateTime<Utc>>,
    /// This daemon has seen it.
    #[serde(skip)]
    pub alive: bool,
}

named!(Entry { id, boot, agent, conversation, cwd, config_dir, hosted, workspace, seen, ended } but alive);

impl Entry {
    /// Takes over what is known of it now; what is not known any more stays.
    fn see(&mut self, session: &Session, now: DateTime<Utc>) {
        self.agent.clone_from(&session.agent);
        self.cwd.clone_from(&session.cwd);
        self.config_dir.clone_from(&session.config_dir);
        let known = session.session_id.clone();
        self.conversation = known.or_else(|| self.conversation.take());
        // A daemon that begins has not found it yet; a process stays where it is.
        if session.host.is_some() {
            self.hosted = hosted(session);
        }
        let workspace = session
            .workspace
            .as_ref()
            .filter(|_| session.window.is_some());
        if let Some(workspace) = workspace.filter(|name| ***name != *"scratchpad") {
            self.workspace = Some(workspace.clone());
        }
        (self.seen, self.ended, self.alive) = (now, None, true);
    }

    /// Whether it ran when the machine, or the daemon, ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.alive && self.ended.is_none()
    }
}

/// The hosted session that a session runs in.
#[must_use]
pub fn hosted(session: &Session) -> Option<String> {
    let target = session.host.as_ref()?.target.as_ref()?;
    session.is_kept().then(|| target.to_string())
}

/// Whether two looks at a session are the same to the roll.
#[must_use]
pub fn same(one: &Session, other: &Session) -> bool {
    one.id == other.id
        && one.session_id == other.session_id
        && one.cwd == other.cwd
        && one.workspace == other.workspace
        && hosted(one) == hosted(other)
}

impl Roll {
    /// Reads the roll as a daemon of this boot finds it; a missing one is empty.
    ///
    /// # Errors
    /// Those of reading it, and what is wrong with it.
    pub fn load(path: &Path) -> io::Result<Self> {
        let bytes = match files::read_bounded(path, CAP) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            bytes => bytes?,
        };
        let mut roll: Self = serde_json::from_slice(&bytes)?;
        let stopped = roll.stopped.take();
        roll.entries.retain_mut(|entry| {
            let Some(ended) = entry.ended else {
                return true;
            };
            // With the machine, or it had ended before.
            let together = stopped.is_some_and(|at| at - ended < TOGETHER);
            entry.ended = entry.ended.filter(|_| !together);
            together || entry.hosted.is_some()
        });
        Ok(roll)
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the file system; what was there before then still stands.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        files::write_atomic(path, &serde_json::to_vec(self)?)
    }

    /// Takes over which sessions there are. Those of other machines, and what scripts run, are
    /// nobody's to bring back.
    pub fn see<'s>(
        &mut self,
        sessions: impl Iterator<Item = &'s Session>,
        boot: &str,
        now: DateTime<Utc>,
    ) {
        let counts = |session: &&Session| {
            session.kind == Kind::Interactive && !session.container && session.id.local().is_some()
        };
        let mut there: Few<&SessionKey, &Session> = sessions
            .filter(counts)
            .map(|session| (&session.id, session))
            .gather();
        for entry in self.entries.iter_mut().filter(|entry| entry.boot == boot) {
            match there.remove(&entry.id) {
                Some(session) => entry.see(session, now),
                None if entry.alive => (entry.alive, entry.ended) = (false, Some(now)),
                None => {}
            }
        }
        for session in there.values() {
            let mut entry = Entry {
                id: session.id.clone(),
                boot: boot.to_owned(),
                ..Entry::default()
            };
            entry.see(session, now);
            self.entries.push(entry);
        }
        let goes_on: BTreeSet<ConversationId> = self
            .entries
            .iter()
            .filter(|entry| entry.alive)
            .filter_map(|entry| entry.conversation.clone())
            .gather();
        self.entries.retain(|entry| {
            let elsewhere = entry
                .conversation
                .as_ref()
                .is_some_and(|id| goes_on.contains(id));
            let over = entry.ended.filter(|_| entry.hosted.is_none());
            let old = now - entry.seen > LOST || over.is_some_and(|at| now - at > TOGETHER);
            entry.alive || !(elsewhere || old)
        });
        let surplus = self.entries.len().saturating_sub(MOST);
        let mut left = surplus;
        self.entries.retain(|entry| {
            let goes = left > 0 && !entry.alive;
            left -= usize::from(goes);
            !goes
        });
    }

    /// Decides of sessions that ended in a hosted one whether they are lost, because that one is; where
    /// nothing is known of it they stay as they are. Says whether anything changed.
    pub fn settle(&mut self, is_lost: impl Fn(&str) -> Option<bool>) -> bool {
        let before = self.entries.clone();
        self.entries.retain_mut(|entry| {
            let Some(hosted) = entry.hosted.as_deref().filter(|_| entry.ended.is_some()) else {
                return true;
            };
            let Some(lost) = is_lost(hosted) else {
                return true;
            };
            entry.ended = entry.ended.filter(|_| !lost);
            lost
        });
        self.entries != before
    }

    /// What is known of a hosted session: of several that ran in it one that can be resumed, and of
    /// those the one that was seen last.
    #[must_use]
    pub fn of_hosted(&self, id: &str) -> Option<&Entry> {
        let of_it = self
            .entries
            .iter()
            .filter(|entry| entry.hosted.as_deref() == Some(id));
        of_it.max_by_key(|entry| {
            let resumable = entry.conversation.is_some();
            (resumable, entry.alive, entry.ended.is_none(), entry.seen)
        })
    }

    /// Where the terminals of hosted sessions are opened: where they were last, else where their users
    /// want them.
    #[must_use]
    pub fn homes(&self, wanted: &Homes) -> Homes {
        let mut homes = wanted.clone();
        for entry in &self.entries {
            if let (Some(hosted), Some(workspace)) = (&entry.hosted, &entry.workspace) {
                homes.insert(hosted.clone(), workspace.clone());
            }
        }
        homes
    }
}

/// The workspaces that users want for the terminals of their hosted sessions.
#[must_use]
pub fn wanted(place: &Place) -> Homes {
    let kept = place.records().kept.into_iter();
    let wanted = kept.filter_map(|record| {
        let workspace = CleanText::line(&record.session.workspace?).some()?;
        Some((record.session.id, workspace))
    });
    wanted.gather()
}

/// Where the terminals of hosted sessions are opened, as the files say.
#[must_use]
pub fn homes(paths: &Paths) -> Homes {
    let roll = Roll::load(&paths.roll()).unwrap_or_default();
    roll.homes(&wanted(&Place::of(paths)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Host, HostKind, State, WindowRef, made};

    fn session(pid: u32, conversation: &str, workspace: Option<&str>) -> Session {
        Session {
            session_id: ConversationId::new(conversation),
            agent: CleanText::line("claude"),
            workspace: workspace.map(CleanText::line),
            window: workspace.map(|_| WindowRef::default()),
            host: Some(Host {
                kind: HostKind::Vmux,
                target: CleanText::line(&format!("h{pid:04}")).some(),
                ..Host::default()
            }),
            ..made::session(pid, "/srv/shop", State::Idle)
        }
    }

    fn in_a_window(session: Session) -> Session {
        Session {
            host: None,
            ..session
        }
    }

    fn known(roll: &Roll) -> Vec<(&str, bool)> {
        let entries = roll.entries.iter();
        entries
            .map(|entry| {
                (
                    entry.conversation.as_ref().unwrap().as_str(),
                    entry.is_lost(),
                )
            })
            .collect()
    }

    #[test]
    fn a_workspace_is_remembered_when_no_window_shows_it() {
        let mut roll = Roll::default();
        let at = made::at(0);
        roll.see([&session(1, "a", Some("3: web"))].into_iter(), "boot", at);
        roll.see(
            [&session(1, "a", Some("scratchpad"))].into_iter(),
            "boot",
            at,
        );
        roll.see([&session(1, "a", None)].into_iter(), "boot", at);
        let unplaced = Session {
            host: None,
            ..session(1, "a", None)
        };
        roll.see([&unplaced].into_iter(), "boot", at);
        let wanted = [("h0001", "9"), ("h0002", "2")];
        let wanted = wanted.map(|(id, name)| (id.to_owned(), CleanText::line(name)));
        let homes = roll.homes(&wanted.into_iter().gather());
        assert_eq!(homes.get("h0001").map(|it| &**it), Some("3: web"));
        assert_eq!(homes.get("h0002").map(|it| &**it), Some("2"));
    }

    #[test]
    fn what_ended_while_somebody_looked_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.json");
        let at = made::second;
        let all = (1..=3).map(|pid| in_a_window(session(pid, &format!("c{pid}"), None)));
        let all: Vec<Session> = all.collect();
        let mut roll = Roll::default();
        roll.see(all.iter(), "one", at(0));
        roll.see(all[1..].iter(), "one", at(100));
        roll.see(all[2..].iter(), "one", at(119));
        roll.stopped = Some(at(120));
        roll.save(&path).unwrap();
        let lost = Roll::load(&path).unwrap();
        assert_eq!(
            known(&lost),
            [("c2", true), ("c3", true)],
            "these ended with the machine"
        );
        roll.stopped = None;
        roll.save(&path).unwrap();
        assert_eq!(known(&Roll::load(&path).unwrap()), [("c3", true)]);
        // The next daemon: a new boot, in which one conversation goes on.
        let mut next = lost;
        next.see([&session(3, "c2", None)].into_iter(), "two", at(500));
        assert_eq!(known(&next), [("c3", true), ("c2", false)]);
        next.see(
            [].into_iter(),
            "two",
            at(500) + LOST + TimeDelta::seconds(1),
        );
        assert_eq!(known(&next), [], "nobody wanted the other");
    }

    #[test]
    fn what_ended_with_its_holder_is_lost() {
        let mut roll = Roll::default();
        let all = [session(1, "killed", None), session(2, "ended", None)];
        roll.see(all.iter(), "one", made::second(0));
        roll.see([].into_iter(), "one", made::second(100));
        assert_eq!(known(&roll), [("killed", false), ("ended", false)]);
        assert!(!roll.settle(|_| None));
        assert!(roll.settle(|hosted| Some(hosted == "h0001")));
        assert_eq!(known(&roll), [("killed", true)]);
        assert!(!roll.settle(|_| Some(false)));
        let entry = roll.of_hosted("h0001").unwrap();
        assert_eq!(entry.conversation, ConversationId::new("killed"));
    }

    #[test]
    fn the_roll_is_bounded_and_a_broken_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.json");
        assert_eq!(Roll::load(&path).unwrap(), Roll::default());
        std::fs::write(&path, "{").unwrap();
        Roll::load(&path).unwrap_err();
        let mut roll = Roll::default();
        for boot in 0..5 {
            let all: Vec<Session> = (0..400)
                .map(|pid| session(pid, &format!("{boot}-{pid}"), None))
                .collect();
            roll.see(all.iter(), &boot.to_string(), made::at(0));
            for entry in &mut roll.entries {
                entry.alive = false;
            }
        }
        roll.see([].into_iter(), "last", made::at(0));
        assert_eq!(roll.entries.len(), MOST);
        assert_eq!(
            roll.entries.last().unwrap().conversation,
            ConversationId::new("4-399")
        );
    }
}
