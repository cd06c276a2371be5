//! Prices, quantities and money: decimals behind newtypes, so that a price cannot be added to a
//! quantity and a float can hold neither.
//!
//! Arithmetic never panics: it saturates at the largest decimal (about 7.9e28). Numbers from
//! outside are bounded at the edges ([`in_bounds`]), and a saturated number exceeds every limit,
//! so a risk check refuses it.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

pub use rust_decimal::Decimal;
use rust_decimal::prelude::Signed;
use serde::{Deserialize, Serialize};

/// The largest magnitude accepted from outside for any price, quantity or amount (engine.md: inputs
/// must be at most 1e15).
pub const MAX_INPUT: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// Whether a number from outside is small enough to calculate with.
pub fn in_bounds(value: Decimal) -> bool {
    value.abs() <= MAX_INPUT
}

/// Reads a number from outside, digit for digit. Grouping is refused: what one reader takes for a thousand
/// another takes for one.
///
/// # Errors
/// When it is none, or has more digits than a decimal holds.
pub fn exact(text: &str) -> Result<Decimal, rust_decimal::Error> {
    if text.contains('_') {
        return Err(rust_decimal::Error::ConversionTo("a number: it holds an underscore".to_owned()));
    }
    Decimal::from_str_exact(text)
}

/// The same in scientific notation, as JSON may have it.
///
/// # Errors
/// As [`exact`].
pub fn scientific(text: &str) -> Result<Decimal, rust_decimal::Error> {
    if text.contains('_') { exact(text) } else { Decimal::from_scientific(text) }
}

/// Product that saturates instead of panicking.
pub fn mul(a: Decimal, b: Decimal) -> Decimal {
    a.checked_mul(b).unwrap_or_else(|| saturated(a.is_sign_negative() != b.is_sign_negative()))
}

/// Quotient; `None` when the divisor is zero or the result does not fit.
pub fn div(a: Decimal, b: Decimal) -> Option<Decimal> {
    a.checked_div(b)
}

/// Sum that saturates instead of panicking.
pub fn add(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or_else(|| saturated(a.is_sign_negative()))
}

/// Difference that saturates instead of panicking.
pub fn sub(a: Decimal, b: Decimal) -> Decimal {
    add(a, -b)
}

fn saturated(negative: bool) -> Decimal {
    if negative { Decimal::MIN } else { Decimal::MAX }
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Decimal);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// The bare number.
            pub const fn get(self) -> Decimal {
                self.0
            }

            /// Whether it is exactly zero.
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// Whether it is greater than zero.
            pub fn is_positive(self) -> bool {
                self.0 > Decimal::ZERO
            }

            /// Without its sign.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// Multiplied by a plain number, saturating.
            #[must_use]
            pub fn times(self, factor: Decimal) -> Self {
                Self(mul(self.0, factor))
            }

            /// This divided by another of its kind: a plain ratio.
            pub fn ratio_to(self, other: Self) -> Option<Decimal> {
                div(self.0, other.0)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(add(self.0, other.0))
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(sub(self.0, other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
                parts.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = rust_decimal::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                exact(text).map(Self)
            }
        }

        impl From<Decimal> for $name {
            fn from(value: Decimal) -> Self {
                Self(value)
            }
        }
    };
}

amount!(
    /// A price of one base unit, in quote currency (USDT).
    Price
);
amount!(
    /// A quantity in base units (BTC of `BTC_USDT`), never negative for orders and positions.
    Qty
);
amount!(
    /// A quantity in the exchange's contracts: base units = contracts x contract size.
    Contracts
);
amount!(
    /// An amount of money in USDT; negative is a loss or a cost.
    Usdt
);

impl Price {
    /// What `quantity` is worth at this price.
    pub fn notional(self, quantity: Qty) -> Usdt {
        Usdt(mul(self.0, quantity.0))
    }
}

impl Contracts {
    /// Base units of this many contracts.
    pub fn to_qty(self, contract_size: Decimal) -> Qty {
        Qty(mul(self.0, contract_size))
    }
}

/// Rounds towards zero to a multiple of `step`; `None` when the step is not positive.
pub fn round_down(value: Decimal, step: Decimal) -> Option<Decimal> {
    if step <= Decimal::ZERO {
        return None;
    }
    Some(mul(div(value, step)?.trunc(), step).normalize())
}

/// Rounds away from zero to a multiple of `step`; `None` when the step is not positive.
pub fn round_up(value: Decimal, step: Decimal) -> Option<Decimal> {
    let down = round_down(value, step)?;
    let rounded = if down == value { down } else { add(down, mul(step, value.signum())) };
    Some(rounded.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_ten_to_the_fifteen() {
        assert_eq!(MAX_INPUT, Decimal::from_scientific("1e15").unwrap());
    }

    #[test]
    fn overflow_saturates() {
        assert_eq!(mul(Decimal::MAX, Decimal::MAX), Decimal::MAX);
        assert_eq!(Usdt(Decimal::MIN) - Usdt(Decimal::MAX), Usdt(Decimal::MIN));
    }

    #[test]
    fn rounding_is_by_step_and_direction() {
        let d = |s: &str| Decimal::from_str_exact(s).unwrap();
        assert_eq!(round_down(d("1.27"), d("0.05")), Some(d("1.25")));
        assert_eq!(round_up(d("1.27"), d("0.05")), Some(d("1.3")));
        assert_eq!(round_up(d("1.25"), d("0.05")), Some(d("1.25")));
        assert_eq!(round_down(d("1"), Decimal::ZERO), None);
    }

    #[test]
    fn twenty_digits_survive_json() {
        let price: Price = serde_json::from_str("\"12345678901234567890.12345\"").unwrap();
        assert_eq!(serde_json::to_string(&price).unwrap(), "\"12345678901234567890.12345\"");
    }
}
