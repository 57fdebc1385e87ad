//! What a command line asks of Codex CLI: a session, of which conversation, or something that opens
//! none. Pure.

use std::path::PathBuf;

use super::process::Purpose;

/// Sub-commands that open a session on the terminal.
const OPENS: [&str; 2] = ["fork", "resume"];

/// Sub-commands that run a prompt and end.
const RUNS: [&str; 3] = ["e", "exec", "review"];

/// All others, hidden ones too. Any other first word is a prompt.
/// **Source:** `codex --help` of 0.139.0 to 0.171.0.
const COMMANDS: [&str; 27] = [
    "a",
    "agents",
    "app",
    "app-server",
    "apply",
    "archive",
    "cloud",
    "completion",
    "debug",
    "delete",
    "doctor",
    "exec-server",
    "execpolicy",
    "features",
    "help",
    "login",
    "logout",
    "mcp",
    "mcp-server",
    "migrate-nfs-db",
    "migrate-rollouts",
    "plugin",
    "queue",
    "remote-control",
    "sandbox",
    "unarchive",
    "update",
];

/// Options that take the next word.
const TAKES_WORD: [&str; 20] = [
    "--add-dir",
    "--ask-for-approval",
    "--cd",
    "--config",
    "--disable",
    "--enable",
    "--image",
    "--local-provider",
    "--model",
    "--profile",
    "--remote",
    "--remote-auth-token-env",
    "--sandbox",
    "-C",
    "-a",
    "-c",
    "-i",
    "-m",
    "-p",
    "-s",
];

/// Options without a value that hold for a conversation however it is gone on with: who started it with
/// one has a version that knows it.
const LASTING: [&str; 10] = [
    "--approve-for-me",
    "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-bypass-hook-trust",
    "--full-auto",
    "--no-alt-screen",
    "--no-daemon",
    "--oss",
    "--search",
    "--strict-config",
    "--yolo",
];

/// Options with a value that concern one start only. It is gone on with where the conversation works
/// already: a relative directory would lead on from there.
const ONCE: [&str; 4] = ["--cd", "--image", "-C", "-i"];

/// What the arguments after the program's name ask for.
pub(super) fn purpose(words: &[&str]) -> Purpose {
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "-h" | "--help" | "-V" | "--version" => {
                return Purpose::Never("prints something and ends");
            }
            "--" => return Purpose::Session,
            _ if TAKES_WORD.contains(&word) => drop(words.next()),
            _ if word.len() > 1 && word.starts_with('-') => {}
            _ if OPENS.contains(&word) => return Purpose::Session,
            _ if RUNS.contains(&word) => return Purpose::Headless,
            "app-server" => return app_server(words),
            _ if COMMANDS.contains(&word) => {
                return Purpose::Never("a sub-command that opens no session");
            }
            _ => return Purpose::Session,
        }
    }
    Purpose::Session
}

/// What the arguments of a session say of its conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    /// It goes on with a conversation, or forks one.
    pub resumes: bool,
    /// The conversation that it goes on with.
    pub named: Option<String>,
    /// Where it is to work.
    pub dir: Option<PathBuf>,
    /// It runs its conversation itself.
    pub alone: bool,
}

/// Reads what the arguments of a session say of its conversation.
#[must_use]
pub(super) fn asked(argv: &[std::ffi::OsString]) -> Asked {
    let mut asked = Asked::default();
    let mut words = argv.iter().skip(1);
    let mut verb = None;
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "--" => break,
            "-C" | "--cd" => asked.dir = words.next().map(PathBuf::from),
            "--no-daemon" | "--dangerously-bypass-hook-trust" => asked.alone = true,
            word if TAKES_WORD.contains(&word) => drop(words.next()),
            word if word.len() > 1 && word.starts_with('-') => {
                let dir = attached(word).filter(|(name, _)| matches!(*name, "-C" | "--cd"));
                asked.dir = dir.map(|(_, dir)| PathBuf::from(dir)).or(asked.dir);
            }
            word if verb.is_none() && OPENS.contains(&word) => {
                asked.resumes = true;
                verb = Some(word == "resume");
            }
            // Anything else than an id is a name, or a prompt.
            word if verb == Some(true) && super::pairing::made_at(word).is_some() => {
                asked.named = Some(word.to_ascii_lowercase());
                break;
            }
            _ => break,
        }
    }
    asked
}

