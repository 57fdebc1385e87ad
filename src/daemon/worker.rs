//! Threads for what takes time: moving the focus, reading conversations, asking for a label.
//!
//! Jobs of one kind are done one after the other; queues are short, and a full one is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::Settings;
use super::leaving::MENU_END;
use super::published::{Completion, Published, Ticket};
use super::supervise::{Part, caught};
use crate::core::model::{Session, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::desktop::focus::{Focuser, Manner};
use crate::desktop::here::Here;
use crate::desktop::kept;
use crate::frontend::prompt;
use crate::notify;
use crate::protocol::{PreviewMessage, Reply};
use crate::serve::act;
use crate::serve::reply::{back_reply, end_reply, switch_reply};
use crate::sys::exec;
use crate::sys::proc::Environ;

/// Jobs of one kind that wait at most.
const QUEUE: usize = 16;
/// A choice arrives this long after its menu has closed, at most: what got the focus meanwhile is
/// the window below the pointer, where nobody was.
pub(super) const MENU_CLOSES: Duration = Duration::from_millis(60);
/// A prompt for a label that nobody answers is closed after this long.
const PROMPT: Duration = Duration::from_secs(300);

/// Work for a thread.
pub(super) enum Job {
    /// Focus a session's window and say how it went.
    Switch {
        ticket: Ticket,
        session: Arc<Session>,
        manner: Manner,
        environ: Environ,
    },
    /// Go back to where the focus was before vmux moved it.
    Back { ticket: Ticket, manner: Manner },
    /// Focus it after it was chosen in a menu that is gone by now, or in a notification; trouble
    /// becomes a notification.
    FocusAfter {
        session: Arc<Session>,
        environ: Environ,
        /// What had the focus when it was chosen.
        here: Option<Here>,
    },
    /// Ask for a label once rofi has ended.
    AskLabel {
        session: Arc<Session>,
        rofi: u32,
        environ: Environ,
    },
    /// Read the end of a conversation.
    Preview {
        ticket: Ticket,
        session: Arc<Session>,
        messages: usize,
        rofi: bool,
    },
    /// End a session.
    End {
        ticket: Ticket,
        session: Arc<Session>,
        rofi: bool,
    },
    /// Say that all focus jobs before this one are done, and their way back is kept.
    Rest(SyncSender<()>),
}

/// Waits until the focus jobs given so far are done: the way back of the last is written after
/// its answer.
pub(super) fn finish(focus: &SyncSender<Job>, patience: Duration) {
    let (tell, rests) = sync_channel(1);
    if focus.try_send(Job::Rest(tell)).is_ok() {
        // One that takes longer is not waited for.
        let _rested = rests.recv_timeout(patience);
    }
}

impl Job {
    /// Who waits for its answer, if anybody does.
    fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Switch { ticket, .. }
            | Self::Back { ticket, .. }
            | Self::Preview { ticket, .. }
            | Self::End { ticket, .. } => Some(*ticket),
            Self::FocusAfter { .. } | Self::AskLabel { .. } | Self::Rest(_) => None,
        }
    }
}

/// The threads.
pub(super) struct Workers {
    focus: SyncSender<Job>,
    read: SyncSender<Job>,
    prompt: SyncSender<Job>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// Those of starting threads and of opening `/proc`.
    pub(super) fn start(settings: &Settings, published: &Arc<Published>) -> anyhow::Result<Self> {
        let (proc, environ) = (settings.paths.proc.clone(), settings.environ.clone());
        let (kept_in, told) = (settings.paths.trail(), Arc::clone(published));
        let focus = move || -> std::io::Result<FocusThread> {
            let mut focuser = Focuser::new(&proc, environ.clone())?;
            if let Some(trail) = kept::load(&kept_in) {
                focuser.set_trail(trail);
            }
            Ok(FocusThread {
                focuser,
                kept_in: kept_in.clone(),
                published: Arc::clone(&told),
            })
        };
        let focus = spawn(Some(Part::Focus), published, focus, FocusThread::work)?;
        let told = Arc::clone(published);
        let read = spawn(
            Some(Part::Read),
            published,
            move || Ok(Arc::clone(&told)),
            read_job,
        )?;
        let socket = settings.paths.socket.clone();
        let prompt = spawn(
            None,
            published,
            move || Ok(socket.clone()),
            |socket, job| {
                ask_label(socket, job);
            },
        )?;
        Ok(Self {
            focus,
            read,
            prompt,
        })
    }

