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
use crate::core::model::{Decision, Session, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::desktop::focus::{Focuser, Manner};
use crate::desktop::here::Here;
use crate::desktop::kept;
use crate::frontend::prompt;
use crate::notify;
use crate::protocol::feed::CaptureArgs;
use crate::protocol::reply::{Contents, PreviewMessage};
use crate::protocol::{Refusal, RefusalCode};
use crate::serve::reply::{
    back_reply, decided_reply, dialog_reply, end_reply, preview_reply, switch_reply,
};
use crate::serve::{act, feed};
use crate::sys::exec;
use crate::sys::paths::Paths;
use crate::sys::proc::Environ;

/// Jobs of one kind that wait at most.
const QUEUE: usize = 16;
/// A choice arrives at most this long after its menu has closed. What got the focus in between is
/// the window below the pointer, not the one where the user was.
pub(super) const MENU_CLOSES: Duration = Duration::from_millis(60);
/// A prompt for a label that nobody answers is closed after this long.
const PROMPT: Duration = Duration::from_secs(300);

/// Work for a thread.
pub(super) trait Job: Send + 'static {
    /// Who waits for its answer, if anybody does.
    fn ticket(&self) -> Option<Ticket>;
}

/// Work for the thread that moves the focus.
pub(super) enum FocusJob {
    /// Focus a session's window and say how it went.
    Switch {
        ticket: Ticket,
        session: Arc<Session>,
        manner: Manner,
        /// How long ago the menu was opened in which it was chosen.
        opened: Option<Duration>,
        environ: Environ,
    },
    /// Go back to where the focus was before vmux moved it.
    Back {
        ticket: Ticket,
        manner: Manner,
        environ: Environ,
    },
    /// Focus it after it was chosen in a menu that is gone by now, or in a notification; trouble
    /// becomes a notification.
    AfterMenu {
        session: Arc<Session>,
        environ: Environ,
        /// What had the focus when it was chosen.
        here: Option<Here>,
    },
    /// Say that all focus jobs before this one are done, and their way back is kept.
    Rest(SyncSender<()>),
}

impl Job for FocusJob {
    fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Switch { ticket, .. } | Self::Back { ticket, .. } => Some(*ticket),
            Self::AfterMenu { .. } | Self::Rest(_) => None,
        }
    }
}

/// Work for the thread that reads conversations and ends sessions.
pub(super) struct SessionJob {
    pub(super) ticket: Ticket,
    pub(super) session: Arc<Session>,
    /// rofi waits for it.
    pub(super) rofi: bool,
    pub(super) errand: Errand,
}

/// What is done to a session.
pub(super) enum Errand {
    /// Read so many messages of the end of its conversation.
    Preview(usize),
    /// End it.
    End,
    /// Read what it asks, through its agent.
    Dialog,
    /// Answer that: the request of this serial.
    Decide(Option<u64>, Decision),
}

/// Work for the thread that reads conversations.
pub(super) enum ReadJob {
    /// Of a session.
    Session(SessionJob),
    /// Write down what another coding tool tells.
    Feed(Ticket, Box<CaptureArgs>),
}

impl Job for ReadJob {
    fn ticket(&self) -> Option<Ticket> {
        Some(match self {
            Self::Session(job) => job.ticket,
            Self::Feed(ticket, _) => *ticket,
        })
    }
}

/// Work for the thread that asks for labels: ask for one once rofi has ended.
pub(super) struct LabelJob {
    pub(super) session: Arc<Session>,
    pub(super) rofi: u32,
    pub(super) environ: Environ,
}

impl Job for LabelJob {
    fn ticket(&self) -> Option<Ticket> {
        None
    }
}

/// Waits until the focus jobs given so far are done: the way back of the last is written after
/// its answer.
pub(super) fn finish(focus: &SyncSender<FocusJob>, patience: Duration) {
    let (tell, rests) = sync_channel(1);
    if focus.try_send(FocusJob::Rest(tell)).is_ok() {
        // One that takes longer is not waited for.
        let _rested = rests.recv_timeout(patience);
    }
}

