//! `vmux status`

use super::ask::Context;
use super::out;
use crate::exit::Exit;
use crate::protocol::{ListArgs, Request};
use crate::row;

pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let (reply, _) = context.ask(&Request::List(ListArgs::default()))?;
    if json {
        let mut counts = std::collections::BTreeMap::new();
        for session in &reply.sessions {
            *counts.entry(session.state.as_str()).or_insert(0usize) += 1;
        }
        let attention = reply
            .sessions
            .iter()
            .filter(|session| session.wants_attention())
            .count();
        let first = reply
            .sessions
            .iter()
            .find(|session| session.wants_attention());
        let text = serde_json::json!({
            "attention": attention,
            "counts": counts,
            "waiting_since": first.and_then(|session| session.waiting_since),
        });
        out::write(format!("{text}\n").as_bytes())?;
    } else {
        out::write(format!("{}\n", row::counts(&reply.sessions)).as_bytes())?;
    }
    Ok(Exit::Done)
}
