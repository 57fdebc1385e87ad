//! `vmux restore`: what was there before a crash or a reboot comes back.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::call::Context;
use super::{enter, hosted, out, start};
use crate::agent::{self, AGENTS, Agent};
use crate::cmd::cli::{Restore, Start};
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::model::{ConversationId, LocalKey, SessionKey};
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::hosted::missed;
use crate::hosted::place::{Found, Place};
use crate::hosted::record::Record;
use crate::protocol::request::ListArgs;
use crate::serve::roll::{Entry, Roll};
use crate::sys::proc::{Proc, boot_id};

pub(super) fn run(context: &Context, args: &Restore) -> anyhow::Result<Exit> {
    // Who runs it a second time finds everything there.
    let _lock = enter::lock(context)?;
    let place = Place::of(&context.paths);
    let records = place.records();
    let mut failed = records.unread.len();
    for words in &records.unread {
        exit::complain(&Failure::new(words.clone()).into());
    }
    let roll = Roll::load(&context.paths.roll()).unwrap_or_else(|error| {
        failed += 1;
        let words = format!("could not read {}: {error}", context.paths.roll().display());
        exit::complain(&Failure::new(words).into());
        Roll::default()
    });
    let scope = Scope {
        all: args.all || context.config().config.restore == crate::serve::config::Restore::All,
        commands: args.commands,
    };
    let there = there(context, &place, &records.kept, &roll)?;
    let plan = plan(records.kept, &roll, &there, scope);
    if plan.is_empty() && failed == 0 {
        out::write(b"Nothing is to be restored.\n")?;
    }
    for (mut subject, step) in plan {
        if !args.dry_run {
            match perform(context, &place, &subject, &step) {
                Ok(begun) => subject.id = begun.or(subject.id),
                Err(error) => {
                    exit::complain(&error);
                    failed += 1;
                    continue;
                }
            }
        }
        out::write(format!("{}\n", line(&subject, &step, args.dry_run)).as_bytes())?;
    }
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What is there already.
#[derive(Default)]
struct There {
    hosted: BTreeSet<String>,
    /// Those that no holder answers for, and whose programs still run.
    running: BTreeSet<String>,
    /// Processes on the roll that run.
    processes: BTreeSet<SessionKey>,
    conversations: BTreeSet<ConversationId>,
}

fn there(
    context: &Context,
    place: &Place,
    records: &[Record],
    roll: &Roll,
) -> anyhow::Result<There> {
    // Holders that cannot be found would be doubled.
    missed::call(place);
    let all = ListArgs {
        all: true,
        ..ListArgs::default()
    };
    let sessions = context.call(all)?.sessions;
    let found = place.all(hosted::PATIENCE);
    let hosted = found.iter().filter_map(|found| match found {
        Found::Live(info) | Found::Silent(info) => Some(info.id.clone()),
        Found::Ended(_) | Found::Lost(_) => None,
    });
    let running = records.iter().filter(|record| record.still_runs());
    let boot = boot_id(&context.paths.proc);
    let proc = Proc::open(&context.paths.proc)?;
    let processes = roll.entries.iter().filter(|entry| {
        let runs = |key: LocalKey| proc.key(key.pid) == Some(key);
        entry.boot == boot && entry.id.local().is_some_and(runs)
    });
    Ok(There {
        processes: processes.map(|entry| entry.id.clone()).gather(),
        running: running.map(|record| record.session.id.clone()).gather(),
        hosted: hosted.gather(),
        conversations: sessions
            .iter()
            .filter_map(|session| session.session_id.clone())
            .gather(),
    })
}

/// How much is to come back.
#[derive(Clone, Copy, Debug, Default)]
struct Scope {
    /// What ran in windows of its own, too.
    all: bool,
    /// What is no coding tool, too.
    commands: bool,
}

/// What was there.
#[derive(Clone, PartialEq, Debug, Default)]
struct Subject {
    /// The hosted session, if it was one.
    id: Option<String>,
    name: Option<String>,
    dir: PathBuf,
    workspace: Option<String>,
    no_log: bool,
    memory: Option<u64>,
    tasks: Option<u64>,
    environ: Vec<(String, String)>,
}

/// What is to be done about it.
#[derive(Clone, PartialEq, Debug)]
enum Step {
    /// Started by this command; whether that resumes a conversation.
    Start(Vec<String>, bool),
    /// Its conversation goes on elsewhere: it is not to come back.
    Forget(ConversationId),
    /// Its program, of this pid, still runs without a holder.
    Await(u32),
    /// It is no coding tool.
    Leave(Vec<String>),
}

impl Step {
    fn words(&self, subject: &Subject, dry_run: bool) -> String {
        let dir = subject.dir.display();
        match self {
            Self::Start(command, resumes) => {
                let does = match (dry_run, resumes) {
                    (true, true) => "would resume",
                    (true, false) => "would start",
                    (false, true) => "resumed",
                    (false, false) => "started",
                };
                let mut words = format!("{does} `{}` in {dir}", command.join(" "));
                if let Some(workspace) = &subject.workspace {
                    words.push_str(&format!(", on workspace {workspace}"));
                }
                words
            }
            Self::Forget(conversation) => {
                format!("left: its conversation {conversation} goes on elsewhere")
            }
            Self::Await(pid) => {
                format!("left: it still runs (process {pid}), its next holder is awaited")
            }
            Self::Leave(command) => {
                let id = subject.id.as_deref().unwrap_or_default();
                let command = command.join(" ");
                format!(
                    "left: `{command}` in {dir} is no coding tool; --commands runs it again, `vmux end {id}` forgets it"
                )
            }
        }
    }
}

fn line(subject: &Subject, step: &Step, dry_run: bool) -> String {
    let id = subject.id.as_deref().unwrap_or("-");
    format!("{id}  {}", CleanText::line(&step.words(subject, dry_run)))
}

/// What is done about each that was there and is there no more. No conversation is resumed twice.
fn plan(records: Vec<Record>, roll: &Roll, there: &There, scope: Scope) -> Vec<(Subject, Step)> {
    let mut taken = there.conversations.clone();
    let running = there.running.iter().filter_map(|id| roll.of_hosted(id));
    taken.extend(running.filter_map(|entry| entry.conversation.clone()));
    // A daemon that has just begun may not know yet which conversation is whose.
    let runs = |entry: &&Entry| there.processes.contains(&entry.id);
    let known = roll.entries.iter().filter(runs);
    taken.extend(known.filter_map(|entry| entry.conversation.clone()));
    let mut plan = Vec::new();
    for record in records {
        if there.hosted.contains(&record.session.id) {
            continue;
        }
        let entry = roll.of_hosted(&record.session.id);
        let step = if there.running.contains(&record.session.id) {
            Step::Await(record.session.pid)
        } else {
            step(&record, entry, &mut taken, scope)
        };
        plan.push((subject(record, entry), step));
    }
    let lost = roll
        .entries
        .iter()
        .filter(|entry| entry.hosted.is_none() && entry.is_lost());
    for entry in lost.filter(|_| scope.all) {
        let conversation = entry.conversation.as_ref();
        let resumed = conversation.and_then(|conversation| {
            let command = agent::by_name(&entry.agent)?.go_on(&[], conversation)?;
            taken.insert(conversation.clone()).then_some(command)
        });
        if let Some(command) = resumed {
            plan.push((in_a_window(entry), Step::Start(command, true)));
        }
    }
    plan
}

fn step(
    record: &Record,
    entry: Option<&Entry>,
    taken: &mut BTreeSet<ConversationId>,
    scope: Scope,
) -> Step {
    let started = &record.session.command;
    let tool = program(started);
    let conversation = entry.and_then(|entry| {
        let tool = agent::by_name(&entry.agent).or(tool)?;
        Some((tool, entry.conversation.as_ref()?))
    });
    if let Some((tool, conversation)) = conversation
        && let Some(command) = tool.go_on(started, conversation)
    {
        if !taken.insert(conversation.clone()) {
            return Step::Forget(conversation.clone());
        }
        return Step::Start(command, true);
    }
    if tool.is_some() || scope.commands {
        Step::Start(started.clone(), false)
    } else {
        Step::Leave(started.clone())
    }
}

/// The coding tool that a command starts.
fn program(command: &[String]) -> Option<&'static dyn Agent> {
    let name = Path::new(command.first()?).file_name()?.to_str()?;
    AGENTS.iter().find(|agent| agent.program() == name).copied()
}

