//! `vmux hooks`: puts vmux's hooks into Claude Code's settings, and takes them out.

mod file;
mod off;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};
use serde::Serialize;

use self::file::{Change, Settings};
use super::call::{Context, vmux_program};
use super::out;
use crate::agent::Agent as _;
use crate::agent::claude::process::{FIRST_NATIVE, installed_version};
use crate::agent::claude::settings::HOOKS;
use crate::agent::claude::settings::off::Off;
use crate::agent::claude::tail::read_version;
use crate::agent::claude::{ClaudeCode, NAME, parse_version};
use crate::cmd::cli::{HooksChange, HooksVerb};
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{Evidence, LocalKey, Observation};
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::core::text::{CleanText, spelled_out};
use crate::source::scout::{Roots, Scout};
use crate::sys::clock;
use crate::sys::exec;

pub(super) fn run(context: &Context, verb: &HooksVerb) -> anyhow::Result<Exit> {
    match verb {
        HooksVerb::Install(args) => change(context, &args.change, Some(args.answers)),
        HooksVerb::Uninstall(args) => change(context, args, None),
        HooksVerb::Status { json, config_dir } => status(context, config_dir, *json),
    }
}

/// A configuration directory, and what is known to use it.
struct Config {
    dir: PathBuf,
    /// Versions of Claude Code.
    versions: Vec<[u32; 3]>,
    /// Working directories of running sessions.
    cwds: Vec<PathBuf>,
}

impl Config {
    /// The events to ask for: an unknown one would cost an old version all of its settings.
    fn events(&self) -> Vec<&'static str> {
        let known = |since: [u32; 3]| self.versions.iter().all(|version| *version >= since);
        let hooks = HOOKS.iter().filter(|hook| hook.since.is_none_or(known));
        hooks.map(|hook| hook.event).collect()
    }

    /// What keeps its hooks from running.
    fn switched_off(&self) -> SwitchedOff {
        let managed = Path::new(off::MANAGED);
        let everywhere = off::look(&self.dir, None, managed);
        let mut only_in: BTreeMap<PathBuf, Off> = BTreeMap::new();
        if everywhere.is_none() {
            let off = |cwd: &PathBuf| {
                let off = off::look(&self.dir, Some(cwd), managed)?;
                Some((cwd.clone(), off))
            };
            only_in.extend(self.cwds.iter().filter_map(off));
        }
        SwitchedOff {
            everywhere,
            only_in,
        }
    }

    /// What is left out, and why.
    fn left_out(&self) -> Option<String> {
        let events = self.events();
        let hook = HOOKS.iter().find(|hook| !events.contains(&hook.event))?;
        let version = match self.versions.iter().min()? {
            [0, 0, 0] => "of a version that is not known yet".to_owned(),
            [major, minor, patch] => format!("{major}.{minor}.{patch}"),
        };
        Some(format!(
            "without {}: Claude Code {version}, which is in use, might ignore the whole file for it",
            hook.event
        ))
    }
}

/// The directories that are named; else the default one and those of running sessions.
fn configs(context: &Context, named: &[PathBuf]) -> Result<Vec<Config>, Failure> {
    let own = installed(context);
    let mut found: BTreeMap<PathBuf, Config> = BTreeMap::new();
    let new = |dir: &Path| Config {
        dir: dir.to_path_buf(),
        versions: own.into_iter().collect(),
        cwds: Vec::new(),
    };
    let default = &ClaudeCode.config_dir(&context.paths.environ, &context.paths.home);
    found.insert(default.clone(), new(default));
    for (dir, version, cwd) in running(context, own) {
        let config = found.entry(dir).or_insert_with_key(|dir| new(dir));
        config.versions.push(version);
        config.cwds.push(cwd);
    }
    let dirs: Vec<PathBuf> = if named.is_empty() {
        found.keys().filter(|dir| dir.is_dir()).cloned().collect()
    } else {
        let absolute = named.iter().map(std::path::absolute);
        absolute
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(format!("could not find a directory: {error}")))?
    };
    if let Some(missing) = dirs.iter().find(|dir| !dir.is_dir()) {
        let shown = missing.display();
        return Err(Failure::new(format!(
            "could not find {shown}: it is not a directory"
        )));
    }
    if dirs.is_empty() {
        let shown = default.display();
        return Err(
            Failure::new(format!("could not find {shown}: it is not a directory"))
                .hint("start claude once, or name a configuration directory with --config-dir"),
        );
    }
    let config = |dir: PathBuf| found.remove(&dir).unwrap_or_else(|| new(&dir));
    Ok(dirs.into_iter().map(config).collect())
}

/// The version of the `claude` that a shell would start.
fn installed(context: &Context) -> Option<[u32; 3]> {
    let path = context.environ.get("PATH").unwrap_or_default();
    let claude = exec::find_program("claude", path)?;
    parse_version(&installed_version(
        &claude.canonicalize().ok()?,
        &context.environ,
    )?)
}

