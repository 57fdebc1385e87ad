//! `vmux rofi`, which is also `vmux-rofi`: the script that rofi calls.
//!
//! rofi waits for it with the keyboard grabbed, so it always answers within 300 ms, with a row
//! that says what is wrong if need be. Its exit status and standard error go nowhere.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use super::ask::Context;
use crate::clock::Deadline;
use crate::exit::Exit;
use crate::frontend::rofi::show_trouble;
use crate::protocol::client::{Client, ClientError};
use crate::protocol::{Reply, Request, RofiArgs};

/// Longest wait for everything: rofi's own window takes 22 ms to appear, and a person notices
/// a dead keyboard after some 300.
const PATIENCE: Duration = Duration::from_millis(280);

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    match Context::new(None, false) {
        Ok(context) => run(&context).into(),
        Err(error) => {
            show(&show_trouble(&format!("{error:#}")));
            Exit::Done.into()
        }
    }
}

pub(super) fn run(context: &Context) -> Exit {
    let bytes = match page(context) {
        Ok(bytes) => bytes,
        Err(word) => show_trouble(&word),
    };
    show(&bytes);
    Exit::Done
}

fn show(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // rofi may have been closed meanwhile.
    drop(out.write_all(bytes).and_then(|()| out.flush()));
}

fn page(context: &Context) -> Result<Vec<u8>, String> {
    let deadline = Deadline::after(PATIENCE);
    let number = |name: &str| {
        context
            .environ
            .text(name)
            .and_then(|text| text.parse().ok())
    };
    let request = Request::Rofi(RofiArgs {
        retv: number("ROFI_RETV").unwrap_or(0),
        info: context.environ.text("ROFI_INFO").map(str::to_owned),
        outside: number("ROFI_OUTSIDE").unwrap_or(0),
        environ: context.travelling(),
    });
    let mut client = match Client::connect(&context.paths.socket, deadline.left()) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => {
            context.start_daemon(deadline.left())?;
            Client::connect(&context.paths.socket, deadline.left())
                .map_err(|error| error.to_string())?
        }
        Err(error) => return Err(error.to_string()),
    };
    let answer = client.ask_raw(&request.render(), deadline.left());
    let (line, payload) = answer.map_err(|error| error.to_string())?;
    if line.starts_with(b"{\"ok\":true") {
        return Ok(payload);
    }
    let reply: Reply = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
    Err(reply
        .error
        .unwrap_or_else(|| "the vmux daemon refused".into()))
}
