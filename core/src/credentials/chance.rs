//! Randomness that came in as an argument, stretched: the same seed gives the same digits.

use hubd_model::Entropy;
use sha2::{Digest, Sha256};

/// Digits from a seed: SHA-256 over the seed and a counter.
#[derive(Debug, Default)]
pub struct Chance {
    seed: Option<Entropy>,
    drawn: u64,
}

impl Chance {
    /// Digits that follow from a seed.
    pub const fn new(seed: Entropy) -> Self {
        Self {
            seed: Some(seed),
            drawn: 0,
        }
    }

    /// So many digits, each as likely as any other; `None` without a seed.
    pub fn digits(&mut self, count: usize) -> Option<String> {
        let seed = self.seed.as_ref()?;
        let mut digits = String::with_capacity(count);
        while digits.len() < count {
            self.drawn = self.drawn.wrapping_add(1);
            let block = Sha256::new()
                .chain_update(b"hubd digits")
                .chain_update(seed.expose())
                .chain_update(self.drawn.to_be_bytes())
                .finalize();
            // 250 is the largest multiple of ten in a byte: what lies above would favour some digits.
            let fair = block.iter().filter(|byte| **byte < 250);
            digits.extend(
                fair.map(|byte| char::from(b'0' + byte % 10))
                    .take(count - digits.len()),
            );
        }
        Some(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_fair_and_follow_from_the_seed() {
        let draw = |seed: u8| {
            Chance::new(Entropy::new([seed; 32]))
                .digits(20_000)
                .expect("it has a seed")
        };
        let digits = draw(1);
        assert_eq!(digits, draw(1));
        assert_ne!(digits, draw(2));
        for digit in '0'..='9' {
            let count = digits.chars().filter(|other| *other == digit).count();
            assert!((1_800..2_200).contains(&count), "{digit}: {count} of 20,000");
        }
        assert_eq!(Chance::default().digits(4), None);
    }
}
