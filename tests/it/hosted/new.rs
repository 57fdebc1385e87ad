//! A new session of a project, and a conversation of the past that goes on.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::World;
use super::enter::play;
use crate::kit::home::VMUX;
use crate::kit::wait_for;

const ID: &str = "68eaa3d6-0000-4000-8000-000000000001";

/// A world with a played Claude Code and a terminal that notes what it is to show.
pub(super) fn world() -> World {
    let world = World::new();
    play(
        &world,
        "claude",
        "echo \"$PWD $*\" >> \"$HOME/started\"; exec cat",
    );
    play(&world, "xterm", "echo \"$*\" >> \"$HOME/opened\"");
    world
}

fn new(world: &World, words: &[&str]) -> Command {
    let mut command = world.0.command(VMUX);
    command.arg("new").args(words).env("TERMINAL", "xterm");
    command
}

fn says(world: &World, words: &[&str]) -> String {
    let done = new(world, words).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

pub(super) fn noted(world: &World, file: &str, lines: usize) -> String {
    let path = world.0.path("home").join(file);
    wait_for(file, || {
        let text = fs::read_to_string(&path).ok()?;
        (text.lines().count() >= lines).then_some(text)
    })
}

#[test]
fn a_project_is_begun_once_and_then_entered() {
    let world = world();
    let shop = world.0.make_dir("work/shop");
    let shop = fs::canonicalize(shop).unwrap();
    let shop = shop.to_str().unwrap();
    let first = says(&world, &[shop]);
    assert!(first.trim_end().ends_with(shop), "{first}");
    let id = first.split(' ').next().unwrap();
    assert!(noted(&world, "opened", 1).ends_with(&format!("attach {id}\n")));
    let again = says(&world, &[shop]);
    assert_eq!(again, first);
    assert_eq!(world.ids(), [id]);
    let listed: Value = serde_json::from_str(&says(&world, &["--json"])).unwrap();
    assert_eq!(listed[0]["dir"], shop, "{listed}");
    assert_eq!(says(&world, &["shop"]), first, "by its name, too");
    let failed = new(&world, &["nowhere"]).output().unwrap();
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        error.contains("could not find a project by \"nowhere\""),
        "{error}"
    );
}

