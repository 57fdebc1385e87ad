//! `config.toml`. All of it optional; a key that nobody knows is a warning, not an error.

use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::alert::Wanted;
use crate::files::read_bounded;
use crate::text::CleanText;

/// Largest file that is read, in bytes.
const CAP: usize = 1 << 20;

/// What a user configured.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The menu program of `vmux menu` and `vmux dmenu`; detected if not set.
    pub launcher: Option<String>,
    /// More arguments for it.
    pub launcher_args: Vec<String>,
    /// Theme of `vmux menu` in rofi: `vmux` for the one that comes with vmux, `none` for the
    /// user's own, or a path.
    pub theme: String,
    /// Whether rofi's message bar explains the keys.
    pub hints: bool,
    /// Which sessions become desktop notifications.
    pub notifications: Wanted,
    /// Whether the window of a session that waits is marked as urgent.
    pub urgency: bool,
    /// What is not known.
    #[serde(flatten)]
    unknown: toml::Table,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            launcher: None,
            launcher_args: Vec::new(),
            theme: "vmux".into(),
            hints: true,
            notifications: Wanted::All,
            urgency: true,
            unknown: toml::Table::new(),
        }
    }
}

impl Config {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// Reads the file; a missing one is an empty one. Returns words of warning besides.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), String> {
        let bytes = match read_bounded(path, CAP) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(format!("could not read {}: {error}", path.display())),
        };
        let config = Self::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|error| format!("could not read {}: {error}", path.display()))?;
        let warnings = config
            .unknown
            .keys()
            .map(|key| format!("{}: unknown key {:?}", path.display(), CleanText::line(key)))
            .collect();
        Ok((config, warnings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_optional_and_an_unknown_key_is_a_warning() {
        assert_eq!(Config::parse(""), Ok(Config::default()));
        let config = Config::parse(
            "launcher = \"dmenu\"\nlauncher_args = [\"-fn\", \"Mono\"]\nhints = false",
        )
        .unwrap();
        assert_eq!(
            (config.launcher.as_deref(), config.hints),
            (Some("dmenu"), false)
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        assert_eq!(Config::load(&path), Ok((Config::default(), vec![])));
        std::fs::write(&path, "colour = 3").unwrap();
        assert!(Config::load(&path).unwrap().1[0].contains("colour"));
        std::fs::write(&path, "launcher = 3").unwrap();
        assert!(Config::load(&path).unwrap_err().contains("line 1"));
    }
}
