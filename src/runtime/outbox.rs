//! What must not leave before the facts that explain it are safe: requests that change something at
//! the exchange, and answers to those who handed something in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::intake::SignalAnswer;
use crate::engine::Request;
use crate::model::OrderNo;

/// Something that waits for the journal.
#[derive(Debug)]
pub enum Held {
    /// A request to the exchange.
    Request(Request),
    /// An answer to the sender of a signal.
    Answer(oneshot::Sender<SignalAnswer>, SignalAnswer),
}

/// What leaves now.
#[derive(Debug)]
pub enum Release {
    /// The facts that explain it are safe.
    Explained(Held),
    /// It reduces risk and the disk is too slow: it leaves before its facts are safe.
    Unjournaled(Request),
    /// The journal cannot be written: this must not leave at all.
    Refused(Request),
}

#[derive(Debug)]
struct Waiting {
    seq: u64,
    since: Instant,
    held: Held,
}

/// Holds what waits, in order.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    exit_delay_max: Duration,
}

impl Outbox {
    /// An empty one; exits and cancels wait for the disk at most so long (real time).
    pub fn new(exit_delay_max: Duration) -> Self {
        Self { waiting: VecDeque::new(), exit_delay_max }
    }

    /// Holds something until the fact with this number is safe.
    pub fn hold(&mut self, seq: u64, now: Instant, held: Held) {
        self.waiting.push_back(Waiting { seq, since: now, held });
    }

    /// Takes out the placements of these orders that still wait here.
    pub fn revoke(&mut self, orders: &[OrderNo]) -> Vec<Request> {
        let mut revoked = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting.held {
                Held::Request(request @ Request::Place { no, .. }) if orders.contains(&no) => revoked.push(request),
                held => self.waiting.push_back(Waiting { held, ..waiting }),
            }
        }
        revoked
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the first exit or cancel may wait no longer.
    pub fn deadline(&self) -> Option<Instant> {
        let mut exits = self.waiting.iter().filter(|waiting| waiting.reduces_risk());
        exits.next().and_then(|first| first.since.checked_add(self.exit_delay_max))
    }

    /// Takes out what leaves now: everything up to the `safe` fact; exits and cancels that have
    /// waited too long, or at once while the journal cannot be written; entries are refused then.
    pub fn release(&mut self, safe: u64, broken: bool, now: Instant, mut out: impl FnMut(Release)) {
        while self.waiting.front().is_some_and(|first| first.seq <= safe) {
            if let Some(first) = self.waiting.pop_front() {
                out(Release::Explained(first.held));
            }
        }
        let late = self.deadline().is_some_and(|deadline| deadline <= now);
        if !broken && !late {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let overdue = now.saturating_duration_since(waiting.since) >= self.exit_delay_max;
            match waiting.held {
                Held::Request(request) if request.reduces_risk() && (broken || overdue) => {
                    out(Release::Unjournaled(request));
                }
                Held::Request(request) if broken && !request.reduces_risk() => out(Release::Refused(request)),
                held => self.waiting.push_back(Waiting { held, ..waiting }),
            }
        }
    }
}

