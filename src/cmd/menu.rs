//! `vmux menu`: the one to bind to a key. Finds the launcher and starts it with the right flags.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::call::{Context, sibling};
use super::dmenu;
use crate::cmd::cli::{Menu, Pick};
use crate::cmd::exit::{Exit, Failure};
use crate::frontend::icons;
use crate::frontend::menu::{self, Desktop, Launcher};
use crate::notify;
use crate::serve::config::Config;
use crate::sys::exec;

/// Longest wait for rofi's version.
const VERSION: Duration = Duration::from_secs(2);

pub(super) fn run(context: &Context, args: &Menu) -> anyhow::Result<Exit> {
    let result = start(context, args);
    if let Err(error) = &result
        && !super::call::has_terminal()
    {
        notify::message(&context.environ, "vmux", &format!("{error:#}"));
    }
    result
}

fn start(context: &Context, args: &Menu) -> anyhow::Result<Exit> {
    let config = context.config().config;
    let wanted = args.launcher.as_deref().or(config.launcher.as_deref());
    let mut more = config.launcher_args.clone();
    more.extend_from_slice(&args.args);
    match wanted {
        Some("pick") => pick(context),
        Some(name) => {
            let launcher = menu::by_name(name).ok_or_else(|| dmenu::unknown(name))?;
            launch(context, &config, launcher, &more)
        }
        None => match detect(context) {
            Some(launcher) => launch(context, &config, launcher, &more),
            None if super::call::has_terminal() => pick(context),
            None if !desktop(context).is_any() => Err(Failure::new(
                "could not find a desktop: neither DISPLAY nor WAYLAND_DISPLAY is set",
            )
            .hint("without one, `vmux pick` shows the list in a terminal")
            .into()),
            None => Err(Failure::new("could not find a menu program")
                .hint("install rofi or dmenu (X11), or fuzzel, wofi, bemenu or tofi (Wayland)")
                .into()),
        },
    }
}

fn pick(context: &Context) -> anyhow::Result<Exit> {
    super::pick::run(
        context,
        &Pick {
            query: None,
            height: None,
            print: false,
        },
    )
}

fn detect(context: &Context) -> Option<&'static Launcher> {
    let path = context.environ.get("PATH").unwrap_or_default();
    let installed = |name: &str| exec::find_program(name, path).is_some();
    let speaks_wayland = || {
        let done = exec::run(Command::new("rofi").arg("-version"), VERSION);
        done.is_ok_and(|done| menu::rofi_speaks_wayland(&String::from_utf8_lossy(&done.stdout)))
    };
    menu::detect(desktop(context), installed, speaks_wayland)
}

fn desktop(context: &Context) -> Desktop {
    Desktop {
        wayland: context.environ.get("WAYLAND_DISPLAY").is_some(),
        x11: context.environ.get("DISPLAY").is_some(),
    }
}

fn launch(
    context: &Context,
    config: &Config,
    launcher: &Launcher,
    args: &[String],
) -> anyhow::Result<Exit> {
    if launcher.name == "rofi" && !context.no_daemon {
        return rofi(context, config, args);
    }
    dmenu::choose(context, launcher, args)
}

/// Becomes rofi in script mode, which knows previews, labels and filters.
fn rofi(context: &Context, config: &Config, args: &[String]) -> anyhow::Result<Exit> {
    let script = sibling("vmux-rofi").map_err(Failure::new)?;
    let script = script.to_string_lossy();
    if script.contains([':', ',', ' ', '\'', '"', '\\']) {
        // rofi splits the list of modes at `,` and a mode at `:`, and reads the rest as a shell.
        return Err(Failure::new(format!(
            "could not give {script} to rofi: its path has a space, a comma or a quote"
        ))
        .hint("install vmux in another directory, or set launcher = \"dmenu\"")
        .into());
    }
    // The daemon is up before rofi holds the keyboard.
    drop(context.connect()?);
    let mut command = Command::new("rofi");
    // `-modi`, not `-modes`: rofi 1.7.3 knows only the former, and 2.0 still does.
    command.args([
        "-show",
        "vmux",
        "-modi",
        &format!("vmux:{script}"),
        "-show-icons",
    ]);
    if let Some(theme) = theme(context, config)? {
        command.arg("-theme").arg(theme);
    }
    command.args(args).env("VMUX_SOCKET", &context.paths.socket);
    let error = command.exec();
    Err(Failure::new(format!("could not run rofi: {error}")).into())
}

fn theme(context: &Context, config: &Config) -> anyhow::Result<Option<PathBuf>> {
    match &*config.theme {
        "none" => Ok(None),
        "vmux" => {
            let icons = context.paths.icons();
            icons::write(&icons, &crate::agent::badges())?;
            Ok(Some(icons::theme(&icons)))
        }
        path => Ok(Some(path.into())),
    }
}
