//! `vmux upgrade`

use std::path::Path;
use std::time::Duration;

use super::call::{Context, sibling};
use super::{hosted, out};
use crate::cmd::cli::Upgrade;
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::CleanText;
use crate::hosted::Info;
use crate::hosted::missed;
use crate::hosted::place::{Found, Place};

/// Longest wait for one holder: it tries the program first, and finishes what it has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a holder.
enum Done {
    /// It was of this version before; and is of the other one.
    Upgraded(Box<Info>),
    Already,
    /// It was not, and why.
    Not(String),
}

pub(super) fn run(context: &Context, args: &Upgrade) -> anyhow::Result<Exit> {
    let program = sibling("vmux-host").map_err(Failure::new)?;
    let found = if let Some(query) = &args.query {
        vec![Found::Live(hosted::find(context, query)?)]
    } else {
        let place = Place::of(&context.paths);
        missed::call(&place);
        place.all(hosted::PATIENCE)
    };
    let mut exit = Exit::Done;
    let mut text = String::new();
    for found in &found {
        let info = found.info();
        let done = match found {
            Found::Live(info) => upgrade(context, info, &program),
            Found::Silent(_) => Done::Not("its holder does not answer".into()),
            Found::Ended(_) | Found::Lost(_) => continue,
        };
        let words = match done {
            Done::Upgraded(new) => format!("vmux-host {} -> {}", info.version, new.version),
            Done::Already => format!("vmux-host {} already", info.version),
            Done::Not(why) => {
                exit = Exit::Failed;
                format!("could not upgrade its vmux-host {}: {why}", info.version)
            }
        };
        let name = info.name.as_deref().unwrap_or("-");
        let line = CleanText::line(&format!("{}  {name}  {words}", info.id));
        text.push_str(&format!("{line}\n"));
    }
    out::write(text.as_bytes())?;
    if text.is_empty() {
        hosted::say_none();
    }
    Ok(exit)
}

fn upgrade(context: &Context, info: &Info, program: &Path) -> Done {
    if info.is_held_by(program) == Some(true) {
        return Done::Already;
    }
    let mut link = match hosted::link(context, info) {
        Ok(link) => link,
        Err(failure) => return Done::Not(failure.to_string()),
    };
    match link.upgrade(program, PATIENCE) {
        Ok(Some(new)) => Done::Upgraded(Box::new(new)),
        Ok(None) => Done::Not(
            "it is too old for that; a session of the new one begins with `vmux start`".into(),
        ),
        Err(error) => Done::Not(error.to_string()),
    }
}
