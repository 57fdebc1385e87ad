//! A session as one line: name, branch, state with its age, and why. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::core::model::{Kind, Reason, Session, SessionKey, Standing};
use crate::core::text::{CleanText, push_age, push_column, push_cut, width};

/// Columns of a line that is shown where its width is not known.
pub const COLUMNS: usize = 100;
/// Widest name column. Longer names are cut: the reason says more.
const NAME: usize = 26;
/// Widest branch column.
const BRANCH: usize = 22;
/// Space between columns.
const GAP: &str = "  ";

/// One line of a picker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What a choice comes back as.
    pub id: SessionKey,
    /// Name, unlike that of any other row.
    pub name: CleanText,
    /// Branch, or `-`.
    pub branch: CleanText,
    /// `waiting 3m`.
    pub state: String,
    /// What it asks, or the last thing said.
    pub detail: CleanText,
    /// What it counts as, which decides how it wants to be seen.
    pub standing: Standing,
    /// Name of the icon, without its ending.
    pub icon: &'static str,
    /// The coding tool, where there is more than one: its icons differ.
    pub agent: Option<CleanText>,
    /// Words that find it though it does not show them.
    pub keywords: CleanText,
    words: StateWords,
}

/// What the words of a state are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct StateWords {
    word: &'static str,
    /// Since when it is so; of a snoozed wait, until when.
    at: Option<DateTime<Utc>>,
    ahead: bool,
}

impl StateWords {
    fn push(self, out: &mut String, now: DateTime<Utc>) {
        out.push_str(self.word);
        if let Some(at) = self.at {
            let elapsed = if self.ahead { at - now } else { now - at };
            out.push(' ');
            push_age(out, elapsed.num_seconds());
        }
    }
}

/// Brings the ages in `rows` up to date. Whether any of them reads differently now.
pub fn tick(rows: &mut Arc<[Row]>, now: DateTime<Utc>) -> bool {
    let mut text = String::new();
    let mut late = |row: &Row| {
        text.clear();
        row.words.push(&mut text, now);
        text != row.state
    };
    if !rows.iter().any(&mut late) {
        return false;
    }
    for row in Arc::make_mut(rows) {
        row.state.clear();
        row.words.push(&mut row.state, now);
    }
    true
}

/// The rows of sessions, which are in display order.
#[must_use]
pub fn rows(sessions: &[Arc<Session>], now: DateTime<Utc>) -> Vec<Row> {
    Cache::default().rows(sessions, now)
}

/// Rows that were made before: of a session that has not changed only its age is new.
#[derive(Debug, Default)]
pub struct Cache(HashMap<SessionKey, (Arc<Session>, Row)>);

impl Cache {
    /// The rows of sessions, which are in display order.
    pub fn rows(&mut self, sessions: &[Arc<Session>], now: DateTime<Utc>) -> Vec<Row> {
        let mut rows = Vec::with_capacity(sessions.len());
        for session in sessions {
            let known = self
                .0
                .get(&session.id)
                .filter(|(before, _)| Arc::ptr_eq(before, session));
            let mut row = if let Some((_, row)) = known {
                row.clone()
            } else {
                let row = row(session);
                self.0
                    .insert(session.id.clone(), (Arc::clone(session), row.clone()));
                row
            };
            row.state.clear();
            row.words.push(&mut row.state, now);
            rows.push(row);
        }
        if self.0.len() > 2 * sessions.len() + 16 {
            let living: HashSet<SessionKey> =
                sessions.iter().map(|session| session.id.clone()).collect();
            self.0.retain(|key, _| living.contains(key));
        }
        make_unique(&mut rows, sessions);
        name_agents(&mut rows, sessions);
        rows
    }
}

/// Gives each row a name that no other row has: its title if that is unique; else the agent's own
/// name, which adds two digits to the directory's; else the title with the pid.
fn make_unique(rows: &mut [Row], sessions: &[Arc<Session>]) {
    let mut taken: HashMap<&CleanText, usize> = HashMap::with_capacity(2 * rows.len());
    for (row, session) in rows.iter().zip(sessions) {
        *taken.entry(&row.name).or_default() += 1;
        if let Some(name) = session.name.as_ref().filter(|name| **name != row.name) {
            *taken.entry(name).or_default() += 1;
        }
    }
    let unique = |name: &CleanText| taken.get(name) == Some(&1);
    let renamed = |(row, session): (&Row, &Arc<Session>)| match &session.name {
        _ if unique(&row.name) => None,
        Some(name) if name.starts_with(&*row.name) && unique(name) => Some(name.clone()),
        _ => Some(CleanText::line(&format!(
            "{} \u{b7}{}",
            row.name, session.pid
        ))),
    };
    let names: Vec<Option<CleanText>> = rows.iter().zip(sessions).map(renamed).collect();
    for (row, name) in rows.iter_mut().zip(names) {
        if let Some(name) = name {
            row.name = name;
        }
    }
}

