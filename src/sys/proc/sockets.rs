//! What listens on the Unix sockets that have a name.
//!
//! **Source:** proc_pid_net(5) and `unix_seq_show` of Linux 6.18: seven fields, a space, and the
//! name as it is: it may hold anything but NUL, a line break too. So any user of the machine can
//! make up lines: who acts on one checks who listens there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Proc;
use crate::core::model::Pid;

/// Largest table that is read, in bytes: some 100,000 sockets.
const TABLE_CAP: usize = 8 << 20;
/// `__SO_ACCEPTCON`: somebody listens.
const LISTENS: &[u8] = b"00010000";

/// A socket that is listened on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listening {
    /// Its number, as in the link `socket:[N]` of a descriptor.
    pub inode: u64,
    /// Its path, as it was given to bind(2): it may be relative, or gone.
    pub path: PathBuf,
}

impl Proc {
    /// The sockets with a path that are listened on, in this network namespace, or in that of a
    /// process.
    #[must_use]
    pub fn listening(&self, seen_by: Option<Pid>) -> Vec<Listening> {
        let pid = seen_by.map(|pid| pid.to_string()).unwrap_or_default();
        let table = self.root.join(pid).join("net/unix");
        parse_listening(&crate::sys::files::read_bounded(&table, TABLE_CAP).unwrap_or_default())
    }

    /// The paths of the sockets that a process listens on. A name alone proves nothing.
    #[must_use]
    pub fn listens_on(&self, pid: Pid) -> Vec<PathBuf> {
        let own = self.open_files(pid);
        let own: Vec<u64> = own.iter().filter_map(|link| socket_inode(link)).collect();
        let all = self.listening(Some(pid)).into_iter();
        all.filter(|socket| own.contains(&socket.inode))
            .map(|socket| socket.path)
            .collect()
    }
}

pub(super) fn socket_inode(link: &OsStr) -> Option<u64> {
    let number = link.to_str()?.strip_prefix("socket:[")?;
    number.strip_suffix(']')?.parse().ok()
}

/// Reads the table. A line of any other shape is left out.
#[must_use]
pub fn parse_listening(table: &[u8]) -> Vec<Listening> {
    let lines = table.split(|byte| *byte == b'\n');
    lines.filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Listening> {
    let mut rest = line;
    let mut fields = [&[][..]; 7];
    for field in &mut fields {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ');
        (*field, rest) = rest.split_at(end?);
    }
    let path = Path::new(OsStr::from_bytes(rest.strip_prefix(b" ")?));
    // `@` marks a name that is no path.
    let named = !path.as_os_str().is_empty() && !path.as_os_str().as_bytes().starts_with(b"@");
    let inode = std::str::from_utf8(fields[6]).ok()?.parse().ok()?;
    (named && fields[3] == LISTENS).then(|| Listening {
        inode,
        path: path.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(table: &[u8]) -> Vec<(u64, String)> {
        let all = parse_listening(table).into_iter();
        all.map(|socket| (socket.inode, socket.path.to_string_lossy().into_owned()))
            .collect()
    }

    #[test]
    fn a_path_is_the_rest_of_its_line() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01  2001 /tmp/a b/my, \"sock\" \n\
            0000000000000000: 00000002 00000000 00010000 0001 01     7 relative\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 2002 /tmp/connected\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2003 @/abstract\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2004\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2005 /tmp/\xff\n";
        assert_eq!(
            paths(table),
            [
                (2001, "/tmp/a b/my, \"sock\" ".to_owned()),
                (7, "relative".to_owned()),
                (2005, "/tmp/\u{fffd}".to_owned()),
            ]
        );
    }

    #[test]
    fn a_name_of_any_shape_is_no_trouble() {
        let heads = [
            "0: 2 0 00010000 0001 01",
            "0: 2 0 00010000 0001 01 ",
            "a b 0 00010000 d",
            "a b c 00010000 e f not-a-number /g",
            "",
            " ",
            "\n\n",
            "0: 2 0 00010000 0001 01 99999999999999999999999 /x",
        ];
        for head in heads {
            assert_eq!(paths(head.as_bytes()), [], "{head:?}");
        }
    }

    #[test]
    fn a_socket_with_a_line_break_in_its_name_hides_no_other() {
        use std::os::unix::net::UnixListener;
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a\nb c d 00010000 e f");
        let plain = dir.path().join("a b ");
        let _odd = UnixListener::bind(odd).unwrap();
        let _plain = UnixListener::bind(&plain).unwrap();
        let proc = Proc::open(Path::new("/proc")).unwrap();
        assert!(proc.listens_on(Pid(std::process::id())).contains(&plain));
    }
}
