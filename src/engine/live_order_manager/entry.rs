//! S1: from a signal to an order that opens exposure, or to the reason why not.

use super::send::attempt;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::risk_manager::{self, Entry};
use crate::engine::signal_intake::{decide, rejected, rejected_by};
use crate::engine::turn::Turn;
use crate::engine::{exits, pace};
use crate::model::{
    AlertKind, Amount, ClientOrderId, ContractSpec, Contracts, Control, Decimal, Event, Intent, Order, OrderNo,
    OrderState, OrderType, Phase, PositionKey, PositionMode, Price, Purpose, Qty, RiskCheck, RiskVerdict, Severity,
    Side, Signal, SignalId, SignalOutcome, StrategyId, Symbol, Usdt, div, mul,
};

/// An order about to be made.
pub(in crate::engine) struct Draft {
    pub signal_id: Option<SignalId>,
    pub strategy: StrategyId,
    pub symbol: Symbol,
    pub intent: Intent,
    pub purpose: Purpose,
    pub order_type: OrderType,
    pub contracts: Contracts,
    pub quantity: Qty,
    pub decision_price: Option<Price>,
    pub stop_loss: Option<Price>,
    pub take_profit: Option<Price>,
    /// The first order of the resting exit that it renews.
    pub renews: Option<OrderNo>,
}

/// What the checks of an entry came to.
struct Approved {
    key: PositionKey,
    contracts: Contracts,
    quantity: Qty,
    order_type: OrderType,
    price: Price,
    stop_loss: Option<Price>,
    take_profit: Option<Price>,
    risk_score: u32,
}

/// Takes an S1.
pub(in crate::engine) fn enter(turn: &mut Turn, signal: Signal) {
    match approve(turn, &signal) {
        Ok(approved) => {
            let draft = Draft {
                signal_id: Some(signal.id.clone()),
                strategy: signal.strategy.clone(),
                symbol: signal.symbol.clone(),
                intent: Intent::open(approved.key.side),
                purpose: Purpose::Entry,
                order_type: approved.order_type,
                contracts: approved.contracts,
                quantity: approved.quantity,
                decision_price: Some(approved.price),
                stop_loss: approved.stop_loss,
                take_profit: approved.take_profit,
                renews: None,
            };
            let outcome = SignalOutcome::Ordered { order: turn.state().orders.next_no() };
            decide(turn, signal, outcome, Some(approved.risk_score), Some(approved.price));
            let no = create(turn, draft);
            attempt(turn, no);
        }
        Err(Refusal::Plain(reason)) => decide(turn, signal, rejected(reason), None, None),
        Err(Refusal::Risk(verdict, price)) => {
            let reason = verdict.failed.first().map_or_else(String::new, |first| first.explanation.clone());
            let failed: Vec<RiskCheck> = verdict.failed.iter().map(|failed| failed.check).collect();
            alert_refused(turn, &signal, &verdict);
            let outcome = rejected_by(format!("risk check failed: {reason}"), failed);
            decide(turn, signal, outcome, Some(verdict.score), Some(price));
        }
    }
}

/// Makes an order: it is on record, with its client id, before anything is sent.
pub(in crate::engine) fn create(turn: &mut Turn, draft: Draft) -> OrderNo {
    let no = turn.state().orders.next_no();
    let Some(client_id) = turn.state().client_id_of(no) else { return no };
    let order = on_record(turn, no, client_id, draft);
    turn.emit(Event::OrderCreated { order: Box::new(order) });
    no
}

