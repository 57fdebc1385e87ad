//! What a command line asks of Claude Code: a session, or something that opens none. Pure.
//!
//! **Source:** 2.1.328 and 2.1.332, each form below started and looked at, and their own tables
//! of options. An older version has fewer sub-commands; what it takes for a prompt instead shows
//! by its status file.

use std::ffi::OsString;

use super::job;

/// What a command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A session on this terminal.
    Session,
    /// One prompt from a script (`-p`).
    Print,
    /// Something that opens no session: why.
    Nothing(&'static str),
    /// A look at a background session: its id, or a part of its name.
    Attach(String),
    /// A session or a sub-command: an option stands before it that may take it for its value.
    Unsure,
}

/// Sub-commands, hidden ones too. Any other first word is a prompt.
const COMMANDS: [&str; 28] = [
    "agents",
    "attach",
    "auth",
    "auto-mode",
    "bridge",
    "doctor",
    "gateway",
    "import",
    "install",
    "kill",
    "logs",
    "mcp",
    "migrate-installer",
    "plugin",
    "plugins",
    "project",
    "purge",
    "rc",
    "remote-control",
    "respawn",
    "rm",
    "sandbox",
    "self-hosted-runner",
    "setup-token",
    "stop",
    "ultrareview",
    "update",
    "upgrade",
];

/// Sub-commands only as the very first word; behind an option they are a prompt.
const FIRST_ONLY: [&str; 4] = ["daemon", "remote", "self-hosted-agent-proxy", "sync"];

/// Those of a background session. Behind an option they are a prompt unless an id follows.
const OF_A_JOB: [&str; 6] = ["attach", "kill", "logs", "respawn", "rm", "stop"];

/// How the CLI's own processes start, which are sessions by their status file only.
const INNER: [&str; 6] = [
    "--bg-pty-host",
    "--bg-spare",
    "--chrome-native-host",
    "--claude-in-chrome-mcp",
    "--daemon-worker",
    "--preload",
];

/// Options that take the next word, whatever it is.
const TAKES_WORD: [&str; 29] = [
    "--agent",
    "--agents",
    "--append-system-prompt",
    "--append-system-prompt-file",
    "--autocompact",
    "--debug-file",
    "--effort",
    "--environment",
    "--fallback-model",
    "--input-format",
    "--json-schema",
    "--max-budget-usd",
    "--max-turns",
    "--model",
    "--name",
    "--output-format",
    "--permission-mode",
    "--permission-prompt-tool",
    "--permission-prompts",
    "--plugin-dir",
    "--plugin-url",
    "--remote-control-session-name-prefix",
    "--session-id",
    "--setting-sources",
    "--settings",
    "--system-prompt",
    "--system-prompt-file",
    "--system-prompt-snapshot",
    "-n",
];

/// Options that take all words up to the next option.
const TAKES_WORDS: [&str; 11] = [
    "--add-dir",
    "--allowed-tools",
    "--allowedTools",
    "--betas",
    "--channels",
    "--dangerously-load-development-channels",
    "--disallowed-tools",
    "--disallowedTools",
    "--file",
    "--mcp-config",
    "--tools",
];

/// Options that take none. One that is in no list, or that may take one, leaves the next word
/// in doubt.
const TAKES_NONE: [&str; 22] = [
    "--allow-dangerously-skip-permissions",
    "--ax-screen-reader",
    "--bare",
    "--brief",
    "--chrome",
    "--continue",
    "--dangerously-skip-permissions",
    "--disable-slash-commands",
    "--exclude-dynamic-system-prompt-sections",
    "--fork-session",
    "--forward-subagent-text",
    "--ide",
    "--include-hook-events",
    "--include-partial-messages",
    "--no-chrome",
    "--no-session-persistence",
    "--replay-user-messages",
    "--restricted",
    "--safe-mode",
    "--strict-mcp-config",
    "--verbose",
    "-c",
];

const COMMAND: Asked = Asked::Nothing("a sub-command that opens no session");

