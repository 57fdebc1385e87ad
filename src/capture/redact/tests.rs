//! No sample here is written out as a whole: scanners of other people would take it for a secret.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// `len` characters of `alphabet`, the same ones for the same `seed`.
fn made(seed: u32, len: usize, alphabet: &str) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        letters[state as usize % letters.len()]
    };
    (0..len).map(|_| next()).collect()
}

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";

/// `template` with `{a36}` made 36 letters and digits: `h` of base 16, `u` capitals, `d` digits, `w`
/// of base64 in URLs, `b` of base64; `{p}` is a password.
fn filled(template: &str, seed: u32) -> String {
    let mut out = String::new();
    for (at, piece) in (1..).zip(template.split('{')) {
        let Some((what, rest)) = piece.split_once('}').filter(|_| at > 1) else {
            out += if at > 1 { "{" } else { "" };
            out += piece;
            continue;
        };
        let seed = seed * 100 + at;
        let word = || made(seed, 6, "abcdefghijklm") + "-" + &made(seed + 50, 7, ALNUM) + "7x";
        match (what.chars().next(), what.get(1..).map(str::parse)) {
            (Some('p'), Some(Err(_))) => out += &word(),
            (Some('a'), Some(Ok(len))) => out += &made(seed, len, ALNUM),
            (Some('h'), Some(Ok(len))) => out += &made(seed, len, HEX),
            (Some('u'), Some(Ok(len))) => {
                out += &made(seed, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
            }
            (Some('d'), Some(Ok(len))) => out += &made(seed, len, "123456789"),
            (Some('w'), Some(Ok(len))) => out += &made(seed, len, &format!("{ALNUM}-_")),
            (Some('b'), Some(Ok(len))) => out += &made(seed, len, &format!("{ALNUM}+/")),
            _ => out += &format!("{{{what}}}"),
        }
        out += rest;
    }
    out
}

fn redactor(values: &[&str], own: &[&str]) -> Redactor {
    let owned = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    Redactor::new(owned(values), &owned(own), Path::new("/home/someone")).unwrap()
}

fn marked(text: &str) -> String {
    let marked = redactor(&[], &[]).marked(text);
    marked.unwrap_or_else(|| text.to_owned())
}

/// Tokens after the documentation of who gives them out.
const TOKENS: [&str; 36] = [
    "AKIA{u16}",
    "ASIA{u16}",
    "ghp_{a36}",
    "gho_{a36}",
    "ghs_{a36}",
    "github_pat_{a22}_{a59}",
    "glpat-{w20}",
    "glpat-{w27}.01.{a9}",
    "xoxb-{d12}-{a24}",
    "xapp-1-A{u10}-{h64}",
    "https://hooks.slack.com/services/T{u8}/B{u8}/{a24}",
    "sk_live_{a24}",
    "rk_live_{a24}",
    "whsec_{a32}",
    "sk-ant-api03-{w93}AA",
    "sk-proj-{w58}T3BlbkFJ{w58}",
    "sk-{a20}T3BlbkFJ{a20}",
    "sk-or-v1-{h64}",
    "gsk_{a52}",
    "hf_{a34}",
    "AIza{w35}",
    "GOCSPX-{w28}",
    "npm_{a36}",
    "pypi-AgEIcHlwaS5vcmc{w150}",
    "dckr_pat_{w27}",
    "dop_v1_{h64}",
    "sb_secret_{w22}_{a8}",
    "SG.{w22}.{w43}",
    "shpat_{h32}",
    "lin_api_{a40}",
    "glsa_{a32}_{h8}",
    "hvs.{w90}",
    "dapi{h32}",
    "{d10}:AA{w33}",
    "eyJ{w33}.eyJ{w80}.{w43}",
    "AGE-SECRET-KEY-1{u58}",
];

#[test]
fn tokens_are_marked_wherever_they_stand() {
    let mut missed = Vec::new();
    for (seed, template) in (1..6).flat_map(|seed| TOKENS.map(|template| (seed, template))) {
        let token = filled(template, seed);
        for (before, behind) in [
            ("", ""),
            ("use ", " for it"),
            ("\"", "\","),
            ("TOKEN=", "\n"),
            ("(", ")"),
            ("a\n", "."),
            ("Authorization: Bearer ", "'"),
        ] {
            let text = format!("{before}{token}{behind}");
            let out = marked(&text);
            // The end of an address may go with it.
            if out.contains(&token[token.len() - 8..]) || !out.starts_with(before) {
                missed.push(format!("{text} -> {out}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}: {missed:#?}", missed.len());
}

/// Texts with their secret between `«` and `»`, and the rule that finds it.
const PLACES: [(&str, &str); 41] = [
    ("url", "postgres://«shop:{p}»@db:5432/shop"),
    ("url", "mongodb+srv://«shop:{p}»@c0.abcde.mongodb.net/?w=1"),
    ("url", "redis://«:{p}»@cache:6379/0"),
    ("url", "git clone https://«oauth2:{p}»@gitlab.com/a/b.git"),
    ("url", "https://«{h40}»@github.com/a/b"),
    ("url", "amqp://«shop:p/{p}#1»@queue/"),
    ("curl", "curl -s -u shop:«{p}» https://api.shop/"),
    ("curl", "curl https://api.shop/ \\\n  --user 'shop:«{p}»'"),
    ("curl", "curl -ushop:«{p}» https://api.shop/"),
    ("curl", "curl -sSu shop:«{p}» https://api.shop/"),
    ("curl", "curl -u shop:'«{p}»' https://api.shop/"),
    ("url", "http://«shop:a#{p}»@proxy.shop:8080/"),
    ("assignment", "'password' => '«pa55-for-db»',"),
    ("assignment", "ENV API_SECRET «{a32}»"),
    ("assignment", "<password>«{p}»</password>"),
    ("header", "curl -H 'Authorization: Bearer «{a40}»' x"),
    ("header", "Authorization: Basic «{a28}»\n"),
    ("header", "\"authorization\": \"token «{h40}»\""),
    ("assignment", "x-api-key: «{a32}»\n"),
    ("assignment", "PRIVATE-TOKEN: «{a20}»\n"),
    ("header", "Cookie: «sid={h32}; theme=dark»\n"),
    ("header", "the header is Bearer «{a40}» I think"),
    ("assignment", "DB_PASSWORD=«correct-horse-battery»\n"),
    (
        "assignment",
        "export DB_PASSWORD=\"«correct horse battery»\"",
    ),
    ("assignment", "password: «{p}»\n"),
    ("assignment", "  password: \"«{p}»\""),
    ("assignment", "grant=x&client_secret=«{a32}»&scope=a"),
    ("assignment", "{\"clientSecret\": \"«{a32}»\"}"),
    ("assignment", "{\\\"api_key\\\": \\\"«{h32}»\\\"}"),
    ("assignment", "const API_KEY: &str = \"«{a32}»\";"),
    ("assignment", "'secret' => '«{a24}»',"),
    ("assignment", "os.environ[\"SHOP_TOKEN\"] = \"«{a24}»\""),
    ("assignment", "aws_secret_access_key = «{b40}»\n"),
    ("assignment", "AccountName=shop;AccountKey=«{b86}==»;E=x"),
    ("assignment", "shopctl --password «{p}» login"),
    ("assignment", "shopctl --api-token=«{a32}»"),
    ("assignment", "STRIPE_KEY=«{a32}»\n"),
    (
        "pem",
        "«-----BEGIN RSA PRIVATE KEY-----\n{b64}\n{b64}\n-----END RSA PRIVATE KEY-----»\nx",
    ),
    (
        "pem",
        "«-----BEGIN OPENSSH PRIVATE KEY-----\n{b64}\n{b64}»\nand so on",
    ),
    (
        "pem",
        "\"key\": \"«-----BEGIN PRIVATE KEY-----\\n{b64}\\n-----END PRIVATE KEY-----»\\n\"",
    ),
    ("pem", "it is\n«-----BEGIN PRIVATE KEY-----»"),
];

#[test]
fn secrets_are_marked_by_the_place_they_stand_at() {
    let mut missed = Vec::new();
    for (seed, (rule, template)) in (1..9).flat_map(|seed| PLACES.map(|place| (seed, place))) {
        let text = filled(template, seed);
        let (before, rest) = text.split_once('«').unwrap();
        let (secret, behind) = rest.split_once('»').unwrap();
        let out = marked(&format!("{before}{secret}{behind}"));
        if out != format!("{before}[redacted:{rule}]{behind}") {
            missed.push(format!("{text} -> {out}"));
        }
    }
    assert!(missed.is_empty(), "{}: {missed:#?}", missed.len());
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let hash = made(1, 40, HEX);
    for text in [
        &format!("commit {hash}"),
        &format!("sha256:{}", made(2, 64, HEX)),
        &format!("toolu_01{}", made(3, 22, ALNUM)),
        &format!("\"checksum\": \"{}\"", made(4, 64, HEX)),
        "session 550e8400-e29b-41d4-a716-446655440000",
        "https://example.com/a@b/c?x=1#y",
        "ssh://git@github.com/a/b",
        "git@github.com:a/b.git",
        "http://localhost:3000/@scope/package",
        "postgres://user:password@localhost/shop",
        "postgres://$USER:$PASSWORD@localhost/shop",
        "curl -u user:password https://example.com",
        "curl -u \"$USER:$TOKEN\" https://example.com",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <your token>",
        "Authorization: Bearer YOUR_TOKEN",
        "password: String,",
        "password = get_password(user)",
        "let token = parser.next_token2();",
        "let secret: X25519StaticSecret = x;",
        "token: CancellationToken,",
        "password=self.password1",
        "apiKey: process.env.SHOP_API_KEY2,",
        "api_key = os.environ['SHOP_API_KEY2']",
        "API_KEY=${SHOP_API_KEY:-none}",
        "API_KEY=your-api-key-12345",
        "max_tokens: 4096, token_count=12345678",
        "\"password\": \"Must be at least 8 characters\"",
        "type=\"password\" placeholder=\"Enter your password2\"",
        "PWD=/home/other/shop2",
        "GOOGLE_APPLICATION_CREDENTIALS=/srv/shop/key-1.json",
        "TOKEN_URL=https://auth.example.com/oauth2/token",
        "if password == other_password1 {",
        "InvalidToken::to_compile_error2",
        "grep -n '-----BEGIN RSA PRIVATE KEY-----' -r .",
        "-----BEGIN CERTIFICATE-----\nMIIB0123456789abcdefghij\n-----END CERTIFICATE-----",
        "sk-loading-spinner-with-a-long-name-that-goes-on-2",
        "the ghp_ prefix, AKIAIOSFODNN7EXAMPLE, npm_config_registry_timeout_in_milliseconds_2",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "key: KEY_F12, pass: 12, secret: no",
    ] {
        assert_eq!(marked(text), *text);
    }
}

#[test]
fn values_of_the_environment_go_however_they_stand() {
    let mut redactor = redactor(&["blue moon & 7"], &[]);
    let mut marked = |text: &str| redactor.marked(text).unwrap_or_else(|| text.to_owned());
    assert_eq!(
        marked("is it blue moon & 7?"),
        "is it [redacted:environment]?"
    );
    assert_eq!(
        marked("?p=blue%20moon%20%26%207"),
        "?p=[redacted:environment]"
    );
    // base64 of "shop:blue moon & 7".
    let basic = marked("basic c2hvcDpibHVlIG1vb24gJiA3");
    assert_eq!(basic, "basic c2hvcDpi[redacted:environment]");
    // A text that was cut within it.
    assert_eq!(
        marked("so it is blue moon"),
        "so it is [redacted:environment]"
    );
    assert_eq!(marked("so it is blue…"), "so it is [redacted:environment]…");
    assert_eq!(marked("so it is blue"), "so it is blue");
}

#[test]
fn what_a_person_lists_goes_in_any_case() {
    let mut redactor = redactor(&[], &["Acme (Ltd.)", "/ticket-[0-9]+/"]);
    let out = redactor
        .marked("ACME (ltd.) wants TICKET-77, not ticket-x")
        .unwrap();
    assert_eq!(out, "[redacted:own] wants [redacted:own], not ticket-x");
    assert_eq!(
        redactor.take_counts(),
        BTreeMap::from([("own".to_owned(), 2)])
    );
    let error = Redactor::new(vec![], &["/(/".to_owned()], Path::new("/")).unwrap_err();
    assert!(error.contains("\"(\" is no regular expression"), "{error}");
}

#[test]
fn the_home_directory_has_no_name() {
    let text = "/home/someone/shop, /home/someone: /home/someoneelse /srv/home/someone ~/x";
    let want = "~/shop, ~: /home/someoneelse /srv/home/someone ~/x";
    let mut redactor = redactor(&[], &[]);
    assert_eq!(redactor.marked(text).unwrap(), want);
    assert!(redactor.take_counts().is_empty(), "it is no secret");
}

#[test]
fn prompts_can_be_kept_out_by_patterns() {
    let mut redactor = redactor(&[], &[]);
    assert_eq!(redactor.ignores("anything"), None);
    redactor
        .ignoring_file(
            "# ours\n\nid: people\n(salary|salaries)\n\\bsecurity/(runbooks|incident)\\b\n",
        )
        .unwrap();
    assert_eq!(
        redactor.ignores("the SALARIES of all"),
        Some(Some("people"))
    );
    assert_eq!(redactor.ignores("see security/incident now"), Some(None));
    assert_eq!(redactor.ignores("see insecurity/incidents"), None);
    assert!(redactor.ignoring_file("(").is_err());
    redactor.ignoring(&["salt & (pepper)".to_owned()]).unwrap();
    assert_eq!(redactor.ignores("SALT & (pepper), please"), Some(None));
}

#[test]
fn a_cut_token_is_marked_too() {
    let token = format!("sk-ant-api03-{}", made(9, 90, ALNUM));
    for len in 14..token.len() {
        let out = marked(&format!("it is {}…", &token[..len]));
        assert_eq!(out, "it is [redacted:token]…", "{len}");
    }
}

proptest! {
    #[test]
    fn redacting_twice_changes_nothing(
        text in "(password|token: |=|\"|'|://|@|:|-u |curl |Bearer |[redacted:|url]|blue|moon7x|ghp_|[a-zA-Z0-9]{1,40}|\n| |…|é|/home/someone|-----BEGIN RSA PRIVATE KEY-----|--secret |\\PC){0,40}",
    ) {
        let mut redactor = redactor(&["bluemoon7x"], &["oo", "/[a-c]{3}/"]);
        if let Some(once) = redactor.marked(&text) {
            prop_assert_eq!(redactor.marked(&once), None, "{}", once);
        }
    }

    #[test]
    fn a_known_value_never_survives(
        before in "\\PC{0,30}",
        value in "[a-zA-Z0-9/+ %&-]{8,40}",
        behind in "\\PC{0,30}",
    ) {
        let value = value.trim().to_owned();
        prop_assume!(value.len() >= 8);
        let mut redactor = redactor(&[&value], &[]);
        let text = format!("{before}{value}{behind}");
        let out = redactor.marked(&text).unwrap_or(text);
        prop_assert!(!out.contains(&value), "{}", out);
    }
}
