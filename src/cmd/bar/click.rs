//! Clicks on a bar, and what they start.

use std::io::{self, IsTerminal as _};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::super::call::{Context, vmux_program};
use crate::frontend::bar::{Button, Format, parse_click};

/// Longest line of a click, in bytes; i3bar's have about 200.
const LINE_CAP: usize = 16 * 1024;
/// What may run at once; an open menu is one.
const RUNNING_CAP: usize = 8;

/// Starts what a click stands for. It outlives this program, if need be, and holds no pipe of
/// the bar open: i3blocks reads standard error to its end.
pub(super) fn perform(context: &Context, button: Button) -> io::Result<Child> {
    let program = vmux_program().map_err(io::Error::other)?;
    let spawned = Command::new(program)
        .arg(button.verb())
        .env("VMUX_SOCKET", &context.paths.socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A bar that is hidden stops its children, and one that ends ends them.
        .process_group(0)
        .spawn();
    if let Err(error) = &spawned {
        log::warn!("could not run vmux {}: {error}", button.verb());
    }
    spawned
}

/// Clicks that a bar writes to standard input.
pub(super) struct Clicks {
    format: Format,
    buffer: Vec<u8>,
    running: Arc<()>,
}

impl Clicks {
    /// Listens, if the bar writes clicks there. i3blocks does so since 1.5, which also hands a
    /// block's settings to it; with 1.4 a block has i3blocks' own standard input, and would take
    /// the clicks of all other blocks away from it.
    pub(super) fn listen(context: &Context, format: Format) -> Option<Self> {
        let ours = match format {
            Format::I3bar => true,
            Format::I3blocks => context.environ.text("interval") == Some("persist"),
            Format::Waybar | Format::Polybar | Format::Json => false,
        };
        (ours && !io::stdin().is_terminal()).then(|| Self {
            format,
            buffer: Vec::new(),
            running: Arc::new(()),
        })
    }

    /// Reads what is there and performs it. Whether there may be more.
    pub(super) fn read(&mut self, context: &Context) -> bool {
        let mut block = [0u8; 4096];
        match rustix::io::read(stdin(), &mut block) {
            Ok(0) => return false,
            Ok(length) => self.buffer.extend_from_slice(&block[..length]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => {
                log::debug!("could not read clicks: {error}");
                return false;
            }
        }
        while let Some(end) = memchr::memchr(b'\n', &self.buffer) {
            let rest = self.buffer.split_off(end + 1);
            let line = std::mem::replace(&mut self.buffer, rest);
            if let Some(button) = parse_click(self.format, &line) {
                self.start(context, button);
            }
        }
        if self.buffer.len() > LINE_CAP {
            self.buffer.clear();
        }
        true
    }

    fn start(&self, context: &Context, button: Button) {
        if Arc::strong_count(&self.running) > RUNNING_CAP {
            return;
        }
        if let Ok(mut child) = perform(context, button) {
            let running = Arc::clone(&self.running);
            std::thread::spawn(move || {
                drop(child.wait());
                drop(running);
            });
        }
    }
}

pub(super) fn stdin() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}
