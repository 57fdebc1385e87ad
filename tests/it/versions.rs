//! Programs of two versions, as they meet after an update: this client with an earlier daemon, and
//! an earlier client with this daemon. What vmux of commit b762ebc said, and was told, is recorded
//! in `tests/fixtures/wire`; `real_programs_of_two_versions` runs the programs themselves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::schema::Schema;
use crate::service::{Daemon, command, wait_for};
use crate::wire::machine;

/// What the earlier version said, one verb a line.
const RECORDED: &str = "tests/fixtures/wire/b762ebc.jsonl";

/// What was run to record it. Nothing here ends a process: a key of this machine's files may be
/// the pid of any process.
const CALLS: [&[&str]; 16] = [
    &["list"],
    &["list", "--json"],
    &["list", "--format", "dmenu"],
    &["switch", "shop"],
    &["switch", "nobody"],
    &["next"],
    &["back"],
    &["label", "shop", "pay"],
    &["snooze", "pay", "10min"],
    &["pin", "pay"],
    &["preview", "pay", "--json"],
    &["explain", "pay", "--json"],
    &["answer", "pay"],
    &["status"],
    &["rofi"],
    &["daemon", "status", "--json"],
];

/// One request and its reply, as they went over the socket.
#[derive(Clone, Debug)]
struct Exchange {
    request: Value,
    reply: Value,
    payload: String,
}

impl Exchange {
    fn action(&self) -> &str {
        self.request["action"].as_str().unwrap()
    }
}

fn recorded() -> Vec<(Vec<String>, Vec<Exchange>, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    let text = std::fs::read_to_string(path).unwrap();
    let calls = text.lines().map(|line| {
        let call: Value = serde_json::from_str(line).unwrap();
        let exchanges = call["exchanges"].as_array().unwrap().iter();
        let exchanges = exchanges.map(|exchange| Exchange {
            request: exchange["request"].clone(),
            reply: exchange["reply"].clone(),
            payload: exchange["payload"].as_str().unwrap().to_owned(),
        });
        let words = call["words"].as_array().unwrap().iter();
        (
            words
                .map(|word| word.as_str().unwrap().to_owned())
                .collect(),
            exchanges.collect(),
            call["printed"].as_str().unwrap().to_owned(),
        )
    });
    calls.collect()
}

/// Answers every connection at `socket` by `reply`, which gets the line of a request.
fn serve(socket: &Path, reply: impl Fn(&str) -> Vec<u8> + Send + Clone + 'static) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let reply = reply.clone();
            thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if writer.write_all(&reply(&line)).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// The line of a reply, and its payload.
fn ask(socket: &Path, line: &str) -> (String, Vec<u8>) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut reply = String::new();
    reader.read_line(&mut reply).unwrap();
    let read: Value = serde_json::from_str(&reply).unwrap();
    let length = read["payload"].as_u64().unwrap_or(0);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    reader.read_exact(&mut payload).unwrap();
    (reply, payload)
}

/// Runs a verb of some `vmux` against the daemon at `socket`.
fn run(machine: &Machine, program: &str, socket: &Path, words: &[&str]) -> Output {
    command(machine, program)
        .args(words)
        .env("VMUX_SOCKET", socket)
        .env("COLUMNS", "80")
        .env("ROFI_RETV", "0")
        .env("ROFI_OUTSIDE", "1")
        .output()
        .unwrap()
}

/// Runs all calls of a client through a wire tap; each with what it said, was told and printed.
fn tapped(
    machine: &Machine,
    client: &str,
    daemon: &Path,
) -> Vec<(&'static [&'static str], Vec<Exchange>, Output)> {
    let tap = machine.path("tap.sock");
    let (tell, heard) = channel();
    let daemon = daemon.to_owned();
    serve(&tap, move |line| {
        let (reply, payload) = ask(&daemon, line);
        let exchange = Exchange {
            request: serde_json::from_str(line).unwrap(),
            reply: serde_json::from_str(&reply).unwrap(),
            payload: String::from_utf8_lossy(&payload).into_owned(),
        };
        tell.send(exchange).unwrap();
        [reply.into_bytes(), payload].concat()
    });
    let all = |heard: &Receiver<Exchange>| heard.try_iter().collect();
    let calls = CALLS.into_iter().map(|words| {
        let done = run(machine, client, &tap, words);
        (words, all(&heard), done)
    });
    calls.collect()
}

