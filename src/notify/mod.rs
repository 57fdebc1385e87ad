//! Desktop notifications.
//!
//! **Source:** Desktop Notifications Specification 1.2, `org.freedesktop.Notifications`.
//!
//! The ids of notifications belong to the daemon that gave them: one that is started anew counts
//! from 1 again. So all calls go to that daemon's own name on the bus, not to the well-known one,
//! only its signals count, and with it all ids are forgotten.

pub mod alert;
pub mod dbus;

use std::os::fd::{AsFd, BorrowedFd};

use crate::core::model::Trouble;
use crate::core::text::push_pango;
use crate::notify::dbus::{Argument, Body, Bus, BusError, Incoming, Variant};
use crate::sys::proc::Environ;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// The desktop file that notifications are grouped and configured by.
const DESKTOP_ENTRY: (&str, Variant<'_>) = ("desktop-entry", Variant::Text("vmux"));
/// How long a word of trouble stays, in milliseconds.
const TROUBLE_MS: i32 = 8000;

/// Buttons, as pairs of their key and their name. `default` is a click on the notification.
const BUTTONS: [&str; 6] = [
    "default",
    "Go there",
    "go",
    "Go there",
    "snooze",
    "Snooze 10 min",
];

/// What a user did with a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Click {
    /// He wants to go there.
    Go,
    /// Later.
    Snooze,
    /// It is gone.
    Closed,
}

/// What happened to notifications.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A user did something with the notification of this id.
    Click(u32, Click),
    /// The notification daemon has ended or was replaced: this connection is of no more use.
    OwnerLost,
}

/// A notification about a session.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The one whose place it takes; 0 if there is none.
    pub replaces: u32,
    /// Plain text.
    pub summary: &'a str,
    /// Plain text.
    pub body: &'a str,
    /// Path of an icon.
    pub icon: &'a str,
    /// Whether it wants an answer: it stays until then.
    pub asks: bool,
}

/// A connection to the notification daemon that hears what users do with notifications.
pub struct Notices {
    bus: Bus,
    /// The daemon that gives the ids: its own name on the bus, `:1.42`.
    owner: String,
    has_buttons: bool,
    has_markup: bool,
}

impl Notices {
    /// Connects, and asks what the notification daemon can do.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn connect(environ: &Environ) -> Result<Self, BusError> {
        let mut bus = Bus::session(environ)?;
        // Watched first, so that no change slips through.
        bus.watch_name(NAME)?;
        let can = bus.call(NAME, PATH, NAME, "GetCapabilities", &Body::default())?;
        let owner = can.sender.clone().ok_or(BusError::Garbled)?;
        bus.add_match(&format!(
            "type='signal',sender='{owner}',interface='{NAME}',path='{PATH}'"
        ))?;
        let can = can.texts().unwrap_or_default();
        let has = |name: &str| can.iter().any(|can| can == name);
        Ok(Self {
            bus,
            owner,
            has_buttons: has("actions"),
            has_markup: has("body-markup"),
        })
    }

    /// Shows a notification; returns its id.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn show(&mut self, notice: &Notice<'_>) -> Result<u32, BusError> {
        let body = self.body(notice.body);
        let buttons: &[&str] = if self.has_buttons { &BUTTONS } else { &[] };
        // Waits stay until they are answered, whatever the daemon's own timeout; -1 is that.
        let (urgency, stays) = if notice.asks { (1, 0) } else { (0, -1) };
        let arguments = Body::default()
            .text("vmux")
            .u32(notice.replaces)
            .text(notice.icon)
            .text(notice.summary)
            .text(&body)
            .texts(buttons)
            .dict(&[("urgency", Variant::Byte(urgency)), DESKTOP_ENTRY])
            .i32(stays);
        let reply = self.call("Notify", &arguments)?;
        reply.number().ok_or(BusError::Garbled)
    }

    fn call(&mut self, member: &str, arguments: &Body) -> Result<Incoming, BusError> {
        self.bus.call(&self.owner, PATH, NAME, member, arguments)
    }

    /// Takes a notification away.
    ///
    /// # Errors
    /// See [`BusError`]; not every daemon reports one that is gone already.
    pub fn close(&mut self, id: u32) -> Result<(), BusError> {
        let arguments = Body::default().u32(id);
        self.call("CloseNotification", &arguments).map(drop)
    }

    /// What has happened meanwhile, in order; without waiting.
    ///
    /// # Errors
    /// If the bus hung up.
    pub fn heard(&mut self) -> Result<Vec<Heard>, BusError> {
        let signals = self.bus.take_signals()?;
        Ok(signals
            .iter()
            .filter_map(|s| hear(s, &self.owner))
            .collect())
    }

    fn body(&self, text: &str) -> String {
        if !self.has_markup {
            return text.to_owned();
        }
        let mut markup = String::new();
        push_pango(&mut markup, text);
        markup.replace("&#10;", "\n")
    }
}

