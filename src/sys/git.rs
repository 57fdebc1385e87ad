//! The repository around a directory, read from its files: no child process.
//!
//! Finds what git itself finds, by the same rules, so that no branch is shown where git would
//! speak of another one or of none. One thing git looks at is left out: who owns a repository
//! (`safe.directory`), which says whom to trust, not what is checked out.
//!
//! **Source:** gitrepository-layout(5), git(1) and `setup.c` of git 2.47: `.git` is a directory,
//! or a file `gitdir: PATH` in linked worktrees and submodules; `HEAD` holds
//! `ref: refs/heads/NAME` or an object id, or is a link to `refs/heads/NAME`; `commondir` leads
//! from a linked worktree to the main repository.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::core::model::{GitDoing, GitFact};
use crate::core::text::CleanText;
use crate::sys::files::read_bounded;
use crate::sys::proc::Environ;

mod reftable;

/// Largest of git's small files that is read, in bytes: a path, and a word before it.
const CAP: usize = 8 * 1024;
/// Parents that are searched for a repository.
const DEPTH: usize = 64;

/// The file in a git directory that has conversations kept with its commits.
pub const CAPTURED: &str = "vmux/capture.toml";

/// Entries of a git directory whose change may change what [`Repository::read`] says. All else
/// that happens there (thousands of files in a fetch) does not matter.
#[must_use]
pub fn matters(name: &str) -> bool {
    let tables = reftable::LIST;
    [
        "HEAD",
        "rebase-merge",
        "rebase-apply",
        "BISECT_START",
        tables,
    ]
    .contains(&name)
}

