//! `vmux new`: begins, or enters again, the session of a project, in a terminal window of its own;
//! and what all pickers do for "New session…".

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::call::{Context, failure, has_terminal, vmux_program};
use super::{enter, hosted, open, out, start};
use crate::agent;
use crate::cmd::cli::{New, Start};
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{ConversationId, Past, Project, SessionKey};
use crate::core::text::{CleanText, age};
use crate::hosted::Info;
use crate::hosted::place::{Found, Place};
use crate::notify;
use crate::protocol::request::{ListArgs, SwitchArgs, Target};
use crate::serve::projects::{below_home, gather};
use crate::serve::roll;
use crate::sys::clock;

/// Longest wait for what tells of projects.
pub const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(context: &Context, args: &New) -> anyhow::Result<Exit> {
    let done = go(context, args);
    if let Err(error) = &done
        && !has_terminal()
    {
        notify::message(&context.environ, "vmux", &format!("{error:#}"));
    }
    done
}

fn go(context: &Context, args: &New) -> anyhow::Result<Exit> {
    let words = if let Some(id) = &args.resume {
        let all = projects(context, PATIENCE)?;
        resume_by_id(context, &all, id)?
    } else if let Some(named) = &args.project {
        begin(context, &project(context, named)?)?
    } else {
        let all = projects(context, PATIENCE)?;
        match args.json {
            true => serde_json::to_string(&all)?,
            false => table(&all),
        }
    };
    out::write(format!("{}\n", words.trim_end()).as_bytes())?;
    Ok(Exit::Done)
}

/// All projects.
///
/// # Errors
/// If the sessions cannot be had.
pub fn projects(context: &Context, patience: Duration) -> anyhow::Result<Vec<Project>> {
    let live = context.call(every())?.sessions;
    let config = context.config().config;
    Ok(gather(&context.paths, &live, &config, patience))
}

/// Also what scripts run: it has its conversation as well.
fn every() -> ListArgs {
    ListArgs {
        all: true,
        ..ListArgs::default()
    }
}

/// Enters the session that vmux keeps in a directory, or starts it, and goes to its window or opens
/// one. Says what it did.
///
/// # Errors
/// If it could not be started, or not be shown.
pub fn begin(context: &Context, dir: &Path) -> anyhow::Result<String> {
    let dir = start::directory(Some(dir))?;
    let (info, _) = enter::enter(context, &dir)?;
    show(context, &info)
}

/// Goes on with a conversation where it was had. One that goes on already is gone to.
///
/// # Errors
/// If that could not be started, or not be shown.
pub fn resume(context: &Context, past: &Past, dir: &Path) -> anyhow::Result<String> {
    let dir = start::directory(Some(dir))?;
    // Of two who ask at once, the second finds the first one's.
    let lock = enter::lock(context)?;
    let sessions = context.call(every())?.sessions;
    let mut alive = sessions.iter();
    if let Some(alive) = alive.find(|s| s.session_id.as_ref() == Some(&past.conversation)) {
        return focus(context, &alive.id).map(|()| format!("{} goes on already", past.title));
    }
    let info = match begun(context, &past.conversation) {
        Some(info) => Ok(info),
        None => go_on(context, past, &dir),
    };
    drop(lock);
    show(context, &info?)
}

/// The same for one of these projects.
///
/// # Errors
/// If it has no such conversation, and those of [`resume`].
pub(super) fn resume_by_id(context: &Context, all: &[Project], id: &str) -> anyhow::Result<String> {
    let (past, dir) = conversation(all, id)?;
    resume(context, past, dir)
}

fn go_on(context: &Context, past: &Past, dir: &Path) -> anyhow::Result<Info> {
    let tool = agent::by_name(past.agent);
    let command = tool.and_then(|tool| tool.go_on(&[], &past.conversation));
    let words = format!("could not go on with {}", past.conversation);
    let command = command.ok_or_else(|| Failure::new(words))?;
    let args = Start {
        command: command.into_iter().map(Into::into).collect(),
        ..Start::default()
    };
    start::host(context, &args, dir)
}

/// The hosted session that was started to go on with it, if nobody sees yet that it does.
fn begun(context: &Context, conversation: &ConversationId) -> Option<Info> {
    let all = Place::of(&context.paths).all(hosted::PATIENCE).into_iter();
    let mut live = all.filter_map(|found| match found {
        Found::Live(info) => Some(info),
        _ => None,
    });
    live.find(|info| {
        info.command
            .iter()
            .any(|word| word == conversation.as_str())
    })
}

/// The directory that a person typed, if it is one.
#[must_use]
pub fn typed(context: &Context, text: &str) -> Option<PathBuf> {
    let path = below_home(text.trim(), &context.paths.home);
    (path.is_absolute() && path.is_dir()).then_some(path)
}