impl Waiting {
    fn reduces_risk(&self) -> bool {
        matches!(&self.held, Held::Request(request) if request.reduces_risk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        CancelOrder, ClientOrderId, Contracts, Decimal, Intent, MarginMode, OrderNo, OrderType, PlaceOrder,
        PositionMode, Side, Symbol,
    };

    const DELAY: Duration = Duration::from_millis(250);

    fn place(no: u64, intent: Intent) -> Held {
        let order = PlaceOrder {
            client_id: ClientOrderId::new(&format!("s-{no}")).unwrap(),
            symbol: Symbol::new("BTC_USDT").unwrap(),
            intent,
            order_type: OrderType::Market,
            contracts: Contracts(Decimal::ONE),
            leverage: 3,
            margin_mode: MarginMode::Isolated,
            position_mode: PositionMode::Hedge,
            position_id: None,
            stop_loss: None,
            take_profit: None,
        };
        Held::Request(Request::Place { no: OrderNo(no), attempt: 1, order: Box::new(order) })
    }

    fn entry(no: u64) -> Held {
        place(no, Intent::open(Side::Long))
    }

    fn exit(no: u64) -> Held {
        place(no, Intent::close(Side::Long))
    }

    fn cancel(no: u64) -> Held {
        let order = CancelOrder {
            no: OrderNo(no),
            symbol: Symbol::new("BTC_USDT").unwrap(),
            venue_id: None,
            client_id: ClientOrderId::new(&format!("s-{no}")).unwrap(),
        };
        Held::Request(Request::Cancel { orders: vec![order] })
    }

    fn no_of(request: &Request) -> u64 {
        match request {
            Request::Place { no, .. } => no.0,
            Request::Cancel { orders } => orders[0].no.0,
            other => panic!("{other:?}"),
        }
    }

    fn released(outbox: &mut Outbox, safe: u64, broken: bool, now: Instant) -> Vec<(&'static str, u64)> {
        let mut left = Vec::new();
        outbox.release(safe, broken, now, |release| {
            left.push(match release {
                Release::Explained(Held::Request(request)) => ("explained", no_of(&request)),
                Release::Explained(Held::Answer(..)) => ("answer", 0),
                Release::Unjournaled(request) => ("unjournaled", no_of(&request)),
                Release::Refused(request) => ("refused", no_of(&request)),
            });
        });
        left
    }

    #[test]
    fn nothing_leaves_before_its_facts_are_safe() {
        let start = Instant::now();
        let mut outbox = Outbox::new(DELAY);
        outbox.hold(3, start, entry(1));
        outbox.hold(5, start, exit(2));
        outbox.hold(7, start, cancel(3));
        assert!(released(&mut outbox, 2, false, start).is_empty());
        assert_eq!(released(&mut outbox, 5, false, start), [("explained", 1), ("explained", 2)]);
        assert_eq!(released(&mut outbox, 9, false, start), [("explained", 3)]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_slow_disk_delays_exits_and_cancels_by_a_quarter_second_at_most_and_entries_for_ever() {
        let start = Instant::now();
        let mut outbox = Outbox::new(DELAY);
        outbox.hold(3, start, entry(1));
        outbox.hold(5, start, exit(2));
        outbox.hold(7, start + DELAY / 2, cancel(3));
        assert_eq!(outbox.deadline(), Some(start + DELAY));
        assert!(released(&mut outbox, 0, false, start + DELAY / 2).is_empty());
        assert_eq!(released(&mut outbox, 0, false, start + DELAY), [("unjournaled", 2)]);
        assert_eq!(released(&mut outbox, 0, false, start + DELAY * 4), [("unjournaled", 3)]);
        assert_eq!(outbox.deadline(), None);
        assert_eq!(released(&mut outbox, 3, false, start + DELAY * 4), [("explained", 1)]);
    }

    #[test]
    fn a_broken_journal_refuses_entries_and_lets_exits_and_cancels_go_at_once() {
        let start = Instant::now();
        let mut outbox = Outbox::new(DELAY);
        let (answer, mut receiver) = oneshot::channel();
        outbox.hold(3, start, entry(1));
        outbox.hold(3, start, Held::Answer(answer, SignalAnswer::Refused { reason: "x".into() }));
        outbox.hold(5, start, exit(2));
        outbox.hold(7, start, cancel(3));
        let left = released(&mut outbox, 0, true, start);
        assert_eq!(left, [("refused", 1), ("unjournaled", 2), ("unjournaled", 3)]);
        assert!(receiver.try_recv().is_err(), "an answer still waits for the journal");
        assert_eq!(released(&mut outbox, 3, false, start), [("answer", 0)]);
    }
}
