//! Panes and clients of a tmux server, as it lists them. Pure.
//!
//! **Source:** tmux(1) of 3.3a.

use std::collections::HashMap;

use crate::core::model::{Pid, ProcChain};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;

/// A pane.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Pane {
    /// `%7`.
    pub(super) pane_id: String,
    /// `session:window.pane` as a person writes it.
    pub(super) target: CleanText,
    /// Name of the session.
    pub(super) session: String,
}

/// A pane, as `list-panes` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct PaneRow {
    pane_id: String,
    pane_pid: Pid,
    session_id: String,
    window_id: String,
    session: String,
    window_index: String,
    pane_index: String,
    /// It is the active pane of its window.
    active: bool,
    /// Its terminal, as the server names it.
    tty: String,
}

/// A client, as `list-clients` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Client {
    /// Its process: the way up from it leads to the window.
    pub(super) pid: Pid,
    /// Its terminal.
    pub(super) tty: String,
    session_id: String,
    window_id: String,
    /// When it was used last, in seconds since 1970.
    pub(super) activity: i64,
}

/// All panes and clients of a server at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Layout {
    panes: Vec<PaneRow>,
    clients: Vec<Client>,
    titles: HashMap<String, CleanText>,
}

/// A session's pane, and who shows its tmux session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// The pane, as its best view names it.
    pub(super) pane: Pane,
    /// The best first; none if the session is detached.
    pub(super) views: Vec<View>,
}

/// A client that shows a pane, or can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct View {
    /// The client.
    pub(super) client: Client,
    /// The pane as its session names it: grouped sessions have one pane each in their own way.
    pub(super) pane: Pane,
    /// The pane in that session, as tmux takes it: `$1:@2.%3`.
    pub(super) target: String,
    /// Whether the client shows the pane right now, and it is the active one.
    pub(super) visible: bool,
    /// The active pane of the window that this client shows.
    pub(super) shown: Option<String>,
}

/// Columns of all listings, so that one child process answers them.
pub(super) const PANES: &str = "P\t#{pane_id}\t#{pane_pid}\t#{session_id}\t#{window_id}\t#{window_index}\t#{pane_index}\t#{pane_active}\t#{pane_tty}\t#{session_name}";
pub(super) const CLIENTS: &str = "C\t#{client_pid}\t#{client_tty}\t#{session_id}\t#{window_id}\t#{client_activity}\t#{client_control_mode}";

/// The titles of panes, on lines of their own: whoever runs in one may have put anything into it.
pub(super) const TITLES: &str = "T\t#{pane_id}\t#{pane_title}";

/// Reads all listings. A line of any other shape is left out.
pub(super) fn parse_layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    for line in text.lines() {
        if let Some((pane, title)) = line.strip_prefix("T\t").and_then(|l| l.split_once('\t')) {
            layout.titles.insert(pane.into(), CleanText::line(title));
            continue;
        }
        let fields: Vec<&str> = line.splitn(10, '\t').collect();
        match fields[..] {
            [
                "P",
                pane_id,
                pid,
                session_id,
                window_id,
                window_index,
                pane_index,
                active,
                tty,
                session,
            ] => {
                let Ok(pid) = pid.parse() else { continue };
                layout.panes.push(PaneRow {
                    pane_id: pane_id.into(),
                    pane_pid: Pid(pid),
                    session_id: session_id.into(),
                    window_id: window_id.into(),
                    session: session.into(),
                    window_index: window_index.into(),
                    pane_index: pane_index.into(),
                    active: active == "1",
                    tty: tty.into(),
                });
            }
            // A client in control mode shows nothing itself.
            ["C", pid, tty, session_id, window_id, activity, "0"] => {
                let Ok(pid) = pid.parse() else { continue };
                layout.clients.push(Client {
                    pid: Pid(pid),
                    tty: tty.into(),
                    session_id: session_id.into(),
                    window_id: window_id.into(),
                    activity: activity.parse().unwrap_or(0),
                });
            }
            _ => {}
        }
    }
    layout
}

