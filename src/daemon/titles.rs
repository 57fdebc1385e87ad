//! What the titles of terminals tell of sessions of which nothing better tells. Pure.
//!
//! A title spins up to ten times a second. What travels is what its agent reads in it, when that
//! changes; a title that no longer moves was left behind by what died or hangs, and says nothing.
//! A window manager tells of each change. tmux does not: its panes are read while somebody wants to
//! know, ever more rarely.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::agent::TitleReader;
use crate::core::model::{LocalKey, Pid, State, TitleFact, WindowKey, WmAddress, time};
use crate::core::text::CleanText;

/// The title of a window that tells a state moves each second at least.
const STILL: Duration = Duration::from_secs(5);
/// Shortest and longest pause before a pane is read again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32));
/// How late a pane may be read.
const LATE: Duration = Duration::from_secs(3);

/// What is told on.
pub(super) type News = Vec<(LocalKey, TitleFact)>;

/// Now, by the clock of the machine and by the time of day.
pub(super) type Now = (Instant, DateTime<Utc>);

/// Where the title of a session alone stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Spot {
    /// On a window that shows nothing else.
    Window(WmAddress, WindowKey),
    /// In a pane, as its server calls it.
    Pane(Pid, String),
}

/// A place where a title can be read, and who reads it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) spot: Spot,
    pub(super) reader: TitleReader,
    /// What stands in the pane now.
    pub(super) title: Option<CleanText>,
}

/// A title that somebody wants to know of.
#[derive(Debug)]
struct Wanted {
    since: DateTime<Utc>,
    says: Option<State>,
    title: CleanText,
    /// When a window's title has stood still for too long, or a pane is read again.
    due: Option<Instant>,
    pause: Duration,
}

/// All titles that are read.
#[derive(Debug, Default)]
pub(super) struct Titles {
    /// As the last pass has found them.
    shown: BTreeMap<LocalKey, Shown>,
    wanted: BTreeMap<LocalKey, Wanted>,
}

impl Titles {
    /// Takes over whose titles are wanted, and since when.
    pub(super) fn want(&mut self, all: &BTreeMap<LocalKey, DateTime<Utc>>, now: Now) -> News {
        let ended = |key: &LocalKey| !all.contains_key(key);
        let left = self.wanted.keys().copied().filter(ended).collect();
        let news = self.forget(left, now);
        for (key, since) in all {
            let same = self.wanted.get(key).is_some_and(|w| w.since == *since);
            if same {
                continue;
            }
            let is_pane = self.shown.get(key).is_some_and(Shown::is_pane);
            let wanted = self.wanted.entry(*key).or_insert_with(|| Wanted {
                since: *since,
                says: None,
                title: CleanText::default(),
                due: None,
                pause: Duration::ZERO,
            });
            wanted.since = *since;
            if is_pane {
                (wanted.due, wanted.pause) = (Some(now.0), Duration::ZERO);
            }
        }
        news
    }

    /// Takes over where the titles of sessions stand, and what panes are titled.
    pub(super) fn found(&mut self, shown: BTreeMap<LocalKey, Shown>, now: Now) -> News {
        let moved = |(key, before): (&LocalKey, &Shown)| {
            let spot = shown.get(key).map(|shown| &shown.spot);
            (spot != Some(&before.spot)).then_some(*key)
        };
        let left: Vec<LocalKey> = self.shown.iter().filter_map(moved).collect();
        let mut news = Vec::new();
        for key in left {
            news.extend(self.tell(key, None, None, now.1));
        }
        for (key, place) in &shown {
            if let Some(title) = &place.title {
                news.extend(self.read(*key, (place.reader)(title), now));
            }
        }
        self.shown = shown;
        news
    }

    /// A window manager has told these titles.
    pub(super) fn heard(
        &mut self,
        manager: &WmAddress,
        titles: &BTreeMap<WindowKey, CleanText>,
        now: Now,
    ) -> News {
        let title = |shown: &Shown| match &shown.spot {
            Spot::Window(of, key) if of == manager => titles.get(key).cloned(),
            _ => None,
        };
        let told = self.shown.iter().filter_map(|(key, shown)| {
            let title = title(shown)?;
            Some((*key, (shown.reader)(&title), title))
        });
        let told: Vec<_> = told.collect();
        let mut news = Vec::new();
        for (key, says, title) in told {
            let Some(wanted) = self.wanted.get_mut(&key) else {
                continue;
            };
            if wanted.title != title {
                wanted.title = title;
                wanted.due = says.map(|_| now.0 + STILL);
                news.extend(self.tell(key, says, None, now.1));
            }
        }
        news
    }

