//! How much a session may take, as a person writes it. Pure.

/// Least memory that a session can do anything with, in bytes.
const LEAST: u64 = 1 << 20;

/// Bytes: a number, with K, M, G or T behind it for powers of 1024, as systemd reads it.
///
/// # Errors
/// In words.
pub fn bytes(text: &str) -> Result<u64, String> {
    let end = text.trim_end_matches('B').trim_end_matches('i');
    let (number, shift) = match end.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&end[..at], 10),
        Some((at, 'M' | 'm')) => (&end[..at], 20),
        Some((at, 'G' | 'g')) => (&end[..at], 30),
        Some((at, 'T' | 't')) => (&end[..at], 40),
        _ => (end, 0),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a number is wanted, such as 4G or 512M".to_owned())?;
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes >= LEAST => Ok(bytes),
        Some(_) => Err("no session can live with less than 1M".to_owned()),
        None => Err("so much memory there is not".to_owned()),
    }
}

/// Bytes, as [`bytes`] reads them.
#[must_use]
pub fn shown(bytes: u64) -> String {
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')].into_iter();
    let mut whole = units.filter(|(shift, _)| bytes.trailing_zeros() >= *shift);
    match whole.next() {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, shown};

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, read) in [
            ("4G", 4 << 30),
            ("512M", 512 << 20),
            ("2048k", 2 << 20),
            ("1T", 1 << 40),
            ("4GiB", 4 << 30),
            ("4GB", 4 << 30),
            ("1048576", 1 << 20),
        ] {
            assert_eq!(bytes(text), Ok(read), "{text}");
            assert_eq!(bytes(&shown(read)), Ok(read), "{text}");
        }
        let all = [4 << 30, 100 << 20, 1536 << 20, (1 << 20) + 1];
        assert_eq!(all.map(shown), ["4G", "100M", "1536M", "1048577"]);
        for text in [
            "",
            "G",
            "4",
            "1000",
            "-1G",
            "4 G",
            "4X",
            "1.5G",
            "\u{0664}G",
            "99999999999T",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
