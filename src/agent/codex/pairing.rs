//! Which terminal shows which conversation of the app-server. Pure.
//!
//! Nothing records it: what is said here is inferred, or ambiguous, and never a guess between two
//! that fit.
//!
//! **Source:** 0.171.0: a terminal's conversation is made 1.3 to 2.9 s after its process began
//! (10 s where the app-server had to be installed first) and its id, a UUIDv7, holds that time. `/new`
//! loads another one; the one that was left is unloaded a minute later. A conversation that is
//! resumed keeps its id.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{Pid, time};
use crate::core::sorted::{Arrange as _, Gather as _};

/// A terminal's first conversation is made within this time from its start.
pub const FIRST_WITHIN: TimeDelta = TimeDelta::seconds(20);

/// Clocks of the kernel and of the program differ by less.
const BEFORE: TimeDelta = TimeDelta::seconds(1);

/// A Codex process on a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// The process.
    pub pid: Pid,
    /// Where it works.
    pub cwd: PathBuf,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// Its arguments resume or fork a conversation, which may be older than it.
    pub resumes: bool,
    /// The conversation that its arguments name.
    pub named: Option<String>,
}

/// A conversation that the app-server has loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Its id.
    pub id: String,
    /// Where it works.
    pub cwd: PathBuf,
    /// Its place in the order of appearance: a higher one appeared later.
    pub seen: u64,
}

/// What a terminal shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// This conversation, by this rule.
    Thread(String, &'static str),
    /// One of several.
    Ambiguous,
    /// None that is known.
    Nothing,
}

/// When a conversation was made, by its id.
#[must_use]
pub fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let hex: String = id.chars().filter(|c| *c != '-').collect();
    let is_v7 = hex.len() == 32 && hex.is_ascii() && hex.as_bytes()[12] == b'7';
    let millis = i64::from_str_radix(hex.get(..12).filter(|_| is_v7)?, 16).ok()?;
    time::from_millis(millis)
}

/// What each terminal shows. `kept` is what each showed when that was known last; it is brought up
/// to date, and stays where nothing better is known.
#[must_use]
pub fn pair(
    terminals: &[Terminal],
    loaded: &[Loaded],
    kept: &mut BTreeMap<Pid, String>,
) -> BTreeMap<Pid, Shown> {
    let mut shown = BTreeMap::new();
    let dirs: BTreeSet<&Path> = terminals.iter().map(|t| t.cwd.as_path()).gather();
    for dir in dirs {
        let there: Vec<&Terminal> = terminals.iter().filter(|t| t.cwd == dir).collect();
        let mut fit: Vec<&Loaded> = loaded.iter().filter(|l| l.cwd == dir).collect();
        fit.arrange_by_key(|l| l.seen);
        match there[..] {
            [only] => drop(shown.insert(only.pid, alone(only, &fit, kept.get(&only.pid)))),
            _ => shown.extend(among(&there, &fit, kept)),
        }
    }
    kept.retain(|pid, _| terminals.iter().any(|t| t.pid == *pid));
    for (pid, shown) in &shown {
        if let Shown::Thread(id, _) = shown {
            kept.insert(*pid, id.clone());
        }
    }
    shown
}

/// The only terminal in its directory: what was loaded there last was loaded by it.
fn alone(terminal: &Terminal, fit: &[&Loaded], kept: Option<&String>) -> Shown {
    let later = fit
        .iter()
        .rev()
        .find(|l| kept.is_some() || may_show(terminal, l));
    later.map_or(Shown::Nothing, |l| {
        let rule = match terminal.named.as_ref() == Some(&l.id) {
            true => "its arguments name the conversation",
            false => {
                "it is the only terminal in its directory, and this the last conversation there"
            }
        };
        Shown::Thread(l.id.clone(), rule)
    })
}

/// Whether a terminal can show a conversation at all.
fn may_show(terminal: &Terminal, loaded: &Loaded) -> bool {
    let Some((made, started)) = made_at(&loaded.id).zip(terminal.started_at) else {
        return true;
    };
    terminal.resumes || made >= time::before(started, BEFORE)
}

/// Whether this is the first conversation of a terminal.
fn is_first(terminal: &Terminal, loaded: &Loaded) -> bool {
    let times = made_at(&loaded.id).zip(terminal.started_at);
    !terminal.resumes
        && times.is_some_and(|(made, started)| {
            made >= time::before(started, BEFORE) && made <= time::after(started, FIRST_WITHIN)
        })
}

