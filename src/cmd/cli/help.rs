//! What `--help` says beside the arguments: the verbs in groups, and examples of each.

use clap::{Command, CommandFactory as _};

use super::Cli;

/// The verbs by what one wants to do. One that is in none is listed under "More".
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "Look",
        &["list", "preview", "explain", "status", "bar", "events"],
    ),
    (
        "Go",
        &[
            "menu", "pick", "next", "back", "switch", "open", "dmenu", "rofi",
        ],
    ),
    ("Mark", &["label", "snooze", "pin", "end"]),
    ("Answer", &["answer", "hooks"]),
    (
        "Host",
        &[
            "start", "new", "attach", "detach", "send", "history", "logs", "restore", "upgrade",
        ],
    ),
    ("Capture", &["capture", "log", "why"]),
    (
        "Set up",
        &[
            "doctor",
            "config",
            "daemon",
            "demo",
            "completions",
            "man",
            "protocol",
        ],
    ),
];

/// Examples of each verb.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "answer",
        &[
            "vmux answer api",
            "vmux answer api allow --request 7",
            "vmux answer @waiting deny --message 'use make'",
        ],
    ),
    (
        "attach",
        &["vmux attach api", "vmux attach --read-only api"],
    ),
    ("back", &["vmux back", "vmux back --dry-run"]),
    (
        "bar",
        &[
            "vmux bar --format waybar --follow",
            "vmux bar --format i3blocks",
        ],
    ),
    (
        "capture",
        &[
            "vmux capture on",
            "vmux capture status",
            "vmux capture off",
            "vmux capture check < prompt.txt",
            "vmux capture share --dry-run",
        ],
    ),
    (
        "completions",
        &[
            "vmux completions bash > ~/.local/share/bash-completion/completions/vmux",
            "vmux completions zsh > ~/.local/share/zsh/site-functions/_vmux",
            "vmux completions fish > ~/.config/fish/completions/vmux.fish",
            "vmux completions nushell > ~/.config/nushell/autoload/vmux.nu",
        ],
    ),
    (
        "config",
        &[
            "vmux config",
            "vmux config check",
            "vmux config schema > vmux.json",
        ],
    ),
    (
        "daemon",
        &[
            "vmux daemon status",
            "vmux daemon restart",
            "vmux daemon install-unit --print",
        ],
    ),
    (
        "demo",
        &["vmux demo", "vmux demo --sessions 20 -- vmux list"],
    ),
    ("detach", &["vmux detach", "vmux detach api"]),
    ("dmenu", &["vmux dmenu", "vmux dmenu -- -l 20"]),
    ("doctor", &["vmux doctor", "vmux doctor --json"]),
    ("end", &["vmux end api", "vmux end --yes api"]),
    ("events", &["vmux events", "vmux events --json"]),
    ("explain", &["vmux explain api", "vmux explain --json api"]),
    (
        "history",
        &["vmux history api", "vmux history --colours api"],
    ),
    (
        "hooks",
        &[
            "vmux hooks install --dry-run",
            "vmux hooks install --answers",
            "vmux hooks uninstall",
        ],
    ),
    ("label", &["vmux label api payments", "vmux label api"]),
    (
        "list",
        &[
            "vmux list",
            "vmux list --json",
            "vmux list --hosted",
            "vmux list --agent codex",
        ],
    ),
    (
        "log",
        &[
            "vmux log",
            "vmux log --format markdown main..HEAD",
            "vmux log --json -n 5",
        ],
    ),
    ("logs", &["vmux logs api", "vmux logs --follow api"]),
    (
        "man",
        &[
            "vmux man | man -l -",
            "vmux man hosting | man -l -",
            "vmux man --dir ~/.local/share/man/man1",
        ],
    ),
    ("menu", &["vmux menu", "vmux menu --launcher fuzzel"]),
    (
        "new",
        &["vmux new", "vmux new shop", "vmux new --resume ID"],
    ),
    ("next", &["vmux next", "vmux next --dry-run"]),
    ("open", &["vmux open api", "vmux open 4711"]),
    (
        "pick",
        &[
            "vmux pick",
            "vmux pick --height 40%",
            "vmux pick --print api",
        ],
    ),
    ("pin", &["vmux pin api", "vmux pin --off api"]),
    (
        "preview",
        &["vmux preview api", "vmux preview --messages 5 api"],
    ),
    ("protocol", &["vmux protocol", "vmux protocol | jq .title"]),
    ("restore", &["vmux restore --dry-run", "vmux restore --all"]),
    (
        "rofi",
        &[
            "rofi -show vmux -modi vmux:vmux-rofi -show-icons",
            "rofi -show vmux -modi 'vmux:vmux rofi'",
        ],
    ),
    (
        "send",
        &["vmux send --enter api /compact", "vmux send api yes"],
    ),
    (
        "snooze",
        &[
            "vmux snooze api",
            "vmux snooze api 1h30m",
            "vmux snooze api off",
        ],
    ),
    (
        "start",
        &[
            "vmux start",
            "vmux start ~/api --name api --agent codex",
            "vmux start ~/site --workspace 3 -- npm run dev",
        ],
    ),
    ("status", &["vmux status", "vmux status --json"]),
    (
        "switch",
        &[
            "vmux switch api",
            "vmux switch @waiting",
            "vmux switch --summon api",
        ],
    ),
    ("upgrade", &["vmux upgrade", "vmux upgrade api"]),
    (
        "why",
        &[
            "vmux why src/main.rs:42",
            "vmux why src/main.rs:40-60 --json",
            "vmux why HEAD~3",
            "vmux why --go src/main.rs:42",
        ],
    ),
];

