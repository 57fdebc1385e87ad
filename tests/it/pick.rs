//! `vmux pick` as a person uses it: the real binary in a private tmux, a private daemon, and
//! sessions that are real processes whose files the test writes.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::process::wait_seeing;
use crate::kit::{Home, Shown};

/// Longest wait for anything, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn wait_for<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    wait_seeing(PATIENCE, what, look)
}

/// How a session is, and more of its status file.
fn is(session: &Shown, status: &str, mut more: Value) {
    more["status"] = status.into();
    session.set(more);
}

struct World {
    home: Home,
}

impl World {
    fn new() -> Self {
        Self { home: Home::new() }
    }

    fn vmux(&self, words: &[&str]) -> Output {
        self.home.vmux(words)
    }

    /// Starts a session and waits until vmux has it in this state.
    fn session(&self, name: &str, status: &str, more: Value) -> Shown {
        let session = self.home.start(name);
        is(&session, status, more);
        let want = match status {
            "busy" => "working",
            "waiting" => "needs_input",
            other => other,
        };
        wait_for("the session in the list", || {
            let listed = self.listed(session.pid);
            if listed["state"] == want {
                Ok(())
            } else {
                Err(listed.to_string())
            }
        });
        session
    }

    /// A session as scripts see it; null if it is not listed.
    fn listed(&self, pid: u32) -> Value {
        let done = self.vmux(&["list", "--json"]);
        let reply: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        let sessions = reply["sessions"].as_array().cloned().unwrap_or_default();
        let found = sessions.into_iter().find(|session| session["pid"] == pid);
        found.unwrap_or_default()
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = self.home.command("tmux");
        command.arg("-S").arg(self.home.path("tmux"));
        command.args(["-f", "/dev/null"]);
        let done = command.args(words).output().expect("tmux is installed");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Ends the server, and waits for that: one that is about to end still takes a session, which
    /// then ends with it.
    fn end_tmux(&self) {
        self.tmux(&["kill-server"]);
        wait_for("the end of tmux", || {
            let server = UnixStream::connect(self.home.path("tmux"));
            server.err().ok_or(String::new())
        });
    }

    /// Runs `vmux pick` in a terminal of 100 by 30; `redirect` is for the shell.
    fn open(&self, args: &str, redirect: &str) -> Screen<'_> {
        self.open_here(&format!("{args} >out {redirect}"))
    }

    /// The same with the terminal as its standard output.
    fn open_here(&self, args: &str) -> Screen<'_> {
        let vmux = env!("CARGO_BIN_EXE_vmux");
        let script = format!("{vmux} pick {args}; echo $? >rc.new; mv rc.new rc; exec sleep 3600");
        self.tmux(&["new-session", "-d", "-x", "100", "-y", "30", &script]);
        self.tmux(&["set", "-g", "status", "off"]);
        Screen { world: self }
    }
}

/// An open list.
struct Screen<'w> {
    world: &'w World,
}

