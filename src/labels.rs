//! `labels.json`: what a user said of conversations, kept through everything.

use std::io;
use std::path::Path;

use crate::files::{Held, read_bounded, write_atomic};
use crate::registry::Marks;

/// Largest file that is read, in bytes: ten times what 2000 labels need.
const CAP: usize = 8 << 20;

/// Reads the file; a missing one holds nothing.
///
/// # Errors
/// In words for the log. A file that cannot be understood is set aside first, so that it is not
/// overwritten.
pub fn load(path: &Path) -> Result<Marks, String> {
    let shown = path.display();
    let bytes = match read_bounded(path, CAP) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Marks::default()),
        Err(error) => return Err(format!("could not read the labels in {shown}: {error}")),
    };
    Marks::parse(&bytes).map_err(|error| match Held::take(path).and_then(|held| held.set_aside()) {
        Ok(kept) => {
            format!(
                "could not read the labels in {shown}: {error}; they are kept in {}",
                kept.display()
            )
        }
        Err(aside) => {
            format!("could not read the labels in {shown}: {error}; nor set them aside: {aside}")
        }
    })
}

/// Writes the file.
///
/// # Errors
/// Those of the file system; the old content then still stands.
pub fn save(path: &Path, marks: &Marks) -> io::Result<()> {
    write_atomic(path, &marks.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConversationId, Pid, SessionKey};
    use crate::text::CleanText;

    #[test]
    fn labels_come_back_and_a_broken_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v/labels.json");
        assert_eq!(load(&path), Ok(Marks::default()));
        let key = SessionKey {
            pid: Pid(1),
            start_ticks: 2,
        };
        let id = ConversationId::new("abc").unwrap();
        let mut marks = Marks::default();
        marks.change(key, Some(&id), |mark| {
            mark.label = CleanText::line("payments").some();
        });
        save(&path, &marks).unwrap();
        let read = load(&path).unwrap();
        assert_eq!(
            read.of(key, Some(&id)).unwrap().label.as_deref(),
            Some("payments")
        );
        for broken in ["{", r#"{"version":2,"labels":{"abc":{"label":"x"}}}"#] {
            std::fs::write(&path, broken).unwrap();
            assert!(load(&path).unwrap_err().contains("kept in"), "{broken}");
            assert_eq!(load(&path), Ok(Marks::default()));
        }
    }
}
