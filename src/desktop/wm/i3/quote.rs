//! A name as an argument of a command: i3 and sway take one apart in different ways. Pure.
//!
//! **Source:** i3 4.22 `parse_string`, sway 1.7 `split_args`, `strip_quotes` and
//! `do_var_replacement`; each checked by going to workspaces of such names.

/// As i3 takes it: between double quotes a backslash protects a quote or a backslash.
#[must_use]
pub fn for_i3(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// As sway takes it: like a shell, but that a backslash protects and stays. So each quote goes
/// between quotes of the other kind, and a last backslash outside, where it protects none. A
/// dollar sign begins a variable unless it is protected or doubled.
#[must_use]
pub fn for_sway(name: &str) -> String {
    let inner = name.trim_end_matches('\\');
    let odd = (name.len() - inner.len()) % 2;
    let mut quoted = String::new();
    let mut part = String::new();
    let mut quote = None;
    for c in doubled_dollars(&name[..name.len() - odd]) {
        let wanted = match c {
            '"' => Some('\''),
            '\'' => Some('"'),
            _ => None,
        };
        if let (Some(wanted), Some(open)) = (wanted, quote)
            && wanted != open
        {
            // What protects this quote comes along.
            let protection = part.split_off(part.trim_end_matches('\\').len());
            quoted.extend([open.to_string(), part, open.to_string()]);
            part = protection;
        }
        quote = wanted.or(quote);
        part.push(c);
    }
    let quote = quote.unwrap_or('"').to_string();
    quoted.extend([quote.clone(), part, quote, "\\".repeat(odd)]);
    quoted
}

fn doubled_dollars(name: &str) -> Vec<char> {
    let mut chars: Vec<char> = Vec::with_capacity(name.len());
    let mut backslashes = 0;
    for c in name.chars() {
        if c == '$' && backslashes != 1 {
            chars.push('$');
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        chars.push(c);
    }
    chars
}

/// Whether both would take it apart alike.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    !name.contains(['"', '\'', '\\', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_the_same_for_both() {
        for name in ["1: web", "  two  spaces ", "a; b, [c]", "日本", "next"] {
            assert!(is_plain(name));
            assert_eq!(for_i3(name), for_sway(name));
            assert_eq!(for_i3(name), format!("\"{name}\""));
        }
    }

    #[test]
    fn i3_protects_by_backslashes() {
        assert_eq!(for_i3(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    /// Each went there and nowhere else in sway 1.7.
    #[test]
    fn sway_keeps_its_backslashes() {
        for (name, quoted) in [
            (r#"a"b"#, r#"'a"b'"#),
            ("it's", r#""it's""#),
            (r"a\b", r#""a\b""#),
            (r"tail\", r#""tail"\"#),
            (r"two\\", r#""two\\""#),
            (r"\", r#"""\"#),
            (r#"\""#, r#"'\"'"#),
            (r#"both ' and ""#, r#""both ' and "'"'"#),
            (r#"x\'""#, r#""x\'"'"'"#),
            (r#"'\""#, r#""'"'\"'"#),
            ("$mod", r#""$$mod""#),
            (r"\$mod", r#""\$mod""#),
            (r"\\$mod", r#""\\$$mod""#),
            (r"x\$$mod", r#""x\$$$mod""#),
        ] {
            assert_eq!(for_sway(name), quoted, "{name}");
            assert!(!is_plain(name));
        }
    }
}
