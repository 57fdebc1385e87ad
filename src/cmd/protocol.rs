//! `vmux protocol`

use super::out;
use crate::cmd::exit::Exit;
use crate::protocol::SCHEMA;

pub(super) fn run() -> anyhow::Result<Exit> {
    out::write(SCHEMA.as_bytes())?;
    Ok(Exit::Done)
}
