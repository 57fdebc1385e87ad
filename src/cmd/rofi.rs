//! `vmux rofi`, and `vmux-rofi`: the script that rofi calls.
//!
//! rofi waits for it with the keyboard grabbed, so it answers within 300 ms, with a row that
//! says what is wrong if need be; later only where an agent is asked what it asks. Its exit status and standard error go nowhere.
//!
//! `vmux-rofi` only asks the daemon: each page of a program that is run costs its start, and all
//! else of vmux is a hundred of them. What the daemon cannot do it leaves to `vmux rofi`.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::call::{Context, vmux_program};
use super::out::Pieces;
use crate::cmd::exit::Exit;
use crate::core::model::Pid;
use crate::frontend::rofi::keys::{Places, keys};
use crate::frontend::rofi::projects::{Asked, asked};
use crate::frontend::rofi::{self, show_trouble};
use crate::protocol::client::{Client, ClientError, refusal_words};
use crate::protocol::request::RofiArgs;
use crate::sys::clock::Deadline;
use crate::sys::files::read_bounded;
use crate::sys::proc::Proc;

mod rest;

/// Longest wait for everything: rofi's own window takes 22 ms to appear, and a person notices
/// a dead keyboard after some 300.
const PATIENCE: Duration = Duration::from_millis(280);

/// Longest wait for what an agent is asked: it is read or answered at its user's own word, and takes
/// 50 ms, on a busy machine some hundred.
const AGENT: Duration = Duration::from_secs(3);

/// Largest of rofi's files that is read, in bytes.
const CONFIG_CAP: usize = 256 * 1024;

/// What does the [`Rest`] of a call: `vmux` itself, or `vmux-rofi`, which has `vmux` do it.
type Does = fn(&Context, &Call, Rest, &mut Pieces) -> Result<(), String>;

/// A call of rofi's.
struct Call {
    request: RofiArgs,
    deadline: Deadline,
}

/// What the daemon does not do for a call.
enum Rest {
    /// It does not run.
    Start,
    /// The page of projects, which is no part of it.
    Projects(Asked),
}

/// The whole of `vmux-rofi`.
#[must_use]
pub fn main() -> ExitCode {
    script(hand_over).into()
}

fn script(does: Does) -> Exit {
    match Context::new(None, false) {
        Ok(context) => serve(&context, does),
        Err(error) => {
            show(&mut Pieces::default(), &format!("{error:#}"));
            Exit::Done
        }
    }
}

/// One call of rofi's script mode.
fn serve(context: &Context, does: Does) -> Exit {
    let mut out = Pieces::default();
    if let Err(word) = page(context, does, &mut out) {
        show(&mut out, &word);
    }
    Exit::Done
}

/// `vmux rofi`, done before clap builds its tree.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    (!words.contains(&"--help")).then(|| Ok(script(rest::run)))
}

pub(super) fn run(context: &Context) -> Exit {
    serve(context, rest::run)
}

/// Becomes `vmux rofi`. Returns only if it cannot.
fn hand_over(_: &Context, _: &Call, _: Rest, _: &mut Pieces) -> Result<(), String> {
    // What was typed may look like an option.
    let words = std::env::args_os().skip(1);
    let mut command = Command::new(vmux_program()?);
    let error = command.args(["rofi", "--"]).args(words).exec();
    Err(format!("could not run vmux: {error}"))
}

/// Shows what went wrong, below the part of a page that came before it.
fn show(out: &mut Pieces, word: &str) {
    let end = if out.begun { "\n" } else { "" };
    // rofi may have been closed meanwhile.
    drop(out.write_all(&[end.as_bytes(), &show_trouble(word)].concat()));
}

/// The keys that this rofi has for its script, by its arguments and its configuration.
fn keys_of(context: &Context, rofi: u32) -> Vec<String> {
    // Run by hand there is no rofi.
    let proc = (rofi > 0).then(|| Proc::open(&context.paths.proc).ok());
    let args = proc.flatten().map(|proc| proc.cmdline(Pid(rofi)));
    let args: Vec<String> = args
        .unwrap_or_default()
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let path = |name| context.environ.get(name).map(PathBuf::from);
    let (Some(home), false) = (path("HOME"), args.is_empty()) else {
        return Vec::new();
    };
    let shared = context.environ.get("XDG_DATA_DIRS");
    let shared = shared.unwrap_or(OsStr::new("/usr/local/share:/usr/share"));
    let own = path("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    let places = Places {
        config: path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
        data: std::iter::once(own)
            .chain(std::env::split_paths(shared))
            .collect(),
        home,
    };
    keys(&args, &places, |path| {
        let bytes = read_bounded(path, CONFIG_CAP).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn page(context: &Context, does: Does, out: &mut Pieces) -> Result<(), String> {
    let deadline = Deadline::after(PATIENCE);
    let number = |name: &str| {
        context
            .environ
            .text(name)
            .and_then(|text| text.parse().ok())
    };
    let outside = number("ROFI_OUTSIDE").unwrap_or(0);
    let request = RofiArgs {
        keys: keys_of(context, outside),
        retv: number("ROFI_RETV").unwrap_or(0),
        info: context.environ.text("ROFI_INFO").map(str::to_owned),
        outside,
        environ: context.travelling(),
    };
    let mut call = Call { request, deadline };
    match asked(call.request.retv, call.request.info.as_deref()) {
        None => {}
        Some(Asked::Back) => (call.request.retv, call.request.info) = (0, None),
        Some(asked) => return does(context, &call, Rest::Projects(asked), out),
    }
    match connect(context, deadline) {
        Ok(client) => ask(client, &call, out),
        Err(ClientError::NotRunning(_)) => does(context, &call, Rest::Start, out),
        Err(error) => Err(error.to_string()),
    }
}

fn connect(context: &Context, deadline: Deadline) -> Result<Client, ClientError> {
    Client::connect(&context.paths.socket, deadline.left())
}

/// Has the daemon do it, and shows its page.
fn ask(mut client: Client, call: &Call, out: &mut Pieces) -> Result<(), String> {
    let request = &call.request;
    let patience = match rofi::asks_agent(request.retv, request.info.as_deref()) {
        true => AGENT,
        false => call.deadline.left(),
    };
    let answer = client.relay(request, patience, out);
    let words = answer.and_then(|line| refusal_words(&line));
    match words.map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(words) => Err(words),
    }
}