impl Screen<'_> {
    fn text(&self) -> String {
        self.world.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen has all of these, and none of those with a `!`.
    fn shows(&self, parts: &[&str]) -> String {
        wait_for(&format!("{parts:?}"), || {
            let text = self.text();
            let shown = |part: &&str| match part.strip_prefix('!') {
                Some(part) => !text.contains(part),
                None => text.contains(part),
            };
            if parts.iter().all(shown) {
                Ok(text)
            } else {
                Err(text)
            }
        })
    }

    fn press(&self, keys: &[&str]) {
        self.world.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for the end: the exit code, and what was printed.
    fn end(&self) -> (i32, String) {
        let rc = wait_for("its end", || {
            fs::read_to_string(self.world.home.path("work/rc")).map_err(|_| self.text())
        });
        let out = fs::read_to_string(self.world.home.path("work/out")).unwrap();
        (rc.trim().parse().unwrap(), out)
    }
}

#[test]
#[ignore = "needs tmux"]
fn pick_filters_by_what_is_typed_and_prints_the_choice() {
    let world = World::new();
    let _web = world.session("shop-web", "busy", json!({}));
    let api = world.session("api-server", "idle", json!({}));
    let screen = world.open("--print", "");
    let text = screen.shows(&["shop-web", "api-server", "enter focus"]);
    assert!(text.contains("alt-r label  alt-k end  alt-s show waiting  alt-n new"));
    screen.press(&["apis"]);
    screen.shows(&[
        "vmux> apis",
        "! shop-web ",
        "\u{258c} api-server",
        "1 of 2 fit",
    ]);
    screen.press(&["Enter"]);
    assert_eq!(screen.end(), (0, format!("{}\n", api.id())));
}

#[test]
#[ignore = "needs tmux"]
fn pick_is_left_silently_without_a_choice() {
    for key in ["Escape", "C-c"] {
        let world = World::new();
        let _web = world.session("shop-web", "busy", json!({}));
        let screen = world.open("--print", "2>err");
        screen.shows(&["shop-web"]);
        screen.press(&[key]);
        assert_eq!(screen.end(), (130, String::new()), "{key}");
        // The list was drawn on the terminal all the same.
        assert_eq!(fs::read_to_string(world.home.path("work/err")).unwrap(), "");
        let text = screen.text();
        assert!(
            !text.contains("shop-web"),
            "the screen is as it was:\n{text}"
        );
    }
}

#[test]
#[ignore = "needs tmux"]
fn pick_follows_states_while_cursor_and_query_stay() {
    let world = World::new();
    let web = world.session("shop-web", "busy", json!({}));
    let api = world.session("shop-api", "busy", json!({}));
    let screen = world.open("--print", "");
    screen.shows(&["shop-web", "shop-api"]);
    screen.press(&["shop", "Down"]);
    let text = screen.shows(&["vmux> shop\n", "2 of 2 fit"]);
    let below = text.lines().nth(4).unwrap().to_owned();
    let (under, other) = if below.contains("shop-web") {
        (&web, &api)
    } else {
        (&api, &web)
    };
    is(other, "waiting", json!({"waitingFor": "permission prompt"}));
    screen.shows(&["waiting "]);
    is(under, "idle", json!({}));
    let text = screen.shows(&["idle "]);
    assert!(text.starts_with("vmux> shop\n"), "{text}");
    let new = world.session("shop-new", "busy", json!({}));
    screen.shows(&["shop-new", "3 of 3 fit"]);
    drop(new);
    let text = screen.shows(&["ended"]);
    let cursor = text
        .lines()
        .find(|line| line.starts_with('\u{258c}'))
        .unwrap();
    assert!(cursor.contains("idle"), "{text}");
    screen.press(&["Enter"]);
    assert_eq!(screen.end(), (0, format!("{}\n", under.id())));
}

#[test]
#[ignore = "needs tmux"]
fn pick_shows_the_conversation_and_reads_on() {
    let world = World::new();
    let web = world.session("shop-web", "idle", json!({}));
    let project =
        vmux::agent::claude::find::encode_cwd(world.home.path("work/shop-web").to_str().unwrap());
    let file = world.home.path(&format!(
        "home/.claude/projects/{project}/s-{}.jsonl",
        web.pid
    ));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let line = |text: &str| format!("{}\n", crate::machine::answer(text));
    fs::write(&file, line("The first \u{1b}[31mthing\u{1b}[0m said.")).unwrap();
    is(&web, "busy", json!({}));
    let screen = world.open("--print", "");
    screen.shows(&["The first thing said.", "working "]);
    let more = line("A second thing.");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &more).unwrap();
    screen.shows(&["The first thing said.", "A second thing."]);
    screen.press(&["M-p"]);
    screen.shows(&["!\u{2500}\u{2500}\u{2500}"]);
}

#[test]
#[ignore = "needs tmux"]
fn pick_labels_by_key_and_returns_to_the_list() {
    let world = World::new();
    let web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("--print -- web", "");
    screen.shows(&["vmux> web\n", "shop-web"]);
    screen.press(&["M-r"]);
    screen.shows(&["label>", "A name for shop-web"]);
    screen.press(&["-l", "pay day"]);
    screen.press(&["Enter"]);
    wait_for("the label", || {
        let listed = world.listed(web.pid);
        if listed["label"] == "pay day" {
            Ok(())
        } else {
            Err(listed.to_string())
        }
    });
    // The query found it by its directory, and still does.
    screen.shows(&["vmux> web\n", "\u{258c} pay day "]);
    screen.press(&["M-r"]);
    screen.shows(&["label> pay day"]);
    screen.press(&["Escape"]);
    screen.shows(&["vmux> web\n", "\u{258c} pay day "]);
    screen.press(&["Enter"]);
    assert_eq!(screen.end(), (0, format!("{}\n", web.id())));
}

