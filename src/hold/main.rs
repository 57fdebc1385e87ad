//! `vmux-host`: keeps one session alive, whoever looks at it. `vmux start` starts it.
//!
//! A binary of its own, because nothing else needs the state of a terminal. One thread around a
//! `poll` ([`holder`]), one that parses ([`parser`]) and one that writes to the disk ([`disk`]): a
//! program that writes much waits for neither the parser, nor a client that is slow, nor a disk.

mod adopt;
mod client;
mod disk;
mod ending;
mod escrow;
mod holder;
mod keep;
mod marks;
mod output;
mod parser;
mod pty;
mod raw;
mod scope;
mod serve;
mod stand;
mod state;
mod telling;
mod term;
mod tree;
mod upgrade;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use vmux::desktop::host::DRIVERS;
use vmux::hosted::missed;
use vmux::hosted::place::Place;
use vmux::hosted::record::Record;
use vmux::hosted::{AGAIN, Info, PROTOCOL, VARIABLE};
use vmux::sys::paths;
use vmux::sys::{clock, files, logger};

use crate::disk::Disk;
use crate::holder::{Holder, Signals};
use crate::parser::{Parser, Work};
use crate::pty::{Child, Pty};
use crate::scope::Limits;
use crate::term::Size;

/// Keep one session: this is called by `vmux start`
#[derive(clap::Parser, Debug)]
#[command(name = "vmux-host", version, max_term_width = 100)]
struct Args {
    /// Where the socket and the file of the session go
    #[arg(long)]
    dir: PathBuf,

    /// Where its log goes
    #[arg(long)]
    logs: PathBuf,

    /// A name for people
    #[arg(long)]
    name: Option<String>,

    /// The workspace on which its terminal is opened
    #[arg(long)]
    workspace: Option<String>,

    /// Columns of the terminal, until somebody attaches
    #[arg(long, default_value_t = 0)]
    columns: u16,

    /// Rows of it
    #[arg(long, default_value_t = 0)]
    rows: u16,

    /// A variable of its environment that it needs to be started again after a crash
    #[arg(long, value_name = "NAME")]
    keep: Vec<String>,

    /// Do not keep what is written
    #[arg(long)]
    no_log: bool,

    /// Most memory, in bytes
    #[arg(long)]
    memory: Option<u64>,

    /// Most processes and threads
    #[arg(long)]
    tasks: Option<u64>,

