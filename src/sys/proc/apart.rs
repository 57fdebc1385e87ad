//! Processes that see other files than this one, or other process numbers: in a container.
//!
//! **Source:** namespaces(7), mount_namespaces(7), pid_namespaces(7), proc(5) of Linux 6.18.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use rustix::fs::readlinkat;

use super::Proc;
use crate::core::model::Pid;

/// Links that are followed in one path, as many as Linux follows.
const LINKS: usize = 40;

impl Proc {
    /// The number that a process has in its own pid namespace.
    #[must_use]
    pub fn pid_within(&self, pid: Pid) -> Pid {
        let status = self.read_all(pid, "status").unwrap_or_default();
        let mut lines = status.split(|byte| *byte == b'\n');
        let numbers = lines.find_map(|line| line.strip_prefix(b"NSpid:"));
        let last = numbers.and_then(|numbers| numbers.split(u8::is_ascii_whitespace).next_back());
        last.and_then(super::parse_pid).map_or(pid, Pid)
    }

    /// The number of its pid namespace.
    #[must_use]
    pub fn pid_namespace(&self, pid: Pid) -> Option<u64> {
        let link = self.link(pid, "ns/pid")?;
        link.to_str()?
            .strip_prefix("pid:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    }

    /// Whether a process has a mount namespace of its own: the same path may lead elsewhere for
    /// it. `false` too where that cannot be read.
    #[must_use]
    pub fn has_own_files(&self, pid: Pid) -> bool {
        let own = readlinkat(&self.dir, "self/ns/mnt", Vec::new()).ok();
        let theirs = self.link(pid, "ns/mnt");
        own.zip(theirs)
            .is_some_and(|(own, theirs)| own.as_bytes() != theirs.as_encoded_bytes())
    }

    /// Where a path of a process leads, as it can be reached from here, through
    /// `/proc/pid/root`. The kernel would resolve an absolute link on the way against our own
    /// root; here it is resolved against that of the process, so that the result has none.
    /// (openat2(2) with `RESOLVE_IN_ROOT` does the same, but for a descriptor, and inotify(7)
    /// takes paths.)
    #[must_use]
    pub fn path_within(&self, pid: Pid, path: &Path) -> Option<PathBuf> {
        let root = self.root.join(pid.to_string()).join("root");
        let mut left: Vec<OsString> = parts(path);
        let mut done = PathBuf::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == OsStr::new("..") {
                done.pop();
                continue;
            }
            let Ok(target) = std::fs::read_link(root.join(&done).join(&part)) else {
                done.push(part);
                continue;
            };
            links += 1;
            if links > LINKS {
                return None;
            }
            if target.is_absolute() {
                done.clear();
            }
            left.extend(parts(&target));
        }
        Some(root.join(done))
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_of_a_process_does_not_leave_its_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("7/root");
        std::fs::create_dir_all(root.join("home/node")).unwrap();
        std::fs::create_dir_all(root.join("data")).unwrap();
        symlink("/data", root.join("home/node/.claude")).unwrap();
        symlink("../../../../data", root.join("home/up")).unwrap();
        symlink("/home/loop", root.join("home/loop")).unwrap();
        let proc = Proc::open(dir.path()).unwrap();
        let within = |path: &str| proc.path_within(Pid(7), Path::new(path));
        assert_eq!(within("/home/node"), Some(root.join("home/node")));
        assert_eq!(within("/home/node/.claude/x"), Some(root.join("data/x")));
        assert_eq!(within("/home/up"), Some(root.join("data")));
        assert_eq!(within("/../../etc"), Some(root.join("etc")));
        assert_eq!(within("/home/loop/x"), None);
        assert_eq!(within("/not/there"), Some(root.join("not/there")));
    }

    #[test]
    fn a_process_of_this_machine_has_its_files_and_its_number() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let me = Pid(std::process::id());
        assert_eq!(proc.pid_within(me), me);
        assert!(proc.pid_namespace(me).is_some());
        assert!(!proc.has_own_files(me));
    }

    #[test]
    fn the_number_within_is_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("7")).unwrap();
        let proc = Proc::open(dir.path()).unwrap();
        assert_eq!(proc.pid_within(Pid(7)), Pid(7));
        let status = "Name:\tclaude\nNSpid:\t7\t12\t3\nThreads:\t9\n";
        std::fs::write(dir.path().join("7/status"), status).unwrap();
        assert_eq!(proc.pid_within(Pid(7)), Pid(3));
    }
}
