//! Signals: understood or refused by name, each decided once.

use std::time::Duration;

use super::alerting::{NewAlert, raise};
use super::exits;
use super::live_order_manager as orders;
use super::turn::Turn;
use crate::model::{
    AlertKind, Amount, Event, Price, RawSignal, RiskCheck, SessionTime, Severity, Signal, SignalError, SignalKind,
    SignalOutcome, VenueTime, escape_controls,
};

/// How long after its decision the record of a signal is kept at least, with the words of its outcome.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// A signal came in.
pub(super) fn on_signal(turn: &mut Turn, raw: &RawSignal) {
    let mut signal = match raw.parse(turn.now) {
        Ok(signal) => signal,
        Err(error) => return refuse(turn, raw, &error),
    };
    // At-least-once delivery: the second one changes nothing; the first result stands, for ever.
    if let Some(first) = turn.state().known_signals.content(signal.id.as_str()) {
        if first != signal.content() {
            used_for_something_else(turn, raw, &signal);
        }
        return;
    }
    if turn.state().signals.contains_key(&signal.id) || exits::is_held(turn, &signal.id) {
        return;
    }
    match made_at(turn, raw, &signal) {
        Ok(made_at) => signal.made_at = made_at,
        Err(reason) => return decide(turn, signal, rejected(reason), None, None),
    }
    if raw.is_emergency() && raw.price.is_some() {
        price_ignored(turn, raw, &signal);
    }
    match signal.kind {
        SignalKind::Note => decide(turn, signal, SignalOutcome::Recorded, None, None),
        SignalKind::CancelEntry => cancel_entry(turn, signal),
        SignalKind::Entry => orders::enter(turn, signal),
        SignalKind::PartialExit | SignalKind::FullExit => exits::exit(turn, signal),
    }
}

/// An emergency exit with a price closes at market, and says so.
fn price_ignored(turn: &mut Turn, raw: &RawSignal, signal: &Signal) {
    let price = cut(raw.price.as_deref().unwrap_or_default());
    let message = format!("emergency exit {}: its price {price} is ignored, it closes at market", signal.id);
    let alert = NewAlert::happened(AlertKind::SignalRefused, "price of an emergency exit", Severity::Warning, message);
    raise(turn, alert.detail("signal_id", &signal.id).symbol(&signal.symbol));
}

/// Records what became of a signal.
pub(super) fn decide(
    turn: &mut Turn,
    signal: Signal,
    outcome: SignalOutcome,
    risk_score: Option<u32>,
    price: Option<Price>,
) {
    turn.emit(Event::SignalDecided { signal: Box::new(signal), outcome, risk_score, price });
}

/// A rejection for a reason that is not a risk check.
pub(super) fn rejected(reason: impl Into<String>) -> SignalOutcome {
    SignalOutcome::Rejected { reason: reason.into(), failed_checks: Vec::new() }
}

/// A rejection by the risk gate.
pub(super) fn rejected_by(reason: String, failed_checks: Vec<RiskCheck>) -> SignalOutcome {
    SignalOutcome::Rejected { reason, failed_checks }
}

/// Forgets the records of old signals; their ids, contents and outcomes stay known.
pub(super) fn cleanup(turn: &mut Turn) {
    let keep = turn.settings.orders.signal_max_age.saturating_mul(2).max(REMEMBERED_FOR);
    let before = turn.now.minus(keep);
    if turn.state().signals.first().is_some_and(|(_, oldest)| oldest.at < before) {
        turn.emit(Event::SignalsForgotten { before });
    }
}

/// Two signals under one id: the second sender must not believe that the first one's order is its own.
fn used_for_something_else(turn: &mut Turn, raw: &RawSignal, signal: &Signal) {
    let first = match turn.state().signal_outcome(&signal.id) {
        Some(SignalOutcome::Ordered { order }) => format!("it made order {order}"),
        Some(SignalOutcome::Cancelling { order }) => format!("it cancelled order {order}"),
        Some(SignalOutcome::Closing { position }) => format!("it closes position {position}"),
        Some(SignalOutcome::Recorded) => "it was recorded".to_owned(),
        Some(SignalOutcome::Rejected { .. }) | None => "it was refused".to_owned(),
    };
    let reason = format!(
        "id used for something else: signal {} came before with other content ({first}); give each signal an id of its own",
        signal.id
    );
    turn.emit(Event::SignalRefused { raw: Box::new(escaped(raw)), reason: reason.clone() });
    let alert = NewAlert::happened(
        AlertKind::SignalRefused,
        "id used again",
        Severity::Warning,
        format!("signal refused: {reason}"),
    );
    raise(turn, alert.detail("signal_id", &signal.id).symbol(&signal.symbol));
}

