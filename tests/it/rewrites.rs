//! A line leads to its prompt after history was rewritten, in repositories that git itself made and
//! rewrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, Utc};
use vmux::capture::record::{Asked, FilePart, Record, Span, Talk, line_hash};
use vmux::capture::rewrite::{Rewrite, carry};
use vmux::capture::store::Store;
use vmux::capture::why::{self, Level};
use vmux::capture::{cache, consent, patch};
use vmux::core::model::ConversationId;
use vmux::core::text::CleanText;

const PATIENCE: Duration = Duration::from_secs(20);
/// Far more lines than a context has between two places that change.
const FAR: usize = 12;

/// A line of a file, and the prompt that wrote it; nothing if a person did.
type Known = (String, Option<u32>);

/// What the files are known to hold.
type Files = BTreeMap<&'static str, Vec<Known>>;

/// A repository `shop` with five commits of three prompts and a person, each with its record.
struct Story {
    dir: tempfile::TempDir,
    files: Files,
    /// Commits, the oldest first.
    commits: Vec<String>,
}

impl Story {
    fn new() -> Self {
        let mut story = Self {
            dir: tempfile::tempdir().unwrap(),
            files: Files::new(),
            commits: Vec::new(),
        };
        let top = story.top();
        fs::create_dir(&top).unwrap();
        story.git("init -q -b main .");
        story.git("config user.email someone@example.org");
        for name in ["a.rs", "b.rs"] {
            let line = |n: usize| (format!("// {name} as it was, line {n}"), None);
            let mut lines: Vec<Known> = (0..FAR * 6).map(line).collect();
            lines.insert(FAR, ("}".into(), None));
            story.files.insert(name, lines);
        }
        story.save();
        story.git("add .");
        story.git("commit -q -m base");
        story.git("branch base");
        fs::create_dir(consent::place(&story.common())).unwrap();
        for n in 0..5 {
            story.work(n);
        }
        story
    }

    fn top(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("shop")
    }

    fn common(&self) -> PathBuf {
        self.top().join(".git")
    }

    fn git(&self, words: &str) -> String {
        git(
            &self.top(),
            self.dir.path(),
            &words.split(' ').collect::<Vec<_>>(),
        )
    }

    /// Writes the files as they are known.
    fn save(&self) {
        for (name, lines) in &self.files {
            let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
            fs::write(self.top().join(name), text).unwrap();
        }
    }

    fn add(&mut self, name: &'static str, at: usize, lines: &[(&str, Option<u32>)]) {
        let lines = lines
            .iter()
            .map(|(line, prompt)| ((*line).to_owned(), *prompt));
        let file = self.files.get_mut(name).unwrap();
        file.splice(at..at, lines);
    }

    /// What the n-th commit does: a function of an agent in each file, a line of a person behind.
    fn edit(&mut self, n: u32) {
        let at = FAR * (usize::try_from(n).unwrap() + 1);
        for name in ["a.rs", "b.rs"] {
            let asked = Some(n % 3);
            let head = format!("fn step_{n}_of_{}() {{", &name[..1]);
            let call = format!("    total += {n};");
            let by_hand = format!("// a person was here: {n}");
            let lines = [
                (&*head, asked),
                (&*call, asked),
                ("    again();", asked),
                ("}", asked),
                ("", asked),
                (&*by_hand, None),
                ("", None),
            ];
            self.add(name, at, &lines);
        }
    }

    fn work(&mut self, n: u32) {
        self.edit(n);
        self.commit(&format!("step {n}"));
    }

    /// Commits the files, with a record.
    fn commit(&mut self, message: &str) {
        self.save();
        self.git("add .");
        git(
            &self.top(),
            self.dir.path(),
            &["commit", "-q", "-m", message],
        );
        let commit = self.git("rev-parse HEAD");
        self.record(&commit);
        self.commits.push(commit);
    }

