//! The thread that keeps the terminal's state, so that a program that writes much need not wait
//! for it. Jobs are done in the order they come: a snapshot stands between the output before and
//! after it.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use vmux::sys::{clock, memory};

use crate::disk::Disk;
use crate::escrow::Saved;
use crate::marks::Marks;
use crate::output::Output;
use crate::term::{Emulator, Kept, Paint, Screen, Size};

/// Bytes that may wait to be parsed while nobody looks; then the program is not read, until half of
/// them do: to be woken for each piece costs more than to read it.
const MOST: usize = 4 * 1024 * 1024;
/// The same while somebody does: who has to be drawn anew waits for all of it.
const WATCHED: usize = 1024 * 1024;
/// After so long without output memory that is kept for speed is given back.
const REST: Duration = Duration::from_secs(1);
/// A thread that could not be had is tried again after so long.
const AGAIN: Duration = Duration::from_millis(250);

/// What is to be done.
pub(crate) enum Job {
    /// Takes output; `answer`: nobody else answers its queries. `raw` is what the program wrote,
    /// where the terminal is not given all of it.
    Output {
        output: Output,
        raw: Option<Output>,
        answer: bool,
    },
    /// Foreground and background of a terminal that shows the session.
    Colours([Option<String>; 2]),
    Resize(Size),
    Snapshot {
        client: u64,
        seen: Seen,
    },
    Crop {
        client: u64,
        size: Size,
    },
    Text {
        client: u64,
        colours: bool,
    },
    /// Lays the state down, from now on.
    Save(Option<Box<Saved>>),
}

/// What a terminal shows of the session before a snapshot comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Seen {
    /// Nothing: it shows what was there before.
    #[default]
    Nothing,
    /// Parts that were drawn, and no history.
    Parts,
    /// All output up to this byte.
    Until(u64),
    /// Something.
    Unknown,
}

impl Job {
    /// Whether somebody waits for the answer.
    fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Snapshot { .. } | Self::Crop { .. } | Self::Text { .. }
        )
    }

    /// Bytes that wait because of it.
    fn size(&self) -> usize {
        match self {
            Self::Output { output, raw, .. } => {
                let more = raw.as_ref().map_or(0, |raw| raw.bytes().len());
                output.bytes().len() + more
            }
            _ => 0,
        }
    }
}

/// What was done.
pub(crate) enum Done {
    Snapshot {
        client: u64,
        bytes: Vec<u8>,
    },
    Crop {
        client: u64,
        bytes: Vec<u8>,
    },
    Text {
        client: u64,
        bytes: Vec<u8>,
    },
    /// For the program.
    Answers(Vec<u8>),
    Title(Option<String>),
    /// The program rang the bell.
    Bell,
}

/// The thread, from outside.
pub(crate) struct Parser {
    /// While it takes jobs.
    jobs: Option<Sender<Job>>,
    /// While it runs.
    thread: Option<JoinHandle<Option<Work>>>,
    /// What it is to run, and when that is tried again: jobs wait until there is a thread.
    wanted: Option<(Thread, Instant)>,
    out: Sender<Done>,
    done: Receiver<Done>,
    bell: Arc<OwnedFd>,
    waiting: Arc<AtomicUsize>,
    /// As much waits as may, or did and it is not half of that yet.
    full: Cell<bool>,
}

impl Parser {
    /// Starts it.
    pub(crate) fn start(work: Work) -> io::Result<Self> {
        let bell = Arc::new(rustix::event::eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?);
        let (out, done) = channel();
        let mut parser = Self {
            jobs: None,
            thread: None,
            wanted: None,
            out,
            done,
            bell,
            waiting: Arc::new(AtomicUsize::new(0)),
            full: Cell::new(false),
        };
        parser.go_on(work);
        Ok(parser)
    }

    /// Goes on with the work of [`Parser::stop`]: as soon as there is room for a thread, which a
    /// session at its limit of tasks has not always.
    pub(crate) fn go_on(&mut self, work: Work) {
        self.want(work);
        self.begin();
        if self.wanted.is_some() {
            log::warn!("could not start the parser; it is tried again");
        }
    }

