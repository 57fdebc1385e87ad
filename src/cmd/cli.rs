//! The command line, as clap structs. What the verbs do is in `cmd`.

mod capture;
mod help;
mod hosted;
mod why;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use self::capture::{
    Capture, CaptureCommit, CaptureDrop, CaptureOff, CaptureVerb, Log, LogFormat, Place, Share,
};
pub use self::help::command;
pub use self::hosted::{Attach, Detach, History, Logs, New, Open, Restore, Send, Start, Upgrade};
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

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List the sessions, those that wait for you first
    #[command(visible_alias = "ls")]
    List(List),
    /// Focus the window of a session
    Switch(Switch),
    /// Go to the session that waits longest; again: to the next one
    ///
    /// Those that are done and were not looked at come after those that wait.
    Next(Move),
    /// Go back to the window you came from
    ///
    /// What was summoned goes home.
    Back(Move),
    /// Choose a session in the terminal
    Pick(Pick),
    /// Choose a session in the menu program that fits your desktop: bind this to a key
    Menu(Menu),
    /// Choose a session in dmenu or a program like it
    Dmenu(Dmenu),
    /// Be the script that rofi calls (`rofi -show vmux -modi vmux:vmux-rofi`)
    Rofi(Rofi),
    /// Show the end of a session's conversation
    Preview(Preview),
    /// Start a session that no window owns: it stays when terminals go
    Start(Start),
    /// Show a session that was started so in this terminal (ctrl-] leaves it)
    Attach(Attach),
    /// Have all terminals leave a session, which goes on
    Detach(Detach),
    /// Print what a started session has on its screen and above
    History(History),
    /// Print what a started session wrote, from its log
    Logs(Logs),
    /// Bring back what was hosted before a crash or a reboot
    Restore(Restore),
    /// Type into a started session
    Send(Send),
    /// Start or enter the session of a project in a window, or list projects
    New(New),
    /// Open a terminal window that shows a started session
    Open(Open),
    /// Let what keeps started sessions be of this version, while they go on
    Upgrade(Upgrade),
    /// Give a session a name of yours, or take it away
    Label(Label),
    /// Leave a session alone for a while
    Snooze(Snooze),
    /// Keep a session above its like
    Pin(Pin),
    /// End a session, after asking
    End(End),
    /// Show what a session asks, or answer it without going there
    Answer(Answer),
    /// Show why vmux says of a session what it says
    Explain(Query),
    /// Print every change as it happens, the whole state first
    Events(Json),
    /// Say how many sessions wait, work and rest
    Status(Json),
    /// Say the same to a status bar, once or at every change
    ///
    /// A click goes to the next session, the right button opens the menu, the middle one goes back.
    Bar(Bar),
    /// Keep prompts and changes of sessions with the commits of a repository
    Capture(Capture),
    /// Print what was kept of commits
    Log(Log),
    /// Tell which prompt of which session a line of code comes of
    Why(Why),
    /// Have Claude Code report dialogs and ends of turns at once (optional)
    Hooks(Hooks),
    /// Be the hook that Claude Code calls
    #[command(hide = true)]
    Hook(HookCall),
    /// Run, start or stop the daemon (it starts by itself when it is needed)
    Daemon(Daemon),
    /// Check what vmux needs, and say what is missing
    Doctor(Json),
    /// Show the configuration, where each value comes from, and what is wrong with it
    Config(Config),
    /// Show vmux with sessions that are played
    Demo(Demo),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write all of them
    Man(Man),
    /// Print the JSON schema of what travels between vmux and its daemon
    Protocol,
}