/// The configuration directories of running sessions, their versions and where they run. A version
/// on node says its own only in its transcript; one that has not even that may be any, so it counts
/// as oldest.
fn running(context: &Context, own: Option<[u32; 3]>) -> Vec<(PathBuf, [u32; 3], PathBuf)> {
    let roots = Roots::of(&context.paths);
    let seen = Scout::new(roots).and_then(|mut scout| scout.scan(clock::now()));
    let seen = seen.unwrap_or_default().into_iter();
    // The last word on each: its transcript may be found after it.
    let sessions: BTreeMap<LocalKey, Arc<Evidence>> = seen
        .filter_map(|observation| match observation {
            Observation::Seen(key, evidence) if evidence.agent == NAME => Some((key, evidence)),
            _ => None,
        })
        .gather();
    let config = |evidence: Arc<Evidence>| {
        let read = |version: &Option<CleanText>| parse_version(version.as_ref()?);
        let transcript = evidence.transcript.as_ref();
        let version = read(&evidence.version)
            .or_else(|| read_version(Path::new(&transcript?.0)))
            // An update may have replaced what it was started from.
            .or_else(|| read(&evidence.process.installed_version))
            .or(own.filter(|own| *own < FIRST_NATIVE))
            .unwrap_or_default();
        let dir = PathBuf::from(evidence.process.config_dir.as_str());
        (dir, version, PathBuf::from(&evidence.process.cwd.0))
    };
    sessions.into_values().map(config).collect()
}

