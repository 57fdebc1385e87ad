//! A repository in which git hangs.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};

/// A repository that does not answer, as on a file system that does not: git waits for its own settings.
pub(crate) struct Stuck {
    config: PathBuf,
    settings: String,
    fifo: PathBuf,
}

impl Stuck {
    /// From now on whoever runs git in this working tree waits.
    pub(crate) fn new(top: &Path) -> Self {
        let config = top.join(".git/config");
        let settings = fs::read_to_string(&config).unwrap();
        let fifo = top.join(".git/silent");
        mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
        fs::write(&config, format!("{settings}[include]\n\tpath = silent\n")).unwrap();
        Self {
            config,
            settings,
            fifo,
        }
    }

    /// Whether somebody waits; until this is dropped he goes on.
    pub(crate) fn waits(&self) -> Option<OwnedFd> {
        open(&self.fifo, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).ok()
    }

    /// It answers again.
    pub(crate) fn answers(self, held: OwnedFd) {
        fs::write(self.config, self.settings).unwrap();
        drop(held);
    }
}
