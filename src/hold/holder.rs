//! Keeps a session: one thread, one `poll`, around its terminal, its processes and its clients.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use vmux::hosted::place::Place;
use vmux::hosted::{Ended, Info, Role, frame};
use vmux::sys::{clock, files, socket};

use crate::client::{BEHIND, Client, View};
use crate::disk::Disk;
use crate::ending::Ending;
use crate::output::Output;
use crate::parser::{Done, Job, Parser};
use crate::pty::{Child, Pty};
use crate::scope;
use crate::stand::{self, Identity};
use crate::telling::Telling;
use crate::term::Size;

/// Keys that may wait for the program; then those of its clients wait with them.
pub(crate) const INPUT: usize = 256 * 1024;
/// Most clients at once.
const CLIENTS: usize = 64;
/// A part is drawn anew at most so often.
const FRAME: Duration = Duration::from_millis(33);
/// Most reads of the terminal after the end.
const LAST_READS: usize = 64;
/// How long the last words may take to reach the disk, and then the clients.
pub(crate) const LAST: Duration = Duration::from_secs(1);

/// A session and all that belongs to it.
pub(crate) struct Holder {
    pub(crate) info: Info,
    pub(crate) place: Place,
    pub(crate) pty: Pty,
    pub(crate) size: Size,
    pub(crate) child: Child,
    pub(crate) parser: Parser,
    pub(crate) disk: Arc<Disk>,
    pub(crate) clients: Vec<Client>,
    /// Where the terminal is read to: what is handed on takes no more than its length.
    block: Vec<u8>,
    /// Keys that the program has not taken.
    pub(crate) input: Vec<u8>,
    /// The client whose terminal gives the session its size.
    pub(crate) leader: Option<u64>,
    /// Bytes of output that the parser was given.
    pub(crate) given: u64,
    /// Counts what clients do.
    pub(crate) count: u64,
    pub(crate) ending: Option<Ending>,
    /// What the program says of itself.
    pub(crate) telling: Telling,
    /// A client has it end: it is not to come back.
    pub(crate) dismissed: bool,
    /// Nobody can write to the terminal any more.
    pub(crate) closed: bool,
    /// Where the state is laid down for whoever goes on after a crash.
    pub(crate) shelf: Option<OwnedFd>,
    pub(crate) listener: UnixListener,
    /// The socket where it listens.
    pub(crate) bound: Option<Identity>,
    signals: Signals,
}

/// What the kernel tells: a child has ended, or this process is to.
pub(crate) struct Signals {
    pub(crate) child: UnixStream,
    pub(crate) end: UnixStream,
    /// It is to look after its place.
    pub(crate) look: UnixStream,
}

/// What a round of the loop waits for.
struct Ready {
    listener: bool,
    pty: PollFlags,
    child: bool,
    end: bool,
    look: bool,
    parser: bool,
    clients: Vec<(u64, PollFlags)>,
}

impl Holder {
    pub(crate) fn new(
        (info, place): (Info, Place),
        (pty, child, size): (Pty, Child, Size),
        (parser, disk): (Parser, Arc<Disk>),
        listener: UnixListener,
        signals: Signals,
    ) -> Self {
        let bound = stand::identity(&place.socket(&info.id));
        Self {
            info,
            place,
            pty,
            size,
            child,
            parser,
            disk,
            clients: Vec::new(),
            block: Vec::new(),
            input: Vec::new(),
            leader: None,
            given: 0,
            count: 0,
            ending: None,
            telling: Telling::default(),
            dismissed: false,
            listener,
            bound,
            signals,
            closed: false,
            shelf: None,
        }
    }

    /// Runs until the session is over.
    pub(crate) fn run(mut self) -> io::Result<Ended> {
        while !self.is_over() {
            let ready = self.wait()?;
            self.round(&ready);
        }
        self.conclude()
    }

    fn is_over(&self) -> bool {
        match &self.ending {
            Some(ending) => ending.is_over(),
            None => self.child.ended.is_some(),
        }
    }

