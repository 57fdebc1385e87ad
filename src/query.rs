//! User text -> session: exact id, pid, label, name, then fuzzy. Pure.
//!
//! The fuzzy part follows skim, so that `vmux switch` and `vmux pick` agree on the best match:
//! the same algorithm (skim's v2), the same text, the same query language (`word`, `'exact`,
//! `^start`, `end$`, `!not`, `a | b`), the same tie-break (score, begin, end, given order).
//! **Source:** skim 5.9.0, `engine/factory.rs`, `item.rs`; a test compares the two.

use std::sync::Arc;

use fuzzy_matcher::FuzzyMatcher as _;
use fuzzy_matcher::skim::SkimMatcherV2;

use crate::model::{ConversationId, Session, SessionKey};

/// Query that means the session that waits longest.
pub const WAITING: &str = "@waiting";

/// Shortest start of an id that is taken for one.
const PREFIX: usize = 4;

/// Why a query names no single session.
#[derive(Clone, PartialEq, Debug)]
pub enum QueryError {
    /// Nothing fits.
    NoMatch,
    /// `@waiting`, and nothing waits.
    NothingWaits,
    /// These fit equally well, in the given order.
    Ambiguous(Vec<Arc<Session>>),
}

/// Finds the session that `query` names among `sessions`, which are in display order.
///
/// # Errors
/// See [`QueryError`].
pub fn resolve(query: &str, sessions: &[Arc<Session>]) -> Result<Arc<Session>, QueryError> {
    let query = query.trim();
    if query == WAITING {
        let first = sessions.iter().find(|session| session.wants_attention());
        return first.cloned().ok_or(QueryError::NothingWaits);
    }
    let tests: [fn(&Session, &str) -> bool; 6] = [
        |session, query| query.parse() == Ok(session.id),
        |session, query| {
            session
                .session_id
                .as_ref()
                .is_some_and(|id| id.as_str() == query)
        },
        |session, query| query.parse() == Ok(session.pid.0),
        |session, query| {
            session
                .label
                .as_deref()
                .is_some_and(|label| same(label, query))
        },
        |session, query| {
            let name = session
                .name
                .as_deref()
                .is_some_and(|name| same(name, query));
            name || same(&session.title(), query)
        },
        |session, query| {
            let id = session.session_id.as_ref().map(ConversationId::as_str);
            query.len() >= PREFIX && id.is_some_and(|id| id.starts_with(query))
        },
    ];
    for test in tests {
        let fitting: Vec<_> = sessions
            .iter()
            .filter(|s| test(s, query))
            .cloned()
            .collect();
        match fitting.len() {
            0 => {}
            1 => return Ok(Arc::clone(&fitting[0])),
            _ => return Err(QueryError::Ambiguous(fitting)),
        }
    }
    let ranked = rank(query, sessions);
    let Some(((best, _, _), session)) = ranked.first() else {
        return Err(QueryError::NoMatch);
    };
    let equal = ranked
        .iter()
        .take_while(|((score, _, _), _)| score == best)
        .count();
    if equal == 1 {
        return Ok(Arc::clone(session));
    }
    let ties = ranked[..equal]
        .iter()
        .map(|(_, session)| Arc::clone(session));
    Err(QueryError::Ambiguous(ties.collect()))
}

fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// Negated score, begin and end: ascending is best first.
type Rank = (i64, i64, i64);

