//! Calls the daemon, starting it if need be; or answers from one scan.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent;
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::daemon::detach;
use crate::notify;
use crate::protocol::client::{Client, ClientError, PATIENCE, read};
use crate::protocol::reply::Body;
use crate::protocol::request::Target;
use crate::protocol::version::{OWN, Other, REMEDY};
use crate::protocol::{ENVIRON, Refusal, RefusalCode, Reply, Verb};
use crate::serve::config::Loaded;
use crate::serve::local::Local;
use crate::sys::exec;
use crate::sys::files::{read_bounded, write_atomic};
use crate::sys::paths::{self, Paths};
use crate::sys::proc::Environ;

/// Longest wait for a daemon that is being started: a first scan of a slow, full machine.
const START: Duration = Duration::from_secs(10);

/// Longest note of what was told of a version, in bytes.
const TOLD_CAP: usize = 512;

/// What every verb knows.
#[derive(Clone)]
pub struct Context {
    /// Where things lie.
    pub paths: Paths,
    /// This process's environment.
    pub environ: Environ,
    /// Answer without a daemon.
    pub no_daemon: bool,
}

impl Context {
    /// The context of a command line.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn new(socket: Option<&Path>, no_daemon: bool) -> anyhow::Result<Self> {
        let environ = paths::environment();
        let paths = Paths::of(&environ, socket)?;
        let no_daemon = no_daemon || environ.get("VMUX_NO_DAEMON").is_some();
        Ok(Self {
            paths,
            environ,
            no_daemon,
        })
    }

    /// What the user configured; what is wrong with it goes to the log.
    #[must_use]
    pub fn config(&self) -> Loaded {
        let loaded = Loaded::read(&self.paths.config);
        for words in loaded.wrong.iter().chain(&loaded.unknown) {
            log::warn!("{words}");
        }
        loaded
    }

    /// The variables that travel with a request.
    #[must_use]
    pub fn travelling(&self) -> BTreeMap<String, String> {
        let known = ENVIRON
            .iter()
            .filter_map(|name| Some((*name, self.environ.text(name)?)));
        known
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .gather()
    }

    /// A connection to the daemon, which is started if it does not run.
    ///
    /// # Errors
    /// If it neither runs nor can be started, or cannot answer.
    pub fn connect(&self) -> Result<Client, Failure> {
        self.connect_within(PATIENCE, START)
    }

    /// The same, with other bounds on an answer and on the start.
    ///
    /// # Errors
    /// See [`Context::connect`].
    pub fn connect_within(&self, patience: Duration, start: Duration) -> Result<Client, Failure> {
        match Client::connect(&self.paths.socket, patience) {
            Ok(client) => return Ok(client),
            Err(ClientError::NotRunning(_)) => {}
            Err(error) => return Err(unreachable_daemon(&error)),
        }
        self.start_daemon(start).map_err(|error| {
            Failure::new(format!("could not start the daemon: {error}"))
                .hint("`vmux daemon run` shows what it says; --no-daemon works without it")
        })?;
        Client::connect(&self.paths.socket, patience).map_err(|error| unreachable_daemon(&error))
    }

    /// Starts the daemon in the background and waits until it listens. That another one was
    /// faster is as good.
    ///
    /// # Errors
    /// In words.
    pub fn start_daemon(&self, patience: Duration) -> Result<(), String> {
        let program = vmux_program()?;
        let started = detach::start(&program, &self.paths, self.environ.names(), patience);
        match started {
            Err(_) if Client::connect(&self.paths.socket, PATIENCE).is_ok() => Ok(()),
            started => started,
        }
    }

    /// Calls the daemon.
    ///
    /// # Errors
    /// What it says could not be done, or why it cannot be called.
    pub fn call<V: Verb>(&self, verb: V) -> anyhow::Result<V::Reply> {
        self.try_call(verb)?
            .map_err(|refusal| failure(&refusal).into())
    }

    /// The same, where a refusal is more to the caller than an error.
    ///
    /// # Errors
    /// Why it cannot be called.
    pub fn try_call<V: Verb>(&self, verb: V) -> anyhow::Result<Reply<V::Reply>> {
        let (line, _) = self.call_raw(verb)?;
        read(&line).map_err(|error| unreachable_daemon(&error).into())
    }

    /// The line of the reply as it came, and its payload.
    ///
    /// # Errors
    /// Why the daemon cannot be called.
    pub fn call_raw<V: Verb>(&self, verb: V) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        if self.no_daemon {
            return Ok(Local::look(&self.paths, &self.environ)?.answer(&verb.into()));
        }
        let mut client = self.connect()?;
        let reply = client.call_raw(&verb, PATIENCE);
        self.note(client.other());
        reply.map_err(|error| unreachable_daemon(&error).into())
    }

    /// Says what the user should know of what was done to a session.
    pub fn tell_note(&self, done: &impl Body) {
        let Some(note) = done.note() else {
            return;
        };
        let title = done.sessions().first().map(|session| session.title());
        let title = title.unwrap_or_default();
        exit::complain(&Failure::new(format!("{title}: {note}")).into());
        if !has_terminal() {
            notify::message(&self.environ, &title, note);
        }
    }

    /// Says that the daemon is of another version, and what helps: once for each daemon, on the
    /// terminal, or else as a notification. Both work on where they can.
    pub fn note(&self, other: Option<(Option<u32>, &Other)>) {
        let Some((daemon, other)) = other else {
            return;
        };
        let told = format!("{daemon:?} {other} {OWN}");
        let kept = self.paths.told_version();
        if read_bounded(&kept, TOLD_CAP).is_ok_and(|bytes| bytes == told.as_bytes()) {
            return;
        }
        let words = format!("the daemon is {other}, this is vmux {OWN}");
        if has_terminal() {
            exit::complain(&Failure::new(words).hint(REMEDY).into());
        } else if !notify::message(&self.environ, "vmux", &format!("{words}\n{REMEDY}")) {
            // Nobody has heard it: the next call may have a terminal.
            return;
        }
        if let Err(error) = write_atomic(&kept, told.as_bytes()) {
            log::debug!("could not write {}: {error}", kept.display());
        }
    }
}

