//! What a session may take: asked of systemd, and never only promised.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::kit::{Home, Killed};

/// Bytes of D-Bus, as far as a manager needs them that says yes to everything.
struct Played(UnixStream);

impl Played {
    /// Connects to a bus under a name.
    fn on(bus: &Path, name: &str) -> Self {
        let mut stream = UnixStream::connect(bus).unwrap();
        let uid = rustix::process::getuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        write!(stream, "\0AUTH EXTERNAL {hex}\r\n").unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, stream.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("OK "), "{line}");
        stream.write_all(b"BEGIN\r\n").unwrap();
        let mut played = Self(stream);
        played.send(
            1,
            &[
                (1, b'o', "/org/freedesktop/DBus"),
                (6, b's', BUS),
                (2, b's', BUS),
                (3, b's', "Hello"),
            ],
            "",
            &[],
        );
        let mut name = text(name);
        name.resize(name.len().next_multiple_of(4), 0);
        name.extend_from_slice(&4u32.to_le_bytes());
        let fields = [
            (1, b'o', "/org/freedesktop/DBus"),
            (6, b's', BUS),
            (2, b's', BUS),
            (3, b's', "RequestName"),
        ];
        played.send(1, &fields, "su", &name);
        played
    }

    fn send(&mut self, kind: u8, fields: &[(u8, u8, &str)], signature: &str, body: &[u8]) {
        self.send_with(kind, None, fields, signature, body);
    }

    fn send_with(
        &mut self,
        kind: u8,
        answers: Option<u32>,
        fields: &[(u8, u8, &str)],
        signature: &str,
        body: &[u8],
    ) {
        let mut list = Vec::new();
        let pad = |list: &mut Vec<u8>| list.resize(list.len().next_multiple_of(8), 0);
        for (code, of, value) in fields {
            pad(&mut list);
            list.extend_from_slice(&[*code, 1, *of, 0]);
            list.extend(text(value));
        }
        if let Some(serial) = answers {
            pad(&mut list);
            list.extend_from_slice(&[5, 1, b'u', 0]);
            list.extend_from_slice(&serial.to_le_bytes());
        }
        if !signature.is_empty() {
            pad(&mut list);
            let length = u8::try_from(signature.len()).unwrap();
            list.extend_from_slice(&[8, 1, b'g', 0, length]);
            list.extend_from_slice(signature.as_bytes());
            list.push(0);
        }
        let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let mut bytes = vec![b'l', kind, 0, 1];
        bytes.extend(number(body.len()));
        bytes.extend(number(7));
        bytes.extend(number(list.len()));
        bytes.extend(list);
        pad(&mut bytes);
        bytes.extend_from_slice(body);
        self.0.write_all(&bytes).unwrap();
    }

    /// The next message: kind, serial, head and body.
    fn next(&mut self) -> (u8, u32, Vec<u8>, Vec<u8>) {
        self.try_next().unwrap()
    }

    /// The same; nothing if the bus has ended.
    fn try_next(&mut self) -> Option<(u8, u32, Vec<u8>, Vec<u8>)> {
        let mut first = [0; 16];
        self.0.read_exact(&mut first).ok()?;
        assert_eq!(first[0], b'l', "of this machine");
        let number = |at: usize| u32::from_le_bytes(first[at..at + 4].try_into().unwrap());
        let mut fields = vec![0; (number(12) as usize).next_multiple_of(8)];
        let mut body = vec![0; number(4) as usize];
        self.0.read_exact(&mut fields).unwrap();
        self.0.read_exact(&mut body).unwrap();
        Some((first[1], number(8), fields, body))
    }

    /// Says yes to the first one who wants a unit; the body of his call.
    fn says_yes(mut self) -> Vec<u8> {
        loop {
            let (kind, serial, fields, body) = self.next();
            let has = |word: &[u8]| memchr::memmem::find(&fields, word).is_some();
            if kind != 1 || !has(b"StartTransientUnit") {
                continue;
            }
            assert!(has(b"org.freedesktop.systemd1.Manager") && has(b"ssa(sv)a(sa(sv))"));
            // As long as a busy machine takes to start what it has to for this.
            std::thread::sleep(BUSY);
            let job = text("/org/freedesktop/systemd1/job/1");
            self.answer(serial, &fields, "o", &job);
            return body;
        }
    }

    fn answer(&mut self, serial: u32, fields: &[u8], signature: &str, body: &[u8]) {
        let at = memchr::memmem::find(fields, b"\x07\x01s\0").unwrap() + 8;
        let end = at + fields[at..].iter().position(|byte| *byte == 0).unwrap();
        let caller = String::from_utf8(fields[at..end].to_vec()).unwrap();
        self.send_with(2, Some(serial), &[(6, b's', &caller)], signature, body);
    }

    /// Says who lingers and what is killed, as logind does, until the bus is gone.
    fn says_of_logins(mut self, lingers: bool, kills: bool) {
        while let Some((kind, serial, fields, body)) = self.try_next() {
            let asks = |word: &str| memchr::memmem::find(&body, &text(word)).is_some();
            let variant = |yes: bool| [1, b'b', 0, 0, u8::from(yes), 0, 0, 0];
            if kind == 1 && memchr::memmem::find(&fields, &text("GetUser")).is_some() {
                let user = text("/org/freedesktop/login1/user/_4711");
                self.answer(serial, &fields, "o", &user);
            } else if kind == 1 && asks("KillUserProcesses") {
                self.answer(serial, &fields, "v", &variant(kills));
            } else if kind == 1 && asks("Linger") {
                assert!(memchr::memmem::find(&fields, b"/user/_4711\0").is_some());
                self.answer(serial, &fields, "v", &variant(lingers));
            }
        }
    }
}

