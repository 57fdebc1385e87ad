//! What capture has to know besides a repository: where agents keep their files, and which values
//! of live sessions' environments are secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::agent::AGENTS;
use crate::agent::program::Program;
use crate::capture::redact;
use crate::capture::work::World;
use crate::core::model::Session;
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::sys::clock;
use crate::sys::paths::Paths;
use crate::sys::proc::{Environ, Proc};

/// Sessions whose environments are read.
const MOST: usize = 500;

/// The world as it is now.
#[must_use]
pub fn of<'a>(paths: &Paths, sessions: impl Iterator<Item = &'a Session> + Clone) -> World {
    let mut configs = Vec::new();
    for agent in AGENTS {
        let own = agent.config_dir(&paths.environ, &paths.home);
        let others = sessions
            .clone()
            .filter(|session| *session.agent == *agent.name());
        let others =
            others.filter_map(|session| Some(PathBuf::from(&**session.config_dir.as_ref()?)));
        let dirs: BTreeSet<PathBuf> = std::iter::once(own).chain(others).gather();
        let dirs = dirs.into_iter().filter(|dir| !dir.as_os_str().is_empty());
        configs.extend(dirs.map(|dir| (*agent, dir)));
    }
    configs.push((&Program, paths.journals()));
    let mut secrets = secrets(&paths.environ);
    if let Ok(proc) = Proc::open(&paths.proc) {
        let local = sessions.filter(|session| session.id.local().is_some());
        for session in local.take(MOST) {
            if let Ok(environ) = proc.environ(session.pid) {
                secrets.extend(self::secrets(&environ));
            }
        }
    }
    secrets.arrange();
    secrets.dedup();
    World {
        configs,
        secrets,
        home: paths.home.clone(),
        now: clock::now(),
        moved: BTreeMap::new(),
    }
}

/// The secret values of an environment.
fn secrets(environ: &Environ) -> Vec<String> {
    let names = environ.names().filter_map(|name| name.into_string().ok());
    let names: Vec<String> = names.collect();
    let pairs = names
        .iter()
        .filter_map(|name| Some((&**name, environ.text(name)?)));
    redact::secrets(pairs)
}
