//! Comparing a position with the exchange's view of it.

use super::evidence::search;
use super::settle::{conclude, position_closed};
use super::view::hear;
use super::{doubt, margin_mode};
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::live_order_manager as orders;
use crate::engine::turn::Turn;
use crate::engine::{chores, liquidation_watch};
use crate::model::{
    AlertKind, Chore, CloseCause, Decimal, Event, LiquidationWatch, MarginMode, Order, OrderState, Origin, Position,
    PositionKey, PositionReport, Price, Qty, SessionTime, Severity, Usdt, VenueFigures, VenueTime, VenueView,
};

/// A push about a position: kept, and compared at once. A difference is left to the fills that come
/// with it; if they do not come, they are fetched.
pub(in crate::engine) fn on_position_report(turn: &mut Turn, report: &PositionReport) {
    if !hear(turn, report, turn.now, false) {
        return;
    }
    if report.contracts.is_positive() {
        doubt::seen(turn, &report.key);
    }
    if differs(turn, &report.key) {
        chores::due_in(turn, Chore::FetchFills, turn.settings.positions.stable_window);
    } else {
        reconcile(turn, &report.key, Fills::NotAsked);
    }
    late_funding(turn, report);
}

/// Funding that was settled after the last snapshot of a position that has ended since: it comes
/// with the report of the end, and belongs to the day's result like any other.
fn late_funding(turn: &mut Turn, report: &PositionReport) {
    let (Some(funding), true) = (report.funding, report.contracts.is_zero()) else { return };
    let closed = turn.state().positions.last_closed(&report.key);
    let id = closed
        .filter(|closed| closed.venue_id.as_ref() == Some(&report.venue_id))
        .filter(|closed| closed.funding.is_some_and(|known| known != funding))
        .map(|closed| closed.id);
    if let Some(id) = id {
        turn.emit(Event::FundingSettled { id, funding });
    }
}

/// What is known of the fills that could explain a difference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fills {
    /// They were not asked for.
    NotAsked,
    /// The exchange did not answer.
    Failed,
    /// All were told that had happened when the question left.
    KnownAt(SessionTime),
}

/// Whether the exchange's view and ours differ: in size, or in entry by more than a tick.
pub(in crate::engine) fn differs(turn: &Turn, key: &PositionKey) -> bool {
    let Some(view) = turn.state().venue_positions.get(key) else { return false };
    match turn.state().positions.get(key) {
        Some(position) => {
            position.contracts != view.report.contracts
                || (position.contracts.is_positive() && entry_differs(turn, position, &view.report))
        }
        None => !view.report.contracts.is_zero(),
    }
}

fn entry_differs(turn: &Turn, position: &Position, report: &PositionReport) -> bool {
    let tick = turn.state().contracts.get(&report.key.symbol).map_or(Decimal::ZERO, |spec| spec.tick);
    match (position.entry_price, report.entry_price) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs().0 > tick,
        (ours, theirs) => ours.is_none() && theirs.is_some(),
    }
}

/// Takes the exchange's figures where both agree; where they differ, and the fills do not say why,
/// takes its size and entry too.
pub(super) fn reconcile(turn: &mut Turn, key: &PositionKey, fills: Fills) {
    let Some(view) = turn.state().venue_positions.get(key).cloned() else { return };
    let position = turn.state().positions.get(key).cloned();
    if !differs(turn, key) {
        doubt::agreed(turn, key);
        return match position {
            Some(position) if position.contracts.is_zero() => conclude(turn, &position),
            Some(position) => take_figures(turn, &position, &view.report),
            None => {}
        };
    }
    // A change of ours after the question left, or shortly before, is not in the answer; nor are fills
    // in a list that was asked for before, or so shortly after, that it need not hold them yet.
    if !is_stable(turn, &view, position.as_ref()) || on_its_way(turn, key) {
        return;
    }
    let explained = explains(turn, &view, fills);
    match position {
        Some(position) if view.report.contracts.is_zero() => {
            if explained || fills == Fills::Failed {
                vanished(turn, &position);
            }
        }
        Some(position) if explained => adjust(turn, &position, &view.report, true),
        None if explained => adopt(turn, &view.report, true),
        Some(_) | None => {}
    }
}

