//! Whether Claude Code runs the hooks of somebody's settings at all. Pure.
//!
//! **Source:** 2.1.140, 2.1.250 and 2.1.332 of the real CLI with `disableAllHooks` in each file and
//! pairs of them: of the files that have the key, the last decides, in the order user, project,
//! local, managed, fragments of managed settings by name (which 2.0.77 does not read; else it does
//! the same). A value that is no boolean costs the whole file. `allowManagedHooksOnly` and `strictPluginOnlyCustomization` count in managed settings only.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

const DISABLED: &str = "disableAllHooks";
const ONLY_MANAGED: &str = "allowManagedHooksOnly";
const ONLY_PLUGINS: &str = "strictPluginOnlyCustomization";

/// A file of settings.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where it lies.
    pub file: PathBuf,
    /// What it holds.
    pub text: String,
    /// Whether it is an administrator's.
    pub managed: bool,
}

/// What switches hooks off.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Off {
    /// The file.
    pub file: PathBuf,
    /// The key in it.
    pub key: &'static str,
}

impl std::fmt::Display for Off {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} in {}", self.key, self.file.display())
    }
}

/// What switches the hooks of these files off; they are given in the order in which the later
/// ones count more.
#[must_use]
pub fn switched_off(layers: &[Layer]) -> Option<Off> {
    let (mut disabled, mut only_managed, mut only_plugins) = (None, None, None);
    for layer in layers {
        let (_, body) = super::split_mark(&layer.text);
        let Ok(Value::Object(settings)) = serde_json::from_str(body) else {
            continue;
        };
        let off = |key| Off {
            file: layer.file.clone(),
            key,
        };
        match settings.get(DISABLED) {
            None => {}
            Some(Value::Bool(is)) => disabled = is.then(|| off(DISABLED)),
            // Nothing of this file counts, the hooks in it neither.
            Some(_) if !layer.managed => return Some(off(DISABLED)),
            Some(_) => continue,
        }
        if !layer.managed {
            continue;
        }
        if let Some(Value::Bool(is)) = settings.get(ONLY_MANAGED) {
            only_managed = is.then(|| off(ONLY_MANAGED));
        }
        match settings.get(ONLY_PLUGINS) {
            Some(Value::Bool(true)) => only_plugins = Some(off(ONLY_PLUGINS)),
            Some(Value::Array(parts)) if parts.iter().any(|part| part == "hooks") => {
                only_plugins = Some(off(ONLY_PLUGINS));
            }
            _ => {}
        }
    }
    disabled.or(only_managed).or(only_plugins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What switches hooks off where the files hold this.
    fn off(user: &str, project: &str, managed: &[&str]) -> Option<(String, &'static str)> {
        let layer = |file: &str, text: &str, managed| Layer {
            file: file.into(),
            text: text.into(),
            managed,
        };
        let mut layers = vec![layer("user", user, false), layer("project", project, false)];
        let managed = managed.iter().enumerate();
        layers.extend(managed.map(|(n, text)| layer(&format!("managed {n}"), text, true)));
        switched_off(&layers).map(|off| (off.file.display().to_string(), off.key))
    }

    fn by(file: &str, key: &'static str) -> Option<(String, &'static str)> {
        Some((file.to_owned(), key))
    }

    #[test]
    fn the_last_file_that_says_so_decides() {
        let (yes, no) = (
            r#"{"disableAllHooks": true}"#,
            r#"{"disableAllHooks": false}"#,
        );
        assert_eq!(off("{}", "", &[]), None);
        assert_eq!(off(yes, "", &[]), by("user", DISABLED));
        assert_eq!(off("", yes, &["{}"]), by("project", DISABLED));
        assert_eq!(off(yes, no, &[]), None);
        assert_eq!(off(yes, yes, &[no]), None);
        assert_eq!(off(no, no, &[no, yes]), by("managed 1", DISABLED));
        assert_eq!(off("", "", &[yes, no]), None);
        assert_eq!(
            off("\u{feff}{\"disableAllHooks\": true}", "", &[]),
            by("user", DISABLED)
        );
    }

    #[test]
    fn an_administrator_may_allow_his_own_hooks_only() {
        let only = r#"{"allowManagedHooksOnly": true}"#;
        assert_eq!(off(only, only, &[]), None, "nobody else may");
        assert_eq!(off("", "", &["{}", only]), by("managed 1", ONLY_MANAGED));
        for text in ["true", r#"["skills", "hooks"]"#] {
            let text = format!("{{\"strictPluginOnlyCustomization\": {text}}}");
            assert_eq!(off("", "", &[&text]), by("managed 0", ONLY_PLUGINS));
        }
        let other = r#"{"strictPluginOnlyCustomization": ["skills"]}"#;
        assert_eq!(off("", "", &[other]), None);
    }

    #[test]
    fn a_value_that_is_no_boolean_costs_the_whole_file() {
        for odd in ["\"true\"", "1", "null", "[]"] {
            let text = format!("{{\"disableAllHooks\": {odd}}}");
            assert_eq!(off(&text, "", &[]), by("user", DISABLED), "{odd}");
        }
        assert_eq!(off("{", "[]", &["7"]), None);
    }
}