    /// The queue of the thread that moves the focus.
    pub(super) fn focus(&self) -> SyncSender<Job> {
        self.focus.clone()
    }

    /// Queues a job; `false` if its queue is full.
    pub(super) fn give(&self, job: Job) -> bool {
        let queue = match job {
            Job::Switch { .. } | Job::FocusAfter { .. } | Job::Back { .. } | Job::Rest(_) => {
                &self.focus
            }
            Job::AskLabel { .. } => &self.prompt,
            Job::Preview { .. } | Job::End { .. } => &self.read,
        };
        queue.try_send(job).is_ok()
    }
}

/// Starts a thread that works off jobs with what `make` makes. A panic costs the job; what it was
/// done with may be half changed, and is made anew.
fn spawn<S: Send + 'static>(
    part: Option<Part>,
    published: &Arc<Published>,
    make: impl Fn() -> std::io::Result<S> + Send + 'static,
    work: impl Fn(&mut S, Job) + Send + 'static,
) -> std::io::Result<SyncSender<Job>> {
    let (give, jobs) = sync_channel::<Job>(QUEUE);
    let published = Arc::clone(published);
    let name = part.map_or("prompt", Part::name);
    let mut state = make()?;
    thread::Builder::new().name(name.into()).spawn(move || {
        for job in jobs {
            let ticket = job.ticket();
            if ticket.is_some_and(|ticket| !published.is_expected(ticket)) {
                continue;
            }
            part.inspect(|part| published.pulse.begin(*part));
            let done = caught(name, || work(&mut state, job));
            part.inspect(|part| published.pulse.rest(*part));
            if done.is_some() {
                continue;
            }
            if let Some(ticket) = ticket {
                let words = "could not do it: the daemon panicked, which is a bug of vmux";
                let reply = Reply::error("bug", words);
                published.complete(ticket, Completion::Reply(Box::new(reply)));
            }
            match make() {
                Ok(made) => state = made,
                Err(error) => log::warn!("{name} goes on with what it has: {error}"),
            }
        }
    })?;
    Ok(give)
}

/// The thread that moves the focus.
struct FocusThread {
    focuser: Focuser,
    /// Where the way back is kept.
    kept_in: PathBuf,
    published: Arc<Published>,
}

impl FocusThread {
    fn work(&mut self, job: Job) {
        let before = self.focuser.trail().cloned();
        self.move_focus(job);
        // Last: nobody waits for the disk.
        if let Some(trail) = self.focuser.trail().filter(|t| before.as_ref() != Some(t))
            && let Err(error) = kept::save(&self.kept_in, trail)
        {
            log::warn!("could not write {}: {error}", self.kept_in.display());
        }
    }

    fn move_focus(&mut self, job: Job) {
        match job {
            Job::Switch {
                ticket,
                session,
                manner,
                environ,
            } => {
                let here = if manner.settle {
                    self.published.here_before(MENU_CLOSES)
                } else {
                    self.published.here()
                };
                let done = self
                    .focuser
                    .switch(&session, manner, &environ, here.as_ref());
                self.published.complete(
                    ticket,
                    Completion::Reply(Box::new(switch_reply(&session, done.err()))),
                );
            }
            Job::Back { ticket, manner } => {
                let reply = Box::new(back_reply(self.focuser.back(manner)));
                self.published.complete(ticket, Completion::Reply(reply));
            }
            Job::FocusAfter {
                session,
                environ,
                here,
            } => {
                let manner = Manner {
                    settle: true,
                    ..Manner::default()
                };
                let done = self
                    .focuser
                    .switch(&session, manner, &environ, here.as_ref());
                if let Err(trouble) = done {
                    log::info!("could not focus {}: {}", session.id, trouble.message);
                    notify::trouble(&environ, &session.title(), &trouble);
                }
            }
            // Nobody is left to hear it if it fails.
            Job::Rest(tell) => drop(tell.try_send(())),
            Job::AskLabel { .. } | Job::Preview { .. } | Job::End { .. } => {}
        }
    }
}

