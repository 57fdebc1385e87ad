//! Finds many short words in one pass. Pure.

/// Words to find, of two bytes at least; 128 at most.
pub(super) struct Needles<const N: usize> {
    words: [&'static str; N],
    /// For each byte, the words that have it as their first and as their second one, as bits.
    by_byte: [[u128; 256]; 2],
}

impl<const N: usize> Needles<N> {
    /// Those words.
    pub(super) const fn new(words: [&'static str; N]) -> Self {
        assert!(N <= 128, "a bit each");
        let mut by_byte = [[0; 256]; 2];
        let mut at = 0;
        while at < N {
            let word = words[at].as_bytes();
            by_byte[0][word[0] as usize] |= 1 << at;
            by_byte[1][word[1] as usize] |= 1 << at;
            at += 1;
        }
        Self { words, by_byte }
    }

    /// Calls `found` with each word and where it ends.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(&'static str, usize)) {
        let [first, second] = &self.by_byte;
        let bytes = text.as_bytes();
        for (at, two) in bytes.windows(2).enumerate() {
            let mut wanted = first[usize::from(two[0])] & second[usize::from(two[1])];
            while wanted != 0 {
                let word = self.words[wanted.trailing_zeros() as usize];
                wanted &= wanted - 1;
                if bytes[at..].starts_with(word.as_bytes()) {
                    found(word, at + word.len());
                }
            }
        }
    }
}
