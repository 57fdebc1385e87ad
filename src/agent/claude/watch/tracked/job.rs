//! What is known of a session that runs in the background.

use std::path::PathBuf;

use super::Tracked;
use crate::agent::claude::facts::JobFact;
use crate::agent::claude::job;
use crate::core::text::CleanText;
use crate::sys::files::read_bounded;

/// The record of a background session, in its directory.
pub(super) const STATE: &str = "state.json";

impl Tracked {
    /// Its id, if it runs in the background.
    pub(in crate::agent::claude::watch) fn job(&self) -> Option<&CleanText> {
        self.file.as_ref()?.fact.job.as_ref()
    }

    /// The name its agent gives it.
    pub(in crate::agent::claude::watch) fn job_name(&self) -> Option<&str> {
        self.file.as_ref()?.fact.name.as_deref()
    }

    /// Where its record lies.
    pub(super) fn job_dir(&self) -> Option<PathBuf> {
        Some(self.config.join("jobs").join(&**self.job()?))
    }

    pub(super) fn read_needs(&self) -> Option<CleanText> {
        let path = self.job_dir()?.join(STATE);
        job::parse_needs(&read_bounded(&path, job::STATE_CAP).ok()?)
    }

    pub(super) fn job_fact(&self) -> Option<JobFact> {
        let id = self.job()?;
        let attach = |cli: &CleanText| CleanText::line(&format!("{cli} attach {id}"));
        Some(JobFact {
            ask: self.needs.as_ref().map(job::ask_of),
            needs: self.needs.clone(),
            attach: self.cli.as_ref().map(attach),
            shown_by: self.shown_by.clone(),
        })
    }
}
