//! How settings are written where serde's own form would be a float or a null.

/// Decimals as exact text.
pub mod percent {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::model::{Decimal, exact};

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &Decimal, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        exact(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Three decimals as exact text.
pub mod percents {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::model::{Decimal, exact};

    /// Writes it.
    pub fn serialize<S: Serializer>(values: &[Decimal; 3], to: S) -> Result<S::Ok, S::Error> {
        values.map(|value| value.to_string()).serialize(to)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[Decimal; 3], D::Error> {
        let texts = <[String; 3]>::deserialize(from)?;
        let mut values = [Decimal::ZERO; 3];
        for (value, text) in values.iter_mut().zip(&texts) {
            *value = exact(text).map_err(D::Error::custom)?;
        }
        Ok(values)
    }
}

/// A text, or the empty text for "not set".
pub mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(value: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_deref().unwrap_or_default())
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(from)?).filter(|text| !text.is_empty()))
    }
}

/// A path, or the empty text for "not set".
pub mod path_text {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(value: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&value.as_deref().unwrap_or(std::path::Path::new("")).display())
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Some(String::deserialize(from)?).filter(|text| !text.is_empty()).map(PathBuf::from))
    }
}
