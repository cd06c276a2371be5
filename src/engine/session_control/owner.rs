//! To whom the data belong: kept when the exchange has accepted the key of this start, so that a mistyped
//! one binds nothing.

use crate::engine::alerting::{NewAlert, raise};
use crate::engine::turn::Turn;
use crate::model::{AlertKind, Event, Severity};

/// The exchange answered what only the owner of a key may ask.
pub(in crate::engine) fn on_key_accepted(turn: &mut Turn) {
    let Some(offered) = turn.state().upkeep.identity_offered.clone() else { return };
    let Some(info) = &turn.state().info else { return };
    if info.identity.as_ref() == Some(&offered) {
        return;
    }
    let before = info.identity.as_ref().and_then(|known| known.account.clone());
    let now = offered.account.clone();
    turn.emit(Event::IdentityBound { identity: Box::new(offered) });
    if let (Some(before), Some(now)) = (before, now) {
        let message = format!(
            "these data belong to the key {now} from now on; until now to {before}. A person has confirmed that both \
             are keys of the same account"
        );
        raise(turn, NewAlert::happened(AlertKind::Recovered, "account key", Severity::Warning, message));
    }
}