fn refuse(turn: &mut Turn, raw: &RawSignal, error: &SignalError) {
    let reason = error.to_string();
    let subject = match error {
        SignalError::UnknownType(name) => format!("type {name}"),
        _ => "fields".to_owned(),
    };
    turn.emit(Event::SignalRefused { raw: Box::new(escaped(raw)), reason: reason.clone() });
    let alert =
        NewAlert::happened(AlertKind::SignalRefused, subject, Severity::Warning, format!("signal refused: {reason}"))
            .detail("signal_id", cut(&raw.signal_id));
    raise(turn, alert);
}

/// When a signal was made, by our clock; it must be young, and not from a future that would outlive our memory
/// of it. Its sender's clock is ours, or a right one elsewhere, for which the exchange's stands: its stamp
/// fits by either. By the exchange's it has to fit however wrong the measurement may be, so that nothing
/// passes for its uncertainty.
fn made_at(turn: &Turn, raw: &RawSignal, signal: &Signal) -> Result<SessionTime, String> {
    let limit = turn.settings.orders.signal_max_age;
    let fits =
        |at: SessionTime, unsure: Duration| turn.now.since(at).max(at.since(turn.now)).saturating_add(unsure) <= limit;
    if fits(signal.made_at, Duration::ZERO) {
        return Ok(signal.made_at);
    }
    let clock = turn.state().upkeep.link.clock;
    let stamped = raw.timestamp.map(VenueTime::from_millis).zip(clock);
    if let Some((stamp, clock)) = stamped.filter(|(stamp, clock)| fits(clock.to_session(*stamp), clock.uncertainty())) {
        return Ok(clock.to_session(stamp));
    }
    let (age, ahead) = (turn.now.since(signal.made_at), signal.made_at.since(turn.now));
    Err(if age > limit {
        format!("stale: made {} s ago, at most {} s", age.as_secs(), limit.as_secs())
    } else {
        format!("its timestamp is {} s in the future: check the sender's clock and unit (ms)", ahead.as_secs())
    })
}

fn cancel_entry(turn: &mut Turn, signal: Signal) {
    let named = signal.cancels.clone();
    let order = named.as_ref().and_then(|id| match turn.state().signal_outcome(id) {
        Some(SignalOutcome::Ordered { order }) => turn.order(order),
        _ => None,
    });
    let order = order.filter(|order| order.signal_id == named);
    let name = named.map_or_else(String::new, |id| id.to_string());
    match order {
        Some(order) if order.is_working() && !order.reduces() => {
            let by = format!("signal {}", signal.id);
            decide(turn, signal, SignalOutcome::Cancelling { order: order.no }, None, None);
            orders::wish_cancel(turn, order.no, &by);
        }
        Some(order) => {
            let reason = format!("order {} of signal {name} is {}: nothing to cancel", order.no, order.state);
            decide(turn, signal, rejected(reason), None, None);
        }
        None => decide(turn, signal, rejected(format!("no entry of signal {name} is known")), None, None),
    }
}

/// The amount asked for, in words, for messages.
pub(super) fn amount_words(amount: Amount) -> String {
    match amount {
        Amount::Quantity(quantity) => quantity.to_string(),
        Amount::SharePct(share) => format!("{share}%"),
        Amount::All => "all".to_owned(),
    }
}

fn cut(text: &str) -> String {
    escape_controls(&text.chars().take(128).collect::<String>()).into_owned()
}

/// As it came, but harmless and short.
fn escaped(raw: &RawSignal) -> RawSignal {
    let some = |text: &Option<String>| text.as_deref().map(cut);
    RawSignal {
        signal_id: cut(&raw.signal_id),
        signal_type: cut(&raw.signal_type),
        symbol: cut(&raw.symbol),
        side: cut(&raw.side),
        quantity: some(&raw.quantity),
        price: some(&raw.price),
        stop_loss: some(&raw.stop_loss),
        take_profit: some(&raw.take_profit),
        strategy: some(&raw.strategy),
        confidence: some(&raw.confidence),
        cancels: some(&raw.cancels),
        timestamp: raw.timestamp,
        indicator_values: raw.indicator_values.iter().take(64).map(|(name, value)| (cut(name), cut(value))).collect(),
    }
}
