//! Which transcript belongs to which process, where no status file says so. Pure.

use std::time::{Duration, SystemTime};

use crate::agent::claude::find::Transcript;
use crate::model::Pid;

/// A transcript made this long around a process's start is its own (2.0.x makes an empty one).
const BORN_WITH: Duration = Duration::from_secs(5);

/// Which transcript belongs to which process of one directory. `Err`: several fit.
pub(super) type Assigned<'t> = (Pid, Result<Option<&'t Transcript>, ()>);

pub(super) fn assign<'t>(
    starts: &[(Pid, SystemTime)],
    transcripts: &'t [Transcript],
) -> Vec<Assigned<'t>> {
    let near = |t: &Transcript, start: SystemTime| {
        let created = t.created.unwrap_or(t.written);
        let apart = created
            .duration_since(start)
            .or_else(|_| start.duration_since(created));
        apart.is_ok_and(|apart| apart <= BORN_WITH)
    };
    if let [(pid, start)] = starts {
        let written = transcripts.iter().filter(|t| t.written >= *start);
        return vec![(*pid, Ok(written.max_by_key(|t| t.written)))];
    }
    starts
        .iter()
        .map(|(pid, start)| {
            let mut own = transcripts.iter().filter(|t| near(t, *start));
            let rivals = starts.iter().filter(|(_, other)| {
                transcripts
                    .iter()
                    .any(|t| near(t, *start) && near(t, *other))
            });
            match (own.next(), own.next(), rivals.count()) {
                (Some(one), None, 1) => (*pid, Ok(Some(one))),
                (None, _, _) if transcripts.is_empty() => (*pid, Ok(None)),
                _ => (*pid, Err(())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConversationId;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn transcript(name: &str, created: u64, written: u64) -> Transcript {
        Transcript {
            path: name.into(),
            conversation: ConversationId::new(name).unwrap(),
            created: Some(at(created)),
            written: at(written),
        }
    }

    fn names(starts: &[(u32, u64)], transcripts: &[Transcript]) -> Vec<Result<Option<String>, ()>> {
        let starts: Vec<_> = starts
            .iter()
            .map(|(pid, start)| (Pid(*pid), at(*start)))
            .collect();
        let name = |t: &Transcript| t.conversation.to_string();
        assign(&starts, transcripts)
            .into_iter()
            .map(|(_, found)| found.map(|t| t.map(name)))
            .collect()
    }

    #[test]
    fn a_single_process_has_the_transcript_written_last() {
        let all = [
            transcript("old", 0, 5),
            transcript("first", 11, 20),
            transcript("second", 30, 40),
        ];
        assert_eq!(names(&[(1, 10)], &all), [Ok(Some("second".into()))]);
        assert_eq!(
            names(&[(1, 100)], &all),
            [Ok(None)],
            "all of them are older than it"
        );
    }

    #[test]
    fn two_processes_have_those_that_were_born_with_them() {
        let all = [transcript("a", 11, 99), transcript("b", 51, 98)];
        assert_eq!(
            names(&[(1, 10), (2, 50)], &all),
            [Ok(Some("a".into())), Ok(Some("b".into()))]
        );
        assert_eq!(
            names(&[(1, 10), (2, 12)], &all),
            [Err(()), Err(())],
            "born together"
        );
        assert_eq!(names(&[(1, 10), (2, 50)], &[]), [Ok(None), Ok(None)]);
    }
}
