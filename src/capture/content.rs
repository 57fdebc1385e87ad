//! Lines found again by what they say: the last resort where history was rewritten. Pure.
//!
//! A line is found by its path and its hash. One that several prompts could have written is told by
//! its neighbours, else it stays unknown. Lines that records call nobody's count as well: what a
//! person wrote, too, is no agent's line.

use std::collections::{BTreeSet, HashMap};

use super::index::{At, Index, Kept, Lines};
use crate::core::sorted::Gather as _;

/// A line that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where in the index; of a blank line, where its neighbour is.
    pub at: At,
    /// What tells its prompt from others; nothing for a line of nobody.
    pub prompt: Option<u32>,
    /// How many lines without a gap were found next to each other, of which this is one.
    pub run: usize,
}

/// Finds lines of a file, which are given by their hashes in order, 0 for a blank one, in records
/// of which `wanted` holds.
#[must_use]
pub fn find(
    index: &Index,
    path: &str,
    hashes: &[u32],
    wanted: impl Fn(&Kept) -> bool,
) -> Vec<Option<Found>> {
    let some = || hashes.iter().copied().filter(|hash| *hash != 0);
    let here = |kept: &Kept, file: &Lines| file.path == path && wanted(kept);
    let mut places = index.places(some(), here);
    let renamed = places.values().all(Vec::is_empty);
    if renamed {
        places = index.places(some(), |kept, _| wanted(kept));
    }
    let mut search = Search {
        index,
        places,
        hashes,
        found: vec![None; hashes.len()],
    };
    search.anchor();
    search.spread();
    search.blanks();
    let mut found = search.finish();
    if renamed {
        // Under another name a line alone proves nothing.
        for line in &mut found {
            line.take_if(|line| line.run < 3);
        }
    }
    found
}

struct Search<'i> {
    index: &'i Index,
    places: HashMap<u32, Vec<At>>,
    hashes: &'i [u32],
    /// Where each line may be: all these places have one prompt.
    found: Vec<Option<Vec<At>>>,
}

