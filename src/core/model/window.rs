//! The window manager's tree, a process's ancestors, and what is done with them.

use serde::{Deserialize, Serialize};

use super::{Host, HostKind, Machine, Pid, SessionKey, WindowKey, WindowRef, WmAddress, Xid};
use crate::core::text::CleanText;

/// What a window is known by from one look to the next.
///
/// No number is enough by itself: both ids are used again for other windows, and when i3 restarts
/// all its containers get new ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowId {
    /// What the manager calls it.
    #[serde(flatten)]
    pub key: WindowKey,
    /// The X11 window, if it is one.
    pub xid: Option<Xid>,
    /// The process that owns it, if that is known.
    pub pid: Option<Pid>,
}

impl WindowId {
    /// Whether both are the same window.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let same_key = self.key == other.key;
        self.xid == other.xid
            && match (self.pid, other.pid) {
                (Some(one), Some(two)) => one == two && (same_key || self.xid.is_some()),
                _ => same_key,
            }
    }
}

/// What tells one workspace from another.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceId {
    /// Its name, as the manager has it: a name may have two spaces in a row.
    Name(String),
    /// Its number, from 0, where names may be missing or given twice.
    Index(u32),
    /// Where hidden windows are.
    Hidden,
    /// On all of them at once.
    Everywhere,
    /// None, or it is not known.
    #[default]
    Unknown,
}

/// A workspace, with what its manager needs to find it again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workspace {
    /// What tells it from others.
    pub id: WorkspaceId,
    /// Its name for people; `scratchpad` for hidden windows of i3 and sway.
    pub name: CleanText,
    /// Name of the output that it is on.
    pub output: CleanText,
}

impl Workspace {
    /// Whether windows there are not seen.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.id == WorkspaceId::Hidden
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// One window of the tree, with what the resolver needs to tell it from others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// What the manager calls it.
    pub key: WindowKey,
    /// The X11 window, if it is one.
    pub xid: Option<Xid>,
    /// The process that owns it, if that is known.
    pub pid: Option<Pid>,
    /// Its title.
    pub title: CleanText,
    /// WM_CLASS class, or app_id.
    pub class: CleanText,
    /// Where it is.
    pub workspace: Workspace,
    /// Whether it has the focus.
    pub focused: bool,
    /// Whether it asks for attention.
    pub urgent: bool,
}

impl Window {
    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> WindowId {
        WindowId {
            key: self.key,
            xid: self.xid,
            pid: self.pid,
        }
    }

    /// The focus, if this window has it.
    #[must_use]
    pub fn focus(&self) -> Focus {
        Focus {
            key: self.key,
            xid: self.xid,
            pid: self.pid,
            workspace: self.workspace.clone(),
        }
    }
}

/// All windows of one window manager.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WmTree {
    /// In tree order.
    pub windows: Vec<Window>,
    /// All workspaces, empty ones too.
    pub workspaces: Vec<Workspace>,
    /// Where the focus is.
    pub focus: Focus,
    /// Whether a menu has the keyboard, of managers that tell.
    pub menu: bool,
}

/// What has the focus of a window manager.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Focus {
    /// What the manager calls it: a window, under i3 several of them or an empty workspace too.
    #[serde(flatten)]
    pub key: WindowKey,
    /// The X11 window, if it is one.
    pub xid: Option<Xid>,
    /// The process that owns it, if it is a window and that is known.
    pub pid: Option<Pid>,
    /// Where it is.
    pub workspace: Workspace,
}

impl Focus {
    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> WindowId {
        WindowId {
            key: self.key,
            xid: self.xid,
            pid: self.pid,
        }
    }
}

/// Where a way back has led.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Landed {
    /// Title of the window; `None` if it has closed, or was none: then only the workspace.
    pub window: Option<CleanText>,
    /// Its workspace.
    pub workspace: CleanText,
}

impl WmTree {
    /// The window that has the focus.
    #[must_use]
    pub fn focused(&self) -> Option<&Window> {
        self.windows.iter().find(|w| w.focused)
    }

    /// Whether there is such a workspace now: some managers remove those that are empty.
    #[must_use]
    pub fn has(&self, workspace: &Workspace) -> bool {
        self.workspaces.iter().any(|known| known.is(workspace))
    }