/// Reads the arguments after the program's name.
#[must_use]
pub fn read(arguments: &[OsString]) -> Asked {
    let words: Vec<_> = arguments
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.first() {
        Some(first) if INNER.contains(first) => return Asked::Unsure,
        Some(first) if FIRST_ONLY.contains(first) => return COMMAND,
        _ => {}
    }
    let (mut prints, mut doubt, mut prompted) = (false, false, false);
    let mut at = 0;
    // After `--` stands a prompt.
    while let Some(word) = words.get(at).filter(|word| **word != "--") {
        at += 1;
        if !is_option(word) {
            let rest = &words[at - 1..];
            if doubt && COMMANDS.contains(word) {
                return Asked::Unsure;
            }
            // In doubt, it is the value of the option before it, or the prompt.
            if !doubt && !prompted && !prints {
                match command(rest, at == 1) {
                    Asked::Session => prompted = true,
                    other => return other,
                }
            }
            continue;
        }
        match option(word) {
            Means::Ends(why) => return Asked::Nothing(why),
            Means::Print => prints = true,
            Means::TakesWord => at += 1,
            Means::TakesWords => {
                at += 1;
                let rest = words.iter().skip(at);
                at += rest.take_while(|word| !is_option(word)).count();
            }
            Means::Doubt => doubt = !prompted,
            Means::Nothing => {}
        }
    }
    if prints { Asked::Print } else { Asked::Session }
}

/// Options that concern one start only.
const ONCE: [&str; 7] = [
    "--continue",
    "--fork-session",
    "--from-pr",
    "--resume",
    "--session-id",
    "-c",
    "-r",
];

/// The options that hold for a conversation however it is gone on with: which model, which tools. What
/// is not known, and prompts, are left out.
#[must_use]
pub fn lasting(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(word) = arguments.get(at).filter(|word| **word != "--") {
        at += 1;
        if !is_option(word) {
            continue;
        }
        let name = word.split('=').next().unwrap_or_default();
        let from = at - 1;
        match option(word) {
            Means::TakesWord => at += 1,
            Means::TakesWords => {
                let rest = arguments.iter().skip(at);
                at += rest.take_while(|word| !is_option(word)).count();
            }
            Means::Nothing if word.starts_with("--") => {}
            _ => continue,
        }
        if !ONCE.contains(&name) {
            kept.extend(arguments.iter().take(at).skip(from).cloned());
        }
    }
    kept
}

/// What the first word that is no option asks for; `first` if no option stands before it.
fn command(words: &[&str], first: bool) -> Asked {
    let (word, argument) = (words.first().copied().unwrap_or_default(), words.get(1));
    if !COMMANDS.contains(&word) {
        return Asked::Session;
    }
    if OF_A_JOB.contains(&word) {
        let names = |id: &str| job::is_id(id) || (word == "respawn" && id == "--all");
        if !first && !argument.is_some_and(|id| names(id)) {
            return Asked::Session;
        }
        if let ("attach", Some(job)) = (word, argument) {
            return Asked::Attach((*job).to_owned());
        }
    }
    COMMAND
}

fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

