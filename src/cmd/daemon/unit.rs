//! `vmux daemon install-unit`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::cmd::exit::{Exit, Failure};
use crate::cmd::out;
use crate::sys::files::{create_private_dir, read_bounded, write_atomic};

/// As packages bring it, with the path that those have.
const UNIT: &str = include_str!("../../../scripts/vmux.service");
/// That path.
const PACKAGED: &str = "/usr/bin/vmux";
/// Its name.
const NAME: &str = "vmux.service";
/// Largest unit that is read, in bytes.
const CAP: usize = 1 << 16;

pub(super) fn install(print: bool) -> anyhow::Result<Exit> {
    let failed = |words: String| Failure::new(format!("could not install the unit: {words}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let unit = unit_for(&program).ok_or_else(|| {
        let words = format!("{} cannot be written into a unit", program.display());
        failed(words).hint("its name has a line break, or is not UTF-8")
    })?;
    if print {
        out::write(unit.as_bytes())?;
        return Ok(Exit::Done);
    }
    let base = BaseDirs::new().ok_or_else(|| failed("no home directory (is HOME set?)".into()))?;
    let path: PathBuf = base.config_dir().join("systemd/user").join(NAME);
    let shown = path.display().to_string();
    let packaged = packaged(&base);
    match read_bounded(&path, CAP) {
        Ok(old) if old == unit.as_bytes() => {}
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && starts(packaged.as_ref(), &unit) =>
        {
            return Ok(said(&format!(
                "{} starts this program: no other unit is needed",
                packaged.map(|(path, _)| path).unwrap_or_default().display()
            ))?);
        }
        Ok(old) if !is_ours(&old) => {
            return Err(failed(format!("{shown} is there, and not of this verb"))
                .hint("`vmux daemon install-unit --print` prints it, to be compared")
                .into());
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(format!("could not read {shown}: {error}")).into());
        }
        _ => put(&path, &unit).map_err(|error| failed(format!("{shown}: {error}")))?,
    }
    let instead = packaged.map(|(path, _)| format!(", which counts instead of {}", path.display()));
    Ok(said(&format!(
        "wrote {shown}{}",
        instead.unwrap_or_default()
    ))?)
}

fn said(words: &str) -> io::Result<Exit> {
    let next = "systemctl --user daemon-reload && systemctl --user enable --now vmux.service";
    out::write(format!("{words}\nnow: {next}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// The unit that counts where the user has none, and what it says.
///
/// **Source:** systemd.unit(5), "Load path when running in user mode".
fn packaged(base: &BaseDirs) -> Option<(PathBuf, Vec<u8>)> {
    let dirs = [
        PathBuf::from("/etc/systemd/user"),
        base.data_dir().join("systemd/user"),
        PathBuf::from("/usr/local/lib/systemd/user"),
        PathBuf::from("/usr/lib/systemd/user"),
    ];
    dirs.iter().find_map(|dir| {
        let path = dir.join(NAME);
        let unit = read_bounded(&path, CAP).ok()?;
        Some((path, unit))
    })
}

/// Whether a unit starts the same program as this one.
fn starts(packaged: Option<&(PathBuf, Vec<u8>)>, unit: &str) -> bool {
    let lines = |unit: &[u8]| {
        let text = String::from_utf8_lossy(unit).into_owned();
        let lines = text.lines().filter(|line| line.starts_with("ExecStart="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    packaged.is_some_and(|(_, packaged)| lines(packaged) == lines(unit.as_bytes()))
}

fn put(path: &Path, unit: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    if !dir.is_dir() {
        fs::create_dir_all(dir.parent().unwrap_or(dir))?;
        create_private_dir(dir)?;
    }
    write_atomic(path, unit.as_bytes())
}

/// Whether a unit is one that this verb writes, with whatever path.
fn is_ours(unit: &[u8]) -> bool {
    let line = UNIT.lines().next().unwrap_or_default();
    unit.starts_with(line.as_bytes())
}

/// The unit that starts this program; nothing if its path cannot be told to systemd.
///
/// **Source:** systemd.service(5), "Command lines", and systemd.unit(5), "Specifiers": quotes,
/// backslashes and percent signs.
fn unit_for(program: &Path) -> Option<String> {
    let path = program
        .to_str()
        .filter(|path| !path.contains(['\n', '\r']))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let word = if path.chars().all(plain) {
        path.to_owned()
    } else {
        let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
        // The name of a program is not expanded, but specifiers are.
        format!("\"{}\"", escaped.replace('%', "%%"))
    };
    let mut unit = UNIT.to_owned();
    for before in ["ExecStart=", "ExecStartPre=-"] {
        unit = unit.replace(&format!("{before}{PACKAGED} "), &format!("{before}{word} "));
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_the_program_where_it_is() {
        let lines = |path: &str| {
            let unit = unit_for(Path::new(path)).unwrap();
            let lines = unit.lines().filter(|line| line.starts_with("ExecStart"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        for (path, word) in [
            (
                "/home/someone/.cargo/bin/vmux",
                "/home/someone/.cargo/bin/vmux",
            ),
            ("/opt/my tools/vmux", "\"/opt/my tools/vmux\""),
            ("/opt/50%/\"a\\/vmux", "\"/opt/50%%/\\\"a\\\\/vmux\""),
        ] {
            let stop = format!("ExecStartPre=-{word} daemon stop");
            assert_eq!(lines(path), [stop, format!("ExecStart={word} daemon run")]);
        }
        assert_eq!(unit_for(Path::new("/a\nb/vmux")), None);
        assert!(is_ours(unit_for(Path::new("/x/vmux")).unwrap().as_bytes()));
        assert!(!is_ours(b"[Unit]\n"));
    }
}