    /// The workspace that a person calls so: by its name, by the number that it begins with, or as
    /// people count those that are in a row. Where going to a workspace makes it, there is one of every name.
    #[must_use]
    pub fn called(&self, name: &str) -> Option<Workspace> {
        let all = || self.workspaces.iter().filter(|known| !known.is_hidden());
        let numbered = |known: &&Workspace| {
            let rest = known.name.strip_prefix(name);
            name.parse::<u32>().is_ok() && rest.is_some_and(|rest| rest.starts_with(':'))
        };
        let counted = |known: &&Workspace| match known.id {
            WorkspaceId::Index(at) => name.parse() == Ok(u64::from(at) + 1),
            _ => false,
        };
        let known = all().find(|known| &*known.name == name);
        let known = known.or_else(|| all().find(numbered));
        let known = known.or_else(|| all().find(counted)).cloned();
        let made = matches!(self.focus.workspace.id, WorkspaceId::Name(_)) && !name.is_empty();
        known.or_else(|| {
            made.then(|| Workspace {
                id: WorkspaceId::Name(name.to_owned()),
                name: CleanText::line(name),
                output: CleanText::default(),
            })
        })
    }

    /// The window that was known by this.
    #[must_use]
    pub fn again(&self, id: &WindowId) -> Option<&Window> {
        self.windows.iter().find(|window| window.id().is(id))
    }

    /// The window that the manager calls this.
    #[must_use]
    pub fn by_key(&self, key: WindowKey) -> Option<&Window> {
        self.windows.iter().find(|w| w.key == key)
    }
}

/// A process and its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The process.
    pub pid: Pid,
    /// Name of its main thread (`/proc/pid/comm`, at most 15 bytes).
    pub comm: String,
}

/// A process and its ancestors, itself first. Never empty; ends below pid 1.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcChain(pub Vec<Link>);

impl ProcChain {
    /// `claude < bash < xterm`, for messages.
    #[must_use]
    pub fn describe(&self) -> CleanText {
        let names: Vec<&str> = self.0.iter().map(|l| l.comm.as_str()).collect();
        CleanText::line(&names.join(" < "))
    }

    /// Whether this process is in the chain.
    #[must_use]
    pub fn holds(&self, pid: Pid) -> bool {
        self.0.iter().any(|l| l.pid == pid)
    }
}

/// A client of a multiplexer and a pane, with what is needed to have the one show the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaneView {
    /// The multiplexer.
    pub host: HostKind,
    /// Its program: that of the running server where that can be, so that versions match.
    pub program: std::path::PathBuf,
    /// Where its server is asked, as far as that is known.
    pub server: std::path::PathBuf,
    /// Terminal of the client.
    pub client: String,
    /// The pane, in the multiplexer's own words.
    pub pane: String,
}

/// What `perform` does to the world, innermost multiplexer first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Makes a client of a multiplexer show a pane.
    Show {
        /// Client and pane.
        view: PaneView,
        /// The pane it shows instead now, if that is known.
        before: Option<String>,
    },
    /// Focuses a window, and checks in the tree that it landed.
    Focus {
        /// The window manager.
        manager: WmAddress,
        /// The window, by all that it must still be known by.
        window: WindowId,
    },
}

/// Where a session can be seen, as far as that could be proved.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Place {
    /// Where its terminal lives.
    pub host: Option<Host>,
    /// The window that shows it.
    pub window: Option<WindowRef>,
    /// That window's workspace.
    pub workspace: Option<CleanText>,
    /// What proves that it is this window, in words.
    pub proof: CleanText,
    /// How it was found: each step from the process on, in words.
    pub way: Vec<CleanText>,
    /// What would have led elsewhere, and why it does not count, in words.
    pub rejected: Vec<CleanText>,
    /// Why there is no window.
    pub trouble: Option<Trouble>,
}

/// Why a session cannot be shown or a window not be focused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Trouble {
    /// For scripts.
    pub code: TroubleCode,
    /// For people, as the cause of `could not focus …: `.
    pub message: CleanText,
    /// What a person can do about it.
    pub hint: Option<CleanText>,
}

impl Trouble {
    /// A trouble without a hint.
    #[must_use]
    pub fn new(code: TroubleCode, message: &str) -> Self {
        Self {
            code,
            message: CleanText::line(message),
            hint: None,
        }
    }

    /// What is to be done to a session of another machine.
    #[must_use]
    pub fn elsewhere(id: &SessionKey) -> Self {
        let machine = id
            .machine
            .as_ref()
            .map_or("another machine", Machine::as_str);
        Self::new(TroubleCode::Elsewhere, &format!("it lives on {machine}"))
            .hint("use vmux there; from here it can only be looked at")
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = CleanText::line(hint).some();
        self
    }
}

