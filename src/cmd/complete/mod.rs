//! What a shell asks at Tab: `vmux complete SHELL …`, which the scripts of `vmux completions` call.
//!
//! The command line itself says what may stand where; what it cannot know are the names of sessions.
//! The answer is a line that says what follows (`words`, or `files` or `dirs`, which the shell looks
//! for itself), and then a candidate a line, with what it is behind a tab.

mod bash;
mod names;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCompleter, complete};

use self::names::Name;
use super::out;
use crate::cmd::call::Context;
use crate::cmd::cli;
use crate::cmd::exit::Exit;
use crate::core::text::CleanText;

/// The verb by which shells ask. It is no verb of people, and in no list.
pub(super) const VERB: &str = "complete";

/// Longest that a Tab waits for the names of sessions.
const PATIENCE: Duration = Duration::from_millis(300);

/// Verbs whose sessions are those that vmux keeps itself.
const HOSTED: [&str; 6] = ["attach", "detach", "history", "open", "send", "upgrade"];
/// The one that also takes those that have ended.
const ENDED: &str = "logs";
/// The argument that names a session.
const QUERY: &str = "query";

/// What may stand in a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    /// Anything that nobody can guess.
    Free,
    /// A path.
    Files,
    /// That of a directory.
    Dirs,
    /// A session.
    Session(Which),
}

/// Of which sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    /// All that `vmux list` has.
    Listed,
    /// Those that vmux keeps.
    Hosted,
    /// Those that it kept, too.
    Ended,
}

/// Answers a shell. `None` if no shell that is known asks.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let [_, shell, rest @ ..] = words else {
        return None;
    };
    let text = match (*shell, rest) {
        ("bash", [line, current, asked]) => bash::answer(line, current, *asked == "63"),
        ("zsh" | "fish" | "elvish" | "nushell", words) => {
            let found = look(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            );
            let lines = found.words.iter().map(|word| match &*word.about {
                "" => format!("{}\n", word.value),
                about => format!("{}\t{about}\n", word.value),
            });
            format!("{}\n{}", found.kind(), lines.collect::<String>())
        }
        _ => return None,
    };
    Some(
        out::write(text.as_bytes())
            .map(|()| Exit::Done)
            .map_err(Into::into),
    )
}

/// A candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Word {
    /// What is put into the command line, not quoted yet.
    value: String,
    /// What it is, in a line.
    about: String,
    /// It is a session's.
    session: bool,
}

/// What may stand where the cursor is.
#[derive(Debug)]
struct Looked {
    words: Vec<Word>,
    wanted: Wanted,
}

impl Looked {
    fn kind(&self) -> &'static str {
        match self.wanted {
            Wanted::Files if self.words.is_empty() => "files",
            Wanted::Dirs if self.words.is_empty() => "dirs",
            _ => "words",
        }
    }
}

/// What may stand for the last of these words, of which the first is the program's name.
fn look(words: &[String]) -> Looked {
    let wanted = Arc::new(OnceLock::new());
    let mut command = listening(cli::command(), &wanted);
    let last = words.last().map_or("", String::as_str);
    let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
    let at = words.len().saturating_sub(1);
    let found = complete(&mut command, arguments, at, None).unwrap_or_default();
    let wanted = wanted.get().copied().unwrap_or(Wanted::Free);
    let mut found: Vec<Word> = found.iter().map(word).collect();
    // Options are offered to who begins one, or where nothing else may stand.
    let is_option = |word: &Word| word.value.starts_with('-');
    if last.is_empty() && (wanted != Wanted::Free || !found.iter().all(is_option)) {
        found.retain(|word| !is_option(word));
    }
    // Who begins an option wants no name, and need not wait for them.
    let begins_option = last.starts_with('-') && !words.iter().any(|word| word == "--");
    if let Wanted::Session(which) = wanted
        && !begins_option
    {
        found.extend(sessions(words, which, last));
    }
    Looked {
        words: found,
        wanted,
    }
}

fn word(candidate: &CompletionCandidate) -> Word {
    let about = candidate.get_help().map(ToString::to_string);
    let first = about.as_deref().and_then(|about| about.lines().next());
    Word {
        value: candidate.get_value().to_string_lossy().into_owned(),
        about: first.unwrap_or_default().to_owned(),
        session: false,
    }
}

/// The same command line, which notes what is wanted where no fixed words may stand.
fn listening(command: Command, wanted: &Arc<OnceLock<Wanted>>) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let takes = !matches!(
            arg.get_action(),
            ArgAction::SetTrue | ArgAction::Help | ArgAction::Version
        );
        if !takes || !arg.get_possible_values().is_empty() {
            return arg;
        }
        let own = wanted_of(&name, &arg);
        let wanted = Arc::clone(wanted);
        arg.add(ArgValueCompleter::new(move |_: &std::ffi::OsStr| {
            wanted.set(own).ok();
            Vec::new()
        }))
    });
    command.mut_subcommands(|verb| listening(verb, wanted))
}

