//! Repositories that git made, and an agent whose conversations are played.

use std::fs;
use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::*;
use crate::agent::{Agent, Looks, Message, Role, Roots, Watch};
use crate::core::model::{ConversationId, Session};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Edit, Prompt, Turn};
use crate::sys::clock;
use crate::sys::proc::Environ;

/// An agent whose conversations are files of [`Played`], a line each.
struct Play;
static PLAY: Play = Play;

/// A turn with one change.
#[derive(Clone, Serialize, Deserialize)]
struct Played {
    prompt: String,
    at: DateTime<Utc>,
    ended: bool,
    path: PathBuf,
    old: String,
    new: String,
}

fn lines(path: &Path) -> Vec<Played> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Agent for Play {
    fn name(&self) -> &'static str {
        "claude"
    }
    fn title(&self) -> &'static str {
        "Play"
    }
    fn program(&self) -> &'static str {
        "play"
    }
    fn variable(&self) -> &'static str {
        "PLAY"
    }
    fn config_dir(&self, _: &Environ, home: &Path) -> PathBuf {
        home.into()
    }
    fn plausible(&self, _: &str, _: Option<&Path>) -> bool {
        false
    }
    fn recognise(&self, _: &Looks) -> Option<Role> {
        None
    }
    fn watch(&self, _: &Roots) -> Box<dyn Watch> {
        unreachable!("nobody watches it")
    }
    fn messages(&self, _: &Session, _: usize) -> Result<Vec<Message>, String> {
        Ok(Vec::new())
    }
    fn go_on(&self, _: &[String], _: &ConversationId) -> Option<Vec<String>> {
        None
    }
    fn transcripts(&self, config: &Path, since: SystemTime) -> Vec<PathBuf> {
        let files = fs::read_dir(config).unwrap().flatten();
        let new = files.filter(|file| file.metadata().unwrap().modified().unwrap() >= since);
        new.map(|file| file.path()).collect()
    }
    fn touched(&self, path: &Path, _: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
        let touched = lines(path).into_iter().map(|line| line.path);
        Ok((touched.collect(), fs::metadata(path)?.len()))
    }
    fn transcript(&self, path: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Transcript> {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let turn = |(n, line): (usize, Played)| Turn {
            id: CleanText::line(&format!("{name}-{n}")),
            prompt: Some(Prompt {
                text: CleanText::line(&line.prompt),
                pasted: Vec::new(),
            }),
            at: line.at,
            ended: line.ended.then_some(line.at),
            answers: vec![CleanText::line("Done.")],
            asked: Vec::new(),
            commands: Vec::new(),
            changes: wanted(&line.path)
                .then(|| Change {
                    at: line.at,
                    path: line.path.clone(),
                    by: None,
                    edit: Edit::Whole {
                        before: Some(line.old.clone()),
                        after: line.new.clone(),
                        shown: Vec::new(),
                    },
                })
                .into_iter()
                .collect(),
        };
        Ok(Transcript {
            agent: "claude".into(),
            conversation: ConversationId::new(name).unwrap(),
            subagent: None,
            version: None,
            model: None,
            turns: lines(path).into_iter().enumerate().map(turn).collect(),
        })
    }
}

