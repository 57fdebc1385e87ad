//! What a window manager tells of, from the first moment on: a small stand-in speaks i3's protocol.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::kit::{Home, wait_for};

/// Types of messages (i3 IPC documentation).
const SUBSCRIBE: u32 = 2;
const GET_TREE: u32 = 4;

/// Answers until its client leaves. The window is mapped after the first tree was read, and
/// before anybody subscribed: no event tells of it.
fn serve(mut client: UnixStream, mapped: &AtomicBool) -> std::io::Result<()> {
    loop {
        let mut header = [0; 14];
        client.read_exact(&mut header)?;
        let number = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        let (length, kind) = (number(6), number(10));
        let mut payload = vec![0; length as usize];
        client.read_exact(&mut payload)?;
        let reply = match kind {
            GET_TREE => tree(mapped.swap(true, Ordering::Relaxed)),
            SUBSCRIBE => json!({"success": true}),
            _ => json!({}),
        };
        let reply = reply.to_string();
        let mut message = b"i3-ipc".to_vec();
        message.extend((reply.len() as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(reply.as_bytes());
        client.write_all(&message)?;
    }
}

/// A workspace, and on it the window of this process, which is the parent of the session.
fn tree(mapped: bool) -> serde_json::Value {
    let window = json!({"id": 9, "type": "con", "pid": std::process::id(), "name": "a terminal",
                        "app_id": "terminal", "focused": true});
    let windows = if mapped { vec![window] } else { Vec::new() };
    let workspace = json!({"id": 3, "type": "workspace", "name": "1", "nodes": windows});
    json!({"id": 1, "type": "root", "nodes": [
        {"id": 2, "type": "output", "name": "X", "nodes": [workspace]}]})
}

#[test]
fn a_window_that_was_mapped_before_anybody_listened_is_seen() {
    let home = Home::new();
    let socket = home.path("run/i3.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mapped = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mapped = Arc::clone(&mapped);
            std::thread::spawn(move || serve(client, &mapped));
        }
    });
    home.set("I3SOCK", &socket);
    let session = home.start("shop");
    session.set(json!({}));
    wait_for("its window", || {
        home.session(&session)?["window"]["con_id"].as_u64()
    });
}
