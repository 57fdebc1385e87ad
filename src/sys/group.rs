//! Control groups: which unit of systemd a process belongs to.
//!
//! **Source:** `cgroups(7)`, `/proc/PID/cgroup`; `user@.service(5)`.

use std::io;
use std::path::PathBuf;

use crate::core::model::Pid;
use crate::sys::files::read_bounded;

/// Largest file of the kernel that is read here, in bytes.
const CAP: usize = 16 * 1024;

/// The control group of a process, or of this one: see [`parse`].
///
/// # Errors
/// Those of `/proc`.
pub fn of(pid: Option<Pid>) -> io::Result<Option<String>> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.0.to_string());
    let file: PathBuf = ["/proc", &process, "cgroup"].iter().collect();
    let text = read_bounded(&file, CAP)?;
    Ok(parse(&String::from_utf8_lossy(&text)).map(str::to_owned))
}

/// Of the groups of a process the one that systemd gave it, from the root on, such as
/// `/user.slice/user-1000.slice/session-2.scope`.
#[must_use]
pub fn parse(groups: &str) -> Option<&str> {
    // Where version 1 is all there is, a hierarchy without a controller has it.
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    unified.or_else(|| {
        let mut named = groups.lines().map(|line| line.split_once(":name=systemd:"));
        named.find_map(|found| Some(found?.1))
    })
}

/// Whether a group is one of the manager that systemd runs for a user while he is logged in, which
/// takes all in it along at its end.
#[must_use]
pub fn is_of_manager(group: &str) -> bool {
    let mut parts = group.split('/');
    parts.any(|part| part.starts_with("user@") && part.ends_with(".service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_where_systemd_put_it() {
        let unified = "0::/user.slice/user-1000.slice/session-2.scope\n";
        let hybrid = "4:memory:/elsewhere\n1:name=systemd:/older\n0::/user.slice/here\n";
        let legacy = "4:memory:/elsewhere\n1:name=systemd:/user.slice/there\n";
        let found = [unified, hybrid, legacy].map(parse);
        let session = "/user.slice/user-1000.slice/session-2.scope";
        let wanted = [session, "/user.slice/here", "/user.slice/there"].map(Some);
        assert_eq!(found, wanted);
        assert_eq!([parse(""), parse("4:memory:/a\n")], [None, None]);
        let managed = "/user.slice/user-1000.slice/user@1000.service/app.slice/vmux.service";
        assert!(is_of_manager(managed) && !is_of_manager(session));
        of(None).unwrap();
    }
}
