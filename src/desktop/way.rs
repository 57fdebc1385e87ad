//! What a search has found out so far, and the words for it: how a window was found, and what was
//! rejected on the way. Pure.

use super::{PaneTitle, Terminal};
use crate::core::model::{
    Action, Host, HostKind, Place, ProcChain, Trouble, Window, WindowRef, WmAddress, Xid,
};
use crate::core::text::CleanText;
use crate::desktop::host::DRIVERS;
use crate::desktop::locate::Choice;
use crate::sys::proc::Environ;

/// What a round of the search has found out so far.
#[derive(Clone, Default)]
pub(super) struct Search {
    pub(super) actions: Vec<Action>,
    pub(super) host: Option<Host>,
    /// A multiplexer on the way shows something else right now.
    pub(super) hidden: bool,
    /// One of them cannot be asked.
    pub(super) uncertain: bool,
    /// Who shows it in the window.
    pub(super) terminal: Option<Terminal>,
    /// The pane that it runs in, if its innermost multiplexer tells titles.
    pub(super) pane: Option<PaneTitle>,
    way: Vec<CleanText>,
    rejected: Vec<CleanText>,
}

impl Search {
    pub(super) fn step(&mut self, words: &str) {
        self.way.push(CleanText::line(words));
    }

    pub(super) fn reject(&mut self, words: &str) {
        self.rejected.push(CleanText::line(words));
    }

    /// In a program that shows terminals. The first one counts: an outer one shows what that gives it.
    pub(super) fn enter(&mut self, kind: HostKind, program: &str, target: Option<&str>) {
        self.host.get_or_insert_with(|| Host {
            kind,
            program: CleanText::line(program).some(),
            target: target.and_then(|target| CleanText::line(target).some()),
        });
    }

    /// From a process up through its parents, to this window manager.
    pub(super) fn walked(&mut self, chain: &ProcChain, manager: &Result<&WmAddress, &Trouble>) {
        let links = chain.0.iter();
        let links: Vec<String> = links.map(|l| format!("{} ({})", l.comm, l.pid.0)).collect();
        self.step(&format!("processes: {}", links.join(" < ")));
        match manager {
            Ok(address) => self.step(&format!("window manager: {address}")),
            Err(trouble) => self.step(&format!("window manager: {}", trouble.message)),
        }
    }

    /// At the window, one of those of its owner.
    pub(super) fn arrived(&mut self, choice: &Choice<'_>, windows: &[&Window], environ: &Environ) {
        let kind = self.host.as_ref().map(|host| host.kind);
        for driver in DRIVERS {
            let (name, variable) = (driver.name, driver.variable);
            if environ.get(variable).is_some() && kind != Some(driver.kind) {
                self.reject(&format!(
                    "{variable}: no {name} server is among its parents, a terminal handed it on"
                ));
            }
        }
        let id = environ.text("WINDOWID").and_then(|id| id.parse().ok());
        if let Some(id) = id.map(Xid)
            && !windows.iter().any(|window| window.xid == Some(id))
        {
            self.reject(&format!(
                "WINDOWID {}: no window of this owner, a parent terminal's perhaps",
                id.0
            ));
        }
        for window in windows {
            if window.key != choice.window.key {
                let (title, workspace) = (&window.title, &window.workspace.name);
                self.reject(&format!(
                    "window {} \u{201c}{title}\u{201d} on workspace {workspace}: not the one that fits",
                    window.key
                ));
            }
        }
    }

    /// The place of the window; focusing it is the last action.
    pub(super) fn place(&mut self, choice: &Choice<'_>, manager: Option<&WmAddress>) -> Place {
        let window = choice.window;
        self.actions.extend(manager.map(|manager| Action::Focus {
            manager: manager.clone(),
            window: window.id(),
        }));
        Place {
            window: Some(WindowRef {
                key: window.key,
                xid: window.xid,
                manager: manager.cloned(),
                title: window.title.clone(),
                output: window.workspace.output.clone().some(),
                focused: window.focused && !self.hidden,
            }),
            workspace: window.workspace.name.clone().some(),
            proof: CleanText::line(&choice.proof),
            ..self.known()
        }
    }

    /// What is known of a place that nothing shows.
    pub(super) fn nowhere(&mut self, trouble: Trouble) -> (Trouble, Place) {
        let place = Place {
            trouble: Some(trouble.clone()),
            ..self.known()
        };
        (trouble, place)
    }

    fn known(&mut self) -> Place {
        Place {
            host: self.host.take(),
            way: std::mem::take(&mut self.way),
            rejected: std::mem::take(&mut self.rejected),
            ..Place::default()
        }
    }
}
