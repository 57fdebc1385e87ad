//! The icons and the theme that come with vmux, for programs that want them as files.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::files::create_private_dir;

/// Name and content of each icon.
const ICONS: [(&str, &str); 9] = [
    ("waiting", include_str!("../../rofi/waiting.svg")),
    ("question", include_str!("../../rofi/question.svg")),
    ("menu", include_str!("../../rofi/menu.svg")),
    ("snoozed", include_str!("../../rofi/snoozed.svg")),
    ("done", include_str!("../../rofi/done.svg")),
    ("working", include_str!("../../rofi/working.svg")),
    ("background", include_str!("../../rofi/background.svg")),
    ("idle", include_str!("../../rofi/idle.svg")),
    ("unknown", include_str!("../../rofi/unknown.svg")),
];

/// The rofi theme.
pub const THEME: &str = include_str!("../../rofi/vmux.rasi");

/// Writes all icons and the theme into `dir`: those of a list of one coding tool, and for each of
/// these tools its own, with its badge (SVG within 24 by 24), for a list of several. A tool without
/// a badge has links to the plain ones.
///
/// # Errors
/// Those of the file system.
pub fn write(dir: &Path, tools: &[(&str, &str)]) -> io::Result<()> {
    create_private_dir(dir)?;
    for (name, svg) in ICONS {
        put(&dir.join(format!("{name}.svg")), svg)?;
        for (tool, badge) in tools {
            let own = dir.join(format!("{tool}-{name}.svg"));
            if badge.is_empty() {
                link(&own, &format!("{name}.svg"))?;
            } else {
                put(&own, &svg.replace("</svg>", &format!("{badge}</svg>")))?;
            }
        }
    }
    put(&theme(dir), THEME)
}

/// Where [`write()`] puts the theme.
#[must_use]
pub fn theme(dir: &Path) -> PathBuf {
    dir.join("vmux.rasi")
}

/// Writes a file that is not as it should be.
fn put(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::read(path) {
        Ok(old) if old == text.as_bytes() && !path.is_symlink() => Ok(()),
        _ => {
            clear(path)?;
            std::fs::write(path, text)
        }
    }
}

/// Makes a link that does not lead where it should.
fn link(path: &Path, to: &str) -> io::Result<()> {
    if std::fs::read_link(path).is_ok_and(|old| old == Path::new(to)) {
        return Ok(());
    }
    clear(path)?;
    std::os::unix::fs::symlink(to, path)
}

/// Takes away a file or a link: what is written anew goes nowhere else.
fn clear(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_finds_its_icon() {
        let dir = tempfile::tempdir().unwrap();
        let icons = dir.path().join("icons");
        let badge = "<path d=\"M0 0z\"/>";
        // Over what other versions had: each had a badge, or had none.
        write(&icons, &[("plain", badge), ("other", "")]).unwrap();
        write(&icons, &[("plain", ""), ("other", badge)]).unwrap();
        for name in crate::frontend::row::ICONS {
            let read = |file: String| std::fs::read_to_string(icons.join(file)).unwrap();
            let icon = read(format!("{name}.svg"));
            assert!(!icon.contains(badge), "{icon}");
            let plain = icons.join(format!("plain-{name}.svg"));
            assert!(plain.is_symlink(), "not written twice");
            assert_eq!(std::fs::read_to_string(plain).unwrap(), icon);
            let other = read(format!("other-{name}.svg"));
            assert!(other.ends_with("<path d=\"M0 0z\"/></svg>\n"), "{other}");
        }
        assert!(theme(&dir.path().join("icons")).is_file());
    }
}