/// Takes the exchange's size at the deadline, without an explanation; says whether it could.
pub(super) fn take(turn: &mut Turn, key: &PositionKey) -> bool {
    let Some(view) = turn.state().venue_positions.get(key).cloned() else { return false };
    let position = turn.state().positions.get(key).cloned();
    if !turn.state().contracts.contains_key(&key.symbol) || !is_later_than_ours(turn, &view, position.as_ref()) {
        return false;
    }
    match position {
        Some(position) if view.report.contracts.is_zero() && position.contracts.is_zero() => conclude(turn, &position),
        Some(position) if view.report.contracts.is_zero() => vanished(turn, &position),
        Some(position) => adjust(turn, &position, &view.report, false),
        None => adopt(turn, &view.report, false),
    }
    orders::on_size_taken(turn, key, view.as_of);
    true
}

/// What the exchange shows and nothing here holds yet is followed from now on when an exit needs it; says
/// whether it is.
pub(in crate::engine) fn claim(turn: &mut Turn, key: &PositionKey) -> bool {
    is_unclaimed(turn, key) && claim_at_last(turn, key)
}

/// The same when an entry of ours may have made it, whose fills were waited for in vain.
pub(in crate::engine) fn claim_at_last(turn: &mut Turn, key: &PositionKey) -> bool {
    let Some(view) = turn.state().venue_positions.get(key).filter(|view| is_news(turn, view)).cloned() else {
        return false;
    };
    let explained = !turn.state().orders.entries_of(key).any(may_have_made);
    adopt(turn, &view.report, explained);
    turn.state().positions.get(key).is_some()
}

/// Whether the exchange shows a position of which nothing is held here, that did not just end, and that no
/// entry of ours is about to explain.
pub(in crate::engine) fn is_unclaimed(turn: &Turn, key: &PositionKey) -> bool {
    turn.state().venue_positions.get(key).is_some_and(|view| is_news(turn, view)) && !entry_works(turn, key)
}

fn is_news(turn: &Turn, view: &VenueView) -> bool {
    let (state, key) = (turn.state(), &view.report.key);
    view.report.contracts.is_positive()
        && state.positions.get(key).is_none()
        && state.contracts.contains_key(&key.symbol)
        && is_stable(turn, view, None)
}

fn entry_works(turn: &Turn, key: &PositionKey) -> bool {
    turn.state().orders.entries_of(key).next().is_some()
}

/// Whether all fills that could explain a view are told.
fn explains(turn: &Turn, view: &VenueView, fills: Fills) -> bool {
    let Fills::KnownAt(asked) = fills else { return false };
    asked >= view.word_at && listed_since(turn, view) <= asked
}

/// From when on a list of fills holds what a view speaks of.
pub(super) fn listed_by(turn: &Turn, key: &PositionKey) -> Option<SessionTime> {
    turn.state().venue_positions.get(key).map(|view| listed_since(turn, view))
}

fn listed_since(turn: &Turn, view: &VenueView) -> SessionTime {
    let lag = turn.capabilities.list_lag_max;
    let heard = view.word_at.plus(lag);
    // Told by its stamp, when the clocks are known to agree; what a list lacks has no stamp.
    let stamped = turn.state().upkeep.link.clock.filter(|_| !(view.listed && view.report.contracts.is_zero()));
    let told = view.report.updated_at;
    let stamped = stamped.filter(|_| told > VenueTime::ZERO);
    stamped.map_or(heard, |clock| heard.min(clock.to_session(told).plus(clock.uncertainty()).plus(lag)))
}

/// Whether an own order or its fills, still on their way, can explain a difference.
fn on_its_way(turn: &Turn, key: &PositionKey) -> bool {
    turn.state().orders.working().any(|order| order.position_key() == *key && order.may_have_unknown_fills())
}

