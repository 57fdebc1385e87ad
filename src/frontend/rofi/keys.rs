//! Which keys call the script: rofi's `kb-custom-1` to `-6`, as its user has configured them. Pure
//! but for the files it is given.
//!
//! What is not certain is no key: a hint that does not work is worse than none.
//! **Source:** rofi(1), rofi-theme(5) and rofi-keys(5) of 1.7.3 and 2.0: a `configuration` block
//! may stand in the configuration, in what it imports and in a theme; options of the command line
//! come after all of them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::core::text::CleanText;

/// The keys, as rofi writes them, and how many there are.
pub const KEYS: usize = 6;

/// Files that are read at most: a configuration and a theme have a few.
const FILES: usize = 16;

/// The first key of each binding; empty where there is none, or it is not certain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keys([CleanText; KEYS]);

impl Keys {
    /// The keys of a call, as they travel.
    #[must_use]
    pub fn of(names: &[String]) -> Self {
        let name = |n: usize| names.get(n).map(|name| CleanText::line(name));
        Self(std::array::from_fn(|n| name(n).unwrap_or_default()))
    }

    /// The key that calls the script with `ROFI_RETV` 10 for 1, and so on.
    #[must_use]
    pub fn get(&self, custom: usize) -> Option<&CleanText> {
        let key = self.0.get(custom.checked_sub(1)?)?;
        Some(key).filter(|key| !key.is_empty())
    }
}

/// Where rofi looks for files.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The user's configuration, usually `~/.config`.
    pub config: PathBuf,
    /// `~`.
    pub home: PathBuf,
    /// Data directories, the user's first.
    pub data: Vec<PathBuf>,
}

impl Places {
    /// Where a name may lie that stands in a file of `dir`.
    fn candidates(&self, name: &str, dir: Option<&Path>) -> Vec<PathBuf> {
        let name = match name.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(name),
        };
        let own = self.config.join("rofi");
        let themes = self.data.iter().map(|dir| dir.join("rofi/themes"));
        let dirs = dir.map(Path::to_path_buf).into_iter();
        let dirs = dirs.chain([own.clone(), own.join("themes")]).chain(themes);
        // An absolute name stands for itself wherever it is joined to.
        let paths = dirs.map(|dir| dir.join(&name));
        let ended = |path: PathBuf| {
            let mut with_end = path.clone().into_os_string();
            with_end.push(".rasi");
            [PathBuf::from(with_end), path]
        };
        paths.flat_map(ended).collect()
    }
}

/// The keys of a rofi that was started with these arguments. `read` gives the text of a file, or
/// nothing if there is none.
#[must_use]
pub fn keys(
    args: &[String],
    places: &Places,
    mut read: impl FnMut(&Path) -> Option<String>,
) -> Vec<String> {
    let options = Options::of(args);
    let mut found = Found::default();
    let mut texts: VecDeque<(String, Option<PathBuf>)> = VecDeque::new();
    texts.extend(
        options
            .theme_texts
            .iter()
            .map(|text| ((*text).to_owned(), None)),
    );
    let mut named = |name: &str, dir: Option<&Path>| {
        let mut paths = places.candidates(name, dir).into_iter();
        paths.find_map(|path| Some((read(&path)?, path.parent().map(Path::to_path_buf))))
    };
    match options.config {
        Config::None => {}
        Config::At(name) => found.take(&mut texts, named(name, None)),
        Config::Own => {
            let own = places.config.join("rofi/config.rasi");
            for path in [Path::new("/etc/rofi.rasi"), &own] {
                texts.extend(named(&path.to_string_lossy(), None));
            }
        }
    }
    if let Some(name) = options.theme {
        found.take(&mut texts, named(name, None));
    }
    let mut files = 0;
    while let Some((text, dir)) = texts.pop_front() {
        files += 1;
        if files > FILES {
            found.lost = true;
            break;
        }
        let text = without_comments(&text);
        found.bindings(&text);
        for (needed, name) in imports(&text).into_iter().take(FILES) {
            match named(&name, dir.as_deref()) {
                None if !needed || name == "/dev/null" => {}
                other => found.take(&mut texts, other),
            }
        }
    }
    for (name, value) in options.keys {
        if let Some(n) = number(name) {
            found.keys[n] = Some(first_key(value));
        }
    }
    found.names()
}

