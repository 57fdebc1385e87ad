//! Background sessions: their records, and the terminals that show them. Pure.
//!
//! **Source:** 2.1.332. A session of `claude --bg` runs on a terminal of the agent's own daemon;
//! `claude attach ID` shows it in another, and has no status file itself.

use std::path::Path;

use crate::core::text::{CleanText, shell_word};
use crate::sys::proc::Environ;

/// Largest `state.json` that is read, in bytes. Real ones have about 1000.
pub const STATE_CAP: usize = 256 * 1024;

/// Whether this is the id of a background session: what may be part of a path.
#[must_use]
pub fn is_id(word: &str) -> bool {
    word.len() == 8 && is_hex(word)
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a background session needs, by its `jobs/<id>/state.json`: `approve Bash: touch x`, or
/// `answer: Which colour? (Red · Blue)`.
#[must_use]
pub fn parse_needs(state: &[u8]) -> Option<CleanText> {
    #[derive(serde::Deserialize)]
    struct State {
        needs: Option<serde_json::Value>,
    }
    let state: State = serde_json::from_slice(state).ok()?;
    CleanText::line(state.needs?.as_str()?).some()
}

/// What is asked, without the verb before it.
#[must_use]
pub fn ask_of(needs: &CleanText) -> CleanText {
    let plain = needs
        .strip_prefix("approve ")
        .or_else(|| needs.strip_prefix("answer: "));
    CleanText::line(plain.unwrap_or(needs))
}

/// Which of these sessions `claude attach WORD` shows, by their ids and names: the only one whose
/// id begins so, else the only one whose name has it, whatever the case. The CLI itself refuses a
/// word that fits several; here some may have come since.
#[must_use]
pub fn shown<'a>(
    word: &str,
    sessions: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
) -> Option<&'a str> {
    let only = |mut fitting: Box<dyn Iterator<Item = &'a str> + '_>| {
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let ids = sessions.clone().map(|(id, _)| id);
    if is_hex(word) && word.len() <= 8 {
        return only(Box::new(ids.filter(|id| id.starts_with(word))));
    }
    let word = word.trim().to_lowercase();
    let named = sessions.filter(|(_, name)| name.is_some_and(|n| n.to_lowercase().contains(&word)));
    only(Box::new(named.map(|(id, _)| id))).filter(|_| !word.is_empty())
}

/// How a shell starts the CLI of a process for the same configuration: `claude`, or its own path
/// where no `claude` of its installation is on its path. Nothing if its words cannot be shown as
/// they are.
#[must_use]
pub fn cli(environ: &Environ, exe: &Path, default_config: bool) -> Option<CleanText> {
    let assign = |name: &str| {
        let value = environ.text(name)?;
        Some(format!("{name}={} ", shell_word(value)))
    };
    let config = match default_config {
        true => String::new(),
        false => assign("CLAUDE_CONFIG_DIR").or_else(|| assign("HOME"))?,
    };
    let command = format!("{config}{}", shell_word(&program(environ, exe)?));
    let shown = CleanText::line(&command);
    (*shown == *command).then_some(shown)
}

/// The program's name where a shell finds it by that, else its path.
fn program(environ: &Environ, exe: &Path) -> Option<String> {
    let base = exe.file_name()?.to_str()?;
    let installed = exe
        .parent()
        .is_some_and(|dir| dir.ends_with("claude/versions"));
    let searched = |dir: &Path| {
        let path = environ.text("PATH").unwrap_or_default();
        path.split(':').any(|entry| Path::new(entry) == dir)
    };
    // A wrapper stands beside what it wraps, and sets what that needs.
    let within = base.starts_with('.').then(|| exe.with_file_name("claude"));
    let own = within.as_deref().unwrap_or(exe);
    // npm links `bin/claude` of its prefix, or `.bin/claude` of a project, to its package.
    let modules = exe.ancestors().find(|dir| dir.ends_with("node_modules"));
    let linked = modules.is_some_and(|modules| {
        let prefix = modules.parent().filter(|lib| lib.ends_with("lib"));
        let global = prefix
            .and_then(Path::parent)
            .map(|prefix| prefix.join("bin"));
        searched(&modules.join(".bin")) || global.is_some_and(|global| searched(&global))
    });
    let beside = own.parent().is_some_and(searched) && own.ends_with("claude");
    if installed || linked || beside {
        return Some("claude".to_owned());
    }
    own.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attached_terminal_shows_the_only_session_that_fits() {
        let all = [
            ("0808e29a", Some("shop")),
            ("8e81854c", Some("shop2")),
            ("cdea1818", Some("Deploy it")),
            ("cd000000", None),
        ];
        let shown = |word: &str| shown(word, all.iter().copied());
        assert_eq!(shown("0808e29a"), Some("0808e29a"));
        assert_eq!(shown("08"), Some("0808e29a"));
        assert_eq!(shown("cd"), None, "two ids begin so");
        assert_eq!(shown("deploy"), Some("cdea1818"));
        assert_eq!(shown(" DEPLOY IT "), Some("cdea1818"));
        assert_eq!(shown("shop"), None, "two names have it");
        assert_eq!(shown("shop2"), Some("8e81854c"));
        assert_eq!(shown("nothing"), None);
        assert_eq!(shown(" "), None);
    }

    #[test]
    fn what_it_needs_is_read_defensively() {
        let needs = |state: &str| parse_needs(state.as_bytes()).map(|n| ask_of(&n).to_string());
        assert_eq!(
            needs(r#"{"state":"working","needs":"approve Bash: touch \u001b[31mx"}"#).as_deref(),
            Some("Bash: touch x")
        );
        let question = r#"{"needs":"answer: Which? (Red)","block":{"questions":[]}}"#;
        assert_eq!(needs(question).as_deref(), Some("Which? (Red)"));
        for nothing in [
            "",
            "{}",
            r#"{"needs":null}"#,
            r#"{"needs":7}"#,
            r#"{"needs":""}"#,
        ] {
            assert_eq!(needs(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_command_is_what_a_shell_takes() {
        let command = |environ: &[u8], exe: &str, default: bool| {
            let environ = Environ::parse(environ);
            cli(&environ, Path::new(exe), default).map(|cli| cli.to_string())
        };
        let native = "/home/dev/.local/share/claude/versions/2.1.332";
        let npm = "/opt/node/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe";
        let path = b"PATH=/usr/bin:/opt/node/bin\0HOME=/home/dev\0";
        assert_eq!(command(path, native, true).as_deref(), Some("claude"));
        assert_eq!(command(path, npm, true).as_deref(), Some("claude"));
        assert_eq!(command(b"PATH=/usr/bin\0", npm, true).as_deref(), Some(npm));
        assert_eq!(
            command(
                b"CLAUDE_CONFIG_DIR=/c/my work's; rm -rf $HOME\0",
                native,
                false
            )
            .as_deref(),
            Some(r"CLAUDE_CONFIG_DIR='/c/my work'\''s; rm -rf $HOME' claude")
        );
        assert_eq!(
            command(path, native, false).as_deref(),
            Some("HOME=/home/dev claude")
        );
        assert_eq!(
            command(b"", "/nix/store/abc-claude-code/bin/.claude-wrapped", true).as_deref(),
            Some("/nix/store/abc-claude-code/bin/claude")
        );
        let hidden = "CLAUDE_CONFIG_DIR=/c/\u{1b}[31m\u{202e}\0".as_bytes();
        assert_eq!(command(hidden, native, false), None, "not as it is written");
    }
}