    /// What stands in a pane.
    fn read(
        &mut self,
        key: LocalKey,
        says: Option<State>,
        now: Now,
    ) -> Option<(LocalKey, TitleFact)> {
        let wanted = self.wanted.get_mut(&key)?;
        let early = wanted.due.is_some_and(|due| due > now.0);
        if early && wanted.says == says {
            return None;
        }
        wanted.pause = match wanted.says == says {
            true => (wanted.pause * 2).clamp(AGAIN.0, AGAIN.1),
            false => AGAIN.0,
        };
        wanted.due = Some(now.0 + wanted.pause);
        let holds = wanted.pause + LATE;
        let until = says.map(|_| time::after(now.1, delta(holds)));
        self.tell(key, says, until, now.1)
    }

    /// Tells what is new: a state, or how long it holds.
    fn tell(
        &mut self,
        key: LocalKey,
        says: Option<State>,
        until: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Option<(LocalKey, TitleFact)> {
        let wanted = self.wanted.get_mut(&key)?;
        let same = wanted.says == says && until.is_none();
        wanted.says = says;
        (!same).then_some((key, TitleFact { says, at, until }))
    }

    /// Ends what is told of these sessions.
    fn forget(&mut self, keys: Vec<LocalKey>, now: Now) -> News {
        let ends = keys.into_iter().filter_map(|key| {
            let news = self.tell(key, None, None, now.1);
            self.wanted.remove(&key);
            news
        });
        ends.collect()
    }

    /// Nothing is followed any more.
    pub(super) fn end(&mut self, now: Now) -> News {
        let all = self.wanted.keys().copied().collect();
        self.shown.clear();
        self.forget(all, now)
    }

    /// The windows whose titles are wanted, by their managers.
    pub(super) fn windows(&self) -> BTreeMap<&WmAddress, BTreeSet<WindowKey>> {
        let mut windows: BTreeMap<&WmAddress, BTreeSet<WindowKey>> = BTreeMap::new();
        for key in self.wanted.keys() {
            if let Some(Shown {
                spot: Spot::Window(manager, window),
                ..
            }) = self.shown.get(key)
            {
                windows.entry(manager).or_default().insert(*window);
            }
        }
        windows
    }

    /// When [`Titles::late`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.wanted.values().filter_map(|wanted| wanted.due).min()
    }

    /// Ends what stands still, and tells whether panes are to be read.
    pub(super) fn late(&mut self, now: Now) -> (News, bool) {
        let is_due = |(_, wanted): &(&LocalKey, &Wanted)| wanted.due.is_some_and(|at| at <= now.0);
        let due: Vec<LocalKey> = self.wanted.iter().filter(is_due).map(|(k, _)| *k).collect();
        let (mut news, mut panes) = (Vec::new(), false);
        for key in due {
            if self.shown.get(&key).is_some_and(Shown::is_pane) {
                panes = true;
                continue;
            }
            if let Some(wanted) = self.wanted.get_mut(&key) {
                wanted.due = None;
            }
            news.extend(self.tell(key, None, None, now.1));
        }
        (news, panes)
    }
}

impl Shown {
    fn is_pane(&self) -> bool {
        matches!(self.spot, Spot::Pane(..))
    }
}

