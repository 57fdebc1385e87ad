//! The server thread: one poll loop over all clients.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::signal::{SIGINT, SIGTERM};

use super::connection::{Connection, Heard};
use super::dialogs::Dialogs;
use super::leaving::Leaving;
use super::listing::Listing;
use super::lock::{Instance, LOOK};
use super::published::{Completion, Published, Ticket};
use super::roll::Keeper;
use super::storage::Storage;
use super::worker::Workers;
use super::{Input, Settings, write_icons};
use crate::core::model::Observation;
use crate::core::order::Walk;
use crate::frontend::rofi::Menus;
use crate::protocol::request::Received;
use crate::protocol::version::{self, Other};
use crate::protocol::{EventLine, REPLY_CAP, Refusal, RefusalCode, Request};
use crate::sys::clock;
use crate::sys::socket;

/// Clients at once. Past this the one that was quiet longest goes.
const CLIENTS: usize = 3000;
/// Bytes that wait for all clients together at most. Past this the one that has most goes. It is
/// room for the longest reply, and for more subscribers than anybody has, who do not read.
const HELD: usize = REPLY_CAP;
/// Versions of clients that the log tells of at most: there are few, and any client may name one.
const OTHERS: usize = 16;
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Signals, as something to poll.
pub(super) struct Signals {
    /// It shall end.
    end: UnixStream,
    /// It shall look after its socket, see [`LOOK`].
    look: UnixStream,
}

impl Signals {
    /// Takes SIGTERM, SIGINT and SIGUSR1 over.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn install() -> io::Result<Self> {
        let receive = |signals: &[i32]| -> io::Result<UnixStream> {
            let (read, write) = UnixStream::pair()?;
            for signal in signals {
                signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
            }
            read.set_nonblocking(true)?;
            Ok(read)
        };
        Ok(Self {
            end: receive(&[SIGTERM, SIGINT])?,
            look: receive(&[LOOK.as_raw()])?,
        })
    }
}

pub(super) struct Server {
    instance: Arc<Instance>,
    listener: UnixListener,
    signals: Signals,
    clients: Vec<Option<Connection>>,
    /// Serial of the newest request.
    pub(super) serial: u64,
    pub(super) settings: Settings,
    pub(super) published: Arc<Published>,
    pub(super) engine: SyncSender<Input>,
    pub(super) workers: Workers,
    pub(super) labels: Storage,
    roll: Keeper,
    pub(super) menus: Menus,
    /// Whether this daemon has looked for what rofi draws icons by.
    pub(super) saw_icons: bool,
    /// The last rofi call that was put off: who gets its page.
    pub(super) rofi_waits: Vec<(Ticket, u32)>,
    /// Menus in which something was chosen.
    pub(super) leaving: Leaving,
    pub(super) started_at: DateTime<Utc>,
    pub(super) requests: u64,
    /// All sessions as JSON, of this generation.
    pub(super) json: Option<(u64, bool, Vec<u8>)>,
    /// Dialogs whose hooks wait for a decision.
    pub(super) dialogs: Dialogs,
    /// What the engine was too busy to hear.
    pub(super) untold: Vec<Observation>,
    /// Where a user is who presses `next` again and again.
    pub(super) walk: Walk,
    /// The rows of menus and bars.
    pub(super) listing: Listing,
    pub(super) poked_desktop: Option<Instant>,
    /// Whether any session runs in a multiplexer, as of a generation.
    pub(super) in_mux: (u64, bool),
    /// Versions of clients that were told of in the log.
    others: BTreeSet<Other>,
    accept_after: Option<Instant>,
    pub(super) stopping: bool,
}

impl Server {
    pub(super) fn new(
        (instance, listener): (Arc<Instance>, UnixListener),
        settings: Settings,
        published: Arc<Published>,
        engine: SyncSender<Input>,
        workers: Workers,
        (labels, roll): (Storage, Keeper),
        signals: Signals,
    ) -> Self {
        Self {
            instance,
            listener,
            signals,
            clients: Vec::new(),
            serial: 0,
            settings,
            published,
            engine,
            workers,
            labels,
            roll,
            menus: Menus::default(),
            saw_icons: false,
            rofi_waits: Vec::new(),
            leaving: Leaving::default(),
            started_at: clock::now(),
            requests: 0,
            json: None,
            dialogs: Dialogs::default(),
            untold: Vec::new(),
            walk: Walk::default(),
            listing: Listing::default(),
            poked_desktop: None,
            in_mux: (0, false),
            others: BTreeSet::new(),
            accept_after: None,
            stopping: false,
        }
    }

