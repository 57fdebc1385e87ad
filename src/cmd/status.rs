//! `vmux status`

use super::call::Context;
use super::out;
use crate::cmd::exit::Exit;
use crate::core::counts::Counts;
use crate::protocol::request::ListArgs;

pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let reply = context.call(ListArgs::default())?;
    let counts = Counts::of(&reply.sessions);
    if json {
        let mut states = std::collections::BTreeMap::new();
        for session in &reply.sessions {
            *states.entry(session.state.as_str()).or_insert(0usize) += 1;
        }
        let text = serde_json::json!({
            "attention": counts.waiting,
            "counts": states,
            "waiting_since": counts.waiting_since,
        });
        out::write(format!("{text}\n").as_bytes())?;
    } else {
        out::write(format!("{counts}\n").as_bytes())?;
    }
    Ok(Exit::Done)
}
