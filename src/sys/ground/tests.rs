use std::sync::Mutex;

use super::turns::{IN_TURN, REALLY, REALLY_IN_TURN};
use super::*;
use crate::sys::inotify;

/// A file system below `/silent` and `/other` that answers once it is told to.
struct Silent {
    answer: Sender<()>,
    look: Look,
}

impl Silent {
    fn new() -> Self {
        let (answer, wait) = channel();
        let wait = Mutex::new(wait);
        let look: Look = Arc::new(move |spot| {
            if spot.dir.starts_with("/silent") || spot.dir.starts_with("/other") {
                // Whoever waits here waits until the test answers or ends.
                drop(wait.lock().map(|wait| wait.recv()));
            }
            found(&spot.dir)
        });
        Self { answer, look }
    }

    fn grounds(&self, mounts: &str) -> (tempfile::TempDir, Grounds) {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("self")).unwrap();
        fs::write(proc.path().join("self/mountinfo"), mounts).unwrap();
        let grounds = Grounds::new(Arc::clone(&self.look), proc.path());
        (proc, grounds)
    }
}

fn found(dir: &Path) -> Ground {
    Ground {
        git: Some(GitFact {
            repository: CleanText::line(&dir.display().to_string()),
            ..GitFact::default()
        }),
        ..Ground::default()
    }
}

fn spot(dir: &str) -> Spot {
    Spot {
        dir: dir.into(),
        work: Some(GitEnv::default()),
    }
}

fn watcher() -> Watcher {
    Watcher::new(inotify::instance)
}

const MOUNTS: &str = "1 0 8:1 / / rw - ext4 /dev/sda rw\n\
                      2 1 0:44 / /silent/the\\040nas rw - fuse x rw\n";

#[test]
fn what_does_not_answer_is_left_behind_with_its_mount() {
    let silent = Silent::new();
    let (_proc, mut grounds) = silent.grounds(MOUNTS);
    let mut watcher = watcher();
    let one = spot("/silent/the nas/one");
    assert!(grounds.at(&one, &mut watcher).silent);
    assert_eq!(
        grounds.at(&one, &mut watcher).problem.as_deref(),
        Some("could not look into /silent/the nas/one: its file system does not answer")
    );
    // Neither another directory of the mount nor the same once more takes another reader.
    let started = crate::sys::clock::steady();
    for dir in ["/silent/the nas/two", "/silent/the nas"] {
        assert!(grounds.at(&spot(dir), &mut watcher).silent, "{dir}");
    }
    assert_eq!(
        grounds.at(&spot("/here"), &mut watcher),
        &found(Path::new("/here"))
    );
    assert!(grounds.look_again(Again::All, &[], &mut watcher).is_empty());
    assert!(started.elapsed() < PATIENCE * 2);
    assert_eq!(grounds.stuck.len(), 1);
    // It answers: all of its mount is looked at again.
    drop(silent.answer);
    let mut changed = Vec::new();
    for _ in 0..2000 {
        changed.extend(grounds.look_again(Again::All, &[], &mut watcher));
        if changed.len() == 3 {
            break;
        }
        crate::sys::clock::sleep(Duration::from_millis(5));
    }
    assert_eq!(grounds.at(&one, &mut watcher), &found(&one.dir));
    assert!(grounds.stuck.is_empty());
}

#[test]
fn only_so_many_readers_are_left_behind() {
    let silent = Silent::new();
    let (_proc, mut grounds) = silent.grounds("");
    let mut watcher = watcher();
    // Without a list of mounts each directory is one of its own.
    for n in 0..STUCK + 2 {
        assert!(
            grounds
                .at(&spot(&format!("/other/{n}")), &mut watcher)
                .silent
        );
    }
    assert_eq!(grounds.stuck.len(), STUCK);
    assert!(
        grounds.at(&spot("/here"), &mut watcher).silent,
        "nobody is left to look"
    );
    drop(silent.answer);
    for _ in 0..2000 {
        grounds.look_again(Again::All, &[], &mut watcher);
        if grounds.stuck.is_empty() {
            break;
        }
        crate::sys::clock::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        grounds.at(&spot("/here"), &mut watcher),
        &found(Path::new("/here"))
    );
}

#[test]
fn a_look_that_panics_costs_its_own_directory() {
    let look: Look = Arc::new(|spot| {
        if spot.dir.ends_with("bad") {
            // As a panic does, without its words.
            std::panic::resume_unwind(Box::new("bad"));
        }
        found(&spot.dir)
    });
    let mut grounds = Grounds::new(look, Path::new("/proc"));
    let mut watcher = watcher();
    let dirs = ["/a", "/b/bad", "/c"].map(spot);
    grounds.look_at(dirs.to_vec(), &mut watcher);
    let known = dirs.map(|spot| grounds.known[&spot].ground.clone());
    assert_eq!(
        [&known[0], &known[2]],
        [&found(Path::new("/a")), &found(Path::new("/c"))]
    );
    assert!(known[1].problem.as_ref().unwrap().contains("panicked"));
}

#[test]
fn a_checkout_is_watched_as_long_as_somebody_works_there() {
    let dir = tempfile::tempdir().unwrap();
    let git_dir = dir.path().to_path_buf();
    let watch = git_dir.clone();
    let look: Look = Arc::new(move |_| Ground {
        watch: Some(watch.clone()),
        ..Ground::default()
    });
    let mut grounds = Grounds::new(look, Path::new("/proc"));
    let mut watcher = watcher();
    let (one, two) = (spot("/one"), spot("/two"));
    grounds.look_at(vec![one.clone(), two.clone()], &mut watcher);
    assert!(watcher.holds(&git_dir));
    fs::write(git_dir.join("index.lock"), "").unwrap();
    assert!(watcher.read().is_empty(), "not of the branch");
    fs::write(git_dir.join("HEAD"), "").unwrap();
    assert_eq!(watcher.read().len(), 1);
    grounds.forget(|spot| *spot == two, &mut watcher);
    assert!(watcher.holds(&git_dir));
    grounds.forget(|_| false, &mut watcher);
    assert!(watcher.is_empty());
    assert!(grounds.known.is_empty());
}

