//! One real session: typed into, looked at, and held against what vmux says of it.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use vmux::sys::clock;

use super::screen::{self, Shown};
use crate::kit::Lab;
use crate::kit::lab::{Row, TRUSTED};
use crate::kit::process::{poll, wait_within};

/// Until a screen shows what was asked for. A loaded machine took more than a minute for a dialog.
const SHOWS: Duration = Duration::from_secs(300);
/// Until vmux says what the screen shows, also where only its scan of all processes can tell.
const AGREES: Duration = Duration::from_secs(60);
/// Clocks of processes, lines and files differ by less.
const SLACK: TimeDelta = TimeDelta::seconds(1);
/// Enter right after text may be taken for a part of a paste: pressed again then.
const ENTER_AGAIN: Duration = Duration::from_secs(8);
/// A dialog that has just opened ignores keys: pressed again then.
const ANSWER_AGAIN: Duration = Duration::from_millis(1500);

/// What vmux should say of a session.
#[derive(Clone, Debug)]
pub(super) struct Want {
    state: &'static str,
    reason: Option<&'static str>,
    ask: Option<String>,
    preview: Option<String>,
    /// Where it matters: whether the end of its turn is new to its user.
    unseen: Option<bool>,
}

impl Want {
    fn state(state: &'static str, reason: Option<&'static str>) -> Self {
        Self {
            state,
            reason,
            ask: None,
            preview: None,
            unseen: (state != "idle").then_some(false),
        }
    }

    pub(super) fn idle() -> Self {
        Self::state("idle", None)
    }

    pub(super) fn idle_because(reason: &'static str) -> Self {
        Self::state("idle", Some(reason))
    }

    pub(super) fn working() -> Self {
        Self::state("working", None)
    }

    /// It waits: why, and what it asks.
    pub(super) fn asking(reason: &'static str, ask: &str) -> Self {
        Self {
            ask: Some(ask.to_owned()),
            ..Self::state("needs_input", Some(reason))
        }
    }

    /// Nothing tells what it does.
    pub(super) fn unknown() -> Self {
        Self::state("unknown", None)
    }

    /// It waits, and what it asks is not known.
    pub(super) fn waiting(reason: &'static str) -> Self {
        Self::state("needs_input", Some(reason))
    }

    /// Its conversation may be its neighbour's.
    pub(super) fn ambiguous() -> Self {
        Self::state("unknown", Some("ambiguous"))
    }

    pub(super) fn preview(self, text: &str) -> Self {
        Self {
            preview: Some(text.to_owned()),
            ..self
        }
    }

    /// Its turn has ended where nobody looks: no terminal is attached to the tmux server.
    pub(super) fn unseen(self) -> Self {
        Self {
            unseen: Some(true),
            ..self
        }
    }

    /// It rests, and there is nothing new to see.
    pub(super) fn seen(self) -> Self {
        Self {
            unseen: Some(false),
            ..self
        }
    }

    fn fits(&self, row: &Row) -> bool {
        self.state == row.state
            && self.reason == row.reason.as_deref()
            && self.ask.as_ref() == row.question.as_ref().or(row.ask.as_ref())
            && (self.preview.is_none() || self.preview == row.preview)
            && self.unseen.is_none_or(|unseen| unseen == row.unseen)
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state,
            reason,
            ask,
            preview,
            unseen,
            ..
        } = self;
        write!(
            f,
            "{state}, reason {reason:?}, ask {ask:?}, preview {preview:?}, unseen {unseen:?}"
        )
    }
}

/// A CLI in a terminal.
pub(super) struct Session<'l> {
    lab: &'l Lab,
    pane: String,
    pub(super) pid: u32,
    /// The state that was expected last; between it and the next only work may show.
    state: &'static str,
    /// When something was typed last.
    typed_at: Cell<DateTime<Utc>>,
}