const BUS: &str = "org.freedesktop.DBus";
const BUSY: Duration = Duration::from_millis(1500);

fn text(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// A user manager that says yes, and does nothing.
fn manager(home: &Home) -> (Killed, JoinHandle<Vec<u8>>) {
    home.make_dir("run/systemd");
    let bus = home.path("run/bus");
    let mut daemon = home.command("dbus-daemon");
    daemon.args(["--session", "--nofork", "--print-address"]);
    daemon.arg(format!("--address=unix:path={}", bus.display()));
    let mut daemon = daemon.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let out = daemon.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let played = Played::on(&bus, "org.freedesktop.systemd1");
    let asked = std::thread::spawn(move || played.says_yes());
    (Killed(daemon), asked)
}

fn started(home: &Home, words: &[&str]) -> (bool, String) {
    let command = ["--", "sh", "-c", "echo ran > ran; exec cat"];
    let done = home.vmux(&[&["start"], words, &command].concat());
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.success(), error)
}

fn is_unlimited(error: &str) -> bool {
    error.contains("could not limit the session: ") && error.contains("hint: --memory and --tasks")
}

#[test]
fn without_systemd_a_limit_is_refused_and_nothing_runs() {
    let home = Home::new();
    for words in [&["--memory", "4G"][..], &["--tasks", "500"]] {
        let (good, error) = started(&home, words);
        assert!(!good && is_unlimited(&error), "{error}");
        assert!(error.contains("no systemd manages"), "{error}");
    }
    assert!(!home.path("work/ran").exists());
    assert_eq!(fs::read_dir(home.path("vmux/hosted")).unwrap().count(), 0);
    for words in [
        &["--memory", "4"][..],
        &["--memory", "much"],
        &["--tasks", "0"],
    ] {
        let (good, error) = started(&home, words);
        assert!(!good && error.contains("invalid value"), "{error}");
    }
}

/// The call is as systemd takes it (a real bus lets it pass, which checks its form); that it says
/// yes is not yet a limit.
#[test]
#[ignore = "needs dbus-daemon: scripts/test runs it"]
fn a_manager_that_only_says_yes_does_not_limit() {
    let home = Home::new();
    let (_daemon, asked) = manager(&home);
    let (good, error) = started(&home, &["--memory", "64M", "--tasks", "50"]);
    assert!(!good && is_unlimited(&error), "{error}");
    assert!(error.contains("did not move it to vmux-h"), "{error}");
    assert!(!home.path("work/ran").exists());
    let body = asked.join().unwrap();
    let after = |word: &str| {
        let at = memchr::memmem::find(&body, &text(word)).unwrap();
        body[at + 4 + word.len() + 1..].to_vec()
    };
    assert_eq!(&body[4..10], b"vmux-h" as &[u8], "{body:?}");
    assert!(memchr::memmem::find(&body, &text("fail")).is_some());
    // A variant: length and letters of its type, a zero, and the value at its own border.
    assert_eq!(after("PIDs")[..4], *b"\x02au\0");
    assert_eq!(after("Delegate")[..3], *b"\x01b\0");
    for (word, value) in [("MemoryMax", 64_u64 << 20), ("TasksMax", 50)] {
        let variant = after(word);
        assert_eq!(variant[..3], *b"\x01t\0", "{word}");
        let found = memchr::memmem::find(&variant[..19], &value.to_le_bytes());
        assert!(found.is_some(), "{word}: {variant:?}");
    }
    assert_eq!(body[body.len() - 4..], [0; 4], "no further units");
}

/// A logind on the same bus.
fn logind(home: &Home, lingers: bool, kills: bool) {
    let bus = home.path("run/bus");
    let played = Played::on(&bus, "org.freedesktop.login1");
    let address = format!("unix:path={}", bus.display());
    home.set("DBUS_SYSTEM_BUS_ADDRESS", address);
    std::thread::spawn(move || played.says_of_logins(lingers, kills));
}

/// A scope is not had, and nothing was to be limited: it runs all the same. It is wanted where a user's
/// manager outlives his logins, and where his logins take along what was started in them.
#[test]
#[ignore = "needs dbus-daemon: scripts/test runs it"]
fn a_session_without_limits_runs_where_no_scope_can_be_had() {
    for (lingers, kills) in [(true, false), (false, true)] {
        let home = Home::new();
        let (_daemon, asked) = manager(&home);
        logind(&home, lingers, kills);
        let (good, error) = started(&home, &["--name", "free"]);
        assert!(good, "{error}");
        asked.join().unwrap();
        assert!(home.vmux(&["end", "--yes", "free"]).status.success());
    }
}

/// The manager ends with the last login, and its scopes with it; what was started in the login itself
/// goes on.
#[test]
#[ignore = "needs dbus-daemon: scripts/test runs it"]
fn a_session_stays_in_the_login_that_it_outlives() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if own.contains("/user@") {
        // The tests are run by a manager.
        return;
    }
    let home = Home::new();
    let (_daemon, asked) = manager(&home);
    logind(&home, false, false);
    let (good, error) = started(&home, &["--name", "free"]);
    assert!(good, "{error}");
    let (good, error) = started(&home, &["--tasks", "50"]);
    assert!(!good && is_unlimited(&error), "{error}");
    let first = asked.join().unwrap();
    let limit = memchr::memmem::find(&first, &text("TasksMax"));
    assert!(limit.is_some(), "the one without limits asked: {first:?}");
    assert!(home.vmux(&["end", "--yes", "free"]).status.success());
}