/// The kinds of [`Trouble`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TroubleCode {
    /// The process has ended.
    Gone,
    /// The session lives on another machine.
    Elsewhere,
    /// No window belongs to it or to any of its ancestors.
    NoWindow,
    /// It runs in a multiplexer that no client shows.
    MuxDetached,
    /// It runs in a login from another machine.
    Remote,
    /// Several windows fit.
    #[serde(rename = "ambiguous_window")]
    Ambiguous,
    /// No window manager was found for it.
    NoWm,
    /// The window manager, or what keeps the terminal, did not answer in time.
    WmHung,
    /// The window manager, or tmux, refused.
    FocusRefused,
    /// Something else has the focus.
    FocusLost,
    /// Its window has the focus, but shows another tab.
    OtherTab,
    /// Its window has the focus, and may show another tab.
    TabUnknown,
    /// It is on another display, from where no window can be brought.
    OtherDisplay,
    /// Of a newer vmux.
    #[default]
    #[serde(other)]
    Unknown,
}

impl TroubleCode {
    /// Whether looking again later may help: it was not there, or did not answer.
    #[must_use]
    pub fn concerns_wm(self) -> bool {
        matches!(self, Self::NoWm | Self::WmHung)
    }

    /// Whether the certain half is done: the window has the focus.
    #[must_use]
    pub fn is_half(self) -> bool {
        matches!(self, Self::OtherTab | Self::TabUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ConId;

    #[test]
    fn a_workspace_is_found_by_what_it_is_called() {
        let named = |id, name: &str| Workspace {
            id,
            name: CleanText::line(name),
            output: CleanText::default(),
        };
        let raw = || WorkspaceId::Name("1:  web".into());
        let mut tree = WmTree {
            workspaces: vec![
                named(WorkspaceId::Hidden, "scratchpad"),
                named(raw(), "1:  web"),
                named(WorkspaceId::Name("12".into()), "12"),
            ],
            ..WmTree::default()
        };
        let id = |tree: &WmTree, name| tree.called(name).map(|workspace| workspace.id);
        assert_eq!(id(&tree, "1: web"), Some(raw()));
        assert_eq!(id(&tree, "1"), Some(raw()));
        assert_eq!(id(&tree, "2"), None, "there is none");
        assert_eq!(id(&tree, "scratchpad"), None);
        tree.focus.workspace.id = raw();
        let made = WorkspaceId::Name("2".into());
        assert_eq!(id(&tree, "2"), Some(made), "it is made on the way there");
        assert_eq!(id(&tree, ""), None);
        tree.workspaces = [(0, "desktop 1"), (1, "desktop 2"), (2, "1")]
            .map(|(at, name)| named(WorkspaceId::Index(at), name))
            .into();
        tree.focus.workspace.id = WorkspaceId::Index(0);
        assert_eq!(id(&tree, "desktop 2"), Some(WorkspaceId::Index(1)));
        assert_eq!(id(&tree, "2"), Some(WorkspaceId::Index(1)));
        assert_eq!(id(&tree, "1"), Some(WorkspaceId::Index(2)), "its name");
        for none in ["0", "4", "-1", ""] {
            assert_eq!(id(&tree, none), None, "{none}");
        }
    }

    #[test]
    fn a_window_is_known_again_by_more_than_a_number() {
        let id = |con_id, xid: Option<u32>, pid: Option<u32>| WindowId {
            key: WindowKey::Con(ConId(con_id)),
            xid: xid.map(Xid),
            pid: pid.map(Pid),
        };
        let window = id(1, Some(77), Some(500));
        assert!(window.is(&window));
        assert!(window.is(&id(9, Some(77), Some(500))), "i3 restarted");
        assert!(window.is(&id(1, Some(77), None)), "its owner is unknown");
        assert!(!window.is(&id(9, Some(77), None)), "the id is used again");
        assert!(!window.is(&id(1, Some(77), Some(501))), "both are");
        assert!(!window.is(&id(1, Some(78), Some(500))));
        let view = id(1, None, Some(500));
        assert!(view.is(&view));
        assert!(!view.is(&id(2, None, Some(500))), "another of its windows");
        assert!(!view.is(&id(1, None, Some(501))));
    }
}
