//! `vmux demo`: played sessions in a world of their own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::call::vmux_program;
use super::out;
use crate::agent::Agent as _;
use crate::agent::claude::ClaudeCode;
use crate::agent::claude::standin::{DEMO, Scene, StandIn};
use crate::cmd::cli::Demo;
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::CleanText;
use crate::protocol::client::{Client, PATIENCE};
use crate::protocol::request::{ListArgs, Stop};
use crate::sys::clock;
use crate::sys::paths::{self, Paths};
use crate::sys::proc::Environ;

/// Directory and branch of each played session.
const PROJECTS: [(&str, &str); 8] = [
    ("api-server", "main"),
    ("shop-web", "feature/cart"),
    ("infra", "terraform-1.9"),
    ("docs", "main"),
    ("billing", "fix/rounding"),
    ("mobile", "release/4.2"),
    ("search", "main"),
    ("design-system", "tokens"),
];

/// How long a scene lasts that is not to end.
const STILL: std::time::Duration = std::time::Duration::from_secs(86_400);

/// A world that is taken down when it goes out of scope.
struct World {
    dir: PathBuf,
    paths: Paths,
    players: Vec<Child>,
}

pub(super) fn run(args: &Demo) -> anyhow::Result<Exit> {
    let mut world = World::make()?;
    let program = vmux_program().map_err(Failure::new)?;
    for n in 0..usize::from(args.sessions) {
        world.add_player(n)?;
    }
    world.start_daemon(&program)?;
    world.wait_for(usize::from(args.sessions))?;
    let status = if args.command.is_empty() {
        world
            .command(&program)
            .args(["pick", "--print"])
            .stdout(Stdio::piped())
            .spawn()?
            .wait_with_output()?
    } else {
        let program = &args.command[0];
        let child = world
            .command(Path::new(program))
            .args(&args.command[1..])
            .spawn()
            .with_context(|| {
                format!(
                    "could not run {}",
                    CleanText::line(&program.to_string_lossy())
                )
            })?;
        child.wait_with_output()?
    };
    if args.command.is_empty() && status.status.success() {
        let id = String::from_utf8_lossy(&status.stdout);
        let words = format!(
            "You chose {}. Played sessions have no windows; a real one would have the focus now.\n",
            CleanText::line(&id)
        );
        out::write(words.as_bytes())?;
    }
    Ok(match status.status.code() {
        Some(0) => Exit::Done,
        Some(130) => Exit::Cancelled,
        _ => Exit::Failed,
    })
}

/// `stand-in NUMBER` plays one session; what `vmux demo` starts under the name `claude`. With `still`
/// it stays in its first scene, for pictures.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let (number, still) = match *words {
        [_, number] => (number, false),
        [_, number, "still"] => (number, true),
        _ => return None,
    };
    number.parse().ok().map(|number| play(number, still))
}

fn play(number: usize, still: bool) -> anyhow::Result<Exit> {
    let paths = Paths::of(&paths::environment(), None)?;
    let config = ClaudeCode.config_dir(&paths.environ, &paths.home);
    let cwd = std::env::current_dir().context("could not find the working directory")?;
    let name = cwd
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let player = StandIn::start(&config, &cwd, &format!("{name}-{number:02x}"))?;
    let scenes = DEMO.map(|scene| Scene {
        lasts: if still { STILL } else { scene.lasts },
        ..scene
    });
    player.play(&scenes, number)?;
    Ok(Exit::Done)
}

impl World {
    fn make() -> anyhow::Result<Self> {
        let dir = private_directory()?;
        let socket = dir.join("vmux.sock");
        let paths = Paths {
            runtime: dir.clone(),
            config: dir.join("config.toml"),
            labels: dir.join("labels.json"),
            log: dir.join("vmux.log"),
            home: dir.clone(),
            environ: Environ::default(),
            proc: "/proc".into(),
            only_configs: true,
            socket,
        };
        std::fs::create_dir_all(dir.join("bin"))?;
        std::os::unix::fs::symlink(
            vmux_program().map_err(Failure::new)?,
            dir.join("bin/claude"),
        )?;
        Ok(Self {
            dir,
            paths,
            players: Vec::new(),
        })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("VMUX_DIR", &self.dir)
            .env("CLAUDE_CONFIG_DIR", self.dir.join("claude"))
            .env("CODEX_HOME", self.dir.join("codex"))
            .env("VMUX_ONLY_CONFIG", "1")
            .env_remove("VMUX_SOCKET")
            .env_remove("VMUX_NO_DAEMON");
        command
    }

    fn add_player(&mut self, number: usize) -> anyhow::Result<()> {
        let (project, branch) = PROJECTS[number % PROJECTS.len()];
        let name = if number < PROJECTS.len() {
            project.to_owned()
        } else {
            format!("{project}-{number}")
        };
        let cwd = self.dir.join("work").join(name);
        // Without these two git takes it for no repository, and so no branch is shown.
        for part in ["objects", "refs"] {
            std::fs::create_dir_all(cwd.join(".git").join(part))?;
        }
        std::fs::write(cwd.join(".git/HEAD"), format!("ref: refs/heads/{branch}\n"))?;
        let mut command = self.command(&self.dir.join("bin/claude"));
        let child = command
            .args(["stand-in", &number.to_string()])
            .current_dir(cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not start a played session")?;
        self.players.push(child);
        Ok(())
    }

    fn start_daemon(&self, program: &Path) -> anyhow::Result<()> {
        // The daemon takes its world from the environment of this command.
        let starter = self
            .command(program)
            .args(["daemon", "start"])
            .stdout(Stdio::null())
            .spawn();
        let done = starter.context("could not start the daemon")?.wait()?;
        if done.success() {
            Ok(())
        } else {
            Err(Failure::new("could not start the demo's daemon").into())
        }
    }

    /// Waits until all played sessions are known.
    fn wait_for(&self, sessions: usize) -> anyhow::Result<()> {
        let deadline = clock::Deadline::after(PATIENCE);
        let mut client = Client::connect(&self.paths.socket, PATIENCE)?;
        loop {
            let listed = client.call(&ListArgs::default(), PATIENCE)?;
            let known = listed.map_or(0, |listed| listed.sessions.len());
            if known >= sessions || deadline.passed() {
                return Ok(());
            }
            clock::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A directory that nobody else has; one that a killed demo left behind is no hindrance.
fn private_directory() -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let pid = std::process::id();
    for n in 0..1000 {
        let dir = std::env::temp_dir().join(format!("vmux-demo-{pid}-{n}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("could not make {}", dir.display()));
            }
        }
    }
    Err(Failure::new("could not make a directory for the demo").into())
}

impl Drop for World {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&self.paths.socket, PATIENCE) {
            drop(client.call(&Stop {}, PATIENCE));
        }
        for player in &mut self.players {
            // The end of its input ends a player by itself.
            drop(player.stdin.take().map(|mut pipe| pipe.flush()));
            drop(player.kill());
            drop(player.wait());
        }
        drop(std::fs::remove_dir_all(&self.dir));
    }
}
