//! A new session from the list: what is looked up for it, and how it is shown once it is chosen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread::Builder;
use std::time::Duration;

use skim::tui::Event;
use tokio::sync::mpsc::Sender;
use vmux::cmd::exit::Exit;
use vmux::cmd::{Context, new};
use vmux::core::model::RawPath;

use crate::board::Board;
use crate::palette::Start;

/// Longest wait for what tells of projects.
const GATHER: Duration = Duration::from_secs(3);
/// Longest wait for a file system to say whether there is a directory.
const LOOK: Duration = Duration::from_millis(100);

/// Looks up where a session can be started. A file system that hangs keeps a thread, never the list.
pub(crate) struct Projects {
    context: Arc<Context>,
    board: Arc<Board>,
    screen: Sender<Event>,
    print: bool,
    /// From where the answer comes that took too long.
    late: Option<Receiver<Option<PathBuf>>>,
}

impl Projects {
    pub(crate) fn new(
        context: &Arc<Context>,
        board: &Arc<Board>,
        screen: Sender<Event>,
        print: bool,
    ) -> Self {
        Self {
            context: Arc::clone(context),
            board: Arc::clone(board),
            screen,
            print,
            late: None,
        }
    }

    /// Has the board told of all projects, soon.
    pub(crate) fn gather(&mut self) -> Result<(), String> {
        if self.print {
            return Err("with --print there are only sessions to choose from".to_owned());
        }
        if !self.board.look() {
            return Ok(());
        }
        let (context, board) = (Arc::clone(&self.context), Arc::clone(&self.board));
        let screen = self.screen.clone();
        let look = move || {
            board.offer(new::projects(&context, GATHER).map_err(|error| format!("{error:#}")));
            // A full queue draws soon enough.
            drop(screen.try_send(Event::Render));
        };
        let thread = Builder::new().name("projects".into()).spawn(look);
        if let Err(error) = thread {
            self.board
                .offer(Err(format!("could not look for projects: {error}")));
        }
        Ok(())
    }

    /// The directory that a query names, if it is one.
    pub(crate) fn directory(&mut self, query: &str) -> Option<RawPath> {
        let empty = |late: &Receiver<_>| matches!(late.try_recv(), Err(TryRecvError::Empty));
        if !query.trim_start().starts_with(['/', '~']) || self.late.as_ref().is_some_and(empty) {
            return None;
        }
        self.late = None;
        let (context, query) = (Arc::clone(&self.context), query.trim().to_owned());
        let (tell, told) = mpsc::sync_channel(1);
        let look = move || {
            // Nobody listens any more if the list is closed.
            drop(tell.send(new::typed(&context, &query)));
        };
        // Without a thread the answer is none at once.
        drop(Builder::new().name("directory".into()).spawn(look));
        let Ok(dir) = told.recv_timeout(LOOK) else {
            self.late = Some(told);
            return None;
        };
        Some(RawPath(dir?.to_str()?.to_owned()))
    }
}

/// Starts the session, or enters it, and shows it.
pub(crate) fn run(context: &Context, start: &Start) -> anyhow::Result<Exit> {
    let words = match start {
        Start::Begin(dir) => new::begin(context, Path::new(&dir.0))?,
        Start::Resume(dir, past) => new::resume(context, past, Path::new(&dir.0))?,
    };
    super::print(&format!("{words}\n"))
}