fn subject(record: Record, entry: Option<&Entry>) -> Subject {
    let seen = entry.and_then(|entry| entry.workspace.as_ref());
    let resumed = entry.filter(|entry| entry.conversation.is_some());
    let session = record.session;
    Subject {
        id: Some(session.id),
        name: session.name,
        // A conversation is looked for where it was had.
        dir: resumed.map_or(session.cwd, |entry| PathBuf::from(&entry.cwd.0)),
        workspace: seen.map(ToString::to_string).or(session.workspace),
        no_log: session.log.is_none(),
        memory: session.memory,
        tasks: session.tasks,
        environ: record.environ.into_iter().collect(),
    }
}

fn in_a_window(entry: &Entry) -> Subject {
    let config = entry.config_dir.as_ref().and_then(|dir| {
        let variable = agent::by_name(&entry.agent)?.variable();
        Some((variable.to_owned(), dir.to_string()))
    });
    Subject {
        dir: PathBuf::from(&entry.cwd.0),
        workspace: entry.workspace.as_ref().map(ToString::to_string),
        environ: config.into_iter().collect(),
        ..Subject::default()
    }
}

/// Does a step; the id of what it started.
fn perform(
    context: &Context,
    place: &Place,
    subject: &Subject,
    step: &Step,
) -> anyhow::Result<Option<String>> {
    match step {
        Step::Leave(_) | Step::Await(_) => Ok(None),
        Step::Forget(_) => forget(place, subject).map(|()| None),
        Step::Start(command, _) => start_again(context, subject, command).map(Some),
    }
}

fn forget(place: &Place, subject: &Subject) -> anyhow::Result<()> {
    if let Some(id) = &subject.id {
        place.let_go(id)?;
    }
    Ok(())
}

