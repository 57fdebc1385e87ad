//! Looks by processes of their own, where a file system may not answer.
//!
//! The kernel lets no process end while one of its threads waits for such a file system, and what
//! that process had open stays open: its lock, its socket, the pipe that its output goes to. A
//! child that waits there holds nothing but its own two pipes, and is waited for by a thread that
//! can always end.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::mounts::Mounts;
use super::{Ground, Look, Spot};
use crate::sys::git::GitEnv;
use crate::sys::proc::Environ;

/// The verb that looks: a `Question` a line on its standard input, a [`Ground`] a line on its
/// output.
pub const VERB: &str = "look-at";

/// Longest line, in bytes: a path or two, each byte a number.
const LINE_CAP: u64 = 256 * 1024;

/// A spot on its way to another process. Paths need not be UTF-8.
#[derive(Serialize, Deserialize)]
struct Question {
    dir: Vec<u8>,
    /// What the session's environment tells git; nothing if it is only asked whether the
    /// directory answers.
    work: Option<Vec<(String, Vec<u8>)>>,
}

/// A look that asks `program` where a file system may not answer.
#[must_use]
pub fn look(program: PathBuf, proc: &Path) -> Look {
    let mountinfo = proc.join("self/mountinfo");
    // Each is used by one thread at a time; one that does not answer is kept by its thread.
    let idle: Mutex<Vec<Peer>> = Mutex::default();
    Arc::new(move |spot| {
        if Mounts::read(&mountinfo).is_local(&spot.dir) {
            return Ground::look(spot);
        }
        let peer = locked(&idle).pop();
        let peer = peer.map_or_else(|| Peer::start(&program), Ok);
        let asked = peer.and_then(|mut peer| Ok((peer.ask(spot)?, peer)));
        match asked {
            Ok((ground, peer)) => {
                locked(&idle).push(peer);
                ground
            }
            Err(error) => Ground::unread(&spot.dir, &error.to_string()),
        }
    })
}

fn locked(idle: &Mutex<Vec<Peer>>) -> MutexGuard<'_, Vec<Peer>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers questions until there are no more.
///
/// # Errors
/// Those of reading and writing, and `InvalidData` for what is no question.
pub fn serve(questions: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    while let Some(question) = read_line::<Question>(questions)? {
        let path = |bytes| PathBuf::from(OsString::from_vec(bytes));
        let environ = |vars: Vec<(String, Vec<u8>)>| {
            let vars = vars.into_iter();
            vars.map(|(name, value)| (name.into(), OsString::from_vec(value)))
                .collect::<Environ>()
        };
        let spot = Spot {
            dir: path(question.dir),
            work: question.work.map(|vars| GitEnv::of(&environ(vars))),
        };
        write_line(answers, &Ground::look(&spot))?;
    }
    Ok(())
}

fn read_line<T: for<'a> Deserialize<'a>>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(LINE_CAP).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn write_line(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// A process that looks. It ends when its input does.
struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(VERB).env_clear().current_dir("/");
        let pipes = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = pipes.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => Ok(Self {
                child,
                questions,
                answers: BufReader::new(answers),
            }),
            _ => Err(io::Error::other("its pipes are missing")),
        }
    }

    /// Waits for the answer, as long as that takes.
    fn ask(&mut self, spot: &Spot) -> io::Result<Ground> {
        let bytes = |(name, value): (&str, OsString)| (name.to_owned(), value.into_vec());
        let vars = |env: &GitEnv| env.vars().into_iter().map(bytes).collect();
        let question = Question {
            dir: spot.dir.as_os_str().as_bytes().to_vec(),
            work: spot.work.as_ref().map(vars),
        };
        write_line(&mut self.questions, &question)?;
        let answer = read_line(&mut self.answers)?;
        answer.ok_or_else(|| io::Error::other("the process that looks there has ended"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has failed, or is no longer needed; it does not wait for a file system now.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_as_if_asked_here() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join(OsString::from_vec(b"caf\xe9".to_vec()));
        for part in ["objects", "refs"] {
            std::fs::create_dir_all(odd.join(".git").join(part)).unwrap();
        }
        std::fs::write(odd.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let mut asked = Vec::new();
        for (dir, vars) in [(&odd, vec![]), (&odd, vec![("GIT_DIR", b"nowhere")])] {
            let vars = vars.into_iter().map(|(n, v)| (n.to_owned(), v.to_vec()));
            let question = Question {
                dir: dir.as_os_str().as_bytes().to_vec(),
                work: Some(vars.collect()),
            };
            write_line(&mut asked, &question).unwrap();
        }
        let mut answers = Vec::new();
        serve(&mut &asked[..], &mut answers).unwrap();
        let mut answers = &answers[..];
        let first: Ground = read_line(&mut answers).unwrap().unwrap();
        assert_eq!(first.git.unwrap().branch.as_deref(), Some("main"));
        let second: Ground = read_line(&mut answers).unwrap().unwrap();
        assert_eq!(second, Ground::default());
        assert!(serve(&mut &b"no question\n"[..], &mut Vec::new()).is_err());
    }
}
