//! Window managers other than i3 and sway, asked by EWMH. The oracle is a key: it is typed into
//! whatever has the keyboard, and must arrive in that very terminal.

use std::time::Duration;

use serde_json::json;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask};

use super::attention::{finish, ok, wait_until};
use super::{Desktop, Shown, wait_for};
use crate::kit::manager::Manager;

/// All numbers of a property.
pub(super) fn numbers(desktop: &Desktop, window: u64, name: &str) -> Vec<u32> {
    let (x, root) = desktop.x();
    let window = if window == 0 { root } else { id(window) };
    let atom = x.intern_atom(false, name.as_bytes()).unwrap();
    let atom = atom.reply().unwrap().atom;
    let cookie = x.get_property(false, window, atom, AtomEnum::ANY, 0, 1024);
    let reply = cookie.unwrap().reply();
    let reply = reply.ok().filter(|reply| reply.format == 32);
    reply.map_or(Vec::new(), |reply| reply.value32().unwrap().collect())
}

fn id(window: u64) -> u32 {
    u32::try_from(window).unwrap()
}

/// Asks the window manager for something, as a pager does.
fn ask(desktop: &Desktop, window: u64, kind: &str, data: [u32; 5]) {
    let (x, root) = desktop.x();
    let window = if window == 0 { root } else { id(window) };
    let kind = x.intern_atom(false, kind.as_bytes()).unwrap();
    let message = ClientMessageEvent::new(32, window, kind.reply().unwrap().atom, data);
    let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
    x.send_event(false, root, mask, message).unwrap();
    // Answered once the message has been passed on.
    x.get_input_focus().unwrap().reply().unwrap();
}

fn atom(desktop: &Desktop, name: &str) -> u32 {
    let (x, _) = desktop.x();
    let atom = x.intern_atom(false, name.as_bytes()).unwrap();
    atom.reply().unwrap().atom
}

fn has_state(desktop: &Desktop, window: u64, name: &str) -> bool {
    numbers(desktop, window, "_NET_WM_STATE").contains(&atom(desktop, name))
}

fn shown_desktop(desktop: &Desktop) -> Vec<u32> {
    numbers(desktop, 0, "_NET_CURRENT_DESKTOP")
}

fn desktop_of(desktop: &Desktop, window: u64) -> Vec<u32> {
    numbers(desktop, window, "_NET_WM_DESKTOP")
}

fn put(desktop: &Desktop, window: u64, to: u32) {
    ask(desktop, window, "_NET_WM_DESKTOP", [to, 2, 0, 0, 0]);
    wait_for("the window to be moved", || {
        (desktop_of(desktop, window) == [to]).then_some(())
    });
}

/// A key that is typed now arrives there and nowhere else.
pub(super) fn assert_keys_reach(desktop: &Desktop, there: &Shown, elsewhere: &[&Shown]) {
    let before = |shown: &Shown| shown.typed().len();
    let (was, others) = (before(there), elsewhere.iter().map(|s| before(s)));
    let others: Vec<usize> = others.collect();
    desktop.xdotool(&["key", "x"]);
    wait_for(&format!("a key in {}", there.name), || {
        let still = elsewhere.iter().map(|shown| before(shown));
        assert!(still.eq(others.iter().copied()), "it is typed elsewhere");
        (before(there) > was).then_some(())
    });
}

/// A desktop with two listening sessions; the second has its window on another desktop.
struct Two {
    desktop: Desktop,
    near: Shown,
    far: Shown,
    near_window: u64,
    far_window: u64,
}

impl Two {
    fn under(manager: &Manager) -> Self {
        let desktop = Desktop::under(manager);
        ask(&desktop, 0, "_NET_NUMBER_OF_DESKTOPS", [2, 0, 0, 0, 0]);
        let [far, near] = ["far", "near"].map(|name| desktop.listener(name));
        let [far_window, near_window] = [&far, &near].map(|shown| desktop.window_of(shown));
        put(&desktop, far_window, 1);
        Self {
            desktop,
            near,
            far,
            near_window,
            far_window,
        }
    }

    fn is_near(&self) {
        assert_keys_reach(&self.desktop, &self.near, &[&self.far]);
    }

    fn is_far(&self) {
        assert_keys_reach(&self.desktop, &self.far, &[&self.near]);
    }

