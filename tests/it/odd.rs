//! Whatever number stands in whatever file: nothing panics, and no age is nonsense.

use std::fs;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde_json::{Value, json};
use vmux::core::counts::Counts;
use vmux::core::model::{HookReport, LocalKey, Reason, Session};
use vmux::core::order::{self, Walk};
use vmux::core::registry::{MarkChange, Marks, Registry};
use vmux::frontend::row;
use vmux::frontend::{bar, preview, table};
use vmux::notify::alert::{Alerts, Urgencies, Wanted};

use crate::machine::{Machine, prompt, tool};

/// Days between the first and the last time that can be one.
const LONGEST: i64 = 200 * 366;

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Numbers that were seen to end a thread, those beside them, and others.
fn number() -> impl Strategy<Value = i64> {
    let calendar = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
    let [first, last] = calendar.map(|at| at.timestamp_millis());
    prop_oneof![
        prop::sample::select(vec![
            i64::MIN,
            i64::MAX,
            0,
            -1,
            5,
            first,
            first + 60_000,
            last
        ]),
        any::<i64>(),
        (-90_000..90_000i64).prop_map(|ms| noon().timestamp_millis() + ms),
        (0..20_000_000_000i64).prop_map(|seconds| seconds * 1000),
    ]
}

/// The same as texts say it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "soon",
            "-262143-01-01T00:00:00Z",
            "+262142-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "2026-11-20T11:59:59.500+14:00",
        ])
        .prop_map(str::to_owned),
        (-90_000..90_000i64).prop_map(|ms| (noon() + TimeDelta::milliseconds(ms)).to_rfc3339()),
    ]
}

/// All that can be odd about one session.
#[derive(Clone, Debug)]
struct Odd {
    boot: i64,
    start_ticks: u64,
    version: &'static str,
    status: Value,
    numbers: Vec<i64>,
    texts: Vec<String>,
    written: i64,
    hooks: Vec<&'static str>,
    order: u64,
}

fn odd() -> impl Strategy<Value = Odd> {
    let version = prop::sample::select(vec!["2.1.328", "2.1.142", "2.1.100", "x"]);
    let status = prop::sample::select(vec![
        json!("busy"),
        json!("waiting"),
        json!("idle"),
        json!("shell"),
        json!(7),
        Value::Null,
    ]);
    let event = prop::sample::select(vec![
        "started",
        "asked",
        "still_asks",
        "still_idle",
        "ended",
        "new",
    ]);
    let ticks = prop_oneof![
        Just(u64::MAX),
        Just(0),
        Just(i64::MAX as u64),
        0..10_000_000u64
    ];
    let boot = prop_oneof![number(), number().prop_map(|ms| ms / 1000)];
    let order = prop_oneof![any::<u64>(), Just(u64::MAX)];
    (
        (boot, ticks, version, status),
        prop::collection::vec(number(), 6),
        prop::collection::vec(text(), 6),
        (number(), prop::collection::vec(event, 0..3), order),
    )
        .prop_map(
            |((boot, start_ticks, version, status), numbers, texts, (written, hooks, order))| Odd {
                boot,
                start_ticks,
                version,
                status,
                numbers,
                texts,
                written,
                hooks,
                order,
            },
        )
}

impl Odd {
    /// Writes all of it down.
    fn write(&self, machine: &Machine) -> LocalKey {
        machine.write("proc/stat", &format!("cpu 1 2\nbtime {}\n", self.boot));
        let mut claude = machine.claude(101);
        claude.start = self.start_ticks;
        claude.state('S');
        let [updated, status_at, started, agents, ..] = self.numbers[..] else {
            unreachable!()
        };
        claude.file(json!({
            "version": self.version, "status": self.status, "waitingFor": "permission prompt",
            "updatedAt": updated, "statusUpdatedAt": status_at, "startedAt": started,
        }));
        let mut lines = [
            prompt("go"),
            tool("Agent", json!({"prompt": "look"})),
            json!({"type": "system", "subtype": "turn_duration", "isSidechain": false, "pendingBackgroundAgentCount": agents}),
            tool("WebFetch", json!({"url": "https://x.test"})),
        ];
        for (line, text) in lines.iter_mut().zip(&self.texts) {
            line["timestamp"] = json!(text);
        }
        let said = claude.says("s-101", &lines);
        let mut asks = tool("Bash", json!({"command": "ls"}));
        asks["isSidechain"] = json!(true);
        asks["timestamp"] = json!(self.texts[4]);
        let agent = claude.says("s-101/subagents/agent-a1", &[asks]);
        for file in [said, agent, claude.file_path()] {
            let at = Timespec {
                tv_sec: self.written,
                tv_nsec: 999_999_999,
            };
            let times = Timestamps {
                last_access: at,
                last_modification: at,
            };
            // A file system may not take it.
            utimensat(CWD, &file, &times, AtFlags::empty()).ok();
        }
        LocalKey {
            pid: vmux::core::model::Pid(101),
            start_ticks: self.start_ticks,
        }
    }

