//! What a person sees of a session: the truth that vmux is held against. Pure.

/// What a screen shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// Nothing of the CLI yet, or no more.
    Nothing,
    /// A dialog before the session: is this directory trusted?
    StartDialog,
    /// The prompt, and nothing goes on.
    Idle,
    /// A spinner.
    Working,
    /// May a tool be used?
    Permission,
    /// A question with options.
    Question,
    /// Is this plan good?
    Plan,
    /// A menu that the user opened.
    Menu,
    /// A shell has the terminal: the CLI was suspended, or has ended.
    Shell,
}

/// Lines above the prompt, but for empty ones, in which its spinner is, with tips between.
const ABOVE: usize = 8;

/// Reads the screen of a terminal that the CLI has, as `tmux capture-pane -p` prints it.
pub(super) fn read(screen: &str) -> Shown {
    let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
    if let Some(prompt) = prompt(&lines) {
        // What is further up was said or drawn before.
        let now = &lines[prompt.saturating_sub(ABOVE)..];
        let works = is_spinning(now) || now.iter().any(|line| line.contains("esc to interrupt"));
        return if works { Shown::Working } else { Shown::Idle };
    }
    let any = |words: &[&str]| words.iter().any(|word| screen.contains(word));
    if any(&[
        "Do you trust the files in this folder?",
        "Quick safety check:",
    ]) {
        Shown::StartDialog
    } else if any(&["Exit plan mode?", "Would you like to proceed?"]) {
        Shown::Plan
    } else if any(&["Do you want to proceed?", "Do you want to create"]) {
        Shown::Permission
    } else if any(&["Enter to select \u{b7}"]) {
        Shown::Question
    } else if any(&["Select model", "Resume session", "Resume Session"]) {
        Shown::Menu
    } else {
        Shown::Nothing
    }
}

/// `✻ Stewing… (1s · ↓ 12 tokens)`; a turn that is over says `✻ Stewed for 3s` below.
fn is_spinning(lines: &[&str]) -> bool {
    let signed = |line: &&&str| {
        let mut letters = line.chars();
        let sign = letters.next().is_some_and(|c| "·✢✳✶✻✽*".contains(c));
        sign && letters.next() == Some(' ')
    };
    let last = lines.iter().rev().find(signed);
    last.is_some_and(|line| line.contains('…') || line.contains("Waiting for "))
}

/// The last line that is a prompt: between rules, where a dialog would take its place.
fn prompt(lines: &[&str]) -> Option<usize> {
    let ruled = |line: &str| line.starts_with('─') && line.ends_with('─');
    let is_prompt = |i: &usize| lines[*i].starts_with('❯') && ruled(lines[*i - 1]);
    (1..lines.len()).rev().find(is_prompt)
}

/// What is typed into the prompt; `None` if there is no prompt.
pub(super) fn input(screen: &str) -> Option<&str> {
    let lines: Vec<&str> = screen.lines().collect();
    let prompt = lines[prompt(&lines)?];
    prompt.strip_prefix('❯').map(str::trim)
}

/// The key of an option, by the word that it starts with: ` ❯ 3. No, and tell Claude…`.
pub(super) fn option(screen: &str, word: &str) -> Option<String> {
    screen.lines().rev().find_map(|line| {
        let line = line.trim_start_matches(|c: char| !c.is_ascii_digit());
        let (key, text) = line.split_once(". ")?;
        let starts = text.split(|c: char| !c.is_alphabetic()).next() == Some(word);
        (starts && key.len() == 1).then(|| key.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "────────────────────────";

    fn ruled(lines: &[&str]) -> String {
        lines.join("\n").replace("---", RULE)
    }

    #[test]
    fn screens_of_every_version_are_read() {
        for (shown, screen) in [
            (Shown::Nothing, ""),
            (Shown::Nothing, "$ claude\n"),
            (
                Shown::Idle,
                "❯ say:hi\n● hi\n---\n❯ \n---\n  ? for shortcuts",
            ),
            (
                Shown::Idle,
                "✻ Sautéed for 4s · 1 shell still running\n---\n❯ \n---",
            ),
            (
                Shown::Working,
                "✻ Doodling… (esc to interrupt)\n---\n❯ \n---",
            ),
            (
                Shown::Working,
                "* Gitifying… (1s · ↓ 20 tokens)\n---\n❯ \n---",
            ),
            (
                Shown::Idle,
                "✻ Waiting for 1 background agent to finish\n✻ Churned for 1s\n---\n❯ \n---",
            ),
            (
                Shown::Working,
                "✻ Waiting for 1 background agent to finish\n---\n❯ \n---",
            ),
            (
                Shown::Permission,
                "---\n Bash command\n Do you want to proceed?\n ❯ 1. Yes\n\n✻ Working… (2s)",
            ),
            (
                Shown::Question,
                "Which?\n❯ 1. Red\nEnter to select · ↑/↓ to navigate · Esc",
            ),
            (
                Shown::StartDialog,
                " Do you trust the files in this folder?\n ❯ 1. Yes",
            ),
            (
                Shown::StartDialog,
                " Quick safety check: Is this\n ❯ No, exit",
            ),
        ] {
            assert_eq!(read(&ruled(&[screen])), shown, "{screen}");
        }
    }

    #[test]
    fn options_have_keys() {
        let screen = "Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, always\n   3. No, and tell\n";
        assert_eq!(option(screen, "No").as_deref(), Some("3"));
        assert_eq!(option(screen, "Maybe"), None);
    }

    #[test]
    fn the_prompt_is_told_from_what_was_said() {
        let screen = ruled(&["❯ say:hi", "● hi", "---", "❯ say:more", "---"]);
        assert_eq!(input(&screen), Some("say:more"));
        assert_eq!(input("❯ say:hi\n● hi"), None);
    }
}