/// What a session's environment tells the git that it runs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct GitEnv {
    /// `GIT_DIR`: the repository, wherever the session works.
    dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`, which counts with `GIT_DIR` only.
    work_tree: Option<PathBuf>,
    /// `GIT_CEILING_DIRECTORIES`: not looked at, nor what is above.
    ceilings: Vec<PathBuf>,
    /// `GIT_DISCOVERY_ACROSS_FILESYSTEM`: mount points do not end the search.
    across: bool,
    /// `HOME`, which is nobody's project.
    home: Option<PathBuf>,
}

impl GitEnv {
    /// What `environ` says.
    #[must_use]
    pub fn of(environ: &Environ) -> Self {
        let path = |name| environ.get(name).map(PathBuf::from);
        let across = environ
            .text("GIT_DISCOVERY_ACROSS_FILESYSTEM")
            .unwrap_or("");
        let ceilings = environ.get("GIT_CEILING_DIRECTORIES").unwrap_or_default();
        Self {
            dir: path("GIT_DIR"),
            work_tree: path("GIT_WORK_TREE"),
            ceilings: std::env::split_paths(ceilings)
                .filter(|dir| dir.is_absolute())
                .collect(),
            across: ["1", "true", "yes", "on"]
                .iter()
                .any(|word| across.eq_ignore_ascii_case(word)),
            home: path("HOME"),
        }
    }
}

impl GitEnv {
    /// Whether the repository is searched for where the session works, and above.
    #[must_use]
    pub fn is_searched(&self) -> bool {
        self.dir.is_none()
    }

    /// The same as variables, for another process.
    #[must_use]
    pub fn vars(&self) -> Vec<(&'static str, OsString)> {
        let ceilings = std::env::join_paths(&self.ceilings).unwrap_or_default();
        let path = |path: &Option<PathBuf>| path.clone().map(OsString::from);
        let vars = [
            ("GIT_DIR", path(&self.dir)),
            ("GIT_WORK_TREE", path(&self.work_tree)),
            ("GIT_CEILING_DIRECTORIES", Some(ceilings)),
            (
                "GIT_DISCOVERY_ACROSS_FILESYSTEM",
                self.across.then(|| "1".into()),
            ),
            ("HOME", path(&self.home)),
        ];
        let set = vars
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        set.collect()
    }
}

/// A repository, and where its `HEAD` lies. All paths are without links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// The directory that holds `HEAD`.
    git_dir: PathBuf,
    /// What linked worktrees share: the git directory itself where it is no linked one.
    common: PathBuf,
    /// The directory around which it was found: the top of the working tree.
    top: PathBuf,
    /// The name of the project.
    name: CleanText,
}

/// Finds the repository that git would use in `cwd`.
///
/// # Errors
/// Those of the file system, but for what is not there or no repository.
pub fn find(cwd: &Path, env: &GitEnv) -> io::Result<Option<Repository>> {
    let here = fs::canonicalize(cwd)?;
    if let Some(dir) = &env.dir {
        let named = here.join(dir);
        let dir = match gitfile(&named) {
            Gitfile::Names(target) => target,
            Gitfile::Bad => return Ok(None),
            Gitfile::None => named,
        };
        let top = env
            .work_tree
            .as_ref()
            .map_or(here.clone(), |tree| here.join(tree));
        return Ok(Repository::at(&dir, &top, env));
    }
    let device = fs::metadata(&here)?.dev();
    for top in here.ancestors().take(DEPTH) {
        let beyond = || !env.across && fs::metadata(top).is_ok_and(|m| m.dev() != device);
        if top != here && (env.ceilings.iter().any(|dir| dir == top) || beyond()) {
            return Ok(None);
        }
        let dot_git = top.join(".git");
        match gitfile(&dot_git) {
            // Git refuses to go on where the file leads nowhere: a worktree of what was removed.
            Gitfile::Names(target) => return Ok(Repository::at(&target, top, env)),
            Gitfile::Bad => return Ok(None),
            Gitfile::None => {}
        }
        // A bare repository has no `.git`: a session may sit in the directory itself.
        for dir in [&*dot_git, top] {
            if let Some(repository) = Repository::at(dir, top, env) {
                return Ok(Some(repository));
            }
        }
    }
    Ok(None)
}

/// What a `.git` that is a file says.
enum Gitfile {
    /// It is no file.
    None,
    /// It cannot be read, or says something else.
    Bad,
    /// The directory that it names.
    Names(PathBuf),
}

fn gitfile(path: &Path) -> Gitfile {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Gitfile::None;
    }
    let base = path.parent().unwrap_or(path);
    let bytes = read_bounded(path, CAP).unwrap_or_default();
    match bytes.strip_prefix(b"gitdir: ").map(without_line_end) {
        Some(target) if !target.is_empty() => Gitfile::Names(base.join(OsStr::from_bytes(target))),
        _ => Gitfile::Bad,
    }
}

/// Git takes the ends of lines off a path, and no spaces.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r'));
    &bytes[..end.map_or(0, |last| last + 1)]
}

/// What is checked out.
#[derive(PartialEq, Eq, Debug)]
enum Head {
    /// A branch, without `refs/heads/`; another reference whole.
    Branch(String),
    /// A commit, as a hexadecimal id.
    Commit(String),
    /// It is kept in binary tables: see [`reftable`].
    InTables,
}

fn read_head(git_dir: &Path) -> Option<Head> {
    let path = git_dir.join("HEAD");
    if let Ok(target) = fs::read_link(&path)
        && target.starts_with("refs")
    {
        return Some(Head::of_reference(target.as_os_str().as_bytes()));
    }
    parse_head(&read_bounded(&path, CAP).ok()?)
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let bytes = bytes.trim_ascii_end();
    if let Some(reference) = bytes.strip_prefix(b"ref:") {
        let name = reference.trim_ascii_start();
        return name.starts_with(b"refs/").then(|| Head::of_reference(name));
    }
    let id = std::str::from_utf8(bytes).ok()?;
    // SHA-1 or SHA-256.
    let whole = matches!(id.len(), 40 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| Head::Commit(id.to_owned()))
}

impl Head {
    fn of_reference(name: &[u8]) -> Self {
        if name == b"refs/heads/.invalid" {
            return Self::InTables;
        }
        Self::Branch(branch_name(name))
    }
}

fn branch_name(reference: &[u8]) -> String {
    let name = reference.strip_prefix(b"refs/heads/").unwrap_or(reference);
    String::from_utf8_lossy(name).into_owned()
}

impl Repository {
    /// The repository in `dir`, if git would take it for one: a `HEAD` that says something, and
    /// a place for objects and for references.
    fn at(dir: &Path, top: &Path, env: &GitEnv) -> Option<Self> {
        read_head(dir)?;
        let git_dir = fs::canonicalize(dir).ok()?;
        let common = match read_bounded(&git_dir.join("commondir"), CAP) {
            Ok(path) => git_dir.join(OsStr::from_bytes(without_line_end(&path))),
            Err(_) => git_dir.clone(),
        };
        let common = fs::canonicalize(common).ok()?;
        if !common.join("objects").is_dir() || !common.join("refs").is_dir() {
            return None;
        }
        let top = fs::canonicalize(top).unwrap_or_else(|_| top.to_path_buf());
        let apart = common != git_dir || top == common || env.dir.is_some();
        let name = if apart {
            project_name(&common, &top, env)
        } else {
            base(&top)
        };
        Some(Self {
            git_dir,
            common,
            top,
            name,
        })
    }

    /// The directory that holds `HEAD`: that of a linked worktree is its own.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// What all worktrees of the repository share.
    #[must_use]
    pub fn common(&self) -> &Path {
        &self.common
    }

    /// The top of the working tree; a bare repository's own directory.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// What its worktrees share, if its user wants conversations kept with its commits: the file
    /// [`CAPTURED`] is there.
    #[must_use]
    pub fn captured(&self) -> Option<PathBuf> {
        let asked = self.common.join(CAPTURED).exists();
        asked.then(|| self.common.clone())
    }

    /// The directory to watch for a checkout: where [`matters`] tells what counts.
    #[must_use]
    pub fn watched(&self) -> PathBuf {
        match read_head(&self.git_dir) {
            Some(Head::InTables) => self.git_dir.join("reftable"),
            _ => self.git_dir.clone(),
        }
    }

    /// Reads what is checked out.
    #[must_use]
    pub fn read(&self) -> GitFact {
        let head = match read_head(&self.git_dir) {
            Some(Head::InTables) => reftable::head(&self.git_dir.join("reftable")),
            head => head,
        };
        let detached = matches!(head, Some(Head::Commit(_)));
        let doing = if detached { self.doing() } else { None };
        let (branch, doing) = match (head, doing) {
            (_, Some((doing, branch))) => (branch.unwrap_or_default(), Some(doing)),
            (Some(Head::Branch(name)), None) => (name, None),
            (Some(Head::Commit(id)), None) => (id.get(..7).unwrap_or(&id).to_owned(), None),
            (Some(Head::InTables) | None, None) => (String::new(), None),
        };
        let linked = self.common != self.git_dir;
        GitFact {
            branch: CleanText::line(&branch).some(),
            detached,
            doing,
            repository: self.name.clone(),
            worktree: linked.then(|| base(&self.top)),
        }
    }

    /// What goes on while no branch is checked out, and the branch that it started from, which
    /// comes back when it is over.
    /// **Source:** `wt-status.c` of git 2.47, where `git status` gets it from.
    fn doing(&self) -> Option<(GitDoing, Option<String>)> {
        let read = |name: &str| {
            let bytes = read_bounded(&self.git_dir.join(name), CAP).ok()?;
            Some(bytes.trim_ascii_end().to_vec())
        };
        let rebased = read("rebase-merge/head-name").or_else(|| read("rebase-apply/head-name"));
        if let Some(name) = rebased {
            // `detached HEAD` where it did not start from a branch.
            let branch = name.starts_with(b"refs/heads/").then(|| branch_name(&name));
            return branch.map(|branch| (GitDoing::Rebasing, Some(branch)));
        }
        let start = read("BISECT_START").filter(|start| !start.is_empty())?;
        // Started without a branch: the commit.
        let commit = matches!(parse_head(&start), Some(Head::Commit(_)));
        (!commit).then(|| (GitDoing::Bisecting, Some(branch_name(&start))))
    }
}

/// The name of the project whose repository is `common`, of which `top` is a working tree.
///
/// A directory whose own `.git` leads to the repository is the project, whatever the repository
/// is called: `shop/.git`, or `shop/.bare` with `gitdir: ./.bare` in `shop/.git`. Without one, a
/// repository that is hidden, or called like any other, has its directory's name.
fn project_name(common: &Path, top: &Path, env: &GitEnv) -> CleanText {
    let parent = common.parent().unwrap_or(common);
    let mut near = std::iter::once(parent).chain(top.ancestors().skip(1).take(DEPTH));
    if let Some(project) = near.find(|dir| leads_to(&dir.join(".git"), common)) {
        return base(project);
    }
    let name = base(common);
    let stem = name.strip_suffix(".git").unwrap_or(&name);
    let plain = stem.trim_start_matches('.');
    let says_nothing = plain != stem || ["", "bare", "git", "git-bare", "repo"].contains(&plain);
    // In a home directory, or where submodules are kept, what lies around is no project.
    let is_home = parent == Path::new("/") || env.home.as_deref() == Some(parent);
    let submodule = common
        .components()
        .any(|part| part.as_os_str() == "modules");
    if says_nothing && !is_home && !submodule {
        return base(parent);
    }
    CleanText::line(if plain.is_empty() { stem } else { plain })
}

/// Whether a `.git` is this repository, as a directory, a link or a file.
pub(crate) fn leads_to(dot_git: &Path, common: &Path) -> bool {
    let target = match gitfile(dot_git) {
        Gitfile::Names(target) => target,
        Gitfile::None => dot_git.to_path_buf(),
        Gitfile::Bad => return false,
    };
    fs::canonicalize(target).is_ok_and(|target| target == common)
}

fn base(path: &Path) -> CleanText {
    CleanText::line(&path.file_name().unwrap_or_default().to_string_lossy())
}