/// A repository `shop`, and conversations beside it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.path("talks")).unwrap();
        place.git(".", &["init", "-q", "-b", "main", "shop"]);
        place.git("shop", &["commit", "-q", "--allow-empty", "-m", "begin"]);
        let repository = crate::sys::git::find(&place.path("shop"), &Default::default());
        let before = time::before(clock::now(), TimeDelta::seconds(60));
        consent::allow(&repository.unwrap().unwrap(), before).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn git(&self, dir: &str, words: &[&str]) -> String {
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        let args = [&who[..], words].concat();
        let printed = git::run(&self.path(dir), &args, b"", Duration::from_secs(60));
        let printed = printed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        String::from_utf8_lossy(&printed).trim_end().to_owned()
    }

    /// A session that was asked for this puts a line at the end of a file.
    fn change(&self, talk: &str, prompt: &str, path: &str, line: &str, ended: bool) {
        let file = self.path(path);
        let old = fs::read_to_string(&file).unwrap_or_default();
        let new = format!("{old}{line}\n");
        fs::write(&file, &new).unwrap();
        let played = Played {
            prompt: prompt.into(),
            at: clock::now(),
            ended,
            path: file,
            old,
            new,
        };
        let told = self.path("talks").join(format!("{talk}.jsonl"));
        let text = fs::read_to_string(&told).unwrap_or_default();
        fs::write(told, text + &serde_json::to_string(&played).unwrap() + "\n").unwrap();
    }

    /// The last turn of a conversation ends.
    fn end(&self, talk: &str) {
        let told = self.path("talks").join(format!("{talk}.jsonl"));
        let text = fs::read_to_string(&told).unwrap();
        fs::write(told, text.replace("\"ended\":false", "\"ended\":true")).unwrap();
    }

    fn commit(&self, dir: &str, message: &str) -> String {
        self.git(dir, &["add", "-A"]);
        self.git(dir, &["commit", "-q", "-m", message]);
        self.git(dir, &["rev-parse", "HEAD"])
    }

    fn common(&self) -> PathBuf {
        self.path("shop/.git")
    }

    fn catch_up(&self) -> Caught {
        self.catch_up_in("shop/.git")
    }

    fn catch_up_in(&self, common: &str) -> Caught {
        let world = World {
            configs: vec![(&PLAY, self.path("talks"))],
            secrets: vec!["correct-horse-battery".into()],
            home: self.path("."),
            now: clock::now(),
            moved: BTreeMap::new(),
        };
        catch_up(&self.path(common), &world).unwrap()
    }

    fn record(&self, commit: &str) -> Option<Record> {
        Store::open(&self.common()).unwrap().get(commit).unwrap()
    }

    fn prompts(&self, commit: &str) -> Vec<String> {
        let record = self.record(commit);
        let prompts = record.into_iter().flat_map(|record| record.prompts);
        let primary = prompts.filter(|prompt| prompt.primary);
        primary.map(|prompt| prompt.text.to_string()).collect()
    }
}

#[test]
fn a_commit_is_recorded_once_with_the_prompt_that_it_comes_of() {
    let place = Place::new();
    assert_eq!(place.catch_up().plain, 1);
    let words = "Add a, by correct-horse-battery";
    place.change("one", words, "shop/x.rs", "fn a() {}", true);
    let commit = place.commit("shop", "a");
    let caught = place.catch_up();
    assert_eq!(
        (&caught.recorded[..], caught.open),
        (&[commit.clone()][..], 0)
    );
    let record = place.record(&commit).unwrap();
    let [prompt] = &place.prompts(&commit)[..] else {
        panic!("{record:?}")
    };
    assert!(prompt.starts_with("Add a, by [redacted"), "{prompt}");
    assert_eq!(record.files[0].path, "x.rs");
    assert_eq!(record.patch_id.len(), 40);
    assert!(record.complete);
    assert_eq!(place.catch_up(), Caught::default());
    // A person's own commit, and one of another file.
    fs::write(place.path("shop/y.rs"), "fn y() {}\n").unwrap();
    let own = place.commit("shop", "y");
    assert_eq!(place.catch_up().plain, 1);
    assert_eq!(place.record(&own), None);
}

#[test]
fn a_commit_within_a_turn_is_looked_at_again_when_that_ends() {
    let place = Place::new();
    place.change("one", "Add a", "shop/x.rs", "fn a() {}", false);
    let commit = place.commit("shop", "a");
    assert_eq!(place.catch_up().open, 1);
    assert!(!place.record(&commit).unwrap().complete);
    place.end("one");
    let caught = place.catch_up();
    assert_eq!((caught.recorded, caught.open), (vec![commit.clone()], 0));
    assert!(place.record(&commit).unwrap().complete);
    let notes = place.git("shop", &["log", "-1", "--format=%N", "--notes=vmux/*"]);
    assert_eq!(notes.matches("\n---\n").count(), 1, "{notes}");
}

/// Where the session was started says nothing: its changes lie where they lie.
#[test]
fn commits_of_each_working_tree_and_after_a_move_are_found() {
    let place = Place::new();
    place.git("shop", &["worktree", "add", "-q", "../till"]);
    place.change("one", "Add a to the till", "till/x.rs", "fn a() {}", true);
    let till = place.commit("till", "a");
    place.catch_up();
    assert_eq!(place.prompts(&till), ["Add a to the till"]);
    place.git("shop", &["worktree", "remove", "../till"]);
    // While nobody looks, a change is made and all of it is moved before the commit.
    place.change("one", "Add b", "shop/y.rs", "fn b() {}", true);
    fs::rename(place.path("shop"), place.path("moved")).unwrap();
    let moved = place.commit("moved", "b");
    let caught = place.catch_up_in("moved/.git");
    assert_eq!(caught.recorded, [moved]);
}