    /// Makes the record of a commit that holds the files as they are known.
    fn record(&self, commit: &str) {
        let mut record = record(commit);
        let common = self.common();
        let diff = patch::diff(&common, &[commit], PATIENCE).unwrap();
        let ids = patch::ids_of(&common, &diff, PATIENCE).unwrap();
        record.patch_id.clone_from(&ids[commit]);
        for changed in &patch::parse(&diff)[0].files {
            let known = &self.files[&*changed.path];
            let span = |(number, text): &(u32, Vec<u8>)| {
                let (line, prompt) = &known[usize::try_from(*number).unwrap() - 1];
                assert_eq!(line.as_bytes(), text);
                Span {
                    start: *number,
                    end: *number,
                    prompt: prompt.map(|prompt| usize::try_from(prompt).unwrap()),
                    by: None,
                    from: None,
                    hashes: vec![line_hash(text).unwrap_or(0)],
                }
            };
            record.files.push(FilePart {
                path: changed.path.clone(),
                ranges: changed.added.iter().map(span).collect(),
                touched: Vec::new(),
            });
        }
        self.put(&record);
    }

    fn put(&self, record: &Record) {
        let store = Store::open(&self.common()).unwrap();
        let tip = store.tip().unwrap();
        store
            .put(std::slice::from_ref(record), tip.as_deref())
            .unwrap();
    }

    /// Carries records over to commits that have none, as the daemon does when history was rewritten;
    /// `replaced` names what an amended one replaces.
    fn carry(&self, replaced: Option<&str>) {
        let common = self.common();
        let store = Store::open(&common).unwrap();
        for commit in self.git("rev-list --reverse base..HEAD").lines() {
            let index = cache::refresh(&common).unwrap();
            if index.position(commit, store.writer()).is_some() {
                continue;
            }
            let diff = patch::diff(&common, &[commit], PATIENCE).unwrap();
            let ids = patch::ids_of(&common, &diff, PATIENCE).unwrap();
            let mut record = Record {
                conversations: Vec::new(),
                prompts: Vec::new(),
                patch_id: ids.get(commit).cloned().unwrap_or_default(),
                ..record(commit)
            };
            let rewrite = Rewrite {
                common: &common,
                own: store.writer(),
                index: &index,
                recent: &BTreeMap::new(),
                diff: &diff,
                replaced,
            };
            carry(&rewrite, &mut record).unwrap();
            if !record.prompts.is_empty() {
                assert!(!record.from.is_empty());
                self.put(&record);
            }
        }
    }

