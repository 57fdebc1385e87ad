//! Versions, as agents write them. Pure.

/// Splits `2.1.328` into its numbers, so that versions compare.
#[must_use]
pub fn parse_version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(str::parse::<u32>);
    let mut next = || parts.next()?.ok();
    let version = [next()?, next()?, next()?];
    next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("2.1.328"), Some([2, 1, 328]));
        assert!(parse_version("2.1.75") < parse_version("2.1.119"));
        for bad in ["", "2.1", "2.1.x", "2.1.3.4", "claude"] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }
}
