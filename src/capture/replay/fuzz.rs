//! A simulated repository in which it is known who wrote each line: persons, agents, commits in
//! part, and lines that repeat. Replay is held against the truth.

use super::super::diff::as_git;
use super::{Case, Step, replay};
use crate::core::transcript::{Edit, Hunk};

/// Lines of which there are many in any file.
const COMMON: [&str; 9] = [
    "}",
    "",
    "",
    "    }",
    "        }",
    "    });",
    "{",
    "    } else {",
    "\t\treturn nil",
];

/// Numbers without end, the same for each seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn hits(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Person,
    Agent(u32),
}

/// A line as it came to be; a copy of its text is another one.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Made {
    number: usize,
    text: String,
    who: Who,
}

/// How a world is.
#[derive(Clone, Copy)]
struct World {
    /// Agents tell what the file held.
    before: bool,
    /// How many of a hundred changes are a person's.
    person: usize,
    /// How many of a hundred lines are common ones.
    common: usize,
    /// How many of a hundred commits take a part only.
    partial: usize,
    /// How many of a hundred changes of persons only move lines to the right.
    indents: usize,
    /// It is known when the parent was made.
    clock: bool,
    /// How many of a hundred changes of agents are in several places, near each other.
    places: usize,
}

impl World {
    fn with_persons(self, person: usize) -> Self {
        Self { person, ..self }
    }
}

/// What came of it.
#[derive(Default, Debug, Clone, Copy)]
struct Score {
    lines: usize,
    right: usize,
    /// A person's lines that were called an agent's.
    robbed: usize,
    /// An agent's lines that were called another turn's.
    swapped: usize,
}

struct Sim {
    dice: Dice,
    world: World,
    made: usize,
    file: Vec<Made>,
    head: Vec<Made>,
    edits: Vec<(Edit, usize)>,
    /// How many edits there were when the parent was made.
    since: usize,
    score: Score,
}

fn text(lines: &[Made]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.text.as_str(), "\n"])
        .collect()
}