/// A look that tells where it was asked to look.
fn heard() -> (Receiver<PathBuf>, Look) {
    let (tell, looked) = channel();
    let tell = Mutex::new(tell);
    let look: Look = Arc::new(move |spot| {
        drop(tell.lock().map(|tell| tell.send(spot.dir.clone())));
        found(&spot.dir)
    });
    (looked, look)
}

#[test]
fn a_configuration_that_surely_answers_is_passed_over_until_the_mounts_are_others() {
    let home = tempfile::tempdir().unwrap();
    let proc = home.path().join("proc");
    fs::create_dir_all(proc.join("self")).unwrap();
    fs::write(proc.join("self/mountinfo"), MOUNTS).unwrap();
    let (_looked, look) = heard();
    let mut grounds = Grounds::new(look, &proc);
    let mut watcher = watcher();
    let config = Spot::only(&home.path().canonicalize().unwrap());
    grounds.look_at(vec![config.clone()], &mut watcher);
    let due = |grounds: &mut Grounds| {
        grounds.begin();
        grounds.due(&[]).contains(&config)
    };
    let each: Vec<bool> = (0..6).map(|_| due(&mut grounds)).collect();
    assert_eq!(each, [false, true, false, true, false, true]);
    grounds.mounts = Table::new(proc.join("self/mountinfo"));
    assert!(due(&mut grounds), "it may lie elsewhere now");
}

#[test]
fn working_directories_are_looked_at_in_turn_and_configurations_each_time() {
    let (looked, look) = heard();
    // Without a list of mounts nothing is known to answer.
    let mut grounds = Grounds::new(look, Path::new("/nowhere"));
    let mut watcher = watcher();
    let mut spots: Vec<Spot> = (10..30).map(|n| spot(&format!("/srv/{n}"))).collect();
    let config = Spot::only(Path::new("/config"));
    spots.push(config.clone());
    grounds.look_at(spots.clone(), &mut watcher);
    assert_eq!(looked.try_iter().count(), spots.len());
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..=REALLY {
        grounds.look_again(Again::Due, &[], &mut watcher);
        let now: Vec<PathBuf> = looked.try_iter().collect();
        let in_turn = match n {
            0 | REALLY => REALLY_IN_TURN,
            n if n % 2 == 0 => IN_TURN,
            _ => 0,
        };
        assert_eq!(now.len(), in_turn + 1);
        assert!(now.contains(&config.dir));
        seen.extend(now);
    }
    assert_eq!(seen.len(), spots.len(), "all of them by now");
    grounds.look_again(Again::All, &[], &mut watcher);
    assert_eq!(looked.try_iter().count(), spots.len());
}

#[test]
fn where_nothing_shows_nobody_looks() {
    let (looked, look) = heard();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let proc = dir.join("proc/self");
    fs::create_dir_all(&proc).unwrap();
    fs::write(
        proc.join("mountinfo"),
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n",
    )
    .unwrap();
    let mut grounds = Grounds::new(look, &dir.join("proc"));
    let mut watcher = watcher();
    let at = |name: &str| spot(dir.join(name).to_str().unwrap());
    let (shop, lib) = (at("shop/src"), at("lib"));
    for spot in [&shop, &lib] {
        fs::create_dir_all(&spot.dir).unwrap();
    }
    std::os::unix::fs::symlink("lib", dir.join("link")).unwrap();
    let config = Spot::only(&dir.join("config"));
    let all = vec![shop.clone(), lib.clone(), config];
    grounds.look_at(all, &mut watcher);
    assert_eq!(
        looked.try_iter().count(),
        2,
        "a local configuration answers"
    );
    grounds.looks = 1;
    let mut seen = |grounds: &mut Grounds, stirred: &[Spot]| {
        grounds.look_again(Again::Due, stirred, &mut watcher);
        looked.try_iter().collect::<Vec<_>>()
    };
    assert!(seen(&mut grounds, std::slice::from_ref(&shop)).is_empty());
    fs::create_dir(dir.join("shop/.git")).unwrap();
    let by_shop = std::slice::from_ref(&shop);
    assert_eq!(seen(&mut grounds, by_shop), vec![shop.dir.clone()]);
    fs::write(dir.join("shop/.git/HEAD"), "").unwrap();
    fs::remove_dir(&lib.dir).unwrap();
    let mut in_turn: Vec<PathBuf> = (0..4).flat_map(|_| seen(&mut grounds, &[])).collect();
    in_turn.sort();
    assert_eq!(in_turn, [lib.dir.clone(), shop.dir.clone()]);
    for _ in 0..4 {
        assert!(seen(&mut grounds, &[]).is_empty());
    }
    // What a link leads to may not answer.
    grounds.look_at(vec![at("link")], &mut watcher);
    assert_eq!(looked.try_iter().count(), 1);
    let mut seen = |grounds: &mut Grounds, stirred: &[Spot]| {
        grounds.look_again(Again::Due, stirred, &mut watcher);
        looked.try_iter().collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut grounds, &[at("link")]), [dir.join("link")]);
}
