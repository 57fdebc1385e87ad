//! Times, keys and sessions for tests: made here; a test changes only what matters to it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{CallNature, LocalKey, Pid, RawPath, Session, SessionKey, State, ToolCall, WindowRef};
use crate::core::text::CleanText;

/// So many milliseconds after the moment that tests count from.
pub(crate) fn at(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1_795_164_500_000 + ms)
}

/// So many seconds after that moment.
pub(crate) fn second(seconds: i64) -> DateTime<Utc> {
    at(seconds * 1000)
}

/// A process of this machine.
pub(crate) fn local(pid: u32) -> LocalKey {
    LocalKey {
        pid: Pid(pid),
        start_ticks: 7,
    }
}

/// The session of that process.
pub(crate) fn key(pid: u32) -> SessionKey {
    local(pid).into()
}

/// A session that works in this directory, and is in this state since the moment tests count from.
pub(crate) fn session(pid: u32, cwd: &str, state: State) -> Session {
    Session {
        id: key(pid),
        pid: Pid(pid),
        cwd: RawPath(cwd.into()),
        state,
        state_since: Some(at(0)),
        ..Session::default()
    }
}

/// The session in a window that has the focus, or has it not.
pub(crate) fn in_window(focused: bool, session: Session) -> Session {
    let window = WindowRef {
        focused,
        ..WindowRef::default()
    };
    Session {
        window: Some(window),
        ..session
    }
}

/// As a list has them.
pub(crate) fn shared(sessions: impl IntoIterator<Item = Session>) -> Vec<Arc<Session>> {
    sessions.into_iter().map(Arc::new).collect()
}

/// A call that a transcript tells of.
pub(crate) fn call(name: &str, summary: &str, nature: CallNature) -> ToolCall {
    ToolCall {
        id: "t1".into(),
        name: CleanText::line(name),
        summary: CleanText::line(summary),
        nature,
        at: None,
    }
}
