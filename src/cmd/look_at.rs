//! `vmux look-at`: says what lies in directories, for another vmux that must not wait for them.

use std::io;

use crate::cmd::exit::Exit;
use crate::sys::ground::apart;

/// Answers on standard output what standard input asks, until that ends. An error if it is asked
/// something else.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    (words.len() == 1).then(|| {
        apart::serve(&mut io::stdin().lock(), &mut io::stdout().lock())?;
        Ok(Exit::Done)
    })
}