/// Says of each row which coding tool it is, where there is more than one.
fn name_agents(rows: &mut [Row], sessions: &[Arc<Session>]) {
    let mut agents = sessions.iter().map(|session| &session.agent);
    let first = agents.next();
    if agents.all(|agent| Some(agent) == first) {
        return;
    }
    // It becomes part of a file's name.
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    for (row, session) in rows.iter_mut().zip(sessions) {
        row.agent = Some(session.agent.clone()).filter(|agent| agent.bytes().all(plain));
        row.detail = CleanText::line(&match &*row.detail {
            "" => session.agent.to_string(),
            detail => format!("{} \u{b7} {detail}", session.agent),
        });
    }
}

/// What of a row does not change with time.
fn row(session: &Session) -> Row {
    Row {
        id: session.id.clone(),
        name: session.title().composed(),
        branch: CleanText::line(branch_words(session)).composed(),
        state: String::new(),
        detail: CleanText::line(&detail(session)),
        standing: session.standing(),
        icon: icon(session),
        agent: None,
        keywords: CleanText::line(&keywords(session)).composed(),
        words: words(session),
    }
}

/// The branch; `-` without one, `(gone)` where the directory was removed.
#[must_use]
pub fn branch_words(session: &Session) -> &str {
    match &session.git_branch {
        Some(branch) => branch,
        None if session.cwd_gone => "(gone)",
        None => "-",
    }
}

/// `waiting 3m`, `done 5m`, `working 40s`, `idle 2h`; of a snoozed wait what is left, `snoozed 9m`.
#[must_use]
pub fn state_words(session: &Session, now: DateTime<Utc>) -> String {
    let mut out = String::new();
    words(session).push(&mut out, now);
    out
}

fn words(session: &Session) -> StateWords {
    let word = match (session.standing(), &session.reason) {
        (Standing::Snoozed, _) => {
            return StateWords {
                word: "snoozed",
                at: session.snoozed_until,
                ahead: true,
            };
        }
        (Standing::Waiting, _) => "waiting",
        (Standing::Menu, _) => "menu",
        (Standing::Working, Some(Reason::Starting)) => "starting",
        (Standing::Working, _) => "working",
        (Standing::Idle, Some(Reason::Suspended)) => "stopped",
        (Standing::Done, _) => "done",
        (Standing::Idle, _) => "idle",
        (Standing::Unknown, _) => "unknown",
    };
    StateWords {
        word,
        at: session.state_since,
        ahead: false,
    }
}

/// That several conversations fit a session; of Claude Code with the way out.
fn ambiguous(session: &Session) -> String {
    let words = "several conversations fit it";
    match &*session.agent {
        "claude" => format!("{words}: vmux hooks install tells them apart"),
        _ => words.to_owned(),
    }
}

/// What it asks, or the last thing said, with a word of warning before it where one is due.
fn detail(session: &Session) -> String {
    let said = session.preview.as_deref().unwrap_or_default();
    let ask = session.asked().map(|ask| &**ask);
    let detail = match &session.reason {
        Some(Reason::Permission) => ask.map_or_else(
            || "permission".to_owned(),
            |ask| format!("permission: {ask}"),
        ),
        Some(Reason::Question) => {
            ask.map_or_else(|| "question".to_owned(), |ask| format!("question: {ask}"))
        }
        Some(Reason::Plan) => ask.map_or_else(|| "plan".to_owned(), |ask| format!("plan: {ask}")),
        Some(Reason::Dialog) => ask.map_or_else(
            || "a menu of its own is open".to_owned(),
            |ask| format!("a menu of its own is open: {ask}"),
        ),
        Some(Reason::StartDialog) => ask.map_or_else(
            || "a dialog is open before its start".to_owned(),
            |ask| format!("a dialog is open before its start: {ask}"),
        ),
        Some(Reason::Ambiguous) => ambiguous(session),
        Some(Reason::Starting) | None => said.to_owned(),
        Some(reason) if said.is_empty() => reason.as_str().to_owned(),
        Some(reason) => format!("{} \u{b7} {said}", reason.as_str()),
    };
    let background = match session.kind {
        Kind::Background => Some("in background"),
        Kind::Panel => Some("in a panel"),
        Kind::Interactive | Kind::Headless | Kind::Unknown => None,
    };
    let container = session.container.then_some("in a container");
    let words = background.into_iter().chain(container).map(str::to_owned);
    let words: Vec<String> = words
        .chain((!detail.is_empty()).then_some(detail))
        .collect();
    words.join(" \u{b7} ")
}

