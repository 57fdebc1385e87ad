//! What of a session goes to a disk. A thread of its own writes it: a disk that hangs, as one does
//! whose server is gone, holds up that thread and nothing else. What finds no room in its queue is
//! missing in the log, which says so as soon as it goes on.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use vmux::hosted::place::Place;
use vmux::hosted::record::Record;
use vmux::sys::clock;

use crate::keep::{Keep, Lost};
use crate::output::Output;

/// Bytes of the log that may wait.
const MOST: usize = 4 * 1024 * 1024;
/// Memory of a piece beside its bytes.
const PIECE: usize = 64;
/// A thread that could not be had is tried again after so long.
const AGAIN: Duration = Duration::from_millis(250);
/// What comes within so long is written together: to be woken for each piece would cost who hands
/// it over more than to hand it over does.
const TOGETHER: Duration = Duration::from_millis(5);
/// Bytes that are written without that wait.
const ENOUGH: usize = MOST / 4;

/// What the program wrote at once.
struct Piece {
    at: Instant,
    output: Output,
    /// What is missing before it.
    lost: Option<Lost>,
}

/// What is to be known of the session after a crash or a reboot.
enum Note {
    /// It is to come back.
    Keep(Box<Record>),
    /// It has ended as it should.
    LetGo(String),
}

enum Task {
    Note(Note),
    Piece(Piece),
}

/// The queue and its thread, from outside. Nothing but [`Disk::settle`] waits.
pub(crate) struct Disk(Arc<Shared>);

struct Shared {
    place: Place,
    log: Option<PathBuf>,
    begun: Instant,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of them, and of the one that is being written.
    waiting: usize,
    /// What found no room since the last piece.
    lost: Option<Lost>,
    /// The last one; it is written before pieces.
    note: Option<Note>,
    /// Something is being written.
    busy: bool,
    /// The thread waits for something to do.
    idle: bool,
    /// Somebody waits for all to be written.
    hurry: bool,
    over: bool,
    runs: bool,
    /// When a thread is tried again.
    again: Option<Instant>,
}

