//! The gateway carries the engine's requests to the exchange, each in its own task, and brings the
//! answers back as inputs. Lanes, rate limits and signing are the adapter's.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::kill::kill_point;
use crate::clock::Clock;
use crate::engine::{Input, Reply, Request};
use crate::exchange::{Departure, Exchange};
use crate::model::{AccountReport, CallError, ErrorClass, Listing, OrderNo, PositionReport, Refusal, Symbol};

/// The adapter ends each attempt on its own and can tell whether it left; this many times its
/// time-out is allowed for waiting in a lane and for the pages of a list before the gateway gives
/// the call up.
const LANE_FACTOR: u32 = 3;

/// How much longer than the positions the account beside them may take.
const ACCOUNT_AFTER_POSITIONS: Duration = Duration::from_secs(2);

/// Carries requests to the exchange.
pub struct Gateway {
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    patience: Duration,
    symbols: Vec<Symbol>,
    inputs: mpsc::UnboundedSender<Input>,
    /// Tokens of the placements that are under way.
    departures: Arc<Mutex<BTreeMap<OrderNo, Departure>>>,
    /// Questions about the whole account that are under way, by what they ask.
    questions: Mutex<BTreeMap<&'static str, Vec<AbortHandle>>>,
}

impl Gateway {
    /// A gateway that reports to `inputs`. `symbols` are the contracts whose details are asked for;
    /// none means all.
    pub fn new(
        exchange: Arc<dyn Exchange>,
        clock: Clock,
        call_timeout: Duration,
        symbols: Vec<Symbol>,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let patience = clock.network_timeout(call_timeout).saturating_mul(LANE_FACTOR);
        let (departures, questions) = (Arc::default(), Mutex::default());
        Self { exchange, clock, patience, symbols, inputs, departures, questions }
    }

    /// Sends a request on its way. There is exactly one reply to it, whatever happens; only a question about the
    /// whole account is given up without one when it was put again since and an older one is out still.
    pub fn send(&self, request: Request) {
        let exchange = Arc::clone(&self.exchange);
        let inputs = self.inputs.clone();
        let call = Call { clock: self.clock.clone(), patience: self.patience, symbols: self.symbols.clone() };
        let placed = if let Request::Place { no, .. } = &request { Some(*no) } else { None };
        let departure = self.departure(&request);
        let departures = Arc::clone(&self.departures);
        let question = question(&request);
        let task = tokio::spawn(async move {
            let (reply, defect) = call.run(exchange.as_ref(), request, departure).await;
            if let Some(no) = placed {
                lock(&departures).remove(&no);
            }
            // Nobody listens any more when the session has ended.
            if let Some(what) = defect {
                let _ = inputs.send(Input::Failure { what });
            }
            let _ = inputs.send(Input::Reply(Box::new(reply)));
        });
        if let Some(question) = question {
            self.keep_two(question, task.abort_handle());
        }
    }

    /// What is asked again and again while nothing is answered does not pile up: the oldest of a kind stays, for its
    /// answer may be near, and the newest, for it knows most.
    fn keep_two(&self, question: &'static str, newest: AbortHandle) {
        let mut questions = lock(&self.questions);
        let out = questions.entry(question).or_default();
        out.retain(|task| !task.is_finished());
        for between in out.drain(1.min(out.len())..) {
            between.abort();
        }
        out.push(newest);
    }

    /// The token of a placement; the engine is told when it leaves.
    fn departure(&self, request: &Request) -> Departure {
        let Request::Place { no, attempt, .. } = *request else { return Departure::default() };
        let inputs = self.inputs.clone();
        let departure = Departure::telling(move || {
            // Nobody listens any more when the session has ended.
            let _ = inputs.send(Input::Reply(Box::new(Reply::Left { no, attempt })));
        });
        lock(&self.departures).insert(no, departure.clone());
        departure
    }

    /// Takes back placements that have not left; each is answered by its own task.
    pub fn revoke(&self, orders: &[OrderNo]) {
        let departures = lock(&self.departures);
        for no in orders {
            if let Some(departure) = departures.get(no) {
                departure.revoke();
            }
        }
    }

    /// The answer to a request that must not leave: surely not done.
    pub fn refuse(&self, request: &Request, refusal: Refusal, why: &str) {
        let error =
            CallError { class: ErrorClass::NeverLeft, counts: false, code: None, refusal, message: why.to_owned() };
        let reply = match request {
            Request::Place { no, attempt, .. } => Reply::Placed { no: *no, attempt: *attempt, result: Err(error) },
            Request::Cancel { orders } => {
                Reply::Cancelled { orders: orders.iter().map(|order| order.no).collect(), result: Err(error) }
            }
            _ => return,
        };
        let _ = self.inputs.send(Input::Reply(Box::new(reply)));
    }
}

