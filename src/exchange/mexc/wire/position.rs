//! Positions, by push and by answer.

use serde::Deserialize;

use super::{Dec, Int, Text, WireError, price};
use crate::model::{
    Contracts, Decimal, MarginMode, PositionKey, PositionMode, PositionReport, Side, Symbol, Usdt, VenuePositionId,
    VenueTime,
};

/// A position mode as it is numbered.
///
/// # Errors
/// When the number is not defined.
pub fn mode_of(number: Int) -> Result<PositionMode, WireError> {
    match number.0 {
        1 => Ok(PositionMode::Hedge),
        2 => Ok(PositionMode::OneWay),
        value => Err(WireError::Undefined { field: "position mode", value }),
    }
}

/// A position as it is written (mexc-contract-api.md section 5). Mark price, unrealised profit and
/// maintenance margin are not in it (A28): who needs them computes them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawPosition<'a> {
    #[serde(borrow)]
    position_id: Text<'a>,
    #[serde(borrow)]
    symbol: Text<'a>,
    position_type: Int,
    open_type: Int,
    state: Int,
    hold_vol: Dec,
    frozen_vol: Option<Dec>,
    hold_avg_price: Option<Dec>,
    liquidate_price: Option<Dec>,
    im: Option<Dec>,
    hold_fee: Option<Dec>,
    realised: Option<Dec>,
    leverage: Option<Int>,
    version: Option<Int>,
    update_time: Option<Int>,
    create_time: Option<Int>,
}

impl RawPosition<'_> {
    /// The position in our words.
    ///
    /// # Errors
    /// When an id is none or a number is not defined.
    pub fn report(&self) -> Result<PositionReport, WireError> {
        let side = match self.position_type.0 {
            1 => Side::Long,
            2 => Side::Short,
            value => return Err(WireError::Undefined { field: "positionType", value }),
        };
        let margin_mode = match self.open_type.0 {
            1 => MarginMode::Isolated,
            2 => MarginMode::Cross,
            value => return Err(WireError::Undefined { field: "openType", value }),
        };
        let (taken_over, contracts) = match self.state.0 {
            1 => (false, self.hold_vol.0),
            2 => (true, self.hold_vol.0),
            3 => (false, Decimal::ZERO),
            value => return Err(WireError::Undefined { field: "position state", value }),
        };
        if contracts < Decimal::ZERO {
            return Err(WireError::Senseless(format!("a position of {contracts} contracts")));
        }
        let updated = self.update_time.or(self.create_time).map_or(0, |Int(millis)| millis);
        Ok(PositionReport {
            venue_id: VenuePositionId::new(&self.position_id.0)?,
            key: PositionKey { symbol: Symbol::new(&self.symbol.0)?, side },
            margin_mode,
            contracts: Contracts(contracts),
            frozen: self.frozen_vol.map(|Dec(value)| Contracts(value)),
            taken_over,
            entry_price: price(self.hold_avg_price),
            margin: usdt(self.im),
            liquidation_price: price(self.liquidate_price),
            leverage: self.leverage.and_then(|Int(times)| u32::try_from(times).ok()).filter(|times| *times > 0),
            funding: usdt(self.hold_fee),
            realised: usdt(self.realised),
            version: self.version.map_or(0, |Int(number)| u64::try_from(number).unwrap_or(0)),
            updated_at: VenueTime::from_millis(updated),
        })
    }
}

fn usdt(number: Option<Dec>) -> Option<Usdt> {
    number.map(|Dec(value)| Usdt(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"positionId":1109973831,"symbol":"BTC_USDT","positionType":1,"openType":1,"state":1,"holdVol":20,"frozenVol":0,"closeVol":0,"holdAvgPrice":64250.5,"holdAvgPriceFullyScale":"64250.5","openAvgPrice":64250.5,"openAvgPriceFullyScale":"64250.5","closeAvgPrice":0,"liquidatePrice":58105.7,"oim":12.8501,"im":12.8501,"holdFee":0,"realised":-0.0771,"leverage":10,"marginRatio":0.0435,"adlLevel":1,"createTime":1795401565600,"updateTime":1795401565600,"autoAddIm":false,"version":1,"profitRatio":0,"closeProfitLoss":0,"fee":-0.0771,"deductFeeList":[],"totalFee":0.0771}"#;
    const PUSH: &str = r#"{"positionId":1109973831,"symbol":"BTC_USDT","positionType":1,"openType":1,"state":1,"holdVol":20,"frozenVol":0,"closeVol":0,"holdAvgPrice":64250.5,"openAvgPrice":64250.5,"closeAvgPrice":0,"liquidatePrice":58105.7,"oim":12.8501,"im":12.8501,"holdFee":0,"realised":-0.0771,"leverage":10,"autoAddIm":false,"adlLevel":0,"pnl":0.119,"marginRatio":0.0435,"closeProfitLoss":0,"fee":-0.0771,"deductFeeList":[],"version":1,"createTime":1795401565600,"updateTime":1795401565600}"#;

    fn report(json: &str) -> Result<PositionReport, WireError> {
        serde_json::from_str::<RawPosition>(json)?.report()
    }

    #[test]
    fn answer_and_push_agree() {
        let answer = report(ANSWER).unwrap();
        assert_eq!(answer, report(PUSH).unwrap());
        assert_eq!(answer.contracts.to_string(), "20");
        assert_eq!(answer.leverage, Some(10));
    }

    #[test]
    fn a28_only_what_the_exchange_says_and_unknown_is_not_zero() {
        let bare = report(
            r#"{"positionId":"7","symbol":"BTC_USDT","positionType":2,"openType":2,"state":1,"holdVol":3,"liquidatePrice":0}"#,
        )
        .unwrap();
        assert_eq!(bare.key.side, Side::Short);
        assert_eq!(bare.margin_mode, MarginMode::Cross);
        assert_eq!(
            (bare.entry_price, bare.margin, bare.liquidation_price, bare.leverage, bare.funding, bare.realised),
            (None, None, None, None, None, None)
        );
    }

    #[test]
    fn a_position_that_the_system_holds_is_taken_over_and_a_closed_one_is_empty() {
        assert!(report(&ANSWER.replace(r#""state":1"#, r#""state":2"#)).unwrap().taken_over);
        let closed = report(&ANSWER.replace(r#""state":1"#, r#""state":3"#)).unwrap();
        assert!(closed.contracts.is_zero() && !closed.taken_over);
        for (from, to) in [
            (r#""state":1"#, r#""state":4"#),
            (r#""positionType":1"#, r#""positionType":3"#),
            (r#""openType":1"#, r#""openType":3"#),
            (r#""holdVol":20"#, r#""holdVol":-1"#),
        ] {
            assert!(report(&ANSWER.replace(from, to)).is_err(), "{to}");
        }
    }
}