/// Installs, with answers or not; `None` uninstalls.
fn change(context: &Context, args: &HooksChange, install: Option<bool>) -> anyhow::Result<Exit> {
    let program = vmux_program().map_err(Failure::new)?;
    let program = program.to_str().ok_or_else(|| {
        Failure::new("could not name this program in the settings: its path is not UTF-8")
    })?;
    let mut failed = None;
    for config in configs(context, &args.config_dir)? {
        let done = change_one(&config, program, install, args.dry_run);
        match done {
            Ok(text) => out::write(text.as_bytes())?,
            // The other directories are not kept waiting for this one.
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    failed.map_or(Ok(Exit::Done), |failure| Err(failure.into()))
}

fn change_one(
    config: &Config,
    program: &str,
    install: Option<bool>,
    dry_run: bool,
) -> Result<String, Failure> {
    let settings = Settings::read(&config.dir)?;
    let change = match install {
        Some(answers) => settings.install(program, &config.events(), answers)?,
        None => settings.uninstall()?,
    };
    if !dry_run {
        settings.tidy();
    }
    let install = install.is_some();
    let path = CleanText::line(&settings.path.display().to_string());
    let old = settings.text.as_deref().unwrap_or_default();
    let mut text = match &change {
        Change::Nothing if install => format!("already installed in {path}\n"),
        Change::Nothing => format!("not installed in {path}\n"),
        Change::Write(new) if dry_run => preview(&path, old, new),
        Change::Remove if dry_run => preview(&path, old, ""),
        _ => {
            let kept = settings.perform(&change)?;
            let kept = kept.map_or_else(String::new, |kept| {
                let kept = CleanText::line(&kept.display().to_string());
                format!(" (what was there before: {kept})")
            });
            match change {
                Change::Remove => format!("removed {path}: it held nothing else\n"),
                _ if install => format!("installed in {path}{kept}\n"),
                _ => format!("uninstalled from {path}\n"),
            }
        }
    };
    if install {
        for words in config
            .left_out()
            .into_iter()
            .chain(config.switched_off().told())
        {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{words}");
        }
    }
    Ok(text)
}

/// What keeps hooks that are installed from running.
#[derive(Serialize)]
struct SwitchedOff {
    #[serde(rename = "off", skip_serializing_if = "Option::is_none")]
    everywhere: Option<Off>,
    /// By the working directory of a running session.
    #[serde(rename = "off_in", skip_serializing_if = "BTreeMap::is_empty")]
    only_in: BTreeMap<PathBuf, Off>,
}

impl SwitchedOff {
    /// In words, cleaned.
    fn told(&self) -> Vec<String> {
        let all = self.everywhere.iter();
        let all = all.map(|off| format!("no hook runs: {off} switches them off"));
        let some = self.only_in.iter().map(|(cwd, off)| {
            let cwd = cwd.display();
            format!("no hook runs in {cwd}: {off} switches them off")
        });
        let clean = |words: String| CleanText::line(&words).to_string();
        all.chain(some).map(clean).collect()
    }
}

/// What would change in a file, as `diff -u` prints it. What a terminal would obey is spelled out.
fn preview(name: &str, old: &str, new: &str) -> String {
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = BasicLineDiffPrinter(&input.interner);
    let hunks = diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input);
    let text = format!("--- {name}\n+++ {name}\n{hunks}");
    spelled_out(&text.replace("\r\n", "\n"))
}

/// How the hooks of a configuration directory are.
#[derive(Serialize)]
struct Found {
    config_dir: PathBuf,
    /// `installed`, `missing`, `outdated` (another program, other events), `off` (installed, but
    /// no hook runs) or `unreadable`.
    state: &'static str,
    /// Sessions that run with it.
    running: usize,
    #[serde(flatten)]
    off: SwitchedOff,
    events: Vec<String>,
    /// Whether permission requests can be answered from vmux.
    answers: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    programs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn look(config: &Config, program: &str) -> Found {
    let own = Settings::read(&config.dir).and_then(|settings| settings.hooks());
    let (own, error) = match own {
        Ok(own) => (own, None),
        Err(failure) => (Vec::new(), Some(failure.error)),
    };
    let answers = own.iter().any(|own| own.answers);
    let mut events: Vec<String> = own.iter().map(|own| own.event.clone()).collect();
    let mut wanted = config.events();
    wanted.sort_unstable();
    let mut programs: Vec<String> = own.into_iter().map(|own| own.program).collect();
    programs.arrange();
    programs.dedup();
    let right = events == wanted && programs == [program];
    events.dedup();
    let off = config.switched_off();
    Found {
        config_dir: config.dir.clone(),
        state: match () {
            () if error.is_some() => "unreadable",
            () if events.is_empty() => "missing",
            () if off.everywhere.is_some() => "off",
            () if right => "installed",
            () => "outdated",
        },
        running: config.cwds.len(),
        off,
        events,
        answers,
        programs,
        error,
    }
}

fn look_all(context: &Context, named: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let program = vmux_program().map_err(Failure::new)?;
    let program = program.to_string_lossy();
    let configs = configs(context, named)?;
    Ok(configs
        .iter()
        .map(|config| look(config, &program))
        .collect())
}

fn status(context: &Context, named: &[PathBuf], json: bool) -> anyhow::Result<Exit> {
    let found = look_all(context, named)?;
    let mut text = String::new();
    if json {
        let all = BTreeMap::from([("configs", found)]);
        writeln!(text, "{}", serde_json::to_string(&all)?)?;
    } else {
        for found in found {
            let more = match found.state {
                "unreadable" => found.error.unwrap_or_default(),
                "outdated" => format!(
                    "{} of {}",
                    found.events.join(", "),
                    found.programs.join(", ")
                ),
                "missing" if found.running > 0 => match found.running {
                    1 => "1 session runs without".to_owned(),
                    n => format!("{n} sessions run without"),
                },
                _ if found.answers => format!("{}; answers", found.events.join(", ")),
                _ => found.events.join(", "),
            };
            let dir = CleanText::line(&found.config_dir.to_string_lossy());
            let line = format!("{:<10}  {dir}  {}", found.state, CleanText::line(&more));
            writeln!(text, "{}", line.trim_end())?;
            for words in found.off.told() {
                writeln!(text, "{:<10}  {words}", "")?;
            }
        }
    }
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A line for `doctor`, and what to do if all is not as it should be.
pub(super) fn summary(context: &Context) -> Result<(String, Option<&'static str>), String> {
    const INSTALL: &str =
        "`vmux hooks install` puts them right; `vmux hooks uninstall` takes them out";
    let found = look_all(context, &[]).map_err(|failure| failure.error)?;
    let dirs = |wanted: &dyn Fn(&Found) -> bool| {
        let dirs = found.iter().filter(|found| wanted(found));
        let dirs: Vec<String> = dirs.map(|f| f.config_dir.display().to_string()).collect();
        Some(dirs.join(", ")).filter(|dirs| !dirs.is_empty())
    };
    let in_state = |state: &str| dirs(&|found: &Found| found.state == state);
    let off: Vec<String> = found
        .iter()
        .filter(|found| !found.events.is_empty())
        .flat_map(|found| found.off.told())
        .collect();
    let installed = in_state("installed");
    // Some run with hooks, so that others were meant to.
    let without = dirs(&|found| found.state == "missing" && found.running > 0);
    let without = without.filter(|_| installed.is_some());
    Ok(if let Some(dirs) = in_state("unreadable") {
        let words = format!("the settings of {dirs} cannot be read");
        (words, Some(INSTALL))
    } else if let Some(dirs) = in_state("outdated") {
        let words = format!("those of another vmux, or not all, in {dirs}");
        (words, Some(INSTALL))
    } else if !off.is_empty() {
        let remedy = "take that key out; until then vmux reads files only";
        (off.join("; "), Some(remedy))
    } else if let Some(without) = without {
        let words = format!("sessions run without them in {without}");
        (words, Some(INSTALL))
    } else {
        let words = match installed {
            None => "not installed (optional: `vmux hooks install`)".to_owned(),
            Some(dirs) => format!("installed in {dirs}"),
        };
        (words, None)
    })
}