impl Lab {
    /// Starts the CLI with these arguments in a trusted directory.
    pub(super) fn claude(&self, arguments: &[&str]) -> Session<'_> {
        self.claude_in(TRUSTED[0], arguments)
    }

    /// The same in another directory.
    pub(super) fn claude_in(&self, dir: &str, arguments: &[&str]) -> Session<'_> {
        self.session(dir, &[&[self.cli()], arguments].concat())
    }

    /// The same with variables (`NAME=VALUE`) in its environment.
    pub(super) fn claude_with(&self, variables: &[&str], arguments: &[&str]) -> Session<'_> {
        let command = [&["env"], variables, &[self.cli()], arguments].concat();
        self.session(TRUSTED[0], &command)
    }

    /// The same from an interactive shell, with its job control.
    pub(super) fn claude_from_shell(&self, dir: &str, arguments: &[&str]) -> Session<'_> {
        let (pane, pid) = self.run_from_shell(dir, arguments);
        Session::new(self, pane, pid)
    }

    fn session(&self, dir: &str, command: &[&str]) -> Session<'_> {
        let (pane, pid) = self.run(dir, command);
        Session::new(self, pane, pid)
    }
}

impl<'l> Session<'l> {
    /// One that goes on, in another terminal.
    pub(super) fn moved_to(&mut self, pane: String) {
        self.pane = pane;
    }

    pub(super) fn new(lab: &'l Lab, pane: String, pid: u32) -> Self {
        Self {
            lab,
            pane,
            pid,
            state: "",
            typed_at: Cell::new(clock::now()),
        }
    }

    pub(super) fn screen(&self) -> String {
        self.lab.tmux(&["capture-pane", "-p", "-t", &self.pane])
    }

    fn shown(&self) -> Shown {
        match self.tell("#{pane_current_command}").as_str() {
            "bash" => Shown::Shell,
            _ => screen::read(&self.screen()),
        }
    }

    /// What vmux says of it, if it lists it.
    pub(super) fn row(&self) -> Option<Row> {
        self.row_with(&[])
    }

    fn row_with(&self, words: &[&str]) -> Option<Row> {
        let rows = self.lab.rows(words);
        rows.into_iter().find(|row| row.pid == self.pid)
    }

    /// Waits until `vmux list --all` lists it as this kind.
    pub(super) fn comes_as(&self, kind: &str) {
        wait_within(AGREES, &format!("a {kind} row"), || {
            let row = self.row_with(&["--all"])?;
            (row.kind == kind).then_some(())
        });
    }

    /// Types a line at whatever reads it.
    pub(super) fn enter(&self, line: &str) {
        self.lab.tmux(&["send-keys", "-t", &self.pane, "-l", line]);
        self.press("Enter");
    }

    /// Types a line at the CLI's prompt and sees that it is taken.
    pub(super) fn say(&self, line: &str) {
        self.lab.tmux(&["send-keys", "-t", &self.pane, "-l", line]);
        let typed = || screen::input(&self.screen()).map(str::to_owned);
        wait_within(SHOWS, "the typed line to show", || {
            typed().filter(|typed| typed.starts_with(line))
        });
        self.press_until("Enter", ENTER_AGAIN, "the typed line to be taken", || {
            let taken = typed().is_none_or(|typed| !typed.starts_with(line));
            taken || self.has_ended()
        });
    }

    /// Presses a key, and again after each pause, until it had its effect.
    fn press_until(&self, key: &str, pause: Duration, what: &str, done: impl Fn() -> bool) {
        let mut pressed = None;
        self.typed_at.set(clock::now());
        wait_within(SHOWS, what, || {
            if pressed.is_none_or(|at| clock::steady() - at > pause) {
                self.press(key);
                pressed = Some(clock::steady());
            }
            done().then_some(())
        });
    }

    /// Whether its program has ended. What it showed last is still there.
    pub(super) fn has_ended(&self) -> bool {
        self.tell("#{pane_dead}") == "1"
    }

    /// What tmux tells of its terminal.
    fn tell(&self, format: &str) -> String {
        let said = self
            .lab
            .tmux(&["display-message", "-p", "-t", &self.pane, format]);
        said.trim().to_owned()
    }

    /// Presses a key by tmux's name of it.
    pub(super) fn press(&self, key: &str) {
        self.lab.tmux(&["send-keys", "-t", &self.pane, key]);
    }

    /// Answers what is shown with a key.
    pub(super) fn answer(&self, shown: Shown, key: &str) {
        let what = format!("{shown:?} to be answered");
        self.press_until(key, ANSWER_AGAIN, &what, || self.shown() != shown);
    }

    /// Waits until the screen has this text.
    pub(super) fn sees(&self, text: &str) {
        wait_within(SHOWS, &format!("{text:?} on the screen"), || {
            self.screen().contains(text).then_some(())
        });
    }