/// Whether `newer` says all that `older` said: fields are only ever added. What is of the moment,
/// or words for people, is held to be there, and of the same kind.
fn says_all(older: &Value, newer: &Value, at: &str) {
    let free = ["/status/", "/error", "/hint"];
    match (older, newer) {
        (Value::Object(older), Value::Object(newer)) => {
            for (key, value) in older {
                let at = format!("{at}/{key}");
                if at == "/explanation/evidence" {
                    continue;
                }
                let found = newer.get(key).unwrap_or_else(|| panic!("{at} is gone"));
                says_all(value, found, &at);
            }
        }
        (Value::Array(older), Value::Array(newer)) => {
            assert_eq!(older.len(), newer.len(), "{at}");
            for (n, (older, newer)) in older.iter().zip(newer).enumerate() {
                says_all(older, newer, &format!("{at}/{n}"));
            }
        }
        _ if free.iter().any(|part| at.starts_with(part))
            || at.ends_with("snoozed_until")
            || at.ends_with("/trouble/message")
            || at.starts_with("/explanation/place/way/") =>
        {
            let kind = |value: &Value| std::mem::discriminant(value);
            assert_eq!(kind(older), kind(newer), "{at}");
        }
        _ => assert_eq!(older, newer, "{at}"),
    }
}

/// A value of a machine as one of any machine.
fn anywhere(machine: &Machine, value: &Value) -> Value {
    let root = machine.path("");
    let work = machine.path("work/shop");
    let encoded = vmux::agent::claude::find::encode_cwd(work.to_str().unwrap());
    let work = work.to_str().unwrap();
    let text = value.to_string().replace(work, "/M/code/shop");
    let text = text.replace(root.to_str().unwrap(), "/M/");
    serde_json::from_str(&text.replace(&encoded, "-M-code-shop")).unwrap()
}

/// An earlier daemon, by what it said to each action.
struct EarlierDaemon {
    machine: Machine,
    socket: PathBuf,
    /// What it says now: a recorded conversation goes on.
    says: Arc<Mutex<Vec<Exchange>>>,
}

impl EarlierDaemon {
    fn start() -> Self {
        let machine = machine();
        let socket = machine.path("earlier.sock");
        let first = |call: Vec<Exchange>| call.into_iter().next();
        let all = recorded().into_iter().filter_map(|call| first(call.1));
        let says: Arc<Mutex<Vec<Exchange>>> = Arc::new(Mutex::new(all.collect()));
        let exchanges = Arc::clone(&says);
        serve(&socket, move |line| {
            let request: Value = serde_json::from_str(line).unwrap();
            let known = exchanges.lock().unwrap();
            let known = known.iter().find(|exchange| {
                let same = |field: &str| exchange.request["args"][field] == request["args"][field];
                exchange.action() == request["action"] && same("format") && same("query")
            });
            let Some(known) = known else {
                let action = request["action"].as_str().unwrap();
                let error = format!("unknown action {action:?}");
                return format!(
                    "{{\"ok\":false,\"error\":{},\"code\":\"bad_request\",\"sessions\":[]}}\n",
                    json!(error)
                )
                .into_bytes();
            };
            // As serde writes it, `payload` is last: `json!` sorts.
            let mut reply = known.reply.clone();
            let payload = reply.as_object_mut().unwrap().remove("payload");
            let mut text = format!("{{\"ok\":{}", reply["ok"]);
            for (key, value) in reply
                .as_object()
                .unwrap()
                .iter()
                .filter(|(k, _)| *k != "ok")
            {
                text.push_str(&format!(",\"{key}\":{value}"));
            }
            if payload.is_some() {
                // The machine's directory, that it names, has another length here.
                text.push_str(&format!(",\"payload\":{}", known.payload.len()));
            }
            (text + "}\n" + &known.payload).into_bytes()
        });
        Self {
            machine,
            socket,
            says,
        }
    }