    /// Switches to the far one, which is where it was.
    fn goes_far(&self) {
        self.desktop.switch(&self.far);
        self.is_far();
        assert_eq!(shown_desktop(&self.desktop), [1]);
        assert_eq!(desktop_of(&self.desktop, self.far_window), [1], "it stayed");
    }

    fn goes_back(&self) {
        ok(&self.desktop, &["back"]);
        self.is_near();
        assert_eq!(shown_desktop(&self.desktop), [0]);
    }
}

/// What every one of them can: there and back, from wherever the window is.
fn walk(manager: &str) {
    let two = Two::under(&Manager::named(manager));
    let (desktop, far) = (&two.desktop, two.far_window);
    desktop.switch(&two.near);
    two.is_near();
    two.goes_far();
    two.goes_back();
    // Out of the icons.
    desktop.xdotool(&["windowminimize", &far.to_string()]);
    wait_for("an icon", || {
        let iconic = numbers(desktop, far, "WM_STATE").first() == Some(&3);
        (iconic || has_state(desktop, far, "_NET_WM_STATE_HIDDEN")).then_some(())
    });
    two.goes_far();
    two.goes_back();
    // Here and home again.
    ok(desktop, &["switch", "--summon", &two.far.name]);
    two.is_far();
    assert_eq!(shown_desktop(desktop), [0]);
    assert_eq!(desktop_of(desktop, far), [0]);
    two.goes_back();
    assert_eq!(desktop_of(desktop, far), [1], "it went home");
    // A mark for what waits out of sight.
    wait_until(desktop, &two.far, "out of sight", |s| {
        s["window"]["focused"] != true
    });
    two.far.waits(Duration::from_secs(60));
    let marked = |marked: bool| {
        wait_for(&format!("urgent: {marked}"), || {
            let demands = has_state(desktop, far, "_NET_WM_STATE_DEMANDS_ATTENTION");
            let hint = numbers(desktop, far, "WM_HINTS").first().copied();
            ((demands || hint.unwrap_or_default() & 256 != 0) == marked).then_some(())
        });
    };
    marked(true);
    two.far.set(json!({"status": "busy"}));
    marked(false);
    // One that has closed is said to be gone, and the manager lives on.
    desktop.xdotool(&["windowkill", &far.to_string()]);
    wait_for("its end", || (!two.far.is_alive()).then_some(()));
    let gone = desktop.vmux(&["switch", &two.far.id()]);
    assert!(!gone.status.success());
    desktop.switch(&two.near);
    assert_keys_reach(desktop, &two.near, &[]);
}

#[test]
#[ignore = "needs a desktop"]
fn a_walk_under_openbox() {
    walk("openbox");
}

#[test]
#[ignore = "needs a desktop"]
fn a_walk_under_xfwm4() {
    walk("xfwm4");
}

#[test]
#[ignore = "needs a desktop"]
fn a_walk_under_kwin_x11() {
    walk("kwin_x11");
}

#[test]
#[ignore = "needs a desktop"]
fn a_walk_under_awesome() {
    walk("awesome");
}

#[test]
#[ignore = "needs a desktop"]
fn a_walk_under_herbstluftwm() {
    walk("herbstluftwm");
}

/// Rolled up to its title bar, and on all desktops: those that have such states.
#[test]
#[ignore = "needs a desktop"]
fn a_rolled_up_window_is_rolled_down_and_one_on_all_desktops_moves_nobody() {
    for manager in ["openbox", "xfwm4", "kwin_x11"] {
        let two = Two::under(&Manager::named(manager));
        let (desktop, far) = (&two.desktop, two.far_window);
        let shaded = "_NET_WM_STATE_SHADED";
        let roll_up = [1, atom(desktop, shaded), 0, 2, 0];
        ask(desktop, far, "_NET_WM_STATE", roll_up);
        wait_for("a title bar", || {
            has_state(desktop, far, shaded).then_some(())
        });
        two.goes_far();
        assert!(!has_state(desktop, far, shaded), "{manager}");
        put(desktop, two.near_window, u32::MAX);
        wait_until(desktop, &two.near, "everywhere", |s| {
            s["workspace"] == "all"
        });
        desktop.switch(&two.near);
        two.is_near();
        assert_eq!(shown_desktop(desktop), [1], "{manager}");
        ok(desktop, &["switch", "--summon", &two.near.name]);
        assert_eq!(
            desktop_of(desktop, two.near_window),
            [u32::MAX],
            "{manager}"
        );
    }
}

