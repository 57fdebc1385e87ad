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

#[cfg(test)]
mod tests {
    use super::bytes;

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
        }
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
