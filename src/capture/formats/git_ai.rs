//! Records as notes of git-ai: which session wrote which lines. They hold no prompt. Pure.
//! **Source:** Git AI Standard 3.0.0 (`authorship/3.0.0`), §1.2.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Entry;
use crate::capture::record::uuid;
use crate::core::text::CleanText;

#[derive(Serialize)]
struct Metadata<'a> {
    schema_version: &'static str,
    base_commit_sha: &'a str,
    prompts: BTreeMap<String, String>,
    sessions: BTreeMap<String, Session<'a>>,
}

#[derive(Serialize)]
struct Session<'a> {
    agent_id: Agent<'a>,
    human_author: String,
}

#[derive(Serialize)]
struct Agent<'a> {
    tool: &'a str,
    id: &'a str,
    model: CleanText,
}

/// The note of a commit. Lines of nobody known are not in it, as the standard has it.
#[must_use]
pub fn git_ai(entry: &Entry) -> String {
    let record = &entry.record;
    let mut out = String::new();
    let mut sessions = BTreeMap::new();
    for file in &record.files {
        // A path that would break its line cannot be said there.
        if file.path.contains(|c: char| c.is_control() || c == '"') {
            continue;
        }
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for span in &file.ranges {
            let Some(prompt) = span.prompt.and_then(|at| record.prompts.get(at)) else {
                continue;
            };
            let Some(talk) = record.conversations.get(prompt.conversation) else {
                continue;
            };
            let named = format!("{}:{}", talk.agent, talk.session_id);
            let session = format!("s_{}", &sha256(named.as_bytes())[..14]);
            let trace = uuid(&[talk.session_id.as_str(), &prompt.turn]).replace('-', "");
            let lines = match (span.start, span.end) {
                (start, end) if start == end => start.to_string(),
                (start, end) => format!("{start}-{end}"),
            };
            let key = format!("{session}::t_{}", &trace[..14]);
            keys.entry(key).or_default().push(lines);
            sessions.entry(session).or_insert_with(|| Session {
                agent_id: Agent {
                    tool: &talk.agent,
                    id: talk.session_id.as_str(),
                    model: talk
                        .model
                        .clone()
                        .unwrap_or_else(|| CleanText::line("unknown")),
                },
                human_author: format!("{} <{}>", entry.author.name, entry.author.email),
            });
        }
        if keys.is_empty() {
            continue;
        }
        if file.path.contains(char::is_whitespace) {
            out.push_str(&format!("\"{}\"\n", file.path));
        } else {
            out.push_str(&format!("{}\n", file.path));
        }
        for (key, lines) in keys {
            out.push_str(&format!("  {key} {}\n", lines.join(",")));
        }
    }
    let metadata = Metadata {
        schema_version: "authorship/3.0.0",
        base_commit_sha: &record.commit,
        prompts: BTreeMap::new(),
        sessions,
    };
    // Of strings alone: this cannot fail.
    let metadata = serde_json::to_string_pretty(&metadata).unwrap_or_default();
    format!("{out}---\n{metadata}\n")
}

/// The SHA-256 of `bytes`, in digits of base 16. **Source:** FIPS 180-4.
fn sha256(bytes: &[u8]) -> String {
    let mut state: [u32; 8] = first_bits(2);
    let rounds: [u32; 64] = first_bits(3);
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((bytes.len() as u64 * 8).to_be_bytes());
    for block in padded.as_chunks::<64>().0 {
        let mut words = [0_u32; 64];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..64 {
            let (a, b) = (words[at - 15], words[at - 2]);
            let a = a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3;
            let b = b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10;
            let sum = words[at - 16].wrapping_add(a).wrapping_add(words[at - 7]);
            words[at] = sum.wrapping_add(b);
        }
        let mut now = state;
        for (word, round) in words.iter().zip(rounds) {
            let [a, b, c, d, e, f, g, h] = now;
            let one = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = h.wrapping_add(one).wrapping_add(choice);
            let first = first.wrapping_add(round).wrapping_add(*word);
            let two = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let most = (a & b) ^ (a & c) ^ (b & c);
            let second = two.wrapping_add(most);
            now = [
                first.wrapping_add(second),
                a,
                b,
                c,
                d.wrapping_add(first),
                e,
                f,
                g,
            ];
        }
        for (sum, part) in state.iter_mut().zip(now) {
            *sum = sum.wrapping_add(part);
        }
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

/// The first 32 bits behind the point of the square (2) or cube (3) roots of the first primes.
fn first_bits<const N: usize>(root: u32) -> [u32; N] {
    let prime = |n: &u128| (2..*n).all(|by| !n.is_multiple_of(by));
    let mut primes = (2_u128..).filter(prime);
    std::array::from_fn(|_| {
        let wanted = primes.next().unwrap_or_default() << (32 * root);
        // The largest number whose power is not more: a root of `prime`, 32 bits further left.
        let bits = (0..40).rev().fold(0_u128, |found, bit| {
            let more = found | 1 << bit;
            if more.pow(root) <= wanted {
                more
            } else {
                found
            }
        });
        u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_that_of_others() {
        let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for (text, want) in [
            (
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                long,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(sha256(text.as_bytes()), want);
        }
    }
}
