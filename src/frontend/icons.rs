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
/// these tools its own, with its badge (SVG within 24 by 24), for a list of several.
///
/// # Errors
/// Those of the file system.
pub fn write(dir: &Path, tools: &[(&str, &str)]) -> io::Result<()> {
    create_private_dir(dir)?;
    for (name, svg) in ICONS {
        put(&dir.join(format!("{name}.svg")), svg)?;
        for (tool, badge) in tools {
            let svg = svg.replace("</svg>", &format!("{badge}</svg>"));
            put(&dir.join(format!("{tool}-{name}.svg")), &svg)?;
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
        Ok(old) if old == text.as_bytes() => Ok(()),
        _ => std::fs::write(path, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_finds_its_icon() {
        let dir = tempfile::tempdir().unwrap();
        let icons = dir.path().join("icons");
        write(&icons, &[("plain", ""), ("other", "<path d=\"M0 0z\"/>")]).unwrap();
        for name in crate::frontend::row::ICONS {
            let read = |file: String| std::fs::read_to_string(icons.join(file)).unwrap();
            let icon = read(format!("{name}.svg"));
            assert_eq!(read(format!("plain-{name}.svg")), icon);
            let other = read(format!("other-{name}.svg"));
            assert!(other.ends_with("<path d=\"M0 0z\"/></svg>\n"), "{other}");
        }
        assert!(theme(&dir.path().join("icons")).is_file());
    }
}
