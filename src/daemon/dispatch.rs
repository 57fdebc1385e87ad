//! Requests become answers: at once from the newest snapshot, or later by the engine or a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Input;
use super::engine::Command;
use super::published::{Completion, Ticket};
use super::server::Server;
use super::worker::{Errand, FocusJob, LabelJob, ReadJob, SessionJob};
use crate::core::counts::Counts;
use crate::core::model::{
    Decision, Dialog, HookReport, LocalKey, Session, SessionKey, TroubleCode,
};
use crate::core::registry::MarkChange;
use crate::desktop::focus::Manner;
use crate::frontend::rofi::keys::Keys;
use crate::frontend::rofi::{Call, Effect, Menus, Scene};
use crate::frontend::row;
use crate::protocol::feed::CaptureArgs;
use crate::protocol::reply::{DaemonStatus, Done, Health, Listed, render};
use crate::protocol::request::{
    DecideArgs, DialogArgs, Format, ListArgs, MoveArgs, RofiArgs, SwitchArgs, Target,
};
use crate::protocol::{Refusal, RefusalCode, Reply, Request, render_payload};
use crate::serve::lacks;
use crate::serve::reply::{self, find, listed_for};
use crate::sys::clock;
use crate::sys::proc::Environ;

/// What a multiplexer shows is asked again for a list, if it was not for this long.
const MUX_STALE: Duration = Duration::from_secs(2);
/// Messages of a preview, if the client does not say.
const MESSAGES: usize = 20;
/// What rofi says where there is nothing to answer.
const NO_DIALOG: &str = "It asks nothing that can be answered from here: see vmux hooks status.";

impl Server {
    /// Answers a request; `None` if the answer comes later, or as events.
    pub(super) fn dispatch(&mut self, ticket: Ticket, request: Request) -> Option<Vec<u8>> {
        Some(match request {
            Request::Ping(_) | Request::Status(_) => render(&Ok(Health {
                status: self.status(),
            })),
            Request::List(args) => self.list(&args),
            Request::Dialog(args) => return self.ask_dialog(ticket, &args),
            Request::Decide(args) => return self.answer_dialog(ticket, *args),
            Request::Hook(report) => render(&self.hook(*report)),
            Request::Stop(_) => {
                self.stopping = true;
                render(&Ok(Done {}))
            }
            Request::Capture(args) => return self.feed(ticket, args),
            Request::Subscribe(_) => {
                self.subscribe(ticket.slot);
                return None;
            }
            Request::Await(args) => return self.await_decision(ticket, *args),
            Request::Rofi(args) => return self.rofi(ticket, &args),
            Request::Switch(args) => {
                return self.with_target(ticket, &args.target, |session| {
                    Next::Focus(switch_job(ticket, session, &args))
                });
            }
            Request::Next(args) => return self.next(ticket, &args.0),
            Request::Back(args) => {
                let manner = Manner::plain(args.0.dry_run, args.0.settle);
                let environ = environ(&args.0.environ);
                let job = FocusJob::Back {
                    ticket,
                    manner,
                    environ,
                };
                return self.hand_on(ticket, Next::Focus(job));
            }
            Request::Preview(args) => {
                let messages = match args.messages {
                    0 => MESSAGES,
                    messages => messages,
                };
                return self.send_on(ticket, &args.target, Errand::Preview(messages));
            }
            Request::End(args) => {
                return self.send_on(ticket, &args.target.named(), Errand::End);
            }
            Request::Label(args) => {
                let label = reply::label(&args.label);
                return self.mark(ticket, &args.target, label.map(MarkChange::Label));
            }
            Request::Snooze(args) => {
                let until = reply::snoozed_until(args.seconds, clock::now());
                return self.mark(ticket, &args.target, Ok(MarkChange::Snooze(until)));
            }
            Request::Pin(args) => {
                return self.mark(ticket, &args.target, Ok(MarkChange::Pin(!args.off)));
            }
            Request::Explain(args) => {
                return self.command(ticket, &args.target, Command::Explain);
            }
        })
    }

    fn feed(&mut self, ticket: Ticket, args: Box<CaptureArgs>) -> Option<Vec<u8>> {
        self.hand_on(ticket, Next::Read(ReadJob::Feed(ticket, args)))
    }