/// The sessions that fit `query`, best first.
#[must_use]
pub fn rank(query: &str, sessions: &[Arc<Session>]) -> Vec<(Rank, Arc<Session>)> {
    let query = Query::parse(query);
    let matcher = SkimMatcherV2::default()
        .element_limit(usize::MAX)
        .smart_case();
    let mut ranked: Vec<_> = sessions
        .iter()
        .filter_map(|session| {
            let hit = query.hit(&search_text(session), &matcher)?;
            Some(((-hit.score, hit.begin, hit.end), Arc::clone(session)))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked
}

/// What a query is matched against: what a row shows, and what a person may remember.
#[must_use]
pub fn search_text(session: &Session) -> String {
    let target = session
        .host
        .as_ref()
        .and_then(|host| host.target.as_deref());
    let mut text = session.title().to_string();
    let parts = [
        session.git_branch.as_deref(),
        Some(session.state.as_str()),
        session.name.as_deref(),
        session.workspace.as_deref(),
        target,
    ];
    for part in parts.into_iter().flatten() {
        text.push(' ');
        text.push_str(part);
    }
    text.push(' ');
    text.push_str(&session.cwd.clean());
    text
}

struct Hit {
    score: i64,
    begin: i64,
    end: i64,
}

/// All of these must fit, each by any of its terms.
struct Query(Vec<Vec<Term>>);

struct Term {
    text: String,
    exact: bool,
    start: bool,
    end: bool,
    not: bool,
}

impl Query {
    fn parse(query: &str) -> Self {
        let masked = query.replace("\\ ", "\0");
        let mut words: Vec<String> = Vec::new();
        // `a | b` is one word: bars bind what stands around them, with or without spaces.
        let mut joined = false;
        for piece in masked.split(' ').filter(|piece| !piece.is_empty()) {
            let joins = joined || piece.starts_with('|');
            match words.last_mut() {
                Some(last) if joins => {
                    last.push('|');
                    last.push_str(piece);
                }
                _ => words.push(piece.to_owned()),
            }
            joined = piece.ends_with('|');
        }
        let terms = |word: &String| {
            let alternatives = word.split('|').filter(|term| !term.is_empty());
            alternatives
                .map(|term| Term::parse(&term.replace('\0', " ")))
                .collect()
        };
        Self(words.iter().map(terms).collect())
    }

    fn hit(&self, text: &str, matcher: &SkimMatcherV2) -> Option<Hit> {
        let mut all: Option<Hit> = None;
        for alternatives in &self.0 {
            let hits = alternatives
                .iter()
                .filter_map(|term| term.hit(text, matcher));
            let best = hits.max_by_key(|hit| hit.score)?;
            all = Some(match all {
                None => best,
                Some(sum) => Hit {
                    score: sum.score + best.score,
                    begin: sum.begin.min(best.begin),
                    end: sum.end.max(best.end),
                },
            });
        }
        Some(all.unwrap_or(Hit {
            score: 0,
            begin: 0,
            end: 0,
        }))
    }
}

impl Term {
    fn parse(mut text: &str) -> Self {
        let strip = |text: &mut &str, mark: char| {
            let rest = text.strip_prefix(mark);
            *text = rest.unwrap_or(text);
            rest.is_some()
        };
        let mut exact = strip(&mut text, '\'');
        let not = strip(&mut text, '!');
        if text.is_empty() {
            return Self {
                text: String::new(),
                exact: true,
                start: false,
                end: false,
                not: false,
            };
        }
        let start = strip(&mut text, '^');
        let end = text.ends_with('$');
        let text = text.strip_suffix('$').unwrap_or(text);
        exact |= not || start || end;
        Self {
            text: text.to_owned(),
            exact,
            start,
            end,
            not,
        }
    }

    fn hit(&self, text: &str, matcher: &SkimMatcherV2) -> Option<Hit> {
        if self.text.is_empty() {
            return Some(Hit {
                score: 0,
                begin: 0,
                end: 0,
            });
        }
        if !self.exact {
            let (score, indices) = matcher.fuzzy_indices(text, &self.text)?;
            let begin = indices.first().copied().unwrap_or(0);
            let end = indices.last().map_or(0, |last| last + 1);
            return Some(Hit {
                score,
                begin: begin as i64,
                end: end as i64,
            });
        }
        let found = self.find(text);
        match (found, self.not) {
            (Some((begin, end)), false) => {
                let (begin, end) = (begin as i64, end as i64);
                Some(Hit {
                    score: end - begin,
                    begin,
                    end,
                })
            }
            (None, true) => Some(Hit {
                score: 0,
                begin: 0,
                end: 0,
            }),
            _ => None,
        }
    }

    /// Where the text stands, in bytes; case counts if the query has an upper-case letter.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let cased = self.text.chars().any(char::is_uppercase);
        let length_at = |at: usize| {
            let mut rest = text[at..].chars();
            for want in self.text.chars() {
                let c = rest.next()?;
                let equal = c == want || (!cased && c.to_lowercase().eq(want.to_lowercase()));
                if !equal {
                    return None;
                }
            }
            Some(text.len() - at - rest.as_str().len())
        };
        let mut places = text.char_indices().map(|(at, _)| at);
        let fits = |at: usize| {
            let end = at + length_at(at)?;
            (!self.end || end == text.len()).then_some((at, end))
        };
        if self.start {
            fits(0)
        } else {
            places.find_map(fits)
        }
    }
}

/// The key in `id`, as a frontend gives a choice back.
#[must_use]
pub fn by_id(id: &str, sessions: &[Arc<Session>]) -> Option<Arc<Session>> {
    let key: SessionKey = id.parse().ok()?;
    sessions.iter().find(|session| session.id == key).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pid, RawPath, Reason, State};
    use crate::text::CleanText;

    fn session(pid: u32, dir: &str, id: &str) -> Session {
        Session {
            id: SessionKey {
                pid: Pid(pid),
                start_ticks: 9,
            },
            pid: Pid(pid),
            session_id: ConversationId::new(id),
            cwd: RawPath(format!("/work/{dir}")),
            ..Session::default()
        }
    }

    fn named(query: &str, sessions: &[Session]) -> Result<u32, Vec<u32>> {
        let sessions: Vec<_> = sessions.iter().cloned().map(Arc::new).collect();
        match resolve(query, &sessions) {
            Ok(session) => Ok(session.pid.0),
            Err(QueryError::Ambiguous(ties)) => Err(ties.iter().map(|s| s.pid.0).collect()),
            Err(_) => Err(vec![]),
        }
    }

    #[test]
    fn what_is_exact_wins_over_what_is_similar() {
        let labelled = Session {
            label: Some(CleanText::line("42")),
            ..session(7, "api", "aaaa-1")
        };
        let sessions = [
            session(42, "api-server", "bbbb-1"),
            labelled,
            session(8, "8-api", "aabb-2"),
        ];
        for (query, want) in [
            ("42-9", Ok(42)),
            ("42", Ok(42)),
            ("bbbb-1", Ok(42)),
            ("aaaa", Ok(7)),
            ("api-server", Ok(42)),
            ("API-Server", Ok(42)),
            ("8", Ok(8)),
            ("zzz", Err(vec![])),
            ("srv", Ok(42)),
        ] {
            assert_eq!(named(query, &sessions), want, "{query}");
        }
    }

    #[test]
    fn equal_matches_are_said_not_guessed() {
        let sessions = [
            session(1, "app", "a"),
            session(2, "app", "b"),
            session(3, "other", "c"),
        ];
        assert_eq!(named("app", &sessions), Err(vec![1, 2]), "one name twice");
        assert_eq!(named("ap", &sessions), Err(vec![1, 2]), "equal scores");
    }

    #[test]
    fn waiting_is_the_first_that_wants_attention() {
        let menu = Session {
            state: State::NeedsInput,
            reason: Some(Reason::Dialog),
            ..session(1, "a", "a")
        };
        let waits = Session {
            state: State::NeedsInput,
            ..session(2, "b", "b")
        };
        assert_eq!(named(WAITING, &[menu.clone(), waits]), Ok(2));
        assert_eq!(
            resolve(WAITING, &[Arc::new(menu)]),
            Err(QueryError::NothingWaits)
        );
    }

    #[test]
    fn the_query_language_is_skims() {
        let sessions = [
            session(1, "shop-web", "a"),
            session(2, "shop-api", "b"),
            session(3, "blog", "c"),
        ];
        for (query, want) in [
            ("shop api", Ok(2)),
            ("'web", Ok(1)),
            ("^blog", Ok(3)),
            ("api$", Ok(2)),
            ("!shop", Ok(3)),
            ("blog | nothing", Ok(3)),
            ("nothing|blog", Ok(3)),
            ("^nothing", Err(vec![])),
            ("SHOP", Err(vec![])),
        ] {
            assert_eq!(named(query, &sessions), want, "{query}");
        }
    }

    #[test]
    fn no_query_panics() {
        let sessions = [session(1, "ü-日本", "a")];
        for query in [
            "", " ", "|", "||", "'", "!", "^", "$", "!^$", "\\ ", "日", "a | ", "' | !", "@",
        ] {
            let _answer = named(query, &sessions);
        }
    }
}
