//! What holds after any sequence of operations, and for any text.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use vmux::agent::claude::facts::{Facts, FileFact, FileStatus, LastLine, TranscriptFact};
use vmux::core::model::{
    CallNature, ConversationId, Event, Evidence, Kind, LocalKey, Machine, Mirror, Observation, Pid,
    Place, RawPath, Reason, Session, SessionKey, State, ToolCall, WindowRef,
};
use vmux::core::order::{self, Walk};
use vmux::core::query;
use vmux::core::registry::{MarkChange, Marks, Registry};
use vmux::core::text::CleanText;
use vmux::frontend::rofi::{Call, Effect, Menus, Scene};
use vmux::frontend::row;
use vmux::frontend::table;
use vmux::protocol::request::Received;

/// Something that happens to a registry.
#[derive(Clone, Debug)]
enum Op {
    Seen {
        pid: u32,
        conversation: Option<u8>,
        status: Option<u8>,
        said: String,
        since: i64,
    },
    Gone {
        pid: u32,
    },
    Placed {
        pid: u32,
        focused: bool,
    },
    Census {
        pids: Vec<u32>,
    },
    Label {
        pid: u32,
        label: String,
    },
    Snooze {
        pid: u32,
        ms: Option<i64>,
    },
    Pin {
        pid: u32,
        pinned: bool,
    },
    /// What is owed is written.
    Save,
    /// Another daemon writes a label, which this one reads.
    Elsewhere {
        conversation: u8,
        label: String,
    },
    Pass {
        ms: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let pid = 1..6u32;
    prop_oneof![
        4 => (pid.clone(), proptest::option::of(0..4u8), proptest::option::of(0..6u8), ".{0,12}", -5000..5000i64)
            .prop_map(|(pid, conversation, status, said, since)| Op::Seen { pid, conversation, status, said, since }),
        1 => pid.clone().prop_map(|pid| Op::Gone { pid }),
        1 => (pid.clone(), any::<bool>()).prop_map(|(pid, focused)| Op::Placed { pid, focused }),
        1 => proptest::collection::vec(pid.clone(), 0..5).prop_map(|pids| Op::Census { pids }),
        1 => (pid.clone(), ".{0,8}").prop_map(|(pid, label)| Op::Label { pid, label }),
        1 => (pid.clone(), proptest::option::of(-500..3000i64)).prop_map(|(pid, ms)| Op::Snooze { pid, ms }),
        1 => (pid, any::<bool>()).prop_map(|(pid, pinned)| Op::Pin { pid, pinned }),
        1 => Just(Op::Save),
        1 => (0..4u8, ".{0,8}").prop_map(|(conversation, label)| Op::Elsewhere { conversation, label }),
        3 => (-2000..4000i64).prop_map(|ms| Op::Pass { ms }),
    ]
}

fn key(pid: u32) -> LocalKey {
    LocalKey {
        pid: Pid(pid),
        start_ticks: u64::from(pid),
    }
}

fn evidence(
    conversation: Option<u8>,
    status: Option<u8>,
    said: &str,
    since: DateTime<Utc>,
) -> Evidence {
    let conversation = conversation.and_then(|c| ConversationId::new(&format!("c{c}")));
    let status = status.map(|status| match status {
        0 => FileStatus::Busy,
        1 => FileStatus::Waiting,
        2 => FileStatus::Idle,
        3 => FileStatus::Shell,
        _ => FileStatus::Other(CleanText::line(said)),
    });
    let call = ToolCall {
        id: "t".into(),
        name: CleanText::line("Bash"),
        summary: CleanText::line(said),
        nature: CallNature::AsksFirst,
        at: None,
    };
    let facts = Facts {
        conversation: conversation.clone(),
        file: Some(FileFact {
            conversation,
            status,
            status_at: Some(since),
            ..FileFact::default()
        }),
        transcript: Some(TranscriptFact {
            last: LastLine::ToolCall,
            pending: vec![call],
            said: CleanText::line(said).some(),
            at: Some(since),
            ..TranscriptFact::default()
        }),
        ..Facts::default()
    };
    facts.evidence()
}

/// A registry, its mirror, and the clock they live by.
struct World {
    registry: Registry,
    mirror: Mirror,
    /// What the file of labels holds.
    file: Marks,
    heard: u64,
    now: DateTime<Utc>,
}

impl World {
    fn new() -> Self {
        Self {
            registry: Registry::new(Marks::default()),
            mirror: Mirror::default(),
            file: Marks::default(),
            heard: 0,
            now: DateTime::from_timestamp(1_795_164_500, 0).unwrap(),
        }
    }

