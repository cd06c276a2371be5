//! The protocol's objects, read into our words. REST answers and pushes share one reader for each
//! object, so polling and pushing cannot disagree about what a field means.

mod account;
mod contract;
mod envelope;
mod fill;
mod order;
mod position;
mod rows;
mod scalar;
mod ticker;

pub use account::RawAsset;
pub use contract::{Contracts, read_contracts};
pub use envelope::{Envelope, read};
pub use fill::RawFill;
pub use order::RawOrder;
pub use position::{RawPosition, mode_of};
pub use rows::{items, rows};
pub use scalar::{Dec, Flag, Int, Text};
pub use ticker::{RawPrice, RawTicker};

use crate::model::{Category, Decimal, IdError, Intent, Price, Side};

/// Why an object of the exchange cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not the JSON that the protocol describes.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A name that cannot be one.
    #[error("{0}")]
    Id(#[from] IdError),
    /// A number that the protocol does not define.
    #[error("{field} is {value}, which the protocol does not define")]
    Undefined {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// A field that has to be there and is not, or makes no sense.
    #[error("{0}")]
    Senseless(String),
}

/// `side` of an order or fill.
pub fn intent(side: i64) -> Result<Intent, WireError> {
    match side {
        1 => Ok(Intent::open(Side::Long)),
        2 => Ok(Intent::close(Side::Short)),
        3 => Ok(Intent::open(Side::Short)),
        4 => Ok(Intent::close(Side::Long)),
        value => Err(WireError::Undefined { field: "side", value }),
    }
}

/// `category` of an order or fill; absent is normal.
pub fn category(number: Option<i64>) -> Category {
    match number {
        None | Some(1) => Category::Normal,
        Some(2) => Category::Liquidation,
        Some(3) => Category::CustodyClose,
        Some(4) => Category::Adl,
        Some(other) => Category::Other(u8::try_from(other).unwrap_or(u8::MAX)),
    }
}

/// A price where the protocol writes zero for "none".
fn price(number: Option<Dec>) -> Option<Price> {
    number.map(|Dec(value)| value).filter(|value| *value > Decimal::ZERO).map(Price)
}
