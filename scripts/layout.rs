//! Puts what a daemon runs all the time in one place of the static program.
//!
//! The kernel maps 64 KiB of a program around each page that is run. In the order of the compiler
//! nearly all of these pieces hold something that a daemon runs, and it keeps the whole program in
//! memory for a fifth of it. `scripts/resident.txt` names that fifth (`scripts/resident` finds it). A
//! name that is no longer there costs nothing but its place.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "how a build script and cargo speak"
)]

use std::path::PathBuf;
use std::{env, fs, io};

const NAMES: &str = "scripts/resident.txt";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={NAMES}");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|is| is == value);
    let says = |variable: &str| env::var(variable).is_ok_and(|words| words.contains("link"));
    // Only what is published, and by the usual linker: not every other one knows such scripts.
    let usual = env::var_os("RUSTC_LINKER").is_none() && !says("CARGO_ENCODED_RUSTFLAGS");
    if !is("CARGO_CFG_TARGET_ENV", "musl") || !is("PROFILE", "release") || !usual {
        return Ok(());
    }
    let names = fs::read_to_string(NAMES)?;
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let script = out.unwrap_or_default().join("resident.ld");
    fs::write(&script, link_script(&names))?;
    println!("cargo::rustc-link-arg-bin=vmux=-Wl,-T,{}", script.display());
    Ok(())
}

/// A section of its own for the functions of these names, behind all others.
fn link_script(names: &str) -> String {
    let functions: String = names
        .lines()
        // A dollar sign begins a variable for the linker.
        .map(|name| name.replace('$', "?"))
        .map(|name| format!("    *(.text.{name} .text.unlikely.{name})\n"))
        .collect();
    format!("SECTIONS\n{{\n  .text.resident :\n  {{\n{functions}  }}\n}}\nINSERT AFTER .text;\n")
}