    fn observe(&mut self, op: &Op) -> Vec<Event> {
        let now = self.now;
        match op {
            Op::Seen {
                pid,
                conversation,
                status,
                said,
                since,
            } => {
                let evidence = evidence(
                    *conversation,
                    *status,
                    said,
                    now + TimeDelta::milliseconds(*since),
                );
                self.registry
                    .apply(Observation::Seen(key(*pid), Arc::new(evidence)), now)
            }
            Op::Gone { pid } => self.registry.apply(Observation::Gone(key(*pid)), now),
            Op::Placed { pid, focused } => {
                let window = WindowRef {
                    focused: *focused,
                    ..WindowRef::default()
                };
                let place = Place {
                    window: Some(window),
                    ..Place::default()
                };
                self.registry
                    .apply(Observation::Placed(key(*pid), Box::new(place)), now)
            }
            Op::Census { pids } => self.registry.apply(
                Observation::Census(pids.iter().map(|pid| key(*pid)).collect()),
                now,
            ),
            Op::Pass { ms } => {
                // Clocks jump back as well.
                self.now += TimeDelta::milliseconds(*ms);
                self.registry.tick(self.now)
            }
            marks => self.mark(marks),
        }
    }

    fn mark(&mut self, op: &Op) -> Vec<Event> {
        let now = self.now;
        match op {
            Op::Label { pid, label } => {
                let label = MarkChange::Label(CleanText::line(label).some());
                self.registry.mark(key(*pid), label, now)
            }
            Op::Snooze { pid, ms } => {
                let until = ms.map(|ms| now + TimeDelta::milliseconds(ms));
                self.registry
                    .mark(key(*pid), MarkChange::Snooze(until), now)
            }
            Op::Pin { pid, pinned } => self.registry.mark(key(*pid), MarkChange::Pin(*pinned), now),
            Op::Save => {
                let owed = self.registry.take_owed_marks().unwrap_or_default();
                self.file.apply(&owed);
                let kept = Marks::parse(&self.file.render()).unwrap();
                self.registry.keep_marks(kept, owed.through, now)
            }
            Op::Elsewhere {
                conversation,
                label,
            } => {
                let mut other = Registry::new(self.file.clone());
                let seen = evidence(Some(*conversation), None, "", now);
                other.apply(Observation::Seen(key(9), Arc::new(seen)), now);
                let label = MarkChange::Label(CleanText::line(label).some());
                other.mark(key(9), label, now);
                self.file.apply(&other.take_owed_marks().unwrap());
                self.registry.keep_marks(self.file.clone(), 0, now)
            }
            _ => unreachable!("it is no observation"),
        }
    }

    fn perform(&mut self, op: &Op) {
        let events = self.observe(op);
        self.heard += events.len() as u64;
        assert_eq!(
            self.registry.generation(),
            self.heard,
            "every event has the next serial"
        );
        for event in &events {
            self.mirror.apply(&travelled(event));
        }
    }

    fn verify(&self) {
        let snapshot = self.registry.snapshot();
        let keys: BTreeSet<&SessionKey> = snapshot.sessions.iter().map(|s| &s.id).collect();
        assert_eq!(keys.len(), snapshot.sessions.len(), "keys are unique");
        for session in &snapshot.sessions {
            let waits = session.state == State::NeedsInput;
            assert_eq!(
                session.waiting_since.is_some(),
                waits,
                "waiting_since is set if and only if it waits"
            );
            assert!(
                !session.unseen || session.state == State::Idle,
                "only what is done can be unseen"
            );
        }
        let mirrored: Vec<&Arc<Session>> = self.mirror.0.values().collect();
        assert_eq!(
            mirrored,
            snapshot.sessions.iter().collect::<Vec<_>>(),
            "a mirror fed by events is the snapshot"
        );
        let mut fresh = Mirror::default();
        self.registry
            .replicate()
            .iter()
            .for_each(|event| fresh.apply(event));
        assert_eq!(fresh, self.mirror, "replicating reproduces it");
    }
}

/// An event as its reader gets it.
fn travelled(event: &Event) -> Event {
    serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
}

/// Any session that could travel, hostile texts included.
fn session() -> impl Strategy<Value = Session> {
    let texts = (
        "\\PC{0,30}|[\\x00-\\x1f\\x7f-\\u{9f}]{0,30}|.{0,30}",
        ".{0,40}",
        ".{0,20}",
    );
    (
        texts,
        0..4u8,
        0..20u32,
        proptest::option::of(0..9_999_999_999i64),
        any::<[bool; 4]>(),
    )
        .prop_map(|((dir, said, label), state, pid, since, flags)| {
            let [focused, unseen, pinned, snoozed] = flags;
            let state = [
                State::Working,
                State::NeedsInput,
                State::Idle,
                State::Unknown,
            ][usize::from(state)];
            Session {
                id: SessionKey {
                    machine: None,
                    pid: Pid(pid),
                    start_ticks: 1,
                },
                pid: Pid(pid),
                cwd: RawPath(format!("/w/{dir}")),
                state,
                state_since: since.and_then(|s| DateTime::from_timestamp(s, 0)),
                preview: CleanText::line(&said).some(),
                label: CleanText::line(&label).some(),
                git_branch: CleanText::line(&said).some(),
                window: Some(WindowRef {
                    focused,
                    ..WindowRef::default()
                }),
                kind: Kind::Interactive,
                unseen: unseen && state == State::Idle,
                pinned,
                snoozed_until: snoozed.then(|| noon() + TimeDelta::hours(1)),
                reason: (state == State::NeedsInput && pid % 3 == 0).then_some(Reason::Dialog),
                ..Session::default()
            }
        })
}

/// The clock of the walk.
fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_176_000, 0).unwrap()
}

