//! What another coding tool tells of a conversation, written down where its repository is captured.

use std::path::{Path, PathBuf};

use crate::agent::changes::absolute;
use crate::agent::program::journal::{Created, Entry};
use crate::capture::{consent, journal, trees, work};
use crate::core::model::{ConversationId, Session};
use crate::protocol::feed::{CaptureArgs, CaptureCreate, Captured, Role};
use crate::protocol::{Refusal, RefusalCode, Reply};
use crate::serve::world;
use crate::sys::clock;
use crate::sys::git::{self, GitEnv};
use crate::sys::paths::Paths;

/// Does what a request asks.
///
/// # Errors
/// Why that cannot be; then nothing was written.
pub fn take<'a>(
    paths: &Paths,
    sessions: impl Iterator<Item = &'a Session> + Clone,
    args: CaptureArgs,
) -> Reply<Captured> {
    let dir = paths.journals();
    let now = clock::now();
    let created = match (&args.session_id, args.create) {
        (Some(id), None) => {
            journal::find(&dir, id).map_err(|words| refusal(RefusalCode::NoMatch, &words))?
        }
        (None, Some(create)) => created(create),
        _ => {
            let words = "could not tell which session: it takes either session_id or create";
            return Err(Refusal::new(RefusalCode::BadRequest, words));
        }
    };
    let mut entry = Entry {
        at: Some(now),
        done: args.save,
        ..Entry::default()
    };
    if let Some(message) = args.message {
        match message.role {
            Role::User => entry.user = Some(message.text),
            Role::Assistant => entry.assistant = Some(message.text),
            Role::Unknown => {
                let words = "could not add the message: its role is neither user nor assistant";
                return Err(Refusal::new(RefusalCode::BadRequest, words));
            }
        }
    }
    let (common, trees, consent) = repository(Path::new(&created.cwd))?;
    if let Some(mut change) = args.change {
        let path = absolute(Some(&created.cwd), &change.path);
        let inside = |path: &Path| {
            let mut tops = trees.iter().map(|tree| &tree.top);
            tops.any(|top| path.starts_with(top) && path != top)
        };
        let path = path.filter(|path| inside(path) && !path.starts_with(&common));
        let Some(path) = path.as_deref().and_then(Path::to_str) else {
            let words = "could not add the change: its file is not in the session's repository";
            return Err(Refusal::new(RefusalCode::BadRequest, words));
        };
        path.clone_into(&mut change.path);
        entry.change = Some(change);
    }
    let unsaved = |words: String| refusal(RefusalCode::Unsaved, &words);
    let told = Entry {
        at: entry.at,
        ..Entry::default()
    } != entry;
    let mut redactor = None;
    if told {
        // Before anything is made.
        let world = world::of(paths, sessions);
        redactor = Some(work::redactor(&world, &consent, &trees).map_err(unsaved)?);
    }
    let session_id: ConversationId = match args.session_id {
        Some(id) => id,
        None => journal::create(&dir, created, now).map_err(unsaved)?,
    };
    if let Some(redactor) = &mut redactor {
        journal::tell(&dir, &session_id, entry, redactor).map_err(unsaved)?;
    }
    Ok(Captured { session_id })
}

fn created(create: CaptureCreate) -> Created {
    Created {
        tool: create.tool,
        cwd: create.cwd,
        version: create.version,
        model: create.model,
    }
}

/// Words as they are said: what, and a hint.
fn refusal(code: RefusalCode, words: &str) -> Refusal {
    match words.split_once("\nhint: ") {
        Some((words, hint)) => Refusal::new(code, words).hint(hint),
        None => Refusal::new(code, words),
    }
}

type Captures = (PathBuf, Vec<trees::Tree>, consent::Consent);

/// The repository around a directory, if it is captured.
fn repository(cwd: &Path) -> Reply<Captures> {
    let shown = cwd.display();
    let bad = |words: &str| {
        let code = RefusalCode::BadRequest;
        Refusal::new(code, format!("could not use {shown}: {words}"))
    };
    if !cwd.is_absolute() {
        return Err(bad("it is not absolute"));
    }
    let found = git::find(cwd, &GitEnv::default()).map_err(|error| bad(&error.to_string()))?;
    let found = found.ok_or_else(|| bad("it is in no repository"))?;
    let common = found.common().to_path_buf();
    let consent = consent::read(&common).map_err(|error| bad(&error.to_string()))?;
    let consent = consent.filter(|_| !consent::is_forbidden(found.top()));
    let Some(consent) = consent else {
        return Err(bad("its repository is not captured").hint("vmux capture on, in it"));
    };
    Ok((common.clone(), trees::all(&common), consent))
}