/// Its tags are on monitors, and asking for one that is on the other monitor swaps them.
#[test]
#[ignore = "needs a desktop"]
fn the_monitors_of_herbstluftwm_keep_their_tags() {
    let two = Two::under(&Manager::named("herbstluftwm"));
    let herbst = |words: &[&str]| {
        let done = two.desktop.command("herbstclient").args(words).output();
        String::from_utf8_lossy(&done.unwrap().stdout).into_owned()
    };
    herbst(&["set_monitors", "640x800+0+0", "640x800+640+0"]);
    let tags = || {
        let monitors = herbst(&["list_monitors"]);
        let tags = monitors
            .lines()
            .map(|line| line.split('"').nth(1).map(str::to_owned));
        tags.collect::<Vec<_>>()
    };
    let before = tags();
    assert_eq!(before.len(), 2);
    two.goes_far();
    assert_eq!(tags(), before);
    two.goes_back();
    assert_eq!(tags(), before);
}

#[test]
#[ignore = "needs a desktop"]
fn what_waits_and_what_is_done_is_walked_through_and_seen_without_i3() {
    let two = Two::under(&Manager::named("openbox"));
    let desktop = &two.desktop;
    two.far.waits(Duration::from_secs(600));
    wait_until(desktop, &two.far, "waiting", |s| {
        s["state"] == "needs_input"
    });
    // As openbox names it.
    wait_until(desktop, &two.far, "elsewhere", |s| {
        s["workspace"] == "desktop 2"
    });
    ok(desktop, &["next"]);
    two.is_far();
    two.far.set(json!({"status": "busy"}));
    finish(desktop, &two.near);
    wait_until(desktop, &two.near, "unseen", |s| s["unseen"] == true);
    // By whatever route one looks at it.
    desktop.xdotool(&[
        "set_desktop",
        "0",
        "windowactivate",
        &two.near_window.to_string(),
    ]);
    wait_until(desktop, &two.near, "seen", |s| s["unseen"] != true);
}

/// Its window is gone before the focus moves, and the manager gives that to what was below.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_rofi_lands_without_i3() {
    for manager in ["openbox", "xfwm4"] {
        let two = Two::under(&Manager::named(manager));
        for (shown, other) in [(&two.far, &two.near), (&two.near, &two.far)] {
            super::rofi::open(&two.desktop);
            two.desktop.xdotool(&["type", "--delay", "1", &shown.name]);
            two.desktop.xdotool(&["key", "Return"]);
            super::rofi::wait_closed(&two.desktop);
            wait_until(&two.desktop, shown, "in focus", |s| {
                s["window"]["focused"] == true
            });
            assert_keys_reach(&two.desktop, shown, &[other]);
        }
    }
}

