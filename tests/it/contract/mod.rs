//! The contract with the real program: Claude Code from npm, driven by a scripted model.
//!
//! What vmux says is held against what the screen shows, never against the files that vmux
//! itself reads. Versions were pinned on 2026-11-20; each stands for a way of telling its state:
//!
//! | version | what it tells |
//! |---|---|
//! | 2.0.77 | nothing: a transcript that no file names |
//! | 2.1.100 | a file without status, which names the conversation of its start |
//! | 2.1.140 | a status with `approve <Tool>`; `busy` while a background shell runs |
//! | 2.1.142 | a status that says `busy` while a dialog is open |
//! | 2.1.328, the newest | everything |
//!
//! What no file tells: a dialog that opens before the end of the model's message has come. The CLI
//! reads no further then, and writes the call down once it is answered. 2.1.100 and 2.1.142 look as
//! if they worked; where a status tells of the dialog, only what is asked is missing.
//!
//! Run by `cargo test --test it -- --ignored contract`; needs npm, node, python3, tmux and bash.
//! With `VMUX_CONTRACT=latest` the stories of the newest are run with what is the newest now.

mod install;
mod lab;
mod screen;
mod session;
mod stories;

use lab::Lab;
use session::Want;

/// The newest version: pinned, unless the environment asks for what is the newest now.
fn newest() -> Lab {
    match std::env::var("VMUX_CONTRACT").as_deref() {
        Ok(install::LATEST) => Lab::of(install::LATEST),
        Ok(word) => panic!("VMUX_CONTRACT={word}: only \"latest\" is known"),
        Err(_) => Lab::of("2.1.328"),
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
    suspending();
    // No scripts: without a file, `claude -p` in a terminal looks like any session.
    answers();
    answers_there();
    answers_nothing();
    // After a yes from vmux it says that it left plan mode, and stays in it.
    answers_plan(true);
}}

contract! { v2_1_100 Lab::of("2.1.100") => {
    turns();
    // No second thoughts: a prompt that was taken back leaves no trace in its files.
    permissions();
    tools();
    questions();
    clearing();
    resuming();
    background_shell(Want::idle());
    agent_asks();
    neighbours_until_cleared();
    hooked_neighbours();
    ends();
    suspending();
    scripts();
    start_dialog(Want::unknown().by_absence());
    answers();
    answers_there();
    answers_plan(false);
}}

contract! { v2_1_140 Lab::of("2.1.140") => {
    turns();
    second_thoughts(Want::idle());
    permissions();
    questions();
    menus();
    clearing();
    resuming();
    going_back();
    background_shell(Want::idle_because("background shell"));
    agent_asks();
    neighbours();
    start_dialog(Want::unknown().by_absence());
}}

contract! { v2_1_142 Lab::of("2.1.142") => {
    turns();
    second_thoughts(Want::idle());
    permissions();
    tools();
    questions();
    clearing();
    resuming();
    going_back();
    background_shell(Want::idle_because("background shell"));
    agent_asks();
    neighbours();
    answers();
    answers_there();
    answers_plan(false);
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
    neighbours();
    ends();
    leftovers();
    suspending();
    scripts();
    start_dialog(Want::waiting("start dialog").by_absence());
    answers();
    answers_there();
    answers_nothing();
    answers_plan(false);
}}