impl Sim {
    fn new(seed: u64, world: World) -> Self {
        let mut sim = Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1),
            world,
            made: 0,
            file: Vec::new(),
            head: Vec::new(),
            edits: Vec::new(),
            since: 0,
            score: Score::default(),
        };
        sim.file = (0..120).map(|_| sim.line(Who::Person)).collect();
        sim.head = sim.file.clone();
        sim
    }

    fn line(&mut self, who: Who) -> Made {
        self.made += 1;
        let text = if self.dice.hits(self.world.common) {
            COMMON[self.dice.below(COMMON.len())].to_owned()
        } else {
            let indent = ["", "    ", "\t", "\t\t"][self.dice.below(4)];
            format!(
                "{indent}let line_{} = {};",
                self.made,
                self.dice.below(1000)
            )
        };
        Made {
            number: self.made,
            text,
            who,
        }
    }

    /// Some lines that change, and by what.
    fn pick(&mut self, who: Who) -> (std::ops::Range<usize>, Vec<Made>) {
        let at = self.dice.below(self.file.len() + 1);
        let gone = if self.dice.hits(50) {
            0
        } else {
            self.dice.below(5)
        };
        let end = (at + gone).min(self.file.len());
        let come = if self.dice.hits(12) && end > at {
            0
        } else {
            1 + self.dice.below(9)
        };
        (at..end, (0..come).map(|_| self.line(who)).collect())
    }

    fn person(&mut self) {
        let (at, new) = self.pick(Who::Person);
        self.file.splice(at, new);
    }

    /// Somebody's editor moves lines to the right. They stay with who wrote them, but for those of
    /// the parent.
    fn indent(&mut self) {
        let at = self.dice.below(self.file.len() + 1);
        let end = (at + 1 + self.dice.below(12)).min(self.file.len());
        for line in self.file[at..end]
            .iter_mut()
            .filter(|line| !line.text.is_empty())
        {
            line.text.insert_str(0, "    ");
            if self.head.iter().any(|head| head.number == line.number) {
                line.who = Who::Person;
            }
            self.made += 1;
            line.number = self.made;
        }
    }

    fn agent(&mut self) {
        let turn = u32::try_from(self.edits.len()).unwrap();
        let mut pieces = vec![self.pick(Who::Agent(turn))];
        while self.dice.hits(self.world.places) {
            let at = pieces[pieces.len() - 1].0.end + 1 + self.dice.below(9);
            if at >= self.file.len() {
                break;
            }
            let end = (at + self.dice.below(3)).min(self.file.len());
            let come = 1 + self.dice.below(4);
            let new = (0..come).map(|_| self.line(Who::Agent(turn))).collect();
            pieces.push((at..end, new));
        }
        let before = text(&self.file);
        let known = self.world.before.then(|| before.clone());
        let shown = self.shown(&pieces);
        // What is replaced stands there once, so it takes some lines around along.
        let (mut from, mut to) = (pieces[0].0.start, pieces[pieces.len() - 1].0.end);
        while from == to || before.matches(&text(&self.file[from..to])).count() > 1 {
            (from, to) = (from.saturating_sub(1), (to + 1).min(self.file.len()));
            if (from, to) == (0, self.file.len()) {
                break;
            }
        }
        let old = text(&self.file[from..to]);
        let mut now = String::new();
        let mut end = from;
        for (at, new) in &pieces {
            now += &text(&self.file[end..at.start]);
            now += &text(new);
            end = at.end;
        }
        now += &text(&self.file[end..to]);
        for (at, new) in pieces.into_iter().rev() {
            self.file.splice(at, new);
        }
        let edit = match self.dice.below(10) {
            0 => Edit::Whole {
                before: known,
                after: text(&self.file),
                shown,
            },
            1 | 2 => Edit::Hunks {
                hunks: shown,
                created: false,
                deleted: false,
            },
            _ => Edit::Replace {
                before: known,
                old,
                new: now,
                all: false,
                shown: shown.into_iter().map(damaged).collect(),
            },
        };
        self.edits.push((edit, self.edits.len()));
    }

    /// A unified diff with three lines around: what is nearer to each other is one hunk.
    fn shown(&self, pieces: &[(std::ops::Range<usize>, Vec<Made>)]) -> Vec<Hunk> {
        let signed = |sign: &'static str| move |line: &Made| format!("{sign}{}", line.text);
        let number = |at: usize| u32::try_from(at + 1).unwrap();
        let mut hunks: Vec<Hunk> = Vec::new();
        let (mut end, mut come, mut gone) = (0, 0, 0);
        for (n, (at, new)) in pieces.iter().enumerate() {
            let from = at.start.saturating_sub(3);
            if from <= end && n > 0 {
                let last = hunks.last_mut().unwrap();
                last.lines
                    .extend(self.file[end..at.start].iter().map(signed(" ")));
            } else {
                let after = |hunk: &mut Hunk, to: usize| {
                    hunk.lines
                        .extend(self.file[end..to].iter().map(signed(" ")));
                };
                if let Some(last) = hunks.last_mut() {
                    after(last, end + 3);
                }
                hunks.push(Hunk {
                    old_start: number(from),
                    new_start: number(from + come - gone),
                    lines: self.file[from..at.start].iter().map(signed(" ")).collect(),
                });
            }
            let last = hunks.last_mut().unwrap();
            last.lines
                .extend(self.file[at.clone()].iter().map(signed("-")));
            last.lines.extend(new.iter().map(signed("+")));
            (end, come, gone) = (at.end, come + new.len(), gone + at.len());
        }
        let to = (end + 3).min(self.file.len());
        let last = hunks.last_mut().unwrap();
        last.lines
            .extend(self.file[end..to].iter().map(signed(" ")));
        hunks
    }

    /// What of the file goes into a commit: all, or some of the hunks.
    fn staged(&mut self) -> Vec<Made> {
        if !self.dice.hits(self.world.partial) {
            return self.file.clone();
        }
        let numbers = |lines: &[Made]| lines.iter().map(|line| line.number).collect::<Vec<_>>();
        let (head, file) = (numbers(&self.head), numbers(&self.file));
        let mut out = Vec::new();
        let mut kept = 0;
        for piece in super::super::diff::replaced(&head, &file) {
            out.extend_from_slice(&self.head[kept..piece.before.start]);
            kept = piece.before.end;
            let taken = self.dice.hits(50);
            out.extend_from_slice(if taken {
                &self.file[piece.after]
            } else {
                &self.head[piece.before]
            });
        }
        out.extend_from_slice(&self.head[kept..]);
        out
    }

    fn commit(&mut self) {
        let staged = self.staged();
        let (before, after) = (text(&self.head), text(&staged));
        let (gone, added) = as_git(before.as_bytes(), after.as_bytes());
        let later = |number: usize| self.world.clock && number >= self.since;
        let step = |(edit, number): &(Edit, usize)| (edit.clone(), later(*number));
        let edits: Vec<(Edit, bool)> = self.edits.iter().map(step).collect();
        let steps: Vec<Step> = edits
            .iter()
            .map(|(edit, later)| Step {
                edit,
                later: *later,
            })
            .collect();
        let case = Case {
            before: &before,
            after: &after,
            steps: &steps,
            late: 0,
            added: &added,
            gone: &gone,
        };
        let shares = replay(&case).unwrap();
        self.judge(&staged, &added, &shares.writers);
        self.head = staged;
        self.since = self.edits.len();
    }

    fn judge(&mut self, staged: &[Made], added: &[bool], writers: &[Option<u32>]) {
        let old = |line: &Made| self.head.iter().any(|head| head.number == line.number);
        let old: Vec<bool> = staged.iter().map(old).collect();
        for at in (0..staged.len()).filter(|at| added[*at]) {
            // Git may call another one of equal lines added: then either's writer is right.
            let truths: Vec<Who> = if old[at] {
                let near = at.saturating_sub(40)..(at + 40).min(staged.len());
                let twin =
                    |of: &usize| !old[*of] && !added[*of] && staged[*of].text == staged[at].text;
                near.filter(twin).map(|of| staged[of].who).collect()
            } else {
                vec![staged[at].who]
            };
            if truths.is_empty() {
                continue;
            }
            self.score.lines += 1;
            let said = writers[at].map_or(Who::Person, Who::Agent);
            let persons = truths.iter().all(|who| *who == Who::Person);
            if truths.contains(&said) {
                self.score.right += 1;
            } else if persons {
                self.score.robbed += 1;
            } else if said != Who::Person {
                self.score.swapped += 1;
            }
        }
    }

    fn run(mut self, commits: usize) -> Score {
        for _ in 0..commits {
            for _ in 0..=self.dice.below(7) {
                if self.dice.hits(self.world.person) {
                    if self.dice.hits(self.world.indents) {
                        self.indent();
                    } else {
                        self.person();
                    }
                } else {
                    self.agent();
                }
            }
            self.commit();
        }
        self.score
    }
}

