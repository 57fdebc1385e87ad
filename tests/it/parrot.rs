//! A made-up coding tool: all that another agent needs besides a line of the table.
//!
//! Its sessions are processes called `parrot`. Each says its state in `~/.parrot/PID`, as a word
//! and what it asks; all of them also in a datagram to `~/.parrot/socket`.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use vmux::agent::{Agent, Looks, Message, Outside, Role, Roots, Watch, guarded};
use vmux::core::model::{
    Claim, ConversationId, Evidence, Pid, ProcessFact, Reason, Session, Source, State,
};
use vmux::core::text::CleanText;
use vmux::sys::proc::Environ;

pub(crate) struct Parrot;

impl Agent for Parrot {
    fn variable(&self) -> &'static str {
        "PARROT_HOME"
    }

    fn program(&self) -> &'static str {
        "parrot"
    }

    fn name(&self) -> &'static str {
        "parrot"
    }

    fn title(&self) -> &'static str {
        "Parrot"
    }

    fn config_dir(&self, _environ: &Environ, home: &Path) -> PathBuf {
        home.join(".parrot")
    }

    fn plausible(&self, comm: &str, _exe: Option<&Path>) -> bool {
        comm == "parrot"
    }

    fn recognise(&self, looks: &Looks) -> Option<Role> {
        let serves = looks.argv.iter().any(|word| word == "serve");
        Some(match looks.terminal && !serves {
            true => Role::Session,
            false => Role::Never("it serves"),
        })
    }

    fn watch(&self, roots: &Roots) -> Box<dyn Watch> {
        let dir = roots.config("parrot").to_path_buf();
        let socket = UnixDatagram::bind(dir.join("socket")).unwrap();
        socket.set_nonblocking(true).unwrap();
        let sessions = BTreeMap::new();
        Box::new(Perch {
            dir,
            socket,
            sessions,
        })
    }

    fn messages(&self, _session: &Session, _most: usize) -> Result<Vec<Message>, String> {
        Ok(Vec::new())
    }

    fn go_on(&self, _started: &[String], _conversation: &ConversationId) -> Option<Vec<String>> {
        Some(vec!["parrot".into(), "again".into()])
    }
}

struct Perch {
    dir: PathBuf,
    socket: UnixDatagram,
    sessions: BTreeMap<Pid, ProcessFact>,
}

impl Perch {
    fn hear(&self, pid: Pid, source: Source, words: &str, outside: &mut Outside) {
        let Some(process) = self.sessions.get(&pid) else {
            return;
        };
        let (word, ask) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
        let claim = match word {
            "waits" => Claim::new(source, State::NeedsInput, "it says that it waits")
                .because(Reason::Permission)
                .asking(CleanText::line(ask).some(), None),
            "works" => Claim::new(source, State::Working, "it says that it works"),
            "rests" => Claim::new(source, State::Idle, "it says that it rests"),
            odd => panic!("a bug of {odd}"),
        };
        let evidence = Evidence {
            process: process.clone(),
            claims: vec![claim],
            ..Evidence::default()
        };
        outside.tell(pid, evidence);
    }
}

impl Watch for Perch {
    fn adopt(&mut self, looks: Looks, role: Role, outside: &mut Outside) {
        if role != Role::Session {
            return;
        }
        let (start, process) = outside.process(&looks);
        let pid = looks.key.pid;
        outside.track(looks.key, start);
        self.sessions.insert(pid, process);
        self.read(pid, outside);
    }

    fn read(&mut self, pid: Pid, outside: &mut Outside) {
        let said = fs::read_to_string(self.dir.join(pid.to_string()));
        self.hear(pid, Source::File, &said.unwrap_or("rests".into()), outside);
    }

    fn end(&mut self, pid: Pid, _outside: &mut Outside) {
        self.sessions.remove(&pid);
    }

    fn reset(&mut self, pid: Pid, _outside: &mut Outside) -> Option<Evidence> {
        let process = self.sessions.get(&pid)?.clone();
        Some(Evidence {
            process,
            ..Evidence::default()
        })
    }

    fn verify(&mut self, pid: Pid, stopped: bool, outside: &mut Outside) {
        if let Some(process) = self.sessions.get_mut(&pid) {
            process.stopped = stopped;
        }
        self.read(pid, outside);
    }

    fn restless(&self, all: &mut Vec<Pid>) {
        all.extend(self.sessions.keys());
    }

    fn scan(&mut self, outside: &mut Outside) {
        outside.watcher.add(&self.dir).unwrap();
    }

    fn changed(&mut self, dir: &Path, name: &str, outside: &mut Outside) {
        if let (true, Ok(pid)) = (dir == self.dir, name.parse()) {
            guarded(self, outside, Pid(pid), |perch, outside| {
                perch.read(Pid(pid), outside);
            });
        }
    }

    fn descriptors<'a>(&'a self, all: &mut Vec<BorrowedFd<'a>>) {
        all.push(self.socket.as_fd());
    }

    fn ready(&mut self, outside: &mut Outside) {
        let mut words = [0; 200];
        while let Ok(length) = self.socket.recv(&mut words) {
            let words = String::from_utf8_lossy(&words[..length]).into_owned();
            if let Some((pid, words)) = words.split_once(' ')
                && let Ok(pid) = pid.parse().map(Pid)
            {
                guarded(self, outside, pid, |perch, outside| {
                    perch.hear(pid, Source::Socket, words, outside);
                });
            }
        }
    }
}