    /// How many clients are connected.
    pub(super) fn connections(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// If waiting itself fails.
    pub(super) fn run(&mut self) -> io::Result<()> {
        self.roll.tell(&self.published.snapshot());
        while !self.stopping {
            let ready = self.wait()?;
            if ready.signalled {
                break;
            }
            if ready.told_to_look || self.published.take_displaced() {
                self.look_after_socket();
            }
            if ready.woken {
                self.published.wake.clear();
                self.roll.tell(&self.published.snapshot());
                self.notify_subscribers();
                self.review_dialogs();
                for (ticket, completion) in self.published.take_completions() {
                    self.complete(ticket, completion);
                }
            }
            for (slot, hung_up) in ready.clients {
                self.serve(slot, hung_up);
            }
            if ready.connecting {
                self.accept();
            }
            self.drop_expired();
            self.drop_heaviest();
            for job in self.leaving.take_due(clock::steady()) {
                if !self.workers.move_focus(job) {
                    log::warn!("could not focus what was chosen: too many moves wait");
                }
            }
            if self
                .dialogs
                .deadline()
                .is_some_and(|at| at <= clock::steady())
            {
                self.review_dialogs();
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        let now = clock::steady();
        let accepting = self.accept_after.is_none_or(|at| at <= now);
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.clients.len() + 4);
        fds.push(PollFd::from_borrowed_fd(
            self.published.wake.as_fd(),
            PollFlags::IN,
        ));
        for signal in [&self.signals.end, &self.signals.look] {
            fds.push(PollFd::from_borrowed_fd(signal.as_fd(), PollFlags::IN));
        }
        let listening = if accepting {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        fds.push(PollFd::from_borrowed_fd(self.listener.as_fd(), listening));
        let mut slots = Vec::with_capacity(self.clients.len());
        let after = self.accept_after.filter(|at| *at > now);
        let due = [after, self.dialogs.deadline(), self.leaving.deadline()];
        let mut deadline = due.into_iter().flatten().min();
        for (slot, client) in self.clients.iter().enumerate() {
            if let Some(client) = client {
                fds.push(PollFd::from_borrowed_fd(client.as_fd(), client.interest()));
                slots.push(slot);
                deadline = deadline.into_iter().chain(client.deadline()).min();
            }
        }
        let menus = self.leaving.descriptors();
        fds.extend(menus.map(|menu| PollFd::from_borrowed_fd(menu, PollFlags::IN)));
        let timeout = deadline.map(|at| clock::timespec(at.saturating_duration_since(now)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let hung_up = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR);
        let clients = fds[4..].iter().zip(slots).filter(|(fd, _)| happened(fd));
        let clients = clients.map(|(fd, slot)| (slot, hung_up(fd)));
        Ok(Ready {
            woken: happened(&fds[0]),
            signalled: happened(&fds[1]),
            told_to_look: happened(&fds[2]),
            connecting: happened(&fds[3]),
            clients: clients.collect(),
        })
    }

    /// Listens again where the socket was removed, and ends where nobody can get here any more.
    fn look_after_socket(&mut self) {
        let mut signals = [0u8; 64];
        let _taken = rustix::io::read(&self.signals.look, &mut signals);
        match self.instance.restore() {
            Ok(None) => {}
            Ok(Some(listener)) => {
                let socket = self.settings.paths.socket.display();
                log::warn!("{socket} was removed; listens again");
                // Clients that came before that wait at the old listener.
                self.accept();
                self.listener = listener;
                // They lie there too, most often, and went along.
                write_icons(&self.settings.paths);
            }
            Err(error) => {
                log::warn!("nobody can reach this daemon any more, it ends: {error:#}");
                self.stopping = true;
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Some(slot) = self.admit(stream) {
                        // Who connects asks at once: it need not be waited for.
                        self.serve(slot, false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, most likely: without a pause this would spin.
                    log::warn!("could not accept a client: {error}");
                    self.accept_after = Some(clock::steady() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Takes a client in, and says where it is kept.
    fn admit(&mut self, stream: UnixStream) -> Option<usize> {
        let uid = rustix::process::getuid().as_raw();
        match socket::peer_uid(&stream) {
            Ok(peer) if peer == uid || peer == 0 => {}
            Ok(peer) => {
                log::warn!("turned away a client of user {peer}");
                return None;
            }
            Err(_) => return None,
        }
        let client = Connection::new(stream).ok()?;
        if self.connections() >= CLIENTS {
            self.drop_quietest();
        }
        let free = self.clients.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.clients.len());
        if free.is_none() {
            self.clients.push(None);
        }
        self.clients[slot] = Some(client);
        Some(slot)
    }

    fn drop_quietest(&mut self) {
        let quietest = self
            .clients
            .iter()
            .enumerate()
            .filter_map(|(slot, client)| Some((slot, client.as_ref()?)))
            .filter(|(_, client)| client.is_idle())
            .min_by_key(|(_, client)| client.active_at)
            .map(|(slot, _)| slot);
        if let Some(slot) = quietest {
            self.drop_client(slot);
        }
    }

    /// The process of the client in a slot.
    pub(super) fn peer(&self, slot: usize) -> Option<u32> {
        self.clients.get(slot)?.as_ref()?.peer()
    }

    /// Lets a client go.
    fn drop_client(&mut self, slot: usize) {
        let client = self.clients.get_mut(slot).and_then(Option::take);
        self.forget_waiter(slot);
        if let Some(serial) = client.as_ref().and_then(|client| client.waiting) {
            self.published.expect(serial, false);
            self.rofi_waits
                .retain(|(ticket, _)| ticket.serial != serial);
        }
        if client.is_some_and(|client| client.subscribed.is_some()) {
            self.published.count_subscriber(false);
        }
    }

    /// Passes new events on. A subscriber that hangs up or falls behind costs the others nothing.
    fn notify_subscribers(&mut self) {
        let events = self.published.take_events();
        if events.is_empty() {
            return;
        }
        for slot in 0..self.clients.len() {
            let Some(client) = self.clients[slot].as_mut() else {
                continue;
            };
            let failed = client.notify(&events).is_err();
            if failed || (client.closing && client.is_idle()) {
                self.drop_client(slot);
            }
        }
    }

    /// Turns a connection into a stream of events, the whole state first.
    pub(super) fn subscribe(&mut self, slot: usize) {
        self.published.count_subscriber(true);
        let snapshot = self.published.snapshot();
        let line = EventLine::state(snapshot.generation, snapshot.sessions.clone()).render();
        if let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) {
            client.subscribed = Some(snapshot.generation);
        }
        self.send(slot, line);
    }

    fn drop_expired(&mut self) {
        let now = clock::steady();
        for slot in 0..self.clients.len() {
            let expired =
                |c: &Connection| c.waiting.is_none() && c.deadline().is_some_and(|at| at <= now);
            if self.clients[slot].as_ref().is_some_and(expired) {
                self.drop_client(slot);
            }
        }
        while matches!(self.clients.last(), Some(None)) {
            self.clients.pop();
        }
    }

    /// Bounds the memory of all clients together: each has its own bound, but they are many.
    fn drop_heaviest(&mut self) {
        let held = |client: &Option<Connection>| client.as_ref().map_or(0, Connection::held);
        let mut sum: usize = self.clients.iter().map(held).sum();
        while sum > HELD {
            let heaviest = (0..self.clients.len()).max_by_key(|slot| held(&self.clients[*slot]));
            let Some(slot) = heaviest else { return };
            let before = held(&self.clients[slot]);
            // A subscriber is told why. A client that was told already, or that does not read its
            // replies, is just let go.
            match self.clients[slot].as_mut() {
                Some(client) if client.subscribed.is_some() && !client.closing => client.cut_off(),
                _ => self.drop_client(slot),
            }
            sum = sum - before + held(&self.clients[slot]);
        }
    }

    /// Writes what a client takes and answers what it asks.
    fn serve(&mut self, slot: usize, hung_up: bool) {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if hung_up && (!client.is_idle() || client.has_said_all) {
            // Nobody takes the answer, and poll would tell of this for ever.
            self.drop_client(slot);
            return;
        }
        if client.flush().is_err() || (client.closing && client.is_idle()) {
            self.drop_client(slot);
            return;
        }
        if !client.is_idle() {
            return;
        }
        match client.hear() {
            Heard::Nothing => {}
            Heard::End if client.subscribed.is_some() && !client.has_hung_up() => {
                client.has_said_all = true;
            }
            Heard::End => self.drop_client(slot),
            Heard::Oversized => {
                self.refuse(slot, "could not read the request: it is longer than 64 KiB");
            }
            Heard::Line(line) => self.take_line(slot, &line),
        }
        self.serve_queued(slot);
    }

    /// Answers requests that have arrived already: poll does not tell of them again.
    fn serve_queued(&mut self, slot: usize) {
        while let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) {
            if !client.is_idle() || client.closing {
                return;
            }
            match client.take_line() {
                Some(Heard::Line(line)) => self.take_line(slot, &line),
                Some(_) => {
                    self.refuse(slot, "could not read the request: it is longer than 64 KiB");
                }
                None => return,
            }
        }
    }

    fn take_line(&mut self, slot: usize, line: &[u8]) {
        let client = self.clients.get(slot).and_then(Option::as_ref);
        // A subscriber has nothing more to ask on this connection.
        let Some(client) = client.filter(|client| client.subscribed.is_none()) else {
            return;
        };
        let Received { request, other } = Received::read(line);
        let request = request.map_err(|error| {
            let refusal = Refusal::new(RefusalCode::BadRequest, error);
            // Who writes what is not known here is newer, most likely.
            match &other {
                Some(_) => refusal.hint(version::OLD_DAEMON),
                None => refusal,
            }
        });
        if request.as_ref().is_ok_and(Request::acts) && client.has_hung_up() {
            // The daemon was held up, and the user was told that it does not answer.
            log::info!("left a request undone whose client has given up");
            return self.drop_client(slot);
        }
        self.requests += 1;
        self.serial += 1;
        let ticket = Ticket {
            slot,
            serial: self.serial,
        };
        let reply = match request {
            Ok(request) => self.dispatch(ticket, request),
            Err(refusal) => Some(refusal.render()),
        };
        self.note(other);
        if let Some(bytes) = reply {
            return self.send(slot, bytes);
        }
        let client = self.clients.get_mut(slot).and_then(Option::as_mut);
        if let Some(client) = client.filter(|client| client.subscribed.is_none()) {
            client.waiting = Some(ticket.serial);
        }
    }

    /// Says once that a client is of another version.
    fn note(&mut self, other: Option<Other>) {
        if let Some(other) = other
            && self.others.len() < OTHERS
            && !self.others.contains(&other)
        {
            log::info!("a client is {other}, this daemon is vmux {}", version::OWN);
            self.others.insert(other);
        }
    }

    fn refuse(&mut self, slot: usize, words: &str) {
        if let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) {
            client.closing = true;
        }
        self.send(slot, Refusal::new(RefusalCode::BadRequest, words).render());
    }

    fn send(&mut self, slot: usize, bytes: Vec<u8>) {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if client.send(bytes).is_err() || (client.closing && client.is_idle()) {
            self.drop_client(slot);
        }
    }

    /// Passes an answer on to its client, if that still waits for it.
    pub(super) fn complete(&mut self, ticket: Ticket, completion: Completion) {
        self.published.expect(ticket.serial, false);
        let bytes = match completion {
            Completion::Reply(reply) => {
                // One that tells rofi of trouble comes instead of the page.
                self.rofi_waits.retain(|(waiting, _)| *waiting != ticket);
                reply
            }
            other => match self.finish_rofi(ticket, other) {
                Some(bytes) => bytes,
                None => return,
            },
        };
        let Some(client) = self.clients.get_mut(ticket.slot).and_then(Option::as_mut) else {
            return;
        };
        if client.waiting == Some(ticket.serial) {
            client.waiting = None;
            client.active_at = clock::steady();
            self.send(ticket.slot, bytes);
            self.serve_queued(ticket.slot);
        }
    }
}

/// What the wait ended with.
struct Ready {
    woken: bool,
    signalled: bool,
    told_to_look: bool,
    connecting: bool,
    /// Slots, and whether the client hung up.
    clients: Vec<(usize, bool)>,
}
