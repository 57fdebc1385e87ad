//! Which window shows a session: ranked proofs, and `Ambiguous` where they end. Pure.
//!
//! The nearest ancestor that owns a window or is a multiplexer wins; the environment only
//! breaks ties, because terminals hand their parent's variables on to their children.

use crate::core::model::{Pid, ProcChain, Trouble, TroubleCode, Window, WmTree, Xid};
use crate::core::text::CleanText;
use crate::desktop::host::{self, Mux};

/// Where the way up from a process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Landing<'t> {
    /// A multiplexer's server; its client has to be asked for.
    Mux {
        /// Which one.
        mux: Mux,
        /// The server's process.
        server: Pid,
    },
    /// A login from another machine.
    Remote {
        /// The server's name, such as `sshd`.
        program: String,
    },
    /// A process that owns windows.
    Owner {
        /// Its name.
        program: String,
        /// Its process.
        pid: Pid,
        /// Its windows, in tree order; never empty.
        windows: Vec<&'t Window>,
    },
    /// Nothing on the way.
    Adrift,
}

/// Walks up from a process to what shows it. The first `passed` of the chain are on the way
/// already.
#[must_use]
pub fn land<'t>(chain: &ProcChain, passed: usize, tree: Option<&'t WmTree>) -> Landing<'t> {
    for link in chain.0.iter().skip(passed) {
        if let Some(mux) = host::server_called(&link.comm) {
            return Landing::Mux {
                mux,
                server: link.pid,
            };
        }
        if matches!(&*link.comm, "sshd" | "sshd-session" | "mosh-server") {
            return Landing::Remote {
                program: link.comm.clone(),
            };
        }
        let all = tree.map_or(&[][..], |tree| &tree.windows);
        let windows: Vec<&Window> = all.iter().filter(|w| w.pid == Some(link.pid)).collect();
        if !windows.is_empty() {
            return Landing::Owner {
                program: link.comm.clone(),
                pid: link.pid,
                windows,
            };
        }
    }
    Landing::Adrift
}

/// What may tell one window of a process from another.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// `WINDOWID` of the session's environment.
    pub window_id: Option<Xid>,
    /// Titles that the session may have given its terminal, and no other session.
    pub titles: Vec<CleanText>,
    /// The folder that an editor's window has open, for a session in its panel.
    pub folder: Option<CleanText>,
}

/// The window and what proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice<'t> {
    /// The window.
    pub window: &'t Window,
    /// The proof, in words.
    pub proof: String,
}

/// Tells the one window among those of its owner.
///
/// # Errors
/// `Ambiguous` if nothing does.
pub fn choose<'t>(
    program: &str,
    pid: Pid,
    windows: &[&'t Window],
    hints: &Hints,
) -> Result<Choice<'t>, Trouble> {
    if let [window] = windows {
        return Ok(Choice {
            window,
            proof: format!("the only window of {program} ({pid})"),
        });
    }
    // Only a window of this very owner counts: the variable may be a parent terminal's.
    let by_id = hints
        .window_id
        .and_then(|xid| windows.iter().find(|w| w.xid == Some(xid)));
    if let Some(window) = by_id {
        return Ok(Choice {
            window,
            proof: format!(
                "WINDOWID among {} windows of {program} ({pid})",
                windows.len()
            ),
        });
    }
    if let Some(window) = titled(windows, &hints.titles) {
        let (count, title) = (windows.len(), &window.title);
        let proof = format!("the only one of {count} windows of {program} ({pid}) titled {title}");
        return Ok(Choice { window, proof });
    }
    if let Some(folder) = &hints.folder {
        let mut fitting = windows.iter().filter(|w| has_folder(&w.title, folder));
        if let (Some(window), None) = (fitting.next(), fitting.next()) {
            let count = windows.len();
            let proof =
                format!("the only one of {count} windows of {program} ({pid}) with {folder} open");
            return Ok(Choice { window, proof });
        }
    }
    let count = windows.len();
    let message = format!("{program} has {count} windows and nothing tells them apart");
    let places: Vec<String> = windows
        .iter()
        .map(|w| {
            format!(
                "\u{201c}{}\u{201d} on workspace {}",
                w.title, w.workspace.name
            )
        })
        .collect();
    Err(Trouble::new(TroubleCode::Ambiguous, &message)
        .hint(&format!("it is one of: {}", places.join(", "))))
}