/// A target by what a person typed.
pub(super) fn target(query: &str) -> Target {
    Target {
        query: Some(query.to_owned()),
        ..Target::default()
    }
}

/// The `vmux` beside this executable.
pub(super) fn vmux_program() -> Result<PathBuf, String> {
    sibling("vmux")
}

/// An executable of ours.
pub(super) fn sibling(name: &str) -> Result<PathBuf, String> {
    exec::beside(name).map_err(|error| format!("could not find this program: {error}"))
}

pub(super) fn unreachable_daemon(error: &ClientError) -> Failure {
    let hint = match error {
        ClientError::Broken(_) => {
            "it may be of another version: `vmux daemon restart`; --no-daemon works without it"
        }
        _ => "`vmux doctor` looks closer; --no-daemon works without it",
    };
    Failure::new(error.to_string()).hint(hint)
}

/// There is nothing to choose from.
#[must_use]
pub fn no_sessions() -> Failure {
    let start = agent::any_of_them();
    let hint = format!("start {start} in a terminal and it appears here");
    Failure::new("no sessions").hint(hint)
}

/// A refusal, as an error.
#[must_use]
pub fn failure(refusal: &Refusal) -> Failure {
    let mut error = refusal.error.clone();
    let is = |code: RefusalCode| refusal.code == code.into();
    if is(RefusalCode::Ambiguous) {
        for session in &refusal.sessions {
            let cwd = session.cwd.clean();
            error.push_str(&format!("\n  {}  {}  {cwd}", session.id, session.title()));
        }
    }
    let unclear = is(RefusalCode::Ambiguous) || is(RefusalCode::BadRequest);
    let failure = Failure::new(error).exit(if unclear { Exit::Usage } else { Exit::Failed });
    match &refusal.hint {
        Some(hint) => failure.hint(CleanText::line(hint).to_string()),
        None => failure,
    }
}

/// Whether a person can see what is written to standard error: a key binding has no terminal.
pub(super) fn has_terminal() -> bool {
    std::io::stderr().is_terminal() || std::fs::File::open("/dev/tty").is_ok()
}