/// The options of a command line that say something of keys.
#[derive(Default)]
struct Options<'a> {
    config: Config<'a>,
    theme: Option<&'a str>,
    theme_texts: Vec<&'a str>,
    keys: Vec<(&'a str, &'a str)>,
}

/// Which configuration is read.
#[derive(Default)]
enum Config<'a> {
    /// The user's and the system's.
    #[default]
    Own,
    None,
    At(&'a str),
}

impl<'a> Options<'a> {
    fn of(args: &'a [String]) -> Self {
        let mut found = Self::default();
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let name = word.strip_prefix('-').unwrap_or_default();
            match name.strip_prefix('-').unwrap_or(name) {
                "no-config" => found.config = Config::None,
                "config" => found.config = words.next().map_or(Config::None, Config::At),
                "theme" => found.theme = words.next(),
                "theme-str" => found.theme_texts.extend(words.next()),
                name if name.starts_with("kb-custom-") => {
                    found.keys.extend(words.next().map(|value| (name, value)));
                }
                _ => {}
            }
        }
        found
    }
}

#[derive(Default)]
struct Found {
    /// The key of each that is bound somewhere; `Some(None)`: to none, or it is not certain.
    keys: [Option<Option<String>>; KEYS],
    /// A file that counts could not be read: it may say anything.
    lost: bool,
}

impl Found {
    fn take(
        &mut self,
        texts: &mut VecDeque<(String, Option<PathBuf>)>,
        file: Option<(String, Option<PathBuf>)>,
    ) {
        self.lost |= file.is_none();
        texts.extend(file);
    }

    /// Takes what a file binds. Of two that say different things none is certain.
    fn bindings(&mut self, text: &str) {
        for (at, name) in text.match_indices("kb-custom-") {
            let rest = &text[at..];
            let end = rest[name.len()..].find(|c: char| !c.is_ascii_digit());
            let (name, rest) = rest.split_at(name.len() + end.unwrap_or(rest.len() - name.len()));
            let Some(n) = number(name) else {
                continue;
            };
            let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
            let value = value.and_then(|value| value.strip_prefix('"')?.split_once('"'));
            let key = value.and_then(|(value, _)| first_key(value));
            let other = |before: &Option<String>| *before != key;
            let key = key
                .clone()
                .filter(|_| !self.keys[n].as_ref().is_some_and(other));
            self.keys[n] = Some(key);
        }
    }

    fn names(self) -> Vec<String> {
        let lost = self.lost;
        let names = self.keys.into_iter().enumerate().map(|(n, key)| match key {
            Some(key) => key.unwrap_or_default(),
            None if lost => String::new(),
            None => format!("Alt+{}", n + 1),
        });
        names.collect()
    }
}

/// Which of the keys an option is.
fn number(name: &str) -> Option<usize> {
    let n: usize = name.strip_prefix("kb-custom-")?.parse().ok()?;
    (1..=KEYS).contains(&n).then(|| n - 1)
}

/// The first of the keys of a binding; none if it is empty. A `!` means the release.
fn first_key(value: &str) -> Option<String> {
    let key = value.split(',').next().unwrap_or_default().trim();
    let key = key.trim_start_matches('!');
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    (!key.is_empty() && key.chars().all(plain)).then(|| key.to_owned())
}

/// The files that a text takes in, and whether rofi needs them.
fn imports(text: &str) -> Vec<(bool, String)> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices(['@', '?']) {
        let rest = &text[at + 1..];
        let word = ["import", "theme"]
            .iter()
            .find_map(|word| rest.strip_prefix(word));
        let value = word.and_then(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
        if let Some((name, _)) = value {
            names.push((text[at..].starts_with('@'), name.to_owned()));
        }
    }
    names
}

