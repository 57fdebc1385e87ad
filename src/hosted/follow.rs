//! Follows all holders of an installation: each tells what changes of its session.
//!
//! Nothing is asked twice and nothing waits, but for the first word of holders that are new.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::link::Link;
use super::place::Place;
use super::{Hello, Info, frame};
use crate::core::few::Few;
use crate::sys::clock::{self, Deadline};

/// Longest wait for a holder to take the connection.
const CONNECT: Duration = Duration::from_millis(50);
/// Longest wait for the first word of all holders that are new.
const FIRST: Duration = Duration::from_millis(200);
/// Most holders that are followed.
const MOST: usize = 1024;

/// The holders.
#[derive(Default)]
pub struct Holders {
    place: Option<Place>,
    links: Few<String, Holder>,
    /// The directory is to be looked at.
    stale: bool,
}

struct Holder {
    link: Link,
    /// What it said last; `None` before that.
    info: Option<Info>,
}

/// What is new.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Terminals of which another thing is known now.
    pub terminals: Vec<PathBuf>,
    /// Sessions have begun or ended.
    pub others: bool,
}

impl Holders {
    /// Those of a place; nobody's if there is none.
    #[must_use]
    pub fn new(place: Option<Place>) -> Self {
        Self {
            place,
            links: Few::default(),
            stale: true,
        }
    }

    /// The directory where they are found.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.dirs()[0])
    }

    /// Something changed in the directory.
    pub fn note(&mut self) {
        self.stale = true;
    }

    /// Follows those that are new, if there may be some.
    pub fn look(&mut self) -> News {
        let mut news = News::default();
        let Some(place) = self.place.as_ref().filter(|_| self.stale) else {
            return news;
        };
        self.stale = false;
        let ids = place.ids().into_iter();
        let new: Vec<String> = ids
            .filter(|id| !self.links.contains_key(id) && place.socket(id).exists())
            .take(MOST.saturating_sub(self.links.len()))
            .collect();
        let mut waiting = Vec::new();
        for id in new {
            let hello = Hello::default();
            let asked = Link::connect(&place.socket(&id), &hello, CONNECT).and_then(|mut link| {
                link.send(frame::FOLLOW, b"")?;
                // One that is older says it once.
                link.send(frame::ASK, b"")?;
                Ok(link)
            });
            match asked {
                Ok(link) => {
                    self.links.insert(id.clone(), Holder { link, info: None });
                    waiting.push(id);
                }
                Err(error) => log::debug!("could not follow {id}: {error}"),
            }
        }
        let deadline = Deadline::after(FIRST);
        while !waiting.is_empty() && !deadline.passed() {
            let all = waiting.iter().filter_map(|id| self.links.get(id));
            let mut fds: Vec<PollFd<'_>> = all
                .map(|holder| PollFd::new(&holder.link, PollFlags::IN))
                .collect();
            if poll(&mut fds, Some(&clock::timespec(deadline.left()))).is_err() {
                break;
            }
            drop(fds);
            self.read(&mut news);
            let mute = |id: &String| self.links.get(id).is_some_and(|h| h.info.is_none());
            waiting.retain(mute);
        }
        news
    }

    /// Takes what they have sent. Never waits.
    pub fn take(&mut self) -> News {
        let mut news = News::default();
        self.read(&mut news);
        news
    }

    fn read(&mut self, news: &mut News) {
        let mut gone = Vec::new();
        for (id, holder) in self.links.iter_mut() {
            match holder.read() {
                Ok(Some(info)) => {
                    news.others |= holder.info.is_none();
                    news.terminals.extend(info.tty.clone());
                    holder.info = Some(info);
                }
                Ok(None) => {}
                Err(_) => gone.push(id.clone()),
            }
        }
        for id in gone {
            let holder = self.links.remove(&id);
            let Some(info) = holder.and_then(|holder| holder.info) else {
                // One that lets nobody in would be asked without end.
                continue;
            };
            news.terminals.extend(info.tty);
            news.others = true;
            // It may have become another process, which listens again.
            self.stale = true;
        }
    }

    /// What to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.links.values().map(|holder| holder.link.as_fd())
    }

    /// Their sessions that are alive.
    pub fn live(&self) -> impl Iterator<Item = &Info> {
        let infos = self
            .links
            .values()
            .filter_map(|holder| holder.info.as_ref());
        infos.filter(|info| info.ended.is_none())
    }

    /// The session whose terminal this is.
    #[must_use]
    pub fn on(&self, is: impl Fn(&Path) -> bool) -> Option<&Info> {
        self.live()
            .find(|info| info.tty.as_deref().is_some_and(&is))
    }
}

impl Holder {
    /// The last of what it has sent.
    fn read(&mut self) -> io::Result<Option<Info>> {
        let filled = self.link.fill();
        let mut last = None;
        while let Some((kind, payload)) = self.link.take()? {
            match kind {
                frame::INFO => last = Some(serde_json::from_slice(payload)?),
                frame::EXIT => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
        match (filled, last) {
            (Err(error), None) => Err(error),
            (_, last) => Ok(last),
        }
    }
}
