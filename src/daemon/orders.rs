//! What a thread of the daemon is told: one value, and the sign that it has changed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Orders of the type `T`, shared by those who give them and the thread that carries them out.
#[derive(Default)]
pub(super) struct Orders<T> {
    all: Mutex<T>,
    changed: Condvar,
}

impl<T> Orders<T> {
    pub(super) fn new(all: T) -> Self {
        Self {
            all: Mutex::new(all),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A thread that panicked while it held the lock left whole values.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them, and tells.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let done = change(&mut self.lock());
        self.changed.notify_all();
        done
    }

    /// Waits while `idle`, for `patience` at most or without end, and takes from them.
    pub(super) fn take<R>(
        &self,
        patience: Option<Duration>,
        idle: impl FnMut(&mut T) -> bool,
        take: impl FnOnce(&mut T) -> R,
    ) -> R {
        let orders = self.lock();
        let mut orders = match patience {
            None => self
                .changed
                .wait_while(orders, idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(orders, patience, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        take(&mut orders)
    }
}