/// Who is asked on the one display says that the other one has the window, and that it cannot be
/// brought from there.
fn is_told_of_another_display(desktop: &Desktop, far: &Shown, other: &str) {
    let says = |words: &[&str]| {
        let done = desktop.vmux(&[words, &[&far.name]].concat());
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let away = format!("another display, {other}");
    for words in [
        &["switch"][..],
        &["switch", "--first"],
        &["switch", "--dry-run"],
        &["--no-daemon", "switch"],
    ] {
        let (done, said) = says(words);
        assert_eq!(
            (done, said),
            (
                true,
                format!("vmux: {}: its window is on {away}\n", far.name)
            ),
            "{words:?}"
        );
    }
    for words in [
        &["switch", "--summon"][..],
        &["switch", "--summon", "--dry-run"],
    ] {
        let (done, said) = says(words);
        let why = format!("it is on {away}, and no window can be brought from there");
        assert!(!done && said.contains(&why), "{words:?}: {said}");
    }
}

/// One daemon, i3 on one display and openbox on another.
#[test]
#[ignore = "needs a desktop"]
fn two_displays_at_once_have_each_their_own_window_manager() {
    let desktop = Desktop::under(&Manager::named("openbox"));
    let near = desktop.listener("near");
    let other = crate::kit::Display::start(None);
    let on_other = |program: &str| {
        let mut command = desktop.command(program);
        command
            .env("DISPLAY", &other.name)
            .stderr(std::process::Stdio::null());
        command
    };
    std::fs::write(desktop.path("i3.config"), "# i3 config file (v4)\n").unwrap();
    desktop.spawn(on_other("i3").arg("-c").arg(desktop.path("i3.config")));
    let script = desktop.listening("far");
    desktop.spawn(on_other("xterm").args(["-e", "sh", "-c", &script]));
    let far = desktop.register("far");
    wait_until(&desktop, &far, "a window of i3", |s| {
        s["window"]["con_id"].is_u64()
    });
    let of_openbox = desktop.session(&near).unwrap()["window"]["key"].clone();
    assert!(
        of_openbox.as_str().unwrap().starts_with("x:"),
        "{of_openbox}"
    );
    is_told_of_another_display(&desktop, &far, &other.name);
    desktop.switch(&near);
    assert_keys_reach(&desktop, &near, &[&far]);
    let key = |key: &str| {
        let typed = on_other("xdotool").args(["key", key]).status();
        assert!(typed.unwrap().success());
    };
    key("x");
    wait_for("a key on the other display", || {
        far.typed().contains('x').then_some(())
    });
    // Each has its way back.
    let script = desktop.listening("farther");
    desktop.spawn(on_other("xterm").args(["-e", "sh", "-c", &script]));
    let farther = desktop.register("farther");
    wait_until(&desktop, &farther, "in focus", |s| {
        s["window"]["focused"] == true
    });
    let nearer = desktop.listener("nearer");
    wait_until(&desktop, &nearer, "in focus", |s| {
        s["window"]["focused"] == true
    });
    desktop.switch(&near);
    desktop.switch(&far);
    let back = desktop.vmux(&["back"]);
    assert!(back.status.success(), "{back:?}");
    assert_keys_reach(&desktop, &nearer, &[&near]);
    key("y");
    wait_for("a key where the switch led", || {
        far.typed().contains('y').then_some(())
    });
    let back = on_other(env!("CARGO_BIN_EXE_vmux")).arg("back").status();
    assert!(back.unwrap().success());
    key("z");
    wait_for("a key where the way back led", || {
        farther.typed().contains('z').then_some(())
    });
}

/// dwm takes a wish for the focus as a reason to mark the window.
#[test]
#[ignore = "needs a desktop"]
fn who_cannot_move_the_focus_is_named_with_the_reason() {
    let desktop = Desktop::under(&Manager::called("dwm"));
    let [below, above] = ["below", "above"].map(|name| desktop.listener(name));
    desktop.window_of(&below);
    let said = desktop.vmux(&["switch", &below.name]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{error}");
    assert!(
        error.contains("dwm lets no program move the focus"),
        "{error}"
    );
    let dry = desktop.vmux(&["switch", "--dry-run", &below.name]);
    assert_eq!(
        (dry.status, &dry.stderr),
        (said.status, &said.stderr),
        "a dry run says what the switch says"
    );
    assert_keys_reach(&desktop, &above, &[&below]);
    let doctor = String::from_utf8_lossy(&desktop.vmux(&["doctor"]).stdout).into_owned();
    let line = doctor
        .lines()
        .find(|line| line.starts_with("note  windows"));
    assert!(
        line.unwrap().contains("dwm (EWMH), found by DISPLAY"),
        "{doctor}"
    );
    assert!(
        line.unwrap().contains("lets no program move the focus"),
        "{doctor}"
    );
}

#[test]
#[ignore = "needs a desktop"]
fn a_display_that_nobody_manages_is_said_to_be_so() {
    let desktop = Desktop::bare(false);
    let alone = desktop.listener("alone");
    wait_until(&desktop, &alone, "trouble", |s| s["no_window"] == "no_wm");
    let said = desktop.vmux(&["switch", &alone.name]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        error.contains("no window manager there speaks EWMH"),
        "{error}"
    );
}

/// Any X11 program may set any of these properties.
#[test]
#[ignore = "needs a desktop"]
fn properties_of_any_size_and_kind_hide_no_window() {
    use x11rb::protocol::xproto::PropMode;
    use x11rb::wrapper::ConnectionExt as _;
    let two = Two::under(&Manager::named("openbox"));
    let (x, root) = two.desktop.x();
    let huge = vec![b'\x1b'; 200_000];
    let near = id(two.near_window);
    for name in [
        "_NET_WM_NAME",
        "WM_CLASS",
        "_NET_WM_STATE",
        "WM_HINTS",
        "_NET_WM_PID",
    ] {
        let atom = atom(&two.desktop, name);
        let kind = AtomEnum::STRING;
        x.change_property8(PropMode::REPLACE, near, atom, kind, &huge)
            .unwrap();
    }
    let names = atom(&two.desktop, "_NET_DESKTOP_NAMES");
    x.change_property8(PropMode::REPLACE, root, names, AtomEnum::STRING, &huge)
        .unwrap();
    let count = atom(&two.desktop, "_NET_NUMBER_OF_DESKTOPS");
    let all = [u32::MAX; 1000];
    x.change_property32(PropMode::REPLACE, root, count, AtomEnum::CARDINAL, &all)
        .unwrap();
    x.flush().unwrap();
    two.goes_far();
    two.goes_back();
}

#[test]
#[ignore = "needs a desktop"]
fn under_wayland_it_is_said_that_only_windows_of_x11_are_seen() {
    let desktop = Desktop::under(&Manager::named("openbox"));
    desktop.set("WAYLAND_DISPLAY", "wayland-9");
    let x11 = desktop.listener("x11");
    desktop.window_of(&x11);
    // In a terminal that shows no window here.
    let mut script = desktop.command("script");
    let inside = desktop.script("native");
    let script = script.args(["-qc", &inside, "/dev/null"]);
    desktop.spawn(script.stdout(std::process::Stdio::null()));
    let native = desktop.register("native");
    wait_until(&desktop, &native, "trouble", |s| {
        s["no_window"] == "no_window"
    });
    let said = desktop.vmux(&["switch", &native.id()]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        error.contains("only the windows of X11 programs"),
        "{error}"
    );
    let doctor = String::from_utf8_lossy(&desktop.vmux(&["doctor"]).stdout).into_owned();
    let line = doctor
        .lines()
        .find(|line| line.starts_with("note  windows"));
    assert!(
        line.unwrap().contains("only the windows of X11 programs"),
        "{doctor}"
    );
}

#[test]
#[ignore = "needs a desktop"]
fn a_manager_that_hangs_is_not_believed_and_not_waited_for() {
    let two = Two::under(&Manager::named("openbox"));
    let desktop = &two.desktop;
    desktop.switch(&two.near);
    super::faults::signal(desktop.manager_pid(), "STOP");
    let began = std::time::Instant::now();
    let said = desktop.vmux(&["switch", &two.far.name]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    super::faults::signal(desktop.manager_pid(), "CONT");
    assert_eq!(said.status.code(), Some(1), "{error}");
    assert!(error.contains("has the focus instead"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    two.goes_far();
}

/// Another one takes the display over, and the sessions stay.
#[test]
#[ignore = "needs a desktop"]
fn a_manager_that_is_replaced_is_found_again() {
    let two = Two::under(&Manager::named("openbox"));
    two.goes_far();
    two.desktop.end_manager();
    let mut xfwm4 = two.desktop.command("xfwm4");
    let bus = two.desktop.bus();
    xfwm4.env("DBUS_SESSION_BUS_ADDRESS", bus);
    xfwm4.arg("--compositor=off");
    two.desktop.spawn(xfwm4.stderr(std::process::Stdio::null()));
    wait_for("the other one", || {
        let said = two.desktop.vmux(&["switch", &two.near.name]);
        said.status.success().then_some(())
    });
    two.is_near();
    two.goes_far();
}

/// Where the X server wants a cookie, and after the daemon has forgotten all but the way back.
#[test]
#[ignore = "needs a desktop"]
fn the_way_back_outlives_the_daemon_on_a_guarded_display() {
    let desktop = Desktop::bare(true);
    desktop.spawn(&mut desktop.command("openbox"));
    let [below, above] = ["below", "above"].map(|name| desktop.listener(name));
    desktop.window_of(&above);
    desktop.switch(&above);
    desktop.switch(&below);
    assert_keys_reach(&desktop, &below, &[&above]);
    // It is written after the answer.
    wait_for("the way back on disk", || {
        desktop.path("vmux/back.json").exists().then_some(())
    });
    ok(&desktop, &["daemon", "stop"]);
    ok(&desktop, &["back"]);
    assert_keys_reach(&desktop, &above, &[&below]);
}