/// Sessions with different ids, none of which has the focus.
fn desk() -> impl Strategy<Value = Vec<Arc<Session>>> {
    let apart = |sessions: Vec<Session>| {
        let numbered = sessions.into_iter().zip(1..);
        numbered.map(|(session, pid)| {
            Arc::new(Session {
                id: key(pid).into(),
                window: None,
                ..session
            })
        })
    };
    proptest::collection::vec(session(), 0..12).prop_map(move |sessions| apart(sessions).collect())
}

/// The session that has the focus after a step.
fn focused(sessions: &[Arc<Session>], on: &SessionKey) -> Vec<Arc<Session>> {
    let look = |session: &Arc<Session>| {
        let window = WindowRef {
            focused: session.id == *on,
            ..WindowRef::default()
        };
        Arc::new(Session {
            window: Some(window),
            ..(**session).clone()
        })
    };
    sessions.iter().map(look).collect()
}

fn sessions() -> impl Strategy<Value = Vec<Arc<Session>>> {
    proptest::collection::vec(session().prop_map(Arc::new), 0..12)
}

proptest! {
    #[test]
    fn a_registry_and_its_mirror_agree_after_every_operation(ops in proptest::collection::vec(op(), 0..60)) {
        let mut world = World::new();
        for op in &ops {
            world.perform(op);
            world.verify();
        }
    }

    #[test]
    fn nothing_shown_holds_what_a_terminal_obeys(raw in any::<String>(), bytes in any::<Vec<u8>>()) {
        for text in [raw, String::from_utf8_lossy(&bytes).into_owned()] {
            let line = CleanText::line(&text);
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            let block = CleanText::block(&text, 200);
            prop_assert!(!block.chars().any(|c| c.is_control() && c != '\n'), "{block:?}");
            prop_assert_eq!(CleanText::line(&line), line, "cleaning twice changes nothing");
        }
    }

    #[test]
    fn rows_are_single_lines_without_controls_and_all_different(sessions in sessions()) {
        let lines = table::render_unique(&row::rows(&sessions, Utc::now()));
        let distinct: BTreeSet<&String> = lines.iter().collect();
        prop_assert_eq!(distinct.len(), sessions.len());
        for line in &lines {
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    /// Two machines give out the same pids, and hear of each other: no session is taken for
    /// another's, and none is lost or doubled, whenever a machine tells all it has anew.
    #[test]
    fn a_mirror_fed_by_two_machines_holds_the_sessions_of_both(
        ops in proptest::collection::vec((any::<bool>(), any::<bool>(), op()), 0..60),
    ) {
        let far = Machine::new("box").unwrap();
        let mut worlds = [World::new(), World::new()];
        let sources = [None, Some(&far)];
        let mut both = Mirror::default();
        for (elsewhere, anew, op) in &ops {
            let at = usize::from(*elsewhere);
            let mut events = worlds[at].observe(op);
            if *anew {
                events = worlds[at].registry.replicate();
                // It tells what it has heard of others, too.
                if let [Event::State { sessions }] = &mut events[..] {
                    sessions.extend(both.0.values().filter(|s| s.id.machine.is_some()).cloned());
                }
            }
            for event in &events {
                both.apply_from(sources[at], &travelled(event));
            }
            for (world, source) in worlds.iter().zip(sources) {
                let held = both.0.iter().filter(|(key, _)| key.machine.as_ref() == source);
                let held: Vec<Session> = held
                    .map(|(key, session)| {
                        assert_eq!(*key, session.id, "it is named as it is held");
                        Session { id: SessionKey { machine: None, ..key.clone() }, ..(**session).clone() }
                    })
                    .collect();
                let there = world.registry.snapshot().sessions;
                prop_assert_eq!(held, there.iter().map(|s| (**s).clone()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,252}", pid: u32, start_ticks: u64) {
        let here = LocalKey { pid: Pid(pid), start_ticks };
        let there = here.on(Machine::new(&name).unwrap());
        for key in [SessionKey::from(here), there] {
            let line = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<SessionKey>(&line).unwrap(), key);
        }
    }

    #[test]
    fn what_is_taken_for_a_key_is_written_so(text in "\\PC{0,12}[/-]?\\PC{0,12}|[a-z./-]{0,6}[0-9]{1,4}-[0-9]{1,4}") {
        if let Ok(key) = text.parse::<SessionKey>() {
            let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/".contains(c);
            prop_assert!(text.chars().all(plain) && text.matches('/').count() < 2);
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn the_order_is_total_and_loses_nobody(sessions in sessions()) {
        let mut forward = sessions.clone();
        order::sort(&mut forward);
        let mut backward: Vec<_> = sessions.iter().rev().cloned().collect();
        order::sort(&mut backward);
        let ids = |list: &[Arc<Session>]| list.iter().map(|s| (order::is_current(s), s.state, s.id.clone())).collect::<Vec<_>>();
        prop_assert_eq!(forward.len(), sessions.len());
        let unique: BTreeSet<_> = sessions.iter().map(|s| &s.id).collect();
        if unique.len() == sessions.len() {
            prop_assert_eq!(ids(&forward), ids(&backward), "whatever the order they came in");
        }
    }

    #[test]
    fn a_walk_shows_each_that_needs_its_user_once_the_longest_wait_first(sessions in desk()) {
        let needs = |s: &&Arc<Session>| s.standing().calls();
        let wanted: BTreeSet<SessionKey> = sessions.iter().filter(needs).map(|s| s.id.clone()).collect();
        let mut walk = Walk::default();
        let mut desk = sessions.clone();
        let mut shown = Vec::new();
        let mut now = noon();
        for _ in 0..wanted.len() {
            // However slowly the key is pressed.
            now += TimeDelta::minutes(1);
            let (session, after) = walk.next(&desk, now).expect("one is left");
            prop_assert!(session.snoozed_until.is_none() && session.reason != Some(Reason::Dialog));
            shown.push(session.id.clone());
            walk = after;
            desk = focused(&desk, &session.id);
        }
        prop_assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), wanted, "each of them");
        let of = |id: &SessionKey| sessions.iter().find(|s| s.id == *id).unwrap();
        let rank = |id: &SessionKey| (of(id).standing(), !of(id).pinned, of(id).state_since.is_none(), of(id).state_since);
        prop_assert!(shown.is_sorted_by_key(rank), "waiting before done, the longest first");
        // Round again, or nowhere if one looks at the only one.
        let again = walk.next(&desk, now).map(|(session, _)| session.id.clone());
        prop_assert_eq!(again, shown.first().filter(|_| shown.len() > 1).cloned());
    }

    #[test]
    fn no_query_panics_and_what_it_finds_was_there(query in any::<String>(), sessions in sessions()) {
        if let Ok(found) = query::resolve(&query, &sessions) {
            prop_assert!(sessions.contains(&found));
        }
        prop_assert!(query::rank(&query, &sessions).len() <= sessions.len());
    }

    #[test]
    fn no_request_panics(line in any::<Vec<u8>>()) {
        drop(Received::read(&line));
    }

    #[test]
    fn no_dialogue_with_rofi_panics_or_leaks_a_control(
        sessions in sessions(),
        calls in proptest::collection::vec((0..30u32, proptest::option::of("yes|back|focus|all|[0-9]{1,2}-1|.{0,6}")), 0..12),
    ) {
        let mut menus = Menus::default();
        let rows = row::rows(&sessions, Utc::now());
        let keys = vmux::frontend::rofi::keys::Keys::of(&["<b>".into()]);
            let scene = Scene { sessions: &sessions, rows: &rows, workspace: Some("1"), icons: "/i", keys: None, hints: true, now: Utc::now(), edition: 0 };
        for (retv, info) in &calls {
            let effect = menus.answer(Call { retv: *retv, info: info.as_deref(), rofi: 7, keys: &keys }, &scene);
            if let Effect::Show(bytes) = effect {
                let text = String::from_utf8(bytes).unwrap();
                let plain = |c: char| matches!(c, '\0' | '\x1f' | '\n') || !c.is_control();
                prop_assert!(text.chars().all(plain), "{text:?}");
            }
        }
    }
}
