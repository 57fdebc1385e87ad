//! Tab, in real shells: what they put into a command line, and what a verb gets of it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::kit::service::signal;
use crate::kit::tty::Tty;
use crate::machine::Machine;
use crate::service::{Daemon, command, shown, vmux, wait_for};

/// Names as a session may have them, and what is typed of them.
const NAMES: [(u32, &str, &str); 5] = [
    (101, "it's $(touch PWNED) \"q\"", "it"),
    (102, "a:b `touch PWNED`;c", "a:"),
    (103, "tilde~ * {x,y}!", "tilde"),
    (104, "日本 é", "日"),
    (105, "-rf", "105"),
];

fn world() -> Machine {
    let machine = Machine::new();
    for (pid, name, _) in NAMES {
        let claude = machine.claude(pid);
        claude.works_in(&format!("work/{name}"));
        claude.file(serde_json::json!({}));
    }
    // What a terminal would obey is in no name.
    let claude = machine.claude(106);
    claude.works_in("work/red\u{1b}[31m\nx");
    claude.file(serde_json::json!({}));
    machine.write("home/work.txt", "");
    machine.write("home/sub/file", "");
    machine
}

/// What the program is called with, after these keys: the shell has a function in its place.
struct Shell<'m> {
    machine: &'m Machine,
    tty: Tty,
}

impl<'m> Shell<'m> {
    /// `arguments` name a file that is read first, as `RC`.
    fn start(machine: &'m Machine, shell: &str, arguments: &[&str], more: &str) -> Self {
        let script = shown(machine, &vmux(machine, &["completions", shell]));
        let rc = machine.write("rc/.zshrc", &format!("{script}\n{more}\n"));
        let mut started = command(machine, shell);
        let programs = Path::new(env!("CARGO_BIN_EXE_vmux")).parent().unwrap();
        started
            .args(
                arguments
                    .iter()
                    .map(|word| word.replace("RC", rc.to_str().unwrap())),
            )
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("ZDOTDIR", machine.path("rc"))
            .env("TERM", "xterm")
            .env("HISTFILE", "");
        let mut tty = Tty::run(&started, 120, 40);
        tty.waits_for("ready> ");
        Self { machine, tty }
    }

    fn bash(machine: &'m Machine) -> Self {
        let more = "vmux() { printf '<%s>' \"$@\"; echo; }; PS1='ready> '";
        Self::start(
            machine,
            "bash",
            &["--noprofile", "--rcfile", "RC", "-i"],
            more,
        )
    }

    /// What the program gets for this line with a Tab at its end.
    fn gets(&mut self, line: &str) -> String {
        self.tty.seen.clear();
        self.tty.types(&format!("vmux {line}\t\r"));
        // The line as it is typed has no such sign.
        self.tty.waits_for(">\r\n");
        let seen = String::from_utf8_lossy(&self.tty.seen).into_owned();
        let end = seen.rfind(">\r\n").unwrap();
        let start = seen[..end].rfind('\n').map_or(0, |at| at + 1);
        let got = &seen[start..=end];
        got[got.find('<').expect(&seen)..].to_owned()
    }

    /// Each name is completed to just itself, however it was begun, and does nothing.
    fn takes_every_name(&mut self) {
        for (_, name, typed) in NAMES {
            let want = if name.starts_with('-') { "105" } else { name };
            for quote in ["", "'", "\""] {
                let got = self.gets(&format!("switch {quote}{typed}"));
                assert_eq!(got, format!("<switch><{want}>"), "{quote}{typed}");
            }
        }
        assert_eq!(self.gets("preview red"), "<preview><red x>");
        assert_eq!(self.gets("switch --fir"), "<switch><--first>");
        assert_eq!(self.gets("switc"), "<switch>");
        assert_eq!(self.gets("list --agent cod"), "<list><--agent><codex>");
        assert_eq!(self.gets("switch @w"), "<switch><@w>", "nothing waits");
        // Zsh takes the slash back before a line is run.
        assert_eq!(self.gets("start su").replace('/', ""), "<start><sub>");
        assert_eq!(self.gets("why wor"), "<why><work.txt>");
        assert!(!self.machine.path("home/PWNED").exists());
    }
}

#[test]
fn bash_completes_names_to_what_they_are() {
    let machine = world();
    let _daemon = Daemon::start(&machine);
    let mut bash = Shell::bash(&machine);
    bash.takes_every_name();
    // Bash takes what is behind a colon for a word, and a part of it is kept.
    assert_eq!(bash.gets("switch a:b"), "<switch><a:b `touch PWNED`;c>");
    bash.tty.types("vmux end \t\t");
    bash.tty.waits_for("\u{b7} -rf");
}