fn icon(session: &Session) -> &'static str {
    match (session.standing(), &session.reason) {
        (Standing::Waiting, Some(Reason::Question | Reason::Plan)) => "question",
        (Standing::Waiting, _) => "waiting",
        (Standing::Done, _) => "done",
        (Standing::Menu, _) => "menu",
        (Standing::Working, _) => "working",
        (Standing::Snoozed, _) => "snoozed",
        (Standing::Idle, Some(Reason::BackgroundShell | Reason::BackgroundAgent)) => "background",
        (Standing::Idle, _) => "idle",
        (Standing::Unknown, _) => "unknown",
    }
}

/// The names of all icons.
pub const ICONS: [&str; 9] = [
    "waiting",
    "question",
    "menu",
    "snoozed",
    "done",
    "working",
    "background",
    "idle",
    "unknown",
];

fn keywords(session: &Session) -> String {
    let host = session.host.as_ref();
    let words = [
        Some(session.cwd.clean()),
        session.label.clone(),
        session.name.clone(),
        host.and_then(|host| host.target.clone()),
        session.workspace.clone(),
        session
            .session_id
            .as_ref()
            .map(|id| CleanText::line(id.as_str())),
    ];
    let words: Vec<CleanText> = words.into_iter().flatten().collect();
    words
        .iter()
        .map(|word| &**word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Widths of the first three columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Widths {
    /// Of the names.
    pub name: usize,
    /// Of the branches.
    pub branch: usize,
    /// Of state and age.
    pub state: usize,
}

/// Widths that fit these rows.
#[must_use]
pub fn widths<'r>(rows: &(impl Iterator<Item = &'r Row> + Clone)) -> Widths {
    let widest = |pick: fn(&Row) -> &str, most: usize| {
        let widths = rows.clone().map(|row| width(pick(row)));
        widths.max().unwrap_or(0).min(most)
    };
    Widths {
        name: widest(|row| &row.name, NAME),
        branch: widest(|row| &row.branch, BRANCH),
        state: widest(|row| &row.state, usize::MAX),
    }
}

