//! skim with the injected matcher and `vmux::core::query` side by side.

use proptest::prelude::*;
use skim::item::MatchedItem;
use vmux::core::model::{Host, Pid, RawPath, Session, SessionKey, State};
use vmux::core::query;
use vmux::core::text::CleanText;

use super::*;
use crate::board::Board;
use crate::board::tests::key;

fn session(pid: u32, label: &str, branch: Option<&str>, state: State, dir: &str) -> Session {
    Session {
        id: key(pid),
        pid: Pid(pid),
        label: CleanText::line(label).some(),
        git_branch: branch.map(CleanText::line),
        state,
        cwd: RawPath(dir.into()),
        ..Session::default()
    }
}

/// Key and score of everything that fits, best first.
type Order = Vec<(SessionKey, i32)>;

/// As skim's threads do it: each item is asked for, numbered and sorted.
fn by_skim(query: &str, sessions: &[Arc<Session>]) -> Order {
    let board = Board::new(false);
    board.apply(sessions, chrono::DateTime::UNIX_EPOCH);
    let matcher = matcher();
    let case = matcher.case_matching();
    let engine = matcher
        .engine_factory()
        .create_engine_with_case(query, case);
    let items = (0..).zip(board.items().0);
    let mut matched: Vec<MatchedItem> = items
        .filter_map(|(index, item)| {
            let found = engine.match_item(&*item)?;
            let rank = Rank {
                index,
                ..found.rank
            };
            let range = Some(found.matched_range);
            Some(MatchedItem::new(item, rank, range, &matcher.rank_builder))
        })
        .collect();
    matched.sort();
    let found = matched.iter().filter_map(|found| {
        let item: &Item = found.item.as_ref().as_any().downcast_ref()?;
        Some((item.id.clone(), found.rank.score))
    });
    found.collect()
}

fn by_vmux(query: &str, sessions: &[Arc<Session>]) -> Order {
    let ranked = query::rank(query, sessions).into_iter();
    ranked
        .map(|(score, session)| (session.id.clone(), score))
        .collect()
}

/// Label, branch, state and directory of sessions as people have them, and of some that nobody
/// should have.
const WORLD: [(&str, &str, State, &str); 12] = [
    ("", "main", State::Idle, "/home/u/proj/api-server"),
    (
        "",
        "feature/cart",
        State::NeedsInput,
        "/home/u/proj/shop-web",
    ),
    (
        "payments API",
        "fix/rounding",
        State::Working,
        "/home/u/billing",
    ),
    ("", "", State::Unknown, "/"),
    ("Ünïcode Straße", "añadir", State::Working, "/ü/日本語/プロ"),
    ("MiXeD CaSe", "FooBarBaz", State::Idle, "/home/u/HTTPServer"),
    ("shell-wall-tools", "aabbcc", State::Idle, "/home/u/aaa/bbb"),
    ("a | b $HOME 'q' ^c !b", "x\\ y", State::Working, "/a b/c d"),
    ("ｆｕｌｌｗｉｄｔｈ", "ＭＡＩＮ", State::Idle, "/ｗ"),
    ("", "main", State::Idle, "/home/u/proj/api-server"),
    ("ΣΊΣΥΦΟΣ σίσυφος", "İstanbul ısı", State::Working, "/ǆ/ǅ/Ǆ"),
    ("emoji 👩‍💻 e\u{301}", "é", State::NeedsInput, "/tmp/é"),
];

fn world() -> Vec<Arc<Session>> {
    let made = (1..).zip(WORLD).map(|(pid, (label, branch, state, dir))| {
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        session(pid, label, branch, state, dir)
    });
    let mut sessions: Vec<Session> = made.collect();
    sessions[1].name = Some(CleanText::line("shop-web-91"));
    sessions[1].workspace = Some(CleanText::line("2:web"));
    sessions[2].host = Some(Host {
        kind: vmux::core::model::HostKind::Tmux,
        target: Some(CleanText::line("main:3.1")),
        ..Host::default()
    });
    sessions[6].workspace = Some(CleanText::line("scratchpad"));
    sessions.into_iter().map(Arc::new).collect()
}