    /// Asks of each line in the repository at `top`, and holds the answers against what is known.
    fn ask(&self, top: &Path, names: &[(&str, &'static str)]) -> Score {
        let common = top.join(".git");
        let store = Store::open(&self.common()).unwrap();
        let asked = why::Asked {
            apart: None,
            common: &common,
            own: store.writer(),
        };
        let mut score = Score::default();
        for (name, known) in names {
            let answers = why::lines(&asked, top, name.as_ref(), None).unwrap();
            for answer in &answers {
                for line in &answer.lines {
                    let place = usize::try_from(line.number).unwrap() - 1;
                    let (text, wanted) = &self.files[known][place];
                    assert_eq!(text.trim(), String::from_utf8_lossy(&line.text).trim());
                    score.count(answer, text, *wanted);
                }
            }
        }
        assert!(score.all >= 140, "{score:?}");
        score
    }

    fn score(&self) -> Score {
        self.ask(&self.top(), &[("a.rs", "a.rs"), ("b.rs", "b.rs")])
    }
}

/// How answers compare with what is known.
#[derive(Default, Debug)]
struct Score {
    all: usize,
    /// Lines of an agent.
    agents: usize,
    missed: Vec<String>,
    wrong: Vec<String>,
    levels: BTreeMap<&'static str, usize>,
}

impl Score {
    fn count(&mut self, answer: &why::Answer, text: &str, wanted: Option<u32>) {
        let said = match answer.level {
            Level::Line | Level::Content => answer.source.as_ref().map(|source| {
                let asked = &source.record.prompts[answer.prompts[0]];
                asked.turn.to_string()
            }),
            _ => None,
        };
        let wanted = wanted.map(|prompt| format!("turn-{prompt}"));
        self.all += 1;
        self.agents += usize::from(wanted.is_some());
        let words = || format!("{text:?} {:?} {said:?}, not {wanted:?}", answer.level);
        match (&said, &wanted) {
            (said, wanted) if said == wanted => {
                *self.levels.entry(answer.level.as_str()).or_default() += 1;
            }
            (None, Some(_)) => self.missed.push(words()),
            _ => self.wrong.push(words()),
        }
    }

    /// At least 99 in 100 lines of agents lead to their prompt, and at most 5 in 1000 lines to another.
    fn holds(&self, what: &str) {
        assert!(self.wrong.len() * 200 <= self.all, "{what}: {self:#?}");
        assert!(self.missed.len() * 100 <= self.agents, "{what}: {self:#?}");
    }
}

fn record(commit: &str) -> Record {
    let at = |n: u32| DateTime::<Utc>::from_timestamp(1_700_000_000 + i64::from(n), 0).unwrap();
    let asked = |n: u32| Asked {
        conversation: 0,
        turn: CleanText::line(&format!("turn-{n}")),
        at: at(n),
        primary: true,
        text: CleanText::line(&format!("Do {n}")),
        pasted: Vec::new(),
        answers: Vec::new(),
        asked: Vec::new(),
    };
    Record {
        commit: commit.to_owned(),
        at: at(100),
        tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".into(),
        conversations: vec![Talk {
            agent: "claude".into(),
            version: None,
            model: None,
            session_id: ConversationId::new("b30c3c80-0000-4000-8000-000000000000").unwrap(),
        }],
        prompts: (0..3).map(asked).collect(),
        complete: true,
        ..Record::default()
    }
}

fn git(dir: &Path, home: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(words).current_dir(dir).env_clear();
    git.env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_EDITOR", "true")
        .env("GIT_SEQUENCE_EDITOR", "true");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "someone")
            .env(format!("GIT_{who}_EMAIL"), "someone@example.org");
    }
    let done = git.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).trim_end().to_owned();
    let wrong = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {words:?}: {said} {wrong}");
    said
}

/// Asks with the records as they were, then with those that are carried over.
fn holds(story: &Story, what: &str, replaced: Option<&str>) {
    let score = story.score();
    score.holds(what);
    story.carry(replaced);
    let carried = story.score();
    carried.holds(&format!("{what}, carried"));
    eprintln!("{what}: {:?}, carried {:?}", score.levels, carried.levels);
}

#[test]
fn nothing_was_rewritten() {
    let story = Story::new();
    let score = story.score();
    score.holds("nothing");
    assert_eq!(
        (score.wrong.len(), score.missed.len()),
        (0, 0),
        "{score:#?}"
    );
    assert!(!score.levels.contains_key("content"));
}

#[test]
fn amended_with_and_without_changes() {
    let mut story = Story::new();
    story.git("commit -q --amend -m reworded");
    holds(&story, "reword", Some(&story.commits[4]));
    let old = story.git("rev-parse HEAD");
    story.add("a.rs", FAR * 5 + 2, &[("    // more by hand", None)]);
    story.save();
    story.git("commit -q -a --amend --no-edit");
    holds(&story, "amend", Some(&old));
}

#[test]
fn renamed() {
    let story = Story::new();
    story.git("mv a.rs sub.rs");
    story.git("commit -q -m rename");
    let names = [("sub.rs", "a.rs"), ("b.rs", "b.rs")];
    story.ask(&story.top(), &names).holds("rename");
}