/// Whether the exchange's view is surely of after our last change.
fn is_stable(turn: &Turn, view: &VenueView, position: Option<&Position>) -> bool {
    let window = turn.settings.positions.stable_window;
    let window = if view.listed { window.max(turn.capabilities.list_lag_max) } else { window };
    changed_at(turn, view, position)
        .is_none_or(|changed| changed.plus(window) <= view.as_of || is_stamped_later(turn, view, position))
        && !is_stamped_earlier(turn, view, position)
}

/// Our last change of a position, its end included.
fn changed_at(turn: &Turn, view: &VenueView, position: Option<&Position>) -> Option<SessionTime> {
    match position {
        Some(position) => Some(position.touched_at),
        None => turn.state().positions.last_closed(&view.report.key).map(|closed| closed.closed_at),
    }
}

/// The same for the deadline: a view that cannot be told to be of before our last change.
fn is_later_than_ours(turn: &Turn, view: &VenueView, position: Option<&Position>) -> bool {
    let lag = if view.listed { turn.capabilities.list_lag_max } else { std::time::Duration::ZERO };
    is_stable(turn, view, position)
        || changed_at(turn, view, position).is_none_or(|changed| changed.plus(lag) <= view.as_of)
}

/// Whether the exchange has said nothing of a position since our last change: its word is of before, and no
/// difference.
pub(super) fn is_untold_since(turn: &Turn, view: &VenueView) -> bool {
    let position = turn.state().positions.get(&view.report.key);
    changed_at(turn, view, position).is_some_and(|changed| view.as_of <= changed)
}

/// Whether a push, by its stamp, was made after the last fill that is known here.
fn is_stamped_later(turn: &Turn, view: &VenueView, position: Option<&Position>) -> bool {
    !view.listed && last_fill_at(turn, view, position).is_some_and(|last| view.report.updated_at > last)
}

/// Whether the exchange's view, by its stamp, is of before the last fill that is known here.
fn is_stamped_earlier(turn: &Turn, view: &VenueView, position: Option<&Position>) -> bool {
    let positive = view.report.contracts.is_positive();
    positive && last_fill_at(turn, view, position).is_some_and(|last| view.report.updated_at < last)
}

fn last_fill_at(turn: &Turn, view: &VenueView, position: Option<&Position>) -> Option<VenueTime> {
    match position {
        Some(position) => turn.state().positions.last_fill_at(position.id),
        None => turn.state().positions.last_closed(&view.report.key)?.last_fill_at,
    }
}

/// Sizes agree: margin, liquidation price and the rest are of this size.
pub(super) fn take_figures(turn: &mut Turn, position: &Position, report: &PositionReport) {
    if report.version > 0
        && report.version < position.venue_version
        && position.venue_id.as_ref() == Some(&report.venue_id)
    {
        return;
    }
    margin_mode::set(turn, position.id, report.margin_mode);
    let figures = figures(position, report);
    let mark = turn.mark(&position.key.symbol);
    let mut known = Position { margin_mode: report.margin_mode, ..position.clone() };
    known.venue = figures.clone();
    let spec = turn.state().contracts.get(&position.key.symbol);
    let margin_ratio_pct = mark.zip(spec).and_then(|(mark, spec)| known.margin_ratio_pct(spec, mark));
    turn.emit(Event::PositionSnapshot {
        id: position.id,
        venue_id: report.venue_id.clone(),
        figures,
        version: report.version,
        entry_price: report.entry_price.filter(|entry| entry.is_positive()),
        mark,
        unrealised: mark.and_then(|mark| known.unrealised(mark)),
        margin_ratio_pct,
    });
    liquidation_watch::on_figures(turn, position.id);
}

fn figures(position: &Position, report: &PositionReport) -> VenueFigures {
    VenueFigures {
        margin: report.margin,
        liquidation_price: report.liquidation_price.filter(|price| price.is_positive()),
        leverage: report.leverage,
        // A push without it does not make it unknown, or it would be counted again.
        funding: report.funding.or(position.venue.funding),
    }
}