/// The threads.
pub(super) struct Workers {
    focus: SyncSender<FocusJob>,
    sessions: SyncSender<ReadJob>,
    labels: SyncSender<LabelJob>,
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
            focuser.set_trails(kept::load(&kept_in));
            Ok(FocusThread {
                focuser,
                kept_in: kept_in.clone(),
                published: Arc::clone(&told),
            })
        };
        let focus = spawn(Some(Part::Focus), published, focus, FocusThread::work)?;
        let (told, paths) = (Arc::clone(published), settings.paths.clone());
        let sessions = spawn(
            Some(Part::Read),
            published,
            move || Ok((Arc::clone(&told), paths.clone())),
            |(published, paths), job| match job {
                ReadJob::Session(job) => run_errand(published, paths, job),
                ReadJob::Feed(ticket, args) => {
                    let sessions = &published.snapshot().sessions;
                    let told = feed::take(paths, sessions.iter().map(Arc::as_ref), *args);
                    published.complete(ticket, Completion::reply(&told));
                }
            },
        )?;
        let socket = settings.paths.socket.clone();
        let labels = spawn(
            None,
            published,
            move || Ok(socket.clone()),
            |socket, job| ask_label(socket, &job),
        )?;
        Ok(Self {
            focus,
            sessions,
            labels,
        })
    }

    /// The queue of the thread that moves the focus.
    pub(super) fn focus(&self) -> SyncSender<FocusJob> {
        self.focus.clone()
    }

    /// Queues a move of the focus; `false` if its queue is full.
    pub(super) fn move_focus(&self, job: FocusJob) -> bool {
        self.focus.try_send(job).is_ok()
    }

    /// Queues an errand; `false` if its queue is full.
    pub(super) fn send_on(&self, job: ReadJob) -> bool {
        self.sessions.try_send(job).is_ok()
    }

    /// Queues a prompt for a label; `false` if its queue is full.
    pub(super) fn ask_label(&self, job: LabelJob) -> bool {
        self.labels.try_send(job).is_ok()
    }
}

/// Starts a thread that works off jobs with what `make` makes. A panic costs the job; what it was
/// done with may be half changed, and is made anew.
fn spawn<S: Send + 'static, J: Job>(
    part: Option<Part>,
    published: &Arc<Published>,
    make: impl Fn() -> std::io::Result<S> + Send + 'static,
    work: impl Fn(&mut S, J) + Send + 'static,
) -> std::io::Result<SyncSender<J>> {
    let (give, jobs) = sync_channel::<J>(QUEUE);
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
                let reply = Refusal::new(RefusalCode::Bug, words).render();
                published.complete(ticket, Completion::Reply(reply));
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
    fn work(&mut self, job: FocusJob) {
        let before = self.focuser.trails().clone();
        self.move_focus(job);
        // Last: nobody waits for the disk.
        if *self.focuser.trails() != before
            && let Err(error) = kept::save(&self.kept_in, self.focuser.trails())
        {
            log::warn!("could not write {}: {error}", self.kept_in.display());
        }
    }

    fn move_focus(&mut self, job: FocusJob) {
        let homes = self.published.homes();
        let sessions = &self.published.snapshot().sessions;
        self.focuser.know(sessions, homes);
        match job {
            FocusJob::Switch {
                ticket,
                session,
                manner,
                opened,
                environ,
            } => {
                let here = if manner.settle {
                    let ago = opened.unwrap_or(MENU_CLOSES);
                    self.published.here_before(ago.max(MENU_CLOSES))
                } else {
                    self.published.here()
                };
                let done = self
                    .focuser
                    .switch(&session, manner, &environ, here.as_ref());
                let reply = switch_reply(session, done);
                self.published.complete(ticket, Completion::reply(&reply));
            }
            FocusJob::Back {
                ticket,
                manner,
                environ,
            } => {
                let reply = back_reply(self.focuser.back(manner, &environ));
                self.published.complete(ticket, Completion::reply(&reply));
            }
            FocusJob::AfterMenu {
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
                match done {
                    Err(trouble) => {
                        log::info!("could not focus {}: {}", session.id, trouble.message);
                        notify::trouble(&environ, &session.title(), &trouble);
                    }
                    Ok(Some(note)) => {
                        notify::message(&environ, &session.title(), &note);
                    }
                    Ok(None) => {}
                }
            }
            // Nobody is left to hear it if it fails.
            FocusJob::Rest(tell) => drop(tell.try_send(())),
        }
    }
}

