//! `sessions/<pid>.json`: Claude Code's own word on one of its processes. Pure.

use chrono::{DateTime, Utc};

use super::facts::{FileFact, FileStatus};
use super::record::{Fields, mend};
use super::{job, parse_version};
use crate::core::model::{ConversationId, Kind, Pid, RawPath, Reason, time};
use crate::core::text::CleanText;

/// Largest status file that is read, in bytes. Real ones have 200 to 800.
pub const SIZE_CAP: usize = 64 * 1024;

/// Versions whose file says `busy` while a dialog is open.
const BUSY_LIES: [[u32; 3]; 2] = [[2, 1, 141], [2, 1, 142]];

/// First version that says `shell` when its turn is over and a background shell goes on; before
/// it said `busy`. **Source:** observed on 2.1.119, 2.1.140 (`busy`), 2.1.141 to 2.1.328 (`shell`).
const FIRST_WITH_SHELL: [u32; 3] = [2, 1, 141];

/// First version whose file names the new conversation after `/clear`; before, it goes on to name
/// the one of its start. **Source:** observed on 2.1.75 to 2.1.126 (old), 2.1.128 to 2.1.328 (new).
const FIRST_FOLLOWING: [u32; 3] = [2, 1, 128];

/// A status file, read.
#[derive(Clone, PartialEq, Debug)]
pub struct StatusFile {
    /// The process it speaks of.
    pub pid: Option<Pid>,
    /// That process's start in clock ticks, where the version writes it (2.1.116 and newer). The
    /// file outlives a killed process, so it counts only if this matches.
    pub proc_start: Option<u64>,
    /// Number of its pid namespace, where the version writes it (2.1.250 and newer).
    pub namespace: Option<u64>,
    /// Interactive, background or headless.
    pub kind: Kind,
    /// A worker kept ready for later; no session yet.
    pub spare: bool,
    /// Whether it names the conversation of now, and not only that of the start.
    pub follows_clear: bool,
    /// What `state` weighs.
    pub fact: FileFact,
}

/// The pid in a status file's name. Other files of the directory (`<pid>.<hex>.key` holds a
/// secret; `pid-<n>.json` of other tools) are never opened.
#[must_use]
pub fn pid_of_name(name: &str) -> Option<Pid> {
    let digits = name.strip_suffix(".json")?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Pid)
}

/// The pid in the name of a key file, `<pid>.<64 hex digits>.key`.
#[must_use]
pub fn pid_of_key(name: &str) -> Option<Pid> {
    let (digits, hash) = name.strip_suffix(".key")?.split_once('.')?;
    let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| pid_of_name(&format!("{digits}.json")))?
}

/// Reads a status file's bytes. A field of an unexpected type counts as missing.
///
/// # Errors
/// Says what is wrong if the bytes are no JSON object: the file can be empty at its creation and
/// hold old bytes at its end for half a millisecond, so the caller reads again.
pub fn parse(bytes: &[u8], path: &str, now: DateTime<Utc>) -> Result<StatusFile, String> {
    let text = mend(bytes);
    let fields = Fields::parse(&text).map_err(|error| error.to_string())?;
    let kind = match (
        fields.text("kind").as_deref(),
        fields.text("entrypoint").as_deref(),
    ) {
        (Some("bg"), _) => Kind::Background,
        (_, Some("cli") | None) => Kind::Interactive,
        (_, Some(entrypoint)) if is_scripted(entrypoint) => Kind::Headless,
        _ => Kind::Panel,
    };
    let version = fields.text("version").as_deref().and_then(parse_version);
    Ok(StatusFile {
        pid: fields
            .number("pid")
            .and_then(|n| u32::try_from(n).ok())
            .map(Pid),
        namespace: fields.text("pidDomain").as_deref().and_then(namespace),
        proc_start: fields
            .number("procStart")
            .and_then(|n| u64::try_from(n).ok()),
        kind,
        spare: fields.flag("spare"),
        follows_clear: version.is_some_and(|version| version >= FIRST_FOLLOWING),
        fact: FileFact {
            path: CleanText::line(path),
            conversation: fields
                .text("sessionId")
                .and_then(|id| ConversationId::new(&id)),
            cwd: fields
                .text("cwd")
                .filter(|cwd| cwd.starts_with('/'))
                .map(RawPath),
            status: fields.text("status").map(|word| status(&word)),
            waiting_reason: fields
                .text("waitingFor")
                .map(|words| waiting_reason(&words)),
            waiting_for: line(&fields, "waitingFor"),
            busy_lies: version.is_some_and(|version| BUSY_LIES.contains(&version)),
            busy_spans_shells: version.is_some_and(|version| version < FIRST_WITH_SHELL),
            status_at: time(&fields, "statusUpdatedAt").or_else(|| time(&fields, "updatedAt")),
            version: line(&fields, "version"),
            name: line(&fields, "name"),
            named_by_user: fields.text("nameSource").as_deref() == Some("user"),
            tmux: line(&fields, "tmux"),
            job: fields
                .text("jobId")
                .filter(|id| job::is_id(id))
                .map(|id| CleanText::line(&id)),
            started_at: time(&fields, "startedAt"),
            read_at: now,
            lost_at: None,
        },
    })
}

