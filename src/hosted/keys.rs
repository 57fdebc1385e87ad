//! Finds the key that detaches in what is typed, however the terminal sends it. Pure.

/// A key with Ctrl, by the character on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DetachKey(char);

/// What is typed, until the key that detaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Typed {
    /// For the program.
    pub keys: Vec<u8>,
    /// The key was pressed; what was typed after it is dropped.
    pub detach: bool,
}

impl DetachKey {
    /// `ctrl-]` or `^]`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let key = ["ctrl-", "ctrl+", "c-", "^"]
            .into_iter()
            .find_map(|form| lower.strip_prefix(form));
        let mut key = key.unwrap_or_default().chars();
        match (key.next(), key.next()) {
            (Some(key @ ('a'..='z' | '\\' | ']' | '^' | '_' | '@')), None) => Ok(Self(key)),
            _ => Err(format!("{text:?} is no key with Ctrl, such as ctrl-]")),
        }
    }

    fn byte(self) -> u8 {
        (self.0.to_ascii_uppercase() as u8) & 0x1f
    }

    /// Takes one read. An escape sequence that is cut by the end of the read is passed on as it
    /// is: terminals write the sequence of a key at once.
    #[must_use]
    pub fn find(self, bytes: &[u8]) -> Typed {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let length = match rest[0] {
                byte if byte == self.byte() => Some(1),
                0x1b => self.sequence(rest),
                _ => None,
            };
            if length.is_some() {
                return Typed {
                    keys: bytes[..at].to_vec(),
                    detach: true,
                };
            }
            at += 1;
        }
        Typed {
            keys: bytes.to_vec(),
            detach: false,
        }
    }

    /// `CSI 93;5u`, `CSI 93:…;5:1u` and `CSI 27;5;93~`: pressed or held, not released.
    fn sequence(self, bytes: &[u8]) -> Option<usize> {
        let body = bytes.strip_prefix(b"\x1b[")?;
        let end = body.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
        let text = std::str::from_utf8(&body[..end]).ok()?;
        let mut parts = text.split(';');
        let (code, modifiers) = match body[end] {
            b'u' => (parts.next()?, parts.next()?),
            b'~' if parts.next()? == "27" => {
                let modifiers = parts.next()?;
                (parts.next()?, modifiers)
            }
            _ => return None,
        };
        let code: u32 = code.split(':').next()?.parse().ok()?;
        let mut modifiers = modifiers.split(':');
        let mask: u32 = modifiers.next()?.parse::<u32>().ok()?.checked_sub(1)?;
        // Locks do not count.
        let ctrl = mask & !(64 | 128) == 4;
        let released = modifiers.next() == Some("3");
        (code == u32::from(self.0) && ctrl && !released).then_some(end + 3)
    }
}

impl Default for DetachKey {
    fn default() -> Self {
        Self(']')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_in_all_its_forms() {
        let key = DetachKey::default();
        for typed in [
            "\x1d",
            "\x1b[93;5u",
            "\x1b[93;5:1u",
            "\x1b[93:125;5u",
            "\x1b[93;69u",
            "\x1b[27;5;93~",
        ] {
            let found = key.find(format!("ab{typed}cd").as_bytes());
            assert_eq!(
                (found.keys.as_slice(), found.detach),
                (&b"ab"[..], true),
                "{typed:?}"
            );
        }
        for typed in [
            "]",
            "\x1b[93;5:3u",
            "\x1b[93u",
            "\x1b[93;6u",
            "\x1b[27;5;92~",
            "\x1b[27;93~",
            "\x1b[",
            "\x1b[93;5",
            "\x04",
            "\u{1f600}",
        ] {
            let found = key.find(typed.as_bytes());
            assert_eq!(
                (found.keys.as_slice(), found.detach),
                (typed.as_bytes(), false),
                "{typed:?}"
            );
        }
    }

    #[test]
    fn the_key_is_named_as_people_do() {
        for name in ["ctrl-]", "Ctrl+]", "^]", "C-]"] {
            assert_eq!(DetachKey::parse(name), Ok(DetachKey::default()), "{name}");
        }
        assert_eq!(DetachKey::parse("ctrl-\\").unwrap().byte(), 0x1c);
        for name in ["", "]", "ctrl-", "ctrl-ab", "ctrl-1"] {
            assert!(DetachKey::parse(name).is_err(), "{name}");
        }
    }
}
