//! What clients say, and who of them leads.
//!
//! A terminal has one size. It is that of the leader: whoever attached or typed last, and is not
//! read-only. Who has a terminal of the same size is shown every byte; who has another is shown
//! the part around the cursor, drawn anew. Answers of their terminals to queries of the program
//! are taken from the leader only.

use vmux::hosted::frame;
use vmux::hosted::scan::{Scanner, Sequence};
use vmux::hosted::{Hello, Role, Terminal};
use vmux::sys::clock;

use crate::client::View;
use crate::holder::{Holder, INPUT};
use crate::parser::Job;
use crate::term::Size;

impl Holder {
    /// Reads what a client has sent, and does it.
    pub(crate) fn read_client(&mut self, id: u64) {
        let Some(client) = self.client(id) else {
            return;
        };
        match client.read() {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                client.gone = true;
                // What it sent before it went counts.
            }
        }
        self.take_frames(id);
    }

    /// Does what a client has sent. Keys wait in line while the program takes none, and what is
    /// behind them; whoever types nothing is heard all the same, and can end it.
    pub(crate) fn take_frames(&mut self, id: u64) {
        loop {
            let full = self.input.len() >= INPUT;
            let Some(client) = self.client(id) else {
                return;
            };
            client.held = client.has_to_wait(full);
            if client.held {
                return;
            }
            let (kind, payload) = match client.reader.take() {
                Ok(Some((kind, payload))) => (kind, payload.to_vec()),
                Ok(None) => return,
                Err(error) => {
                    log::warn!("a client is let go: {error}");
                    client.gone = true;
                    return;
                }
            };
            self.frame(id, kind, &payload);
        }
    }

    /// Does what a frame says. One of a kind that is not known says nothing to this holder.
    fn frame(&mut self, id: u64, kind: u8, payload: &[u8]) {
        let Some(client) = self.client(id) else {
            return;
        };
        match kind {
            frame::HELLO => self.hello(id, payload),
            frame::PING => client.send(frame::PONG, payload),
            frame::ASK => {
                let words = serde_json::to_vec(&self.info()).unwrap_or_default();
                if let Some(client) = self.client(id) {
                    client.send(frame::INFO, &words);
                }
            }
            _ if client.role.is_none() => {}
            frame::INPUT => self.typed(id, payload),
            frame::RESIZE => {
                if let Some((columns, rows)) = frame::read_size(payload) {
                    self.resized(id, Size::told(columns, rows));
                }
            }
            frame::TERMINAL => self.terminal(id, payload),
            frame::FOLLOW => {
                client.follows = true;
                let words = serde_json::to_vec(&self.info()).unwrap_or_default();
                if let Some(client) = self.client(id) {
                    client.send(frame::INFO, &words);
                }
            }
            frame::DETACH => self.let_go(id),
            frame::DETACH_ALL => {
                let shown = self.clients.iter().filter(|client| Self::shows(client));
                for shown in shown.map(|client| client.id).collect::<Vec<_>>() {
                    self.let_go(shown);
                }
                self.let_go(id);
            }
            frame::END => {
                self.dismissed = true;
                self.end();
            }
            frame::ESCROW => self.escrow(id),
            frame::UPGRADE => self.upgrade(id, payload),
            frame::HISTORY if !client.gone => {
                client.awaits_text = true;
                let colours = payload.first() == Some(&1);
                self.parser.give(Job::Text {
                    client: id,
                    colours,
                });
            }
            _ => {}
        }
    }

    fn hello(&mut self, id: u64, payload: &[u8]) {
        let hello: Hello = serde_json::from_slice(payload).unwrap_or_default();
        let own = self.info.id.clone();
        let Some(client) = self.client(id) else {
            return;
        };
        if client.role.is_some() {
            return;
        }
        client.role = Some(hello.role);
        client.size = Size::told(hello.columns, hello.rows);
        client.tty = hello.tty;
        if hello.role == Role::Ask {
            return;
        }
        if hello.inside == Some(own) {
            client.role = Some(Role::Ask);
            client.send(
                frame::REFUSED,
                b"the terminal is inside of this very session",
            );
            client.leaving = true;
            return;
        }
        self.note_active(id);
        if hello.role == Role::Attach {
            self.lead(id);
        } else {
            self.show(id);
        }
    }

    /// What a client's terminal told: it is answered with when nobody is attached.
    fn terminal(&mut self, id: u64, payload: &[u8]) {
        let told: Terminal = serde_json::from_slice(payload).unwrap_or_default();
        let Some(client) = self.client(id) else {
            return;
        };
        client.reports = told.status;
        if client.role == Some(Role::Attach) {
            let colours =
                [told.foreground, told.background].map(|told| told.filter(|text| is_colour(text)));
            if colours.iter().any(Option::is_some) {
                self.parser.give(Job::Colours(colours));
            }
        }
        self.tell_terminal(id);
    }

    fn note_active(&mut self, id: u64) {
        self.count += 1;
        let count = self.count;
        if let Some(client) = self.client(id) {
            client.active = count;
        }
    }

    fn typed(&mut self, id: u64, keys: &[u8]) {
        let leads = self.leader == Some(id);
        let Some(client) = self.client(id) else {
            return;
        };
        match client.role {
            Some(Role::Ask) => return self.type_in(keys),
            Some(Role::Attach) => {}
            _ => return,
        }
        if leads {
            self.note_active(id);
            return self.type_in(keys);
        }
        // What its terminal says by itself is no key.
        let keys = without_reports(keys);
        if !keys.is_empty() {
            self.lead(id);
            self.note_active(id);
            self.type_in(&keys);
        }
    }

    fn resized(&mut self, id: u64, size: Size) {
        let leads = self.leader == Some(id);
        let Some(client) = self.client(id) else {
            return;
        };
        client.size = size;
        if leads {
            self.resize(size);
        }
        self.show(id);
    }

    /// Lets a client leave: what waits for it does not count any more.
    fn let_go(&mut self, id: u64) {
        if let Some(client) = self.client(id) {
            client.drop_queue();
            client.view = View::Nothing;
            client.send(frame::BYE, b"");
            client.leaving = true;
        }
    }

    /// Makes a client the leader.
    fn lead(&mut self, id: u64) {
        self.leader = Some(id);
        let Some(client) = self.client(id) else {
            return;
        };
        let size = client.size;
        self.resize(size);
        self.show(id);
    }

    /// The leader has gone: who did something last follows, if anybody is left.
    pub(crate) fn choose_leader(&mut self) {
        let attached = self.clients.iter().filter(|client| client.attaches());
        self.leader = None;
        if let Some(next) = attached.max_by_key(|client| client.active) {
            self.lead(next.id);
        }
    }

    /// Gives the session another size. The state first, so that no output of the program for the
    /// new size is taken for the old one.
    fn resize(&mut self, size: Size) {
        let size = Size::clamped(size.columns, size.rows);
        if size == self.size {
            return;
        }
        self.size = size;
        self.parser.give(Job::Resize(size));
        if let Err(error) = self.pty.resize(size) {
            log::warn!("could not resize the terminal: {error}");
        }
        let shown: Vec<_> = self
            .clients
            .iter()
            .filter(|client| Self::shows(client))
            .map(|client| client.id)
            .collect();
        for id in shown {
            if self.leader != Some(id) {
                self.show(id);
            }
        }
    }

    /// Shows the session to a client as its size allows, if it is not shown so already.
    fn show(&mut self, id: u64) {
        let size = self.size;
        let Some(client) = self.client(id) else {
            return;
        };
        if client.leaving || client.role == Some(Role::Ask) {
            return;
        }
        let job = match (&client.view, client.size == size) {
            (View::All | View::Soon { .. } | View::Stuck, true) => return,
            (_, true) => {
                let seen = client.await_snapshot();
                Job::Snapshot { client: id, seen }
            }
            (_, false) => {
                // Drawn as soon as nothing else waits, on an empty screen.
                client.drop_queue();
                client.view = View::Part {
                    busy: false,
                    stale: true,
                    at: clock::steady(),
                };
                client.send_empty_screen();
                return;
            }
        };
        self.parser.give(job);
    }

    /// A snapshot is there.
    pub(crate) fn give_snapshot(&mut self, id: u64, bytes: &[u8]) {
        let given = self.given;
        let Some(client) = self.client(id) else {
            return;
        };
        if !client.snapshot(bytes, given) {
            let seen = client.await_snapshot();
            return self.parser.give(Job::Snapshot { client: id, seen });
        }
        self.tell_terminal(id);
    }

    /// A part is drawn.
    pub(crate) fn give_part(&mut self, id: u64, bytes: &[u8]) {
        let Some(client) = self.client(id) else {
            return;
        };
        if let View::Part { busy, .. } = &mut client.view {
            *busy = false;
            client.send(frame::OUTPUT, bytes);
        }
    }
}

