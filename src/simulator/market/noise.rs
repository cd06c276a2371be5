//! Seeded randomness in decimals: the same seed gives the same numbers on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::{Decimal, add, mul, sub};

/// Well mixed bits of a number (splitmix64): for things that are looked up instead of drawn.
pub fn mix(bits: u64) -> u64 {
    let z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Noise(ChaCha8Rng);

impl Noise {
    /// The stream of a seed; each use has a stream number of its own, so that one drawing more does
    /// not disturb the others.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), nine digits.
    pub fn uniform(&mut self) -> Decimal {
        Decimal::new(i64::try_from(self.bits() % 1_000_000_000).unwrap_or_default(), 9)
    }

    /// Uniform between two bounds.
    pub fn between(&mut self, low: Decimal, high: Decimal) -> Decimal {
        add(low, mul(self.uniform(), sub(high, low)))
    }

    /// About normal, mean 0, deviation 1: twelve uniforms summed (Irwin-Hall), no float involved.
    pub fn normal(&mut self) -> Decimal {
        let mut sum = 0_i64;
        for _ in 0..3 {
            for part in self.bits().to_le_bytes().chunks_exact(2) {
                sum += part.iter().rev().fold(0_i64, |high, byte| high * 256 + i64::from(*byte));
            }
        }
        // Twelve 16-bit numbers: mean 12 · 32767.5, one deviation is 65536.
        Decimal::new((sum - 393_210) * 1_000_000 / 65_536, 6)
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.bits() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_mean_zero_and_deviation_one() {
        let mut noise = Noise::new(7, 1);
        let (mut sum, mut squares) = (Decimal::ZERO, Decimal::ZERO);
        for _ in 0..4_000 {
            let z = noise.normal();
            sum += z;
            squares += z * z;
        }
        let n = Decimal::from(4_000);
        assert!((sum / n).abs() < Decimal::new(6, 2), "{}", sum / n);
        assert!((squares / n - Decimal::ONE).abs() < Decimal::new(1, 1), "{}", squares / n);
        assert_eq!(Noise::new(7, 1).bits(), Noise::new(7, 1).bits());
        assert_ne!(Noise::new(7, 1).bits(), Noise::new(7, 2).bits());
    }
}
