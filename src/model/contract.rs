//! What the exchange says about a contract: its size, steps, limits and risk tiers.

use serde::{Deserialize, Serialize};

use super::{Contracts, Decimal, Price, Qty, Symbol, Usdt, div, round_down, round_up};

/// One step of the risk ladder: the larger the position, the more maintenance margin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTier {
    /// The largest position of this tier, in contracts.
    pub max_contracts: Contracts,
    /// Maintenance margin as a share of the entry value.
    pub maintenance_rate: Decimal,
    /// Highest leverage of this tier.
    pub max_leverage: u32,
}

/// A perpetual contract as the exchange lists it (mexc-contract-api.md section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractSpec {
    /// The exchange's name for it.
    pub symbol: Symbol,
    /// Base units per contract.
    pub contract_size: Decimal,
    /// Smallest price step.
    pub tick: Decimal,
    /// Smallest step of the number of contracts.
    pub lot: Decimal,
    /// Fewest contracts of an order.
    pub min_contracts: Contracts,
    /// Most contracts of an order.
    pub max_contracts: Contracts,
    /// Highest leverage.
    pub max_leverage: u32,
    /// Listed fee rate for taking liquidity.
    pub taker_fee_rate: Decimal,
    /// Listed fee rate for resting.
    pub maker_fee_rate: Decimal,
    /// Fee of a liquidation, as a share of the value at the liquidation price.
    pub liquidation_fee_rate: Decimal,
    /// The ladder, smallest first; never empty when it comes from the adapter.
    pub tiers: Vec<RiskTier>,
    /// Whether it trades now.
    pub enabled: bool,
}

/// Why a quantity cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Less than the smallest order after rounding to the step.
    #[error(
        "quantity {quantity} is below the minimum of {symbol}: at least {minimum} ({contracts} contracts of {contract_size})"
    )]
    BelowMinimum {
        /// What was asked for, in base units.
        quantity: Qty,
        /// The contract.
        symbol: Symbol,
        /// The least quantity, in base units.
        minimum: Qty,
        /// The same in contracts.
        contracts: Contracts,
        /// Base units per contract.
        contract_size: Decimal,
    },
    /// More than the largest order.
    #[error("quantity {quantity} is above the maximum of {symbol}: at most {maximum}")]
    AboveMaximum {
        /// What was asked for, in base units.
        quantity: Qty,
        /// The contract.
        symbol: Symbol,
        /// The largest quantity, in base units.
        maximum: Qty,
    },
    /// The contract's own numbers make no sense.
    #[error("contract {symbol} has contract size {contract_size} and lot {lot}: both must be above 0")]
    BadContract {
        /// The contract.
        symbol: Symbol,
        /// Its contract size.
        contract_size: Decimal,
        /// Its lot.
        lot: Decimal,
    },
}

impl ContractSpec {
    /// Contracts to order for an entry of so many base units: rounded down to the lot.
    ///
    /// # Errors
    /// When the rounded number is below the minimum or above the maximum of an order.
    pub fn entry_contracts(&self, quantity: Qty) -> Result<Contracts, SizeError> {
        let contracts = div(quantity.0, self.contract_size)
            .and_then(|raw| round_down(raw, self.lot))
            .filter(|_| self.contract_size > Decimal::ZERO)
            .map(Contracts)
            .ok_or_else(|| SizeError::BadContract {
                symbol: self.symbol.clone(),
                contract_size: self.contract_size,
                lot: self.lot,
            })?;
        if contracts < self.min_contracts || !contracts.is_positive() {
            return Err(SizeError::BelowMinimum {
                quantity,
                symbol: self.symbol.clone(),
                minimum: self.min_contracts.to_qty(self.contract_size),
                contracts: self.min_contracts,
                contract_size: self.contract_size,
            });
        }
        if contracts > self.max_contracts {
            return Err(SizeError::AboveMaximum {
                quantity,
                symbol: self.symbol.clone(),
                maximum: self.max_contracts.to_qty(self.contract_size),
            });
        }
        Ok(contracts)
    }

    /// Base units of so many contracts.
    pub fn quantity(&self, contracts: Contracts) -> Qty {
        contracts.to_qty(self.contract_size)
    }

    /// A limit price on the tick that is never worse than asked: down for a buy, up for a sell.
    pub fn limit_price(&self, price: Price, buys: bool) -> Option<Price> {
        if buys { round_down(price.0, self.tick) } else { round_up(price.0, self.tick) }.map(Price)
    }

    /// The tier that a position of so many contracts falls into; the last one when it is larger
    /// than all.
    pub fn tier(&self, contracts: Contracts) -> Option<&RiskTier> {
        self.tiers.iter().find(|tier| contracts <= tier.max_contracts).or_else(|| self.tiers.last())
    }

    /// Maintenance margin of a position: the tier's rate on the entry value (the whole position
    /// uses its tier's rate; mexc-contract-api.md section 9).
    pub fn maintenance_margin(&self, contracts: Contracts, entry: Price) -> Option<Usdt> {
        let tier = self.tier(contracts)?;
        Some(entry.notional(self.quantity(contracts)).times(tier.maintenance_rate))
    }
}
