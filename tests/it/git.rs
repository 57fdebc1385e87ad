//! Repositories that git made, each compared with what git itself says of it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use vmux::core::model::{GitDoing, GitFact};
use vmux::core::text::CleanText;
use vmux::sys::git::{GitEnv, find};
use vmux::sys::proc::Environ;

/// A directory with a repository `shop`, of one commit on `main`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.git(".", "init -q -b main shop");
        place.git("shop", "commit -q --allow-empty -m one");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn command(&self, dir: &Path, words: &str) -> Command {
        let mut git = Command::new("git");
        git.args(words.split(' ')).current_dir(dir).env_clear();
        git.env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.path());
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_EDITOR", "true");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "t")
                .env(format!("GIT_{who}_EMAIL"), "t@t");
        }
        git
    }

    fn try_git(&self, dir: &str, words: &str) -> Option<String> {
        let done = self.command(&self.path(dir), words).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).trim_end().to_owned();
        done.status.success().then_some(said)
    }

    fn git(&self, dir: &str, words: &str) -> String {
        let said = self.try_git(dir, words);
        said.unwrap_or_else(|| panic!("git {words} in {dir}"))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, dir: &str) -> Option<GitFact> {
        let found = find(&self.path(dir), &GitEnv::default()).unwrap();
        found.map(|repository| repository.read())
    }

    /// Repository, worktree and branch; the branch is what git says, or there is none.
    fn names(&self, dir: &str) -> (String, String, String) {
        let fact = self.read(dir).unwrap();
        let branch = text(fact.branch.as_ref());
        if !fact.detached && !branch.is_empty() {
            assert_eq!(
                self.git(dir, "symbolic-ref --short HEAD"),
                branch,
                "in {dir}"
            );
        }
        (
            fact.repository.to_string(),
            text(fact.worktree.as_ref()),
            branch,
        )
    }

    /// The branch, or nothing where git finds no repository either.
    fn branch(&self, dir: &str) -> Option<String> {
        assert_eq!(
            self.try_git(dir, "rev-parse --git-dir").is_some(),
            self.read(dir).is_some(),
            "git and vmux find the same in {dir}"
        );
        self.read(dir).map(|fact| text(fact.branch.as_ref()))
    }
}