/// Takes out `/* … */` and `// …`, but not in strings.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            0
        };
        if skipped > 0 {
            out.push(' ');
            rest = &rest[skipped..];
            continue;
        }
        let taken = if c == '"' {
            let end = rest[1..].find(['"', '\n']);
            end.map_or(rest.len(), |end| end + 2)
        } else {
            c.len_utf8()
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(args: &[&str], files: &[(&str, &str)]) -> String {
        let places = Places {
            config: "/h/.config".into(),
            home: "/h".into(),
            data: vec!["/h/.local/share".into(), "/usr/share".into()],
        };
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let read = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some(file.1.to_owned())
        };
        keys(&args, &places, read).join(" ")
    }

    const CONFIG: &str = "/h/.config/rofi/config.rasi";

    #[test]
    fn keys_are_those_that_the_user_has() {
        let usual = "Alt+1 Alt+2 Alt+3 Alt+4 Alt+5 Alt+6";
        for (config, want) in [
            ("", usual),
            ("configuration { kb-row-up: \"Up\"; }", usual),
            (
                "configuration{kb-custom-1:\"Control+1\";}",
                "Control+1 Alt+2 Alt+3 Alt+4 Alt+5 Alt+6",
            ),
            (
                "configuration { kb-custom-2 : \"\" ; }",
                "Alt+1  Alt+3 Alt+4 Alt+5 Alt+6",
            ),
            (
                "* { kb-custom-3: \"Super+x,Alt+3\"; }",
                "Alt+1 Alt+2 Super+x Alt+4 Alt+5 Alt+6",
            ),
            ("/* kb-custom-1: \"F1\"; */ // kb-custom-2: \"F2\";", usual),
            (
                "configuration { kb-custom-11: \"F1\"; kb-custom-10: \"F2\"; }",
                usual,
            ),
            (
                "configuration { kb-custom-4: env(KEY); }",
                "Alt+1 Alt+2 Alt+3  Alt+5 Alt+6",
            ),
            (
                "kb-custom-1: \"F1\"; kb-custom-1: \"F2\";",
                " Alt+2 Alt+3 Alt+4 Alt+5 Alt+6",
            ),
            (
                "x: \"// no comment\"; kb-custom-5: \"F5\";",
                "Alt+1 Alt+2 Alt+3 Alt+4 F5 Alt+6",
            ),
            ("/* open, and \" too", usual),
        ] {
            assert_eq!(found(&["rofi"], &[(CONFIG, config)]), want, "{config}");
        }
    }

    #[test]
    fn themes_and_imports_count_and_what_is_missing_may_say_anything() {
        let theme = "/usr/share/rofi/themes/dark.rasi";
        let files = |config: &'static str| [(CONFIG, config), (theme, "kb-custom-2: \"F2\";")];
        let with_theme = "Alt+1 F2 Alt+3 Alt+4 Alt+5 Alt+6";
        assert_eq!(found(&[], &files("@theme \"dark\"")), with_theme);
        assert_eq!(
            found(&[], &files("@import \"/usr/share/rofi/themes/dark\"")),
            with_theme
        );
        assert_eq!(found(&["-theme", "dark"], &files("")), with_theme);
        assert_eq!(
            found(&["-theme-str", "@import \"dark\""], &files("")),
            with_theme
        );
        assert_eq!(
            found(&[], &files("@theme \"/dev/null\"")),
            "Alt+1 Alt+2 Alt+3 Alt+4 Alt+5 Alt+6"
        );
        assert_eq!(
            found(&[], &files("?import \"mine\"")),
            "Alt+1 Alt+2 Alt+3 Alt+4 Alt+5 Alt+6"
        );
        let lost = files("kb-custom-1: \"F1\"; @import \"gone\"");
        assert_eq!(found(&[], &lost), "F1     ");
        assert_eq!(found(&["-theme", "gone"], &[]), "     ");
        let circle = [(CONFIG, "@import \"config\"")];
        assert_eq!(found(&[], &circle), "     ");
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        let config = [(CONFIG, "kb-custom-1: \"F1\"; kb-custom-2: \"F2\";")];
        let args = ["rofi", "-kb-custom-1", "Alt+q", "-kb-custom-3", ""];
        assert_eq!(found(&args, &config), "Alt+q F2  Alt+4 Alt+5 Alt+6");
        assert_eq!(
            found(&["-no-config"], &config),
            "Alt+1 Alt+2 Alt+3 Alt+4 Alt+5 Alt+6"
        );
        let other = [("/x/other.rasi", "kb-custom-5: \"F5\";"), config[0]];
        assert_eq!(
            found(&["-config", "/x/other.rasi"], &other),
            "Alt+1 Alt+2 Alt+3 Alt+4 F5 Alt+6"
        );
        assert_eq!(found(&["-config", "/x/none.rasi"], &config), "     ");
    }
}
