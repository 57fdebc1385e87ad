//! `vmux man`: the manual pages, made from the command line's own words.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::out;
use crate::cmd::cli::{self, Cli};
use crate::cmd::exit::{Exit, Failure};

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
                "The configuration; all of it is optional, and README.md lists it.",
            ),
            (
                "~/.local/share/vmux/labels.json",
                "Labels, snoozes, pins and what is unseen.",
            ),
            ("~/.local/state/vmux/vmux.log", "The log of the daemon."),
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
        Some(verb) => verb_page(verb)?,
    };
    out::write(&page)?;
    Ok(Exit::Done)
}

/// The command line with every verb as a whole.
fn command() -> clap::Command {
    let mut command = Cli::command();
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
    Ok(page)
}

/// The page of a verb, or of a verb's own (`hooks-install`).
fn verb_page(verb: &str) -> anyhow::Result<Vec<u8>> {
    let pages = pages(&command());
    let name = format!("vmux-{verb}");
    let found = pages.into_iter().find(|(page, _)| *page == name);
    let (_, command) = found.ok_or_else(|| {
        Failure::new(format!(
            "could not print the manual of {verb:?}: there is no such verb"
        ))
        .hint("`vmux --help` lists them")
        .exit(Exit::Usage)
    })?;
    rendered(command)
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

/// `vmux.1`, and `vmux-VERB.1` for each verb.
fn write_all(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    fs::create_dir_all(dir).with_context(|| format!("could not make {shown}"))?;
    let put = |name: String, page: Vec<u8>| {
        let path = dir.join(name);
        fs::write(&path, page).with_context(|| format!("could not write {}", path.display()))
    };
    put("vmux.1".into(), main_page()?)?;
    for (name, command) in pages(&command()) {
        put(format!("{name}.1"), rendered(command)?)?;
    }
    Ok(())
}