    fn want(&mut self, work: Work) {
        let (jobs, inbox) = channel();
        let thread = Thread {
            work,
            inbox,
            out: self.out.clone(),
            bell: self.bell.clone(),
            waiting: self.waiting.clone(),
        };
        self.jobs = Some(jobs);
        self.wanted = Some((thread, clock::steady()));
    }

    /// Starts the thread that is wanted, if it is time to try.
    pub(crate) fn begin(&mut self) {
        self.begin_by(Builder::new());
    }

    /// When there is something to begin.
    pub(crate) fn begins_at(&self) -> Option<Instant> {
        self.wanted.as_ref().map(|(_, at)| *at)
    }

    fn begin_by(&mut self, builder: Builder) {
        let now = clock::steady();
        let Some((thread, _)) = self.wanted.take_if(|(_, at)| *at <= now) else {
            return;
        };
        // What a thread is given that cannot be had is lost: this one is given all afterwards.
        let (over, given) = channel::<Thread>();
        let run = move || {
            let mut thread = given.recv().ok()?;
            thread.run();
            Some(thread.work)
        };
        let begun = builder.name("parser".into()).spawn(run);
        // Nobody receives where there is no thread.
        match over.send(thread) {
            Ok(()) => self.thread = begun.ok(),
            Err(SendError(thread)) => self.wanted = Some((thread, now + AGAIN)),
        }
    }

    /// Has all jobs done, and the thread ended. Until it goes on it takes no more.
    pub(crate) fn stop(&mut self) -> io::Result<Work> {
        let ended = || io::Error::other("the parser does not run");
        let thread = self.thread.take().ok_or_else(ended)?;
        self.jobs = None;
        thread.join().ok().flatten().ok_or_else(ended)
    }

    /// Hands over a job.
    pub(crate) fn give(&self, job: Job) {
        self.waiting.fetch_add(job.size(), Ordering::Relaxed);
        let given = self.jobs.as_ref().map(|jobs| jobs.send(job).is_ok());
        if given != Some(true) {
            log::error!("the parser has ended");
        }
    }

    /// Whether more output may be handed over.
    pub(crate) fn keeps_up(&self, watched: bool) -> bool {
        let most = if watched { WATCHED } else { MOST };
        let most = if self.full.get() { most / 2 } else { most };
        let full = self.waiting.load(Ordering::Relaxed) >= most;
        self.full.set(full);
        !full
    }

    /// Whether all output is parsed.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// What has been done since the last call.
    pub(crate) fn take(&self) -> Vec<Done> {
        let mut count = [0; 8];
        // Nothing rings if nothing was done.
        rustix::io::read(&*self.bell, &mut count).unwrap_or_default();
        self.done.try_iter().collect()
    }
}

impl AsFd for Parser {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// What the thread works on.
pub(crate) struct Work {
    pub(crate) screen: Box<dyn Screen>,
    pub(crate) size: Size,
    /// Where output is kept, too.
    disk: Option<Arc<Disk>>,
    pub(crate) title: Option<String>,
    saved: Option<Box<Saved>>,
    marks: Marks,
}

impl Work {
    pub(crate) fn new(size: Size, disk: Option<Arc<Disk>>) -> Self {
        Self {
            screen: Box::new(Emulator::new(size)),
            size,
            disk,
            title: None,
            saved: None,
            marks: Marks::from(0),
        }
    }

    /// Something of the state has changed.
    fn touched(&mut self) {
        if self.saved.as_mut().is_some_and(|saved| saved.touch()) {
            self.save();
        }
    }

    /// Lays the state down, if it is another one than before.
    fn save(&mut self) {
        if let Some(saved) = self.saved.as_mut().filter(|saved| saved.is_stale()) {
            saved.save(&self.screen.keep(), self.size);
        }
    }

