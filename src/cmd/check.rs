//! `vmux capture check`: takes secrets out of what comes in, and says by which rules.

use std::io::{self, Read as _};
use std::path::Path;

use super::call::Context;
use super::out;
use crate::capture::redact::{self, Redactor};
use crate::capture::{consent, dotenv};
use crate::cmd::exit::{Exit, Failure};
use crate::sys::git::{self, GitEnv};

/// Most that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Ends like `grep`: 0 if nothing was marked, 1 if something was, 2 if it could not be told.
pub(super) fn run(context: &Context) -> anyhow::Result<Exit> {
    let mut redactor = redactor(context).map_err(|words| {
        Failure::new(format!(
            "could not read the repository's own patterns: {words}"
        ))
        .hint("mend them in its vmux/capture.toml")
        .exit(Exit::Usage)
    })?;
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes);
    let failed = |cause: &str| {
        Failure::new(format!("could not read standard input: {cause}")).exit(Exit::Usage)
    };
    read.map_err(|error| failed(&error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed("it is larger than 256 MiB").into());
    }
    let text = String::from_utf8_lossy(&bytes);
    match redactor.marked(&text) {
        Some(marked) => out::write(marked.as_bytes())?,
        None => out::write(&bytes)?,
    }
    let counts = redactor.take_counts();
    if counts.is_empty() {
        return Ok(Exit::Done);
    }
    let rules = counts.iter().map(|(rule, n)| format!("{rule} {n}"));
    let rules: Vec<String> = rules.collect();
    super::exit::say(&format!("marked: {}", rules.join(", ")));
    Ok(Exit::Failed)
}

/// What capture would go by here: this environment, and if this is a repository, the `.env` files
/// at its top and the patterns of its settings.
fn redactor(context: &Context) -> Result<Redactor, String> {
    let environ = &context.environ;
    let names = environ.names().filter_map(|name| name.into_string().ok());
    let names: Vec<String> = names.collect();
    let pairs = names
        .iter()
        .filter_map(|name| Some((&**name, environ.text(name)?)));
    let mut secrets = redact::secrets(pairs);
    let mut own = Vec::new();
    if let Ok(Some(repository)) = git::find(Path::new("."), &GitEnv::of(environ)) {
        secrets.extend(dotenv::secrets(repository.top()));
        let settings = consent::read(repository.common()).map_err(|error| error.to_string())?;
        own = settings.map(|settings| settings.redact).unwrap_or_default();
    }
    Redactor::new(secrets, &own, &context.paths.home)
}
