//! Where ids and keys come from: the operating system, or the seed under virtual time.

use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

use crate::model::{IdError, Incarnation, SessionId};

/// Letters first, so that an id never looks like a number.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Length of a session id: 36^7 x 26 of them, and short enough for a client order id.
const LENGTH: usize = 8;

/// Why no id could be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system gave no randomness.
    #[error("the operating system gives no random numbers: {0}")]
    NoRandomness(String),
    /// Cannot happen: the alphabet is the id's own.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// A session id that nobody else has.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_session_id() -> Result<SessionId, IdentityError> {
    let mut bytes = [0_u8; LENGTH];
    fill(&mut bytes)?;
    spell(&bytes)
}

/// The session id that belongs to a seed.
///
/// # Errors
/// Never in practice.
pub fn seeded_session_id(seed: u64) -> Result<SessionId, IdentityError> {
    let digest = Sha256::digest(format!("perpdeck session {seed}"));
    let bytes: Vec<u8> = digest.iter().copied().take(LENGTH).collect();
    spell(&bytes)
}

/// The incarnation of this start: drawn from the operating system, so that whatever becomes of the
/// journal no client id is used twice.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_incarnation() -> Result<Incarnation, IdentityError> {
    // Of 256 values 252 spell evenly; what lies above is drawn again.
    let mut spelt = String::with_capacity(Incarnation::LENGTH);
    while spelt.len() < Incarnation::LENGTH {
        let mut bytes = [0_u8; Incarnation::LENGTH];
        fill(&mut bytes)?;
        let even = bytes.iter().filter(|byte| **byte < 252);
        let letters = even.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
        let wanted = Incarnation::LENGTH.saturating_sub(spelt.len());
        spelt.extend(letters.take(wanted).map(|letter| char::from(*letter)));
    }
    Ok(Incarnation::new(&spelt)?)
}

/// The incarnation of a start under virtual time: the same seed and the same start give the same ids.
///
/// # Errors
/// Never in practice.
pub fn seeded_incarnation(seed: u64, starts: u32) -> Result<Incarnation, IdentityError> {
    let digest = Sha256::digest(format!("perpdeck start {starts} of seed {seed}"));
    let letters = digest.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    let spelt: String = letters.take(Incarnation::LENGTH).map(|letter| char::from(*letter)).collect();
    Ok(Incarnation::new(&spelt)?)
}

/// A random key, in hexadecimal digits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_key() -> Result<String, IdentityError> {
    let mut bytes = [0_u8; 16];
    fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), IdentityError> {
    SysRng.try_fill_bytes(bytes).map_err(|error| IdentityError::NoRandomness(error.to_string()))
}

fn spell(bytes: &[u8]) -> Result<SessionId, IdentityError> {
    let text: String = bytes
        .iter()
        .enumerate()
        .filter_map(|(place, byte)| {
            let alphabet = if place == 0 { LETTERS } else { ALPHABET };
            alphabet.get(usize::from(*byte) % alphabet.len()).copied().map(char::from)
        })
        .collect();
    Ok(SessionId::new(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_a_letter_and_a_seed_gives_always_the_same() {
        let seeded = seeded_session_id(7).unwrap();
        assert_eq!(seeded, seeded_session_id(7).unwrap());
        assert_ne!(seeded, seeded_session_id(8).unwrap());
        for id in [seeded, random_session_id().unwrap()] {
            assert_eq!(id.as_str().len(), LENGTH);
            assert!(id.as_str().starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
        }
        assert_ne!(random_session_id().unwrap(), random_session_id().unwrap());
        assert_ne!(random_key().unwrap(), random_key().unwrap());
    }

    #[test]
    fn each_start_has_an_incarnation_of_its_own() {
        let drawn: std::collections::BTreeSet<_> = (0..1000).map(|_| random_incarnation().unwrap()).collect();
        assert_eq!(drawn.len(), 1000);
        assert_eq!(seeded_incarnation(7, 2).unwrap(), seeded_incarnation(7, 2).unwrap());
        assert_ne!(seeded_incarnation(7, 2).unwrap(), seeded_incarnation(7, 3).unwrap());
        assert_ne!(seeded_incarnation(7, 2).unwrap(), seeded_incarnation(8, 2).unwrap());
    }
}
