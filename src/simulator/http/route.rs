//! The paths that are served, what class of call each is, and its rate limit.

use std::time::Duration;

use axum::http::Method;

use crate::simulator::faults::{List, Target};
use crate::simulator::limits::Limit;
use crate::simulator::signing::decoded;

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Ping,
    Detail,
    Currencies,
    Depth,
    DepthCommits,
    IndexPrice,
    FairPrice,
    FundingRates,
    FundingRate,
    FundingHistory,
    Kline,
    Deals,
    Ticker,
    RiskReverse,
    RiskReverseHistory,
    Create,
    Submit,
    SubmitBatch,
    Cancel,
    CancelExternal,
    CancelAll,
    Amend,
    GetOrder,
    GetExternal,
    BatchQuery,
    BatchQueryExternal,
    OpenOrders,
    HistoryOrders,
    CloseOrders,
    DealDetails,
    OrderDeals,
    OpenCount,
    FeeDetails,
    StopList,
    StopPlace,
    StopChange,
    StopCancel,
    StopCancelAll,
    PlanList,
    OpenPositions,
    HistoryPositions,
    GetLeverage,
    ChangeLeverage,
    GetMode,
    ChangeMode,
    ChangeMargin,
    AutoMargin,
    FundingRecords,
    RiskLimit,
    CloseAll,
    Assets,
    Asset,
    FeeRate,
    FeeRateV2,
    TransferRecord,
    ChangeRiskLevel,
}

use Endpoint as E;

const ORDER: Limit = Limit { calls: 4, window: Duration::from_secs(2) };
const QUERY: Limit = Limit { calls: 5, window: Duration::from_secs(2) };
const HEAVY: Limit = Limit { calls: 10, window: Duration::from_secs(2) };
const LEVERAGE: Limit = Limit { calls: 10, window: Duration::from_secs(10) };
const USUAL: Limit = Limit { calls: 20, window: Duration::from_secs(2) };

/// A route: verb, pattern under `/api/v1/` (`{}` is any one part), endpoint, limit.
pub type Row = (&'static str, &'static str, Endpoint, Limit);

const TABLE: &[Row] = &[
    ("GET", "contract/ping", E::Ping, USUAL),
    ("GET", "contract/detail", E::Detail, HEAVY),
    ("GET", "contract/detail/country", E::Detail, HEAVY),
    ("GET", "contract/support_currencies", E::Currencies, USUAL),
    ("GET", "contract/depth/{}", E::Depth, HEAVY),
    ("GET", "contract/depth_commits/{}/{}", E::DepthCommits, USUAL),
    ("GET", "contract/index_price/{}", E::IndexPrice, USUAL),
    ("GET", "contract/fair_price/{}", E::FairPrice, USUAL),
    ("GET", "contract/funding_rate", E::FundingRates, USUAL),
    ("GET", "contract/funding_rate/history", E::FundingHistory, USUAL),
    ("GET", "contract/funding_rate/{}", E::FundingRate, USUAL),
    ("GET", "contract/kline/{}", E::Kline, USUAL),
    ("GET", "contract/kline/index_price/{}", E::Kline, USUAL),
    ("GET", "contract/kline/fair_price/{}", E::Kline, USUAL),
    ("GET", "contract/deals/{}", E::Deals, USUAL),
    ("GET", "contract/ticker", E::Ticker, USUAL),
    ("GET", "contract/risk_reverse", E::RiskReverse, USUAL),
    ("GET", "contract/risk_reverse/history", E::RiskReverseHistory, USUAL),
    ("POST", "private/order/create", E::Create, ORDER),
    ("POST", "private/order/submit", E::Submit, USUAL),
    ("POST", "private/order/submit_batch", E::SubmitBatch, ORDER),
    ("POST", "private/order/cancel", E::Cancel, USUAL),
    ("POST", "private/order/cancel_with_external", E::CancelExternal, USUAL),
    ("POST", "private/order/batch_cancel_with_external", E::CancelExternal, USUAL),
    ("POST", "private/order/cancel_all", E::CancelAll, USUAL),
    ("POST", "private/order/change_limit_order", E::Amend, ORDER),
    ("GET", "private/order/get/{}", E::GetOrder, USUAL),
    ("GET", "private/order/external/{}/{}", E::GetExternal, USUAL),
    ("GET", "private/order/batch_query", E::BatchQuery, QUERY),
    ("POST", "private/order/batch_query_with_external", E::BatchQueryExternal, USUAL),
    ("GET", "private/order/list/open_orders", E::OpenOrders, USUAL),
    ("GET", "private/order/list/open_orders/{}", E::OpenOrders, USUAL),
    ("GET", "private/order/list/history_orders", E::HistoryOrders, USUAL),
    ("GET", "private/order/list/close_orders", E::CloseOrders, USUAL),
    ("GET", "private/order/deal_details/{}", E::DealDetails, USUAL),
    ("GET", "private/order/list/order_deals", E::OrderDeals, USUAL),
    ("GET", "private/order/list/order_deals/v3", E::OrderDeals, USUAL),
    ("GET", "private/order/open_order_total_count", E::OpenCount, USUAL),
    ("POST", "private/order/open_order_total_count", E::OpenCount, USUAL),
    ("GET", "private/order/fee_details", E::FeeDetails, USUAL),
    ("GET", "private/stoporder/list/orders", E::StopList, USUAL),
    ("GET", "private/stoporder/open_orders", E::StopList, USUAL),
    ("POST", "private/stoporder/place", E::StopPlace, QUERY),
    ("POST", "private/stoporder/change_plan_price", E::StopChange, ORDER),
    ("POST", "private/stoporder/cancel", E::StopCancel, USUAL),
    ("POST", "private/stoporder/cancel_all", E::StopCancelAll, USUAL),
    ("GET", "private/planorder/list/orders", E::PlanList, USUAL),
    ("GET", "private/position/open_positions", E::OpenPositions, USUAL),
    ("GET", "private/position/list/history_positions", E::HistoryPositions, USUAL),
    ("GET", "private/position/leverage", E::GetLeverage, USUAL),
    ("POST", "private/position/change_leverage", E::ChangeLeverage, LEVERAGE),
    ("GET", "private/position/position_mode", E::GetMode, USUAL),
    ("POST", "private/position/change_position_mode", E::ChangeMode, USUAL),
    ("POST", "private/position/change_margin", E::ChangeMargin, USUAL),
    ("POST", "private/position/change_auto_add_im", E::AutoMargin, USUAL),
    ("GET", "private/position/funding_records", E::FundingRecords, USUAL),
    ("POST", "private/position/close_all", E::CloseAll, ORDER),
    ("GET", "private/account/risk_limit", E::RiskLimit, USUAL),
    ("GET", "private/account/assets", E::Assets, USUAL),
    ("GET", "private/account/asset/{}", E::Asset, USUAL),
    ("GET", "private/account/tiered_fee_rate", E::FeeRate, USUAL),
    ("GET", "private/account/tiered_fee_rate/v2", E::FeeRateV2, USUAL),
    ("GET", "private/account/transfer_record", E::TransferRecord, USUAL),
    ("POST", "private/account/change_risk_level", E::ChangeRiskLevel, USUAL),
];