/// What an argument of a verb wants.
fn wanted_of(verb: &str, arg: &Arg) -> Wanted {
    if arg.get_id() == QUERY {
        return Wanted::Session(match verb {
            ENDED => Which::Ended,
            verb if HOSTED.contains(&verb) => Which::Hosted,
            _ => Which::Listed,
        });
    }
    match arg.get_value_hint() {
        ValueHint::DirPath => Wanted::Dirs,
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::CommandWithArguments => Wanted::Files,
        _ => Wanted::Free,
    }
}

/// The names of sessions, as far as they are known in time.
fn sessions(words: &[String], which: Which, last: &str) -> Vec<Word> {
    let socket = words.iter().enumerate().find_map(|(at, word)| {
        let behind = || (word == "--socket").then(|| words.get(at + 1).map(String::as_str))?;
        word.strip_prefix("--socket=").or_else(behind)
    });
    let no_daemon = words.iter().any(|word| word == "--no-daemon");
    let Ok(context) = Context::new(socket.map(PathBuf::from).as_deref(), no_daemon) else {
        return Vec::new();
    };
    let special = last.starts_with('@');
    let (found, names) = mpsc::channel();
    // What does not answer in time is left behind: this process ends.
    let look = move || {
        found.send(names::of(&context, which, PATIENCE)).ok();
    };
    if std::thread::Builder::new().spawn(look).is_err() {
        return Vec::new();
    }
    let mut names = names.recv_timeout(PATIENCE).unwrap_or_default();
    names.retain(|name| name.special == special);
    names.into_iter().map(Name::word).collect()
}

impl Name {
    fn word(self) -> Word {
        Word {
            value: self.value.to_string(),
            about: CleanText::line(&self.about).to_string(),
            session: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(line: &str) -> Looked {
        look(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn values(line: &str) -> Vec<String> {
        let words = looked(line).words.into_iter();
        words.map(|word| word.value).collect()
    }

    #[test]
    fn verbs_options_and_values_are_known() {
        assert_eq!(values("vmux sw"), ["switch"]);
        assert!(values("vmux ").contains(&"list".to_owned()));
        assert!(
            !values("vmux ")
                .iter()
                .any(|word| word.starts_with('-') || word == "hook")
        );
        assert_eq!(values("vmux switch --f"), ["--first"]);
        assert!(values("vmux next ").contains(&"--dry-run".to_owned()));
        assert_eq!(values("vmux list --agent cod"), ["codex"]);
        assert_eq!(values("vmux list --agent=cod"), ["--agent=codex"]);
        assert_eq!(values("vmux bar --format way"), ["waybar"]);
        assert_eq!(values("vmux daemon rest"), ["restart"]);
        assert_eq!(values("vmux nonsense x"), Vec::<String>::new());
    }

    #[test]
    fn paths_are_left_to_the_shell() {
        for (line, kind) in [
            ("vmux ./st", "dirs"),
            ("vmux start ", "dirs"),
            ("vmux new ~/pro", "dirs"),
            ("vmux --socket /ru", "files"),
            ("vmux why src/ma", "files"),
            ("vmux start . -- np", "files"),
            ("vmux demo -- np", "files"),
            ("vmux hooks install --config-dir ", "dirs"),
            ("vmux man --dir ", "dirs"),
            ("vmux start --name ", "words"),
            ("vmux answer api deny --message ", "words"),
        ] {
            assert_eq!(looked(line).kind(), kind, "{line}");
        }
    }

    /// By what their help says they take.
    #[test]
    fn every_verb_that_takes_a_session_offers_those_it_takes() {
        let mut seen = 0;
        for verb in cli::command().get_subcommands() {
            for arg in verb.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let wanted = wanted_of(verb.get_name(), arg);
                let is_session = matches!(wanted, Wanted::Session(_));
                let which = match &*help {
                    help if help.contains("one that has ended") => Which::Ended,
                    help if help.starts_with("Id, pid, name, directory") => Which::Hosted,
                    help if help.starts_with("Id, pid, label, name") => Which::Listed,
                    "Start with this query" => Which::Listed,
                    _ => {
                        assert!(!is_session, "{} {help}", verb.get_name());
                        continue;
                    }
                };
                seen += 1;
                assert_eq!(wanted, Wanted::Session(which), "{}", verb.get_name());
            }
        }
        assert!(seen >= 15, "{seen}");
    }
}
