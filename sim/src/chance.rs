//! Chance as a value: every random choice of the simulated world comes from a seed and can be replayed.

use hubd_model::Millis;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A seeded source of choices.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The source of this seed: the same seed makes the same choices.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A source of its own, so that one part's choices do not shift another's.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.next_u64())
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        if span == 0 {
            self.0.next_u64()
        } else {
            low.saturating_add(self.0.next_u64() % span)
        }
    }

    /// A span of time from `low` to `high` milliseconds, both included.
    pub fn millis(&mut self, low: u64, high: u64) -> Millis {
        Millis(self.between(low, high))
    }

    /// Whether something that happens so many times in a thousand happens now.
    pub fn happens(&mut self, permille: u32) -> bool {
        self.between(1, 1000) <= u64::from(permille)
    }

    /// One of these; `None` when there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let last = u64::try_from(from.len()).ok()?.checked_sub(1)?;
        from.get(usize::try_from(self.between(0, last)).ok()?)
    }

    /// One random byte.
    pub fn byte(&mut self) -> u8 {
        let [byte, ..] = self.0.next_u32().to_le_bytes();
        byte
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// The generator, for machines that take one.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices_and_stays_in_range() {
        let (mut one, mut two) = (Chance::new(7), Chance::new(7));
        for _ in 0..1000 {
            let choice = one.between(10, 30);
            assert_eq!(choice, two.between(10, 30));
            assert!((10..=30).contains(&choice));
        }
        assert!(!one.happens(0));
        assert!(one.happens(1000));
        assert_eq!(one.pick::<u8>(&[]), None);
    }
}
