//! Cross margin: one pot answers for all such positions, so the ratio belongs to the account.

use super::SessionState;
use crate::model::{Decimal, MarginMode, Usdt, account_margin_ratio_pct};

impl SessionState {
    /// Whether a position is open that the whole account answers for.
    pub fn has_cross_position(&self) -> bool {
        self.positions.open().any(|position| position.margin_mode == MarginMode::Cross)
    }

    /// Margin ratio of the cross-margined positions together, in percent, liquidation at 100; `None`
    /// without any, or while a number for it is unknown.
    pub fn cross_margin_ratio_pct(&self) -> Option<Decimal> {
        if !self.has_cross_position() {
            return None;
        }
        let (mut equity, mut required) = (self.equity.account.as_ref()?.wallet, Usdt::ZERO);
        for position in self.positions.open() {
            if position.margin_mode == MarginMode::Isolated {
                equity -= position.venue.margin?;
                continue;
            }
            let mark = self.quote(&position.key.symbol)?.risk_price()?;
            equity += position.unrealised(mark)?;
            required += position.requirement(self.contracts.get(&position.key.symbol)?, mark)?;
        }
        account_margin_ratio_pct(equity, required)
    }
}