fn run_errand(published: &Published, paths: &Paths, job: SessionJob) {
    let SessionJob {
        ticket,
        session,
        rofi,
        errand,
    } = job;
    let completion = match errand {
        Errand::Preview(messages) => {
            let read = act::read_preview(&session, messages);
            if rofi {
                Completion::RofiPreview(
                    session.id.clone(),
                    read.unwrap_or_else(|error| said_instead(&error)),
                )
            } else {
                Completion::reply(&preview_reply(session, read))
            }
        }
        Errand::End => {
            let ended = act::end(&session);
            if rofi {
                Completion::RofiEnded(ended)
            } else {
                Completion::reply(&end_reply(session, ended))
            }
        }
        Errand::Dialog => {
            let read = act::read_dialog(&session, paths);
            if rofi {
                Completion::RofiDialog(session.id.clone(), read)
            } else {
                Completion::reply(&dialog_reply(session, read))
            }
        }
        Errand::Decide(request, decision) => {
            let decided = act::decide(&session, paths, request, &decision);
            if decided.is_ok() {
                log::info!("{} was answered from vmux", session.id);
            }
            if rofi {
                Completion::RofiAnswered(decided)
            } else {
                Completion::reply(&decided_reply(session, decided))
            }
        }
    };
    published.complete(ticket, completion);
}

/// What rofi shows of a conversation that could not be read.
fn said_instead(error: &str) -> Contents {
    vec![PreviewMessage {
        text: CleanText::line(error),
        ..PreviewMessage::default()
    }]
    .into()
}

/// Opens a second rofi, prefilled, once the first has ended; what was typed is sent like any
/// other client's, so that only the engine ever changes a label.
fn ask_label(socket: &Path, job: &LabelJob) {
    let LabelJob {
        session,
        rofi,
        environ,
    } = job;
    let theme = prompt::theme_of(*rofi);
    if !exec::wait_for_exit(*rofi, MENU_END) {
        log::debug!("rofi {rofi} is still there");
    }
    let typed = prompt::ask_label(session, &theme, environ, PROMPT);
    let result = match typed {
        Ok(Some(label)) => prompt::send_label(socket, &session.id, &label),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        log::info!("could not label {}: {error}", session.id);
        let trouble = Trouble::new(TroubleCode::FocusRefused, &error);
        notify::trouble(environ, &session.title(), &trouble);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::protocol::reply::{Acted, read};

    fn back(serial: u64) -> FocusJob {
        FocusJob::Back {
            ticket: Ticket { slot: 1, serial },
            manner: Manner::default(),
            environ: Environ::default(),
        }
    }

    #[test]
    fn a_job_whose_client_has_given_up_is_left_undone() {
        let published = Arc::new(Published::new(crate::serve::config::Config::default()).unwrap());
        let (done, tickets) = channel();
        let work = |done: &mut Sender<Option<Ticket>>, job: FocusJob| {
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
        let published = Arc::new(Published::new(crate::serve::config::Config::default()).unwrap());
        let (done, rounds) = channel();
        // How many jobs this state has done.
        let work = move |count: &mut u32, job: FocusJob| {
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
        let refusal = read::<Acted>(reply).unwrap().unwrap_err();
        assert_eq!((ticket.serial, refusal.code), (2, RefusalCode::Bug.into()));
    }
}
