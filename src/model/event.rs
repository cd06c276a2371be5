//! Events: everything that happened, in the order in which it happened.
//!
//! A *fact* is journaled and numbered. A *quote* is applied and published like any other event but
//! never journaled: prices, counters of calls, chores. After a restart quotes start afresh.

mod about;
mod record;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use about::state_after;
pub use record::{Account, Record};

use super::{
    Alert, AlertId, AlertKey, BreakerState, BulkRecovery, CallClass, CallGroup, Chore, ChoreState, ClientOrderId,
    ClockOffset, CloseCause, Command, CommandId, CommandStatus, ContractSpec, Contracts, Control, Decimal, Doubt, Fill,
    Flatten, Identity, Incarnation, LinkState, LiquidationWatch, MarginMode, Order, OrderNo, OrderState, Phase,
    Position, PositionId, PositionKey, PositionMode, Price, PriceDoubt, Qty, Quote, RawSignal, RiskLimit, SessionInfo,
    SessionTime, Severity, Signal, SignalId, SignalOutcome, Symbol, Target, TargetEnd, Usdt, VenueEnd, VenueFigures,
    VenueOrderId, VenuePositionId, VenueTime, VenueView,
};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    // --- the session
    /// The first start of a session.
    SessionStarted {
        /// Who it is.
        info: Box<SessionInfo>,
    },
    /// A later start on the same journal.
    SessionResumed {
        /// Which start this is.
        starts: u32,
        /// The exchange's address now.
        exchange: String,
        /// The start in the client ids of its orders.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incarnation: Option<Incarnation>,
    },
    /// The environment, exchange and account to which the data belong are known now; a start that
    /// differs is refused from here on.
    IdentityBound {
        /// What they belong to.
        identity: Box<Identity>,
    },
    /// Facts before this one were stamped by a clock that was ahead; time goes on from this fact's. All
    /// times in the state that lie ahead of it are brought back to it: facts are ordered by number.
    ClockSetBack {
        /// The latest time that was spoken of.
        from: SessionTime,
    },
    /// Facts before this one are missing in the journal. Entries were halted because of it.
    FactsLost {
        /// Which, or what shows it, for people.
        which: String,
    },
    /// The session moved on in its life.
    PhaseChanged {
        /// To where.
        phase: Phase,
        /// Why, for people.
        reason: String,
    },
    /// Whether new exposure is allowed changed.
    ControlChanged {
        /// To what.
        control: Control,
        /// Who did it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A flatten began, moved on or ended (`None`).
    FlattenMoved {
        /// Where it is now.
        flatten: Option<Box<Flatten>>,
    },
    /// The account's position mode is known.
    PositionModeLearned {
        /// Which.
        mode: PositionMode,
    },
    /// A contract is known, or has changed.
    ContractLearned {
        /// All of it.
        spec: Box<ContractSpec>,
    },

    // --- signals
    /// A signal was understood and decided.
    SignalDecided {
        /// The signal.
        signal: Box<Signal>,
        /// What became of it.
        outcome: SignalOutcome,
        /// The risk score of the gate, for entries.
        risk_score: Option<u32>,
        /// The mark price that the decision used.
        price: Option<Price>,
    },
    /// A signal could not be understood.
    SignalRefused {
        /// As it came, with control characters escaped.
        raw: Box<RawSignal>,
        /// Why.
        reason: String,
    },
    /// The records of signals decided before this are forgotten; their ids never are.
    SignalsForgotten {
        /// Before when.
        before: SessionTime,
    },

    // --- orders
    /// An order was decided.
    OrderCreated {
        /// All of it, pending.
        order: Box<Order>,
    },
    /// An order of ours that the journal does not know was found at the exchange and is taken back.
    OrderRecovered {
        /// All of it as far as the exchange tells, UNKNOWN until its word is applied.
        order: Box<Order>,
    },
    /// A request that places it leaves.
    OrderSent {
        /// Which.
        no: OrderNo,
        /// Which attempt, from 1 on.
        attempt: u32,
    },
    /// The exchange has it.
    OrderAccepted {
        /// Which.
        no: OrderNo,
        /// The exchange's id.
        venue_id: VenueOrderId,
    },
    /// An attempt surely failed; the next one is due.
    OrderRetrying {
        /// Which.
        no: OrderNo,
        /// When.
        next_attempt_at: SessionTime,
        /// Why the attempt failed.
        error: String,
    },
    /// An attempt never left, for our own limit had no room: it counts for nothing, and its turn comes again.
    OrderReturned {
        /// Which.
        no: OrderNo,
        /// When, at the earliest.
        next_attempt_at: SessionTime,
        /// Why it did not leave.
        error: String,
    },
    /// It may or may not be at the exchange.
    OrderLost {
        /// Which.
        no: OrderNo,
        /// Why.
        error: String,
    },
    /// The exchange said how much is filled before the fills themselves arrived.
    OrderReported {
        /// Which.
        no: OrderNo,
        /// Version of the report.
        version: u64,
        /// Contracts filled, by the report.
        venue_filled: Contracts,
        /// How the exchange ended it, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<Box<VenueEnd>>,
    },
    /// Its position took the exchange's count of it, at the deadline, without the fills.
    OrderSettled {
        /// Which.
        no: OrderNo,
        /// Contracts filled, by that count.
        contracts: Contracts,
        /// How it ended, if the exchange has ended it.
        end: Option<OrderState>,
        /// For people.
        note: String,
    },
    /// A cancel is wanted.
    OrderCancelWanted {
        /// Which.
        no: OrderNo,
        /// By whom.
        by: String,
    },
    /// A request that cancels it leaves.
    OrderCancelSent {
        /// Which.
        no: OrderNo,
        /// Which attempt, from 1 on.
        attempt: u32,
    },
    /// A cancel did not get through, or was refused.
    OrderCancelFailed {
        /// Which.
        no: OrderNo,
        /// Why.
        error: String,
    },
    /// It ended by a cancel.
    OrderCancelled {
        /// Which.
        no: OrderNo,
        /// Who or why.
        reason: String,
    },
    /// It ended without being accepted, or was refused.
    OrderFailed {
        /// Which.
        no: OrderNo,
        /// Why.
        reason: String,
    },
    /// Terminal orders that are old enough are forgotten here (the journal and the projections
    /// keep them).
    OrdersForgotten {
        /// Which.
        orders: Vec<OrderNo>,
        /// Ids of fills older than this are forgotten too; such fills are ignored from now on.
        fills_before: VenueTime,
    },
    /// Fills of others from before this time of the exchange are not of this session: its clock was
    /// measured, so the start of the session is known by it.
    FillsBegin {
        /// From when on.
        from: VenueTime,
    },
    /// A fill: moves its order and its position at once.
    Filled {
        /// All of it.
        fill: Box<Fill>,
    },

    // --- exit targets
    /// A position is to be brought somewhere; or what the way there waits for changed.
    TargetMoved {
        /// All of it.
        target: Box<Target>,
    },
    /// A target is no more.
    TargetEnded {
        /// Of which opening.
        position: PositionId,
        /// How it ended.
        end: TargetEnd,
        /// For people.
        note: String,
    },

    // --- positions
    /// A position begins: empty before its first fill, or as found at the exchange.
    PositionOpened {
        /// All of it.
        position: Box<Position>,
    },
    /// The exchange's truth replaced ours, and fills do not explain why.
    PositionAdjusted {
        /// Which.
        id: PositionId,
        /// The size now.
        contracts: Contracts,
        /// The same in base units.
        quantity: Qty,
        /// The entry now.
        entry_price: Option<Price>,
        /// Up to which time of the exchange fills are in it.
        settled_to: VenueTime,
        /// Why, for people.
        reason: String,
    },
    /// What the exchange says of a position, and what follows from it.
    PositionSnapshot {
        /// Which.
        id: PositionId,
        /// The exchange's id of it.
        venue_id: VenuePositionId,
        /// The exchange's figures.
        figures: VenueFigures,
        /// The report's version.
        version: u64,
        /// The exchange's average entry, when it tells one for this size.
        #[serde(default)]
        entry_price: Option<Price>,
        /// The mark price used.
        mark: Option<Price>,
        /// Unrealised profit at it.
        unrealised: Option<Usdt>,
        /// Margin ratio in percent; liquidation at 100.
        margin_ratio_pct: Option<Decimal>,
    },
    /// The exchange shows it in another margin mode than was taken for it.
    MarginModeLearned {
        /// Which.
        id: PositionId,
        /// The mode.
        margin_mode: MarginMode,
    },
    /// Its liquidation warnings moved.
    WatchMoved {
        /// Which.
        id: PositionId,
        /// To what.
        watch: LiquidationWatch,
    },
    /// It is no more.
    PositionClosed {
        /// Which.
        id: PositionId,
        /// Why, as far as known.
        cause: CloseCause,
        /// At which price, when known.
        exit_price: Option<Price>,
        /// How many more syncs look for evidence.
        evidence_syncs: u32,
    },
    /// Funding of a position was told after its end.
    FundingSettled {
        /// Which.
        id: PositionId,
        /// Received (+) or paid (-) in all.
        funding: Usdt,
    },
    /// Evidence about a closed position was looked for.
    PositionExplained {
        /// Which.
        id: PositionId,
        /// The cause, as known now.
        cause: CloseCause,
        /// At which price, when known.
        exit_price: Option<Price>,
        /// How many more syncs look for evidence.
        evidence_syncs: u32,
    },

    // --- money and limits
    /// The account, at a sync or a push.
    AccountSnapshot {
        /// As told.
        account: Account,
        /// Equity at the mark prices of the moment.
        equity: Usdt,
    },
    /// The account could not be read for so long that what was told of it counts no more.
    AccountUnknown {
        /// Why not, for people.
        why: String,
    },
    /// A new trading day (UTC) began.
    DayRolled {
        /// Days since the epoch.
        day: i64,
        /// Equity at its start.
        equity: Usdt,
    },
    /// Equity was never higher.
    PeakRaised {
        /// The peak.
        equity: Usdt,
    },
    /// A limit of the session tripped.
    LimitTripped {
        /// Which.
        limit: RiskLimit,
        /// The value and the limit, for people.
        reason: String,
    },
    /// A tripped limit was taken back.
    LimitReset {
        /// Which.
        limit: RiskLimit,
        /// By whom.
        by: String,
    },

    // --- alerts
    /// An alert.
    AlertRaised {
        /// All of it.
        alert: Box<Alert>,
    },
    /// The same alert again.
    AlertRepeated {
        /// Which.
        id: AlertId,
        /// The message now.
        message: String,
        /// Whether it is a condition that holds (again), not something that happened.
        holds: bool,
        /// Its figures now; nothing when those that are known stand.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        details: BTreeMap<String, String>,
    },
    /// An alert turned out to be something else, or worse.
    AlertChanged {
        /// Which.
        id: AlertId,
        /// What it is about now.
        key: AlertKey,
        /// How bad it is now.
        severity: Severity,
        /// The message now.
        message: String,
        /// The numbers now.
        details: BTreeMap<String, String>,
    },
    /// Its condition ended.
    AlertCleared {
        /// Which.
        id: AlertId,
    },
    /// Somebody has seen these.
    AlertsAcknowledged {
        /// Which.
        ids: Vec<AlertId>,
        /// Who.
        by: String,
    },

    // --- breakers
    /// A circuit breaker moved.
    BreakerMoved {
        /// Which.
        class: CallClass,
        /// To where.
        state: BreakerState,
        /// Why, for people.
        reason: String,
    },

    // --- commands
    /// An operator's command came in.
    CommandReceived {
        /// The command.
        command: Box<Command>,
    },
    /// All orders that it is about, as they were when it came.
    CommandConcerns {
        /// Which command.
        id: CommandId,
        /// The orders.
        orders: Vec<OrderNo>,
    },
    /// A command came under an id that was used for something else.
    CommandRefused {
        /// The command.
        command: Box<Command>,
        /// Why, for people.
        why: String,
    },
    /// It moved on.
    CommandMoved {
        /// Which.
        id: CommandId,
        /// How far it is.
        status: CommandStatus,
        /// The orders it still waits for.
        waiting_for: Vec<OrderNo>,
    },

    // --- quotes: applied and published, never journaled
    /// Prices.
    Quoted {
        /// All of them.
        quote: Box<Quote>,
    },
    /// The exchange's view of a position, kept to be compared with ours.
    VenuePositionSeen {
        /// As told, and as of when.
        view: Box<VenueView>,
    },
    /// What is not certain about a position changed; `None` is "nothing any more".
    DoubtMoved {
        /// Which.
        key: PositionKey,
        /// What.
        doubt: Option<Doubt>,
    },
    /// A question whose answer is compared with what is known here was not answered (`Some`), or was.
    ReadMoved {
        /// Which.
        chore: Chore,
        /// Why not.
        error: Option<String>,
    },
    /// A call ended, for the breaker's count.
    CallCounted {
        /// Of which class.
        class: CallClass,
        /// What went wrong, if it counts.
        failure: Option<String>,
        /// Whether it was under way when the last counted failure came: the same trouble, once more.
        #[serde(default)]
        same_round: bool,
    },
    /// A call never left, and says nothing about the exchange: a probe that it was is given back.
    CallNeverLeft {
        /// Of which class.
        class: CallClass,
    },
    /// The one call of a half-open breaker went out.
    ProbeSent {
        /// Of which class.
        class: CallClass,
    },
    /// A call was held back by an open breaker.
    CallHeldBack {
        /// Of which class.
        class: CallClass,
    },
    /// A chore moved in its cycle.
    ChoreMoved {
        /// Which.
        chore: Chore,
        /// To where.
        state: ChoreState,
    },
    /// The first byte of a placement leaves: it cannot be taken back any more.
    OrderLeft {
        /// Which.
        no: OrderNo,
        /// Which attempt.
        attempt: u32,
    },
    /// An exit waits, for a second at most, for the exchange to say what is held.
    ExitHeld {
        /// The signal.
        signal: Box<Signal>,
        /// Until when.
        until: SessionTime,
    },
    /// An exit that was held is decided now.
    ExitReleased {
        /// Which.
        signal: SignalId,
    },
    /// Positions were asked for, for an exit that meets a state known to be old (`Some`), or are known
    /// again (`None`).
    ExitReadMoved {
        /// When it was asked.
        asked: Option<SessionTime>,
    },
    /// An order is being looked up by its client id (`true`) or no longer.
    LookupMoved {
        /// Which.
        no: OrderNo,
        /// Since when the question is out.
        asked_at: Option<SessionTime>,
    },
    /// The exchange answered that it knows no such order: the first time since it was last known there.
    OrderMissed {
        /// Which.
        no: OrderNo,
        /// When the question left.
        asked_at: SessionTime,
    },
    /// A price jumped, or is believed again (`None`).
    PriceDoubted {
        /// Of which contract.
        symbol: Symbol,
        /// What is odd.
        doubt: Option<Box<PriceDoubt>>,
    },
    /// The recovery by lists moved on.
    BulkMoved {
        /// To where.
        bulk: Box<BulkRecovery>,
    },
    /// An order of ours that our journal does not know was asked for by its id, or is answered (`None`).
    LostOrderAsked {
        /// Its id.
        client_id: ClientOrderId,
        /// Since when the question is out.
        asked_at: Option<SessionTime>,
    },
    /// What this start belongs to, to be kept with the data when the exchange has accepted its key.
    IdentityOffered {
        /// It.
        identity: Box<Identity>,
    },
    /// A start that is not ours trades with our session's name.
    CopySeen {
        /// Which.
        incarnation: Incarnation,
    },
    /// The link to the exchange changed.
    LinkMoved {
        /// To what.
        link: LinkState,
    },
    /// The exchange's clock against ours.
    ClockMeasured {
        /// The difference.
        offset: ClockOffset,
    },
    /// The exchange asked for silence: reads and entries wait until then.
    SilenceMoved {
        /// Until when.
        until: SessionTime,
        /// Which call was told so.
        asked_by: String,
        /// Which calls keep silent.
        #[serde(default)]
        calls: CallGroup,
    },
    /// Whether the journal can be written.
    JournalHealth {
        /// What is wrong; `None` when all is well.
        error: Option<String>,
    },
    /// Observers that may lose events have lost some.
    ObserverDropped {
        /// Who.
        observer: String,
        /// How many in all.
        total: u64,
    },
}
