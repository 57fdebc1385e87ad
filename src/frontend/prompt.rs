//! A prompt for a label in a rofi of its own: script mode cannot prefill one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::core::model::{Session, SessionKey};
use crate::core::text::{CleanText, push_pango};
use crate::protocol::client::Client;
use crate::protocol::request::{LabelArgs, Target};
use crate::sys::exec;
use crate::sys::proc::{Environ, Proc};

/// Longest wait for the daemon's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a theme shows for a list, and a prompt without one does not need.
const LOOK: &str = "entry { placeholder: \"no label\"; } count { enabled: false; }";

/// The arguments of a running rofi that decide its looks, so that a second one looks the same.
#[must_use]
pub fn theme_of(rofi: u32) -> Vec<String> {
    let Ok(proc) = Proc::open(Path::new("/proc")) else {
        return Vec::new();
    };
    let words: Vec<String> = proc
        .cmdline(crate::core::model::Pid(rofi))
        .into_iter()
        .filter_map(|word| word.into_string().ok())
        .collect();
    let looks = |word: &str| {
        matches!(
            word,
            "-theme" | "-theme-str" | "-config" | "-font" | "-dpi" | "-m"
        )
    };
    let pairs = words.windows(2).filter(|pair| looks(&pair[0]));
    pairs.flat_map(|pair| pair.iter().cloned()).collect()
}

/// Asks for a label, the old one filled in. `None` if the user cancelled.
///
/// # Errors
/// In words, if rofi cannot be run.
pub fn ask_label(
    session: &Session,
    theme: &[String],
    environ: &Environ,
    patience: Duration,
) -> Result<Option<String>, String> {
    let mut message = String::from("Label for the session in <b>");
    push_pango(&mut message, &session.cwd.clean());
    message.push_str("</b>. Leave it empty for none.");
    let mut command = Command::new("rofi");
    command.args(["-dmenu", "-p", "label", "-l", "0", "-filter"]);
    command.arg(session.label.as_deref().unwrap_or_default());
    command.arg("-mesg").arg(message);
    command.args(["-theme-str", LOOK]).args(theme);
    for name in crate::protocol::ENVIRON {
        if let Some(value) = environ.get(name) {
            command.env(name, value);
        }
    }
    let done = exec::run(&mut command, patience)
        .map_err(|error| format!("could not run rofi: {error}"))?;
    if !done.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&done.stdout);
    Ok(Some(text.trim_end_matches('\n').to_owned()))
}

/// Sends a label to the daemon.
///
/// # Errors
/// In words.
pub fn send_label(socket: &Path, id: &SessionKey, label: &str) -> Result<(), String> {
    let target = Target {
        id: Some(id.clone()),
        ..Target::default()
    };
    let verb = LabelArgs {
        target,
        label: CleanText::line(label).to_string(),
    };
    let mut client = Client::connect(socket, PATIENCE).map_err(|error| error.to_string())?;
    let reply = client
        .call(&verb, PATIENCE)
        .map_err(|error| error.to_string())?;
    reply.map(drop).map_err(|refusal| refusal.error)
}
