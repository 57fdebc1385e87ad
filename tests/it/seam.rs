//! Another agent beside Claude Code, through the same source, registry and views.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use vmux::agent::claude::ClaudeCode;
use vmux::agent::{Agent, Looks, Role};
use vmux::core::model::{Reason, Session, State};
use vmux::source::scout::{Scout, Senses};
use vmux::sys::clock;

use crate::machine::Machine;
use crate::parrot::Parrot;
use crate::watched::Watched;

static BOTH: &[&dyn Agent] = &[&ClaudeCode, &Parrot];

/// A machine on which a parrot says this, and what watches it.
fn world(pid: u32, says: &str) -> (Machine, Watched) {
    let machine = Machine::new();
    machine.write(&format!("home/.parrot/{pid}"), says);
    machine.process(pid, "parrot", "/usr/bin/parrot", &["parrot"]);
    let mut roots = machine.roots();
    roots.configs.insert("parrot", machine.path("home/.parrot"));
    let scout = Scout::with(roots, Senses::default(), BOTH).unwrap();
    let watched = Watched::by(scout);
    (machine, watched)
}

fn of(watched: &Watched, pid: u32) -> Session {
    let mut all = watched.sessions().into_iter();
    all.find(|session| session.pid.0 == pid).unwrap()
}

/// Waits until the source has something to hear.
fn wait(watched: &mut Watched) {
    let descriptors = watched.scout.descriptors();
    let mut fds: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    let patience = clock::timespec(Duration::from_secs(10));
    let ready = poll(&mut fds, Some(&patience)).unwrap();
    assert!(ready > 0, "nothing was told");
    watched.events();
}

#[test]
fn sessions_of_two_agents_stand_side_by_side() {
    let (machine, mut watched) = world(101, "waits Fly(away)");
    machine.claude(102);
    machine.process(103, "parrot", "/usr/bin/parrot", &["parrot", "serve"]);
    watched.scan();
    assert_eq!(watched.pids(), [101, 102], "what serves is no session");
    let parrot = of(&watched, 101);
    assert_eq!(&*parrot.agent, "parrot");
    assert_eq!(parrot.state, State::NeedsInput);
    assert_eq!(parrot.reason, Some(Reason::Permission));
    assert_eq!(parrot.ask.as_deref(), Some("Fly(away)"));
    assert_eq!(&*of(&watched, 102).agent, "claude");
    fs::remove_dir_all(machine.path("proc/101")).unwrap();
    watched.scan();
    assert_eq!(watched.pids(), [102]);
}

#[test]
fn what_an_agent_says_is_heard_at_once() {
    let (machine, mut watched) = world(101, "rests");
    assert_eq!(watched.only().state, State::Idle);
    machine.write("home/.parrot/101", "works");
    wait(&mut watched);
    assert_eq!(watched.only().state, State::Working);
    let socket = UnixDatagram::unbound().unwrap();
    let sent = socket.send_to(b"101 waits", machine.path("home/.parrot/socket"));
    assert_eq!(sent.unwrap(), 9);
    wait(&mut watched);
    assert_eq!(watched.only().state, State::NeedsInput);
}

#[test]
fn a_bug_costs_one_session_of_its_agent() {
    let (machine, mut watched) = world(101, "squawks");
    machine.claude(102);
    watched.scan();
    let failed = of(&watched, 101);
    assert_eq!(failed.reason, Some(Reason::Unreadable));
    assert_eq!(of(&watched, 102).state, State::Idle);
    machine.write("home/.parrot/101", "works");
    watched.retry();
    assert_eq!(of(&watched, 101).state, State::Working);
}

#[test]
fn a_process_belongs_to_the_first_agent_that_knows_it() {
    let looks = Looks {
        comm: "parrot".into(),
        exe: Some("/usr/bin/claude".into()),
        terminal: true,
        ..Looks::default()
    };
    let roles = BOTH.iter().map(|agent| agent.recognise(&looks));
    assert!(roles.flatten().all(|role| role == Role::Session));
    let (machine, mut watched) = world(101, "rests");
    machine.process(102, "parrot", "/usr/bin/claude", &["parrot"]);
    watched.scan();
    assert_eq!(&*of(&watched, 102).agent, "claude");
}

/// What a Ctrl+Z does is the source's to see.
#[test]
fn a_stopped_process_is_suspended_whoever_runs_in_it() {
    let machine = Machine::new();
    let process = machine.process(101, "parrot", "/usr/bin/parrot", &["parrot"]);
    fs::create_dir_all(machine.path("home/.parrot")).unwrap();
    let mut roots = machine.roots();
    roots.configs.insert("parrot", machine.path("home/.parrot"));
    let scout = Scout::with(roots, Senses::default(), BOTH).unwrap();
    let mut watched = Watched::by(scout);
    process.state('T');
    watched.scan();
    assert_eq!(watched.only().reason, Some(Reason::Suspended));
}
