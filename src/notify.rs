//! Desktop notifications.
//!
//! **Source:** Desktop Notifications Specification 1.2, `org.freedesktop.Notifications`.

use std::os::fd::{AsFd, BorrowedFd};

use crate::dbus::{Argument, Body, Bus, BusError, Variant};
use crate::model::Trouble;
use crate::proc::Environ;
use crate::text::push_pango;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
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
pub enum Answer {
    /// He wants to go there.
    Go,
    /// Later.
    Snooze,
    /// It is gone.
    Closed,
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
        let can = bus.call(NAME, PATH, NAME, "GetCapabilities", &Body::default())?;
        let can = can.texts().unwrap_or_default();
        let rule = format!("type='signal',interface='{NAME}',path='{PATH}'");
        let own = "org.freedesktop.DBus";
        let rule = Body::default().text(&rule);
        bus.call(own, "/org/freedesktop/DBus", own, "AddMatch", &rule)?;
        let has = |name: &str| can.iter().any(|can| can == name);
        Ok(Self {
            bus,
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
            .dict(&[("urgency", Variant::Byte(urgency))])
            .i32(stays);
        let reply = self.bus.call(NAME, PATH, NAME, "Notify", &arguments)?;
        reply.number().ok_or(BusError::Garbled)
    }

    /// Takes a notification away.
    ///
    /// # Errors
    /// See [`BusError`]; one that is gone already is no error of every daemon.
    pub fn close(&mut self, id: u32) -> Result<(), BusError> {
        let arguments = Body::default().u32(id);
        let done = self
            .bus
            .call(NAME, PATH, NAME, "CloseNotification", &arguments);
        done.map(drop)
    }

    /// What users have done meanwhile, with the ids of the notifications.
    ///
    /// # Errors
    /// If the bus hung up.
    pub fn answers(&mut self) -> Result<Vec<(u32, Answer)>, BusError> {
        let signals = self.bus.take_signals()?;
        let heard = signals.iter().filter_map(|signal| {
            let arguments = signal.arguments();
            let Some(Argument::Number(id)) = arguments.first() else {
                return None;
            };
            let answer = match (signal.member.as_deref()?, arguments.get(1)) {
                ("ActionInvoked", Some(Argument::Text(key))) => match key.as_str() {
                    "snooze" => Answer::Snooze,
                    _ => Answer::Go,
                },
                ("NotificationClosed", _) => Answer::Closed,
                _ => return None,
            };
            Some((*id, answer))
        });
        Ok(heard.collect())
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