    /// Waits until the screen shows this, whatever vmux says.
    pub(super) fn shows(&self, shown: Shown) {
        wait_within(SHOWS, &format!("the screen to show {shown:?}"), || {
            (self.shown() == shown).then_some(())
        });
    }

    /// Waits until it has made a file.
    pub(super) fn makes(&self, file: &Path) {
        wait_within(SHOWS, &file.to_string_lossy(), || {
            file.exists().then_some(())
        });
    }

    /// Nothing on the screen tells of a hook that failed.
    pub(super) fn shows_no_trouble(&self) {
        let screen = self.screen();
        for word in ["hook", "EPIPE", "rror"] {
            assert!(!screen.contains(word), "{word:?} is in\n{screen}");
        }
    }

    /// What it asks, whole, as vmux prints it, once it can be answered from there.
    pub(super) fn asked(&self) -> String {
        wait_within(AGREES, "a request that can be answered", || {
            self.row()?.answerable
        });
        self.lab.says(&["answer", &self.pid.to_string()]).unwrap()
    }

    /// Answers in vmux what was `asked`.
    pub(super) fn answer_from_vmux(&self, asked: &str, words: &[&str]) {
        let number = asked.split_once("(request ").unwrap().1;
        let number = number.split_once(')').unwrap().0;
        let fixed = ["answer", &self.pid.to_string(), "--request", number];
        let said = self.lab.says(&[&fixed, words].concat());
        let said = said.unwrap_or_else(|said| panic!("vmux answer {words:?}: {said}"));
        assert!(said.ends_with(" was answered\n"), "{said}");
    }

    /// Waits until nothing of it can be answered, and no hook of it waits any more.
    pub(super) fn expect_unasked(&self) {
        let mut left = None;
        let gone = poll(AGREES, || {
            let now = (self.row()?.answerable, self.lab.waiting_hooks());
            let done = now == (None, Vec::new());
            left = Some(now);
            done.then_some(())
        });
        assert!(gone.is_some(), "it still waits for an answer: {left:?}");
    }

    /// Waits until the screen shows this, and then until vmux says the same of it, while the
    /// screen still does. In between vmux may show the state before, and work; nothing else.
    pub(super) fn expect(&mut self, shown: Shown, want: &Want) -> Row {
        let before = std::mem::replace(&mut self.state, want.state);
        let allowed = [before, "working", want.state];
        let mut last = None;
        let mut look = || {
            let row = self.row();
            if let Some(state) = row.as_ref().map(|row| row.state.as_str()) {
                assert!(
                    before.is_empty() || allowed.contains(&state),
                    "vmux said {state} between {before} and {}: {row:?}",
                    want.state
                );
            }
            last = row.clone();
            row
        };
        wait_within(SHOWS, &format!("the screen to show {shown:?}"), || {
            look();
            (self.shown() == shown).then_some(())
        });
        let row = poll(AGREES, || look().filter(|row| want.fits(row)));
        let row = row.unwrap_or_else(|| {
            panic!("the screen shows {shown:?}; vmux should say {want}, but says {last:?}")
        });
        let now = self.shown();
        assert_eq!(
            now, shown,
            "it went on while vmux was asked; a story should hold it"
        );
        row
    }

    /// Whether this is a time since the last keys were pressed.
    pub(super) fn is_new(&self, time: Option<DateTime<Utc>>) -> bool {
        let since = self.typed_at.get() - SLACK;
        time.is_some_and(|time| since <= time && time <= clock::now() + SLACK)
    }

    /// Its status file.
    pub(super) fn file(&self) -> PathBuf {
        let name = format!("home/.claude/sessions/{}.json", self.pid);
        self.lab.path(&name)
    }

    /// Removes its status file, and waits until vmux has noted that.
    pub(super) fn lose_file(&self) {
        fs::remove_file(self.file()).unwrap();
        wait_within(AGREES, "the loss to be noted", || {
            let explained = self.lab.says(&["explain", &self.pid.to_string()]);
            explained.unwrap().contains("lost at: ").then_some(())
        });
    }

    /// Waits until vmux no longer lists it.
    pub(super) fn expect_gone(&self) {
        wait_within(SHOWS, "its row to go", || {
            self.row().is_none().then_some(())
        });
    }
}
