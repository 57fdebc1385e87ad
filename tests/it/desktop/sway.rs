//! sway, headless: the same protocol as i3, windows known by their pid, no X server at all.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::{Killed, wait_for};
use crate::world::end_all_of;

/// sway refuses to run as root: then its world belongs to this user.
const USER: u32 = 12345;

pub(super) struct Sway {
    dir: tempfile::TempDir,
    children: std::cell::RefCell<Vec<Killed>>,
}

impl Sway {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("vmux-sway-")
            .tempdir()
            .unwrap();
        for name in ["home/.claude/sessions", "run", "bin", "work"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink("/bin/sleep", dir.path().join("bin/claude")).unwrap();
        std::fs::write(
            dir.path().join("config"),
            "output HEADLESS-1 resolution 1280x800\n",
        )
        .unwrap();
        let sway = Self {
            dir,
            children: Default::default(),
        };
        sway.give_away(sway.dir.path());
        let mut command = sway.command("sway");
        command
            .env("WLR_BACKENDS", "headless")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env("WLR_RENDERER", "pixman")
            .arg("-c")
            .arg(sway.path("config"));
        let log = std::fs::File::create(sway.path("sway.log")).unwrap();
        let child = command
            .stderr(log)
            .spawn()
            .expect("sway is installed (scripts/test does)");
        sway.children.borrow_mut().push(Killed(child));
        wait_for("sway", || sway.socket());
        sway
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn is_root() -> bool {
        rustix::process::getuid().is_root()
    }

    fn give_away(&self, path: &Path) {
        if Self::is_root() {
            chown(path, Some(USER), Some(USER)).unwrap();
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    self.give_away(&entry.path());
                }
            }
        }
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let own = Path::new(env!("CARGO_BIN_EXE_vmux")).parent().unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", own.display()))
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("VMUX_DIR", self.path("home/vmux"))
            .env("VMUX_ONLY_CONFIG", "1")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        if Self::is_root() {
            command.uid(USER).gid(USER);
        }
        command
    }

    pub(super) fn socket(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.path("run")).ok()?.flatten();
        entries
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().contains("sway-ipc"))
    }

    fn vmux(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_vmux"))
            .args(words)
            .output()
            .unwrap()
    }

    fn swaymsg(&self, words: &[&str]) -> Value {
        let mut command = self.command("swaymsg");
        let done = command
            .env("SWAYSOCK", self.socket().unwrap())
            .arg("-r")
            .args(words)
            .output()
            .unwrap();
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }

    /// A session in a foot of its own.
    pub(super) fn foot(&self, name: &str) -> u32 {
        let cwd = self.path(&format!("work/{name}"));
        std::fs::create_dir_all(&cwd).unwrap();
        self.give_away(&cwd);
        let script = format!(
            "cd '{}' && echo $$ > pid && exec '{}' 3600",
            cwd.display(),
            self.path("bin/claude").display()
        );
        let mut foot = self.command("foot");
        foot.env("WAYLAND_DISPLAY", "wayland-1")
            .env("SWAYSOCK", self.socket().unwrap());
        foot.args(["-T", name, "sh", "-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = foot.spawn().expect("foot is installed (scripts/test does)");
        self.children.borrow_mut().push(Killed(child));
        let pid: u32 = wait_for("the session's process", || {
            let pid = std::fs::read_to_string(cwd.join("pid"))
                .ok()?
                .trim()
                .parse()
                .ok()?;
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (comm.trim() == "claude").then_some(pid)
        });
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(19)
            .unwrap()
            .to_owned();
        let file = json!({"pid": pid, "sessionId": format!("s-{pid}"), "cwd": cwd, "procStart": start,
            "version": "2.1.328", "kind": "interactive", "entrypoint": "cli", "status": "idle",
            "statusUpdatedAt": 1_795_164_500_100_i64});
        std::fs::write(
            self.path(&format!("home/.claude/sessions/{pid}.json")),
            file.to_string(),
        )
        .unwrap();
        pid
    }

    pub(super) fn session(&self, pid: u32) -> Option<Value> {
        let done = self.vmux(&["list", "--json"]);
        let reply: Value = serde_json::from_slice(&done.stdout).ok()?;
        reply["sessions"]
            .as_array()?
            .iter()
            .find(|session| session["pid"] == pid)
            .cloned()
    }
}

impl Drop for Sway {
    fn drop(&mut self) {
        drop(self.vmux(&["daemon", "stop"]));
        let mut children = self.children.borrow_mut();
        while let Some(child) = children.pop() {
            drop(child);
        }
        end_all_of(self.dir.path());
    }
}

/// Title of the view that has the focus.
fn focused(node: &Value) -> Option<String> {
    if node["focused"] == true && node["pid"].is_number() {
        return node["name"].as_str().map(str::to_owned);
    }
    let children = ["nodes", "floating_nodes"]
        .into_iter()
        .filter_map(|name| node[name].as_array());
    children.flatten().find_map(focused)
}

#[test]
#[ignore = "needs a desktop"]
fn a_switch_lands_in_sway() {
    let sway = Sway::new();
    let [one, two] = ["one", "two"].map(|name| sway.foot(name));
    for pid in [one, two] {
        wait_for("its window", || {
            sway.session(pid)
                .filter(|session| session["window"]["con_id"].is_number())
        });
    }
    sway.swaymsg(&["workspace", "4"]);
    for name in ["one", "two", "one"] {
        let done = sway.vmux(&["switch", name]);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert_eq!(
            focused(&sway.swaymsg(&["-t", "get_tree"])).as_deref(),
            Some(name)
        );
    }
    let session = sway.session(one).unwrap();
    assert_eq!(
        (&session["workspace"], &session["host"]["program"]),
        (&json!("1"), &json!("foot"))
    );
}

#[test]
#[ignore = "needs a desktop"]
fn the_workspace_of_a_wait_is_urgent_in_sway_too() {
    let sway = Sway::new();
    let pid = sway.foot("one");
    wait_for("its window", || {
        sway.session(pid)
            .filter(|session| session["window"]["con_id"].is_number())
    });
    sway.swaymsg(&["workspace", "4"]);
    wait_for("the focus to be elsewhere", || {
        (sway.session(pid)?["window"]["focused"] != true).then_some(())
    });
    let path = sway.path(&format!("home/.claude/sessions/{pid}.json"));
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (status, urgent) in [("waiting", true), ("busy", false)] {
        file["status"] = json!(status);
        file["waitingFor"] = json!("permission prompt");
        std::fs::write(&path, file.to_string()).unwrap();
        wait_for(&format!("urgent: {urgent}"), || {
            let workspaces = sway.swaymsg(&["-t", "get_workspaces"]);
            let mut all = workspaces.as_array()?.iter();
            let one = all.find(|workspace| workspace["name"] == "1")?;
            (one["urgent"] == urgent).then_some(())
        });
    }
}

/// The workspace of the view with this title, and the one that has the focus.
fn workspaces(sway: &Sway, title: &str) -> (Option<String>, Option<String>) {
    fn find(node: &Value, title: &str, workspace: &str) -> Option<String> {
        let name = node["name"].as_str().unwrap_or_default();
        if node["pid"].is_number() && name == title {
            return Some(workspace.to_owned());
        }
        let is_workspace = node["type"] == "workspace";
        let workspace = if is_workspace { name } else { workspace };
        let children = ["nodes", "floating_nodes"].map(|name| node[name].as_array());
        let mut children = children.into_iter().flatten().flatten();
        children.find_map(|child| find(child, title, workspace))
    }
    let all = sway.swaymsg(&["-t", "get_workspaces"]);
    let mut all = all.as_array().unwrap().iter();
    let focused = all.find(|workspace| workspace["focused"] == true);
    (
        find(&sway.swaymsg(&["-t", "get_tree"]), title, ""),
        focused.map(|w| w["name"].as_str().unwrap().to_owned()),
    )
}

/// sway takes names apart in its own way: quotes of the other kind protect quotes, a backslash
/// stays, a dollar sign begins a variable.
#[test]
#[ignore = "needs a desktop"]
fn workspaces_of_any_name_are_left_and_come_back_to_in_sway() {
    let sway = Sway::new();
    let [one, two] = ["one", "two"].map(|name| sway.foot(name));
    for pid in [one, two] {
        wait_for("its window", || {
            sway.session(pid)
                .filter(|session| session["window"]["con_id"].is_number())
        });
    }
    let ok = |words: &[&str]| {
        let done = sway.vmux(words);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "vmux {words:?}: {error}");
    };
    sway.swaymsg(&["set $mod Mod4"]);
    for (name, quoted) in [
        ("3: web; a, [b]", r#""3: web; a, [b]""#),
        (r#"say "hi""#, r#"'say "hi"'"#),
        ("it's", r#""it's""#),
        (r#"it's "both""#, r#""it's "'"both"'"#),
        (r"back\slash", r#""back\slash""#),
        (r"last\", r#""last"\"#),
        ("$mod", r#""$$mod""#),
        ("日本  go", r#""日本  go""#),
    ] {
        sway.swaymsg(&["workspace", "1"]);
        sway.swaymsg(&[&format!(
            "[title=^one$] move container to workspace {quoted}"
        )]);
        sway.swaymsg(&["[title=^two$] focus"]);
        let away = workspaces(&sway, "one").0;
        assert_ne!(away.as_deref(), Some("1"), "{quoted}");
        ok(&["switch", "--summon", "one"]);
        assert_eq!(workspaces(&sway, "one").0.as_deref(), Some("1"));
        ok(&["back"]);
        assert_eq!(workspaces(&sway, "one"), (away, Some("1".into())), "{name}");
        // From the empty workspace of this name, and back to it.
        sway.swaymsg(&["[title=^one$] move container to workspace 1"]);
        sway.swaymsg(&[&format!("workspace {quoted}")]);
        let empty = workspaces(&sway, "one").1;
        ok(&["switch", "two"]);
        ok(&["back"]);
        assert_eq!(workspaces(&sway, "one").1, empty, "{name}");
        assert_eq!(empty.as_deref(), Some(name));
    }
}

/// Each launcher of Wayland gives its choice back in its own way: by line number or as
/// text. fuzzel 1.8.2 and bemenu 0.6.14 are not among them: they crash on a seat whose keyboard comes
/// and goes, which this one is.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_each_wayland_launcher_lands() {
    let sway = Sway::new();
    let [one, two] = ["one", "two"].map(|name| sway.foot(name));
    for pid in [one, two] {
        wait_for("its window", || {
            sway.session(pid)
                .filter(|session| session["window"]["con_id"].is_number())
        });
    }
    // The session one looks at comes last, so that each Enter goes to the other one: nothing has
    // to be typed, and no key that comes too early can be missed.
    sway.swaymsg(&["[title=two] focus"]);
    for (launcher, wanted) in [("wofi", "one"), ("tofi", "two")] {
        wait_for("the order to follow the focus", || {
            let done = sway.vmux(&["list"]);
            String::from_utf8_lossy(&done.stdout)
                .starts_with(wanted)
                .then_some(())
        });
        let mut menu = sway.command(env!("CARGO_BIN_EXE_vmux"));
        menu.env("WAYLAND_DISPLAY", "wayland-1")
            .env("SWAYSOCK", sway.socket().unwrap());
        let mut menu = menu
            .args(["dmenu", "--launcher", launcher])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A layer surface is in no tree: keys are sent until the launcher has taken them.
        let landed = wait_for(launcher, || {
            if menu.try_wait().unwrap().is_none() {
                let mut keys = sway.command("wtype");
                drop(
                    keys.env("WAYLAND_DISPLAY", "wayland-1")
                        .args(["-k", "Return"])
                        .status(),
                );
            }
            menu.try_wait().unwrap()
        });
        let mut said = String::new();
        std::io::Read::read_to_string(&mut menu.stderr.take().unwrap(), &mut said).unwrap();
        assert!(landed.success(), "{launcher}: {said}");
        assert_eq!(
            focused(&sway.swaymsg(&["-t", "get_tree"])).as_deref(),
            Some(wanted),
            "{launcher}"
        );
    }
}
