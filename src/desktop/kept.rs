//! The way back, kept in a file of the runtime directory: a daemon that ends, or runs not at all,
//! does not strand its user.

use std::io;
use std::path::Path;

use super::trail::Trail;
use crate::sys::files::{read_bounded, write_atomic};

/// Largest file that is read, in bytes: a hundred times what a long walk needs.
const CAP: usize = 256 << 10;

/// Reads the way back; what is missing or cannot be understood is no way.
#[must_use]
pub fn load(path: &Path) -> Option<Trail> {
    let bytes = read_bounded(path, CAP);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            log::info!("could not read {}: {error}", path.display());
            return None;
        }
    };
    let trail = serde_json::from_slice(&bytes);
    trail
        .map_err(|error| log::info!("could not read {}: {error}", path.display()))
        .ok()
}

/// Writes the way back.
///
/// # Errors
/// Those of the file system.
pub fn save(path: &Path, trail: &Trail) -> io::Result<()> {
    write_atomic(path, &serde_json::to_vec(trail)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConId, Focus, WindowId, WindowKey, WmAddress};

    #[test]
    fn a_way_back_survives_and_a_broken_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("back.json");
        assert_eq!(load(&path), None);
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
        save(&path, &trail).unwrap();
        assert_eq!(load(&path), Some(trail));
        let of_an_older_vmux =
            r#"{"socket":"/run/i3","origin":{"con_id":7},"landed":8,"panes":[],"summoned":[]}"#;
        for broken in ["", "{", "[1]", r#"{"socket":3}"#, of_an_older_vmux] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(load(&path), None, "{broken}");
        }
    }
}
