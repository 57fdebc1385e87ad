//! `vmux-pick`: sessions in skim's finder, in the terminal. `vmux pick` execs it.
//!
//! A binary of its own, because linking skim costs every start of a program, brings an async
//! runtime and sets the allocator.
//!
//! Two threads: [`feed`] asks the daemon and writes the [`board`]; this one draws it and takes
//! the keys ([`ui`]). Everything else here is pure.

mod begin;
mod board;
mod engine;
mod feed;
mod head;
mod keys;
mod palette;
mod pane;
mod prompt;
mod row;
mod terminal;
mod ui;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use clap::Parser;
use skim::Skim;
use skim::prelude::SkimOptionsBuilder;
use skim::tui::Size;
use vmux::cmd::exit::{self, Exit, Failure};
use vmux::cmd::{Context, failure, no_sessions};
use vmux::core::model::{Decision, Dialog, RawPath, SessionKey};
use vmux::core::query;
use vmux::desktop::wm::discover;
use vmux::protocol::request::{
    DecideArgs, DialogArgs, EndArgs, LabelArgs, ListArgs, SwitchArgs, Target,
};
use vmux::protocol::{Refusal, Verb};
use vmux::sys::clock;
use vmux::sys::proc::Proc;

use crate::begin::Projects;
use crate::board::Board;
use crate::feed::{Source, Wish};
use crate::terminal::Terminal;
use crate::ui::{BEATS, Outcome, Outside, Ui};

/// Choose a session in the terminal
#[derive(Parser, Debug)]
#[command(name = "vmux-pick", version, max_term_width = 100)]
struct Args {
    /// Start with this query
    query: Option<String>,

    /// Use this much of the terminal: 40%, or 20 for as many lines
    #[arg(long, value_name = "HEIGHT", value_parser = height)]
    height: Option<String>,

    /// Print the id of the choice instead of focusing it
    #[arg(long)]
    print: bool,

    /// Print the ids that fit a query, best first, without asking
    #[arg(long, value_name = "QUERY", hide = true, allow_hyphen_values = true)]
    filter: Option<String>,
}

fn height(text: &str) -> Result<String, String> {
    let size = Size::try_from(text).map_err(|_| "it is a number of lines, or percent".to_owned());
    size.map(|_| text.to_owned())
}

fn main() -> ExitCode {
    exit::conclude(run(&Args::parse()))
}

fn run(args: &Args) -> anyhow::Result<Exit> {
    let context = Arc::new(Context::new(None, false)?);
    if let Some(query) = &args.filter {
        return filter(&context, query);
    }
    let terminal = Terminal::claim()?;
    let chosen = choose(&context, args);
    // An error is said where the user sent his errors.
    drop(terminal);
    match chosen? {
        Outcome::Chosen(id) if args.print => print(&format!("{id}\n")),
        Outcome::Chosen(_) => Ok(Exit::Done),
        Outcome::New(start) => begin::run(&context, &start),
        Outcome::Cancelled => Ok(Exit::Cancelled),
    }
}

fn filter(context: &Context, query: &str) -> anyhow::Result<Exit> {
    let sessions = context.call(ListArgs::default())?.sessions;
    if sessions.is_empty() {
        return Err(no_sessions().into());
    }
    let ranked = query::rank(query, &sessions);
    if ranked.is_empty() {
        return Ok(Exit::Failed);
    }
    let lines = ranked
        .iter()
        .map(|(_, session)| format!("{}\n", session.id));
    let lines: String = lines.collect();
    print(&lines)
}

fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Shows the list, and focuses the choice while it is still there: a terminal that closes gives
/// the focus away once more.
fn choose(context: &Arc<Context>, args: &Args) -> anyhow::Result<Outcome> {
    let mut source = Source::open(Arc::clone(context))?;
    let sessions = source.list()?;
    let nothing = sessions.is_empty();
    if nothing && args.print {
        return Err(no_sessions().into());
    }
    let colored = context
        .environ
        .get("NO_COLOR")
        .is_none_or(std::ffi::OsStr::is_empty);
    let board = Arc::new(Board::new(colored));
    board.apply(&sessions, clock::now());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let mut skim = open(args, colored)?;
        skim.tui_mut().tick_rate = BEATS;
        skim.enter().await.map_err(|error| finder(&error))?;
        terminal::quit_on_signals(skim.event_sender())?;
        let wishes = feed::start(source, Arc::clone(&board), skim.event_sender())?;
        let projects = Projects::new(context, &board, skim.event_sender(), args.print);
        let desk = Desk {
            context: Arc::clone(context),
            wishes,
            projects,
        };
        let mut ui = Ui::new(skim, board, desk, colored);
        if nothing {
            ui.open_palette();
        }
        let outcome = ui.run().await?;
        if let Outcome::Chosen(id) = &outcome
            && !args.print
        {
            focus(context, id.clone())?;
        }
        Ok(outcome)
    })
}

