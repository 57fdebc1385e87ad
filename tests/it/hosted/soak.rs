//! Hours in minutes: many sessions and whatever befalls them, at random. In the end they take what
//! they took at the beginning.
//!
//! `scripts/soak` runs it for long. `VMUX_SOAK` is `SECONDS,SESSIONS,SEED`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vmux::hosted::link::Link;
use vmux::hosted::{Hello, Info, Role, frame};

use super::{World, signal};
use crate::kit::PATIENCE;
use crate::kit::process::{is_alive, private_kib, processes_of, wait_seeing, wait_within};

/// What the gate runs.
const SHORT: (u64, usize, u64) = (20, 12, 1);
/// Most clients at once.
const CLIENTS: usize = 100;
/// Memory is given back after a second without output.
const REST: Duration = Duration::from_millis(2500);
/// Until all rests again.
const CALM: Duration = Duration::from_secs(120);
/// By how much one may differ from another, in KiB: what the allocator keeps. Now and then one
/// keeps 2.1 MiB more than it began with, though its grid has given back its spare rows.
const SLACK: u64 = 4096;

/// Does what it is told: floods, one long line, other screen, processes left behind, all anew.
const PROGRAM: &str = "while read -r line; do case $line in \
    f) seq 1 20000;; \
    l) head -c 300000 /dev/zero | tr '\\0' x; echo;; \
    a) printf '\\033[?1049h\\033[?1000h\\033[2J\\033[31mother';; \
    m) printf '\\033[?1049l\\033[?1000l\\033]0;title\\007';; \
    p) (sleep 2 &) ;; \
    r) printf '\\033c'; echo anew;; \
    esac; done";

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }

    fn size(&mut self) -> (u16, u16) {
        let mut within = |n| u16::try_from(self.below(n)).unwrap();
        (within(300), within(100))
    }
}

struct Session {
    name: String,
    info: Info,
    socket: PathBuf,
}

impl Session {
    fn start(world: &World, name: String) -> Self {
        let value = world.start(&name, PROGRAM);
        let info: Info = serde_json::from_value(value).unwrap();
        let socket = world.0.path(&format!("vmux/hosted/{}.sock", info.id));
        Self { name, info, socket }
    }

    fn link(&self, role: Role, (columns, rows): (u16, u16)) -> Link {
        let hello = Hello {
            role,
            columns,
            rows,
            ..Hello::default()
        };
        let link = Link::connect(&self.socket, &hello, PATIENCE);
        link.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn types(&self, keys: &str) {
        let mut link = self.link(Role::Ask, (0, 0));
        link.send(frame::INPUT, keys.as_bytes()).unwrap();
        // It has come once something after it is answered.
        link.info(CALM).unwrap();
    }

    /// Brings it to the state in which all sessions take the same.
    fn settle(&self) {
        let mut link = self.link(Role::Attach, (80, 24));
        link.send(frame::INPUT, b"m\rr\r").unwrap();
        link.info(CALM).unwrap();
    }

    fn ends(&self) {
        self.link(Role::Ask, (0, 0)).end(PATIENCE).unwrap();
    }

    fn takes(&self) -> Taken {
        let count = |what: &str| {
            let dir = fs::read_dir(format!("/proc/{}/{what}", self.info.holder));
            dir.map_or(0, Iterator::count)
        };
        Taken {
            kib: private_kib(self.info.holder),
            descriptors: count("fd"),
            threads: count("task"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Taken {
    kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Taken {
    fn is_within(self, begin: Self) -> bool {
        self.kib <= begin.kib + SLACK
            && self.descriptors <= begin.descriptors
            && self.threads <= begin.threads
    }
}

fn wanted() -> (u64, usize, u64) {
    let Ok(words) = std::env::var("VMUX_SOAK") else {
        return SHORT;
    };
    let numbers: Vec<u64> = words.split(',').map(|word| word.parse().unwrap()).collect();
    let sessions = usize::try_from(numbers[1]).unwrap();
    (numbers[0], sessions, numbers[2].max(1))
}

struct Soak<'a> {
    world: &'a World,
    dice: Dice,
    sessions: Vec<Session>,
    clients: Vec<Link>,
    done: BTreeMap<&'static str, usize>,
}

impl Soak<'_> {
    fn step(&mut self) {
        let at = self.dice.below(self.sessions.len());
        let what = match self.dice.below(100) {
            0..25 => self.attach(at),
            25..50 => self.read(),
            50..60 => self.resize(),
            60..75 => self.leave(),
            75..97 => self.types(at),
            97 => self.kill(at),
            98 => self.end(at),
            _ => {
                let link = self.sessions[at]
                    .link(Role::Ask, (0, 0))
                    .send(frame::HISTORY, b"\x01");
                link.unwrap();
                "history"
            }
        };
        *self.done.entry(what).or_default() += 1;
    }

    fn attach(&mut self, at: usize) -> &'static str {
        if self.clients.len() >= CLIENTS {
            return self.leave();
        }
        let role = if self.dice.below(3) == 0 {
            Role::Watch
        } else {
            Role::Attach
        };
        let size = self.dice.size();
        self.clients.push(self.sessions[at].link(role, size));
        "attach"
    }

    /// One of the clients; some are never read for long.
    fn some_client(&mut self) -> Option<usize> {
        (!self.clients.is_empty()).then(|| self.dice.below(self.clients.len()))
    }

    fn read(&mut self) -> &'static str {
        let Some(at) = self.some_client() else {
            return "nothing";
        };
        let client = &mut self.clients[at];
        loop {
            while client.take().unwrap().is_some() {}
            match client.fill() {
                Ok(true) => {}
                Ok(false) => return "read",
                Err(_) => break,
            }
        }
        drop(self.clients.swap_remove(at));
        "hung up"
    }

    fn resize(&mut self) -> &'static str {
        let Some(at) = self.some_client() else {
            return "nothing";
        };
        let (columns, rows) = self.dice.size();
        let sent = self.clients[at].send(frame::RESIZE, &frame::size(columns, rows));
        if sent.is_err() {
            drop(self.clients.swap_remove(at));
        }
        "resize"
    }

    fn leave(&mut self) -> &'static str {
        let Some(at) = self.some_client() else {
            return "nothing";
        };
        let mut client = self.clients.swap_remove(at);
        if self.dice.below(2) == 0 {
            return "drop";
        }
        // Its session may be over.
        client.send(frame::DETACH, b"").unwrap_or_default();
        "detach"
    }