/// Appends a row in columns, cut to `columns` in all; no trailing space.
pub fn push_line(out: &mut String, row: &Row, widths: Widths, columns: usize) {
    let start = out.len();
    push_column(out, &row.name, widths.name);
    out.push_str(GAP);
    push_column(out, &row.branch, widths.branch);
    out.push_str(GAP);
    push_column(out, &row.state, widths.state);
    let used = widths.name + widths.branch + widths.state + 2 * GAP.len();
    if let Some(left) = columns
        .checked_sub(used + GAP.len())
        .filter(|left| *left > 0)
    {
        out.push_str(GAP);
        push_cut(out, &row.detail, left);
    }
    out.truncate(start + out[start..].trim_end().len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::State;
    use crate::core::model::made::{self, second as at};

    fn session(pid: u32, dir: &str, state: State, reason: Option<Reason>) -> Session {
        Session {
            git_branch: Some(CleanText::line("main")),
            reason,
            ..made::session(pid, &format!("/srv/{dir}"), state)
        }
    }

    fn lines(sessions: Vec<Session>) -> Vec<String> {
        let sessions: Vec<_> = sessions.into_iter().map(Arc::new).collect();
        let rows = rows(&sessions, at(185));
        let widths = widths(&rows.iter());
        rows.iter()
            .map(|row| {
                let mut line = String::new();
                push_line(&mut line, row, widths, COLUMNS);
                line
            })
            .collect()
    }

    #[test]
    fn columns_are_aligned_and_say_why() {
        let asks = Session {
            ask: Some(CleanText::line("Bash(cargo test)")),
            ..session(1, "api-server", State::NeedsInput, Some(Reason::Permission))
        };
        let works = Session {
            preview: Some(CleanText::line("Make it fast.")),
            ..session(2, "web", State::Working, None)
        };
        let menu = session(3, "docs", State::NeedsInput, Some(Reason::Dialog));
        let shell = session(4, "db", State::Idle, Some(Reason::BackgroundShell));
        assert_eq!(
            lines(vec![asks, works, menu, shell]),
            [
                "api-server  main  waiting 3m  permission: Bash(cargo test)",
                "web         main  working 3m  Make it fast.",
                "docs        main  menu 3m     a menu of its own is open",
                "db          main  idle 3m     background shell",
            ]
        );
    }

    #[test]
    fn the_coding_tool_is_named_where_there_is_more_than_one() {
        let of = |pid, dir: &str, agent: &str, said: &str| Session {
            agent: CleanText::line(agent),
            preview: CleanText::line(said).some(),
            ..session(pid, dir, State::Working, None)
        };
        let (api, web) = (of(1, "api", "claude", "Hi."), of(2, "web", "codex", ""));
        assert_eq!(lines(vec![api.clone()]), ["api  main  working 3m  Hi."]);
        let tools = |sessions: &[&Session]| {
            let sessions: Vec<_> = sessions.iter().map(|s| Arc::new((*s).clone())).collect();
            let rows = rows(&sessions, at(185));
            rows.iter()
                .map(|row| row.agent.as_deref().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(tools(&[&api]), [None]);
        let odd = of(3, "odd", "../odd", "");
        let named = [Some("claude".to_owned()), Some("codex".to_owned()), None];
        assert_eq!(
            tools(&[&api, &web, &odd]),
            named,
            "a name becomes that of a file"
        );
        assert_eq!(
            lines(vec![api, web]),
            [
                "api  main  working 3m  claude \u{b7} Hi.",
                "web  main  working 3m  codex"
            ]
        );
    }

    #[test]
    fn a_snoozed_menu_is_snoozed_in_every_way() {
        let menu = Session {
            snoozed_until: Some(at(185 + 540)),
            ..session(1, "web", State::NeedsInput, Some(Reason::Dialog))
        };
        let row = &rows(&[Arc::new(menu)], at(185))[0];
        assert_eq!(row.standing, Standing::Snoozed);
        assert_eq!((row.icon, row.state.as_str()), ("snoozed", "snoozed 9m"));
    }

    #[test]
    fn what_is_snoozed_says_for_how_long() {
        let snoozed = |state| Session {
            unseen: true,
            snoozed_until: Some(at(185 + 540)),
            ..session(1, "web", state, None)
        };
        let line = |state| lines(vec![snoozed(state)]).remove(0);
        assert_eq!(line(State::NeedsInput), "web  main  snoozed 9m");
        assert_eq!(line(State::Idle), "web  main  snoozed 9m");
        assert_eq!(line(State::Working), "web  main  working 3m");
    }

    #[test]
    fn two_sessions_of_one_directory_can_be_told_apart() {
        let named = Session {
            name: Some(CleanText::line("app-91")),
            ..session(1, "app", State::Idle, None)
        };
        let names: Vec<String> = rows(
            &[
                Arc::new(named),
                Arc::new(session(2, "app", State::Idle, None)),
            ],
            at(0),
        )
        .into_iter()
        .map(|r| r.name.to_string())
        .collect();
        assert_eq!(names, ["app-91", "app \u{b7}2"]);
        let twin = |pid| Session {
            name: Some(CleanText::line("app-91")),
            ..session(pid, "app", State::Idle, None)
        };
        let twins = [Arc::new(twin(1)), Arc::new(twin(2))];
        let names: Vec<String> = rows(&twins, at(0))
            .into_iter()
            .map(|r| r.name.to_string())
            .collect();
        assert_eq!(
            names,
            ["app \u{b7}1", "app \u{b7}2"],
            "the agent's name may be given twice"
        );
    }

    #[test]
    fn a_line_never_exceeds_its_columns() {
        let long = Session {
            git_branch: Some(CleanText::line(&"b".repeat(80))),
            preview: Some(CleanText::line(&"日本".repeat(80))),
            ..session(1, &"n".repeat(80), State::Working, None)
        };
        assert!(width(&lines(vec![long])[0]) <= COLUMNS);
    }

    /// Menus look for what a keyboard types, which a Mac's names are not.
    #[test]
    fn letters_are_shown_composed() {
        let decomposed = session(1, "/w/cafe\u{301}", State::Idle, None);
        let row = &rows(&[Arc::new(decomposed)], at(0))[0];
        assert_eq!(row.name.as_str(), "caf\u{e9}");
        assert!(row.keywords.contains("/w/caf\u{e9}"));
    }
}
