//! Recorded real sessions, whose state was known, judged by vmux.

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use vmux::agent::claude::conversation::Conversation;
use vmux::agent::claude::facts::Facts;
use vmux::agent::claude::tail::Follower;
use vmux::agent::claude::{FIRST_WITH_FILE, parse_version, status_file};
use vmux::core::model::{Reason, State};
use vmux::core::verdict::{self, Verdict};

use crate::machine::fixtures;

/// One line of `truth.jsonl`: what was done, and what the screen showed.
#[derive(Deserialize)]
struct Truth {
    name: String,
    attention: String,
}

fn judge(facts: &Facts, now: DateTime<Utc>) -> Verdict {
    verdict::judge(&facts.evidence(), now)
}

fn facts(version: &str, dir: &Path, name: &str, now: DateTime<Utc>) -> Facts {
    let file = fs::read(dir.join(format!("{name}.session.json"))).ok();
    let file = file.map(|bytes| status_file::parse(&bytes, "", now).unwrap().fact);
    let follower = Follower::open(&dir.join(format!("{name}.jsonl"))).ok();
    Facts {
        // Its trust dialog was open: what was not recorded is that its inbox was, too.
        inbox_at: (name == "untrusted").then_some(now - TimeDelta::minutes(1)),
        expects_file: parse_version(version).unwrap() >= FIRST_WITH_FILE,
        file,
        transcript: follower.map(|follower| follower.fact(now)),
        // What was recorded without a status file ran no shell while its dialog was open.
        tool_shell: Some(false),
        ..Facts::default()
    }
}

#[test]
fn every_recorded_session_is_judged_as_it_was() {
    let mut judged = 0;
    for version in ["2.0.77", "2.1.100", "2.1.328"] {
        let dir = fixtures().join(version);
        for line in fs::read_to_string(dir.join("truth.jsonl")).unwrap().lines() {
            let truth: Truth = serde_json::from_str(line).unwrap();
            let now = "2026-11-21T00:00:00Z".parse().unwrap();
            let verdict = judge(&facts(version, &dir, &truth.name, now), now);
            let want = match truth.attention.as_str() {
                "working" => State::Working,
                "needs-input" => State::NeedsInput,
                "idle" => State::Idle,
                other => panic!("unknown truth {other}"),
            };
            assert_eq!(
                verdict.state, want,
                "{version} {}: {}",
                truth.name, verdict.rule
            );
            judged += 1;
        }
    }
    assert!(judged >= 30, "only {judged} recordings");
}

#[test]
fn a_recorded_wait_says_what_it_asks() {
    let now = Utc::now();
    for (version, name, reason, ask) in [
        (
            "2.1.328",
            "needs-permission",
            Reason::Permission,
            Some("Bash(touch lab.txt)"),
        ),
        (
            "2.1.328",
            "question",
            Reason::Question,
            Some("Which colour do you want?"),
        ),
        ("2.1.328", "menu-open", Reason::Dialog, None),
        ("2.1.328", "subagent-permission", Reason::Permission, None),
        (
            "2.1.100",
            "needs-permission",
            Reason::Permission,
            Some("Bash(touch lab.txt)"),
        ),
        (
            "2.0.77",
            "question",
            Reason::Question,
            Some("Which colour do you want?"),
        ),
    ] {
        let verdict = judge(&facts(version, &fixtures().join(version), name, now), now);
        assert_eq!(verdict.reason, Some(reason), "{version} {name}");
        assert_eq!(verdict.asked().map(|text| &**text), ask, "{version} {name}");
    }
}

#[test]
fn a_recorded_idle_says_how_its_turn_ended() {
    let now = Utc::now();
    for (name, reason) in [
        ("finished", None),
        ("interrupted", Some(Reason::Interrupted)),
        ("denied", Some(Reason::Interrupted)),
        ("failed", Some(Reason::Error)),
        ("background-shell", Some(Reason::BackgroundShell)),
    ] {
        let verdict = judge(
            &facts("2.1.328", &fixtures().join("2.1.328"), name, now),
            now,
        );
        assert_eq!(verdict.reason, reason, "{name}");
    }
}

/// Any prefix and any flipped byte of a recording: something is judged, nothing panics.
#[test]
fn a_damaged_recording_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.jsonl");
    for name in ["2.1.328/denied", "2.0.77/question", "2.1.100/interrupted"] {
        let bytes = fs::read(fixtures().join(format!("{name}.jsonl"))).unwrap();
        for cut in (0..bytes.len()).step_by(bytes.len() / 60) {
            let mut damaged = bytes[..cut].to_vec();
            fs::write(&path, &damaged).unwrap();
            Follower::open(&path).unwrap();
            damaged = bytes.clone();
            damaged[cut] ^= 0x5a;
            fs::write(&path, &damaged).unwrap();
            Follower::open(&path).unwrap();
        }
    }
}

/// Paths to all fields of a value, but for those in the inputs of tools, which are anybody's.
fn fields(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(values) => (0..).map(|n: usize| n.to_string()).zip(values).collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (name, value) in children {
        // An element of a list has nothing that stands for it.
        if name.parse::<usize>().is_err() {
            found.push(format!("/{name}"));
        }
        found.extend(
            fields(value)
                .into_iter()
                .map(|path| format!("/{name}{path}")),
        );
    }
    found
}

/// One odd field costs that field: the line says what it would say without it.
#[test]
fn a_field_of_another_type_is_as_good_as_none() {
    let mut tried = 0;
    for path in [
        "2.0.77/needs-permission",
        "2.1.100/subagent",
        "2.1.328/finished",
        "2.1.328/question",
    ] {
        let text = fs::read_to_string(fixtures().join(format!("{path}.jsonl"))).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (n, line) in lines.iter().enumerate() {
            for field in fields(line) {
                let with = |odd: Option<Value>| {
                    let mut line = line.clone();
                    let (parent, name) = field.rsplit_once('/').unwrap();
                    let parent = line.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                    match odd {
                        Some(odd) => drop(parent.insert(name.to_owned(), odd)),
                        None => drop(parent.remove(name)),
                    }
                    let mut conversation = Conversation::default();
                    for (other, whole) in lines.iter().enumerate() {
                        let line = if other == n { &line } else { whole };
                        conversation.fold(line.to_string().as_bytes(), None);
                    }
                    // A message that is none is counted as a broken line as well.
                    conversation.broken = 0;
                    conversation
                };
                let without = with(None);
                let value = line.pointer(&field).unwrap();
                for odd in [
                    json!(null),
                    json!(-7),
                    json!([]),
                    json!({}),
                    json!([null, {}]),
                ] {
                    let same = std::mem::discriminant(&odd) == std::mem::discriminant(value);
                    if !same {
                        assert_eq!(with(Some(odd.clone())), without, "{path}:{n} {field} {odd}");
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}