    fn marks(&self) -> Marks {
        let mark = json!({"snoozed_until": self.texts[5], "order": self.order, "label": "x"});
        let file = json!({"version": 1, "labels": {"s-101": mark}});
        Marks::parse(file.to_string().as_bytes()).unwrap()
    }

    fn reports(&self, key: LocalKey) -> Vec<HookReport> {
        let report = |event: &&str| {
            let call =
                json!({"id": "t", "name": "Bash", "at": self.texts[0], "nature": "asks_first"});
            let report = json!({"event": event, "processes": [key.to_string()], "tool": call, "agent_id": "a1"});
            serde_json::from_value(report).unwrap()
        };
        self.hooks.iter().map(report).collect()
    }
}

/// The number of days that an age says, if it is that old.
fn days(state: &str) -> i64 {
    let age = state.rsplit(' ').next().unwrap_or_default();
    age.strip_suffix('d')
        .and_then(|days| days.parse().ok())
        .unwrap_or_default()
}

/// Everything that is made of a session, at `now`.
fn look(registry: &mut Registry, alerts: &mut Alerts, now: DateTime<Utc>) {
    registry.tick(now);
    let mut sessions = registry.snapshot().sessions;
    order::sort(&mut sessions);
    for session in &sessions {
        assert_ne!(session.reason, Some(Reason::Unreadable));
        for since in session.state_since.iter().chain(&session.waiting_since) {
            assert!(*since <= now, "{since} is after {now}");
            assert!((now - *since).num_days() <= LONGEST, "since {since}");
        }
        let bytes = serde_json::to_vec(session).unwrap();
        assert_eq!(
            **session,
            serde_json::from_slice::<Session>(&bytes).unwrap()
        );
        let lines = preview::head(session, now);
        drop(preview::render(&lines, true));
        serde_json::to_value(registry.explain(session.here().unwrap(), vmux::sys::clock::now()))
            .unwrap();
    }
    let rows = row::rows(&sessions, now);
    for row in &rows {
        assert!(days(&row.state) <= LONGEST, "{}", row.state);
    }
    drop(table::render_unique(&rows));
    drop((Counts::of(&sessions), Walk::default().next(&sessions, now)));
    drop((
        alerts.step(&sessions, now),
        Urgencies::default().step(&sessions),
    ));
    drop(bar::Look::of(&sessions, now).text());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_number_in_any_file_makes_nonsense(
        odd in odd(),
        moments in prop::collection::vec(prop_oneof![-5000..5000i64, -800_000_000..4_000_000_000i64], 1..5),
        snooze in proptest::option::of(1..1_000_000_000u32),
    ) {
        let machine = Machine::new();
        let key = odd.write(&machine);
        let mut scout = machine.scout();
        let mut registry = Registry::new(odd.marks());
        let mut alerts = Alerts::new(Wanted::All);
        for seconds in moments {
            let now = noon() + TimeDelta::seconds(seconds);
            let mut told = scout.scan(now).unwrap();
            for report in odd.reports(key) {
                told.extend(scout.take_hook(report, now));
            }
            for observation in told {
                registry.apply(observation, now);
            }
            look(&mut registry, &mut alerts, now);
            let until = snooze.and_then(|seconds| vmux::serve::reply::snoozed_until(seconds, now));
            registry.mark(key, MarkChange::Snooze(until), now);
            look(&mut registry, &mut alerts, now + TimeDelta::milliseconds(400));
            // Another line, so that all is told anew at the next moment.
            let path = machine.config().join("sessions/101.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("2.1.", "2.1.1")).unwrap();
        }
        prop_assert!(registry.snapshot().sessions.iter().all(|s: &Arc<Session>| s.id == key));
    }
}
