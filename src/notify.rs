//! Desktop notifications.
//!
//! **Source:** Desktop Notifications Specification 1.2, `org.freedesktop.Notifications`.

use crate::dbus::{Body, Bus, BusError, Variant};
use crate::model::Trouble;
use crate::proc::Environ;
use crate::text::push_pango;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// How long a word of trouble stays, in milliseconds.
const TROUBLE_MS: i32 = 8000;

/// Tells that a session could not be shown. Where nobody takes notifications, the log has it.
pub fn trouble(environ: &Environ, title: &str, trouble: &Trouble) {
    let mut body = trouble.message.to_string();
    if let Some(hint) = &trouble.hint {
        body.push('\n');
        body.push_str(hint);
    }
    message(environ, &format!("Could not focus {title}"), &body);
}

/// Shows a message.
pub fn message(environ: &Environ, summary: &str, text: &str) {
    if let Err(error) = send(environ, summary, text) {
        log::info!("could not notify: {error}");
    }
}

fn send(environ: &Environ, summary: &str, text: &str) -> Result<(), BusError> {
    let mut bus = Bus::session(environ)?;
    let mut markup = String::new();
    push_pango(&mut markup, text);
    let body = Body::default()
        .text("vmux")
        .u32(0)
        .text("dialog-warning")
        .text(summary)
        .text(&markup.replace("&#10;", "\n"))
        .texts(&[])
        .dict(&[("urgency", Variant::Byte(1))])
        .i32(TROUBLE_MS);
    bus.call(NAME, PATH, NAME, "Notify", &body).map(drop)
}
