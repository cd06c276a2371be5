//! The MEXC adapter: REST and WebSocket of mexc-contract-api.md behind [`Exchange`].
//!
//! It translates, classes errors, paces itself and signs. It never retries an order and never
//! decides. What it may connect to is judged by [`Address`]; what carries its requests is a
//! [`Link`]: the network, or a router and channels of the same process.

mod address;
mod cancel;
mod codes;
mod core;
mod judge;
mod limiter;
mod memory;
mod network;
mod notices;
mod peer;
mod place;
mod query;
mod sign;
mod stream;
mod transport;
mod venue_clock;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use tokio::sync::mpsc;

pub use address::{Address, AddressError, Permit, Protocol};
pub use memory::Memory;
pub use network::Network;
pub use sign::KeyError;
pub use stream::{Channels, Connect, Socket, StreamHealth};
pub use transport::{HttpRequest, HttpResponse, Sent, Transport, TransportError};

use self::codes::Call;
use self::core::{Ask, Core, Payload, SMALL};
use self::limiter::{Group, Lane, Limiter};
use self::peer::Peer;
use self::sign::Signer;
use super::{Departure, Exchange};
use crate::clock::Clock;
use crate::config::{ExchangeSettings, PaperPeer};
use crate::model::{
    AccountReport, CallError, CancelOrder, CancelOutcome, ClientOrderId, ClockOffset, ContractSpec, ErrorClass,
    Evidence, FillReport, Listing, MarginMode, OrderNo, OrderReport, PlaceOrder, PositionKey, PositionMode,
    PositionReport, Push, Side, Symbol, VenueCapabilities, VenueOrderId, VenueTime,
};

/// Who asks: the exchange's edge turns nameless clients away on the order paths.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("perpdeck/", env!("CARGO_PKG_VERSION")));

/// Where the exchange is, who we are there and what is allowed.
#[derive(Debug)]
pub struct Options {
    /// REST address, without a path: `https://api.mexc.com`.
    pub rest_url: String,
    /// WebSocket address: `wss://contract.mexc.com/edge`.
    pub ws_url: String,
    /// The API key.
    pub api_key: SecretString,
    /// Its secret.
    pub api_secret: SecretString,
    /// Time-outs, intervals and the share of the rate limits.
    pub settings: ExchangeSettings,
    /// What may be reached.
    pub permit: Permit,
}

/// What carries requests and frames.
pub struct Link {
    transport: Arc<dyn Transport>,
    connect: Arc<dyn Connect>,
}

impl Link {
    /// Any transport and any stream.
    pub fn new(transport: Arc<dyn Transport>, connect: Arc<dyn Connect>) -> Self {
        Self { transport, connect }
    }

    /// A router and channels of the same process; for `is_no_answer` see [`Memory::new`].
    pub fn memory(
        router: axum::Router,
        is_no_answer: fn(&axum::response::Response) -> bool,
        connect: Arc<dyn Connect>,
    ) -> Self {
        Self { transport: Arc::new(Memory::new(router, is_no_answer)), connect }
    }
}

/// Why an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address is refused.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be started: {0}")]
    Client(String),
}

/// MEXC's USDT-M perpetual futures.
pub struct Adapter {
    address: Address,
    core: Arc<Core>,
    connect: Arc<dyn Connect>,
    settings: ExchangeSettings,
    health: Arc<StreamHealth>,
    specs: RwLock<BTreeMap<Symbol, Arc<ContractSpec>>>,
}

impl Adapter {
    /// An adapter over the network, or over another link when one is given. Nothing is connected
    /// yet; both addresses are judged whatever the link is.
    ///
    /// # Errors
    /// When an address is not permitted, or the keys cannot be used.
    pub fn new(options: Options, clock: Clock, link: Option<Link>) -> Result<Self, SetupError> {
        let Options { rest_url, ws_url, api_key, api_secret, settings, permit } = options;
        let address = Address::checked(&rest_url, Protocol::Rest, &permit)?;
        let stream = Address::checked(&ws_url, Protocol::Stream, &permit)?;
        let signer = Signer::new(api_key, api_secret)?;
        // A link of the same process leads to nobody else.
        let apart = link.is_none() && matches!(permit, Permit::Loopback);
        let peer = Peer::new(apart && settings.paper_peer == PaperPeer::Simulator);
        let link = if let Some(link) = link {
            link
        } else {
            // Half of the time for the connection, so that its failure is known as "not sent".
            let connect_timeout = clock.network_timeout(settings.call_timeout) / 2;
            let network = Network::new(&address, connect_timeout).map_err(SetupError::Client)?;
            Link { transport: Arc::new(network), connect: Arc::new(stream::Dial::new(stream)) }
        };
        let limiter = Limiter::new(clock.clone(), settings.limiter_share_pct);
        let core = Core::new(clock, signer, link.transport, limiter, settings.call_timeout, peer);
        Ok(Self {
            address,
            core: Arc::new(core),
            connect: link.connect,
            settings,
            health: Arc::default(),
            specs: RwLock::default(),
        })
    }

    /// What the stream had to skip so far.
    pub fn stream_health(&self) -> Arc<StreamHealth> {
        Arc::clone(&self.health)
    }