fn hear(signal: &Incoming, owner: &str) -> Option<Heard> {
    if let Some(now) = signal.new_owner(NAME) {
        return (now != owner).then_some(Heard::OwnerLost);
    }
    if signal.sender.as_deref() != Some(owner) {
        return None;
    }
    let arguments = signal.arguments();
    let Some(Argument::Number(id)) = arguments.first() else {
        return None;
    };
    let click = match (signal.member.as_deref()?, arguments.get(1)) {
        ("ActionInvoked", Some(Argument::Text(key))) if key == "snooze" => Click::Snooze,
        ("ActionInvoked", Some(Argument::Text(_))) => Click::Go,
        ("NotificationClosed", _) => Click::Closed,
        _ => return None,
    };
    Some(Heard::Click(*id, click))
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bus.as_fd()
    }
}

/// Tells that a session could not be shown. Where nobody takes notifications, the log has it.
pub fn trouble(environ: &Environ, title: &str, trouble: &Trouble) {
    let mut body = trouble.message.to_string();
    if let Some(hint) = &trouble.hint {
        body.push('\n');
        body.push_str(hint);
    }
    let summary = if trouble.code.is_half() {
        format!("Focused the window of {title}")
    } else {
        format!("Could not focus {title}")
    };
    message(environ, &summary, &body);
}

/// Shows a message. `false` if there is nobody who would.
pub fn message(environ: &Environ, summary: &str, text: &str) -> bool {
    let sent = send(environ, summary, text);
    if let Err(error) = &sent {
        log::info!("could not notify: {error}");
    }
    sent.is_ok()
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
        .dict(&[("urgency", Variant::Byte(1)), DESKTOP_ENTRY])
        .i32(TROUBLE_MS);
    bus.call(NAME, PATH, NAME, "Notify", &body).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = ":1.42";

    fn heard(sender: &str, member: &str, body: Body) -> Option<Heard> {
        hear(&Incoming::signal(sender, member, body), OWNER)
    }

    #[test]
    fn only_the_daemon_that_gave_an_id_speaks_of_it() {
        let clicked =
            |sender, key| heard(sender, "ActionInvoked", Body::default().u32(7).text(key));
        assert_eq!(clicked(OWNER, "default"), Some(Heard::Click(7, Click::Go)));
        assert_eq!(
            clicked(OWNER, "snooze"),
            Some(Heard::Click(7, Click::Snooze))
        );
        assert_eq!(clicked(":1.43", "default"), None);
        let closed = |sender| heard(sender, "NotificationClosed", Body::default().u32(7).u32(2));
        assert_eq!(closed(OWNER), Some(Heard::Click(7, Click::Closed)));
        assert_eq!(closed(":1.43"), None);
        let odd = Body::default().text("seven").text("default");
        assert_eq!(heard(OWNER, "ActionInvoked", odd), None);
        let token = Body::default().u32(7).text("xdg-token");
        assert_eq!(heard(OWNER, "ActivationToken", token), None);
    }

    #[test]
    fn a_daemon_that_loses_its_name_is_lost_and_only_the_bus_says_so() {
        let owned = |sender, name: &str, owner: &str| {
            let body = Body::default().text(name).text(OWNER).text(owner);
            heard(sender, "NameOwnerChanged", body)
        };
        let bus = "org.freedesktop.DBus";
        assert_eq!(owned(bus, NAME, ""), Some(Heard::OwnerLost));
        assert_eq!(owned(bus, NAME, ":1.43"), Some(Heard::OwnerLost));
        assert_eq!(owned(bus, NAME, OWNER), None, "it took its name just now");
        assert_eq!(owned(bus, "org.example.Other", ""), None);
        assert_eq!(owned(":1.66", NAME, ""), None);
    }
}
