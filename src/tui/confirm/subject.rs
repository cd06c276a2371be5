//! What a prompt is about, frozen as the operator saw it.

use crate::model::{
    Action, AlertId, CallClass, Contracts, Order, OrderNo, OrderState, OrderType, PositionKey, Qty, RiskLimit,
    SessionState, count,
};
use crate::tui::format;

/// What was on the screen of an order when the prompt opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its state.
    pub state: OrderState,
    /// Filled so far.
    pub filled: Qty,
    /// Its size.
    pub quantity: Qty,
    /// Its price.
    pub order_type: OrderType,
}

impl Seen {
    fn of(order: &Order) -> Self {
        Self { state: order.state, filled: order.filled, quantity: order.quantity, order_type: order.order_type }
    }
}

/// An order that a prompt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub no: OrderNo,
    /// What the operator saw of it.
    pub seen: Seen,
    /// In words: `SELL 1.200 BTC_USDT @ 61,950.0`.
    pub words: String,
    /// What it protects, when it does: `2.400 LONG`.
    pub protects: Option<String>,
}

impl Target {
    /// An order as it is now.
    pub fn of(state: &SessionState, order: &Order) -> Self {
        let spec = state.contracts.get(&order.symbol);
        let (tick, step) = (spec.map(|spec| spec.tick), spec.map(crate::tui::view::step));
        let at = match order.order_type {
            OrderType::Market => "at market".to_owned(),
            OrderType::Limit(price) | OrderType::ImmediateOrCancel(price) => {
                format!("@ {}", format::price(price, tick))
            }
        };
        let remaining = format::quantity(order.remaining(), step);
        let words = format!("{} {remaining} {} {at}", order.intent.order_word(), order.symbol);
        let protects = order.is_protective().then(|| {
            let held = state.positions.get(&order.position_key()).map(|position| position.quantity);
            let held = held.map_or_else(|| format::UNKNOWN.to_owned(), |held| format::quantity(held, step));
            format!("{held} {}", order.intent.side)
        });
        Self { no: order.no, seen: Seen::of(order), words, protects }
    }

    /// Whether the order is not any more what is shown of it.
    pub fn has_moved(&self, state: &SessionState) -> bool {
        let now = state.orders.get(self.no).map(|order| (Seen::of(order), order.state.is_terminal()));
        match now {
            // On its way in is on its way in: what matters is size, price, fills and its end.
            Some((seen, false)) => {
                (seen.filled, seen.quantity, seen.order_type)
                    != (self.seen.filled, self.seen.quantity, self.seen.order_type)
            }
            Some((_, true)) | None => true,
        }
    }
}

/// How much a confirmation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// One key, never Enter.
    Key,
    /// One key, or another one that also cancels so many entries.
    KeyOrEntries(usize),
    /// This word, then Enter.
    Word(String),
}

impl Tier {
    /// The tier of a prompt that is open, after its subject moved: no key that it offered closes it.
    #[must_use]
    pub fn followed_by(&self, next: Self) -> Self {
        match (self, next) {
            (Self::KeyOrEntries(_), Self::Key) => Self::KeyOrEntries(0),
            (_, next) => next,
        }
    }
}

/// What a prompt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// These orders; by `c`.
    Cancel {
        /// Which.
        targets: Vec<Target>,
    },
    /// A set of orders; by `C`.
    CancelSet {
        /// Which.
        targets: Vec<Target>,
        /// In words: `all working orders`, `filter "btc"`.
        scope: String,
    },
    /// No new exposure.
    Pause {
        /// Working entries.
        entries: usize,
    },
    /// New exposure again.
    Resume,
    /// A breaker.
    ResetBreaker(CallClass),
    /// A risk limit.
    ResetLimit(RiskLimit),
    /// Halt.
    Halt {
        /// Working entries.
        entries: usize,
        /// Protective orders that stay.
        protective: usize,
        /// Open positions that stay.
        positions: usize,
    },
    /// Flatten.
    Flatten {
        /// Open positions.
        positions: usize,
        /// Working orders.
        orders: usize,
        /// Whether those are all, as far as the exchange told lately.
        known: bool,
    },
    /// An exit that stands is taken back: the position stays.
    WithdrawExit {
        /// Of which position.
        key: PositionKey,
        /// What is withdrawn, in words: `closing by operator`.
        words: String,
        /// How it stands: what the operator saw.
        to: Contracts,
    },
    /// All alerts on the screen.
    AcknowledgeAll {
        /// Which.
        alerts: Vec<AlertId>,
    },
}