/// What an option means for the words after it, and for what is asked.
enum Means {
    Ends(&'static str),
    Print,
    TakesWord,
    TakesWords,
    Doubt,
    Nothing,
}

fn option(word: &str) -> Means {
    if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'))
        && letters.len() > 1
        && letters.bytes().all(|b| b.is_ascii_alphabetic())
    {
        return short_options(letters);
    }
    match word {
        "-h" | "--help" | "-v" | "-V" | "--version" => Means::Ends("prints something and ends"),
        "--bg" | "--background" => Means::Ends("starts a background session and ends"),
        "-p" | "--print" => Means::Print,
        _ if word.contains('=') => Means::Nothing,
        _ if TAKES_WORD.contains(&word) => Means::TakesWord,
        _ if TAKES_WORDS.contains(&word) => Means::TakesWords,
        _ if TAKES_NONE.contains(&word) => Means::Nothing,
        _ => Means::Doubt,
    }
}

/// Several short options in one word (`-cp`); the first that takes a value takes the rest for it.
fn short_options(letters: &str) -> Means {
    let mut means = Means::Nothing;
    for (at, letter) in letters.char_indices() {
        let last = at + letter.len_utf8() == letters.len();
        match option(&format!("-{letter}")) {
            Means::TakesWord | Means::Doubt if !last => return means,
            Means::Nothing => {}
            other if !matches!(means, Means::Print) => means = other,
            _ => {}
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &[&str]) -> Asked {
        read(&line.iter().map(OsString::from).collect::<Vec<_>>())
    }

    /// Each was started with 2.1.332, on a terminal.
    #[test]
    fn a_sub_command_opens_no_session_wherever_it_stands() {
        for line in [
            &["agents"][..],
            &["--dangerously-skip-permissions", "agents"],
            &["--model", "opus", "agents"],
            &["--model=opus", "agents"],
            &["-c", "agents"],
            &["agents", "of", "the", "shop"],
            &["mcp", "serve"],
            &["--add-dir", "/a", "/b", "--verbose", "mcp", "serve"],
            &["gateway"],
            &["stop", "doing", "that"],
            &["--model", "opus", "stop", "55183192"],
            &["--verbose", "respawn", "--all"],
            &["sync", "it"],
            &["--version"],
            &["-n", "x", "--help"],
            &["--bg", "fix it"],
        ] {
            assert!(
                matches!(asked(line), Asked::Nothing(_)),
                "{line:?}: {:?}",
                asked(line)
            );
        }
    }

    /// Each of these is a session of 2.1.332.
    #[test]
    fn the_words_of_a_prompt_are_no_sub_command() {
        for line in [
            &[][..],
            &["stop the server"],
            &["config", "list"],
            &["setup"],
            &["say hi", "agents"],
            &["--model", "opus", "stop", "doing", "that"],
            &["--model", "opus", "attach", "foo"],
            &["--verbose", "daemon", "run"],
            &["--allowedTools", "Bash", "mcp", "serve"],
            &["-n", "agents"],
            &["--append-system-prompt", "-v", "say hi"],
            &["--name", "agents", "--", "hello"],
            &["--", "-p"],
            &["-"],
        ] {
            assert_eq!(asked(line), Asked::Session, "{line:?}");
        }
    }

    /// `-d agents` is the list of agents, `-r mcp` the search for a conversation.
    #[test]
    fn what_an_option_may_take_is_in_doubt() {
        for line in [
            &["-d", "agents"][..],
            &["-r", "mcp", "serve"],
            &["--of-a-newer-version", "agents"],
            &["--of-a-newer-version", "3", "agents"],
            &["--bg-spare", "/tmp/x.sock"],
        ] {
            assert_eq!(asked(line), Asked::Unsure, "{line:?}");
        }
        assert_eq!(asked(&["--of-a-newer-version", "fix it"]), Asked::Session);
        assert_eq!(asked(&["-r", "0b1c", "go on"]), Asked::Session);
        assert_eq!(asked(&["--resume"]), Asked::Session);
    }

    #[test]
    fn what_holds_for_a_conversation_is_told_from_its_start() {
        for (line, kept) in [
            ("--model opus fix it", "--model opus"),
            ("--model=opus -c", "--model=opus"),
            (
                "--add-dir /a /b --verbose -r 0b1c go on",
                "--add-dir /a /b --verbose",
            ),
            ("--resume 0b1c --fork-session", ""),
            (
                "--session-id 0b1c --dangerously-skip-permissions",
                "--dangerously-skip-permissions",
            ),
            ("--of-a-newer-version 3 --resume=0b1c", ""),
            ("--mcp-config a.json -- --model opus", "--mcp-config a.json"),
            ("--model", "--model"),
            ("", ""),
        ] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(lasting(&words).join(" "), kept, "{line:?}");
        }
    }

    #[test]
    fn a_script_prints() {
        for line in [
            &["-p", "hi"][..],
            &["hi", "--print"],
            &["-cp", "hi"],
            &["-pd"],
            &["--model", "opus", "--print", "hi"],
            &["--of-a-newer-version", "hi", "-p"],
        ] {
            assert_eq!(asked(line), Asked::Print, "{line:?}");
        }
        assert_eq!(asked(&["-np"]), Asked::Session, "named p");
    }

    #[test]
    fn an_attached_terminal_names_its_background_session() {
        for (line, job) in [
            (&["attach", "55183192"][..], "55183192"),
            (&["attach", "deploy"], "deploy"),
            (
                &["--dangerously-skip-permissions", "attach", "55183192"],
                "55183192",
            ),
            (&["-c", "attach", "0808e29a", "--verbose"], "0808e29a"),
        ] {
            assert_eq!(asked(line), Asked::Attach(job.to_owned()), "{line:?}");
        }
        assert!(matches!(asked(&["attach"]), Asked::Nothing(_)));
    }
}