impl Layout {
    /// Finds the pane of a process: the one that has its terminal, else the one whose own process
    /// is among its ancestors. `TMUX_PANE` proves nothing: a server hands on the one that it was
    /// started with.
    pub(super) fn spot(&self, chain: Option<&ProcChain>, tty: Option<&str>) -> Option<Spot> {
        let by_tty: Vec<&PaneRow> = self.panes.iter().filter(|p| Some(&*p.tty) == tty).collect();
        // The inner one, of a pane that was started from within another.
        let by_process = || {
            let pids = chain
                .into_iter()
                .flat_map(|chain| &chain.0)
                .map(|link| link.pid);
            let panes = pids.map(|pid| self.panes.iter().filter(move |p| p.pane_pid == pid));
            panes
                .map(Iterator::collect)
                .find(|rows: &Vec<_>| !rows.is_empty())
        };
        let rows = if by_tty.is_empty() {
            by_process()?
        } else {
            by_tty
        };
        // Grouped sessions list one pane several times.
        let mut views: Vec<View> = rows.iter().flat_map(|row| self.views_of(row)).collect();
        views.arrange_by_key(|view| std::cmp::Reverse((view.shows_window(), view.client.activity)));
        let pane = views.first().map(|view| view.pane.clone());
        Some(Spot {
            pane: pane.unwrap_or_else(|| rows[0].pane()),
            views,
        })
    }

    fn views_of(&self, row: &PaneRow) -> impl Iterator<Item = View> {
        let clients = self.clients.iter();
        let of_session = clients.filter(|client| client.session_id == row.session_id);
        of_session.map(|client| View {
            client: client.clone(),
            pane: row.pane(),
            target: format!("{}:{}.{}", row.session_id, row.window_id, row.pane_id),
            visible: row.active && client.window_id == row.window_id,
            shown: self.shown_by(client),
        })
    }

    /// The clients that may show a popup which was opened in this tmux session: those of the
    /// session, else all. The one that was used last first.
    pub(super) fn popup_clients(&self, session_id: Option<&str>) -> Vec<Client> {
        let of_session = |client: &&Client| Some(&*client.session_id) == session_id;
        let mut clients: Vec<Client> = self.clients.iter().filter(of_session).cloned().collect();
        if clients.is_empty() {
            clients.clone_from(&self.clients);
        }
        clients.arrange_by_key(|client| std::cmp::Reverse(client.activity));
        clients
    }

    /// The title of a pane.
    pub(super) fn title(&self, pane_id: &str) -> Option<&CleanText> {
        self.titles.get(pane_id)
    }

    /// When the client of a terminal was used last, in seconds since 1970.
    pub(super) fn used_at(&self, tty: &str) -> Option<i64> {
        let mut clients = self.clients.iter();
        let client = clients.find(|client| client.tty == tty)?;
        Some(client.activity)
    }

    /// The name of a tmux session.
    pub(super) fn session_name(&self, session_id: &str) -> Option<&str> {
        let mut rows = self.panes.iter();
        let row = rows.find(|row| row.session_id == session_id)?;
        Some(&row.session)
    }

    /// The active pane of the window that a client shows.
    fn shown_by(&self, client: &Client) -> Option<String> {
        let shows = |row: &&PaneRow| {
            row.active && row.session_id == client.session_id && row.window_id == client.window_id
        };
        self.panes.iter().find(shows).map(|row| row.pane_id.clone())
    }
}

impl PaneRow {
    fn pane(&self) -> Pane {
        let target = format!("{}:{}.{}", self.session, self.window_index, self.pane_index);
        Pane {
            pane_id: self.pane_id.clone(),
            target: CleanText::line(&target),
            session: self.session.clone(),
        }
    }
}