/// What agents noted of directories whose conversations are gone: the last one first, then what is trusted.
#[test]
fn directories_that_only_agents_know_are_projects() {
    let world = world();
    let dirs = ["shop", "site", "docs", "lib"].map(|name| {
        let dir = world.0.make_dir(&format!("work/{name}"));
        fs::canonicalize(dir).unwrap().to_str().unwrap().to_owned()
    });
    let [shop, site, docs, lib] = &dirs;
    let typed = |dir: &str, at: u64| format!("{{\"project\":{dir:?},\"timestamp\":{at}}}\n");
    let history = [
        typed(shop, 1_795_890_018_189),
        typed(site, 1_795_890_024_804),
        typed("/srv/vanished", 1_795_890_024_804),
        typed("shop", 1_795_890_024_804),
    ];
    fs::write(world.0.path("home/.claude/history.jsonl"), history.concat()).unwrap();
    let trusted = ["/srv/gone", docs, "work"]
        .map(|dir| format!("{dir:?}:{{\"hasTrustDialogAccepted\":true}}"))
        .join(",");
    let settings = format!("{{\"projects\":{{{trusted}}}}}");
    fs::write(world.0.path("home/.claude.json"), settings).unwrap();
    world.0.make_dir("home/.codex");
    let settings = format!("[projects.{lib:?}]\ntrust_level = \"trusted\"\n");
    fs::write(world.0.path("home/.codex/config.toml"), settings).unwrap();
    let listed: Value = serde_json::from_str(&says(&world, &["--json"])).unwrap();
    let listed = listed.as_array().unwrap().iter();
    let listed: Vec<&str> = listed
        .map(|project| project["dir"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [site, shop, docs, lib]);
}

/// What rofi is told when it calls with this.
fn rofi(world: &World, retv: &str, info: Option<&str>, typed: &str) -> String {
    let mut rofi = world.0.command(env!("CARGO_BIN_EXE_vmux-rofi"));
    rofi.arg(typed)
        .env("ROFI_RETV", retv)
        .env("TERMINAL", "xterm");
    if let Some(info) = info {
        rofi.env("ROFI_INFO", info);
    }
    let done = rofi.output().unwrap();
    let page = String::from_utf8(done.stdout).unwrap();
    page.replace(['\0', '\u{1f}'], "|")
}

#[test]
fn rofi_leads_to_the_projects_and_begins_the_chosen_one() {
    let world = world();
    let shop = fs::canonicalize(world.0.make_dir("work/R&D <b>shop")).unwrap();
    let shop = shop.to_str().unwrap();
    let list = rofi(&world, "0", None, "");
    assert!(
        !list.contains(shop) && list.contains("|no-custom|true"),
        "{list}"
    );
    assert!(
        list.ends_with("\nNew session\u{2026}|info|new\n"),
        "a key needs a row: {list}"
    );
    let page = rofi(&world, "1", Some("new"), "");
    assert!(page.contains("|prompt|new\n|no-custom|false\n"), "{page}");
    let refused = rofi(&world, "2", None, "/no/<b>where");
    assert!(
        refused.contains("|message|<b>/no/&lt;b&gt;where is no directory.</b>"),
        "{refused}"
    );
    assert_eq!(rofi(&world, "2", None, shop), "", "rofi closes");
    noted(&world, "opened", 1);
    let page = rofi(&world, "15", None, "");
    let info = format!("new:{shop}");
    let age = page
        .split_once(&format!("\n{shop}  \u{b7} "))
        .and_then(|(_, rest)| rest.split_once(&format!("|info|{info}|meta|\n")))
        .unwrap_or_else(|| panic!("{page}"))
        .0;
    assert!(age.ends_with('s') && age.len() < 4, "{age}");
    assert_eq!(rofi(&world, "1", Some(&info), shop), "");
    noted(&world, "opened", 2);
    assert_eq!(world.ids().len(), 1, "it was entered again");
    assert_eq!(
        rofi(&world, "15", Some(&info), shop),
        rofi(&world, "0", None, "")
    );
}

#[test]
fn dmenu_leads_to_the_projects_and_begins_the_chosen_one() {
    let world = world();
    let shop = fs::canonicalize(world.0.make_dir("work/shop")).unwrap();
    let shop = shop.to_str().unwrap();
    says(&world, &[shop]);
    // The first time it takes the last row, then what the second time is the first one.
    play(
        &world,
        "dmenu",
        "rows=$(cat); echo \"$rows\" >> \"$HOME/rows\"\ncase $rows in *'New session'*) echo \"$rows\" | tail -n 1;; *) echo \"$rows\" | head -n 1;; esac",
    );
    let mut dmenu = world.0.command(VMUX);
    let done = dmenu
        .arg("dmenu")
        .env("TERMINAL", "xterm")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let rows = fs::read_to_string(world.0.path("home/rows")).unwrap();
    assert!(
        rows.contains(&format!("New session\u{2026}\n{shop}  \u{b7} ")),
        "{rows}"
    );
    noted(&world, "opened", 2);
    assert_eq!(world.ids().len(), 1, "it was entered again");
}

#[test]
fn a_conversation_of_the_past_goes_on_once() {
    let world = world();
    let site = fs::canonicalize(world.0.make_dir("work/site")).unwrap();
    let site = site.to_str().unwrap();
    let encoded: String = site
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let project = world
        .0
        .make_dir(&format!("home/.claude/projects/{encoded}"));
    let line = format!(
        r#"{{"type":"user","cwd":"{site}","message":{{"content":"mend \u001b]0;the site"}}}}"#
    );
    fs::write(project.join(format!("{ID}.jsonl")), line + "\n").unwrap();
    let listed = says(&world, &[]);
    assert!(
        listed.contains(&format!("{site}\n    {ID}  claude  ")),
        "{listed}"
    );
    assert!(!listed.contains('\u{1b}'), "{listed}");
    let first = says(&world, &["--resume", ID]);
    assert_eq!(
        noted(&world, "started", 1),
        format!("{site} --resume {ID}\n")
    );
    assert_eq!(says(&world, &["--resume", ID]), first, "it goes on already");
    assert_eq!(world.ids().len(), 1);
    let failed = new(&world, &["--resume", "none"]).output().unwrap();
    assert!(!failed.status.success());
}