    /// What to run, in the directory that this is called in
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Longest wait for a holder that may keep the session already.
const ASK: Duration = Duration::from_secs(2);

/// What a child is not to take for its own: the terminal it has is this one.
const FOREIGN: [&str; 12] = [
    "WINDOW",
    "WINDOWID",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "KITTY_WINDOW_ID",
    "KITTY_PID",
    "ALACRITTY_WINDOW_ID",
    "VTE_VERSION",
    "WEZTERM_PANE",
    "GHOSTTY_RESOURCES_DIR",
    "COLUMNS",
    "LINES",
];

fn main() -> ExitCode {
    raw::close_at_exec();
    logger::install(&paths::environment(), log::LevelFilter::Warn);
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str()).collect();
    let holder = match *words {
        [Some(upgrade::TRY), Some(number)] => return tried(upgrade::try_take_over(number).err()),
        [Some(upgrade::TAKE_OVER), Some(number)] => go_on(number),
        [Some(adopt::ADOPT)] => return tried(adopt::adopt().err()),
        [Some(adopt::ADOPTED)] => go_on_after(),
        _ => start(&Args::parse()),
    };
    match holder {
        Ok(holder) => match holder.run() {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                log::error!("could not keep the session: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            say(format!("{error:#}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn tried(failure: Option<anyhow::Error>) -> ExitCode {
    let Some(error) = failure else {
        return ExitCode::SUCCESS;
    };
    say(format!("{error:#}\n").as_bytes());
    ExitCode::FAILURE
}

/// Goes on as the image before: its processes, its session and its place are this one's.
fn go_on(number: &str) -> anyhow::Result<Holder> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    upgrade::take_over(number, signals()?)
}

/// Goes on after a holder that has crashed.
fn go_on_after() -> anyhow::Result<Holder> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let holder = adopt::adopted(signals()?)?;
    detach_output()?;
    Ok(holder)
}

/// Tells who started this; whether that one still listens is its affair.
fn say(bytes: &[u8]) {
    let mut out = io::stdout();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

fn start(args: &Args) -> anyhow::Result<Holder> {
    use anyhow::Context as _;

    let place = Place::at(args.dir.clone(), args.logs.clone());
    place.tidy();
    // A session of its own: it ends with no terminal and takes no key of one.
    rustix::process::setsid().context("could not leave the terminal")?;
    // Whatever the session leaves without a parent comes here, and is ended with it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let signals = signals()?;
    let environ = paths::environment();
    let again = environ.text(AGAIN);
    let claimed = match again {
        Some(id) => place.claim_again(id, ASK),
        None => place.claim(seed()),
    };
    let id = claimed.context("could not claim an id")?;
    let started = session(args, &place, &id, signals);
    if started.is_err() && again.is_none() {
        place.forget(&id);
    } else if started.is_err() {
        // Its log stays: it may come back yet.
        drop(std::fs::remove_file(place.socket(&id)));
        drop(std::fs::remove_file(place.file(&id)));
    }
    let holder = started?;
    let mut line = serde_json::to_vec(&holder.info())?;
    line.push(b'\n');
    say(&line);
    detach_output()?;
    keep(args, &holder);
    Ok(holder)
}

/// What the session needs, made in the order in which it can fail without leaving a process.
fn session(args: &Args, place: &Place, id: &str, signals: Signals) -> anyhow::Result<Holder> {
    use anyhow::Context as _;

    let size = Size::clamped(args.columns, args.rows);
    let path = place.socket(id);
    let listener =
        stand::listen(&path).with_context(|| format!("could not listen at {}", path.display()))?;
    // Before it has threads and children: what is in is in.
    let limits = Limits {
        memory: args.memory,
        tasks: args.tasks,
    };
    scope::enter(&paths::environment(), id, limits)?;
    let log = (!args.no_log).then(|| place.log(id));
    let disk = Arc::new(Disk::new(place.clone(), log.clone()));
    let parser = Parser::start(Work::new(size, Some(disk.clone())))?;
    let (pty, terminal) = Pty::open(size).context("could not open a terminal")?;
    let command = command(args, id);
    let words = args
        .command
        .iter()
        .map(|word| word.to_string_lossy().into_owned());
    let cwd: PathBuf = std::env::current_dir().unwrap_or_default();
    let child = Child::start(command, terminal)
        .with_context(|| format!("could not run {}", args.command[0].to_string_lossy()))?;
    let info = Info {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        id: id.to_owned(),
        name: args.name.clone(),
        workspace: args.workspace.clone(),
        pid: child.pid.as_raw_nonzero().get().unsigned_abs(),
        holder: std::process::id(),
        cwd,
        command: words.collect(),
        started: clock::now(),
        tty: Some(pty.tty.clone()),
        columns: size.columns,
        rows: size.rows,
        log,
        memory: args.memory,
        tasks: args.tasks,
        ..Info::default()
    };
    files::write_own(&place.file(id), &serde_json::to_vec(&info)?, false)
        .context("could not write the session's file")?;
    let place = place.clone();
    Ok(Holder::new(
        (info, place),
        (pty, child, size),
        (parser, disk),
        listener,
        signals,
    ))
}

fn command(args: &Args, id: &str) -> Command {
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    for name in FOREIGN {
        command.env_remove(name);
    }
    for driver in DRIVERS {
        command.env_remove(driver.variable);
        command.env_remove(format!("{}_PANE", driver.variable));
    }
    command
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        .env_remove(AGAIN)
        .env(VARIABLE, id);
    command
}

/// Writes down what has to be there again after a crash or a reboot.
fn keep(args: &Args, holder: &Holder) {
    let environ = paths::environment();
    let names = args.keep.iter().map(String::as_str).chain(["PATH"]);
    holder.disk.keep(Record {
        session: holder.info.clone(),
        environ: names
            .filter_map(|name| Some((name.to_owned(), environ.text(name)?.to_owned())))
            .collect(),
    });
}

/// Signals come through sockets, so that the loop can wait for them.
fn signals() -> io::Result<Signals> {
    let (child, write) = UnixStream::pair()?;
    write.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, write)?;
    let (end, write) = UnixStream::pair()?;
    write.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    let (look, write) = UnixStream::pair()?;
    write.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(missed::LOOK.as_raw(), write)?;
    Ok(Signals { child, end, look })
}

/// Whoever started this has read what it has to read: the pipe is let go.
fn detach_output() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    Ok(())
}

/// Something that no other holder has now.
fn seed() -> u64 {
    let now = clock::now().timestamp_nanos_opt().unwrap_or_default();
    now.unsigned_abs() ^ (u64::from(std::process::id()) << 40)
}