/// A base on which both files have lines above all others.
fn new_base(story: &mut Story) {
    story.git("checkout -q base");
    let mut base: Files = Files::new();
    for name in ["a.rs", "b.rs"] {
        let text = fs::read_to_string(story.top().join(name)).unwrap();
        let new: Vec<Known> = (0..3)
            .map(|n| (format!("// new above {n}"), None))
            .collect();
        let old = text.lines().map(|line| (line.to_owned(), None));
        base.insert(name, new.iter().cloned().chain(old).collect());
        story.files.get_mut(name).unwrap().splice(0..0, new);
    }
    let known = std::mem::replace(&mut story.files, base);
    story.save();
    story.files = known;
    story.git("commit -q -a -m above");
    story.git("checkout -q main");
}

#[test]
fn rebased_onto_a_new_base() {
    let mut story = Story::new();
    new_base(&mut story);
    story.git("rebase -q base");
    holds(&story, "rebase", None);
}

#[test]
fn fixed_up_and_squashed() {
    for word in ["fixup", "squash"] {
        let mut story = Story::new();
        story.add("a.rs", FAR + 4, &[("    // mended by hand", None)]);
        story.save();
        story.git(&format!("commit -q -a --{word} {} -m x", story.commits[0]).replace(" -m x", ""));
        story.git("rebase -q -i --autosquash base");
        holds(&story, word, None);
    }
}

#[test]
fn made_one_of_five() {
    let story = Story::new();
    story.git("reset -q --soft base");
    story.git("commit -q -m all");
    holds(&story, "reset --soft", None);

    let story = Story::new();
    story.git("checkout -q -b other base");
    story.git("merge -q --squash main");
    story.git("commit -q -m all");
    holds(&story, "merge --squash", None);
}

#[test]
fn picked_onto_a_file_that_changed() {
    let mut story = Story::new();
    new_base(&mut story);
    story.git("checkout -q -b other base");
    story.git(&format!("cherry-pick {}", story.commits[2]));
    // What is there now: all but the blocks of the other commits, of seven lines each.
    for lines in story.files.values_mut() {
        while let Some(at) = lines
            .iter()
            .position(|(line, _)| line.starts_with("fn step_") && !line.starts_with("fn step_2_"))
        {
            lines.drain(at..at + 7);
        }
    }
    holds(&story, "cherry-pick", None);
}

#[test]
fn indented_by_a_person() {
    let mut story = Story::new();
    for (line, _) in story.files.get_mut("a.rs").unwrap() {
        *line = format!("    {line}").trim_end().to_owned();
    }
    story.save();
    story.git("commit -q -a -m indent");
    holds(&story, "indent", None);
}

#[test]
fn stashed_and_taken_back() {
    let mut story = Story::new();
    story.edit(5);
    story.save();
    story.git("stash -q");
    story.git("commit -q --allow-empty -m between");
    story.git("stash pop -q");
    story.commit("step 5");
    holds(&story, "stash", None);
}

#[test]
fn pulled_with_a_rebase() {
    let mut story = Story::new();
    let home = story.dir.path().to_path_buf();
    git(&home, &home, &["clone", "-q", "--bare", "shop", "far.git"]);
    new_base(&mut story);
    story.git("push -q ../far.git base:main -f");
    story.git("pull -q --rebase ../far.git main");
    holds(&story, "pull --rebase", None);
}

#[test]
fn squashed_by_a_server_and_fetched() {
    let story = Story::new();
    let home = story.dir.path().to_path_buf();
    git(&home, &home, &["clone", "-q", "--bare", "shop", "far.git"]);
    git(&home, &home, &["clone", "-q", "far.git", "server"]);
    let server = home.join("server");
    for words in [
        &["checkout", "-q", "origin/base"][..],
        &["merge", "-q", "--squash", "origin/main"],
        &["commit", "-q", "-m", "all (#7)"],
        &["push", "-q", "origin", "HEAD:refs/heads/done"],
    ] {
        git(&server, &home, words);
    }
    story.git("fetch -q ../far.git done");
    story.git("checkout -q FETCH_HEAD");
    holds(&story, "server squash", None);
}