/// The only window with any of these titles. That of a hidden tab is nowhere to be seen, and one
/// that two windows have proves nothing.
fn titled<'t>(windows: &[&'t Window], titles: &[CleanText]) -> Option<&'t Window> {
    // A shell titles its window after a folder, and people name sessions after theirs: a single
    // word counts with an agent's sign only.
    let proves = |window: &str, title: &str| {
        same_title(window, title) && (window != title || title.contains(' '))
    };
    let has_one = |window: &&&Window| titles.iter().any(|title| proves(&window.title, title));
    let mut fitting = windows.iter().filter(has_one);
    match (fitting.next(), fitting.next()) {
        (Some(window), None) => Some(window),
        _ => None,
    }
}

/// Whether a window has the title of a session: Claude Code sets `✳ topic`, with a spinner in
/// place of the star while it works, and without any once its terminal has said that it takes
/// states (2.1.332).
#[must_use]
pub fn same_title(window: &str, title: &str) -> bool {
    let is_sign = |sign: &str| !sign.contains(char::is_alphanumeric);
    let unsigned = window.split_once(' ').filter(|(sign, _)| is_sign(sign));
    let topic = window.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_it = |seen: &str| seen == title;
    !title.is_empty()
        && (is_it(window) || is_it(topic) || unsigned.is_some_and(|(_, topic)| is_it(topic)))
}

