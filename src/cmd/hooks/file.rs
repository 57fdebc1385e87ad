//! One `settings.json`: read, changed, read again. The text's own rules are in `settings`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::agent::claude::settings::{self, HOOKS, Own, Refusal};
use crate::cmd::exit::Failure;
use crate::sys::files::{read_bounded, replace, tidy, unchanged};

/// Largest settings that are read, in bytes. Real ones have some kilobytes.
pub(super) const SIZE_CAP: usize = 16 << 20;
/// Permissions of settings that are made: they may hold keys.
const NEW_MODE: u32 = 0o600;

/// The settings of a configuration directory.
pub(super) struct Settings {
    /// Its name.
    pub(super) path: PathBuf,
    /// Where it lies, past links.
    target: PathBuf,
    /// What it holds; `None` if it is not there.
    pub(super) text: Option<String>,
    mode: u32,
}

/// What becomes of settings.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// They are written.
    Write(String),
    /// They held nothing but hooks, and are removed.
    Remove,
}

impl Settings {
    /// Reads the settings of a configuration directory.
    pub(super) fn read(config: &Path) -> Result<Self, Failure> {
        let path = config.join("settings.json");
        let fail = |cause: &str| could_not("read", &path, cause);
        let target = match fs::canonicalize(&path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.is_symlink() {
                    return Err(fail("it is a link to nothing")
                        .hint("make the file that it points to, or remove the link"));
                }
                return Ok(Self {
                    target: path.clone(),
                    path,
                    text: None,
                    mode: NEW_MODE,
                });
            }
            Err(error) => return Err(fail(&error.to_string())),
        };
        let bytes = read_bounded(&target, SIZE_CAP).map_err(|error| fail(&error.to_string()))?;
        let metadata = fs::metadata(&target).map_err(|error| fail(&error.to_string()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| fail("it is not UTF-8").hint("save it as UTF-8, then try again"))?;
        Ok(Self {
            path,
            target,
            text: Some(text),
            mode: metadata.permissions().mode() & 0o7777,
        })
    }

    /// The hooks of vmux in it.
    pub(super) fn hooks(&self) -> Result<Vec<Own>, Failure> {
        let text = self.text.as_deref().unwrap_or_default();
        settings::installed(text).map_err(|refusal| self.refused(&refusal))
    }

    /// With `answers`, or if it was so before, permission requests can be answered from vmux.
    pub(super) fn install(
        &self,
        program: &str,
        events: &[&str],
        answers: bool,
    ) -> Result<Change, Failure> {
        let text = self.text.as_deref().unwrap_or_default();
        let answers = answers || self.hooks()?.iter().any(|own| own.answers);
        let new = settings::install(text, program, events, answers)
            .map_err(|refusal| self.refused(&refusal))?;
        Ok(if self.text.as_ref() == Some(&new) {
            Change::Nothing
        } else {
            Change::Write(new)
        })
    }

    /// What was there before, if that is known and nothing else has changed since; else the text
    /// without vmux's hooks.
    pub(super) fn uninstall(&self) -> Result<Change, Failure> {
        let own = self.hooks()?;
        let (Some(text), Some(first)) = (&self.text, own.first()) else {
            return Ok(Change::Nothing);
        };
        let before = self.before();
        let answers = own.iter().any(|own| own.answers);
        if let Some(before) = &before
            && settings::installed(before).is_ok_and(|own| own.is_empty())
            && settings::install(before, &first.program, &in_order(&own), answers).as_ref()
                == Ok(text)
        {
            return Ok(Change::Write(before.clone()));
        }
        let rest = settings::uninstall(text).map_err(|refusal| self.refused(&refusal))?;
        // Without a copy from before there was no file.
        Ok(if before.is_none() && settings::is_empty(&rest) {
            Change::Remove
        } else {
            Change::Write(rest)
        })
    }