    fn types(&mut self, at: usize) -> &'static str {
        let what = ["f", "l", "a", "m", "p", "r"][self.dice.below(6)];
        self.sessions[at].types(&format!("{what}\r"));
        what
    }

    /// The program is killed; another session takes its place.
    fn kill(&mut self, at: usize) -> &'static str {
        let old = &self.sessions[at];
        signal(old.info.pid, Signal::KILL);
        let holder = old.info.holder;
        wait_within(CALM, "the holder's end", || {
            (!is_alive(holder)).then_some(())
        });
        self.replace(at);
        "kill"
    }

    fn end(&mut self, at: usize) -> &'static str {
        self.sessions[at].ends();
        self.replace(at);
        "end"
    }

    fn replace(&mut self, at: usize) {
        let name = self.sessions[at].name.clone();
        self.sessions[at] = Session::start(self.world, name);
    }
}

#[test]
#[ignore = "takes its time: scripts/test and scripts/soak run it"]
fn sessions_end_as_they_began_whatever_befalls_them() {
    let (seconds, count, seed) = wanted();
    eprintln!("VMUX_SOAK={seconds},{count},{seed}");
    let world = World::new();
    world.0.sessions();
    let names = (0..count).map(|n| format!("soak{n}"));
    let mut soak = Soak {
        world: &world,
        dice: Dice(seed),
        sessions: names.map(|name| Session::start(&world, name)).collect(),
        clients: Vec::new(),
        done: BTreeMap::new(),
    };
    soak.sessions.iter().for_each(Session::settle);
    std::thread::sleep(REST);
    let began: Vec<Taken> = soak.sessions.iter().map(Session::takes).collect();
    let begin = Taken {
        kib: began.iter().map(|taken| taken.kib).max().unwrap(),
        descriptors: began.iter().map(|taken| taken.descriptors).max().unwrap(),
        threads: began.iter().map(|taken| taken.threads).max().unwrap(),
    };
    let processes = processes_of(world.0.dir()).len();
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        soak.step();
    }
    eprintln!("{:?}, {} clients left", soak.done, soak.clients.len());
    soak.clients.clear();
    soak.sessions.iter().for_each(Session::settle);
    wait_seeing(CALM, "all to rest as in the beginning", || {
        let taken = soak
            .sessions
            .iter()
            .map(|session| (&session.name, session.takes()));
        let more: Vec<_> = taken.filter(|(_, taken)| !taken.is_within(begin)).collect();
        let now = processes_of(world.0.dir()).len();
        if more.is_empty() && now <= processes {
            return Ok(());
        }
        let more = more.iter().take(8).collect::<Vec<_>>();
        Err(format!(
            "began as {begin:?}, {processes} processes; now {now}, and {more:?}"
        ))
    });
    let holders: Vec<u32> = soak
        .sessions
        .iter()
        .map(|session| session.info.holder)
        .collect();
    soak.sessions.iter().for_each(Session::ends);
    wait_within(CALM, "the end of all holders", || {
        holders
            .iter()
            .all(|holder| !is_alive(*holder))
            .then_some(())
    });
}
