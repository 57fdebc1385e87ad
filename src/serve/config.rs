//! `config.toml`. All of it optional; what is wrong with it is told, and the rest is used.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Spanned, Table, Value};

use crate::core::text::CleanText;
use crate::notify::alert::Wanted;
use crate::sys::files::read_bounded;

/// The JSON schema of the file, made from [`Config`] in a test: the programs carry the text.
pub const SCHEMA: &str = include_str!("config.schema.json");

/// Largest file that is read, in bytes.
const CAP: usize = 1 << 20;

/// What a user configured.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// The menu program of `vmux menu` and `vmux dmenu`; detected if not set.
    pub launcher: Option<String>,
    /// More arguments for it.
    pub launcher_args: Vec<String>,
    /// Theme of `vmux menu` in rofi: `vmux` for the one that comes with vmux, `none` for the
    /// user's own, or a path.
    pub theme: String,
    /// Whether rofi's message bar explains the keys, and what this machine lacks is said once.
    pub hints: bool,
    /// Which sessions become desktop notifications.
    pub notifications: Wanted,
    /// Whether the window of a session that waits is marked as urgent.
    pub urgency: bool,
    /// The terminal that is opened for a hosted session; one that is there if not set.
    pub terminal: Option<String>,
    /// The key that leaves a hosted session: `ctrl-]` if not set, `off` for none.
    pub detach_key: Option<String>,
    /// What `vmux restore` brings back.
    pub restore: Restore,
    /// Directories below which repositories are offered for new sessions; `~` is the home.
    pub roots: Vec<String>,
    /// What is not known.
    #[serde(flatten, skip_serializing)]
    #[cfg_attr(test, schemars(skip))]
    unknown: Table,
}

/// What `vmux restore` brings back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Restore {
    /// What was hosted.
    #[default]
    Hosted,
    /// What ran in windows of its own, too.
    All,
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
            terminal: None,
            detach_key: None,
            restore: Restore::Hosted,
            roots: Vec::new(),
            unknown: Table::new(),
        }
    }
}

/// A configuration, and what is wrong with its file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Loaded {
    /// What could be read of it; the rest as if it were not there.
    pub config: Config,
    /// What could not, each with the file and, where it is one, the line.
    pub wrong: Vec<String>,
    /// Keys that nobody knows.
    pub unknown: Vec<String>,
    /// The lines of the keys that were taken, from 1.
    pub lines: BTreeMap<String, usize>,
    /// Nothing of it could be read at all.
    pub broken: bool,
}

impl Loaded {
    /// Reads a text. A key whose value is odd costs that key.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut loaded = Self::default();
        let keys: BTreeMap<String, Spanned<Value>> = match toml::from_str(text) {
            Ok(keys) => keys,
            Err(error) => {
                loaded.wrong.push(error.to_string().trim_end().to_owned());
                loaded.broken = true;
                return loaded;
            }
        };
        let mut good = Table::new();
        for (key, value) in keys {
            let line = text.as_bytes()[..value.span().start.min(text.len())]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            let alone = Table::from_iter([(key.clone(), value.into_inner())]);
            match alone.clone().try_into::<Config>() {
                Ok(_) => {
                    good.extend(alone);
                    loaded.lines.insert(key, line);
                }
                Err(error) => {
                    let words = format!("line {line}: {key}: {}", error.message());
                    loaded.wrong.push(words);
                }
            }
        }
        // Each was taken by itself.
        loaded.config = good.try_into().unwrap_or_default();
        loaded.unknown = loaded.config.unknown.keys().cloned().collect();
        loaded
    }

    /// Reads the file; a missing one is an empty one.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let shown = path.display();
        let mut loaded = match read_bounded(path, CAP) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => Self {
                wrong: vec![error.to_string()],
                broken: true,
                ..Self::default()
            },
        };
        for words in &mut loaded.wrong {
            *words = format!("could not read {shown}: {words}");
        }
        for key in &mut loaded.unknown {
            let nearest = nearest(key);
            *key = format!("{shown}: unknown key {:?}", CleanText::line(key));
            if let Some(nearest) = nearest {
                key.push_str(&format!(", did you mean {nearest:?}?"));
            }
        }
        loaded
    }
}

