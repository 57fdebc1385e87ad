//! Sessions in terminals that holders keep: what those hear is told again with what agents claim.

use std::path::Path;

use super::Scout;
use crate::core::model::{Pid, TitleFact};
use crate::hosted::follow::News;

impl Scout {
    /// Whether a process is a session of an agent that gives way to others.
    pub(super) fn yields(&self, pid: Pid) -> bool {
        let known = self.outside.known.get(&pid);
        known.is_some_and(|known| self.watches[known.agent].yields())
    }

    /// Something changed in a directory.
    pub(super) fn holder_changed(&mut self, dir: &Path) {
        if self.outside.holders.dir() == Some(dir) {
            self.outside.holders.note();
        }
    }

    /// Looks for holders, if there may be new ones; whether that is told is seen to first.
    pub(super) fn look_at_holders(&mut self, unheard: bool) {
        let outside = &mut self.outside;
        let Some(dir) = outside.holders.dir().map(Path::to_path_buf) else {
            return;
        };
        if unheard || !outside.watcher.is_watched(&dir) {
            outside.holders.note();
            if let Err(error) = outside.watcher.add(&dir) {
                log::debug!("could not watch {}: {error}", dir.display());
            }
        }
        let news = outside.holders.look();
        self.tell_news(&news);
    }

    /// Takes what holders have sent, and looks for new ones where the directory says so.
    pub(super) fn hear_holders(&mut self) {
        let news = self.outside.holders.take();
        self.tell_news(&news);
        let news = self.outside.holders.look();
        self.tell_news(&news);
    }

    fn tell_news(&mut self, news: &News) {
        self.outside.look_around |= news.others;
        if news.terminals.is_empty() {
            return;
        }
        for pid in self.outside.sessions_on(&news.terminals) {
            self.tell_title(pid);
            self.of(pid, |watch, outside| {
                if watch.yields() {
                    watch.read(pid, outside);
                } else {
                    outside.tell_again(pid);
                }
            });
        }
    }

    /// Tells an agent what the title says that a holder has heard: no window need be looked at.
    fn tell_title(&mut self, pid: Pid) {
        let outside = &self.outside;
        let Some(known) = outside.known.get(&pid) else {
            return;
        };
        let at = known.agent;
        let reader = self.agents[at].title_reader();
        let Some(reader) = reader.filter(|_| self.watches[at].wants_title(pid).is_some()) else {
            return;
        };
        let told = outside.kept_by(pid).and_then(|info| info.told.as_ref());
        let Some((told, since)) = told.and_then(|told| Some((told, told.titled_at?))) else {
            return;
        };
        let own = crate::agent::told::is_of(told.titled_by, &outside.groups(pid));
        let title = TitleFact {
            says: told.title.as_deref().filter(|_| own).and_then(reader),
            at: since,
            until: None,
        };
        self.of(pid, |watch, outside| watch.take_title(pid, title, outside));
    }
}
