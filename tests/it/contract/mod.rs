//! The contract with the real programs: Claude Code from npm, driven by a scripted model, and beside
//! it Codex CLI (in `codex`).
//!
//! What vmux says is held against what the screen shows, never against the files that vmux
//! itself reads. Versions were pinned on 2026-11-28. The newest goes through every story; an older one
//! stands for a way of telling its state, and goes through those where it differs:
//!
//! | version | what it tells |
//! |---|---|
//! | 2.0.77 | nothing: a transcript that no file names |
//! | 2.1.100 | a file without status, which names the conversation of its start |
//! | 2.1.142 | a status that says `busy` while a dialog is open |
//! | 2.1.332, the newest | everything |
//!
//! What no file tells: a dialog that opens before the end of the model's message has come. The CLI
//! reads no further then, and writes the call down once it is answered. 2.1.100 and 2.1.142 look as
//! if they worked; where a status tells of the dialog, only what is asked is missing.
//!
//! Run by `cargo test --test it -- --ignored contract`; needs npm, node, python3, tmux and bash.
//! With `VMUX_CONTRACT=latest` the stories of the newest are run with what is the newest now.

mod captured;
mod changes;
mod codex;
mod hosted;
mod recorded;
mod restored;
mod screen;
mod session;
mod stories;

use session::Want;

use crate::kit::{Lab, install};

/// The newest version: pinned, unless the environment asks for what is the newest now.
fn newest() -> Lab {
    match std::env::var("VMUX_CONTRACT").as_deref() {
        Ok(install::LATEST) => Lab::of(install::LATEST),
        Ok(word) => panic!("VMUX_CONTRACT={word}: only \"latest\" is known"),
        Err(_) => Lab::of("2.1.332"),
    }
}

/// A module of tests for one version: each story that applies to it.
macro_rules! contract {
    ($module:ident $lab:expr => { $($story:ident($($argument:expr)?);)* }) => {
        mod $module {
            use super::*;

            $(
                #[test]
                #[ignore = "installs Claude Code from npm"]
                fn $story() {
                    stories::$story(&$lab $(, &$argument)?);
                }
            )*
        }
    };
}

contract! { v2_0_77 Lab::of("2.0.77") => {
    turns();
    second_thoughts(Want::idle_because("interrupted"));
    permissions();
    tools();
    questions();
    clearing();
    // No resuming: which conversation was resumed shows with its first prompt only.
    background_shell(Want::idle());
    agent_asks();
    doubtful_neighbours();
    hooked_neighbours();
    ends();
    // No scripts: without a file, `claude -p` in a terminal looks like any session.
    answers();
    // After a yes from vmux it says that it left plan mode, and stays in it.
    answers_plan(true);
}}

contract! { v2_1_100 Lab::of("2.1.100") => {
    turns();
    // No second thoughts: a prompt that was taken back leaves no trace in its files.
    permissions();
    clearing();
    resuming();
    agent_asks();
    neighbours_until_cleared();
    hooked_neighbours();
    scripts();
    // Versions before 2.1.250 leave no sign of it.
    start_dialog(Want::unknown());
}}

contract! { v2_1_142 Lab::of("2.1.142") => {
    turns();
    permissions();
    tools();
    questions();
    background_shell(Want::idle_because("background shell"));
    agent_asks();
    answers_there();
}}

contract! { newest newest() => {
    turns();
    second_thoughts(Want::idle());
    permissions();
    tools();
    questions();
    plans();
    menus();
    clearing();
    resuming();
    going_back();
    own_configuration();
    background_shell(Want::idle_because("background shell"));
    background_agent();
    agent_asks();
    neighbours();
    hooked_neighbours();
    ends();
    leftovers();
    lost_files();
    suspending();
    scripts();
    start_dialog(Want::waiting("start dialog"));
    answers();
    answers_there();
    answers_nothing();
    answers_plan(false);
    cuts_are_exact();
    changes();
}}
