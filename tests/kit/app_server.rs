//! The app-server of Codex CLI, played: one conversation that asks whether a command may run.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The conversation.
pub(crate) const THREAD: &str = "01a221f3-6a13-73f3-838d-9deb067035b8";

/// What it plays, until its process ends.
#[derive(Clone)]
pub(crate) struct AppServer {
    cwd: String,
    rollout: String,
    /// The command that it asks for.
    asks: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl AppServer {
    /// The one of this home, with a conversation in this directory that asks for this command.
    pub(crate) fn start(home: &Path, cwd: &Path, asks: &str) -> Self {
        let dir = home.join("app-server-control");
        fs::create_dir_all(&dir).unwrap();
        let listener = UnixListener::bind(dir.join("app-server-control.sock")).unwrap();
        let played = Self {
            cwd: cwd.display().to_string(),
            rollout: home.join("sessions/rollout.jsonl").display().to_string(),
            asks: asks.to_owned(),
            told: Arc::default(),
        };
        let server = played.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = server.clone();
                // Ends with its client.
                thread::spawn(move || drop(server.serve(client)));
            }
        });
        played
    }

    /// The decisions that it was told.
    pub(crate) fn decisions(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }

    fn serve(&self, client: UnixStream) -> io::Result<()> {
        let mut out = client.try_clone()?;
        let mut client = BufReader::new(client);
        let mut line = String::new();
        while client.read_line(&mut line)? > 2 {
            line.clear();
        }
        out.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
        loop {
            let asked: Value = serde_json::from_slice(&frame(&mut client)?).unwrap_or_default();
            for message in self.answers(&asked) {
                send(&mut out, &message)?;
            }
        }
    }

    /// What it says to a message.
    fn answers(&self, asked: &Value) -> Vec<Value> {
        let id = &asked["id"];
        let result = |result: Value| json!({"id": id, "result": result});
        match asked["method"].as_str() {
            Some("initialize" | "thread/unsubscribe") => vec![result(json!({}))],
            Some("thread/loaded/list") => vec![result(json!({"data": [THREAD]}))],
            Some("thread/read") => vec![result(json!({"thread": self.thread()}))],
            Some("thread/resume") => {
                let asks = (!self.is_answered()).then(|| self.request());
                [result(json!({}))].into_iter().chain(asks).collect()
            }
            Some(_) => Vec::new(),
            // The end of the connection.
            None if asked.is_null() => Vec::new(),
            None => {
                let decision = asked["result"]["decision"].clone();
                self.told.lock().unwrap().push(decision);
                let resolved = json!({"threadId": THREAD, "requestId": id});
                vec![json!({"method": "serverRequest/resolved", "params": resolved})]
            }
        }
    }

    fn is_answered(&self) -> bool {
        !self.told.lock().unwrap().is_empty()
    }

    fn thread(&self) -> Value {
        let flags = match self.is_answered() {
            true => json!([]),
            false => json!(["waitingOnApproval"]),
        };
        json!({
            "id": THREAD, "cwd": self.cwd, "path": self.rollout, "cliVersion": "0.171.0",
            "status": {"type": "active", "activeFlags": flags},
        })
    }

    fn request(&self) -> Value {
        let params = json!({
            "kind": "command", "threadId": THREAD, "turnId": "u", "itemId": "call_1",
            "command": self.asks, "cwd": self.cwd, "reason": "May I run it?",
        });
        json!({"id": 0, "method": "item/commandExecution/requestApproval", "params": params})
    }
}

/// The text of a client's next frame.
fn frame(client: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    let mut length = usize::from(head[1] & 127);
    if length == 126 {
        let mut long = [0; 2];
        client.read_exact(&mut long)?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let (mut mask, mut text) = ([0; 4], vec![0; length]);
    client.read_exact(&mut mask)?;
    client.read_exact(&mut text)?;
    let masked = text.iter_mut().zip(mask.iter().cycle());
    masked.for_each(|(byte, mask)| *byte ^= mask);
    Ok(text)
}

fn send(out: &mut UnixStream, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    out.write_all(&[&[0x81, 126], &length[..], text.as_bytes()].concat())
}