    /// Does it, and reads again what was written. Returns where the copy from before lies.
    pub(super) fn perform(&self, change: &Change) -> Result<Option<PathBuf>, Failure> {
        let old = self.text.as_deref().map(str::as_bytes);
        match change {
            Change::Nothing => Ok(None),
            Change::Remove => {
                self.check_writable("remove")?;
                unchanged(&self.target, old)
                    .and_then(|()| fs::remove_file(&self.target))
                    .map_err(|error| self.not_written("remove", &error))?;
                Ok(None)
            }
            Change::Write(new) => {
                self.check_writable("write")?;
                let installs = settings::installed(new).is_ok_and(|own| !own.is_empty());
                if installs {
                    self.keep_copy()?;
                }
                replace(&self.target, old, new.as_bytes())
                    .and_then(|()| unchanged(&self.target, Some(new.as_bytes())))
                    .map_err(|error| self.not_written("write", &error))?;
                let copy = self.copy();
                if self.before().as_deref() == Some(new) {
                    // It holds nothing more than the settings themselves now.
                    drop(fs::remove_file(&copy));
                }
                Ok(Some(copy).filter(|copy| copy.exists()))
            }
        }
    }

    fn not_written(&self, verb: &str, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "its directory must be writable; if a program manages it, have that add what --dry-run shows"
            }
            _ => "nothing was changed; try again",
        };
        could_not(verb, &self.path, &error.to_string()).hint(hint)
    }

    /// A file that its user made read-only, or that a program manages, is not written around.
    fn check_writable(&self, verb: &str) -> Result<(), Failure> {
        if self.mode & 0o200 != 0 {
            return Ok(());
        }
        Err(could_not(verb, &self.path, "it is read-only")
            .hint("`chmod u+w` it, or have the program that manages it add what --dry-run shows"))
    }

    /// Keeps what was there before vmux's hooks. A copy of that is left alone when they are only
    /// brought up to date.
    fn keep_copy(&self) -> Result<(), Failure> {
        let path = self.copy();
        let fail = |error: io::Error| {
            could_not("write", &path, &error.to_string())
                .hint("nothing was changed; the directory must be writable")
        };
        let Some(text) = &self.text else {
            // A copy of other times would be taken for what was there.
            if path.exists() {
                fs::rename(&path, path.with_extension("before-vmux.old")).map_err(fail)?;
            }
            return Ok(());
        };
        if self.hooks()?.is_empty() || !path.exists() {
            let bare = settings::uninstall(text).map_err(|refusal| self.refused(&refusal))?;
            // Made by an earlier install: there was no file before.
            if settings::is_empty(&bare) && !self.hooks()?.is_empty() {
                return Ok(());
            }
            let old = read_bounded(&path, SIZE_CAP).ok();
            replace(&path, old.as_deref(), bare.as_bytes()).map_err(fail)?;
        }
        Ok(())
    }

    /// Removes what killed calls left.
    pub(super) fn tidy(&self) {
        tidy(&self.target);
        tidy(&self.copy());
    }

    fn copy(&self) -> PathBuf {
        self.path.with_extension("json.before-vmux")
    }

    /// What the copy from before holds.
    fn before(&self) -> Option<String> {
        String::from_utf8(read_bounded(&self.copy(), SIZE_CAP).ok()?).ok()
    }

    fn refused(&self, refusal: &Refusal) -> Failure {
        could_not("read", &self.path, &refusal.to_string()).hint(refusal.remedy)
    }
}

fn could_not(verb: &str, path: &Path, cause: &str) -> Failure {
    Failure::new(format!("could not {verb} {}: {cause}", path.display()))
}

/// The events of hooks in the order that they are installed in.
fn in_order(own: &[Own]) -> Vec<&'static str> {
    let has = |event: &str| own.iter().any(|own| own.event == event);
    let events = HOOKS.iter().map(|hook| hook.event);
    events.filter(|event| has(event)).collect()
}
