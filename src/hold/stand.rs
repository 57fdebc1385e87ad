//! What a holder does when its socket or its file was removed: somebody cleaned the runtime
//! directory, or the last login ended and took it along. The session is not touched by that, but
//! nobody finds it.
//!
//! It looks when it is told to, by whoever looks for sessions and finds its process only. To be told
//! by inotify would take an instance a holder, and a user has 128 of them.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use vmux::hosted::place::Place;
use vmux::sys::{paths, socket};

use crate::holder::Holder;

/// A file, whatever it is called: device and inode.
pub(crate) type Identity = (u64, u64);

/// What is at a path.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    let found = path.symlink_metadata().ok()?;
    Some((found.dev(), found.ino()))
}

/// Listens at a path, for this user only.
///
/// # Errors
/// Those of the kernel.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = socket::listen(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Makes the directory of sockets and files, and the one above it, if they are gone.
///
/// # Errors
/// Those of the file system; `PermissionDenied` if somebody else's is in the way.
pub(crate) fn make_dirs(place: &Place) -> io::Result<()> {
    let [dir, _] = place.dirs();
    let mut both = dir.parent().into_iter().chain([dir]);
    both.try_for_each(paths::create_private)
}

impl Holder {
    /// Makes anew what is gone of its place.
    pub(crate) fn stand(&mut self) {
        if let Err(error) = self.try_stand() {
            log::warn!("could not be found again: {error}");
        }
    }

    fn try_stand(&mut self) -> io::Result<()> {
        let id = self.info.id.clone();
        make_dirs(&self.place)?;
        let path = self.place.socket(&id);
        match identity(&path) {
            None => {
                self.listener = listen(&path)?;
                self.bound = identity(&path);
                log::info!("listens again at {}", path.display());
            }
            found if found == self.bound => {}
            Some(_) => {
                let words = format!("something else is in the place of {}", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
            }
        }
        if !self.place.file(&id).exists() {
            self.write_file();
        }
        Ok(())
    }
}
