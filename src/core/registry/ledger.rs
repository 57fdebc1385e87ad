//! The marks as the registry knows them, and which of its own changes no file holds yet. Pure.

use std::collections::BTreeMap;

use super::marks::{Mark, MarkPatch, Marks, Owed, name};
use crate::core::model::{ConversationId, LocalKey};
use crate::core::sorted::Gather as _;

/// Marks, and which of their changes are owed: not yet in the file.
#[derive(Default)]
pub(super) struct Ledger {
    marks: Marks,
    /// Each with the serial of its last change.
    owed: BTreeMap<String, (u64, MarkPatch)>,
    owed_unseen: BTreeMap<LocalKey, (u64, bool)>,
    /// Grows with every change.
    serial: u64,
    /// Up to which serial changes were handed out.
    told: u64,
}

impl Ledger {
    /// Marks that were kept: nothing is owed.
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            marks,
            ..Self::default()
        }
    }

    /// The mark of a session.
    pub(super) fn of(&self, key: LocalKey, conversation: Option<&ConversationId>) -> Option<&Mark> {
        self.marks.of(key, conversation)
    }

    /// Changes the mark of a session. It is owed even if it was so before: the file may say
    /// something else by now.
    pub(super) fn change(
        &mut self,
        key: LocalKey,
        conversation: Option<&ConversationId>,
        change: MarkPatch,
    ) {
        self.owe(name(key, conversation), change);
    }

    /// The conversation of a process has changed (`/clear`, a resume, or it became known): its
    /// marks go along, unless the new one has its own.
    pub(super) fn follow(
        &mut self,
        key: LocalKey,
        before: Option<&ConversationId>,
        after: Option<&ConversationId>,
    ) {
        let (from, to) = (name(key, before), name(key, after));
        if from == to || self.marks.named(&to).is_some() {
            return;
        }
        if let Some(mark) = self.marks.named(&from) {
            let change = MarkPatch::all(mark);
            self.owe(to, change);
        }
    }

    /// Whether a process ended a turn that its user has not seen.
    pub(super) fn is_unseen(&self, key: LocalKey) -> bool {
        self.marks.is_unseen(key)
    }

    /// Notes whether a process did.
    pub(super) fn set_unseen(&mut self, key: LocalKey, unseen: bool) {
        if self.marks.is_unseen(key) != unseen {
            self.serial += 1;
            self.marks.set_unseen(key, unseen);
            self.owed_unseen.insert(key, (self.serial, unseen));
        }
    }

    /// Forgets unseen turns of processes that have ended.
    pub(super) fn retain_unseen(&mut self, lives: impl Fn(&LocalKey) -> bool) {
        let unseen = self.marks.unseen().iter().copied();
        let gone: Vec<LocalKey> = unseen.filter(|key| !lives(key)).collect();
        for key in gone {
            self.set_unseen(key, false);
        }
    }

    /// All that is owed, if anything was added since this was last asked.
    pub(super) fn take_owed(&mut self) -> Option<Owed> {
        if self.told == self.serial {
            return None;
        }
        self.told = self.serial;
        let changes = self.owed.iter();
        Some(Owed {
            through: self.serial,
            changes: changes.map(|(n, (_, c))| (n.clone(), c.clone())).gather(),
            unseen: self.owed_unseen.iter().map(|(k, (_, u))| (*k, *u)).gather(),
        })
    }

    /// Takes over the content of a file that holds all changes up to `through`. Returns whether any
    /// mark changed.
    pub(super) fn keep(&mut self, mut kept: Marks, through: u64) -> bool {
        self.owed.retain(|_, (serial, _)| *serial > through);
        self.owed_unseen.retain(|_, (serial, _)| *serial > through);
        for (name, (_, change)) in &self.owed {
            kept.change(name, change);
        }
        for (key, (_, unseen)) in &self.owed_unseen {
            kept.set_unseen(*key, *unseen);
        }
        let differs = kept != self.marks;
        self.marks = kept;
        differs
    }

    fn owe(&mut self, name: String, change: MarkPatch) {
        self.serial += 1;
        self.marks.change(&name, &change);
        let (serial, owed) = self.owed.entry(name).or_default();
        *serial = self.serial;
        owed.then(change);
    }
}