/// Whether a terminal answers so when it is asked for a colour.
fn is_colour(text: &str) -> bool {
    let digits = text
        .strip_prefix("rgb:")
        .or_else(|| text.strip_prefix("rgba:"));
    digits.is_some_and(|digits| {
        digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'/')
    })
}

/// What of these bytes is no answer to a query, nor the word that a terminal has or loses the
/// focus: terminals send those by themselves.
fn without_reports(bytes: &[u8]) -> Vec<u8> {
    let mut keys = Vec::new();
    let mut scanner = Scanner::default();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        // A string ends with two bytes, of which the first one is read already.
        let ends = !scanner.unfinished().is_empty();
        let string = ends || rest.starts_with(b"\x1bP");
        let plain = memchr::memchr(0x1b, rest).unwrap_or(rest.len());
        if !ends && plain > 0 {
            keys.extend_from_slice(&rest[..plain]);
            at += plain;
            continue;
        }
        let (used, sequence) = scanner.step(rest);
        at += used;
        if !sequence.is_some_and(|sequence| is_report(&sequence, string)) {
            keys.extend_from_slice(&rest[..used]);
        }
    }
    keys
}

fn is_report(sequence: &Sequence<'_>, string: bool) -> bool {
    match *sequence {
        Sequence::Csi([b'?' | b'>', ..], b'c' | b'u' | b'n')
        | Sequence::Csi([.., b'$'], b'y')
        | Sequence::Csi(_, b't')
        | Sequence::Csi(b"", b'I' | b'O')
        | Sequence::Osc(..)
        | Sequence::Dcs(..) => true,
        Sequence::Csi(place, b'R') => place.contains(&b';') && !place.starts_with(b"1;"),
        Sequence::Esc(b"", b'\\') => string,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_keys() {
        for report in [
            "\x1b[?62;22c",
            "\x1b[>1;100;0c",
            "\x1b[12;40R",
            "\x1b[?2026;2$y",
            "\x1b[?5u",
            "\x1b[I",
            "\x1b[O",
            "\x1b[8;24;80t",
            "\x1b]11;rgb:0000/0000/0000\x07",
            "\x1b]11;rgb:0000/0000/0000\x1b\\",
            "\x1bP>|xterm(379)\x1b\\",
            "\x1b[?62c\x1b[I",
        ] {
            assert_eq!(without_reports(report.as_bytes()), b"", "{report:?}");
        }
        for keys in [
            "a",
            "\x1b",
            "\x1b[A",
            "\x1bOP",
            "\x1b[1;5R",
            "\x1b[97;5u",
            "\x1b[200~x\x1b[201~",
            "\x1b[<0;1;1M",
            "\x1bO",
        ] {
            let kept = without_reports(keys.as_bytes());
            assert_eq!(String::from_utf8_lossy(&kept), keys);
            let mixed = format!("\x1b[?62;22c{keys}");
            let kept = without_reports(mixed.as_bytes());
            assert_eq!(String::from_utf8_lossy(&kept), keys, "beside a report");
        }
    }

    #[test]
    fn a_colour_is_one() {
        for (text, is) in [
            ("rgb:0000/ffff/a0a0", true),
            ("rgba:0000/ffff/a0a0/ffff", true),
            ("rgb:00/ff/a0", true),
            ("red", false),
            ("rgb:\x1b[31m", false),
        ] {
            assert_eq!(is_colour(text), is, "{text}");
        }
    }
}