/// What a request about the whole account asks; `None` for one about an order, and for what acts.
const fn question(request: &Request) -> Option<&'static str> {
    match request {
        Request::OpenOrders => Some("open orders"),
        Request::OrderHistory { .. } => Some("order history"),
        Request::FillsSince { .. } => Some("fills"),
        Request::Positions => Some("positions"),
        Request::PositionMode => Some("position mode"),
        Request::Contracts => Some("contracts"),
        Request::ServerTime => Some("server time"),
        Request::Place { .. }
        | Request::Cancel { .. }
        | Request::Revoke { .. }
        | Request::Lookup { .. }
        | Request::OrderFills { .. }
        | Request::Evidence { .. } => None,
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a call ended, and what defect of ours ended it, if one did.
type Outcome<T> = (Result<T, CallError>, Option<String>);

struct Call {
    clock: Clock,
    patience: Duration,
    symbols: Vec<Symbol>,
}

/// What to make of a call that gave no answer.
#[derive(Clone, Copy)]
enum Silence {
    MayBeDone,
    OnlyReads,
}

impl Call {
    async fn run(&self, exchange: &dyn Exchange, request: Request, departure: Departure) -> (Reply, Option<String>) {
        use Silence::{MayBeDone, OnlyReads};
        let asked_at = self.clock.now();
        match request {
            Request::Place { no, attempt, order } => {
                let exit = order.intent.reduces();
                kill_point(if exit { "before-exit-sent" } else { "before-entry-sent" });
                let (result, defect) = self.within("place", MayBeDone, exchange.place(&order, &departure)).await;
                kill_point(if exit { "after-exit-reply" } else { "after-entry-reply" });
                (Reply::Placed { no, attempt, result }, defect)
            }
            // Revoking is done at once, by the gateway itself.
            Request::Revoke { orders } => (
                Reply::Cancelled { orders, result: Ok(Vec::new()) },
                Some("a revocation was taken for a call".to_owned()),
            ),
            Request::Cancel { orders } => {
                kill_point("before-cancel-sent");
                let (result, defect) = self.within("cancel", MayBeDone, exchange.cancel(&orders)).await;
                kill_point("after-cancel-reply");
                let asked: Vec<OrderNo> = orders.iter().map(|order| order.no).collect();
                (Reply::Cancelled { orders: asked, result }, defect)
            }
            Request::Lookup { no, symbol, client_id } => {
                let (result, defect) =
                    self.within("order look-up", OnlyReads, exchange.order(&symbol, &client_id)).await;
                (Reply::LookedUp { no, asked_at, result }, defect)
            }
            Request::OrderFills { no, symbol, venue_id } => {
                let call = exchange.order_fills(&symbol, &venue_id);
                let (result, defect) = self.within("fills of an order", OnlyReads, call).await;
                (Reply::OrderFills { no, result }, defect)
            }
            Request::OpenOrders => {
                let (result, defect) = self.within("open orders", OnlyReads, exchange.open_orders()).await;
                (Reply::OpenOrders { asked_at, result }, defect)
            }
            Request::OrderHistory { since } => {
                let (result, defect) = self.within("order history", OnlyReads, exchange.order_history(since)).await;
                (Reply::OrderHistory { asked_at, since, result }, defect)
            }
            Request::FillsSince { symbols, since } => {
                let (result, defect) = self.within("fills", OnlyReads, exchange.fills_since(&symbols, since)).await;
                (Reply::Fills { asked_at, result }, defect)
            }
            Request::Positions => {
                let (positions, account) = self.positions_and_account(exchange).await;
                let defect = positions.1.or(account.1);
                (Reply::Positions { asked_at, result: positions.0, account: account.0 }, defect)
            }
            Request::Evidence { id, key, since } => {
                let (result, defect) = self.within("evidence", OnlyReads, exchange.evidence(&key, since)).await;
                (Reply::Evidence { id, result }, defect)
            }
            Request::PositionMode => {
                let (result, defect) = self.within("position mode", OnlyReads, exchange.position_mode()).await;
                (Reply::PositionMode { result }, defect)
            }
            Request::Contracts => {
                let (result, defect) = self.within("contracts", OnlyReads, exchange.contracts(&self.symbols)).await;
                (Reply::Contracts { result }, defect)
            }
            Request::ServerTime => {
                let (result, defect) = self.within("server time", OnlyReads, exchange.server_time()).await;
                (Reply::ServerTime { result }, defect)
            }
        }
    }

    /// Both at once, each with its own end. Exits wait for the positions, so the account holds them up
    /// for a moment at most.
    async fn positions_and_account(
        &self,
        exchange: &dyn Exchange,
    ) -> (Outcome<Listing<PositionReport>>, Outcome<Listing<AccountReport>>) {
        let positions = self.within("positions", Silence::OnlyReads, exchange.positions());
        let account = self.within("account", Silence::OnlyReads, exchange.account());
        tokio::pin!(positions, account);
        let positions = tokio::select! {
            biased;
            positions = &mut positions => positions,
            account = &mut account => return (positions.await, account),
        };
        let longest = self.clock.network_timeout(ACCOUNT_AFTER_POSITIONS);
        let account = tokio::time::timeout(longest, account).await.unwrap_or_else(|_| {
            let message = format!("account: no answer within {longest:?} after the positions");
            let (class, refusal) = (ErrorClass::Retryable, Refusal::Unspecified);
            (Err(CallError { class, counts: true, code: None, refusal, message }), None)
        });
        (positions, account)
    }

    /// Waits for a call, but not for ever, and survives its defects.
    async fn within<T>(
        &self,
        what: &str,
        silence: Silence,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Outcome<T> {
        let class = match silence {
            Silence::MayBeDone => ErrorClass::Ambiguous,
            Silence::OnlyReads => ErrorClass::Retryable,
        };
        let error = |message: String, counts, refusal| Err(CallError { class, counts, code: None, refusal, message });
        match tokio::time::timeout(self.patience, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(result)) => (result, None),
            Ok(Err(panic)) => {
                let what = format!("the call {what:?} ended by a defect: {}", panic_text(panic.as_ref()));
                (error(what.clone(), false, Refusal::Defect), Some(what))
            }
            Err(_) => {
                (error(format!("{what}: no answer within {:?}", self.patience), true, Refusal::Unspecified), None)
            }
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason given".to_owned())
}