    fn ask_dialog(&mut self, ticket: Ticket, args: &DialogArgs) -> Option<Vec<u8>> {
        let target = args.target.named();
        if self.answers_itself(&target) {
            return self.send_on(ticket, &target, Errand::Dialog);
        }
        Some(render(&self.dialog(args)))
    }

    fn answer_dialog(&mut self, ticket: Ticket, args: DecideArgs) -> Option<Vec<u8>> {
        let target = args.target.named();
        if !self.answers_itself(&target) {
            return Some(render(&self.decide(ticket.slot, args)));
        }
        if let Err(refusal) = self.fenced(ticket.slot) {
            return Some(refusal.render());
        }
        let errand = Errand::Decide(args.request, args.decision);
        self.send_on(ticket, &target, errand)
    }

    fn hook(&self, report: HookReport) -> Reply<Done> {
        if self.published.report_hook(report) {
            Ok(Done {})
        } else {
            let words = "too many hooks report at once";
            Err(Refusal::new(RefusalCode::Busy, words))
        }
    }

    fn mark(
        &mut self,
        ticket: Ticket,
        target: &Target,
        change: Reply<MarkChange>,
    ) -> Option<Vec<u8>> {
        let change = match change {
            Ok(change) => change,
            Err(refusal) => return Some(refusal.render()),
        };
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
            Err(refusal) => Some(refusal.render()),
        }
    }

    fn send_on(&mut self, ticket: Ticket, target: &Target, errand: Errand) -> Option<Vec<u8>> {
        self.with_target(ticket, target, |session| {
            Next::Read(ReadJob::Session(SessionJob {
                ticket,
                session,
                rofi: false,
                errand,
            }))
        })
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
        let job = FocusJob::Switch {
            ticket,
            session,
            manner: Manner::plain(args.dry_run, args.settle),
            opened: None,
            environ: environ(&args.environ),
        };
        self.hand_on(ticket, Next::Focus(job))
    }

    fn status(&self) -> DaemonStatus {
        let snapshot = self.published.snapshot();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for session in &snapshot.sessions {
            *counts.entry(session.state.as_str().into()).or_default() += 1;
        }
        DaemonStatus {
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
                && args.agent.is_none()
                && (*generation, *all) == (snapshot.generation, args.all)
            {
                return bytes.clone();
            }
            let sessions = listed_for(&snapshot.sessions, args);
            let bytes = render(&Ok(Listed {
                sessions,
                payload: None,
            }));
            if args.agent.is_none() {
                self.json = Some((snapshot.generation, args.all, bytes.clone()));
            }
            return bytes;
        }
        let rows = match args.agent {
            None => self.listing.at(&snapshot, args.all, clock::now()).rows,
            // Rarely asked for: nothing of it is kept.
            Some(_) => row::rows(&listed_for(&snapshot.sessions, args), clock::now()).into(),
        };
        match reply::list_text(args, &rows) {
            Ok(text) => render_payload(text.into_bytes()),
            Err(refusal) => refusal.render(),
        }
    }

    /// Has what multiplexers show looked at again, in the background: no event tells of it.
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
                host.is_some_and(|host| host.kind.is_multiplexer())
            };
            self.in_mux = (snapshot.generation, snapshot.sessions.iter().any(in_mux));
        }
        if self.in_mux.1 {
            self.poked_desktop = Some(clock::steady());
            self.published.request_pass();
        }
    }

    /// Finds the session that a request names, and hands the rest on.
    fn with_target(
        &mut self,
        ticket: Ticket,
        target: &Target,
        then: impl FnOnce(Arc<Session>) -> Next,
    ) -> Option<Vec<u8>> {
        let snapshot = self.published.snapshot();
        match find(target, &snapshot.sessions) {
            Err(refusal) => Some(refusal.render()),
            Ok(session) => self.hand_on(ticket, then(session)),
        }
    }

    fn hand_on(&mut self, ticket: Ticket, next: Next) -> Option<Vec<u8>> {
        // Before it is handed on: whoever takes it asks whether it is still expected.
        self.published.expect(ticket.serial, true);
        let full = match next {
            Next::Engine(command) => {
                let input = Input::Command(ticket, Box::new(command));
                self.engine.try_send(input).is_err()
            }
            Next::Focus(job) => !self.workers.move_focus(job),
            Next::Read(job) => !self.workers.send_on(job),
        };
        full.then(|| {
            self.published.expect(ticket.serial, false);
            Refusal::new(RefusalCode::Busy, "the vmux daemon is busy").render()
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
        let effect = self.with_scene(|menus, scene| menus.answer(call, scene));
        let session =
            |server: &Self, key: &SessionKey| server.published.snapshot().by_key(key).cloned();
        let environ = environ(&args.environ);
        let rofi = args.outside;
        match effect {
            Effect::Show(bytes) => Some(match self.first_word(args.retv) {
                Some(word) => self.page_again(rofi, &word),
                None => render_payload(bytes),
            }),
            Effect::Focus(key) => {
                // The menu is still open: better said there than by its silent end.
                let shown = session(self, &key);
                if let Some(word) = shown.as_ref().and_then(|session| unreachable(session)) {
                    return Some(self.page_again(rofi, word));
                }
                let here = self.published.here_before(Duration::ZERO);
                let job = shown.map(|session| FocusJob::AfterMenu {
                    session,
                    environ,
                    here,
                });
                self.focus_after(rofi, job)
            }
            Effect::Label(key) => {
                let given = session(self, &key).map(|session| {
                    self.workers.ask_label(LabelJob {
                        session,
                        rofi,
                        environ,
                    })
                });
                self.promise(rofi, given)
            }
            Effect::Preview(key) => {
                self.put_off((ticket, rofi), session(self, &key), Errand::Preview(12))
            }
            Effect::Dialog(key) => self.rofi_dialog((ticket, rofi), &key),
            Effect::Decide(key, serial, decision) => {
                self.rofi_decide((ticket, rofi), &key, serial, decision)
            }
            Effect::End(key) => self.put_off((ticket, rofi), session(self, &key), Errand::End),
        }
    }

    fn rofi_dialog(&mut self, (ticket, rofi): (Ticket, u32), key: &SessionKey) -> Option<Vec<u8>> {
        let dialog = key.local().and_then(|key| self.dialogs.of(key)).cloned();
        if dialog.is_none() && self.answers_itself(&target(key)) {
            let session = self.published.snapshot().by_key(key).cloned();
            return self.put_off((ticket, rofi), session, Errand::Dialog);
        }
        Some(match dialog {
            Some(dialog) => self.dialog_page(rofi, key, &dialog),
            None => self.page_again(rofi, NO_DIALOG),
        })
    }

    fn dialog_page(&mut self, rofi: u32, key: &SessionKey, dialog: &Dialog) -> Vec<u8> {
        render_payload(self.with_scene(|menus, scene| menus.dialog(rofi, key, dialog, scene)))
    }

    fn rofi_decide(
        &mut self,
        (ticket, rofi): (Ticket, u32),
        key: &SessionKey,
        serial: u64,
        decision: Decision,
    ) -> Option<Vec<u8>> {
        let target = target(key);
        if self.answers_itself(&target) {
            if let Err(refusal) = self.fenced(ticket.slot) {
                return Some(self.page_again(rofi, &refusal.error));
            }
            let session = self.published.snapshot().by_key(key).cloned();
            let errand = Errand::Decide(Some(serial), decision);
            return self.put_off((ticket, rofi), session, errand);
        }
        let args = DecideArgs {
            target,
            request: Some(serial),
            decision,
        };
        let reply = self.decide(ticket.slot, args);
        let done = reply.map(drop).map_err(|refusal| refusal.error);
        Some(self.answered_page(rofi, done))
    }

    fn answered_page(&mut self, rofi: u32, done: Result<(), String>) -> Vec<u8> {
        let word = done.err().unwrap_or_else(|| "It was answered.".to_owned());
        self.page_again(rofi, &word)
    }

    /// Focuses what was chosen once rofi has ended, which it does with the answer.
    fn focus_after(&mut self, rofi: u32, job: Option<FocusJob>) -> Option<Vec<u8>> {
        let now = match job.map(|job| self.leaving.put_off(rofi, job, clock::steady())) {
            Some(Ok(())) => return Some(render_payload(Vec::new())),
            Some(Err(job)) => Some(self.workers.move_focus(job)),
            None => None,
        };
        self.promise(rofi, now)
    }

    /// Answers rofi about a job whose result it does not wait for: if the job was queued, rofi gets
    /// nothing and closes.
    fn promise(&mut self, rofi: u32, given: Option<bool>) -> Option<Vec<u8>> {
        Some(match given {
            Some(true) => render_payload(Vec::new()),
            given => self.page_of_trouble(rofi, given),
        })
    }

    /// Why a job was not given.
    fn page_of_trouble(&mut self, rofi: u32, given: Option<bool>) -> Vec<u8> {
        let word = match given {
            Some(_) => "The vmux daemon is busy.",
            None => "The session has ended.",
        };
        self.page_again(rofi, word)
    }

    /// Gives a job whose result becomes rofi's next page.
    fn put_off(
        &mut self,
        (ticket, rofi): (Ticket, u32),
        session: Option<Arc<Session>>,
        errand: Errand,
    ) -> Option<Vec<u8>> {
        self.published.expect(ticket.serial, true);
        let job = session.map(|session| {
            ReadJob::Session(SessionJob {
                ticket,
                session,
                rofi: true,
                errand,
            })
        });
        let given = job.map(|job| self.workers.send_on(job));
        if given == Some(true) {
            self.rofi_waits.push((ticket, rofi));
            return None;
        }
        self.published.expect(ticket.serial, false);
        Some(self.page_of_trouble(rofi, given))
    }

    /// What the first list of all says of its icons.
    fn first_word(&mut self, retv: u32) -> Option<String> {
        if retv != 0 || std::mem::replace(&mut self.saw_icons, true) {
            return None;
        }
        let hints = self.published.config().hints;
        hints.then(|| lacks::icons_word(&self.settings.paths, &self.settings.environ))?
    }

    fn page_again(&mut self, rofi: u32, word: &str) -> Vec<u8> {
        render_payload(self.with_scene(|menus, scene| menus.list_again(rofi, Some(word), scene)))
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
            Completion::RofiPreview(key, told) => {
                self.with_scene(|menus, scene| menus.preview(rofi, &key, &told, scene))
            }
            Completion::RofiDialog(key, Ok(dialog)) => {
                return Some(self.dialog_page(rofi, &key, &dialog));
            }
            Completion::RofiDialog(_, Err(why)) => return Some(self.page_again(rofi, &why)),
            Completion::RofiAnswered(done) => return Some(self.answered_page(rofi, done)),
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

    fn with_scene<T>(&mut self, show: impl FnOnce(&mut Menus, &Scene<'_>) -> T) -> T {
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
            hints: self.published.config().hints,
            now,
            edition: listed.edition,
        };
        show(&mut self.menus, &scene)
    }
}

/// Who goes on with a request.
enum Next {
    Engine(Command),
    Focus(FocusJob),
    Read(ReadJob),
}

fn switch_job(ticket: Ticket, session: Arc<Session>, args: &SwitchArgs) -> FocusJob {
    FocusJob::Switch {
        ticket,
        session,
        manner: Manner {
            summon: args.summon,
            ..Manner::plain(args.dry_run, args.settle)
        },
        opened: args.opened_ms.map(Duration::from_millis),
        environ: environ(&args.environ),
    }
}

/// Why a session cannot be reached, if that is certain. Whatever depends on the state of a window
/// manager, or on the asker's own desktop, is tried instead.
fn unreachable(session: &Session) -> Option<&'static str> {
    match session.no_window? {
        // A terminal is opened for it.
        TroubleCode::MuxDetached if session.is_kept() => None,
        TroubleCode::MuxDetached => {
            Some("No terminal shows it: vmux explain says how to attach it.")
        }
        TroubleCode::Remote => Some("It runs in a login from another machine."),
        TroubleCode::Ambiguous => Some("Several windows may show it: see vmux explain."),
        TroubleCode::NoWindow => Some("No window shows it: see vmux explain."),
        _ => None,
    }
}

/// A client's environment.
fn environ(pairs: &BTreeMap<String, String>) -> Environ {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Only the session of this key.
fn target(key: &SessionKey) -> Target {
    Target {
        id: Some(key.clone()),
        ..Target::default()
    }
}
