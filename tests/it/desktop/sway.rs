//! sway, headless: the same protocol as i3, windows known by their pid, no X server at all.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use super::wait_for;
use crate::kit::{Shown, Sway};

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
    for shown in [&one, &two] {
        sway.window_of(shown);
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
    let session = sway.session(&one).unwrap();
    assert_eq!(
        (&session["workspace"], &session["host"]["program"]),
        (&json!("1"), &json!("foot"))
    );
}

/// Both listen, and a session that names neither socket has a Wayland display of one of them.
#[test]
#[ignore = "needs a desktop"]
fn of_two_sways_the_one_whose_wayland_display_it_is_counts() {
    let sways = [Sway::new(), Sway::new()];
    for sway in &sways {
        let mut foot = sway.client("foot");
        foot.env_remove("SWAYSOCK");
        let one = sway.foot_by(foot, "one");
        sway.window_of(&one);
        let session = sway.session(&one).unwrap();
        assert_eq!(session["window"]["socket"], json!(sway.socket()));
        sway.swaymsg(&["workspace", "4"]);
        let done = sway.vmux(&["switch", "one"]);
        assert!(done.status.success());
        let tree = sway.swaymsg(&["-t", "get_tree"]);
        assert_eq!(focused(&tree).as_deref(), Some("one"));
    }
}

#[test]
#[ignore = "needs a desktop"]
fn the_workspace_of_a_wait_is_urgent_in_sway_too() {
    let sway = Sway::new();
    let one = sway.foot("one");
    sway.window_of(&one);
    sway.swaymsg(&["workspace", "4"]);
    wait_for("the focus to be elsewhere", || {
        (sway.session(&one)?["window"]["focused"] != true).then_some(())
    });
    for (status, urgent) in [("waiting", true), ("busy", false)] {
        one.set(json!({"status": status, "waitingFor": "permission prompt"}));
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
    for shown in [&one, &two] {
        sway.window_of(shown);
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
    for shown in [&one, &two] {
        sway.window_of(shown);
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
        let mut menu = sway
            .client(env!("CARGO_BIN_EXE_vmux"))
            .args(["dmenu", "--launcher", launcher])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A layer surface is in no tree: keys are sent until the launcher has taken them.
        let landed = wait_for(launcher, || {
            if menu.try_wait().unwrap().is_none() {
                drop(sway.client("wtype").args(["-k", "Return"]).status());
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

/// A server of foot shows all its windows itself, and sway knows nothing of them but titles.
struct FootServer<'s> {
    sway: &'s Sway,
    socket: PathBuf,
}

impl<'s> FootServer<'s> {
    fn start(sway: &'s Sway) -> Self {
        let socket = sway.path("run/foot.sock");
        let mut foot = sway.client("foot");
        foot.arg(format!("--server={}", socket.display()));
        sway.spawn(foot.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for("a server of foot", || socket.exists().then_some(()));
        Self { sway, socket }
    }

    /// A session in one of its windows.
    fn window(&self, name: &str, title: &str) -> Shown {
        let script = self.sway.script(name);
        let mut foot = self.sway.client("footclient");
        foot.arg(format!("--server-socket={}", self.socket.display()));
        foot.args(["-T", title, "sh", "-c", &script]);
        self.sway
            .spawn(foot.stdout(Stdio::null()).stderr(Stdio::null()));
        self.sway.adopt(name)
    }

    /// What Claude Code writes of a topic that it titles its terminal with.
    fn write_topic(&self, shown: &Shown, topic: &str) {
        let cwd = self.sway.path(&format!("work/{}", shown.name));
        let cwd = cwd.to_string_lossy().into_owned();
        let project = cwd.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let dir = self
            .sway
            .make_dir(&format!("home/.claude/projects/{project}"));
        let id = format!("s-{}", shown.pid);
        let line = json!({"type": "ai-title", "aiTitle": topic, "sessionId": id});
        std::fs::write(dir.join(format!("{id}.jsonl")), format!("{line}\n")).unwrap();
    }
}

#[test]
#[ignore = "needs a desktop"]
fn windows_of_one_foot_server_are_told_apart_by_their_titles() {
    let sway = Sway::new();
    let foot = FootServer::start(&sway);
    let cart = foot.window("cart", "\u{2733} Fix the cart");
    foot.write_topic(&cart, "Fix the cart");
    cart.set(json!({"name": "cart-91", "nameSource": "derived"}));
    let till = foot.window("till", "\u{25d0} Mend the till");
    till.set(json!({"name": "Mend the till", "nameSource": "auto"}));
    let twins = ["first", "second"].map(|name| {
        let twin = foot.window(name, "\u{2733} Again");
        foot.write_topic(&twin, "Again");
        twin.set(json!({"name": format!("{name}-a3"), "nameSource": "derived"}));
        twin
    });
    for shown in [&cart, &till] {
        sway.window_of(shown);
    }
    for (shown, title) in [
        (&cart, "\u{2733} Fix the cart"),
        (&till, "\u{25d0} Mend the till"),
        (&cart, "\u{2733} Fix the cart"),
    ] {
        sway.swaymsg(&["workspace", "4"]);
        let done = sway.vmux(&["switch", &shown.id()]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        let tree = sway.swaymsg(&["-t", "get_tree"]);
        assert_eq!(focused(&tree).as_deref(), Some(title));
        let told = sway.vmux(&["explain", &shown.id()]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let proof = format!("titled {title}");
        assert!(told.contains(&proof), "{told}");
    }
    for twin in &twins {
        let session = sway.session(twin).unwrap();
        assert_eq!(session["no_window"], json!("ambiguous_window"));
        let done = sway.vmux(&["switch", &twin.id()]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(error.contains("4 windows and nothing tells"), "{error}");
        let told = sway.vmux(&["explain", &twin.id()]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains("another session may have it too"), "{told}");
    }
}
