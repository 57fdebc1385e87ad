//! What sessions go through. Each story is held against the screen at every step.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

pub(super) use super::changes::changes;
pub(super) use super::recorded::cuts_are_exact;
use super::screen::{self, Shown};
use super::session::{Session, Want};
use crate::kit::Lab;

/// Asks before each tool, whatever a version's default is.
pub(super) const ASKING: [&str; 2] = ["--permission-mode", "default"];

/// A command that is asked for, and runs until the file `go` is there (for two minutes at most).
const LONG: &str = "touch made.txt; for i in {1..1200}; do [ -e go ] || sleep 0.1; done";

/// Text streams, ends, is interrupted, fails.
pub(super) fn turns(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle().seen());
    // Answered at once: what a version writes first is then in no order.
    claude.say("say:all is well");
    claude.sees("● all is well");
    claude.expect(Shown::Idle, &Want::idle().preview("all is well"));
    claude.say("hold:first");
    let row = claude.expect(Shown::Working, &Want::working());
    assert!(claude.is_new(row.state_since), "{row:?}");
    lab.go("first");
    claude.sees("finished");
    claude.expect(Shown::Idle, &Want::idle().unseen());
    claude.say("hold:second");
    lab.until_said("second");
    claude.expect(Shown::Working, &Want::working());
    claude.answer(Shown::Working, "Escape");
    claude.expect(Shown::Idle, &Want::idle_because("interrupted").seen());
    claude.say("error:400");
    claude.sees("API Error: 400");
    claude.expect(Shown::Idle, &Want::idle_because("error"));
    claude.say("question");
    let asked = "I found two ways. Which one do you prefer?";
    claude.sees(asked);
    claude.expect(Shown::Idle, &Want::idle().preview(asked));
}

/// Interrupted before the first word: the CLI takes the prompt back as if it was never said.
pub(super) fn second_thoughts(lab: &Lab, want: &Want) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:hello");
    claude.sees("● hello");
    claude.expect(Shown::Idle, &Want::idle().preview("hello"));
    claude.say("stall:first");
    claude.expect(Shown::Working, &Want::working());
    claude.answer(Shown::Working, "Escape");
    claude.expect(Shown::Idle, want);
}

/// A tool asks, runs, is refused.
pub(super) fn permissions(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say(&format!("bash:{LONG}"));
    let ask = format!("Bash({LONG})");
    let row = claude.expect(Shown::Permission, &Want::asking("permission prompt", &ask));
    assert!(claude.is_new(row.waiting_since), "{row:?}");
    claude.sees("touch made.txt");
    claude.answer(Shown::Permission, "Enter");
    let row = claude.expect(Shown::Working, &Want::working());
    assert!(claude.is_new(row.state_since), "{row:?}");
    fs::write(lab.path("work/go"), "").unwrap();
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().unseen().preview("done"));
    claude.say("bash:touch refused.txt");
    let ask = Want::asking("permission prompt", "Bash(touch refused.txt)");
    claude.expect(Shown::Permission, &ask);
    claude.answer(Shown::Permission, "Escape");
    claude.expect(Shown::Idle, &Want::idle_because("interrupted").seen());
    let file = lab.path("work/file.txt").to_string_lossy().into_owned();
    claude.say(&format!("write:{file}"));
    let ask = format!("Write({file})");
    let ask = Want::asking("permission prompt", &ask);
    claude.expect(Shown::Permission, &ask);
    // 2.0.77 has no such option, only Esc.
    let no = screen::option(&claude.screen(), "No");
    claude.answer(Shown::Permission, no.as_deref().unwrap_or("Escape"));
    claude.expect(Shown::Idle, &Want::idle_because("interrupted").seen());
    claude.say(&format!("write:{file}"));
    claude.expect(Shown::Permission, &ask);
    claude.answer(Shown::Permission, "Enter");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
}

/// A tool that needs no permission runs: nobody is ever asked.
pub(super) fn tools(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("bash:sleep 8");
    claude.expect(Shown::Working, &Want::working());
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
}

/// A question with options, answered and dismissed.
pub(super) fn questions(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    let asked = Want::asking("question", "Which colour do you want?");
    claude.say("ask");
    let row = claude.expect(Shown::Question, &asked);
    assert!(claude.is_new(row.waiting_since), "{row:?}");
    claude.answer(Shown::Question, "Enter");
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.say("ask");
    claude.expect(Shown::Question, &asked);
    claude.answer(Shown::Question, "Escape");
    claude.expect(Shown::Idle, &Want::idle_because("interrupted").seen());
}

