//! Where the list's news come from while it is open: the daemon's stream of events, and the
//! file of the conversation that is shown. Without a daemon, a scan now and then.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use vmux::cmd::exit::Failure;
use vmux::cmd::{Context, failure};
use vmux::core::model::{self, Mirror, Session, SessionKey};
use vmux::protocol::client::{Client, PATIENCE};
use vmux::protocol::reply::Contents;
use vmux::protocol::request::{ListArgs, PreviewArgs, Target};
use vmux::protocol::subscription::{Heard, Subscription};
use vmux::protocol::{EventLine, Verb};
use vmux::serve::act;
use vmux::serve::reply;
use vmux::sys::clock;

use crate::board::{Board, Said};

/// How often the file of the shown conversation is looked at: much of what is said in it
/// changes no session, so that no event tells of it.
const PACE: Duration = Duration::from_millis(500);
/// How often one scan is made where there is no daemon; it costs some milliseconds.
const SCAN_PACE: Duration = Duration::from_secs(2);
/// Messages of a conversation; a large screen shows about twenty, older ones are scrolled to.
const MESSAGES: usize = 40;

/// What the list wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// To show this session's conversation.
    Preview(Option<SessionKey>),
    /// To have its conversation looked at again.
    Read,
    /// To know at once what has changed.
    Look,
}

/// Who is asked.
pub(crate) struct Source {
    context: Arc<Context>,
    /// The connection, while it is good.
    client: Option<Client>,
}

impl Source {
    /// Connects to the daemon, which is started if need be.
    pub(crate) fn open(context: Arc<Context>) -> Result<Self, Failure> {
        let client = match context.no_daemon {
            true => None,
            false => Some(context.connect()?),
        };
        Ok(Self { context, client })
    }

    /// The sessions, in display order.
    pub(crate) fn list(&mut self) -> Result<Vec<Arc<Session>>, Failure> {
        let list = ListArgs::default();
        if !self.context.no_daemon {
            let listed = self.call(&list);
            // The list is not open yet.
            self.context
                .note(self.client.as_ref().and_then(Client::other));
            return Ok(listed?.sessions);
        }
        let listed = self.context.call(list);
        let listed = listed.map_err(|error| Failure::new(format!("{error:#}")))?;
        Ok(listed.sessions)
    }

    fn preview(&mut self, session: &Session) -> Said {
        if self.context.no_daemon {
            return act::read_preview(session, MESSAGES);
        }
        let target = Target {
            id: Some(session.id.clone()),
            ..Target::default()
        };
        let messages = MESSAGES;
        let reply = self.call(&PreviewArgs { target, messages });
        reply
            .map(|previewed| Contents {
                messages: previewed.preview,
                commits: previewed.commits,
            })
            .map_err(|failure| failure.error)
    }

    /// Calls over the open connection. A lost one is opened again, but no daemon is started: it
    /// may have been stopped on purpose.
    fn call<V: Verb>(&mut self, verb: &V) -> Result<V::Reply, Failure> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => connect(&self.context)?,
        };
        let reply = client
            .call(verb, PATIENCE)
            .map_err(|error| Failure::new(error.to_string()))?;
        // After an error the next answer could be that to another question.
        self.client = Some(client);
        reply.map_err(|refusal| failure(&refusal))
    }

    /// Events from the daemon, over a connection of their own.
    fn events(&self) -> Option<Subscription> {
        (!self.context.no_daemon).then(|| Subscription::to(&self.context.paths.socket))
    }
}

fn connect(context: &Context) -> Result<Client, Failure> {
    Client::connect(&context.paths.socket, PATIENCE)
        .map_err(|error| Failure::new(error.to_string()))
}

