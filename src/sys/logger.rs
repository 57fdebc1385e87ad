//! What vmux has to say beside its output: to standard error, one line each, cleaned.
//!
//! error: a bug in vmux; warn: the world misbehaves; info: life cycle; debug: decisions.
//! Never what a session said.

use std::io::Write as _;

use log::{LevelFilter, Log, Metadata, Record};

use crate::core::text::CleanText;
use crate::sys::clock;
use crate::sys::proc::Environ;

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("vmux")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let thread = std::thread::current();
        let line = format!(
            "{} {:<5} [{} {}] {}\n",
            clock::now().format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            record.level(),
            std::process::id(),
            thread.name().unwrap_or("main"),
            CleanText::line(&record.args().to_string()),
        );
        // Nobody reads it: nothing to be done about that here.
        drop(std::io::stderr().write_all(line.as_bytes()));
    }

    fn flush(&self) {}
}

/// Logs from `level` up, or from what `VMUX_LOG` says. A later call changes the level.
pub fn install(environ: &Environ, level: LevelFilter) {
    let level = environ
        .text("VMUX_LOG")
        .and_then(|word| word.parse().ok())
        .unwrap_or(level);
    // Fails where it is installed already, which is as good.
    let _installed = log::set_logger(&Logger);
    log::set_max_level(level);
}
