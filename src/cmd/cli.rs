//! The command line, as clap structs. What the verbs do is in `cmd`.

mod capture;
mod help;
mod hosted;
mod table;
mod why;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use self::capture::{
    Capture, CaptureCommit, CaptureDrop, CaptureOff, CaptureVerb, Log, LogFormat, Place, Share,
};
pub use self::help::command;
pub use self::hosted::{Attach, Detach, History, Logs, New, Open, Restore, Send, Start, Upgrade};
use self::table::{arguments, ones, verbs};
pub use self::why::Why;
use super::agents;

/// See which AI coding session needs you, and be there.
#[derive(Parser, Debug)]
#[command(
    name = "vmux",
    version,
    about,
    disable_help_subcommand = true,
    override_usage = "vmux [OPTIONS] <COMMAND>\n       vmux [OPTIONS] [DIR]",
    max_term_width = 100
)]
#[command(
    after_help = "Bind `vmux menu` to a key. `vmux doctor` tells what is missing. `vmux` alone lists the \
sessions, and with a directory (`.`; `./start` is one, `start` the verb) it enters the session that vmux keeps there."
)]
pub struct Cli {
    /// Talk to the daemon behind this socket
    // An empty variable is one that is not set, as everywhere.
    #[arg(long, global = true, value_name = "PATH", env = "VMUX_SOCKET", help_heading = "Everywhere",
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub socket: Option<PathBuf>,

    /// Answer from one scan of the machine, without a daemon
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub no_daemon: bool,

    /// What to do
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// Show here the session that vmux keeps in this directory, and start it if there is none
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

verbs! {
    /// The verbs.
    #[derive(Debug)]
    pub enum Verb {
        /// List the sessions, those that wait for you first
        List(List) = "list" [Alias("ls")],
        /// Focus the window of a session
        Switch(Switch) = "switch",
        /// Go to the session that waits longest; again: to the next one
        ///
        /// Those that are done and were not looked at come after those that wait.
        Next(Move) = "next",
        /// Go back to the window you came from
        ///
        /// What was summoned goes home.
        Back(Move) = "back",
        /// Choose a session in the terminal
        Pick(Pick) = "pick",
        /// Choose a session in the menu program that fits your desktop: bind this to a key
        Menu(Menu) = "menu",
        /// Choose a session in dmenu or a program like it
        Dmenu(Dmenu) = "dmenu",
        /// Be the script that rofi calls (`rofi -show vmux -modi vmux:vmux-rofi`)
        Rofi(Rofi) = "rofi",
        /// Show the end of a session's conversation
        Preview(Preview) = "preview",
        /// Start a session that no window owns: it stays when terminals go
        Start(Start) = "start",
        /// Show a session that was started so in this terminal (ctrl-] leaves it)
        Attach(Attach) = "attach",
        /// Have all terminals leave a session, which goes on
        Detach(Detach) = "detach",
        /// Print what a started session has on its screen and above
        History(History) = "history",
        /// Print what a started session wrote, from its log
        Logs(Logs) = "logs",
        /// Bring back what was hosted before a crash or a reboot
        Restore(Restore) = "restore",
        /// Type into a started session
        Send(Send) = "send",
        /// Start or enter the session of a project in a window, or list projects
        New(New) = "new",
        /// Open a terminal window that shows a started session
        Open(Open) = "open",
        /// Let what keeps started sessions be of this version, while they go on
        Upgrade(Upgrade) = "upgrade",
        /// Give a session a name of yours, or take it away
        Label(Label) = "label",
        /// Leave a session alone for a while
        Snooze(Snooze) = "snooze",
        /// Keep a session above its like
        Pin(Pin) = "pin",
        /// End a session, after asking
        End(End) = "end",
        /// Show what a session asks, or answer it without going there
        Answer(Answer) = "answer",
        /// Show why vmux says of a session what it says
        Explain(Query) = "explain",
        /// Print every change as it happens, the whole state first
        Events(Json) = "events",
        /// Say how many sessions wait, work and rest
        Status(Json) = "status",
        /// Say the same to a status bar, once or at every change
        ///
        /// A click goes to the next session, the right button opens the menu, the middle one goes back.
        Bar(Bar) = "bar",
        /// Keep prompts and changes of sessions with the commits of a repository
        Capture(Capture) = "capture",
        /// Print what was kept of commits
        Log(Log) = "log",
        /// Tell which prompt of which session a line of code comes of
        Why(Why) = "why",
        /// Have Claude Code report dialogs and ends of turns at once (optional)
        Hooks(Hooks) = "hooks",
        /// Be the hook that Claude Code calls
        Hook(HookCall) = "hook" [Hidden],
        /// Run, start or stop the daemon (it starts by itself when it is needed)
        Daemon(Daemon) = "daemon",
        /// Check what vmux needs, and say what is missing
        Doctor(Json) = "doctor",
        /// Show the configuration, where each value comes from, and what is wrong with it
        Config(Config) = "config",
        /// Show vmux with sessions that are played
        Demo(Demo) = "demo",
        /// Print completions for a shell
        Completions(Completions) = "completions",
        /// Print the manual page, or write all of them
        Man(Man) = "man",
        /// Print the JSON schema of what travels between vmux and its daemon
        Protocol = "protocol",
    }
}

arguments! {
    /// Of `list`.
    #[derive(Debug, Default)]
    pub struct List {
        /// Print one JSON object, as scripts want it
        pub json: bool = [Long],
        /// Print it in this format
        pub format: Option<ListFormat> = [Long, Conflicts(&["json"])],
        /// List what vmux keeps itself: who is attached, its size, its log
        pub hosted: bool = [Long, Conflicts(&["all", "agent", "format"])],
        /// Also list what scripts run (`claude -p`, SDK)
        pub all: bool = [Long, Short],
        /// List only the sessions of this coding tool, or other programs that vmux keeps
        pub agent: Option<String> = [Long, Name("NAME"), Parser(|| agents::all().into())],
    }
}

/// Formats of `list`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// A table for people
    Table,
    /// One unique line each
    Dmenu,
    /// JSON
    Json,
}

