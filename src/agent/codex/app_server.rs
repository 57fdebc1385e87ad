//! The app-server of one `CODEX_HOME`: a connection that is kept, and what it has told of threads.
//!
//! Threads are listed at each scan; in between each change of a status is told by itself, about
//! 10 ms behind the rollout. Nothing here waits, and nothing is subscribed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::link::Link;
use super::pairing::Loaded;
use super::rpc::{self, Message, Request, Status, Thread, Told};
use crate::core::model::time;

/// A request is answered within so long, or the connection is given up. 30 of them took 400 ms at
/// a load of 12.
const ANSWER: Duration = Duration::from_secs(10);
/// Shortest and longest pause before one that failed is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Threads that are followed; and requests on their way.
const THREADS: usize = 256;
const CALLS: usize = 64;

/// A thread, and since when its status is what it is.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// As it was read last.
    pub thread: Thread,
    /// Since when, by the app-server's clock.
    pub since: Option<DateTime<Utc>>,
    /// Whether that is only a sign of life.
    pub vague: bool,
    /// The how manyth it was to appear.
    pub seen: u64,
}

/// What came of the messages that were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Conversations came or went, or it is heard again, or no more.
    pub others: bool,
    /// Conversations of which something is new.
    pub changed: Vec<String>,
}

/// The app-server.
pub struct AppServer {
    socket: PathBuf,
    link: Option<Link>,
    calls: BTreeMap<u64, (Request, Instant)>,
    last_id: u64,
    threads: BTreeMap<String, Held>,
    seen: u64,
    /// Its threads were listed since it was connected.
    heard: bool,
    pause: Duration,
    retry_at: Option<Instant>,
    failure: Option<String>,
}

/// Where the app-server of a home listens: a link into a directory of `/tmp`.
#[must_use]
pub fn socket(home: &Path) -> PathBuf {
    home.join("app-server-control/app-server-control.sock")
}

