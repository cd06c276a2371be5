//! Fills: each trade id once, to its order and its position at the same time.

use std::sync::Arc;

use std::time::Duration;

use super::reports::conclude_told;
use super::send::access_refused;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker;
use crate::engine::position_sync_service as positions;
use crate::engine::turn::Turn;
use crate::engine::{chores, equity_watch, exits, session_control};
use crate::model::{
    AlertKey, AlertKind, CallClass, CallError, Category, Chore, ClientOrderId, Contracts, Decimal, Effect, ErrorClass,
    Event, Fill, FillId, FillReport, Intent, Listing, Order, OrderNo, OrderState, Position, PositionId, PositionKey,
    PositionMode, Price, Qty, SessionTime, Severity, Side, Usdt,
};

/// When fills that cannot be placed yet are asked for again.
const ASKED_AGAIN: Duration = Duration::from_secs(2);
/// How long before an order's end a fill must lie to be surely in the exchange's last count.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// Applies a fill that the exchange told of, by push or by answer.
pub(in crate::engine) fn apply_fill(turn: &mut Turn, report: &FillReport) {
    let order = find(turn, report);
    let known = order.as_ref().map(|order| order.no);
    if turn.state().orders.has_seen_fill(&report.id, report.at, known) || !report.contracts.is_positive() {
        return;
    }
    let Some(spec) = turn.state().contracts.get(&report.symbol) else {
        // Without the contract's size it means nothing yet; the fills are asked for again.
        chores::soon(turn, Chore::Contracts);
        return chores::due_in(turn, Chore::FetchFills, ASKED_AGAIN);
    };
    let size = spec.contract_size;
    equity_watch::roll_day(turn, report.at);
    if let Some(order) = &order
        && is_beyond(turn, order, report)
    {
        return;
    }
    if order.is_none() {
        match session_control::session_from(turn) {
            // The exchange's clock is about to be measured: then it is known whether it is of this session.
            None => return chores::due_in(turn, Chore::FetchFills, ASKED_AGAIN),
            Some(from) if report.at < from => return,
            Some(_) => {}
        }
    }
    match &order {
        None if super::lost::is_asked_for(turn, report) => return chores::due_in(turn, Chore::FetchFills, ASKED_AGAIN),
        None if may_be_ours(turn, report) => return chores::due_in(turn, Chore::FetchFills, ASKED_AGAIN),
        // Faster than the order's own answer: its id at the exchange is known from here.
        Some(order) if order.venue_id.is_none() && order.is_working() => {
            if let Some(venue_id) = report.venue_order.clone() {
                turn.emit(Event::OrderAccepted { no: order.no, venue_id });
            }
        }
        _ => {}
    }
    let key = PositionKey { symbol: report.symbol.clone(), side: report.intent.side };
    let part = Part { report, order: order.as_deref(), key: &key, size };
    match report.intent.effect {
        Effect::Open => open(turn, &part, report.contracts, report.id.clone()),
        Effect::Close => close(turn, &part),
    }
    if let Some(no) = order.map(|order| order.no) {
        conclude_told(turn, no);
        if report.intent.reduces() {
            exits::on_filled(turn, &key);
        }
        positions::after_own_fill(turn, no);
    }
    equity_watch::check(turn);
}

/// All fills of one order came in; then its end can be concluded.
pub(in crate::engine) fn on_order_fills(turn: &mut Turn, no: OrderNo, result: &Result<Listing<FillReport>, CallError>) {
    let left_at = turn.state().upkeep.lookups.get(&no).copied();
    turn.emit(Event::LookupMoved { no, asked_at: None });
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), left_at);
    match result {
        Ok(fills) => {
            positions::rows_told(turn, &format!("fills of order {no}"), fills, Severity::Warning);
            for fill in &fills.rows {
                apply_fill(turn, fill);
            }
            // How it ended is known when the exchange has said so.
            if turn.order(no).is_some_and(|order| order.venue_end.is_none()) {
                super::look_up(turn, no);
            }
        }
        Err(error) if error.class == ErrorClass::AccessRefused => access_refused(turn, error),
        Err(_) => {}
    }
}

/// A fill with what it touches.
struct Part<'a> {
    report: &'a FillReport,
    order: Option<&'a Order>,
    key: &'a PositionKey,
    size: Decimal,
}

impl Part<'_> {
    /// Whether a position took it already, by the exchange's count of its order.
    fn is_settled(&self) -> bool {
        self.order.is_some_and(Order::next_fill_is_settled)
    }

    /// Whether it changes the size of a position: what an adopted word holds already does not.
    fn moves(&self, position: &Position) -> bool {
        self.report.at > position.settled_to && !self.is_settled()
    }
}

