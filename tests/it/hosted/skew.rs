//! Holders and clients of different versions: what the one says and the other does not know is
//! passed over, and what does not come is waited for no longer than it may take.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use vmux::hosted::frame;

use super::World;
use crate::kit::{PATIENCE, wait_for};

/// A kind that this version does not know.
const UNKNOWN: u8 = 250;

/// One end of a connection, frame by frame.
struct Wire(UnixStream, frame::Reader);

impl Wire {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream, frame::Reader::default())
    }

    fn send(&mut self, kind: u8, payload: impl AsRef<[u8]>) {
        let mut bytes = Vec::new();
        frame::write(kind, payload.as_ref(), &mut bytes);
        // It may have hung up, which is told by reading.
        self.0.write_all(&bytes).unwrap_or_default();
    }

    /// The next frame; `None` at the end.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((kind, payload)) = self.1.take().unwrap() {
                return Some((kind, payload.to_vec()));
            }
            let mut block = [0; 65536];
            match self.0.read(&mut block) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.1.buffer().extend_from_slice(&block[..n]),
            }
        }
    }

    fn until(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            let (kind, payload) = self.next().expect("a frame");
            if kind == wanted {
                return payload;
            }
        }
    }
}

/// Clients of a later and of an earlier version attach to this holder.
#[test]
fn a_holder_serves_clients_of_other_versions() {
    let world = World::new();
    let info = world.start("kept", "echo here; exec cat");
    let id = info["id"].as_str().unwrap();
    let socket = world.0.path(&format!("vmux/hosted/{id}.sock"));
    let later = json!({"protocol": 99, "role": "attach", "columns": 80, "rows": 24, "tty": "/dev/pts/7",
                       "theme": {"dark": true}, "inside": null});
    let earlier = json!({"role": "attach", "columns": 80, "rows": 24});
    for hello in [later, earlier] {
        let mut wire = Wire::new(UnixStream::connect(&socket).unwrap());
        wire.send(UNKNOWN, vec![b'x'; frame::LONGEST]);
        wire.send(frame::HELLO, hello.to_string());
        wire.send(UNKNOWN, "{}");
        let screen = wire.until(frame::SNAP);
        assert!(String::from_utf8_lossy(&screen).contains("here"));
        wire.send(frame::INPUT, "typed\r");
        let echo = wire.until(frame::OUTPUT);
        assert!(String::from_utf8_lossy(&echo).contains("typed"));
        wire.send(frame::ASK, "of a later version");
        let info: serde_json::Value = serde_json::from_slice(&wire.until(frame::INFO)).unwrap();
        assert_eq!(info["clients"][0]["columns"], 80, "{info}");
        wire.send(frame::DETACH, "");
        wire.until(frame::BYE);
    }
    // What it wants to be is not known: it may ask.
    let mut wire = Wire::new(UnixStream::connect(&socket).unwrap());
    wire.send(frame::HELLO, json!({"role": "mirror"}).to_string());
    wire.send(frame::ASK, "");
    wire.until(frame::INFO);
    // One that is no client of any version is let go, and harms nobody.
    let mut wire = Wire::new(UnixStream::connect(&socket).unwrap());
    wire.0.write_all(&[255; 4096]).unwrap();
    assert_eq!(wire.next(), None);
    assert!(world.history("kept").contains("typed"));
}

/// A holder that is none: it knows what the first version knew, and says what a later one may.
fn stand_in(listener: UnixListener, heard: &Arc<Mutex<Vec<u8>>>) {
    for stream in listener.incoming().flatten() {
        let heard = Arc::clone(heard);
        std::thread::spawn(move || {
            let mut wire = Wire::new(stream);
            while let Some((kind, payload)) = wire.next() {
                wire.send(UNKNOWN, [0, 1, 2]);
                match kind {
                    frame::HELLO if payload.windows(8).any(|part| part == b"\"attach\"") => {
                        wire.send(frame::SNAP, "\x1b[Hits screen");
                    }
                    frame::INPUT => {
                        wire.send(frame::OUTPUT, &payload);
                        heard.lock().unwrap().extend(payload);
                    }
                    frame::ASK => wire.send(frame::INFO, described().to_string()),
                    frame::DETACH | frame::DETACH_ALL => {
                        wire.send(frame::BYE, "of a later version");
                    }
                    frame::END => {
                        wire.send(frame::EXIT, json!({"code": 3, "mood": "calm"}).to_string());
                    }
                    _ => {}
                }
            }
        });
    }
}

fn described() -> serde_json::Value {
    json!({"id": "habcd", "name": "stands", "pid": 1, "holder": 1, "cwd": "/srv/shop", "command": ["cat"],
           "mood": ["calm"], "clients": [{"pid": 1, "mood": null}], "started": "2026-11-20T08:48:47Z"})
}

/// This client attaches to holders of an earlier and of a later version.
#[test]
fn a_client_serves_itself_of_holders_of_other_versions() {
    let world = World::new();
    let dir = world.0.make_dir("vmux/hosted");
    std::fs::write(dir.join("habcd.json"), described().to_string()).unwrap();
    let listener = UnixListener::bind(dir.join("habcd.sock")).unwrap();
    let heard = Arc::default();
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || stand_in(listener, &hears));
    let mut tty = world.attach(&["stands"], 80, 24);
    tty.waits_for("its screen");
    tty.types("typed");
    tty.waits_for("typed");
    world.says(&["send", "stands", "sent"]);
    wait_for("what was sent", || {
        let heard = heard.lock().unwrap();
        heard.ends_with(b"sent").then_some(())
    });
    tty.types("\x1d");
    assert!(tty.ends().success(), "{}", tty.text());
    world.says(&["detach", "stands"]);
    // It knows no history and no other image.
    for (words, why) in [
        (&["history", "stands"][..], "could not"),
        (&["upgrade", "stands"], "could not"),
    ] {
        let done = world.0.vmux(words);
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            !done.status.success() && said.contains(why),
            "{words:?}: {said}"
        );
    }
    let ended = world.says(&["end", "--yes", "stands"]);
    assert!(ended.contains("ended with exit code 3"), "{ended}");
}