/// Of `list`.
#[derive(Args, Debug, Default)]
pub struct List {
    /// Print one JSON object, as scripts want it
    #[arg(long)]
    pub json: bool,
    /// Print it in this format
    #[arg(long, value_enum, conflicts_with = "json")]
    pub format: Option<ListFormat>,
    /// List what vmux keeps itself: who is attached, its size, its log
    #[arg(long, conflicts_with_all = ["all", "agent", "format"])]
    pub hosted: bool,
    /// Also list what scripts run (`claude -p`, SDK)
    #[arg(long, short)]
    pub all: bool,
    /// List only the sessions of this coding tool, or other programs that vmux keeps
    #[arg(long, value_name = "NAME", value_parser = agents::all())]
    pub agent: Option<String>,
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

/// Of `switch`.
#[derive(Args, Debug)]
pub struct Switch {
    /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
    pub query: String,
    /// Take the best of several that match equally well
    #[arg(long)]
    pub first: bool,
    /// Only say where it would go
    #[arg(long)]
    pub dry_run: bool,
    /// Bring its window to this workspace; `vmux back` sends it home
    #[arg(long)]
    pub summon: bool,
}

/// Of `next` and `back`.
#[derive(Args, Debug)]
pub struct Move {
    /// Only say where it would go
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `pick`.
#[derive(Args, Debug)]
pub struct Pick {
    /// Start with this query
    pub query: Option<String>,
    /// Use this much of the terminal, such as 40%
    #[arg(long)]
    pub height: Option<String>,
    /// Print the id of the choice instead of focusing it
    #[arg(long)]
    pub print: bool,
}

/// Of `menu`.
#[derive(Args, Debug)]
pub struct Menu {
    /// Use this program (rofi, dmenu, fuzzel, wofi, bemenu, tofi, pick)
    #[arg(long, value_name = "PROGRAM")]
    pub launcher: Option<String>,
    /// Pass these arguments on
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Of `dmenu`.
#[derive(Args, Debug)]
pub struct Dmenu {
    /// Use this program instead of dmenu (rofi, fuzzel, wofi, bemenu, tofi)
    #[arg(long, value_name = "PROGRAM")]
    pub launcher: Option<String>,
    /// Pass these arguments on
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Of `rofi`.
#[derive(Args, Debug)]
pub struct Rofi {
    /// What rofi passes: the chosen row
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub row: Vec<std::ffi::OsString>,
}

/// Of `preview`.
#[derive(Args, Debug)]
pub struct Preview {
    /// Id, pid, label, name or part of it
    pub query: String,
    /// Show this many messages
    #[arg(long, short = 'n', default_value_t = 20)]
    pub messages: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `label`.
#[derive(Args, Debug)]
pub struct Label {
    /// Id, pid, label, name or part of it
    pub query: String,
    /// The name; without one the session loses its name
    pub text: Option<String>,
}

/// Of `snooze`.
#[derive(Args, Debug)]
pub struct Snooze {
    /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
    pub query: String,
    /// For how long: 90s, 10m, 1h30m, 2d, or minutes; `off` wakes it
    #[arg(default_value = "10m", value_parser = snooze_seconds)]
    pub duration: u32,
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

/// Of `pin`.
#[derive(Args, Debug)]
pub struct Pin {
    /// Id, pid, label, name or part of it
    pub query: String,
    /// No longer
    #[arg(long)]
    pub off: bool,
}

/// Of `end`.
#[derive(Args, Debug)]
pub struct End {
    /// Id, pid, label, name or part of it
    pub query: String,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Of `answer`.
#[derive(Args, Debug)]
pub struct Answer {
    /// Id, pid, label, name or part of it; `@waiting` is the one that waits longest
    pub query: String,
    /// `allow` or `deny`; or, for each question, the number of an option, or several (1,3);
    /// without any, what it asks is printed
    pub decision: Vec<String>,
    /// A word for the model, with `deny`
    #[arg(long, short)]
    pub message: Option<String>,
    /// The number of the request, as it is printed; only `deny` needs none
    #[arg(long, value_name = "NUMBER")]
    pub request: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `explain`.
#[derive(Args, Debug)]
pub struct Query {
    /// Id, pid, label, name or part of it
    pub query: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of verbs with nothing but `--json`.
#[derive(Args, Debug)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `bar`.
#[derive(Args, Debug)]
pub struct Bar {
    /// Speak to this bar
    #[arg(long, value_enum)]
    pub format: BarFormat,
    /// Go on, with one output per change
    #[arg(long, short)]
    pub follow: bool,
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

/// Of `hooks install`.
#[derive(Args, Debug)]
pub struct HooksInstall {
    /// Also let permission requests and questions be answered from vmux, until `uninstall`
    #[arg(long)]
    pub answers: bool,
    /// Where, and whether really
    #[command(flatten)]
    pub change: HooksChange,
}

/// Of `hooks install` and `hooks uninstall`.
#[derive(Args, Debug)]
pub struct HooksChange {
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Change this configuration directory, instead of the default one and those of running
    /// sessions; may be repeated
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub config_dir: Vec<PathBuf>,
}

/// Of `hook`.
#[derive(Args, Debug)]
pub struct HookCall {
    /// Claude Code's name of the event
    pub event: String,
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

/// Of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Play this many sessions
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub sessions: u16,
    /// Run this command instead of `vmux pick`, with the played sessions as its world
    #[arg(last = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<std::ffi::OsString>,
}

/// Of `man`.
#[derive(Args, Debug)]
pub struct Man {
    /// The page of this verb or topic, such as hosting, states, desktops or configuration
    pub verb: Option<String>,
    /// Write all pages into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "verb", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: ShellName,
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