/// Goes to the window that shows a hosted session, or opens one; shows it right here where there are
/// no windows.
fn show(context: &Context, info: &Info) -> anyhow::Result<String> {
    let shown = format!(
        "{}  {}",
        info.id,
        CleanText::line(&info.cwd.display().to_string())
    );
    if !opens_terminals(context)
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
    {
        return Err(attach_here(info).into());
    }
    let sessions = context.call(every())?.sessions;
    let mut kept = sessions.iter();
    let done = match kept.find(|session| roll::hosted(session).as_ref() == Some(&info.id)) {
        Some(session) => focus(context, &session.id),
        None => open::window(context, info).map_err(Into::into),
    };
    match done {
        Ok(()) => Ok(shown),
        Err(error) => {
            let words = format!("{shown} runs, but could not be shown: {error}");
            let hint = format!("`vmux attach {}` shows it in a terminal", info.id);
            Err(Failure::new(words).hint(hint).into())
        }
    }
}

/// Whether a terminal can be opened: there is a desktop, or the user said how.
fn opens_terminals(context: &Context) -> bool {
    let set = |name| context.environ.get(name).is_some_and(|it| !it.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY") || context.config().config.terminal.is_some()
}

/// Becomes `vmux attach`: threads of a finder that was here before read no more keys. Returns why it
/// could not.
fn attach_here(info: &Info) -> Failure {
    let program = match vmux_program() {
        Ok(program) => program,
        Err(error) => return Failure::new(error),
    };
    let error = Command::new(&program).args(["attach", &info.id]).exec();
    Failure::new(format!("could not run {}: {error}", program.display()))
}

fn focus(context: &Context, id: &SessionKey) -> anyhow::Result<()> {
    let switch = SwitchArgs {
        target: Target {
            id: Some(id.clone()),
            ..Target::default()
        },
        dry_run: false,
        summon: false,
        settle: true,
        opened_ms: None,
        environ: context.travelling(),
    };
    let done = context.try_call(switch)?;
    let done = done.map_err(|refusal| failure(&refusal))?;
    context.tell_note(&done);
    Ok(())
}

/// The directory that is meant: itself, or the one project whose path has this in it.
fn project(context: &Context, named: &Path) -> anyhow::Result<PathBuf> {
    if named.is_dir() {
        return Ok(named.to_path_buf());
    }
    let word = named.to_string_lossy();
    let all = projects(context, PATIENCE)?;
    let meant = meant(&all, &word);
    match meant[..] {
        [one] => Ok(PathBuf::from(&one.dir.0)),
        [] => {
            let words = format!("could not find a project by {word:?}");
            let hint = "`vmux new` lists them; a directory begins one";
            Err(Failure::new(words).hint(hint).exit(Exit::Usage).into())
        }
        _ => {
            let mut words = format!("could not tell which project {word:?} means:");
            for project in meant.iter().take(9) {
                words.push_str(&format!("\n  {}", project.dir.0));
            }
            Err(Failure::new(words).exit(Exit::Usage).into())
        }
    }
}

/// Those whose last part is this; else those that have it anywhere.
fn meant<'p>(all: &'p [Project], word: &str) -> Vec<&'p Project> {
    let word = word.to_lowercase();
    let exact = |project: &&Project| project.dir.base().to_lowercase() == word;
    let found: Vec<&Project> = all.iter().filter(exact).collect();
    if !found.is_empty() {
        return found;
    }
    let has = |project: &&Project| project.dir.0.to_lowercase().contains(&word);
    all.iter().filter(has).collect()
}

fn conversation<'p>(all: &'p [Project], id: &str) -> Result<(&'p Past, &'p Path), Failure> {
    let pairs = all
        .iter()
        .flat_map(|project| project.past.iter().map(move |past| (past, project)));
    let mut found = pairs.filter(|(past, _)| past.conversation.as_str() == id);
    let (past, project) = found.next().ok_or_else(|| {
        Failure::new(format!("could not find a past conversation {id:?}"))
            .hint("`vmux new` lists them; one that is alive is in `vmux list`")
            .exit(Exit::Usage)
    })?;
    Ok((past, Path::new(&project.dir.0)))
}

/// For people.
fn table(all: &[Project]) -> String {
    let mut text = String::new();
    let now = clock::now();
    for project in all {
        text.push_str(&project.dir.0);
        if project.alive > 0 {
            text.push_str(&format!("  ({} alive)", project.alive));
        }
        text.push('\n');
        for past in &project.past {
            let age = age((now - past.at).num_seconds());
            let id = &past.conversation;
            text.push_str(&format!(
                "    {id}  {}  {age}  {}\n",
                past.agent, past.title
            ));
        }
    }
    if text.is_empty() {
        text.push_str("No projects yet: `vmux new DIR` begins one.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::RawPath;

    #[test]
    fn a_project_is_meant_by_its_name_before_a_part_of_its_path() {
        let all = ["/srv/shop", "/srv/shop/api", "/srv/site"].map(|dir| Project {
            dir: RawPath(dir.into()),
            ..Project::default()
        });
        let found = |word| {
            let found = meant(&all, word);
            let dirs: Vec<&str> = found.iter().map(|project| &*project.dir.0).collect();
            dirs.join(" ")
        };
        assert_eq!(found("SHOP"), "/srv/shop");
        assert_eq!(found("op/a"), "/srv/shop/api");
        assert_eq!(found("srv"), "/srv/shop /srv/shop/api /srv/site");
        assert_eq!(found("nothing"), "");
        assert!(conversation(&all, "nothing").is_err());
    }
}
