//! `vmux-rofi`: what rofi calls in script mode. No clap, one request, one write.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmux::cmd::rofi::main()
}
