//! What goes into the engine and what comes out of it.

use std::time::Duration;

use crate::model::{
    AccountReport, CallError, CancelOrder, CancelOutcome, ClientOrderId, ClockOffset, Command, ContractSpec, Evidence,
    FillReport, Listing, OrderNo, OrderReport, PlaceOrder, PositionId, PositionKey, PositionMode, PositionReport, Push,
    RawSignal, Record, SessionInfo, SessionTime, Severity, Symbol, VenueOrderId, VenueTime,
};

/// Everything that can happen to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The program started; the state may hold a recovered session.
    Start {
        /// Who the session is when there is none yet; of a known session only the exchange's
        /// address is taken.
        info: Box<SessionInfo>,
        /// What recovery had to report: a torn journal tail.
        note: Option<String>,
    },
    /// The start found something in the data directory that a person must know.
    Found {
        /// In what: `history database`.
        subject: String,
        /// How bad it is.
        severity: Severity,
        /// What, and what to do.
        what: String,
    },
    /// The start found that facts are missing in the journal.
    FactsLost {
        /// Which, in few words.
        which: String,
        /// What is known of them.
        what: String,
    },
    /// Time passed.
    Tick,
    /// A signal, from whichever intake.
    Signal(Box<RawSignal>),
    /// An operator's command.
    Command(Box<Command>),
    /// The exchange pushed something.
    Push(Box<Push>),
    /// The exchange answered, or did not.
    Reply(Box<Reply>),
    /// Writing the journal failed (`Some`) or works again (`None`).
    Journal {
        /// What is wrong.
        error: Option<String>,
    },
    /// A part of the program ended unexpectedly.
    Failure {
        /// Which, and how, for people.
        what: String,
    },
    /// The machine slept, or the program was stopped, for so long.
    Suspended {
        /// For how long.
        slept: Duration,
    },
    /// An observer that may lose events has lost some.
    Dropped {
        /// Who.
        observer: String,
        /// How many in all.
        total: u64,
    },
}

/// What the engine asks of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Place an order; its reply names the attempt.
    Place {
        /// Which.
        no: OrderNo,
        /// Which attempt, from 1 on.
        attempt: u32,
        /// What to send.
        order: Box<PlaceOrder>,
    },
    /// Take back placements that have not left yet. Each is answered like any placement: as revoked, or
    /// as what the exchange said when it had left before.
    Revoke {
        /// Which.
        orders: Vec<OrderNo>,
    },
    /// Cancel orders.
    Cancel {
        /// Which.
        orders: Vec<CancelOrder>,
    },
    /// Look an order up by the id that we gave it.
    Lookup {
        /// Which.
        no: OrderNo,
        /// Its contract.
        symbol: Symbol,
        /// Its id.
        client_id: ClientOrderId,
    },
    /// All fills of one order.
    OrderFills {
        /// Which.
        no: OrderNo,
        /// Its contract.
        symbol: Symbol,
        /// The exchange's id of it.
        venue_id: VenueOrderId,
    },
    /// All open orders.
    OpenOrders,
    /// Orders of all contracts that were placed since a time and have come to an end.
    OrderHistory {
        /// Since when, by the exchange.
        since: VenueTime,
    },
    /// Fills of these contracts since a time.
    FillsSince {
        /// Which contracts.
        symbols: Vec<Symbol>,
        /// Since when, by the exchange.
        since: VenueTime,
    },
    /// All positions and the account.
    Positions,
    /// What became of a position that is gone.
    Evidence {
        /// Which opening.
        id: PositionId,
        /// Symbol and leg.
        key: PositionKey,
        /// Since when.
        since: VenueTime,
    },
    /// The account's position mode.
    PositionMode,
    /// Contract details.
    Contracts,
    /// The exchange's clock.
    ServerTime,
}

impl Request {
    /// Whether it can change something at the exchange, and so must be explained on disk first.
    pub const fn changes_something(&self) -> bool {
        matches!(self, Self::Place { .. } | Self::Cancel { .. })
    }

    /// Whether it reduces risk, and so waits for a slow disk only so long.
    pub fn reduces_risk(&self) -> bool {
        match self {
            Self::Cancel { .. } => true,
            Self::Place { order, .. } => order.intent.reduces(),
            _ => false,
        }
    }
}

/// How a request ended. Time-outs are errors like any other, classed by the adapter or the gateway.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To [`Request::Place`].
    Placed {
        /// Which order.
        no: OrderNo,
        /// Which attempt.
        attempt: u32,
        /// The exchange's id.
        result: Result<VenueOrderId, CallError>,
    },
    /// To [`Request::Place`], before its answer: the first byte is about to leave, and nothing can take
    /// it back any more.
    Left {
        /// Which order.
        no: OrderNo,
        /// Which attempt.
        attempt: u32,
    },
    /// To [`Request::Cancel`].
    Cancelled {
        /// Which orders were asked for.
        orders: Vec<OrderNo>,
        /// One outcome for each.
        result: Result<Vec<(OrderNo, CancelOutcome)>, CallError>,
    },
    /// To [`Request::Lookup`].
    LookedUp {
        /// Which order.
        no: OrderNo,
        /// When the question left.
        asked_at: SessionTime,
        /// What the exchange knows of it; `Ok(None)` is "nothing".
        result: Result<Option<OrderReport>, CallError>,
    },
    /// To [`Request::OrderFills`].
    OrderFills {
        /// Which order.
        no: OrderNo,
        /// Its fills.
        result: Result<Listing<FillReport>, CallError>,
    },
    /// To [`Request::OpenOrders`].
    OpenOrders {
        /// When the question left.
        asked_at: SessionTime,
        /// The orders.
        result: Result<Listing<OrderReport>, CallError>,
    },
    /// To [`Request::OrderHistory`].
    OrderHistory {
        /// When the question left.
        asked_at: SessionTime,
        /// Since when it was about, by the exchange.
        since: VenueTime,
        /// The orders.
        result: Result<Listing<OrderReport>, CallError>,
    },
    /// To [`Request::FillsSince`].
    Fills {
        /// When the question left.
        asked_at: SessionTime,
        /// The fills.
        result: Result<Listing<FillReport>, CallError>,
    },
    /// To [`Request::Positions`].
    Positions {
        /// When the question left.
        asked_at: SessionTime,
        /// The positions.
        result: Result<Listing<PositionReport>, CallError>,
        /// The balances; they fail on their own.
        account: Result<Listing<AccountReport>, CallError>,
    },
    /// To [`Request::Evidence`].
    Evidence {
        /// Which opening.
        id: PositionId,
        /// What was found.
        result: Result<Evidence, CallError>,
    },
    /// To [`Request::PositionMode`].
    PositionMode {
        /// The mode.
        result: Result<PositionMode, CallError>,
    },
    /// To [`Request::Contracts`].
    Contracts {
        /// The contracts.
        result: Result<Vec<ContractSpec>, CallError>,
    },
    /// To [`Request::ServerTime`].
    ServerTime {
        /// The difference.
        result: Result<ClockOffset, CallError>,
    },
}

/// What a step brought forth: events, already applied, and requests that may leave once the facts
/// among the events are on disk.
#[derive(Debug, Default)]
pub struct Out {
    /// What happened, in order.
    pub events: Vec<Record>,
    /// What is asked of the exchange, in order.
    pub requests: Vec<Request>,
}

impl Out {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.requests.clear();
    }

    /// The events that are journaled.
    pub fn facts(&self) -> impl Iterator<Item = &Record> {
        self.events.iter().filter(|record| record.event.is_fact())
    }
}
