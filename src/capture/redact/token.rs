//! Tokens of well-known services, which their prefix tells. Pure.

use super::Hit;
use super::value;

/// What a token is made of behind its prefix.
#[derive(Clone, Copy)]
enum Of {
    /// Letters and digits.
    Alnum,
    /// Digits of base 16.
    Hex,
    /// Capitals and digits.
    Upper,
    /// Those of base64 in URLs.
    Word,
    /// Those, and dots.
    Dotted,
    /// Those of base64, and dots.
    Wide,
}
use Of::{Alnum, Dotted, Hex, Upper, Wide, Word};

/// Prefixes, what follows, and how much of it at least.
/// **Source:** the services' own documentation of their tokens' formats, as of 2026.
const PREFIXES: [(&str, Of, usize); 107] = [
    // AWS: ids of access keys, and keys of Bedrock.
    ("AKIA", Upper, 16),
    ("ASIA", Upper, 16),
    ("ABSK", Wide, 80),
    // GitHub.
    ("ghp_", Alnum, 30),
    ("gho_", Alnum, 30),
    ("ghu_", Alnum, 30),
    ("ghs_", Word, 30),
    ("ghr_", Alnum, 30),
    ("github_pat_", Word, 36),
    // GitLab.
    ("glpat-", Dotted, 18),
    ("gldt-", Word, 18),
    ("glrt-", Dotted, 18),
    ("glcbt-", Word, 18),
    ("glptt-", Word, 18),
    ("glsoat-", Word, 18),
    ("glagent-", Word, 40),
    ("GR1348941", Word, 20),
    ("gloas-", Word, 40),
    ("glffct-", Word, 18),
    // Slack.
    ("xoxb-", Word, 18),
    ("xoxp-", Word, 18),
    ("xoxa-", Word, 18),
    ("xoxr-", Word, 18),
    ("xoxs-", Word, 18),
    ("xoxc-", Word, 18),
    ("xoxd-", Word, 18),
    ("xoxe-", Word, 18),
    ("xoxe.xox", Dotted, 18),
    ("xapp-", Word, 18),
    ("hooks.slack.com/services/", Wide, 30),
    ("discord.com/api/webhooks/", Wide, 50),
    ("discordapp.com/api/webhooks/", Wide, 50),
    // Stripe.
    ("sk_live_", Alnum, 16),
    ("sk_test_", Alnum, 16),
    ("rk_live_", Alnum, 16),
    ("rk_test_", Alnum, 16),
    ("whsec_", Wide, 24),
    // Models.
    ("sk-ant-", Word, 20),
    ("sk-proj-", Word, 20),
    ("sk-svcacct-", Word, 20),
    ("sk-admin-", Word, 20),
    ("sk-or-v1-", Hex, 40),
    ("sk-", Alnum, 32),
    ("gsk_", Alnum, 30),
    ("r8_", Alnum, 30),
    ("pplx-", Alnum, 30),
    ("xai-", Alnum, 40),
    ("tvly-", Word, 20),
    ("hf_", Alnum, 30),
    ("lsv2_pt_", Word, 30),
    ("lsv2_sk_", Word, 30),
    ("AIza", Word, 35),
    ("ya29.", Word, 20),
    ("GOCSPX-", Word, 24),
    // Registries of packages and images.
    ("npm_", Alnum, 36),
    ("pypi-AgE", Word, 40),
    ("dckr_pat_", Word, 20),
    ("rubygems_", Hex, 40),
    ("cio", Alnum, 32),
    // Hosts and data bases.
    ("dop_v1_", Hex, 40),
    ("doo_v1_", Hex, 40),
    ("dor_v1_", Hex, 40),
    ("HRKU-", Word, 30),
    ("nfp_", Alnum, 30),
    ("sb_secret_", Word, 20),
    ("sbp_", Hex, 40),
    ("pscale_tkn_", Dotted, 30),
    ("pscale_pw_", Dotted, 30),
    ("dapi", Hex, 32),
    ("hvs.", Word, 24),
    ("hvb.", Word, 24),
    ("pul-", Hex, 40),
    ("dp.pt.", Alnum, 40),
    ("dp.st.", Dotted, 40),
    ("fo1_", Word, 40),
    // Others.
    ("SG.", Dotted, 60),
    ("xkeysib-", Word, 60),
    ("shpat_", Hex, 32),
    ("shpss_", Hex, 32),
    ("lin_api_", Alnum, 30),
    ("ntn_", Alnum, 40),
    ("figd_", Word, 30),
    ("glsa_", Word, 36),
    ("ATATT3", Wide, 60),
    ("PMAK-", Word, 50),
    ("sntrys_", Wide, 40),
    ("AGE-SECRET-KEY-1", Upper, 50),
    ("glc_eyJ", Wide, 40),
    ("NRAK-", Upper, 27),
    ("CCIPAT_", Word, 40),
    ("bkua_", Hex, 40),
    ("squ_", Hex, 40),
    ("sqp_", Hex, 40),
    ("sqa_", Hex, 40),
    ("sq0atp-", Word, 20),
    ("sq0csp-", Word, 40),
    ("EAAA", Word, 60),
    ("pcsk_", Word, 50),
    ("re_", Word, 32),
    ("api_org_", Alnum, 30),
    ("shpca_", Hex, 32),
    ("shppa_", Hex, 32),
    ("fm2_", Wide, 80),
    ("fm1r_", Wide, 80),
    ("atlasv1.", Word, 60),
    ("sk.eyJ", Dotted, 60),
    ("sl.", Dotted, 100),
];
/// How much of a token is enough where the text was cut within it.
const CUT: usize = 6;

impl Of {
    fn has(self, byte: u8) -> bool {
        match self {
            Alnum => byte.is_ascii_alphanumeric(),
            Hex => byte.is_ascii_hexdigit(),
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Word => byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
            Dotted => Word.has(byte) || byte == b'.',
            Wide => Dotted.has(byte) || matches!(byte, b'+' | b'/' | b'='),
        }
    }

    /// How much of `bytes` is made of it.
    fn run(self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.has(**byte)).count()
    }
}

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

/// For each byte, the prefixes that have it as their first one, and as their second one, by bits.
static BY_BYTE: [[u128; 256]; 2] = by_byte();

const fn by_byte() -> [[u128; 256]; 2] {
    let mut table = [[0; 256]; 2];
    let mut at = 0;
    while at < PREFIXES.len() {
        let prefix = PREFIXES[at].0.as_bytes();
        table[0][prefix[0] as usize] |= 1 << at;
        table[1][prefix[1] as usize] |= 1 << at;
        at += 1;
    }
    table
}

/// How long the token is that starts at `at`, if one does.
fn token(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    if rest[0].is_ascii_digit() {
        return telegram(rest);
    }
    if let Some(number) = rest.strip_prefix(b"bot") {
        return telegram(number).map(|len| 3 + len);
    }
    if rest.starts_with(b"eyJ") {
        return jwt(rest);
    }
    if matches!(rest[0], b'M' | b'N' | b'O')
        && let Some(len) = discord(rest)
    {
        return Some(len);
    }
    let [first, second] = &BY_BYTE;
    let mut wanted = first[usize::from(rest[0])] & second[usize::from(*rest.get(1)?)];
    while wanted != 0 {
        let (prefix, of, least) = PREFIXES[wanted.trailing_zeros() as usize];
        wanted &= wanted - 1;
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
        if (digits || both(body)) && !value::stands_in(body) && (!exact || cut) {
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
