//! `vmux look-at`: says what lies in directories, for another vmux that must not wait for them.

use std::io;

use crate::cmd::exit::Exit;
use crate::sys::ground::apart;

/// Answers on standard output what standard input asks, until that ends.
///
/// # Errors
/// If it is asked something else.
pub fn run() -> anyhow::Result<Exit> {
    apart::serve(&mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(Exit::Done)
}