impl AppServer {
    /// The one of a home, which is not connected yet.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self {
            socket: socket(home),
            link: None,
            calls: BTreeMap::new(),
            last_id: 0,
            threads: BTreeMap::new(),
            seen: 0,
            heard: false,
            pause: PAUSE.0,
            retry_at: None,
            failure: None,
        }
    }

    /// Whether one may be there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.link.is_some() || self.socket.exists()
    }

    /// Whether its threads are known.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.heard
    }

    /// Why it is not heard, where it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What to wait for.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.link.as_ref().map(|link| link.as_fd())
    }

    /// When [`AppServer::read`] has to be called even if nothing came in.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let calls = self.calls.values().map(|(_, due)| *due);
        let link = self.link.as_ref().and_then(Link::due);
        calls.chain(link).min()
    }

    /// The conversation of this id.
    #[must_use]
    pub fn thread(&self, id: &str) -> Option<&Held> {
        let held = self.threads.get(id)?;
        held.thread.is_conversation().then_some(held)
    }

    /// The conversations that are loaded.
    pub fn conversations(&self) -> impl Iterator<Item = &Held> {
        let all = self.threads.values();
        all.filter(|held| held.thread.is_conversation())
    }

    /// The same, as far as it matters who shows them.
    #[must_use]
    pub fn loaded(&self) -> Vec<Loaded> {
        let loaded = self.conversations().map(|held| Loaded {
            id: held.thread.id.clone(),
            cwd: held.thread.cwd.clone().into(),
            seen: held.seen,
        });
        loaded.collect()
    }

    /// Connects if it is not, unless that failed a moment ago, and asks which threads are loaded.
    pub fn list(&mut self, steady: Instant) {
        if self.link.is_none() {
            if self.retry_at.is_some_and(|at| at > steady) || !self.socket.exists() {
                return;
            }
            match Link::connect(&self.socket, steady) {
                Ok(link) => {
                    self.link = Some(link);
                    self.call(Request::Initialize, steady);
                }
                Err(error) => self.fail(&error, steady),
            }
            return;
        }
        let lists = |(request, _): &(Request, _)| *request == Request::LoadedList;
        if self.heard && !self.calls.values().any(lists) {
            self.call(Request::LoadedList, steady);
        }
    }

    /// Leaves it: nobody is interested any more.
    pub fn leave(&mut self) {
        self.forget();
        self.failure = None;
        self.retry_at = None;
    }

    /// Takes what it has sent. Never waits.
    pub fn read(&mut self, now: DateTime<Utc>, steady: Instant) -> News {
        let mut news = News::default();
        let Some(link) = &mut self.link else {
            return news;
        };
        match link.read(steady) {
            Ok(messages) => {
                for message in messages {
                    self.take(&message, (now, steady), &mut news);
                }
            }
            Err(error) => self.fail(&error, steady),
        }
        if self.calls.values().any(|(_, due)| *due <= steady) {
            self.fail(&io::ErrorKind::TimedOut.into(), steady);
        }
        if self.link.is_none() {
            news.others = true;
        }
        news
    }

    fn call(&mut self, request: Request, steady: Instant) {
        let asked = |(other, _): &(Request, Instant)| *other == request;
        if self.calls.len() >= CALLS || self.calls.values().any(asked) {
            return;
        }
        let Some(link) = &mut self.link else { return };
        self.last_id += 1;
        let sent = link.send(&request.write(self.last_id), steady);
        self.calls.insert(self.last_id, (request, steady + ANSWER));
        if let Err(error) = sent {
            self.fail(&error, steady);
        }
    }

    fn fail(&mut self, error: &io::Error, steady: Instant) {
        if self.failure.is_none() {
            log::info!(
                "the app-server at {} is not heard: {error}",
                self.socket.display()
            );
        }
        self.forget();
        self.failure = Some(error.to_string());
        self.retry_at = Some(steady + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// What it told is worth nothing once it is not heard.
    fn forget(&mut self) {
        self.link = None;
        self.heard = false;
        self.calls.clear();
        self.threads.clear();
    }

    fn take(&mut self, message: &[u8], (now, steady): (DateTime<Utc>, Instant), news: &mut News) {
        match rpc::read(message) {
            Message::Answer(id, result) => {
                if let Some((request, _)) = self.calls.remove(&id) {
                    self.answered(request, result, steady, news);
                }
            }
            Message::Told(method, params, at) => {
                self.told(rpc::told(method, params), at.unwrap_or(now), steady, news);
            }
            // Nothing is subscribed, so that nothing is asked of this connection.
            Message::Asked(..) | Message::Unknown => {}
        }
    }

    fn answered(
        &mut self,
        request: Request,
        result: Result<&RawValue, String>,
        steady: Instant,
        news: &mut News,
    ) {
        match (request, result) {
            (Request::Initialize, Ok(_)) => {
                let sent = self
                    .link
                    .as_mut()
                    .map(|link| link.send(rpc::INITIALIZED, steady));
                match sent {
                    Some(Err(error)) => self.fail(&error, steady),
                    _ => self.call(Request::LoadedList, steady),
                }
            }
            (Request::LoadedList, Ok(result)) => match rpc::loaded(result) {
                Some(ids) => self.listed(ids, steady, news),
                None => self.fail(&io::ErrorKind::InvalidData.into(), steady),
            },
            (Request::ReadThread(_), Ok(result)) => {
                if let Some(thread) = rpc::thread(result) {
                    self.know(thread, news);
                }
            }
            // It was unloaded meanwhile.
            (Request::ReadThread(id), Err(_)) => self.close(&id, news),
            (_, Err(why)) => self.fail(&io::Error::other(why), steady),
            (Request::Resume(_) | Request::Unsubscribe(_), Ok(_)) => {}
        }
    }

    fn listed(&mut self, mut ids: Vec<String>, steady: Instant, news: &mut News) {
        ids.sort_unstable();
        ids.truncate(THREADS);
        let gone: Vec<String> = self.threads.keys().cloned().collect();
        for id in gone.into_iter().filter(|id| ids.binary_search(id).is_err()) {
            self.close(&id, news);
        }
        for id in ids {
            // One that was read while it was made says that it is not loaded, and may not say more.
            let told =
                |held: &Held| !matches!(held.thread.status, Status::NotLoaded | Status::Untold);
            if !self.threads.get(&id).is_some_and(told) {
                self.call(Request::ReadThread(id), steady);
            }
        }
        if !self.heard {
            self.heard = true;
            self.pause = PAUSE.0;
            self.failure = None;
            self.retry_at = None;
            news.others = true;
        }
    }

    fn told(&mut self, told: Told, at: DateTime<Utc>, steady: Instant, news: &mut News) {
        match told {
            Told::Status(id, status) => {
                if let Some(held) = self.threads.get_mut(&id) {
                    if held.thread.status != status {
                        (held.since, held.vague) = (Some(at), false);
                        held.thread.status = status;
                        news.changed.push(id.clone());
                    }
                    // With a turn its name, its model and its path may change.
                    if held.thread.is_conversation() {
                        self.call(Request::ReadThread(id), steady);
                    }
                } else if status != Status::NotLoaded && self.threads.len() < THREADS {
                    self.call(Request::ReadThread(id), steady);
                }
            }
            Told::Closed(id) => self.close(&id, news),
            Told::Changed(id) => self.call(Request::ReadThread(id), steady),
            Told::Resolved(_) | Told::Other => {}
        }
    }

    /// Takes over what was read of a thread.
    fn know(&mut self, thread: Thread, news: &mut News) {
        if let Some(held) = self.threads.get_mut(&thread.id) {
            if held.thread == thread {
                return;
            }
            if held.thread.status != thread.status {
                (held.since, held.vague) = (thread.recency_at.and_then(time::from_seconds), true);
            }
            news.changed.push(thread.id.clone());
            news.others |= held.thread.is_conversation() != thread.is_conversation()
                || held.thread.cwd != thread.cwd;
            held.thread = thread;
            return;
        }
        if self.threads.len() >= THREADS {
            return;
        }
        self.seen += 1;
        news.others |= thread.is_conversation();
        let held = Held {
            since: thread.recency_at.and_then(time::from_seconds),
            vague: true,
            seen: self.seen,
            thread,
        };
        self.threads.insert(held.thread.id.clone(), held);
    }

    fn close(&mut self, id: &str, news: &mut News) {
        let closed = self.threads.remove(id);
        news.others |= closed.is_some_and(|held| held.thread.is_conversation());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::agent::codex::rpc::Flag;
    use crate::sys::clock;

    /// A home with an app-server that says what a test has it say.
    struct World {
        dir: tempfile::TempDir,
        listener: UnixListener,
        server: AppServer,
        peer: Option<UnixStream>,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = socket(dir.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let listener = UnixListener::bind(&path).unwrap();
            let server = AppServer::new(dir.path());
            Self {
                dir,
                listener,
                server,
                peer: None,
            }
        }

        fn connect(&mut self) {
            self.server.list(clock::steady());
            let (mut peer, _) = self.listener.accept().unwrap();
            peer.write_all(b"HTTP/1.1 101 x\r\n\r\n").unwrap();
            self.peer = Some(peer);
        }

        fn say(&mut self, text: &str) -> News {
            let mut frame = vec![0x81, 126];
            frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
            frame.extend_from_slice(text.as_bytes());
            self.peer.as_mut().unwrap().write_all(&frame).unwrap();
            self.server.read(clock::now(), clock::steady())
        }

        /// Answers the request whose text holds these words.
        fn answer(&mut self, words: &str, result: &str) -> News {
            let calls = self.server.calls.iter();
            let mut fit = calls.filter(|(id, (request, _))| request.write(**id).contains(words));
            let id = *fit.next().unwrap_or_else(|| panic!("{words} is asked")).0;
            self.say(&format!(r#"{{"id":{id},"result":{result}}}"#))
        }

        fn begin(&mut self, ids: &str) -> News {
            self.connect();
            self.answer("initialize", "{}");
            self.answer("thread/loaded/list", &format!(r#"{{"data":{ids}}}"#))
        }
    }

    fn thread(id: &str, status: &str, path: &str) -> String {
        format!(
            r#"{{"thread":{{"id":"{id}","status":{status},"cwd":"/w","path":{path},"recencyAt":1795866281}}}}"#
        )
    }

    const IDLE: &str = r#"{"type":"idle"}"#;

    #[test]
    fn threads_are_listed_and_their_changes_are_told() {
        let mut world = World::new();
        assert!(world.server.exists() && !world.server.is_heard());
        assert!(world.begin(r#"["a","b"]"#).others, "it is heard");
        let news = world.answer(r#""threadId":"a""#, &thread("a", IDLE, r#""/r""#));
        assert_eq!(
            news,
            News {
                others: true,
                changed: vec![]
            }
        );
        let hidden = world.answer(r#""threadId":"b""#, &thread("b", IDLE, "null"));
        assert_eq!((hidden, world.server.loaded().len()), (News::default(), 1));
        let held = world.server.thread("a").unwrap();
        assert!(held.vague && held.since.is_some());
        let news = world.say(r#"{"method":"thread/status/changed","params":{"threadId":"a","status":{"type":"active","activeFlags":["waitingOnApproval"]}},"emittedAtMs":1795866500123}"#);
        assert_eq!(
            news,
            News {
                others: false,
                changed: vec!["a".into()]
            }
        );
        let held = world.server.thread("a").unwrap();
        assert_eq!(held.thread.status, Status::Active(vec![Flag::Approval]));
        assert_eq!(held.since.unwrap().timestamp_millis(), 1_795_866_500_123);
        assert!(!held.vague);
        let news = world.say(r#"{"method":"thread/closed","params":{"threadId":"a"}}"#);
        assert!(news.others && world.server.loaded().is_empty());
        let news = world.say(r#"{"method":"thread/status/changed","params":{"threadId":"c","status":{"type":"idle"}}}"#);
        assert_eq!(news, News::default(), "one that is not known yet");
        assert!(
            world
                .answer(r#""threadId":"c""#, &thread("c", IDLE, r#""/r""#))
                .others
        );
    }

    #[test]
    fn one_that_was_read_while_it_was_made_is_read_again() {
        let mut world = World::new();
        world.begin(r#"["a"]"#);
        let made = thread("a", r#"{"type":"notLoaded"}"#, r#""/r""#);
        world.answer(r#""threadId":"a""#, &made);
        for (status, changed) in [(r#"{"type":"notLoaded"}"#, false), (IDLE, true)] {
            world.server.list(clock::steady());
            world.answer("thread/loaded/list", r#"{"data":["a"]}"#);
            let read = thread("a", status, r#""/r""#);
            let news = world.answer(r#""threadId":"a""#, &read);
            assert_eq!(news.changed.is_empty(), !changed);
        }
        world.server.list(clock::steady());
        world.answer("thread/loaded/list", r#"{"data":["a"]}"#);
        assert!(world.server.calls.is_empty(), "it is known");
    }

    #[test]
    fn one_that_is_lost_is_tried_again_later_and_later() {
        let mut world = World::new();
        world.begin(r#"["a"]"#);
        world.answer(r#""threadId":"a""#, &thread("a", IDLE, r#""/r""#));
        world.peer = None;
        let mut at = clock::steady();
        assert!(world.server.read(clock::now(), at).others);
        assert!(!world.server.is_heard() && world.server.failure().is_some());
        assert_eq!(world.server.loaded(), []);
        drop(std::fs::remove_file(socket(world.dir.path())));
        std::fs::write(socket(world.dir.path()), "").unwrap();
        let pauses = [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| {
            let due = world.server.retry_at.unwrap();
            world.server.list(due - Duration::from_millis(1));
            assert_eq!(world.server.retry_at, Some(due), "too early");
            let waited = due.saturating_duration_since(at).as_secs_f32().round() as u64;
            at = due;
            world.server.list(due);
            waited == seconds
        });
        assert_eq!(pauses, [true; 8]);
    }

    #[test]
    fn one_that_does_not_answer_is_given_up() {
        let mut world = World::new();
        world.connect();
        world.say("{}");
        let due = world.server.due().unwrap();
        assert!(
            !world
                .server
                .read(clock::now(), due - Duration::from_millis(1))
                .others
        );
        assert!(world.server.read(clock::now(), due).others);
        assert!(world.server.descriptor().is_none());
    }

    #[test]
    fn what_makes_no_sense_costs_the_connection_or_nothing() {
        let mut world = World::new();
        world.begin("[]");
        for odd in [
            "[]",
            "nonsense",
            r#"{"id":99,"result":1}"#,
            r#"{"method":"x","id":1}"#,
        ] {
            assert_eq!(world.say(odd), News::default(), "{odd}");
        }
        world.server.list(clock::steady());
        assert!(world.answer("thread/loaded/list", "7").others);
        assert!(world.server.failure().is_some());
        let mut heard = Vec::new();
        world.peer.take().unwrap().read_to_end(&mut heard).unwrap();
        assert!(heard.windows(13).any(|w| w == b"\"initialized\""));
        let home = world.dir.path().join("nowhere");
        let mut none = AppServer::new(&home);
        none.list(clock::steady());
        assert!(!none.exists() && none.failure().is_none());
    }
}
