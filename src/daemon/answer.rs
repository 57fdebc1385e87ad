//! Requests become answers: at once from the newest snapshot, or later by the engine or a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use super::Input;
use super::engine::Command;
use super::published::{Completion, Ticket};
use super::server::Server;
use super::worker::Job;
use crate::core::counts::Counts;
use crate::core::model::{Decision, LocalKey, Session, SessionKey, TroubleCode};
use crate::core::registry::MarkChange;
use crate::core::text::CleanText;
use crate::desktop::focus::Manner;
use crate::frontend::rofi::keys::Keys;
use crate::frontend::rofi::{Call, Dialogues, Effect, Scene};
use crate::protocol::{
    AnswerArgs, Format, ListArgs, MoveArgs, PreviewArgs, Reply, Request, RofiArgs, Status,
    SwitchArgs, Target, render_payload,
};
use crate::serve::reply::{self, find, listed};
use crate::sys::clock;
use crate::sys::proc::Environ;

/// What a multiplexer shows is asked again for a list, if it was not for this long.
const MUX_STALE: Duration = Duration::from_secs(2);
/// Messages of a preview, if the client does not say.
const MESSAGES: usize = 20;
/// What rofi says where there is nothing to answer.
const NOT_ASKED: &str = "It asks nothing that can be answered from here: see vmux hooks status.";

impl Server {
    /// Answers a request; `None` if the answer comes later.
    pub(super) fn answer(&mut self, ticket: Ticket, request: Request) -> Option<Vec<u8>> {
        match request {
            Request::Ping | Request::Status => Some(
                Reply {
                    status: Some(self.status()),
                    ..Reply::done()
                }
                .render(),
            ),
            Request::List(args) => Some(self.list(&args)),
            Request::Rofi(args) => self.rofi(ticket, &args),
            Request::Ask(args) => self.ask(ticket, *args),
            Request::Asked(args) => Some(self.asked(&args).render()),
            Request::Answer(args) => Some(self.decide(ticket.slot, args).render()),
            Request::Hook(report) => Some(if self.published.report_hook(*report) {
                Reply::done().render()
            } else {
                Reply::error("busy", "too many hooks report at once").render()
            }),
            Request::Switch(args) => {
                self.with_target(ticket, &args.target.clone(), |_, session| {
                    Next::Work(switch_job(ticket, session, &args))
                })
            }
            Request::Preview(args) => self.preview(ticket, &args),
            Request::End(args) => self.with_target(ticket, &args.target.named(), |_, session| {
                Next::Work(Job::End {
                    ticket,
                    session,
                    rofi: false,
                })
            }),
            Request::Next(args) => self.next(ticket, &args),
            Request::Back(args) => {
                let manner = Manner::plain(args.dry_run, args.settle);
                self.hand_on(ticket, Next::Work(Job::Back { ticket, manner }))
            }
            Request::Label(args) => {
                let label = CleanText::line(&args.label).some();
                self.mark(ticket, &args.target, MarkChange::Label(label))
            }
            Request::Snooze(args) => {
                let until = reply::snoozed_until(args.seconds, clock::now());
                self.mark(ticket, &args.target, MarkChange::Snooze(until))
            }
            Request::Pin(args) => self.mark(ticket, &args.target, MarkChange::Pin(!args.off)),
            Request::Explain(args) => self.command(ticket, &args.target, Command::Explain),
            // The server handles them before it asks for an answer.
            Request::Subscribe | Request::Stop => Some(Reply::done().render()),
        }
    }

    fn mark(&mut self, ticket: Ticket, target: &Target, change: MarkChange) -> Option<Vec<u8>> {
        self.command(ticket, &target.named(), |key| Command::Mark(key, change))
    }

    /// Has the engine do something with a session of this machine.
    fn command(
        &mut self,
        ticket: Ticket,
        target: &Target,
        command: impl FnOnce(LocalKey) -> Command,
    ) -> Option<Vec<u8>> {
        let found = find(target, &self.published.snapshot().sessions);
        match found.and_then(|session| reply::here(&session)) {
            Ok(key) => self.hand_on(ticket, Next::Engine(command(key))),
            Err(reply) => Some(reply.render()),
        }
    }

