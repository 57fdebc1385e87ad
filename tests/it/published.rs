//! What is published says the same everywhere: the oldest Rust, the version, the names of files.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// `1.91.0` and `1.91` as numbers.
fn release(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, word) in numbers.iter_mut().zip(version.split('.')) {
        *number = word.parse().unwrap();
    }
    numbers
}

/// Lints see to this project's own code (`clippy::incompatible_msrv`), the gate to a build by that Rust.
#[test]
fn no_dependency_wants_a_newer_rust() {
    let done = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-musl"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let metadata: Value = serde_json::from_slice(&done.stdout).unwrap();
    let oldest = release(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{}", packages.len());
    let newer: Vec<_> = packages
        .iter()
        .filter(|package| {
            package["rust_version"]
                .as_str()
                .is_some_and(|wanted| release(wanted) > oldest)
        })
        .map(|package| package["id"].to_string())
        .collect();
    assert_eq!(newer, Vec::<String>::new());
}

#[test]
fn every_name_of_a_file_has_the_version() {
    let readme = read("README.md");
    for name in [
        format!("vmux_{VERSION}-1_amd64.deb"),
        format!("vmux-{VERSION}-1.x86_64.rpm"),
        format!("vmux-{VERSION}-x86_64-unknown-linux-musl.tar.gz"),
    ] {
        assert!(readme.contains(&name), "README does not have {name}");
    }
    assert!(read("scripts/PKGBUILD").contains(&format!("\npkgver={VERSION}\n")));
}