/// As one agent shows what it changed: tabs have become two spaces.
fn damaged(mut hunk: Hunk) -> Hunk {
    for line in &mut hunk.lines {
        *line = line.replace('\t', "  ");
    }
    hunk
}

fn total(world: World, seeds: u64, commits: usize) -> Score {
    let mut sum = Score::default();
    for seed in 0..seeds {
        let one = Sim::new(seed, world).run(commits);
        sum.lines += one.lines;
        sum.right += one.right;
        sum.robbed += one.robbed;
        sum.swapped += one.swapped;
    }
    sum
}

#[test]
fn lines_are_their_writers() {
    let base = World {
        before: true,
        person: 40,
        common: 45,
        partial: 40,
        indents: 0,
        clock: true,
        places: 0,
    };
    let untold = World {
        before: false,
        ..base
    };
    let spread = World {
        places: 60,
        partial: 80,
        ..base
    };
    let worlds = [
        base,
        untold,
        untold.with_persons(0),
        untold.with_persons(60),
        World {
            indents: 15,
            ..untold
        },
        World {
            clock: false,
            ..untold
        },
        World {
            partial: 0,
            ..untold
        },
        spread,
        World {
            before: false,
            ..spread
        },
    ];
    let mut sum = Score::default();
    for (number, world) in worlds.into_iter().enumerate() {
        let score = total(world, 2, 20);
        // Brackets in a change that was committed by halves may be anybody's.
        let bar = if world.places > 0 { 97 } else { 98 };
        assert!(
            score.right * 100 >= score.lines * bar,
            "world {number}: {score:?}"
        );
        sum.lines += score.lines;
        sum.robbed += score.robbed;
    }
    assert!(
        sum.lines > 4000 && sum.robbed * 2000 <= sum.lines,
        "{sum:?}"
    );
}
