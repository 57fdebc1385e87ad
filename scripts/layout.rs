//! How the programs are linked: what starts sooner, and what keeps less in memory.
//!
//! **The unwinder.** Rust's library asks for a shared one (`libgcc_s.so.1`), and to load that is a
//! seventh of the start of a small program. The same code out of the compiler's archive is found
//! first, so that the shared one is not needed.
//!
//! **The order of the program.** What a daemon runs all the time is put in one place. The kernel
//! maps 64 KiB of a program around each page that is run. In the order of the compiler nearly all
//! of these pieces hold something that a daemon runs, and it keeps the whole program in memory for
//! a fifth of it. `scripts/resident.txt` names that fifth (`scripts/resident` finds it): first what
//! only its start runs, which it lets go of, then the rest. A name that is no longer there costs
//! nothing but its place.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "how a build script and cargo speak"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const NAMES: &str = "scripts/resident.txt";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={NAMES}");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_ENV", "gnu") && has_unwinder() {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
    let says = |variable: &str| env::var(variable).is_ok_and(|words| words.contains("link"));
    // Only what is published, and by the usual linker: not every other one knows such scripts.
    let usual = env::var_os("RUSTC_LINKER").is_none() && !says("CARGO_ENCODED_RUSTFLAGS");
    if !is("PROFILE", "release") || !usual {
        return Ok(());
    }
    let names = fs::read_to_string(NAMES)?;
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let script = out.unwrap_or_default().join("resident.ld");
    fs::write(&script, link_script(&names))?;
    println!("cargo::rustc-link-arg-bin=vmux=-Wl,-T,{}", script.display());
    Ok(())
}

/// Whether the linker will find the archive of the unwinder: a compiler that does not have it
/// says the bare name.
fn has_unwinder() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or("cc".into());
    let asked = Command::new(linker)
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    asked.is_ok_and(|said| {
        let said = String::from_utf8_lossy(&said.stdout);
        Path::new(said.trim_end()).is_absolute()
    })
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
