//! `HEAD` of a repository that keeps its references in tables.
//!
//! **Source:** reftable(5) of git 2.47 (`Documentation/technical/reftable.adoc`): `tables.list`
//! names the tables, the newest last; each begins with a header and a block of references in
//! ascending order, so that `HEAD` is in the first block. Fields are big-endian.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{CAP, Head};
use crate::sys::files::read_bounded;

/// The file that names the tables; git replaces it with each change.
pub(super) const LIST: &str = "tables.list";

/// Bytes of a table that are read: its first block is 4 KiB by default.
const BLOCK: usize = 64 * 1024;
/// Tables that are looked through: git keeps their number logarithmic.
const TABLES: usize = 64;

/// What `HEAD` is by the tables in `dir`.
pub(super) fn head(dir: &Path) -> Option<Head> {
    let list = read_bounded(&dir.join(LIST), CAP).ok()?;
    let list = String::from_utf8(list).ok()?;
    let plain = |name: &&str| !name.is_empty() && !name.contains('/');
    let newest_first = list.lines().filter(plain).rev().take(TABLES);
    for name in newest_first {
        // A table that is gone was just replaced: the next event tells of it.
        if let Found::Value(head) = find(&read_start(&dir.join(name))?)? {
            return head;
        }
    }
    None
}

fn read_start(path: &Path) -> Option<Vec<u8>> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblock)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(BLOCK as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// What one table says of `HEAD`.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    /// Nothing: an older table may.
    Nothing,
    /// It is this; or it was deleted.
    Value(Option<Head>),
}

/// Looks for `HEAD` in the first block of a table; `None` if it is no such table.
fn find(table: &[u8]) -> Option<Found> {
    let mut reader = Reader { bytes: table };
    if reader.take(4)? != b"REFT" {
        return None;
    }
    let version = reader.byte()?;
    reader.take(3 + 8 + 8)?;
    let id_len = match version {
        2 if reader.take(4)? == b"s256" => 32,
        1 | 2 => 20,
        _ => return None,
    };
    // A table without references begins with another kind of block.
    if reader.byte()? != b'r' {
        return Some(Found::Nothing);
    }
    let end = reader
        .take(3)?
        .iter()
        .fold(0, |n, b| n << 8 | usize::from(*b));
    // The length counts from the start of the file. The block ends with offsets of three bytes
    // each, and how many there are.
    let block = table.get(..end.min(table.len()))?;
    let offsets = block
        .last_chunk::<2>()
        .map(|n| usize::from(u16::from_be_bytes(*n)))?;
    let records = block
        .len()
        .checked_sub(offsets.checked_mul(3)?.checked_add(2)?)?;
    let start = table.len() - reader.bytes.len();
    reader.bytes = block.get(start..records)?;
    let mut name = Vec::new();
    while !reader.bytes.is_empty() {
        let shared = reader.number()?;
        let suffix = reader.number()?;
        name.truncate(shared);
        name.extend_from_slice(reader.take(suffix >> 3)?);
        reader.number()?;
        let value = reader.value(suffix & 7, id_len)?;
        match name.as_slice().cmp(b"HEAD") {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Some(Found::Value(value)),
            std::cmp::Ordering::Greater => break,
        }
    }
    Some(Found::Nothing)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A number of variable length, as in offsets of packs.
    fn number(&mut self) -> Option<usize> {
        let mut byte = self.byte()?;
        let mut n = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            n = n.checked_add(1)?.checked_mul(128)? | usize::from(byte & 0x7f);
        }
        Some(n)
    }

    /// The value of a reference: deleted, an id, an id and that of a tag's commit, or a name.
    fn value(&mut self, kind: usize, id_len: usize) -> Option<Option<Head>> {
        Some(match kind {
            0 => None,
            1 => Some(Head::Commit(hex(self.take(id_len)?))),
            2 => Some(Head::Commit(hex(self.take(2 * id_len)?.get(..id_len)?))),
            3 => {
                let len = self.number()?;
                let name = self.take(len)?;
                name.starts_with(b"refs/").then(|| Head::of_reference(name))
            }
            _ => return None,
        })
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
