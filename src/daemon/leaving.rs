//! Menus that are closing. What was chosen in a menu is focused once the menu has ended: until then
//! it has the keyboard. The server waits for all of them side by side, so that no move waits for
//! somebody else's menu.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::worker::FocusJob;
use crate::sys::exec;

/// Longest wait for a menu to end before the focus is moved all the same.
pub(super) const MENU_END: Duration = Duration::from_secs(1);
/// Menus that are waited for at most: one has the keyboard, and the others are odd.
const MENUS: usize = 16;

struct Menu {
    /// Readable once it has ended.
    process: OwnedFd,
    until: Instant,
    job: FocusJob,
}

/// All of them, in the order of the choices.
#[derive(Default)]
pub(super) struct Leaving(Vec<Menu>);

impl Leaving {
    /// Keeps a job until the process has ended.
    ///
    /// # Errors
    /// The job, to be done now, if that cannot be waited for.
    pub(super) fn put_off(
        &mut self,
        pid: u32,
        job: FocusJob,
        now: Instant,
    ) -> Result<(), FocusJob> {
        match exec::end_of(pid) {
            Some(process) if self.0.len() < MENUS => {
                let until = now + MENU_END;
                self.0.push(Menu {
                    process,
                    until,
                    job,
                });
                Ok(())
            }
            _ => Err(job),
        }
    }

    /// What to poll for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|menu| menu.process.as_fd())
    }

    /// When the next one has been waited for long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|menu| menu.until).min()
    }

    /// The jobs whose menus have ended, or were waited for long enough.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<FocusJob> {
        let due = |menu: &mut Menu| menu.until <= now || exec::has_ended(&menu.process);
        self.0.extract_if(.., due).map(|menu| menu.job).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;

    use super::*;
    use crate::core::model::Session;
    use crate::sys::clock;
    use crate::sys::proc::Environ;

    fn job() -> FocusJob {
        FocusJob::AfterMenu {
            session: Arc::new(Session::default()),
            environ: Environ::default(),
            here: None,
        }
    }

    #[test]
    fn each_is_focused_once_its_menu_has_ended_and_not_a_second_after_the_choice() {
        let now = clock::steady();
        let mut leaving = Leaving::default();
        let mut menu = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(leaving.put_off(menu.id(), job(), now).is_ok());
        let stays = std::process::id();
        assert!(leaving.put_off(stays, job(), now).is_ok());
        assert_eq!(leaving.take_due(now).len(), 0);
        assert_eq!(leaving.deadline(), Some(now + MENU_END));
        menu.kill().unwrap();
        menu.wait().unwrap();
        assert_eq!(leaving.take_due(now).len(), 1);
        assert_eq!(leaving.take_due(now + MENU_END).len(), 1);
        assert_eq!(leaving.descriptors().count(), 0);
        assert!(
            leaving.put_off(menu.id(), job(), now).is_err(),
            "it has ended"
        );
        for _ in 0..MENUS {
            assert!(leaving.put_off(stays, job(), now).is_ok());
        }
        assert!(leaving.put_off(stays, job(), now).is_err(), "too many");
    }
}