impl Search<'_> {
    fn prompt(&self, at: At) -> Option<u32> {
        let (kept, line) = self.index.line(at)?;
        Index::identity(kept, line)
    }

    /// The places, if they have one prompt.
    fn agreed(&self, places: Vec<At>) -> Option<Vec<At>> {
        let prompts: BTreeSet<Option<u32>> = places.iter().map(|at| self.prompt(*at)).gather();
        (prompts.len() == 1).then_some(places)
    }

    /// Lines that only one prompt can have written.
    fn anchor(&mut self) {
        for n in 0..self.hashes.len() {
            let places = self.places.get(&self.hashes[n]).cloned();
            self.found[n] = places.and_then(|places| self.agreed(places));
        }
    }

    /// Lines next to those that are found: what follows there follows here.
    fn spread(&mut self) {
        let count = self.hashes.len();
        let down = self.pass((0..count).collect(), 1);
        let up = self.pass((0..count).rev().collect(), -1);
        for n in 0..count {
            if self.found[n].is_some() {
                continue;
            }
            let both: Vec<At> = down[n].iter().chain(&up[n]).flatten().copied().collect();
            self.found[n] = Some(both)
                .filter(|both| !both.is_empty())
                .and_then(|both| self.agreed(both));
        }
    }

    /// One way through the lines, with what is found on it.
    fn pass(&self, order: Vec<usize>, step: isize) -> Vec<Option<Vec<At>>> {
        let mut found = self.found.clone();
        let mut last: Option<Vec<At>> = None;
        for n in order {
            if self.hashes[n] == 0 {
                continue;
            }
            if found[n].is_none()
                && let Some(last) = &last
            {
                let next = last.iter().filter_map(|at| self.next(*at, step));
                let same: Vec<At> = next.filter(|at| self.hash(*at) == self.hashes[n]).collect();
                found[n] = Some(same)
                    .filter(|same| !same.is_empty())
                    .and_then(|same| self.agreed(same));
            }
            last.clone_from(&found[n]);
        }
        found
    }

    fn hash(&self, at: At) -> u32 {
        self.index.line(at).map_or(0, |(_, line)| line.hash)
    }

    /// The next line there that is not blank.
    fn next(&self, mut at: At, step: isize) -> Option<At> {
        loop {
            at.line = at.line.checked_add_signed(step)?;
            let (_, line) = self.index.line(at)?;
            if line.hash != 0 {
                return Some(at);
            }
        }
    }

    /// Blank lines are told by the lines around them: a record has them, too.
    fn blanks(&mut self) {
        let count = self.hashes.len();
        let mut below: Vec<Option<usize>> = vec![None; count];
        let mut next = None;
        for n in (0..count).rev() {
            below[n] = next;
            next = if self.hashes[n] == 0 { next } else { Some(n) };
        }
        let mut above: Option<usize> = None;
        for (n, below) in below.into_iter().enumerate() {
            if self.hashes[n] != 0 {
                above = Some(n);
                continue;
            }
            let mut there = self.beside(above, n);
            there.extend(self.beside(below, n));
            self.found[n] = match there.is_empty() {
                false => self.agreed(there),
                true => self.between(above, below),
            };
        }
    }

    /// Where a record has a blank line as far from this neighbour.
    fn beside(&self, neighbour: Option<usize>, blank: usize) -> Vec<At> {
        let Some(neighbour) = neighbour else {
            return Vec::new();
        };
        let places = self.found[neighbour].iter().flatten();
        let there = |at: &At| {
            let mut at = *at;
            for _ in 0..blank.abs_diff(neighbour) {
                let step = if neighbour < blank { 1 } else { -1 };
                at.line = at.line.checked_add_signed(step)?;
                let (_, line) = self.index.line(at)?;
                (line.hash == 0).then_some(())?;
            }
            Some(at)
        };
        places.filter_map(there).collect()
    }

    /// A neighbour whose prompt both have.
    fn between(&self, above: Option<usize>, below: Option<usize>) -> Option<Vec<At>> {
        let first = |n: Option<usize>| self.found[n?].as_ref()?.first().copied();
        let (over, under) = (first(above), first(below));
        let prompts = |at: Option<At>| at.map(|at| self.prompt(at));
        let same = above.is_none() || below.is_none() || prompts(over) == prompts(under);
        over.or(under).filter(|_| same).map(|at| vec![at])
    }

    fn finish(self) -> Vec<Option<Found>> {
        let runs = self.runs();
        let lines = self.found.iter().zip(runs).map(|(places, run)| {
            let at = *places.as_ref()?.last()?;
            Some(Found {
                at,
                prompt: self.prompt(at),
                run,
            })
        });
        lines.collect()
    }

    /// For each line, how many that are not blank follow each other here as they do there.
    fn runs(&self) -> Vec<usize> {
        let mut runs = vec![0; self.hashes.len()];
        let mut run: Vec<usize> = Vec::new();
        let mut last: Option<&Vec<At>> = None;
        for (n, places) in self.found.iter().enumerate() {
            if self.hashes[n] == 0 {
                run.push(n);
                continue;
            }
            let follows = |at: &At| self.next(*at, 1);
            let joined = match (last, places) {
                (Some(last), Some(places)) => last
                    .iter()
                    .filter_map(follows)
                    .any(|at| places.contains(&at)),
                _ => false,
            };
            if !joined {
                self.close(&mut runs, &mut run);
            }
            run.push(n);
            last = places.as_ref();
        }
        self.close(&mut runs, &mut run);
        runs
    }

    fn close(&self, runs: &mut [usize], run: &mut Vec<usize>) {
        let length = run.iter().filter(|n| self.hashes[**n] != 0).count();
        for n in run.drain(..) {
            runs[n] = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::index::tests::record;
    use crate::capture::record::line_hash;

    fn index(records: &[(&str, &str, &[&str])]) -> Index {
        let mut index = Index::default();
        for (commit, path, lines) in records {
            let lines: Vec<(u32, &str, &str)> = (1..)
                .zip(lines.iter())
                .map(|(number, line)| {
                    let (text, prompt) = line.split_once('@').unwrap();
                    (number, text, prompt)
                })
                .collect();
            index.put("w", commit, "", &record(commit, path, &lines));
        }
        index
    }

    /// Each line's prompt: `-` for nobody's, `?` where it is not found.
    fn found(index: &Index, path: &str, lines: &[&str]) -> Vec<String> {
        let hashes: Vec<u32> = lines
            .iter()
            .map(|line| line_hash(line.as_bytes()).unwrap_or(0))
            .collect();
        let name = |found: Option<Found>| match found {
            Some(Found { prompt, .. }) => prompt.map_or("-".to_owned(), |place| {
                index.prompts[usize::try_from(place).unwrap()].1.clone()
            }),
            None => "?".into(),
        };
        let all = find(index, path, &hashes, |_| true);
        all.into_iter().map(name).collect()
    }

    #[test]
    fn neighbours_tell_lines_that_several_prompts_wrote() {
        let index = index(&[
            ("c1", "a", &["fn one() {@p1", "  go();@p1", "}@p1", "@p1"]),
            ("c2", "a", &["fn two() {@p2", "  go();@p2", "}@p2"]),
        ]);
        let squashed = ["fn one() {", "\tgo();", "}", "", "fn two() {", "go();", "}"];
        let wanted = ["p1", "p1", "p1", "p1", "p2", "p2", "p2"];
        assert_eq!(found(&index, "a", &squashed), wanted);
        // Alone it could be of either.
        assert_eq!(found(&index, "a", &["go();", "}"]), ["?", "?"]);
        assert_eq!(found(&index, "other", &["fn one() {"]), ["?"]);
        // A file that was renamed: several in a row prove it.
        assert_eq!(found(&index, "other", &squashed[..3]), ["p1", "p1", "p1"]);
    }

    #[test]
    fn what_a_record_calls_nobodys_is_nobodys() {
        let index = index(&[
            ("c1", "a", &["x@p1", "y@-"]),
            ("c2", "a", &["x@-", "z@p2", "@p2", "w@p2"]),
        ]);
        assert_eq!(found(&index, "a", &["x"]), ["?"]);
        assert_eq!(found(&index, "a", &["y"]), ["-"]);
        assert_eq!(found(&index, "a", &["z", "", "w"]), ["p2", "p2", "p2"]);
        assert_eq!(found(&index, "a", &["z", "", "y"]), ["p2", "p2", "-"]);
    }

    #[test]
    fn the_same_prompt_in_two_records_is_one() {
        let lines = &["x@p1", "y@p1"][..];
        let index = index(&[("old", "a", lines), ("new", "a", lines)]);
        assert_eq!(found(&index, "a", &["x", "y"]), ["p1", "p1"]);
        let all = find(&index, "a", &[line_hash(b"x").unwrap()], |_| true);
        assert_eq!(all[0].as_ref().unwrap().at.kept, 1, "the newest record");
        assert_eq!(all[0].as_ref().unwrap().run, 1);
    }
}