impl View {
    fn shows_window(&self) -> bool {
        self.target.starts_with(&format!(
            "{}:{}.",
            self.client.session_id, self.client.window_id
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Link;

    const LAYOUT: &str = "P\t%0\t100\t$0\t@0\t0\t0\t1\t/dev/pts/10\twork\n\
        P\t%1\t101\t$0\t@1\t1\t0\t1\t/dev/pts/11\twork\n\
        P\t%2\t102\t$0\t@1\t1\t1\t0\t/dev/pts/12\twork\n\
        P\t%3\t103\t$1\t@2\t0\t0\t1\t/dev/pts/13\ta name\twith tabs\n\
        C\t900\t/dev/pts/9\t$0\t@1\t50\t0\n\
        C\t901\t/dev/pts/8\t$0\t@0\t40\t0\n\
        C\t902\t\t$1\t@2\t99\t1\n\
        nonsense\n\
        T\t%0\t\n\
        T\t%1\tP\t%9\t\u{1b}[1mshop\n\
        T\t%2\n";

    fn chain(pids: &[u32]) -> ProcChain {
        ProcChain(
            pids.iter()
                .map(|pid| Link {
                    pid: Pid(*pid),
                    comm: "x".into(),
                })
                .collect(),
        )
    }

    fn spot(pids: &[u32], tty: Option<&str>) -> Spot {
        parse_layout(LAYOUT).spot(Some(&chain(pids)), tty).unwrap()
    }

    fn clients(views: &[View]) -> Vec<(u32, bool)> {
        let views = views.iter();
        views
            .map(|view| (view.client.pid.0, view.visible))
            .collect()
    }

    #[test]
    fn a_process_is_found_in_its_pane_and_who_shows_it_comes_first() {
        let shown = spot(&[500, 101, 7], None);
        assert_eq!(
            (shown.pane.pane_id.as_str(), shown.pane.target.as_str()),
            ("%1", "work:1.0")
        );
        assert_eq!(clients(&shown.views), [(900, true), (901, false)]);
        assert_eq!(shown.views[0].target, "$0:@1.%1");
        let other_window = spot(&[500, 100, 7], None);
        assert_eq!(clients(&other_window.views), [(901, true), (900, false)]);
        let inactive = spot(&[102], None);
        assert_eq!(
            clients(&inactive.views),
            [(900, false), (901, false)],
            "shown, but another pane is the active one"
        );
        assert_eq!(inactive.views[0].shown.as_deref(), Some("%1"));
    }

    #[test]
    fn a_title_is_no_more_than_a_title() {
        let layout = parse_layout(LAYOUT);
        let title = |pane| layout.title(pane).map(CleanText::as_str);
        assert_eq!(title("%1"), Some("P %9 shop"));
        assert_eq!(
            (title("%0"), title("%2"), title("%9")),
            (Some(""), None, None)
        );
        assert_eq!(layout.panes.len(), 4);
    }

    #[test]
    fn a_session_only_a_control_client_shows_is_detached() {
        let detached = spot(&[103], None);
        assert_eq!(
            (detached.views, detached.pane.session.as_str()),
            (vec![], "a name\twith tabs")
        );
    }

    #[test]
    fn a_terminal_tells_the_pane_better_than_the_parents_do() {
        assert_eq!(spot(&[999], Some("/dev/pts/12")).pane.pane_id, "%2");
        assert_eq!(spot(&[100], Some("/dev/pts/12")).pane.pane_id, "%2");
        assert_eq!(spot(&[100], Some("/dev/pts/77")).pane.pane_id, "%0");
        assert_eq!(spot(&[500, 101, 100], None).pane.pane_id, "%1");
        let popup = parse_layout(LAYOUT).spot(Some(&chain(&[999])), Some("/dev/pts/77"));
        assert_eq!(popup, None);
    }

    #[test]
    fn of_a_grouped_session_the_shown_one_counts() {
        let text = "P\t%0\t100\t$0\t@0\t0\t0\t1\t/dev/pts/1\tfirst\nP\t%0\t100\t$5\t@0\t0\t0\t1\t/dev/pts/1\tsecond\n\
            C\t900\t/dev/pts/9\t$5\t@0\t50\t0\n";
        let spot = parse_layout(text).spot(Some(&chain(&[100])), None).unwrap();
        assert_eq!(
            (spot.pane.session.as_str(), &*spot.views[0].target),
            ("second", "$5:@0.%0")
        );
    }

    #[test]
    fn a_popup_is_shown_by_a_client_of_the_session_it_was_opened_in() {
        let layout = parse_layout(LAYOUT);
        let pids = |session| -> Vec<u32> {
            let clients = layout.popup_clients(session).into_iter();
            clients.map(|client| client.pid.0).collect()
        };
        assert_eq!(pids(Some("$0")), [900, 901]);
        assert_eq!(pids(None), [900, 901]);
        assert_eq!(pids(Some("$9")), [900, 901], "it may show another by now");
    }
}