/// Several terminals in one directory.
fn among(
    there: &[&Terminal],
    fit: &[&Loaded],
    kept: &BTreeMap<Pid, String>,
) -> BTreeMap<Pid, Shown> {
    let mut found: BTreeMap<Pid, (&str, &'static str)> = BTreeMap::new();
    for terminal in there {
        let named = kept.get(&terminal.pid).is_none().then_some(&terminal.named);
        let is = |id: Option<&String>| fit.iter().find(|l| id == Some(&l.id));
        if let Some(l) = is(kept.get(&terminal.pid)) {
            found.insert(
                terminal.pid,
                (&l.id, "it showed this conversation, which is still loaded"),
            );
        } else if let Some(l) = named.and_then(|named| is(named.as_ref())) {
            found.insert(terminal.pid, (&l.id, "its arguments name the conversation"));
        }
    }
    let unowned = |found: &BTreeMap<Pid, (&str, _)>| -> Vec<&Loaded> {
        let owned: BTreeSet<&str> = found.values().map(|(id, _)| *id).gather();
        fit.iter()
            .copied()
            .filter(|l| !owned.contains(&*l.id))
            .collect()
    };
    let unpaired = |found: &BTreeMap<Pid, _>| -> Vec<&Terminal> {
        there
            .iter()
            .copied()
            .filter(|t| !found.contains_key(&t.pid))
            .collect()
    };
    // What was made before a terminal began is not its own: in a row of starts each is told apart.
    while let Some((pid, first)) = only_first(&unpaired(&found), &unowned(&found)) {
        let rule = "this conversation was made in its directory just after its start";
        found.insert(pid, (first, rule));
    }
    let (free, open) = (unpaired(&found), unowned(&found));
    if let ([terminal], [l]) = (&free[..], &open[..])
        && may_show(terminal, l)
    {
        let rule = "every other terminal in its directory shows another conversation";
        found.insert(terminal.pid, (&l.id, rule));
    }
    // A new one that nobody is known to show: any of them may have left its own for it.
    let open = unowned(&found);
    let doubt = |terminal: &Terminal| {
        open.iter()
            .any(|l| may_have_left(terminal, l, found.get(&terminal.pid), fit))
    };
    let shown = there.iter().map(|terminal| {
        let shown = match found.get(&terminal.pid) {
            _ if doubt(terminal) => Shown::Ambiguous,
            Some((id, rule)) => Shown::Thread((*id).to_owned(), rule),
            None => Shown::Nothing,
        };
        (terminal.pid, shown)
    });
    shown.gather()
}

/// A conversation that can be the first of one of these terminals only.
fn only_first<'a>(free: &[&Terminal], open: &[&'a Loaded]) -> Option<(Pid, &'a str)> {
    open.iter().find_map(|l| {
        let mut fit = free.iter().filter(|terminal| is_first(terminal, l));
        let pid = fit.next()?.pid;
        fit.next().is_none().then_some((pid, &*l.id))
    })
}