/// A plan waits for its yes.
pub(super) fn plans(lab: &Lab) {
    let mut claude = lab.claude(&["--permission-mode", "plan"]);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("plan");
    claude.expect(Shown::Plan, &Want::asking("plan", "Paint it"));
    claude.answer(Shown::Plan, "Escape");
    claude.expect(Shown::Idle, &Want::idle_because("interrupted"));
}

/// A menu that its user opened is no question.
pub(super) fn menus(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("/model");
    claude.expect(Shown::Menu, &Want::waiting("dialog"));
    claude.answer(Shown::Menu, "Escape");
    claude.expect(Shown::Idle, &Want::idle());
}

/// `/clear` makes another conversation of the same session; the label goes along.
pub(super) fn clearing(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:before");
    claude.sees("● before");
    let before = claude.expect(Shown::Idle, &Want::idle().preview("before"));
    lab.says(&["label", &before.id, "paint shop"]).unwrap();
    claude.say("/clear");
    claude.say("say:after");
    claude.sees("● after");
    let after = claude.expect(Shown::Idle, &Want::idle().preview("after"));
    assert_eq!(after.id, before.id);
    assert_ne!(after.session_id, before.session_id);
    assert_eq!(after.label.as_deref(), Some("paint shop"));
    claude.say("hold:cleared");
    claude.expect(Shown::Working, &Want::working());
    lab.go("cleared");
    claude.expect(Shown::Idle, &Want::idle());
}

/// Another process takes a conversation up; the label is the conversation's.
pub(super) fn resuming(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:to be continued");
    claude.sees("● to be continued");
    let before = claude.expect(Shown::Idle, &Want::idle().preview("to be continued"));
    lab.says(&["label", &before.id, "serial"]).unwrap();
    claude.say("/exit");
    claude.expect_gone();
    let mut claude = lab.claude(&[&ASKING[..], &["--continue"]].concat());
    let after = claude.expect(Shown::Idle, &Want::idle().preview("to be continued"));
    assert_ne!(after.id, before.id);
    assert_eq!(after.session_id, before.session_id);
    assert_eq!(after.label.as_deref(), Some("serial"));
}

/// `/resume` goes back to a conversation in the same process.
pub(super) fn going_back(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:before");
    claude.sees("● before");
    let before = claude.expect(Shown::Idle, &Want::idle().preview("before"));
    claude.say("/clear");
    claude.say("say:after");
    claude.sees("● after");
    claude.expect(Shown::Idle, &Want::idle().preview("after"));
    claude.say("/resume");
    claude.expect(Shown::Menu, &Want::waiting("dialog"));
    claude.press("Down");
    claude.answer(Shown::Menu, "Enter");
    let back = claude.expect(Shown::Idle, &Want::idle().preview("before"));
    assert_eq!((back.id, back.session_id), (before.id, before.session_id));
}

/// A session with a configuration directory of its own.
pub(super) fn own_configuration(lab: &Lab) {
    lab.follow_all();
    let config = lab.seed("config");
    let variable = format!("CLAUDE_CONFIG_DIR={}", config.display());
    let mut claude = lab.claude_with(&[&variable], &ASKING);
    // Nobody watches there before its first session is found.
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:from elsewhere");
    claude.sees("● from elsewhere");
    claude.expect(Shown::Idle, &Want::idle().preview("from elsewhere"));
    claude.say("bash:touch elsewhere.txt");
    let ask = Want::asking("permission prompt", "Bash(touch elsewhere.txt)");
    claude.expect(Shown::Permission, &ask);
}

/// A shell that goes on in the background is no work, in the words of `want`.
pub(super) fn background_shell(lab: &Lab, want: &Want) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("bg:sleep 60");
    claude.sees("● done");
    claude.expect(Shown::Idle, want);
    claude.say("hold:meanwhile");
    claude.expect(Shown::Working, &Want::working());
    lab.go("meanwhile");
    claude.sees("finished");
    claude.expect(Shown::Idle, want);
}

/// A subagent goes on after the turn is over, then asks.
pub(super) fn background_agent(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("bgtask:hold:agent");
    claude.sees("● done");
    claude.expect(Shown::Working, &Want::working().preview("done"));
    lab.go("agent");
    claude.sees("finished");
    claude.expect(Shown::Idle, &Want::idle().unseen());
    claude.say("bgtask:bash:touch agent.txt");
    let ask = Want::asking("permission prompt", "Bash(touch agent.txt)");
    claude.expect(Shown::Permission, &ask);
    claude.answer(Shown::Permission, "Enter");
    claude.expect(Shown::Idle, &Want::idle());
}