    /// Goes to the session that needs its user most. Only a press that moves the focus is a step.
    fn next(&mut self, ticket: Ticket, args: &MoveArgs) -> Option<Vec<u8>> {
        let sessions = &self.published.snapshot().sessions;
        let Some((session, walk)) = self.walk.next(sessions, clock::now()) else {
            return Some(reply::nothing_next().render());
        };
        if !args.dry_run {
            self.walk = walk;
        }
        let job = Job::Switch {
            ticket,
            session,
            manner: Manner::plain(args.dry_run, args.settle),
            environ: environ(&args.environ),
        };
        self.hand_on(ticket, Next::Work(job))
    }

    fn status(&self) -> Status {
        let snapshot = self.published.snapshot();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for session in &snapshot.sessions {
            *counts.entry(session.state.as_str().into()).or_default() += 1;
        }
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_at: Some(self.started_at),
            socket: self.settings.paths.socket.to_string_lossy().into_owned(),
            counts,
            attention: Counts::of(&snapshot.sessions).waiting,
            requests: self.requests,
            connections: self.connections(),
            sources: self.published.sources(),
        }
    }

    fn list(&mut self, args: &ListArgs) -> Vec<u8> {
        self.poke_desktop();
        self.labels.look();
        let snapshot = self.published.snapshot();
        if args.format == Format::Json {
            if let Some((generation, all, bytes)) = &self.json
                && (*generation, *all) == (snapshot.generation, args.all)
            {
                return bytes.clone();
            }
            let sessions = listed(&snapshot.sessions, args.all);
            let bytes = Reply {
                sessions,
                ..Reply::done()
            }
            .render();
            self.json = Some((snapshot.generation, args.all, bytes.clone()));
            return bytes;
        }
        let listed = self.listing.at(&snapshot, args.all, clock::now());
        render_payload(reply::list_text(args, &listed.rows).into_bytes())
    }

    /// Has what tmux and screen show looked at again, in the background: no event tells of it.
    fn poke_desktop(&mut self) {
        let fresh = self
            .poked_desktop
            .is_some_and(|at| at.elapsed() < MUX_STALE);
        if fresh {
            return;
        }
        let snapshot = self.published.snapshot();
        if self.in_mux.0 != snapshot.generation {
            let in_mux = |s: &Arc<Session>| {
                let host = s.host.as_ref();
                host.is_some_and(|host| matches!(&*host.kind, "tmux" | "screen"))
            };
            self.in_mux = (snapshot.generation, snapshot.sessions.iter().any(in_mux));
        }
        if self.in_mux.1 {
            self.poked_desktop = Some(clock::steady());
            self.published.request_pass();
        }
    }

    fn preview(&mut self, ticket: Ticket, args: &PreviewArgs) -> Option<Vec<u8>> {
        let messages = if args.messages == 0 {
            MESSAGES
        } else {
            args.messages
        };
        self.with_target(ticket, &args.target, |_, session| {
            Next::Work(Job::Preview {
                ticket,
                session,
                messages,
                rofi: false,
            })
        })
    }

    /// Finds the session that a request names, and hands the rest on.
    fn with_target(
        &mut self,
        ticket: Ticket,
        target: &Target,
        then: impl FnOnce(&mut Self, Arc<Session>) -> Next,
    ) -> Option<Vec<u8>> {
        let snapshot = self.published.snapshot();
        match find(target, &snapshot.sessions) {
            Err(reply) => Some(reply.render()),
            Ok(session) => {
                let next = then(self, session);
                self.hand_on(ticket, next)
            }
        }
    }

    fn hand_on(&mut self, ticket: Ticket, next: Next) -> Option<Vec<u8>> {
        // Before it is handed on: whoever takes it asks whether it is still expected.
        self.published.expect(ticket.serial, true);
        let full = match next {
            Next::Engine(command) => match self.engine.try_send(Input::Command(ticket, command)) {
                Ok(()) => false,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => true,
            },
            Next::Work(job) => !self.workers.give(job),
        };
        full.then(|| {
            self.published.expect(ticket.serial, false);
            Reply::error("busy", "the vmux daemon is busy").render()
        })
    }

    fn rofi(&mut self, ticket: Ticket, args: &RofiArgs) -> Option<Vec<u8>> {
        self.poke_desktop();
        self.labels.look();
        let call = Call {
            retv: args.retv,
            info: args.info.as_deref(),
            rofi: args.outside,
            keys: &Keys::of(&args.keys),
        };
        let effect = self.with_scene(|dialogues, scene| dialogues.answer(call, scene));
        let session =
            |server: &Self, key: &SessionKey| server.published.snapshot().by_key(key).cloned();
        let environ = environ(&args.environ);
        let rofi = args.outside;
        match effect {
            Effect::Show(bytes) => Some(render_payload(bytes)),
            Effect::Focus(key) => {
                // The menu is still open: better said there than by its silent end.
                let shown = session(self, &key);
                if let Some(word) = shown.as_ref().and_then(|session| unreachable(session)) {
                    return Some(self.page_again(rofi, word));
                }
                let here = self.published.here_before(Duration::ZERO);
                let job = shown.map(|session| Job::FocusAfter {
                    session,
                    environ,
                    here,
                });
                self.focus_after(rofi, job)
            }
            Effect::Label(key) => {
                let job = session(self, &key).map(|session| Job::AskLabel {
                    session,
                    rofi,
                    environ,
                });
                self.promise(rofi, job)
            }
            Effect::Preview(key) => {
                let job = session(self, &key).map(|session| Job::Preview {
                    ticket,
                    session,
                    messages: 12,
                    rofi: true,
                });
                self.put_off(ticket, rofi, job)
            }
            Effect::Request(key) => Some(self.rofi_request(rofi, &key)),
            Effect::Answer(key, serial, decision) => {
                Some(self.rofi_answer((ticket.slot, rofi), key, serial, decision))
            }
            Effect::End(key) => {
                let job = session(self, &key).map(|session| Job::End {
                    ticket,
                    session,
                    rofi: true,
                });
                self.put_off(ticket, rofi, job)
            }
        }
    }

    fn rofi_request(&mut self, rofi: u32, key: &SessionKey) -> Vec<u8> {
        let asked = key.local().and_then(|key| self.asks.of(key));
        let Some(asked) = asked.cloned() else {
            return self.page_again(rofi, NOT_ASKED);
        };
        render_payload(
            self.with_scene(|dialogues, scene| dialogues.request(rofi, key, &asked, scene)),
        )
    }

    fn rofi_answer(
        &mut self,
        (slot, rofi): (usize, u32),
        key: SessionKey,
        serial: u64,
        decision: Decision,
    ) -> Vec<u8> {
        let reply = self.decide(
            slot,
            AnswerArgs {
                target: Target {
                    id: Some(key),
                    ..Target::default()
                },
                request: Some(serial),
                decision,
            },
        );
        let word = reply.error.unwrap_or_else(|| "It was answered.".into());
        self.page_again(rofi, &word)
    }

    /// Focuses what was chosen once rofi has ended, which it does with the answer.
    fn focus_after(&mut self, rofi: u32, job: Option<Job>) -> Option<Vec<u8>> {
        let now = match job.map(|job| self.leaving.put_off(rofi, job, clock::steady())) {
            Some(Ok(())) => return Some(render_payload(Vec::new())),
            Some(Err(job)) => Some(job),
            None => None,
        };
        self.promise(rofi, now)
    }

    /// Gives a job whose result rofi does not wait for: it gets nothing, and closes.
    fn promise(&mut self, rofi: u32, job: Option<Job>) -> Option<Vec<u8>> {
        match job.map(|job| self.workers.give(job)) {
            Some(true) => Some(render_payload(Vec::new())),
            Some(false) => Some(self.page_again(rofi, "The vmux daemon is busy.")),
            None => Some(self.page_again(rofi, "The session has ended.")),
        }
    }

    /// Gives a job whose result becomes rofi's next page.
    fn put_off(&mut self, ticket: Ticket, rofi: u32, job: Option<Job>) -> Option<Vec<u8>> {
        self.published.expect(ticket.serial, true);
        let given = job.map(|job| self.workers.give(job));
        if given != Some(true) {
            self.published.expect(ticket.serial, false);
        }
        match given {
            Some(true) => {
                self.rofi_waits.push((ticket, rofi));
                None
            }
            Some(false) => Some(self.page_again(rofi, "The vmux daemon is busy.")),
            None => Some(self.page_again(rofi, "The session has ended.")),
        }
    }

    fn page_again(&mut self, rofi: u32, word: &str) -> Vec<u8> {
        render_payload(
            self.with_scene(|dialogues, scene| dialogues.list_again(rofi, Some(word), scene)),
        )
    }

    /// Makes the page that rofi waits for.
    pub(super) fn finish_rofi(
        &mut self,
        ticket: Ticket,
        completion: Completion,
    ) -> Option<Vec<u8>> {
        let at = self
            .rofi_waits
            .iter()
            .position(|(waiting, _)| *waiting == ticket)?;
        let (_, rofi) = self.rofi_waits.swap_remove(at);
        let page = match completion {
            Completion::RofiPreview(key, messages) => {
                self.with_scene(|dialogues, scene| dialogues.preview(rofi, &key, &messages, scene))
            }
            Completion::RofiEnded(Ok(())) => {
                return Some(self.page_again(rofi, "The session was told to end."));
            }
            Completion::RofiEnded(Err(trouble)) => {
                return Some(self.page_again(rofi, &trouble.message));
            }
            Completion::Reply(_) => return None,
        };
        Some(render_payload(page))
    }

    fn with_scene<T>(&mut self, show: impl FnOnce(&mut Dialogues, &Scene<'_>) -> T) -> T {
        let snapshot = self.published.snapshot();
        let workspace = self.published.workspace();
        let icons = self.settings.paths.icons();
        let now = clock::now();
        let listed = self.listing.at(&snapshot, false, now);
        let scene = Scene {
            sessions: &listed.sessions,
            rows: &listed.rows,
            workspace: workspace.as_deref(),
            icons: &icons.to_string_lossy(),
            keys: None,
            hints: self.settings.config.hints,
            now,
            edition: listed.edition,
        };
        show(&mut self.dialogues, &scene)
    }
}

/// Who goes on with a request.
enum Next {
    Engine(Command),
    Work(Job),
}

fn switch_job(ticket: Ticket, session: Arc<Session>, args: &SwitchArgs) -> Job {
    Job::Switch {
        ticket,
        session,
        manner: Manner {
            summon: args.summon,
            ..Manner::plain(args.dry_run, args.settle)
        },
        environ: environ(&args.environ),
    }
}

/// Why nothing leads to a session, where that is certain: what only a window manager's state or
/// the asker's own desktop decides is tried.
fn unreachable(session: &Session) -> Option<&'static str> {
    let code = session.no_window.as_deref()?;
    let is = |known: TroubleCode| code == known.as_str();
    if is(TroubleCode::MuxDetached) {
        Some("No terminal shows it: vmux explain says how to attach it.")
    } else if is(TroubleCode::Remote) {
        Some("It runs in a login from another machine.")
    } else if is(TroubleCode::Ambiguous) {
        Some("Several windows may show it: see vmux explain.")
    } else if is(TroubleCode::NoWindow) {
        Some("No window shows it: see vmux explain.")
    } else {
        None
    }
}

/// A client's environment.
fn environ(pairs: &BTreeMap<String, String>) -> Environ {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