fn line(fields: &Fields<'_>, name: &str) -> Option<CleanText> {
    let text = fields.text(name)?;
    CleanText::line(&text).some()
}

/// Milliseconds since 1970.
fn time(fields: &Fields<'_>, name: &str) -> Option<DateTime<Utc>> {
    time::from_millis(fields.number(name)?)
}

/// Whether a program runs it, or a server, and not a person in front of a window of his.
/// **Source:** the words that 2.1.332 knows. `claude-vscode` was run, also for 2.1.266 and 2.1.284
/// by others; `claude-desktop` and those of editors yet to come are its kin.
fn is_scripted(entrypoint: &str) -> bool {
    let first = entrypoint.split(['-', '_']).next();
    matches!(first, Some("sdk" | "mcp" | "remote" | "local" | "ssh"))
        || ["claude-code-", "claude-in-", "claude_in_"]
            .iter()
            .any(|start| entrypoint.starts_with(start))
}

/// The namespace in `linux:<machine>:pid:[4026531836]`.
fn namespace(domain: &str) -> Option<u64> {
    let (_, number) = domain.rsplit_once("pid:[")?;
    number.strip_suffix(']')?.parse().ok()
}

fn status(word: &str) -> FileStatus {
    match word {
        "busy" => FileStatus::Busy,
        "waiting" => FileStatus::Waiting,
        "idle" => FileStatus::Idle,
        "shell" => FileStatus::Shell,
        other => FileStatus::Other(CleanText::line(other)),
    }
}

