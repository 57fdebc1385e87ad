//! User text -> session: exact id, pid, label, name, then fuzzy. Pure.
//!
//! There is one matcher: [`rank`] orders sessions with [`Pattern::fit`] for `vmux switch`, and
//! `vmux pick` has skim order its list by the same.

mod fuzzy;
mod letters;
mod pattern;
mod searched;

use std::cmp::Reverse;
use std::sync::Arc;

pub use self::pattern::{Fit, Pattern};
pub use self::searched::Searched;

use self::letters::folded;
use crate::core::model::{ConversationId, Session, SessionKey, Standing};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;

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
    if let Some(exact) = exactly(query, sessions) {
        return exact;
    }
    let ranked = rank(query.trim(), sessions);
    let Some((best, session)) = ranked.first() else {
        return Err(QueryError::NoMatch);
    };
    let equal = ranked.iter().take_while(|(score, _)| score == best).count();
    if equal == 1 {
        return Ok(Arc::clone(session));
    }
    let ties = ranked[..equal]
        .iter()
        .map(|(_, session)| Arc::clone(session));
    Err(QueryError::Ambiguous(ties.collect()))
}

/// The same for what changes a session or ends it: its id, pid, label or name, or a part of its
/// label or name as it stands. A guess would hit another one once it has ended.
///
/// # Errors
/// See [`QueryError`].
pub fn resolve_named(query: &str, sessions: &[Arc<Session>]) -> Result<Arc<Session>, QueryError> {
    if let Some(exact) = exactly(query, sessions) {
        return exact;
    }
    let part = folded(query.trim());
    let has = |name: &str| !part.is_empty() && folded(name).contains(&part);
    let named = |session: &&Arc<Session>| {
        let name = session.name.as_deref().is_some_and(has);
        name || has(&session.title()) || has(&session.place())
    };
    let mut fitting: Vec<_> = sessions.iter().filter(named).cloned().collect();
    match fitting.len() {
        0 => Err(QueryError::NoMatch),
        1 => Ok(fitting.remove(0)),
        _ => Err(QueryError::Ambiguous(fitting)),
    }
}

/// The session that is meant beyond doubt, or several of them; `None` if there is none.
fn exactly(query: &str, sessions: &[Arc<Session>]) -> Option<Result<Arc<Session>, QueryError>> {
    let query = query.trim();
    if query == WAITING {
        let first = sessions
            .iter()
            .find(|session| session.standing() == Standing::Waiting);
        return Some(first.cloned().ok_or(QueryError::NothingWaits));
    }
    let tests: [fn(&Session, &str) -> bool; 7] = [
        |session, query| query.parse().as_ref() == Ok(&session.id),
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
        // What it was called before it was given a label is still its name, and no other's.
        |session, query| same(&session.place(), query),
        |session, query| {
            let id = session.session_id.as_ref().map(ConversationId::as_str);
            query.len() >= PREFIX && id.is_some_and(|id| id.starts_with(query))
        },
    ];
    tests.iter().find_map(|test| {
        let mut fitting: Vec<_> = sessions
            .iter()
            .filter(|s| test(s, query))
            .cloned()
            .collect();
        match fitting.len() {
            0 => None,
            1 => Some(Ok(fitting.remove(0))),
            _ => Some(Err(QueryError::Ambiguous(fitting))),
        }
    })
}

fn same(a: &str, b: &str) -> bool {
    a == b || folded(a) == folded(b)
}

/// The sessions that fit `query` and their scores, best first; equally good ones in the given
/// order.
#[must_use]
pub fn rank(query: &str, sessions: &[Arc<Session>]) -> Vec<(i32, Arc<Session>)> {
    let pattern = Pattern::parse(query);
    let fits = sessions.iter().filter_map(|session| {
        let fit = pattern.fit(&Searched::of(session))?;
        Some((fit.score, Arc::clone(session)))
    });
    let mut ranked: Vec<_> = fits.collect();
    ranked.arrange_by_key(|(score, _)| Reverse(*score));
    ranked
}