/// Whether a terminal may show this conversation instead of what it is known to have shown.
fn may_have_left(
    terminal: &Terminal,
    l: &Loaded,
    own: Option<&(&str, &'static str)>,
    fit: &[&Loaded],
) -> bool {
    let Some((own, _)) = own else {
        return may_show(terminal, l);
    };
    // What was loaded before its own was there for another one, or was left by it.
    fit.iter()
        .find(|f| f.id == **own)
        .is_none_or(|own| l.seen > own.seen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        time::from_seconds(1_795_865_000 + seconds).unwrap()
    }

    /// An id that was made then.
    fn id(seconds: i64, n: u32) -> String {
        let millis = at(seconds).timestamp_millis();
        let hex = format!("{millis:012x}");
        format!(
            "{}-{}-7{:03x}-8000-{n:012x}",
            &hex[..8],
            &hex[8..],
            n % 4096
        )
    }

    fn terminal(pid: u32, seconds: i64) -> Terminal {
        Terminal {
            pid: Pid(pid),
            cwd: "/w".into(),
            started_at: Some(at(seconds)),
            resumes: false,
            named: None,
        }
    }

    fn loaded(id: &str, seen: u64) -> Loaded {
        Loaded {
            id: id.to_owned(),
            cwd: "/w".into(),
            seen,
        }
    }

    /// What each terminal shows, by its pid: the id, or a word.
    fn shows(
        terminals: &[Terminal],
        all: &[Loaded],
        kept: &mut BTreeMap<Pid, String>,
    ) -> Vec<(u32, String)> {
        let shown = pair(terminals, all, kept).into_iter();
        let words = shown.map(|(pid, shown)| match shown {
            Shown::Thread(id, _) => (pid.0, id),
            Shown::Ambiguous => (pid.0, "ambiguous".into()),
            Shown::Nothing => (pid.0, "nothing".into()),
        });
        words.collect()
    }

    #[test]
    fn an_id_holds_the_time_it_was_made() {
        let made = made_at("01a221f3-6a13-73f3-838d-9deb067035b8").unwrap();
        assert_eq!(made.timestamp_millis(), 1_795_865_930_259);
        for odd in [
            "",
            "01a221f3",
            "01a221f3-6a13-43f3-838d-9deb067035b8",
            "é".repeat(32).as_str(),
        ] {
            assert_eq!(made_at(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_only_terminal_shows_what_was_loaded_last() {
        let mut kept = BTreeMap::new();
        let (one, two) = (id(2, 1), id(300, 2));
        let left = loaded(&id(-500, 9), 0);
        let t = [terminal(1, 0)];
        assert_eq!(
            shows(&t, std::slice::from_ref(&left), &mut kept),
            [(1, "nothing".into())],
            "left by an earlier one"
        );
        assert_eq!(
            shows(&t, &[left.clone(), loaded(&one, 1)], &mut kept),
            [(1, one.clone())]
        );
        let after_new = [loaded(&one, 1), loaded(&two, 2)];
        assert_eq!(shows(&t, &after_new, &mut kept), [(1, two.clone())]);
        let back = loaded(&id(-900, 8), 3);
        let resumed = [loaded(&two, 2), back.clone()];
        assert_eq!(shows(&t, &resumed, &mut kept), [(1, back.id)]);
        let elsewhere = Terminal {
            cwd: "/v".into(),
            ..terminal(1, 0)
        };
        assert_eq!(
            shows(&[elsewhere], &after_new, &mut kept),
            [(1, "nothing".into())]
        );
    }

    #[test]
    fn neighbours_are_told_apart_by_the_time_of_their_start() {
        let mut kept = BTreeMap::new();
        let (one, two) = (id(2, 1), id(102, 2));
        let t = [terminal(1, 0), terminal(2, 100)];
        let all = [loaded(&one, 1), loaded(&two, 2)];
        assert_eq!(
            shows(&t, &all, &mut kept),
            [(1, one.clone()), (2, two.clone())]
        );
        let row = [terminal(1, 0), terminal(2, 6), terminal(3, 12)];
        let made = [id(2, 1), id(8, 2), id(14, 3)];
        let all = [
            loaded(&made[2], 1),
            loaded(&made[0], 2),
            loaded(&made[1], 3),
        ];
        let each = (1..).zip(made.clone()).collect::<Vec<_>>();
        assert_eq!(shows(&row, &all, &mut BTreeMap::new()), each);
        let together = [terminal(1, 0), terminal(2, 1)];
        let all = [loaded(&one, 1), loaded(&id(3, 2), 2)];
        assert_eq!(
            shows(&together, &all, &mut BTreeMap::new()),
            [(1, "ambiguous".into()), (2, "ambiguous".into())]
        );
    }

    #[test]
    fn a_new_conversation_of_one_of_two_is_ambiguous_until_the_old_one_is_unloaded() {
        let (one, two, new) = (id(2, 1), id(102, 2), id(500, 3));
        let t = [terminal(1, 0), terminal(2, 100)];
        let mut kept = BTreeMap::new();
        let mut all = vec![loaded(&one, 1), loaded(&two, 2)];
        shows(&t, &all, &mut kept);
        all.push(loaded(&new, 3));
        let doubt = [(1, "ambiguous".into()), (2, "ambiguous".into())];
        assert_eq!(shows(&t, &all, &mut kept), doubt);
        assert_eq!(
            shows(&t, &all, &mut kept),
            doubt,
            "also when it is asked again"
        );
        all.remove(0);
        assert_eq!(shows(&t, &all, &mut kept), [(1, new), (2, two)]);
    }

    #[test]
    fn arguments_name_a_conversation() {
        let (old, other) = (id(-900, 1), id(-800, 2));
        let resumes = |pid, named: Option<&String>| Terminal {
            resumes: true,
            named: named.cloned(),
            ..terminal(pid, 0)
        };
        let all = [loaded(&old, 1), loaded(&other, 2)];
        let t = [resumes(1, Some(&old)), resumes(2, None)];
        assert_eq!(
            shows(&t, &all, &mut BTreeMap::new()),
            [(1, old.clone()), (2, other.clone())]
        );
        let t = [resumes(1, None), resumes(2, None)];
        assert_eq!(
            shows(&t, &all, &mut BTreeMap::new()),
            [(1, "ambiguous".into()), (2, "ambiguous".into())]
        );
    }

    proptest! {
        /// However many start when: no conversation is shown by two, no terminal shows one that was
        /// made before it, and turning the lists around changes nothing.
        #[test]
        fn nothing_is_claimed_twice(
            starts in prop::collection::vec(0i64..60, 1..5),
            made in prop::collection::vec(-30i64..80, 0..6),
        ) {
            let terminals: Vec<_> = (1..).zip(&starts).map(|(pid, start)| terminal(pid, *start)).collect();
            let mut all: Vec<_> = (1..).zip(&made).map(|(n, made)| loaded(&id(*made, n), u64::from(n))).collect();
            let shown = pair(&terminals, &all, &mut BTreeMap::new());
            prop_assert_eq!(shown.len(), terminals.len());
            let mut claimed = BTreeSet::new();
            for (pid, shown) in &shown {
                if let Shown::Thread(id, _) = shown {
                    prop_assert!(claimed.insert(id.clone()), "{} is shown twice", id);
                    let start = at(starts[pid.0 as usize - 1]);
                    prop_assert!(made_at(id).unwrap() >= time::before(start, BEFORE));
                }
            }
            all.reverse();
            let mut turned = terminals.clone();
            turned.reverse();
            prop_assert_eq!(pair(&turned, &all, &mut BTreeMap::new()), shown);
        }
    }
}