    fn spec(&self, symbol: &Symbol) -> Option<Arc<ContractSpec>> {
        self.specs.read().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned()
    }

    fn remember(&self, found: &[ContractSpec]) {
        let mut specs = self.specs.write().unwrap_or_else(PoisonError::into_inner);
        specs.extend(found.iter().map(|spec| (spec.symbol.clone(), Arc::new(spec.clone()))));
    }

    /// The contract of an order; read now, should nobody have asked for it yet. That nothing was
    /// sent is sure, so a failure of the question never is ambiguous.
    async fn spec_for(&self, order: &PlaceOrder) -> Result<Arc<ContractSpec>, CallError> {
        if let Some(spec) = self.spec(&order.symbol) {
            return Ok(spec);
        }
        self.contracts(std::slice::from_ref(&order.symbol)).await?;
        self.spec(&order.symbol)
            .ok_or_else(|| self.not_sent(order, &format!("the exchange lists no contract {}", order.symbol)))
    }

    fn not_sent(&self, order: &PlaceOrder, why: &str) -> CallError {
        let what = format!("not sent: {why}");
        self.core.failure(("place order", order.client_id.as_str()), ErrorClass::Fatal, false, None, &what)
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mexc::Adapter({})", self.address)
    }
}

#[async_trait]
impl Exchange for Adapter {
    fn address(&self) -> String {
        self.address.to_string()
    }

    fn capabilities(&self) -> VenueCapabilities {
        let (placements, placement_window) = self.core.limiter.placements();
        VenueCapabilities { placements: Some(placements), placement_window, ..VenueCapabilities::default() }
    }

    async fn server_time(&self) -> Result<ClockOffset, CallError> {
        self.core.measure().await
    }

    async fn contracts(&self, symbols: &[Symbol]) -> Result<Vec<ContractSpec>, CallError> {
        let (found, broken) = query::contracts(&self.core, symbols).await?;
        for why in broken {
            self.health.skip(&why, "a contract that makes no sense was left out:");
        }
        self.remember(&found);
        Ok(found)
    }

    async fn position_mode(&self) -> Result<PositionMode, CallError> {
        query::position_mode(&self.core).await
    }

    async fn set_leverage(&self, key: &PositionKey, leverage: u32, margin: MarginMode) -> Result<(), CallError> {
        let leg = match key.side {
            Side::Long => 1,
            Side::Short => 2,
        };
        let open_type = place::open_type_number(margin);
        let body = format!(
            "{{\"symbol\":\"{}\",\"leverage\":{leverage},\"openType\":{open_type},\"positionType\":{leg}}}",
            key.symbol
        );
        let ask = Ask {
            name: "set leverage",
            about: key.symbol.as_str(),
            call: Call::Read,
            group: Group::Leverage,
            lane: Lane::Entry,
            path: "/api/v1/private/position/change_leverage",
            most_body: SMALL,
            payload: Payload::Post(body.into()),
        };
        self.core.ask(ask, |_| Ok(())).await
    }

    async fn place(&self, order: &PlaceOrder, departure: &Departure) -> Result<VenueOrderId, CallError> {
        let spec = self.spec_for(order).await?;
        if let Some(why) = place::against_contract(order, &spec) {
            return Err(self.not_sent(order, &why));
        }
        place::place(&self.core, order, departure).await
    }

    async fn cancel(&self, orders: &[CancelOrder]) -> Result<Vec<(OrderNo, CancelOutcome)>, CallError> {
        cancel::cancel(&self.core, orders).await
    }

    async fn order(&self, symbol: &Symbol, client_id: &ClientOrderId) -> Result<Option<OrderReport>, CallError> {
        query::order(&self.core, symbol, client_id).await
    }

    async fn open_orders(&self) -> Result<Listing<OrderReport>, CallError> {
        query::open_orders(&self.core).await
    }

    async fn order_history(&self, since: VenueTime) -> Result<Listing<OrderReport>, CallError> {
        query::order_history(&self.core, since).await
    }

    async fn order_fills(&self, symbol: &Symbol, order: &VenueOrderId) -> Result<Listing<FillReport>, CallError> {
        query::order_fills(&self.core, symbol, order).await
    }

    async fn fills_since(&self, symbols: &[Symbol], since: VenueTime) -> Result<Listing<FillReport>, CallError> {
        query::fills_since(&self.core, symbols, since).await
    }

    async fn positions(&self) -> Result<Listing<PositionReport>, CallError> {
        query::positions(&self.core).await
    }

    async fn account(&self) -> Result<Listing<AccountReport>, CallError> {
        query::account(&self.core).await
    }

    async fn evidence(&self, key: &PositionKey, since: VenueTime) -> Result<Evidence, CallError> {
        query::evidence(&self.core, key, since).await
    }

    fn stream(&self, symbols: Vec<Symbol>) -> mpsc::Receiver<Push> {
        stream::start(
            Arc::clone(&self.core),
            Arc::clone(&self.connect),
            self.settings.clone(),
            Arc::clone(&self.health),
            symbols,
        )
    }
}