fn delta(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Xid;
    use crate::sys::clock;

    const WORKS: Option<State> = Some(State::Working);
    const ASKS: Option<State> = Some(State::NeedsInput);

    /// Titles, and a clock of seconds.
    struct Told {
        titles: Titles,
        began: Now,
        second: u64,
    }

    impl Told {
        fn new() -> Self {
            Self {
                titles: Titles::default(),
                began: (clock::steady(), clock::now()),
                second: 0,
            }
        }

        fn at(&self, second: u64) -> DateTime<Utc> {
            time::after(self.began.1, delta(Duration::from_secs(second)))
        }

        fn now(&self) -> Now {
            let steady = self.began.0 + Duration::from_secs(self.second);
            (steady, self.at(self.second))
        }

        /// Somebody wants to know of the only session since then.
        fn wants(&mut self, since: Option<u64>) -> Vec<Option<State>> {
            let wanted = since.map(|since| (key(), self.at(since)));
            let now = self.now();
            said(self.titles.want(&wanted.into_iter().collect(), now))
        }

        fn window(&mut self) -> Vec<Option<State>> {
            let shown = shown(Spot::Window(manager(), window()), None);
            let now = self.now();
            said(self.titles.found(shown, now))
        }

        fn pane(&mut self, title: &str) -> News {
            let shown = shown(Spot::Pane(Pid(7), "%1".into()), Some(title));
            let now = self.now();
            self.titles.found(shown, now)
        }

        fn hears(&mut self, title: &str) -> Vec<Option<State>> {
            let titles = BTreeMap::from([(window(), CleanText::line(title))]);
            let now = self.now();
            said(self.titles.heard(&manager(), &titles, now))
        }

        fn late(&mut self) -> (Vec<Option<State>>, bool) {
            let now = self.now();
            let (news, panes) = self.titles.late(now);
            (said(news), panes)
        }
    }

    fn key() -> LocalKey {
        LocalKey {
            pid: Pid(1),
            start_ticks: 2,
        }
    }

    fn manager() -> WmAddress {
        WmAddress("x11::7".into())
    }

    fn window() -> WindowKey {
        WindowKey::X(Xid(5))
    }

    fn shown(spot: Spot, title: Option<&str>) -> BTreeMap<LocalKey, Shown> {
        let reader: TitleReader = |title| match title.as_bytes().first() {
            Some(b'w') => WORKS,
            Some(b'a') => ASKS,
            _ => None,
        };
        let title = title.map(CleanText::line);
        BTreeMap::from([(
            key(),
            Shown {
                spot,
                reader,
                title,
            },
        )])
    }

    fn said(news: News) -> Vec<Option<State>> {
        news.into_iter().map(|(_, fact)| fact.says).collect()
    }

    #[test]
    fn only_a_change_of_what_a_title_says_is_told() {
        let mut told = Told::new();
        assert!(told.window().is_empty());
        assert!(told.hears("w 0").is_empty(), "nobody wants to know");
        assert!(told.titles.windows().is_empty());
        assert!(told.wants(Some(0)).is_empty());
        assert_eq!(told.titles.windows().len(), 1);
        assert_eq!(told.hears("w 1"), [WORKS]);
        for step in 0..50 {
            assert!(told.hears(&format!("w {step}")).is_empty());
        }
        assert_eq!(told.hears("a 1"), [ASKS]);
        assert!(told.hears("a 2").is_empty());
        assert_eq!(told.hears("shop"), [None]);
        assert!(told.hears("mail").is_empty());
        assert_eq!(told.hears("w 1"), [WORKS]);
        assert_eq!(told.wants(None), [None], "nobody wants to know any more");
        assert!(told.titles.windows().is_empty() && told.titles.due().is_none());
    }

    #[test]
    fn a_title_that_stands_still_says_nothing() {
        let mut told = Told::new();
        told.window();
        told.wants(Some(0));
        assert_eq!(told.hears("w 1"), [WORKS]);
        told.second = 4;
        assert_eq!(told.late(), (vec![], false));
        assert!(told.hears("w 2").is_empty());
        told.second = 8;
        assert!(told.hears("w 2").is_empty(), "the same text is no step");
        told.second = 9;
        assert_eq!(told.late(), (vec![None], false));
        assert_eq!(told.titles.due(), None, "it wakes nobody");
        assert_eq!(told.hears("w 3"), [WORKS]);
    }

    #[test]
    fn a_title_is_nobodys_once_its_window_may_show_another() {
        let mut told = Told::new();
        told.window();
        told.wants(Some(0));
        assert_eq!(told.hears("w 1"), [WORKS]);
        let now = told.now();
        assert_eq!(said(told.titles.found(BTreeMap::new(), now)), [None]);
        assert!(told.hears("w 2").is_empty());
        told.window();
        assert_eq!(told.hears("w 3"), [WORKS]);
        assert_eq!(said(told.titles.end(told.began)), [None]);
    }

    #[test]
    fn a_pane_is_read_ever_more_rarely_while_somebody_wants_to_know() {
        let mut told = Told::new();
        assert!(told.pane("w 1").is_empty(), "nobody wants to know");
        assert_eq!(told.titles.due(), None);
        told.wants(Some(0));
        let (mut reads, mut held) = (Vec::new(), 0);
        while told.second < 100 {
            if told.titles.due().is_some_and(|due| due <= told.now().0) {
                assert_eq!(told.late(), (vec![], true));
                let news = told.pane("w 1");
                assert!(told.pane("w 1").is_empty(), "a pass for another reason");
                let until = news[0].1.until.unwrap();
                assert!(told.second == 0 || held > told.second, "it held until now");
                held = u64::try_from((until - told.began.1).num_seconds()).unwrap();
                reads.push(told.second);
            }
            told.second += 1;
        }
        assert_eq!(reads, [0, 1, 3, 7, 15, 31, 63, 95]);
        told.second = 101;
        assert!(told.wants(Some(101)).is_empty(), "something happened");
        assert_eq!(told.late(), (vec![], true));
        assert_eq!(said(told.pane("a 1")), [ASKS]);
        assert_eq!(said(told.pane("shop")), [None], "at once");
    }
}
