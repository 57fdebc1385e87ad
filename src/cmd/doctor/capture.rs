//! What `vmux doctor` says of repositories whose commits conversations are kept with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Check, Grade, check};
use crate::agent::tools;
use crate::capture::{consent, known, state};
use crate::cmd::call::Context;

/// Longest wait for a repository, and for how many that do not answer.
const PATIENCE: (Duration, usize) = (Duration::from_secs(2), 4);

/// How often something was missed in a repository, if it is captured.
fn missed_in(common: &Path) -> io::Result<Option<usize>> {
    let captured = consent::read(common)?.is_some();
    Ok(captured.then(|| state::read(common).missed.len()))
}

/// What each of these tells; nothing of those that do not answer. Each is looked at by a thread that
/// can be left behind; once too many were, no more are looked at.
fn answers<T: Send + 'static>(
    list: &[PathBuf],
    (patience, most): (Duration, usize),
    look: impl Fn(&Path) -> T + Clone + Send + 'static,
) -> Vec<(PathBuf, Option<T>)> {
    let mut silent = 0;
    let mut told = Vec::new();
    for common in list {
        if silent == most {
            break;
        }
        let (give, answer) = mpsc::channel();
        let (own, look) = (common.clone(), look.clone());
        let run = move || {
            // Nobody hears it who has waited for long enough.
            let _heard = give.send(look(&own));
        };
        let started = thread::Builder::new().spawn(run).is_ok();
        let answer = answer.recv_timeout(patience).ok().filter(|_| started);
        silent += usize::from(answer.is_none());
        told.push((common.clone(), answer));
    }
    told
}

/// How capture is; nothing where no repository is captured.
pub(super) fn check_all(context: &Context) -> Vec<Check> {
    let list = known::read(&context.paths.captured());
    if list.is_empty() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let (mut good, mut missed) = (0, 0);
    for (common, told) in answers(&list, PATIENCE, missed_in) {
        let (words, remedy) = match told {
            Some(Ok(Some(times))) => {
                good += 1;
                missed += times;
                continue;
            }
            // It was moved or removed: where it went, its sessions tell.
            Some(Ok(None)) => continue,
            Some(Err(error)) => {
                let file = consent::file(&common);
                let words = format!("could not read {}: {error}", file.display());
                (words, "nothing is kept there until it can be read")
            }
            None => (
                format!("{} does not answer", common.display()),
                "its file system hangs; what is committed there is kept once it answers",
            ),
        };
        checks.push(check("capture", Grade::Bad, &words).remedy(remedy));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn one_that_does_not_answer_holds_up_no_other() {
        let (held, waits) = mpsc::channel::<()>();
        let waits = Arc::new(Mutex::new(waits));
        let look = move |common: &Path| {
            if common.starts_with("/nas") {
                // As long as the test lives.
                let _never = waits.lock().unwrap().recv();
            }
            common.to_path_buf()
        };
        let list: Vec<PathBuf> = ["/a", "/nas/b", "/c", "/nas/d", "/e"]
            .map(PathBuf::from)
            .into();
        let told = answers(&list, (Duration::from_millis(200), 2), look);
        let told: Vec<_> = told.into_iter().map(|(_, answer)| answer).collect();
        let is = |path: &str| Some(PathBuf::from(path));
        assert_eq!(told, [is("/a"), None, is("/c"), None]);
        drop(held);
    }
}