fn read_job(published: &mut Arc<Published>, job: Job) {
    match job {
        Job::Preview {
            ticket,
            session,
            messages,
            rofi,
        } => {
            let read = act::read_preview(&session, messages);
            published.complete(ticket, preview_completion(session, read, rofi));
        }
        Job::End {
            ticket,
            session,
            rofi,
        } => {
            let ended = act::end(&session);
            published.complete(ticket, end_completion(&session, ended, rofi));
        }
        Job::Switch { .. }
        | Job::Back { .. }
        | Job::FocusAfter { .. }
        | Job::AskLabel { .. }
        | Job::Rest(_) => {}
    }
}

fn preview_completion(
    session: Arc<Session>,
    read: Result<Vec<PreviewMessage>, String>,
    rofi: bool,
) -> Completion {
    match (read, rofi) {
        (Ok(preview), true) => Completion::RofiPreview(session.id.clone(), preview),
        (Err(error), true) => {
            let message = PreviewMessage {
                text: CleanText::line(&error),
                ..PreviewMessage::default()
            };
            Completion::RofiPreview(session.id.clone(), vec![message])
        }
        (Ok(preview), false) => {
            let reply = Reply {
                sessions: vec![session],
                preview,
                ..Reply::done()
            };
            Completion::Reply(Box::new(reply))
        }
        (Err(error), false) => Completion::Reply(Box::new(Reply::error("unreadable", error))),
    }
}

fn end_completion(session: &Arc<Session>, ended: Result<(), Trouble>, rofi: bool) -> Completion {
    if rofi {
        return Completion::RofiEnded(ended);
    }
    Completion::Reply(Box::new(end_reply(session, ended)))
}

/// Opens a second rofi, prefilled, once the first has ended; its answer is sent like any other
/// client's, so that only the engine ever changes a label.
fn ask_label(socket: &Path, job: Job) {
    let Job::AskLabel {
        session,
        rofi,
        environ,
    } = job
    else {
        return;
    };
    let theme = prompt::theme_of(rofi);
    if !exec::wait_for_exit(rofi, MENU_END) {
        log::debug!("rofi {rofi} is still there");
    }
    let answer = prompt::ask_label(&session, &theme, &environ, PROMPT);
    let result = match answer {
        Ok(Some(label)) => prompt::send_label(socket, &session.id, &label),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        log::info!("could not label {}: {error}", session.id);
        let trouble = Trouble::new(TroubleCode::FocusRefused, &error);
        notify::trouble(&environ, &session.title(), &trouble);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn back(serial: u64) -> Job {
        Job::Back {
            ticket: Ticket { slot: 1, serial },
            manner: Manner::default(),
        }
    }

    #[test]
    fn a_job_whose_client_has_given_up_is_left_undone() {
        let published = Arc::new(Published::new().unwrap());
        let (done, tickets) = channel();
        let work = |done: &mut Sender<Option<Ticket>>, job: Job| {
            done.send(job.ticket()).unwrap();
        };
        let jobs = spawn(None, &published, move || Ok(done.clone()), work).unwrap();
        published.expect(2, true);
        for serial in [1, 2] {
            jobs.send(back(serial)).unwrap();
        }
        drop(jobs);
        let done: Vec<u64> = tickets
            .iter()
            .flatten()
            .map(|ticket| ticket.serial)
            .collect();
        assert_eq!(done, [2]);
    }

    #[test]
    fn a_panic_costs_one_job_and_its_client_hears_of_it() {
        let published = Arc::new(Published::new().unwrap());
        let (done, rounds) = channel();
        // How many jobs this state has done.
        let work = move |count: &mut u32, job: Job| {
            *count += 1;
            assert_ne!(job.ticket().unwrap().serial, 2, "on purpose");
            done.send(*count).unwrap();
        };
        let jobs = spawn(Some(Part::Focus), &published, || Ok(0), work).unwrap();
        for serial in 1..=4 {
            published.expect(serial, true);
            jobs.send(back(serial)).unwrap();
        }
        drop(jobs);
        assert_eq!(
            rounds.iter().collect::<Vec<_>>(),
            [1, 1, 2],
            "made anew after the second"
        );
        let completions = published.take_completions();
        let [(ticket, Completion::Reply(reply))] = &completions[..] else {
            panic!("one reply");
        };
        assert_eq!((ticket.serial, reply.code.as_deref()), (2, Some("bug")));
    }
}