/// Whether an editor's title names this folder: `main.rs - shop - Visual Studio Code`, with
/// `shop [SSH: host]` or `shop (Workspace)` in its place.
fn has_folder(title: &str, folder: &str) -> bool {
    let mut parts = title
        .split(['\u{2014}', '\u{2013}'])
        .flat_map(|part| part.split(" - "));
    !folder.is_empty()
        && parts.any(|part| {
            let rest = part.trim().strip_prefix(folder);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(" [") || rest.starts_with(" (")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConId, HostKind, Link, WindowKey};

    fn chain(links: &[(u32, &str)]) -> ProcChain {
        ProcChain(
            links
                .iter()
                .map(|(pid, comm)| Link {
                    pid: Pid(*pid),
                    comm: (*comm).into(),
                })
                .collect(),
        )
    }

    fn window(con: u64, pid: u32, title: &str) -> Window {
        Window {
            key: WindowKey::Con(ConId(con)),
            xid: Some(Xid(u32::try_from(con).unwrap() + 1000)),
            pid: Some(Pid(pid)),
            title: CleanText::line(title),
            ..Window::default()
        }
    }

    fn number(window: &Window) -> u64 {
        window.xid.map_or(0, |xid| u64::from(xid.0) - 1000)
    }

    fn tree(windows: Vec<Window>) -> WmTree {
        WmTree {
            windows,
            ..WmTree::default()
        }
    }

    #[test]
    fn the_nearest_owner_or_multiplexer_wins() {
        let tree = tree(vec![window(1, 30, "outer"), window(2, 20, "inner")]);
        let nested = chain(&[(10, "claude"), (20, "xterm"), (25, "bash"), (30, "xterm")]);
        let Landing::Owner { pid, .. } = land(&nested, 0, Some(&tree)) else {
            panic!()
        };
        assert_eq!(pid, Pid(20));
        let in_tmux = chain(&[
            (10, "claude"),
            (15, "bash"),
            (16, "tmux: server"),
            (20, "xterm"),
        ]);
        assert_eq!(
            land(&in_tmux, 0, Some(&tree)),
            Landing::Mux {
                mux: Mux::Known(HostKind::Tmux),
                server: Pid(16)
            }
        );
        let login = chain(&[(10, "claude"), (11, "bash"), (12, "sshd-session")]);
        assert_eq!(
            land(&login, 0, Some(&tree)),
            Landing::Remote {
                program: "sshd-session".into()
            }
        );
        assert_eq!(
            land(&chain(&[(10, "claude")]), 0, Some(&tree)),
            Landing::Adrift
        );
        assert_eq!(land(&nested, 0, None), Landing::Adrift);
    }

    /// Server and client of screen have one name.
    #[test]
    fn a_client_of_screen_is_not_taken_for_a_server() {
        let tree = tree(vec![window(1, 30, "outer")]);
        let started_attached = chain(&[(20, "screen"), (21, "screen"), (30, "xterm")]);
        let at = |passed| land(&started_attached, passed, Some(&tree));
        let server = |pid| Landing::Mux {
            mux: Mux::Known(HostKind::Screen),
            server: Pid(pid),
        };
        assert_eq!((at(0), at(1)), (server(20), server(21)));
        assert!(matches!(at(2), Landing::Owner { pid: Pid(30), .. }));
    }

    #[test]
    fn one_of_several_windows_needs_a_proof() {
        let tree = tree(vec![
            window(1, 20, "✳ fix cart"),
            window(2, 20, "✳ docs"),
            window(3, 20, "bash"),
        ]);
        let windows: Vec<&Window> = tree.windows.iter().collect();
        let chosen =
            |hints: Hints| choose("kitty", Pid(20), &windows, &hints).map(|c| number(c.window));
        assert_eq!(
            chosen(Hints {
                window_id: Some(Xid(1002)),
                ..Hints::default()
            }),
            Ok(2)
        );
        let leaked = Hints {
            window_id: Some(Xid(9999)),
            titles: vec![CleanText::line("fix cart")],
            ..Hints::default()
        };
        assert_eq!(
            chosen(leaked),
            Ok(1),
            "a WINDOWID of another program proves nothing"
        );
        let trouble = chosen(Hints::default()).unwrap_err();
        assert_eq!(trouble.code, TroubleCode::Ambiguous);
        assert!(trouble.hint.unwrap().contains("docs"));
    }

    #[test]
    fn a_title_proves_a_window_within_its_limits() {
        let tree = tree(vec![
            window(1, 20, "\u{25d0} Fix the cart"),
            window(2, 20, "shop"),
            window(3, 20, "\u{2733} [wip] docs"),
            window(4, 20, "Mend the till"),
        ]);
        let windows: Vec<&Window> = tree.windows.iter().collect();
        let chosen = |titles: &[&str]| {
            let hints = Hints {
                titles: titles.iter().map(|title| CleanText::line(title)).collect(),
                ..Hints::default()
            };
            let choice = choose("foot", Pid(20), &windows, &hints);
            choice.map(|choice| number(choice.window)).ok()
        };
        assert_eq!(chosen(&["Fix the cart"]), Some(1));
        assert_eq!(
            chosen(&["shop-91", "Fix the cart"]),
            Some(1),
            "one of them is enough"
        );
        assert_eq!(
            chosen(&["[wip] docs"]),
            Some(3),
            "what begins with no letter"
        );
        assert_eq!(chosen(&["Mend the till"]), Some(4), "without any sign");
        assert_eq!(
            chosen(&["shop"]),
            None,
            "a shell may have called it after its folder"
        );
        assert_eq!(
            chosen(&["[wip] docs", "Fix the cart"]),
            None,
            "they contradict"
        );
        assert_eq!(chosen(&["the cart"]), None);
        assert_eq!(chosen(&[""]), None);
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn an_editors_window_is_the_one_with_the_folder_open() {
        let tree = tree(vec![
            window(1, 20, "main.rs - shop - Visual Studio Code"),
            window(2, 20, "shop.rs - docs [SSH: shop] - Visual Studio Code"),
            window(
                3,
                20,
                "\u{25cf} a - b \u{2014} web (Workspace) \u{2014} Cursor",
            ),
        ]);
        let windows: Vec<&Window> = tree.windows.iter().collect();
        let chosen = |folder: &str| {
            let folder = CleanText::line(folder).some();
            let hints = Hints {
                folder,
                ..Hints::default()
            };
            let choice = choose("code", Pid(20), &windows, &hints);
            choice.map(|choice| number(choice.window)).ok()
        };
        assert_eq!(chosen("shop"), Some(1));
        assert_eq!(chosen("docs"), Some(2));
        assert_eq!(chosen("web"), Some(3));
        assert_eq!(chosen("Visual Studio Code"), None, "two have it");
        assert_eq!((chosen("sho"), chosen("")), (None, None));
    }

    #[test]
    fn a_title_two_windows_have_proves_nothing() {
        let tree = tree(vec![
            window(1, 20, "✳ Claude Code"),
            window(2, 20, "✳ Claude Code"),
        ]);
        let windows: Vec<&Window> = tree.windows.iter().collect();
        let hints = Hints {
            titles: vec![CleanText::line("Claude Code")],
            ..Hints::default()
        };
        assert!(choose("kitty", Pid(20), &windows, &hints).is_err());
        let one = choose("xterm", Pid(20), &windows[..1], &Hints::default()).unwrap();
        assert_eq!(one.proof, "the only window of xterm (20)");
    }
}