/// A draft as an order of which nothing has left and nothing is filled.
pub(super) fn on_record(turn: &Turn, no: OrderNo, client_id: ClientOrderId, draft: Draft) -> Order {
    let key = PositionKey { symbol: draft.symbol.clone(), side: draft.intent.side };
    let position = turn.state().positions.get(&key);
    Order {
        no,
        client_id,
        venue_id: None,
        signal_id: draft.signal_id,
        strategy: draft.strategy,
        symbol: draft.symbol,
        intent: draft.intent,
        purpose: draft.purpose,
        order_type: draft.order_type,
        contracts: draft.contracts,
        quantity: draft.quantity,
        decision_price: draft.decision_price,
        leverage: risk_manager::leg_leverage(turn, &key),
        margin_mode: position.map_or_else(|| turn.settings.margin_mode(), |position| position.margin_mode),
        position_mode: turn.state().position_mode.unwrap_or(PositionMode::Hedge),
        position_id: position.filter(|_| draft.intent.reduces()).and_then(|position| position.venue_id.clone()),
        stop_loss: draft.stop_loss,
        take_profit: draft.take_profit,
        state: OrderState::Pending,
        filled_contracts: Contracts::ZERO,
        filled: Qty::ZERO,
        filled_value: Usdt::ZERO,
        fees: Usdt::ZERO,
        fees_incomplete: false,
        venue_filled: Contracts::ZERO,
        venue_version: 0,
        counted_at: None,
        venue_end: None,
        settled: Contracts::ZERO,
        renews: draft.renews,
        attempts: 0,
        next_attempt_at: None,
        sent_at: None,
        unknown_since: None,
        cancel: None,
        note: None,
        created_at: turn.now,
        accepted_at: None,
        updated_at: turn.now,
        ended_at: None,
    }
}

enum Refusal {
    Plain(String),
    Risk(RiskVerdict, Price),
}

fn approve(turn: &Turn, signal: &Signal) -> Result<Approved, Refusal> {
    let plain = Refusal::Plain;
    session_allows(turn).map_err(plain)?;
    let side = signal.side.ok_or_else(|| plain("an entry needs a side".to_owned()))?;
    let key = PositionKey { symbol: signal.symbol.clone(), side };
    let spec = tradable(turn, &signal.symbol).map_err(plain)?;
    one_way_allows(turn, &key).map_err(plain)?;
    exits::leg_is_free(turn, &key).map_err(plain)?;
    queue_has_room(turn).map_err(plain)?;
    its_turn_comes_in_time(turn).map_err(plain)?;
    if turn.state().orders.unknown().any(|order| order.symbol == key.symbol) {
        return Err(plain(format!("an order in {} is UNKNOWN: no new entry until it is proven", key.symbol)));
    }
    let mark = priced(turn, &signal.symbol).map_err(plain)?;
    let Amount::Quantity(asked) = signal.amount else {
        return Err(plain("an entry needs a quantity in base units".to_owned()));
    };
    let contracts = spec.entry_contracts(asked).map_err(|error| plain(error.to_string()))?;
    let order_type = match signal.price {
        None => OrderType::Market,
        Some(limit) => OrderType::Limit(on_tick(spec, limit, Intent::open(side).buys()).map_err(plain)?),
    };
    let price = order_type.limit().unwrap_or(mark);
    let (stop_loss, take_profit) = protection(turn, signal, spec, side, price).map_err(plain)?;
    let entry = Entry {
        key: &key,
        quantity: spec.quantity(contracts),
        price: mark.max(price),
        leverage: risk_manager::leg_leverage(turn, &key),
        reserved: Qty::ZERO,
    };
    let verdict = risk_manager::judge(turn, &entry);
    if !verdict.can_proceed() {
        return Err(Refusal::Risk(verdict, mark));
    }
    Ok(Approved {
        quantity: spec.quantity(contracts),
        key,
        contracts,
        order_type,
        price: mark,
        stop_loss,
        take_profit,
        risk_score: verdict.score,
    })
}