    fn run(&self, words: &[&str]) -> Output {
        run(
            &self.machine,
            env!("CARGO_BIN_EXE_vmux"),
            &self.socket,
            words,
        )
    }
}

#[test]
fn this_client_works_with_an_earlier_daemon() {
    let daemon = EarlierDaemon::start();
    let calls = recorded();
    assert_eq!(calls.len(), CALLS.len());
    for (words, exchanges, printed) in calls {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        daemon.says.lock().unwrap().clone_from(&exchanges);
        let done = daemon.run(&words);
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        let ok = exchanges.last().unwrap().reply["ok"] == true;
        assert_eq!(done.status.success(), ok, "{words:?}: {error}");
        match words[..] {
            // Written by `json!` in another order, with what is added.
            [.., "--json"] => {
                let (older, newer) = (printed.parse::<Value>(), shown.parse::<Value>());
                says_all(&older.unwrap(), &newer.unwrap(), "");
            }
            _ => assert_eq!(shown, printed, "{words:?}: {error}"),
        }
    }
}

#[test]
fn an_earlier_client_works_with_this_daemon() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    daemon.wait_for_session("its place", |session| session["no_window"] == "no_wm");
    let schema = Schema::printed();
    for (words, exchanges, _) in recorded() {
        for exchange in exchanges {
            let (line, payload) = ask(&daemon.socket(), &exchange.request.to_string());
            let ok = exchange.reply["ok"].as_bool().unwrap();
            // Earlier hot clients read the line so, and not as JSON.
            assert!(
                line.starts_with(&format!("{{\"ok\":{ok}")),
                "{words:?}: {line}"
            );
            let newer = anywhere(&machine, &line.parse().unwrap());
            let reply = format!("/$defs/Replies/{}", exchange.action());
            schema.check(&reply, &newer).unwrap();
            schema.check("/$defs/Request", &exchange.request).unwrap();
            let mut older = exchange.reply.clone();
            if let Some(length) = older.as_object_mut().unwrap().remove("payload") {
                let end = format!("\"payload\":{}}}\n", payload.len());
                assert!(length.is_number() && line.ends_with(&end), "{line}");
            }
            says_all(&older, &newer, "");
        }
    }
}

