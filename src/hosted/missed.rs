//! Holders that run and cannot be found, because their sockets were removed: they are told to make
//! them anew.

use std::path::Path;
use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::place::{Place, is_id};
use crate::core::model::Pid;
use crate::sys::clock::{self, Deadline};
use crate::sys::proc::Proc;

/// What holders are called.
pub const COMM: &str = "vmux-host";
/// Has a holder look after its place. A signal that ends no process that does not know it.
pub const LOOK: Signal = Signal::URG;
/// Longest wait for holders to do so; for one it is short, since others wait for who waits.
const PATIENCE: Duration = Duration::from_secs(1);
const ONE: Duration = Duration::from_millis(200);
/// Between two looks.
const PACE: Duration = Duration::from_millis(5);

/// Tells a holder to look after its place. Whether it is one.
fn tell(proc: &Proc, holder: Pid) -> bool {
    let raw = i32::try_from(holder.0).ok();
    let raw = raw.and_then(rustix::process::Pid::from_raw);
    let process = raw.and_then(|raw| pidfd_open(raw, PidfdFlags::empty()).ok());
    // Asked while the descriptor holds on to it.
    let is_one = || {
        let own = rustix::process::getuid().as_raw();
        proc.uid(holder) == Some(own) && proc.comm(holder).as_deref() == Some(COMM)
    };
    process.is_some_and(|process| is_one() && pidfd_send_signal(&process, LOOK).is_ok())
}

/// Tells the holder that made this socket, if it is gone, and waits for it. Whether it is there.
#[must_use]
pub fn call_to(socket: &Path, proc: &Proc, holder: Pid) -> bool {
    if socket.exists() || !tell(proc, holder) {
        return false;
    }
    let deadline = Deadline::after(ONE);
    while !socket.exists() && !deadline.passed() {
        clock::sleep(PACE);
    }
    socket.exists()
}

/// The session that a holder keeps, by the name of its socket.
#[must_use]
pub fn id_of(proc: &Proc, holder: Pid) -> Option<String> {
    let sockets = proc.listens_on(holder).into_iter();
    let mut ids = sockets.filter_map(|path| id_in(&path).map(str::to_owned));
    ids.next()
}

/// The id in the name of a socket: `ID.sock`.
#[must_use]
pub fn id_in(socket: &Path) -> Option<&str> {
    let stem = socket.file_stem()?.to_str()?;
    let is_socket = socket.extension().is_some_and(|tail| tail == "sock");
    (is_socket && is_id(stem)).then_some(stem)
}

/// Tells all holders of this user whose sessions are not where they are looked for, and waits until
/// they are. Whether any is. Reads all processes: for when something that was asked for is missing.
pub fn call(place: &Place) -> bool {
    let Ok(mut proc) = Proc::open(Path::new("/proc")) else {
        return false;
    };
    let mut pids = Vec::new();
    if proc.pids(&mut pids).is_err() {
        return false;
    }
    let mut told = Vec::new();
    for holder in pids.into_iter().map(Pid) {
        if proc.comm(holder).as_deref() != Some(COMM) {
            continue;
        }
        let id = id_of(&proc, holder).filter(|id| !is_there(place, id));
        told.extend(id.filter(|_| tell(&proc, holder)));
    }
    // One that is of another installation, or older, does not come.
    let deadline = Deadline::after(PATIENCE);
    while !told.iter().all(|id| is_there(place, id)) && !deadline.passed() {
        clock::sleep(PACE);
    }
    told.iter().any(|id| is_there(place, id))
}

fn is_there(place: &Place, id: &str) -> bool {
    place.socket(id).exists() && place.file(id).exists()
}