#[test]
fn commits_of_a_tree_that_is_gone_are_found_by_its_branch() {
    for way in ["kept", "merged", "taken away"] {
        let place = Place::new();
        place.git("shop", &["worktree", "add", "-q", "../till"]);
        place.change("one", "Add a", "till/x.rs", "fn a() {}", true);
        let a = place.commit("till", "a");
        assert_eq!(place.catch_up().recorded, [a], "{way}");
        // While nobody looks.
        place.change("one", "Add b", "till/x.rs", "fn b() {}", true);
        let b = place.commit("till", "b");
        if way == "taken away" {
            fs::remove_dir_all(place.path("till")).unwrap();
        } else {
            place.git("shop", &["worktree", "remove", "../till"]);
        }
        if way == "merged" {
            place.git("shop", &["merge", "-q", "till"]);
            place.git("shop", &["branch", "-q", "-d", "till"]);
        }
        assert_eq!(place.catch_up().recorded, std::slice::from_ref(&b), "{way}");
        assert_eq!(place.prompts(&b), ["Add b"], "{way}");
        assert_eq!(place.catch_up(), Caught::default(), "{way}");
        assert_eq!(state::read(&place.common()).missed, [], "{way}");
    }
}

#[test]
fn commits_of_a_tree_that_came_and_went_are_told_as_missed() {
    let place = Place::new();
    place.catch_up();
    // One that forbids it is nobody's business.
    place.git("shop", &["worktree", "add", "-q", "../desk"]);
    fs::write(place.path("desk").join(consent::FORBIDS), "").unwrap();
    place.change("two", "Add d", "desk/x.rs", "fn d() {}", true);
    place.commit("desk", "d");
    place.git("shop", &["worktree", "add", "-q", "../till"]);
    place.change("one", "Add a", "till/x.rs", "fn a() {}", true);
    place.commit("till", "a");
    place.git("shop", &["worktree", "remove", "../till"]);
    for _ in 0..2 {
        assert_eq!(place.catch_up(), Caught::default());
        let missed = state::read(&place.common()).missed;
        let words: Vec<&str> = missed.iter().map(|missed| missed.what.as_str()).collect();
        let want = "a commit of till, made in a working tree that was gone before it was looked at";
        assert_eq!(words, [want]);
    }
}

#[test]
fn a_tree_that_forbids_it_is_left_alone() {
    let place = Place::new();
    fs::write(place.path("shop").join(consent::FORBIDS), "").unwrap();
    place.change("one", "Add a", "shop/x.rs", "fn a() {}", true);
    place.commit("shop", "a");
    assert_eq!(place.catch_up(), Caught::default());
    assert_eq!(place.git("shop", &["for-each-ref", "refs/notes"]), "");
}

#[test]
fn repositories_without_a_log_as_a_file_are_followed_as_well() {
    for settings in [
        &["-c", "core.logAllRefUpdates=false", "init"][..],
        &["init", "--ref-format=reftable"][..],
        &["init", "--object-format=sha256"][..],
    ] {
        let place = Place::new();
        fs::remove_dir_all(place.path("shop")).unwrap();
        place.git(".", &[settings, &["-q", "-b", "main", "shop"]].concat());
        let plain = settings[0] == "-c";
        let off = [
            "config",
            "core.logAllRefUpdates",
            if plain { "false" } else { "true" },
        ];
        place.git("shop", &off);
        let found = crate::sys::git::find(&place.path("shop"), &Default::default());
        let before = time::before(clock::now(), TimeDelta::seconds(60));
        consent::allow(&found.unwrap().unwrap(), before).unwrap();
        let mut commits = Vec::new();
        for n in 0..3 {
            let words = format!("Add {n}");
            place.change("one", &words, "shop/x.rs", &format!("fn x{n}() {{}}"), true);
            let commit = place.commit("shop", "x");
            place.catch_up();
            assert_eq!(place.prompts(&commit), [words], "{settings:?}");
            assert_eq!(place.catch_up(), Caught::default(), "{settings:?}");
            commits.push(commit);
        }
        for n in 3..5 {
            place.change(
                "one",
                "Add more",
                "shop/x.rs",
                &format!("fn x{n}() {{}}"),
                true,
            );
            commits.push(place.commit("shop", "more"));
        }
        let caught = place.catch_up();
        assert_eq!(caught.recorded, commits[3..], "{settings:?}");
        place.git("shop", &["checkout", "-q", "-b", "side", "HEAD~1"]);
        assert_eq!(place.catch_up(), Caught::default(), "{settings:?}");
    }
}

