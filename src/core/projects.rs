//! Which projects there are, in the order of "New session…". Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::core::model::{Kind, Past, Project, RawPath, Session};
use crate::core::sorted::Arrange as _;

/// Most projects.
pub const MOST: usize = 500;
/// Most conversations of one.
pub const PAST: usize = 5;

/// The directories of sessions, past and alive, the most recent first; then others by their paths:
/// repositories, and those of which nobody knows when. A conversation that is alive is none of the past, and a directory that could not be shown
/// exactly as it is, is left out: what is chosen is what was read.
#[must_use]
pub fn projects(
    live: &[Arc<Session>],
    seen: &[(RawPath, DateTime<Utc>)],
    past: Vec<(RawPath, Past)>,
    others: Vec<RawPath>,
    now: DateTime<Utc>,
) -> Vec<Project> {
    let mut all: BTreeMap<RawPath, Project> = BTreeMap::new();
    for dir in others {
        all.entry(dir).or_default();
    }
    let of_past = past.iter().map(|(dir, past)| (dir, past.at));
    let seen = seen.iter().map(|(dir, at)| (dir, *at));
    for (dir, at) in of_past.chain(seen) {
        see(all.entry(dir.clone()).or_default(), at, now);
    }
    let mut talks = BTreeSet::new();
    for session in live {
        talks.extend(session.session_id.clone());
        let elsewhere = session.id.local().is_none() || session.container;
        if elsewhere || session.cwd_gone || session.kind != Kind::Interactive {
            continue;
        }
        let project = all.entry(session.cwd.clone()).or_default();
        see(project, session.state_since.unwrap_or(now), now);
        project.alive = project.alive.saturating_add(1);
    }
    for (dir, past) in past {
        // Written down in two places it still is one.
        if talks.insert(past.conversation.clone())
            && let Some(project) = all.get_mut(&dir)
        {
            project.past.push(past);
        }
    }
    all.retain(|dir, _| is_shown_as_it_is(dir));
    let mut all: Vec<Project> = all
        .into_iter()
        .map(|(dir, project)| Project { dir, ..project })
        .collect();
    // By path before: a stable sort keeps that among equals.
    all.arrange_by_key(|project| std::cmp::Reverse(project.seen));
    all.truncate(MOST);
    for project in &mut all {
        project
            .past
            .arrange_by_key(|past| std::cmp::Reverse(past.at));
        project.past.truncate(PAST);
    }
    all
}

/// A session was there. A clock that went wrong, or a time that was made up, wins nothing.
fn see(project: &mut Project, at: DateTime<Utc>, now: DateTime<Utc>) {
    project.seen = project.seen.max(Some(at.min(now)));
}

/// Whether who reads this path knows the directory.
fn is_shown_as_it_is(dir: &RawPath) -> bool {
    dir.0.starts_with('/') && dir.clean().as_str() == dir.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConversationId, State, made};
    use crate::core::text::CleanText;

    fn past(dir: &str, id: &str, at: i64) -> (RawPath, Past) {
        let past = Past {
            agent: "claude",
            conversation: ConversationId::new(id).unwrap(),
            title: CleanText::line("mend it"),
            at: made::second(at),
        };
        (RawPath(dir.into()), past)
    }

    fn shown(all: &[Project]) -> Vec<String> {
        let line = |project: &Project| {
            let past = project.past.iter().map(|past| past.conversation.as_str());
            let past: Vec<&str> = past.collect();
            format!("{} {} {}", project.dir.0, project.alive, past.join(","))
        };
        all.iter().map(line).collect()
    }

    #[test]
    fn the_most_recent_comes_first_and_repositories_last() {
        let mut alive = made::session(1, "/srv/shop", State::Working);
        alive.state_since = Some(made::second(50));
        alive.session_id = ConversationId::new("goes-on");
        let mut gone = made::session(2, "/srv/gone", State::Idle);
        gone.cwd_gone = true;
        let all = projects(
            &made::shared([alive, gone]),
            &[(RawPath("/srv/roll".into()), made::second(40))],
            vec![
                past("/srv/shop", "old", 10),
                past("/srv/shop", "goes-on", 49),
                past("/srv/shop", "newer", 20),
                past("/srv/site", "site", 60),
                past("/srv/other", "site", 61),
                past("/srv/future", "later", 10_000),
            ],
            ["/src/b", "/src/a", "/srv/site"]
                .map(|dir| RawPath(dir.into()))
                .into(),
            made::second(100),
        );
        let wanted = [
            "/srv/future 0 later",
            "/srv/other 0 ",
            "/srv/site 0 site",
            "/srv/shop 1 newer,old",
            "/srv/roll 0 ",
            "/src/a 0 ",
            "/src/b 0 ",
        ];
        assert_eq!(shown(&all), wanted);
        assert_eq!(all[0].seen, Some(made::second(100)));
    }

    #[test]
    fn what_would_not_be_read_as_it_is_is_left_out_and_all_is_bounded() {
        let odd = [
            "relative",
            "",
            "/a\nb",
            "/a\u{202e}b",
            "/a  b",
            "/a\0b",
            "/a\u{1f}b",
        ];
        let odd = odd.map(|dir| RawPath(dir.into())).into();
        assert_eq!(projects(&[], &[], Vec::new(), odd, made::second(1)), []);
        let many = (0..MOST + 9)
            .map(|n| RawPath(format!("/src/{n}")))
            .collect();
        let talks = (0..99)
            .map(|n| past("/srv/shop", &format!("c{n}"), n))
            .collect();
        let all = projects(&[], &[], talks, many, made::second(1000));
        assert_eq!((all.len(), all[0].past.len()), (MOST, PAST));
        assert_eq!(all[0].past[0].conversation.as_str(), "c98");
    }
}