/// What it waits for, in words that differ by version: `permission prompt`, `approve Bash`
/// (2.1.119 to 2.1.140), `input needed` (2.1.226 and newer), `dialog open`.
fn waiting_reason(words: &str) -> Reason {
    match (words, words.strip_prefix("approve ")) {
        ("dialog open", _) => Reason::Dialog,
        ("input needed", _) | (_, Some("AskUserQuestion")) => Reason::Question,
        (_, Some("ExitPlanMode")) => Reason::Plan,
        ("permission prompt", _) | (_, Some(_)) => Reason::Permission,
        (other, _) => Reason::Other(CleanText::line(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> StatusFile {
        parse(text.as_bytes(), "/c/sessions/1.json", DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_full_file_is_read() {
        let file = read(
            r#"{"pid":24758,"sessionId":"68eaa3d6-fde3","cwd":"/w/app","startedAt":1795164508161,
                "procStart":"326309","version":"2.1.328","kind":"interactive","entrypoint":"cli",
                "tmux":"work:@1.%1","name":"app-91","nameSource":"derived","status":"waiting",
                "waitingFor":"permission prompt","updatedAt":5,"statusUpdatedAt":1795164512106}"#,
        );
        assert_eq!(
            (file.pid, file.proc_start),
            (Some(Pid(24758)), Some(326_309))
        );
        assert_eq!((file.kind, file.spare), (Kind::Interactive, false));
        assert_eq!(file.fact.status, Some(FileStatus::Waiting));
        assert_eq!(file.fact.waiting_for.unwrap().as_str(), "permission prompt");
        assert_eq!(
            file.fact.status_at.unwrap().timestamp_millis(),
            1_795_164_512_106
        );
        assert!(!file.fact.named_by_user);
    }

    #[test]
    fn surprises_cost_only_themselves() {
        let file = read(
            r#"{"pid":"x","sessionId":"../../etc","cwd":"relative","status":7,"updatedAt":"soon",
                "startedAt":99999999999999999,"version":null,"name":["a"],"new":{"deep":[1]}}"#,
        );
        assert_eq!(file.pid, None);
        assert_eq!(
            file.fact,
            FileFact {
                path: CleanText::line("/c/sessions/1.json"),
                ..FileFact::default()
            }
        );
        assert_eq!(
            read(r#"{"status":"dreaming"}"#).fact.status,
            Some(status("dreaming"))
        );
    }

    /// The calendar's first millisecond ended the thread that looked a minute before it.
    #[test]
    fn a_number_that_is_no_time_is_none() {
        for number in ["-8334601228800000", "8210266876799999", "5", "1e300", "-0"] {
            let text = format!(r#"{{"statusUpdatedAt":{number},"startedAt":{number}}}"#);
            let fact = read(&text).fact;
            assert_eq!((fact.status_at, fact.started_at), (None, None), "{number}");
        }
    }

    #[test]
    fn every_version_words_its_waits_differently() {
        for (words, want) in [
            ("permission prompt", Reason::Permission),
            ("approve Bash", Reason::Permission),
            ("approve AskUserQuestion", Reason::Question),
            ("approve ExitPlanMode", Reason::Plan),
            ("input needed", Reason::Question),
            ("dialog open", Reason::Dialog),
            (
                "sandbox request",
                Reason::Other(CleanText::line("sandbox request")),
            ),
        ] {
            assert_eq!(waiting_reason(words), want, "{words}");
        }
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(
            read(r#"{"kind":"bg","entrypoint":"cli"}"#).kind,
            Kind::Background
        );
        assert_eq!(
            read(r#"{"kind":"interactive","entrypoint":"sdk-cli"}"#).kind,
            Kind::Headless
        );
        assert_eq!(read(r#"{"pid":1,"sessionId":"a"}"#).kind, Kind::Interactive);
        let kind = |entrypoint: &str| {
            read(&format!(
                r#"{{"kind":"interactive","entrypoint":"{entrypoint}"}}"#
            ))
            .kind
        };
        for entrypoint in [
            "claude-vscode",
            "claude-desktop",
            "claude-jetbrains",
            "cursor",
        ] {
            assert_eq!(kind(entrypoint), Kind::Panel, "{entrypoint}");
        }
        let scripts = ["sdk-ts", "sdk-py", "mcp", "remote_mobile", "local-agent"];
        for entrypoint in scripts
            .iter()
            .chain(&["claude-code-github-action", "claude-in-slack"])
        {
            assert_eq!(kind(entrypoint), Kind::Headless, "{entrypoint}");
        }
        assert!(read(r#"{"kind":"bg","spare":true}"#).spare);
    }

    #[test]
    fn a_torn_or_empty_file_is_an_error_to_read_again() {
        for torn in ["", "{", r#"{"pid":1}garbage"#, "[]", "null"] {
            assert!(
                parse(torn.as_bytes(), "", DateTime::UNIX_EPOCH).is_err(),
                "{torn}"
            );
        }
    }

    #[test]
    fn a_key_file_names_its_process() {
        let hash = "cd505e61e9f996155410d2a6f3eb4179381a08790b7c0e43d3942d344065958b";
        assert_eq!(pid_of_key(&format!("28018.{hash}.key")), Some(Pid(28018)));
        for other in [
            "28018.json",
            "28018.key",
            "28018.ab12.key",
            ".key",
            "x.y.key",
        ] {
            assert_eq!(pid_of_key(other), None, "{other}");
        }
        assert_eq!(pid_of_key(&format!("+1.{hash}.key")), None);
    }

    #[test]
    fn only_plain_numbers_name_a_status_file() {
        assert_eq!(pid_of_name("24758.json"), Some(Pid(24758)));
        for other in [
            "24758.ab12.key",
            "pid-3.json",
            ".json",
            "1.json.tmp",
            "+1.json",
            "99999999999.json",
        ] {
            assert_eq!(pid_of_name(other), None, "{other}");
        }
    }
}