/// What was rebased is recorded in one go, whatever became of the records before.
#[test]
fn a_rebase_is_one_job() {
    let place = Place::new();
    place.git("shop", &["checkout", "-q", "-b", "side"]);
    for n in 0..40 {
        let words = format!("Add {n}");
        place.change("one", &words, &format!("shop/{n}.rs"), "fn x() {}", true);
        place.commit("shop", "x");
    }
    assert_eq!(place.catch_up().recorded.len(), 40);
    place.git("shop", &["checkout", "-q", "main"]);
    fs::write(
        place.path("shop/own"),
        "1
",
    )
    .unwrap();
    place.commit("shop", "own");
    place.git("shop", &["rebase", "-q", "main", "side"]);
    let caught = place.catch_up();
    assert_eq!((caught.recorded.len(), caught.plain), (40, 1));
    assert_eq!(
        place.prompts(&place.git("shop", &["rev-parse", "HEAD~3"])),
        ["Add 36"]
    );
}

#[test]
fn what_was_missed_is_told() {
    let place = Place::new();
    place.catch_up();
    place.change("one", "Add a", "shop/x.rs", "fn a() {}", true);
    let commit = place.commit("shop", "a");
    let log = place.path("shop/.git/logs/HEAD");
    let text = fs::read_to_string(&log).unwrap();
    let last = text.lines().last().unwrap();
    let null = "0".repeat(40);
    let gone = last.replacen(&commit, &"1".repeat(40), 1);
    fs::write(
        &log,
        format!(
            "{gone}
{last}
{null} {null}
"
        ),
    )
    .unwrap();
    assert_eq!(place.catch_up().recorded, [commit]);
    let state = state::read(&place.common());
    assert!(
        state.missed[0].what.contains("does not hold any more"),
        "{:?}",
        state.missed
    );
    fs::write(consent::file(&place.common()), "redact = [\"/(/\"]\n").unwrap();
    place.change("one", "Add b", "shop/x.rs", "fn b() {}", true);
    place.commit("shop", "b");
    let world = World {
        configs: Vec::new(),
        secrets: Vec::new(),
        home: place.path("."),
        now: clock::now(),
        moved: BTreeMap::new(),
    };
    assert!(
        catch_up(&place.common(), &world).is_err(),
        "a pattern that is none"
    );
}

/// Who is killed among many commits goes on where he was.
#[test]
fn what_was_done_already_is_not_done_again() {
    let place = Place::new();
    place.catch_up();
    let mut commits = Vec::new();
    for n in 0..3 {
        place.change("one", "Add x", &format!("shop/{n}.rs"), "fn x() {}", true);
        commits.push(place.commit("shop", "x"));
    }
    let mut known = state::read(&place.common());
    known.done.insert(commits[0].clone());
    state::write(&place.common(), &known).unwrap();
    assert_eq!(place.catch_up().recorded, commits[1..]);
    assert_eq!(state::read(&place.common()).done.len(), 0);
}

#[test]
fn conversations_go_into_the_working_tree_too_where_that_is_wanted() {
    let place = Place::new();
    let settings = consent::file(&place.common());
    let text = fs::read_to_string(&settings).unwrap() + "tree = \".prompts\"\n";
    fs::write(settings, text).unwrap();
    fs::write(place.path("shop/.promptcellarignore"), "salar(y|ies)\n").unwrap();
    place.change(
        "one",
        "Add a, by correct-horse-battery",
        "shop/x.rs",
        "fn a() {}",
        true,
    );
    place.change("one", "the SALARIES", "shop/x.rs", "fn b() {}", false);
    fs::create_dir(place.path("till")).unwrap();
    place.change("two", "elsewhere", "till/x.rs", "fn c() {}", true);
    let caught = place.catch_up();
    assert!(caught.turns, "the end of each turn is of interest");
    let day = clock::now().format("shop/.prompts/%Y/%m/%d").to_string();
    let read = || fs::read_to_string(place.path(&day).join("one.jsonl")).unwrap();
    assert_eq!(read().lines().count(), 1, "{}", read());
    assert!(
        read().contains("\"prompt\":\"Add a, by [redacted:environment]\""),
        "{}",
        read()
    );
    assert!(read().contains("\"name\":\""), "{}", read());
    place.end("one");
    place.catch_up();
    assert_eq!(read().lines().count(), 2, "{}", read());
    assert!(!read().to_lowercase().contains("salar"), "{}", read());
    assert_eq!(
        fs::read_dir(place.path(&day)).unwrap().count(),
        1,
        "of others nothing"
    );
    // Nothing of it in the record either, but that there was one.
    let commit = place.commit("shop", "a");
    place.catch_up();
    let prompts: Vec<String> = place.prompts(&commit);
    assert_eq!(prompts, ["Add a, by [redacted:environment]", "‹left out›"]);
    assert_eq!(place.catch_up().recorded, Vec::<String>::new());
}
