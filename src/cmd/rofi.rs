//! `vmux rofi`, which is also `vmux-rofi`: the script that rofi calls.
//!
//! rofi waits for it with the keyboard grabbed, so it answers within 300 ms, with a row that
//! says what is wrong if need be; later only where an agent is asked what it asks. Its exit status and standard error go nowhere.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::call::{Context, vmux_program};
use super::new;
use super::out::Pieces;
use crate::cmd::exit::Exit;
use crate::core::model::Pid;
use crate::core::text::CleanText;
use crate::frontend::projects::{Chosen, lines};
use crate::frontend::rofi::keys::{Keys, Places, keys};
use crate::frontend::rofi::projects::{self, Asked};
use crate::frontend::rofi::{self, show_trouble};
use crate::protocol::client::{Client, ClientError, read};
use crate::protocol::reply::{Page, is_done};
use crate::protocol::request::RofiArgs;
use crate::sys::clock::{self, Deadline};
use crate::sys::files::read_bounded;
use crate::sys::proc::Proc;

/// Longest wait for everything: rofi's own window takes 22 ms to appear, and a person notices
/// a dead keyboard after some 300.
const PATIENCE: Duration = Duration::from_millis(280);

/// Longest wait for what an agent is asked: it is read or answered at its user's own word, and takes
/// 50 ms, on a busy machine some hundred.
const AGENT: Duration = Duration::from_secs(3);

/// What is left of that when projects were gathered: they still have to be written.
const SHOWN: Duration = Duration::from_millis(60);

/// Largest of rofi's files that is read, in bytes.
const CONFIG_CAP: usize = 256 * 1024;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    script().into()
}

/// One call of rofi's script mode.
fn script() -> Exit {
    match Context::new(None, false) {
        Ok(context) => run(&context),
        Err(error) => {
            show(&mut Pieces::default(), &format!("{error:#}"));
            Exit::Done
        }
    }
}

/// The same under `vmux rofi`, done before clap builds its tree.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    (!words.contains(&"--help")).then(|| Ok(script()))
}

pub(super) fn run(context: &Context) -> Exit {
    let mut out = Pieces::default();
    if let Err(word) = page(context, &mut out) {
        show(&mut out, &word);
    }
    Exit::Done
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

fn page(context: &Context, out: &mut Pieces) -> Result<(), String> {
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
    let mut request = request;
    match projects::asked(request.retv, request.info.as_deref()) {
        None => {}
        Some(Asked::Back) => (request.retv, request.info) = (0, None),
        Some(asked) => return new_session(context, &asked, &request.keys, deadline, out),
    }
    let mut client = match Client::connect(&context.paths.socket, deadline.left()) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => {
            context.start_daemon(deadline.left())?;
            Client::connect(&context.paths.socket, deadline.left())
                .map_err(|error| error.to_string())?
        }
        Err(error) => return Err(error.to_string()),
    };
    let patience = match rofi::asks_agent(request.retv, request.info.as_deref()) {
        true => AGENT,
        false => deadline.left(),
    };
    let answer = client.relay(&request, patience, out);
    let line = answer.map_err(|error| error.to_string())?;
    if is_done(&line) {
        return Ok(());
    }
    match read::<Page>(&line) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(refusal.error),
        Err(error) => Err(error.to_string()),
    }
}

/// What the page of projects asks for: itself, or a session that another process begins, because
/// rofi holds the keyboard until this one ends.
fn new_session(
    context: &Context,
    asked: &Asked,
    keys: &[String],
    deadline: Deadline,
    out: &mut Pieces,
) -> Result<(), String> {
    let mut word = None;
    let chosen = match asked {
        Asked::Chosen(chosen) => Some(chosen.clone()),
        Asked::Typed => {
            let text = std::env::args_os().next_back().unwrap_or_default();
            let text = text.to_string_lossy();
            let dir = new::typed(context, &text);
            word = Some(format!("{} is no directory.", CleanText::line(&text)));
            dir.map(|dir| Chosen::Begin(dir.to_string_lossy().into_owned()))
        }
        Asked::Page | Asked::Back => None,
    };
    if let Some(chosen) = chosen {
        return begin(&chosen);
    }
    let left = deadline.left().saturating_sub(SHOWN);
    let projects = new::projects(context, left).map_err(|error| error.to_string())?;
    let lines = lines(&projects, clock::now());
    let hints = context.config().config.hints.then(|| Keys::of(keys));
    let page = projects::page(&lines, word.as_deref(), hints.as_ref());
    out.write_all(&page).map_err(|error| error.to_string())
}

fn begin(chosen: &Chosen) -> Result<(), String> {
    let mut command = Command::new(vmux_program()?);
    command
        .args(chosen.command())
        // They are of this rofi alone, and a session would keep them.
        .env_remove("ROFI_RETV")
        .env_remove("ROFI_INFO")
        .env_remove("ROFI_DATA")
        .env_remove("ROFI_OUTSIDE")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = command.spawn();
    begun
        .map(drop)
        .map_err(|error| format!("could not run vmux: {error}"))
}