/// Whether the session takes new exposure now; also asked before an entry is sent again.
pub(super) fn session_allows(turn: &Turn) -> Result<(), String> {
    let state = turn.state();
    match state.phase {
        Phase::Ready => {
            if let Some(wait) = state.entries_wait_for(turn.now) {
                return Err(wait.reason);
            }
        }
        Phase::Starting => {
            return Err("the session is starting: the exchange has not yet confirmed what is open".to_owned());
        }
        Phase::Stopping | Phase::Stopped => return Err("the session is stopping".to_owned()),
    }
    match state.control {
        Control::Running => {}
        other => return Err(format!("the session is {}: no new exposure", other.word())),
    }
    if state.flatten.is_some() {
        return Err("a flatten is under way".to_owned());
    }
    match &state.upkeep.journal_error {
        Some(error) => Err(format!("the journal cannot be written: {error}")),
        None => Ok(()),
    }
}

fn tradable<'t>(turn: &'t Turn, symbol: &Symbol) -> Result<&'t ContractSpec, String> {
    let spec = turn.state().contracts.get(symbol).ok_or_else(|| {
        let known: Vec<&str> = turn.state().contracts.keys().take(8).map(Symbol::as_str).collect();
        format!("symbol {symbol} is not a contract of this exchange; known are {}", known.join(", "))
    })?;
    if spec.enabled { Ok(spec) } else { Err(format!("{symbol} does not trade now")) }
}

fn one_way_allows(turn: &Turn, key: &PositionKey) -> Result<(), String> {
    match turn.state().position_mode {
        None => Err("the account's position mode is not known yet".to_owned()),
        Some(PositionMode::Hedge) => Ok(()),
        Some(PositionMode::OneWay) => {
            let other = PositionKey { symbol: key.symbol.clone(), side: key.side.opposite() };
            if turn.state().positions.get(&other).is_some() || turn.state().orders.reserved(&other).is_positive() {
                return Err(format!(
                    "{other} is open and the account is in one-way mode: close it first, or use hedge mode"
                ));
            }
            Ok(())
        }
    }
}

fn queue_has_room(turn: &Turn) -> Result<(), String> {
    let settings = &turn.settings.orders;
    let working = turn.state().orders.working_count();
    if working < settings.max_working.saturating_sub(settings.reserved_for_exits) {
        return Ok(());
    }
    Err(format!(
        "order queue full: {working} working orders of {}, {} places are kept for exits",
        settings.max_working, settings.reserved_for_exits
    ))
}

/// Nothing is accepted that cannot be sent while its signal is young.
fn its_turn_comes_in_time(turn: &Turn) -> Result<(), String> {
    let (wait, limit) = (pace::entry_wait(turn), turn.settings.orders.signal_max_age);
    if wait <= limit {
        return Ok(());
    }
    if let Some(until) = pace::no_entry_until(turn) {
        return Err(format!(
            "no new entry until {until}: the exchange asked for silence, and this one would leave later than \
             signal_max_age ({} s)",
            limit.as_secs()
        ));
    }
    Err(format!(
        "{} entries wait for their turn already: this one would leave in {} s, later than signal_max_age ({} s)",
        pace::waiting_entries(turn),
        wait.as_secs(),
        limit.as_secs()
    ))
}

/// The mark price, when it is fresh and the market is not torn.
fn priced(turn: &Turn, symbol: &Symbol) -> Result<Price, String> {
    let risk = &turn.settings.risk;
    let quote = turn.state().quote(symbol).ok_or_else(|| format!("no price of {symbol} is known yet"))?;
    let mark = quote.risk_price().ok_or_else(|| format!("no price of {symbol} is known yet"))?;
    let age = turn.state().quote_age(symbol, turn.now).unwrap_or(std::time::Duration::MAX);
    if age > risk.max_price_age {
        return Err(format!(
            "the price of {symbol} is {} s old, at most {} s",
            age.as_secs(),
            risk.max_price_age.as_secs()
        ));
    }
    if let Some(doubt) = turn.state().upkeep.doubts.get(symbol) {
        return Err(doubt.why.clone());
    }
    let apart =
        quote.last.and_then(|last| div((last - mark).abs().0, mark.0)).map(|part| mul(part, Decimal::ONE_HUNDRED));
    match apart {
        Some(apart) if apart > risk.market_collar_pct => Err(format!(
            "last and mark price of {symbol} are {} % apart, at most {} %",
            apart.round_dp(2),
            risk.market_collar_pct
        )),
        _ => Ok(mark),
    }
}