fn start_again(context: &Context, subject: &Subject, command: &[String]) -> anyhow::Result<String> {
    let dir = start::directory(Some(&subject.dir))?;
    let args = Start {
        name: subject.name.clone(),
        workspace: subject.workspace.clone(),
        no_log: subject.no_log,
        memory: subject.memory,
        tasks: subject.tasks,
        command: command.iter().map(OsString::from).collect(),
        ..Start::default()
    };
    let again = start::Again {
        id: subject.id.as_deref(),
        environ: &subject.environ,
    };
    Ok(start::host_again(context, &args, &dir, &again)?.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Pid, RawPath};
    use crate::hosted::Info;

    fn record(id: &str, command: &[&str]) -> Record {
        Record {
            session: Info {
                id: id.into(),
                cwd: "/srv/shop".into(),
                command: command.iter().map(ToString::to_string).collect(),
                workspace: Some("9".into()),
                ..Info::default()
            },
            ..Record::default()
        }
    }

    fn entry(hosted: Option<&str>, agent: &str, conversation: &str) -> Entry {
        Entry {
            hosted: hosted.map(str::to_owned),
            agent: CleanText::line(agent),
            conversation: ConversationId::new(conversation),
            cwd: RawPath("/srv/site".into()),
            workspace: CleanText::line("3").some(),
            ..Entry::default()
        }
    }

    fn said(records: Vec<Record>, entries: Vec<Entry>, there: &There, scope: Scope) -> Vec<String> {
        let roll = Roll {
            entries,
            stopped: None,
        };
        let plan = plan(records, &roll, there, scope);
        plan.iter()
            .map(|(subject, step)| line(subject, step, true))
            .collect()
    }

    #[test]
    fn each_conversation_is_resumed_once_and_none_that_goes_on() {
        let records = vec![
            record("haaaa", &["/x/claude", "--model", "opus", "go"]),
            record("hbbbb", &["codex", "-m", "o3", "-C", "sub", "go"]),
            record("hcccc", &["sh", "-c", "claude"]),
            record("hdddd", &["claude"]),
            record("heeee", &["claude", "fresh"]),
            record("hffff", &["npm", "run", "dev"]),
            record("hgggg", &["claude"]),
            record("hhhhh", &["claude"]),
            record("hiiii", &["claude"]),
            record("hjjjj", &["claude"]),
        ];
        let entries = vec![
            entry(Some("haaaa"), "claude", "a"),
            entry(Some("hbbbb"), "codex", "b"),
            entry(Some("hcccc"), "claude", "c"),
            entry(Some("hdddd"), "claude", "c"),
            entry(Some("hgggg"), "claude", "elsewhere"),
            entry(Some("hiiii"), "claude", "runs"),
            entry(Some("hjjjj"), "claude", "runs"),
            entry(None, "claude", "w"),
            entry(None, "codex", "elsewhere"),
            Entry {
                alive: true,
                ..entry(None, "claude", "alive")
            },
        ];
        let there = There {
            hosted: ["hhhhh".to_owned()].into(),
            running: ["hiiii".to_owned()].into(),
            conversations: ConversationId::new("elsewhere").into_iter().collect(),
            ..There::default()
        };
        let some = said(records.clone(), entries.clone(), &there, Scope::default());
        let wanted = [
            "haaaa  would resume `/x/claude --model opus --resume a` in /srv/site, on workspace 3",
            "hbbbb  would resume `codex resume -m o3 b` in /srv/site, on workspace 3",
            "hcccc  would resume `claude --resume c` in /srv/site, on workspace 3",
            "hdddd  left: its conversation c goes on elsewhere",
            "heeee  would start `claude fresh` in /srv/shop, on workspace 9",
            "hffff  left: `npm run dev` in /srv/shop is no coding tool; --commands runs it again, `vmux end hffff` forgets it",
            "hgggg  left: its conversation elsewhere goes on elsewhere",
            "hiiii  left: it still runs (process 0), its next holder is awaited",
            "hjjjj  left: its conversation runs goes on elsewhere",
        ];
        assert_eq!(some, wanted);
        let scope = Scope {
            all: true,
            commands: true,
        };
        let all = said(records, entries, &there, scope);
        assert_eq!(
            all[5],
            "hffff  would start `npm run dev` in /srv/shop, on workspace 9"
        );
        assert_eq!(
            all[9..],
            ["-  would resume `claude --resume w` in /srv/site, on workspace 3"]
        );
    }

    #[test]
    fn a_process_on_the_roll_that_runs_keeps_its_conversation() {
        let key = SessionKey {
            pid: Pid(77),
            ..SessionKey::default()
        };
        let entries = vec![
            entry(None, "claude", "lost"),
            Entry {
                id: key.clone(),
                ..entry(None, "claude", "runs")
            },
        ];
        let there = There {
            processes: [key].into(),
            ..There::default()
        };
        let all = Scope {
            all: true,
            ..Scope::default()
        };
        let wanted = "-  would resume `claude --resume lost` in /srv/site, on workspace 3";
        assert_eq!(said(Vec::new(), entries, &there, all), [wanted]);
    }
}
