//! What is not certain of a position, since when, and the deadline: nothing puts the comparison with the
//! exchange off for more than two syncs (engine.md 8.10, 8.19).

use std::time::Duration;

use super::reconcile::{differs, is_untold_since, take};
use super::sync::all_keys;
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::turn::Turn;
use crate::engine::unanswered;
use crate::model::{AlertKey, AlertKind, Doubt, Event, Missing, Order, OrderState, PositionKey, Severity};

/// Two syncs: so long the comparison may be put off.
pub(in crate::engine) fn patience(turn: &Turn) -> Duration {
    turn.settings.positions.sync_interval.saturating_mul(2)
}

/// A list holds it.
pub(super) fn seen(turn: &mut Turn, key: &PositionKey) {
    change(turn, key, |doubt| Doubt { missing: None, ..doubt });
}

/// A list lacks it: the first that counts, or (`None`) one that is too old to count.
pub(super) fn lacking(turn: &mut Turn, key: &PositionKey, first: Option<Missing>) {
    let doubt = turn.state().upkeep.unconfirmed.get(key).copied().unwrap_or_default();
    let doubt = Some(Doubt { missing: first.or(doubt.missing), ..doubt });
    if turn.state().upkeep.unconfirmed.get(key) != doubt.as_ref() {
        turn.emit(Event::DoubtMoved { key: key.clone(), doubt });
    }
}

/// The exchange and we agree.
pub(super) fn agreed(turn: &mut Turn, key: &PositionKey) {
    change(turn, key, |doubt| Doubt { differs_since: None, ..doubt });
    clear(turn, AlertKind::ReconciliationStuck, key);
}

/// Looks over what differs; what differed for too long is taken from the exchange as it says.
pub(in crate::engine) fn watch(turn: &mut Turn) {
    for key in all_keys(turn) {
        if !differs(turn, &key) {
            agreed(turn, &key);
            continue;
        }
        let since = turn.state().upkeep.unconfirmed.get(&key).and_then(|doubt| doubt.differs_since);
        match since {
            None => {
                let now = turn.now;
                change(turn, &key, |doubt| Doubt { differs_since: Some(now), ..doubt });
            }
            Some(since) if since.plus(patience(turn)) <= turn.now => stuck(turn, &key),
            Some(_) => {}
        }
    }
    let over: Vec<PositionKey> = {
        let keys = all_keys(turn);
        turn.state().upkeep.unconfirmed.keys().filter(|key| !keys.contains(key)).cloned().collect()
    };
    for key in over {
        turn.emit(Event::DoubtMoved { key, doubt: None });
    }
}

/// Two syncs have not explained it: whoever waits for the explanation waits no longer, and a person is
/// told what it was.
fn stuck(turn: &mut Turn, key: &PositionKey) {
    let Some(view) = turn.state().venue_positions.get(key) else { return };
    if is_untold_since(turn, view) {
        return;
    }
    let spec = turn.state().contracts.get(&key.symbol);
    let shown =
        |contracts| spec.map_or_else(|| format!("{contracts} contracts"), |spec| spec.quantity(contracts).to_string());
    let theirs = shown(view.report.contracts);
    let ours = turn.state().positions.get(key).map_or_else(|| "none".to_owned(), |ours| shown(ours.contracts));
    let waited = waited_for(turn, key).join(", ");
    let working = turn.state().orders.working();
    let untold = working.filter(|order| order.position_key() == *key).any(Order::has_unsettled_fills);
    let taken = take(turn, key);
    let end = match (taken, untold) {
        (true, true) => "its size counts now; price, fee and result of the fills that were not told are not known",
        (true, false) => "its size counts now",
        (false, _) => "its size cannot be taken yet",
    };
    let message = format!(
        "{key}: the exchange holds {theirs}, here were {ours}, for {} s, and nothing explains it (waited for: {waited}); {end}",
        patience(turn).as_secs()
    );
    let key_of_it = AlertKey { kind: AlertKind::ReconciliationStuck, subject: key.to_string() };
    let told = turn.state().alerts.active(&key_of_it).is_some();
    let alert = if taken {
        NewAlert::happened(AlertKind::ReconciliationStuck, key, Severity::Critical, message)
    } else {
        NewAlert::holds(AlertKind::ReconciliationStuck, key, Severity::Critical, message)
    };
    if taken || !told {
        raise(turn, alert.symbol(&key.symbol).detail("side", key.side).detail("exchange", theirs).detail("here", ours));
    }
}

fn waited_for(turn: &Turn, key: &PositionKey) -> Vec<String> {
    let of_key = |order: &&Order| order.position_key() == *key;
    let mut waited: Vec<String> = turn
        .state()
        .orders
        .working()
        .filter(of_key)
        .filter_map(|order| match order.state {
            OrderState::Submitting | OrderState::Unknown => Some(format!("what became of order {}", order.no)),
            _ if order.has_unsettled_fills() => Some(format!(
                "fills of order {}: {} of the {} contracts that the exchange counts",
                order.no, order.filled_contracts, order.venue_filled
            )),
            _ => None,
        })
        .collect();
    waited.extend(
        turn.state()
            .upkeep
            .unanswered
            .iter()
            .filter(|(chore, _)| unanswered::is_compared(**chore))
            .map(|(chore, unanswered)| format!("{}: {}", unanswered::subject(*chore), unanswered.error)),
    );
    if waited.is_empty() {
        waited.push("fills that explain it".to_owned());
    }
    waited
}

fn change(turn: &mut Turn, key: &PositionKey, to: impl FnOnce(Doubt) -> Doubt) {
    let known = turn.state().upkeep.unconfirmed.get(key).copied();
    let doubt = Some(to(known.unwrap_or_default())).filter(|doubt| *doubt != Doubt::default());
    if known != doubt {
        turn.emit(Event::DoubtMoved { key: key.clone(), doubt });
    }
}