/// A subagent that the turn waits for asks.
pub(super) fn agent_asks(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say(&format!("task:bash:{LONG}"));
    let ask = format!("Bash({LONG})");
    let row = claude.expect(Shown::Permission, &Want::asking("permission prompt", &ask));
    assert!(claude.is_new(row.waiting_since), "{row:?}");
    claude.answer(Shown::Permission, "Enter");
    claude.expect(Shown::Working, &Want::working());
    fs::write(lab.path("work/go"), "").unwrap();
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
}

/// Two sessions of one directory are never taken for each other.
pub(super) fn neighbours(lab: &Lab) {
    let (mut left, mut right) = both_speak(lab);
    right.expect(Shown::Idle, &Want::idle().preview("from the right"));
    left.expect(Shown::Idle, &Want::idle().preview("from the left"));
    left.say("hold:left");
    left.expect(Shown::Working, &Want::working());
    right.expect(Shown::Idle, &Want::idle().preview("from the right"));
    lab.go("left");
    left.expect(Shown::Idle, &Want::idle());
    left.say("/clear");
    left.say("say:left again");
    left.sees("● left again");
    left.expect(Shown::Idle, &Want::idle().preview("left again"));
    right.expect(Shown::Idle, &Want::idle().preview("from the right"));
    right.say("/exit");
    right.expect_gone();
    left.expect(Shown::Idle, &Want::idle().preview("left again"));
}

/// Two sessions of one directory that no file tells apart: neither gets what may be the other's.
pub(super) fn doubtful_neighbours(lab: &Lab) {
    let (mut left, mut right) = both_speak(lab);
    right.expect(Shown::Idle, &Want::ambiguous());
    left.expect(Shown::Idle, &Want::ambiguous());
    right.say("/exit");
    right.expect_gone();
    left.say("say:left alone");
    left.sees("● left alone");
    left.expect(Shown::Idle, &Want::idle().preview("left alone"));
}

/// The same where their files tell, until one of them clears.
pub(super) fn neighbours_until_cleared(lab: &Lab) {
    let (mut left, mut right) = both_speak(lab);
    right.expect(Shown::Idle, &Want::idle().preview("from the right"));
    left.expect(Shown::Idle, &Want::idle().preview("from the left"));
    left.say("/clear");
    left.say("say:left again");
    left.sees("● left again");
    left.expect(Shown::Idle, &Want::ambiguous());
    right.expect(Shown::Idle, &Want::ambiguous());
    right.say("/exit");
    right.expect_gone();
    left.say("say:left alone");
    left.sees("● left alone");
    left.expect(Shown::Idle, &Want::idle().preview("left alone"));
}

/// Two old sessions of one directory whose hooks tell them apart.
pub(super) fn hooked_neighbours(lab: &Lab) {
    hooks(lab, &["install"]);
    neighbours(lab);
}

fn both_speak(lab: &Lab) -> (Session<'_>, Session<'_>) {
    let mut left = lab.claude(&ASKING);
    left.expect(Shown::Idle, &Want::idle());
    let mut right = lab.claude(&ASKING);
    right.expect(Shown::Idle, &Want::idle());
    left.say("say:from the left");
    left.sees("● from the left");
    right.say("say:from the right");
    right.sees("● from the right");
    (left, right)
}