/// The options of a start that hold for its conversation however it is gone on with: which model, what it
/// may do. What is not known, and prompts, are left out.
pub(super) fn lasting(arguments: &[String]) -> Vec<String> {
    let lasts = |name: &str| TAKES_WORD.contains(&name) && !ONCE.contains(&name);
    let mut kept = Vec::new();
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if TAKES_WORD.contains(&word.as_str()) {
            if let Some(value) = words.next().filter(|_| lasts(word)) {
                kept.extend([word.clone(), value.clone()]);
            }
        } else if LASTING.contains(&word.as_str())
            || attached(word).is_some_and(|(name, _)| lasts(name))
        {
            kept.push(word.clone());
        }
    }
    kept
}

/// An option and its value in one word: `--model=o3`, `-mo3`, `-m=o3`.
fn attached(word: &str) -> Option<(&str, &str)> {
    if word.starts_with("--") {
        return word.split_once('=');
    }
    let (name, value) = word.split_at_checked(2)?;
    let is_one = name.starts_with('-') && !value.is_empty();
    is_one.then(|| (name, value.strip_prefix('=').unwrap_or(value)))
}

/// `app-server --listen unix:// …` serves; `app-server daemon …`, `app-server proxy` do not.
fn app_server<'a>(mut words: impl Iterator<Item = &'a str>) -> Purpose {
    match words.any(|word| word.starts_with("unix://")) {
        true => Purpose::Daemon,
        false => Purpose::Never("an app-server of another program, or its updater"),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn arguments_tell_of_the_conversation() {
        let read = |line: &[&str]| asked(&line.iter().map(OsString::from).collect::<Vec<_>>());
        let id = "01a221f3-6a13-73f3-838d-9deb067035b8";
        let resumed = read(&["codex", "-m", "x", "resume", "-C", "/w", id, "go on"]);
        assert!(resumed.resumes && !resumed.alone);
        assert_eq!(resumed.named.as_deref(), Some(id));
        assert_eq!(resumed.dir, Some("/w".into()));
        assert_eq!(read(&["codex", "resume", "--last"]).named, None);
        let forked = read(&["codex", "fork", id]);
        assert!(
            forked.resumes && forked.named.is_none(),
            "a fork gets an id of its own"
        );
        assert_eq!(read(&["codex", "fix", "resume"]), Asked::default());
        assert!(read(&["codex", "--cd=/v", "--no-daemon"]).alone);
        for dir in ["--cd=/v", "-C/v", "-C=/v"] {
            assert_eq!(read(&["codex", dir]).dir, Some("/v".into()), "{dir}");
        }
    }

    #[test]
    fn what_holds_for_a_conversation_is_told_from_its_start() {
        for (line, kept) in [
            (
                "--model o3 -c a.b=1 -c c=2 mend it",
                "--model o3 -c a.b=1 -c c=2",
            ),
            ("-mo3 -m=o3 --model=o3 mend it", "-mo3 -m=o3 --model=o3"),
            ("-C sub --cd=sub -Csub --add-dir ../lib", "--add-dir ../lib"),
            ("-i a.png b.png --full-auto", "--full-auto"),
            ("resume --last --all -s read-only", "-s read-only"),
            ("-p work resume 01a221f3 go on", "-p work"),
            (
                "--no-daemon --worktree --of-a-newer-version 3 --newer=3",
                "--no-daemon",
            ),
            ("--oss -- --model o3", "--oss"),
            ("--yolo -m", "--yolo"),
            ("- ü -ü -", ""),
            ("", ""),
        ] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(lasting(&words).join(" "), kept, "{line:?}");
        }
    }
}
