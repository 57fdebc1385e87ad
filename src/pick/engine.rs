//! skim's matcher, set up once for the list and for `--filter`.
//!
//! `vmux switch` ranks with [`vmux::core::query::rank`] instead, which does not link skim. The tests
//! here hold the two against each other.

use std::borrow::Cow;
use std::sync::Arc;

use skim::SkimItem;
use skim::item::MatchedItem;
use skim::matcher::Matcher;
use skim::prelude::{FuzzyAlgorithm, SkimOptions, SkimOptionsBuilder};
use vmux::cmd::exit::Failure;
use vmux::core::model::{Session, SessionKey};
use vmux::core::query::search_text;

/// A session that is only ranked.
struct Ranked {
    id: SessionKey,
    text: String,
}

impl SkimItem for Ranked {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.text)
    }
}

/// skim's options as far as they decide what fits and in which order: its older algorithm
/// ("v2"), letters without their marks, and everything else as it comes: smart case, ties by
/// score, begin and end.
pub(crate) fn options() -> SkimOptionsBuilder {
    let mut options = SkimOptionsBuilder::default();
    options.algorithm(FuzzyAlgorithm::SkimV2).normalize(true);
    options
}

/// Finishes options.
pub(crate) fn build(options: &mut SkimOptionsBuilder) -> Result<SkimOptions, Failure> {
    options
        .build()
        .map_err(|error| Failure::new(format!("could not set up the finder: {error}")))
}

/// The sessions that fit a query, best first, as the list shows them.
pub(crate) fn rank(query: &str, sessions: &[Arc<Session>]) -> Result<Vec<SessionKey>, Failure> {
    let matched = matches(query, sessions)?;
    let id = |item: &MatchedItem| {
        let ranked = item.item.as_ref().as_any().downcast_ref::<Ranked>();
        ranked.map(|ranked| ranked.id.clone())
    };
    Ok(matched.iter().filter_map(id).collect())
}

fn matches(query: &str, sessions: &[Arc<Session>]) -> Result<Vec<MatchedItem>, Failure> {
    let matcher = Matcher::from_options(&build(&mut options())?);
    let engine = matcher
        .engine_factory()
        .create_engine_with_case(query, matcher.case_matching());
    let mut matched: Vec<MatchedItem> = Vec::new();
    for (index, session) in (0..).zip(sessions) {
        let item = Ranked {
            id: session.id.clone(),
            text: search_text(session),
        };
        let Some(found) = engine.match_item(&item) else {
            continue;
        };
        let mut rank = found.rank;
        rank.index = index;
        let range = Some(found.matched_range);
        matched.push(MatchedItem::new(
            Arc::new(item),
            rank,
            range,
            &matcher.rank_builder,
        ));
    }
    matched.sort();
    Ok(matched)
}

#[cfg(test)]
mod tests;
