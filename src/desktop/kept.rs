//! The way back, kept in a file of the runtime directory: a daemon that ends, or runs not at all,
//! does not strand its user.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::trail::{Summoned, Trail, Trails};
use crate::core::model::{Focus, PaneView, WindowId, WmAddress, Workspace};
use crate::core::text::CleanText;
use crate::desktop::host;
use crate::desktop::wm::workspace;
use crate::sys::files::{read_bounded, write_atomic};

/// Largest file that is read, in bytes: a hundred times what a long walk needs.
const CAP: usize = 256 << 10;

/// Reads the ways back; what is missing or cannot be understood is no way.
#[must_use]
pub fn load(path: &Path) -> Trails {
    let bytes = read_bounded(path, CAP);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Trails::default(),
        Err(error) => {
            log::info!("could not read {}: {error}", path.display());
            return Trails::default();
        }
    };
    let old = || serde_json::from_slice::<OldTrail>(&bytes).map(Trail::from);
    let one = || serde_json::from_slice::<Trail>(&bytes).or_else(|error| old().map_err(|_| error));
    let trails = serde_json::from_slice(&bytes).or_else(|_| one().map(Trails::from));
    trails
        .inspect_err(|error| log::info!("could not read {}: {error}", path.display()))
        .unwrap_or_default()
}

/// Writes the ways back.
///
/// # Errors
/// Those of the file system.
pub fn save(path: &Path, trails: &Trails) -> io::Result<()> {
    write_atomic(path, &serde_json::to_vec(trails)?)
}

/// A way back as vmux wrote it when it knew i3, sway and tmux only: who upgrades after a switch
/// still goes back.
#[derive(Deserialize)]
struct OldTrail {
    socket: String,
    origin: OldFocus,
    landed: WindowId,
    panes: Vec<OldPane>,
    summoned: Vec<OldSummoned>,
    returned: bool,
}

#[derive(Deserialize)]
struct OldFocus {
    #[serde(flatten)]
    id: WindowId,
    workspace: CleanText,
    workspace_raw: String,
    output: CleanText,
}

#[derive(Deserialize)]
struct OldPane {
    program: PathBuf,
    socket: PathBuf,
    client_tty: String,
    pane_id: String,
}

#[derive(Deserialize)]
struct OldSummoned {
    window: WindowId,
    workspace: String,
    output: Option<CleanText>,
    to: String,
}

impl From<OldTrail> for Trail {
    fn from(old: OldTrail) -> Self {
        let origin = Focus {
            key: old.origin.id.key,
            xid: old.origin.id.xid,
            pid: old.origin.id.pid,
            workspace: Workspace {
                name: old.origin.workspace,
                ..workspace(&old.origin.workspace_raw, &old.origin.output)
            },
        };
        let panes = old.panes.into_iter().map(|pane| PaneView {
            host: host::FIRST,
            program: pane.program,
            server: pane.socket,
            client: pane.client_tty,
            pane: pane.pane_id,
        });
        let summoned = old.summoned.into_iter().map(|summoned| Summoned {
            window: summoned.window,
            home: workspace(&summoned.workspace, &summoned.output.unwrap_or_default()),
            to: workspace(&summoned.to, ""),
        });
        Self {
            manager: WmAddress(old.socket),
            origin,
            landed: old.landed,
            panes: panes.collect(),
            summoned: summoned.collect(),
            returned: old.returned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConId, HostKind, Pid, WindowKey, WorkspaceId, Xid};

    #[test]
    fn a_way_back_survives_and_a_broken_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("back.json");
        assert_eq!(load(&path), Trails::default());
        let trail = Trail {
            manager: WmAddress("/run/i3".into()),
            origin: Focus {
                key: WindowKey::Con(ConId(7)),
                ..Focus::default()
            },
            landed: WindowId::default(),
            panes: Vec::new(),
            summoned: Vec::new(),
            returned: false,
        };
        let other = Trail {
            manager: WmAddress("x11::7".into()),
            ..trail.clone()
        };
        let mut trails = Trails::from(other.clone());
        trails.set(trail.clone());
        save(&path, &trails).unwrap();
        let kept = load(&path);
        assert_eq!(
            (kept.last(), kept.of(&other.manager)),
            (Some(&trail), Some(&other))
        );
        let older =
            r#"{"socket":"/run/i3","origin":{"con_id":7},"landed":8,"panes":[],"summoned":[]}"#;
        for broken in ["", "{", "[1]", r#"{"socket":3}"#, older] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(load(&path), Trails::default(), "{broken}");
        }
    }

    #[test]
    fn who_upgrades_after_a_switch_still_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("back.json");
        // As the vmux of 2026-11-27 wrote it.
        let older = r#"{"socket":"/run/i3",
            "origin":{"con_id":7,"xid":77,"pid":500,"workspace":"1: a","workspace_raw":"1:  a","output":"DP-1"},
            "landed":{"con_id":8,"xid":null,"pid":null},
            "panes":[{"program":"/bin/tmux","socket":"/tmp/tmux","client_tty":"/dev/pts/1","pane_id":"%9"}],
            "summoned":[{"window":{"con_id":9,"xid":99,"pid":501},"workspace":"__i3_scratch","output":null,"to":"2"}],
            "returned":false}"#;
        std::fs::write(&path, older).unwrap();
        let trails = load(&path);
        let trail = trails.last().unwrap();
        assert_eq!(trail.manager.0, "/run/i3");
        let id = WindowId {
            key: WindowKey::Con(ConId(7)),
            xid: Some(Xid(77)),
            pid: Some(Pid(500)),
        };
        assert_eq!(trail.origin.id(), id);
        let on = &trail.origin.workspace;
        assert_eq!(on.id, WorkspaceId::Name("1:  a".into()));
        assert_eq!((&*on.name, &*on.output), ("1: a", "DP-1"));
        assert_eq!(trail.landed.key, WindowKey::Con(ConId(8)));
        let pane = &trail.panes[0];
        assert_eq!(
            (pane.host, &*pane.client, &*pane.pane),
            (HostKind::Tmux, "/dev/pts/1", "%9")
        );
        let summoned = &trail.summoned[0];
        assert_eq!(summoned.home.id, WorkspaceId::Hidden);
        assert_eq!(summoned.to.id, WorkspaceId::Name("2".into()));
        save(&path, &trails).unwrap();
        assert_eq!(load(&path), trails);
        std::fs::write(&path, serde_json::to_vec(trail).unwrap()).unwrap();
        assert_eq!(load(&path), trails, "one way was kept for all displays");
    }
}