/// Stop-loss and take-profit on the tick and on the right side of the price.
fn protection(
    turn: &Turn,
    signal: &Signal,
    spec: &ContractSpec,
    side: Side,
    price: Price,
) -> Result<(Option<Price>, Option<Price>), String> {
    if signal.stop_loss.is_none() && turn.settings.risk.require_stop {
        return Err("stop_loss is missing and risk.require_stop is on".to_owned());
    }
    let check = |name: &str, value: Option<Price>, below: bool| -> Result<Option<Price>, String> {
        let Some(value) = value else { return Ok(None) };
        // Rounded towards the entry, so that protection is never weaker than asked.
        let value = on_tick(spec, value, !below)?;
        let fits = if below { value < price } else { value > price };
        if fits {
            return Ok(Some(value));
        }
        let word = if below { "below" } else { "above" };
        Err(format!("{name} {value} of a {side} must be {word} its entry price {price}"))
    };
    let long = side == Side::Long;
    Ok((check("stop_loss", signal.stop_loss, long)?, check("take_profit", signal.take_profit, !long)?))
}

pub(in crate::engine) fn on_tick(spec: &ContractSpec, price: Price, buys: bool) -> Result<Price, String> {
    spec.limit_price(price, buys)
        .filter(|price| price.is_positive())
        .ok_or_else(|| format!("price {price} is below one tick of {} ({})", spec.symbol, spec.tick))
}

/// The gate again, for an entry that is to be sent once more; its own reservation is not counted
/// twice.
pub(super) fn still_passes(turn: &Turn, order: &Order) -> Result<(), String> {
    session_allows(turn)?;
    let key = order.position_key();
    tradable(turn, &order.symbol)?;
    if turn.state().position_mode != Some(order.position_mode) {
        return Err("the account's position mode is not the one that it was made for".to_owned());
    }
    one_way_allows(turn, &key)?;
    exits::leg_is_free(turn, &key)?;
    if turn.state().orders.unknown().any(|other| other.no != order.no && other.symbol == order.symbol) {
        return Err(format!("another order in {} is UNKNOWN", order.symbol));
    }
    let mark = priced(turn, &order.symbol)?;
    let entry = Entry {
        key: &key,
        quantity: order.remaining(),
        price: mark,
        leverage: order.leverage,
        reserved: order.remaining(),
    };
    match risk_manager::judge(turn, &entry).failed.first() {
        None => Ok(()),
        Some(failed) => Err(format!("risk check failed: {}", failed.explanation)),
    }
}

fn alert_refused(turn: &mut Turn, signal: &Signal, verdict: &RiskVerdict) {
    for failed in &verdict.failed {
        let kind = match failed.check {
            RiskCheck::MaxPositionSize => AlertKind::PositionSizeExceeded,
            RiskCheck::MaxConcurrentPositions => AlertKind::MaxPositionsExceeded,
            RiskCheck::SymbolConcentration => AlertKind::ConcentrationExceeded,
            RiskCheck::MarginUtilization => AlertKind::MarginUtilizationHigh,
            // These two have a standing alert of their own since they tripped.
            RiskCheck::DailyLossLimit | RiskCheck::MaxDrawdown => continue,
            RiskCheck::InputValidation | RiskCheck::InsufficientCapital => AlertKind::OrderRejected,
        };
        let message = format!("entry in {} refused: {}", signal.symbol, failed.explanation);
        let alert = NewAlert::happened(kind, &signal.symbol, Severity::Info, message)
            .symbol(&signal.symbol)
            .detail("signal_id", &signal.id)
            .detail("check", failed.check);
        raise(turn, alert);
    }
}
