//! Tokens of well-known services, which their prefix tells. Pure.

use memchr::memmem;

use super::prefixes::Of::{Upper, Wide, Word};
use super::prefixes::PREFIXES;
use super::{Hit, value};

/// How much of a token is enough where the text was cut within it.
const CUT: usize = 6;

/// Finds tokens in `text`.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut inside = false;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let len = if inside { None } else { token(text, at) };
        inside = len.is_some() || byte.is_ascii_alphanumeric() || byte == b'_';
        if let Some(len) = len {
            hits.push(Hit {
                range: at..at + len,
                rule: "token",
            });
        }
        at += len.unwrap_or(1);
    }
}

/// Prefixes by their places in the table, as bits.
type Set = [u128; 2];

/// For each byte, the prefixes that have it as their first one, and as their second one.
static BY_BYTE: [[Set; 256]; 2] = by_byte();

const fn by_byte() -> [[Set; 256]; 2] {
    let mut table = [[[0; 2]; 256]; 2];
    let mut at = 0;
    while at < PREFIXES.len() {
        let prefix = PREFIXES[at].0.as_bytes();
        table[0][prefix[0] as usize][at / 128] |= 1 << (at % 128);
        table[1][prefix[1] as usize][at / 128] |= 1 << (at % 128);
        at += 1;
    }
    table
}

/// How long the token is that starts at `at`, if one does.
fn token(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    if rest[0].is_ascii_digit() && !rest.starts_with(b"1//0") {
        return telegram(rest);
    }
    if let Some(number) = rest.strip_prefix(b"bot") {
        return telegram(number).map(|len| 3 + len);
    }
    if rest.starts_with(b"eyJ") {
        return jwt(rest);
    }
    let special = match rest[0] {
        b'M' | b'N' | b'O' => discord(rest),
        b'p' => airtable(rest),
        b'A' | b'S' => twilio(rest),
        b'L' => coded_key(rest),
        _ => None,
    };
    special
        .or_else(|| prefixed(text, at))
        .or_else(|| vendor(rest))
}

/// Small letters, `_` and far more random ones than the ids of anything have: how most services write
/// their tokens nowadays.
fn vendor(rest: &[u8]) -> Option<usize> {
    let small = |b: &&u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let prefix = rest.iter().take(11).take_while(small).count();
    if !(2..=10).contains(&prefix) || rest.get(prefix) != Some(&b'_') {
        return None;
    }
    let body = &rest[prefix + 1..];
    let body = &body[..body
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count()];
    let count = |of: fn(&u8) -> bool| body.iter().filter(|b| of(b)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let digits = count(u8::is_ascii_digit);
    let both = body.len() >= 32 && upper >= 4 && lower >= 4 && digits >= 3;
    let one = body.len() >= 40 && upper == 0 && digits >= 5;
    let random = both || one && !body.iter().all(u8::is_ascii_hexdigit);
    let ends = !matches!(rest.get(prefix + 1 + body.len()), Some(b'_' | b'-'));
    (random && ends).then_some(prefix + 1 + body.len())
}

/// How long the token is that starts at `at`, by its prefix.
fn prefixed(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    let [first, second] = &BY_BYTE;
    let (first, second) = (
        first[usize::from(rest[0])],
        second[usize::from(*rest.get(1)?)],
    );
    let mut wanted = [first[0] & second[0], first[1] & second[1]];
    while let Some(half) = wanted.iter().position(|half| *half != 0) {
        let (prefix, of, least) = PREFIXES[half * 128 + wanted[half].trailing_zeros() as usize];
        wanted[half] &= wanted[half] - 1;
        if !rest.starts_with(prefix.as_bytes()) {
            continue;
        }
        let body = of.run(&rest[prefix.len()..]);
        let len = prefix.len() + body;
        let cut = matches!(text.get(at + len..), Some("" | "…"));
        if body < if cut { CUT.min(least) } else { least } {
            continue;
        }
        let Some(body) = text.get(at + prefix.len()..at + len) else {
            continue;
        };
        let exact = matches!(of, Upper) && body.len() != least && body.len() < 40;
        let body = if cut {
            body
        } else {
            body.trim_end_matches(['.', '=', '-'])
        };
        let digits = body.bytes().any(|b| b.is_ascii_digit());
        let id = matches!(of, Upper) && body.len() == least;
        if (digits || id || both(body)) && !value::stands_in(body) && (!exact || cut) {
            return Some(prefix.len() + body.len());
        }
    }
    None
}

/// Whether it changes its case as random letters do.
fn both(body: &str) -> bool {
    value::both_cases(body) && !value::name(body) && body.len() >= 16
}

/// Three parts of base64, the first of which is an object.
fn jwt(rest: &[u8]) -> Option<usize> {
    let mut len = 0;
    for least in [10, 10, 16] {
        let run = Word.run(&rest[len..]);
        if run < least {
            return None;
        }
        len += run;
        if least < 16 {
            if rest.get(len) != Some(&b'.') {
                return None;
            }
            len += 1;
        }
    }
    Some(len)
}

/// A bot's number in base64, a time and a code. **Source:** Discord's reference, bot tokens.
fn discord(rest: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (least, most) in [(23, 28), (6, 7), (27, 40)] {
        let run = Word.run(&rest[len..]);
        if run < least || run > most || (most < 40 && rest.get(len + run) != Some(&b'.')) {
            return None;
        }
        len += run + usize::from(most < 40);
    }
    let digits = rest[..len].iter().filter(|b| b.is_ascii_digit()).count();
    (digits >= 3).then_some(len)
}

/// A bot's number and `AA`. **Source:** Telegram Bot API, authorizing your bot.
fn telegram(rest: &[u8]) -> Option<usize> {
    let number = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let tail = rest.get(number..)?.strip_prefix(b":AA")?;
    let body = Word.run(tail);
    ((8..=10).contains(&number) && (30..=40).contains(&body)).then_some(number + 3 + body)
}

/// `pat`, 14 characters, a dot and 64 digits. **Source:** Airtable, personal access tokens.
fn airtable(rest: &[u8]) -> Option<usize> {
    let tail = rest.strip_prefix(b"pat")?;
    let id = tail
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let code = tail.get(id..)?.strip_prefix(b".")?;
    let code = code.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (id == 14 && code == 64).then_some(3 + id + 1 + code)
}

/// An account or the id of a key, and what proves that one owns it. **Source:** Twilio, API keys:
/// `AC` or `SK` and 32 digits; the other one is 32 characters.
fn twilio(rest: &[u8]) -> Option<usize> {
    let tail = rest
        .strip_prefix(b"AC")
        .or_else(|| rest.strip_prefix(b"SK"))?;
    let id = tail.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let behind = tail.get(id..)?;
    let signs = behind.iter().take_while(|b| b":,'\" ".contains(b)).count();
    let code = behind[signs..]
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let whole = id == 32 && (1..=4).contains(&signs) && code == 32;
    whole.then_some(2 + id + signs + code)
}

/// A private key as PEM, once more in base64, as Kubernetes has it.
fn coded_key(rest: &[u8]) -> Option<usize> {
    if !rest.starts_with(b"LS0tLS1CRUdJTi") {
        return None;
    }
    let len = Wide.run(rest);
    let head = &rest[..len.min(80)];
    // `PRIVATE KEY` at each of the three places within four letters.
    let names = ["UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"];
    let named = names
        .iter()
        .any(|name| memmem::find(head, name.as_bytes()).is_some());
    (named && len >= 60).then_some(len)
}
