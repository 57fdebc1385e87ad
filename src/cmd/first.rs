//! What is said once, to a person at a terminal: what this machine lacks of which vmux would make more.

use std::io::IsTerminal as _;

use super::call::Context;
use crate::cmd::exit;
use crate::serve::lacks::{self, Distribution};

/// Says it, if there is something that was not said before.
pub(super) fn tell(context: &Context) {
    let seen = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if !seen || !context.config().config.hints {
        return;
    }
    match lacks::told_now(&context.paths, &context.environ) {
        Ok(missing) => {
            let wayland = context.environ.get("WAYLAND_DISPLAY").is_some();
            exit::say(&lacks::words(&missing, wayland, Distribution::here()));
        }
        Err(error) => log::debug!("could not keep what was told: {error}"),
    }
}