/// What a part of the searched text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The name a person knows it by.
    Title,
    /// The branch.
    Branch,
    /// The state, as the wire has it; and as rows have it.
    State,
    /// The name the agent gives it.
    Name,
    /// The workspace of its window.
    Workspace,
    /// Its pane in a multiplexer.
    Target,
    /// Its working directory.
    Directory,
    /// The coding tool.
    Agent,
}

/// The parts of [`Searched::text`], in its order.
#[must_use]
pub fn search_fields(session: &Session) -> Vec<(Field, CleanText)> {
    let host = session.host.as_ref();
    let shown = Some(session.standing().word());
    let shown = shown.filter(|word| *word != session.state.as_str());
    let fields = [
        (Field::Title, Some(session.title())),
        (Field::Branch, session.git_branch.clone()),
        (Field::State, Some(CleanText::line(session.state.as_str()))),
        (Field::State, shown.map(CleanText::line)),
        (Field::Name, session.name.clone()),
        (Field::Workspace, session.workspace.clone()),
        (Field::Target, host.and_then(|host| host.target.clone())),
        (Field::Directory, Some(session.cwd.clean())),
        (
            Field::Agent,
            Some(session.agent.clone()).filter(|agent| !agent.is_empty()),
        ),
    ];
    let known = fields.into_iter();
    known
        .filter_map(|(field, text)| Some((field, text?)))
        .collect()
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
    use crate::core::model::{Reason, State, made};

    fn session(pid: u32, dir: &str, id: &str) -> Session {
        Session {
            session_id: ConversationId::new(id),
            ..made::session(pid, &format!("/opt/works/{dir}"), State::Unknown)
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
    fn what_a_row_says_of_a_session_finds_it() {
        let mut asks = session(1, "shop", "a");
        asks.state = State::NeedsInput;
        asks.agent = CleanText::line("codex");
        let idle = session(2, "docs", "b");
        let all = [asks, idle];
        for word in ["waiting", "needs_input", "codex", "shop"] {
            assert_eq!(named(word, &all), Ok(1), "{word}");
        }
    }

    #[test]
    fn what_changes_a_session_is_not_guessed() {
        let sessions = [
            session(1, "docs", "aaaa-1"),
            session(2, "shop-web", "bbbb-1"),
        ];
        let sessions: Vec<_> = sessions.into_iter().map(Arc::new).collect();
        let named = |query: &str| resolve_named(query, &sessions).map(|session| session.pid.0);
        assert_eq!(named("docs"), Ok(1));
        assert_eq!(named("Shop"), Ok(2));
        assert_eq!(named("2"), Ok(2));
        for guess in ["", "dcs", "work", "spweb"] {
            assert_eq!(named(guess), Err(QueryError::NoMatch), "{guess:?}");
        }
        assert!(matches!(named("o"), Err(QueryError::Ambiguous(both)) if both.len() == 2));
    }

    #[test]
    fn a_label_takes_no_name_away() {
        let labelled = Session {
            label: Some(CleanText::line("main")),
            ..session(1, "svc", "aaaa-1")
        };
        let sessions = [labelled, session(2, "svc-old", "bbbb-1")];
        assert_eq!(named("svc", &sessions), Ok(1));
        let sessions: Vec<_> = sessions.into_iter().map(Arc::new).collect();
        let changed = |query: &str| resolve_named(query, &sessions).map(|session| session.pid.0);
        assert_eq!((changed("svc"), changed("main")), (Ok(1), Ok(1)));
        assert!(changed("sv").is_err());
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
            ("42-7", Ok(42)),
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

    /// `resolve` takes it, so a picker has it on top.
    #[test]
    fn a_whole_name_comes_before_those_that_begin_with_it() {
        let sessions = ["api-server", "api", "api-x", "rapid"].map(|dir| session(1, dir, "a"));
        let sessions = sessions.map(Arc::new);
        for query in ["api", "'api", "^api"] {
            let ranked = rank(query, &sessions);
            let titles: Vec<_> = ranked.iter().map(|(_, s)| s.title().to_string()).collect();
            assert_eq!(
                titles,
                ["api", "api-server", "api-x", "rapid"][..titles.len()]
            );
            assert_eq!(
                ranked[1].0, ranked[2].0,
                "no other name is better for being short"
            );
        }
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
    fn words_and_marks_tell_sessions_apart() {
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

    /// Labels, as the best match comes first.
    #[test]
    fn who_types_gets_what_he_means() {
        let ranked = |query: &str, labels: &str| {
            let sessions = (1..).zip(labels.split_whitespace()).map(|(pid, label)| {
                Arc::new(Session {
                    label: Some(CleanText::line(label)),
                    ..session(pid, "x", "a")
                })
            });
            let ranked = rank(query, &sessions.collect::<Vec<_>>());
            let labels = ranked
                .iter()
                .map(|(_, session)| session.title().to_string());
            labels.collect::<Vec<_>>().join(" ")
        };
        for (query, labels, why) in [
            (
                "web",
                "web webs a-web cobweb",
                "the whole, its start, a word, a part",
            ),
            (
                "api",
                "api-server my-api rapid ape-shirt",
                "one piece before several",
            ),
            (
                "sw",
                "sw-tools shop-web shows-web answer",
                "first letters of words",
            ),
            ("fb", "fbi foo-bar fooBar offbeat", "humps are words"),
            ("FB", "FooBar", "a capital asks for capitals"),
            ("srv", "srv-1 api-server", "letters that are left out cost"),
            ("p2", "p2 pay2 shop-2", "a number is a word of its own"),
            ("shop api", "api-shop shop-rapid", "words in any order"),
            ("new", "1-new 2-new", "equal ones as they are given"),
        ] {
            let mut given: Vec<&str> = labels.split(' ').collect();
            if why != "equal ones as they are given" {
                given.reverse();
            }
            assert_eq!(ranked(query, &given.join(" ")), labels, "{query}: {why}");
        }
    }

    #[test]
    fn a_title_says_more_than_a_branch_and_that_more_than_a_directory() {
        let there = session(1, "pay/one", "a");
        let branch = Session {
            git_branch: Some(CleanText::line("fix/pay")),
            ..session(2, "two", "b")
        };
        let titled = session(3, "my-pay", "c");
        let sessions = [there, branch, titled].map(Arc::new);
        let ranked = rank("pay", &sessions);
        let pids: Vec<u32> = ranked.iter().map(|(_, session)| session.pid.0).collect();
        assert_eq!(pids, [3, 2, 1]);
    }

    /// Names from a Mac are decomposed, keyboards type composed letters.
    #[test]
    fn a_letter_is_one_in_any_form() {
        let labelled = Session {
            label: Some(CleanText::line("Caf\u{e9}")),
            ..session(4, "other", "d")
        };
        let sessions = [
            session(1, "cafe\u{301}-menu", "a"),
            session(2, "gr\u{fc}n", "b"),
            session(3, "\u{d55c}\u{ae00}", "c"),
            labelled,
        ];
        let arcs: Vec<_> = sessions.iter().cloned().map(Arc::new).collect();
        for (query, exact, want) in [
            ("caf\u{e9}-menu", true, 1),
            ("caf\u{e9}-m", true, 1),
            ("cafe-m", false, 1),
            ("'caf\u{e9}-", false, 1),
            ("^cafe\u{301}-", false, 1),
            ("gru\u{308}n", true, 2),
            ("GR\u{dc}N", true, 2),
            ("GRU\u{308}N", true, 2),
            ("gr\u{fc}", true, 2),
            ("gru", false, 2),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", true, 3),
            ("cafe\u{301}", true, 4),
            ("CAF\u{c9}", true, 4),
            ("\u{ff43}\u{ff41}\u{ff46}\u{e9}", true, 4),
        ] {
            assert_eq!(named(query, &sessions), Ok(want), "{query}");
            let changed = resolve_named(query, &arcs).map(|session| session.pid.0);
            assert_eq!(changed.ok(), exact.then_some(want), "{query}");
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