/// What a new verb gets from a daemon that does not know it, and that the user hears what helps.
#[test]
fn another_version_is_told_once_with_what_helps() {
    let daemon = EarlierDaemon::start();
    let screen = |words: &str| {
        let vmux = env!("CARGO_BIN_EXE_vmux");
        let line = format!("{vmux} --socket {} {words}", daemon.socket.display());
        let mut shown = command(&daemon.machine, "script");
        let done = shown.args(["-qec", &line, "/dev/null"]).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    // Without a terminal and a notification daemon there is nobody who could be told.
    let mut alone = command(&daemon.machine, "setsid");
    alone.args(["-w", env!("CARGO_BIN_EXE_vmux"), "--socket"]);
    let unheard = alone.arg(&daemon.socket).arg("status").output().unwrap();
    assert!(unheard.status.success() && unheard.stderr.is_empty());
    let first = screen("status");
    let own = env!("CARGO_PKG_VERSION");
    let words = format!("vmux: the daemon is an older vmux, this is vmux {own}");
    assert!(first.contains(&words), "{first}");
    assert!(first.contains("hint: `vmux daemon restart`"), "{first}");
    assert!(first.contains("1 waiting"), "and works on: {first}");
    for verb in ["status", "list --json", "list"] {
        let again = screen(verb);
        assert!(!again.contains("an older vmux"), "{verb}: {again}");
    }
    std::fs::remove_file(daemon.machine.path("vmux/told-version")).unwrap();
    assert!(screen("list").contains(&words), "the hot calls, too");
    let refused = ask(&daemon.socket, r#"{"action":"dance"}"#).0;
    assert!(refused.contains("bad_request"));
}

#[test]
fn a_daemon_tells_a_client_that_it_does_not_understand_what_may_help() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let newer = daemon.ask(r#"{"action":"dance","args":{},"version":"99.0.0"}"#);
    assert_eq!(
        (&newer["code"], &newer["hint"]),
        (
            &json!("bad_request"),
            &json!("the daemon may be older: `vmux daemon restart`")
        )
    );
    let script = daemon.ask(r#"{"action":"dance"}"#);
    assert_eq!(script["hint"], Value::Null);
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(script["version"], own);
    for _ in 0..3 {
        daemon.ask(r#"{"action":"ping","version":"99.0.0"}"#);
    }
    let log = wait_for("the log", || {
        let log = std::fs::read_to_string(machine.path("daemon.log")).unwrap();
        log.contains("99.0.0").then_some(log)
    });
    assert_eq!(log.matches("a client is vmux 99.0.0").count(), 1, "{log}");
    let mut stream = daemon.connect();
    stream.send(b"{\"action\":\"subscribe\"}\n").unwrap();
    let first: Value = stream.line().unwrap().parse().unwrap();
    Schema::printed().check("/$defs/Event", &first).unwrap();
    assert_eq!(
        (&first["event"], &first["version"]),
        (&json!("state"), &json!(own))
    );
}

#[test]
fn a_daemon_is_started_anew_on_request() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let pid = daemon.child.id();
    let done = crate::service::vmux(&machine, &["daemon", "restart"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.starts_with("started a vmux daemon (pid "), "{said}");
    assert!(!said.contains(&format!("(pid {pid})")), "{said}");
    crate::service::vmux(&machine, &["daemon", "stop"]);
}

/// Starts the daemon of a program.
fn started(machine: &Machine, program: &str) -> Child {
    let child = command(machine, program)
        .args(["daemon", "run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = machine.path("vmux/vmux.sock");
    wait_for("the daemon", || {
        UnixStream::connect(&socket).ok()?;
        let (listed, _) = ask(&socket, r#"{"action":"list"}"#);
        listed.contains("no_wm").then_some(())
    });
    child
}

/// `VMUX_EARLIER=/path/to/vmux cargo test --test it -- --ignored real_programs`; with
/// `VMUX_RECORD=1` what the earlier one says becomes the fixture.
#[test]
#[ignore = "needs the program of an earlier version"]
fn real_programs_of_two_versions() {
    let earlier = std::env::var("VMUX_EARLIER").expect("VMUX_EARLIER names a vmux");
    let own = env!("CARGO_BIN_EXE_vmux");
    let mut seen = Vec::new();
    for (client, daemon) in [(&*earlier, &*earlier), (own, &*earlier), (&*earlier, own)] {
        let machine = machine();
        let mut child = started(&machine, daemon);
        let calls = tapped(&machine, client, &machine.path("vmux/vmux.sock"));
        child.kill().unwrap();
        child.wait().unwrap();
        let calls: Vec<Value> = calls
            .into_iter()
            .map(|(words, exchanges, done)| {
                let exchanges = exchanges
                    .into_iter()
                    .map(|e| json!({"request": e.request, "reply": e.reply, "payload": e.payload}));
                let printed = String::from_utf8_lossy(&done.stdout).into_owned();
                let call = json!({"words": words, "exchanges": exchanges.collect::<Vec<_>>(),
                    "printed": printed, "exit": done.status.code()});
                anywhere(&machine, &call)
            })
            .collect();
        seen.push(calls);
    }
    if std::env::var_os("VMUX_RECORD").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: String = seen[0].iter().map(|call| format!("{call}\n")).collect();
        std::fs::write(path, lines).unwrap();
    }
    for mixed in &seen[1..] {
        for (alone, mixed) in seen[0].iter().zip(mixed) {
            let words = &alone["words"];
            assert_eq!(alone["exit"], mixed["exit"], "{words}: {mixed}");
            let exchanges = |call: &Value| call["exchanges"].as_array().unwrap().len();
            assert_eq!(exchanges(alone), exchanges(mixed), "{words}");
            for (older, newer) in alone["exchanges"]
                .as_array()
                .unwrap()
                .iter()
                .zip(mixed["exchanges"].as_array().unwrap())
            {
                says_all(&older["request"], &newer["request"], "/request");
                let mut older = older["reply"].clone();
                older.as_object_mut().unwrap().remove("payload");
                says_all(&older, &newer["reply"], "");
            }
        }
    }
}