/// The command line, with the verbs in groups and examples of each.
#[must_use]
pub fn command() -> Command {
    let mut command = Cli::command();
    for (verb, lines) in EXAMPLES {
        let text = format!("Examples:\n  {}", lines.join("\n  "));
        if command.find_subcommand(verb).is_some() {
            command = command.mut_subcommand(verb, |verb| verb.after_help(text));
        }
    }
    let list = grouped(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\
         Arguments:\n{{positionals}}\n\nOptions:\n{{options}}{{after-help}}"
    ))
}

/// The verbs in their groups, a line each.
fn grouped(command: &Command) -> String {
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let shown: Vec<(&str, String)> = shown.map(line).collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let known: Vec<&str> = GROUPS
        .iter()
        .flat_map(|(_, verbs)| *verbs)
        .copied()
        .collect();
    let more = shown.iter().map(|(name, _)| *name);
    let more: Vec<&str> = more.filter(|name| !known.contains(name)).collect();
    let mut text = String::new();
    for (title, verbs) in GROUPS.into_iter().chain([("More", &more[..])]) {
        let lines = verbs
            .iter()
            .filter_map(|verb| shown.iter().find(|(name, _)| name == verb));
        let lines: Vec<String> = lines
            .map(|(name, about)| format!("  {name:width$}  {about}\n"))
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("{title}:\n{}\n", lines.concat()));
        }
    }
    text
}

/// A verb with what it does, in one line.
fn line(verb: &Command) -> (&str, String) {
    let about = verb
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let aliases: Vec<&str> = verb.get_visible_aliases().collect();
    let also = match &aliases[..] {
        [] => String::new(),
        some => format!(" [alias: {}]", some.join(", ")),
    };
    (verb.get_name(), about + &also)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn every_verb_is_in_one_group_and_has_examples_that_parse() {
        let command = command();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = verb.get_name();
            let groups = GROUPS.iter().filter(|(_, verbs)| verbs.contains(&name));
            assert_eq!(groups.count(), 1, "{name}");
            let examples = EXAMPLES.iter().filter(|(verb, _)| *verb == name);
            let lines: Vec<&str> = examples.flat_map(|(_, lines)| *lines).copied().collect();
            assert!(lines.len() >= 2, "{name}");
            for line in lines.iter().filter(|line| line.starts_with("vmux ")) {
                let own = line.split(['|', '>', '<']).next().unwrap_or(line);
                let parsed = Cli::try_parse_from(own.replace('\'', "").split_whitespace());
                let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(parsed.verb.is_some(), "{line}");
            }
        }
    }

    #[test]
    fn every_example_and_group_names_a_verb() {
        let command = command();
        let named = EXAMPLES.iter().map(|(verb, _)| verb);
        let grouped = GROUPS.iter().flat_map(|(_, verbs)| *verbs);
        for verb in named.chain(grouped) {
            assert!(command.find_subcommand(verb).is_some(), "{verb}");
        }
    }
}