/// Queries without a bar of their own.
const QUERIES: &str = "
    a|api|API|Api|aPi|main|MAIN|server|srv|apisrv|shop web|web shop|shopweb91|s w|wk
    feature/cart|cart|f/c|fix|rounding|fooBar|FooBar|fbb|FBB|foobarbaz|http|HTTP|httpserver
    idle|working|needs|needs_input|needs input|unknown|scratchpad|2:web|main:3.1|:|/|-|_|.
    'api|'API|'server|'a|^api|^API|^shop|^payments|^p|^a|^main|main$|server$|SERVER$|$|^|'|!
    !api|!main|!needs_input|!a|!^api|!server$|!^shop|'!api|!'api|''|!!a|^^a|a$$|^$|!^$|'^api
    ^api-server main|api main|main api|api !shop|!api !shop|^s !^sh|web$ main|api server idle
    ü|Ü|ünï|ÜNÏ|strasse|straße|STRASSE|ß|ẞ|ñ|añadir|AÑADIR|日|日本|本日|プ|プロ|é|É|e\u{301}
    ll|aa|aaa|aabb|abc|bb|cc|oo|lll|shellwall|wall|tools|shll|llll|ls|-w-t|aaaa|aaabbb
    ｆｕｌｌ|full|FULL|ＦＵＬＬ|ｍａｉｎ|ＭＡＩＮ|σίσυφος|ΣΊΣΥΦΟΣ|ς|σ|Σ|'ς|'σ|'Σ|ı|İ|i|I|'ı|'i
    ǆ|ǅ|Ǆ|'ǆ|'ǅ|👩|💻|'👩‍💻|home|work|home work|/home/u/proj|hwas|huw|home/u|u/w|bill pay
    x\\ y|a\\ b|\\ |a\\ |\\ a|'a\\ b|^a\\ |c\\ d$|\\|zzz|nothing|ap nothing|!zzz|0|1|9|91|7";

/// Queries with bars, and those in which spaces count.
const BARRED: &[&str] = &[
    "",
    " ",
    "  ",
    "   ",
    "\t",
    "\u{3000}",
    "|",
    "||",
    "| |",
    " | ",
    "|a",
    "a|",
    "a||b",
    "a | b",
    "a  |  b",
    "api|shop",
    "api | shop main",
    "main api|shop",
    "'api | 'shop",
    "!api | shop",
    "api | !api",
    "web$ | server$",
    "^api | ^shop",
    "a | b | c",
    "a |b| c d|e",
    "shop | zzz",
    "zzz | yyy",
    "a | | b",
    "api |",
    "| api",
    "api | ' ",
    "\\ | a",
    "a\\ | b",
    "a |\\ b",
    "a |\\  b",
    " api",
    "api ",
    " api  main ",
    "api\tmain",
    "a\u{a0}b",
];

#[test]
fn a_table_of_queries_gives_one_order() {
    let plain = QUERIES.split(['|', '\n']);
    let queries: Vec<&str> = plain
        .map(|query| query.trim_matches(' '))
        .chain(BARRED.iter().copied())
        .collect();
    assert!(queries.len() > 200);
    let world = world();
    for query in queries {
        assert_eq!(by_vmux(query, &world), by_skim(query, &world), "{query:?}");
    }
}

/// Text in which letters repeat, classes change and case matters.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        6 => prop::sample::select(vec!['a', 'b', 'l', 's']),
        2 => prop::sample::select(vec!['A', 'B', 'L', '1', '2']),
        3 => prop::sample::select(vec!['-', '/', '_', '.', ' ', '(', ':']),
        1 => prop::sample::select(vec!['ü', 'Ü', 'ß', 'ς', 'Σ', '日', 'ａ', 'Ａ', '\u{301}', 'が', '한', '|', '$']),
    ];
    prop::collection::vec(letter, 0..14).prop_map(String::from_iter)
}

fn sessions() -> impl Strategy<Value = Vec<Arc<Session>>> {
    let states = vec![
        State::Idle,
        State::Working,
        State::NeedsInput,
        State::Unknown,
    ];
    let one = (
        text(),
        prop::option::of(text()),
        prop::sample::select(states),
        text(),
        prop::option::of(text()),
    );
    prop::collection::vec(one, 1..9).prop_map(|many| {
        let made = (1..)
            .zip(many)
            .map(|(pid, (label, branch, state, dir, name))| {
                let mut session =
                    session(pid, &label, branch.as_deref(), state, &format!("/{dir}"));
                session.name = name.map(|name| CleanText::line(&name));
                Arc::new(session)
            });
        made.collect()
    })
}

fn queries() -> impl Strategy<Value = String> {
    let letter = prop::sample::select(vec![
        'a', 'b', 'l', 's', 'A', 'L', '1', '-', '/', 'ü', 'Ü', 'ς', '日', 'ａ', '_', '\u{308}',
        'か', 'ᄒ',
    ]);
    let word = prop::collection::vec(letter, 0..5).prop_map(String::from_iter);
    let term = (
        prop::sample::select(vec!["", "", "", "'", "!", "^", "!^", "'!"]),
        word,
        prop::sample::select(vec!["", "", "", "$"]),
    )
        .prop_map(|(mark, word, end)| format!("{mark}{word}{end}"));
    let space = prop::sample::select(vec![" ", " ", "  ", " | ", "|", "\\ ", " |"]);
    prop::collection::vec((term, space), 0..4).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(term, space)| format!("{term}{space}"))
            .collect::<String>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_query_gives_one_order(sessions in sessions(), query in queries()) {
        prop_assert_eq!(by_vmux(&query, &sessions), by_skim(&query, &sessions));
    }
}