#[test]
#[ignore = "needs tmux"]
fn pick_ends_a_session_only_after_a_yes() {
    let world = World::new();
    let mut web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("--print", "");
    screen.shows(&["shop-web"]);
    screen.press(&["M-k"]);
    screen.shows(&["end it? [y/N]", "End shop-web (working "]);
    screen.press(&["Enter"]);
    screen.shows(&["vmux>", "!end it?"]);
    assert!(!web.ended(), "no is the default");
    screen.press(&["M-k"]);
    screen.shows(&["end it? [y/N]"]);
    screen.press(&["y", "Enter"]);
    wait_for("its end", || {
        if web.ended() {
            Ok(())
        } else {
            Err(screen.text())
        }
    });
    screen.shows(&["\u{258c} shop-web ", "ended"]);
    screen.press(&["Enter"]);
    screen.shows(&["shop-web has ended"]);
    screen.press(&["Escape"]);
    assert_eq!(screen.end(), (130, String::new()));
}

/// No desktop is there: what is started is shown where the list was.
#[test]
#[ignore = "needs tmux"]
fn pick_starts_a_session_and_enters_it_again() {
    let world = World::new();
    let _web = world.session("shop-web", "busy", json!({}));
    let script = "echo \"in $PWD.\"; exec timeout 100 cat";
    world.home.play("claude", script);
    let docs = world.home.make_dir("work/docs");
    let docs = docs.to_str().unwrap();
    for what in ["its first line", "the same"] {
        let screen = world.open_here("-- shop");
        screen.shows(&["vmux> shop\n", "shop-web"]);
        screen.press(&["M-n"]);
        screen.shows(&["new>", "where?", "\u{258c} ", "1 live"]);
        screen.press(&["Escape"]);
        screen.shows(&["vmux> shop\n", "\u{258c} shop-web"]);
        screen.press(&["M-n"]);
        screen.shows(&["where?"]);
        screen.press(&["-l", docs]);
        screen.shows(&["\u{258c} docs ", "as typed"]);
        screen.press(&["Enter"]);
        screen.shows(&[&format!("in {docs}."), "!new>"]);
        screen.press(&[what, "Enter"]);
        screen.shows(&[what]);
        screen.press(&["C-]"]);
        screen.shows(&["detached from ", "comes back"]);
        let rc = wait_for("its end", || {
            fs::read_to_string(world.home.path("work/rc")).map_err(|_| screen.text())
        });
        assert_eq!(rc.trim(), "0");
        fs::remove_file(world.home.path("work/rc")).unwrap();
        world.end_tmux();
    }
    let hosted = world.vmux(&["list", "--hosted", "--json"]);
    let hosted: Value = serde_json::from_slice(&hosted.stdout).unwrap();
    let hosted = hosted.as_array().unwrap();
    assert_eq!(hosted.len(), 1, "{hosted:?}");
    let id = hosted[0]["id"].as_str().unwrap();
    let history = world.vmux(&["history", id]).stdout;
    let history = String::from_utf8_lossy(&history).into_owned();
    assert!(history.contains("the same"), "{history}");
    assert!(world.vmux(&["end", "--yes", id]).status.success());
}

#[test]
#[ignore = "needs tmux"]
fn pick_offers_projects_where_no_session_is() {
    let world = World::new();
    let screen = world.open("", "");
    screen.shows(&["new>", "no project is known yet"]);
    screen.press(&["Escape"]);
    screen.shows(&["vmux>", "no sessions"]);
    screen.press(&["Escape"]);
    assert_eq!(screen.end(), (130, String::new()));
    world.end_tmux();
    fs::remove_file(world.home.path("work/rc")).unwrap();
    let screen = world.open("--print", "2>err");
    assert_eq!(screen.end(), (1, String::new()));
    let error = fs::read_to_string(world.home.path("work/err")).unwrap();
    assert!(error.starts_with("vmux: no sessions\n"), "{error}");
}