fn find(turn: &Turn, report: &FillReport) -> Option<Arc<Order>> {
    let (orders, session) = (&turn.state().orders, &turn.state().info.as_ref()?.id);
    let by_client_id = report.client_id.as_ref().and_then(|id| orders.by_client_id(session, id));
    by_client_id
        .and_then(|no| turn.order(no))
        .or_else(|| turn.order(turn.state().orders.by_venue_id(report.venue_order.as_ref()?)?))
        .filter(|order| order.symbol == report.symbol)
}

/// Whether a fill is more than its order has: the same one told by another id, or one beyond what the
/// exchange counts. Such a fill moves nothing; one that is no repetition is told.
fn is_beyond(turn: &mut Turn, order: &Order, report: &FillReport) -> bool {
    let filled = order.filled_contracts + report.contracts;
    let counted = order.venue_version > 0 || !order.is_working();
    let told_before = turn.state().orders.has_applied(order.no, report.at, report.contracts, report.price);
    if told_before && counted && filled > order.venue_filled {
        return true;
    }
    // What the exchange counted at the end holds every fill of before.
    let before_end = |ended: SessionTime| report.at < turn.clock().surely_before(ended.minus(COUNTED_WITHIN));
    let complete =
        order.venue_version > 0 && order.venue_filled.is_positive() && order.ended_at.is_some_and(before_end);
    if filled <= order.contracts && !(complete && filled > order.venue_filled) {
        return false;
    }
    let message = format!(
        "fill {} of {} contracts is more than order {} has: {} of {} are filled, {} by the exchange's count; it is not applied",
        report.id, report.contracts, order.no, order.filled_contracts, order.contracts, order.venue_filled
    );
    let subject = format!("fills of {}", order.no);
    let key = AlertKey { kind: AlertKind::VenueAnswerUnknown, subject: subject.clone() };
    if turn.state().alerts.standing(&key).is_none_or(|known| known.message != message) {
        let alert = NewAlert::happened(AlertKind::VenueAnswerUnknown, subject, Severity::Warning, message);
        raise(turn, alert.symbol(&order.symbol).detail("fill_id", &report.id));
    }
    true
}

/// A deal that names no client id, while an order that could have made it is not yet answered:
/// whose it is shows when that order's fate is known, and then it is asked for again.
fn may_be_ours(turn: &Turn, report: &FillReport) -> bool {
    report.client_id.is_none()
        && report.category == Category::Normal
        && turn.state().orders.working().any(|order| {
            order.venue_id.is_none()
                && matches!(order.state, OrderState::Submitting | OrderState::Unknown)
                && order.symbol == report.symbol
                && order.intent == report.intent
        })
}

fn open(turn: &mut Turn, part: &Part, contracts: Contracts, id: FillId) {
    let key = PositionKey { symbol: part.key.symbol.clone(), side: part.key.side };
    let known = turn.state().positions.get(&key).cloned();
    let known = match known {
        Some(position) if positions::begins_anew(turn, &position, part.report) => {
            positions::conclude(turn, &position);
            None
        }
        known => known,
    };
    let (position, moves) = match known {
        Some(position) => (position.id, part.moves(&position)),
        // Counted at a deadline, in an opening that has ended since.
        None if part.is_settled() => {
            let result = Outcome { realised: Some(Usdt::ZERO), ..Outcome::default() };
            return emit(turn, part, Intent::open(key.side), contracts, id, None, false, result);
        }
        None => match positions::ended_epoch_of(turn, &key, part.order.is_some(), part.report) {
            Some(ended) => {
                let result = Outcome { realised: Some(Usdt::ZERO), ..Outcome::default() };
                return emit(turn, part, Intent::open(key.side), contracts, id, Some(ended), false, result);
            }
            None => (positions::open_empty(turn, &key, part.order), true),
        },
    };
    let result = Outcome { realised: Some(Usdt::ZERO), ..Outcome::default() };
    emit(turn, part, Intent::open(key.side), contracts, id, Some(position), moves, result);
    positions::after_fill(turn, &key, part.order, part.report, contracts);
}

fn close(turn: &mut Turn, part: &Part) {
    let (report, key) = (part.report, part.key);
    let Some(position) = turn.state().positions.get(key).cloned() else {
        return close_late(turn, part, report.contracts, report.id.clone());
    };
    let moves = part.moves(&position);
    // Our own exits only reduce; with two legs nothing turns a position round. Then more closed than was
    // held means that a fill which opened is not told yet.
    let turns = part.order.is_none() && turn.state().position_mode == Some(PositionMode::OneWay);
    let held = if moves && turns { report.contracts.min(position.contracts) } else { report.contracts };
    let computed = position.entry_price.map(|entry| gain(key.side, entry, report.price, held.to_qty(part.size)));
    let result = Outcome::told(report.profit, computed);
    emit(turn, part, report.intent, held, report.id.clone(), Some(position.id), moves, result);
    compare(turn, &position, report, result);
    if moves && held > position.contracts {
        session_control::resync_soon(turn);
    }
    positions::after_fill(turn, key, part.order, report, held);
    let beyond = report.contracts - held;
    if beyond.is_positive() {
        flip(turn, part, beyond);
    }
}

