//! `vmux completions`: the scripts by which shells ask `vmux complete` at each Tab, and what clap makes
//! of the command line for those that take no answers.

use clap_complete::shells::PowerShell;
use clap_complete_nushell::Nushell;

use super::out;
use crate::cmd::cli::{self, Completions, ShellName};
use crate::cmd::exit::Exit;

/// Asks for the sessions that a place takes.
const SESSIONS: &str = include_str!("complete/vmux.nu");

pub(super) fn run(args: &Completions) -> anyhow::Result<Exit> {
    let script = match args.shell {
        ShellName::Bash => include_str!("complete/vmux.bash").to_owned(),
        ShellName::Elvish => include_str!("complete/vmux.elv").to_owned(),
        ShellName::Fish => include_str!("complete/vmux.fish").to_owned(),
        ShellName::Nushell => nushell(),
        ShellName::Powershell => generated(PowerShell),
        ShellName::Zsh => include_str!("complete/vmux.zsh").to_owned(),
    };
    out::write(script.as_bytes())?;
    Ok(Exit::Done)
}

fn generated(shell: impl clap_complete::Generator) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "vmux", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Nushell knows the whole command line beforehand; only the names of sessions are asked for.
fn nushell() -> String {
    let script = generated(Nushell);
    let script = script.replacen(
        "module completions {\n\n",
        &format!("module completions {{\n\n{SESSIONS}"),
        1,
    );
    ["query: string", "query?: string"]
        .iter()
        .fold(script, |script, typed| {
            script.replace(
                &format!("    {typed}"),
                &format!("    {typed}@\"nu-complete vmux session\""),
            )
        })
}
