//! The names that `--agent` takes.

use clap::builder::PossibleValuesParser;

use crate::agent::{self, AGENTS, Agent};

/// Of what there are sessions.
pub(super) fn all() -> PossibleValuesParser {
    PossibleValuesParser::new(AGENTS.iter().map(|agent| agent.name()))
}

/// The coding tools.
pub(super) fn tools() -> PossibleValuesParser {
    PossibleValuesParser::new(agent::tools().map(Agent::name))
}