impl Subject {
    /// The orders it names.
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Cancel { targets } | Self::CancelSet { targets, .. } => targets,
            _ => &[],
        }
    }

    /// Whether one of its orders protects a position.
    pub fn is_protective(&self) -> bool {
        self.targets().iter().any(|target| target.protects.is_some())
    }

    /// Whether it makes the account safer.
    pub fn reduces_risk(&self) -> bool {
        match self {
            Self::Cancel { .. } | Self::CancelSet { .. } => !self.is_protective(),
            Self::Pause { .. } | Self::Halt { .. } | Self::Flatten { .. } | Self::AcknowledgeAll { .. } => true,
            Self::Resume | Self::ResetBreaker(_) | Self::ResetLimit(_) | Self::WithdrawExit { .. } => false,
        }
    }

    /// What its confirmation asks for. A word never holds what moves: it would change under the fingers.
    pub fn tier(&self) -> Tier {
        match self {
            Self::Cancel { targets } => match targets.as_slice() {
                [one] if one.protects.is_some() => Tier::Word(one.no.0.to_string()),
                _ if self.is_protective() => Tier::Word("cancel".to_owned()),
                _ => Tier::Key,
            },
            Self::CancelSet { .. } => Tier::Word("cancel".to_owned()),
            Self::Pause { entries: 0 } | Self::AcknowledgeAll { .. } => Tier::Key,
            Self::Pause { entries } => Tier::KeyOrEntries(*entries),
            Self::Resume => Tier::Word("resume".to_owned()),
            Self::ResetBreaker(class) => Tier::Word(class.word().to_owned()),
            Self::ResetLimit(limit) => Tier::Word(limit.word().to_owned()),
            Self::Halt { .. } => Tier::Word("halt".to_owned()),
            Self::Flatten { .. } => Tier::Word("flatten".to_owned()),
            Self::WithdrawExit { .. } => Tier::Word("withdraw".to_owned()),
        }
    }

    /// What it asks of the engine.
    pub fn action(&self, with_entries: bool) -> Action {
        match self {
            Self::Cancel { targets } | Self::CancelSet { targets, .. } => {
                Action::Cancel { orders: targets.iter().map(|target| target.no).collect() }
            }
            Self::Pause { .. } => Action::Pause { cancel_entries: with_entries },
            Self::Resume => Action::Resume,
            Self::ResetBreaker(class) => Action::ResetBreaker { class: *class },
            Self::ResetLimit(limit) => Action::ResetLimit { limit: *limit },
            Self::Halt { .. } => Action::Halt,
            Self::Flatten { .. } => Action::Flatten,
            Self::WithdrawExit { key, .. } => Action::WithdrawExit { symbol: key.symbol.clone(), side: key.side },
            Self::AcknowledgeAll { alerts } => Action::Acknowledge { alerts: alerts.clone() },
        }
    }

    /// Follows the session; `None` when nothing of it is left.
    pub fn followed(self, state: &SessionState, known: bool) -> Option<Self> {
        match &self {
            Self::Cancel { targets } | Self::CancelSet { targets, .. } => {
                let moved = targets.iter().any(|target| target.has_moved(state));
                if moved { self.renewed(state, known) } else { Some(self) }
            }
            _ => self.renewed(state, known),
        }
    }

    /// The same subject as it is now; `known`: the positions are; `None` when nothing of it is left.
    pub fn renewed(&self, state: &SessionState, known: bool) -> Option<Self> {
        let renew = |targets: &[Target]| -> Option<Vec<Target>> {
            let left: Vec<Target> = targets
                .iter()
                .filter_map(|target| state.orders.get(target.no))
                .filter(|order| order.is_working())
                .map(|order| Target::of(state, order))
                .collect();
            (!left.is_empty()).then_some(left)
        };
        Some(match self {
            Self::Cancel { targets } => Self::Cancel { targets: renew(targets)? },
            Self::CancelSet { targets, scope } => Self::CancelSet { targets: renew(targets)?, scope: scope.clone() },
            Self::Flatten { .. } => Self::flatten(state, known),
            Self::WithdrawExit { key, .. } => Self::withdraw_exit(state, key)?,
            Self::Halt { .. } => Self::halt(state),
            Self::Pause { .. } => Self::Pause { entries: state.orders.working_entries() },
            other => other.clone(),
        })
    }

    /// Whether what the operator saw is not any more so, and he has to look again. What reduces risk does not
    /// care: whatever has moved, it makes the account safer, and its figures follow.
    pub fn has_changed(&self, state: &SessionState) -> bool {
        match self {
            // One that has ended leaves the set; one that protects and holds something else is another question.
            Self::Cancel { targets } | Self::CancelSet { targets, .. } => targets.iter().any(|target| {
                let works = state.orders.get(target.no).is_some_and(Order::is_working);
                target.protects.is_some() && works && target.has_moved(state)
            }),
            Self::WithdrawExit { key, to, .. } => state.target(key).is_none_or(|target| target.to != *to),
            _ => false,
        }
    }

    /// A flatten of the session as it is; whether its positions are known says who asks.
    pub fn flatten(state: &SessionState, known: bool) -> Self {
        Self::Flatten { positions: state.positions.open_count(), orders: state.orders.working_count(), known }
    }

    /// The exit of a position that is to be taken back, as it stands; `None` when none does.
    pub fn withdraw_exit(state: &SessionState, key: &PositionKey) -> Option<Self> {
        let target = state.target(key)?;
        let words = crate::tui::view::exit_words(state, target);
        Some(Self::WithdrawExit { key: key.clone(), words, to: target.to })
    }

    /// What a flatten closes, in words.
    pub fn positions_words(&self) -> String {
        match self {
            Self::Flatten { positions: 0, known: false, .. } => "all positions, ? now".to_owned(),
            Self::Flatten { positions, known: false, .. } => format!("all positions, at least {positions}"),
            Self::Flatten { positions, .. } => count(*positions, "position"),
            _ => String::new(),
        }
    }

    /// A halt of the session as it is.
    pub fn halt(state: &SessionState) -> Self {
        let entries = state.orders.working_entries();
        Self::Halt {
            entries,
            protective: state.orders.working_count().saturating_sub(entries),
            positions: state.positions.open_count(),
        }
    }

    /// One line that says what will happen.
    pub fn words(&self) -> String {
        match self {
            Self::Cancel { targets } => match targets.as_slice() {
                [one] => match &one.protects {
                    Some(protects) => format!("cancel {} {}, protects {protects}", one.no, one.words),
                    None => format!("cancel {} {} · entry", one.no, one.words),
                },
                many => format!("cancel {}{}", count(many.len(), "marked order"), with_protective(many)),
            },
            Self::CancelSet { targets, scope } => {
                format!("cancel {} ({scope}){}", count(targets.len(), "order"), with_protective(targets))
            }
            Self::Pause { entries: 0 } => "pause: no new exposure".to_owned(),
            Self::Pause { entries } => format!("pause: no new exposure · {} working", entry_count(*entries)),
            Self::Resume => "resume: new exposure is allowed again".to_owned(),
            Self::ResetBreaker(class) => format!("close the {class} breaker by hand"),
            Self::ResetLimit(limit) => format!("take the {} limit back: entries trade again", limit.word()),
            Self::Halt { .. } => "halt the session".to_owned(),
            Self::Flatten { .. } => format!("flatten {}", self.positions_words()),
            Self::WithdrawExit { key, words, .. } => format!("withdraw: {key} is {words}, and would stay open"),
            Self::AcknowledgeAll { alerts } => format!("acknowledge {} on the screen", count(alerts.len(), "alert")),
        }
    }

    /// The same where there is little room: never without what it is about.
    pub fn short_words(&self) -> String {
        match self {
            Self::Cancel { targets } => match targets.as_slice() {
                [one] => match &one.protects {
                    Some(protects) => format!("{} protects {protects}", one.no),
                    None => format!("{} {}", one.no, one.words),
                },
                many => format!("{}{}", count(many.len(), "order"), with_protective(many)),
            },
            Self::CancelSet { targets, .. } => format!("{}{}", count(targets.len(), "order"), with_protective(targets)),
            Self::Resume => "new exposure again".to_owned(),
            Self::ResetLimit(limit) => format!("{} limit back", limit.word()),
            Self::WithdrawExit { key, .. } => format!("{key} stays open"),
            other => other.words(),
        }
    }
}

fn entry_count(n: usize) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

fn with_protective(targets: &[Target]) -> String {
    match targets.iter().filter(|target| target.protects.is_some()).count() {
        0 => String::new(),
        n => format!(", {n} of them PROTECTIVE"),
    }
}
