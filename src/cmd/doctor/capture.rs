//! What `vmux doctor` says of repositories whose commits conversations are kept with.

use super::{Check, Grade, check};
use crate::agent::tools;
use crate::capture::{consent, known, state};
use crate::cmd::call::Context;

/// How capture is; nothing where no repository is captured.
pub(super) fn check_all(context: &Context) -> Vec<Check> {
    let list = known::read(&context.paths.captured());
    if list.is_empty() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let (mut good, mut missed) = (0, 0);
    for common in &list {
        match consent::read(common) {
            Ok(Some(_)) => {
                good += 1;
                missed += state::read(common).missed.len();
            }
            // It was moved or removed: where it went, its sessions tell.
            Ok(None) => {}
            Err(error) => {
                let file = consent::file(common);
                let words = format!("could not read {}: {error}", file.display());
                let remedy = "nothing is kept there until it can be read";
                checks.push(check("capture", Grade::Bad, &words).remedy(remedy));
            }
        }
    }
    let words = format!("{good} repositories, {missed} times something was missed");
    let all = check(
        "capture",
        if missed == 0 {
            Grade::Good
        } else {
            Grade::Note
        },
        &words,
    );
    checks.push(match missed {
        0 => all,
        _ => all.remedy("`vmux capture status` there says what and why"),
    });
    let paths = &context.paths;
    for agent in tools() {
        let config = agent.config_dir(&paths.environ, &paths.home);
        if let Some((words, remedy)) = agent.untold(&config) {
            let words = format!("{}: {words}", agent.title());
            checks.push(check("capture", Grade::Note, &words).remedy(remedy));
        }
    }
    checks
}