#[test]
#[ignore = "needs zsh"]
fn zsh_completes_names_to_what_they_are() {
    let machine = world();
    let _daemon = Daemon::start(&machine);
    let more = "vmux() { printf '<%s>' \"$@\"; echo }; PS1='ready> '; unsetopt prompt_sp";
    machine.write("rc/.zshenv", "autoload -Uz compinit; compinit -u -D");
    let mut zsh = Shell::start(&machine, "zsh", &["-i"], more);
    zsh.takes_every_name();
}

#[test]
#[ignore = "needs fish"]
fn fish_completes_names_to_what_they_are() {
    let machine = world();
    let _daemon = Daemon::start(&machine);
    let more = "function vmux; printf '<%s>' $argv; echo; end\n\
                function fish_prompt; echo -n 'ready> '; end";
    let mut fish = Shell::start(&machine, "fish", &["-i", "-C", "source 'RC'"], more);
    fish.takes_every_name();
}

fn asked(machine: &Machine, words: &[&str]) -> (String, Duration) {
    let since = Instant::now();
    let mut all = vec!["complete"];
    all.extend(words);
    let done = vmux(machine, &all);
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    (String::from_utf8(done.stdout).unwrap(), since.elapsed())
}

#[test]
fn without_a_daemon_none_is_started_and_a_look_is_taken() {
    let machine = world();
    // A machine that is too busy to look in time says nothing.
    let said = wait_for("a look in time", || {
        let (said, _) = asked(&machine, &["zsh", "vmux", "explain", ""]);
        (said != "words\n").then_some(said)
    });
    assert!(
        said.starts_with("words\n") && said.contains("\n日本 é\t"),
        "{said}"
    );
    assert!(!machine.path("vmux/vmux.sock").exists());
    assert!(!machine.path("vmux/vmuxd.pid").exists());
}

#[test]
fn a_daemon_that_hangs_costs_a_tab_no_more_than_its_patience() {
    let machine = world();
    let daemon = Daemon::start(&machine);
    daemon.wait_for_session("a session", |_| true);
    signal(&daemon.child, "-STOP");
    let (said, took) = asked(&machine, &["zsh", "vmux", "switch", ""]);
    signal(&daemon.child, "-CONT");
    assert_eq!(said, "words\n");
    // 300 ms is the promise; a busy machine takes longer to start a process, but not the 4.5 s that
    // others wait for a daemon.
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn what_a_name_is_of_is_said_beside_it() {
    let machine = Machine::new();
    for pid in [101, 102] {
        let claude = machine.claude(pid);
        claude.works_in("work/api");
        claude.file(serde_json::json!({"status": "waiting", "waitingFor": "permission prompt"}));
    }
    let _daemon = Daemon::start(&machine);
    let (said, _) = asked(&machine, &["fish", "vmux", "end", ""]);
    // Two of one name go by their pids: the name alone would be refused.
    for pid in ["101", "102"] {
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("{pid}\t")));
        assert!(
            line.is_some_and(|line| line.contains("waiting") && line.ends_with("api")),
            "{said}"
        );
    }
    let (said, _) = asked(&machine, &["fish", "vmux", "switch", "@"]);
    assert_eq!(said, "words\n@waiting\tnow api\n");
}

#[test]
fn nushell_declares_every_verb_and_asks_for_sessions() {
    let machine = Machine::new();
    let script = shown(&machine, &vmux(&machine, &["completions", "nushell"]));
    let of = |verb: &str| {
        let head = format!("export extern \"vmux {verb}\" [\n");
        let body = script.split(&head).nth(1).unwrap();
        body.split("\n  ]").next().unwrap().to_owned()
    };
    for (verb, argument) in [
        ("switch", "query: "),
        ("detach", "query?: "),
        ("logs", "query: "),
    ] {
        let asks = format!("    {argument}string@\"nu-complete vmux session\"");
        assert!(of(verb).contains(&asks), "{}", of(verb));
    }
    assert!(of("list").contains("--agent: string@\"nu-complete vmux list agent\""));
    assert!(!of("next").contains("nu-complete vmux session"));
}

#[test]
fn a_shell_that_nobody_knows_is_no_shell() {
    let machine = Machine::new();
    let done = vmux(&machine, &["complete", "tcsh", "vmux", ""]);
    assert_eq!(done.status.code(), Some(2));
    let mut bash = Command::new("bash");
    bash.arg("-n").arg(machine.write(
        "vmux.bash",
        &shown(&machine, &vmux(&machine, &["completions", "bash"])),
    ));
    assert!(bash.status().unwrap().success());
}