#[test]
#[ignore = "needs tmux"]
fn pick_outlives_its_daemon() {
    let world = World::new();
    let web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("--print", "");
    screen.shows(&["shop-web", "1 working"]);
    assert!(world.vmux(&["daemon", "stop"]).status.success());
    screen.shows(&["is not running", "this may be old", "shop-web"]);
    assert!(
        !world.home.path("vmux/vmux.sock").exists(),
        "it starts no other"
    );
    assert!(world.vmux(&["daemon", "start"]).status.success());
    is(&web, "idle", json!({}));
    screen.shows(&["1 idle", "!this may be old"]);
}

#[test]
#[ignore = "needs tmux"]
fn pick_says_why_it_could_not_focus() {
    let world = World::new();
    let _web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("", "2>err");
    screen.shows(&["shop-web"]);
    screen.press(&["Enter"]);
    assert_eq!(screen.end(), (1, String::new()));
    let error = fs::read_to_string(world.home.path("work/err")).unwrap();
    assert!(
        error.starts_with("vmux: could not focus shop-web: "),
        "{error}"
    );
}

#[test]
#[ignore = "needs tmux"]
fn pick_takes_a_part_of_the_terminal_and_gives_it_back() {
    let world = World::new();
    let _web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("--print --height 40%", "");
    let text = screen.shows(&["shop-web"]);
    let lines = text.lines().filter(|line| !line.is_empty()).count();
    assert!(lines <= 12, "{text}");
    screen.press(&["Escape"]);
    assert_eq!(screen.end().0, 130);
    screen.shows(&["!shop-web", "!vmux>"]);
}

#[test]
#[ignore = "needs tmux"]
fn pick_gives_the_terminal_back_when_it_is_told_to_end() {
    let world = World::new();
    let _web = world.session("shop-web", "busy", json!({}));
    let screen = world.open("", "");
    screen.shows(&["shop-web"]);
    let shell = world.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let shell = shell.trim();
    let pick = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let pick = rustix::process::Pid::from_raw(pick.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pick, rustix::process::Signal::TERM).unwrap();
    assert_eq!(screen.end().0, 130);
    screen.shows(&["!shop-web", "!vmux>"]);
    let tty = world.tmux(&["display-message", "-p", "#{pane_tty}"]);
    let tty = fs::File::open(tty.trim()).unwrap();
    let modes = rustix::termios::tcgetattr(tty).unwrap().local_modes;
    assert!(
        modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO)
    );
}

#[test]
fn pick_needs_a_terminal() {
    let world = World::new();
    let mut command = world.home.command("setsid");
    let done = command
        .arg("-w")
        .arg(env!("CARGO_BIN_EXE_vmux"))
        .arg("pick");
    let done = done.output().expect("setsid is installed");
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{error}");
    assert!(
        error.starts_with("vmux: could not open the terminal: "),
        "{error}"
    );
    assert!(error.contains("\nhint: "), "{error}");
    assert!(done.stdout.is_empty());
    assert!(
        !world.home.path("vmux/vmux.sock").exists(),
        "no daemon was started"
    );
}

#[test]
fn pick_ranks_without_a_screen() {
    let world = World::new();
    let filter = |query: &str| {
        let mut command = world.home.command(env!("CARGO_BIN_EXE_vmux-pick"));
        let done = command.arg("--filter").arg(query).output().unwrap();
        let out = String::from_utf8(done.stdout).unwrap();
        (done.status.code().unwrap(), out)
    };
    let web = world.session("shop-web", "busy", json!({}));
    let api = world.session("shop-api", "busy", json!({}));
    assert_eq!(filter("shopapi"), (0, format!("{}\n", api.id())));
    let (code, both) = filter("web | api");
    let mut ids: Vec<&str> = both.lines().collect();
    ids.sort_unstable();
    let mut want = [web.id(), api.id()];
    want.sort_unstable();
    assert_eq!((code, ids), (0, want.iter().map(String::as_str).collect()));
    assert_eq!(filter("zzz"), (1, String::new()));
}

#[test]
fn pick_has_nothing_to_choose_from() {
    let world = World::new();
    let mut command = world.home.command(env!("CARGO_BIN_EXE_vmux-pick"));
    let done = command.args(["--filter", ""]).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&done.stderr),
        "vmux: no sessions\nhint: start claude or codex in a terminal and it appears here\n"
    );
}