/// Ends: politely, and killed with its file left behind.
pub(super) fn ends(lab: &Lab) {
    let mut polite = lab.claude(&ASKING);
    let mut killed = lab.claude_in("other", &ASKING);
    polite.expect(Shown::Idle, &Want::idle());
    killed.expect(Shown::Idle, &Want::idle());
    killed.say("hold:killed");
    killed.expect(Shown::Working, &Want::working());
    let pid = Pid::from_raw(killed.pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    killed.expect_gone();
    polite.expect(Shown::Idle, &Want::idle());
    polite.say("/exit");
    polite.expect_gone();
}

/// Another program takes the status file away: while nothing goes on, during work, during a dialog.
/// It is never written again, and what the session does is told all the same.
pub(super) fn lost_files(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("say:before");
    claude.sees("● before");
    let before = claude.expect(Shown::Idle, &Want::idle().preview("before"));
    claude.lose_file();
    let lost = claude.expect(Shown::Idle, &Want::idle().preview("before"));
    assert_eq!(
        (&lost.session_id, &lost.version),
        (&before.session_id, &before.version)
    );
    claude.say("hold:first");
    claude.expect(Shown::Working, &Want::working());
    lab.go("first");
    claude.expect(Shown::Idle, &Want::idle().unseen());
    claude.say("/clear");
    claude.say("say:after");
    claude.sees("● after");
    let cleared = claude.expect(Shown::Idle, &Want::idle().preview("after"));
    assert_ne!(cleared.session_id, before.session_id);
    assert!(!claude.file().exists(), "it was written again");
    claude.say("/exit");
    claude.expect_gone();

    let mut works = lab.claude_in("other", &ASKING);
    works.expect(Shown::Idle, &Want::idle());
    works.say("hold:second");
    works.expect(Shown::Working, &Want::working());
    works.lose_file();
    works.expect(Shown::Working, &Want::working());
    lab.go("second");
    works.expect(Shown::Idle, &Want::idle().unseen());

    let mut asks = lab.claude(&ASKING);
    asks.expect(Shown::Idle, &Want::idle());
    asks.say(&format!("bash:{LONG}"));
    let ask = Want::asking("permission prompt", &format!("Bash({LONG})"));
    asks.expect(Shown::Permission, &ask);
    asks.lose_file();
    asks.expect(Shown::Permission, &ask);
    asks.answer(Shown::Permission, "Enter");
    asks.expect(Shown::Working, &Want::working());
    fs::write(lab.path("work/go"), "").unwrap();
    asks.sees("● done");
    asks.expect(Shown::Idle, &Want::idle().preview("done"));
}

/// The file of a killed session stays; it must not bring the session back.
pub(super) fn leftovers(lab: &Lab) {
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    let file = claude.file();
    let pid = Pid::from_raw(claude.pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    claude.expect_gone();
    assert!(file.exists());
    let scanned = lab.says(&["--no-daemon", "list", "--json"]).unwrap();
    assert!(!scanned.contains(&format!("\"pid\":{}", claude.pid)));
}

/// Ctrl+Z and `fg` in a shell.
pub(super) fn suspending(lab: &Lab) {
    let mut claude = lab.claude_from_shell("work", &ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("hold:away");
    claude.expect(Shown::Working, &Want::working());
    claude.answer(Shown::Working, "C-z");
    claude.expect(Shown::Shell, &Want::idle_because("suspended"));
    claude.enter("fg");
    claude.expect(Shown::Working, &Want::working());
    lab.go("away");
    claude.expect(Shown::Idle, &Want::idle());
}

/// What a script runs is listed with `--all` only.
pub(super) fn scripts(lab: &Lab) {
    let claude = lab.claude(&["-p", "hold:script"]);
    claude.comes_as("headless");
    assert!(claude.row().is_none(), "only with --all");
    lab.go("script");
    claude.expect_gone();
}

/// A directory that is not trusted: a dialog before there is any session.
pub(super) fn start_dialog(lab: &Lab, want: &Want) {
    let mut claude = lab.claude_from_shell("unknown", &ASKING);
    claude.expect(Shown::StartDialog, want);
    // The newest versions have "No" chosen at first.
    if claude.screen().contains("❯ No") {
        claude.press("Down");
    }
    claude.answer(Shown::StartDialog, "Enter");
    claude.expect(Shown::Idle, &Want::idle());
}

/// Settings of the user's own.
const SETTINGS: &str = "{\n    \"cleanupPeriodDays\": 99\n}\n";

/// Changes the hooks of this world. Without a name, those of all that runs here would be changed.
fn hooks(lab: &Lab, words: &[&str]) -> String {
    let config = lab.path("home/.claude");
    fs::create_dir_all(&config).unwrap();
    let named = ["--config-dir", config.to_str().unwrap()];
    lab.says(&[&["hooks"], words, &named].concat()).unwrap();
    fs::read_to_string(config.join("settings.json")).unwrap()
}

/// Installs the hooks that answer. Returns the settings with them.
fn install_answers(lab: &Lab) -> String {
    fs::create_dir_all(lab.path("home/.claude")).unwrap();
    fs::write(lab.path("home/.claude/settings.json"), SETTINGS).unwrap();
    hooks(lab, &["install", "--answers"])
}

/// What is asked is read and answered in vmux; afterwards the settings are as they were.
pub(super) fn answers(lab: &Lab) {
    let installed = install_answers(lab);
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("bash:touch made.txt");
    let ask = Want::asking("permission prompt", "Bash(touch made.txt)");
    claude.expect(Shown::Permission, &ask);
    let asked = claude.asked();
    assert!(asked.contains(": Bash\n  touch made.txt\n"), "{asked}");
    claude.answer_from_vmux(&asked, &["allow"]);
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.expect_unasked();
    assert!(lab.path("work/made.txt").exists());

    let file = lab.path("work/file.txt").to_string_lossy().into_owned();
    claude.say(&format!("write:{file}"));
    let ask = Want::asking("permission prompt", &format!("Write({file})"));
    claude.expect(Shown::Permission, &ask);
    let asked = claude.asked();
    assert!(
        asked.contains(&format!(": Write\n  {file}\n  + lab\n")),
        "{asked}"
    );
    claude.answer_from_vmux(&asked, &["deny", "--message", "use a brush"]);
    claude.sees("use a brush");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.expect_unasked();
    assert!(!lab.path("work/file.txt").exists());

    claude.say("ask");
    let ask = Want::asking("question", "Which colour do you want?");
    claude.expect(Shown::Question, &ask);
    let asked = claude.asked();
    assert!(asked.contains("\n  2  Blue  a cold one\n"), "{asked}");
    claude.answer_from_vmux(&asked, &["2"]);
    claude.sees("Which colour do you want? → Blue");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.expect_unasked();

    let settings = lab.path("home/.claude/settings.json");
    assert_eq!(fs::read_to_string(&settings).unwrap(), installed);
    assert_eq!(hooks(lab, &["uninstall"]), SETTINGS);
}

/// Who answers in the terminal leaves nobody waiting in vmux.
pub(super) fn answers_there(lab: &Lab) {
    install_answers(lab);
    let mut claude = lab.claude(&ASKING);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say(&format!("bash:{LONG}"));
    let ask = Want::asking("permission prompt", &format!("Bash({LONG})"));
    claude.expect(Shown::Permission, &ask);
    claude.asked();
    assert!(!lab.waiting_hooks().is_empty());
    claude.answer(Shown::Permission, "Enter");
    claude.expect(Shown::Working, &Want::working());
    claude.expect_unasked();
    fs::write(lab.path("work/go"), "").unwrap();
    claude.sees("● done");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));

    claude.say("bash:touch refused.txt");
    let ask = Want::asking("permission prompt", "Bash(touch refused.txt)");
    claude.expect(Shown::Permission, &ask);
    claude.asked();
    claude.answer(Shown::Permission, "Escape");
    claude.expect(Shown::Idle, &Want::idle_because("interrupted").seen());
    claude.expect_unasked();
    assert!(!lab.path("work/refused.txt").exists());
}

/// Without a daemon it is as if vmux was not there.
pub(super) fn answers_nothing(lab: &Lab) {
    install_answers(lab);
    let claude = lab.claude(&ASKING);
    claude.shows(Shown::Idle);
    lab.stop_daemon();
    let (made, large) = (lab.path("work/made.txt"), lab.path("work/large.txt"));
    // The second is more than a pipe holds, and its hook ends without having read it.
    for (request, file) in [
        ("bash:touch made.txt", &made),
        (&format!("fill:{}", large.display()), &large),
    ] {
        claude.say(request);
        claude.shows(Shown::Permission);
        claude.shows_no_trouble();
        claude.answer(Shown::Permission, "Enter");
        claude.makes(file);
        claude.shows(Shown::Idle);
        claude.shows_no_trouble();
    }
    assert_eq!(lab.waiting_hooks(), Vec::<String>::new());
    let status = lab.says(&["daemon", "status"]).unwrap_err();
    assert!(status.contains("not running"), "{status}");
}

/// A plan is read and answered in vmux; the session leaves plan mode then, or `stays` in it.
pub(super) fn answers_plan(lab: &Lab, stays: &bool) {
    install_answers(lab);
    let mut claude = lab.claude(&["--permission-mode", "plan"]);
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("plan");
    claude.expect(Shown::Plan, &Want::asking("plan", "Paint it"));
    let asked = claude.asked();
    let plan = ": ExitPlanMode\n  # Paint it\n  \n  1. Open the tin\n";
    assert!(asked.contains(plan), "{asked}");
    claude.answer_from_vmux(&asked, &["deny", "--message", "buy a brush"]);
    // 2.0.77 shows no more of it.
    claude.sees("Denied by PermissionRequest hook");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.expect_unasked();
    assert!(claude.screen().contains("plan mode on"));
    claude.say("plan");
    claude.expect(Shown::Plan, &Want::asking("plan", "Paint it"));
    let asked = claude.asked();
    claude.answer_from_vmux(&asked, &["allow"]);
    claude.sees("Allowed by PermissionRequest hook");
    claude.expect(Shown::Idle, &Want::idle().preview("done"));
    claude.expect_unasked();
    assert_eq!(claude.screen().contains("plan mode on"), *stays);
}