/// Starts the threads. They tell the screen to draw when there is something new; the one that
/// reads conversations ends with the sender that is returned, both end with the program.
pub(crate) fn start(
    source: Source,
    board: Arc<Board>,
    screen: Screen,
) -> std::io::Result<Sender<Wish>> {
    let (sender, wishes) = mpsc::channel();
    if let Some(events) = source.events() {
        let ear = Ear {
            board: Arc::clone(&board),
            screen: screen.clone(),
            feed: sender.clone(),
            mirror: Mirror::default(),
        };
        let run = move || ear.run(events);
        std::thread::Builder::new()
            .name("events".into())
            .spawn(run)?;
    }
    let feed = Feed {
        source,
        board,
        wanted: None,
        seen: None,
    };
    let run = move || feed.run(&wishes, &screen);
    std::thread::Builder::new().name("feed".into()).spawn(run)?;
    Ok(sender)
}

type Screen = tokio::sync::mpsc::Sender<skim::tui::Event>;

/// Says that there is something to draw. A full queue draws soon enough. False if there is no
/// screen any more.
fn draw(screen: &Screen) -> bool {
    screen.try_send(skim::tui::Event::Render).is_ok() || !screen.is_closed()
}

/// What listens to the daemon's events.
struct Ear {
    board: Arc<Board>,
    screen: Screen,
    feed: Sender<Wish>,
    mirror: Mirror,
}

impl Ear {
    fn run(mut self, mut events: Subscription) {
        loop {
            let news = match events.hear() {
                Heard::Line(line) => match serde_json::from_slice::<EventLine>(&line) {
                    Ok(line) => self.take(&line.event),
                    Err(_) => continue,
                },
                Heard::Lost(error) => self.board.complain(error.to_string()),
            };
            if news && !(draw(&self.screen) && self.feed.send(Wish::Read).is_ok()) {
                return;
            }
        }
    }

    fn take(&mut self, event: &model::Event) -> bool {
        self.mirror.apply(event);
        let sessions: Vec<_> = self.mirror.0.values().cloned().collect();
        self.board
            .apply(&reply::listed(&sessions, false), clock::now())
    }
}

/// What the conversation was when it was last read: a session, and its file's size and time.
type Seen = (Arc<Session>, Option<(u64, SystemTime)>);

/// What reads conversations, and scans where there is no daemon to tell.
struct Feed {
    source: Source,
    board: Arc<Board>,
    /// The session whose conversation is shown.
    wanted: Option<SessionKey>,
    seen: Option<Seen>,
}

impl Feed {
    fn run(mut self, wishes: &Receiver<Wish>, screen: &Screen) {
        let scans = self.source.context.no_daemon;
        let pace = if scans { SCAN_PACE } else { PACE };
        let mut due = clock::steady() + pace;
        loop {
            match wishes.recv_timeout(due.saturating_duration_since(clock::steady())) {
                Ok(wish) => self.take(wish, &mut due),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Of a cursor that runs through the list only the end counts.
            while let Ok(wish) = wishes.try_recv() {
                self.take(wish, &mut due);
            }
            let mut news = false;
            if due <= clock::steady() {
                news |= scans && self.scan();
                due = clock::steady() + pace;
            }
            news |= self.read();
            if news && !draw(screen) {
                return;
            }
        }
    }

    fn take(&mut self, wish: Wish, due: &mut Instant) {
        match wish {
            Wish::Preview(wanted) => {
                self.wanted = wanted;
                self.seen = None;
            }
            Wish::Read => {}
            Wish::Look => *due = clock::steady(),
        }
    }

    fn scan(&mut self) -> bool {
        match self.source.list() {
            Ok(sessions) => self.board.apply(&sessions, clock::now()),
            Err(failure) => self.board.complain(failure.error),
        }
    }

    /// Reads the wanted conversation, if it can have changed since.
    fn read(&mut self) -> bool {
        let Some(wanted) = self.wanted.clone() else {
            return false;
        };
        let sessions = self.board.sessions();
        let Some(session) = sessions.into_iter().find(|session| session.id == wanted) else {
            return false;
        };
        let seen: Seen = (Arc::clone(&session), stamp(&session));
        if self.seen.as_ref() == Some(&seen) {
            return false;
        }
        let said = self.source.preview(&session);
        self.seen = said.is_ok().then_some(seen);
        self.board.tell(wanted, said)
    }
}

/// Size and time of the conversation's file; asking for them costs less than asking what it says.
fn stamp(session: &Session) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(&session.transcript.as_ref()?.0).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