    fn round(&mut self, ready: &Ready) {
        if ready.parser {
            self.take_done();
        }
        if ready.child || self.ending.is_some() {
            drain(&self.signals.child);
            let left = self.child.collect();
            if let Some(ending) = &mut self.ending {
                ending.step(&self.child, left);
            }
        }
        if ready.end {
            drain(&self.signals.end);
            self.end();
        }
        if ready.look {
            drain(&self.signals.look);
            self.stand();
        }
        if ready
            .pty
            .intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
        {
            self.read_pty();
        }
        if ready.pty.contains(PollFlags::OUT) {
            self.write_pty();
            let held = self.clients.iter().filter(|client| client.held);
            for id in held.map(|client| client.id).collect::<Vec<_>>() {
                self.take_frames(id);
            }
        }
        if ready.listener {
            self.accept();
        }
        for (id, flags) in &ready.clients {
            if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.read_client(*id);
            }
        }
        self.look_after_clients();
        self.tell_news();
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.signals.child, PollFlags::IN),
            PollFd::new(&self.signals.end, PollFlags::IN),
            PollFd::new(&self.parser, PollFlags::IN),
            PollFd::new(&self.signals.look, PollFlags::IN),
        ];
        let mut pty = PollFlags::empty();
        pty.set(PollFlags::IN, self.reads_pty());
        pty.set(PollFlags::OUT, !self.input.is_empty());
        let has_pty = !self.closed && !pty.is_empty();
        if has_pty {
            fds.push(PollFd::new(&self.pty, pty));
        }
        let watch = self.child.watch();
        fds.extend(watch.map(|watch| PollFd::from_borrowed_fd(watch, PollFlags::IN)));
        let first = fds.len();
        let present = || self.clients.iter().filter(|client| !client.gone);
        for client in present() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !client.held);
            flags.set(PollFlags::OUT, client.has_queue());
            fds.push(PollFd::new(client, flags));
        }
        let timeout = self.next_deadline().map(|at| {
            clock::timespec(
                at.saturating_duration_since(clock::steady()) + Duration::from_millis(1),
            )
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ids = present().map(|client| client.id);
        Ok(Ready {
            listener: !fds[0].revents().is_empty(),
            child: !fds[1].revents().is_empty()
                || watch.is_some() && !fds[first - 1].revents().is_empty(),
            end: !fds[2].revents().is_empty(),
            parser: !fds[3].revents().is_empty(),
            look: !fds[4].revents().is_empty(),
            pty: if has_pty {
                fds[5].revents()
            } else {
                PollFlags::empty()
            },
            clients: ids.zip(fds[first..].iter().map(PollFd::revents)).collect(),
        })
    }

    /// Whether the program's output is wanted: not while the parser, or the client that leads, has
    /// fallen behind. Others that have are drawn anew, and slow nobody: who waits for a snapshot
    /// waits for the parser, and with it the program does. Else more would come than can be shown
    /// after it, and in a flood no snapshot would be the last word.
    fn reads_pty(&self) -> bool {
        let paced = self.clients.iter().any(|client| match &client.view {
            View::All => Some(client.id) == self.leader && client.is_behind(),
            View::Soon { after, .. } => after.len() > BEHIND / 2,
            _ => false,
        });
        let watched = self.clients.iter().any(Self::shows);
        self.parser.keeps_up(watched) && !paced
    }

    /// When something has to be looked at that no event tells.
    fn next_deadline(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(|client| match client.view {
            View::All => client.window_ends(),
            View::Part {
                busy: false,
                stale: true,
                at,
            } => Some(at + FRAME),
            _ => None,
        });
        let ending = self.ending.as_ref().map(Ending::next);
        let parser = self.parser.begins_at();
        clients
            .chain(ending)
            .chain(parser)
            .chain(self.news_due())
            .min()
    }

    fn read_pty(&mut self) {
        match self.read_some() {
            Ok(Some(_)) => {}
            Ok(None) => self.closed = true,
            Err(error) => {
                log::warn!("could not read the terminal: {error}");
                self.closed = true;
            }
        }
    }

    /// Reads what is there, and hands it on; how much it was, or `None` once nobody can write.
    fn read_some(&mut self) -> io::Result<Option<usize>> {
        let mut block = std::mem::take(&mut self.block);
        let read = self.pty.read(&mut block);
        if !block.is_empty() {
            self.output(&block);
        }
        let length = block.len();
        self.block = block;
        Ok(read?.then_some(length))
    }

    /// Output of the program goes to whoever is shown all of it, and to the parser; but for what
    /// it says to the holder.
    fn output(&mut self, read: &[u8]) {
        let (output, raw) = match self.sift(read) {
            Some(passed) => (Output::of(&passed), Some(Output::of(read))),
            None => (Output::of(read), None),
        };
        let length = output.bytes().len();
        self.given += u64::try_from(length).unwrap_or(0);
        for client in self.clients.iter_mut().filter(|_| length > 0) {
            client.output(&output, self.given);
            // Before the parser wakes: who looks is not to wait for a processor that it has.
            client.flush();
        }
        // What waits for its snapshot reaches its terminal, too.
        let is_shown = |view: &View| matches!(view, View::All | View::Soon { lost: false, .. });
        let answered = self
            .clients
            .iter()
            .any(|client| Some(client.id) == self.leader && is_shown(&client.view));
        self.parser.give(Job::Output {
            output,
            raw,
            answer: !answered,
        });
    }

    fn write_pty(&mut self) {
        match self.pty.write(&self.input) {
            Ok(n) => drop(self.input.drain(..n)),
            Err(error) => {
                log::warn!("could not write to the terminal: {error}");
                self.input.clear();
            }
        }
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        let ours = socket::peer_uid(&stream)
            .is_ok_and(|uid| uid == rustix::process::getuid().as_raw() || uid == 0);
        if !ours || self.clients.len() >= CLIENTS || stream.set_nonblocking(true).is_err() {
            return;
        }
        self.count += 1;
        self.clients.push(Client::new(self.count, stream));
    }

    pub(crate) fn take_done(&mut self) {
        for done in self.parser.take() {
            match done {
                Done::Answers(bytes) => self.answer(&bytes),
                Done::Title(title) => self.titled(title),
                Done::Bell => self.rang(),
                Done::Snapshot { client, bytes } => self.give_snapshot(client, &bytes),
                Done::Crop { client, bytes } => self.give_part(client, &bytes),
                Done::Text { client, bytes } => {
                    if let Some(client) = self.client(client) {
                        client.awaits_text = false;
                        client.send(frame::TEXT, &bytes);
                        if !bytes.is_empty() {
                            client.send(frame::TEXT, b"");
                        }
                    }
                }
            }
        }
    }

    /// Keys for the program.
    pub(crate) fn type_in(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.write_pty();
    }

    /// An answer to the program, unless it takes none: one that asks without end is not answered.
    pub(crate) fn answer(&mut self, bytes: &[u8]) {
        if self.input.len() + bytes.len() <= INPUT {
            self.type_in(bytes);
        }
    }

    pub(crate) fn client(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    /// Sends what can be sent, lets go of who is gone, and draws anew for who was behind.
    fn look_after_clients(&mut self) {
        self.parser.begin();
        let now = clock::steady();
        let mut jobs = Vec::new();
        for client in &mut self.clients {
            client.flush();
            let leads = Some(client.id) == self.leader;
            let behind = client.has_fallen_behind(leads, now);
            match client.view {
                View::All if behind => {
                    client.drop_queue();
                    client.view = View::Stuck;
                }
                View::Stuck if !client.has_queue() => {
                    let seen = client.await_snapshot();
                    jobs.push(Job::Snapshot {
                        client: client.id,
                        seen,
                    });
                }
                View::Part {
                    busy: false,
                    stale: true,
                    at,
                } if at + FRAME <= now && !client.has_queue() => {
                    client.view = View::Part {
                        busy: true,
                        stale: false,
                        at: now,
                    };
                    jobs.push(Job::Crop {
                        client: client.id,
                        size: client.size,
                    });
                }
                _ => {}
            }
        }
        for job in jobs {
            self.parser.give(job);
        }
        // Those that have taken answers may ask again.
        let full = self.input.len() >= INPUT;
        let held = self.clients.iter();
        let held = held.filter(|client| client.held && !client.has_to_wait(full));
        for id in held.map(|client| client.id).collect::<Vec<_>>() {
            self.take_frames(id);
        }
        self.clients
            .retain(|c| c.held || !c.gone && (!c.leaving || c.has_queue()));
        if self
            .leader
            .is_some_and(|leader| !self.clients.iter().any(|c| c.id == leader && c.attaches()))
        {
            self.choose_leader();
        }
    }

    /// The session is over: the last output, how it ended, and what is kept of it.
    fn conclude(mut self) -> io::Result<Ended> {
        // What the program wrote last lies in the terminal yet; one that it left may write on.
        for _ in 0..LAST_READS {
            if !matches!(self.read_some(), Ok(Some(1..))) {
                break;
            }
        }
        let ended = self.child.ended.clone().unwrap_or_else(|| Ended {
            at: clock::now(),
            ..Ended::default()
        });
        let starved = self.starved();
        let ended = Ended { starved, ..ended };
        self.settle();
        self.write_down(&ended)?;
        let mut told = false;
        let deadline = clock::steady() + LAST;
        while clock::steady() < deadline {
            let waits = |client: &Client| matches!(client.view, View::Soon { .. });
            if !told && !self.clients.iter().any(waits) {
                told = true;
                let words = serde_json::to_vec(&ended)?;
                for client in &mut self.clients {
                    client.send(frame::EXIT, &words);
                    client.view = View::Nothing;
                }
            }
            self.look_after_clients();
            if told && !self.clients.iter().any(Client::has_queue) && self.parser.is_done() {
                break;
            }
            self.wait_for_clients()?;
        }
        Ok(ended)
    }

    /// Writes the session's file anew.
    pub(crate) fn write_file(&self) {
        let file = self.place.file(&self.info.id);
        let info = serde_json::to_vec(&self.info).map_err(Into::into);
        if let Err(error) = info.and_then(|info| files::write_own(&file, &info, false)) {
            log::warn!("could not write {}: {error}", file.display());
        }
    }

    /// Has all output parsed, and given to the disk.
    fn settle(&mut self) {
        // Where there is no thread nobody has waited for one.
        if let Ok(work) = self.parser.stop() {
            self.take_done();
            self.parser.go_on(work);
        }
    }

    /// Writes down how the session ended, before anybody is told: whoever is may look.
    fn write_down(&mut self, ended: &Ended) -> io::Result<()> {
        self.info.ended = Some(ended.clone());
        self.info.clients.clear();
        self.info.told = Some(self.telling.last_words());
        let id = &self.info.id;
        let over = self.dismissed || (ended.by_itself() && !self.is_told_to_end());
        if over {
            self.disk.let_go(id);
        }
        if !self.disk.settle(LAST) {
            log::warn!("the disk takes too long: the end of the log is lost");
        }
        let written = files::write_own(
            &self.place.file(id),
            &serde_json::to_vec(&self.info)?,
            false,
        );
        if let Err(error) = written.and_then(|()| std::fs::remove_file(self.place.socket(id))) {
            log::warn!("could not say how the session ended: {error}");
        }
        Ok(())
    }

    /// Whether this process is to end, and with it all others: the machine goes down.
    fn is_told_to_end(&self) -> bool {
        let mut fds = [PollFd::new(&self.signals.end, PollFlags::IN)];
        self.ending.is_some() || poll(&mut fds, Some(&clock::timespec(Duration::ZERO))) != Ok(0)
    }

    /// Until a client takes something or a job is done, for a moment at most.
    fn wait_for_clients(&mut self) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.parser, PollFlags::IN)];
        for client in self.clients.iter().filter(|client| client.has_queue()) {
            fds.push(PollFd::new(client, PollFlags::OUT));
        }
        let timeout = clock::timespec(Duration::from_millis(20));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        self.take_done();
        Ok(())
    }

    /// What the session is now.
    pub(crate) fn info(&self) -> Info {
        let attached = self
            .clients
            .iter()
            .filter_map(|client| client.attached(Some(client.id) == self.leader));
        Info {
            columns: self.size.columns,
            rows: self.size.rows,
            clients: attached.collect(),
            ended: self.child.ended.clone(),
            told: Some(self.telling.told.clone()),
            starved: self.starved(),
            ..self.info.clone()
        }
    }

    fn starved(&self) -> u32 {
        let limited = self.info.memory.is_some();
        if limited {
            scope::starved(&self.info.id)
        } else {
            0
        }
    }

    /// Ends the session, with all that runs in it.
    pub(crate) fn end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending::begin(&self.child));
        }
    }

    /// Whether this client shows the session.
    pub(crate) fn shows(client: &Client) -> bool {
        matches!(client.role, Some(Role::Attach | Role::Watch))
    }
}

/// Takes all that a signal wrote.
fn drain(stream: &UnixStream) {
    let mut bytes = Vec::new();
    while let Ok(true) = socket::read_ready(stream, &mut bytes) {
        bytes.clear();
    }
}
