//! Events about what is there already: doubts and exits of positions, alerts.

use std::collections::BTreeMap;

use super::Fact;
use crate::model::{
    Alert, AlertKey, Chore, ChoreState, Contracts, Decimal, Doubt, Event, ExitStyle, PositionId, Purpose, SessionState,
    SessionTime, StrategyId, Target, div,
};

/// The exchange told at this time: its prices, and what it is asked for.
pub fn told(state: &SessionState, at: SessionTime, positions: bool) -> Vec<Event> {
    let quotes = state.quotes.values().map(|quote| {
        let quote = crate::model::Quote { at: crate::model::VenueTime::from_micros(at.micros()), ..quote.clone() };
        Event::Quoted { quote: Box::new(quote) }
    });
    quotes.chain(heard(at, positions)).collect()
}

/// It was heard on orders, balances and, where they are told, positions.
pub fn heard(at: SessionTime, positions: bool) -> impl Iterator<Item = Event> {
    let state = ChoreState { done_at: Some(at), told_of: Some(at), ..ChoreState::default() };
    let chores = [Chore::PollOrders, Chore::ReadAccount].into_iter().chain(positions.then_some(Chore::SyncPositions));
    chores.map(move |chore| Event::ChoreMoved { chore, state: state.clone() })
}

pub fn about_position(state: &SessionState, at: SessionTime, fact: &Fact) -> Vec<Event> {
    let (Fact::Doubt { position } | Fact::Exit { position, .. }) = fact else { return Vec::new() };
    let Some(position) = state.positions.by_id(PositionId(*position)) else { return Vec::new() };
    let key = position.key.clone();
    let Fact::Exit { to, by, waits, refusals, .. } = fact else {
        let doubt = Doubt { differs_since: Some(at), missing: None };
        return vec![Event::DoubtMoved { key, doubt: Some(doubt) }];
    };
    let size = state.contracts.get(&key.symbol).map_or(Decimal::ONE, |spec| spec.contract_size);
    let Ok(strategy) = StrategyId::new("operator") else { return Vec::new() };
    vec![Event::TargetMoved {
        target: Box::new(Target {
            position: position.id,
            key,
            to: Contracts(div(*to, size).unwrap_or_default()),
            purpose: Purpose::Flatten,
            by: by.clone(),
            since: at,
            signal_id: None,
            strategy,
            style: ExitStyle::default(),
            part_max: None,
            refused_within: None,
            refusal: None,
            refusals: *refusals,
            next_try_at: None,
            waits_for: waits.clone(),
        }),
    }]
}

pub fn alert(state: &SessionState, at: SessionTime, fact: &Fact) -> Vec<Event> {
    let id = |n: u64| crate::model::AlertId(n);
    match fact {
        Fact::Alert { kind, severity, symbol: name, position, message, happened } => {
            let subject = position.map_or_else(
                || name.as_ref().map(ToString::to_string).unwrap_or_default(),
                |id| PositionId(id).to_string(),
            );
            vec![Event::AlertRaised {
                alert: Box::new(Alert {
                    id: state.alerts.next_id(),
                    key: AlertKey { kind: *kind, subject },
                    severity: *severity,
                    symbol: name.clone(),
                    position: position.map(PositionId),
                    message: message.clone(),
                    details: BTreeMap::new(),
                    raised_at: at,
                    updated_at: at,
                    count: 1,
                    cleared_at: happened.then_some(at),
                    acknowledged: None,
                }),
            }]
        }
        Fact::Acknowledged { alert } => {
            vec![Event::AlertsAcknowledged { ids: vec![id(*alert)], by: "operator".to_owned() }]
        }
        Fact::Cleared { alert } => vec![Event::AlertCleared { id: id(*alert) }],
        _ => Vec::new(),
    }
}
