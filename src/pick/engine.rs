//! vmux's own matcher as skim takes it: the list has the order of `vmux switch`, which does not
//! link skim, because both ask [`Pattern::fit`].

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use skim::item::RankBuilder;
use skim::matcher::Matcher;
use skim::{
    CaseMatching, MatchEngine, MatchEngineFactory, MatchRange, MatchResult, Rank, RankCriteria,
    SkimItem,
};
use vmux::core::query::Pattern;

use crate::board::Item;
use crate::palette::Offer;

/// What skim asks how well items fit: the best score first, of equal ones the first listed.
pub(crate) fn matcher() -> Matcher {
    let by_score = RankBuilder::new(vec![RankCriteria::Score]);
    Matcher::builder(Rc::new(Factory))
        .rank_builder(Arc::new(by_score))
        .build()
}

struct Factory;

impl MatchEngineFactory for Factory {
    /// skim's way with case is always "smart", as ours is.
    fn create_engine_with_case(&self, query: &str, _case: CaseMatching) -> Box<dyn MatchEngine> {
        Box::new(Engine(Pattern::parse(query)))
    }
}

struct Engine(Pattern);

impl MatchEngine for Engine {
    fn match_item(&self, item: &dyn SkimItem) -> Option<MatchResult> {
        let item = item.as_any();
        let fit = match item.downcast_ref::<Offer>() {
            Some(offer) => offer.fit(&self.0)?,
            None => self.0.fit(&item.downcast_ref::<Item>()?.searched())?,
        };
        let rank = Rank {
            score: fit.score,
            ..Rank::default()
        };
        let matched_range = MatchRange::Chars(fit.places);
        Some(MatchResult {
            rank,
            matched_range,
        })
    }
}

/// How skim's log calls it.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vmux")
    }
}

#[cfg(test)]
mod tests;
