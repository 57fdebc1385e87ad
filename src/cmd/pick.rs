//! `vmux pick`: hands over to `vmux-pick`, which links the finder.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::call::{Context, sibling};
use crate::cmd::cli::Pick;
use crate::cmd::exit::{Exit, Failure};

pub(super) fn run(context: &Context, args: &Pick) -> anyhow::Result<Exit> {
    let program = sibling("vmux-pick").map_err(Failure::new)?;
    let mut command = Command::new(&program);
    command.env("VMUX_SOCKET", &context.paths.socket);
    if context.no_daemon {
        command.env("VMUX_NO_DAEMON", "1");
    }
    if args.print {
        command.arg("--print");
    }
    if let Some(height) = &args.height {
        command.arg("--height").arg(height);
    }
    if let Some(query) = &args.query {
        command.arg("--").arg(query);
    }
    let error = command.exec();
    Err(
        Failure::new(format!("could not run {}: {error}", program.display()))
            .hint("it is installed beside vmux, unless vmux was built without the feature `pick`")
            .into(),
    )
}