/// The row for a path, and its variable parts, decoded. Literal parts win over variable ones.
pub fn find(method: &Method, path: &str) -> Option<(&'static Row, Vec<String>)> {
    let path = path.strip_prefix("/api/v1/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |row: &&Row| {
        row.0 == method.as_str()
            && row.1.split('/').count() == parts.len()
            && row.1.split('/').zip(&parts).all(|(pattern, part)| pattern == "{}" || pattern == *part)
    };
    let row = TABLE.iter().filter(fits).min_by_key(|row| row.1.matches("{}").count())?;
    let variable = row.1.split('/').zip(&parts).filter(|(pattern, _)| *pattern == "{}");
    Some((row, variable.map(|(_, part)| decoded(part)).collect()))
}

/// Whether it must be signed.
pub fn is_private(row: &Row) -> bool {
    row.1.starts_with("private/")
}

/// Which class of call it is, for faults.
pub fn target(row: &Row) -> Target {
    match row.2 {
        E::Create | E::Submit | E::SubmitBatch | E::Amend | E::CloseAll | E::StopPlace => Target::Place,
        E::Cancel | E::CancelExternal | E::CancelAll | E::StopCancel | E::StopCancelAll => Target::Cancel,
        E::ChangeLeverage | E::ChangeMode | E::ChangeMargin | E::AutoMargin | E::ChangeRiskLevel | E::StopChange => {
            Target::Change
        }
        _ if is_private(row) => Target::Read,
        _ => Target::Public,
    }
}

/// Which kind of list it answers, for the faults of lists.
pub fn list(row: &Row) -> Option<List> {
    Some(match row.2 {
        E::OpenOrders | E::StopList => List::Orders,
        E::OpenPositions => List::Positions,
        E::DealDetails | E::OrderDeals => List::Deals,
        E::HistoryOrders | E::CloseOrders | E::HistoryPositions => List::History,
        E::Assets | E::Asset => List::Assets,
        E::GetOrder | E::GetExternal | E::BatchQuery | E::BatchQueryExternal => List::Lookups,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_parts_win_and_parts_are_decoded() {
        let find = |path: &str| find(&Method::GET, path).map(|(row, parts)| (row.2, parts));
        assert_eq!(find("/api/v1/contract/funding_rate/history"), Some((E::FundingHistory, Vec::new())));
        assert_eq!(find("/api/v1/contract/funding_rate/BTC_USDT"), Some((E::FundingRate, vec!["BTC_USDT".into()])));
        let external = find("/api/v1/private/order/external/BTC_USDT/a%2Db");
        assert_eq!(external, Some((E::GetExternal, vec!["BTC_USDT".into(), "a-b".into()])));
        assert_eq!(find("/api/v1/private/order/create"), None);
    }
}
