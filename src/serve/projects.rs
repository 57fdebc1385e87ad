//! Which projects there are: what agents, the roll and the file system tell of them.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::agent;
use crate::core::model::{Past, Project, RawPath, Session};
use crate::core::projects::{MOST, projects};
use crate::hosted::place::Place;
use crate::serve::config::Config;
use crate::serve::roll::Roll;
use crate::sys::clock::{self, Deadline};
use crate::sys::ground;
use crate::sys::paths::Paths;

/// Most conversations that are read of one agent.
const TALKS: usize = 100;
/// How far below a root repositories are looked for.
const DEPTH: usize = 3;
/// Most directories that are looked into below one root.
const DIRS: usize = 4096;

/// What one source tells.
#[derive(Default)]
struct Part {
    seen: Vec<(RawPath, DateTime<Utc>)>,
    past: Vec<(RawPath, Past)>,
    others: Vec<RawPath>,
}

/// All projects. A source that does not answer in time is left behind, and tells nothing.
#[must_use]
pub fn gather(
    paths: &Paths,
    live: &[Arc<Session>],
    config: &Config,
    patience: Duration,
) -> Vec<Project> {
    let (send, receive) = channel();
    let ask = |source: Box<dyn FnOnce() -> Part + Send>| {
        let send = send.clone();
        let ask = move || {
            // Nobody may wait any more.
            let _late = send.send(source());
        };
        // One that cannot be started tells nothing.
        let _none = thread::Builder::new().name("projects".into()).spawn(ask);
    };
    for agent in agent::tools() {
        let config = agent.config_dir(&paths.environ, &paths.home);
        let (stands, there, dir) = (there(paths), there(paths), config.clone());
        ask(Box::new(move || Part {
            past: kept(agent.past(&dir, TALKS), there),
            ..Part::default()
        }));
        ask(Box::new(move || named(kept(agent.dirs(&config), stands))));
    }
    let (roll, place, stands) = (paths.roll(), Place::of(paths), there(paths));
    ask(Box::new(move || {
        let entries = Roll::load(&roll).unwrap_or_default().entries.into_iter();
        let seen = entries.map(|entry| (entry.cwd, entry.seen));
        let hosted = place.records().kept.into_iter().filter_map(|record| {
            let dir = record.session.cwd.into_os_string().into_string().ok()?;
            Some((RawPath(dir), record.session.started))
        });
        Part {
            seen: kept(seen.chain(hosted).collect(), stands),
            ..Part::default()
        }
    }));
    for root in roots(config, &paths.home) {
        ask(Box::new(move || Part {
            others: repositories(&root),
            ..Part::default()
        }));
    }
    drop(send);
    let deadline = Deadline::after(patience);
    let mut all = Part::default();
    while let Ok(part) = receive.recv_timeout(deadline.left()) {
        all.seen.extend(part.seen);
        all.past.extend(part.past);
        all.others.extend(part.others);
    }
    projects(live, &all.seen, all.past, all.others, clock::now())
}

/// Some of which the time is known, others of which it is not.
fn named(dirs: Vec<(RawPath, Option<DateTime<Utc>>)>) -> Part {
    let mut part = Part::default();
    for (dir, at) in dirs {
        match at {
            Some(at) => part.seen.push((dir, at)),
            None => part.others.push(dir),
        }
    }
    part
}

/// Tells whether a directory stands. What may not answer is not asked, and counts as there.
fn there(paths: &Paths) -> impl Fn(&Path) -> bool + use<> {
    let local = ground::local(&paths.proc);
    move |dir| !local(dir) || dir.is_dir()
}

fn kept<T>(mut all: Vec<(RawPath, T)>, there: impl Fn(&Path) -> bool) -> Vec<(RawPath, T)> {
    all.retain(|(dir, _)| there(Path::new(&dir.0)));
    all
}

/// The configured roots.
fn roots(config: &Config, home: &Path) -> Vec<PathBuf> {
    let roots = config.roots.iter();
    let roots = roots.map(|root| below_home(root, home));
    roots.filter(|root| root.is_absolute()).collect()
}

/// A path in which `~` is the home.
#[must_use]
pub fn below_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

/// The repositories at a root and below it, but none within another one.
fn repositories(root: &Path) -> Vec<RawPath> {
    let mut found = Vec::new();
    // As the kernel names the directories of sessions.
    let root = fs::canonicalize(root).into_iter();
    let mut dirs: VecDeque<(PathBuf, usize)> = root.map(|root| (root, 0)).collect();
    let mut left = DIRS;
    while let Some((dir, depth)) = dirs.pop_front() {
        if found.len() >= MOST || left == 0 {
            break;
        }
        left -= 1;
        if dir.join(".git").symlink_metadata().is_ok() {
            found.extend(dir.into_os_string().into_string().ok().map(RawPath));
        } else if depth < DEPTH {
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            let below = entries
                .filter(is_looked_into)
                .take(DIRS - dirs.len().min(DIRS));
            dirs.extend(below.map(|entry| (entry.path(), depth + 1)));
        }
    }
    found
}

fn is_looked_into(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let hidden = name.as_encoded_bytes().starts_with(b".");
    // A link is not followed: it may lead around in a circle.
    let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
    is_dir && !hidden && name != "node_modules"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_found_below_a_root_and_not_too_deep() {
        let root = tempfile::tempdir().unwrap();
        let at = |dir: &str| root.path().join(dir);
        for dir in [
            "a/.git",
            "b/c/d/.git",
            "b/c/d/e/.git",
            "x/y/z/w/.git",
            ".h/.git",
        ] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        fs::create_dir_all(at("node_modules/n/.git")).unwrap();
        fs::create_dir_all(at("tree")).unwrap();
        fs::write(at("tree/.git"), "gitdir: /somewhere").unwrap();
        std::os::unix::fs::symlink(root.path(), at("loop")).unwrap();
        let mut found = repositories(root.path());
        found.sort();
        let wanted = ["a", "b/c/d", "tree"].map(|dir| RawPath(at(dir).display().to_string()));
        assert_eq!(found, wanted);
        assert_eq!(repositories(&at("none")), []);
    }

    #[test]
    fn the_home_is_written_as_shells_do() {
        let below = |path| below_home(path, Path::new("/home/someone"));
        assert_eq!(below("~"), Path::new("/home/someone"));
        assert_eq!(below("~/src"), Path::new("/home/someone/src"));
        assert_eq!(below("/srv"), Path::new("/srv"));
        assert_eq!(below("~other/src"), Path::new("~other/src"));
    }
}