impl Disk {
    /// Where records are, and the log if there is to be one. Nothing is touched yet.
    pub(crate) fn new(place: Place, log: Option<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            place,
            log,
            begun: clock::steady(),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Appends what the program wrote to the log.
    pub(crate) fn log(&self, output: Output) {
        let length = output.bytes().len();
        if self.0.log.is_none() || length == 0 {
            return;
        }
        let mut queue = self.0.lock();
        // After a gap it goes on with room for more than a piece.
        let most = if queue.lost.is_some() { MOST / 2 } else { MOST };
        let size = length + PIECE;
        if queue.waiting + size > most {
            Lost::add(&mut queue.lost, length, clock::now());
        } else {
            queue.waiting += size;
            let piece = Piece {
                at: clock::steady(),
                output,
                lost: queue.lost.take(),
            };
            queue.pieces.push_back(piece);
        }
        self.wake(queue);
    }

    /// Writes down that the session is to come back.
    pub(crate) fn keep(&self, record: Record) {
        let mut queue = self.0.lock();
        queue.note = Some(Note::Keep(Box::new(record)));
        self.wake(queue);
    }

    /// Writes down that it is not.
    pub(crate) fn let_go(&self, id: &str) {
        let mut queue = self.0.lock();
        queue.note = Some(Note::LetGo(id.to_owned()));
        self.wake(queue);
    }

    /// Waits until all is written; `false` if that takes longer.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let unsettled = |queue: &mut Queue| queue.busy || queue.has_work();
        let mut queue = self.0.lock();
        queue.hurry = true;
        self.0.changed.notify_all();
        let waited = self
            .0
            .changed
            .wait_timeout_while(queue, patience, unsettled);
        let (mut queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.hurry = false;
        !timeout.timed_out()
    }

    /// Has the thread look, or starts it.
    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        let now = clock::steady();
        if !queue.runs && queue.again.is_none_or(|again| again <= now) {
            let shared = self.0.clone();
            let begun = Builder::new()
                .name("disk".into())
                .spawn(move || run(&shared));
            queue.runs = begun.is_ok();
            queue.again = Some(now + AGAIN);
        }
        let waits = queue.idle || queue.note.is_some() || queue.waiting >= ENOUGH;
        drop(queue);
        if waits {
            self.0.changed.notify_all();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn has_work(&self) -> bool {
        self.note.is_some() || !self.pieces.is_empty() || self.lost.is_some()
    }

    fn next(&mut self) -> Option<Task> {
        if let Some(note) = self.note.take() {
            return Some(Task::Note(note));
        }
        let rest = || {
            Some(Piece {
                at: clock::steady(),
                output: Output::of(b""),
                lost: Some(self.lost.take()?),
            })
        };
        self.pieces.pop_front().or_else(rest).map(Task::Piece)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done next, after so many bytes were written; `None` if nobody wants more.
    fn next(&self, written: usize) -> Option<Task> {
        let mut queue = self.lock();
        queue.waiting -= written;
        queue.busy = false;
        if !queue.has_work() {
            self.changed.notify_all();
        }
        if !queue.has_work() {
            queue = self.wait(queue);
        }
        let next = queue.next();
        queue.busy = next.is_some();
        next
    }

    /// Until there is something to do: for a moment whatever comes, unless it is urgent, so that
    /// more of it comes.
    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let gathers = |queue: &mut Queue| {
            let urgent = queue.hurry || queue.note.is_some() || queue.waiting >= ENOUGH;
            !(queue.over || urgent && queue.has_work())
        };
        let waited = self.changed.wait_timeout_while(queue, TOGETHER, gathers);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.idle = true;
        let idle = |queue: &mut Queue| !queue.over && !queue.has_work();
        let waited = self.changed.wait_while(queue, idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.idle = false;
        queue
    }
}

fn run(shared: &Shared) {
    let mut files = shared.log.clone().map(|log| Keep::new(log, shared.begun));
    let mut written = 0;
    while let Some(task) = shared.next(written) {
        written = 0;
        match task {
            Task::Note(note) => take_note(&shared.place, &note),
            Task::Piece(piece) => {
                let bytes = piece.output.bytes();
                if !bytes.is_empty() {
                    written = bytes.len() + PIECE;
                }
                if let Some(files) = &mut files {
                    files.write(piece.at, piece.lost, bytes);
                }
            }
        }
    }
}

fn take_note(place: &Place, note: &Note) {
    let (done, what) = match note {
        Note::Keep(record) => (place.keep(record), "the session for `vmux restore`"),
        Note::LetGo(id) => (place.let_go(id), "that the session has ended"),
    };
    if let Err(error) = done {
        log::warn!("could not note {what}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn disk() -> (tempfile::TempDir, PathBuf, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("habcd.log");
        let place = Place::at(dir.path().to_owned(), dir.path().to_owned());
        let disk = Disk::new(place, Some(path.clone()));
        (dir, path, disk)
    }

    #[test]
    fn a_log_that_hangs_keeps_nobody_and_says_what_is_missing() {
        let (dir, path, disk) = disk();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..256 {
            disk.log(Output::of(&piece));
        }
        assert!(!disk.settle(Duration::from_millis(1)));
        let kept = disk.0.lock().waiting / (piece.len() + PIECE);
        assert!(kept * piece.len() < MOST, "{kept}");
        assert!(kept * piece.len() > MOST / 2, "{kept}");
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut all = Vec::new();
                fs::File::open(path).unwrap().read_to_end(&mut all).unwrap();
                all
            }
        });
        assert!(disk.settle(SOON), "nobody wrote the rest");
        disk.log(Output::of(b"after"));
        assert!(disk.settle(SOON));
        drop(disk);
        let all = reader.join().unwrap();
        let (before, after) = all.split_at(kept * piece.len());
        assert!(before.iter().all(|byte| *byte == b'x'));
        let said = String::from_utf8_lossy(after);
        let missing = (256 - kept) * piece.len();
        assert!(
            said.starts_with(&format!("\x18\r\n[vmux: {missing} bytes written from 2")),
            "{said:?}"
        );
        assert!(said.ends_with(" are missing here]\r\nafter"), "{said:?}");
        let times = fs::read_to_string(path.with_extension("times")).unwrap();
        let lengths = times.lines().map(|line| line.split(' ').nth(1).unwrap());
        let sum: usize = lengths.map(|length| length.parse::<usize>().unwrap()).sum();
        assert_eq!(sum, all.len());
        drop(dir);
    }

    #[test]
    fn all_that_waits_is_written_before_it_is_settled() {
        let (_dir, path, disk) = disk();
        for n in 0..2000 {
            disk.log(Output::of(format!("{n}\n").as_bytes()));
        }
        let mut record = Record::default();
        record.session.id = "habcd".into();
        record.session.command = vec!["sleep".into()];
        disk.keep(record);
        assert!(disk.settle(SOON));
        let log = fs::read_to_string(&path).unwrap();
        assert!(log.lines().map(str::parse).eq((0..2000).map(Ok)));
        assert!(disk.0.place.kept("habcd").is_ok());
        disk.let_go("habcd");
        assert!(disk.settle(SOON));
        assert!(disk.0.place.kept("habcd").is_err());
    }

    #[test]
    fn without_a_log_nothing_waits() {
        let (_dir, path, with) = disk();
        let disk = Disk::new(with.0.place.clone(), None);
        disk.log(Output::of(b"text"));
        assert!(disk.settle(Duration::ZERO) && !path.exists());
    }
}