arguments! {
    /// Of `switch`.
    #[derive(Debug)]
    pub struct Switch {
        /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
        pub query: String,
        /// Take the best of several that match equally well
        pub first: bool = [Long],
        /// Only say where it would go
        pub dry_run: bool = [Long],
        /// Bring its window to this workspace; `vmux back` sends it home
        pub summon: bool = [Long],
    }

    /// Of `next` and `back`.
    #[derive(Debug)]
    pub struct Move {
        /// Only say where it would go
        pub dry_run: bool = [Long],
    }

    /// Of `pick`.
    #[derive(Debug)]
    pub struct Pick {
        /// Start with this query
        pub query: Option<String>,
        /// Use this much of the terminal, such as 40%
        pub height: Option<String> = [Long],
        /// Print the id of the choice instead of focusing it
        pub print: bool = [Long],
    }

    /// Of `menu`.
    #[derive(Debug)]
    pub struct Menu {
        /// Use this program (rofi, dmenu, fuzzel, wofi, bemenu, tofi, pick)
        pub launcher: Option<String> = [Long, Name("PROGRAM")],
        /// Pass these arguments on
        pub args: Vec<String> = [Last],
    }

    /// Of `dmenu`.
    #[derive(Debug)]
    pub struct Dmenu {
        /// Use this program instead of dmenu (rofi, fuzzel, wofi, bemenu, tofi)
        pub launcher: Option<String> = [Long, Name("PROGRAM")],
        /// Pass these arguments on
        pub args: Vec<String> = [Last],
    }

    /// Of `rofi`.
    #[derive(Debug)]
    pub struct Rofi {
        /// What rofi passes: the chosen row
        pub row: Vec<std::ffi::OsString> = [Trailing, Hyphens, Hidden],
    }

    /// Of `preview`.
    #[derive(Debug)]
    pub struct Preview {
        /// Id, pid, label, name or part of it
        pub query: String,
        /// Show this many messages
        pub messages: usize = [Long, ShortAs('n'), Default("20")],
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Of `label`.
    #[derive(Debug)]
    pub struct Label {
        /// Id, pid, label, name or part of it
        pub query: String,
        /// The name; without one the session loses its name
        pub text: Option<String>,
    }

    /// Of `snooze`.
    #[derive(Debug)]
    pub struct Snooze {
        /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
        pub query: String,
        /// For how long: 90s, 10m, 1h30m, 2d, or minutes; `off` wakes it
        pub duration: u32 = [Default("10m"), Parser(|| ValueParser::new(snooze_seconds))],
    }
}

/// Longest snooze, in seconds: 30 days.
const SNOOZE_CAP: u64 = 30 * 86_400;

/// Seconds of a snooze; 0 wakes.
fn snooze_seconds(words: &str) -> Result<u32, String> {
    if words.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    let seconds = if let Ok(minutes) = words.parse::<u64>() {
        minutes.saturating_mul(60)
    } else {
        let duration = humantime::parse_duration(words);
        duration
            .map_err(|_| "such as 90s, 10m, 1h30m, 2d, or off")?
            .as_secs()
    };
    match u32::try_from(seconds.min(SNOOZE_CAP)) {
        Ok(seconds @ 1..) => Ok(seconds),
        _ => Err("a snooze lasts a second at least; `off` wakes".into()),
    }
}

arguments! {
    /// Of `pin`.
    #[derive(Debug)]
    pub struct Pin {
        /// Id, pid, label, name or part of it
        pub query: String,
        /// No longer
        pub off: bool = [Long],
    }

    /// Of `end`.
    #[derive(Debug)]
    pub struct End {
        /// Id, pid, label, name or part of it
        pub query: String,
        /// Do not ask
        pub yes: bool = [Long, Short],
    }

    /// Of `answer`.
    #[derive(Debug)]
    pub struct Answer {
        /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
        pub query: String,
        /// `allow` or `deny`; or, for each question, the number of an option, or several (1,3);
        /// without any, what it asks is printed
        pub decision: Vec<String>,
        /// A word for the model, with `deny`
        pub message: Option<String> = [Long, Short],
        /// The number of the request, as it is printed; only `deny` needs none
        pub request: Option<u64> = [Long, Name("NUMBER")],
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Of `explain`.
    #[derive(Debug)]
    pub struct Query {
        /// Id, pid, label, name or part of it
        pub query: String,
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Of verbs with nothing but `--json`.
    #[derive(Debug)]
    pub struct Json {
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Of `bar`.
    #[derive(Debug)]
    pub struct Bar {
        /// Speak to this bar
        pub format: BarFormat = [Long],
        /// Go on, with one output per change
        pub follow: bool = [Long, Short],
    }
}

/// Formats of `bar`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarFormat {
    /// Text, short text and colour; with --follow for `interval=persist` and `format=json`
    I3blocks,
    /// One block; with --follow a whole status line
    I3bar,
    /// JSON for a custom module
    Waybar,
    /// Text with colours and clicks
    Polybar,
    /// Text, numbers and the sessions that call, for scripts
    Json,
}

/// Of `hooks`.
#[derive(Args, Debug)]
pub struct Hooks {
    /// What to do
    #[command(subcommand)]
    pub verb: HooksVerb,
}

/// Verbs of `hooks`.
#[derive(Subcommand, Debug)]
pub enum HooksVerb {
    /// Put vmux's hooks into Claude Code's settings, and change nothing else there
    Install(HooksInstall),
    /// Take vmux's hooks out again
    Uninstall(HooksChange),
    /// Say where vmux's hooks are installed
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Look into this configuration directory only; may be repeated
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        config_dir: Vec<PathBuf>,
    },
}

arguments! {
    /// Of `hooks install`.
    #[derive(Debug)]
    pub struct HooksInstall {
        /// Also let permission requests and questions be answered from vmux, until `uninstall`
        pub answers: bool = [Long],
        /// Where, and whether really
        pub change: HooksChange,
    }

    /// Of `hooks install` and `hooks uninstall`.
    #[derive(Debug)]
    pub struct HooksChange {
        /// Only show what would change
        pub dry_run: bool = [Long],
        /// Change this configuration directory, instead of the default one and those of running
        /// sessions; may be repeated
        pub config_dir: Vec<PathBuf> = [Long, Name("DIR"), Hint(ValueHint::DirPath)],
    }

    /// Of `hook`.
    #[derive(Debug)]
    pub struct HookCall {
        /// Claude Code's name of the event
        pub event: String,
    }
}

/// Of `daemon`.
#[derive(Args, Debug)]
pub struct Daemon {
    /// What to do; `run` if not given
    #[command(subcommand)]
    pub verb: Option<DaemonVerb>,
}

/// Verbs of `daemon`.
#[derive(Subcommand, Debug, Clone, Copy)]
pub enum DaemonVerb {
    /// Run in the foreground
    Run {
        /// Leave the terminal (`start` does this)
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Start in the background
    Start,
    /// Stop
    Stop,
    /// Stop, and start anew: after an update
    Restart,
    /// Say how it is
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the unit by which systemd starts it early, for where this program is
    ///
    /// It starts by itself when it is needed: a unit only spares the first call some time.
    InstallUnit {
        /// Only print it
        #[arg(long)]
        print: bool,
    },
}

/// Of `config`.
#[derive(Args, Debug)]
pub struct Config {
    /// What to do; `show` if not given
    #[command(subcommand)]
    pub verb: Option<ConfigVerb>,
}

/// Verbs of `config`.
#[derive(Subcommand, Debug, Clone, Copy)]
pub enum ConfigVerb {
    /// Print where it lies
    Path,
    /// Print all that is in force, each value with where it comes from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong with it: exit code 1 if anything is
    Check,
    /// Print its JSON schema, for editors
    Schema,
}

arguments! {
    /// Of `demo`.
    #[derive(Debug)]
    pub struct Demo {
        /// Play this many sessions
        pub sessions: u16 = [Long, Default("6"), Parser(|| clap::value_parser!(u16).range(1..=50).into())],
        /// Run this command instead of `vmux pick`, with the played sessions as its world
        pub command: Vec<std::ffi::OsString> = [Last, Hint(ValueHint::CommandWithArguments)],
    }

    /// Of `man`.
    #[derive(Debug)]
    pub struct Man {
        /// The page of this verb or topic, such as hosting, states, desktops or configuration
        pub verb: Option<String>,
        /// Write all pages into this directory
        pub dir: Option<PathBuf> = [Long, Name("DIR"), Conflicts(&["verb"]), Hint(ValueHint::DirPath)],
    }

    /// Of `completions`.
    #[derive(Debug)]
    pub struct Completions {
        /// The shell
        pub shell: ShellName,
    }
}

/// Shells that `completions` knows.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum ShellName {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

ones!(ListFormat BarFormat ShellName);

#[cfg(test)]
mod tests {
    use super::snooze_seconds;

    #[test]
    fn a_snooze_is_told_as_people_tell_it() {
        for (words, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("10", 600),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("2d", 172_800),
            ("off", 0),
            ("99999d", 2_592_000),
            ("18446744073709551615", 2_592_000),
        ] {
            assert_eq!(snooze_seconds(words), Ok(seconds), "{words}");
        }
        for words in ["", "0", "0s", "soon", "-5m", "10x", "500ms"] {
            assert!(snooze_seconds(words).is_err(), "{words}");
        }
    }
}