fn open(args: &Args, colored: bool) -> Result<Skim, Failure> {
    let options = ui_options(args, colored)?;
    // Nothing is read: items are put into skim's pool as they come and go.
    let (_, nothing) = skim::prelude::unbounded();
    let mut skim = Skim::init(options, Some(nothing)).map_err(|error| finder(&error))?;
    skim.app_mut().matcher = engine::matcher();
    skim.start();
    skim.init_tui().map_err(|error| finder(&error))?;
    Ok(skim)
}

fn ui_options(args: &Args, colored: bool) -> Result<skim::SkimOptions, Failure> {
    // The terminal's own palette, so that it suits a light one too.
    let theme = if colored {
        "none,prompt:12+b,cursor:12+b,border:+d,scrollbar:+d,current:+r"
    } else {
        "none,prompt:+b,border:+d,scrollbar:+d,current:+r"
    };
    let mut options = SkimOptionsBuilder::default();
    options
        .query(args.query.clone().unwrap_or_default())
        .height(args.height.clone().unwrap_or_else(|| "100%".into()))
        .reverse(true)
        .prompt("vmux> ")
        .selector_icon("\u{258c} ")
        .multi_select_icon("")
        .header("\n")
        .info("hidden")
        .ellipsis("\u{2026}")
        .no_hscroll(true)
        .preview("")
        .color(theme)
        .bind(keys::bindings());
    options.build().map_err(|error| finder(&error))
}

fn finder(error: &impl std::fmt::Display) -> Failure {
    Failure::new(format!("could not open the list: {error}"))
}

fn focus(context: &Context, id: SessionKey) -> anyhow::Result<()> {
    let switch = SwitchArgs {
        target: target(id),
        environ: context.travelling(),
        ..SwitchArgs::default()
    };
    context.tell_note(&context.call(switch)?);
    Ok(())
}

fn target(id: SessionKey) -> Target {
    Target {
        id: Some(id),
        ..Target::default()
    }
}

/// The rest of vmux, as the list asks it.
struct Desk {
    context: Arc<Context>,
    wishes: Sender<Wish>,
    projects: Projects,
}

impl Desk {
    /// Has something done to a session, and looks at once what became of it.
    fn act<V: Verb>(&self, verb: V) -> Result<(), String> {
        let reply = self.context.try_call(verb);
        let reply = reply.map_err(|error| format!("{error:#}"))?;
        self.wish(Wish::Look);
        reply.map(drop).map_err(|refusal| failure(&refusal).error)
    }

    fn wish(&self, wish: Wish) {
        // Fails if the thread has ended: then the list stays as it is.
        let _sent = self.wishes.send(wish);
    }
}

impl Outside for Desk {
    fn label(&mut self, id: SessionKey, label: &str) -> Result<(), String> {
        let (target, label) = (target(id), label.to_owned());
        self.act(LabelArgs { target, label })
    }

    fn end(&mut self, id: SessionKey) -> Result<(), String> {
        let target = target(id);
        self.act(EndArgs { target })
    }

    fn dialog(&mut self, id: SessionKey) -> Result<Dialog, String> {
        let reply = self.context.try_call(DialogArgs { target: target(id) });
        let reply = reply.map_err(|error| format!("{error:#}"))?;
        let why = |refusal: Refusal| match failure(&refusal) {
            Failure {
                error,
                hint: Some(hint),
                ..
            } => format!("{error} ({hint})"),
            failure => failure.error,
        };
        reply.map(|asks| asks.asked).map_err(why)
    }

    fn decide(&mut self, id: SessionKey, request: u64, decision: Decision) -> Result<(), String> {
        self.act(DecideArgs {
            target: target(id),
            request: Some(request),
            decision,
        })
    }

    fn workspace(&mut self) -> Option<String> {
        let proc = Proc::open(Path::new("/proc")).ok()?;
        let mut found = discover::find(&self.context.environ, &proc).ok()?;
        let tree = found.manager.tree().ok()?;
        tree.focus
            .workspace
            .name
            .some()
            .map(|name| name.to_string())
    }

    fn show(&mut self, id: Option<SessionKey>) {
        self.wish(Wish::Preview(id));
    }

    fn gather(&mut self) -> Result<(), String> {
        self.projects.gather()
    }

    fn directory(&mut self, query: &str) -> Option<RawPath> {
        self.projects.directory(query)
    }

    fn home(&self) -> &Path {
        &self.context.paths.home
    }
}
