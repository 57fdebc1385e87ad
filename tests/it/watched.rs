//! A scout and the registry it feeds, on a machine made of files.

use chrono::Utc;
use vmux::core::model::{Observation, Session};
use vmux::core::registry::{Marks, Registry};
use vmux::source::scout::Scout;

use crate::machine::Machine;

/// A scout and the registry it feeds.
pub(crate) struct Watched {
    pub(crate) scout: Scout,
    registry: Registry,
}

impl Watched {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self::by(machine.scout())
    }

    pub(crate) fn by(scout: Scout) -> Self {
        let mut watched = Self {
            scout,
            registry: Registry::new(Marks::default()),
        };
        watched.scan();
        watched
    }

    pub(crate) fn scan(&mut self) -> usize {
        let observations = self.scout.scan(Utc::now()).unwrap();
        self.apply(observations)
    }

    pub(crate) fn events(&mut self) -> usize {
        let observations = self.scout.take_events(Utc::now());
        self.apply(observations)
    }

    /// Waits until something that was put off is due, and does it.
    pub(crate) fn retry(&mut self) {
        let due = self.scout.due().expect("something is put off");
        vmux::sys::clock::sleep(due.saturating_duration_since(vmux::sys::clock::steady()));
        let observations = self.scout.retry(Utc::now());
        self.apply(observations);
    }

    pub(crate) fn apply(&mut self, observations: Vec<Observation>) -> usize {
        let count = observations.len();
        for observation in observations {
            self.registry.apply(observation, Utc::now());
        }
        count
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.registry
            .snapshot()
            .sessions
            .iter()
            .map(|session| (**session).clone())
            .collect()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.sessions()
            .iter()
            .map(|session| session.pid.0)
            .collect()
    }

    /// What could not be read of a session.
    pub(crate) fn problems(&self, pid: u32) -> String {
        let session = self
            .sessions()
            .into_iter()
            .find(|s| s.pid.0 == pid)
            .unwrap();
        let explanation = self
            .registry
            .explain(session.here().unwrap(), vmux::sys::clock::now())
            .unwrap();
        serde_json::to_value(explanation).unwrap()["evidence"]["problems"].to_string()
    }

    pub(crate) fn only(&self) -> Session {
        assert_eq!(self.pids().len(), 1, "{:?}", self.sessions());
        self.sessions().remove(0)
    }
}