fn text(text: Option<&CleanText>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn names(repository: &str, worktree: &str, branch: &str) -> (String, String, String) {
    (repository.into(), worktree.into(), branch.into())
}

#[test]
fn a_branch_is_read_from_any_depth() {
    let place = Place::new();
    place.git("shop", "checkout -q -b feature/cart");
    fs::create_dir_all(place.path("shop/src/deep")).unwrap();
    assert_eq!(
        place.names("shop/src/deep"),
        names("shop", "", "feature/cart")
    );
    assert_eq!(
        place.names("shop/.git/hooks"),
        names("shop", "", "feature/cart")
    );
    place.git("shop", "checkout -q --detach");
    let fact = place.read("shop").unwrap();
    let commit = place.git("shop", "rev-parse HEAD");
    assert_eq!(
        (text(fact.branch.as_ref()), fact.detached),
        (commit[..7].to_owned(), true)
    );
}

#[test]
fn worktrees_have_the_name_of_their_project() {
    let place = Place::new();
    place.git("shop", "branch fix");
    place.git("shop", "worktree add -q .claude/worktrees/fix fix");
    assert_eq!(
        place.names("shop/.claude/worktrees/fix"),
        names("shop", "fix", "fix")
    );
    // However the bare repository is called that `shop/.git` leads to, or that hides beside.
    for (bare, says) in [
        (".bare", true),
        (".bare", false),
        (".repo", false),
        (".git-bare", true),
        (".shop.git", false),
        ("bare.git", true),
        ("bare.git", false),
        ("x1.git", true),
        (".git", false),
        ("cafe.git", false),
    ] {
        let project = tempfile::tempdir_in(place.path(".")).unwrap();
        let project = project.path().join("cafe");
        fs::create_dir(&project).unwrap();
        let project = project
            .strip_prefix(place.path("."))
            .unwrap()
            .to_str()
            .unwrap();
        place.git(".", &format!("clone -q --bare shop {project}/{bare}"));
        if says {
            place.write(&format!("{project}/.git"), format!("gitdir: ./{bare}\n"));
            assert_eq!(place.names(project), names("cafe", "", "main"), "{bare}");
        }
        place.git(&format!("{project}/{bare}"), "worktree add -q ../fix fix");
        let tree = format!("{project}/fix");
        assert_eq!(place.names(&tree), names("cafe", "fix", "fix"), "{bare}");
        assert_eq!(
            place.names(&format!("{project}/{bare}")).0,
            "cafe",
            "{bare}"
        );
    }
}

#[test]
fn a_bare_repository_among_others_keeps_its_name() {
    let place = Place::new();
    place.git(".", "clone -q --bare shop lib.git");
    place.git("lib.git", "worktree add -q ../lib-fix -b fix");
    assert_eq!(place.names("lib-fix"), names("lib", "lib-fix", "fix"));
    assert_eq!(place.names("lib.git"), names("lib", "", "main"));
    // In a home directory no project lies around it.
    place.git(".", "clone -q --bare shop .dotfiles");
    let home = place.path(".").canonicalize().unwrap();
    let vars = [
        ("GIT_DIR", home.join(".dotfiles")),
        ("GIT_WORK_TREE", home.clone()),
        ("HOME", home.clone()),
    ];
    let environ: Environ = vars
        .map(|(n, v)| (n.into(), v.into()))
        .into_iter()
        .collect();
    let fact = find(&home, &GitEnv::of(&environ)).unwrap().unwrap().read();
    assert_eq!(
        (fact.repository.as_str(), fact.worktree),
        ("dotfiles", None)
    );
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let place = Place::new();
    place.git(".", "init -q -b main app");
    place.git(
        "app",
        "-c protocol.file.allow=always submodule add -q ../shop lib",
    );
    place.git("app/lib", "checkout -q -b v2");
    assert_eq!(place.names("app/lib"), names("lib", "", "v2"));
    place.git("app/lib", "worktree add -q ../../lib-fix -b fix");
    assert_eq!(place.names("lib-fix"), names("lib", "lib-fix", "fix"));
}

#[test]
fn a_removed_worktree_has_no_branch() {
    let place = Place::new();
    place.git("shop", "worktree add -q inside -b fix");
    let inside = place.path("shop/inside");
    place.git("shop", "worktree remove inside");
    assert_eq!(
        find(&inside, &GitEnv::default()).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    // The directory is left, the repository is not.
    place.git("shop", "worktree add -q ../tree -b tree");
    fs::remove_dir_all(place.path("shop")).unwrap();
    assert_eq!(place.branch("tree"), None);
}

#[test]
fn links_lead_to_where_git_looks() {
    let place = Place::new();
    // Around the link lies another repository.
    place.git(".", "init -q -b dots home");
    fs::create_dir(place.path("shop/src")).unwrap();
    symlink(place.path("shop/src"), place.path("home/src")).unwrap();
    assert_eq!(place.names("home/src"), names("shop", "", "main"));
    // `..` after a link is the parent of where it leads.
    fs::create_dir_all(place.path("far/deep")).unwrap();
    symlink(place.path("far/deep"), place.path("near")).unwrap();
    fs::rename(place.path("shop/.git"), place.path("far/store")).unwrap();
    place.write("shop/.git", "gitdir: ../near/../store\n");
    assert_eq!(place.names("shop"), names("shop", "", "main"));
}

#[test]
fn a_head_is_taken_as_git_takes_it() {
    let place = Place::new();
    let branch = |head: &[u8]| {
        place.write("shop/.git/HEAD", head);
        place.branch("shop")
    };
    assert_eq!(branch(b"ref: refs/heads/main\r\n").as_deref(), Some("main"));
    assert_eq!(branch(b"ref:\trefs/heads/main").as_deref(), Some("main"));
    assert_eq!(
        branch(b"ref: refs/heads/caf\xe9\n").as_deref(),
        Some("caf\u{fffd}")
    );
    for bad in [
        &b""[..],
        b"\n",
        b"main",
        b"ref: main",
        b"\xff\xfer\0e\0f\0",
        b"ref: ../x",
        b"0123",
    ] {
        assert_eq!(branch(bad), None, "{bad:?}");
    }
    place.write("shop/.git/HEAD", vec![b'a'; 1 << 20]);
    assert_eq!(place.read("shop"), None);
    let head = place.path("shop/.git/HEAD");
    // Where it is a link, the link is the reference: git wrote it so up to 2.47.
    fs::remove_file(&head).unwrap();
    symlink("refs/heads/main", &head).unwrap();
    assert_eq!(place.branch("shop").as_deref(), Some("main"));
    fs::remove_file(&head).unwrap();
    symlink("refs/heads/not/born", &head).unwrap();
    assert_eq!(place.branch("shop").as_deref(), Some("not/born"));
    // Git would wait for somebody to write; here nothing waits.
    fs::remove_file(&head).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &head, rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(place.read("shop"), None);
}

#[test]
fn a_directory_that_is_no_repository_is_passed_over() {
    let place = Place::new();
    for name in ["shop/a/.git", "shop/b/.git/objects", "shop/c/.git/refs"] {
        fs::create_dir_all(place.path(name)).unwrap();
    }
    place.write("shop/b/.git/HEAD", "ref: refs/heads/other\n");
    for dir in ["shop/a", "shop/b", "shop/c"] {
        assert_eq!(place.branch(dir).as_deref(), Some("main"), "{dir}");
    }
    // A file that leads nowhere ends the search.
    for text in [
        "gitdir: /nowhere/at/all\n",
        "gitdir: \n",
        "",
        "gitdir:x",
        "something",
    ] {
        place.write("shop/d/.git", text);
        assert_eq!(place.branch("shop/d"), None, "{text:?}");
    }
}

#[test]
fn the_environment_counts_as_it_does_for_git() {
    let place = Place::new();
    place.git(".", "init -q -b other other");
    fs::create_dir_all(place.path("shop/a/b")).unwrap();
    let agree = |dir: &str, vars: &[(&str, PathBuf)]| {
        let vars = vars
            .iter()
            .map(|(n, v)| ((*n).into(), v.clone().into_os_string()));
        let environ: Environ = vars.clone().collect();
        let cwd = place.path(dir);
        let mut git = place.command(&cwd, "symbolic-ref --short HEAD");
        let said = git.envs(vars).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap().trim().to_owned();
        let found = find(&cwd, &GitEnv::of(&environ)).unwrap().map(|r| r.read());
        assert_eq!(
            found.map(|f| text(f.branch.as_ref())).unwrap_or_default(),
            said
        );
        said
    };
    let other = place.path("other/.git");
    assert_eq!(agree("shop", &[("GIT_DIR", other.clone())]), "other");
    assert_eq!(
        agree("shop", &[("GIT_DIR", "../other/.git".into())]),
        "other"
    );
    assert_eq!(agree("shop", &[("GIT_DIR", "nowhere".into())]), "");
    assert_eq!(
        agree("shop", &[("GIT_WORK_TREE", place.path("other"))]),
        "main"
    );
    assert_eq!(
        agree(
            "shop/a/b",
            &[("GIT_CEILING_DIRECTORIES", place.path("shop"))]
        ),
        ""
    );
    assert_eq!(
        agree(
            "shop/a/b",
            &[("GIT_CEILING_DIRECTORIES", place.path("other"))]
        ),
        "main"
    );
    assert_eq!(
        agree("shop", &[("GIT_CEILING_DIRECTORIES", place.path("shop"))]),
        "main"
    );
}

#[test]
fn a_rebase_or_a_bisect_keeps_its_branch() {
    let place = Place::new();
    for n in ["two", "three"] {
        place.git("shop", &format!("commit -q --allow-empty -m {n}"));
    }
    let doing = || {
        let fact = place.read("shop").unwrap();
        (text(fact.branch.as_ref()), fact.doing)
    };
    place.git("shop", "checkout -q -b fix/cart");
    assert!(
        place
            .try_git("shop", "rebase --exec false --force-rebase HEAD~1")
            .is_none()
    );
    assert_eq!(doing(), ("fix/cart".into(), Some(GitDoing::Rebasing)));
    place.git("shop", "rebase --abort");
    assert_eq!(doing(), ("fix/cart".into(), None));
    place.git("shop", "bisect start HEAD HEAD~2");
    assert_eq!(doing(), ("fix/cart".into(), Some(GitDoing::Bisecting)));
    place.git("shop", "bisect reset");
    assert_eq!(doing(), ("fix/cart".into(), None));
    // Without a branch none comes back.
    place.git("shop", "checkout -q --detach");
    assert!(
        place
            .try_git("shop", "rebase --exec false --force-rebase HEAD~1")
            .is_none()
    );
    let commit = place.git("shop", "rev-parse --short=7 HEAD");
    assert_eq!(doing(), (commit, None));
}

#[test]
fn tables_of_references_are_read() {
    let place = Place::new();
    if place
        .try_git(".", "init -q -b main --ref-format=reftable tables")
        .is_none()
    {
        // Git before 2.45 does not know them.
        return;
    }
    assert_eq!(place.names("tables"), names("tables", "", "main"));
    place.git("tables", "commit -q --allow-empty -m one");
    place.git("tables", "checkout -q -b feature/cart");
    for n in 0..40 {
        place.git("tables", &format!("branch some/branch-{n}"));
    }
    assert_eq!(place.names("tables"), names("tables", "", "feature/cart"));
    place.git("tables", "worktree add -q ../tree -b fix");
    assert_eq!(place.names("tree"), names("tables", "tree", "fix"));
    place.git("tables", "pack-refs");
    place.git("tables", "checkout -q --detach");
    assert!(place.read("tables").unwrap().detached);
    // Tables that are cut or altered say nothing, and harm nothing.
    let list = fs::read_to_string(place.path("tables/.git/reftable/tables.list")).unwrap();
    for name in list.lines() {
        let table = format!("tables/.git/reftable/{name}");
        let whole = fs::read(place.path(&table)).unwrap();
        for n in 0..whole.len() {
            let mut odd = whole.clone();
            odd[n] ^= 0xff;
            for bytes in [&whole[..n], &odd] {
                place.write(&table, bytes);
                let _any = place.read("tables");
            }
        }
        place.write(&table, whole);
    }
    place.write("tables/.git/reftable/tables.list", "../../../x\nnone.ref\n");
    assert_eq!(place.read("tables").unwrap().branch, None);
}

#[test]
fn a_path_that_is_no_text_is_one_too() {
    let place = Place::new();
    let odd = place
        .path(".")
        .join(std::ffi::OsString::from_vec(b"caf\xe9".to_vec()));
    fs::rename(place.path("shop"), &odd).unwrap();
    let fact = find(&odd, &GitEnv::default()).unwrap().unwrap().read();
    assert_eq!(text(fact.branch.as_ref()), "main");
}
