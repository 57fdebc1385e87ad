//! What vmux reads of changes in the CLI's own files, held against the files that were changed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use vmux::agent::Agent as _;
use vmux::agent::claude::ClaudeCode;
use vmux::core::model::time;
use vmux::core::transcript::{Change, Edit, Transcript, Turn};

use crate::kit::Lab;
use crate::kit::process::{run, wait_within};

/// Until the CLI has written down what it did.
const TELLS: Duration = Duration::from_secs(60);
/// Its own times are that close to those of the files: a hundredth of a second where nothing else
/// runs, 0.13 s beside other tests.
const CLOSE: f64 = 2.0;

/// A file is written, and a command changes it.
pub(super) fn changes(lab: &Lab) {
    let work = lab.make_dir("work");
    run(lab.command("git").args(["init", "-q"]).arg(&work));
    let config = lab.path("home/.claude");
    fs::create_dir_all(&config).unwrap();
    let settings = json!({"permissions": {"allow": ["Bash"]}, "bashEditDiffEnabled": true});
    fs::write(config.join("settings.json"), settings.to_string()).unwrap();
    let claude = lab.claude(&["--permission-mode", "acceptEdits"]);
    let made = work.join("made.txt");
    claude.say(&format!("write:{}", made.display()));
    let first = turn(&config, 0);
    let (turn_one, transcript) = &first;
    assert_eq!(asked(turn_one), format!("write:{}", made.display()));
    assert_eq!(turn_one.answers.last().map(|text| &**text), Some("done"));
    assert!(transcript.version.is_some() && transcript.model.is_some());
    let change = only(turn_one);
    let whole = Edit::Whole {
        before: Some(String::new()),
        after: "lab\n".into(),
        shown: Vec::new(),
    };
    assert_eq!((&change.path, &change.edit), (&made, &whole));
    is_close(change, &made);

    claude.say("bash:printf 'x\\n' >> made.txt");
    let (turn_two, _) = turn(&config, 1);
    let change = only(&turn_two);
    let Edit::Hunks { hunks, .. } = &change.edit else {
        panic!("{change:?}");
    };
    assert_eq!(hunks[0].lines, [" lab", "+x"]);
    assert_eq!(change.path, made);
    let command = &turn_two.commands[0];
    assert_eq!(change.by.as_ref(), Some(&command.text));
    assert_eq!(command.cwd.as_deref(), Some(&*work));
    let written = written(&made);
    assert!(
        command.from <= written && command.to >= Some(written),
        "{command:?}"
    );
}

/// The turn of this number, once it has ended.
fn turn(config: &Path, number: usize) -> (Turn, Transcript) {
    wait_within(TELLS, "the turn to be told of", || {
        let files = ClaudeCode.transcripts(config, SystemTime::UNIX_EPOCH);
        let read = ClaudeCode.transcript(files.first()?, &|_| true).ok()?;
        let turn = read.turns.get(number)?.clone();
        turn.ended.is_some().then_some((turn, read))
    })
}

fn asked(turn: &Turn) -> &str {
    turn.prompt.as_ref().map_or("", |prompt| &prompt.text)
}

fn only(turn: &Turn) -> &Change {
    assert_eq!(turn.changes.len(), 1, "{turn:?}");
    &turn.changes[0]
}

fn written(file: &Path) -> chrono::DateTime<chrono::Utc> {
    time::of_file(file.metadata().unwrap().modified().unwrap())
}

fn is_close(change: &Change, file: &Path) {
    let apart = (change.at - written(file)).as_seconds_f64();
    assert!(apart.abs() < CLOSE, "{apart} s apart: {change:?}");
}