/// The names of all keys.
#[must_use]
pub fn keys() -> Vec<String> {
    let all = serde_json::to_value(Config::default()).unwrap_or_default();
    let all = all.as_object().into_iter().flatten();
    all.map(|(key, _)| key.clone()).collect()
}

/// The key that a word is most like, if few letters are wrong.
fn nearest(word: &str) -> Option<String> {
    let keys = keys().into_iter();
    let edits = keys.map(|key| (strsim::osa_distance(word, &key), key));
    let (edits, key) = edits.min()?;
    (edits <= 1 + word.len() / 4).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_optional_and_an_unknown_key_is_told() {
        assert_eq!(Loaded::parse(""), Loaded::default());
        let config = Loaded::parse(
            "launcher = \"dmenu\"\nlauncher_args = [\"-fn\", \"Mono\"]\nhints = false",
        )
        .config;
        assert_eq!(
            (config.launcher.as_deref(), config.hints),
            (Some("dmenu"), false)
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        assert_eq!(Loaded::read(&path), Loaded::default());
        std::fs::write(&path, "colour = 3\nnotificatoins = \"off\"\nhints = true").unwrap();
        let loaded = Loaded::read(&path);
        assert!(loaded.unknown[0].ends_with("unknown key \"colour\""));
        let nearest = "unknown key \"notificatoins\", did you mean \"notifications\"?";
        assert!(loaded.unknown[1].ends_with(nearest));
        assert_eq!(loaded.lines["hints"], 3);
        assert_eq!(Loaded::read(&path).wrong, Vec::<String>::new());
    }

    #[test]
    fn an_odd_value_costs_that_key_and_is_told_with_its_line() {
        let text = "launcher = 3\ntheme = \"none\"\nhints = \"no\"\nlauncher_args = [\"a\", 1]\n\
                    urgency = false\nnotifications = \"sometimes\"\n";
        let loaded = Loaded::parse(text);
        let wanted = Config {
            theme: "none".into(),
            urgency: false,
            ..Config::default()
        };
        assert_eq!(loaded.config, wanted);
        let mut wrong = loaded.wrong;
        wrong.sort();
        let starts = [
            "line 1: launcher: ",
            "line 3: hints: ",
            "line 4: launcher_args: ",
            "line 6: notifications: ",
        ];
        assert_eq!(wrong.len(), starts.len(), "{wrong:?}");
        for (words, start) in wrong.iter().zip(starts) {
            assert!(words.starts_with(start), "{words}");
        }
    }

    #[test]
    fn what_is_no_configuration_counts_as_none_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let told = |word: &str| {
            let loaded = Loaded::read(&path);
            assert_eq!(loaded.config, Config::default());
            assert!(loaded.wrong[0].contains(word), "{:?}", loaded.wrong);
        };
        for broken in ["launcher = [", "= 1", "hints = true\nhints = false", "\0"] {
            std::fs::write(&path, broken).unwrap();
            told("at line ");
        }
        std::fs::write(&path, "#".repeat(CAP + 1)).unwrap();
        told("larger than");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        told("not a regular file");
        std::fs::remove_dir(&path).unwrap();
        let (read, write) = (rustix::fs::Mode::RUSR, rustix::fs::Mode::WUSR);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, read | write, 0).unwrap();
        told("not a regular file");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        told("not a regular file");
    }

    #[test]
    fn the_schema_is_made_of_the_type() {
        let mut schema = schemars::schema_for!(Config).to_value();
        schema["title"] = "vmux: config.toml".into();
        schema["additionalProperties"] = false.into();
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if text != SCHEMA {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve");
            std::fs::write(dir.join("config.schema.json.new"), text).unwrap();
            panic!(
                "config.schema.json is out of date: config.schema.json.new is what the type says"
            );
        }
        let named = keys();
        assert!(
            named.len() >= 10
                && named
                    .iter()
                    .all(|key| SCHEMA.contains(&format!("\"{key}\": {{")))
        );
    }
}
