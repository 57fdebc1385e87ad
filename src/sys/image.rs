//! The pages of the program that runs, and of the libraries that it shares.
#![expect(
    unsafe_code,
    reason = "what a mapping is needed for is told by its address; std has no way"
)]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::Path;

use rustix::mm::{Advice, madvise};

use super::ground;

/// Lets go of all pages of this program, and of the libraries that it shares, that are as they lie in
/// their files. Two thirds of what a daemon runs is run at its start and never again, and of a library
/// the names are read then only; what is run again comes back from the file, 16 pages at a time, as it
/// came at the start. Nothing is done where a file may not answer.
pub fn let_go() {
    let proc = Path::new("/proc");
    let Ok(list) = File::open(proc.join("self/smaps")) else {
        return;
    };
    let local = ground::local(proc);
    let lines = BufReader::new(list).lines().map_while(Result::ok);
    for range in as_in_file(lines, |file| local(Path::new(file))) {
        // SAFETY: nothing of this mapping was written, so that each page comes back as it was.
        let done = unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) };
        if let Err(error) = done {
            log::debug!("could not let go of {range:x?}: {error}");
        }
    }
}

/// The mappings of files of the wanted kind that cannot be written, and in which nothing was written
/// before that became so.
///
/// **Source:** proc(5), `/proc/pid/smaps`: a line as in `maps`, and lines of its numbers, `VmFlags` the
/// last. `Anonymous` is the memory that is no longer the file's, `Swap` what of it was put out.
fn as_in_file(
    lines: impl Iterator<Item = String>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in lines {
        let written = ["Anonymous:", "Swap:"].iter();
        let mut written = written.filter_map(|name| line.strip_prefix(name));
        if let Some(range) = range(&line) {
            let (start, path) = line.split_at(line.find('/').unwrap_or(line.len()));
            let kept = path.is_empty() || !start.contains(" r") || start.contains('w');
            mapping = Some(range).filter(|_| !kept && wanted(path));
        } else if written.any(|size| size.trim() != "0 kB") {
            mapping = None;
        } else if line.starts_with("VmFlags:") {
            found.extend(mapping.take());
        }
    }
    found
}

/// The addresses with which the line of a mapping begins.
fn range(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
        1000-3000 r--p 00000000 fe:00 12                                 /opt/my vmux\n\
        Size:                  8 kB\n\
        Anonymous:             0 kB\n\
        Swap:                  0 kB\n\
        VmFlags: rd mr mw me\n\
        3000-9000 r-xp 00002000 fe:00 12                                 /opt/my vmux\n\
        Anonymous:             0 kB\n\
        VmFlags: rd mr mw me\n\
        9000-a000 r--p 00008000 fe:00 12                                 /opt/my vmux\n\
        Anonymous:             4 kB\n\
        Swap:                  0 kB\n\
        VmFlags: rd mr mw me\n\
        a000-b000 rw-p 00009000 fe:00 12                                 /opt/my vmux\n\
        Anonymous:             0 kB\n\
        VmFlags: rd mr mw me\n\
        b000-c000 r-xp 00000000 fe:00 13                                 /lib/libc.so.6\n\
        Anonymous:             0 kB\n\
        VmFlags: rd mr mw me\n\
        c000-d000 r--p 00001000 fe:00 13                                 /lib/libc.so.6\n\
        Anonymous:             0 kB\n\
        Swap:                  4 kB\n\
        VmFlags: rd mr mw me\n\
        d000-e000 r--p 00000000 00:00 0\n\
        Anonymous:             0 kB\n\
        VmFlags: rd mr mw me\n\
        e000-f000 r-xp 00000000 00:00 0                                  [vdso]\n\
        Anonymous:             0 kB\n\
        VmFlags: rd mr mw me\n\
        f000-10000 r-xp 00000000 fe:00 13                                /lib/torn.so\n\
        torn-line\n\
        Anonymous:             0 kB\n";

    #[test]
    fn what_was_written_or_may_be_stays() {
        let lines = || SMAPS.lines().map(str::to_owned);
        let own = as_in_file(lines(), |file| file == "/opt/my vmux");
        assert_eq!(own, [0x1000..0x3000, 0x3000..0x9000]);
        let all = as_in_file(lines(), |_| true);
        assert_eq!(all, [0x1000..0x3000, 0x3000..0x9000, 0xb000..0xc000]);
    }

    #[test]
    fn a_program_that_lets_go_of_its_pages_runs_on() {
        let size = |name| {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let before = size("RssFile");
        let_go();
        let after = size("RssFile");
        assert!(after < before, "{before} {after}");
    }
}