/// Another size at the exchange, and no fill says why.
fn adjust(turn: &mut Turn, position: &Position, report: &PositionReport, explained: bool) {
    let Some(quantity) = quantity(turn, report) else { return };
    let same_size = report.contracts == position.contracts;
    let price = |price: Option<Price>| price.map_or_else(|| "?".to_owned(), |price| price.to_string());
    let reason = if same_size {
        format!("entry at the exchange is {}, here was {}", price(report.entry_price), price(position.entry_price))
    } else {
        format!("the exchange holds {quantity}, here were {}, and no fill explains it", position.quantity)
    };
    let message = format!("{}: {reason}", position.key);
    let grown = report.contracts > position.contracts;
    turn.emit(Event::PositionAdjusted {
        id: position.id,
        contracts: report.contracts,
        quantity,
        entry_price: report.entry_price.or(position.entry_price),
        settled_to: report.updated_at,
        reason,
    });
    // At the deadline the alert of the deadline says it.
    if !same_size && explained {
        let kind = if grown { AlertKind::PositionOpenedOutside } else { AlertKind::PositionClosedOutside };
        raise(turn, NewAlert::happened(kind, position.id, Severity::Warning, message).position(position));
    }
    if let Some(position) = turn.state().positions.get(&position.key).cloned() {
        take_figures(turn, &position, report);
    }
}

/// A position at the exchange that nothing here explains: it is followed from now on.
fn adopt(turn: &mut Turn, report: &PositionReport, explained: bool) {
    let Some(quantity) = quantity(turn, report) else { return };
    // Taken at the deadline: an order of ours whose fills cannot be read has made it, if there is one.
    let own = turn.state().orders.entries_of(&report.key).find(|order| !explained && may_have_made(order)).cloned();
    let position = Position {
        id: turn.state().positions.next_id(),
        key: report.key.clone(),
        venue_id: Some(report.venue_id.clone()),
        origin: if own.is_some() { Origin::Own } else { Origin::Outside },
        margin_mode: report.margin_mode,
        contracts: report.contracts,
        quantity,
        entry_price: report.entry_price,
        venue: VenueFigures::default(),
        realised: Usdt::ZERO,
        fees: Usdt::ZERO,
        stop_loss: own.as_ref().and_then(|order| order.stop_loss),
        take_profit: own.as_ref().and_then(|order| order.take_profit),
        settled_to: report.updated_at,
        venue_version: 0,
        opened_at: turn.now,
        touched_at: turn.now,
        synced_at: None,
        watch: LiquidationWatch::default(),
    };
    let message = format!("{} {quantity} was opened outside this session and is followed now", report.key);
    let alert = NewAlert::happened(AlertKind::PositionOpenedOutside, position.id, Severity::Warning, message)
        .position(&position);
    turn.emit(Event::PositionOpened { position: Box::new(position.clone()) });
    if explained {
        raise(turn, alert);
    }
    take_figures(turn, &position, report);
}

/// Whether an entry has, or may have, opened its position before its fills are known.
fn may_have_made(order: &Order) -> bool {
    let sent = !matches!(order.state, OrderState::Pending) && !order.order_type.rests();
    sent || order.may_have_unknown_fills()
}

/// Gone at the exchange, and no fill of ours explains it: closed outside until evidence says more.
fn vanished(turn: &mut Turn, position: &Position) {
    // The first search is now, and one follows with each sync.
    let searches = turn.settings.positions.evidence_syncs.saturating_add(1);
    position_closed(turn, position, CloseCause::Outside, None, searches);
    let message = format!(
        "{} {} is gone at the exchange and was not closed here; looking for evidence of a liquidation",
        position.key, position.quantity
    );
    let alert = NewAlert::happened(AlertKind::PositionClosedOutside, position.id, Severity::Warning, message)
        .position(position);
    raise(turn, alert);
    search(turn, position.id);
}

fn quantity(turn: &Turn, report: &PositionReport) -> Option<Qty> {
    turn.state().contracts.get(&report.key.symbol).map(|spec| spec.quantity(report.contracts))
}

/// The margin mode that a position of this key has at the exchange.
pub(super) fn told_margin_mode(turn: &Turn, key: &PositionKey) -> Option<MarginMode> {
    turn.state()
        .venue_positions
        .get(key)
        .filter(|view| view.report.contracts.is_positive())
        .map(|view| view.report.margin_mode)
}