    /// Goes on with a state.
    pub(crate) fn restored(size: Size, disk: Option<Arc<Disk>>, state: &Kept) -> Self {
        let mut work = Self::new(size, disk);
        work.screen.restore(state);
        work.title = work.screen.title().map(str::to_owned);
        work.marks = Marks::from(work.screen.gone());
        work
    }
}

struct Thread {
    work: Work,
    inbox: Receiver<Job>,
    out: Sender<Done>,
    bell: Arc<OwnedFd>,
    waiting: Arc<AtomicUsize>,
}

impl Thread {
    fn run(&mut self) {
        let mut rested = true;
        loop {
            let job = if rested {
                self.inbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.inbox.recv_timeout(REST)
            };
            match job {
                Ok(mut job) => {
                    rested = false;
                    let bytes = job.size();
                    if !self.guarded(|thread| thread.job(&mut job)) && job.is_question() {
                        self.guarded(|thread| thread.job(&mut job));
                    }
                    if let (Job::Output { output, raw, .. }, Some(disk)) = (job, &self.work.disk) {
                        disk.log(raw.unwrap_or(output));
                    }
                    let before = self.waiting.fetch_sub(bytes, Ordering::Release);
                    let after = before - bytes;
                    // Output is wanted again.
                    if [WATCHED / 2, MOST / 2]
                        .iter()
                        .any(|enough| (after..before).contains(&(enough - 1)))
                    {
                        self.ring();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    rested = true;
                    self.guarded(|thread| {
                        thread.work.save();
                        thread.work.screen.rest();
                    });
                    memory::give_back();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A panic costs the state of the screen, not the session. Whether there was none.
    fn guarded(&mut self, act: impl FnOnce(&mut Self)) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| act(self)));
        if result.is_err() {
            log::error!("the state of the screen was lost by a panic");
            self.work.screen = Box::new(Emulator::new(self.work.size));
            self.work.marks.forget();
        }
        result.is_ok()
    }

    fn job(&mut self, job: &mut Job) {
        match *job {
            Job::Output {
                ref output, answer, ..
            } => {
                self.output(output.bytes(), answer);
                self.work.touched();
            }
            Job::Colours(ref mut colours) => self.work.screen.set_colours(std::mem::take(colours)),
            Job::Resize(size) => {
                self.work.size = size;
                self.work.screen.resize(size);
                self.work.touched();
            }
            Job::Snapshot { client, seen } => {
                let paint = match seen {
                    Seen::Nothing => Paint::Below,
                    Seen::Parts => Paint::Over(Some(0)),
                    Seen::Until(byte) => Paint::Over(self.work.marks.at(byte)),
                    Seen::Unknown => Paint::Over(None),
                };
                let bytes = self.work.screen.snapshot(paint);
                self.tell(Done::Snapshot { client, bytes });
            }
            Job::Crop { client, size } => {
                let bytes = self.work.screen.crop(size);
                self.tell(Done::Crop { client, bytes });
            }
            Job::Save(ref mut saved) => {
                self.work.saved = saved.take();
                self.work.save();
            }
            Job::Text { client, colours } => {
                let bytes = self.work.screen.text(colours);
                self.tell(Done::Text { client, bytes });
            }
        }
    }

    fn output(&mut self, bytes: &[u8], answer: bool) {
        self.work.screen.feed(bytes);
        self.work.marks.note(bytes.len(), self.work.screen.gone());
        let answers = self.work.screen.take_answers();
        if answer && !answers.is_empty() {
            self.tell(Done::Answers(answers));
        }
        if self.work.title.as_deref() != self.work.screen.title() {
            self.work.title = self.work.screen.title().map(str::to_owned);
            self.tell(Done::Title(self.work.title.clone()));
        }
        if self.work.screen.take_bell() {
            self.tell(Done::Bell);
        }
    }

    fn tell(&self, done: Done) {
        if self.out.send(done).is_ok() {
            self.ring();
        }
    }

    fn ring(&self) {
        // A bell that cannot be rung more rings already.
        rustix::io::write(&*self.bell, &1u64.to_ne_bytes()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    /// A screen that can do nothing that it is asked for, and takes as many pieces as it is let.
    #[derive(Default)]
    struct Broken(Option<std::sync::Mutex<Receiver<()>>>);

    impl Screen for Broken {
        fn feed(&mut self, _: &[u8]) {
            if let Some(let_by) = &self.0 {
                let_by.lock().unwrap().recv().unwrap_or_default();
            }
        }
        fn resize(&mut self, _: Size) {}
        fn snapshot(&mut self, _: Paint) -> Vec<u8> {
            panic!("a snapshot")
        }
        fn text(&mut self, _: bool) -> Vec<u8> {
            panic!("a text")
        }
        fn crop(&mut self, _: Size) -> Vec<u8> {
            panic!("a part")
        }
        fn take_answers(&mut self) -> Vec<u8> {
            Vec::new()
        }
        fn title(&self) -> Option<&str> {
            None
        }
        fn gone(&self) -> u64 {
            0
        }
        fn take_bell(&mut self) -> bool {
            false
        }
        fn set_colours(&mut self, _: [Option<String>; 2]) {}
        fn rest(&mut self) {}
        fn keep(&mut self) -> Kept {
            Kept::default()
        }
        fn restore(&mut self, _: &Kept) {}
    }

    /// Whether something is done in this time.
    fn rings(parser: &Parser, within: Duration) -> bool {
        let mut fds = [PollFd::new(parser, PollFlags::IN)];
        poll(&mut fds, Some(&clock::timespec(within))) == Ok(1)
    }

    #[test]
    fn without_a_thread_jobs_wait_and_nothing_is_lost() {
        let mut parser = Parser::start(Work::new(Size::clamped(80, 24), None)).unwrap();
        let output = |text: &str| Job::Output {
            output: Output::of(text.as_bytes()),
            raw: None,
            answer: false,
        };
        parser.give(output("before"));
        let work = parser.stop().unwrap();
        parser.want(work);
        // No machine has room for this one.
        parser.begin_by(Builder::new().stack_size(1 << 50));
        assert!(parser.stop().is_err());
        parser.give(output(", after"));
        parser.give(Job::Text {
            client: 1,
            colours: false,
        });
        let at = parser.begins_at().unwrap();
        assert!(at > clock::steady());
        assert!(!rings(&parser, at.duration_since(clock::steady())));
        parser.begin();
        assert_eq!(parser.begins_at(), None);
        assert!(rings(&parser, Duration::from_secs(20)), "no answer");
        let done = parser.take();
        let [Done::Text { bytes, .. }] = &done[..] else {
            panic!("{} are done", done.len())
        };
        assert!(String::from_utf8_lossy(bytes).contains("before, after"));
    }

    #[test]
    fn a_program_that_was_too_fast_goes_on_once_half_of_it_is_parsed() {
        let (let_it, let_by) = channel();
        let mut work = Work::new(Size::clamped(80, 24), None);
        work.screen = Box::new(Broken(Some(let_by.into())));
        let parser = Parser::start(work).unwrap();
        let piece = Output::of(&[b'x'; WATCHED / 16]);
        let waits_until = |left: usize| {
            let until = clock::steady() + Duration::from_secs(20);
            while parser.waiting.load(Ordering::Relaxed) > left * WATCHED / 16 {
                assert!(clock::steady() < until, "it takes nothing");
                std::thread::yield_now();
            }
        };
        for _ in 0..16 {
            assert!(parser.keeps_up(true));
            parser.give(Job::Output {
                output: piece.clone(),
                raw: None,
                answer: false,
            });
        }
        assert!(!parser.keeps_up(true));
        assert!(parser.keeps_up(false), "nobody looks: more may wait");
        assert!(!parser.keeps_up(true));
        for _ in 0..8 {
            let_it.send(()).unwrap();
        }
        waits_until(8);
        assert!(!parser.keeps_up(true));
        assert!(!rings(&parser, Duration::ZERO));
        let_it.send(()).unwrap();
        assert!(rings(&parser, Duration::from_secs(20)), "nobody is told");
        assert!(parser.keeps_up(true));
        drop(let_it);
    }

    /// The program waits for who waits for a snapshot: one has to come.
    #[test]
    fn what_is_asked_for_is_answered_after_a_panic() {
        let size = Size::clamped(80, 24);
        let seen = Seen::Nothing;
        let jobs: [fn(Size, Seen) -> Job; 3] = [
            |_, seen| Job::Snapshot { client: 1, seen },
            |size, _| Job::Crop { client: 1, size },
            |_, _| Job::Text {
                client: 1,
                colours: false,
            },
        ];
        for job in jobs {
            let mut work = Work::new(size, None);
            work.screen = Box::new(Broken::default());
            let parser = Parser::start(work).unwrap();
            parser.give(job(size, seen));
            assert!(rings(&parser, Duration::from_secs(20)), "no answer");
            assert_eq!(parser.take().len(), 1);
        }
    }
}
