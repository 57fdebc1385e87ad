//! `vmux man`: the manual pages, made from the command line's own words, and what there is to say
//! beside those: `*.md` here, each with the page that is made of it (`*.roff`, by a test).

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::out;
use crate::cmd::cli;
use crate::cmd::exit::{Exit, Failure};

/// What there is to say beside the command line: its name, and its page. One that has the name of a
/// verb is part of that verb's page; the others are pages of section 7.
const TOPICS: [(&str, &str); 9] = [
    ("bar", include_str!("bar.roff")),
    ("capture", include_str!("capture.roff")),
    ("configuration", include_str!("configuration.roff")),
    ("desktops", include_str!("desktops.roff")),
    ("hooks", include_str!("hooks.roff")),
    ("hosting", include_str!("hosting.roff")),
    ("notifications", include_str!("notifications.roff")),
    ("protocol", include_str!("protocol.roff")),
    ("states", include_str!("states.roff")),
];

/// Sections of vmux(1) that no command line has: a heading, and its terms with their meanings.
const SECTIONS: [(&str, &[(&str, &str)]); 6] = [
    (
        "STATES",
        &[
            (
                "waiting",
                "It asks for a permission, an answer or a yes to its plan, or a dialog is open before its \
                 start; and something proves it: a file that is missing does not.",
            ),
            (
                "menu",
                "Its user left a menu of its own open; never counted as waiting.",
            ),
            (
                "working",
                "Text streams, a tool runs, it waits for its model.",
            ),
            (
                "done",
                "Its turn is over, and its window or tmux pane had no focus since.",
            ),
            ("idle", "Its turn is over."),
            (
                "snoozed",
                "It would wait, be done or in a menu, but it is to be left alone for a while.",
            ),
            ("stopped", "Stopped with Ctrl+Z."),
            (
                "unknown",
                "Nothing proves a state; vmux explain says what is known.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "~/.config/vmux/config.toml",
                "The configuration; all of it is optional, vmux-configuration(7) lists it.",
            ),
            (
                "~/.local/share/vmux/labels.json",
                "Labels, snoozes, pins and what is unseen.",
            ),
            ("~/.local/state/vmux/vmux.log", "The log of the daemon."),
            (
                "~/.local/state/vmux/told-lacks",
                "What its user was told that this machine lacks, and need not be told again.",
            ),
            (
                "$XDG_RUNTIME_DIR/vmux/vmux.sock",
                "Where the daemon listens.",
            ),
            (
                "$XDG_RUNTIME_DIR/vmux/hosted",
                "The sockets of sessions that vmux start began, and what is known of them.",
            ),
            (
                "~/.local/state/vmux/hosted",
                "What those sessions wrote: ID.log, and ID.times for scriptreplay(1). ID.kept is what vmux \
                 restore needs to bring one back.",
            ),
            (
                "~/.local/state/vmux/sessions.json",
                "Which sessions there are: their conversations and workspaces, for vmux restore.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("VMUX_SOCKET", "The socket of the daemon to talk to."),
            ("VMUX_DIR", "One directory for all of the files above."),
            (
                "VMUX_LOG",
                "How much is logged: error, warn, info or debug.",
            ),
            ("VMUX_NO_DAEMON", "If set, as --no-daemon."),
            (
                "VMUX_SESSION",
                "In a session that vmux start began: its id.",
            ),
            (
                "TERMINAL",
                "The terminal that is opened for such a session.",
            ),
            (
                "CLAUDE_CONFIG_DIR",
                "Where Claude Code keeps its files, if not in ~/.claude; that of each session counts for it.",
            ),
            (
                "CODEX_HOME",
                "Where Codex CLI keeps its files, if not in ~/.codex; that of each session counts for it.",
            ),
        ],
    ),
    (
        "WINDOW MANAGERS",
        &[
            (
                "i3, sway",
                "Asked over their own sockets: SWAYSOCK and I3SOCK of a session's environment, else those that \
                 belong to its display.",
            ),
            (
                "X11",
                "Others are asked by EWMH on a session's DISPLAY; those that let no program move the focus \
                 are named with the reason. Under Wayland only the windows of X11 programs are found so.",
            ),
        ],
    ),
    (
        "EXAMPLES",
        &[
            (
                "bindsym $mod+Tab exec --no-startup-id vmux next",
                "A key of i3 that walks through what waits.",
            ),
            (
                "rofi -show vmux -modi vmux:vmux-rofi -show-icons",
                "The list in rofi.",
            ),
            (
                "vmux list --json | jq -r '.sessions[] | select(.state == \"needs_input\") | .cwd'",
                "The directories of the sessions that wait.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "It could not be done; standard error says why."),
            (
                "2",
                "A mistake in the command line, or several sessions fit equally well.",
            ),
            ("130", "Nothing was chosen."),
        ],
    ),
];

pub(super) fn run(args: &cli::Man) -> anyhow::Result<Exit> {
    if let Some(dir) = &args.dir {
        write_all(dir)?;
        return Ok(Exit::Done);
    }
    let page = match args.verb.as_deref() {
        None => main_page()?,
        Some(name) => page_of(name)?,
    };
    out::write(&page)?;
    Ok(Exit::Done)
}

/// The command line with every verb as a whole.
fn command() -> clap::Command {
    let mut command = cli::command();
    command.build();
    command
}

fn main_page() -> anyhow::Result<Vec<u8>> {
    let mut page = rendered(command())?;
    for (title, terms) in SECTIONS {
        let mut roff = Roff::new();
        roff.control("SH", [title]);
        for (term, meaning) in terms {
            roff.control("TP", []);
            roff.text([bold(*term)]);
            roff.text([roman(*meaning)]);
        }
        roff.to_writer(&mut page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let all = command();
    let others = topics_alone(&all);
    let named: Vec<String> = others.map(|(name, _)| format!("vmux-{name}(7)")).collect();
    roff.text([roman(named.join(", "))]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Topics with a page of their own.
fn topics_alone(
    command: &clap::Command,
) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let verbs: Vec<String> = pages(command).into_iter().map(|(page, _)| page).collect();
    TOPICS
        .into_iter()
        .filter(move |(name, _)| !verbs.contains(&format!("vmux-{name}")))
}

/// The page of a topic, for section 7.
fn topic_page(name: &str, text: &str) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let title = name.to_uppercase();
    let head = format!(".TH VMUX-{title} 7 \"\" \"vmux {version}\" \"vmux manual\"\n");
    (head + text).into_bytes()
}

/// The page of a verb, of a verb's own (`hooks-install`), or of a topic.
fn page_of(name: &str) -> anyhow::Result<Vec<u8>> {
    let all = command();
    if let Some((_, text)) = topics_alone(&all).find(|(topic, _)| *topic == name) {
        return Ok(topic_page(name, text));
    }
    let page = format!("vmux-{name}");
    let found = pages(&all).into_iter().find(|(other, _)| *other == page);
    let (page, verb) = found.ok_or_else(|| {
        let topics: Vec<&str> = topics_alone(&all).map(|(name, _)| name).collect();
        Failure::new(format!(
            "could not print the manual of {name:?}: there is no such page"
        ))
        .hint(format!(
            "`vmux --help` lists the verbs; the other pages are {}",
            topics.join(", ")
        ))
        .exit(Exit::Usage)
    })?;
    verb_page(&page, verb)
}

/// The page of a verb, with the topic of its name.
fn verb_page(page: &str, command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut rendered = rendered(command)?;
    let own = TOPICS
        .iter()
        .find(|(name, _)| page == format!("vmux-{name}"));
    if let Some((_, text)) = own {
        // Its first section is the page's name, which is the verb's own here.
        let at = text
            .match_indices(".SH ")
            .nth(1)
            .map_or(text.len(), |(at, _)| at);
        rendered.extend_from_slice(&text.as_bytes()[at..]);
    }
    Ok(rendered)
}

/// Every verb that is shown, and the verbs that it has, by the names of their pages.
fn pages(command: &clap::Command) -> Vec<(String, clap::Command)> {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let shown = verbs.filter(|verb| verb.get_name() != "help");
    let with_own = shown.flat_map(|verb| {
        let name = verb
            .get_display_name()
            .unwrap_or(verb.get_name())
            .to_owned();
        std::iter::once((name, verb.clone())).chain(pages(verb))
    });
    with_own.collect()
}

fn rendered(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or("vmux").to_owned();
    let man = Man::new(command).title(name.to_uppercase());
    let man = man
        .source(concat!("vmux ", env!("CARGO_PKG_VERSION")))
        .manual("vmux manual");
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok(page)
}

/// `vmux.1`, `vmux-VERB.1` for each verb, and `vmux-TOPIC.7`: in the directory `man7` beside one that
/// is called `man1`, since man(1) looks for them there.
fn write_all(dir: &Path) -> anyhow::Result<()> {
    let beside = dir.file_name().is_some_and(|name| name == "man1");
    let seventh = if beside {
        dir.with_file_name("man7")
    } else {
        dir.to_owned()
    };
    let put = |name: String, page: Vec<u8>| {
        let dir = if name.ends_with(".7") { &seventh } else { dir };
        fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
        let path = dir.join(name);
        fs::write(&path, page).with_context(|| format!("could not write {}", path.display()))
    };
    put("vmux.1".into(), main_page()?)?;
    let all = command();
    for (name, text) in topics_alone(&all) {
        put(format!("vmux-{name}.7"), topic_page(name, text))?;
    }
    for (name, command) in pages(&all) {
        let page = verb_page(&name, command)?;
        put(format!("{name}.1"), page)?;
    }
    Ok(())
}