/// Late: the position was found gone, or is not known, before this fill was told. Nothing moves;
/// what it cost counts all the same.
fn close_late(turn: &mut Turn, part: &Part, contracts: Contracts, id: FillId) {
    let ended = positions::ended_epoch_of(turn, part.key, part.order.is_some(), part.report);
    let closed = ended.and_then(|id| turn.state().positions.closed_by_id(id));
    let quantity = contracts.to_qty(part.size);
    let computed =
        closed.and_then(|closed| Some(gain(part.key.side, closed.entry_price?, part.report.price, quantity)));
    let result = Outcome::told(part.report.profit, computed);
    emit(turn, part, part.report.intent, contracts, id, ended, false, result);
    positions::after_late_fill(turn, part.key, part.report, contracts);
}

/// What a fill realised, by whose count.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    realised: Option<Usdt>,
    computed: Option<Usdt>,
    estimated: bool,
}

impl Outcome {
    /// The exchange's when it tells it, else ours.
    fn told(profit: Option<Usdt>, computed: Option<Usdt>) -> Self {
        Self { realised: profit.or(computed), computed, estimated: profit.is_none() }
    }
}

/// Says once for a position when the exchange's result is not ours: an entry or a fill is not known as
/// it was.
fn compare(turn: &mut Turn, position: &Position, report: &FillReport, result: Outcome) {
    let (Some(told), Some(computed), false) = (result.realised, result.computed, result.estimated) else { return };
    let Some(spec) = turn.state().contracts.get(&report.symbol) else { return };
    let rounding = Price(spec.tick).notional(spec.quantity(report.contracts));
    let key = AlertKey { kind: AlertKind::ResultDiffers, subject: position.id.to_string() };
    let known = turn.state().alerts.all().any(|alert| alert.key == key);
    if known || (told - computed).0.abs() <= rounding.0 {
        return;
    }
    let message = format!(
        "{}: fill {} realised {told} USDT by the exchange's count and {computed} by ours; the exchange's counts",
        position.key, report.id
    );
    let alert = NewAlert::happened(AlertKind::ResultDiffers, position.id, Severity::Info, message);
    raise(turn, alert.position(position).detail("exchange", told).detail("here", computed));
}

/// Somebody closed more than was held, in one-way mode: the rest stands as a position of the other side.
fn flip(turn: &mut Turn, part: &Part, contracts: Contracts) {
    let Ok(id) = FillId::new(&format!("{}+flip", part.report.id)) else { return };
    let key = PositionKey { symbol: part.key.symbol.clone(), side: part.key.side.opposite() };
    let other = Part { report: part.report, order: part.order, key: &key, size: part.size };
    open(turn, &other, contracts, id);
}

fn gain(side: Side, entry: Price, price: Price, quantity: Qty) -> Usdt {
    let moved = if side == Side::Long { price - entry } else { entry - price };
    moved.notional(quantity)
}

#[expect(clippy::too_many_arguments, reason = "one fill's own numbers, each of another type, built in one place")]
fn emit(
    turn: &mut Turn,
    part: &Part,
    intent: Intent,
    contracts: Contracts,
    id: FillId,
    position: Option<PositionId>,
    moves_position: bool,
    result: Outcome,
) {
    let report = part.report;
    let whole = contracts == report.contracts;
    let foreign: Option<ClientOrderId> = report.client_id.clone().filter(|_| part.order.is_none());
    let fill = Fill {
        id,
        order: part.order.map(|order| order.no),
        venue_order: report.venue_order.clone(),
        foreign_client_id: foreign,
        position,
        symbol: report.symbol.clone(),
        intent,
        contracts,
        quantity: contracts.to_qty(part.size),
        price: report.price,
        // A fill that is told in two parts carries its fee once, on the part that closes.
        fee: if whole || (position.is_some() && intent.reduces()) { report.fee } else { Some(Usdt::ZERO) },
        realised: result.realised,
        computed: result.computed,
        estimated: result.estimated,
        taker: report.taker,
        category: report.category,
        at: report.at,
        moves_position,
    };
    turn.emit(Event::Filled { fill: Box::new(fill) });
}
